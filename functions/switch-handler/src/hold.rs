//! `hold` and `release`: a standing order against automatic failover, and its end.

use bluegreen_aws::answer::FunctionError;
use bluegreen_aws::clock;
use bluegreen_aws::function::{Invocation, Shell};
use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::audit;
use bluegreen_core::health::{Cause, CauseKind};
use bluegreen_core::hold::{Hold, HoldState};
use bluegreen_core::request::{HoldRequest, ReleaseRequest};
use serde_json::{Value, json};

use crate::switch::Answer;

/// Places the hold, or replaces the one there is.
pub(crate) async fn hold(shell: &Shell, request: HoldRequest, invocation: &Invocation) -> Result<Value, FunctionError> {
    let (observed, before) = observe(shell).await?;
    let hold = Hold {
        until: request.until,
        reason: request.reason,
        by: who(request.requested_by.as_deref()),
    };
    let mut reason = format!("no automatic failover until {}: {}", hold.until, hold.reason);
    if let Some(before) = &before {
        reason.push_str("; in the place of: ");
        reason.push_str(before);
    }
    let outcome = if request.dry_run { "would_hold" } else { "held" };
    if !request.dry_run {
        shell
            .store
            .put_hold(&hold)
            .await
            .map_err(|failure| unwritten("placing the hold", failure.cause))?;
    }
    log(shell, outcome, &reason, invocation);
    let mut answer = Answer::new(outcome, reason, Vec::new()).to_json(observed.flag.as_ref(), invocation);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("hold".to_owned(), json!(hold));
    }
    Ok(answer)
}

/// Removes the hold, and acknowledges the automatic failovers so far.
pub(crate) async fn release(
    shell: &Shell,
    request: ReleaseRequest,
    invocation: &Invocation,
) -> Result<Value, FunctionError> {
    let (observed, before) = observe(shell).await?;
    let (outcome, reason) = match (&before, request.dry_run) {
        (Some(before), true) => ("would_release", format!("would end: {before}")),
        (Some(before), false) => (
            "released",
            format!("ended: {before}; automatic failovers so far are acknowledged"),
        ),
        (None, true) => (
            "would_release",
            "there is no hold to end; automatic failovers so far would be acknowledged".to_owned(),
        ),
        (None, false) => (
            "unchanged",
            "there was no hold; automatic failovers so far are acknowledged".to_owned(),
        ),
    };
    if request.dry_run {
        log(shell, outcome, &reason, invocation);
    } else {
        let by = who(request.requested_by.as_deref());
        // The acknowledgement first: a failure in between leaves the hold, which is the safer half.
        shell
            .store
            .put_acknowledged(&by, request.reason.as_deref().unwrap_or_default())
            .await
            .map_err(|failure| unwritten("acknowledging automatic failovers", failure.cause))?;
        log(shell, outcome, &reason, invocation);
        let event = audit::failovers_acknowledged(
            shell.subject(),
            &by,
            request.reason.as_deref(),
            &invocation.request_id,
            invocation.started,
        );
        let events = [event];
        // Ended rather than deleted: the parameter tells who and why, and SSM wants 30 s between a delete and the next hold.
        let ended = before.is_some().then(|| Hold {
            until: invocation.started,
            reason: request.reason.clone().unwrap_or_else(|| "released".to_owned()),
            by,
        });
        let end = async {
            match &ended {
                Some(ended) => shell.store.put_hold(ended).await,
                None => Ok(()),
            }
        };
        let (ended, told) = tokio::join!(end, shell.bus.send(&events));
        ended.map_err(|failure| unwritten("ending the hold", failure.cause))?;
        told.map_err(FunctionError::undelivered("reporting the acknowledgement"))?;
    }
    Ok(Answer::new(outcome, reason, Vec::new()).to_json(observed.flag.as_ref(), invocation))
}

/// What stands, and the hold in force in words.
async fn observe(shell: &Shell) -> Result<(Observed, Option<String>), FunctionError> {
    let observed = shell
        .store
        .observe()
        .await
        .map_err(|failure| FunctionError::unreadable("reading the flag and the hold", failure.cause))?;
    shell.may_write()?;
    let before = HoldState::read(observed.hold.as_deref(), clock::now()).describe();
    Ok((observed, before))
}

fn who(requested_by: Option<&str>) -> String {
    requested_by.unwrap_or("somebody (no requested_by given)").to_owned()
}

fn unwritten(doing: &'static str, cause: Cause) -> FunctionError {
    let advice = match cause.kind {
        // It would be denied again.
        CauseKind::AccessDenied => "",
        _ => "; asking again is safe",
    };
    FunctionError::store(doing, cause, advice)
}

fn log(shell: &Shell, outcome: &str, reason: &str, invocation: &Invocation) {
    tracing::info!(
        pair = shell.settings.pair,
        decision = outcome,
        reason,
        request_id = %invocation.request_id,
        "hold"
    );
}
