//! Turns a request into a use case, and its result into the answer.

use bluegreen_controller::function_error::FunctionError;
use bluegreen_controller::invocation::Invocation;
use bluegreen_controller::requests;
use bluegreen_controller::services::Services;
use bluegreen_core::request;
use bluegreen_core::response::to_json;
use serde_json::Value;

pub(crate) async fn handle(services: &Services, event: Value, invocation: &Invocation) -> Result<Value, FunctionError> {
    let request = request::read(&event, invocation.started)?;
    Ok(to_json(&requests::carry_out(services, request, invocation).await?))
}
