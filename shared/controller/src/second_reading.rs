//! An answer that claims nothing is never corrected afterwards: a stale reading would be presented as truth. Before
//! such an answer is given, the parameters are therefore read a second time, a moment later.

use std::time::Duration;

use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::claim::Failure;
use bluegreen_core::flag::{FlagObservation, HistoryEntry, Version, versions};
use bluegreen_core::health::{Cause, CauseKind};
use bluegreen_core::outcome::Outcome;
use bluegreen_core::response::{Change, Response};
use jiff::Timestamp;

use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::repeat::{self, Past, Reads};
use crate::services::Services;

/// The minimum time between the first reading and the second.
const APART: Duration = Duration::from_millis(500);

/// How many times the parameters are read, and the wait in between, for a flag that is known to be newer.
const TRIES: u32 = 5;
const WAIT: Duration = Duration::from_millis(400);

/// How many times a request is answered again because the parameters have changed.
const ANSWERS: u32 = 4;

/// Answers a request, unless it was carried out before. An answer that claims nothing is given only if a second reading
/// shows the same. If it shows something newer, the request is answered again. `reads` and `limit` apply to the past.
pub(crate) async fn answer_when_settled(
    services: &Services,
    (mut observed, mut past): (Observed, Past),
    (reads, limit): (Reads, Duration),
    dry_run: bool,
    invocation: &Invocation,
    answer: impl AsyncFn(&Observed, &Past) -> Result<Response<Change>, FunctionError>,
) -> Result<Response<Change>, FunctionError> {
    let mut asked = invocation.started;
    for _ in 0..ANSWERS {
        past.reach(services, observed.flag.as_ref(), limit).await;
        if !dry_run && let Some(answer) = past.answer(Outcome::Switched, observed.flag.as_ref(), invocation) {
            return Ok(answer);
        }
        if !dry_run && let Some(answer) = past.begun_before(observed.flag.as_ref(), invocation)? {
            return Ok(answer);
        }
        let answer = answer(&observed, &past).await?;
        let claims_nothing = |outcome: &Outcome| outcome.claims_nothing();
        if !answer.common.outcome.known().is_some_and(claims_nothing) {
            return Ok(answer);
        }
        match second(services, &observed, asked, past.versions.as_deref()).await? {
            Second::Same => return Ok(answer),
            Second::Newer(newer) => observed = *newer,
        }
        asked = services.clock.now();
        past = repeat::past(services, &observed, reads, limit, invocation).await;
    }
    Err(behind())
}

/// The result of a second reading.
pub(crate) enum Second {
    /// The same: the answer is valid.
    Same,
    /// Something newer: the request must be answered again.
    Newer(Box<Observed>),
}

/// Reads again. `history` is what else was read of the flag.
pub(crate) async fn second(
    services: &Services,
    first: &Observed,
    first_at: Timestamp,
    history: Option<&[Version]>,
) -> Result<Second, FunctionError> {
    apart(services, first_at).await;
    for _ in 0..TRIES {
        let again = services.store.observe_for_request().await.map_err(unreadable)?;
        if is_behind(services, again.flag.as_ref(), history) {
            tokio::time::sleep(WAIT).await;
            continue;
        }
        return Ok(if is_same(first, &again) {
            Second::Same
        } else {
            Second::Newer(Box::new(again))
        });
    }
    Err(behind())
}

/// Waits until a second reading is independent of the first one.
pub(crate) async fn apart(services: &Services, first_at: Timestamp) {
    let so_far = services.clock.since(first_at);
    tokio::time::sleep(APART.saturating_sub(so_far)).await;
}

fn unreadable(failure: Failure) -> FunctionError {
    FunctionError::unreadable("reading the flag again", failure.cause)
}

fn behind() -> FunctionError {
    let cause = Cause::new(
        CauseKind::Unavailable,
        "Parameter Store keeps answering an older version of the flag than the one that it has shown, or taken, before",
    );
    FunctionError::unreadable("reading the flag", cause)
}

/// Whether something newer than this reading is known, by the history or by this process.
fn is_behind(services: &Services, flag: Option<&FlagObservation>, history: Option<&[Version]>) -> bool {
    flag.is_some_and(|flag| {
        is_ahead(history.unwrap_or_default(), flag) || services.store.knows_newer_than(flag).is_some()
    })
}

/// Whether the history shows a later version of this very flag. A re-created one begins with the first version.
fn is_ahead(history: &[Version], flag: &FlagObservation) -> bool {
    history
        .last()
        .is_some_and(|newest| newest.entry.version > flag.version && newest.entry.modified > flag.modified)
}

