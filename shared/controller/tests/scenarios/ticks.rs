//! Ticks: how much they ask, when they act, and when they look again.

use bluegreen_core::color::Color;
use serde_json::json;

use crate::holds::hour;
use crate::pair::{Pair, by_hand, play, reason};
use crate::trouble::slow_down;

/// Alarms cost: only a whole look asks for them.
const ALARMS: &[(&str, &str)] = &[
    ("BLUE_HEALTH_ALARM_NAMES", "health-of-blue"),
    ("GREEN_HEALTH_ALARM_NAMES", "health-of-green"),
];

/// Makes Airflow answer seconds late from now on.
fn slow(pair: &Pair) {
    slow_down(&mut pair.world.lock(), None, 2000, 3600);
}

/// Dead for so long that the next tick fails over.
async fn about_to_fail_over(pair: &Pair) {
    pair.kill(Color::Blue);
    pair.pass(200).await;
}

#[test]
fn a_dead_active_is_left_and_people_hear_of_it_once() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.kill(Color::Blue);
        let dead = pair.at();
        pair.forget();
        let ticks = pair.minutes(12).await;
        assert_eq!(pair.flag().unwrap(), ("green".to_owned(), 2), "{ticks:#?}");
        let failed_over: Vec<_> = ticks.iter().filter(|tick| tick["decision"] == "failover").collect();
        assert_eq!(failed_over.len(), 1, "{ticks:#?}");
        let tick = failed_over[0];
        assert_eq!((&tick["active"], &tick["version"]), (&json!("green"), &json!(2)));
        assert_eq!(tick["warnings"], json!([]), "{tick}");
        assert_eq!(pair.count("PutMetricData", "RecoveryTime"), 1);
        let events = pair.events("Environment Transition");
        assert_eq!(events.len(), 1, "{events:#?}");
        let event = &events[0];
        assert_eq!(
            (&event["kind"], &event["from"], &event["to"]),
            (&json!("failover"), &json!("blue"), &json!("green"))
        );
        // It counts from the last sign of life, not from when it was noticed.
        let from = tick["effective_from"].as_str().unwrap();
        let from: jiff::Timestamp = from.parse().unwrap();
        assert!((from - dead).get_seconds().abs() < 60, "{event:#}");
        assert_eq!(pair.count("Publish", ""), 1);
        // The record says who, when and on what evidence.
        let record = tick["transition"].as_str().unwrap();
        let record = pair.stored(&pair.settings.names.transition(record)).unwrap();
        assert_eq!(record["actor"]["function"], "health-watcher", "{record:#}");
        assert_eq!(record["trigger"]["type"], "schedule", "{record:#}");
        assert!(record["evidence"]["last_known_healthy"].is_string(), "{record:#}");
    });
}

#[test]
fn a_calm_tick_asks_only_what_is_free_except_at_the_interval() {
    play(ALARMS, |pair: Pair| async move {
        let pair = pair.started().await;
        pair.until_minute(11).await;
        pair.forget();
        let tick = pair.tick().await;
        assert_eq!((&tick["decision"], &tick["probes"]), (&json!("none"), &json!(1)));
        assert_eq!(pair.count("DescribeAlarms", ""), 0, "{:#?}", pair.sent());
        assert_eq!(pair.count("PutMetricData", ""), 0);
        // Another trigger asks everything at once, and so does the interval.
        pair.tick_of("alarm").await.unwrap();
        assert_eq!(
            (
                pair.count("DescribeAlarms", ""),
                pair.count("PutMetricData", "EnvironmentHealthy")
            ),
            (1, 1)
        );
        pair.until_minute(15).await;
        pair.forget();
        pair.tick().await;
        assert_eq!(
            (
                pair.count("DescribeAlarms", ""),
                pair.count("PutMetricData", "EnvironmentHealthy")
            ),
            (1, 1)
        );
        assert!(pair.count("PutMetricData", "ActiveEnvironment") > 0);
    });
}

