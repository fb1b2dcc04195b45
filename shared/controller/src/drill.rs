//! `{"action":"drill"}`: practices a failover. The watcher does the return: whatever starts here may die at any point.

use std::time::Duration;

use bluegreen_aws::health_probe::ProbeScope;
use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::audit::Unsent;
use bluegreen_core::claim::{Decided, Failure, Intent, Outcome, Switching};
use bluegreen_core::color::Color;
use bluegreen_core::decision::{Precondition, PreconditionName, hold_precondition};
use bluegreen_core::drill::{Conclusion, Drill, DrillOutcome, Mode, Stage, Timings, outcome_record, preconditions};
use bluegreen_core::flag::FlagObservation;
use bluegreen_core::hold::HoldState;
use bluegreen_core::outcome::Outcome as Word;
use bluegreen_core::readiness::{Level, Readiness};
use bluegreen_core::request::DrillRequest;
use bluegreen_core::response::{Change, DrillAnswer, Response};
use bluegreen_core::time::{after, minutes, to_milliseconds, to_second};
use bluegreen_core::transition::{Kind, TransitionRecord};
use jiff::Timestamp;

use crate::answer::{NO_FLAG, add_written, objections, respond};
use crate::dags;
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::readiness::{self, judge};
use crate::repeat::{self, Past, Reads};
use crate::second_reading::{self, Second};
use crate::services::Services;
use crate::{claim_runner, drill_outcome};

/// As long as the slowest source may take.
const EVIDENCE_TIME: Duration = Duration::from_secs(12);

/// The time that is reserved at the end of the invocation for the claim, the write and the answer.
const CLOSING_TIME: Duration = Duration::from_secs(10);

pub(crate) async fn drill(
    services: &Services,
    request: DrillRequest,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let lists = async {
        if request.mode == Mode::Dry {
            None
        } else {
            Some(services.readiness.snapshot(&services.store, EVIDENCE_TIME).await)
        }
    };
    let (looked, evidence, lists, alarms) = tokio::join!(
        repeat::look(services, Reads::IfMoved, EVIDENCE_TIME, invocation),
        services
            .health
            .both(ProbeScope::Full, EVIDENCE_TIME, invocation.started),
        lists,
        services.drill_alarms.states()
    );
    let (observed, past) = looked?;
    if let Some(answer) = before(services, &request, &observed, past, invocation).await? {
        return Ok(answer);
    }
    // The questions took seconds, and most answers claim nothing: the parameters are read once more.
    let observed = match second_reading::second(services, &observed, invocation.started, None).await? {
        Second::Same => observed,
        Second::Newer(newer) => *newer,
    };
    // What is read later may be older again: Parameter Store's readings go backward.
    if let Some(answer) = carried_out_meanwhile(&request, &observed, invocation) {
        return Ok(answer);
    }
    let lists = match lists {
        Some(lists) => {
            Some(readiness::of_flag(services, lists, observed.flag.as_ref(), invocation, CLOSING_TIME).await)
        }
        None => None,
    };
    let now = services.clock.now();
    let verdicts = observed.assess(&services.settings.policy, &evidence, now);
    let configured = services.settings.drill.duration_minutes;
    let duration_minutes = request.duration_minutes.unwrap_or(configured);
    let block = async |flag: Option<&FlagObservation>, preconditions: Vec<Precondition>| {
        blocked(services, &request, duration_minutes, flag, preconditions, invocation).await
    };
    let Some(flag) = observed.flag.clone() else {
        let preconditions = vec![Precondition::new(PreconditionName::FlagInvalid, false, NO_FLAG)];
        return block(None, preconditions).await;
    };
    let mut preconditions = preconditions(
        &services.settings.policy,
        &services.settings.drill,
        (request.mode, duration_minutes),
        &flag,
        &HoldState::read(observed.hold.as_deref(), now),
        observed.drill.as_deref(),
        &verdicts,
        &alarms,
        now,
    );
    preconditions.extend(request.expect.iter().map(|expect| expect.precondition(&flag)));
    let met = preconditions.iter().all(|precondition| precondition.passed);
    let mut is_answered = true;
    if let (Some(active), Some((snapshot, history))) = (flag.value.color(), &lists) {
        let check = judge(&services.settings, active, &verdicts, snapshot, history, &observed, now);
        let (readiness, whole) = of_check(&check, active.other(), request.mode);
        preconditions.push(readiness);
        is_answered = whole;
    }
    let ready = preconditions.iter().all(|precondition| precondition.passed);
    // A probe asks whether the standby is ready: a standby that is not ready is its outcome, and no objection to it.
    let may_begin = ready || (met && is_answered && request.mode == Mode::Probe);
    let Some(from) = flag.value.color().filter(|_| may_begin) else {
        return block(Some(&flag), preconditions).await;
    };
    let drill = planned(
        &request,
        &flag,
        from,
        duration_minutes,
        observed.drill.as_deref(),
        now,
        invocation,
    );
    let would = would(&drill, &preconditions, now);
    let answer = |outcome, reason, preconditions, drill: &Drill| {
        of_drill(outcome, reason, preconditions, Some(&flag), drill, invocation)
    };
    if request.dry_run {
        return Ok(answer(Word::WouldDrill, would, preconditions, &drill));
    }
    if request.mode != Mode::Switch {
        let (drill, reported) = tried(services, drill, ready, &would, &flag, invocation).await?;
        return Ok(reported.unwrap_or_else(|| answer(drill.outcome.into(), would, preconditions, &drill)));
    }
    let managed_dags = dags::before(services, observed.managed_dags.as_deref(), &flag, false, invocation).await;
    match last_look(services, &request, &drill, invocation).await? {
        LastLook::CarriedOut(answer) => return Ok(*answer),
        LastLook::Objects(objection) => {
            preconditions.push(objection);
            return block(Some(&flag), preconditions).await;
        }
        LastLook::Free => {}
    }
    start(services, &flag, managed_dags, drill, preconditions, invocation).await
}

