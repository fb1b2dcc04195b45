//! Readings that are behind: what was read before, or beside, shows it.

use bluegreen_simulation::clock::Milliseconds;
use serde_json::json;

use crate::pair::{Pair, by_hand, outcome, play};
use crate::trouble::go_back;
use crate::wire::Sent;

/// A pair that was switched a moment ago, by the instance "one".
async fn switched(pair: Pair) -> Pair {
    let pair = pair.started().await;
    pair.pass(900).await;
    let answer = pair.ask_on("one", "r-one", json!({"to": "green"})).await.unwrap();
    assert_eq!(outcome(&answer), "switched", "{answer:#}");
    pair
}

#[test]
fn a_second_reading_that_went_back_is_read_again() {
    play(&[], |pair: Pair| async move {
        let pair = switched(pair).await;
        let name = "active-environment";
        pair.forget();
        pair.before("GetParameters", name, 1, |world| {
            go_back(world, "GetParameters", 3000, 1);
        });
        let answer = pair.ask_on("two", "r-2", json!({"to": "green"})).await.unwrap();
        assert_eq!(
            (outcome(&answer), pair.flag().unwrap().1),
            ("unchanged", 2),
            "{answer:#}"
        );
        assert_eq!(answer["active"], "green");
        assert!(pair.count("GetParameters", name) > 2, "it was read again");
    });
}

#[test]
fn a_reading_behind_its_history_is_read_again() {
    for operation in ["GetParameters", "GetParameterHistory"] {
        play(&[], move |pair: Pair| async move {
            let pair = switched(pair).await;
            go_back(&mut pair.world.lock(), operation, 3000, 1);
            pair.forget();
            let answer = pair.ask_on("two", "r-2", json!({"action": "status"})).await.unwrap();
            assert_eq!(
                (outcome(&answer), &answer["active"]),
                ("status", &json!("green")),
                "{answer:#}"
            );
            assert!(pair.count(operation, "active-environment") > 2, "{operation}");
        });
    }
}

#[test]
fn a_request_finds_that_it_was_carried_out_though_the_history_is_behind() {
    play(&[], |pair: Pair| async move {
        let pair = switched(pair).await;
        go_back(&mut pair.world.lock(), "GetParameterHistory", 3000, 1);
        let answer = pair.ask_on("two", "r-one", json!({"to": "green"})).await.unwrap();
        assert_eq!(
            (outcome(&answer), &answer["repeat"]),
            ("switched", &json!(true)),
            "{answer:#}"
        );
        assert_eq!(pair.flag().unwrap().1, 2);
    });
}

#[test]
fn status_reads_twice_half_a_second_apart_and_lists_the_standbys_runs_once() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.pass(900).await;
        pair.forget();
        let began = pair.now();
        let status = pair.ask(json!({"action": "status"})).await;
        let of_flag = |sent: &Sent| sent.operation == "GetParameters" && sent.text.contains("active-environment");
        let read = pair.sent().into_iter().filter(of_flag).map(|sent| sent.at - began);
        let read: Vec<Milliseconds> = read.collect();
        assert!(read.len() == 2 && read[0] == 0 && read[1] >= 500, "{read:?}");
        let lists = |color: &str| {
            let of = |sent: &&Sent| sent.text.contains("dagRuns") && sent.text.contains(color);
            pair.sent().iter().filter(of).count()
        };
        assert_eq!((lists("blue"), lists("green")), (0, 1), "{status:#}");
    });
}

#[test]
fn a_process_does_not_believe_what_is_older_than_what_it_wrote() {
    play(&[], |pair: Pair| async move {
        let pair = switched(pair).await;
        for operation in ["GetParameters", "GetParameterHistory"] {
            go_back(&mut pair.world.lock(), operation, 3000, 1);
        }
        let status = pair
            .ask_on("one", "r-status", json!({"action": "status"}))
            .await
            .unwrap();
        assert_eq!(
            (&status["active"], &status["version"]),
            (&json!("green"), &json!(2)),
            "{status:#}"
        );
    });
}

/// A pair whose flag somebody else writes between two readings of the next request.
async fn about_to_change(pair: Pair) -> Pair {
    let pair = pair.started().await;
    pair.pass(900).await;
    let flag = pair.settings.names.flag().to_owned();
    pair.before("GetParameters", &flag.clone(), 1, move |world| {
        by_hand(world, &flag, Some("green"));
    });
    pair.forget();
    pair
}

#[test]
fn status_lists_the_runs_of_the_color_that_stands_by_in_the_end() {
    play(&[], |pair: Pair| async move {
        let pair = about_to_change(pair).await;
        let status = pair.ask(json!({"action": "status"})).await;
        assert_eq!(status["active"], "green", "{status:#}");
        assert!(
            status["in_flight"]["blue"].is_object() && status["in_flight"]["green"].is_null(),
            "{status:#}"
        );
    });
}

#[test]
fn a_check_of_a_standby_that_has_become_active_is_made_again() {
    play(&[], |pair: Pair| async move {
        let pair = about_to_change(pair).await;
        let check = pair.ask(json!({"action": "check"})).await;
        assert_eq!(check["active"], "green", "{check:#}");
        assert_eq!(pair.count("InvokeRestApi", "importErrors"), 4, "both colors, twice");
    });
}
