//! The standby: its readiness, which is checked regularly, and its DAGs, where they are managed.

use bluegreen_core::color::Color;
use serde_json::json;

use crate::alerts::{at_once, ids, remembered_before};
use crate::pair::{Pair, outcome, play};

pub(crate) const MANAGED: &[(&str, &str)] = &[
    ("DAG_MANAGEMENT", "pause"),
    ("DRAIN_MINUTES", "5"),
    ("READINESS_INTERVAL_MINUTES", "0"),
];

/// What a request contains that pauses blue's DAGs.
pub(crate) const PAUSE_BLUE: &str = r#"orders-blue {"Body":{"is_paused":true}"#;

/// The DAGs of a color that are not paused.
pub(crate) fn running(pair: &Pair, color: Color) -> Vec<String> {
    let world = pair.world.lock();
    let dags = &world.airflow.dags;
    let here = &world.airflow.sides.of(color).dags;
    let running = here
        .iter()
        .zip(dags)
        .filter(|(here, _)| here.is_there && !here.is_paused);
    running.map(|(_, dag)| dag.id.clone()).collect()
}

pub(crate) fn set_paused(pair: &Pair, color: Color, id: &str, is_paused: bool) {
    let number = number_of(pair, id);
    let mut world = pair.world.lock();
    let now = world.now();
    world.airflow.set_paused(color, number, is_paused, now);
}

pub(crate) fn number_of(pair: &Pair, id: &str) -> usize {
    let world = pair.world.lock();
    world.airflow.dags.iter().position(|dag| dag.id == id).unwrap()
}

pub(crate) fn bring(pair: &Pair, color: Color, number: usize, is_there: bool) {
    pair.world.lock().airflow.sides.of_mut(color).dags[number].is_there = is_there;
}

pub(crate) fn lose_dags(pair: &Pair, color: Color, are_there: bool) {
    for dag in &mut pair.world.lock().airflow.sides.of_mut(color).dags {
        dag.is_there = are_there;
    }
}

/// A pair at the minute of a check, whose standby has lost its DAGs since the last one.
async fn without_its_dags(pair: Pair) -> Pair {
    let pair = pair.started().await;
    pair.until_minute(0).await;
    pair.tick().await;
    lose_dags(&pair, Color::Green, false);
    pair.until_minute(0).await;
    pair
}

#[test]
fn the_standby_is_checked_every_hour_and_red_is_reported_once() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.until_minute(59).await;
        pair.forget();
        pair.minutes(2).await;
        assert!(pair.count("InvokeRestApi", "importErrors") > 0, "at the full hour");
        assert!(pair.count("PutMetricData", "ReadinessScore") > 0);
        let memory = pair.settings.names.memory();
        let checked = pair.stored(&memory).unwrap()["readiness"].clone();
        assert!(checked.is_object(), "{checked}");
        assert_eq!(pair.events("Readiness Changed").len(), 0);
        pair.forget();
        pair.minutes(5).await;
        assert_eq!(pair.count("InvokeRestApi", "importErrors"), 0, "once an hour");
        lose_dags(&pair, Color::Green, false);
        pair.until_minute(0).await;
        pair.tick().await;
        let events = pair.events("Readiness Changed");
        assert_eq!(events.len(), 1, "{events:#?}");
        pair.until_minute(0).await;
        pair.tick().await;
        assert_eq!(pair.events("Readiness Changed").len(), 1, "it is red still");
        lose_dags(&pair, Color::Green, true);
        pair.until_minute(0).await;
        pair.tick().await;
        assert_eq!(pair.events("Readiness Changed").len(), 2, "it is not red any more");
    });
}

#[test]
fn a_change_of_readiness_that_could_not_be_reported_is_reported_by_the_next_tick() {
    play(&[], |pair: Pair| async move {
        let pair = without_its_dags(pair).await;
        pair.refuse("PutEvents", "Readiness Changed");
        let error = pair.tick_of("schedule").await.unwrap_err();
        assert!(error.to_string().contains("readiness has changed"), "{error}");
        pair.mend();
        pair.forget();
        pair.minutes(2).await;
        assert_eq!(pair.events("Readiness Changed").len(), 1);
    });
}

#[test]
fn of_ticks_at_once_one_reports_a_change_of_readiness() {
    play(&[], |pair: Pair| async move {
        let pair = without_its_dags(pair).await;
        at_once(&pair, ["schedule"; 3]).await;
        pair.minutes(2).await;
        let events = pair.events("Readiness Changed");
        assert_eq!(ids(&events).len(), 1, "{events:#?}");
    });
}

