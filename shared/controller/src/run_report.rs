//! Which runs next to a transition were executed, by which environment, and which by neither. It is published once,
//! some minutes after each transition, and returned on request (`run_report`).
//!
//! The watcher makes it. The change-listener may neither call MWAA nor reach a private web server, and would be minutes
//! too early.

use std::time::Duration;

use bluegreen_core::audit;
use bluegreen_core::color::Color;
use bluegreen_core::flag::label;
use bluegreen_core::memory::Field;
use bluegreen_core::outcome::Outcome;
use bluegreen_core::request::DEFAULT_WINDOW_MINUTES;
use bluegreen_core::response::{ReportAnswer, Response, RunReportAnswer};
use bluegreen_core::run_report::{Period, Reported, STALE, compare};
use bluegreen_core::time::{elapsed, to_milliseconds};
use serde_json::json;

use crate::answer::{common, respond};
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::observation::Observation;
use crate::second_reading;
use crate::services::Services;

/// How long the questions may take.
const ASKING_TIME: Duration = Duration::from_secs(15);

/// If less than this is left of the invocation, the report waits for the next tick.
const LEAST_TIME: Duration = Duration::from_secs(5);

/// The time that is reserved at the end of the invocation for publishing, remembering and answering.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// The time that is reserved at the end of a request for answering.
const REQUEST_CLOSING_TIME: Duration = Duration::from_secs(3);

/// Reports on the last transition, if the report is due and not yet made.
///
/// Published before it is remembered: a crash in between publishes it twice, under one id, and never loses it. It does
/// not wait for unanswered questions. They are usual after a failover, and `{"action":"run-report"}` asks again.
pub(crate) async fn after_transition(
    services: &Services,
    observation: &Observation,
    invocation: &Invocation,
) -> Result<(), FunctionError> {
    let due_after = services.settings.run_report_after;
    let (Ok(observed), Some(flag)) = (&observation.observed, observation.present()) else {
        return Ok(());
    };
    let Some(active) = flag.value.color() else {
        return Ok(());
    };
    let now = services.clock.now();
    let age = elapsed(flag.modified, now);
    let time = elapsed(now, invocation.deadline)
        .saturating_sub(CLOSING_TIME)
        .min(ASKING_TIME);
    let standing = flag.label();
    let before = Reported::read(observed.run_report.as_deref());
    if due_after.is_zero()
        || age < due_after
        || age >= STALE
        || time < LEAST_TIME
        || before.as_ref().is_some_and(|before| before.reaches(&standing))
    {
        return Ok(());
    }
    let history = services
        .store
        .history()
        .await
        .map_err(|failure| FunctionError::unreadable("reading the flag's history", failure.cause))?;
    // A number alone does not identify a version: the flag may have been deleted and re-created.
    if history
        .last()
        .map(|newest| label(newest.version, newest.modified))
        .as_deref()
        != Some(standing.as_str())
    {
        // One of the two readings is stale. The next tick has newer ones.
        return Ok(());
    }
    let (due, reported) = Reported::due(before.as_ref(), &history, &standing, now);
    if let Some(transition) = due {
        let period = Period::around(&history, DEFAULT_WINDOW_MINUTES, now);
        let told = services.runs.ask(&period, active, now, time).await;
        let report = compare(&period, active, &told, &history, now);
        let subject = services.subject();
        tracing::info!(
            pair = services.settings.pair,
            active = active.as_str(),
            decision = "run_report",
            transition = transition.transition.as_deref(),
            reason = report.summary(),
            partial = report.partial,
            request_id = %invocation.request_id,
            "run_report"
        );
        let event = audit::run_report(
            subject,
            &transition.label(),
            &report,
            to_milliseconds(services.clock.now()),
        );
        services
            .bus
            .send(&[event])
            .await
            .map_err(FunctionError::undelivered("publishing the run report"))?;
    }
    services
        .store
        .remember(&observed.memory, Field::RunReport, Some(json!(reported)))
        .await
        .map_err(FunctionError::undelivered(
            "remembering that the run report was published",
        ))
}

/// `run_report`: asks both environments, and changes nothing.
pub(crate) async fn on_request(
    services: &Services,
    window_minutes: u32,
    invocation: &Invocation,
) -> Result<Response, FunctionError> {
    // It claims nothing, and its questions take seconds and depend on these readings, which must not be stale.
    let (observed, history) = second_reading::settled_twice(services, invocation.started).await?;
    let history = history.map_err(|failure| FunctionError::unreadable("reading the flag's history", failure.cause))?;
    let active = observed.flag.as_ref().and_then(|flag| flag.value.color());
    let now = services.clock.now();
    let period = Period::around(&history, window_minutes, now);
    let new = active.or_else(|| Some(period.transition.as_ref()?.to));
    let Some(new) = new else {
        let reason = "there is no flag that ever held a color, so no run has an owner; see {\"action\":\"status\"}";
        let flag = observed.flag.as_ref();
        return Ok(respond(Outcome::Refused, reason.to_owned(), Vec::new(), flag, invocation).of_any_kind());
    };
    let time = elapsed(now, invocation.deadline).saturating_sub(REQUEST_CLOSING_TIME);
    let told = services.runs.ask(&period, new, now, time).await;
    let report = compare(&period, new, &told, &history, now);
    let reason = report.summary();
    tracing::info!(
        pair = services.settings.pair,
        active = active.map(Color::as_str),
        decision = "run_report",
        transition = report.transition.as_ref().and_then(|transition| transition.transition.as_deref()),
        reason,
        partial = report.partial,
        request_id = %invocation.request_id,
        "run_report"
    );
    let transition = report.transition.as_ref();
    let mut common = common(
        Outcome::RunReport,
        reason,
        Vec::new(),
        observed.flag.as_ref(),
        invocation,
    );
    common.transition = transition.and_then(|transition| transition.transition.clone());
    let body = RunReportAnswer {
        run_report: Some(ReportAnswer::from(&report)),
    };
    Ok(Response { common, body }.of_any_kind())
}
