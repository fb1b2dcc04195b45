//! Follows a drill to its end: returns when its time is over or the drilled color fails, and records the outcome.

use bluegreen_core::audit;
use bluegreen_core::claim::{Conflict, Decided, Failed, Intent, Outcome, Switching};
use bluegreen_core::decision::{Action, Decision};
use bluegreen_core::drill::{self, DrillOutcome, DrillStep, End, MAX_ENDS, Stage, Turn, stage};
use bluegreen_core::flag::versions;
use bluegreen_core::health::{Cause, Verdict};
use bluegreen_core::memory::Field;
use bluegreen_core::response::TickDrill;
use bluegreen_core::time::{to_milliseconds, to_second};
use bluegreen_core::transition::{Kind, Trigger};
use jiff::Timestamp;
use serde_json::json;

use crate::active_drill::ActiveDrill;
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::observation::Observation;
use crate::services::Services;
use crate::{claim_runner, drill_outcome};

/// Writes the flag back, unless it was decided meanwhile that the drilled color stays.
pub(crate) async fn return_from_drill(
    services: &Services,
    observation: &mut Observation,
    invocation: &Invocation,
    trigger: &Trigger,
) -> Option<Outcome> {
    let flag = observation.present()?.clone();
    let color = observation.drill.as_ref()?.drill.to;
    let last_known_healthy = observation.last_healthy(color).at();
    let ActiveDrill { drill, step, .. } = observation.drill.as_mut()?;
    let DrillStep::Return { outcome, reason } = step.clone() else {
        return None;
    };
    let unwritten = |cause: Cause| {
        Outcome::Failed(Failed {
            cause,
            doing: "deciding the drill's end",
            claimed: false,
            uncertain: false,
        })
    };
    let turn = match drill_outcome::decide_end(services, drill, End::Return, &reason, &invocation.run()).await {
        Ok(turn) => turn,
        Err(failure) => return Some(unwritten(failure.cause)),
    };
    let stays = match turn {
        Turn::Ours => None,
        Turn::Stays(reason) => Some(reason),
        Turn::GivenUp => Some(format!(
            "the return was begun {} times and never written; {} stays active; go back with a rollback",
            MAX_ENDS.saturating_sub(1),
            drill.to
        )),
        Turn::Open(_) | Turn::Returning(_) => {
            let until = match turn {
                Turn::Returning(until) => format!("; if it is dead, from {} on anybody may", to_second(until)),
                _ => String::new(),
            };
            let reason = format!("another tick is writing the return of this drill{until}");
            *step = DrillStep::Wait(reason.clone());
            return Some(Outcome::Conflict(Conflict {
                reason,
                winner: None,
                flag: Some(flag),
            }));
        }
    };
    if let Some(reason) = stays {
        observation.decision = Decision {
            action: Action::None,
            reason: format!("the drill returns no more: {reason}"),
            preconditions: Vec::new(),
            look_again_soon: false,
        };
        *step = DrillStep::Finish {
            outcome: Some(DrillOutcome::Interrupted),
            reason,
        };
        return None;
    }
    let (drill, outcome, reason) = (&*drill, &outcome, &reason);
    let drilled = observation.verdicts.of(drill.to);
    let intent = Intent {
        kind: Kind::DrillReturn,
        to: drill.from,
        reason: format!("drill {outcome}: {reason}"),
        actor: invocation.actor(drill.requested_by.clone()),
        trigger: trigger.clone(),
        evidence: Decided::Watched {
            last_known_healthy,
            observed_at: observation.at,
            verdicts: &observation.verdicts,
        }
        .to_json(),
        // A drilled color that died leaves runs that nobody executed, as in any failover. If no signal dates its death,
        // the return counts from its write, without a lead.
        last_known_healthy: (*outcome == DrillOutcome::Failed && drilled.verdict == Verdict::Unhealthy)
            .then(|| last_known_healthy.unwrap_or(observation.at)),
        previous_effective_from: observation
            .history
            .as_deref()
            .and_then(|history| versions(history).last().map(|version| version.effective_from)),
        drill: Some(drill.return_tag(*outcome, reason)),
    };
    let mut switching = Switching::new(&services.settings.policy, &flag, intent, services.clock.now());
    Some(claim_runner::run(services, &mut switching).await)
}