/// The drill that only asks, with its outcome, which is published; and the answer if another delivery has done so.
async fn tried(
    services: &Services,
    drill: Drill,
    ready: bool,
    would: &str,
    flag: &FlagObservation,
    invocation: &Invocation,
) -> Result<(Drill, Option<Response<Change>>), FunctionError> {
    let outcome = if ready {
        DrillOutcome::Succeeded
    } else {
        DrillOutcome::Failed
    };
    let conclusion = ended(&drill, outcome, would.to_owned(), invocation);
    let reported = drill_outcome::report(services, &conclusion, Some(flag), invocation).await?;
    Ok((Drill { outcome, ..drill }, reported))
}

/// The precondition that follows from the check of the standby, and whether the check answers what was asked.
fn of_check(check: &Readiness, standby: Color, mode: Mode) -> (Precondition, bool) {
    let passed = check.level != Level::Red;
    // The answer is the only result of a probe, and a partial answer proves nothing.
    let is_answered = !passed || !check.partial || mode != Mode::Probe;
    let readiness = PreconditionName::Readiness;
    let precondition = Precondition::new(readiness, passed && is_answered, check.summary(standby));
    (precondition, is_answered)
}

/// What a drill would do.
fn would(drill: &Drill, preconditions: &[Precondition], now: Timestamp) -> String {
    let (minutes_long, from, to) = (drill.duration_minutes, drill.from, drill.to);
    match drill.mode {
        Mode::Probe if preconditions.iter().any(|precondition| !precondition.passed) => objections(preconditions),
        Mode::Dry | Mode::Probe => format!("nothing stands in the way of a drill of {to}"),
        Mode::Switch => format!(
            "{to} would be drilled for {minutes_long} minutes, until about {}, and then {from} be active again",
            to_second(after(now, minutes(minutes_long)))
        ),
    }
}

/// The answer to a request that was carried out before. Lambda may deliver a request twice, but its drill begins once,
/// and is reported once. The parameter `drill` describes the last drill, the flag's records describe those before it.
async fn before(
    services: &Services,
    request: &DrillRequest,
    observed: &Observed,
    mut past: Past,
    invocation: &Invocation,
) -> Result<Option<Response<Change>>, FunctionError> {
    if request.dry_run {
        return Ok(None);
    }
    let flag = observed.flag.as_ref();
    if let Some(answer) = begun_before(observed, invocation) {
        return Ok(Some(answer));
    }
    past.reach(services, flag, EVIDENCE_TIME).await;
    let Some((name, record)) = past.record_of(invocation) else {
        if let Some(answer) = past.answered_before(flag, invocation) {
            return Ok(Some(answer));
        }
        // No drill is so urgent that it may begin twice.
        past.must_be_read("finding out whether this drill was begun before")?;
        return Ok(None);
    };
    recorded(services, &name, record, flag, invocation).await.map(Some)
}

