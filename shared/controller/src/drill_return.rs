//! Follows a drill to its end: returns when its time is over or the drilled colour fails, and records the outcome.

use bluegreen_aws::clock;
use bluegreen_core::audit;
use bluegreen_core::decision::{Action, Decision, FlagState};
use bluegreen_core::drill::{self, Drill, DrillOutcome, DrillStep, End, MAX_ENDS, Stage, Turn, stage};
use bluegreen_core::flag::{Version, versions};
use bluegreen_core::health::{Cause, Verdict};
use bluegreen_core::hold::HoldState;
use bluegreen_core::memory::Field;
use bluegreen_core::switch::{Conflict, Failed, Intent, Outcome, Switching};
use bluegreen_core::time::{to_milliseconds, to_second};
use bluegreen_core::transition::{Kind, Trigger};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Shell;
use crate::tick::Look;
use crate::{claim_runner, drill_outcome};

/// The drill under way at one look.
#[derive(Clone)]
pub(crate) struct UnderWay {
    drill: Drill,
    stage: Stage,
    step: DrillStep,
}

impl UnderWay {
    /// Whether there is nothing to do about it yet.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.step, DrillStep::Wait(_))
    }

    /// As the answer and the log tell it.
    pub(crate) fn to_json(&self) -> Value {
        let (step, reason) = match &self.step {
            DrillStep::Wait(reason) => ("wait", reason.as_str()),
            DrillStep::Return { reason, .. } => ("return", reason.as_str()),
            DrillStep::Finish { reason, .. } => ("finish", reason.as_str()),
        };
        let return_at = match &self.stage {
            Stage::Drilling { return_at, .. } => Some(*return_at),
            Stage::NotSwitched | Stage::Returned { .. } | Stage::Overtaken { .. } => None,
        };
        json!({"id": self.drill.id, "from": self.drill.from, "to": self.drill.to, "step": step, "reason": reason,
               "return_at": return_at})
    }
}

/// Adds the drill under way to a look, and its return to the decision.
pub(crate) async fn follow(shell: &Shell, look: &mut Look, hold: &HoldState) {
    let Ok(observed) = &look.observed else { return };
    let Some(drill) = Drill::under_way(observed.drill.as_deref()) else {
        return;
    };
    let name = drill.record();
    let known = look.history.take();
    let history = async {
        match known {
            Some(history) => Ok(history),
            None => shell.store.history().await,
        }
    };
    let (history, records, alarms) = tokio::join!(
        history,
        shell.store.records(std::slice::from_ref(&name)),
        shell.drill_alarms.states()
    );
    let (history, records) = match (history, records) {
        (Ok(history), Ok(records)) => (history, records),
        (Err(failure), _) | (_, Err(failure)) => {
            tracing::warn!(error = %failure.cause, drill = drill.id, "how far the drill has come cannot be read");
            return;
        }
    };
    let drill = match records.get(&name) {
        Some(record) => drill.as_recorded(record),
        None => drill,
    };
    let versions = versions(&history);
    let stage = stage(&drill, &versions);
    let step = if agree(&look.flag, versions.last()) {
        let mode = shell.settings.policy.mode;
        drill::decide(&drill, &stage, mode, hold, &look.verdicts, &alarms, look.at)
    } else {
        DrillStep::Wait("the flag and its history differ: one of the two readings is stale".to_owned())
    };
    if let DrillStep::Return { reason, .. } = &step {
        look.decision = Decision {
            action: Action::DrillReturn,
            reason: reason.clone(),
            guards: Vec::new(),
            look_again_soon: false,
        };
    }
    look.drill = Some(UnderWay { drill, stage, step });
    look.history = Some(history);
}

/// Nothing is decided on two readings of which one is stale.
fn agree(flag: &FlagState, newest: Option<&Version>) -> bool {
    match (flag, newest) {
        (FlagState::Present(flag), Some(newest)) => {
            flag.version == newest.entry.version && flag.modified == newest.entry.modified
        }
        (FlagState::Missing, None) => true,
        _ => false,
    }
}

