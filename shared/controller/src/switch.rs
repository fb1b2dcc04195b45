//! `{"to":"green"}` and `{"action":"rollback"}`: a switch by a person.

use std::time::Duration;

use bluegreen_aws::health_probe::ProbeScope;
use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::claim::{Decided, Failure, Intent, Outcome, Switching, overridden};
use bluegreen_core::color::{Both, Color};
use bluegreen_core::decision::{
    Precondition, PreconditionName, SwitchControl, person_drill_precondition, switch_preconditions,
};
use bluegreen_core::drill::{Drill, DrillOutcome, End, Stage, Turn};
use bluegreen_core::flag::{FlagObservation, declared_reason};
use bluegreen_core::health::{Evidence, assess_after};
use bluegreen_core::hold::HoldState;
use bluegreen_core::outcome::Outcome as Word;
use bluegreen_core::request::{Expect, RollbackRequest, SwitchRequest};
use bluegreen_core::response::{Change, Response, Winner};
use bluegreen_core::time::{after, minutes, to_second};
use bluegreen_core::transition::Kind;

use crate::answer::{add_written, no_flag, objections, respond};
use crate::dags;
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::repeat::{self, Past, Reads};
use crate::second_reading::answer_when_settled;
use crate::services::Services;
use crate::{claim_runner, drill_outcome};

/// A planned switch waits for the target's evidence as long as its slowest source may take.
pub(crate) const EVIDENCE_TIME: Duration = Duration::from_secs(12);

/// A forced switch does not wait for evidence that it ignores.
const FORCED_EVIDENCE_TIME: Duration = Duration::from_secs(2);

/// What a person requests, by either of the two actions.
struct Wanted {
    kind: Kind,
    to: Color,
    reason: String,
    requested_by: Option<String>,
    dry_run: bool,
    force: bool,
    expect: Option<Expect>,
}

/// One of the two requests, with the evidence of the environments.
enum Ask {
    Switch(SwitchRequest, Box<Evidence>),
    Rollback(RollbackRequest, Box<Both<Evidence>>),
}

/// Makes the named color active.
pub(crate) async fn switch(
    services: &Services,
    request: SwitchRequest,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let limit = evidence_time(request.force);
    let (looked, evidence) = tokio::join!(
        repeat::look(services, Reads::IfMoved, limit, invocation),
        services
            .health
            .within(request.to, ProbeScope::Full, limit, invocation.started)
    );
    answer(services, &Ask::Switch(request, Box::new(evidence)), looked?, invocation).await
}

/// Makes the previous color active again.
pub(crate) async fn rollback(
    services: &Services,
    request: RollbackRequest,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    // Only the history shows which color that is, so both environments are probed: still one round trip of waiting.
    let (looked, evidence) = tokio::join!(
        repeat::look(services, Reads::Always, EVIDENCE_TIME, invocation),
        services
            .health
            .both(ProbeScope::Full, evidence_time(request.force), invocation.started)
    );
    answer(
        services,
        &Ask::Rollback(request, Box::new(evidence)),
        looked?,
        invocation,
    )
    .await
}

async fn answer(
    services: &Services,
    ask: &Ask,
    looked: (Observed, Past),
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let (dry_run, reads, limit) = match ask {
        Ask::Switch(request, _) => (request.dry_run, Reads::IfMoved, evidence_time(request.force)),
        Ask::Rollback(request, _) => (request.dry_run, Reads::Always, EVIDENCE_TIME),
    };
    answer_when_settled(
        services,
        looked,
        (reads, limit),
        dry_run,
        invocation,
        async |observed, past| answer_once(services, ask, observed, past, invocation).await,
    )
    .await
}