/// The answer to a request whose drill has this record.
async fn recorded(
    services: &Services,
    name: &str,
    record: &TransitionRecord,
    flag: Option<&FlagObservation>,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let unreadable =
        |failure: Failure| FunctionError::unreadable("reading how the drill of this request ended", failure.cause);
    let stored = services
        .store
        .record(&outcome_record(name, &invocation.request_id))
        .await
        .map_err(unreadable)?;
    let conclusion = stored.and_then(|stored| Conclusion::from_stored(&stored.value));
    let outcome = conclusion.map_or(DrillOutcome::Pending, |conclusion| conclusion.outcome);
    let mut again = repeat::repeated(
        Word::from(outcome),
        format!("this request has been carried out before; its drill is {outcome}"),
        flag,
        invocation,
    );
    again.body.drill = Some(DrillAnswer::recorded(
        &invocation.request_id,
        record.from,
        record.to,
        outcome,
    ));
    Ok(again)
}

/// The answer to a request whose drill is the last one that was begun.
fn begun_before(observed: &Observed, invocation: &Invocation) -> Option<Response<Change>> {
    let begun = observed.drill.as_deref().and_then(Drill::from_stored)?;
    if begun.id != invocation.request_id {
        return None;
    }
    let reason = format!(
        "this request has been carried out before; its drill is {}",
        begun.outcome
    );
    let flag = observed.flag.as_ref();
    let mut answer = of_drill(begun.outcome.into(), reason, Vec::new(), flag, &begun, invocation);
    answer.body.repeat = true;
    Some(answer)
}

/// The answer to a request that its other delivery has carried out since this one began: the drill that it began, or that
/// it was blocked. This delivery must not report the other's drill as an objection, nor begin what was reported to be
/// blocked.
fn carried_out_meanwhile(
    request: &DrillRequest,
    observed: &Observed,
    invocation: &Invocation,
) -> Option<Response<Change>> {
    if request.dry_run {
        return None;
    }
    begun_before(observed, invocation).or_else(|| repeat::answered_before(observed, invocation))
}

/// What is found right before the trace is written.
enum LastLook {
    /// The other delivery of this request has carried it out.
    CarriedOut(Box<Response<Change>>),
    /// Something objects that has come meanwhile.
    Objects(Precondition),
    /// Nothing is in the way.
    Free,
}

/// Reads once more what may have changed while questions were asked that took seconds.
async fn last_look(
    services: &Services,
    request: &DrillRequest,
    drill: &Drill,
    invocation: &Invocation,
) -> Result<LastLook, FunctionError> {
    let name = drill.record();
    let (standing, newest, reported) = tokio::join!(
        services.store.records(std::slice::from_ref(&name)),
        services.store.observe_for_request(),
        services.store.unsent_of(&invocation.request_id)
    );
    let unreadable =
        |failure: Failure| FunctionError::unreadable("reading who holds the claim, or the pair", failure.cause);
    let (standing, newest) = (standing.map_err(unreadable)?, newest.map_err(unreadable)?);
    if let Some(answer) = carried_out_meanwhile(request, &newest, invocation) {
        return Ok(LastLook::CarriedOut(Box::new(answer)));
    }
    // The other delivery has just written down how it ended, and perhaps not yet answered.
    if let Some(text) = reported.map_err(unreadable)? {
        let reported = Unsent::read(&text).map(Unsent::event);
        let answer = repeat::of_reported(reported.as_ref(), newest.flag.as_ref(), invocation);
        return Ok(LastLook::CarriedOut(Box::new(answer)));
    }
    let standing = standing.get(&name);
    // The other delivery holds the claim, although the reading of its drill is older.
    if let Some(record) = standing.filter(|record| record.actor.request_id == invocation.request_id) {
        let answer = recorded(services, &name, record, newest.flag.as_ref(), invocation).await?;
        return Ok(LastLook::CarriedOut(Box::new(answer)));
    }
    let hold = HoldState::read(newest.hold.as_deref(), services.clock.now());
    Ok(last_objection(drill, &hold, standing).map_or(LastLook::Free, LastLook::Objects))
}

