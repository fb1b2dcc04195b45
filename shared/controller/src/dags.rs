//! Pausing and unpausing DAGs, where DAGs are managed: around a person's transition, and at every tick, as long as
//! something is left to do.

use std::time::Duration;

use bluegreen_core::claim::{Outcome, Switched};
use bluegreen_core::dag_management::{ActiveVersion, Report};
use bluegreen_core::flag::FlagObservation;
use bluegreen_core::hold::HoldState;
use bluegreen_core::response::{Change, DagAnswer, Response};
use bluegreen_core::time::elapsed;

use crate::dag_reconciler::{ReconcileInput, read_before, reconcile_dags};
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::observation::Observation;
use crate::services::Services;

/// How long listing the running DAGs may delay a switch. Otherwise, the list that a tick remembered is used.
const READING_TIME: Duration = Duration::from_secs(8);

/// The same for a forced switch, whose active may be dead.
const FORCED_READING_TIME: Duration = Duration::from_secs(2);

/// The time that is reserved at the end of a request's invocation for the answer.
const CLOSING_TIME: Duration = Duration::from_secs(3);

/// The time that is reserved at the end of a tick for readiness, run report and the answer.
const TICK_CLOSING_TIME: Duration = Duration::from_secs(6);

/// Lists which DAGs run, shortly before the flag is written. Returns what is stored then.
pub(crate) async fn before(
    services: &Services,
    stored: Option<&str>,
    flag: &FlagObservation,
    force: bool,
    invocation: &Invocation,
) -> Option<String> {
    let Some(active) = flag.value.color() else {
        return stored.map(str::to_owned);
    };
    let input = ReconcileInput {
        stored,
        flag: ActiveVersion {
            active,
            version: flag.version,
            modified: flag.modified,
        },
        is_transition: false,
        is_held: false,
        observed_at: Some(invocation.started),
        time: if force { FORCED_READING_TIME } else { READING_TIME },
    };
    read_before(services, input).await
}

/// Carries out what the written flag requires, and puts its state into the answer. The ticks do the rest.
pub(crate) async fn after(
    services: &Services,
    stored: Option<&str>,
    switched: &Switched,
    answer: &mut Response<Change>,
    invocation: &Invocation,
) {
    let now = services.clock.now();
    let input = ReconcileInput {
        stored,
        flag: ActiveVersion {
            active: switched.to,
            version: switched.version,
            modified: now,
        },
        is_transition: true,
        is_held: false,
        observed_at: None,
        time: elapsed(now, invocation.deadline).saturating_sub(CLOSING_TIME),
    };
    answer.body.dag_management = match reconcile_dags(services, input).await {
        Ok(report) => report.map(DagAnswer::from),
        // The flag is written, and that is what was requested.
        Err(error) => Some(DagAnswer::failed(
            switched.to,
            format!("{error}; the next tick goes on"),
        )),
    };
}

/// Carries out what the flag requires, whether this tick wrote it or another writer did.
pub(crate) async fn at_tick(
    services: &Services,
    observation: &Observation,
    outcome: Option<&Outcome>,
    invocation: &Invocation,
) -> Result<Option<Report>, FunctionError> {
    let Ok(observed) = &observation.observed else {
        return Ok(None);
    };
    // An old list would unpause what people have paused since, as soon as DAGs are managed again.
    if !services.settings.manages_dags() {
        if observed.managed_dags.is_some() {
            let forgotten = services.store.forget_managed_dags().await;
            forgotten.map_err(FunctionError::undelivered("forgetting which DAGs were to run"))?;
        }
        return Ok(None);
    }
    let now = services.clock.now();
    let flag = match outcome {
        Some(Outcome::Switched(switched)) => ActiveVersion {
            active: switched.to,
            version: switched.version,
            modified: now,
        },
        // The next tick sees who won.
        Some(Outcome::Conflict(_) | Outcome::Failed(_)) => return Ok(None),
        None => match (observation.present(), observation.active()) {
            (Some(flag), Some(active)) => ActiveVersion {
                active,
                version: flag.version,
                modified: flag.modified,
            },
            _ => return Ok(None),
        },
    };
    let input = ReconcileInput {
        stored: observed.managed_dags.as_deref(),
        flag,
        is_transition: outcome.is_some(),
        is_held: !matches!(HoldState::read(observed.hold.as_deref(), now), HoldState::None),
        observed_at: outcome.is_none().then_some(observation.asked),
        time: elapsed(now, invocation.deadline).saturating_sub(TICK_CLOSING_TIME),
    };
    reconcile_dags(services, input).await
}
