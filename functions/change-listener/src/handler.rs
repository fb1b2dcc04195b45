//! A change event in, audit events out. The event says only that something changed; what, is read here.
//! An audit event in, a message to people out: that one says it all.

use bluegreen_aws::answer::FunctionError;
use bluegreen_aws::function::{Invocation, Shell};
use bluegreen_aws::notifications::Notifications;
use bluegreen_aws::parameter_store::Observed;
use bluegreen_aws::{audit_trail, clock};
use bluegreen_core::audit;
use bluegreen_core::metric::Metric;
use bluegreen_core::notification::{Place, compose};
use bluegreen_core::time::whole_milliseconds;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Answers one event. An audit event is told to people. After anything else it audits whatever is due, whatever the
/// event says: a lost or doubled one changes nothing.
pub(crate) async fn handle(shell: &Shell, event: Value, invocation: &Invocation) -> Result<Value, FunctionError> {
    if event.get("source").and_then(Value::as_str) == Some(audit::SOURCE) {
        return tell_people(shell, &event, invocation).await;
    }
    let name = event.pointer("/detail/name").and_then(Value::as_str);
    let is_hold = name == Some(shell.settings.names.hold().as_str());
    if !is_hold && name != Some(shell.settings.names.flag()) {
        tracing::warn!(request_id = %invocation.request_id, name, "an event about neither flag nor hold: audited all the same");
    }
    let (observed, history) = tokio::join!(shell.store.observe(), shell.store.history());
    let unreadable =
        |failure: bluegreen_core::switch::Failure| FunctionError::unreadable("reading the flag", failure.cause);
    let (observed, history) = (observed.map_err(unreadable)?, history.map_err(unreadable)?);
    let now = clock::now();
    let flag = async {
        // Missing in both readings: one alone may be stale.
        if observed.flag.is_none() && history.is_empty() {
            flag_missing(shell, &observed, now)
                .await
                .map(|()| audit_trail::Sent::default())
        } else {
            audit_trail::catch_up(shell, &history, observed.audited, now).await
        }
    };
    let hold = async {
        if is_hold {
            hold_changed(shell, &event, &observed, now).await
        } else {
            Ok(())
        }
    };
    let (sent, reported) = tokio::join!(flag, hold);
    let sent = sent?;
    reported?;
    tracing::info!(
        pair = shell.settings.pair,
        active = observed.flag.as_ref().map(|flag| flag.value.to_string()),
        version = observed.flag.as_ref().map(|flag| flag.version.0),
        decision = "audited",
        events = sent.versions.len(),
        pruned = sent.pruned,
        request_id = %invocation.request_id,
        "change"
    );
    Ok(json!({
        "audited": sent.versions,
        "hold_changed": is_hold,
        "pruned_records": sent.pruned,
        "active": observed.flag.as_ref().and_then(|flag| flag.value.colour()),
        "version": observed.flag.as_ref().map(|flag| flag.version),
        "elapsed_ms": whole_milliseconds(invocation.elapsed()),
    }))
}

async fn tell_people(shell: &Shell, event: &Value, invocation: &Invocation) -> Result<Value, FunctionError> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str);
    let place = Place {
        pair: &shell.settings.pair,
        flag: shell.settings.names.flag(),
        region: text("/region"),
    };
    let detail = event.get("detail").unwrap_or(&Value::Null);
    let notification = compose(place, text("/detail-type").unwrap_or("unknown"), detail);
    let Some(topic) = shell.settings.notification_topic.clone() else {
        tracing::warn!(
            subject = notification.subject,
            "nobody is told: NOTIFICATION_TOPIC_ARN is not set"
        );
        return Ok(json!({"told": false, "subject": notification.subject}));
    };
    // Lambda tries again, then puts the event into the dead letters.
    let message = Notifications::new(&shell.sdk, topic)
        .publish(&notification)
        .await
        .map_err(FunctionError::undelivered("telling people of an event"))?;
    tracing::info!(
        pair = shell.settings.pair,
        decision = "told",
        subject = notification.subject,
        event = text("/detail/id"),
        sns_message = message,
        request_id = %invocation.request_id,
        "notification"
    );
    Ok(json!({
        "told": true,
        "subject": notification.subject,
        "message": message,
        "elapsed_ms": whole_milliseconds(invocation.elapsed()),
    }))
}

/// A pair with a past has lost its flag.
async fn flag_missing(shell: &Shell, observed: &Observed, now: Timestamp) -> Result<(), FunctionError> {
    let has_past = observed.audited.is_some()
        || shell
            .store
            .has_records()
            .await
            .map_err(|failure| FunctionError::unreadable("reading the transition records", failure.cause))?;
    if !has_past {
        return Ok(());
    }
    let subject = shell.subject();
    let what = "the flag was deleted: this pair has transition records";
    let event = audit::flag_fault(subject, &audit::missing_flag(observed.audited), what, now);
    let faults = [Metric::flag_fault(now)];
    let (sent, published) = tokio::join!(
        shell.bus.send(std::slice::from_ref(&event)),
        shell.metrics.publish(&faults)
    );
    sent.and(published)
        .map_err(FunctionError::undelivered("reporting that the flag is gone"))
}

async fn hold_changed(shell: &Shell, event: &Value, observed: &Observed, now: Timestamp) -> Result<(), FunctionError> {
    if let Some(stored) = &observed.stored_hold {
        audit_trail::catch_up_hold(shell, stored, now).await?;
        return Ok(());
    }
    let id = event.get("id").and_then(Value::as_str).unwrap_or("unknown");
    shell
        .bus
        .send(&[audit::hold_removed(shell.subject(), id, now)])
        .await
        .map_err(FunctionError::undelivered("reporting a removed hold"))
}
