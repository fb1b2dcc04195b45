//! Turns an event into a tick, and the tick's result into the answer.

use bluegreen_controller::function_error::FunctionError;
use bluegreen_controller::invocation::Invocation;
use bluegreen_controller::services::Services;
use bluegreen_controller::tick::tick;
use bluegreen_core::response::to_json;
use serde_json::Value;

use crate::event;

pub(crate) async fn handle(services: &Services, event: Value, invocation: &Invocation) -> Result<Value, FunctionError> {
    let trigger = event::trigger(&event);
    if trigger.kind == "unrecognized" {
        tracing::warn!(request_id = %invocation.request_id, id = trigger.id.as_deref(), "an event of unknown shape: a tick all the same");
    }
    Ok(to_json(&tick(services, trigger, invocation).await?))
}
