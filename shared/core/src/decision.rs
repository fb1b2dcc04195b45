//! The decision, from policy, control state, verdicts and the time. Pure: the same input gives the same decision.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::color::{Both, Color};
use crate::flag::{FlagObservation, FlagValue, Origin, Version};
use crate::health::{Assessment, Cause, Verdict};
use crate::hold::HoldState;
use crate::policy::{Mode, OnFlagFault, Policy};
use crate::precondition::{cooldown_precondition, mode_precondition, standby_precondition};
use crate::time::{after, before, to_second};
use crate::transition_kind::Kind;

pub use crate::precondition::{Precondition, PreconditionName, flag_precondition, hold_precondition};
pub use crate::switch_request::{
    SwitchControl, declared_failover_preconditions, person_drill_precondition, switch_preconditions,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long SSM asks callers to wait between deleting a parameter and creating it again.
pub const RECREATION_WAIT: Duration = Duration::from_secs(30);

/// The flag, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagState {
    /// The flag exists, with a color or without.
    Present(FlagObservation),
    /// The flag does not exist.
    Missing,
    /// Parameter Store gave no answer.
    Unreadable(Cause),
}

/// Everything about the pair except its health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlState {
    /// The flag, as far as it could be read.
    pub flag: FlagState,
    /// The hold parameter, as read at this instant.
    pub hold: HoldState,
    /// Recent automatic failovers; none if not read or unreadable. Only a failover needs it.
    #[serde(default)]
    pub recent: Option<RecentFailovers>,
    /// The color that a broken flag would be restored to; read only when there is one that may be repaired.
    #[serde(default)]
    pub last_active: Option<Color>,
    /// Since when the flag has been seen missing.
    #[serde(default)]
    pub missing_since: Option<Timestamp>,
}

/// Automatic failovers in the last 24 hours that no person has acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentFailovers {
    /// The number of failovers.
    pub unacknowledged: u32,
    /// The flag has a single version that `initialize` did not write: the flag was deleted, and then restored or
    /// written again.
    #[serde(default)]
    pub recreated_after_deletion: bool,
}

impl RecentFailovers {
    /// Whether an acknowledgment can change anything: it only ever lowers the count.
    #[must_use]
    pub fn may_be_acknowledged(self) -> bool {
        self.unacknowledged > 0
    }

    /// Whether automatic failovers are left in the budget.
    #[must_use]
    pub fn is_within_budget(self, policy: &Policy) -> bool {
        self.unacknowledged < policy.failover_budget
    }

    /// Counts them. A switch or a failover by a person, or a release, acknowledges all failovers before it. A version
    /// without a color does not, and neither does its repair by the watcher.
    #[must_use]
    pub fn count(versions: &[Version], acknowledged: Option<Timestamp>, now: Timestamp) -> Self {
        let earliest = before(now, DAY).max(acknowledged.unwrap_or(Timestamp::MIN));
        let unacknowledged = versions
            .iter()
            .rev()
            .take_while(|version| version.entry.modified >= earliest && !version.is_by_a_person())
            // A retried write is not a second failover.
            .filter(|version| {
                matches!(
                    version.origin,
                    Origin::Ours {
                        kind: Kind::Failover,
                        ..
                    }
                )
            })
            .count();
        let newest = versions.last();
        Self {
            unacknowledged: u32::try_from(unacknowledged).unwrap_or(u32::MAX),
            recreated_after_deletion: newest
                .is_some_and(|newest| newest.entry.version.0 <= 1 && newest.kind() != Kind::Initialize),
        }
    }
}

/// The action to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing needs to be done, or the state is unknown.
    None,
    /// Write the other color.
    Failover,
    /// A failover is wanted, and preconditions prevent it.
    Blocked,
    /// A failover, or a repair of the flag, would be made if the mode were automatic.
    ObserveOnly,
    /// Write the color that was active before a drill.
    DrillReturn,
    /// Write this color into a flag that holds none.
    Restore(Color),
}

