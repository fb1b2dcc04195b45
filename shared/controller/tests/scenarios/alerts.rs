//! What people are notified of once, under one id, whatever fails in between.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluegreen_core::color::Color;
use serde_json::{Value, json};

use crate::pair::{Pair, by_hand, play};

async fn blocked_by_a_hold(pair: &Pair) {
    pair.ask(json!({"action": "hold", "minutes": 600, "reason": "maintenance"}))
        .await;
    pair.hear().await;
    pair.kill(Color::Blue);
    pair.pass(30).await;
}

/// The same, remembered by a tick that could not report it.
async fn remembered_unsaid(pair: &Pair) {
    blocked_by_a_hold(pair).await;
    pair.refuse("PutEvents", "Failover Blocked");
    while pair.stored(&pair.settings.names.memory()).unwrap()["announced"].is_null() {
        pair.pass(60).await;
        drop(pair.tick_of("schedule").await);
    }
    pair.mend();
}

/// Ticks until it is said.
async fn said(pair: &Pair) {
    for _ in 0..12 {
        if !pair.events("Failover Blocked").is_empty() {
            return;
        }
        pair.minutes(1).await;
    }
    panic!("nobody was told");
}

/// Three ticks of these kinds that begin within a moment.
pub(crate) async fn at_once(pair: &Pair, kinds: [&str; 3]) {
    let late = async |milliseconds, instance, kind| {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        pair.tick_on(instance, kind).await
    };
    let (first, second, third) = tokio::join!(
        late(0, "first", kinds[0]),
        late(20, "second", kinds[1]),
        late(45, "third", kinds[2])
    );
    for tick in [first, second, third] {
        tick.unwrap();
    }
}

/// The memory, as it is when an event of this kind is sent.
pub(crate) fn remembered_before(pair: &Pair, event: &str) -> Arc<Mutex<Value>> {
    let before = Arc::new(Mutex::new(Value::Null));
    let (name, found) = (pair.settings.names.memory(), before.clone());
    pair.before("PutEvents", event, 0, move |world| {
        *found.lock().unwrap() = serde_json::from_str(&world.store.truth(&name).unwrap().value).unwrap();
    });
    before
}

pub(crate) fn ids(events: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[test]
fn a_block_that_could_not_be_announced_is_announced_by_the_next_tick_under_the_same_id() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        blocked_by_a_hold(&pair).await;
        pair.refuse("PutEvents", "Failover Blocked");
        let mut failed = 0;
        for _ in 0..12 {
            pair.pass(60).await;
            pair.restart();
            if let Err(error) = pair.tick_of("schedule").await {
                assert_eq!(error.error_type(), "AuditUndelivered", "{error}");
                assert!(error.to_string().contains("announcing"), "{error}");
                failed += 1;
                if failed == 3 {
                    break;
                }
            }
        }
        assert_eq!(failed, 3, "each tick tries");
        pair.mend();
        let ticks = pair.minutes(4).await;
        assert!(ticks.iter().all(|tick| tick["decision"] == "blocked"), "{ticks:#?}");
        let events = pair.events("Failover Blocked");
        assert_eq!(ids(&events).len(), 1, "{events:#?}");
        assert_eq!(pair.count("Publish", "Subject"), pair.count("Publish", ""));
        pair.forget();
        pair.minutes(3).await;
        assert_eq!(pair.events("Failover Blocked").len(), 0, "it is said once");
    });
}

#[test]
fn what_is_announced_is_remembered_first_as_unsaid_and_then_as_said() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        blocked_by_a_hold(&pair).await;
        pair.forget();
        said(&pair).await;
        let sent = pair.sent();
        let memory = pair.settings.names.memory();
        let mut said = Vec::new();
        for sent in &sent {
            if sent.operation == "PutParameter" && sent.name == memory {
                let value: Value = serde_json::from_str(sent.body["Value"].as_str().unwrap()).unwrap();
                if value["announced"].is_object() {
                    said.push(value["announced"]["said"] == true);
                }
            } else if sent.operation == "PutEvents" && sent.text.contains("Failover Blocked") {
                assert_eq!(said.last(), Some(&false), "unsaid until it is published");
            }
        }
        assert_eq!(said.first(), Some(&false));
        assert_eq!(said.last(), Some(&true));
        let announcing = said.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(announcing, 1, "{said:?}");
    });
}