async fn answer_once(
    services: &Services,
    ask: &Ask,
    observed: &Observed,
    past: &Past,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let Some(flag) = observed.flag.clone() else {
        return Ok(no_flag(invocation));
    };
    let (wanted, evidence) = match ask {
        Ask::Switch(request, evidence) => (switch_wanted(request), evidence.as_ref()),
        Ask::Rollback(request, evidence) => match rollback_wanted(request, &flag, past)? {
            Ok(wanted) => {
                let evidence = evidence.of(wanted.to);
                (wanted, evidence)
            }
            Err(reason) => {
                return Ok(respond(Word::Refused, reason, Vec::new(), Some(&flag), invocation));
            }
        },
    };
    check_and_carry_out(services, &flag, (observed, past), evidence, wanted, invocation).await
}

fn switch_wanted(request: &SwitchRequest) -> Wanted {
    Wanted {
        kind: Kind::Switch,
        to: request.to,
        reason: request
            .reason
            .clone()
            .unwrap_or_else(|| format!("switch to {} on demand", request.to)),
        requested_by: request.requested_by.clone(),
        dry_run: request.dry_run,
        force: request.force,
        expect: request.expect,
    }
}

/// The target of a rollback, or why there is none.
fn rollback_wanted(
    request: &RollbackRequest,
    flag: &FlagObservation,
    past: &Past,
) -> Result<Result<Wanted, String>, FunctionError> {
    // It must be known here whether this request was carried out before: a second rollback would switch forward again.
    past.must_be_read("reading the flag's history")?;
    let versions = past.versions.as_deref().unwrap_or_default();
    // The transition to the present color. A later manual edit that writes the same color, or garbage, does not change
    // it.
    let arrival = versions
        .iter()
        .rev()
        .filter(|version| version.entry.version <= flag.version && version.entry.value.color().is_some())
        .take_while(|version| version.entry.value == flag.value)
        .last();
    let drill_returned = arrival.filter(|arrival| arrival.kind() == Kind::DrillReturn);
    if let (Some(returned), Some(active)) = (drill_returned, flag.value.color()) {
        return Ok(Err(format!(
            "there is nothing to go back from: a drill of {} ended and returned to {active} at {}; if you want {}, name it: \
             {{\"to\":\"{}\"}}",
            active.other(),
            to_second(returned.entry.modified),
            active.other(),
            active.other()
        )));
    }
    let before = versions
        .iter()
        .rev()
        .filter(|version| version.entry.version < flag.version)
        .find_map(|version| {
            version
                .entry
                .value
                .color()
                .filter(|color| Some(*color) != flag.value.color())
        });
    let Some(to) = before else {
        return Ok(Err(format!(
            "there is nothing to go back to: no kept version before {} holds another color; name the color with \
             {{\"to\":\"<color>\"}}",
            flag.version
        )));
    };
    Ok(Ok(Wanted {
        kind: Kind::Rollback,
        to,
        reason: request
            .reason
            .clone()
            .unwrap_or_else(|| format!("back to {to} on demand")),
        requested_by: request.requested_by.clone(),
        dry_run: request.dry_run,
        force: request.force,
        expect: request.expect,
    }))
}

pub(crate) fn evidence_time(force: bool) -> Duration {
    if force { FORCED_EVIDENCE_TIME } else { EVIDENCE_TIME }
}

