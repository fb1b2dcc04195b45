//! The verdict on one environment, and what the next observation needs to know.

use jiff::Timestamp;
use serde::Serialize;

use super::evidence::{CauseKind, EnvironmentAnswer, Evidence, ProbeResult};
use super::failure::{Failure, first_seen};
use super::judgment::{Judgment, Verdict, judge};
use super::past::{LastStatus, Past};
use super::signals::{Reading, Signals, Status, last_known_healthy, lives, no_answer, sign_of_life, signals};
use crate::policy::Policy;

/// A verdict with everything that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Assessment {
    /// The verdict on the environment.
    pub verdict: Verdict,
    /// The reasons, in words for the person who is woken up by the alert.
    pub reasons: Vec<String>,
    /// The last instant at which it was known to be healthy, if it no longer is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_known_healthy: Option<Timestamp>,
    /// When a suspicion becomes a verdict if nothing changes: another observation soon is useful.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_at: Option<Timestamp>,
    /// The signals that the verdict is based on.
    pub signals: Signals,
    /// Why it is not known whether the alarms named for it fire. This does not stop an environment from being healthy,
    /// because a failover must not wait for it; a drill can.
    #[serde(skip)]
    pub unread_alarms: Option<String>,
}

/// Judges one environment by a single observation.
///
/// For a watcher that observes every minute, a failure much older than its window is nothing new. At a watcher's first
/// observation, the failure may be the effect of planned work. It then counts from this observation, unless it has
/// outlasted the maintenance grace, which nothing planned does.
pub fn assess(policy: &Policy, evidence: &Evidence, now: Timestamp) -> Assessment {
    assess_after(policy, evidence, None, now)
}

/// Judges one environment by one observation and by what earlier observations saw.
pub fn assess_after(policy: &Policy, evidence: &Evidence, past: Option<&Past>, now: Timestamp) -> Assessment {
    let past = Past::of_the_same(past, evidence);
    let status = Status::of(evidence, past);
    let signals = signals(policy, evidence, &status, past, now);
    let Judgment {
        mut verdict,
        mut reasons,
        unhealthy_at,
    } = judge(policy, &status, &signals, past, now);
    let unread_alarms = match &evidence.alarms {
        ProbeResult::Unknown(cause) if cause.kind != CauseKind::NotAsked => {
            Some(format!("its alarms {}", no_answer(cause)))
        }
        ProbeResult::Unknown(_) | ProbeResult::Known(_) => None,
    };
    // That they are over nobody has seen.
    let was_in_alarm = past.is_some_and(|past| past.is_close(now) && past.is_in_alarm);
    if let Some(unread) = unread_alarms
        .as_ref()
        .filter(|_| was_in_alarm && verdict == Verdict::Healthy)
    {
        verdict = Verdict::Unknown;
        reasons = vec![format!("{unread}, and were in ALARM when they were last read")];
    }
    let last_known_healthy = (verdict != Verdict::Healthy)
        .then(|| last_known_healthy(evidence, &signals, past, now))
        .flatten();
    Assessment {
        verdict,
        reasons,
        last_known_healthy,
        unhealthy_at,
        signals,
        unread_alarms,
    }
}

/// What this observation adds to the past: the past of the next observation.
#[must_use]
pub fn look_back(policy: &Policy, evidence: &Evidence, past: Option<&Past>, now: Timestamp) -> Past {
    let past = Past::of_the_same(past, evidence);
    let status = Status::of(evidence, past);
    let signals = signals(policy, evidence, &status, past, now);
    let before = past.and_then(|past| past.status.as_ref());
    let close = past.filter(|past| past.is_close(now));
    let (scheduler, heartbeat) = (&signals.scheduler, &signals.heartbeat);
    // A signal that cannot be read now neither starts a failure nor ends it.
    let lives = lives(&signals);
    let failing_from = match close.and_then(|past| past.failing_from) {
        _ if lives => None,
        Some(from) => Some(from),
        None if scheduler.is_bad() || heartbeat.is_bad() => Some(first_seen(scheduler, heartbeat, close, now)),
        None => None,
    };
    let alive_at = failing_from.and_then(|_| match close {
        Some(past) if past.failing_from.is_some() => past.alive_at,
        _ => sign_of_life(evidence),
    });
    let airflow_sick_from = match close.and_then(|past| past.airflow_sick_from) {
        _ if lives => None,
        Some(from) => Some(from),
        None => scheduler.is_bad().then_some(now),
    };
    let is_in_alarm = match &signals.alarms {
        Some(Reading::Unknown { .. }) => close.is_some_and(|past| past.is_in_alarm),
        alarms => alarms.as_ref().is_some_and(Reading::is_bad),
    };
    Past {
        of: evidence.of.clone(),
        at: now,
        status: match &evidence.environment {
            EnvironmentAnswer::Found(environment) => Some(LastStatus {
                status: environment.status.clone(),
                read: now,
                since: Failure::of(policy, &status, &signals, past, now).status_since,
            }),
            EnvironmentAnswer::NotFound | EnvironmentAnswer::Unknown(_) => before.cloned(),
        },
        status_unread_from: (!status.is_read).then(|| past.and_then(|past| past.status_unread_from).unwrap_or(now)),
        failing_from,
        alive_at,
        airflow_sick_from,
        is_in_alarm,
        watched_from: close.and_then(|past| past.watched_from).or(Some(now)),
    }
}
