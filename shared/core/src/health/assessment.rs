//! The verdict on one environment.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::{AirflowHealth, AlarmState, Answer, Cause, CauseKind, EnvironmentAnswer, Evidence};
use super::past::{BLIND_FOR, LastStatus, Past};
use super::status::StatusClass;
use crate::policy::{HEARTBEAT_ONLY_WINDOW, Policy, STATUS_STANDS};
use crate::time::{after, before, elapsed, in_seconds};

/// CloudWatch keeps the heartbeat in periods of this length; a datapoint vouches for no instant after its period.
const HEARTBEAT_PERIOD: Duration = Duration::from_secs(60);

/// Alarms named in one sentence.
const MOST_NAMES: usize = 10;

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

/// Judges one environment by one look alone.
///
/// A failure that is much older than its window is no news to a watcher that looks every minute. To one that has never
/// looked before it may be what planned work has left: it counts from this look, unless it has outlasted the maintenance
/// grace, which nothing planned does.
pub fn assess(policy: &Policy, evidence: &Evidence, now: Timestamp) -> Assessment {
    assess_after(policy, evidence, None, now)
}

/// Judges one environment by a look and what looks before it saw.
pub fn assess_after(policy: &Policy, evidence: &Evidence, past: Option<&Past>, now: Timestamp) -> Assessment {
    let status = Status::of(evidence, past);
    let signals = signals(policy, evidence, &status, now);
    let Judgement {
        verdict,
        reasons,
        ripens_at,
    } = judge(policy, &status, &signals, past, now);
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

/// What this look adds to the past: the past of the next one.
#[must_use]
pub fn look_back(policy: &Policy, evidence: &Evidence, past: Option<&Past>, now: Timestamp) -> Past {
    let status = Status::of(evidence, past);
    let signals = signals(policy, evidence, &status, now);
    let before = past.and_then(|past| past.status.as_ref());
    let close = past.filter(|past| past.is_close(now));
    let (scheduler, heartbeat) = (&signals.scheduler, &signals.heartbeat);
    // What cannot be read now neither begins a failure nor ends it.
    let lives = scheduler.is_ok() || (!scheduler.is_bad() && heartbeat.is_ok());
    let failing_from = match close.and_then(|past| past.failing_from) {
        _ if lives => None,
        Some(from) => Some(from),
        None if scheduler.is_bad() || heartbeat.is_bad() => Some(first_seen(scheduler, heartbeat, now)),
        None => None,
    };
    let airflow_sick_from = match close.and_then(|past| past.airflow_sick_from) {
        _ if lives => None,
        Some(from) => Some(from),
        None => scheduler.is_bad().then_some(now),
    };
    Past {
        at: now,
        status: match &evidence.environment {
            EnvironmentAnswer::Found(environment) => Some(LastStatus {
                status: environment.status.clone(),
                read: now,
                since: status.since(past, now),
            }),
            EnvironmentAnswer::NotFound | EnvironmentAnswer::Unknown(_) => before.cloned(),
        },
        failing_from,
        airflow_sick_from,
    }
}

/// From when a failure counts that no look before this one saw.
fn first_seen(scheduler: &Reading, heartbeat: &Reading, now: Timestamp) -> Timestamp {
    let oldest = [scheduler.since(), heartbeat.since()].into_iter().flatten().min();
    // Older than that, it began while nobody looked, or in planned work.
    oldest
        .filter(|oldest| elapsed(*oldest, now) <= BLIND_FOR)
        // Nor does it begin in the future, whatever a clock says that is ahead of ours.
        .map_or(now, |oldest| oldest.min(now))
}

fn signals(policy: &Policy, evidence: &Evidence, status: &Status<'_>, now: Timestamp) -> Signals {
    Signals {
        status: read_status(evidence, status, now),
        scheduler: read_scheduler(&evidence.airflow),
        heartbeat: read_heartbeat(policy, evidence, now),
        alarms: read_alarms(evidence),
    }
}

/// What is known of the environment's status.
struct Status<'a> {
    /// Its class, as read now.
    class: StatusClass,
    /// Where it cannot be read now: what was read last.
    last: Option<&'a LastStatus>,
}

impl<'a> Status<'a> {
    fn of(evidence: &Evidence, past: Option<&'a Past>) -> Self {
        let last = past.and_then(|past| past.status.as_ref());
        match &evidence.environment {
            EnvironmentAnswer::Found(environment) => Self {
                class: StatusClass::of(&environment.status),
                last: None,
            },
            EnvironmentAnswer::NotFound if last_seen(evidence).is_some() => Self {
                class: StatusClass::Failed,
                last: None,
            },
            EnvironmentAnswer::NotFound => Self {
                class: StatusClass::Unknown,
                last: None,
            },
            EnvironmentAnswer::Unknown(_) => Self {
                class: StatusClass::Unknown,
                last,
            },
        }
    }

