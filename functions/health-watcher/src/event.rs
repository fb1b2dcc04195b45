//! The event that started the watcher. It is only reported and logged: an event's payload never decides anything.

use aws_lambda_events::cloudwatch_alarms::CloudWatchAlarm;
use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::sns::SnsEvent;
use bluegreen_core::flag::shortened;
use bluegreen_core::transition::Trigger;
use serde_json::Value;

/// Reads any event. An event of an unknown shape causes an ordinary tick, whose trigger says so.
pub(crate) fn trigger(event: &Value) -> Trigger {
    let trigger = |kind: &str, id: Option<String>| Trigger {
        kind: kind.to_owned(),
        id: id.map(|id| shortened(&id, 200)),
    };
    if event.as_object().is_some_and(serde_json::Map::is_empty) {
        return trigger("invoke", None);
    }
    if let Ok(event) = serde_json::from_value::<EventBridgeEvent>(event.clone()) {
        return match event.detail_type.as_str() {
            "Scheduled Event" => trigger("schedule", event.id),
            "CloudWatch Alarm State Change" => trigger("alarm-event", alarm_name(&event.detail).or(event.id)),
            "MWAA Environment Status Change" => trigger("environment-status", event.id),
            _ => trigger("unrecognized", event.id),
        };
    }
    if let Ok(alarm) = serde_json::from_value::<CloudWatchAlarm<Value, Value>>(event.clone()) {
        return trigger("alarm", Some(alarm.alarm_data.alarm_name));
    }
    if let Ok(sns) = serde_json::from_value::<SnsEvent>(event.clone())
        && let Some(record) = sns.records.first()
    {
        // CloudWatch's message to SNS is JSON in a string; anything else is another publisher's message.
        let name = serde_json::from_str::<Value>(&record.sns.message)
            .ok()
            .and_then(|message| message.get("AlarmName")?.as_str().map(str::to_owned));
        return match name {
            Some(name) => trigger("sns-alarm", Some(name)),
            None => trigger("unrecognized", Some(record.sns.message_id.clone())),
        };
    }
    trigger("unrecognized", None)
}

fn alarm_name(detail: &Value) -> Option<String> {
    detail.get("alarmName")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(name: &str) -> (String, Option<String>) {
        let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let trigger = trigger(&event);
        (trigger.kind, trigger.id)
    }

    #[test]
    fn every_event_that_wakes_the_watcher_is_recognized() {
        for (file, kind, has_id) in [
            ("ticks/schedule", "schedule", true),
            ("ticks/alarm-action", "alarm", true),
            ("ticks/alarm-action-composite", "alarm", true),
            ("ticks/alarm-event", "alarm-event", true),
            ("ticks/alarm-event-ok", "alarm-event", true),
            ("ticks/alarm-event-composite", "alarm-event", true),
            ("ticks/alarm-event-drill", "alarm-event", true),
            ("ticks/alarm-by-sns", "sns-alarm", true),
            ("ticks/environment-status", "environment-status", true),
            ("ticks/manual", "invoke", false),
        ] {
            let (read, id) = of_file(file);
            assert_eq!((read.as_str(), id.is_some()), (kind, has_id), "{file}");
        }
    }

    #[test]
    fn an_alarm_is_told_by_its_name() {
        let event = serde_json::json!({
            "version": "0", "id": "e-1", "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch",
            "account": "123456789012", "time": "2026-11-23T10:15:02Z", "region": "us-east-1", "resources": [],
            "detail": {"alarmName": "orders-late"},
        });
        assert_eq!(trigger(&event).id.as_deref(), Some("orders-late"));
    }

    #[test]
    fn an_unknown_shape_is_a_tick_that_says_so() {
        let folder = format!("{}/../../events/malformed", env!("CARGO_MANIFEST_DIR"));
        let mut tried = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let name = name.strip_suffix(".json").unwrap();
            assert_eq!(of_file(&format!("malformed/{name}")).0, "unrecognized", "{name}");
            tried += 1;
        }
        assert!(tried >= 8, "only {tried} malformed events found");
    }
}
