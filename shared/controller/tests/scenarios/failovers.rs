//! Requests for a failover and a rollback: which evidence they wait for, and where they go.

use bluegreen_core::color::Color;
use serde_json::json;

use crate::drills::{QUIET, begin, rested};
use crate::pair::{Pair, outcome, play, reason};
use crate::trouble::slow_down;

#[test]
fn a_forced_failover_does_not_wait_for_a_standby_that_is_silent() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.kill(Color::Blue);
        pair.pass(60).await;
        slow_down(&mut pair.world.lock(), Some(Color::Green), 20_000, 3600);
        let forced = pair
            .ask(json!({"action": "failover", "to": "green", "force": true, "reason": "x"}))
            .await;
        assert_eq!(outcome(&forced), "switched", "{forced:#}");
        assert!(forced["elapsed_ms"].as_i64().unwrap() < 5000, "{forced:#}");
    });
}

#[test]
fn a_forced_failover_waits_for_the_actives_last_sign_of_life() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.kill(Color::Blue);
        let dead = pair.at();
        pair.pass(300).await;
        slow_down(&mut pair.world.lock(), Some(Color::Blue), 4000, 3600);
        let forced = pair
            .ask(json!({"action": "failover", "to": "green", "force": true, "reason": "x"}))
            .await;
        assert_eq!(outcome(&forced), "switched", "{forced:#}");
        let from: jiff::Timestamp = forced["effective_from"].as_str().unwrap().parse().unwrap();
        assert!((from - dead).get_seconds().abs() < 70, "{forced:#}");
    });
}

#[test]
fn a_rollback_goes_by_the_transition_and_not_by_what_was_mended_by_hand() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, Some("purple"));
        pair.by_hand(&flag, Some("green"));
        pair.pass(60).await;
        let back = pair.ask(json!({"action": "rollback"})).await;
        assert_eq!(
            (outcome(&back), pair.flag().unwrap().0.as_str()),
            ("switched", "blue"),
            "{back:#}"
        );
    });
}

#[test]
fn after_a_drill_there_is_nothing_to_go_back_from_also_where_the_flag_was_mended_by_hand() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.minutes(8).await;
        assert_eq!(pair.flag().unwrap(), ("blue".to_owned(), 3));
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, Some("purple"));
        pair.by_hand(&flag, Some("blue"));
        let back = pair.ask(json!({"action": "rollback"})).await;
        assert_eq!((outcome(&back), pair.flag().unwrap().1), ("refused", 5), "{back:#}");
        assert!(reason(&back).contains("there is nothing to go back from"), "{back:#}");
    });
}
