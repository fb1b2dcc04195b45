//! What a switch, a rollback or a failover that a person asks for must meet.

use jiff::Timestamp;

use crate::colour::Colour;
use crate::drill::{Drill, drill_guard};
use crate::flag::FlagObservation;
use crate::health::{Assessment, Verdict};
use crate::hold::HoldState;
use crate::policy::Policy;
use crate::precondition::{Guard, GuardName, cooldown_guard, flag_guard, hold_guard, standby_guard};
use crate::time::to_second;
use crate::transition_kind::Kind;

/// What stands in Parameter Store beside the flag and concerns a switch by a person.
#[derive(Debug, Clone, Copy)]
pub struct SwitchControl<'a> {
    /// The hold.
    pub hold: &'a HoldState,
    /// The stored drill.
    pub drill: Option<&'a str>,
}

/// Objects to a switch by a person while this drill is under way.
#[must_use]
pub fn person_drill_guard(under_way: Option<&Drill>) -> Guard {
    drill_guard(
        under_way,
        "it returns by itself; end it now with {\"action\":\"rollback\"}, or add {\"force\":true}",
    )
}

/// The guards of a switch or a rollback that a person asks for. A hold is told, but does not stop a person; a rollback
/// undoes what was just done, so it need not rest first.
#[must_use]
pub fn switch_guards(
    policy: &Policy,
    kind: Kind,
    observation: &FlagObservation,
    control: &SwitchControl<'_>,
    to: Colour,
    target: &Assessment,
    now: Timestamp,
) -> Vec<Guard> {
    let mut guards = vec![flag_guard(observation), hold_guard(control.hold, false)];
    if kind != Kind::Rollback {
        guards.push(cooldown_guard(policy, observation, false, now));
        let drill = Drill::under_way(control.drill).filter(|drill| drill.has_the_flag(observation));
        guards.push(person_drill_guard(drill.as_ref()));
    }
    guards.push(standby_guard(to, target));
    guards
}

/// The guards of a failover that a person asks for: the person declares the active failed, so neither a hold nor the cooldown
/// nor the budget is asked, and a drill ends. What nobody may declare is that the standby works, nor that an active failed
/// whose signals say that it works.
#[must_use]
pub fn declared_failover_guards(
    observation: &FlagObservation,
    control: &SwitchControl<'_>,
    active: (Colour, &Assessment),
    standby: (Colour, &Assessment),
) -> Vec<Guard> {
    let mut guards = vec![flag_guard(observation), hold_guard(control.hold, false)];
    if let Some(drill) = Drill::under_way(control.drill).filter(|drill| drill.has_the_flag(observation)) {
        let detail = format!(
            "a drill of {} is under way since {} (id {}); a failover ends it",
            drill.to,
            to_second(drill.started_at),
            drill.id
        );
        guards.push(Guard::new(GuardName::Drill, true, detail));
    }
    let (colour, assessment) = active;
    let is_healthy = assessment.verdict == Verdict::Healthy;
    let mut detail = format!("{colour} is {}: {}", assessment.verdict, assessment.reasons.join("; "));
    if is_healthy {
        detail.push_str("; a planned change is a switch; if you know that it does not work, add {\"force\":true}");
    }
    guards.push(Guard::new(GuardName::ActiveHealthy, !is_healthy, detail));
    guards.push(standby_guard(standby.0, standby.1));
    guards
}
