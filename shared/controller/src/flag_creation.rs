//! Creates the flag where there is none. The create-only put of the flag is the claim here.

use bluegreen_aws::parameter_store::ParameterStore;
use bluegreen_core::claim::{Failed, Intent, Outcome, Reply, Switched};
use bluegreen_core::flag::{DescriptionMetadata, FlagVersion, description};
use bluegreen_core::time::to_milliseconds;
use bluegreen_core::transition::TransitionRecord;
use jiff::Timestamp;

/// Creates the flag; `None` if another writer was faster.
pub(crate) async fn run(store: &ParameterStore, intent: &Intent, now: Timestamp) -> Option<Outcome> {
    let now = to_milliseconds(now);
    // No observed version and date can name the record, so the time of the decision does.
    let name = format!("v1-{}", now.as_millisecond());
    let record = TransitionRecord {
        schema: TransitionRecord::SCHEMA,
        kind: intent.kind,
        from: None,
        to: intent.to,
        version: FlagVersion(1),
        decided_at: now,
        effective_from: now,
        reason: intent.reason.clone(),
        actor: intent.actor.clone(),
        trigger: intent.trigger.clone(),
        drill: None,
        evidence: intent.evidence.clone(),
    };
    let tail = DescriptionMetadata {
        effective_from: now,
        record: name.clone(),
    };
    let by = intent
        .actor
        .requested_by
        .as_deref()
        .map(|by| format!(" for {by}"))
        .unwrap_or_default();
    let sentence = format!("{}; by {}{by}", intent.reason, intent.actor.function);
    match store
        .create_flag(intent.to, &description(intent.kind, &sentence, &tail))
        .await
    {
        Ok(true) => {}
        Ok(false) => return None,
        Err(failure) => {
            return Some(Outcome::Failed(Failed {
                cause: failure.cause,
                doing: "creating the flag",
                claimed: false,
                uncertain: failure.ambiguous,
            }));
        }
    }
    // Written after the flag: a record without a flag would look like a flag that was deleted. A flag without a record
    // is identified by its Description.
    if let Reply::Failed(failure) = store.create_claim(&name, &record.to_stored()).await {
        tracing::warn!(error = %failure.cause, transition = name, "the record of the created flag was not written");
    }
    Some(Outcome::Switched(Switched {
        version: FlagVersion(1),
        record: name,
        to: intent.to,
        effective_from: now,
        rolled_forward: false,
        dead_writer: None,
        warnings: Vec::new(),
    }))
}
