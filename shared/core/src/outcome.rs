//! The outcome of a request, in one word.

use std::fmt;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::drill::DrillOutcome;

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// This request wrote the flag.
    Switched,
    /// There was nothing to do.
    Unchanged,
    /// A drill was ended, and its color stays active.
    DrillCanceled,
    /// The hold is in force.
    Held,
    /// The hold is ended.
    Released,
    /// The flag is created.
    Initialized,
    /// A precondition of the request objects.
    Refused,
    /// A precondition of the drill objects.
    Blocked,
    /// Another writer made, or is making, the transition.
    Conflict,
    /// A drill has switched, and will return by itself.
    Pending,
    /// A drill found the standby ready, or has returned after a success.
    Succeeded,
    /// A drill found that the standby cannot take over, or could not finish.
    Failed,
    /// A real failure or a person's action ended the drill.
    Interrupted,
    /// Nothing objects to a switch.
    WouldSwitch,
    /// Nothing objects to ending the drill.
    WouldCancelDrill,
    /// Nothing objects to creating the flag.
    WouldInitialize,
    /// Nothing objects to a hold.
    WouldHold,
    /// Nothing objects to a release.
    WouldRelease,
    /// Nothing objects to a drill.
    WouldDrill,
    /// The answer of `status`.
    Status,
    /// The answer of `history`: the newest versions.
    History,
    /// The answer of `run-report`.
    RunReport,
    /// A complete check found nothing red.
    Ready,
    /// A check found something red.
    NotReady,
    /// An incomplete check found nothing red.
    Partial,
}

impl Outcome {
    /// Every outcome, in the order of the enum.
    pub const ALL: [Self; 25] = [
        Self::Switched,
        Self::Unchanged,
        Self::DrillCanceled,
        Self::Held,
        Self::Released,
        Self::Initialized,
        Self::Refused,
        Self::Blocked,
        Self::Conflict,
        Self::Pending,
        Self::Succeeded,
        Self::Failed,
        Self::Interrupted,
        Self::WouldSwitch,
        Self::WouldCancelDrill,
        Self::WouldInitialize,
        Self::WouldHold,
        Self::WouldRelease,
        Self::WouldDrill,
        Self::Status,
        Self::History,
        Self::RunReport,
        Self::Ready,
        Self::NotReady,
        Self::Partial,
    ];

    /// The outcome as answers write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Switched => "switched",
            Self::Unchanged => "unchanged",
            Self::DrillCanceled => "drill_canceled",
            Self::Held => "held",
            Self::Released => "released",
            Self::Initialized => "initialized",
            Self::Refused => "refused",
            Self::Blocked => "blocked",
            Self::Conflict => "conflict",
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::WouldSwitch => "would_switch",
            Self::WouldCancelDrill => "would_cancel_drill",
            Self::WouldInitialize => "would_initialize",
            Self::WouldHold => "would_hold",
            Self::WouldRelease => "would_release",
            Self::WouldDrill => "would_drill",
            Self::Status => "status",
            Self::History => "history",
            Self::RunReport => "run_report",
            Self::Ready => "ready",
            Self::NotReady => "not_ready",
            Self::Partial => "partial",
        }
    }

    /// The outcome with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }

    /// Whether it is the outcome of a dry run to which nothing objects.
    #[must_use]
    pub fn is_dry_run(self) -> bool {
        matches!(
            self,
            Self::WouldSwitch
                | Self::WouldCancelDrill
                | Self::WouldInitialize
                | Self::WouldHold
                | Self::WouldRelease
                | Self::WouldDrill
        )
    }

    /// Whether the request creates no claim, so that a stale reading would never be detected.
    #[must_use]
    pub fn claims_nothing(self) -> bool {
        matches!(self, Self::Unchanged | Self::Refused) || self.is_dry_run()
    }

    /// Whether the parameter `answered` can leave it out: the parameter `drill` holds the last drill, and a switch is
    /// noted while it is made.
    #[must_use]
    pub fn is_noted_elsewhere(self) -> bool {
        matches!(self, Self::Switched | Self::Pending)
    }
}

impl From<DrillOutcome> for Outcome {
    fn from(outcome: DrillOutcome) -> Self {
        match outcome {
            DrillOutcome::Pending => Self::Pending,
            DrillOutcome::Succeeded => Self::Succeeded,
            DrillOutcome::Failed => Self::Failed,
            DrillOutcome::Blocked => Self::Blocked,
            DrillOutcome::Interrupted => Self::Interrupted,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &"an outcome"))
    }
}