/// What objects to writing the trace, after questions that took seconds. A present claim, abandoned or not, is not a
/// drill's to finish, and must not be taken for this drill's. A hold may also have been placed meanwhile.
fn last_objection(drill: &Drill, hold: &HoldState, standing: Option<&TransitionRecord>) -> Option<Precondition> {
    let hold = hold_precondition(hold, true);
    if !hold.passed {
        return Some(hold);
    }
    standing.map(|record| {
        let detail = format!(
            "a claim out of version {} stands ({} to {}, request {}, {}); a drill leaves it alone; any switch by a person, or a \
             failover, finishes it",
            drill.version,
            record.kind,
            record.to,
            record.actor.request_id,
            to_second(record.decided_at)
        );
        Precondition::new(PreconditionName::Claim, false, detail)
    })
}

/// The requested drill, before it begins.
fn planned(
    request: &DrillRequest,
    flag: &FlagObservation,
    from: Color,
    duration_minutes: u32,
    last: Option<&str>,
    now: Timestamp,
    invocation: &Invocation,
) -> Drill {
    Drill {
        schema: Drill::SCHEMA,
        id: invocation.request_id.clone(),
        mode: request.mode,
        from,
        to: from.other(),
        version: flag.version,
        modified: flag.modified,
        started_at: to_milliseconds(now),
        duration_minutes,
        reason: request
            .reason
            .clone()
            .unwrap_or_else(|| format!("drill of {} on demand", from.other())),
        requested_by: request.requested_by.clone(),
        outcome: DrillOutcome::Pending,
        finished_at: None,
        proven_at: last.and_then(Drill::from_stored).and_then(|last| last.proven_at),
    }
}

/// A precondition objects: the outcome is published, and nothing is written.
async fn blocked(
    services: &Services,
    request: &DrillRequest,
    duration_minutes: u32,
    flag: Option<&FlagObservation>,
    preconditions: Vec<Precondition>,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let reason = objections(&preconditions);
    if !request.dry_run {
        // What objects may be the other delivery's own drill, or have been reported by it just now. Where that cannot be
        // read, another end would contradict the first.
        let newest = services.store.observe_for_request().await.map_err(|failure| {
            FunctionError::unreadable("finding out whether this drill was answered meanwhile", failure.cause)
        })?;
        if let Some(answer) = carried_out_meanwhile(request, &newest, invocation) {
            return Ok(answer);
        }
        let active = flag.and_then(|flag| flag.value.color());
        let conclusion = Conclusion {
            schema: Drill::SCHEMA,
            id: invocation.request_id.clone(),
            mode: request.mode,
            outcome: DrillOutcome::Blocked,
            from: active,
            to: active.map(Color::other),
            active,
            reason: reason.clone(),
            requested_by: request.requested_by.clone(),
            timings: untouched(invocation, duration_minutes),
        };
        if let Some(answer) = drill_outcome::report(services, &conclusion, flag, invocation).await? {
            return Ok(answer);
        }
    }
    let mut answer = respond(Word::Blocked, reason, preconditions, flag, invocation);
    answer.body.drill = Some(DrillAnswer::blocked(
        &invocation.request_id,
        request.mode,
        duration_minutes,
    ));
    Ok(answer)
}

