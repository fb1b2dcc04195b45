//! Sends the audit event and the metrics of every flag version that has none yet. The listener runs it on every change,
//! the watcher when an event was lost.

use std::collections::BTreeMap;
use std::time::Duration;

use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::audit::details::{Outline, read};
use bluegreen_core::audit::{self, Audited};
use bluegreen_core::claim::Failure;
use bluegreen_core::drill::{end_records, outcome_of};
use bluegreen_core::flag::{self, FlagVersion, HistoryEntry, Version, label};
use bluegreen_core::hold::StoredHold;
use bluegreen_core::metric::Metric;
use bluegreen_core::time::elapsed;
use bluegreen_core::transition::TransitionRecord;
use jiff::Timestamp;

use crate::function_error::FunctionError;
use crate::services::Services;

/// The oldest datum that is published; CloudWatch's own limit is two weeks.
const OLDEST_METRIC: Duration = Duration::from_secs(13 * 24 * 60 * 60);

/// How many times to read again what looks older than what is known: Parameter Store lags behind by less.
const READ_AGAIN: u32 = 3;

/// The pause between two of these readings.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// How long the listener has before the watcher audits in its place.
pub(crate) const LISTENER_GRACE_PERIOD: Duration = Duration::from_secs(30);

/// The result of an audit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    /// The versions that were audited now.
    pub(crate) versions: Vec<FlagVersion>,
    /// The number of records that were removed because SSM no longer keeps their versions.
    pub(crate) pruned: usize,
}

/// How many times `audited` is written again because other listeners wrote it meanwhile.
const NOTES: u32 = 3;

/// How many versions of `audited` are read if other listeners wrote it meanwhile: the maximum of one GetParameters.
const NOTES_BETWEEN: i64 = 10;

/// Sends what is due, then advances `audited`. In this order, a crash in between repeats an event, and loses none.
pub(crate) async fn catch_up(
    services: &Services,
    history: &[HistoryEntry],
    observed: &Observed,
    now: Timestamp,
) -> Result<Sent, FunctionError> {
    let mut versions = flag::versions(history);
    for _ in 0..READ_AGAIN {
        if !audit::is_behind(&versions, observed.audited) {
            break;
        }
        tokio::time::sleep(READ_PAUSE).await;
        let again = services
            .store
            .history()
            .await
            .map_err(|failure| FunctionError::unreadable("reading the flag's history", failure.cause))?;
        versions = flag::versions(&again);
    }
    let due = audit::due(&versions, observed.audited);
    if due.is_empty() {
        return Ok(Sent::default());
    }
    let records = records_of(services, due, now).await?;
    let settled = audit::settled(due, &records, now);
    if let left @ 1.. = due.len().saturating_sub(settled.len()) {
        // The watcher publishes them, see `catch_up_if_late`: late, but as they were.
        tracing::warn!(left, "transition records are not to be seen yet");
    }
    let due = settled;
    let Some(newest) = due.last() else {
        return Ok(Sent::default());
    };
    let subject = services.subject();
    let mut events = Vec::new();
    let mut metrics = Vec::new();
    for version in due {
        let before = flag::before(&versions, version);
        let (event, of_version) = audit::transition(subject, version, before, &records);
        let told: Outline = read(&event.detail);
        tracing::info!(
            pair = subject.pair,
            version = version.entry.version.0,
            transition = told.record,
            kind = told.kind,
            active = told.to,
            "audit event"
        );
        events.push(event);
        metrics.extend(of_version);
    }
    if let Some(active) = newest.entry.value.color() {
        metrics.extend(Metric::active_environment(active, now));
    } else {
        metrics.push(Metric::flag_fault(now));
        let what = newest.entry.value.fault();
        events.push(audit::flag_fault(subject, &flag_label(newest), &what, now));
    }
    // In sequence: a repeated event is recognized by its id, but a repeated count is not.
    services
        .bus
        .send(&events)
        .await
        .map_err(FunctionError::undelivered("sending audit events"))?;
    // CloudWatch takes nothing older than two weeks, and refuses the whole request for one such datum.
    metrics.retain(|metric: &Metric| elapsed(metric.at, now) < OLDEST_METRIC);
    match services.metrics.publish(&metrics).await {
        Ok(()) => {}
        Err(failure) if failure.retryable => {
            return Err(FunctionError::undelivered("publishing metrics")(failure));
        }
        // Another attempt would fail again, and repeat the events each time.
        Err(failure) => tracing::error!(error = %failure.cause, "the metrics of these versions are lost"),
    }
    note(
        services,
        &versions,
        Audited::from(&newest.entry),
        observed.audited_notes,
    )
    .await
    .map_err(FunctionError::undelivered("noting what was audited"))?;
    let pruned = prune(services, &versions, now).await;
    Ok(Sent {
        versions: due.iter().map(|version| version.entry.version).collect(),
        pruned,
    })
}

