//! `check`: could the standby take over now, and would it behave the same? Changes nothing.

use std::time::Duration;

use bluegreen_aws::health_probe::ProbeScope;
use bluegreen_core::color::Color;
use bluegreen_core::flag::{FlagObservation, versions};
use bluegreen_core::readiness::Readiness;
use bluegreen_core::response::{Check, CheckReport, Response};
use bluegreen_core::time::elapsed;

use crate::answer::common;
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::readiness::{self, judge};
use crate::second_reading::{self, Second};
use crate::services::Services;

/// The time that is reserved at the end of the invocation for answering.
const CLOSING_TIME: Duration = Duration::from_secs(3);

/// As long as the slowest source of health may take.
const EVIDENCE_TIME: Duration = Duration::from_secs(12);

/// Asks everything at once; the list of DAGs takes longest.
pub(crate) async fn check(services: &Services, invocation: &Invocation) -> Result<Response<Check>, FunctionError> {
    let time = elapsed(services.clock.now(), invocation.deadline).saturating_sub(CLOSING_TIME);
    let (observed, (snapshot, history), evidence) = tokio::join!(
        services.store.observe(),
        services.readiness.snapshot(&services.store, time),
        services
            .health
            .both(ProbeScope::Full, EVIDENCE_TIME.min(time), invocation.started)
    );
    let observed = observed.map_err(|failure| FunctionError::unreadable("reading the flag", failure.cause))?;
    let read = versions(&history);
    // It claims nothing, so nothing corrects a stale reading: the flag is read again, and compared with its history.
    let observed = match second_reading::second(services, &observed, invocation.started, Some(&read)).await? {
        Second::Same => observed,
        Second::Newer(newer) => *newer,
    };
    let (snapshot, history) = readiness::of_flag(
        services,
        (snapshot, history),
        observed.flag.as_ref(),
        invocation,
        CLOSING_TIME,
    )
    .await;
    let now = services.clock.now();
    let flag = observed.flag.as_ref();
    let Some(active) = flag.and_then(|flag| flag.value.color()) else {
        let (pair, root) = (&services.settings.pair, services.settings.names.root());
        let what = observed
            .ownership
            .refusal(pair, root)
            .unwrap_or_else(|| flag.map_or_else(|| "there is no flag".to_owned(), |flag| flag.value.fault()));
        let readiness = Readiness::without_standby(what.clone());
        let report = CheckReport::from(&readiness);
        return Ok(answer(services, flag, &readiness, report, what, invocation));
    };
    let verdicts = observed.assess(&services.settings.policy, &evidence, now);
    let readiness = judge(
        &services.settings,
        active,
        &verdicts,
        &snapshot,
        &history,
        &observed,
        now,
    );
    let report = CheckReport::from(&readiness).with_snapshot(&snapshot, active);
    let reason = readiness.summary(active.other());
    Ok(answer(services, flag, &readiness, report, reason, invocation))
}

fn answer(
    services: &Services,
    flag: Option<&FlagObservation>,
    readiness: &Readiness,
    report: CheckReport,
    reason: String,
    invocation: &Invocation,
) -> Response<Check> {
    let active = flag.and_then(|flag| flag.value.color());
    let outcome = readiness.outcome();
    tracing::info!(
        pair = services.settings.pair,
        active = active.map(Color::as_str),
        decision = outcome.as_str(),
        score = readiness.score,
        reason,
        request_id = %invocation.request_id,
        "check"
    );
    Response {
        common: common(outcome, reason, Vec::new(), flag, invocation),
        body: Check { readiness: report },
    }
}
