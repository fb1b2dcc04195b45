//! `handover`: which runs next to the last transition were executed, by whom, and which by nobody. Changes nothing.

use std::time::Duration;

use bluegreen_aws::clock;
use bluegreen_core::handover::{Period, compare};
use bluegreen_core::time::{elapsed, whole_milliseconds};
use serde_json::{Value, json};

use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Shell;

/// What is left of the invocation for answering.
const CLOSING_TIME: Duration = Duration::from_secs(3);

/// Asks both environments.
pub(crate) async fn handover(
    shell: &Shell,
    window_minutes: u32,
    invocation: &Invocation,
) -> Result<Value, FunctionError> {
    let (observed, history) = tokio::join!(shell.store.observe(), shell.store.history());
    let observed = observed.map_err(|failure| FunctionError::unreadable("reading the flag", failure.cause))?;
    let history = history.map_err(|failure| FunctionError::unreadable("reading the flag's history", failure.cause))?;
    let active = observed.flag.as_ref().and_then(|flag| flag.value.colour());
    let now = clock::now();
    let period = Period::around(&history, window_minutes, now);
    let new = active.or_else(|| Some(period.transition.as_ref()?.to));
    let Some(new) = new else {
        return Ok(json!({
            "outcome": "refused",
            "active": null,
            "previous": null,
            "version": observed.flag.map(|flag| flag.version),
            "transition": null,
            "guards": [],
            "reason": "there is no flag that ever held a colour, so no run has an owner; see {\"action\":\"status\"}",
            "elapsed_ms": whole_milliseconds(invocation.elapsed()),
        }));
    };
    let time = elapsed(now, invocation.deadline).saturating_sub(CLOSING_TIME);
    let told = shell.runs.ask(&period, new, now, time).await;
    let report = compare(&period, new, &told, &history, now);
    let reason = report.summary();
    tracing::info!(
        pair = shell.settings.pair,
        active = active.map(bluegreen_core::colour::Colour::as_str),
        decision = "handover",
        transition = report.transition.as_ref().and_then(|transition| transition.transition.as_deref()),
        reason,
        partial = report.partial,
        request_id = %invocation.request_id,
        "handover"
    );
    Ok(json!({
        "outcome": "handover",
        "active": active,
        "previous": null,
        "version": observed.flag.map(|flag| flag.version),
        "transition": report.transition.as_ref().and_then(|transition| transition.transition.as_deref()),
        "guards": [],
        "reason": reason,
        "handover": report,
        "elapsed_ms": whole_milliseconds(invocation.elapsed()),
    }))
}