async fn check_and_carry_out(
    services: &Services,
    flag: &FlagObservation,
    (observed, past): (&Observed, &Past),
    evidence: &Evidence,
    wanted: Wanted,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let now = services.clock.now();
    let policy = &services.settings.policy;
    let target = assess_after(policy, evidence, observed.past.of(wanted.to).as_ref(), now);
    let mut preconditions: Vec<Precondition> = wanted.expect.iter().map(|expect| expect.precondition(flag)).collect();
    let as_expected = preconditions.iter().all(|precondition| precondition.passed);
    let under_way = past.under_way(observed.drill.as_deref(), flag);
    if as_expected && flag.value.color() == Some(wanted.to) {
        if let Some(under_way) = under_way.filter(|(drill, _)| drill.to == wanted.to) {
            return keep_drilled_color(services, flag, under_way, wanted, preconditions, invocation).await;
        }
        let reason = format!("{} is active already, since version {}", wanted.to, flag.version);
        return Ok(respond(Word::Unchanged, reason, preconditions, Some(flag), invocation));
    }
    let hold = HoldState::read(observed.hold.as_deref(), now);
    let control = SwitchControl {
        hold: &hold,
        drill: observed.drill.as_deref(),
    };
    preconditions.extend(switch_preconditions(
        policy,
        wanted.kind,
        flag,
        &control,
        wanted.to,
        &target,
        now,
    ));
    // The history shows more reliably than one observation whether the drill has ended, and which writes began it.
    for precondition in preconditions
        .iter_mut()
        .filter(|precondition| precondition.name == PreconditionName::Drill)
    {
        *precondition = person_drill_precondition(under_way.as_ref().map(|(drill, _)| drill));
    }
    let heeded = preconditions
        .iter()
        .filter(|precondition| !wanted.force || precondition.name == PreconditionName::Expect);
    let objections = objections(heeded);
    if !objections.is_empty() {
        return Ok(respond(
            Word::Refused,
            objections,
            preconditions,
            Some(flag),
            invocation,
        ));
    }
    if wanted.dry_run {
        return Ok(respond(
            Word::WouldSwitch,
            wanted.reason,
            preconditions,
            Some(flag),
            invocation,
        ));
    }
    // Whatever was requested, this repairs a flag that held no color. The reason names the person: unlike the watcher's
    // repair, this one acknowledges, as a switch does.
    let (kind, reason) = if flag.value.color().is_some() {
        (wanted.kind, wanted.reason)
    } else {
        (Kind::Restore, declared_reason(&wanted.reason))
    };
    let intent = Intent {
        kind,
        to: wanted.to,
        reason,
        actor: invocation.actor(wanted.requested_by),
        trigger: invocation.trigger(),
        evidence: Decided::Asked {
            observed_at: now,
            forced: wanted.force,
            target: &target,
            overridden: overridden(&preconditions),
        }
        .to_json(),
        last_known_healthy: None,
        previous_effective_from: None,
        drill: None,
    };
    let managed_dags = (observed.managed_dags.as_deref(), wanted.force);
    carry_out(services, flag, managed_dags, intent, preconditions, invocation).await
}

