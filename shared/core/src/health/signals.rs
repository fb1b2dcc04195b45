//! The four signals of one environment, each read independently.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::{AirflowHealth, AlarmState, Cause, CauseKind, EnvironmentAnswer, Evidence, ProbeResult};
use super::past::{BLIND_FOR, LastStatus, Past};
use super::status::StatusClass;
use crate::policy::{HEARTBEAT_SHOWS_LIFE, Policy, STATUS_STANDS};
use crate::time::{after, before, elapsed, in_seconds, to_second};

/// CloudWatch keeps the heartbeat in periods of this length; a datapoint proves nothing about the time after its
/// period.
const HEARTBEAT_PERIOD: Duration = Duration::from_secs(60);

/// Most alarms named in one sentence.
const MOST_NAMES: usize = 10;

/// One signal after evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Reading {
    /// The signal is good.
    Ok {
        /// What was observed.
        detail: String,
    },
    /// The signal is bad.
    Bad {
        /// Since when, where the signal shows it.
        since: Option<Timestamp>,
        /// What was observed.
        detail: String,
    },
    /// The signal gives no information.
    Unknown {
        /// Why there is no information.
        detail: String,
    },
}

impl Reading {
    pub(super) fn ok(detail: impl Into<String>) -> Self {
        Self::Ok { detail: detail.into() }
    }

    pub(super) fn bad(since: Option<Timestamp>, detail: impl Into<String>) -> Self {
        Self::Bad {
            since,
            detail: detail.into(),
        }
    }

    pub(super) fn unknown(detail: impl Into<String>) -> Self {
        Self::Unknown { detail: detail.into() }
    }

    /// What was observed, in words.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Ok { detail } | Self::Bad { detail, .. } | Self::Unknown { detail } => detail,
        }
    }

    pub(super) fn is_ok(&self) -> bool {
        matches!(self, Self::Ok { .. })
    }

    pub(super) fn is_bad(&self) -> bool {
        matches!(self, Self::Bad { .. })
    }

    /// How long the signal has been bad; zero where it does not show it.
    pub(super) fn bad_for(&self, now: Timestamp) -> Duration {
        match self {
            Self::Bad { since: Some(since), .. } => elapsed(*since, now),
            _ => Duration::ZERO,
        }
    }

    pub(super) fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Bad { since, .. } => *since,
            _ => None,
        }
    }
}

/// The four signals of one environment after evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    /// The status of the environment.
    pub status: Reading,
    /// Airflow's own report on its scheduler and metadatabase.
    pub scheduler: Reading,
    /// The scheduler heartbeat metric.
    pub heartbeat: Reading,
    /// The alarms that the user named; absent if none are named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Reading>,
}

/// Whether the heartbeat from CloudWatch could change the verdict: only when Airflow's own answer is not ok.
#[must_use]
pub fn heartbeat_could_change(airflow: &ProbeResult<AirflowHealth>) -> bool {
    !read_scheduler(airflow).is_ok()
}

/// Evaluates all four.
pub(super) fn signals(
    policy: &Policy,
    evidence: &Evidence,
    status: &Status<'_>,
    past: Option<&Past>,
    now: Timestamp,
) -> Signals {
    let scheduler = read_scheduler(&evidence.airflow);
    let heartbeat = match (&scheduler, read_heartbeat(policy, evidence, now)) {
        (Reading::Unknown { .. }, Reading::Ok { detail }) => alone(detail, evidence, past, now),
        (_, heartbeat) => heartbeat,
    };
    Signals {
        status: read_status(evidence, status, &scheduler, now),
        scheduler,
        heartbeat,
        alarms: read_alarms(evidence),
    }
}

/// A heartbeat within the window, while Airflow does not answer. An old one, or one from before Airflow called itself
/// unhealthy, says nothing of the time since: with a long window, it would make an environment healthy that has been dead
/// for minutes.
fn alone(detail: String, evidence: &Evidence, past: Option<&Past>, now: Timestamp) -> Reading {
    let Some(seen) = last_seen(evidence) else {
        return Reading::Ok { detail };
    };
    let sick_from = past
        .filter(|past| past.is_close(now))
        .and_then(|past| past.airflow_sick_from);
    if let Some(sick_from) = sick_from.filter(|sick_from| seen <= *sick_from) {
        return Reading::unknown(format!(
            "{detail}, and Airflow was unhealthy at {}",
            to_second(sick_from)
        ));
    }
    let age = elapsed(seen, now);
    if age > HEARTBEAT_SHOWS_LIFE {
        return Reading::unknown(format!(
            "{detail}: {} ago, too old to show that it works",
            in_seconds(age)
        ));
    }
    Reading::Ok { detail }
}

