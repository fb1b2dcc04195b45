//! The verdict on one environment.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::{AirflowHealth, AlarmState, Answer, Cause, CauseKind, EnvironmentAnswer, Evidence};
use super::status::StatusClass;
use crate::policy::{HEARTBEAT_ONLY_WINDOW, Policy};
use crate::time::{after, before, elapsed, in_seconds};

/// CloudWatch keeps the heartbeat in periods of this length; a datapoint vouches for no instant after its period.
const HEARTBEAT_PERIOD: Duration = Duration::from_secs(60);

/// What the evidence says of one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It serves, and nothing says otherwise.
    Healthy,
    /// It does not, and the evidence is enough to act on.
    Unhealthy,
    /// Signals disagree, or are bad for less than the failure window.
    Suspect,
    /// Something planned is under way.
    Maintenance,
    /// Nothing can be said.
    Unknown,
}

impl Verdict {
    /// As written in answers and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Suspect => "suspect",
            Self::Maintenance => "maintenance",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One signal, read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Reading {
    /// It says all is well.
    Ok {
        /// What was seen.
        detail: String,
    },
    /// It says something is wrong.
    Bad {
        /// Since when, where the signal tells.
        since: Option<Timestamp>,
        /// What was seen.
        detail: String,
    },
    /// It says nothing.
    Unknown {
        /// Why.
        detail: String,
    },
}

impl Reading {
    fn ok(detail: impl Into<String>) -> Self {
        Self::Ok { detail: detail.into() }
    }

    fn bad(since: Option<Timestamp>, detail: impl Into<String>) -> Self {
        Self::Bad {
            since,
            detail: detail.into(),
        }
    }

    fn unknown(detail: impl Into<String>) -> Self {
        Self::Unknown { detail: detail.into() }
    }

    /// What was seen, in words.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Ok { detail } | Self::Bad { detail, .. } | Self::Unknown { detail } => detail,
        }
    }

    fn is_ok(&self) -> bool {
        matches!(self, Self::Ok { .. })
    }

    fn is_bad(&self) -> bool {
        matches!(self, Self::Bad { .. })
    }

    /// How long it has been bad; zero where it cannot tell.
    fn bad_for(&self, now: Timestamp) -> Duration {
        match self {
            Self::Bad { since: Some(since), .. } => elapsed(*since, now),
            _ => Duration::ZERO,
        }
    }

    fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Bad { since, .. } => *since,
            _ => None,
        }
    }
}

/// The four signals of one environment, read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signals {
    /// Status of the environment.
    pub status: Reading,
    /// Airflow's own word on its scheduler and metadatabase.
    pub scheduler: Reading,
    /// The scheduler heartbeat metric.
    pub heartbeat: Reading,
    /// The alarms that the user named; absent if none are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Reading>,
}

/// A verdict with everything that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Assessment {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in words for the person who is woken by it.
    pub reasons: Vec<String>,
    /// The last instant at which it was known healthy, if it no longer is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_known_healthy: Option<Timestamp>,
    /// When a suspicion becomes a verdict if nothing changes: worth looking again soon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ripens_at: Option<Timestamp>,
    /// The signals.
    pub signals: Signals,
    /// Why nobody can tell whether the alarms named for it ring. That keeps no environment from being healthy, because a
    /// failover must not wait for it; a drill can.
    #[serde(skip)]
    pub unread_alarms: Option<String>,
}

/// Whether asking CloudWatch for the heartbeat could change the verdict: only when Airflow's own answer is not ok.
#[must_use]
pub fn heartbeat_could_change(airflow: &Answer<AirflowHealth>) -> bool {
    !read_scheduler(airflow).is_ok()
}

