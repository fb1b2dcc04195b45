//! `{"action":"failover"}`: a person declares the active color failed.

use bluegreen_aws::health_probe::ProbeScope;
use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::back_dating::{LastHealthy, back_dating};
use bluegreen_core::claim::{Decided, Intent, effective_from, overridden};
use bluegreen_core::color::{Both, Color};
use bluegreen_core::decision::{
    Precondition, PreconditionName, SwitchControl, declared_failover_preconditions, flag_precondition,
};
use bluegreen_core::flag::{FlagObservation, declared_reason};
use bluegreen_core::health::{Assessment, Evidence};
use bluegreen_core::hold::HoldState;
use bluegreen_core::outcome::Outcome;
use bluegreen_core::request::FailoverRequest;
use bluegreen_core::response::{Change, Response};
use bluegreen_core::time::to_milliseconds;
use bluegreen_core::transition::Kind;
use jiff::Timestamp;

use crate::answer::{no_flag, objections, respond};
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::repeat::{self, Past, Reads};
use crate::second_reading::answer_when_settled;
use crate::services::Services;
use crate::switch::{EVIDENCE_TIME, carry_out, evidence_time};

/// Makes the standby active, counted from the last moment when the active was known to be healthy.
pub(crate) async fn failover(
    services: &Services,
    request: FailoverRequest,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    // Force ignores the standby's evidence. The evidence of the active dates its last sign of life, which saves runs.
    let time = |color| {
        if request.to == Some(color) {
            evidence_time(request.force)
        } else {
            EVIDENCE_TIME
        }
    };
    let evidence = |color| {
        services
            .health
            .within(color, ProbeScope::Full, time(color), invocation.started)
    };
    let (looked, blue, green) = tokio::join!(
        repeat::look(services, Reads::Always, EVIDENCE_TIME, invocation),
        evidence(Color::Blue),
        evidence(Color::Green)
    );
    let looked = looked?;
    let evidence = Both { blue, green };
    answer_when_settled(
        services,
        looked,
        (Reads::Always, EVIDENCE_TIME),
        request.dry_run,
        invocation,
        async |observed, past| answer_once(services, observed, past, &evidence, request.clone(), invocation).await,
    )
    .await
}

async fn answer_once(
    services: &Services,
    observed: &Observed,
    past: &Past,
    evidence: &Both<Evidence>,
    request: FailoverRequest,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let Some(flag) = observed.flag.clone() else {
        return Ok(no_flag(invocation));
    };
    if request.to.is_none() && !request.dry_run {
        // It must be known whether this request was carried out before: a second failover returns to the failed color.
        past.must_be_read(
            "finding out whether this request was carried out before (one that names the color, as in \
             {\"action\":\"failover\",\"to\":\"green\"}, does not wait for that)",
        )?;
    }
    let mut warnings = Vec::new();
    if let (None, Some(cause)) = (&past.versions, &past.unread) {
        // Whatever is written here, no reader lets a version count from before the version that it follows.
        warnings.push(format!(
            "the flag's history could not be read ({cause}), so from when it counts may be given too early"
        ));
    }
    let previous_effective_from = past
        .versions
        .as_deref()
        .and_then(|versions| versions.last().map(|version| version.effective_from));
    let now = services.clock.now();
    let verdicts = observed.assess(&services.settings.policy, evidence, now);
    let seen = Seen {
        flag: &flag,
        observed,
        past,
        verdicts,
        previous_effective_from,
        now,
    };
    let mut answer = decide_and_carry_out(services, seen, request, invocation).await?;
    if !warnings.is_empty() {
        answer.body.warnings.get_or_insert_default().extend(warnings);
    }
    Ok(answer)
}

/// The input of the decision about a failover.
struct Seen<'a> {
    flag: &'a FlagObservation,
    observed: &'a Observed,
    past: &'a Past,
    verdicts: Both<Assessment>,
    previous_effective_from: Option<Timestamp>,
    now: Timestamp,
}

async fn decide_and_carry_out(
    services: &Services,
    seen: Seen<'_>,
    request: FailoverRequest,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let Seen {
        flag,
        observed,
        past,
        verdicts,
        previous_effective_from,
        now,
    } = seen;
    let answer = |outcome: Outcome, reason: String, preconditions: Vec<Precondition>| {
        respond(outcome, reason, preconditions, Some(flag), invocation)
    };
    let policy = &services.settings.policy;
    let mut preconditions: Vec<Precondition> = request.expect.iter().map(|expect| expect.precondition(flag)).collect();
    let Some(active) = flag.value.color() else {
        // Without a color in the flag it is unknown which color's runs are taken over. Repairing the flag is a switch.
        preconditions.push(flag_precondition(flag));
        let objections = objections(&preconditions);
        return Ok(answer(Outcome::Refused, objections, preconditions));
    };
    let to = active.other();
    let as_expected = preconditions.iter().all(|precondition| precondition.passed);
    if as_expected && request.to == Some(active) {
        let returns = past
            .under_way(observed.drill.as_deref(), flag)
            .filter(|(drill, _)| drill.to == active)
            .map_or(
                "",
                |_| ", in a drill that returns by itself; a switch to it ends the drill",
            );
        let reason = format!("{active} is active already, since version {}{returns}", flag.version);
        return Ok(answer(Outcome::Unchanged, reason, preconditions));
    }
    let (old, new) = (verdicts.of(active), verdicts.of(to));
    let last_healthy = LastHealthy::of(old, flag, observed.doubt.as_deref());
    let hold = HoldState::read(observed.hold.as_deref(), now);
    let control = SwitchControl {
        hold: &hold,
        drill: observed.drill.as_deref(),
    };
    preconditions.extend(declared_failover_preconditions(
        flag,
        &control,
        (active, old),
        (to, new),
    ));
    let heeded = preconditions
        .iter()
        .filter(|precondition| !request.force || precondition.name == PreconditionName::Expect);
    let objections = objections(heeded);
    if !objections.is_empty() {
        return Ok(answer(Outcome::Refused, objections, preconditions));
    }
    let reason = request.reason.unwrap_or_else(|| format!("{active} has failed"));
    let intent = Intent {
        kind: Kind::Failover,
        to,
        reason: declared_reason(&reason),
        actor: invocation.actor(request.requested_by),
        trigger: invocation.trigger(),
        evidence: Decided::Declared {
            last_known_healthy: last_healthy.at(),
            observed_at: now,
            declared: true,
            forced: request.force,
            verdicts: &verdicts,
            overridden: overridden(&preconditions),
        }
        .to_json(),
        last_known_healthy: last_healthy.at(),
        previous_effective_from,
        drill: None,
    };
    let reach = |from: Timestamp, written: Timestamp| {
        let of_active = (active, old.verdict, last_healthy);
        back_dating(policy, of_active, previous_effective_from, from, written)
    };
    if request.dry_run {
        let from = to_milliseconds(effective_from(policy, &intent, now));
        let mut answer = answer(Outcome::WouldSwitch, intent.reason, preconditions);
        answer.body.effective_from = Some(from);
        answer.body.back_dating = Some(reach(from, now));
        return Ok(answer);
    }
    let written = services.clock.now();
    // The active may be dead: listing its DAGs may take no longer than in a forced switch.
    let managed_dags = (observed.managed_dags.as_deref(), true);
    let mut answer = carry_out(services, flag, managed_dags, intent, preconditions, invocation).await?;
    // Absent if another writer made the transition.
    answer.body.back_dating = answer.body.effective_from.map(|from| reach(from, written));
    Ok(answer)
}
