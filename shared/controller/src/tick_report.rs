//! What a tick does after its decision: publishes, announces, continues what is under way, and answers.

use bluegreen_aws::health_probe::ProbeScope;
use bluegreen_core::claim::Outcome;
use bluegreen_core::color::Color;
use bluegreen_core::dag_management::Report;
use bluegreen_core::decision::{Action, FlagState, PreconditionName};
use bluegreen_core::metric::Metric;
use bluegreen_core::response::{Tick, TickDrill};
use bluegreen_core::time::whole_milliseconds;
use bluegreen_core::transition::Trigger;
use jiff::Timestamp;

use crate::alerts::{announce, announce_doubt, flag_fault, is_long_in_doubt};
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::observation::Observation;
use crate::services::Services;
use crate::{audit_trail, dags, drill_return, hold_report, past, readiness, run_report, unsent};

/// Publishes, announces and answers.
pub(crate) async fn close(
    services: &Services,
    observation: Observation,
    outcome: Option<Outcome>,
    depth: ProbeScope,
    invocation: &Invocation,
    trigger: Trigger,
    probes: u32,
) -> Result<Tick, FunctionError> {
    let now = services.clock.now();
    let observed = observation.observed.as_ref().ok();
    let fault = match observed {
        Some(observed) => flag_fault(services, observed, &observation).await,
        None => None,
    };
    let metrics = metrics(services, &observation, outcome.as_ref(), fault.is_some(), now);
    let publish = async {
        if depth == ProbeScope::Full {
            services.metrics.publish(&metrics).await
        } else {
            Ok(())
        }
    };
    let announce = async {
        match observed {
            Some(observed) => announce(services, observed, &observation, fault.as_deref(), now).await,
            None => Ok(()),
        }
    };
    let announce_doubt = announce_doubt(services, &observation, now);
    let note = async {
        // A tick that wrote the flag has enough to do, and the next one records the same.
        if let (Some(observed), None) = (observed, &outcome) {
            past::note(services, observed, &observation.past).await;
        }
    };
    let catch_up = async {
        match observed {
            Some(observed) => audit_trail::catch_up_if_late(services, observed, now).await,
            None => Ok(()),
        }
    };
    let unsent = async {
        if depth == ProbeScope::Full && observed.is_some() {
            unsent::publish(services).await.map(drop)
        } else {
            Ok(())
        }
    };
    let conclude = drill_return::conclude(services, &observation, outcome.as_ref(), invocation);
    let overdue = drill_return::report_overdue(services, &observation, now);
    let hold = hold_report::report_hold_changes(services, &observation, now);
    let dags = dags::at_tick(services, &observation, outcome.as_ref(), invocation);
    let (published, announced, doubt_announced, (), caught_up, drill, overdue, hold, dags, unsent) = tokio::join!(
        publish,
        announce,
        announce_doubt,
        note,
        catch_up,
        conclude,
        overdue,
        hold,
        dags,
        unsent
    );
    if let Err(failure) = published {
        tracing::warn!(error = %failure.cause, "metrics were not published");
    }
    announced?;
    doubt_announced?;
    caught_up?;
    overdue?;
    hold?;
    unsent?;
    let drill = drill?;
    let dags = dags?;
    if let FlagState::Unreadable(cause) = observation.flag {
        return Err(FunctionError::unreadable("reading the flag", cause));
    }
    if let Some(Outcome::Failed(failed)) = outcome {
        return Err(failed.into());
    }
    // After a transition the two have changed places: the next check observes them as they are then.
    if let (Some(active), Some(observed), None) = (observation.active(), observed, &outcome) {
        readiness::check_if_due(
            services,
            active,
            (depth, &observation.verdicts),
            observed,
            &trigger,
            invocation,
        )
        .await?;
    }
    if outcome.is_none() {
        run_report::after_transition(services, &observation, invocation).await?;
    }
    Ok(answer(observation, outcome, (drill, dags), invocation, trigger, probes))
}