#[test]
fn a_change_of_readiness_is_remembered_before_it_is_reported() {
    play(&[], |pair: Pair| async move {
        let pair = without_its_dags(pair).await;
        let before = remembered_before(&pair, "Readiness Changed");
        pair.tick().await;
        let before = before.lock().unwrap().clone();
        assert!(!before["readiness"]["pending_notification"].is_null(), "{before:#}");
        let after = pair.stored(&pair.settings.names.memory()).unwrap();
        assert!(after["readiness"]["pending_notification"].is_null(), "{after:#}");
        let status = pair.ask(json!({"action": "status"})).await;
        assert_eq!(status["readiness"]["score"], after["readiness"]["score"], "{status:#}");
        pair.ask(json!({"to": "green", "force": true, "reason": "nevertheless"}))
            .await;
        let status = pair.ask(json!({"action": "status"})).await;
        assert!(
            status["readiness"].is_null(),
            "it was of the color that is active now: {status:#}"
        );
    });
}

#[test]
fn a_score_that_nobody_keeps_up_to_date_is_not_published() {
    let stored = std::sync::Arc::new(std::sync::Mutex::new(None));
    let found = stored.clone();
    play(&[], move |pair: Pair| async move {
        let pair = pair.started().await;
        pair.until_minute(0).await;
        pair.tick().await;
        *found.lock().unwrap() = pair.stored(&pair.settings.names.memory());
        pair.forget();
        pair.until_minute(30).await;
        pair.tick().await;
        assert_eq!(pair.count("PutMetricData", "ReadinessScore"), 1, "between two checks");
    });
    let stored = stored.lock().unwrap().clone().unwrap();
    play(&[("READINESS_INTERVAL_MINUTES", "0")], move |pair: Pair| async move {
        let pair = pair.started().await;
        pair.until_minute(10).await;
        pair.by_hand(&pair.settings.names.memory(), Some(&stored.to_string()));
        pair.forget();
        pair.until_minute(30).await;
        pair.tick().await;
        assert_eq!(pair.count("PutMetricData", "ReadinessScore"), 0);
    });
}

#[test]
fn only_a_scheduled_tick_with_a_healthy_active_checks() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.until_minute(0).await;
        pair.tick().await;
        pair.until_minute(0).await;
        pair.forget();
        pair.tick_of("alarm").await.unwrap();
        assert_eq!(pair.count("InvokeRestApi", "importErrors"), 0);
        pair.environment(Color::Blue, |environment, now| {
            environment.set_status(Some("UPDATING"), now);
        });
        pair.tick().await;
        assert_eq!(pair.count("InvokeRestApi", "importErrors"), 0);
        pair.environment(Color::Blue, |environment, now| {
            environment.set_status(Some("AVAILABLE"), now);
        });
        // Missed, so it is made up for at any minute.
        pair.until_minute(7).await;
        pair.tick().await;
        assert!(pair.count("InvokeRestApi", "importErrors") > 0);
    });
    play(&[("READINESS_INTERVAL_MINUTES", "0")], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.until_minute(0).await;
        pair.tick().await;
        assert_eq!(pair.count("InvokeRestApi", "importErrors"), 0);
        assert_eq!(pair.count("PutMetricData", "ReadinessScore"), 0);
    });
}

#[test]
fn after_a_switch_the_other_color_is_checked_at_once() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.until_minute(0).await;
        pair.tick().await;
        pair.ask(json!({"to": "green"})).await;
        pair.hear().await;
        pair.until_minute(10).await;
        pair.forget();
        // The stored score is of the color that is active now.
        let memory = pair.settings.names.memory();
        assert_eq!(pair.stored(&memory).unwrap()["readiness"]["standby"], "green");
        pair.tick_of("alarm").await.unwrap();
        assert_eq!(pair.count("PutMetricData", "ReadinessScore"), 0);
        pair.tick().await;
        assert!(pair.count("InvokeRestApi", "importErrors") > 0);
        assert_eq!(pair.stored(&memory).unwrap()["readiness"]["standby"], "blue");
        pair.until_minute(15).await;
        pair.forget();
        pair.tick().await;
        assert!(
            pair.count("PutMetricData", "ReadinessScore") > 0,
            "an alarm has data between two checks"
        );
        // After days without a check the score says nothing.
        pair.pass(3 * 24 * 3600).await;
        pair.forget();
        pair.tick_of("alarm").await.unwrap();
        assert_eq!(pair.count("PutMetricData", "ReadinessScore"), 0);
    });
}

