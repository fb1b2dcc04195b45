//! The preconditions of a switch, a rollback or a failover that a person requests.

use jiff::Timestamp;

use crate::color::Color;
use crate::drill::{Drill, drill_precondition};
use crate::flag::FlagObservation;
use crate::health::{Assessment, Verdict};
use crate::hold::HoldState;
use crate::policy::Policy;
use crate::precondition::{
    Precondition, PreconditionName, cooldown_precondition, flag_precondition, hold_precondition, standby_precondition,
};
use crate::time::to_second;
use crate::transition_kind::Kind;

/// The state in Parameter Store, in addition to the flag, that affects a switch by a person.
#[derive(Debug, Clone, Copy)]
pub struct SwitchControl<'a> {
    /// The hold parameter, as read at this instant.
    pub hold: &'a HoldState,
    /// The stored drill.
    pub drill: Option<&'a str>,
}

/// Objects to a switch by a person while this drill is under way.
#[must_use]
pub fn person_drill_precondition(under_way: Option<&Drill>) -> Precondition {
    drill_precondition(
        under_way,
        "it returns by itself; end it now with {\"action\":\"rollback\"}, or add {\"force\":true}",
    )
}

/// The preconditions of a switch or a rollback that a person requests. A hold is reported but does not object to a
/// person's request. A rollback undoes the last transition, so the cooldown does not apply.
#[must_use]
pub fn switch_preconditions(
    policy: &Policy,
    kind: Kind,
    observation: &FlagObservation,
    control: &SwitchControl<'_>,
    to: Color,
    target: &Assessment,
    now: Timestamp,
) -> Vec<Precondition> {
    let mut preconditions = vec![flag_precondition(observation), hold_precondition(control.hold, false)];
    if kind != Kind::Rollback {
        preconditions.push(cooldown_precondition(policy, observation, false, now));
        let drill = Drill::under_way(control.drill).filter(|drill| drill.owns_flag_version(observation));
        preconditions.push(person_drill_precondition(drill.as_ref()));
    }
    preconditions.push(standby_precondition(to, target));
    preconditions
}

/// The preconditions of a failover that a person requests. The person declares the active environment failed, so hold,
/// cooldown and budget do not apply, and a drill ends. Two things cannot be declared: that the standby works, and that
/// an active environment failed whose signals show that it works.
#[must_use]
pub fn declared_failover_preconditions(
    observation: &FlagObservation,
    control: &SwitchControl<'_>,
    active: (Color, &Assessment),
    standby: (Color, &Assessment),
) -> Vec<Precondition> {
    let mut preconditions = vec![flag_precondition(observation), hold_precondition(control.hold, false)];
    if let Some(drill) = Drill::under_way(control.drill).filter(|drill| drill.owns_flag_version(observation)) {
        let detail = format!(
            "a drill of {} is under way since {} (id {}); a failover ends it",
            drill.to,
            to_second(drill.started_at),
            drill.id
        );
        preconditions.push(Precondition::new(PreconditionName::Drill, true, detail));
    }
    let (color, assessment) = active;
    let is_healthy = assessment.verdict == Verdict::Healthy;
    let mut detail = format!("{color} is {}: {}", assessment.verdict, assessment.reasons.join("; "));
    if is_healthy {
        detail.push_str("; a planned change is a switch; if you know that it does not work, add {\"force\":true}");
    }
    preconditions.push(Precondition::new(PreconditionName::ActiveHealthy, !is_healthy, detail));
    preconditions.push(standby_precondition(standby.0, standby.1));
    preconditions
}