#[test]
fn a_tick_that_sees_trouble_asks_everything_whatever_the_minute() {
    play(ALARMS, |pair: Pair| async move {
        let pair = pair.started().await;
        pair.until_minute(11).await;
        pair.environment(Color::Blue, |environment, now| {
            environment.set_status(Some("UPDATING"), now);
        });
        pair.forget();
        let tick = pair.tick().await;
        assert_ne!(tick["verdicts"]["blue"]["verdict"], "healthy", "{tick}");
        assert_eq!(tick["probes"], 2, "the free look and the whole one");
        assert!(pair.count("DescribeAlarms", "") > 0);
        assert!(pair.count("PutMetricData", "EnvironmentHealthy") > 0);
    });
}

#[test]
fn what_was_announced_is_forgotten_by_the_first_tick_that_sees_it_over() {
    play(ALARMS, |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"action": "hold", "minutes": 300, "reason": "maintenance"}))
            .await;
        pair.hear().await;
        pair.kill(Color::Blue);
        let ticks = pair.minutes(12).await;
        assert_eq!(ticks.last().unwrap()["decision"], "blocked", "{ticks:#?}");
        assert_eq!(pair.events("Failover Blocked").len(), 1);
        let memory = pair.settings.names.memory();
        assert!(!pair.stored(&memory).unwrap()["announced"].is_null());
        pair.heal(Color::Blue);
        pair.until_minute(41).await;
        pair.forget();
        let tick = pair.tick().await;
        assert_eq!(tick["verdicts"]["blue"]["verdict"], "healthy", "{tick}");
        assert!(
            pair.count("DescribeAlarms", "") > 0,
            "something waits to be revoked: no calm tick"
        );
        assert!(pair.stored(&memory).unwrap()["announced"].is_null());
        pair.until_minute(42).await;
        pair.forget();
        pair.tick().await;
        assert_eq!(pair.count("DescribeAlarms", ""), 0, "nothing waits any more");
        // The next time it is announced anew.
        pair.kill(Color::Blue);
        pair.minutes(12).await;
        assert_eq!(pair.events("Failover Blocked").len(), 1);
    });
}

#[test]
fn a_hold_that_is_placed_while_a_slow_tick_looks_is_respected() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        about_to_fail_over(&pair).await;
        slow(&pair);
        let (name, value) = (pair.settings.names.hold(), hour(&pair, "maintenance"));
        // The flag's history is read after the decision: everything else has been observed by then.
        pair.before("GetParameterHistory", "active-environment", 0, move |world| {
            by_hand(world, &name, Some(&value));
        });
        pair.pass(60).await;
        let tick = pair.tick_of("alarm").await.unwrap();
        assert_eq!(pair.flag().unwrap().0, "blue", "{tick}");
        assert_eq!(tick["decision"], "blocked", "{tick}");
        assert_eq!(tick["probes"], 2, "it looked again: {tick}");
    });
}

#[test]
fn without_time_to_look_again_the_next_tick_decides_about_a_new_hold() {
    play(&[("PROBE_UNTIL_SECONDS", "0")], |pair: Pair| async move {
        let pair = pair.started().await;
        about_to_fail_over(&pair).await;
        slow(&pair);
        let (name, value) = (pair.settings.names.hold(), hour(&pair, "maintenance"));
        pair.before("GetParameterHistory", "active-environment", 0, move |world| {
            by_hand(world, &name, Some(&value));
        });
        pair.pass(60).await;
        let tick = pair.tick_of("alarm").await.unwrap();
        assert_eq!(pair.flag().unwrap().0, "blue", "{tick}");
        assert_eq!(
            (&tick["decision"], &tick["probes"]),
            (&json!("none"), &json!(1)),
            "{tick}"
        );
        assert!(
            reason(&tick).ends_with("but the hold has changed since: the next tick decides"),
            "{tick}"
        );
        assert_eq!(
            pair.count("PutParameter", "transitions"),
            1,
            "only that of the beginning"
        );
    });
}

