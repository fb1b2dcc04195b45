//! What the listener sends of a change, and the watcher in its place.

use bluegreen_simulation::world::Delivery;
use serde_json::{Value, json};

use crate::pair::{Pair, by_hand, play};
use crate::trouble::go_back;

fn kinds(pair: &Pair) -> Vec<(Value, Value)> {
    let events = pair.events("Environment Transition");
    events
        .iter()
        .map(|event| (event["kind"].clone(), event["version"].clone()))
        .collect()
}

/// The version that was audited last.
fn audited(pair: &Pair) -> String {
    let stored = pair.stored(&pair.settings.names.audited()).unwrap();
    stored.as_str().unwrap().split('-').next().unwrap().to_owned()
}

#[test]
fn each_version_is_sent_once_with_its_metrics_and_noted() {
    play(&[], |pair: Pair| async move {
        pair.ask(json!({"action": "initialize"})).await;
        let heard = pair.hear().await;
        assert_eq!(
            (&heard[0]["audited"], &heard[0]["active"], &heard[0]["version"]),
            (&json!([1]), &json!("blue"), &json!(1)),
            "{heard:#?}"
        );
        assert_eq!(heard[0]["hold_changed"], false);
        pair.ask(json!({"to": "green"})).await;
        pair.ask(json!({"to": "blue", "force": true, "reason": "x"})).await;
        let heard = pair.hear().await;
        assert_eq!(heard[0]["audited"], json!([2, 3]), "{heard:#?}");
        assert!(
            heard.iter().any(|heard| heard["audited"] == json!([])),
            "the second event finds nothing left: {heard:#?}"
        );
        assert_eq!(
            kinds(&pair),
            [
                (json!("initialize"), json!(1)),
                (json!("switch"), json!(2)),
                (json!("switch"), json!(3))
            ]
        );
        assert_eq!(audited(&pair), "v3");
        assert!(
            pair.stored(&pair.settings.names.last_active())
                .unwrap()
                .to_string()
                .contains("blue")
        );
        assert!(
            pair.count("PutMetricData", "Transitions") >= 2 && pair.count("PutMetricData", "ActiveEnvironment") >= 2
        );
        assert!(pair.count("Publish", "") >= 2);
    });
}

#[test]
fn what_the_listener_missed_the_watcher_audits_after_half_a_minute() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        pair.lose_events();
        pair.forget();
        pair.pass(5).await;
        pair.tick().await;
        assert_eq!(kinds(&pair), [], "its listener may be about to");
        pair.pass(40).await;
        pair.tick().await;
        assert_eq!(kinds(&pair), [(json!("switch"), json!(2))]);
        pair.minutes(3).await;
        assert_eq!(kinds(&pair).len(), 1);
    });
}

#[test]
fn garbage_in_the_flag_is_audited_and_a_fault() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let flag = pair.settings.names.flag().to_owned();
        pair.forget();
        pair.by_hand(&flag, Some("purple"));
        pair.hear().await;
        assert_eq!(kinds(&pair), [(json!("external"), json!(2))]);
        let faults = pair.events("Flag Fault");
        assert_eq!(faults.len(), 1);
        assert!(faults[0]["id"].as_str().unwrap().contains("v2-"), "{faults:#?}");
        assert!(pair.count("PutMetricData", "FlagFault") > 0);
        let last = pair.stored(&pair.settings.names.last_active()).unwrap();
        assert!(last.to_string().contains("blue"), "the last color: {last}");
        let ticks = pair.minutes(2).await;
        assert_eq!(
            pair.events("Flag Fault")
                .iter()
                .map(|event| event["id"].clone())
                .collect::<std::collections::HashSet<_>>()
                .len(),
            1,
            "{ticks:#?}"
        );
    });
}

#[test]
fn garbage_in_the_flag_is_a_fault_for_the_next_tick_too() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, Some("purple"));
        pair.lose_events();
        pair.forget();
        pair.pass(5).await;
        pair.tick().await;
        assert_eq!(pair.events("Flag Fault").len(), 1);
        assert!(pair.count("PutMetricData", "FlagFault") > 0);
    });
}

#[test]
fn a_deleted_flag_is_reported_by_the_listener_where_there_is_a_past() {
    play(&[], |pair: Pair| async move {
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, Some("blue"));
        pair.lose_events();
        pair.by_hand(&flag, None);
        let heard = pair.hear().await;
        assert_eq!(heard[0]["audited"], json!([]), "{heard:#?}");
        assert_eq!(pair.events("Flag Fault").len(), 0, "nobody has used this pair");
        pair.pass(60).await;
        pair.ask(json!({"action": "initialize"})).await;
        pair.lose_events();
        pair.by_hand(&flag, None);
        pair.hear().await;
        assert_eq!(pair.events("Flag Fault").len(), 1);
        assert!(pair.count("PutMetricData", "FlagFault") > 0);
    });
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, None);
        pair.refuse("PutEvents", "");
        let event = pair.lose_events().remove(0);
        let error = pair.listen(event.clone()).await.unwrap_err();
        assert_eq!(error.error_type(), "AuditUndelivered", "{error}");
        pair.mend();
        pair.listen(event).await.unwrap();
        assert!(pair.count("PutEvents", "Flag Fault") > 1);
    });
}

