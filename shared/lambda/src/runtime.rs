//! The loop that answers invocations until Lambda ends the process.

use std::process::ExitCode;

use bluegreen_aws::configuration::{from_environment, variable};
use bluegreen_controller::function_error::FunctionError;
use bluegreen_controller::invocation::Invocation;
use bluegreen_controller::services::Services;
use bluegreen_core::settings::{LogLevel, Settings, SettingsFaults};
use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::telemetry;

/// The main of a function: reads the settings, builds the clients, answers invocations until Lambda ends the process.
///
/// With a wrong configuration it answers every invocation with `ConfigurationInvalid` and all faults at once, so that a
/// caller can read them without the log.
pub fn serve<H>(name: &'static str, handler: H) -> ExitCode
where
    H: AsyncFn(&Services, Value, &Invocation) -> Result<Value, FunctionError>,
{
    let settings = from_environment();
    telemetry::start(settings.as_ref().map_or(LogLevel::Info, |settings| settings.log_level));
    if let Err(faults) = &settings {
        tracing::error!(function = name, error = %faults, "refused to start");
    }
    if variable("AWS_LAMBDA_RUNTIME_API").is_none() {
        tracing::error!(
            function = name,
            "this is an AWS Lambda function; it is started by Lambda, or by `make demo`"
        );
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(function = name, %error, "refused to start");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(answer_invocations(name, settings, handler)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(function = name, %error, "the Lambda runtime ended");
            ExitCode::FAILURE
        }
    }
}

async fn answer_invocations<H>(
    name: &'static str,
    settings: Result<Settings, bluegreen_core::settings::SettingsFaults>,
    handler: H,
) -> Result<(), lambda_runtime::Error>
where
    H: AsyncFn(&Services, Value, &Invocation) -> Result<Value, FunctionError>,
{
    let services = match settings {
        Ok(settings) => Ok(Services::build(settings)),
        Err(faults) => Err(faults),
    };
    let (services, handler) = (&services, &handler);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        answer(name, services, handler, event)
            .await
            .map_err(|error| diagnostic(&error))
    }))
    .await
}

async fn answer<H>(
    name: &'static str,
    services: &Result<Services, SettingsFaults>,
    handler: &H,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Value, FunctionError>
where
    H: AsyncFn(&Services, Value, &Invocation) -> Result<Value, FunctionError>,
{
    let services = services
        .as_ref()
        .map_err(|faults| FunctionError::ConfigurationInvalid(faults.clone()))?;
    let started = services.clock.now();
    let invocation = Invocation {
        function: name,
        request_id: event.context.request_id.clone(),
        clock: services.clock.clone(),
        started,
        deadline: i64::try_from(event.context.deadline)
            .ok()
            .and_then(|deadline| Timestamp::from_millisecond(deadline).ok())
            .unwrap_or(started),
        via: "invoke",
    };
    let payload = serde_json::from_str(event.payload.get())
        .map_err(|error| FunctionError::InvalidRequest(format!("the request cannot be read: {error}")))?;
    // A future within futures is one type, and the compiler limits how deep types nest: here the outer ones end.
    Box::pin(handler(services, payload, &invocation))
        .await
        .inspect_err(|error| {
            tracing::error!(function = name, request_id = %invocation.request_id, %error, "function error");
        })
}

/// The error as the caller of the function gets it.
fn diagnostic(error: &FunctionError) -> Diagnostic {
    Diagnostic {
        error_type: error.error_type().to_owned(),
        error_message: error.to_string(),
    }
}
