//! Ends drills: exactly one outcome is recorded, whatever dies in between.

use std::collections::BTreeMap;
use std::time::Duration;

use bluegreen_core::audit;
use bluegreen_core::claim::{Failure, Reply};
use bluegreen_core::drill::{self, Conclusion, Drill, DrillOutcome, End, EndClaim, Stage, Turn, conclude, end_records};
use bluegreen_core::flag::FlagObservation;
use bluegreen_core::identity::with_pair;
use bluegreen_core::metric::Metric;
use bluegreen_core::outcome::Outcome;
use bluegreen_core::policy::CLAIM_TIMEOUT;
use bluegreen_core::response::{Change, Response};
use bluegreen_core::time::{after, elapsed};
use bluegreen_core::transition::TransitionRecord;
use jiff::Timestamp;

use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Services;
use crate::unsent::Sent;
use crate::{repeat, unsent};

/// Attempts to decide a drill's end, and the wait in between: a record that was just created may not be readable yet.
const END_TRIES: u32 = 5;
const END_WAIT: Duration = Duration::from_millis(200);

/// Decides how a drill ends whose color is active, unless another run has decided. [`Turn::Ours`] is the right to end
/// it. `by` names the run that asks.
pub(crate) async fn decide_end(
    services: &Services,
    drill: &Drill,
    end: End,
    reason: &str,
    by: &str,
) -> Result<Turn, Failure> {
    let store = &services.store;
    let names = end_records(&drill.record());
    let value = with_pair(
        &EndClaim::new(end, by, reason, services.clock.now()).to_stored(),
        store.pair(),
    );
    // Nearly always there is no other run, so the first record is created without a read beforehand.
    let mut turn = Turn::Open(0);
    let mut trouble = None;
    for _ in 0..END_TRIES {
        let Turn::Open(number) = turn else { return Ok(turn) };
        let Some(name) = names.get(number) else {
            return Ok(Turn::GivenUp);
        };
        match store.create_claim(name, &value).await {
            Reply::ClaimCreated => return Ok(Turn::Ours),
            Reply::Failed(failure) if !failure.ambiguous && !failure.retryable => return Err(failure),
            Reply::Failed(failure) => {
                tokio::time::sleep(END_WAIT).await;
                trouble = Some(failure);
            }
            _ => {}
        }
        let found = store.stored_records(&names).await?;
        // The answer to the put may have been lost.
        if found.iter().flatten().any(|stored| stored.value == value) {
            return Ok(Turn::Ours);
        }
        turn = drill::turn(&found, end, by, services.clock.now());
        if let Turn::Open(_) = turn {
            tokio::time::sleep(END_WAIT).await;
        }
    }
    match (turn, trouble) {
        (Turn::Open(_), Some(failure)) => Err(failure),
        // The record exists, but cannot be read yet.
        (Turn::Open(_), None) => Ok(Turn::Returning(after(services.clock.now(), CLAIM_TIMEOUT))),
        (turn, _) => Ok(turn),
    }
}

/// Records how a drill ended, publishes it, and closes the drill; `None` while the outcome is not yet known. Each step
/// may be repeated after a crash: the outcome is create-only, and the event's id is the drill's.
pub(crate) async fn finish(
    services: &Services,
    drill: &Drill,
    stage: &Stage,
    outcome: Option<DrillOutcome>,
    reason: &str,
    now: Timestamp,
) -> Result<Option<Conclusion>, FunctionError> {
    let way_out = drill.record();
    let mut names = vec![way_out.clone()];
    let way_back = match stage {
        Stage::Returned { record, .. } => Some(record.clone()),
        _ => None,
    };
    names.extend(way_back.clone());
    let records = services
        .store
        .records(&names)
        .await
        .map_err(FunctionError::undelivered("reading the drill's records"))?;
    let of_drill = |name: &str| -> Option<&TransitionRecord> { records.get(name) };
    // The outcome of a drill is recorded permanently, so what may only be unseen is waited for.
    if outcome.is_none() && may_lack_way_back(stage, &records, now) {
        return Ok(None);
    }
    // Another drill shares the trace and is under way: it is not over, and must not be closed here.
    if drill.superseded_by(of_drill(&way_out), now) {
        let blocked = "another drill was faster";
        let conclusion = conclude(drill, stage, Some(DrillOutcome::Blocked), blocked, None, None, now);
        publish_outcome(services, &conclusion).await?;
        return Ok(Some(conclusion));
    }
    let decided = conclude(
        drill,
        stage,
        outcome,
        reason,
        of_drill(&way_out),
        way_back.as_deref().and_then(of_drill),
        now,
    );
    let outcome_record = drill.outcome_record();
    let conclusion = match services.store.create_claim(&outcome_record, &decided.to_stored()).await {
        Reply::ClaimCreated => decided,
        Reply::ClaimExists => {
            let stored = services
                .store
                .record(&outcome_record)
                .await
                .map_err(FunctionError::undelivered("reading the drill's outcome"))?;
            // The first decision is valid. The run that made it also publishes it, unless that run must be dead by now.
            let is_abandoned = stored
                .as_ref()
                .is_some_and(|stored| elapsed(stored.modified, now) >= CLAIM_TIMEOUT);
            let conclusion = stored
                .and_then(|stored| Conclusion::from_stored(&stored.value))
                .unwrap_or(decided);
            if !is_abandoned {
                return Ok(Some(conclusion));
            }
            conclusion
        }
        Reply::Failed(failure) => return Err(FunctionError::undelivered("recording the drill's outcome")(failure)),
        other => {
            tracing::error!(?other, "an unexpected answer to a create-only put");
            return Ok(Some(decided));
        }
    };
    publish_outcome(services, &conclusion).await?;
    close(services, drill, &conclusion).await?;
    Ok(Some(conclusion))
}

