//! What to do, from policy, control state, verdicts and the time. Pure: the same input gives the same decision.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::colour::{Both, Colour};
use crate::flag::{FlagObservation, FlagValue, Origin, Version};
use crate::health::{Assessment, Cause, Verdict};
use crate::hold::HoldState;
use crate::policy::{Mode, OnFlagFault, Policy};
use crate::precondition::{cooldown_guard, mode_guard, standby_guard};
use crate::time::{after, before, to_second};
use crate::transition_kind::Kind;

pub use crate::precondition::{Guard, GuardName, flag_guard, hold_guard};
pub use crate::switch_request::{SwitchControl, declared_failover_guards, person_drill_guard, switch_guards};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long SSM asks to wait between deleting a parameter and creating it again.
pub const RECREATION_WAIT: Duration = Duration::from_secs(30);

/// The flag, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagState {
    /// It is there, with a colour or not.
    Present(FlagObservation),
    /// There is none.
    Missing,
    /// Parameter Store gave no answer.
    Unreadable(Cause),
}

/// Everything about the pair that is not health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlState {
    /// The flag.
    pub flag: FlagState,
    /// The hold.
    pub hold: HoldState,
    /// Recent automatic failovers; none if not asked or unreadable. Only a failover needs it.
    #[serde(default)]
    pub recent: Option<RecentFailovers>,
    /// What a broken flag would be put back to; asked only when there is one that may be repaired.
    #[serde(default)]
    pub last_active: Option<Colour>,
    /// Since when the flag has been seen missing.
    #[serde(default)]
    pub missing_since: Option<Timestamp>,
}

/// Automatic failovers in the last 24 hours that nobody has acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentFailovers {
    /// How many.
    pub unacknowledged: u32,
    /// The flag has one version, which nobody initialized: it was deleted, and restored or written again.
    #[serde(default)]
    pub was_made_again: bool,
}

impl RecentFailovers {
    /// Counts them. A switch or a failover by a person, or a release, acknowledges all that came before it.
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
            was_made_again: newest
                .is_some_and(|newest| newest.entry.version.0 <= 1 && newest.kind() != Kind::Initialize),
        }
    }
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing needs doing, or nothing can be said.
    None,
    /// Write the other colour.
    Failover,
    /// A failover is wanted, and guards prevent it.
    Blocked,
    /// A failover, or a repair of the flag, would be made, were the mode automatic.
    ObserveOnly,
    /// Write the colour back that was active before a drill.
    DrillReturn,
    /// Put this colour back into a flag that holds none.
    Restore(Colour),
}

impl Action {
    /// As written in answers and logs.
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

/// The decision and why, including why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// One sentence.
    pub reason: String,
    /// Every guard that was asked; empty if none needed asking.
    pub guards: Vec<Guard>,
    /// Whether it is worth looking again before the next tick.
    pub look_again_soon: bool,
}

impl Decision {
    fn none(reason: impl Into<String>, look_again_soon: bool) -> Self {
        Self {
            action: Action::None,
            reason: reason.into(),
            guards: Vec::new(),
            look_again_soon,
        }
    }

    /// The guards that do not pass.
    #[must_use]
    pub fn blocked_by(&self) -> Vec<GuardName> {
        self.guards
            .iter()
            .filter(|guard| !guard.passed)
            .map(|guard| guard.name)
            .collect()
    }
}

/// Decides for the watcher.
///
/// It asks for [`ControlState::recent`] only when everything else speaks for a failover: the shell reads the history
/// then and decides again ([`wants_recent_failovers`]).
pub fn decide(policy: &Policy, control: &ControlState, verdicts: &Both<Assessment>, now: Timestamp) -> Decision {
    let observation = match &control.flag {
        FlagState::Present(observation) => observation,
        FlagState::Missing => {
            let guard = Guard::new(GuardName::FlagInvalid, false, flag_missing_advice());
            let reason = "the flag is missing, so nobody can say which colour is active";
            // SSM asks for 30 s between a delete and a create; a reading that is only stale is over by then, too.
            let earliest = after(control.missing_since.unwrap_or(now), RECREATION_WAIT);
            return repair(policy, control, reason, guard, earliest, now);
        }
        FlagState::Unreadable(cause) => return Decision::none(format!("the flag cannot be read: {cause}"), true),
    };
    let FlagValue::Valid(active) = observation.value else {
        let reason = format!(
            "the flag holds {}, so nobody can say which colour is active",
            observation.value
        );
        return repair(policy, control, &reason, flag_guard(observation), now, now);
    };
    let standby = active.other();
    let assessment = verdicts.of(active);
    let why = assessment.reasons.join("; ");
    match assessment.verdict {
        Verdict::Healthy => return Decision::none(format!("{active} is healthy: {why}"), false),
        Verdict::Maintenance => return Decision::none(format!("{active} is in maintenance: {why}"), false),
        Verdict::Unknown => return Decision::none(format!("nothing can be said of {active}: {why}"), false),
        Verdict::Suspect => {
            return Decision::none(format!("{active} is suspect: {why}"), assessment.ripens_at.is_some());
        }
        Verdict::Unhealthy => {}
    }
    let mut guards = failover_guards(policy, control, observation, verdicts.of(standby), standby, now);
    let blocked = guards.iter().any(|guard| !guard.passed);
    let action = match (blocked, policy.mode) {
        (true, _) => Action::Blocked,
        (false, Mode::Automatic) => Action::Failover,
        (false, Mode::Observe) => Action::ObserveOnly,
    };
    guards.extend(mode_guard(policy));
    Decision {
        action,
        reason: format!("{active} is unhealthy: {why}"),
        // A guard that time or the standby's recovery can lift is worth another look; a person's is not.
        look_again_soon: action == Action::Blocked
            && guards.iter().filter(|guard| !guard.passed).all(|guard| {
                matches!(guard.name, GuardName::StandbyUnknown | GuardName::FailoverBudget) && control.recent.is_none()
            }),
        guards,
    }
}