#[test]
fn a_slow_tick_reads_the_hold_again_and_fails_over_if_there_is_none() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        about_to_fail_over(&pair).await;
        slow(&pair);
        pair.pass(60).await;
        pair.forget();
        let tick = pair.tick_of("alarm").await.unwrap();
        assert_eq!(
            (&tick["decision"], pair.flag().unwrap().0.as_str()),
            (&json!("failover"), "green"),
            "{tick}"
        );
        let hold = format!("[\"{}\"]", pair.settings.names.hold());
        assert_eq!(
            pair.count("GetParameters", &hold),
            1,
            "the hold alone: {:#?}",
            pair.sent()
        );
    });
}

#[test]
fn a_quick_tick_reads_the_hold_once() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        about_to_fail_over(&pair).await;
        pair.pass(60).await;
        pair.forget();
        let tick = pair.tick_of("alarm").await.unwrap();
        assert_eq!(
            (&tick["decision"], pair.flag().unwrap().0.as_str()),
            (&json!("failover"), "green"),
            "{tick}"
        );
        let hold = format!("[\"{}\"]", pair.settings.names.hold());
        assert_eq!(pair.count("GetParameters", &hold), 0);
    });
}

#[test]
fn a_hold_that_cannot_be_read_again_may_be_there() {
    play(&[("PROBE_UNTIL_SECONDS", "0")], |pair: Pair| async move {
        let pair = pair.started().await;
        about_to_fail_over(&pair).await;
        slow(&pair);
        pair.pass(60).await;
        let hold = format!("[\"{}\"]", pair.settings.names.hold());
        pair.refuse("GetParameters", &hold);
        let tick = pair.tick_of("alarm").await.unwrap();
        assert_eq!(
            (&tick["decision"], pair.flag().unwrap().0.as_str()),
            (&json!("none"), "blue"),
            "{tick}"
        );
    });
}

#[test]
fn a_slow_calm_tick_does_not_ask_for_the_hold() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        slow(&pair);
        pair.until_minute(15).await;
        pair.forget();
        let tick = pair.tick().await;
        assert_eq!(
            (&tick["decision"], &tick["probes"]),
            (&json!("none"), &json!(1)),
            "{tick}"
        );
        let hold = format!("[\"{}\"]", pair.settings.names.hold());
        assert_eq!(pair.count("GetParameters", &hold), 0);
    });
}

#[test]
fn a_store_that_fails_half_way_is_looked_at_again() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        about_to_fail_over(&pair).await;
        pair.pass(60).await;
        let flag = format!("\"{}\"", pair.settings.names.flag());
        pair.refuse("PutParameter", &flag);
        let tick = pair.tick_of("alarm").await.unwrap();
        assert_eq!(
            (&tick["decision"], &tick["active"]),
            (&json!("failover"), &json!("blue")),
            "{tick}"
        );
        assert!(
            tick["probes"].as_u64().unwrap() > 2 && tick["conflict"].is_string(),
            "{tick}"
        );
        let looks = pair.count("PutParameter", &flag);
        assert!(looks > 3, "it looked again: {looks}");
        assert_eq!(pair.flag().unwrap().0, "blue");
        pair.mend();
        pair.pass(80).await;
        let tick = pair.tick().await;
        assert_eq!(
            (&tick["decision"], pair.flag().unwrap().0.as_str()),
            (&json!("failover"), "green"),
            "{tick}"
        );
    });
}

#[test]
fn a_tick_whose_time_is_over_does_not_look_again() {
    play(&[("PROBE_UNTIL_SECONDS", "0")], |pair: Pair| async move {
        let pair = pair.started().await;
        about_to_fail_over(&pair).await;
        pair.pass(60).await;
        let flag = format!("\"{}\"", pair.settings.names.flag());
        pair.deny("PutParameter", &flag);
        let began = pair.now();
        let error = pair.tick_of("schedule").await.unwrap_err();
        assert_eq!(error.error_type(), "StoreUnavailable", "{error}");
        assert!(pair.now() - began < 5000, "{} ms", pair.now() - began);
    });
}

