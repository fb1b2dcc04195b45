//! What can be asked.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::color::Color;
use crate::drill::Mode;
use crate::flag::{FlagObservation, FlagVersion};
use crate::precondition::{Precondition, PreconditionName};

/// A request, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Make `to` the active color.
    Switch(SwitchRequest),
    /// Declare the active color failed.
    Failover(FailoverRequest),
    /// Say what stands.
    Status,
    /// Say whether the standby could take over.
    Check,
    /// Say which runs were executed, by whom.
    RunReport {
        /// How much time around the last transition.
        window_minutes: u32,
    },
    /// List the flag's newest versions.
    History {
        /// How many.
        limit: usize,
    },
    /// Create the flag.
    Initialize(InitializeRequest),
    /// Go back to the color before.
    Rollback(RollbackRequest),
    /// Place a hold.
    Hold(HoldRequest),
    /// Remove the hold, and acknowledge automatic failovers.
    Release(ReleaseRequest),
    /// Practise a failover.
    Drill(DrillRequest),
}

/// `{"to":"green"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct SwitchRequest {
    /// The color wanted.
    pub to: Color,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
    /// Skip the preconditions, never the claim.
    pub force: bool,
    /// What must stand for the request to be carried out.
    pub expect: Option<Expect>,
}

/// `{"action":"failover","to":"green"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct FailoverRequest {
    /// The color that is to take over; none means whichever stands by.
    pub to: Option<Color>,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
    /// Skip the preconditions, never the claim.
    pub force: bool,
    /// What must stand for the request to be carried out.
    pub expect: Option<Expect>,
}

/// The state a request was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The active color.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<Color>,
    /// The flag's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<FlagVersion>,
}

impl Expect {
    /// Compares with what stands. It is the caller's own condition, so `force` does not skip it.
    #[must_use]
    pub fn precondition(&self, observed: &FlagObservation) -> Precondition {
        let good = self.active.is_none_or(|active| observed.value.color() == Some(active))
            && self.version.is_none_or(|version| observed.version == version);
        let mut wanted = Vec::new();
        wanted.extend(self.active.map(|active| active.to_string()));
        wanted.extend(self.version.map(|version| format!("version {version}")));
        let detail = format!(
            "expected {}, found {} at version {}",
            wanted.join(" at "),
            observed.value,
            observed.version
        );
        Precondition::new(PreconditionName::Expect, good, detail)
    }
}

/// `{"action":"initialize"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct InitializeRequest {
    /// The first active color, if named.
    pub to: Option<Color>,
    /// Why.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
    /// Create the flag although the pair has a past.
    pub force: bool,
}

/// `{"action":"rollback"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct RollbackRequest {
    /// Why.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
    /// Skip the preconditions, never the claim.
    pub force: bool,
    /// What must stand for the request to be carried out.
    pub expect: Option<Expect>,
}

/// `{"action":"hold","minutes":60,"reason":"…"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct HoldRequest {
    /// When it ends by itself.
    pub until: Timestamp,
    /// Why; required, because somebody will read it at night.
    pub reason: String,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
}

/// `{"action":"release"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseRequest {
    /// Why.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
}

/// `{"action":"drill"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillRequest {
    /// How far it goes.
    pub mode: Mode,
    /// How long the drilled color works; none means as configured.
    pub duration_minutes: Option<u32>,
    /// Why.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing, tell nobody.
    pub dry_run: bool,
    /// What must stand for the request to be carried out.
    pub expect: Option<Expect>,
}

/// A request that cannot be carried out as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Something is wrong with it; the message names every field, what was given and what is allowed.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
}