/// Judges one environment.
pub fn assess(policy: &Policy, evidence: &Evidence, now: Timestamp) -> Assessment {
    let class = match &evidence.environment {
        EnvironmentAnswer::Found(environment) => StatusClass::of(&environment.status),
        EnvironmentAnswer::NotFound if last_seen(evidence).is_some() => StatusClass::Failed,
        EnvironmentAnswer::NotFound | EnvironmentAnswer::Unknown(_) => StatusClass::Unknown,
    };
    let signals = Signals {
        status: read_status(evidence, class),
        scheduler: read_scheduler(&evidence.airflow),
        heartbeat: read_heartbeat(policy, evidence, now),
        alarms: read_alarms(evidence),
    };
    let Judgement {
        verdict,
        reasons,
        ripens_at,
    } = judge(policy, class, &signals, now);
    let unread_alarms = match &evidence.alarms {
        Answer::Unknown(cause) if cause.kind != CauseKind::NotAsked => Some(format!("its alarms {}", no_answer(cause))),
        Answer::Unknown(_) | Answer::Known(_) => None,
    };
    let last_known_healthy = (verdict != Verdict::Healthy)
        .then(|| last_known_healthy(evidence, &signals))
        .flatten();
    Assessment {
        verdict,
        reasons,
        last_known_healthy,
        ripens_at,
        signals,
        unread_alarms,
    }
}

struct Judgement {
    verdict: Verdict,
    reasons: Vec<String>,
    ripens_at: Option<Timestamp>,
}

impl Judgement {
    fn of(verdict: Verdict, readings: &[&Reading]) -> Self {
        Self {
            verdict,
            reasons: readings.iter().map(|reading| reading.detail().to_owned()).collect(),
            ripens_at: None,
        }
    }
}

fn judge(policy: &Policy, class: StatusClass, signals: &Signals, now: Timestamp) -> Judgement {
    let Signals {
        status,
        scheduler,
        heartbeat,
        alarms,
    } = signals;
    match class {
        StatusClass::Failed => return Judgement::of(Verdict::Unhealthy, &[status]),
        // Not yet there: whatever its parts say, it has nothing to lose and cannot take over.
        StatusClass::NotReady => return Judgement::of(Verdict::Unknown, &[status]),
        StatusClass::Planned => return judge_planned(policy, signals, now),
        StatusClass::Serving | StatusClass::Degraded | StatusClass::Unknown => {}
    }
    if let Some(alarms) = alarms.as_ref().filter(|alarms| alarms.is_bad()) {
        return Judgement::of(Verdict::Unhealthy, &[alarms]);
    }
    if let Some(window) = window_of(policy, scheduler, heartbeat) {
        let bad_for = scheduler.bad_for(now).max(heartbeat.bad_for(now));
        if bad_for >= window {
            return Judgement::of(Verdict::Unhealthy, &[scheduler, heartbeat]);
        }
        let mut judgement = Judgement::of(Verdict::Suspect, &[scheduler, heartbeat]);
        judgement.reasons.push(format!(
            "bad for {}, less than the {} it must last",
            in_seconds(bad_for),
            in_seconds(window)
        ));
        judgement.ripens_at = Some(after(now, window.saturating_sub(bad_for)));
        return judgement;
    }
    let disagree = scheduler.is_bad() || heartbeat.is_bad();
    match class {
        StatusClass::Serving if disagree => {
            let mut judgement = Judgement::of(Verdict::Suspect, &[scheduler, heartbeat]);
            let bad_for = in_seconds(scheduler.bad_for(now).max(heartbeat.bad_for(now)));
            judgement
                .reasons
                .push(format!("bad for {bad_for} by one signal, but the signals disagree"));
            // The other signal may only be late: look again.
            judgement.ripens_at = Some(after(now, policy.failure_window));
            judgement
        }
        StatusClass::Serving if scheduler.is_ok() => Judgement::of(Verdict::Healthy, &[status, scheduler]),
        StatusClass::Serving if heartbeat.is_ok() => Judgement::of(Verdict::Healthy, &[status, heartbeat]),
        StatusClass::Degraded => Judgement::of(Verdict::Suspect, &[status, scheduler, heartbeat]),
        _ if disagree => Judgement::of(Verdict::Suspect, &[status, scheduler, heartbeat]),
        _ => Judgement::of(Verdict::Unknown, &[status, scheduler, heartbeat]),
    }
}