/// Whether the history goes as far as the flag.
fn reaches(history: &[Version], flag: Option<&FlagObservation>) -> bool {
    history.last().map(|newest| newest.entry.version) == flag.map(|flag| flag.version)
}

fn is_same(first: &Observed, again: &Observed) -> bool {
    first.flag == again.flag && first.hold == again.hold && first.drill == again.drill
}

/// The flag and its history, once neither is known to be behind the other, or behind what this process has seen. A
/// history that stays behind counts as unreadable.
pub(crate) async fn settled(
    services: &Services,
) -> Result<(Observed, Result<Vec<HistoryEntry>, Failure>), FunctionError> {
    let mut last = None;
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(WAIT).await;
        }
        let (observed, history) = tokio::join!(services.store.observe(), services.store.history());
        let observed = observed.map_err(|failure| FunctionError::unreadable("reading the flag", failure.cause))?;
        let read = history.as_deref().map(versions).ok();
        if is_behind(services, observed.flag.as_ref(), read.as_deref()) {
            continue;
        }
        if read.is_none_or(|versions| reaches(&versions, observed.flag.as_ref())) {
            return Ok((observed, history));
        }
        last = Some(observed);
    }
    let observed = last.ok_or_else(behind)?;
    let history = Failure::not_seen_yet("the flag's history stays behind the flag");
    Ok((observed, Err(history)))
}

/// These readings, if one a moment later shows no change; else newer ones.
pub(crate) async fn unless_changed(
    services: &Services,
    settled: (Observed, Result<Vec<HistoryEntry>, Failure>),
    first_at: Timestamp,
) -> Result<(Observed, Result<Vec<HistoryEntry>, Failure>), FunctionError> {
    match second(services, &settled.0, first_at, None).await? {
        Second::Same => Ok(settled),
        Second::Newer(_) => self::settled(services).await,
    }
}

/// The flag and its history, once a second reading a moment later shows no change: for an answer that depends on
/// nothing else.
pub(crate) async fn settled_twice(
    services: &Services,
    started: Timestamp,
) -> Result<(Observed, Result<Vec<HistoryEntry>, Failure>), FunctionError> {
    unless_changed(services, settled(services).await?, started).await
}

/// Whether a history shows this flag as its newest version. A history that could not be read does not contradict.
pub(crate) fn is_of(history: &[HistoryEntry], flag: &FlagObservation) -> bool {
    let newest = history.iter().max_by_key(|entry| entry.version);
    newest.is_none_or(|newest| newest.version == flag.version && newest.modified == flag.modified)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{entry, flag};

    #[test]
    fn a_history_is_ahead_with_a_later_version_that_was_written_later() {
        let cases = [
            ((2, 20), (1, 10), true),
            ((2, 20), (2, 20), false),
            ((1, 10), (2, 20), false),
            // The same version with another date, or another version with the same one: nothing is known to be newer.
            ((2, 20), (2, 10), false),
            ((3, 10), (2, 10), false),
            // The flag was re-created: either of them may be the one before.
            ((3, 10), (1, 20), false),
            ((1, 20), (3, 10), false),
        ];
        for (newest, seen, expected) in cases {
            let versions = versions(&[entry(newest.0, newest.1)]);
            assert_eq!(
                is_ahead(&versions, &flag(seen.0, seen.1)),
                expected,
                "{newest:?} {seen:?}"
            );
        }
        assert!(!is_ahead(&[], &flag(1, 10)));
    }

    #[test]
    fn a_history_reaches_the_flag_with_its_very_version() {
        for (newest, seen, expected) in [
            (Some((2, 20)), Some((2, 20)), true),
            (Some((1, 10)), Some((2, 20)), false),
            (Some((3, 30)), Some((2, 20)), false),
            (None, Some((1, 10)), false),
            (Some((1, 10)), None, false),
            (None, None, true),
        ] {
            let kept: Vec<_> = newest
                .into_iter()
                .map(|(version, second)| entry(version, second))
                .collect();
            let versions = versions(&kept);
            let seen = seen.map(|(version, second)| flag(version, second));
            assert_eq!(reaches(&versions, seen.as_ref()), expected, "{newest:?} {seen:?}");
        }
    }

    #[test]
    fn a_history_is_of_a_flag_with_the_version_and_the_date_of_its_newest() {
        let kept = [entry(2, 20), entry(1, 10)];
        for (seen, expected) in [((2, 20), true), ((1, 10), false), ((2, 10), false), ((3, 20), false)] {
            assert_eq!(is_of(&kept, &flag(seen.0, seen.1)), expected, "{seen:?}");
        }
        assert!(is_of(&[], &flag(1, 10)), "it could not be read");
    }
}