#[test]
fn where_dags_are_managed_they_follow_the_flag() {
    play(MANAGED, |pair: Pair| async move {
        let pair = pair.started().await;
        let all = running(&pair, Color::Blue);
        assert!(
            all.contains(&"hourly".to_owned()) && !all.contains(&"resting".to_owned()),
            "{all:?}"
        );
        let ticks = pair.minutes(12).await;
        let last = ticks.last().unwrap();
        assert_eq!(last["dag_management"]["state"], "settled", "{last:#}");
        assert_eq!(
            running(&pair, Color::Green),
            Vec::<String>::new(),
            "the standby is paused"
        );
        assert_eq!(running(&pair, Color::Blue), all);
        // What a person pauses on the active stays paused.
        set_paused(&pair, Color::Blue, "daily", true);
        pair.minutes(8).await;
        let wanted = running(&pair, Color::Blue);
        let answer = pair.ask(json!({"to": "green"})).await;
        assert_eq!(outcome(&answer), "switched");
        assert_eq!(answer["dag_management"]["active"], "green", "{answer:#}");
        assert_eq!(running(&pair, Color::Green), wanted, "at once");
        pair.hear().await;
        pair.pass(20).await;
        pair.tick().await;
        assert_eq!(
            running(&pair, Color::Blue),
            wanted,
            "the old one is left alone at first"
        );
        pair.minutes(10).await;
        assert_eq!(running(&pair, Color::Blue), Vec::<String>::new());
        assert_eq!(running(&pair, Color::Green), wanted);
        let status = pair.ask(json!({"action": "status"})).await;
        assert_eq!(status["dag_management"]["state"], "settled", "{status:#}");
        // Somebody unpauses one on the standby: it is paused again, but not during a hold.
        pair.ask(json!({"action": "hold", "minutes": 60, "reason": "test"}))
            .await;
        pair.hear().await;
        set_paused(&pair, Color::Blue, "hourly", false);
        pair.minutes(8).await;
        assert_eq!(running(&pair, Color::Blue), ["hourly"]);
        pair.ask(json!({"action": "release"})).await;
        pair.hear().await;
        pair.minutes(14).await;
        assert_eq!(running(&pair, Color::Blue), Vec::<String>::new());
    });
}

#[test]
fn a_failover_unpauses_what_ran_on_an_active_that_answers_nothing() {
    play(MANAGED, |pair: Pair| async move {
        let pair = pair.started().await;
        pair.minutes(12).await;
        let wanted = running(&pair, Color::Blue);
        assert_eq!(running(&pair, Color::Green), Vec::<String>::new());
        pair.forget();
        pair.kill(Color::Blue);
        pair.environment(Color::Blue, |environment, _| environment.web_is_up = false);
        pair.minutes(6).await;
        assert_eq!(pair.flag().unwrap().0, "green");
        assert_eq!(running(&pair, Color::Green), wanted);
        let ticks = pair.minutes(8).await;
        let last = ticks.last().unwrap();
        assert_eq!(last["dag_management"]["state"], "not-fenced", "{last:#}");
        let events = pair.events("DAG Management");
        assert_eq!(events.len(), 1, "people hear of it once: {events:#?}");
        pair.heal(Color::Blue);
        pair.minutes(10).await;
        assert_eq!(running(&pair, Color::Blue), Vec::<String>::new());
        assert_eq!(pair.events("DAG Management").len(), 2, "and that it is over");
    });
}

#[test]
fn a_standby_that_lists_no_dags_fails_the_activation_until_it_does() {
    play(MANAGED, |pair: Pair| async move {
        let pair = pair.started().await;
        pair.minutes(12).await;
        let wanted = running(&pair, Color::Blue);
        pair.forget();
        lose_dags(&pair, Color::Green, false);
        let answer = pair.ask(json!({"to": "green"})).await;
        pair.hear().await;
        assert_eq!(
            (outcome(&answer), &answer["dag_management"]["state"]),
            ("switched", &json!("activation-failed")),
            "{answer:#}"
        );
        pair.minutes(5).await;
        assert!(
            running(&pair, Color::Blue).len() == wanted.len(),
            "the old one is not paused before"
        );
        assert_eq!(pair.events("DAG Management").len(), 1);
        lose_dags(&pair, Color::Green, true);
        pair.minutes(2).await;
        assert_eq!(running(&pair, Color::Green), wanted);
    });
}

