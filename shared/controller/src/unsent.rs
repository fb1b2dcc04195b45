//! Events of a person's request that could not be published. They are kept beside the flag, and the watcher publishes
//! them: no tick would find out about them otherwise. Published ones stay for some minutes, for a second delivery.

use bluegreen_core::audit::details::{Outline, read};
use bluegreen_core::audit::{AuditEvent, Due, Unsent};
use bluegreen_core::claim::Failure;
use bluegreen_core::drill::DrillOutcome;
use bluegreen_core::health::Cause;
use bluegreen_core::metric::Metric;

use crate::function_error::FunctionError;
use crate::services::Services;

/// How far one of several deliveries of a request came with the event of the request.
#[derive(Debug)]
pub(crate) enum Sent {
    /// It sent it.
    Now,
    /// It could not send it; the watcher does.
    Kept(FunctionError),
    /// It could not even be written down, so nothing is sent.
    Failed(FunctionError),
    /// Another delivery has written down an event of this request before: that one counts.
    ByAnother(Option<AuditEvent>),
}

/// Sends the event of the request `key`, once: it is written down before it is sent, which only one delivery of the
/// request can. What one that dies leaves behind the watcher publishes.
pub(crate) async fn send_once(services: &Services, event: &AuditEvent, key: &str, doing: &'static str) -> Sent {
    let failed = |failure| Sent::Failed(FunctionError::undelivered(doing)(failure));
    let Some((text, written)) = as_kept(event) else {
        let sent = services.bus.send(std::slice::from_ref(event)).await;
        return sent.map_or_else(failed, |()| Sent::Now);
    };
    match services.store.keep_unsent(key, &text).await {
        Ok(true) => {}
        Ok(false) => return Sent::ByAnother(of(services, key).await),
        // Not sent either: the next delivery of the request could not know of it, and might find another end.
        Err(failure) => return failed(failure),
    }
    match services.bus.send(std::slice::from_ref(&written)).await {
        Ok(()) => {
            if let Err(failure) = marked(services, &written, key).await {
                tracing::warn!(error = %failure.cause, key, "an event could not be marked as published");
            }
            Sent::Now
        }
        Err(failure) => Sent::Kept(undelivered(
            &failure,
            "the event is kept, and the watcher publishes it",
            doing,
        )),
    }
}

/// Sends an event that could not be written down (`why`), for a request whose repetition sends the same.
pub(crate) async fn send_anyway(
    services: &Services,
    event: &AuditEvent,
    why: &FunctionError,
    doing: &'static str,
) -> Result<(), FunctionError> {
    let written = as_kept(event).map_or_else(|| event.clone(), |(_, written)| written);
    let Err(failure) = services.bus.send(std::slice::from_ref(&written)).await else {
        return Ok(());
    };
    tracing::error!(event = %event.detail, error = %why, "an event is lost");
    let fate = format!(
        "it could not be kept for later either ({why}): this event is lost, and stands in this function's log only"
    );
    Err(undelivered(&failure, &fate, doing))
}

/// An event as it is written down, and as it is read from there. It is sent like that: the watcher may have to publish it from
/// there, and both must be the same.
fn as_kept(event: &AuditEvent) -> Option<(String, AuditEvent)> {
    let text = Unsent::to_stored(event)?;
    let written = Unsent::read(&text)?.event();
    Some((text, written))
}

/// The event of a request that is written down; an unreadable one counts as none.
pub(crate) async fn of(services: &Services, key: &str) -> Option<AuditEvent> {
    match services.store.unsent_of(key).await {
        Ok(kept) => kept.and_then(|text| Unsent::read(&text)).map(Unsent::event),
        Err(failure) => {
            tracing::warn!(error = %failure.cause, key, "what another delivery of this request reported could not be read");
            None
        }
    }
}

/// Marks an event as published. Otherwise the watcher publishes it once more, under its id.
async fn marked(services: &Services, event: &AuditEvent, key: &str) -> Result<(), Failure> {
    match Unsent::sent(event) {
        Some(text) => services.store.mark_sent(key, &text).await,
        // It does not fit with its mark. Published for ever it would be worse than forgotten.
        None => services.store.delete_unsent(key).await,
    }
}

fn undelivered(failure: &Failure, fate: &str, doing: &'static str) -> FunctionError {
    let cause = Cause {
        message: format!("{}; {fate}", failure.cause.message),
        ..failure.cause.clone()
    };
    FunctionError::undelivered(doing)(Failure {
        cause,
        ..failure.clone()
    })
}

/// Publishes the kept events. Sent before it is marked so: a crash in between repeats an event under its id, but loses
/// none. It stays for a while, marked: another delivery of its request, to which it was never said whether it had been
/// written down, must not find another end.
pub(crate) async fn publish(services: &Services) -> Result<usize, FunctionError> {
    let kept = match services.store.unsent().await {
        Ok(kept) => kept,
        Err(failure) => {
            tracing::warn!(error = %failure.cause, "events that could not be published could not be looked for");
            return Ok(0);
        }
    };
    let (mut sent, mut over) = (0_usize, Vec::new());
    for (key, text) in kept {
        // An unreadable event stays, and is logged each time.
        let Some(kept) = Unsent::read(&text) else {
            tracing::warn!(key, "an event that could not be published cannot be read");
            continue;
        };
        match kept.due(services.clock.now()) {
            Due::Publish => {}
            Due::Stay => continue,
            Due::Forget => {
                over.push(key);
                continue;
            }
        }
        let event = kept.event();
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
        // Otherwise it would be published at every full tick, and nobody told that this goes on.
        marked(services, &event, &key)
            .await
            .map_err(FunctionError::undelivered("marking an event that was published"))?;
        sent = sent.saturating_add(1);
    }
    for key in over {
        let forgetting = FunctionError::undelivered("forgetting an event that was published");
        services.store.delete_unsent(&key).await.map_err(forgetting)?;
    }
    if sent > 0 {
        tracing::info!(sent, "published what was kept");
    }
    Ok(sent)
}
