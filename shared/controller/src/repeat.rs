//! A request that is delivered twice. Lambda's asynchronous queue delivers at least once, and retries a failed
//! invocation under the same request id: minutes later, after other transitions, or at the same moment. The answer to
//! the second delivery says what the first one did; the second delivery does nothing.
//!
//! What a request did is found where it did it: in the records of the flag's versions, and in the history of the hold.
//! The parameter `answered` covers requests that wrote neither, and those whose traces cannot be read or are gone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::answered::{self, Answered, REPEATED_FOR};
use bluegreen_core::audit::AuditEvent;
use bluegreen_core::drill::{Drill, DrillOutcome, Stage, stage};
use bluegreen_core::flag::{DescriptionMetadata, FlagObservation, Origin, Version, before, versions};
use bluegreen_core::health::{Cause, CauseKind};
use bluegreen_core::outcome::Outcome;
use bluegreen_core::response::{Body, Change, Common, Open, Response};
use bluegreen_core::time::{elapsed, to_second};
use bluegreen_core::transition::TransitionRecord;
use jiff::Timestamp;

use crate::answer::respond;
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Services;

/// How many times to read what must exist, and the wait in between.
const TRIES: u32 = 4;
const WAIT: Duration = Duration::from_millis(250);

/// How long a reading may lack what was written.
const MAY_BE_UNSEEN: Duration = Duration::from_secs(10);

/// How many times to check for the result of the other delivery of this request, while it runs.
const OTHER_DELIVERY: u32 = 12;

/// How long recording that a switch has begun may take: it must not delay the answer beyond the switch itself.
const BEGIN_NOTING_TIME: Duration = Duration::from_secs(2);

/// How long recording an answer may take: the caller must not take a hold that stands for one that failed.
const ANSWER_NOTING_TIME: Duration = Duration::from_secs(5);

/// What is known of the past when a request arrives.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// The flag's versions; `None` if they could not be read in time.
    pub(crate) versions: Option<Vec<Version>>,
    records: BTreeMap<String, TransitionRecord>,
    answered: Vec<Answered>,
    /// Why versions or records are not known.
    pub(crate) unread: Option<Cause>,
}

/// Which requests read the past at once, whatever the flag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Requests that need the history for their own work.
    Always,
    /// Requests that need it only to be recognized: it is read if the flag has changed so recently that this very
    /// request may have changed it.
    IfMoved,
}

/// The current parameters and what is known of the past. They are read in parallel with the evidence, which takes
/// longer. If the flag has not changed for a day, this is one request.
pub(crate) async fn look(
    services: &Services,
    reads: Reads,
    time: Duration,
    invocation: &Invocation,
) -> Result<(Observed, Past), FunctionError> {
    let observed = services
        .store
        .observe_for_request()
        .await
        .map_err(|failure| FunctionError::unreadable("reading the flag", failure.cause))?;
    services.may_write()?;
    let past = past(services, &observed, reads, time, invocation).await;
    Ok((observed, past))
}

/// What is known of the past of these observed parameters.
pub(crate) async fn past(
    services: &Services,
    observed: &Observed,
    reads: Reads,
    time: Duration,
    invocation: &Invocation,
) -> Past {
    let answered = answered::read(observed.answered.as_deref());
    let may_be_ours = observed.flag.as_ref().is_some_and(|flag| {
        // A first version was created: no request has changed the flag yet.
        flag.version.0 > 1 && elapsed(flag.modified, services.clock.now()) < REPEATED_FOR
    });
    let is_begun = answered
        .iter()
        .any(|answered| answered.id == invocation.request_id && answered.is_begun());
    let is_drilled = Drill::under_way(observed.drill.as_deref()).is_some();
    let past = if reads == Reads::Always || may_be_ours || is_begun || is_drilled {
        made(services, time).await
    } else {
        Past::default()
    };
    Past { answered, ..past }
}