/// Writes the flag back, unless it has been decided meanwhile that the drilled colour stays.
pub(crate) async fn go_back(
    shell: &Shell,
    look: &mut Look,
    invocation: &Invocation,
    trigger: &Trigger,
) -> Option<Outcome> {
    let observation = look.present()?.clone();
    let UnderWay { drill, step, .. } = look.drill.as_mut()?;
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
    let turn = match drill_outcome::decide_end(&shell.store, drill, End::Return, &reason, &invocation.run()).await {
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
                flag: Some(observation),
            }));
        }
    };
    if let Some(reason) = stays {
        look.decision = Decision {
            action: Action::None,
            reason: format!("the drill returns no more: {reason}"),
            guards: Vec::new(),
            look_again_soon: false,
        };
        *step = DrillStep::Finish {
            outcome: Some(DrillOutcome::Interrupted),
            reason,
        };
        return None;
    }
    let (drill, outcome, reason) = (&*drill, &outcome, &reason);
    let drilled = look.verdicts.of(drill.to);
    let intent = Intent {
        kind: Kind::DrillReturn,
        to: drill.from,
        reason: format!("drill {outcome}: {reason}"),
        actor: invocation.actor(drill.requested_by.clone()),
        trigger: trigger.clone(),
        evidence: json!({
            "observed_at": look.at,
            "last_known_healthy": drilled.last_known_healthy,
            "verdicts": look.verdicts,
        }),
        // A drilled colour that died leaves runs that nobody executed, as in any failover.
        last_known_healthy: drilled
            .last_known_healthy
            .filter(|_| *outcome == DrillOutcome::Failed && drilled.verdict == Verdict::Unhealthy),
        previous_effective_from: look
            .history
            .as_deref()
            .and_then(|history| versions(history).last().map(|version| version.effective_from)),
        drill: Some(drill.return_tag(*outcome, reason)),
    };
    let mut switching = Switching::new(&shell.settings.policy, &observation, intent, clock::now());
    Some(claim_runner::run(&shell.store, &mut switching).await)
}

/// Records the outcome, if the drill has come to its end. What dies here is done by the next tick.
pub(crate) async fn conclude(
    shell: &Shell,
    look: &Look,
    outcome: Option<&Outcome>,
    invocation: &Invocation,
) -> Result<Option<Value>, FunctionError> {
    let Some(under_way) = &look.drill else {
        return Ok(None);
    };
    let (mut reached, mut step) = (under_way.stage.clone(), under_way.step.clone());
    if matches!((&step, outcome), (DrillStep::Return { .. }, Some(Outcome::Switched(_)))) {
        let history = shell
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
        return Ok(Some(under_way.to_json()));
    };
    // Another tick, which saw something else, may be on its way back.
    let (outcome, reason) = if matches!(reached, Stage::Drilling { .. }) {
        let turn = drill_outcome::decide_end(&shell.store, &under_way.drill, End::Stay, &reason, &invocation.run())
            .await
            .map_err(FunctionError::undelivered("deciding the drill's end"))?;
        match turn {
            Turn::Ours | Turn::GivenUp => (outcome, reason),
            Turn::Stays(decided) => (Some(DrillOutcome::Interrupted), decided),
            Turn::Open(_) | Turn::Returning(_) => {
                let waiting = UnderWay {
                    step: DrillStep::Wait("another tick is writing the return of this drill".to_owned()),
                    ..under_way.clone()
                };
                return Ok(Some(waiting.to_json()));
            }
        }
    } else {
        (outcome, reason)
    };
    let conclusion = drill_outcome::finish(
        shell,
        &under_way.drill,
        &reached,
        outcome,
        &reason,
        to_milliseconds(clock::now()),
    )
    .await?;
    Ok(Some(
        conclusion.map_or_else(|| under_way.to_json(), |conclusion| json!(conclusion)),
    ))
}

/// Since when a proof that the standby works is missing, if it is overdue.
pub(crate) fn overdue_since(shell: &Shell, look: &Look, now: Timestamp) -> Option<Timestamp> {
    let stored = look.observed.as_ref().ok()?.drill.as_deref();
    drill::overdue(&shell.settings.drill, stored, look.present()?, now).map(to_milliseconds)
}

/// Tells once that nothing has proved the standby for too long. Said before remembered: a crash in between says it twice.
pub(crate) async fn tell_overdue(shell: &Shell, look: &Look, now: Timestamp) -> Result<(), FunctionError> {
    let (Ok(observed), Some(last)) = (&look.observed, overdue_since(shell, look, now)) else {
        return Ok(());
    };
    if observed.drill_overdue == Some(last) {
        return Ok(());
    }
    let subject = shell.subject();
    let undelivered = FunctionError::undelivered("telling that a drill is overdue");
    let event = audit::drill_overdue(subject, last, shell.settings.drill.overdue_days, now);
    shell.bus.send(&[event]).await.map_err(&undelivered)?;
    shell
        .store
        .remember(&observed.memory, Field::DrillOverdue, Some(json!(last)))
        .await
        .map_err(undelivered)
}
