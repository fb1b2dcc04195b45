//! The evidence that a transition was decided on, as its record keeps it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::color::Both;
use crate::health::Assessment;
use crate::precondition::{Precondition, PreconditionName};

/// The evidence, by the kind of decision.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Decided<'a> {
    /// There is no evidence beyond the record's other fields.
    Unseen {},
    /// The flag was the only evidence.
    Flag {
        /// When the flag was read.
        observed_at: Timestamp,
    },
    /// The watcher observed both environments.
    Watched {
        /// The old color's last sign of life.
        last_known_healthy: Option<Timestamp>,
        /// When they were observed.
        observed_at: Timestamp,
        /// The health of both environments.
        verdicts: &'a Both<Assessment>,
    },
    /// The target environment was assessed for a person's switch.
    Asked {
        /// When the target was observed.
        observed_at: Timestamp,
        /// Whether the preconditions were skipped.
        forced: bool,
        /// The health of the target environment.
        target: &'a Assessment,
        /// The preconditions that objected.
        overridden: Vec<PreconditionName>,
    },
    /// Both environments were observed for a failover by a person.
    Declared {
        /// The old color's last sign of life.
        last_known_healthy: Option<Timestamp>,
        /// When they were observed.
        observed_at: Timestamp,
        /// Always true.
        declared: bool,
        /// Whether the preconditions were skipped.
        forced: bool,
        /// The health of both environments.
        verdicts: &'a Both<Assessment>,
        /// The preconditions that objected.
        overridden: Vec<PreconditionName>,
    },
}

impl Decided<'_> {
    /// The evidence as the record keeps it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!(self)
    }
}

/// The names of the preconditions that object.
#[must_use]
pub fn overridden(preconditions: &[Precondition]) -> Vec<PreconditionName> {
    preconditions
        .iter()
        .filter(|precondition| !precondition.passed)
        .map(|precondition| precondition.name)
        .collect()
}