    /// Since when it has been of its present class, as far as looks before this one tell.
    fn since(&self, past: Option<&Past>, now: Timestamp) -> Option<Timestamp> {
        match past.and_then(|past| past.status.as_ref()) {
            Some(before) if self.last.is_some() || before.class() == self.class => before.since,
            Some(_) => Some(now),
            None => None,
        }
    }

    /// The class that a status which cannot be read now counts as: what was read last, while it is so young that planned
    /// work begun since would not yet show, or was read when the failure had begun, which planned work has then not caused.
    fn standing(&self, policy: &Policy, began: Option<Timestamp>, now: Timestamp) -> StatusClass {
        let Some(last) = self.last else { return self.class };
        let age = elapsed(last.read, now);
        let stands = match last.class() {
            StatusClass::Planned => age <= STATUS_STANDS,
            StatusClass::Serving | StatusClass::Degraded => {
                age <= policy.failure_window.min(STATUS_STANDS)
                    || (age <= STATUS_STANDS && began.is_some_and(|began| last.read >= began))
            }
            // That it failed, or was not yet there, may be over.
            StatusClass::Failed | StatusClass::NotReady | StatusClass::Unknown => false,
        };
        if stands { last.class() } else { StatusClass::Unknown }
    }

    /// Whether it cannot be read, and was in use when it last could: then not even planned work excuses a death for ever.
    fn was_in_use(&self) -> bool {
        self.last.is_some_and(|last| {
            matches!(
                last.class(),
                StatusClass::Serving | StatusClass::Degraded | StatusClass::Planned
            )
        })
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

    /// Not yet: why, and when it may be.
    fn until(mut self, why: String, ripens_at: Timestamp) -> Self {
        self.reasons.push(why);
        self.ripens_at = Some(ripens_at);
        self
    }
}

/// Since when the signals of the present failure are bad, and from when that counts.
struct Failure {
    /// The earliest date of a bad signal, or the first look that saw one without a date.
    began: Option<Timestamp>,
    /// How long it has lasted.
    lasted: Duration,
    /// How long it has lasted while the environment was to serve, as far as anybody looked.
    counts: Duration,
}

impl Failure {
    fn of(status: &Status<'_>, signals: &Signals, past: Option<&Past>, now: Timestamp) -> Self {
        let (scheduler, heartbeat) = (&signals.scheduler, &signals.heartbeat);
        let close = past.filter(|past| past.is_close(now));
        // A date of Airflow's in our future, or none at all, is no younger than the first look that saw it sick.
        let sick_from = close
            .and_then(|past| past.airflow_sick_from)
            .filter(|_| scheduler.is_bad())
            .map(|first| scheduler.since().map_or(first, |since| since.min(first)));
        let dates = [sick_from.or(scheduler.since()), heartbeat.since()];
        let began = dates.into_iter().flatten().min();
        let lasted = began.map_or(Duration::ZERO, |began| elapsed(began, now));
        let seen_from = close
            .and_then(|past| past.failing_from)
            .unwrap_or_else(|| first_seen(scheduler, heartbeat, now));
        // What happened in planned work is its doing: it counts from when the environment began to serve again.
        let floor = status.since(past, now).map_or(seen_from, |since| since.max(seen_from));
        Self {
            began,
            lasted,
            counts: lasted.min(elapsed(floor, now)),
        }
    }
}

fn judge(policy: &Policy, status: &Status<'_>, signals: &Signals, past: Option<&Past>, now: Timestamp) -> Judgement {
    let Signals {
        status: said,
        scheduler,
        heartbeat,
        alarms,
    } = signals;
    let ringing = alarms.as_ref().filter(|alarms| alarms.is_bad());
    let failure = Failure::of(status, signals, past, now);
    let alarmed_at = ringing.and_then(Reading::since);
    let class = status.standing(policy, alarmed_at.into_iter().chain(failure.began).max(), now);
    match class {
        StatusClass::Failed => return Judgement::of(Verdict::Unhealthy, &[said]),
        // Not yet there: whatever its parts say, it has nothing to lose and cannot take over.
        StatusClass::NotReady => return Judgement::of(Verdict::Unknown, &[said]),
        StatusClass::Planned => return judge_planned(policy, signals, now),
        StatusClass::Unknown => return judge_unread(policy, status, signals, &failure, now),
        StatusClass::Serving | StatusClass::Degraded => {}
    }
    if let Some(alarms) = ringing {
        // Alarms look minutes back, so for a while they ring for what planned work did.
        let serves_for = status.since(past, now).map(|since| elapsed(since, now));
        let late = policy.failure_window.max(HEARTBEAT_ONLY_WINDOW);
        return match serves_for.filter(|serves_for| *serves_for < late) {
            None => Judgement::of(Verdict::Unhealthy, &[alarms]),
            Some(serves_for) => Judgement::of(Verdict::Suspect, &[said, alarms]).until(
                format!(
                    "serving again for {}, less than the {} that an alarm may look back",
                    in_seconds(serves_for),
                    in_seconds(late)
                ),
                after(now, late.saturating_sub(serves_for)),
            ),
        };
    }
    if let Some(window) = window_of(policy, scheduler, heartbeat) {
        // Longer than planned work may take it is a failure, where no look before this one knows of planned work.
        let has_outlasted = status.since(past, now).is_none() && failure.lasted >= policy.maintenance_grace.max(window);
        if failure.counts >= window || has_outlasted {
            return Judgement::of(Verdict::Unhealthy, &[scheduler, heartbeat]);
        }
        return Judgement::of(Verdict::Suspect, &[scheduler, heartbeat]).until(
            if failure.counts == failure.lasted {
                format!("bad for {}, less than the {} it must last", in_seconds(failure.lasted), in_seconds(window))
            } else {
                format!(
                    "bad for {}, of which {} count, less than the {} it must last: before, there was planned work or nobody \
                     looked",
                    in_seconds(failure.lasted),
                    in_seconds(failure.counts),
                    in_seconds(window)
                )
            },
            after(now, window.saturating_sub(failure.counts)),
        );
    }
    let disagree = scheduler.is_bad() || heartbeat.is_bad();
    match class {
        StatusClass::Serving if disagree => Judgement::of(Verdict::Suspect, &[scheduler, heartbeat]).until(
            format!(
                "bad for {} by one signal, but the signals disagree",
                in_seconds(failure.lasted)
            ),
            // The other signal may only be late: look again.
            after(now, policy.failure_window),
        ),
        // A status that cannot be read vouches for nobody, whatever was read last.
        StatusClass::Serving if status.last.is_some() => Judgement::of(Verdict::Unknown, &[said, scheduler, heartbeat]),
        StatusClass::Serving if scheduler.is_ok() => Judgement::of(Verdict::Healthy, &[said, scheduler]),
        StatusClass::Serving if heartbeat.is_ok() => Judgement::of(Verdict::Healthy, &[said, heartbeat]),
        StatusClass::Degraded => Judgement::of(Verdict::Suspect, &[said, scheduler, heartbeat]),
        _ if disagree => Judgement::of(Verdict::Suspect, &[said, scheduler, heartbeat]),
        _ => Judgement::of(Verdict::Unknown, &[said, scheduler, heartbeat]),
    }
}

/// Nobody can say what the status is: it may be planned work. So nothing condemns that planned work could have caused,
/// neither an alarm nor a dead scheduler, until it has lasted longer than planned work may.
fn judge_unread(
    policy: &Policy,
    status: &Status<'_>,
    signals: &Signals,
    failure: &Failure,
    now: Timestamp,
) -> Judgement {
    let Signals {
        status: said,
        scheduler,
        heartbeat,
        alarms,
    } = signals;
    let is_dead = heartbeat.is_bad() && !scheduler.is_ok();
    if status.was_in_use() && is_dead && heartbeat.bad_for(now) >= policy.maintenance_grace {
        return outlasted(policy, &[said, scheduler, heartbeat]);
    }
    let mut bad: Vec<&Reading> = vec![said];
    bad.extend(alarms.as_ref().filter(|alarms| alarms.is_bad()));
    if scheduler.is_bad() || heartbeat.is_bad() {
        bad.extend([scheduler, heartbeat]);
    }
    if bad.len() == 1 {
        return Judgement::of(Verdict::Unknown, &[said, scheduler, heartbeat]);
    }
    let lasted = match failure.began {
        Some(_) => format!("bad for {}, but ", in_seconds(failure.lasted)),
        None => String::new(),
    };
    // The next answer may tell more: look again.
    Judgement::of(Verdict::Suspect, &bad).until(
        format!("{lasted}without its status nobody can tell this from planned work"),
        after(now, policy.failure_window),
    )
}

fn outlasted(policy: &Policy, readings: &[&Reading]) -> Judgement {
    let mut judgement = Judgement::of(Verdict::Unhealthy, readings);
    judgement.reasons.push(format!(
        "the maintenance grace of {} has passed",
        in_seconds(policy.maintenance_grace)
    ));
    judgement
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
        return outlasted(policy, &[status, heartbeat]);
    }
    Judgement::of(Verdict::Maintenance, &[status])
}

fn read_status(evidence: &Evidence, status: &Status<'_>, now: Timestamp) -> Reading {
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
        EnvironmentAnswer::NotFound if class == StatusClass::Failed => Reading::bad(
            last_seen(evidence),
            "MWAA has no such environment any more: it has had heartbeats, so it was deleted",
        ),
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

/// A few of the names, and how many more there are: a hundred would fill every event that quotes them.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
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
