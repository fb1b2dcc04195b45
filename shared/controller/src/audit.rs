//! A change event in, audit events out. The event says only that something changed; what, is read here.
//! An audit event in, a message to people out: that one says it all.

use std::time::Duration;

use bluegreen_aws::clock;
use bluegreen_aws::notifications::Notifications;
use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::audit;
use bluegreen_core::flag::{FlagVersion, HistoryEntry};
use bluegreen_core::metric::Metric;
use bluegreen_core::notification::{Place, compose};
use bluegreen_core::switch::Failure;
use bluegreen_core::time::{elapsed, whole_milliseconds};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::audit_trail;
use crate::audit_trail::Sent;
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Shell;

/// Pauses before readings that seem to lag behind are repeated; in all well within what Lambda gives.
const LOOK_AGAIN: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// How often it is looked whether anything is left, and how long a change that came meanwhile is left to its own listener.
const LOOKS_AFTER: u32 = 3;
const THEIR_TIME: Duration = Duration::from_secs(2);

/// By how much a change may seem to be older than its event: EventBridge's clock is not Parameter Store's.
const CLOCKS: Duration = Duration::from_secs(2);

/// Answers one event. An audit event is told to people. After anything else it audits whatever is due, whatever the
/// event says: a lost or doubled one changes nothing.
pub async fn handle(shell: &Shell, event: Value, invocation: &Invocation) -> Result<Value, FunctionError> {
    if event.get("source").and_then(Value::as_str) == Some(audit::SOURCE) {
        return tell_people(shell, &event, invocation).await;
    }
    let name = event.pointer("/detail/name").and_then(Value::as_str);
    let is_hold = name == Some(shell.settings.names.hold().as_str());
    if !is_hold && name != Some(shell.settings.names.flag()) {
        tracing::warn!(request_id = %invocation.request_id, name, "an event about neither flag nor hold: audited all the same");
    }
    let change = Change::read(&event, is_hold);
    let mut seen = look(shell).await?;
    // The changes are another pair's, whose own listener audits them.
    shell.may_write()?;
    // Parameter Store's readings may lag behind the very change that an event tells of.
    for pause in LOOK_AGAIN {
        if !change.is_unseen_in(&seen) {
            break;
        }
        tokio::time::sleep(pause).await;
        seen = look(shell).await?;
    }
    let now = clock::now();
    let flag = audit_all(shell, &seen, now);
    let hold = async {
        if is_hold {
            hold_changed(shell, &event, &seen.observed, now).await
        } else {
            Ok(())
        }
    };
    let (audited, reported) = tokio::join!(flag, hold);
    let (sent, observed) = audited?;
    reported?;
    tracing::info!(
        pair = shell.settings.pair,
        active = observed.flag.as_ref().map(|flag| flag.value.to_string()),
        version = observed.flag.as_ref().map(|flag| flag.version.0),
        decision = "audited",
        events = sent.versions.len(),
        pruned = sent.pruned,
        request_id = %invocation.request_id,
        "change"
    );
    Ok(json!({
        "audited": sent.versions,
        "hold_changed": is_hold,
        "pruned_records": sent.pruned,
        "active": observed.flag.as_ref().and_then(|flag| flag.value.colour()),
        "version": observed.flag.as_ref().map(|flag| flag.version),
        "elapsed_ms": whole_milliseconds(invocation.elapsed()),
    }))
}

/// What one reading of everything saw.
struct Seen {
    observed: Observed,
    history: Vec<HistoryEntry>,
}

impl Seen {
    /// Missing in both readings: one alone may be stale.
    fn has_no_flag(&self) -> bool {
        self.observed.flag.is_none() && self.history.is_empty()
    }
}

async fn look(shell: &Shell) -> Result<Seen, FunctionError> {
    let (observed, history) = tokio::join!(shell.store.observe(), shell.store.history());
    Ok(Seen {
        observed: observed.map_err(unreadable)?,
        history: history.map_err(unreadable)?,
    })
}

