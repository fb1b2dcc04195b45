//! What must hold before the flag is changed, each with its word on the transition. Which of them a failover, a switch or a drill
//! asks is decided where that is.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::color::Color;
use crate::flag::{FlagObservation, FlagValue};
use crate::health::{Assessment, Verdict};
use crate::hold::HoldState;
use crate::policy::{Mode, Policy};
use crate::time::{after, elapsed, in_seconds};

/// Names of the preconditions, as answers, metrics and events give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreconditionName {
    /// The flag holds a color.
    FlagInvalid,
    /// The request's `expect` is what stands.
    Expect,
    /// Nobody holds the pair.
    Hold,
    /// The last transition is long enough ago.
    Cooldown,
    /// Not too many automatic failovers in a day.
    FailoverBudget,
    /// The standby does not work.
    StandbyUnhealthy,
    /// The standby is being worked on.
    StandbyMaintenance,
    /// Nobody can tell whether the standby works.
    StandbyUnknown,
    /// The watcher may act.
    ModeObserve,
    /// No drill is under way.
    Drill,
    /// The time lies in no window in which drills may not start.
    BlockedWindow,
    /// No alarm fires that the user named for drills.
    DrillAlarm,
    /// A drill wants an active color that works.
    ActiveUnhealthy,
    /// A failover by a person wants an active color that is not known to work.
    ActiveHealthy,
    /// The check of the standby's readiness found nothing red.
    Readiness,
    /// No claim stands out of the present version.
    Claim,
}

impl PreconditionName {
    /// As written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FlagInvalid => "flag-invalid",
            Self::Expect => "expect",
            Self::Hold => "hold",
            Self::Cooldown => "cooldown",
            Self::FailoverBudget => "failover-budget",
            Self::StandbyUnhealthy => "standby-unhealthy",
            Self::StandbyMaintenance => "standby-maintenance",
            Self::StandbyUnknown => "standby-unknown",
            Self::ModeObserve => "mode-observe",
            Self::Drill => "drill",
            Self::BlockedWindow => "blocked-window",
            Self::DrillAlarm => "drill-alarm",
            Self::ActiveUnhealthy => "active-unhealthy",
            Self::ActiveHealthy => "active-healthy",
            Self::Readiness => "readiness",
            Self::Claim => "claim",
        }
    }
}

impl fmt::Display for PreconditionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One precondition with its word on the transition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Precondition {
    /// Which.
    pub name: PreconditionName,
    /// Whether it lets the transition through.
    pub passed: bool,
    /// Why, and where it does not, what to do.
    pub detail: String,
}

impl Precondition {
    /// A precondition's word.
    pub fn new(name: PreconditionName, passed: bool, detail: impl Into<String>) -> Self {
        Self {
            name,
            passed,
            detail: detail.into(),
        }
    }
}

/// Objects while the watcher may not write.
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

/// Objects while the pair is held, if that counts for what is to be done.
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
    // Version 1 is the flag's creation, not a transition, unless it was made again after a deletion.
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

/// Objects to a standby that is not known to work.
pub(crate) fn standby_precondition(color: Color, assessment: &Assessment) -> Precondition {
    let detail = format!("{color} is {}: {}", assessment.verdict, assessment.reasons.join("; "));
    match assessment.verdict {
        Verdict::Healthy => Precondition::new(PreconditionName::StandbyUnhealthy, true, detail),
        Verdict::Unhealthy => Precondition::new(PreconditionName::StandbyUnhealthy, false, detail),
        Verdict::Maintenance => Precondition::new(PreconditionName::StandbyMaintenance, false, detail),
        Verdict::Suspect | Verdict::Unknown => Precondition::new(PreconditionName::StandbyUnknown, false, detail),
    }
}
