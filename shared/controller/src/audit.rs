//! The audit events of a change of the flag or the hold. The event says only that there was one; the change itself is
//! read here.

use std::time::Duration;

use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::audit::{self, Audited};
use bluegreen_core::claim::Failure;
use bluegreen_core::flag::{FlagObservation, HistoryEntry};
use bluegreen_core::metric::Metric;
use bluegreen_core::response::Heard;
use bluegreen_core::time::{elapsed, whole_milliseconds};
use jiff::Timestamp;

use crate::audit_trail;
use crate::audit_trail::Sent;
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Services;

/// Pauses before readings that seem to lag behind are repeated; in total far less than the Lambda time-out.
const LOOK_AGAIN: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// How often to check for unaudited versions, and how long a newer change is left to its own listener.
const LOOKS_AFTER: u32 = 3;
const THEIR_TIME: Duration = Duration::from_secs(2);

/// By how much a change may seem older than its event: EventBridge's clock is not Parameter Store's.
const CLOCKS: Duration = Duration::from_secs(2);

/// Audits whatever is due, whatever the change was: a lost or doubled event changes nothing.
pub async fn audit(services: &Services, change: &Change, invocation: &Invocation) -> Result<Heard, FunctionError> {
    let is_hold = change.is_of_hold;
    let mut seen = look(services).await?;
    // The changes are another pair's, whose own listener audits them.
    services.may_write()?;
    // Parameter Store's readings may lag behind the very change that an event reports.
    for pause in LOOK_AGAIN {
        if !change.is_unseen_in(&seen) {
            break;
        }
        tokio::time::sleep(pause).await;
        seen = look(services).await?;
    }
    let now = services.clock.now();
    let flag = audit_all(services, &seen, now);
    let hold = async {
        if is_hold {
            hold_changed(services, change, &seen.observed, now).await
        } else {
            Ok(())
        }
    };
    let (audited, reported) = tokio::join!(flag, hold);
    let (sent, observed) = audited?;
    reported?;
    tracing::info!(
        pair = services.settings.pair,
        active = observed.flag.as_ref().map(|flag| flag.value.to_string()),
        version = observed.flag.as_ref().map(|flag| flag.version.0),
        decision = "audited",
        events = sent.versions.len(),
        pruned = sent.pruned,
        request_id = %invocation.request_id,
        "change"
    );
    Ok(Heard::Audited {
        audited: sent.versions,
        hold_changed: is_hold,
        pruned_records: sent.pruned,
        active: observed.flag.as_ref().and_then(|flag| flag.value.color()),
        version: observed.flag.as_ref().map(|flag| flag.version),
        elapsed_ms: whole_milliseconds(invocation.elapsed()),
    })
}

/// The result of reading everything once.
struct Seen {
    observed: Observed,
    history: Vec<HistoryEntry>,
}

impl Seen {
    /// The flag is missing in both readings: a single reading may be stale.
    fn has_no_flag(&self) -> bool {
        self.observed.flag.is_none() && self.history.is_empty()
    }
}

async fn look(services: &Services) -> Result<Seen, FunctionError> {
    let (observed, history) = tokio::join!(services.store.observe(), services.store.history());
    Ok(Seen {
        observed: observed.map_err(unreadable)?,
        history: history.map_err(unreadable)?,
    })
}

fn unreadable(failure: Failure) -> FunctionError {
    FunctionError::unreadable("reading the flag", failure.cause)
}

/// What an event says about a change. Its time is in whole seconds, and from another clock.
#[derive(Debug, Clone)]
pub struct Change {
    /// Whether the hold has changed; otherwise the flag has.
    pub is_of_hold: bool,
    /// Whether the parameter exists after the change; `None` if the event does not say so.
    pub is_there: Option<bool>,
    /// When the change was made.
    pub at: Option<Timestamp>,
    /// The id of the event.
    pub event_id: String,
}

impl Change {
    /// Whether this reading is from before the change. A wrong doubt costs a moment, and nothing else.
    fn is_unseen_in(&self, seen: &Seen) -> bool {
        let (Some(is_there), Some(at)) = (self.is_there, self.at) else {
            return false;
        };
        let written = if self.is_of_hold {
            seen.observed.stored_hold.as_ref().map(|hold| hold.written)
        } else {
            // The older of the two readings, because both are needed. There is no flag only if neither saw one.
            let newest = seen.history.last().map(|entry| entry.modified);
            match (&seen.observed.flag, newest) {
                (Some(flag), Some(newest)) => Some(newest.min(flag.modified)),
                (Some(flag), None) => Some(flag.modified),
                (None, newest) => newest,
            }
        };
        match written {
            Some(written) if is_there => elapsed(written, at) > CLOCKS,
            Some(written) => written <= at,
            None => is_there,
        }
    }
}

/// Whether one of these versions is this one, or a later one.
fn is_within(flag: &FlagObservation, audited: [Option<Audited>; 2]) -> bool {
    let mut audited = audited.into_iter().flatten();
    audited.any(|audited| flag.version <= audited.version && flag.modified <= audited.at)
}

