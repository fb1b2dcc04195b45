//! A request as it is sent: by the command line, and as advice in answers and messages.

use serde::{Deserialize, Serialize};

use super::expect::Expect;
use super::kinds::ActionName;
use crate::color::Color;
use crate::drill::Mode;
use crate::response::Open;

/// A request with the fields that were given. [`super::read()`] defines which fields each action allows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestForm {
    /// The action; none means `switch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionName>,
    /// The color that is to be active; in advice it may be a placeholder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Open<Color>>,
    /// The requested extent of a drill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The reason, in the person's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The person or job that makes the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Report what would happen, without writing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Skip the preconditions, never the claim.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// The expected state of the flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// The end of a hold, in minutes from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u64>,
    /// How long a drilled color is active, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_minutes: Option<u64>,
    /// The end of a hold as it was typed: the function's reader names what is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The number of versions to list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Minutes around the last transition, for a run report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_minutes: Option<u32>,
}

impl RequestForm {
    /// A request that consists of its action alone.
    #[must_use]
    pub fn of(action: ActionName) -> Self {
        Self {
            action: Some(action),
            ..Self::default()
        }
    }

    /// The action that is requested.
    #[must_use]
    pub fn wanted(&self) -> ActionName {
        self.action.unwrap_or(ActionName::Switch)
    }
}