/// The flag's versions, and the records of those that a request may have made which can still be delivered again.
async fn made(services: &Services, time: Duration) -> Past {
    let read = async {
        let mut past = Past::default();
        let versions = match services.store.history().await {
            Ok(history) => versions(&history),
            Err(failure) => {
                past.unread = Some(failure.cause);
                return past;
            }
        };
        match services.store.records(&recent(&versions, services.clock.now())).await {
            Ok(records) => past.records = records,
            Err(failure) => past.unread = Some(failure.cause),
        }
        past.versions = Some(versions);
        past
    };
    let past = tokio::time::timeout(time, read).await.unwrap_or_else(|_| Past {
        unread: Some(Cause::new(
            CauseKind::TimedOut,
            "the flag's history was not answered in time",
        )),
        ..Past::default()
    });
    if let Some(cause) = &past.unread {
        tracing::warn!(error = %cause, "whether this request was carried out before cannot be read");
    }
    past
}

/// The records of versions that a request may have made which can still be delivered again.
fn recent(versions: &[Version], now: Timestamp) -> Vec<String> {
    let young = versions
        .iter()
        .filter(|version| elapsed(version.entry.modified, now) < REPEATED_FOR);
    bluegreen_core::audit::records_of(&young.cloned().collect::<Vec<_>>())
}

/// Whether a history that ends so lacks this flag's version.
fn is_behind(newest: Option<&Version>, flag: &FlagObservation) -> bool {
    newest.is_none_or(|newest| newest.entry.version < flag.version && newest.entry.modified <= flag.modified)
}

impl Past {
    /// Reads again until the history includes the observed flag, and the newest version's record is found. A stale
    /// reading may lack either of them, and they may be this very request's.
    pub(crate) async fn reach(&mut self, services: &Services, flag: Option<&FlagObservation>, time: Duration) {
        for _ in 0..TRIES {
            let Some(versions) = &self.versions else { return };
            let newest = versions.last();
            let lags = flag.is_some_and(|flag| is_behind(newest, flag));
            let lacks = newest.is_some_and(|newest| self.lacks_record_of(newest, services.clock.now()));
            if !lags && !lacks {
                return;
            }
            tokio::time::sleep(WAIT).await;
            *self = Self {
                answered: std::mem::take(&mut self.answered),
                ..made(services, time).await
            };
        }
    }

    /// Whether the record of this version has not been found, although it is so new that a reading may lack it.
    fn lacks_record_of(&self, version: &Version, now: Timestamp) -> bool {
        match &version.origin {
            Origin::Ours { record, .. } => {
                !self.records.contains_key(record) && elapsed(version.entry.modified, now) < MAY_BE_UNSEEN
            }
            Origin::Repeat { .. } | Origin::External => false,
        }
    }

    /// The transition that this request made, or whose claim it left to another writer.
    fn made_by(&self, request_id: &str) -> Option<(&[Version], &Version, Option<&TransitionRecord>)> {
        let versions = self.versions.as_deref()?;
        versions.iter().find_map(|version| {
            let Origin::Ours {
                record, finished_by, ..
            } = &version.origin
            else {
                return None;
            };
            let record = self.records.get(record);
            let is_ours = finished_by.as_deref() == Some(request_id)
                || record.is_some_and(|record| record.actor.request_id == request_id);
            is_ours.then_some((versions, version, record))
        })
    }

    /// The record of the transition that this request made, with its name.
    pub(crate) fn record_of(&self, invocation: &Invocation) -> Option<(String, &TransitionRecord)> {
        let (_, version, record) = self.made_by(&invocation.request_id)?;
        let tail = version
            .entry
            .description
            .as_deref()
            .and_then(DescriptionMetadata::read)?;
        Some((tail.record, record?))
    }

    /// How far this drill has come, if it is under way: the flag is as the drill found it, or as the drill wrote it.
    pub(crate) fn under_way(&self, stored: Option<&str>, flag: &FlagObservation) -> Option<(Drill, Option<Stage>)> {
        let drill = Drill::under_way(stored)?;
        let reached = self.versions.as_deref().filter(|versions| {
            versions
                .last()
                .is_some_and(|newest| newest.entry.version == flag.version && newest.entry.modified == flag.modified)
        });
        match reached.map(|versions| stage(&drill, versions)) {
            Some(stage @ (Stage::NotSwitched | Stage::Drilling { .. })) => Some((drill, Some(stage))),
            Some(Stage::Returned { .. } | Stage::Overtaken { .. }) => None,
            // Without the history, one observation must suffice.
            None => drill.owns_flag_version(flag).then_some((drill, None)),
        }
    }