impl Action {
    /// The action as answers and logs write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Failover => "failover",
            Self::Blocked => "blocked",
            Self::ObserveOnly => "observe-only",
            Self::DrillReturn => "drill-return",
            Self::Restore(_) => "restore",
        }
    }
}

/// The decision and its reason, also where nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Decision {
    /// The action to take.
    pub action: Action,
    /// The reason in one sentence.
    pub reason: String,
    /// Every precondition that was evaluated; empty if none needed to be.
    pub preconditions: Vec<Precondition>,
    /// Whether another observation before the next tick is useful.
    pub look_again_soon: bool,
}

impl Decision {
    fn none(reason: impl Into<String>, look_again_soon: bool) -> Self {
        Self {
            action: Action::None,
            reason: reason.into(),
            preconditions: Vec::new(),
            look_again_soon,
        }
    }

    /// The preconditions that object.
    #[must_use]
    pub fn blocked_by(&self) -> Vec<PreconditionName> {
        self.preconditions
            .iter()
            .filter(|precondition| !precondition.passed)
            .map(|precondition| precondition.name)
            .collect()
    }
}

/// Decides for the watcher.
///
/// It asks for [`ControlState::recent`] only when everything else supports a failover: the caller then reads the
/// history and decides again ([`wants_recent_failovers`]).
pub fn decide(policy: &Policy, control: &ControlState, verdicts: &Both<Assessment>, now: Timestamp) -> Decision {
    let observation = match &control.flag {
        FlagState::Present(observation) => observation,
        FlagState::Missing => {
            let precondition = Precondition::new(PreconditionName::FlagInvalid, false, flag_missing_advice());
            let reason = "the flag is missing, so the active color is unknown";
            // SSM asks for 30 s between a deletion and a creation. A stale reading is over by then, too.
            let earliest = after(control.missing_since.unwrap_or(now), RECREATION_WAIT);
            return repair(policy, control, reason, precondition, earliest, now);
        }
        FlagState::Unreadable(cause) => return Decision::none(format!("the flag cannot be read: {cause}"), true),
    };
    let FlagValue::Valid(active) = observation.value else {
        let reason = format!("the flag holds {}, so the active color is unknown", observation.value);
        return repair(policy, control, &reason, flag_precondition(observation), now, now);
    };
    let standby = active.other();
    let assessment = verdicts.of(active);
    let why = assessment.reasons.join("; ");
    match assessment.verdict {
        Verdict::Healthy => return Decision::none(format!("{active} is healthy: {why}"), false),
        Verdict::Maintenance => return Decision::none(format!("{active} is in maintenance: {why}"), false),
        Verdict::Unknown => return Decision::none(format!("nothing can be said of {active}: {why}"), false),
        Verdict::Suspect => {
            return Decision::none(format!("{active} is suspect: {why}"), assessment.unhealthy_at.is_some());
        }
        Verdict::Unhealthy => {}
    }
    let mut preconditions = failover_preconditions(policy, control, observation, verdicts.of(standby), standby, now);
    let blocked = preconditions.iter().any(|precondition| !precondition.passed);
    let action = match (blocked, policy.mode) {
        (true, _) => Action::Blocked,
        (false, Mode::Automatic) => Action::Failover,
        (false, Mode::Observe) => Action::ObserveOnly,
    };
    preconditions.extend(mode_precondition(policy));
    Decision {
        action,
        reason: format!("{active} is unhealthy: {why}"),
        // A precondition that time or the standby's recovery can lift is worth another observation; one that only a
        // person lifts is not.
        look_again_soon: action == Action::Blocked
            && preconditions
                .iter()
                .filter(|precondition| !precondition.passed)
                .all(|precondition| {
                    matches!(
                        precondition.name,
                        PreconditionName::StandbyUnknown | PreconditionName::FailoverBudget
                    ) && control.recent.is_none()
                }),
        preconditions,
    }
}