#[test]
fn an_airflow_that_refuses_says_which_role_is_needed() {
    play(MANAGED, |pair: Pair| async move {
        let pair = pair.started().await;
        pair.minutes(12).await;
        pair.deny("InvokeRestApi", "\"PATCH\"");
        let answer = pair.ask(json!({"to": "green"})).await;
        let state = answer["dag_management"].to_string();
        assert!(
            state.contains("activation-failed") && state.contains("the Airflow role User, Op or Admin"),
            "{answer:#}"
        );
    });
}

#[test]
fn what_a_switch_back_needs_is_not_paused_by_a_slow_tick() {
    play(MANAGED, |pair: Pair| async move {
        let pair = pair.started().await;
        pair.minutes(12).await;
        let wanted = running(&pair, Color::Blue);
        pair.ask(json!({"to": "green"})).await;
        pair.hear().await;
        pair.pass(400).await;
        let flag = pair.settings.names.flag().to_owned();
        // Blue becomes active again right before its DAGs are paused.
        pair.before("InvokeRestApi", PAUSE_BLUE, 0, |_| panic!("it was paused"));
        pair.before("InvokeRestApi", "orders-blue", 3, move |world| {
            crate::pair::by_hand(world, &flag, Some("blue"));
        });
        drop(pair.tick_of("schedule").await);
        assert_eq!(running(&pair, Color::Blue), wanted);
    });
}

#[test]
fn once_dags_are_no_longer_managed_the_list_is_forgotten() {
    play(&[("READINESS_INTERVAL_MINUTES", "0")], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.forget();
        pair.minutes(2).await;
        assert_eq!(pair.count("DeleteParameter", ""), 0);
        let name = pair.settings.names.managed_dags();
        pair.by_hand(&name, Some("{}"));
        pair.minutes(1).await;
        assert!(pair.stored(&name).is_none());
        let status = pair.ask(json!({"action": "status"})).await;
        assert!(status["dag_management"].is_null());
    });
}

#[test]
fn what_was_never_listed_is_not_guessed() {
    play(MANAGED, |pair: Pair| async move {
        // Nobody could ever list blue's DAGs.
        pair.environment(Color::Blue, |environment, _| environment.web_is_up = false);
        let pair = pair.started().await;
        let everywhere = running(&pair, Color::Green);
        for dag in &everywhere {
            set_paused(&pair, Color::Green, dag, true);
        }
        let answer = pair.ask(json!({"to": "green", "force": true, "reason": "x"})).await;
        let managed = &answer["dag_management"];
        assert_eq!(managed["state"], "activation-failed", "{answer:#}");
        let detail = managed["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("which DAGs ran on blue was never listed"), "{answer:#}");
        assert_eq!(running(&pair, Color::Green), Vec::<String>::new());
        // As soon as it answers, its list counts.
        pair.hear().await;
        pair.environment(Color::Blue, |environment, _| environment.web_is_up = true);
        let ticks = pair.minutes(2).await;
        assert_eq!(
            running(&pair, Color::Green),
            everywhere,
            "{:#}",
            ticks.last().unwrap()["dag_management"]
        );
        let ticks = pair.minutes(12).await;
        let managed = &ticks.last().unwrap()["dag_management"];
        assert_eq!(
            managed["detail"], "green's DAGs run and blue's are paused",
            "{managed:#}"
        );
    });
}

#[test]
fn a_dag_that_the_new_active_lacks_is_unpaused_when_it_appears() {
    play(MANAGED, |pair: Pair| async move {
        let pair = pair.started().await;
        pair.minutes(12).await;
        let missing = number_of(&pair, "hourly");
        bring(&pair, Color::Green, missing, false);
        pair.ask(json!({"to": "green"})).await;
        pair.hear().await;
        pair.minutes(3).await;
        assert!(!running(&pair, Color::Green).contains(&"hourly".to_owned()));
        bring(&pair, Color::Green, missing, true);
        pair.minutes(3).await;
        assert!(running(&pair, Color::Green).contains(&"hourly".to_owned()));
    });
}
