//! Ends drills: exactly one outcome is recorded, whatever dies in between.

use bluegreen_core::audit::{self, Subject};
use bluegreen_core::drill::{Conclusion, Drill, DrillOutcome, Stage, conclude};
use bluegreen_core::metric::Metric;
use bluegreen_core::switch::{Failure, Reply};
use bluegreen_core::transition::TransitionRecord;
use jiff::Timestamp;

use crate::answer::FunctionError;
use crate::function::Shell;

/// Records how a drill ended, tells it, and closes it. Each step may be repeated after a crash: the outcome is create-only,
/// the event's id is the drill's.
pub async fn finish(
    shell: &Shell,
    drill: &Drill,
    stage: &Stage,
    outcome: Option<DrillOutcome>,
    reason: &str,
    now: Timestamp,
) -> Result<Conclusion, FunctionError> {
    let way_out = drill.record();
    let mut names = vec![way_out.clone()];
    let way_back = match stage {
        Stage::Returned { record, .. } => Some(record.clone()),
        _ => None,
    };
    names.extend(way_back.clone());
    let records = shell
        .store
        .records(&names)
        .await
        .map_err(|failure| unfinished("reading the drill's records", failure))?;
    let of_drill = |name: &str| -> Option<&TransitionRecord> { records.get(name) };
    let decided = conclude(
        drill,
        stage,
        outcome,
        reason,
        of_drill(&way_out),
        way_back.as_deref().and_then(of_drill),
        now,
    );
    let conclusion = match shell
        .store
        .create_claim(&drill.outcome_record(), &decided.to_stored())
        .await
    {
        Reply::ClaimCreated => decided,
        // Another tick was faster, or died after this: what it decided is what happened.
        Reply::ClaimExists => shell
            .store
            .record(&drill.outcome_record())
            .await
            .map_err(|failure| unfinished("reading the drill's outcome", failure))?
            .as_deref()
            .and_then(Conclusion::from_stored)
            .unwrap_or(decided),
        Reply::Failed(failure) => return Err(unfinished("recording the drill's outcome", failure)),
        other => {
            tracing::error!(?other, "an unexpected answer to a create-only put");
            decided
        }
    };
    tell(shell, &conclusion).await?;
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
    shell
        .store
        .put_drill(&closed)
        .await
        .map_err(|failure| unfinished("closing the drill", failure))?;
    Ok(conclusion)
}

/// Sends the event, then the metric.
pub async fn tell(shell: &Shell, conclusion: &Conclusion) -> Result<(), FunctionError> {
    let subject = Subject {
        pair: &shell.settings.pair,
        flag: shell.settings.names.flag(),
    };
    tracing::info!(
        pair = shell.settings.pair,
        drill = conclusion.id,
        mode = conclusion.mode.as_str(),
        outcome = conclusion.outcome.as_str(),
        reason = conclusion.reason,
        "drill finished"
    );
    shell
        .bus
        .send(&[audit::drill_finished(subject, conclusion)])
        .await
        .map_err(|failure| unfinished("telling how the drill ended", failure))?;
    let metric = Metric::drill_outcome(conclusion.outcome, conclusion.timings.finished_at);
    shell
        .metrics
        .publish(std::slice::from_ref(&metric))
        .await
        .map_err(|failure| unfinished("publishing how the drill ended", failure))
}

fn unfinished(doing: &'static str, failure: Failure) -> FunctionError {
    FunctionError::AuditUndelivered {
        doing,
        cause: failure.cause,
    }
}
