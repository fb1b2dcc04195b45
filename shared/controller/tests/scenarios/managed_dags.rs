//! DAGs that are managed, where it matters: right around a switch, lists that need parts, slow and unwilling Airflows.

use bluegreen_core::color::Color;
use serde_json::{Value, json};

use crate::pair::{Pair, by_hand, outcome, play};
use crate::standby::{MANAGED, PAUSE_BLUE, bring, lose_dags, number_of, running, set_paused};
use crate::trouble::slow_down;

/// What a request contains that lists blue's DAGs, or sets those of a color.
const LIST_OF_BLUE: &str = r#"orders-blue {"Method":"GET","Path":"/dags""#;
const LIST_OF_GREEN: &str = r#"orders-green {"Method":"GET","Path":"/dags""#;
const UNPAUSE_GREEN: &str = r#"orders-green {"Body":{"is_paused":false}"#;

/// A pair whose standby's DAGs are all paused.
async fn settled(pair: Pair) -> Pair {
    let pair = pair.started().await;
    let ticks = pair.minutes(12).await;
    assert_eq!(
        ticks.last().unwrap()["dag_management"]["state"],
        "settled",
        "{ticks:#?}"
    );
    pair
}

async fn switched(pair: Pair, to: &str) -> Pair {
    let answer = pair.ask(json!({"to": to})).await;
    assert_eq!(outcome(&answer), "switched", "{answer:#}");
    pair.hear().await;
    pair
}

/// So many DAGs more, whose list is too long for one parameter.
async fn with_many_dags(pair: Pair, count: usize) -> Pair {
    for _ in 0..count {
        let mut world = pair.world.lock();
        let now = world.now();
        world.airflow.add(0, false, now);
        let dag = world.airflow.dags.last_mut().unwrap();
        dag.id = format!("{}-{}", dag.id, "a-name-that-says-at-length-what-it-is-for".repeat(3));
    }
    pair.minutes(20).await;
    pair
}

fn id(pair: &Pair, number: usize) -> String {
    pair.world.lock().airflow.dags[number].id.clone()
}

fn state(tick: &Value) -> &str {
    tick["dag_management"]["state"].as_str().unwrap_or_default()
}

#[test]
fn what_a_person_has_paused_right_before_a_switch_stays_paused() {
    play(MANAGED, |pair: Pair| async move {
        let pair = settled(pair).await;
        set_paused(&pair, Color::Blue, "daily", true);
        let wanted = running(&pair, Color::Blue);
        assert!(!wanted.contains(&"daily".to_owned()));
        // Once the flag is written, blue cannot be asked any more.
        pair.before("PutParameter", "\"Value\":\"green\"", 0, |world| {
            world.environments.of_mut(Color::Blue).web_is_up = false;
        });
        let pair = switched(pair, "green").await;
        assert_eq!(running(&pair, Color::Green), wanted);
    });
}

#[test]
fn where_the_active_answers_too_late_before_a_switch_the_remembered_list_counts() {
    play(MANAGED, |pair: Pair| async move {
        let pair = settled(pair).await;
        let wanted = running(&pair, Color::Blue);
        set_paused(&pair, Color::Blue, "daily", true);
        pair.environment(Color::Blue, |environment, _| environment.web_is_up = false);
        let answer = pair
            .ask(json!({"to": "green", "force": true, "reason": "blue is slow"}))
            .await;
        assert_eq!(outcome(&answer), "switched", "{answer:#}");
        assert_eq!(running(&pair, Color::Green), wanted);
    });
}

#[test]
fn what_is_settled_is_left_alone() {
    play(MANAGED, |pair: Pair| async move {
        let pair = settled(pair).await;
        set_paused(&pair, Color::Blue, "daily", true);
        for tick in pair.minutes(6).await {
            assert_eq!(state(&tick), "settled", "{tick:#}");
        }
        assert!(
            !running(&pair, Color::Blue).contains(&"daily".to_owned()),
            "a person wants that"
        );
    });
}

#[test]
fn what_a_late_tick_of_the_earlier_color_has_paused_is_unpaused_again() {
    play(MANAGED, |pair: Pair| async move {
        let pair = settled(pair).await;
        let wanted = running(&pair, Color::Blue);
        let pair = switched(pair, "green").await;
        pair.pass(5).await;
        set_paused(&pair, Color::Green, "hourly", true);
        pair.minutes(5).await;
        assert_eq!(running(&pair, Color::Green), wanted);
    });
}