/// The requested color is active in a drill, which is about to return. To keep the color, a person ends the drill.
async fn keep_drilled_color(
    services: &Services,
    flag: &FlagObservation,
    (drill, stage): (Drill, Option<Stage>),
    wanted: Wanted,
    preconditions: Vec<Precondition>,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let who = wanted.requested_by.as_deref().unwrap_or("somebody");
    let to = wanted.to;
    let decided = format!("{who} wants {to} to stay active: {}", wanted.reason);
    if wanted.dry_run {
        let reason = format!("{to} is active in a drill, which would be ended, so that {to} stays");
        return Ok(respond(
            Word::WouldCancelDrill,
            reason,
            preconditions,
            Some(flag),
            invocation,
        ));
    }
    let name = drill.record();
    let records = services
        .store
        .records(std::slice::from_ref(&name))
        .await
        .map_err(|failure| FunctionError::unreadable("reading the drill's record", failure.cause))?;
    let drill = match records.get(&name) {
        Some(record) => drill.as_recorded(record),
        None => drill,
    };
    let unreadable = |failure: Failure| FunctionError::unreadable("reading the flag again", failure.cause);
    // A tick that is about to return has decided the drill's end by now, or never will.
    let turn = drill_outcome::decide_end(services, &drill, End::Stay, &decided, &invocation.run())
        .await
        .map_err(|failure| {
            FunctionError::store(
                "deciding the drill's end",
                failure.cause,
                "; the drill goes on unless status shows its end; asking again is safe",
            )
        })?;
    let returning = match turn {
        Turn::Ours | Turn::Stays(_) | Turn::GivenUp => None,
        Turn::Returning(until) => Some(format!(
            "the drill is returning at this moment; see {{\"action\":\"status\"}}, and switch again (if it has not returned by {}, ask for this \
             again)",
            to_second(until)
        )),
        Turn::Open(_) => Some("it is unknown who ends this drill; see {\"action\":\"status\"}".to_owned()),
    };
    // A faster writer has written the flag by now.
    let standing = services.store.observe().await.map_err(unreadable)?.flag;
    let stays = standing
        .as_ref()
        .is_some_and(|standing| standing.version == flag.version);
    let (outcome, reason) = match returning {
        Some(returning) => (Word::Conflict, returning),
        None if !stays => (
            Word::Conflict,
            "the flag was written at the same moment; see {\"action\":\"status\"}, and switch again".to_owned(),
        ),
        None => {
            // If its write was repeated, the first one counts.
            let stage = stage.unwrap_or(Stage::Drilling {
                switched_at: flag.modified,
                return_at: after(flag.modified, minutes(drill.duration_minutes)),
            });
            let outcome = Some(DrillOutcome::Interrupted);
            drill_outcome::finish(services, &drill, &stage, outcome, &decided, services.clock.now()).await?;
            (
                Word::DrillCanceled,
                format!("the drill of {to} has ended, and {to} stays active"),
            )
        }
    };
    let answer = respond(outcome, reason, preconditions, standing.as_ref(), invocation);
    log(services, &answer, invocation);
    Ok(answer)
}

pub(crate) async fn carry_out(
    services: &Services,
    flag: &FlagObservation,
    (managed_dags, force): (Option<&str>, bool),
    intent: Intent,
    preconditions: Vec<Precondition>,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let (to, reason) = (intent.to, intent.reason.clone());
    let managed_dags = dags::before(services, managed_dags, flag, force, invocation).await;
    let mut switching = Switching::new(&services.settings.policy, flag, intent, services.clock.now());
    let (outcome, ()) = tokio::join!(
        claim_runner::run(services, &mut switching),
        repeat::note_begun(services, invocation)
    );
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
            // An abandoned claim on a flag without a color may have had the other color as its target.
            let outcome = if switched.to == to {
                Word::Switched
            } else {
                Word::Conflict
            };
            let mut answer = respond(outcome, reason, preconditions, Some(flag), invocation);
            add_written(&mut answer, flag, &switched, &warnings);
            dags::after(services, managed_dags.as_deref(), &switched, &mut answer, invocation).await;
            answer
        }
        // This very request, delivered twice: the other delivery runs now, or ran a moment ago.
        Outcome::Conflict(conflict)
            if conflict
                .winner
                .as_ref()
                .is_some_and(|winner| winner.actor.request_id == invocation.request_id) =>
        {
            repeat::other_delivery(services, Word::Switched, invocation)
                .await
                .ok_or_else(|| repeat::unfinished(conflict.reason))?
        }
        Outcome::Conflict(conflict) => {
            let mut answer = respond(
                Word::Conflict,
                conflict.reason,
                preconditions,
                conflict.flag.as_ref().or(Some(flag)),
                invocation,
            );
            answer.body.lost_to = Some(Winner {
                winner: conflict.winner,
            });
            answer
        }
        Outcome::Failed(failed) => return Err(failed.into()),
    };
    log(services, &answer, invocation);
    Ok(answer)
}

fn log(services: &Services, answer: &Response<Change>, invocation: &Invocation) {
    let answer = &answer.common;
    tracing::info!(
        pair = services.settings.pair,
        active = answer.active.map(Color::as_str),
        version = answer.version.map(|version| version.0),
        decision = answer.outcome.to_string(),
        transition = answer.transition,
        reason = answer.reason,
        request_id = %invocation.request_id,
        "switch"
    );
}