/// How long the scheduler and the heartbeat, taken together, must be bad; none if they do not agree that it is dead.
fn window_of(policy: &Policy, scheduler: &Reading, heartbeat: &Reading) -> Option<Duration> {
    match (scheduler, heartbeat) {
        (Reading::Bad { .. }, Reading::Bad { .. } | Reading::Unknown { .. }) => Some(policy.failure_window),
        (Reading::Unknown { .. }, Reading::Bad { .. }) => Some(policy.failure_window.max(HEARTBEAT_ONLY_WINDOW)),
        _ => None,
    }
}

/// A planned status is no failure until the maintenance grace has passed and the heartbeat is dead.
fn judge_planned(policy: &Policy, signals: &Signals, now: Timestamp) -> Judgement {
    let Signals {
        status,
        scheduler,
        heartbeat,
        ..
    } = signals;
    // A dead metric alone would do, an unknown one never: metrics stop in updates, and Airflow's answer may be stale.
    if heartbeat.is_bad() && !scheduler.is_ok() && heartbeat.bad_for(now) >= policy.maintenance_grace {
        let mut judgement = Judgement::of(Verdict::Unhealthy, &[status, heartbeat]);
        judgement.reasons.push(format!(
            "the maintenance grace of {} has passed",
            in_seconds(policy.maintenance_grace)
        ));
        return judgement;
    }
    Judgement::of(Verdict::Maintenance, &[status])
}

fn read_status(evidence: &Evidence, class: StatusClass) -> Reading {
    match &evidence.environment {
        EnvironmentAnswer::Found(environment) => {
            let status = environment.status.as_str();
            let by = environment
                .last_update_source
                .as_deref()
                .map(|source| format!(", last update by {source}"))
                .unwrap_or_default();
            match class {
                StatusClass::Serving => Reading::ok(format!("environment status {status}")),
                StatusClass::Failed => Reading::bad(last_seen(evidence), format!("environment status {status}")),
                StatusClass::Planned => Reading::unknown(format!("environment status {status}{by}: planned work")),
                StatusClass::Degraded => Reading::unknown(format!("environment status {status}: being rolled back")),
                StatusClass::NotReady => Reading::unknown(format!("environment status {status}: not ready")),
                StatusClass::Unknown => Reading::unknown(format!("environment status {status}: not known here")),
            }
        }
        EnvironmentAnswer::NotFound if class == StatusClass::Failed => Reading::bad(
            last_seen(evidence),
            "MWAA has no such environment any more: it has had heartbeats, so it was deleted",
        ),
        EnvironmentAnswer::NotFound => Reading::unknown(
            "MWAA has no environment of this name, and none has been seen: check the name and the region",
        ),
        EnvironmentAnswer::Unknown(cause) => Reading::unknown(format!("environment status {}", no_answer(cause))),
    }
}

fn read_scheduler(airflow: &Answer<AirflowHealth>) -> Reading {
    let health = match airflow {
        Answer::Known(health) => health,
        Answer::Unknown(cause) => return Reading::unknown(format!("Airflow health {}", no_answer(cause))),
    };
    let since = health.latest_scheduler_heartbeat;
    let seen = since.map_or_else(|| "no heartbeat ever".to_owned(), |at| format!("latest heartbeat {at}"));
    match (health.scheduler.as_deref(), health.metadatabase.as_deref()) {
        (Some("unhealthy"), _) => Reading::bad(since, format!("Airflow says scheduler unhealthy, {seen}")),
        (_, Some("unhealthy")) => Reading::bad(since, format!("Airflow says metadatabase unhealthy, {seen}")),
        (Some("healthy"), Some("healthy")) => Reading::ok(format!("Airflow says scheduler healthy, {seen}")),
        (None, _) => Reading::unknown("Airflow says its scheduler has never started"),
        (scheduler, metadatabase) => Reading::unknown(format!(
            "Airflow says scheduler {:?}, metadatabase {:?}: not known here",
            scheduler.unwrap_or("null"),
            metadatabase.unwrap_or("null")
        )),
    }
}