/// Switches to the other color. The trace comes first, then the switch: the tick follows the trace even if this run
/// dies.
async fn start(
    services: &Services,
    flag: &FlagObservation,
    managed_dags: Option<String>,
    drill: Drill,
    preconditions: Vec<Precondition>,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    services.store.put_drill(&drill).await.map_err(|failure| {
        FunctionError::store(
            "noting the drill",
            failure.cause,
            "; the flag is unchanged; if status shows the drill as pending, it is given up by itself in about a minute",
        )
    })?;
    let intent = Intent {
        kind: Kind::Drill,
        to: drill.to,
        reason: format!("{}; returns after {} min", drill.reason, drill.duration_minutes),
        actor: invocation.actor(drill.requested_by.clone()),
        trigger: invocation.trigger(),
        evidence: Decided::Unseen {}.to_json(),
        last_known_healthy: None,
        previous_effective_from: None,
        drill: Some(drill.tag()),
    };
    let mut switching = Switching::new(&services.settings.policy, flag, intent, services.clock.now());
    match claim_runner::run(services, &mut switching).await {
        Outcome::Switched(switched) => {
            let return_at = after(services.clock.now(), minutes(drill.duration_minutes));
            let reason = format!(
                "{} is drilled; {} is active again from about {}, or at once if {} fails",
                drill.to,
                drill.from,
                to_second(return_at),
                drill.to
            );
            let mut answer = respond(Word::Pending, reason, preconditions, Some(flag), invocation);
            add_written(&mut answer, flag, &switched, &switched.warnings);
            answer.body.drill = Some(DrillAnswer::of(&drill, Some(return_at)));
            dags::after(services, managed_dags.as_deref(), &switched, &mut answer, invocation).await;
            log(services, &answer, invocation);
            Ok(answer)
        }
        Outcome::Conflict(conflict) => {
            let now = services.clock.now();
            let active = conflict.flag.as_ref().and_then(|flag| flag.value.color());
            let outcome = if drill.superseded_by(conflict.winner.as_ref(), now) {
                // The trace belongs to the other drill, and so do its tick and its outcome. This drill changed nothing.
                let mut conclusion = ended(&drill, DrillOutcome::Blocked, conflict.reason.clone(), invocation);
                conclusion.active = active;
                let standing = conflict.flag.as_ref().or(Some(flag));
                if let Some(answer) = drill_outcome::report(services, &conclusion, standing, invocation).await? {
                    return Ok(answer);
                }
                DrillOutcome::Blocked
            } else if conflict.winner.as_ref().is_none_or(|winner| drill.is_way_out(winner)) {
                // The winner is not known yet, or is this very request, delivered twice. The tick follows the trace.
                DrillOutcome::Pending
            } else {
                let overtaken = Stage::Overtaken {
                    switched_at: None,
                    active,
                    by: conflict.reason.clone(),
                };
                let outcome = Some(DrillOutcome::Interrupted);
                drill_outcome::finish(services, &drill, &overtaken, outcome, &conflict.reason, now)
                    .await?
                    .map_or(DrillOutcome::Pending, |conclusion| conclusion.outcome)
            };
            let standing = conflict.flag.as_ref().or(Some(flag));
            let drill = Drill { outcome, ..drill };
            let answer = of_drill(
                Word::Conflict,
                conflict.reason,
                preconditions,
                standing,
                &drill,
                invocation,
            );
            log(services, &answer, invocation);
            Ok(answer)
        }
        Outcome::Failed(failed) => Err(FunctionError::store(
            failed.doing,
            failed.cause,
            "; the drill is noted, and the watcher's ticks find out how far it came and report it; see {\"action\":\"status\"}",
        )),
    }
}

fn ended(drill: &Drill, outcome: DrillOutcome, reason: String, invocation: &Invocation) -> Conclusion {
    Conclusion {
        schema: Drill::SCHEMA,
        id: drill.id.clone(),
        mode: drill.mode,
        outcome,
        from: Some(drill.from),
        to: Some(drill.to),
        active: Some(drill.from),
        reason,
        requested_by: drill.requested_by.clone(),
        timings: untouched(invocation, drill.duration_minutes),
    }
}

fn untouched(invocation: &Invocation, duration_minutes: u32) -> Timings {
    Timings {
        started_at: to_milliseconds(invocation.started),
        switched_at: None,
        returned_at: None,
        finished_at: to_milliseconds(invocation.clock.now()),
        switch_duration_ms: None,
        return_duration_ms: None,
        held_s: None,
        duration_minutes,
    }
}

/// The answer with the drill that it is about.
fn of_drill(
    outcome: Word,
    reason: String,
    preconditions: Vec<Precondition>,
    flag: Option<&FlagObservation>,
    drill: &Drill,
    invocation: &Invocation,
) -> Response<Change> {
    let mut answer = respond(outcome, reason, preconditions, flag, invocation);
    answer.body.drill = Some(DrillAnswer::of(drill, None));
    answer
}

fn log(services: &Services, answer: &Response<Change>, invocation: &Invocation) {
    let answer = &answer.common;
    tracing::info!(
        pair = services.settings.pair,
        active = answer.active.map(Color::as_str),
        decision = answer.outcome.to_string(),
        transition = answer.transition,
        reason = answer.reason,
        request_id = %invocation.request_id,
        "drill"
    );
}
