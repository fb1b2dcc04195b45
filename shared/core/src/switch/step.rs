//! What the protocol asks of its caller, what the caller answers, and how it ends.

use std::time::Duration;

use jiff::Timestamp;

use crate::color::Color;
use crate::flag::{FlagObservation, FlagVersion, HistoryEntry};
use crate::health::Cause;
use crate::transition::TransitionRecord;

/// A request to Parameter Store, or the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use]
pub enum Step {
    /// Put the parameter `transitions/<record>` with Overwrite=false.
    CreateClaim {
        /// Name of the record.
        record: String,
        /// Its value.
        value: String,
    },
    /// Get the flag and the claim in one GetParameters.
    ReadBack {
        /// Name of the record.
        record: String,
    },
    /// Put the flag with Overwrite=true, the allowed pattern and this Description.
    WriteFlag {
        /// The new value.
        value: Color,
        /// The Description.
        description: String,
    },
    /// Get the flag's whole history.
    ReadHistory,
    /// Wait, then answer [`Reply::Waited`].
    Wait(Duration),
    /// The end.
    Done(Box<Outcome>),
}

/// The claim as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoredClaim {
    /// Its value.
    pub value: String,
    /// LastModifiedDate: when it was created, by SSM's clock.
    pub modified: Timestamp,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reply {
    /// The claim is ours.
    ClaimCreated,
    /// A claim of that name exists already.
    ClaimExists,
    /// Answer to [`Step::ReadBack`]; none where the parameter does not exist.
    ReadBack {
        /// The flag.
        flag: Option<FlagObservation>,
        /// The claim.
        claim: Option<StoredClaim>,
    },
    /// The flag was written and this version came back.
    Wrote(FlagVersion),
    /// Answer to [`Step::ReadHistory`].
    History(Vec<HistoryEntry>),
    /// The wait is over.
    Waited,
    /// The request failed.
    Failed(Failure),
}

/// A failed request, classed by what it means for the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    /// Whether it may have been carried out all the same (a time-out, a 5xx).
    pub ambiguous: bool,
    /// Whether the same request may succeed a moment later (a throttle, too many updates).
    pub retryable: bool,
    /// What went wrong.
    pub cause: Cause,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The flag is written, by us and nobody else.
    Switched(Switched),
    /// Somebody else made, or is making, the transition out of the observed version.
    Conflict(Conflict),
    /// Parameter Store did not let us finish.
    Failed(Failed),
}

/// A finished transition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Switched {
    /// The version written.
    pub version: FlagVersion,
    /// Name of its record.
    pub record: String,
    /// The color written.
    pub to: Color,
    /// When it takes effect.
    pub effective_from: Timestamp,
    /// Whether a dead writer's claim was rolled forward rather than a claim of our own carried out.
    pub rolled_forward: bool,
    /// The dead writer's record, where readable.
    pub dead_writer: Option<TransitionRecord>,
    /// What the operator should know, such as a write that came in between.
    pub warnings: Vec<String>,
}

/// A lost claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Conflict {
    /// One sentence: who won, or who is at it, and what to do.
    pub reason: String,
    /// The winner's record, where readable.
    pub winner: Option<TransitionRecord>,
    /// The flag as last read.
    pub flag: Option<FlagObservation>,
}

/// A transition that could not be finished.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failed {
    /// The failure.
    pub cause: Cause,
    /// What was being done.
    pub doing: &'static str,
    /// Whether a claim stands, which the next attempt after [`crate::policy::CLAIM_TIMEOUT`] rolls forward.
    pub claimed: bool,
    /// Whether the flag may have been written all the same.
    pub uncertain: bool,
}