#[test]
fn ticks_at_once_announce_under_one_id() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        blocked_by_a_hold(&pair).await;
        for _ in 0..12 {
            pair.pass(60).await;
            at_once(&pair, ["schedule", "alarm", "environment-status"]).await;
        }
        let events = pair.events("Failover Blocked");
        assert!(!events.is_empty());
        assert_eq!(ids(&events).len(), 1, "{events:#?}");
    });
}

#[test]
fn garbage_in_the_flag_is_reported_once() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, Some("purple"));
        pair.lose_events();
        pair.forget();
        let ticks = pair.minutes(6).await;
        assert!(
            ticks
                .iter()
                .all(|tick| tick["decision"] == "none" || tick["decision"] == "blocked"),
            "{ticks:#?}"
        );
        let events = pair.events("Flag Fault");
        assert_eq!(ids(&events).len(), 1, "{events:#?}");
        assert!(pair.count("PutMetricData", "FlagFault") > 0);
        assert_eq!(pair.flag().unwrap().0, "purple", "ON_FLAG_FAULT=alert");
    });
}

#[test]
fn a_deleted_flag_is_a_fault_only_of_a_pair_with_a_past() {
    play(&[], |pair: Pair| async move {
        pair.minutes(2).await;
        assert_eq!(pair.events("Flag Fault").len(), 0, "not initialized yet");
        assert_eq!(pair.count("PutMetricData", "FlagFault"), 0);
        pair.ask(json!({"action": "initialize"})).await;
        // Not even audited: its records show that it has been in use.
        pair.lose_events();
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, None);
        pair.lose_events();
        let ticks = pair.minutes(3).await;
        let events = pair.events("Flag Fault");
        assert_eq!(ids(&events).len(), 1, "{ticks:#?}");
        assert!(
            events[0]["reason"].as_str().unwrap_or_default().contains("deleted")
                || events[0].to_string().contains("gone")
                || events[0].to_string().contains("deleted"),
            "{events:#?}"
        );
    });
}

#[test]
fn a_flag_that_is_gone_from_an_audited_pair_is_a_fault_even_without_records() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, None);
        let transitions = pair.settings.names.transitions();
        let records: Vec<String> = pair
            .world
            .lock()
            .store
            .names_below(&transitions)
            .map(str::to_owned)
            .collect();
        assert!(!records.is_empty());
        for record in records {
            pair.by_hand(&record, None);
        }
        pair.lose_events();
        pair.minutes(2).await;
        assert_eq!(ids(&pair.events("Flag Fault")).len(), 1);
    });
}

#[test]
fn an_active_in_doubt_is_announced_after_a_quarter_of_an_hour() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        // Nothing confirms that it works: its services do not answer.
        pair.refuse("GetEnvironment", "orders-blue");
        pair.refuse("InvokeRestApi", "orders-blue");
        pair.refuse("GetMetricData", "");
        pair.minutes(13).await;
        assert_eq!(pair.events("Environment Unknown").len(), 0);
        assert_eq!(pair.count("PutMetricData", "EnvironmentUnknown"), 0);
        pair.minutes(8).await;
        let events = pair.events("Environment Unknown");
        assert_eq!(ids(&events).len(), 1, "{events:#?}");
        assert_eq!(events.len(), 1);
        assert!(pair.count("PutMetricData", "EnvironmentUnknown") > 0);
        assert_eq!(pair.flag().unwrap().0, "blue");
        // It is over: the next doubt is another one.
        pair.mend();
        pair.minutes(2).await;
        assert!(pair.stored(&pair.settings.names.memory()).unwrap()["doubt"].is_null());
    });
}