/// The records of these versions. Read again while one is missing that must be there: an event without its record would
/// tell another story than the same event with it.
async fn records_of(
    services: &Services,
    due: &[Version],
    now: Timestamp,
) -> Result<BTreeMap<String, TransitionRecord>, FunctionError> {
    let names = audit::records_of(due);
    let mut left = READ_AGAIN;
    loop {
        let records = services
            .store
            .records(&names)
            .await
            .map_err(|failure| FunctionError::unreadable("reading the transition records", failure.cause))?;
        if left == 0 || !audit::is_record_late(due, &records, now) {
            return Ok(records);
        }
        left = left.saturating_sub(1);
        tokio::time::sleep(READ_PAUSE).await;
    }
}

/// Audits in the listener's place when its event seems to be lost.
pub(crate) async fn catch_up_if_late(
    services: &Services,
    observed: &Observed,
    now: Timestamp,
) -> Result<(), FunctionError> {
    let Some(flag) = &observed.flag else { return Ok(()) };
    let audited = observed
        .audited
        .is_some_and(|audited| audited.is(flag.version, flag.modified));
    if audited || elapsed(flag.modified, now) < LISTENER_GRACE_PERIOD {
        return Ok(());
    }
    let history = services
        .store
        .history()
        .await
        .map_err(|failure| FunctionError::unreadable("reading the flag's history", failure.cause))?;
    let sent = catch_up(services, &history, observed, now).await?;
    if !sent.versions.is_empty() {
        tracing::warn!(versions = sent.versions.len(), "audited in the change-listener's place");
    }
    Ok(())
}

/// Records how far the audit has come, and the last color. `notes` is the version of `audited` when it was read.
///
/// Of two listeners at once, the slower one may know less. It must not revert what the other recorded: those versions
/// would be published and counted once more. Parameter Store has no compare-and-swap, but it numbers its versions. A
/// listener whose write is not the next version notices that, and the last writer records the newest version.
async fn note(services: &Services, versions: &[Version], newest: Audited, notes: i64) -> Result<(), Failure> {
    // The color comes first, because a broken flag may have to be restored to it: a crash in between only repeats.
    note_last_active(services, versions, newest).await?;
    let (mut newest, mut notes) = (newest, notes);
    for _ in 0..NOTES {
        let written = services.store.put_audited(newest).await?;
        let first_between = notes.saturating_add(1).max(written.saturating_sub(NOTES_BETWEEN));
        let between: Vec<_> = (first_between..written).collect();
        if between.is_empty() {
            return Ok(());
        }
        let others = match services.store.audited_notes(&between).await {
            Ok(others) => others,
            Err(failure) => {
                // What was recorded stays; at worst the next audit publishes something once more, under the same id.
                tracing::warn!(error = %failure.cause, "what others noted of the audit could not be read");
                return Ok(());
            }
        };
        let overtaken = later_than(newest, others);
        // Another listener may have written its color before this one.
        let history = services.store.history().await?;
        note_last_active(services, &flag::versions(&history), overtaken.unwrap_or(newest)).await?;
        let Some(theirs) = overtaken else { return Ok(()) };
        (newest, notes) = (theirs, written);
    }
    Ok(())
}

/// The newest of what others noted, if it is newer than `ours`. Compared by date: version numbers restart when the flag is
/// deleted and re-created.
fn later_than(ours: Audited, others: Vec<Audited>) -> Option<Audited> {
    let theirs = others.into_iter().max_by_key(|other| other.at);
    theirs.filter(|theirs| theirs.at > ours.at)
}

/// Records the newest color among the versions that were audited.
async fn note_last_active(services: &Services, versions: &[Version], audited: Audited) -> Result<(), Failure> {
    let last = versions
        .iter()
        .rev()
        .filter(|version| version.entry.modified <= audited.at)
        .find_map(|version| Some((version.entry.value.color()?, Audited::from(&version.entry))));
    match last {
        Some((active, version)) => services.store.put_last_active(active, version).await,
        None => Ok(()),
    }
}