/// What is known of the environment's status.
pub(super) struct Status<'a> {
    /// The class of the status, as read now.
    pub(super) class: StatusClass,
    /// The last status that was read, where none can be read now.
    pub(super) last: Option<&'a LastStatus>,
    /// Whether MWAA has returned a status.
    pub(super) is_read: bool,
}

impl<'a> Status<'a> {
    pub(super) fn of(evidence: &Evidence, past: Option<&'a Past>) -> Self {
        let last = past.and_then(|past| past.status.as_ref());
        let (class, last, is_read) = match &evidence.environment {
            EnvironmentAnswer::Found(environment) => (StatusClass::of(&environment.status), None, true),
            // It was observed before: by a status that was read, or by a heartbeat, which CloudWatch may not return
            // now.
            // An environment that is gone runs no Airflow: where it says that it is healthy, one answer is wrong.
            EnvironmentAnswer::NotFound if read_scheduler(&evidence.airflow).is_ok() => {
                (StatusClass::Unknown, last, false)
            }
            EnvironmentAnswer::NotFound if last.is_some() || last_seen(evidence).is_some() => {
                (StatusClass::Failed, last, false)
            }
            EnvironmentAnswer::NotFound => (StatusClass::Unknown, None, false),
            EnvironmentAnswer::Unknown(_) => (StatusClass::Unknown, last, false),
        };
        Self { class, last, is_read }
    }

    /// Since when it has been of its current class, as far as earlier observations show. Planned work may have begun
    /// and ended while the status could not be read. After a gap longer than planned work takes, the class counts from
    /// now on, unless `no_work` shows that planned work cannot have caused the failure.
    pub(super) fn since(&self, past: Option<&Past>, no_work: bool, now: Timestamp) -> Option<Timestamp> {
        let past = past?;
        let gap = past.status_unread_from.filter(|_| self.is_read && !no_work);
        let hides_work = gap.is_some_and(|from| elapsed(from, now) > BLIND_FOR);
        match &past.status {
            Some(before) if self.is_read && before.class() != self.class => Some(now),
            _ if hides_work => Some(now),
            before => before.as_ref().and_then(|before| before.since),
        }
    }

    /// The class that an unreadable status counts as. It is the class of the last status in two cases: that status is
    /// so recent that planned work begun since would not show yet, or it was read after the failure had begun, which
    /// planned work has then not caused.
    pub(super) fn standing(&self, policy: &Policy, began: Option<Timestamp>, now: Timestamp) -> StatusClass {
        let Some(last) = self.last.filter(|_| self.class == StatusClass::Unknown) else {
            return self.class;
        };
        let age = elapsed(last.read, now);
        let stands = match last.class() {
            StatusClass::Planned => age <= STATUS_STANDS,
            StatusClass::Serving | StatusClass::Degraded => {
                age <= policy.failure_window.min(STATUS_STANDS)
                    || (age <= STATUS_STANDS && began.is_some_and(|began| last.read >= began))
            }
            // A failure, or a creation, may be over by now.
            StatusClass::Failed | StatusClass::NotReady | StatusClass::Unknown => false,
        };
        if stands { last.class() } else { StatusClass::Unknown }
    }

    /// Whether it cannot be read, and was in use when it was last read: then planned work does not excuse a failure
    /// forever.
    pub(super) fn was_in_use(&self) -> bool {
        self.last.is_some_and(|last| {
            matches!(
                last.class(),
                StatusClass::Serving | StatusClass::Degraded | StatusClass::Planned
            )
        })
    }
}

fn read_status(evidence: &Evidence, status: &Status<'_>, scheduler: &Reading, now: Timestamp) -> Reading {
    let class = status.class;
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
        EnvironmentAnswer::NotFound if class == StatusClass::Failed => {
            let seen = match (last_seen(evidence), status.last) {
                (None, Some(last)) => format!("it was {} at {}", last.status, to_second(last.read)),
                _ => "it has had heartbeats".to_owned(),
            };
            let detail = format!("MWAA has no such environment any more: {seen}, so it was deleted");
            Reading::bad(last_seen(evidence), detail)
        }
        EnvironmentAnswer::NotFound if scheduler.is_ok() => {
            Reading::unknown("MWAA has no environment of this name, and yet its Airflow answers that it is healthy")
        }
        EnvironmentAnswer::NotFound => Reading::unknown(
            "MWAA has no environment of this name, and none has been seen: check the name and the region",
        ),
        EnvironmentAnswer::Unknown(cause) => {
            let last = status.last.map(|last| {
                let age = in_seconds(elapsed(last.read, now));
                format!("; {age} ago it was {}", last.status)
            });
            let last = last.unwrap_or_default();
            Reading::unknown(format!("environment status {}{last}", no_answer(cause)))
        }
    }
}

