//! What can be asked.

use jiff::Timestamp;

use crate::colour::Colour;
use crate::drill::Mode;
use crate::flag::{FlagObservation, FlagVersion};
use crate::precondition::{Guard, GuardName};

/// A request, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Make `to` the active colour.
    Switch(SwitchRequest),
    /// Declare the active colour failed.
    Failover(FailoverRequest),
    /// Say what stands.
    Status,
    /// Say whether the standby could take over.
    Check,
    /// Say which runs were executed, by whom.
    Handover {
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
    /// Go back to the colour before.
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
    /// The colour wanted.
    pub to: Colour,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
    /// Skip the guards, never the claim.
    pub force: bool,
    /// What must stand for the request to be carried out.
    pub expect: Option<Expect>,
}

/// `{"action":"failover","to":"green"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct FailoverRequest {
    /// The colour that is to take over; none means whichever stands by.
    pub to: Option<Colour>,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
    /// Skip the guards, never the claim.
    pub force: bool,
    /// What must stand for the request to be carried out.
    pub expect: Option<Expect>,
}

/// The state a request was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// The active colour.
    pub active: Option<Colour>,
    /// The flag's version.
    pub version: Option<FlagVersion>,
}

impl Expect {
    /// Compares with what stands. It is the caller's own condition, so `force` does not skip it.
    #[must_use]
    pub fn guard(&self, observed: &FlagObservation) -> Guard {
        let good = self.active.is_none_or(|active| observed.value.colour() == Some(active))
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
        Guard::new(GuardName::Expect, good, detail)
    }
}

/// `{"action":"initialize"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct InitializeRequest {
    /// The first active colour, if named.
    pub to: Option<Colour>,
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
    /// Skip the guards, never the claim.
    pub force: bool,
    /// What must stand for the request to be carried out.
    pub expect: Option<Expect>,
}

/// `{"action":"hold","hold_minutes":60,"reason":"…"}`.
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
    /// How long the drilled colour works; none means as configured.
    pub hold_minutes: Option<u32>,
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
