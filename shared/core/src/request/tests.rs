use super::*;
use crate::color::Color;
use proptest::prelude::*;
use serde_json::{Value, json};

fn ask(event: &Value) -> Result<Request, RequestError> {
    read(event, "2026-11-23T12:00:00Z".parse().unwrap())
}

#[test]
fn a_color_is_enough() {
    let Ok(Request::Switch(request)) = ask(&json!({"to": "green"})) else {
        panic!("not understood")
    };
    assert_eq!(
        (request.to, request.force, request.dry_run),
        (Color::Green, false, false)
    );
}

#[test]
fn a_failover_names_its_color_or_takes_the_standby() {
    for (event, to) in [
        (json!({"action": "failover"}), None),
        (json!({"action": "failover", "to": "green"}), Some(Color::Green)),
        (
            json!({"action": "failover", "to": "blue", "force": true, "requested_by": "ana"}),
            Some(Color::Blue),
        ),
    ] {
        let Ok(Request::Failover(request)) = ask(&event) else {
            panic!("{event} is not understood")
        };
        assert_eq!(request.to, to);
        assert_eq!(request.force, event.get("force").is_some());
    }
}

#[test]
fn every_fault_names_its_field_what_was_given_and_what_is_allowed() {
    for (event, parts) in [
        (
            json!({"to": "Blue "}),
            vec!["\"to\"", "\"Blue \"", "\"blue\" or \"green\""],
        ),
        (json!({}), vec!["\"to\"", "missing"]),
        (json!({"to": null}), vec!["\"to\"", "null"]),
        (json!({"to": "green", "color": 1}), vec!["\"color\"", "not known"]),
        (
            json!({"to": "green", "dry_run": "yes"}),
            vec!["\"dry_run\"", "\"yes\"", "true or false"],
        ),
        (json!({"to": "green", "expect": {}}), vec!["\"expect\"", "{}"]),
        (
            json!({"to": "green", "expect": {"version": 0}}),
            vec!["\"expect\"", "from 1"],
        ),
        (
            json!({"to": "green", "expect": {"version": 1.5}}),
            vec!["\"expect\"", "1.5"],
        ),
        (json!({"to": "green", "reason": 7}), vec!["\"reason\"", "7"]),
        (
            json!({"to": "green", "reason": "x".repeat(501)}),
            vec!["\"reason\"", "500"],
        ),
        (
            json!({"action": "Switch"}),
            vec!["\"action\"", "\"Switch\"", "switch, status"],
        ),
        (json!({"action": "history", "limit": 0}), vec!["\"limit\"", "1 to 100"]),
        (json!({"action": "history", "limit": 1e300}), vec!["\"limit\""]),
        (
            json!({"action": "status", "to": "green"}),
            vec!["\"to\"", "nothing else"],
        ),
        (
            json!({"action": "check", "dry_run": true}),
            vec!["\"dry_run\"", "nothing else"],
        ),
        (
            json!({"to": "pink", "force": 1}),
            vec!["\"to\"", "\"pink\"", "\"force\"", "1"],
        ),
        (json!("green"), vec!["\"green\"", "JSON object"]),
        (Value::Null, vec!["null"]),
    ] {
        let message = ask(&event).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{event}: {part} is not in: {message}");
        }
    }
}

#[test]
fn a_hold_has_an_end_and_a_reason() {
    for end in [
        json!({"minutes": 60}),
        json!({"until": "2026-11-23T13:00:00Z"}),
        json!({"until": "2026-11-23T14:00:00+01:00"}),
    ] {
        let mut event = json!({"action": "hold", "reason": "upgrade", "requested_by": "ana"});
        event.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
        let Ok(Request::Hold(hold)) = ask(&event) else {
            panic!("{event} is not understood")
        };
        assert_eq!(hold.until.to_string(), "2026-11-23T13:00:00Z");
    }
    for (event, part) in [
        (json!({"action": "hold", "minutes": 60}), "\"reason\" is missing"),
        (
            json!({"action": "hold", "minutes": 60, "reason": ""}),
            "\"reason\" is missing",
        ),
        (json!({"action": "hold", "reason": "x"}), "\"minutes\" is missing"),
        (
            json!({"action": "hold", "reason": "x", "minutes": 0}),
            "from 1 to 10080",
        ),
        (
            json!({"action": "hold", "reason": "x", "minutes": 10081}),
            "from 1 to 10080",
        ),
        (
            json!({"action": "hold", "reason": "x", "minutes": u64::MAX}),
            "from 1 to 10080",
        ),
        (
            json!({"action": "hold", "reason": "x", "until": "2026-11-23T11:59:59Z"}),
            "later than now",
        ),
        (
            json!({"action": "hold", "reason": "x", "until": "2026-12-24T12:00:00Z"}),
            "seven days",
        ),
        (
            json!({"action": "hold", "reason": "x", "until": "tomorrow"}),
            "\"tomorrow\"",
        ),
        (
            json!({"action": "hold", "reason": "x", "until": "2026-11-23T13:00:00Z", "minutes": 5}),
            "exclude",
        ),
        (
            json!({"action": "hold", "reason": "x", "minutes": 5, "force": true}),
            "\"force\"",
        ),
        (json!({"action": "release", "to": "blue"}), "\"to\""),
        (json!({"action": "drill", "mode": "full"}), "dry, probe, switch"),
        (json!({"action": "drill", "duration_minutes": 1441}), "from 1 to 1440"),
        (json!({"action": "drill", "duration_minutes": "5"}), "from 1 to 1440"),
        (json!({"action": "drill", "force": true}), "\"force\""),
        // Words of version 0.1.
        (json!({"action": "handover"}), "allowed is its new name, \"run-report\""),
        (
            json!({"action": "hold", "reason": "x", "hold_minutes": 5}),
            "\"hold_minutes\" of action \"hold\" is called \"minutes\" now",
        ),
        (
            json!({"action": "drill", "hold_minutes": 5}),
            "\"hold_minutes\" of action \"drill\" is called \"duration_minutes\" now",
        ),
        (json!({"action": "rollback", "to": "blue"}), "\"to\""),
        (
            json!({"action": "failover", "to": "Green"}),
            "exactly \"blue\" or \"green\"",
        ),
        (json!({"action": "failover", "force": true}), "with \"force\" the color"),
        (json!({"action": "failover", "minutes": 5}), "\"minutes\" is not known"),
    ] {
        let message = ask(&event).unwrap_err().to_string();
        assert!(message.contains(part), "{event}: {part} is not in: {message}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        Just(json!("green")),
        Just(json!("switch")),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let key = prop_oneof![
            ".*",
            Just("to".to_owned()),
            Just("action".to_owned()),
            Just("expect".to_owned()),
            Just("limit".to_owned()),
            Just("reason".to_owned()),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_at_all_is_answered(event in any_json()) {
        if let Err(RequestError::Invalid(faults)) = ask(&event) {
            prop_assert!(!faults.is_empty());
        }
    }
}
