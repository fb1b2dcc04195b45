//! A request as it is sent, by whoever makes one: the command line, and the advice in answers and messages.

use serde::{Deserialize, Serialize};

use super::expect::Expect;
use super::kinds::ActionName;
use crate::color::Color;
use crate::drill::Mode;
use crate::response::Open;

/// A request, with the fields that were given. What is allowed with which action, [`super::read()`] says.
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