    /// The answer to a request that was carried out, or answered, before.
    pub(crate) fn answer(
        &self,
        outcome: Outcome,
        flag: Option<&FlagObservation>,
        invocation: &Invocation,
    ) -> Option<Response<Change>> {
        let Some((versions, version, record)) = self.made_by(&invocation.request_id) else {
            return self.answered_before(flag, invocation);
        };
        let newest = versions.last().unwrap_or(version);
        let mut reason = format!(
            "this request was carried out before, at {}: {}",
            to_second(version.entry.modified),
            record.map_or("its record cannot be read", |record| record.reason.as_str())
        );
        let is_past = newest.entry.version > version.entry.version && newest.entry.value != version.entry.value;
        if is_past {
            // Writing to a string cannot fail.
            let _ = write!(
                reason,
                "; since then the flag was written again: it holds {} at version {}",
                newest.entry.value, newest.entry.version
            );
        }
        let standing = FlagObservation {
            value: newest.entry.value.clone(),
            version: newest.entry.version,
            modified: newest.entry.modified,
        };
        // The newer of the two readings.
        let standing = flag
            .filter(|flag| flag.modified > standing.modified)
            .cloned()
            .unwrap_or(standing);
        let tail = version.entry.description.as_deref().and_then(DescriptionMetadata::read);
        let mut answer = repeated(outcome, reason, Some(&standing), invocation);
        answer.common.previous = before(versions, version).and_then(|before| before.entry.value.color());
        answer.common.transition = tail.map(|tail| tail.record);
        answer.body.effective_from = Some(version.effective_from);
        answer.body.warnings = Some(Vec::new());
        Some(answer)
    }

    /// The answer that was given to this request before.
    pub(crate) fn answered_before(
        &self,
        flag: Option<&FlagObservation>,
        invocation: &Invocation,
    ) -> Option<Response<Change>> {
        let before = self
            .answered
            .iter()
            .find(|answered| answered.id == invocation.request_id && !answered.is_begun())?;
        let reason = format!(
            "this request was answered before, at {}: {}",
            to_second(before.at),
            before.reason
        );
        Some(repeated(Open::read(&before.outcome), reason, flag, invocation))
    }

    /// The answer to a request of which an earlier delivery was about to write the flag, if its traces are gone: it is
    /// not carried out again. `None` if the flag's versions show that it was not carried out.
    pub(crate) fn begun_before(
        &self,
        flag: Option<&FlagObservation>,
        invocation: &Invocation,
    ) -> Result<Option<Response<Change>>, FunctionError> {
        let mut begun = self.answered.iter().filter(|answered| answered.is_begun());
        let Some(begun) = begun.find(|answered| answered.id == invocation.request_id) else {
            return Ok(None);
        };
        self.must_be_read("finding out whether this request, which has come before, was carried out")?;
        let oldest = self.versions.as_deref().and_then(<[Version]>::first);
        let is_of_another_flag =
            oldest.is_some_and(|oldest| oldest.entry.version.0 == 1 && oldest.entry.modified > begun.at);
        Ok(is_of_another_flag.then(|| {
            let reason = format!(
                "this request came before, at {}, and the flag was deleted and re-created since: whether it was carried out \
                 then, nobody can tell; if it is still wanted, send it anew",
                to_second(begun.at)
            );
            repeated(Outcome::Refused, reason, flag, invocation)
        }))
    }

    /// Fails if versions or records are not known, for a request that must under no circumstances be carried out twice.
    pub(crate) fn must_be_read(&self, doing: &'static str) -> Result<(), FunctionError> {
        match &self.unread {
            Some(cause) => Err(FunctionError::unreadable(doing, cause.clone())),
            None => Ok(()),
        }
    }
}