#[test]
fn a_broken_flag_is_restored_where_the_settings_say_so() {
    play(&[("ON_FLAG_FAULT", "restore")], |pair: Pair| async move {
        let pair = pair.started().await;
        let flag = pair.settings.names.flag().to_owned();
        pair.ask(json!({"to": "green", "reason": "planned"})).await;
        pair.hear().await;
        pair.pass(600).await;
        pair.by_hand(&flag, Some("purple"));
        pair.minutes(4).await;
        let (value, version) = pair.flag().unwrap();
        assert_eq!((value.as_str(), version), ("green", 4), "the color before the garbage");
        let events = pair.events("Environment Transition");
        assert_eq!(events.last().unwrap()["kind"], "restore", "{events:#?}");
        // Deleted: the last audited color, a while later.
        pair.pass(600).await;
        pair.by_hand(&flag, None);
        pair.minutes(6).await;
        let (value, version) = pair.flag().unwrap();
        assert_eq!((value.as_str(), version), ("green", 1));
    });
}

#[test]
fn garbage_that_nothing_came_before_is_replaced_by_the_last_audited_color() {
    play(&[("ON_FLAG_FAULT", "restore")], |pair: Pair| async move {
        let pair = pair.started().await;
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, None);
        pair.lose_events();
        pair.by_hand(&flag, Some("purple"));
        pair.lose_events();
        pair.minutes(5).await;
        assert_eq!(pair.flag().unwrap().0, "blue");
    });
}

#[test]
fn the_budget_of_failovers_holds_until_a_person_acknowledges_them() {
    play(
        &[("FAILOVER_BUDGET_PER_DAY", "1"), ("COOLDOWN_SECONDS", "0")],
        |pair: Pair| async move {
            let pair = pair.started().await;
            pair.kill(Color::Blue);
            pair.minutes(10).await;
            assert_eq!(pair.flag().unwrap().0, "green");
            pair.heal(Color::Blue);
            pair.minutes(10).await;
            pair.kill(Color::Green);
            let ticks = pair.minutes(10).await;
            let last = ticks.last().unwrap();
            assert_eq!(
                (&last["decision"], pair.flag().unwrap().0.as_str()),
                (&json!("blocked"), "green"),
                "{last}"
            );
            assert!(pair.count("PutMetricData", "FailoverBlocked") > 0);
            assert_eq!(last["blocked_by"], json!(["failover-budget"]), "{last}");
            let answer = pair.ask(json!({"action": "release", "requested_by": "ana"})).await;
            assert!(answer["reason"].as_str().unwrap().contains("acknowledged"), "{answer}");
            pair.minutes(2).await;
            assert_eq!(pair.flag().unwrap().0, "blue");
        },
    );
}

#[test]
fn what_a_release_acknowledged_is_asked_for_only_where_it_decides() {
    play(
        &[("FAILOVER_BUDGET_PER_DAY", "1"), ("COOLDOWN_SECONDS", "0")],
        |pair: Pair| async move {
            let pair = pair.started().await;
            pair.kill(Color::Blue);
            pair.minutes(10).await;
            pair.heal(Color::Blue);
            pair.minutes(10).await;
            pair.kill(Color::Green);
            let acknowledged = format!("\"{}\"", pair.settings.names.acknowledged());
            pair.refuse("GetParameters", &acknowledged);
            let ticks = pair.minutes(10).await;
            // Unknown whether the budget is used up: no failover.
            assert_eq!(pair.flag().unwrap().0, "green", "{ticks:#?}");
        },
    );
}

