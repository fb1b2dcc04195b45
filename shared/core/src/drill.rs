//! Drills: practice failovers that repeatedly prove that the standby can take over.

mod alarms;
mod ending;
mod progress;
mod record;
mod window;

use std::time::Duration;

use jiff::Timestamp;

use crate::color::Both;
use crate::flag::FlagObservation;
use crate::health::{AlarmEvidence, Assessment, ProbeResult, Verdict};
use crate::hold::HoldState;
use crate::policy::Policy;
use crate::precondition::{
    Precondition, PreconditionName, cooldown_precondition, flag_precondition, hold_precondition, mode_precondition,
    standby_precondition,
};
use crate::setting::{Group, Setting, Unit, settings};
use crate::time::{after, minutes, to_second};

pub use ending::{End, EndClaim, MAX_ENDS, Turn, end_records, turn};
pub use progress::{DrillStep, RETURN_GRACE, Stage, conclude, decide, stage};
pub use record::{Conclusion, Drill, DrillOutcome, Mode, Timings, outcome_of, outcome_record};
pub use window::{BadWindow, BlockedWindows};

settings! {
    /// The configuration of drills.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct DrillPolicy {
        given
        /// When no drill may start. A list that cannot be read blocks drills, and nothing else.
        blocked_windows: Result<BlockedWindows, BadWindow>,
        given
        /// CloudWatch alarms, in the function's region, that block a drill, and end one during which they fire.
        alarms: Vec<String>,
        /// How long a drilled environment does the work before the drill returns, unless the request says otherwise.
        duration_minutes: u32 = Setting::number("DRILL_DURATION_MINUTES", 15, (1, 1440), Unit::Minutes)
            .parameter("DrillDurationMinutes", Group::Drills),
        /// After so many days without a successful drill (mode `switch`) or any other transition, people are notified and an alarm
        /// fires. 0 means never.
        overdue_days: u32 = Setting::number("DRILL_OVERDUE_DAYS", 0, (0, 366), Unit::Days)
            .parameter("DrillOverdueDays", Group::Drills),
    }
}

/// Objects while a drill is under way.
pub(crate) fn drill_precondition(under_way: Option<&Drill>, advice: &str) -> Precondition {
    match under_way {
        Some(drill) => Precondition::new(
            PreconditionName::Drill,
            false,
            format!(
                "a drill of {} is under way since {} (id {}); {advice}",
                drill.to,
                to_second(drill.started_at),
                drill.id
            ),
        ),
        None => Precondition::new(PreconditionName::Drill, true, "no drill under way"),
    }
}

/// The preconditions of a drill's start.
#[must_use]
#[expect(clippy::too_many_arguments, reason = "each is a precondition of its own")]
pub fn preconditions(
    policy: &Policy,
    drills: &DrillPolicy,
    (mode, duration_minutes): (Mode, u32),
    observation: &FlagObservation,
    hold: &HoldState,
    stored_drill: Option<&str>,
    verdicts: &Both<Assessment>,
    alarms: &ProbeResult<Vec<AlarmEvidence>>,
    now: Timestamp,
) -> Vec<Precondition> {
    // Only this mode takes time.
    let lasts = if mode == Mode::Switch {
        minutes(duration_minutes)
    } else {
        Duration::ZERO
    };
    let mut preconditions = vec![flag_precondition(observation)];
    preconditions.push(drill_precondition(
        Drill::under_way(stored_drill).as_ref(),
        "wait for its end",
    ));
    preconditions.push(hold_precondition(hold, true));
    preconditions.push(
        match drills
            .blocked_windows
            .as_ref()
            .map(|windows| windows.blocking(now, lasts))
        {
            Err(fault) => Precondition::new(
                PreconditionName::BlockedWindow,
                false,
                format!("DRILL_BLOCKED_WINDOWS {fault}"),
            ),
            Ok(Some(window)) => Precondition::new(
                PreconditionName::BlockedWindow,
                false,
                format!(
                    "{} and the {} minutes after it meet the blocked window {window} (UTC)",
                    to_second(now),
                    lasts.as_secs().div_euclid(60)
                ),
            ),
            Ok(None) => Precondition::new(PreconditionName::BlockedWindow, true, "in no blocked window"),
        },
    );
    preconditions.push(cooldown_precondition(policy, observation, false, now));
    preconditions.extend(alarms::precondition(alarms));
    if mode == Mode::Switch {
        preconditions.extend(mode_precondition(policy));
    }
    if let Some(active) = observation.value.color() {
        let assessment = verdicts.of(active);
        preconditions.push(require_known_alarms(
            Precondition::new(
                PreconditionName::ActiveUnhealthy,
                assessment.verdict == Verdict::Healthy,
                format!("{active} is {}: {}", assessment.verdict, assessment.reasons.join("; ")),
            ),
            assessment,
            PreconditionName::ActiveUnhealthy,
        ));
        let standby = verdicts.of(active.other());
        let precondition = standby_precondition(active.other(), standby);
        preconditions.push(require_known_alarms(
            precondition,
            standby,
            PreconditionName::StandbyUnknown,
        ));
    }
    preconditions
}

/// Objects where the alarms cannot be read: a drill can wait until the alarms of both colors are known.
fn require_known_alarms(precondition: Precondition, assessment: &Assessment, name: PreconditionName) -> Precondition {
    match &assessment.unread_alarms {
        Some(unread) if precondition.passed => {
            Precondition::new(name, false, format!("{}; but {unread}", precondition.detail))
        }
        _ => precondition,
    }
}

/// Since when the proof of the standby is overdue, if it is. A transition of any kind counts as a proof, too.
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
    // The return from a failed drill proves the opposite: any proof must be older.
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