#[test]
fn an_event_that_cannot_be_sent_fails_the_listener_and_notes_nothing() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        let event = pair.lose_events().remove(0);
        pair.refuse("PutEvents", "");
        let error = pair.listen(event.clone()).await.unwrap_err();
        assert_eq!(error.error_type(), "AuditUndelivered", "{error}");
        assert_eq!(audited(&pair), "v1");
        pair.mend();
        pair.refuse("PutMetricData", "");
        let error = pair.listen(event.clone()).await.unwrap_err();
        assert!(error.to_string().contains("publishing metrics"), "{error}");
        assert_eq!(audited(&pair), "v1");
        pair.mend();
        // What would fail again is given up: the events would be repeated each time.
        pair.deny("PutMetricData", "");
        pair.listen(event).await.unwrap();
        assert_eq!(audited(&pair), "v2");
    });
}

#[test]
fn metrics_of_two_weeks_ago_are_left_out() {
    play(&[], |pair: Pair| async move {
        pair.ask(json!({"action": "initialize"})).await;
        let event = pair.lose_events().remove(0);
        pair.pass(14 * 24 * 3600).await;
        pair.listen(event).await.unwrap();
        assert_eq!(kinds(&pair).len(), 1);
        assert_eq!(pair.count("PutMetricData", "Transitions"), 0);
        assert_eq!(pair.count("PutMetricData", "ActiveEnvironment"), 1, "it is of now");
    });
    play(&[], |pair: Pair| async move {
        pair.ask(json!({"action": "initialize"})).await;
        let event = pair.lose_events().remove(0);
        pair.pass(12 * 24 * 3600).await;
        pair.listen(event).await.unwrap();
        assert_eq!(pair.count("PutMetricData", "Transitions"), 1);
    });
}

#[test]
fn a_record_that_cannot_be_seen_yet_is_waited_for() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        // The records are read by name: the first readings do not show them.
        go_back(&mut pair.world.lock(), "GetParameters", 3000, 2);
        pair.hear().await;
        pair.minutes(2).await;
        let events = pair.events("Environment Transition");
        let of_two: Vec<_> = events.iter().filter(|event| event["version"] == 2).collect();
        assert!(!of_two.is_empty());
        assert!(
            of_two
                .iter()
                .all(|event| event["kind"] == "switch" && event["to"] == "green"),
            "{of_two:#?}"
        );
    });
}

#[test]
fn a_listener_that_finds_everything_asks_for_it_once() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        let event = pair.lose_events().remove(0);
        pair.forget();
        let began = pair.now();
        pair.listen(event).await.unwrap();
        assert!(pair.now() - began < 1000, "it waits for nothing");
        assert_eq!(pair.count("GetParameterHistory", "active-environment"), 1);
        assert_eq!(pair.count("GetParameters", "transitions/v2-"), 1);
    });
}

#[test]
fn a_record_that_the_listener_cannot_see_yet_it_waits_for_itself() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        let event = pair.lose_events().remove(0);
        go_back(&mut pair.world.lock(), "GetParameters", 400, 1);
        pair.forget();
        let heard = pair.listen(event).await.unwrap();
        assert_eq!(heard["audited"], json!([2]), "{heard:#}");
        assert_eq!(kinds(&pair), [(json!("switch"), json!(2))]);
    });
}

#[test]
fn the_record_of_a_created_flag_is_waited_for_too() {
    play(&[], |pair: Pair| async move {
        pair.ask(json!({"action": "initialize", "requested_by": "ana"})).await;
        let event = pair.lose_events().remove(0);
        pair.before("GetParameters", "/transitions/v1-", 0, |world| {
            go_back(world, "GetParameters", 3000, 1);
        });
        pair.listen(event).await.unwrap();
        let events = pair.events("Environment Transition");
        assert_eq!(events.len(), 1, "{events:#?}");
        assert!(events[0]["trigger"].is_object(), "as its record says: {events:#?}");
    });
}

#[test]
fn what_changes_while_the_listener_sends_it_audits_too() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        let event = pair.lose_events().remove(0);
        let flag = pair.settings.names.flag().to_owned();
        pair.before("PutEvents", "Environment Transition", 0, move |world| {
            by_hand(world, &flag, Some("blue"));
        });
        pair.forget();
        let heard = pair.listen(event).await.unwrap();
        assert_eq!(heard["audited"], json!([2, 3]), "{heard:#}");
        assert_eq!(audited(&pair), "v3");
    });
}

