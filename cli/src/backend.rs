//! The two backends that answer requests: the function, or the same use cases in this process.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_sdk_lambda::primitives::Blob;
use bluegreen_controller::function_error::{ERROR_TYPES, FunctionError};
use bluegreen_controller::invocation::Invocation;
use bluegreen_controller::requests;
use bluegreen_controller::services::Services;
use bluegreen_core::health::CauseKind;
use bluegreen_core::request::{self, ActionName, RequestForm};
use bluegreen_core::response::{Body, Common, LambdaError, Response, Status, to_json};
use bluegreen_core::time::after;
use serde_json::Value;

use crate::connection::Connection;
use crate::failure::{Asked, Failure, WITHOUT_LAMBDA, at_endpoint, from_sdk};
use crate::{foreign, sdk_config, settings};

/// The function name in records and Descriptions of `--direct`.
const OWN_NAME: &str = "mwaa-bluegreen";

/// The destination of requests.
pub(crate) struct Backend {
    kind: Kind,
    function: String,
    region: String,
    timeout: u64,
    /// The endpoint, if it is not AWS's own.
    endpoint: Option<String>,
    profile: Option<String>,
    /// The options that name the same pair again.
    same_pair: String,
}

enum Kind {
    Function(aws_sdk_lambda::Client),
    Direct { services: Box<Services>, source: String },
}

#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// The answer as it was received, for scripts.
    pub(crate) text: String,
    /// The answer for people: nothing in it acts on a terminal, and its advice is commands.
    pub(crate) response: Response,
}

impl Backend {
    pub(crate) async fn open(connection: &Connection) -> Result<Self, Failure> {
        if !connection.direct {
            let only = [
                ("--settings", connection.settings.is_some()),
                ("--blue-environment", connection.blue_environment.is_some()),
                ("--green-environment", connection.green_environment.is_some()),
                ("--flag-parameter", connection.flag_parameter.is_some()),
            ];
            if let Some((name, _)) = only.iter().find(|(_, given)| *given) {
                return Err(Failure::Usage(format!(
                    "{name} is for --direct; the function has its own settings"
                )));
            }
        } else if connection.function.is_some() {
            return Err(Failure::Usage("--function and --direct exclude each other".to_owned()));
        }
        let found = if connection.direct {
            Some(settings::local(connection)?)
        } else {
            None
        };
        let region = found.as_ref().and_then(|found| found.region.as_deref());
        let config = sdk_config::configure(connection, region).await?;
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let endpoint = config.endpoint_url().map(str::to_owned);
        let kind = match found {
            Some(found) => Kind::Direct {
                services: Box::new(Services::outside_lambda(&config, found.settings)),
                source: found.source,
            },
            None => Kind::Function(aws_sdk_lambda::Client::new(&config)),
        };
        Ok(Self {
            kind,
            function: connection.function(),
            region,
            timeout: connection.timeout,
            endpoint,
            profile: connection.profile.clone(),
            same_pair: foreign::same_pair(connection),
        })
    }