#[test]
fn an_active_that_cannot_list_its_dags_again_does_not_keep_the_others_running() {
    play(MANAGED, |pair: Pair| async move {
        let pair = settled(pair).await;
        let pair = switched(pair, "green").await;
        pair.refuse("InvokeRestApi", LIST_OF_GREEN);
        let ticks = pair.minutes(14).await;
        assert_eq!(
            running(&pair, Color::Blue),
            Vec::<String>::new(),
            "{:#}",
            ticks.last().unwrap()
        );
        pair.mend();
        let ticks = pair.minutes(2).await;
        assert_eq!(state(ticks.last().unwrap()), "settled");
    });
}

#[test]
fn what_people_have_set_where_nothing_was_ever_listed_counts() {
    play(MANAGED, |pair: Pair| async move {
        pair.environment(Color::Blue, |environment, _| environment.web_is_up = false);
        let pair = pair.started().await;
        for dag in running(&pair, Color::Green) {
            set_paused(&pair, Color::Green, &dag, dag != "hourly");
        }
        let answer = pair.ask(json!({"to": "green", "force": true, "reason": "x"})).await;
        assert_eq!(outcome(&answer), "switched", "{answer:#}");
        pair.hear().await;
        // Now it could be asked what ran on blue, but people have decided already.
        pair.environment(Color::Blue, |environment, _| environment.web_is_up = true);
        let ticks = pair.minutes(14).await;
        assert_eq!(state(ticks.last().unwrap()), "settled", "{:#}", ticks.last().unwrap());
        assert_eq!(running(&pair, Color::Green), ["hourly"]);
        assert_eq!(running(&pair, Color::Blue), Vec::<String>::new());
    });
}

#[test]
fn a_list_that_came_too_late_is_not_believed() {
    play(MANAGED, |pair: Pair| async move {
        let pair = settled(pair).await;
        let name = pair.settings.names.managed_dags();
        let before = pair.stored(&name).unwrap()["unpaused"].clone();
        pair.before("InvokeRestApi", LIST_OF_BLUE, 0, |world| {
            slow_down(world, Some(Color::Blue), 21_000, 30);
        });
        set_paused(&pair, Color::Blue, "daily", true);
        pair.minutes(1).await;
        assert_eq!(
            pair.stored(&name).unwrap()["unpaused"],
            before,
            "it may be of before a transition"
        );
        pair.minutes(3).await;
        assert_ne!(pair.stored(&name).unwrap()["unpaused"], before);
    });
}

#[test]
fn half_a_list_is_not_believed() {
    play(MANAGED, |pair: Pair| async move {
        let pair = settled(pair).await;
        let name = pair.settings.names.managed_dags();
        let before = pair.stored(&name).unwrap();
        pair.refuse("InvokeRestApi", LIST_OF_BLUE);
        pair.minutes(3).await;
        let after = pair.stored(&name).unwrap();
        assert_eq!(
            (&after["unpaused"], &after["dags"]),
            (&before["unpaused"], &before["dags"])
        );
    });
}

/// A pair whose new active lacks "hourly", which ran on the other color.
async fn without_hourly(pair: Pair) -> (Pair, usize) {
    let pair = settled(pair).await;
    let missing = number_of(&pair, "hourly");
    bring(&pair, Color::Green, missing, false);
    let pair = switched(pair, "green").await;
    pair.minutes(12).await;
    (pair, missing)
}

#[test]
fn a_dag_that_appears_long_after_a_switch_is_unpaused_and_counted() {
    play(MANAGED, |pair: Pair| async move {
        let (pair, missing) = without_hourly(pair).await;
        bring(&pair, Color::Green, missing, true);
        let ticks = pair.minutes(3).await;
        assert!(running(&pair, Color::Green).contains(&"hourly".to_owned()));
        let unpaused: Vec<i64> = ticks
            .iter()
            .filter_map(|tick| tick["dag_management"]["unpaused"].as_i64())
            .collect();
        assert_eq!(unpaused.iter().sum::<i64>(), 1, "{unpaused:?}");
    });
}

