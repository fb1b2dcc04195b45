//! Events as EventBridge delivers them: its envelope, and what Parameter Store says of a change.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::response::Open;
use crate::response::tolerant::tolerant;

tolerant! {
    /// An event on a bus.
    pub struct BusEvent {
        /// Its own id.
        pub id: String,
        /// Who put it there.
        pub source: String,
        /// What kind of event it is.
        #[serde(rename = "detail-type")]
        pub detail_type: String,
        /// When it happened.
        pub time: Option<Timestamp>,
        /// Where it happened.
        pub region: Option<String>,
        /// What it says.
        pub detail: Value,
    }

    /// The detail of `Parameter Store Change`.
    pub struct ParameterChange {
        /// The parameter.
        pub name: Option<String>,
        /// What was done to it.
        pub operation: Open<Operation>,
    }
}

/// What was done to a parameter. There are others, which change no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// It is new.
    Create,
    /// It has a new value.
    Update,
    /// It is gone.
    Delete,
}

impl ParameterChange {
    /// Whether the parameter is there since; none if it says nothing of the kind.
    #[must_use]
    pub fn is_there(&self) -> Option<bool> {
        match self.operation.known()? {
            Operation::Create | Operation::Update => Some(true),
            Operation::Delete => Some(false),
        }
    }
}