fn read_heartbeat(policy: &Policy, evidence: &Evidence, now: Timestamp) -> Reading {
    match &evidence.heartbeat {
        Answer::Unknown(cause) => Reading::unknown(format!("heartbeat metric {}", no_answer(cause))),
        Answer::Known(heartbeat) => match heartbeat.last_seen {
            None => Reading::unknown("heartbeat metric never seen: is the metric filtered out?"),
            Some(seen) if seen >= before(now, policy.failure_window) => {
                Reading::ok(format!("heartbeat metric seen at {seen}"))
            }
            // The datapoint covers a whole period: only after it is silence certain.
            Some(seen) => Reading::bad(
                Some(after(seen, HEARTBEAT_PERIOD).min(now)),
                format!("heartbeat metric missing, last seen in the minute of {seen}"),
            ),
        },
    }
}

fn read_alarms(evidence: &Evidence) -> Option<Reading> {
    let alarms = match &evidence.alarms {
        Answer::Known(alarms) if alarms.is_empty() => return None,
        Answer::Known(alarms) => alarms,
        Answer::Unknown(cause) => return Some(Reading::unknown(format!("your alarms {}", no_answer(cause)))),
    };
    let ringing: Vec<_> = alarms
        .iter()
        .filter(|alarm| alarm.state == Some(AlarmState::Alarm))
        .collect();
    if !ringing.is_empty() {
        let since = ringing.iter().filter_map(|alarm| alarm.since).min();
        return Some(Reading::bad(
            since,
            format!("alarm {} in ALARM", names(ringing.iter().map(|a| a.name.as_str()))),
        ));
    }
    let missing = names(
        alarms
            .iter()
            .filter(|alarm| alarm.state.is_none())
            .map(|alarm| alarm.name.as_str()),
    );
    if !missing.is_empty() {
        return Some(Reading::unknown(format!(
            "CloudWatch has no alarm named {missing}: check the name and the region"
        )));
    }
    let silent = names(
        alarms
            .iter()
            .filter(|alarm| alarm.state == Some(AlarmState::InsufficientData))
            .map(|alarm| alarm.name.as_str()),
    );
    if silent.is_empty() {
        Some(Reading::ok(format!(
            "alarm {} OK",
            names(alarms.iter().map(|alarm| alarm.name.as_str()))
        )))
    } else {
        Some(Reading::unknown(format!("alarm {silent} has not enough data")))
    }
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn no_answer(cause: &Cause) -> String {
    match cause.kind {
        CauseKind::NotAsked => "not asked".to_owned(),
        _ => format!("unknown ({cause})"),
    }
}

fn last_seen(evidence: &Evidence) -> Option<Timestamp> {
    match &evidence.heartbeat {
        Answer::Known(heartbeat) => heartbeat.last_seen,
        Answer::Unknown(_) => None,
    }
}

/// The newest sign of life, where the signs of life have stopped; else the moment the first bad signal began.
fn last_known_healthy(evidence: &Evidence, signals: &Signals) -> Option<Timestamp> {
    let airflow = match &evidence.airflow {
        Answer::Known(health) => health.latest_scheduler_heartbeat,
        Answer::Unknown(_) => None,
    };
    if signals.scheduler.is_ok() {
        return [&signals.status, &signals.heartbeat]
            .into_iter()
            .chain(&signals.alarms)
            .filter_map(Reading::since)
            .min()
            .or(airflow);
    }
    // Airflow's heartbeat is exact; a datapoint only names its minute, whose start is the safe reading: a run that
    // the old active never executed must pass to the new one.
    airflow
        .or(last_seen(evidence))
        .or_else(|| signals.alarms.as_ref().and_then(Reading::since))
}