/// The answer that was given to this request before, for requests that need nothing else of the past.
pub(crate) fn answered_before(observed: &Observed, invocation: &Invocation) -> Option<Response<Change>> {
    let past = Past {
        answered: answered::read(observed.answered.as_deref()),
        ..Past::default()
    };
    past.answered_before(observed.flag.as_ref(), invocation)
}

/// The answer to a request whose other delivery has written down, in an event, how its drill ended.
pub(crate) fn of_reported(
    event: Option<&AuditEvent>,
    flag: Option<&FlagObservation>,
    invocation: &Invocation,
) -> Response<Change> {
    let of = |field: &str| event.and_then(|event| event.detail.get(field)?.as_str());
    let outcome = of("outcome").and_then(DrillOutcome::parse);
    let reason = match of("reason") {
        Some(reason) => format!("this request was answered before: {reason}"),
        None => "this request is answered by its other delivery; how, cannot be read at present".to_owned(),
    };
    repeated(
        outcome.map_or(Outcome::Blocked, Outcome::from),
        reason,
        flag,
        invocation,
    )
}

/// An answer that says what an earlier delivery of the request did.
pub(crate) fn repeated(
    outcome: impl Into<Open<Outcome>>,
    reason: String,
    flag: Option<&FlagObservation>,
    invocation: &Invocation,
) -> Response<Change> {
    let mut answer = respond(outcome, reason, Vec::new(), flag, invocation);
    answer.body.repeat = true;
    tracing::info!(outcome = answer.common.outcome.to_string(), request_id = %invocation.request_id, "a request was delivered again");
    answer
}

/// The answer of the other delivery of this request, which holds the claim, once it has written the flag; `None` if
/// that takes too long.
pub(crate) async fn other_delivery(
    services: &Services,
    outcome: Outcome,
    invocation: &Invocation,
) -> Option<Response<Change>> {
    for _ in 0..OTHER_DELIVERY {
        let past = made(services, Duration::from_secs(3)).await;
        if past.made_by(&invocation.request_id).is_some() {
            return past.answer(outcome, None, invocation);
        }
        tokio::time::sleep(WAIT).await;
    }
    None
}

/// The other delivery claimed the transition and does not write it. This is a function error because Lambda then
/// retries an asynchronous request: an answer would end it, and the request would never be carried out.
pub(crate) fn unfinished(reason: String) -> FunctionError {
    FunctionError::StoreUnavailable {
        doing: "carrying out this request, which was delivered before",
        cause: Cause::new(CauseKind::Unavailable, reason),
        advice: "; the flag is unchanged; asking again is safe",
    }
}

/// Records that this request is about to write the flag, in parallel with the write, so that it delays nothing.
pub(crate) async fn note_begun(services: &Services, invocation: &Invocation) {
    let begun = Answered::begun(&invocation.request_id, services.clock.now());
    remember(services, begun, BEGIN_NOTING_TIME, invocation).await;
}

/// Remembers the answer to a request. A failure here does not fail the request.
pub(crate) async fn note(services: &Services, answer: &Response, invocation: &Invocation) {
    let is_repeat = matches!(&answer.body, Body::Change(change) if change.repeat);
    let Common { outcome, reason, .. } = &answer.common;
    if is_repeat || outcome.known().is_some_and(|outcome| outcome.is_noted_elsewhere()) {
        return;
    }
    note_ended(services, &outcome.to_string(), reason, invocation).await;
}

/// Remembers how a request ended, also one that is answered with an error because its event is only kept.
pub(crate) async fn note_ended(services: &Services, outcome: &str, reason: &str, invocation: &Invocation) {
    let now = services.clock.now();
    let answered = Answered::new(&invocation.request_id, outcome, reason, now);
    remember(services, answered, ANSWER_NOTING_TIME, invocation).await;
}

