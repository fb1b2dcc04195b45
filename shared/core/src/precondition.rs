//! The preconditions of a change of the flag. Which of them a failover, a switch or a drill evaluates is defined with
//! that change.

use jiff::Timestamp;
use serde::Serialize;

use crate::color::Color;
use crate::flag::{FlagObservation, FlagValue};
use crate::health::{Assessment, Verdict};
use crate::hold::HoldState;
use crate::policy::{Mode, Policy};
use crate::time::{after, elapsed, in_seconds};
use crate::vocabulary::vocabulary;

/// The transitions that evaluate preconditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asker {
    /// The watcher's automatic failover.
    AutomaticFailover,
    /// A person's switch.
    Switch,
    /// A person's failover.
    Failover,
    /// A person's rollback.
    Rollback,
    /// A drill's start.
    Drill,
}

use Asker::{AutomaticFailover, Drill, Failover, Rollback, Switch};

/// Every transition that evaluates preconditions.
const EVERY: &[Asker] = &[AutomaticFailover, Switch, Failover, Rollback, Drill];

/// One step of the advice in the message about a blocked failover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// A sentence without a request.
    Say(&'static str),
    /// A sentence, and the request that ends a hold or acknowledges failovers.
    Release(&'static str),
    /// A sentence, and the request that checks the standby.
    Check(&'static str),
    /// A sentence, and the request for a failover by a person.
    Failover(&'static str),
    /// The same request, with `force`.
    ForcedFailover(&'static str),
    /// A sentence, and the request that reports the state.
    Status(&'static str),
    /// The steps that repair the flag.
    RepairFlag,
}

/// The advice where a message has nothing more specific: report the state.
const STATUS: &[Advice] = &[Advice::Status("Where things stand:")];

/// What people can do about a standby that is not healthy.
const REPAIR_STANDBY: &[Advice] = &[
    Advice::Check("See what is wrong with the standby, and repair it:"),
    Advice::ForcedFailover("Or, if you know better:"),
];

/// The properties of a precondition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreconditionEntry {
    /// What lifts the objection, in a few words.
    pub lifted_by: &'static str,
    /// The transitions that it can stop. One that can stop an automatic failover is a value of the metric
    /// `FailoverBlocked`.
    pub asked_by: &'static [Asker],
    /// The advice in the message about a blocked failover.
    pub advice: &'static [Advice],
}

vocabulary! {
    /// Names of the preconditions, as answers, metrics and events give them. Each is described by what it objects to.
    pub enum PreconditionName: PreconditionEntry {
        /// the flag is missing or holds no color
        FlagInvalid {
            name: "flag-invalid",
            lifted_by: "see [its runbook](../runbooks/broken-flag.md)",
            asked_by: EVERY,
            advice: &[Advice::RepairFlag],
        }
        /// `expect` names another color or version; `force` does not skip it
        Expect {
            name: "expect",
            lifted_by: "ask again with the present state",
            asked_by: &[Switch, Failover, Rollback, Drill],
            advice: STATUS,
        }
        /// a hold is in force: the parameter `<root>/hold` holds `{"until":…,"reason":…,"by":…}`
        Hold {
            name: "hold",
            lifted_by: "its end, or `release`",
            asked_by: &[AutomaticFailover, Drill],
            advice: &[
                Advice::Release("End the hold, and it fails over at the next tick:"),
                Advice::Failover("Or fail over in spite of it:"),
            ],
        }
        /// the last transition is younger than `CooldownSeconds` (`initialize` is none; any other creation of the flag is one
        /// for an automatic failover only)
        Cooldown {
            name: "cooldown",
            lifted_by: "time",
            asked_by: &[AutomaticFailover, Switch, Drill],
            advice: &[Advice::Failover("Wait for its end, or do not:")],
        }
        /// too many automatic failovers in 24 hours
        FailoverBudget {
            name: "failover-budget",
            lifted_by: "any switch or failover by a person, or `release`",
            asked_by: &[AutomaticFailover],
            advice: &[
                Advice::Say("Look first why it failed over so often."),
                Advice::Release("Then acknowledge what was, and it may fail over again:"),
                Advice::Failover("Or do it manually, which acknowledges, too:"),
            ],
        }
        /// the standby is unhealthy
        StandbyUnhealthy {
            name: "standby-unhealthy",
            lifted_by: "the standby's recovery",
            asked_by: EVERY,
            advice: REPAIR_STANDBY,
        }
        /// the standby is under planned work
        StandbyMaintenance {
            name: "standby-maintenance",
            lifted_by: "the end of the work",
            asked_by: EVERY,
            advice: REPAIR_STANDBY,
        }
        /// nothing can confirm that the standby works, or it is suspect
        StandbyUnknown {
            name: "standby-unknown",
            lifted_by: "the standby's recovery",
            asked_by: EVERY,
            advice: REPAIR_STANDBY,
        }
        /// `FailoverMode` is `observe`
        ModeObserve {
            name: "mode-observe",
            lifted_by: "deploy with `automatic`",
            asked_by: &[AutomaticFailover, Drill],
            advice: &[
                Advice::Say("Deploy with FailoverMode=automatic, if it shall act by itself."),
                Advice::Failover("Or do it manually:"),
            ],
        }
        /// a drill is under way
        Drill {
            name: "drill",
            lifted_by: "its end, or `rollback`",
            asked_by: &[Switch, Drill],
            advice: STATUS,
        }
        /// the time lies in a blocked window
        BlockedWindow {
            name: "blocked-window",
            lifted_by: "time",
            asked_by: &[Drill],
            advice: STATUS,
        }
        /// one of `DrillAlarmNames` is in ALARM
        DrillAlarm {
            name: "drill-alarm",
            lifted_by: "time; repair",
            asked_by: &[Drill],
            advice: STATUS,
        }
        /// the active environment is not healthy
        ActiveUnhealthy {
            name: "active-unhealthy",
            lifted_by: "repair",
            asked_by: &[Drill],
            advice: STATUS,
        }
        /// the active is healthy by all its signals
        ActiveHealthy {
            name: "active-healthy",
            lifted_by: "`switch`, for planned work; `force`, if you know that it does not work",
            asked_by: &[Failover],
            advice: STATUS,
        }
        /// the check is red
        Readiness {
            name: "readiness",
            lifted_by: "repair",
            asked_by: &[Drill],
            advice: STATUS,
        }
        /// a writer claimed the next transition and has not finished
        Claim {
            name: "claim",
            lifted_by: "if it is dead: any switch by a person, or a failover",
            asked_by: &[Drill],
            advice: STATUS,
        }
    }
}

impl PreconditionName {
    /// Whether it can block an automatic failover, and so be a value of the metric `FailoverBlocked`.
    #[must_use]
    pub fn blocks_failovers(self) -> bool {
        self.entry().asked_by.contains(&AutomaticFailover)
    }
}

/// One evaluated precondition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Precondition {
    /// The precondition's name.
    pub name: PreconditionName,
    /// Whether it passes; false where it objects.
    pub passed: bool,
    /// The reason, and the remedy where it objects.
    pub detail: String,
}

impl Precondition {
    /// Records the result of one precondition.
    pub fn new(name: PreconditionName, passed: bool, detail: impl Into<String>) -> Self {
        Self {
            name,
            passed,
            detail: detail.into(),
        }
    }
}

/// Objects while the mode forbids the watcher to write.
pub(crate) fn mode_precondition(policy: &Policy) -> Option<Precondition> {
    (policy.mode == Mode::Observe).then(|| {
        Precondition::new(
            PreconditionName::ModeObserve,
            false,
            "FAILOVER_MODE is observe: decided and reported, nothing written",
        )
    })
}

/// Objects where the flag holds no color.
#[must_use]
pub fn flag_precondition(observation: &FlagObservation) -> Precondition {
    match observation.value {
        FlagValue::Valid(color) => Precondition::new(
            PreconditionName::FlagInvalid,
            true,
            format!("the flag holds {color} at version {}", observation.version),
        ),
        FlagValue::Invalid(_) => Precondition::new(
            PreconditionName::FlagInvalid,
            false,
            format!(
                "the flag holds {} at version {}; allowed is exactly blue or green; put it right with \
                 {{\"to\":\"<color>\",\"force\":true}}",
                observation.value, observation.version
            ),
        ),
    }
}

/// Objects while a hold is in force, if a hold counts for this transition.
#[must_use]
pub fn hold_precondition(hold: &HoldState, counts: bool) -> Precondition {
    match hold.describe() {
        None => Precondition::new(PreconditionName::Hold, true, "no hold"),
        Some(detail) if counts => Precondition::new(PreconditionName::Hold, false, detail),
        Some(detail) => Precondition::new(
            PreconditionName::Hold,
            true,
            format!("{detail}; a switch by a person is still allowed"),
        ),
    }
}

pub(crate) fn cooldown_precondition(
    policy: &Policy,
    observation: &FlagObservation,
    recreated_after_deletion: bool,
    now: Timestamp,
) -> Precondition {
    // Version 1 is the flag's creation and no transition, unless the flag was re-created after a deletion.
    if observation.version.0 <= 1 && !recreated_after_deletion {
        return Precondition::new(PreconditionName::Cooldown, true, "no transition yet");
    }
    let rested = elapsed(observation.modified, now);
    if rested >= policy.cooldown {
        return Precondition::new(
            PreconditionName::Cooldown,
            true,
            format!("last transition {} ago", in_seconds(rested)),
        );
    }
    Precondition::new(
        PreconditionName::Cooldown,
        false,
        format!(
            "last transition {} ago; the cooldown of {} ends at {}; wait, or add {{\"force\":true}}",
            in_seconds(rested),
            in_seconds(policy.cooldown),
            after(observation.modified, policy.cooldown)
        ),
    )
}

/// Objects unless the standby is known to work.
pub(crate) fn standby_precondition(color: Color, assessment: &Assessment) -> Precondition {
    let detail = format!("{color} is {}: {}", assessment.verdict, assessment.reasons.join("; "));
    match assessment.verdict {
        Verdict::Healthy => Precondition::new(PreconditionName::StandbyUnhealthy, true, detail),
        Verdict::Unhealthy => Precondition::new(PreconditionName::StandbyUnhealthy, false, detail),
        Verdict::Maintenance => Precondition::new(PreconditionName::StandbyMaintenance, false, detail),
        Verdict::Suspect | Verdict::Unknown => Precondition::new(PreconditionName::StandbyUnknown, false, detail),
    }
}
