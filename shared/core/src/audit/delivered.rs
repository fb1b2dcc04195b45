//! Events as EventBridge delivers them: the envelope, and Parameter Store's description of a change.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::response::Open;
use crate::response::tolerant::tolerant;

tolerant! {
    /// An event as the bus delivers it.
    pub struct BusEvent {
        /// The event's id, given by EventBridge.
        pub id: String,
        /// The service or product that published it.
        pub source: String,
        /// The kind of event.
        #[serde(rename = "detail-type")]
        pub detail_type: String,
        /// When it was published.
        pub time: Option<Timestamp>,
        /// The region in which it was published.
        pub region: Option<String>,
        /// The event's detail, whose shape depends on the kind.
        pub detail: Value,
    }

    /// The detail of a `Parameter Store Change` event.
    pub struct ParameterChange {
        /// Name of the changed parameter.
        pub name: Option<String>,
        /// The operation on the parameter.
        pub operation: Open<Operation>,
    }
}

/// The operation on a parameter. Parameter Store reports others, too, but those change no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// The parameter was created.
    Create,
    /// The parameter has a new value.
    Update,
    /// The parameter was deleted.
    Delete,
}

impl ParameterChange {
    /// Whether the parameter exists after the operation; none if the operation does not show it.
    #[must_use]
    pub fn is_there(&self) -> Option<bool> {
        match self.operation.known()? {
            Operation::Create | Operation::Update => Some(true),
            Operation::Delete => Some(false),
        }
    }
}