/// What to do about a flag that holds no colour. A hold does not stop a repair: it is against failovers and drills, and
/// without a colour no DAG runs anywhere.
fn repair(
    policy: &Policy,
    control: &ControlState,
    reason: &str,
    guard: Guard,
    earliest: Timestamp,
    now: Timestamp,
) -> Decision {
    let decision = |action, reason: String, guards, look_again_soon| Decision {
        action,
        reason,
        guards,
        look_again_soon,
    };
    if policy.on_flag_fault == OnFlagFault::Alert {
        return decision(Action::Blocked, reason.to_owned(), vec![guard], false);
    }
    let Some(colour) = control.last_active else {
        let reason = format!("{reason}; it cannot be put back either: the colour before is not known");
        return decision(Action::Blocked, reason, vec![guard], false);
    };
    let mut guards = vec![guard];
    guards.extend(mode_guard(policy));
    if policy.mode == Mode::Observe {
        let reason = format!("{reason}; it would be put back to {colour}");
        return decision(Action::ObserveOnly, reason, guards, false);
    }
    if now < earliest {
        let reason = format!("{reason}; it is put back to {colour} from {}", to_second(earliest));
        return decision(Action::Blocked, reason, guards, true);
    }
    let reason = format!("{reason}; {colour} was the colour before");
    decision(Action::Restore(colour), reason, guards, false)
}

/// What an automatic failover would meet now, whether it is wanted or not.
#[must_use]
pub fn failover_guards(
    policy: &Policy,
    control: &ControlState,
    observation: &FlagObservation,
    assessment: &Assessment,
    standby: Colour,
    now: Timestamp,
) -> Vec<Guard> {
    let mut guards = vec![
        flag_guard(observation),
        hold_guard(&control.hold, true),
        cooldown_guard(
            policy,
            observation,
            control.recent.is_some_and(|recent| recent.was_made_again),
            now,
        ),
    ];
    guards.push(standby_guard(standby, assessment));
    if let Some(recent) = control.recent {
        guards.push(budget_guard(policy, recent));
    } else if guards.iter().all(|guard| guard.passed) {
        guards.push(Guard::new(
            GuardName::FailoverBudget,
            false,
            "the flag's history could not be read, so earlier failovers cannot be counted; it is asked again",
        ));
    }
    guards
}

/// Whether the flag's history must be read before this decision can be made.
#[must_use]
pub fn wants_recent_failovers(control: &ControlState, decision: &Decision) -> bool {
    control.recent.is_none()
        && decision.action == Action::Blocked
        && decision
            .blocked_by()
            .iter()
            // Also under a hold: what would have been done without it is told.
            .all(|name| {
                matches!(
                    name,
                    GuardName::FailoverBudget | GuardName::ModeObserve | GuardName::Hold
                )
            })
}

fn flag_missing_advice() -> String {
    "no parameter of this name; if this pair is new, invoke the switch-handler with {\"action\":\"initialize\"}; if it \
     was deleted, say which colour is active: {\"action\":\"initialize\",\"to\":\"<colour>\",\"force\":true}"
        .to_owned()
}

fn budget_guard(policy: &Policy, recent: RecentFailovers) -> Guard {
    let passed = recent.unacknowledged < policy.failover_budget;
    let counted = format!(
        "{} of {} automatic failovers in 24 hours used",
        recent.unacknowledged.min(policy.failover_budget),
        policy.failover_budget
    );
    let detail = if passed {
        counted
    } else {
        format!("{counted}; a person must look, and acknowledge by any switch or by {{\"action\":\"release\"}}")
    };
    Guard::new(GuardName::FailoverBudget, passed, detail)
}