/// Audits until the newest version is audited. Another change may have come after this reading, or have been missing in
/// it, and its own listener may have got a stale reading.
async fn audit_all(services: &Services, seen: &Seen, now: Timestamp) -> Result<(Sent, Observed), FunctionError> {
    let Seen { observed, history } = seen;
    if seen.has_no_flag() {
        flag_missing(services, observed, now).await?;
        return Ok((Sent::default(), observed.clone()));
    }
    let mut all = audit_trail::catch_up(services, history, observed, now).await?;
    let mut newest = history.last().map(Audited::from);
    let mut observed = observed.clone();
    for _ in 0..LOOKS_AFTER {
        // The watcher audits what is missed here.
        let Ok(newer) = services.store.observe().await else {
            break;
        };
        observed = newer;
        let noted = observed.audited;
        let flag = observed.flag.as_ref();
        if flag.is_none_or(|flag| is_within(flag, [newest, noted])) {
            break;
        }
        // That change's own listener probably runs now; audited by both, the change would be counted twice.
        tokio::time::sleep(THEIR_TIME).await;
        let seen = look(services).await?;
        let sent = audit_trail::catch_up(services, &seen.history, &seen.observed, services.clock.now()).await?;
        newest = seen.history.last().map(Audited::from);
        observed = seen.observed;
        all.versions.extend(sent.versions);
        all.pruned = all.pruned.saturating_add(sent.pruned);
    }
    Ok((all, observed))
}

/// Handles a missing flag of a pair that has a past.
async fn flag_missing(services: &Services, observed: &Observed, now: Timestamp) -> Result<(), FunctionError> {
    let has_past = observed.audited.is_some()
        || services
            .store
            .has_records()
            .await
            .map_err(|failure| FunctionError::unreadable("reading the transition records", failure.cause))?;
    if !has_past {
        return Ok(());
    }
    let subject = services.subject();
    let event = audit::flag_fault(
        subject,
        &audit::missing_flag(observed.audited),
        audit::FLAG_DELETED,
        now,
    );
    let faults = [Metric::flag_fault(now)];
    let (sent, published) = tokio::join!(
        services.bus.send(std::slice::from_ref(&event)),
        services.metrics.publish(&faults)
    );
    sent.and(published)
        .map_err(FunctionError::undelivered("reporting that the flag is gone"))
}

async fn hold_changed(
    services: &Services,
    change: &Change,
    observed: &Observed,
    now: Timestamp,
) -> Result<(), FunctionError> {
    if let Some(stored) = &observed.stored_hold {
        audit_trail::catch_up_hold(services, stored, now).await?;
        return Ok(());
    }
    // It was placed, and deleted since then: the event of the deletion comes, too.
    if change.is_there == Some(true) {
        return Ok(());
    }
    let at = change.at.unwrap_or(now);
    services
        .bus
        .send(&[audit::hold_removed(services.subject(), &change.event_id, at)])
        .await
        .map_err(FunctionError::undelivered("reporting a removed hold"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{at, audited, entry, flag};

    const VERSION: u64 = 7;

    #[test]
    fn a_flag_is_audited_as_far_as_a_version_that_was_written_no_earlier() {
        let flag = flag(7, 70);
        let to = |version: u64, second: i64| Some(audited(version, second));
        for (one, other, expected) in [
            (to(7, 70), None, true),
            (None, to(7, 70), true),
            (to(6, 60), to(8, 80), true),
            (to(6, 60), None, false),
            (to(6, 60), to(6, 60), false),
            // Of the flag before that was deleted, or of one that was created since.
            (to(9, 60), None, false),
            (to(1, 80), None, false),
            (None, None, false),
        ] {
            assert_eq!(is_within(&flag, [one, other]), expected, "{one:?} {other:?}");
        }
    }

    /// Readings of a flag that was written at that second, if they see it.
    fn seen(flag: Option<i64>, history: Option<i64>) -> Seen {
        Seen {
            observed: Observed {
                flag: flag.map(|second| self::flag(VERSION, second)),
                ..Observed::default()
            },
            history: history.map(|second| entry(VERSION, second)).into_iter().collect(),
        }
    }

    #[test]
    fn a_flag_that_one_reading_saw_is_not_missing() {
        assert!(seen(None, None).has_no_flag());
        assert!(!seen(Some(0), None).has_no_flag(), "the history lags behind");
        assert!(!seen(None, Some(0)).has_no_flag(), "the flag's reading is older");
        assert!(!seen(Some(0), Some(0)).has_no_flag());
    }

    #[test]
    fn a_change_is_seen_when_both_readings_are_as_young_as_it() {
        let change = |is_there| Change {
            is_of_hold: false,
            is_there,
            at: Some(at(100)),
            event_id: "c-1".to_owned(),
        };
        let there = change(Some(true));
        for (flag, history, is_unseen) in [
            (Some(98), Some(98), false),
            (Some(97), Some(98), true),
            (Some(98), Some(97), true),
            (Some(98), None, false),
            (None, Some(98), false),
            (None, Some(97), true),
            (None, None, true),
        ] {
            let unseen = there.is_unseen_in(&seen(flag, history));
            assert_eq!(unseen, is_unseen, "there since, flag {flag:?}, history {history:?}");
        }
        let gone = change(Some(false));
        for (flag, history, is_unseen) in [
            (Some(100), Some(100), true),
            (None, Some(100), true),
            (Some(100), None, true),
            (None, None, false),
            // Re-created since.
            (Some(101), Some(101), false),
        ] {
            let unseen = gone.is_unseen_in(&seen(flag, history));
            assert_eq!(unseen, is_unseen, "gone since, flag {flag:?}, history {history:?}");
        }
        let unsaid = change(None);
        assert!(!unsaid.is_unseen_in(&seen(None, None)), "says nothing of the kind");
        let undated = Change { at: None, ..there };
        assert!(!undated.is_unseen_in(&seen(None, None)));
    }
}