#[test]
fn another_pairs_root_makes_the_tick_fail_and_nothing_is_written() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let owner = pair.settings.names.owner();
        pair.by_hand(&owner, Some("{\"pair\": \"payroll\"}"));
        pair.until_minute(15).await;
        pair.forget();
        let error = pair.tick_of("schedule").await.unwrap_err();
        assert_eq!(error.error_type(), "WrongPair", "{error}");
        assert_eq!(pair.written(), Vec::<String>::new());
        assert_eq!(pair.count("PutMetricData", ""), 0);
        assert_eq!(pair.count("PutEvents", ""), 0);
    });
}

#[test]
fn a_flag_that_cannot_be_read_fails_the_tick_and_announces_nothing() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.refuse("GetParameters", "");
        pair.until_minute(15).await;
        pair.forget();
        let error = pair.tick_of("schedule").await.unwrap_err();
        assert_eq!(error.error_type(), "StoreUnavailable", "{error}");
        assert!(error.to_string().contains("reading the flag"), "{error}");
        assert_eq!(pair.written(), Vec::<String>::new());
        // That the environments are healthy is known and published all the same.
        assert!(pair.count("PutMetricData", "EnvironmentHealthy") > 0);
        assert_eq!(pair.count("PutMetricData", "ActiveEnvironment"), 0);
    });
}

#[test]
fn what_a_process_saw_counts_even_if_the_memory_cannot_be_written() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let memory = format!("\"{}\"", pair.settings.names.memory());
        pair.refuse("PutParameter", &memory);
        pair.refuse("GetMetricData", "");
        pair.kill(Color::Blue);
        for _ in 0..12 {
            pair.pass(60).await;
            // It fails: what it may have to announce cannot be remembered.
            drop(pair.tick_of("schedule").await);
        }
        assert_eq!(pair.flag().unwrap().0, "green", "the failure began anew at every tick");
    });
}

#[test]
fn a_new_process_knows_what_the_memory_has() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.kill(Color::Blue);
        let mut minutes = 0;
        while pair.flag().unwrap().0 == "blue" && minutes < 12 {
            pair.restart();
            pair.minutes(1).await;
            minutes += 1;
        }
        assert!(minutes < 8, "{minutes}");
        let memory = pair.stored(&pair.settings.names.memory()).unwrap();
        assert!(memory["past"].is_object(), "{memory:#}");
    });
}

#[test]
fn a_calm_pair_does_not_write_its_memory_at_every_tick() {
    play(&[("READINESS_INTERVAL_MINUTES", "0")], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.minutes(5).await;
        pair.forget();
        pair.minutes(9).await;
        let memory = format!("\"{}\"", pair.settings.names.memory());
        let writes = pair.count("PutParameter", &memory);
        assert!(writes <= 2, "{writes} in nine ticks");
    });
}

#[test]
fn a_calm_tick_does_not_look_for_what_a_broken_flag_would_be_restored_to() {
    let restores = [("ON_FLAG_FAULT", "restore"), ("READINESS_INTERVAL_MINUTES", "0")];
    play(&restores, |pair: Pair| async move {
        let pair = pair.started().await;
        pair.forget();
        pair.minutes(2).await;
        assert_eq!(pair.count("GetParameterHistory", "active-environment"), 0);
        assert_eq!(pair.count("GetParameters", "/last-active"), 0);
    });
}

#[test]
fn what_was_seen_of_one_color_alone_is_remembered() {
    for color in [Color::Blue, Color::Green] {
        play(&[("FAILURE_WINDOW_SECONDS", "900")], move |pair: Pair| async move {
            let pair = pair.started().await;
            let name = pair.settings.names.memory();
            pair.minutes(2).await;
            pair.kill(color);
            pair.minutes(5).await;
            let before = pair.stored(&name).unwrap()["past"][color.as_str()].clone();
            pair.heal(color);
            pair.minutes(5).await;
            let after = pair.stored(&name).unwrap()["past"][color.as_str()].clone();
            assert_ne!(before, after);
        });
    }
}