fn unreadable(failure: Failure) -> FunctionError {
    FunctionError::unreadable("reading the flag", failure.cause)
}

/// What the event says of the change. Its time is of whole seconds, and by another clock.
struct Change {
    is_of_hold: bool,
    /// Whether the parameter is there since; none if the event says nothing of the kind.
    is_there: Option<bool>,
    at: Option<Timestamp>,
}

impl Change {
    fn read(event: &Value, is_of_hold: bool) -> Self {
        let text = |path: &str| event.pointer(path).and_then(Value::as_str);
        Self {
            is_of_hold,
            is_there: match text("/detail/operation") {
                Some("Create" | "Update") => Some(true),
                Some("Delete") => Some(false),
                _ => None,
            },
            at: text("/time").and_then(|time| time.parse().ok()),
        }
    }

    /// Whether this reading is of the time before the change. Doubted wrongly it costs a moment, and nothing else.
    fn is_unseen_in(&self, seen: &Seen) -> bool {
        let (Some(is_there), Some(at)) = (self.is_there, self.at) else {
            return false;
        };
        let written = if self.is_of_hold {
            seen.observed.stored_hold.as_ref().map(|hold| hold.written)
        } else {
            // The older of the two readings, for both are needed; there is no flag only if neither saw one.
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

/// Audits until what is there is audited: another change may have come after this reading, or have been missing in it, and
/// the listener that it woke may have read the past.
async fn audit_all(shell: &Shell, seen: &Seen, now: Timestamp) -> Result<(Sent, Observed), FunctionError> {
    let Seen { observed, history } = seen;
    if seen.has_no_flag() {
        flag_missing(shell, observed, now).await?;
        return Ok((Sent::default(), observed.clone()));
    }
    let mut all = audit_trail::catch_up(shell, history, observed, now).await?;
    let mut newest = history.last().map(|entry| (entry.version, entry.modified));
    let mut observed = observed.clone();
    for _ in 0..LOOKS_AFTER {
        // The watcher makes good what is missed here.
        let Ok(newer) = shell.store.observe().await else { break };
        observed = newer;
        let noted = observed.audited.map(|audited| (audited.version, audited.at));
        let is_audited = observed.flag.as_ref().is_none_or(|flag| {
            let within = |to: Option<(FlagVersion, Timestamp)>| {
                to.is_some_and(|(version, at)| flag.version <= version && flag.modified <= at)
            };
            within(newest) || within(noted)
        });
        if is_audited {
            break;
        }
        // The listener that it woke is at work, most likely; told by both it would be counted twice.
        tokio::time::sleep(THEIR_TIME).await;
        let seen = look(shell).await?;
        let sent = audit_trail::catch_up(shell, &seen.history, &seen.observed, clock::now()).await?;
        newest = seen.history.last().map(|entry| (entry.version, entry.modified));
        observed = seen.observed;
        all.versions.extend(sent.versions);
        all.pruned = all.pruned.saturating_add(sent.pruned);
    }
    Ok((all, observed))
}

async fn tell_people(shell: &Shell, event: &Value, invocation: &Invocation) -> Result<Value, FunctionError> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str);
    let place = Place {
        pair: &shell.settings.pair,
        flag: shell.settings.names.flag(),
        region: text("/region"),
    };
    let detail = event.get("detail").unwrap_or(&Value::Null);
    let notification = compose(place, text("/detail-type").unwrap_or("unknown"), detail);
    let Some(topic) = shell.settings.notification_topic.clone() else {
        tracing::warn!(
            subject = notification.subject,
            "nobody is told: NOTIFICATION_TOPIC_ARN is not set"
        );
        return Ok(json!({"told": false, "subject": notification.subject}));
    };
    // Lambda tries again, then puts the event into the dead letters.
    let message = Notifications::new(&shell.sdk, topic)
        .publish(&notification)
        .await
        .map_err(FunctionError::undelivered("telling people of an event"))?;
    tracing::info!(
        pair = shell.settings.pair,
        decision = "told",
        subject = notification.subject,
        event = text("/detail/id"),
        sns_message = message,
        request_id = %invocation.request_id,
        "notification"
    );
    Ok(json!({
        "told": true,
        "subject": notification.subject,
        "message": message,
        "elapsed_ms": whole_milliseconds(invocation.elapsed()),
    }))
}

/// A pair with a past has lost its flag.
async fn flag_missing(shell: &Shell, observed: &Observed, now: Timestamp) -> Result<(), FunctionError> {
    let has_past = observed.audited.is_some()
        || shell
            .store
            .has_records()
            .await
            .map_err(|failure| FunctionError::unreadable("reading the transition records", failure.cause))?;
    if !has_past {
        return Ok(());
    }
    let subject = shell.subject();
    let what = "the flag was deleted: this pair has transition records";
    let event = audit::flag_fault(subject, &audit::missing_flag(observed.audited), what, now);
    let faults = [Metric::flag_fault(now)];
    let (sent, published) = tokio::join!(
        shell.bus.send(std::slice::from_ref(&event)),
        shell.metrics.publish(&faults)
    );
    sent.and(published)
        .map_err(FunctionError::undelivered("reporting that the flag is gone"))
}

async fn hold_changed(shell: &Shell, event: &Value, observed: &Observed, now: Timestamp) -> Result<(), FunctionError> {
    if let Some(stored) = &observed.stored_hold {
        audit_trail::catch_up_hold(shell, stored, now).await?;
        return Ok(());
    }
    let id = event.get("id").and_then(Value::as_str).unwrap_or("unknown");
    shell
        .bus
        .send(&[audit::hold_removed(shell.subject(), id, now)])
        .await
        .map_err(FunctionError::undelivered("reporting a removed hold"))
}

#[cfg(test)]
mod tests {
    use std::ops::Add as _;

