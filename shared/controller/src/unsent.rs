//! Events of a person's request that could not be published. They are kept beside the flag, and the watcher publishes
//! them: no tick would find out about them otherwise.

use bluegreen_core::audit::details::{Outline, read};
use bluegreen_core::audit::{AuditEvent, Unsent};
use bluegreen_core::claim::Failure;
use bluegreen_core::drill::DrillOutcome;
use bluegreen_core::health::Cause;
use bluegreen_core::metric::Metric;

use crate::function_error::FunctionError;
use crate::services::Services;

/// Sends the event of the request `key`, or keeps it. The error says which, or that the event is lost.
pub(crate) async fn send_or_keep(
    services: &Services,
    event: &AuditEvent,
    key: &str,
    doing: &'static str,
) -> Result<(), FunctionError> {
    let Err(failure) = services.bus.send(std::slice::from_ref(event)).await else {
        return Ok(());
    };
    let kept = match Unsent::to_stored(event) {
        Some(text) => services
            .store
            .keep_unsent(key, &text)
            .await
            .map_err(|failure| failure.cause.to_string()),
        None => Err("it is too long".to_owned()),
    };
    let fate = match kept {
        Ok(()) => "the event is kept, and the watcher publishes it".to_owned(),
        Err(why) => {
            tracing::error!(event = %event.detail, error = why, "an event is lost");
            format!(
                "it could not be kept for later either ({why}): this event is lost, and stands in this function's log only"
            )
        }
    };
    let cause = Cause {
        message: format!("{}; {fate}", failure.cause.message),
        ..failure.cause
    };
    Err(FunctionError::undelivered(doing)(Failure { cause, ..failure }))
}

/// Publishes the kept events. Sent before it is removed: a crash in between repeats an event under its id, but loses
/// none.
pub(crate) async fn publish(services: &Services) -> Result<usize, FunctionError> {
    let kept = match services.store.unsent().await {
        Ok(kept) => kept,
        Err(failure) => {
            tracing::warn!(error = %failure.cause, "events that could not be published could not be looked for");
            return Ok(0);
        }
    };
    let mut sent: usize = 0;
    for (key, text) in kept {
        // An unreadable event stays, and is logged each time.
        let Some(event) = Unsent::read(&text) else {
            tracing::warn!(key, "an event that could not be published cannot be read");
            continue;
        };
        services
            .bus
            .send(std::slice::from_ref(&event))
            .await
            .map_err(FunctionError::undelivered("publishing an event that was kept"))?;
        // Only the event of a drill has one.
        let outcome = read::<Outline>(&event.detail).outcome;
        if let Some(outcome) = outcome.as_deref().and_then(DrillOutcome::parse) {
            let metric = Metric::drill_outcome(outcome, services.clock.now());
            if let Err(failure) = services.metrics.publish(std::slice::from_ref(&metric)).await {
                tracing::error!(error = %failure.cause, key, "the metric of the drill's outcome is lost");
            }
        }
        services
            .store
            .delete_unsent(&key)
            .await
            .map_err(FunctionError::undelivered("forgetting an event that was published"))?;
        sent = sent.saturating_add(1);
    }
    if sent > 0 {
        tracing::info!(sent, "published what was kept");
    }
    Ok(sent)
}
