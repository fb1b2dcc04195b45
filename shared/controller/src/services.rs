//! The services that every use case works with.

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
    /// The settings of the pair.
    pub settings: Settings,
    /// The pair's parameters in Parameter Store.
    pub store: ParameterStore,
    /// The probe that gathers the evidence of both environments.
    pub health: HealthProbe,
    /// The alarms that are named for drills.
    pub drill_alarms: NamedAlarms,
    /// The probe of the readiness check.
    pub readiness: ReadinessProbe,
    /// The probe of the run report.
    pub runs: RunProbe,
    /// Lists, pauses and unpauses DAGs.
    pub dags: AirflowDags,
    /// Publishes this product's metrics.
    pub metrics: Metrics,
    /// The pair's audit bus.
    pub bus: EventBus,
    /// The one source of time: no use case reads the system's clock itself.
    pub clock: Clock,
    /// What this process saw in its last observation, even if the memory could not be read or written. A failure must
    /// not start anew at every tick because it cannot be recorded.
    pub(crate) seen: Mutex<Both<Option<Past>>>,
    /// Which write of the hold this process has found to be reported, so that it asks once for each change. A new
    /// process asks again.
    pub(crate) hold_reported: Mutex<Option<String>>,
    /// AWS settings, for a client that only one function needs: what is not built here is not linked into the others.
    pub sdk: SdkConfig,
}

impl Services {
    /// The subject of the pair's events.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            pair: &self.settings.pair,
            flag: self.settings.names.flag(),
        }
    }

    /// Fails if the root belongs to another pair. Call it after the root is observed, before anything is published or
    /// written.
    pub fn may_write(&self) -> Result<(), FunctionError> {
        self.store
            .may_write()
            .map_err(|failure| FunctionError::unreadable("writing", failure.cause))
    }

    /// Builds the clients and the adapters over them.
    pub fn build(settings: Settings) -> Self {
        let clients = Clients::build(&settings);
        Self::over(&clients, settings)
    }

    /// Builds the adapters over given AWS settings, outside Lambda.
    pub fn outside_lambda(shared: &SdkConfig, settings: Settings) -> Self {
        let clients = Clients::outside_lambda(shared, &settings);
        Self::over(&clients, settings)
    }

    /// Builds the adapters over given clients.
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