/// Every kept write of the hold with its author. Read again while the one that was observed is missing: its event without
/// the author would tell another story than the same event with it.
async fn holds_until(services: &Services, stored: &StoredHold) -> Result<Vec<(StoredHold, Option<String>)>, Failure> {
    for attempt in 0..=READ_AGAIN {
        if attempt > 0 {
            tokio::time::sleep(READ_PAUSE).await;
        }
        let kept = services.store.hold_history().await?;
        if kept
            .last()
            .is_some_and(|newest| newest.stored.written >= stored.written)
        {
            return Ok(kept.into_iter().map(|write| (write.stored, write.author)).collect());
        }
    }
    // Deleted since then, with its history: nobody will ever know who had placed it.
    if services.store.hold().await?.is_none() {
        return Ok(vec![(stored.clone(), None)]);
    }
    Err(Failure::not_seen_yet("the hold's history stays behind the hold"))
}

/// Publishes what is due for the hold, then records it; returns the number of events.
pub(crate) async fn catch_up_hold(
    services: &Services,
    stored: &StoredHold,
    now: Timestamp,
) -> Result<usize, FunctionError> {
    let unreadable =
        |failure: Failure| FunctionError::unreadable("reading what was reported of the hold", failure.cause);
    let (told, kept) = tokio::join!(services.store.hold_reported(), holds_until(services, stored));
    let (told, kept) = (told.map_err(unreadable)?, kept.map_err(unreadable)?);
    let due = audit::holds_due(services.subject(), &kept, told.as_deref(), now);
    if due.is_empty() {
        return Ok(0);
    }
    services
        .bus
        .send(&due)
        .await
        .map_err(FunctionError::undelivered("reporting the hold"))?;
    services
        .store
        .put_hold_reported(kept.last().map_or(stored, |(newest, _)| newest).mark(now))
        .await
        .map_err(FunctionError::undelivered("noting what was reported of the hold"))?;
    Ok(due.len())
}

/// The label of the flag version that a fault is about.
pub(crate) fn flag_label(version: &Version) -> String {
    label(version.entry.version, version.entry.modified)
}

/// The names of the end records that exist for a drill.
async fn ends(services: &Services, way_out: &str) -> Vec<String> {
    let names = end_records(way_out);
    match services.store.stored_records(&names).await {
        Ok(found) => {
            let found = names.into_iter().zip(found);
            found.filter_map(|(name, stored)| stored.map(|_| name)).collect()
        }
        Err(failure) => {
            tracing::warn!(error = %failure.cause, way_out, "the records of an old drill's end could not be read");
            Vec::new()
        }
    }
}

/// Removes old records. A failure here is harmless: the next version triggers another attempt.
async fn prune(services: &Services, versions: &[Version], now: Timestamp) -> usize {
    let mut names = audit::records_to_prune(versions, now);
    if names.is_empty() {
        return 0;
    }
    match services.store.records(&names).await {
        // The outcome is removed first: without the record it would never be found again.
        Ok(records) => {
            let mut beside = Vec::new();
            for (name, outcome) in records
                .iter()
                .filter_map(|(name, record)| Some((name, outcome_of(name, record)?)))
            {
                beside.push(outcome);
                beside.extend(ends(services, name).await);
            }
            names.splice(0..0, beside);
        }
        Err(failure) => {
            tracing::warn!(error = %failure.cause, "old transition records could not be read");
            return 0;
        }
    }
    let mut pruned: usize = 0;
    for record in names {
        match services.store.delete_record(&record).await {
            Ok(()) => pruned = pruned.saturating_add(1),
            Err(failure) => tracing::warn!(record, error = %failure.cause, "an old transition record was not removed"),
        }
    }
    pruned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::audited;

    #[test]
    fn what_others_noted_counts_if_it_was_written_later() {
        let ours = audited(5, 50);
        let later_than = |others: &[(u64, i64)]| {
            let others = others.iter().map(|(version, second)| audited(*version, *second));
            later_than(ours, others.collect()).map(|theirs| theirs.version.0)
        };
        assert_eq!(later_than(&[(6, 60), (7, 70), (4, 40)]), Some(7));
        assert_eq!(later_than(&[(5, 50), (4, 40)]), None);
        assert_eq!(later_than(&[(1, 60)]), Some(1), "of the flag that was created since");
        assert_eq!(later_than(&[(9, 40)]), None, "of the flag before");
        assert_eq!(later_than(&[]), None);
    }
}
