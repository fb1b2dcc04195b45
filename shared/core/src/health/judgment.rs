//! From the signals to a verdict.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::failure::{Failure, window_of};
use super::past::Past;
use super::signals::{Reading, Signals, Status};
use super::status::StatusClass;
use crate::policy::{HEARTBEAT_ONLY_WINDOW, Policy};
use crate::time::{after, elapsed, in_seconds};

/// What the evidence shows about one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It serves, and no signal says otherwise.
    Healthy,
    /// It does not serve, and the evidence is sufficient to act.
    Unhealthy,
    /// Signals disagree, or have been bad for less than the failure window.
    Suspect,
    /// Planned work is in progress.
    Maintenance,
    /// The evidence is not sufficient for any other verdict.
    Unknown,
}

impl Verdict {
    /// The verdict as answers and logs write it.
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

/// A verdict before it is final.
pub(super) struct Judgment {
    pub(super) verdict: Verdict,
    pub(super) reasons: Vec<String>,
    pub(super) unhealthy_at: Option<Timestamp>,
}

impl Judgment {
    fn of(verdict: Verdict, readings: &[&Reading]) -> Self {
        Self {
            verdict,
            reasons: readings.iter().map(|reading| reading.detail().to_owned()).collect(),
            unhealthy_at: None,
        }
    }

    /// Not unhealthy yet: adds the reason, and the instant at which it may become so.
    fn until(mut self, why: String, unhealthy_at: Timestamp) -> Self {
        self.reasons.push(why);
        self.unhealthy_at = Some(unhealthy_at);
        self
    }
}

/// Weighs all signals.
pub(super) fn judge(
    policy: &Policy,
    status: &Status<'_>,
    signals: &Signals,
    past: Option<&Past>,
    now: Timestamp,
) -> Judgment {
    let Signals {
        status: said,
        scheduler,
        heartbeat,
        alarms,
    } = signals;
    let in_alarm = alarms.as_ref().filter(|alarms| alarms.is_bad());
    let failure = Failure::of(policy, status, signals, past, now);
    let class = status.standing(policy, failure.alarmed_at.into_iter().chain(failure.began).max(), now);
    match class {
        StatusClass::Failed => return Judgment::of(Verdict::Unhealthy, &[said]),
        // The environment is being created: whatever its parts report, it has nothing to lose and cannot take over.
        StatusClass::NotReady => return Judgment::of(Verdict::Unknown, &[said]),
        StatusClass::Planned => return judge_planned(policy, signals, now),
        StatusClass::Unknown => return judge_unread(policy, status, signals, &failure, now),
        StatusClass::Serving | StatusClass::Degraded => {}
    }
    let window = window_of(policy, scheduler, heartbeat);
    // If it has lasted longer than planned work may take, it is a failure, unless an earlier observation saw planned
    // work.
    let is_over = window.is_some_and(|window| {
        failure.counts >= window
            || (failure.status_since.is_none() && failure.lasted >= policy.maintenance_grace.max(window))
    });
    if let Some(alarms) = in_alarm {
        let judgment = judge_alarms(policy, said, alarms, &failure, now);
        // An alarm that does not count yet must not delay what the scheduler and the heartbeat show by themselves.
        if judgment.verdict == Verdict::Unhealthy || !is_over {
            return judgment;
        }
    }
    if let Some(window) = window {
        if is_over {
            return Judgment::of(Verdict::Unhealthy, &[scheduler, heartbeat]);
        }
        return Judgment::of(Verdict::Suspect, &[scheduler, heartbeat]).until(
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
        StatusClass::Serving if disagree => Judgment::of(Verdict::Suspect, &[scheduler, heartbeat]).until(
            format!(
                "bad for {} by one signal, but the signals disagree",
                in_seconds(failure.lasted)
            ),
            // The other signal may only be late: observe again.
            after(now, policy.failure_window),
        ),
        // A status that cannot be read confirms nothing, whatever was read last.
        StatusClass::Serving if status.last.is_some() => Judgment::of(Verdict::Unknown, &[said, scheduler, heartbeat]),
        StatusClass::Serving if scheduler.is_ok() => Judgment::of(Verdict::Healthy, &[said, scheduler]),
        StatusClass::Serving if heartbeat.is_ok() => Judgment::of(Verdict::Healthy, &[said, heartbeat]),
        StatusClass::Degraded => Judgment::of(Verdict::Suspect, &[said, scheduler, heartbeat]),
        _ if disagree => Judgment::of(Verdict::Suspect, &[said, scheduler, heartbeat]),
        _ => Judgment::of(Verdict::Unknown, &[said, scheduler, heartbeat]),
    }
}

/// An alarm is evidence at once. However, it evaluates past minutes, so for a while it fires because of planned work.
/// An alarm that is old at the first observation may have begun in planned work that was not observed.
fn judge_alarms(policy: &Policy, said: &Reading, alarms: &Reading, failure: &Failure, now: Timestamp) -> Judgment {
    let late = policy.failure_window.max(HEARTBEAT_ONLY_WINDOW);
    let young = |from: Option<Timestamp>| from.map(|from| elapsed(from, now)).filter(|age| *age < late);
    let (age, why) = match (young(failure.status_since), young(failure.alarm_watched_from)) {
        (None, None) => return Judgment::of(Verdict::Unhealthy, &[alarms]),
        (Some(serves), seen) if seen.is_none_or(|seen| serves <= seen) => (serves, "known to serve again"),
        (_, seen) => (
            seen.unwrap_or_default(),
            "already in ALARM at the first look, and watched",
        ),
    };
    Judgment::of(Verdict::Suspect, &[said, alarms]).until(
        format!(
            "{why} for {}, less than the {} that an alarm may look back",
            in_seconds(age),
            in_seconds(late)
        ),
        after(now, late.saturating_sub(age)),
    )
}

/// The status is not known, so there may be planned work. Nothing counts that planned work could have caused, neither
/// an alarm nor a dead scheduler, until it has lasted longer than planned work may take.
fn judge_unread(
    policy: &Policy,
    status: &Status<'_>,
    signals: &Signals,
    failure: &Failure,
    now: Timestamp,
) -> Judgment {
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
        return Judgment::of(Verdict::Unknown, &[said, scheduler, heartbeat]);
    }
    let lasted = match failure.began {
        Some(_) => format!("bad for {}, but ", in_seconds(failure.lasted)),
        None => String::new(),
    };
    // The next answer may show more: observe again.
    Judgment::of(Verdict::Suspect, &bad).until(
        format!("{lasted}without its status this cannot be distinguished from planned work"),
        after(now, policy.failure_window),
    )
}

fn outlasted(policy: &Policy, readings: &[&Reading]) -> Judgment {
    let mut judgment = Judgment::of(Verdict::Unhealthy, readings);
    judgment.reasons.push(format!(
        "the maintenance grace of {} has passed",
        in_seconds(policy.maintenance_grace)
    ));
    judgment
}

/// A planned status is no failure until the maintenance grace has passed and the heartbeat is dead.
fn judge_planned(policy: &Policy, signals: &Signals, now: Timestamp) -> Judgment {
    let Signals {
        status,
        scheduler,
        heartbeat,
        ..
    } = signals;
    // A dead metric alone would be sufficient, an unknown one never: metrics stop during updates, and Airflow's answer
    // may be stale.
    if heartbeat.is_bad() && !scheduler.is_ok() && heartbeat.bad_for(now) >= policy.maintenance_grace {
        return outlasted(policy, &[status, heartbeat]);
    }
    Judgment::of(Verdict::Maintenance, &[status])
}