fn read_scheduler(airflow: &ProbeResult<AirflowHealth>) -> Reading {
    let health = match airflow {
        ProbeResult::Known(health) => health,
        ProbeResult::Unknown(cause) => return Reading::unknown(format!("Airflow health {}", no_answer(cause))),
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
        ProbeResult::Unknown(cause) => Reading::unknown(format!("heartbeat metric {}", no_answer(cause))),
        ProbeResult::Known(heartbeat) => match heartbeat.last_seen {
            None => Reading::unknown("heartbeat metric never seen: is the metric filtered out?"),
            Some(seen) if seen >= before(now, policy.failure_window) => {
                Reading::ok(format!("heartbeat metric seen at {seen}"))
            }
            // The datapoint covers a whole period, and the next one shows after its own: until then nobody can say since when
            // there is silence.
            Some(seen) => Reading::bad(
                (elapsed(seen, now) >= HEARTBEAT_SHOWS_LIFE).then(|| after(seen, HEARTBEAT_PERIOD)),
                format!("heartbeat metric missing, last seen in the minute of {seen}"),
            ),
        },
    }
}

fn read_alarms(evidence: &Evidence) -> Option<Reading> {
    let alarms = match &evidence.alarms {
        ProbeResult::Known(alarms) if alarms.is_empty() => return None,
        ProbeResult::Known(alarms) => alarms,
        ProbeResult::Unknown(cause) => return Some(Reading::unknown(format!("your alarms {}", no_answer(cause)))),
    };
    let in_alarm: Vec<_> = alarms
        .iter()
        .filter(|alarm| alarm.state == Some(AlarmState::Alarm))
        .collect();
    if !in_alarm.is_empty() {
        let since = in_alarm.iter().filter_map(|alarm| alarm.since).min();
        return Some(Reading::bad(
            since,
            format!("alarm {} in ALARM", names(in_alarm.iter().map(|a| a.name.as_str()))),
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

/// A few of the names, and how many more there are: a hundred names would fill every event that quotes them.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

pub(super) fn no_answer(cause: &Cause) -> String {
    match cause.kind {
        CauseKind::NotAsked => "not asked".to_owned(),
        _ => format!("unknown ({cause})"),
    }
}

fn airflow_heartbeat(evidence: &Evidence) -> Option<Timestamp> {
    match &evidence.airflow {
        ProbeResult::Known(health) => health.latest_scheduler_heartbeat,
        ProbeResult::Unknown(_) => None,
    }
}

/// The newest sign of life that this observation shows.
pub(super) fn sign_of_life(evidence: &Evidence) -> Option<Timestamp> {
    airflow_heartbeat(evidence).or(last_seen(evidence))
}

fn last_seen(evidence: &Evidence) -> Option<Timestamp> {
    match &evidence.heartbeat {
        ProbeResult::Known(heartbeat) => heartbeat.last_seen,
        ProbeResult::Unknown(_) => None,
    }
}

/// Whether it shows signs of life, as far as this observation shows.
pub(super) fn lives(signals: &Signals) -> bool {
    signals.scheduler.is_ok() || (!signals.scheduler.is_bad() && signals.heartbeat.is_ok())
}

/// The moment when the first bad signal began; where the signs of life have stopped, the newest of them if that is
/// earlier.
pub(super) fn last_known_healthy(
    evidence: &Evidence,
    signals: &Signals,
    past: Option<&Past>,
    now: Timestamp,
) -> Option<Timestamp> {
    let Signals {
        status,
        scheduler,
        heartbeat,
        alarms,
    } = signals;
    let airflow = airflow_heartbeat(evidence);
    let alarmed_at = alarms.as_ref().and_then(Reading::since);
    if scheduler.is_ok() {
        let bad = [status.since(), heartbeat.since(), alarmed_at];
        return bad.into_iter().flatten().min().or(airflow);
    }
    // A failure that earlier observations saw without a recovery since: it dates what has no date, or a date that moves
    // with each restart of a scheduler which fails again.
    let seen_bad = past.filter(|past| past.is_close(now) && !lives(signals));
    let sick_from = seen_bad.and_then(|past| past.airflow_sick_from);
    // Airflow's heartbeat is exact. A datapoint only names its minute, and the start of the minute is the safe choice:
    // a run that the old active color never executed must pass to the new one. A datapoint may also be forged or stuck,
    // or show that only the API is down, so it never makes another date later.
    // Where neither can be read now, the date that they once gave the failure is older than the look that saw it.
    let seen_failing = || seen_bad.and_then(|past| [past.alive_at, past.failing_from].into_iter().flatten().min());
    let life = sign_of_life(evidence).or_else(seen_failing);
    [life, sick_from, alarmed_at].into_iter().flatten().min()
}
