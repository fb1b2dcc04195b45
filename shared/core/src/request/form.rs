//! A request as it is sent, by whoever makes one: the command line, and the advice in answers and messages.

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::kinds::Expect;
use crate::color::Color;
use crate::drill::Mode;
use crate::response::Open;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionName {
    /// Make a color the active one.
    Switch,
    /// Say what stands.
    Status,
    /// List the flag's newest versions.
    History,
    /// Declare the active color failed.
    Failover,
    /// Go back to the color before.
    Rollback,
    /// Practice a failover.
    Drill,
    /// Place a hold.
    Hold,
    /// End it.
    Release,
    /// Say whether the standby could take over.
    Check,
    /// Say which runs were executed, by whom.
    RunReport,
    /// Create the flag.
    Initialize,
}

impl ActionName {
    /// Every action.
    pub const ALL: [Self; 11] = [
        Self::Switch,
        Self::Status,
        Self::History,
        Self::Failover,
        Self::Rollback,
        Self::Drill,
        Self::Hold,
        Self::Release,
        Self::Check,
        Self::RunReport,
        Self::Initialize,
    ];

    /// As requests give it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Status => "status",
            Self::History => "history",
            Self::Failover => "failover",
            Self::Rollback => "rollback",
            Self::Drill => "drill",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Check => "check",
            Self::RunReport => "run-report",
            Self::Initialize => "initialize",
        }
    }

    /// The action that is written so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

impl Serialize for ActionName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ActionName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &"an action"))
    }
}

/// A request, with the fields that were given. What is allowed with which action, [`super::read`] says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestForm {
    /// None means `switch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionName>,
    /// A color; in advice it may be a placeholder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Open<Color>>,
    /// How far a drill goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Skip the preconditions, never the claim.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// What must stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// The end of a hold, in minutes from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u64>,
    /// How long a drilled color works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_minutes: Option<u64>,
    /// The end of a hold, as it was typed: the reader names what is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// How many versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How much time around the last transition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_minutes: Option<u32>,
}

impl RequestForm {
    /// A request with nothing but its action.
    #[must_use]
    pub fn of(action: ActionName) -> Self {
        Self {
            action: Some(action),
            ..Self::default()
        }
    }

    /// What it asks for.
    #[must_use]
    pub fn wanted(&self) -> ActionName {
        self.action.unwrap_or(ActionName::Switch)
    }
}
