//! What the protocol requests from its caller, what the caller answers, and how the protocol ends.

use std::time::Duration;

use jiff::Timestamp;

use crate::color::Color;
use crate::flag::{FlagObservation, FlagVersion, HistoryEntry};
use crate::health::{Cause, CauseKind};
use crate::transition::TransitionRecord;

/// A request to Parameter Store, or the end of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use]
pub enum Step {
    /// Put the parameter `transitions/<record>` with Overwrite=false.
    CreateClaim {
        /// Name of the record.
        record: String,
        /// The record's text.
        value: String,
    },
    /// Get the flag and the claim in one GetParameters.
    ReadBack {
        /// Name of the record that holds the claim.
        record: String,
    },
    /// Put the flag with Overwrite=true, the allowed pattern and this Description.
    WriteFlag {
        /// The new value.
        value: Color,
        /// The version's Description.
        description: String,
    },
    /// Get the flag's whole history.
    ReadHistory,
    /// Wait, then answer [`Reply::Waited`].
    Wait(Duration),
    /// The protocol has ended.
    Done(Box<Outcome>),
}

/// The claim as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoredClaim {
    /// The record's text.
    pub value: String,
    /// LastModifiedDate: when it was created, by SSM's clock.
    pub modified: Timestamp,
}

/// The caller's answer to a step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reply {
    /// The claim was created, and belongs to this writer.
    ClaimCreated,
    /// A claim with that name already exists.
    ClaimExists,
    /// Answer to [`Step::ReadBack`]; none where the parameter does not exist.
    ReadBack {
        /// The flag, as read back.
        flag: Option<FlagObservation>,
        /// The claim, as read back.
        claim: Option<StoredClaim>,
    },
    /// The flag was written; the write returned this version.
    Wrote(FlagVersion),
    /// Answer to [`Step::ReadHistory`].
    History(Vec<HistoryEntry>),
    /// The wait is over.
    Waited,
    /// The request failed.
    Failed(Failure),
}

/// A failed request, classified by what it means for the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    /// Whether the request may have been carried out nevertheless (a time-out, a 5xx).
    pub ambiguous: bool,
    /// Whether the same request may succeed a moment later (a throttle, too many updates).
    pub retryable: bool,
    /// The cause of the failure.
    pub cause: Cause,
}

impl Failure {
    /// A reading does not show yet what is known to be there: the same one may a moment later.
    #[must_use]
    pub fn not_seen_yet(detail: &str) -> Self {
        Self {
            ambiguous: false,
            retryable: true,
            cause: Cause::new(CauseKind::Unavailable, detail),
        }
    }
}

/// How the protocol ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// This writer wrote the flag, and no other one did.
    Switched(Switched),
    /// Another writer made, or is making, the transition out of the observed version.
    Conflict(Conflict),
    /// Parameter Store did not let this writer finish.
    Failed(Failed),
}

/// A finished transition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Switched {
    /// The version that was written.
    pub version: FlagVersion,
    /// Name of the transition's record.
    pub record: String,
    /// The color that was written.
    pub to: Color,
    /// When the transition takes effect.
    pub effective_from: Timestamp,
    /// Whether a dead writer's claim was rolled forward, instead of this writer's own claim.
    pub rolled_forward: bool,
    /// The dead writer's record, where readable.
    pub dead_writer: Option<TransitionRecord>,
    /// What the operator should know, such as a conflicting write in between.
    pub warnings: Vec<String>,
}

/// A claim that another writer won.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Conflict {
    /// One sentence: which writer won or is still running, and what to do.
    pub reason: String,
    /// The winner's record, where readable.
    pub winner: Option<TransitionRecord>,
    /// The flag as last read.
    pub flag: Option<FlagObservation>,
}

/// A transition that could not be finished.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failed {
    /// The cause of the failure.
    pub cause: Cause,
    /// The step that failed.
    pub doing: &'static str,
    /// Whether a claim exists, which the next attempt after [`crate::policy::CLAIM_TIMEOUT`] rolls forward.
    pub claimed: bool,
    /// Whether the flag may have been written nevertheless.
    pub uncertain: bool,
}