/// What to do about a flag that holds no color. A hold does not prevent a repair: it prevents failovers and drills, and
/// without a color no DAG runs anywhere.
fn repair(
    policy: &Policy,
    control: &ControlState,
    reason: &str,
    precondition: Precondition,
    earliest: Timestamp,
    now: Timestamp,
) -> Decision {
    let decision = |action, reason: String, preconditions, look_again_soon| Decision {
        action,
        reason,
        preconditions,
        look_again_soon,
    };
    if policy.on_flag_fault == OnFlagFault::Alert {
        return decision(Action::Blocked, reason.to_owned(), vec![precondition], false);
    }
    let Some(color) = control.last_active else {
        let reason = format!("{reason}; it cannot be put back either: the color before is not known");
        return decision(Action::Blocked, reason, vec![precondition], false);
    };
    let mut preconditions = vec![precondition];
    preconditions.extend(mode_precondition(policy));
    if policy.mode == Mode::Observe {
        let reason = format!("{reason}; it would be put back to {color}");
        return decision(Action::ObserveOnly, reason, preconditions, false);
    }
    if now < earliest {
        let reason = format!("{reason}; it is put back to {color} from {}", to_second(earliest));
        return decision(Action::Blocked, reason, preconditions, true);
    }
    let reason = format!("{reason}; {color} was the color before");
    decision(Action::Restore(color), reason, preconditions, false)
}

/// The preconditions of an automatic failover at this instant, whether it is wanted or not.
#[must_use]
pub fn failover_preconditions(
    policy: &Policy,
    control: &ControlState,
    observation: &FlagObservation,
    assessment: &Assessment,
    standby: Color,
    now: Timestamp,
) -> Vec<Precondition> {
    let mut preconditions = vec![
        flag_precondition(observation),
        hold_precondition(&control.hold, true),
        cooldown_precondition(
            policy,
            observation,
            control.recent.is_some_and(|recent| recent.recreated_after_deletion),
            now,
        ),
    ];
    preconditions.push(standby_precondition(standby, assessment));
    if let Some(recent) = control.recent {
        preconditions.push(budget_precondition(policy, recent));
    } else if preconditions.iter().all(|precondition| precondition.passed) {
        preconditions.push(Precondition::new(
            PreconditionName::FailoverBudget,
            false,
            "the flag's history could not be read, so earlier failovers cannot be counted; it is asked again",
        ));
    }
    preconditions
}

/// Whether the flag's history must be read before this decision can be made.
#[must_use]
pub fn wants_recent_failovers(control: &ControlState, decision: &Decision) -> bool {
    control.recent.is_none()
        && decision.action == Action::Blocked
        && decision
            .blocked_by()
            .iter()
            // Also under a hold: what would have been done without it is reported.
            .all(|name| {
                matches!(
                    name,
                    PreconditionName::FailoverBudget | PreconditionName::ModeObserve | PreconditionName::Hold
                )
            })
}

fn flag_missing_advice() -> String {
    "no parameter of this name; if this pair is new, invoke the switch-handler with {\"action\":\"initialize\"}; if it \
     was deleted, say which color is active: {\"action\":\"initialize\",\"to\":\"<color>\",\"force\":true}"
        .to_owned()
}

fn budget_precondition(policy: &Policy, recent: RecentFailovers) -> Precondition {
    let passed = recent.is_within_budget(policy);
    let counted = format!(
        "{} of {} automatic failovers in 24 hours used",
        recent.unacknowledged.min(policy.failover_budget),
        policy.failover_budget
    );
    let detail = if passed {
        counted
    } else {
        format!("{counted}; a person must check, and acknowledge by any switch or by {{\"action\":\"release\"}}")
    };
    Precondition::new(PreconditionName::FailoverBudget, passed, detail)
}