    use bluegreen_core::flag::{FlagObservation, FlagValue};

    use super::*;

    const VERSION: FlagVersion = FlagVersion(7);

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH.add(jiff::SignedDuration::from_secs(second))
    }

    /// Readings of a flag that was written at that second, if they see it.
    fn seen(flag: Option<i64>, history: Option<i64>) -> Seen {
        let value = FlagValue::read("blue");
        Seen {
            observed: Observed {
                flag: flag.map(|second| FlagObservation {
                    value: value.clone(),
                    version: VERSION,
                    modified: at(second),
                }),
                ..Observed::default()
            },
            history: history
                .map(|second| HistoryEntry {
                    value: value.clone(),
                    version: VERSION,
                    modified: at(second),
                    author: None,
                    description: None,
                })
                .into_iter()
                .collect(),
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
        let change = |operation: &str| {
            let event = json!({"time": at(100).to_string(), "detail": {"operation": operation}});
            Change::read(&event, false)
        };
        for operation in ["Create", "Update"] {
            for (flag, history, is_unseen) in [
                (Some(98), Some(98), false),
                (Some(97), Some(98), true),
                (Some(98), Some(97), true),
                (Some(98), None, false),
                (None, Some(98), false),
                (None, Some(97), true),
                (None, None, true),
            ] {
                let unseen = change(operation).is_unseen_in(&seen(flag, history));
                assert_eq!(unseen, is_unseen, "{operation}, flag {flag:?}, history {history:?}");
            }
        }
        for (flag, history, is_unseen) in [
            (Some(100), Some(100), true),
            (None, Some(100), true),
            (Some(100), None, true),
            (None, None, false),
            // Made anew since.
            (Some(101), Some(101), false),
        ] {
            let unseen = change("Delete").is_unseen_in(&seen(flag, history));
            assert_eq!(unseen, is_unseen, "Delete, flag {flag:?}, history {history:?}");
        }
        assert!(
            !change("Label").is_unseen_in(&seen(None, None)),
            "says nothing of the kind"
        );
        assert!(!Change::read(&json!({}), false).is_unseen_in(&seen(None, None)));
    }
}