fn answer(
    observation: Observation,
    outcome: Option<Outcome>,
    (drill, dag_management): (Option<TickDrill>, Option<Report>),
    invocation: &Invocation,
    trigger: Trigger,
    probes: u32,
) -> Tick {
    let (switched, conflict) = match outcome {
        Some(Outcome::Switched(switched)) => (Some(switched), None),
        Some(Outcome::Conflict(conflict)) => (None, Some(conflict.reason)),
        Some(Outcome::Failed(_)) | None => (None, None),
    };
    let written = switched.as_ref();
    let flag = observation.present();
    Tick {
        trigger: trigger.kind,
        active: written.map(|switched| switched.to).or(observation.active()),
        version: written
            .map(|switched| switched.version)
            .or(flag.map(|flag| flag.version)),
        decision: observation.decision.action.as_str(),
        blocked_by: observation.decision.blocked_by(),
        transition: written.map(|switched| switched.record.clone()),
        effective_from: written.map(|switched| switched.effective_from),
        conflict,
        hold: observation.control.hold.describe(),
        verdicts: observation.verdicts,
        preconditions: observation.decision.preconditions,
        reason: observation.decision.reason,
        warnings: switched.map(|switched| switched.warnings),
        probes,
        elapsed_ms: whole_milliseconds(invocation.elapsed()),
        drill,
        dag_management,
    }
}

/// Logs one observation and its outcome.
pub(crate) fn log(
    services: &Services,
    observation: &Observation,
    outcome: Option<&Outcome>,
    invocation: &Invocation,
    trigger: &Trigger,
    probe: u32,
) {
    let preconditions: Vec<&str> = observation
        .decision
        .blocked_by()
        .into_iter()
        .map(PreconditionName::as_str)
        .collect();
    let (transition, conflict) = match outcome {
        Some(Outcome::Switched(switched)) => (Some(switched.record.as_str()), None),
        Some(Outcome::Conflict(conflict)) => (None, Some(conflict.reason.as_str())),
        Some(Outcome::Failed(failed)) => (None, Some(failed.doing)),
        None => (None, None),
    };
    tracing::info!(
        pair = services.settings.pair,
        active = observation.active().map(Color::as_str),
        version = observation.present().map(|flag| flag.version.0),
        blue = observation.verdicts.blue.verdict.as_str(),
        green = observation.verdicts.green.verdict.as_str(),
        decision = observation.decision.action.as_str(),
        precondition = preconditions.join(","),
        hold = observation.control.hold.describe(),
        transition,
        conflict,
        reason = observation.decision.reason,
        trigger = trigger.kind,
        probe,
        request_id = %invocation.request_id,
        "decision"
    );
    tracing::debug!(tick = %observation.recorded(services), request_id = %invocation.request_id, "evidence");
}

fn metrics(
    services: &Services,
    observation: &Observation,
    outcome: Option<&Outcome>,
    fault: bool,
    now: Timestamp,
) -> Vec<Metric> {
    let active = match outcome {
        Some(Outcome::Switched(switched)) => Some(switched.to),
        _ => observation.active(),
    };
    let mut metrics = Metric::environment_healthy(&observation.verdicts, now);
    metrics.extend(
        active
            .map(|active| Metric::active_environment(active, now))
            .unwrap_or_default(),
    );
    if matches!(observation.decision.action, Action::Blocked | Action::ObserveOnly) && active.is_some() {
        metrics.extend(
            observation
                .decision
                .blocked_by()
                .into_iter()
                .map(|precondition| Metric::failover_blocked(precondition, now)),
        );
    }
    if fault {
        metrics.push(Metric::flag_fault(now));
    }
    let observed = observation.observed.as_ref().ok();
    let standing = observed.and_then(|observed| observed.readiness.as_deref());
    if let Some(active) = observation.active() {
        metrics.extend(readiness::metric(services, standing, active, now));
    }
    if observed.is_some_and(|observed| is_long_in_doubt(services, observed, observation, now)) {
        metrics.push(Metric::environment_unknown(now));
    }
    if drill_return::overdue_since(services, observation, now).is_some() {
        metrics.push(Metric::drill_overdue(now));
    }
    metrics
}