#[test]
fn two_listeners_at_once_revert_nothing() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        pair.ask(json!({"to": "blue", "force": true, "reason": "x"})).await;
        let events: Vec<Delivery> = pair.lose_events();
        let (one, two) = tokio::join!(pair.listen(events[0].clone()), async {
            tokio::time::sleep(std::time::Duration::from_millis(15)).await;
            pair.listen(events[1].clone()).await
        });
        one.unwrap();
        two.unwrap();
        assert_eq!(audited(&pair), "v3");
        pair.hear().await;
        let ids: std::collections::HashSet<String> = pair
            .events("Environment Transition")
            .iter()
            .map(|event| event["id"].to_string())
            .collect();
        assert_eq!(ids.len(), 3);
    });
}

#[test]
fn records_of_versions_that_parameter_store_is_about_to_drop_are_removed_with_what_is_beside_them() {
    let settings = [("READINESS_INTERVAL_MINUTES", "0"), ("RUN_REPORT_SECONDS", "0")];
    play(&settings, |pair: Pair| async move {
        let pair = pair.started().await;
        pair.pass(900).await;
        pair.minutes(1).await;
        let drill = pair.ask(json!({"action": "drill", "duration_minutes": 5})).await;
        assert_eq!(drill["outcome"], "pending", "{drill:#}");
        pair.hear().await;
        pair.minutes(8).await;
        let transitions = pair.settings.names.transitions();
        let below = |pair: &Pair| -> Vec<String> {
            let world = pair.world.lock();
            world.store.names_below(&transitions).map(str::to_owned).collect()
        };
        let old = below(&pair);
        // Three transitions, and the outcome and the end of the drill.
        assert_eq!(old.len(), 5, "{old:?}");
        let flag = pair.settings.names.flag().to_owned();
        pair.pass(20 * 24 * 3600).await;
        for number in 4..100 {
            pair.by_hand(&flag, Some(if number % 2 == 0 { "green" } else { "blue" }));
            if number % 15 == 0 {
                pair.pass(1).await;
            }
        }
        pair.lose_events();
        pair.ask(json!({"to": "green", "force": true, "reason": "x"})).await;
        let heard = pair.hear().await;
        assert_eq!(heard[0]["pruned_records"], 5, "{:#?}", below(&pair));
        assert!(
            below(&pair).iter().all(|name| !old.contains(name)),
            "{:#?}",
            below(&pair)
        );
        assert_eq!(below(&pair).len(), 1, "that of the last switch");
    });
}

#[test]
fn another_pairs_change_is_not_audited() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        let event = pair.lose_events().remove(0);
        let owner = pair.settings.names.owner();
        pair.by_hand(&owner, Some("{\"pair\": \"payroll\"}"));
        pair.forget();
        let error = pair.listen(event).await.unwrap_err();
        assert_eq!(error.error_type(), "WrongPair");
        assert_eq!(pair.count("PutEvents", ""), 0);
    });
}

#[test]
fn without_a_topic_nobody_is_notified_and_the_answer_says_so() {
    play(&[("NOTIFICATION_TOPIC_ARN", "")], |pair: Pair| async move {
        pair.ask(json!({"action": "initialize"})).await;
        let heard = pair.hear().await;
        assert!(heard.iter().any(|heard| heard["notified"] == false), "{heard:#?}");
        assert_eq!(pair.count("Publish", ""), 0);
    });
    play(&[], |pair: Pair| async move {
        pair.ask(json!({"action": "initialize"})).await;
        let heard = pair.hear().await;
        assert!(
            heard
                .iter()
                .any(|heard| heard["notified"] == true && heard["message"].is_string()),
            "{heard:#?}"
        );
    });
}

#[test]
fn a_listener_knows_what_it_has_audited_although_its_note_is_not_to_be_seen() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let note = pair.settings.names.audited();
        let before = pair.stored(&note).unwrap();
        pair.ask(json!({"to": "green"})).await;
        let change = pair.lose_events().remove(0);
        pair.forget();
        // Between its note and its next look.
        let name = note.clone();
        pair.before("GetParameters", &format!("\"{note}\""), 1, move |world| {
            by_hand(world, &name, before.as_str());
        });
        let heard = pair.listen(change).await.unwrap();
        assert_eq!(heard["audited"], json!([2]), "{heard}");
        let flag = pair.settings.names.flag();
        assert_eq!(
            pair.count("GetParameterHistory", &format!("\"{flag}\"")),
            1,
            "it looks once"
        );
    });
}

#[test]
fn a_hold_that_its_history_shows_is_reported_at_once() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"action": "hold", "minutes": 30, "reason": "look"}))
            .await;
        let heard = pair.hear().await;
        assert_eq!(heard[0]["hold_changed"], true, "{heard:#?}");
        assert!(heard[0]["elapsed_ms"].as_u64().unwrap() < 500, "{heard:#?}");
    });
}