/// Whether the record of the way back, which was just created, is not readable yet.
fn may_lack_way_back(stage: &Stage, records: &BTreeMap<String, TransitionRecord>, now: Timestamp) -> bool {
    match stage {
        Stage::Returned {
            record, returned_at, ..
        } => !records.contains_key(record) && elapsed(*returned_at, now) < CLAIM_TIMEOUT,
        _ => false,
    }
}

/// Closes the drill, so that the ticks no longer follow it, unless the parameter is about another drill by now.
async fn close(services: &Services, drill: &Drill, conclusion: &Conclusion) -> Result<(), FunctionError> {
    let closing = FunctionError::undelivered("closing the drill");
    let standing = services.store.drill().await.map_err(&closing)?;
    // A drill that began later. A reading of an earlier one would only be stale.
    if standing.is_some_and(|standing| standing.record() != drill.record() && standing.started_at > drill.started_at) {
        return Ok(());
    }
    let finished_at = conclusion.timings.finished_at;
    let closed = Drill {
        outcome: conclusion.outcome,
        finished_at: Some(finished_at),
        proven_at: if conclusion.outcome == DrillOutcome::Succeeded {
            Some(finished_at)
        } else {
            drill.proven_at
        },
        ..drill.clone()
    };
    services.store.put_drill(&closed).await.map_err(closing)
}

/// Sends the event, then the metric, of a drill that no tick follows, once. `Some` is the answer if another delivery of
/// the request has reported its end before.
///
/// Lambda delivers a failed request again, so what could only be kept is remembered: it must not have another end then.
pub(crate) async fn report(
    services: &Services,
    conclusion: &Conclusion,
    flag: Option<&FlagObservation>,
    invocation: &Invocation,
) -> Result<Option<Response<Change>>, FunctionError> {
    let event = audit::drill_finished(services.subject(), conclusion);
    let doing = "publishing how the drill ended";
    match unsent::send_once(services, &event, &conclusion.id, doing).await {
        Sent::Now => {
            log(services, conclusion);
            count(services, conclusion).await;
            Ok(None)
        }
        Sent::Kept(error) => {
            log(services, conclusion);
            let outcome = Outcome::from(conclusion.outcome);
            repeat::note_ended(services, outcome.as_str(), &conclusion.reason, invocation).await;
            Err(error)
        }
        Sent::Failed(error) => Err(error),
        Sent::ByAnother(reported) => Ok(Some(repeat::of_reported(reported.as_ref(), flag, invocation))),
    }
}

/// Sends the event, then the metric.
pub(crate) async fn publish_outcome(services: &Services, conclusion: &Conclusion) -> Result<(), FunctionError> {
    let subject = services.subject();
    log(services, conclusion);
    services
        .bus
        .send(&[audit::drill_finished(subject, conclusion)])
        .await
        .map_err(FunctionError::undelivered("publishing how the drill ended"))?;
    count(services, conclusion).await;
    Ok(())
}

fn log(services: &Services, conclusion: &Conclusion) {
    tracing::info!(
        pair = services.settings.pair,
        drill = conclusion.id,
        mode = conclusion.mode.as_str(),
        outcome = conclusion.outcome.as_str(),
        reason = conclusion.reason,
        "drill finished"
    );
}

async fn count(services: &Services, conclusion: &Conclusion) {
    // Dated now: CloudWatch refuses old data, and an outcome may be published late. A failure is only logged, because
    // another notification would cost more than the metric is worth.
    let metric = Metric::drill_outcome(conclusion.outcome, services.clock.now());
    if let Err(failure) = services.metrics.publish(std::slice::from_ref(&metric)).await {
        tracing::error!(error = %failure.cause, drill = conclusion.id, "the metric of the drill's outcome is lost");
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::color::Color;
    use serde_json::json;

    use super::*;
    use crate::samples::at;

    #[test]
    fn the_record_of_a_way_back_may_be_unreadable_as_long_as_its_writer_may_be_alive() {
        let stage = Stage::Returned {
            switched_at: at(10),
            returned_at: at(100),
            record: "v3".to_owned(),
            active: Some(Color::Blue),
        };
        let record: TransitionRecord = serde_json::from_value(json!({
            "schema": 1, "kind": "drill-return", "from": "green", "to": "blue", "version": 3, "decided_at": at(100),
            "effective_from": at(110), "reason": "x", "actor": {"function": "f", "request_id": "r", "requested_by": null},
            "trigger": {"type": "schedule", "id": null}, "drill": null, "evidence": {},
        }))
        .unwrap();
        let read = BTreeMap::from([("v3".to_owned(), record)]);
        let end = 100_i64.saturating_add(i64::try_from(CLAIM_TIMEOUT.as_secs()).unwrap());
        let none = BTreeMap::new();
        assert!(may_lack_way_back(&stage, &none, at(101)));
        assert!(may_lack_way_back(&stage, &none, at(end.saturating_sub(1))));
        assert!(
            !may_lack_way_back(&stage, &none, at(end)),
            "it was never written, or is gone"
        );
        assert!(!may_lack_way_back(&stage, &read, at(101)));
        let overtaken = Stage::Overtaken {
            switched_at: None,
            active: Some(Color::Blue),
            by: String::new(),
        };
        assert!(!may_lack_way_back(&overtaken, &none, at(101)), "there is no way back");
    }
}