#[test]
fn a_dag_that_is_owed_stays_owed_while_the_other_color_cannot_be_asked() {
    play(MANAGED, |pair: Pair| async move {
        let (pair, missing) = without_hourly(pair).await;
        pair.environment(Color::Blue, |environment, _| environment.web_is_up = false);
        pair.minutes(12).await;
        bring(&pair, Color::Green, missing, true);
        pair.minutes(3).await;
        assert!(running(&pair, Color::Green).contains(&"hourly".to_owned()));
    });
}

#[test]
fn a_dag_that_both_colors_have_lost_is_owed_no_more() {
    play(MANAGED, |pair: Pair| async move {
        let (pair, missing) = without_hourly(pair).await;
        bring(&pair, Color::Blue, missing, false);
        pair.minutes(12).await;
        let stored = pair.stored(&pair.settings.names.managed_dags()).unwrap();
        assert!(stored["pending_unpause"].is_null(), "it was deleted: {stored:#}");
        // A new one of that name comes, paused.
        bring(&pair, Color::Green, missing, true);
        pair.minutes(6).await;
        assert!(!running(&pair, Color::Green).contains(&"hourly".to_owned()));
    });
}

#[test]
fn a_dag_is_owed_while_the_active_cannot_list_whether_it_has_it() {
    play(MANAGED, |pair: Pair| async move {
        let (pair, missing) = without_hourly(pair).await;
        bring(&pair, Color::Blue, missing, false);
        pair.refuse("InvokeRestApi", LIST_OF_GREEN);
        pair.minutes(3).await;
        let stored = pair.stored(&pair.settings.names.managed_dags()).unwrap();
        assert!(stored["pending_unpause"].is_object(), "{stored:#}");
    });
}

#[test]
fn a_long_list_is_kept_in_parts_which_are_written_once_and_removed_in_the_end() {
    play(MANAGED, |pair: Pair| async move {
        let pair = with_many_dags(settled(pair).await, 30).await;
        let parts = |pair: &Pair| -> Vec<String> {
            let path = format!("{}/", pair.settings.names.managed_dags());
            let world = pair.world.lock();
            world.store.names_below(&path).map(str::to_owned).collect()
        };
        let first = parts(&pair);
        assert!(!first.is_empty());
        pair.forget();
        pair.minutes(6).await;
        assert_eq!(pair.count("PutParameter", "managed-dags/"), 0);
        let wanted = running(&pair, Color::Blue);
        // Another list, and after some time another one: nothing refers to the first any more.
        for number in [10, 11, 12] {
            set_paused(&pair, Color::Blue, &id(&pair, number), true);
            pair.minutes(3).await;
            pair.pass(900).await;
        }
        let last = parts(&pair);
        assert!(
            !last.is_empty() && first.iter().all(|part| !last.contains(part)),
            "{first:?} {last:?}"
        );
        let pair = switched(pair, "green").await;
        let paused: Vec<String> = (10..13).map(|number| id(&pair, number)).collect();
        let still: Vec<String> = wanted.into_iter().filter(|dag| !paused.contains(dag)).collect();
        assert_eq!(running(&pair, Color::Green), still);
    });
}

#[test]
fn a_long_list_of_what_is_owed_is_written_once() {
    play(MANAGED, |pair: Pair| async move {
        let pair = with_many_dags(settled(pair).await, 30).await;
        let wanted = running(&pair, Color::Blue);
        for number in 4..34 {
            bring(&pair, Color::Green, number, false);
        }
        let pair = switched(pair, "green").await;
        pair.minutes(12).await;
        pair.forget();
        pair.minutes(3).await;
        assert_eq!(pair.count("PutParameter", "managed-dags/"), 0, "it has not changed");
        lose_dags(&pair, Color::Green, true);
        pair.minutes(3).await;
        assert_eq!(running(&pair, Color::Green), wanted);
    });
}

