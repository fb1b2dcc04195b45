//! Notifies people of an audit event. The event contains everything: nothing is read here.

use bluegreen_aws::notifications::Notifications;
use bluegreen_core::audit::BusEvent;
use bluegreen_core::audit::details::{About, read};
use bluegreen_core::notification::{PairContext, compose};
use bluegreen_core::response::Heard;
use bluegreen_core::time::whole_milliseconds;

use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Services;

/// Sends the message of one event to the pair's topic.
pub async fn notify_people(
    services: &Services,
    event: &BusEvent,
    invocation: &Invocation,
) -> Result<Heard, FunctionError> {
    let place = PairContext {
        pair: &services.settings.pair,
        flag: services.settings.names.flag(),
        region: event.region.as_deref(),
        runbooks: services.settings.runbook_base_url.as_deref(),
    };
    let kind = if event.detail_type.is_empty() {
        "unknown"
    } else {
        &event.detail_type
    };
    let notification = compose(place, kind, &event.detail);
    let Some(topic) = services.settings.notification_topic.clone() else {
        tracing::warn!(
            subject = notification.subject,
            "nobody is notified: NOTIFICATION_TOPIC_ARN is not set"
        );
        return Ok(Heard::NotNotified {
            notified: false,
            subject: notification.subject,
        });
    };
    // Lambda tries again, then puts the event into the dead-letter queue.
    let message = Notifications::new(&services.sdk, topic)
        .publish(&notification)
        .await
        .map_err(FunctionError::undelivered("notifying people of an event"))?;
    tracing::info!(
        pair = services.settings.pair,
        decision = "notified",
        subject = notification.subject,
        event = read::<About>(&event.detail).id,
        sns_message = message,
        request_id = %invocation.request_id,
        "notification"
    );
    Ok(Heard::Notified {
        notified: true,
        subject: notification.subject,
        message,
        elapsed_ms: whole_milliseconds(invocation.elapsed()),
    })
}