    /// The pair's function or parameter, for a person who is about to change it.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Function(_) => format!("function {} in {}", self.function, self.region),
            Kind::Direct { services, source } => format!(
                "directly at parameter {} in {} (settings: {source})",
                services.settings.names.flag(),
                self.region
            ),
        }
    }

    /// Sends a request that changes nothing; retryable failures of AWS are retried.
    pub(crate) async fn ask(&self, request: &RequestForm) -> Result<Answered, Failure> {
        self.send(request, false).await
    }

    /// Sends a change, once. A retry by the SDK could carry it out twice: the claim makes the second one harmless, but
    /// its answer would be a conflict.
    pub(crate) async fn change(&self, request: &RequestForm) -> Result<Answered, Failure> {
        self.send(request, true).await
    }

    /// Asks for the current state.
    pub(crate) async fn status(&self) -> Result<(Answered, Common, Status), Failure> {
        let answered = self.ask(&RequestForm::of(ActionName::Status)).await?;
        let common = answered.response.common.clone();
        match &answered.response.body {
            Body::Status(status) => {
                let status = Status::clone(status);
                Ok((answered, common, status))
            }
            _ => Err(Failure::Aws(format!(
                "the function answered {} where it was asked for status: {}",
                common.outcome, common.reason
            ))),
        }
    }

    async fn send(&self, request: &RequestForm, changes: bool) -> Result<Answered, Failure> {
        match &self.kind {
            Kind::Function(client) => self.invoke(client, request, changes).await,
            Kind::Direct { services, .. } => self.carry_out(services, request).await,
        }
    }

    async fn invoke(
        &self,
        client: &aws_sdk_lambda::Client,
        request: &RequestForm,
        changes: bool,
    ) -> Result<Answered, Failure> {
        // `--direct` cannot run a drill.
        let direct_works = request.wanted() != ActionName::Drill;
        let retries = if changes {
            RetryConfig::disabled()
        } else {
            RetryConfig::standard().with_max_attempts(3)
        };
        let answer = client
            .invoke()
            .function_name(&self.function)
            .payload(Blob::new(to_json(request).to_string()))
            .customize()
            .config_override(
                aws_sdk_lambda::config::Config::builder()
                    .retry_config(retries)
                    .timeout_config(sdk_config::timeouts(self.timeout)),
            )
            .send()
            .await
            .map_err(|error| {
                let asked = Asked {
                    doing: "asking",
                    of: &format!("function {}", self.function),
                    region: &self.region,
                    permission: "lambda:InvokeFunction",
                    changes,
                    direct_works,
                    endpoint: self.endpoint.as_deref(),
                    profile: self.profile.as_deref(),
                };
                from_sdk(&error, asked)
            })?;
        let text = answer
            .payload()
            .map(|payload| String::from_utf8_lossy(payload.as_ref()).into_owned())
            .unwrap_or_default();
        if answer.function_error().is_some() {
            let failure = function_error(&self.function, text, changes, direct_works);
            return Err(failure.in_options(&self.same_pair));
        }
        read(text, &self.same_pair)
    }

    async fn carry_out(&self, services: &Services, request: &RequestForm) -> Result<Answered, Failure> {
        let started = services.clock.now();
        let invocation = Invocation {
            function: OWN_NAME,
            // Claims are distinguished by this id, so it must be unique.
            request_id: format!("cli-{}-{:032x}", started.as_millisecond(), fastrand::u128(..)),
            clock: services.clock.clone(),
            started,
            deadline: after(started, Duration::from_secs(self.timeout)),
            via: "command-line",
        };
        let answered = match request::read(&to_json(request), started) {
            Ok(request) => requests::carry_out(services, request, &invocation).await,
            Err(error) => Err(error.into()),
        };
        match answered {
            Ok(response) => {
                let value = to_json(&response);
                Ok(Answered {
                    text: value.to_string(),
                    response: Response::read(&foreign::for_people(&value, &self.same_pair)),
                })
            }
            Err(error) => Err(self.own_error(&error).in_options(&self.same_pair)),
        }
    }

    /// Turns an error of a local use case into a failure.
    fn own_error(&self, error: &FunctionError) -> Failure {
        let (error_type, message) = (error.error_type().to_owned(), error.to_string());
        let is_unreachable = matches!(
            error,
            FunctionError::StoreUnavailable { cause, .. } | FunctionError::AuditUndelivered { cause, .. }
                if matches!(cause.kind, CauseKind::Unavailable | CauseKind::TimedOut)
        );
        let endpoint = self.endpoint.as_deref().filter(|_| is_unreachable);
        Failure::Function {
            answer: to_json(&LambdaError {
                error_type: Some(error_type.clone()),
                error_message: Some(message.clone()),
            })
            .to_string(),
            error_type,
            message,
            advice: endpoint.map(at_endpoint).unwrap_or_default(),
        }
    }
}

/// An error in place of an answer: the function's own, or Lambda's message about a function that died.
fn function_error(function: &str, answer: String, changes: bool, direct_works: bool) -> Failure {
    let LambdaError {
        error_type,
        error_message,
    } = serde_json::from_str(&answer).unwrap_or_default();
    let mut message = error_message.unwrap_or_else(|| format!("function {function} failed"));
    let mut advice = String::new();
    let own = error_type.as_deref().is_some_and(|name| ERROR_TYPES.contains(&name));
    if !own {
        // A time-out has no error type.
        if error_type
            .as_deref()
            .is_none_or(|name| name.starts_with("Runtime.") || name.starts_with("Sandbox."))
        {
            message = format!("function {function} ended before it answered: {message}");
        }
        if changes {
            advice.push_str("; what was asked may have been carried out: ask `mwaa-bluegreen status`");
        }
        if direct_works {
            advice.push_str(WITHOUT_LAMBDA);
        }
    }
    Failure::Function {
        error_type: error_type.unwrap_or_else(|| "an error without a type".to_owned()),
        message,
        advice,
        answer,
    }
}

fn read(text: String, same_pair: &str) -> Result<Answered, Failure> {
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let response = Response::read(&foreign::for_people(&value, same_pair));
    if response.common.outcome.is_empty() {
        return Err(Failure::Aws(format!(
            "the function answered something else than a switch-handler does: {}; is --function right?",
            bluegreen_core::flag::shortened(&text, 200)
        )));
    }
    Ok(Answered { text, response })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_function_that_died_names_the_road_around_it() {
        for answer in [
            json!({"errorMessage": "2026-11-23T14:00:00Z 4711 Task timed out after 30.00 seconds"}),
            json!({"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 30.00 seconds"}),
            json!({"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"}),
        ] {
            let told = function_error("orders-switch-handler", answer.to_string(), true, true).to_string();
            assert!(
                told.starts_with("function orders-switch-handler ended before it answered: "),
                "{told}"
            );
            assert!(
                told.contains("may have been carried out") && told.ends_with(WITHOUT_LAMBDA),
                "{told}"
            );
            let told = function_error("orders-switch-handler", answer.to_string(), false, false).to_string();
            assert!(!told.contains("--direct") && !told.contains("carried out"), "{told}");
        }
    }

    #[test]
    fn what_the_function_itself_says_is_told_as_it_is() {
        for error_type in ERROR_TYPES {
            let answer = json!({"errorType": error_type, "errorMessage": "this and that"}).to_string();
            let told = function_error("orders-switch-handler", answer, true, true).to_string();
            assert_eq!(told, format!("this and that ({error_type})"));
        }
    }
}
