//! What every use case works with.

use std::sync::Mutex;

use aws_config::SdkConfig;
use bluegreen_aws::airflow_dags::AirflowDags;
use bluegreen_aws::alarms::NamedAlarms;
use bluegreen_aws::clients::Clients;
use bluegreen_aws::clock::Clock;
use bluegreen_aws::event_bus::EventBus;
use bluegreen_aws::health_probe::HealthProbe;
use bluegreen_aws::metrics::Metrics;
use bluegreen_aws::parameter_store::ParameterStore;
use bluegreen_aws::readiness_probe::ReadinessProbe;
use bluegreen_aws::run_probe::RunProbe;
use bluegreen_core::audit::Subject;
use bluegreen_core::color::Both;
use bluegreen_core::health::Past;
use bluegreen_core::settings::Settings;

use crate::function_error::FunctionError;

/// The settings of a pair and the adapters of the AWS services that it uses; built once, at start.
#[derive(Debug)]
pub struct Services {
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
    /// What a run report asks.
    pub runs: RunProbe,
    /// Lists, pauses and unpauses DAGs.
    pub dags: AirflowDags,
    /// Our metrics.
    pub metrics: Metrics,
    /// The audit bus.
    pub bus: EventBus,
    /// Tells the time: no use case reads the system's clock itself.
    pub clock: Clock,
    /// What this process saw last: of every look, also where the memory could not be read or written. A failure must not begin
    /// anew at every tick because it cannot be noted.
    pub(crate) seen: Mutex<Both<Option<Past>>>,
    /// Which writing of the hold this process found told, so that it asks once for each change. A new process asks again.
    pub(crate) hold_reported: Mutex<Option<String>>,
    /// AWS settings, for a client that only one function needs: what is not built here is not linked into the others.
    pub sdk: SdkConfig,
}

impl Services {
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

    /// Over given clients.
    pub fn over(clients: &Clients, settings: Settings) -> Self {
        Self {
            store: ParameterStore::new(clients.ssm.clone(), settings.names.clone()).of_pair(&settings.pair),
            health: HealthProbe::new(clients, &settings),
            drill_alarms: NamedAlarms::new(&clients.cloudwatch, &settings.drill.alarms),
            readiness: ReadinessProbe::new(clients, &settings),
            runs: RunProbe::new(clients, &settings),
            dags: AirflowDags::new(clients, &settings),
            metrics: Metrics::new(clients.cloudwatch.clone(), settings.pair.clone()),
            bus: EventBus::new(clients.events.clone(), settings.audit_bus.clone()),
            clock: clients.clock.clone(),
            seen: Mutex::default(),
            hold_reported: Mutex::default(),
            sdk: clients.shared.clone(),
            settings,
        }
    }
}
