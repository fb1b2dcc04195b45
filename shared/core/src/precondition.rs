//! What must hold before the flag is changed, each with its word on the transition. Which of them a failover, a switch or a drill
//! asks is decided where that is.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::colour::Colour;
use crate::flag::{FlagObservation, FlagValue};
use crate::health::{Assessment, Verdict};
use crate::hold::HoldState;
use crate::policy::{Mode, Policy};
use crate::time::{after, elapsed, in_seconds};

/// Names of the guards, as answers, metrics and events give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardName {
    /// The flag holds a colour.
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
    /// No alarm rings that the user named for drills.
    DrillAlarm,
    /// A drill wants an active colour that works.
    ActiveUnhealthy,
    /// A failover by a person wants an active colour that is not known to work.
    ActiveHealthy,
    /// The check of the standby's readiness found nothing red.
    Readiness,
    /// No claim stands out of the present version.
    Claim,
}

impl GuardName {
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

impl fmt::Display for GuardName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One guard with its word on the transition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guard {
    /// Which.
    pub name: GuardName,
    /// Whether it lets the transition through.
    pub passed: bool,
    /// Why, and where it does not, what to do.
    pub detail: String,
}

impl Guard {
    /// A guard's word.
    pub fn new(name: GuardName, passed: bool, detail: impl Into<String>) -> Self {
        Self {
            name,
            passed,
            detail: detail.into(),
        }
    }
}

/// Objects while the watcher may not write.
pub(crate) fn mode_guard(policy: &Policy) -> Option<Guard> {
    (policy.mode == Mode::Observe).then(|| {
        Guard::new(
            GuardName::ModeObserve,
            false,
            "FAILOVER_MODE is observe: decided and reported, nothing written",
        )
    })
}

/// Objects where the flag holds no colour.
#[must_use]
pub fn flag_guard(observation: &FlagObservation) -> Guard {
    match observation.value {
        FlagValue::Valid(colour) => Guard::new(
            GuardName::FlagInvalid,
            true,
            format!("the flag holds {colour} at version {}", observation.version),
        ),
        FlagValue::Invalid(_) => Guard::new(
            GuardName::FlagInvalid,
            false,
            format!(
                "the flag holds {} at version {}; allowed is exactly blue or green; put it right with \
                 {{\"to\":\"<colour>\",\"force\":true}}",
                observation.value, observation.version
            ),
        ),
    }
}

/// Objects while the pair is held, if that counts for what is to be done.
#[must_use]
pub fn hold_guard(hold: &HoldState, counts: bool) -> Guard {
    match hold.describe() {
        None => Guard::new(GuardName::Hold, true, "no hold"),
        Some(detail) if counts => Guard::new(GuardName::Hold, false, detail),
        Some(detail) => Guard::new(
            GuardName::Hold,
            true,
            format!("{detail}; a switch by a person is still allowed"),
        ),
    }
}

pub(crate) fn cooldown_guard(
    policy: &Policy,
    observation: &FlagObservation,
    was_made_again: bool,
    now: Timestamp,
) -> Guard {
    // Version 1 is the flag's creation, not a transition, unless it was made again after a deletion.
    if observation.version.0 <= 1 && !was_made_again {
        return Guard::new(GuardName::Cooldown, true, "no transition yet");
    }
    let rested = elapsed(observation.modified, now);
    if rested >= policy.cooldown {
        return Guard::new(
            GuardName::Cooldown,
            true,
            format!("last transition {} ago", in_seconds(rested)),
        );
    }
    Guard::new(
        GuardName::Cooldown,
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
pub(crate) fn standby_guard(colour: Colour, assessment: &Assessment) -> Guard {
    let detail = format!("{colour} is {}: {}", assessment.verdict, assessment.reasons.join("; "));
    match assessment.verdict {
        Verdict::Healthy => Guard::new(GuardName::StandbyUnhealthy, true, detail),
        Verdict::Unhealthy => Guard::new(GuardName::StandbyUnhealthy, false, detail),
        Verdict::Maintenance => Guard::new(GuardName::StandbyMaintenance, false, detail),
        Verdict::Suspect | Verdict::Unknown => Guard::new(GuardName::StandbyUnknown, false, detail),
    }
}