async fn remember(services: &Services, answered: Answered, limit: Duration, invocation: &Invocation) {
    let noted = async {
        let stored = services.store.answered().await?;
        let text = answered::with(stored.as_deref(), answered, services.clock.now());
        services.store.put_answered(text).await
    };
    match tokio::time::timeout(limit, noted).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => {
            tracing::warn!(error = %failure.cause, request_id = %invocation.request_id, "what was answered is not remembered");
        }
        Err(_) => {
            tracing::warn!(request_id = %invocation.request_id, "what was answered is not remembered in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_aws::clock::Clock;
    use bluegreen_core::flag::FlagVersion;
    use bluegreen_core::transition::Kind;
    use serde_json::json;

    use super::*;
    use crate::samples::{at, entry, flag};

    /// A version of this product, whose claim `request` finished.
    fn version(number: u64, second: i64, request: &str) -> Version {
        Version {
            entry: entry(number, second),
            origin: Origin::Ours {
                record: format!("v{number}"),
                kind: Kind::Switch,
                finished_by: Some(request.to_owned()),
            },
            effective_from: at(second),
        }
    }

    fn past(versions: Vec<Version>) -> Past {
        Past {
            versions: Some(versions),
            ..Past::default()
        }
    }

    #[test]
    fn a_history_is_behind_whose_newest_version_is_an_earlier_one_of_this_flag() {
        for (newest, seen, expected) in [
            ((1, 10), (2, 20), true),
            ((1, 10), (2, 10), true),
            ((2, 20), (2, 20), false),
            ((3, 30), (2, 20), false),
            // Of the flag before that was deleted.
            ((1, 30), (2, 20), false),
            ((5, 10), (1, 20), false),
        ] {
            let last = version(newest.0, newest.1, "r");
            assert_eq!(
                is_behind(Some(&last), &flag(seen.0, seen.1)),
                expected,
                "{newest:?} {seen:?}"
            );
        }
        assert!(is_behind(None, &flag(1, 10)));
    }

    #[test]
    fn the_record_of_a_version_is_looked_for_as_long_as_a_reading_may_lack_it() {
        let past = past(Vec::new());
        let version = version(2, 20, "r");
        assert!(past.lacks_record_of(&version, at(29)));
        assert!(
            !past.lacks_record_of(&version, at(30)),
            "it was never written, or is gone"
        );
        let external = Version {
            origin: Origin::External,
            ..version
        };
        assert!(!past.lacks_record_of(&external, at(21)), "it has none");
    }

    #[test]
    fn how_far_a_drill_has_come_is_told_by_a_history_that_shows_the_flag() {
        let drill = json!({
            "schema": 1, "id": "r-drill", "mode": "switch", "from": "blue", "to": "green", "version": 2, "modified": at(20),
            "started_at": at(25), "duration_minutes": 5, "reason": "x", "requested_by": null, "outcome": "pending",
        });
        let stored = drill.to_string();
        let reached = |newest: Version| {
            let (_, stage) = past(vec![newest]).under_way(Some(&stored), &flag(2, 20)).unwrap();
            stage
        };
        assert_eq!(reached(version(2, 20, "r")), Some(Stage::NotSwitched));
        assert_eq!(reached(version(1, 10, "r")), None, "it is behind");
        assert_eq!(reached(version(2, 10, "r")), None, "it is of another flag");
        assert_eq!(reached(version(3, 20, "r")), None, "the flag is behind");
    }

    #[test]
    fn a_repeat_says_how_things_stand_by_the_newer_reading() {
        let invocation = Invocation {
            function: "switch-handler",
            request_id: "r".to_owned(),
            clock: Clock::set_to(at(40)),
            started: at(40),
            deadline: at(70),
            via: "invoke",
        };
        for (seen, expected) in [((1, 10), 2), ((2, 20), 2), ((3, 30), 3)] {
            let past = past(vec![version(2, 20, "r")]);
            let answer = past
                .answer(Outcome::Switched, Some(&flag(seen.0, seen.1)), &invocation)
                .unwrap();
            assert_eq!(answer.common.version, Some(FlagVersion(expected)), "{seen:?}");
        }
    }
}