#[test]
fn what_another_tick_found_meanwhile_is_not_replaced() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        blocked_by_a_hold(&pair).await;
        let memory = pair.settings.names.memory();
        let other = json!({
            "topic": {"subject": "failover-blocked", "flag": "v1-1", "preconditions": ["hold", "cooldown"]},
            "since": "2026-01-01T00:00:00Z",
            "said": true,
        });
        let name = memory.clone();
        let written = json!({"announced": other}).to_string();
        pair.before("PutEvents", "Failover Blocked", 0, move |world| {
            by_hand(world, &name, Some(&written));
        });
        said(&pair).await;
        assert_eq!(pair.events("Failover Blocked").len(), 1);
        assert_eq!(pair.stored(&memory).unwrap()["announced"], other);
    });
}

#[test]
fn what_is_written_over_by_somebody_who_had_not_seen_it_is_marked_nevertheless() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        blocked_by_a_hold(&pair).await;
        let memory = pair.settings.names.memory();
        let name = memory.clone();
        // Another tick had read the memory before this one wrote, and writes the rest of it.
        pair.before("PutEvents", "Failover Blocked", 0, move |world| {
            let mut stored: Value = serde_json::from_str(&world.store.truth(&name).unwrap().value).unwrap();
            stored.as_object_mut().unwrap().remove("announced");
            by_hand(world, &name, Some(&stored.to_string()));
        });
        said(&pair).await;
        assert_eq!(pair.stored(&memory).unwrap()["announced"]["said"], true);
        pair.minutes(4).await;
        assert_eq!(pair.events("Failover Blocked").len(), 1, "it is said once");
    });
}

#[test]
fn what_cannot_be_compared_with_other_ticks_is_said_by_the_next_one_under_the_same_id() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        remembered_unsaid(&pair).await;
        pair.refuse("GetParameters", "memory:");
        pair.forget();
        pair.pass(60).await;
        let error = pair.tick_of("schedule").await.unwrap_err();
        assert_eq!(error.error_type(), "AuditUndelivered", "{error}");
        assert_eq!(pair.events("Failover Blocked").len(), 0);
        pair.mend();
        let since = pair.stored(&pair.settings.names.memory()).unwrap()["announced"]["since"].clone();
        pair.minutes(2).await;
        let events = pair.events("Failover Blocked");
        assert_eq!(events.len(), 1, "{events:#?}");
        assert_eq!(events[0]["since"], since);
    });
}

/// The version that a reading lacks may be the first one.
#[test]
fn versions_of_the_memory_that_stay_unseen_are_no_answer() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        remembered_unsaid(&pair).await;
        let memory = pair.settings.names.memory();
        pair.forget();
        let name = memory.clone();
        pair.before("GetParameters", "memory:", 0, move |world| by_hand(world, &name, None));
        pair.pass(60).await;
        let error = pair.tick_of("schedule").await.unwrap_err();
        assert!(error.to_string().contains("fewer versions of the memory"), "{error}");
        assert_eq!(pair.events("Failover Blocked").len(), 0);
        pair.minutes(3).await;
        assert_eq!(ids(&pair.events("Failover Blocked")).len(), 1);
    });
}

#[test]
fn the_first_of_many_ticks_gives_the_id() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        remembered_unsaid(&pair).await;
        let memory = pair.settings.names.memory();
        let first = pair.stored(&memory).unwrap();
        let since: jiff::Timestamp = first["announced"]["since"].as_str().unwrap().parse().unwrap();
        for tick in 1..=20 {
            let mut other = first.clone();
            other["announced"]["since"] = json!(since + jiff::SignedDuration::from_millis(tick));
            pair.by_hand(&memory, Some(&other.to_string()));
            // Parameter Store takes twenty a second.
            pair.pass(1).await;
        }
        pair.forget();
        // Whoever repeats it after a crash has to find the first one's.
        let before = remembered_before(&pair, "Failover Blocked");
        pair.minutes(2).await;
        let events = pair.events("Failover Blocked");
        assert_eq!(events.len(), 1, "{events:#?}");
        assert_eq!(events[0]["since"], first["announced"]["since"]);
        assert_eq!(before.lock().unwrap()["announced"], first["announced"]);
    });
}
