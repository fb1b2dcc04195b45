//! `{"to":"green"}`: a switch by a person.

use std::time::Duration;

use bluegreen_aws::answer::FunctionError;
use bluegreen_aws::function::{Invocation, Shell};
use bluegreen_aws::{clock, switching};
use bluegreen_core::decision::{Guard, GuardName, switch_guards};
use bluegreen_core::flag::FlagObservation;
use bluegreen_core::health::assess;
use bluegreen_core::hold::HoldState;
use bluegreen_core::request::SwitchRequest;
use bluegreen_core::switch::{Intent, Outcome, Switching};
use bluegreen_core::time::whole_milliseconds;
use bluegreen_core::transition::{Kind, Trigger};
use serde_json::{Value, json};

/// A planned switch waits for the target's evidence as long as its slowest source may take.
const EVIDENCE_TIME: Duration = Duration::from_secs(12);

/// A forced one does not wait for what it will not heed.
const FORCED_EVIDENCE_TIME: Duration = Duration::from_secs(2);

pub(crate) async fn switch(
    shell: &Shell,
    request: SwitchRequest,
    invocation: &Invocation,
) -> Result<Value, FunctionError> {
    let limit = if request.force {
        FORCED_EVIDENCE_TIME
    } else {
        EVIDENCE_TIME
    };
    let (observed, evidence) = tokio::join!(
        shell.store.observe(),
        shell.health.within(request.to, limit, invocation.started)
    );
    let observed = observed.map_err(|failure| FunctionError::unreadable("reading the flag", failure.cause))?;
    let now = clock::now();
    let policy = &shell.settings.policy;
    let target = assess(policy, &evidence, now);
    let Some(flag) = observed.flag else {
        let advice = "there is no flag; make it with {\"action\":\"initialize\"}, and name the active colour with \
                      \"to\" if this pair has been in use";
        let guards = vec![Guard::new(GuardName::FlagInvalid, false, advice)];
        return Ok(Answer::new("refused", advice.to_owned(), guards).to_json(None, invocation));
    };
    let mut guards: Vec<Guard> = request.expect.iter().map(|expect| expect.guard(&flag)).collect();
    let as_expected = guards.iter().all(|guard| guard.passed);
    if as_expected && flag.value.colour() == Some(request.to) {
        let reason = format!("{} is active already, since version {}", request.to, flag.version);
        return Ok(Answer::new("unchanged", reason, guards).to_json(Some(&flag), invocation));
    }
    let hold = HoldState::read(observed.hold.as_deref(), now);
    guards.extend(switch_guards(policy, &flag, &hold, request.to, &target, now));
    let objections: Vec<&Guard> = guards
        .iter()
        .filter(|guard| !guard.passed && (!request.force || guard.name == GuardName::Expect))
        .collect();
    if !objections.is_empty() {
        let reason = objections
            .iter()
            .map(|guard| format!("{}: {}", guard.name, guard.detail))
            .collect::<Vec<_>>()
            .join("; ");
        return Ok(Answer::new("refused", reason, guards).to_json(Some(&flag), invocation));
    }
    let reason = request
        .reason
        .clone()
        .unwrap_or_else(|| format!("switch to {} on demand", request.to));
    if request.dry_run {
        return Ok(Answer::new("would_switch", reason, guards).to_json(Some(&flag), invocation));
    }
    let intent = Intent {
        kind: Kind::Switch,
        to: request.to,
        reason,
        actor: invocation.actor(request.requested_by.clone()),
        trigger: Trigger {
            kind: "invoke".to_owned(),
            id: Some(invocation.request_id.clone()),
        },
        evidence: json!({
            "observed_at": now,
            "forced": request.force,
            "target": target,
            "overridden": guards.iter().filter(|guard| !guard.passed).map(|guard| guard.name).collect::<Vec<_>>(),
        }),
        last_known_healthy: None,
        previous_effective_from: None,
    };
    carry_out(shell, &flag, intent, guards, invocation).await
}

async fn carry_out(
    shell: &Shell,
    flag: &FlagObservation,
    intent: Intent,
    guards: Vec<Guard>,
    invocation: &Invocation,
) -> Result<Value, FunctionError> {
    let (to, reason) = (intent.to, intent.reason.clone());
    let mut switching = Switching::new(&shell.settings.policy, flag, intent, clock::now());
    let outcome = switching::run(&shell.store, &mut switching).await;
    let answer = match outcome {
        Outcome::Switched(switched) => {
            let mut warnings = switched.warnings.clone();
            if switched.rolled_forward {
                let whose = switched.dead_writer.as_ref().map_or_else(
                    || "unreadable record".to_owned(),
                    |dead| format!("{} to {}, request {}", dead.kind, dead.to, dead.actor.request_id),
                );
                warnings.push(format!("the claim of a dead writer ({whose}) was rolled forward"));
            }
            // A dead writer's claim out of a flag without a colour may have wanted the other colour.
            let outcome = if switched.to == to { "switched" } else { "conflict" };
            let mut answer = Answer::new(outcome, reason, guards).to_json(Some(flag), invocation);
            if let Some(fields) = answer.as_object_mut() {
                fields.insert("active".to_owned(), json!(switched.to));
                fields.insert("previous".to_owned(), json!(flag.value.colour()));
                fields.insert("version".to_owned(), json!(switched.version));
                fields.insert("transition".to_owned(), json!(switched.record));
                fields.insert("effective_from".to_owned(), json!(switched.effective_from));
                fields.insert("warnings".to_owned(), json!(warnings));
            }
            answer
        }
        Outcome::Conflict(conflict) => {
            let mut answer = Answer::new("conflict", conflict.reason, guards)
                .to_json(conflict.flag.as_ref().or(Some(flag)), invocation);
            if let Some(fields) = answer.as_object_mut() {
                fields.insert("winner".to_owned(), json!(conflict.winner));
            }
            answer
        }
        Outcome::Failed(failed) => return Err(failed.into()),
    };
    let text = |field: &str| answer.get(field).and_then(|value| value.as_str());
    let version = answer.get("version").and_then(Value::as_u64);
    tracing::info!(
        pair = shell.settings.pair,
        active = text("active"),
        version = version,
        decision = text("outcome"),
        transition = text("transition"),
        reason = text("reason"),
        request_id = %invocation.request_id,
        "switch"
    );
    Ok(answer)
}

/// The fields that every answer to a switch has.
pub(crate) struct Answer {
    outcome: &'static str,
    reason: String,
    guards: Vec<Guard>,
}

impl Answer {
    pub(crate) fn new(outcome: &'static str, reason: String, guards: Vec<Guard>) -> Self {
        Self {
            outcome,
            reason,
            guards,
        }
    }

    /// As it stands with the flag as given.
    pub(crate) fn to_json(&self, flag: Option<&FlagObservation>, invocation: &Invocation) -> Value {
        json!({
            "outcome": self.outcome,
            "active": flag.and_then(|flag| flag.value.colour()),
            "previous": null,
            "version": flag.map(|flag| flag.version),
            "transition": null,
            "guards": self.guards,
            "reason": self.reason,
            "elapsed_ms": whole_milliseconds(invocation.elapsed()),
        })
    }
}