#[test]
fn a_run_that_the_old_color_has_begun_is_waited_for_as_long_as_the_drain_takes() {
    play(MANAGED, |pair: Pair| async move {
        let pair = settled(pair).await;
        // Blue's "quarterly" begins at each quarter, and takes minutes now and then.
        let busy = |pair: &Pair| -> Vec<String> {
            let world = pair.world.lock();
            let here = world.airflow.sides.blue.dags.iter().zip(&world.airflow.dags);
            here.filter(|(here, _)| here.runs.values().any(|run| !run.has_ended()))
                .map(|(_, dag)| dag.id.clone())
                .collect()
        };
        for _ in 0..200 {
            pair.pass(20).await;
            if !busy(&pair).is_empty() {
                break;
            }
        }
        let dag = busy(&pair).first().unwrap().clone();
        let pair = switched(pair, "green").await;
        let mut was_busy = 0;
        for _ in 0..12 {
            let before = busy(&pair);
            let tick = pair.minutes(1).await.remove(0);
            if before.contains(&dag) && busy(&pair).contains(&dag) && state(&tick) == "draining" {
                was_busy += 1;
                assert!(running(&pair, Color::Blue).contains(&dag), "{tick:#}");
            }
        }
        assert!(was_busy > 0, "{dag} ended at once");
        assert_eq!(running(&pair, Color::Blue), Vec::<String>::new());
    });
}

#[test]
fn a_standby_that_refuses_is_not_fenced_until_it_does_not_any_more() {
    play(MANAGED, |pair: Pair| async move {
        let pair = switched(settled(pair).await, "green").await;
        pair.refuse("InvokeRestApi", LIST_OF_BLUE);
        let ticks = pair.minutes(3).await;
        assert_eq!(
            state(ticks.last().unwrap()),
            "not-fenced",
            "{:#}",
            ticks.last().unwrap()
        );
        pair.mend();
        pair.refuse("InvokeRestApi", PAUSE_BLUE);
        let ticks = pair.minutes(1).await;
        assert_eq!(
            state(ticks.last().unwrap()),
            "not-fenced",
            "{:#}",
            ticks.last().unwrap()
        );
        pair.mend();
        let ticks = pair.minutes(8).await;
        assert_eq!(state(ticks.last().unwrap()), "settled", "{:#}", ticks.last().unwrap());
    });
}

#[test]
fn dags_are_paused_only_while_the_very_same_version_of_the_flag_stands() {
    play(MANAGED, |pair: Pair| async move {
        let pair = switched(settled(pair).await, "green").await;
        pair.pass(400).await;
        let flag = pair.settings.names.flag().to_owned();
        let wanted = running(&pair, Color::Blue);
        // Somebody goes back and returns meanwhile: the color is the same, but what was decided is of before.
        pair.before("GetParameters", &flag.clone(), 1, move |world| {
            by_hand(world, &flag, Some("blue"));
            by_hand(world, &flag, Some("green"));
        });
        let tick = pair.tick().await;
        assert_eq!(running(&pair, Color::Blue), wanted, "{tick:#}");
        assert!(
            tick["dag_management"]["detail"]
                .as_str()
                .unwrap_or_default()
                .contains("the flag may have changed"),
            "{tick:#}"
        );
    });
}

#[test]
fn a_standby_that_is_slow_is_paused_by_a_later_tick() {
    for slow in [LIST_OF_BLUE, PAUSE_BLUE] {
        play(MANAGED, move |pair: Pair| async move {
            let pair = switched(settled(pair).await, "green").await;
            pair.pass(60).await;
            pair.before("InvokeRestApi", slow, 0, |world| {
                slow_down(world, Some(Color::Blue), 120_000, 100);
            });
            let tick = pair.tick().await;
            assert_eq!(state(&tick), "draining", "{tick:#}");
            assert_eq!(
                tick["dag_management"]["detail"],
                "blue's DAGs are being paused; the next tick goes on"
            );
            pair.pass(120).await;
            let ticks = pair.minutes(2).await;
            assert_eq!(state(ticks.last().unwrap()), "settled", "{ticks:#?}");
        });
    }
}

#[test]
fn an_active_that_is_slow_is_unpaused_by_a_later_tick() {
    play(MANAGED, |pair: Pair| async move {
        let pair = settled(pair).await;
        let wanted = running(&pair, Color::Blue);
        pair.before("InvokeRestApi", UNPAUSE_GREEN, 0, |world| {
            slow_down(world, Some(Color::Green), 120_000, 100);
        });
        let answer = pair.ask(json!({"to": "green"})).await;
        assert_eq!(outcome(&answer), "switched");
        assert_eq!(
            (state(&answer), answer["dag_management"]["detail"].as_str()),
            (
                "activating",
                Some("green's DAGs are being unpaused; the next tick goes on")
            ),
            "{answer:#}"
        );
        pair.hear().await;
        pair.pass(120).await;
        pair.minutes(2).await;
        assert_eq!(running(&pair, Color::Green), wanted);
    });
}
