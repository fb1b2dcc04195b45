//! Since when the signals are bad, and from when the failure counts.

use std::time::Duration;

use jiff::Timestamp;

use super::past::{BLIND_FOR, Past};
use super::signals::{Reading, Signals, Status};
use crate::policy::{HEARTBEAT_ONLY_WINDOW, Policy};
use crate::time::elapsed;

/// Since when the signals of the current failure are bad, and from when the failure counts.
pub(super) struct Failure {
    /// The earliest date of a bad signal, or the first observation that saw one without a date.
    pub(super) began: Option<Timestamp>,
    /// How long the failure has lasted.
    pub(super) lasted: Duration,
    /// How long it has lasted while the environment should have served, as far as observations cover that time.
    pub(super) counts: Duration,
    /// Since when the alarms are in ALARM.
    pub(super) alarmed_at: Option<Timestamp>,
    /// Since when the alarms have been observed, if they fired before observations began.
    pub(super) alarm_watched_from: Option<Timestamp>,
    /// Since when the status has been of its current class, as far as earlier observations show.
    pub(super) status_since: Option<Timestamp>,
}

impl Failure {
    pub(super) fn of(
        policy: &Policy,
        status: &Status<'_>,
        signals: &Signals,
        past: Option<&Past>,
        now: Timestamp,
    ) -> Self {
        let (scheduler, heartbeat) = (&signals.scheduler, &signals.heartbeat);
        let close = past.filter(|past| past.is_close(now));
        // Where Airflow's date lies in our future or is missing, the failure is at least as old as the first
        // observation of it.
        let sick_from = close
            .and_then(|past| past.airflow_sick_from)
            .filter(|_| scheduler.is_bad())
            .map(|first| scheduler.since().map_or(first, |since| since.min(first)));
        let dates = [sick_from.or(scheduler.since()), heartbeat.since()];
        let began = dates.into_iter().flatten().min();
        let lasted = began.map_or(Duration::ZERO, |began| elapsed(began, now));
        let seen_from = close
            .and_then(|past| past.failing_from)
            .unwrap_or_else(|| first_seen(scheduler, heartbeat, close, now));
        let in_alarm = signals.alarms.as_ref().filter(|alarms| alarms.is_bad());
        let alarmed_at = in_alarm.and_then(Reading::since);
        let was_read = past.and_then(|past| past.status.as_ref()).map(|status| status.read);
        let alarm_watched_from = alarmed_at.and_then(|at| {
            let watched_from = close.and_then(|past| past.watched_from).unwrap_or(now);
            (elapsed(at, watched_from) > BLIND_FOR).then_some(watched_from)
        });
        // A failure that had begun when the status was last read, or that has outlasted the grace, is not caused by
        // planned work.
        let newest = alarmed_at.into_iter().chain(began).max();
        let began_in_sight = newest.is_some_and(|newest| was_read.is_some_and(|read| read >= newest));
        let has_outlasted = window_of(policy, scheduler, heartbeat)
            .is_some_and(|window| lasted >= policy.maintenance_grace.max(window));
        let status_since = status.since(past, began_in_sight || has_outlasted, now);
        // A failure during planned work is caused by it: it counts from when the environment began to serve again.
        let floor = status_since.map_or(seen_from, |since| since.max(seen_from));
        Self {
            began,
            lasted,
            counts: lasted.min(elapsed(floor, now)),
            alarmed_at,
            alarm_watched_from,
            status_since,
        }
    }
}

/// From when a failure counts that no earlier observation saw.
pub(super) fn first_seen(scheduler: &Reading, heartbeat: &Reading, close: Option<&Past>, now: Timestamp) -> Timestamp {
    let oldest = [scheduler.since(), heartbeat.since()].into_iter().flatten().min();
    // An older failure began while nothing was observed, or in planned work. With a long failure window, a metric is bad
    // only when it has been silent for longer than that, and it was observed all the time.
    let watched_from = close.and_then(|past| past.watched_from);
    oldest
        .filter(|oldest| elapsed(*oldest, now) <= BLIND_FOR || watched_from.is_some_and(|from| from <= *oldest))
        // The failure does not begin in the future either, even if the other clock is ahead of ours.
        .map_or(now, |oldest| oldest.min(now))
}

/// How long the scheduler and the heartbeat, taken together, must be bad; none if they do not agree that it is dead.
pub(super) fn window_of(policy: &Policy, scheduler: &Reading, heartbeat: &Reading) -> Option<Duration> {
    match (scheduler, heartbeat) {
        (Reading::Bad { .. }, Reading::Bad { .. } | Reading::Unknown { .. }) => Some(policy.failure_window),
        (Reading::Unknown { .. }, Reading::Bad { .. }) => Some(policy.failure_window.max(HEARTBEAT_ONLY_WINDOW)),
        _ => None,
    }
}