/// Records the outcome, if the drill has come to its end. If this run dies here, the next tick does the rest.
pub(crate) async fn conclude(
    services: &Services,
    observation: &Observation,
    outcome: Option<&Outcome>,
    invocation: &Invocation,
) -> Result<Option<TickDrill>, FunctionError> {
    let Some(under_way) = &observation.drill else {
        return Ok(None);
    };
    let (mut reached, mut step) = (under_way.stage.clone(), under_way.step.clone());
    if matches!((&step, outcome), (DrillStep::Return { .. }, Some(Outcome::Switched(_)))) {
        let history = services
            .store
            .history()
            .await
            .map_err(|failure| FunctionError::unreadable("reading the flag's history", failure.cause))?;
        reached = stage(&under_way.drill, &versions(&history));
        if let (Stage::Returned { .. }, DrillStep::Return { outcome, reason }) = (&reached, &step) {
            step = DrillStep::Finish {
                outcome: Some(*outcome),
                reason: reason.clone(),
            };
        }
    }
    let DrillStep::Finish { outcome, reason } = step else {
        return Ok(Some(under_way.to_answer()));
    };
    // Another tick, with another observation, may be about to return.
    let (outcome, reason) = if matches!(reached, Stage::Drilling { .. }) {
        let turn = drill_outcome::decide_end(services, &under_way.drill, End::Stay, &reason, &invocation.run())
            .await
            .map_err(FunctionError::undelivered("deciding the drill's end"))?;
        match turn {
            Turn::Ours | Turn::GivenUp => (outcome, reason),
            Turn::Stays(decided) => (Some(DrillOutcome::Interrupted), decided),
            Turn::Open(_) | Turn::Returning(_) => {
                let waiting = ActiveDrill {
                    step: DrillStep::Wait("another tick is writing the return of this drill".to_owned()),
                    ..under_way.clone()
                };
                return Ok(Some(waiting.to_answer()));
            }
        }
    } else {
        (outcome, reason)
    };
    let conclusion = drill_outcome::finish(
        services,
        &under_way.drill,
        &reached,
        outcome,
        &reason,
        to_milliseconds(services.clock.now()),
    )
    .await?;
    Ok(Some(conclusion.map_or_else(
        || under_way.to_answer(),
        |conclusion| TickDrill::Ended(Box::new(conclusion)),
    )))
}

/// Since when a proof that the standby works is missing, if it is overdue.
pub(crate) fn overdue_since(services: &Services, observation: &Observation, now: Timestamp) -> Option<Timestamp> {
    let stored = observation.observed.as_ref().ok()?.drill.as_deref();
    drill::overdue(&services.settings.drill, stored, observation.present()?, now).map(to_milliseconds)
}

/// Publishes once that nothing has proved the standby for too long. Published before it is remembered: a crash in
/// between publishes it twice.
pub(crate) async fn report_overdue(
    services: &Services,
    observation: &Observation,
    now: Timestamp,
) -> Result<(), FunctionError> {
    let (Ok(observed), Some(last)) = (&observation.observed, overdue_since(services, observation, now)) else {
        return Ok(());
    };
    if observed.drill_overdue == Some(last) {
        return Ok(());
    }
    let subject = services.subject();
    let undelivered = FunctionError::undelivered("publishing that a drill is overdue");
    let event = audit::drill_overdue(subject, last, services.settings.drill.overdue_days);
    services.bus.send(&[event]).await.map_err(&undelivered)?;
    services
        .store
        .remember(&observed.memory, Field::DrillOverdue, Some(json!(last)))
        .await
        .map_err(undelivered)
}
