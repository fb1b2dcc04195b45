//! Tells people of an audit event. The event says it all: nothing is read here.

use bluegreen_aws::notifications::Notifications;
use bluegreen_core::notification::{PairContext, compose};
use bluegreen_core::response::Heard;
use bluegreen_core::time::whole_milliseconds;
use serde_json::Value;

use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Services;

/// An audit event as the bus delivers it.
#[derive(Debug, Clone, Copy)]
pub struct Delivered<'a> {
    /// What kind of event it is.
    pub detail_type: &'a str,
    /// What it says.
    pub detail: &'a Value,
    /// Where it happened.
    pub region: Option<&'a str>,
}

/// Sends the message of one event to the pair's topic.
pub async fn tell_people(
    services: &Services,
    event: Delivered<'_>,
    invocation: &Invocation,
) -> Result<Heard, FunctionError> {
    let place = PairContext {
        pair: &services.settings.pair,
        flag: services.settings.names.flag(),
        region: event.region,
        runbooks: services.settings.runbook_base_url.as_deref(),
    };
    let notification = compose(place, event.detail_type, event.detail);
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
    // Lambda tries again, then puts the event into the dead letters.
    let message = Notifications::new(&services.sdk, topic)
        .publish(&notification)
        .await
        .map_err(FunctionError::undelivered("telling people of an event"))?;
    tracing::info!(
        pair = services.settings.pair,
        decision = "notified",
        subject = notification.subject,
        event = event.detail.get("id").and_then(|id| id.as_str()),
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
