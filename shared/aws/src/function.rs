//! What the three functions' mains share: settings, clients, and the runtime loop.

use std::process::ExitCode;
use std::time::Duration;

use aws_config::SdkConfig;
use bluegreen_core::audit::Subject;
use bluegreen_core::colour::{Both, Colour};
use bluegreen_core::settings::{LogLevel, Settings};
use bluegreen_core::transition::{Actor, Trigger};
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::alarms::NamedAlarms;
use crate::answer::FunctionError;
use crate::clients::{Clients, OnDemand};
use crate::configuration::{from_environment, variable};
use crate::event_bus::EventBus;
use crate::health_probe::HealthProbe;
use crate::metrics::Metrics;
use crate::parameter_store::ParameterStore;
use crate::readiness_probe::ReadinessProbe;
use crate::run_probe::RunProbe;
use crate::{clock, telemetry};

/// Everything a handler works with, built once at start.
#[derive(Debug)]
pub struct Shell {
    /// The settings.
    pub settings: Settings,
    /// Parameter Store.
    pub store: ParameterStore,
    /// Evidence of both environments.
    pub health: HealthProbe,
    /// The alarms named for drills.
    pub drill_alarms: NamedAlarms,
    /// What a readiness check asks.
    pub readiness: ReadinessProbe,
    /// What a hand-over report asks.
    pub runs: RunProbe,
    mwaa: Both<OnDemand<aws_sdk_mwaa::Client>>,
    /// Our metrics.
    pub metrics: Metrics,
    /// The audit bus.
    pub bus: EventBus,
    /// AWS settings, for a client that only one function needs: what is not built here is not linked into the others.
    pub sdk: SdkConfig,
}

/// One invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Name of the function, as records and logs give it.
    pub function: &'static str,
    /// Lambda's request id.
    pub request_id: String,
    /// When it began.
    pub started: Timestamp,
    /// When Lambda ends it.
    pub deadline: Timestamp,
    /// How it came about, as the record tells it: `invoke`, or `command-line` for a person's own process.
    pub road: &'static str,
}

impl Invocation {
    /// Who acts, for the record.
    pub fn actor(&self, requested_by: Option<String>) -> Actor {
        Actor {
            function: self.function.to_owned(),
            request_id: self.request_id.clone(),
            requested_by,
        }
    }

    /// What set it off, for the record.
    pub fn trigger(&self) -> Trigger {
        Trigger {
            kind: self.road.to_owned(),
            id: Some(self.request_id.clone()),
        }
    }

    /// Names this run: a request that is delivered twice is two of them.
    pub fn run(&self) -> String {
        format!("{}/{}", self.request_id, self.started.as_nanosecond())
    }

    /// Time since it began.
    pub fn elapsed(&self) -> Duration {
        bluegreen_core::time::elapsed(self.started, clock::now())
    }
}

/// A function's main: reads the settings, builds the clients, answers invocations until Lambda ends the process.
///
/// With a wrong configuration it answers every invocation with `ConfigurationInvalid` and all faults at once, so that
/// whoever invokes it reads them without having to find the log.
pub fn serve<H>(name: &'static str, handler: H) -> ExitCode
where
    H: AsyncFn(&Shell, Value, &Invocation) -> Result<Value, FunctionError>,
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
    H: AsyncFn(&Shell, Value, &Invocation) -> Result<Value, FunctionError>,
{
    let shell = match settings {
        Ok(settings) => Ok(Shell::build(settings)),
        Err(faults) => Err(faults),
    };
    let (shell, handler) = (&shell, &handler);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        let shell = shell
            .as_ref()
            .map_err(|faults| FunctionError::ConfigurationInvalid(faults.clone()))?;
        let started = clock::now();
        let invocation = Invocation {
            function: name,
            request_id: event.context.request_id.clone(),
            started,
            deadline: i64::try_from(event.context.deadline)
                .ok()
                .and_then(|deadline| Timestamp::from_millisecond(deadline).ok())
                .unwrap_or(started),
            road: "invoke",
        };
        let payload = serde_json::from_str(event.payload.get())
            .map_err(|error| FunctionError::InvalidRequest(format!("the request cannot be read: {error}")))?;
        // A future within futures is one type, and the compiler nests types only so deep: here the outer ones end.
        Box::pin(handler(shell, payload, &invocation))
            .await
            .inspect_err(|error| {
                tracing::error!(function = name, request_id = %invocation.request_id, %error, "function error");
            })
    }))
    .await
}

impl Shell {
    /// What the pair's events are about.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            pair: &self.settings.pair,
            flag: self.settings.names.flag(),
        }
    }

    /// To be asked once the root has been observed, before anything is said or done that is more than to read.
    pub fn may_write(&self) -> Result<(), FunctionError> {
        self.store
            .may_write()
            .map_err(|failure| FunctionError::unreadable("writing", failure.cause))
    }

    /// The client for one environment's Airflow.
    pub(crate) fn airflow(&self, colour: Colour) -> &OnDemand<aws_sdk_mwaa::Client> {
        self.mwaa.of(colour)
    }

    /// Builds the clients.
    pub fn build(settings: Settings) -> Self {
        let clients = Clients::build(&settings);
        Self::over(&clients, settings)
    }

    /// Over given AWS settings, outside Lambda.
    pub fn outside_lambda(shared: &SdkConfig, settings: Settings) -> Self {
        let clients = Clients::outside_lambda(shared, &settings);
        Self::over(&clients, settings)
    }

    fn over(clients: &Clients, settings: Settings) -> Self {
        Self {
            store: ParameterStore::new(clients.ssm.clone(), settings.names.clone()).of_pair(&settings.pair),
            health: HealthProbe::new(clients, &settings),
            drill_alarms: NamedAlarms::new(&clients.cloudwatch, &settings.drill.alarms),
            readiness: ReadinessProbe::new(clients, &settings),
            runs: RunProbe::new(clients, &settings),
            mwaa: clients.colours.map(|_, clients| clients.mwaa.clone()),
            metrics: Metrics::new(clients.cloudwatch.clone(), settings.pair.clone()),
            bus: EventBus::new(clients.events.clone(), settings.audit_bus.clone()),
            sdk: clients.shared.clone(),
            settings,
        }
    }
}
