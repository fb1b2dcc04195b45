//! Drills: practice failovers that prove, again and again, that the standby can do the work.

mod alarms;
mod ending;
mod progress;
mod record;
mod window;

use std::time::Duration;

use jiff::Timestamp;

use crate::colour::Both;
use crate::flag::FlagObservation;
use crate::health::{AlarmEvidence, Answer, Assessment, Verdict};
use crate::hold::HoldState;
use crate::policy::Policy;
use crate::precondition::{Guard, GuardName, cooldown_guard, flag_guard, hold_guard, mode_guard, standby_guard};
use crate::time::{after, minutes, to_second};

pub use ending::{End, EndClaim, MAX_ENDS, Turn, end_records, turn};
pub use progress::{DrillStep, RETURN_GRACE, Stage, conclude, decide, stage};
pub use record::{Conclusion, Drill, DrillOutcome, Mode, Timings, outcome_of, outcome_record};
pub use window::{BadWindow, BlockedWindows};

/// Standing choices about drills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillPolicy {
    /// How long the drilled colour works, unless the request says otherwise.
    pub hold_minutes: u32,
    /// When none may start. What cannot be read stops drills, and nothing else.
    pub blocked_windows: Result<BlockedWindows, BadWindow>,
    /// After how many days without one, or any other transition, a person is told; 0 means never.
    pub overdue_days: u32,
    /// CloudWatch alarms, in the function's region, that block a drill, and end one that they ring in.
    pub alarms: Vec<String>,
}

/// Objects while a drill is under way.
pub(crate) fn drill_guard(under_way: Option<&Drill>, advice: &str) -> Guard {
    match under_way {
        Some(drill) => Guard::new(
            GuardName::Drill,
            false,
            format!(
                "a drill of {} is under way since {} (id {}); {advice}",
                drill.to,
                to_second(drill.started_at),
                drill.id
            ),
        ),
        None => Guard::new(GuardName::Drill, true, "no drill under way"),
    }
}

/// What must hold before a drill starts.
#[must_use]
#[expect(clippy::too_many_arguments, reason = "each is a precondition of its own")]
pub fn guards(
    policy: &Policy,
    drills: &DrillPolicy,
    (mode, hold_minutes): (Mode, u32),
    observation: &FlagObservation,
    hold: &HoldState,
    stored_drill: Option<&str>,
    verdicts: &Both<Assessment>,
    alarms: &Answer<Vec<AlarmEvidence>>,
    now: Timestamp,
) -> Vec<Guard> {
    // Only in this mode does it last.
    let lasts = if mode == Mode::Switch {
        minutes(hold_minutes)
    } else {
        Duration::ZERO
    };
    let mut guards = vec![flag_guard(observation)];
    guards.push(drill_guard(Drill::under_way(stored_drill).as_ref(), "wait for its end"));
    guards.push(hold_guard(hold, true));
    guards.push(
        match drills
            .blocked_windows
            .as_ref()
            .map(|windows| windows.blocking(now, lasts))
        {
            Err(fault) => Guard::new(
                GuardName::BlockedWindow,
                false,
                format!("DRILL_BLOCKED_WINDOWS {fault}"),
            ),
            Ok(Some(window)) => Guard::new(
                GuardName::BlockedWindow,
                false,
                format!(
                    "{} and the {} minutes after it meet the blocked window {window} (UTC)",
                    to_second(now),
                    lasts.as_secs().div_euclid(60)
                ),
            ),
            Ok(None) => Guard::new(GuardName::BlockedWindow, true, "in no blocked window"),
        },
    );
    guards.push(cooldown_guard(policy, observation, false, now));
    guards.extend(alarms::guard(alarms));
    if mode == Mode::Switch {
        guards.extend(mode_guard(policy));
    }
    if let Some(active) = observation.value.colour() {
        let assessment = verdicts.of(active);
        guards.push(vouched(
            Guard::new(
                GuardName::ActiveUnhealthy,
                assessment.verdict == Verdict::Healthy,
                format!("{active} is {}: {}", assessment.verdict, assessment.reasons.join("; ")),
            ),
            assessment,
            GuardName::ActiveUnhealthy,
        ));
        let standby = verdicts.of(active.other());
        let guard = standby_guard(active.other(), standby);
        guards.push(vouched(guard, standby, GuardName::StandbyUnknown));
    }
    guards
}

/// A practice can wait until the alarms of both colours could be read.
fn vouched(guard: Guard, assessment: &Assessment, name: GuardName) -> Guard {
    match &assessment.unread_alarms {
        Some(unread) if guard.passed => Guard::new(name, false, format!("{}; but {unread}", guard.detail)),
        _ => guard,
    }
}

/// Since when a proof that the standby works is missing, if it is overdue. A transition of any kind is a proof too.
#[must_use]
pub fn overdue(
    drills: &DrillPolicy,
    stored_drill: Option<&str>,
    observation: &FlagObservation,
    now: Timestamp,
) -> Option<Timestamp> {
    if drills.overdue_days == 0 {
        return None;
    }
    let drill = stored_drill.and_then(Drill::from_stored);
    // The return from a drill that failed proves the opposite: what stood before it is older.
    let transition = drill
        .as_ref()
        .filter(|drill| drill.outcome == DrillOutcome::Failed && drill.has_written_back(observation))
        .map_or(observation.modified, |drill| drill.modified);
    let proven = drill
        .and_then(|drill| drill.proven_at)
        .map_or(transition, |proven| proven.max(transition));
    let days = Duration::from_secs(u64::from(drills.overdue_days).saturating_mul(24 * 60 * 60));
    (now >= after(proven, days)).then_some(proven)
}
