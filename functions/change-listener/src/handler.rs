//! Turns an event into a use case, and its result into the answer.

use bluegreen_controller::audit::audit;
use bluegreen_controller::function_error::FunctionError;
use bluegreen_controller::invocation::Invocation;
use bluegreen_controller::notify::notify_people;
use bluegreen_controller::services::Services;
use bluegreen_core::response::to_json;
use serde_json::Value;

use crate::event::{Event, read};

/// Answers one event. People are notified of an audit event; after any other event the audit catches up.
pub(crate) async fn handle(services: &Services, event: Value, invocation: &Invocation) -> Result<Value, FunctionError> {
    let heard = match read(&event, &services.settings.names) {
        Event::Audit(delivered) => notify_people(services, &delivered, invocation).await?,
        Event::Change { change, name, is_known } => {
            if !is_known {
                tracing::warn!(request_id = %invocation.request_id, name, "an event about neither flag nor hold: audited all the same");
            }
            audit(services, &change, invocation).await?
        }
    };
    Ok(to_json(&heard))
}
