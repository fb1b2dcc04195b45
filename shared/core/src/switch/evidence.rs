//! What a transition was decided on, as its record keeps it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::color::Both;
use crate::health::Assessment;
use crate::precondition::{Precondition, PreconditionName};

/// By the kind of decision.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Decided<'a> {
    /// Nothing was looked at that the record does not say itself.
    Unseen {},
    /// The flag alone.
    Flag {
        /// When it was looked at.
        observed_at: Timestamp,
    },
    /// Both environments, by the watcher.
    Watched {
        /// The old color's last sign of life.
        last_known_healthy: Option<Timestamp>,
        /// When they were looked at.
        observed_at: Timestamp,
        /// How they were.
        verdicts: &'a Both<Assessment>,
    },
    /// The target, for a person's switch.
    Asked {
        /// When it was looked at.
        observed_at: Timestamp,
        /// Whether the preconditions were skipped.
        forced: bool,
        /// How it was.
        target: &'a Assessment,
        /// The preconditions that objected.
        overridden: Vec<PreconditionName>,
    },
    /// Both environments, for a failover by a person.
    Declared {
        /// The old color's last sign of life.
        last_known_healthy: Option<Timestamp>,
        /// When they were looked at.
        observed_at: Timestamp,
        /// Yes.
        declared: bool,
        /// Whether the preconditions were skipped.
        forced: bool,
        /// How they were.
        verdicts: &'a Both<Assessment>,
        /// The preconditions that objected.
        overridden: Vec<PreconditionName>,
    },
}

impl Decided<'_> {
    /// As the record keeps it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!(self)
    }
}

/// The preconditions that object, by name.
#[must_use]
pub fn overridden(preconditions: &[Precondition]) -> Vec<PreconditionName> {
    preconditions
        .iter()
        .filter(|precondition| !precondition.passed)
        .map(|precondition| precondition.name)
        .collect()
}
