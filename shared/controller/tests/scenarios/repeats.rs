//! Requests that Lambda delivers twice: the second delivery says what the first one did, and does nothing.

use bluegreen_core::color::Color;
use serde_json::json;

use crate::pair::{Pair, outcome, play, reason};
use crate::trouble::{go_back, silence};

#[test]
fn a_switch_that_was_carried_out_says_so_and_what_has_come_since() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let request = json!({"to": "green", "reason": "deploy"});
        let first = pair.ask_as("r-switch", request.clone()).await.unwrap();
        let again = pair.ask_as("r-switch", request.clone()).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"], pair.flag().unwrap().1),
            ("switched", &json!(true), 2),
            "{again}"
        );
        assert!(
            reason(&again).starts_with("this request was carried out before, at ")
                && reason(&again).ends_with(": deploy"),
            "{again}"
        );
        assert_eq!(
            (
                &again["previous"],
                &again["transition"],
                &again["effective_from"],
                &again["version"]
            ),
            (
                &first["previous"],
                &first["transition"],
                &first["effective_from"],
                &first["version"]
            )
        );
        pair.ask(json!({"to": "blue", "force": true, "reason": "back"})).await;
        pair.pass(300).await;
        let again = pair.ask_as("r-switch", request.clone()).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["active"], pair.flag().unwrap().1),
            ("switched", &json!("blue"), 3),
            "{again}"
        );
        assert!(
            reason(&again).ends_with("since then the flag was written again: it holds blue at version 3"),
            "{again}"
        );
        // A later version of the same color is nothing to speak of.
        pair.ask(json!({"to": "green", "force": true, "reason": "forth"})).await;
        let again = pair.ask_as("r-switch", request.clone()).await.unwrap();
        assert!(!reason(&again).contains("since then"), "{again}");
        // A dry run is never a repeat.
        let dry = pair
            .ask_as("r-switch", json!({"to": "green", "dry_run": true}))
            .await
            .unwrap();
        assert_eq!(outcome(&dry), "unchanged", "{dry}");
        // After two days nothing is delivered again, and nobody looks for it.
        pair.pass(50 * 3600).await;
        pair.forget();
        let late = pair.ask_as("r-switch", request).await.unwrap();
        assert_eq!(outcome(&late), "unchanged", "{late}");
    });
}

#[test]
fn a_refusal_is_repeated_even_if_nothing_objects_any_more() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.kill(Color::Green);
        pair.minutes(6).await;
        let request = json!({"to": "green"});
        let refused = pair.ask_as("r-switch", request.clone()).await.unwrap();
        assert_eq!(outcome(&refused), "refused", "{refused}");
        pair.heal(Color::Green);
        pair.minutes(3).await;
        let again = pair.ask_as("r-switch", request.clone()).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"], pair.flag().unwrap().1),
            ("refused", &json!(true), 1),
            "{again}"
        );
        assert!(
            reason(&again).starts_with("this request was answered before, at "),
            "{again}"
        );
        let other = pair.ask_as("r-other", request).await.unwrap();
        assert_eq!((outcome(&other), pair.flag().unwrap().1), ("switched", 2), "{other}");
    });
}

#[test]
fn a_rollback_and_a_failover_are_not_carried_out_twice() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        let back = json!({"action": "rollback"});
        pair.ask_as("r-back", back.clone()).await.unwrap();
        let again = pair.ask_as("r-back", back).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"], pair.flag().unwrap()),
            ("switched", &json!(true), ("blue".to_owned(), 3)),
            "{again}"
        );
        let fail = json!({"action": "failover", "to": "green", "force": true, "reason": "x"});
        pair.ask_as("r-fail", fail.clone()).await.unwrap();
        let again = pair.ask_as("r-fail", fail).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"], pair.flag().unwrap()),
            ("switched", &json!(true), ("green".to_owned(), 4)),
            "{again}"
        );
        let made = pair.ask_as("r-init", json!({"action": "initialize"})).await.unwrap();
        assert_eq!(outcome(&made), "unchanged", "{made}");
    });
}

#[test]
fn an_initialization_that_was_carried_out_says_so() {
    play(&[], |pair: Pair| async move {
        let request = json!({"action": "initialize", "to": "green"});
        let first = pair.ask_as("r-init", request.clone()).await.unwrap();
        assert!(first["repeat"].is_null() || first["repeat"] == false, "{first}");
        let again = pair.ask_as("r-init", request.clone()).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"]),
            ("initialized", &json!(true)),
            "{again}"
        );
        let dry = pair
            .ask_as("r-init", json!({"action": "initialize", "dry_run": true}))
            .await
            .unwrap();
        assert_eq!(outcome(&dry), "unchanged", "{dry}");
    });
}

#[test]
fn two_deliveries_at_once_make_one_transition_and_give_one_answer() {
    for delay in [0, 30, 90] {
        play(&[], |pair: Pair| async move {
            let pair = pair.started().await;
            let request = json!({"to": "green", "reason": "deploy"});
            let (one, two) = tokio::join!(pair.ask_on("one", "r-switch", request.clone()), async {
                tokio::time::sleep(std::time::Duration::from_millis(delay)).await;
                pair.ask_on("two", "r-switch", request.clone()).await
            });
            let (one, two) = (one.unwrap(), two.unwrap());
            assert_eq!(
                (outcome(&one), outcome(&two)),
                ("switched", "switched"),
                "after {delay} ms: {one:#} {two:#}"
            );
            assert_eq!((&one["transition"], pair.flag().unwrap().1), (&two["transition"], 2));
        });
    }
}

#[test]
fn a_delivery_whose_other_one_claimed_and_died_fails_so_that_it_is_delivered_again() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let flag = format!("\"{}\"", pair.settings.names.flag());
        pair.deny("PutParameter", &flag);
        let request = json!({"to": "green", "reason": "deploy"});
        pair.ask_as("r-switch", request.clone()).await.unwrap_err();
        pair.mend();
        let error = pair.ask_as("r-switch", request.clone()).await.unwrap_err().to_string();
        assert!(
            error.contains("carrying out this request, which was delivered before"),
            "{error}"
        );
        assert_eq!(pair.flag().unwrap().1, 1);
        pair.pass(120).await;
        let third = pair.ask_as("r-switch", request).await.unwrap();
        assert_eq!((outcome(&third), pair.flag().unwrap().1), ("switched", 2), "{third}");
    });
}

#[test]
fn a_request_that_was_begun_is_not_carried_out_on_a_flag_that_was_made_again() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let request = json!({"to": "green", "reason": "deploy"});
        let flag = pair.settings.names.flag().to_owned();
        pair.deny("PutParameter", &format!("\"{flag}\""));
        pair.ask_as("r-switch", request.clone()).await.unwrap_err();
        pair.mend();
        pair.pass(30).await;
        pair.by_hand(&flag, None);
        pair.lose_events();
        pair.pass(60).await;
        pair.by_hand(&flag, Some("blue"));
        pair.pass(60).await;
        let again = pair.ask_as("r-switch", request).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"], pair.flag().unwrap().0.as_str()),
            ("refused", &json!(true), "blue"),
            "{again}"
        );
        assert!(
            reason(&again).contains("the flag was deleted and re-created since"),
            "{again}"
        );
    });
}

#[test]
fn a_request_that_was_begun_waits_until_the_past_can_be_read() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let request = json!({"to": "green", "reason": "deploy"});
        let flag = pair.settings.names.flag().to_owned();
        pair.deny("PutParameter", &format!("\"{flag}\""));
        pair.ask_as("r-switch", request.clone()).await.unwrap_err();
        pair.mend();
        pair.pass(120).await;
        pair.refuse("GetParameterHistory", "");
        let error = pair.ask_as("r-switch", request.clone()).await.unwrap_err().to_string();
        assert!(error.contains("which has come before"), "{error}");
        pair.mend();
        let again = pair.ask_as("r-switch", request).await.unwrap();
        assert_eq!((outcome(&again), pair.flag().unwrap().1), ("switched", 2), "{again}");
    });
}

#[test]
fn a_request_that_was_begun_is_not_carried_out_while_the_history_answers_nothing() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        // It does not wait long for anything.
        let request = json!({"to": "green", "force": true, "reason": "deploy"});
        let flag = pair.settings.names.flag().to_owned();
        pair.deny("PutParameter", &format!("\"{flag}\""));
        pair.ask_as("r-switch", request.clone()).await.unwrap_err();
        pair.mend();
        pair.pass(120).await;
        silence(&mut pair.world.lock(), "GetParameterHistory", 60);
        let error = pair.ask_as("r-switch", request.clone()).await.unwrap_err().to_string();
        assert!(error.contains("which has come before"), "{error}");
        assert_eq!(pair.flag().unwrap().1, 1);
        pair.pass(60).await;
        let again = pair.ask_as("r-switch", request).await.unwrap();
        assert_eq!((outcome(&again), pair.flag().unwrap().1), ("switched", 2), "{again}");
    });
}

#[test]
fn an_answer_that_cannot_be_remembered_is_given_all_the_same() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.refuse("PutParameter", &format!("\"{}\"", pair.settings.names.answered()));
        let answer = pair.ask(json!({"to": "green"})).await;
        assert_eq!(outcome(&answer), "switched", "{answer}");
        let answer = pair.ask(json!({"action": "hold", "minutes": 5, "reason": "x"})).await;
        assert_eq!(outcome(&answer), "held", "{answer}");
    });
}

#[test]
fn requests_that_change_nothing_remember_nothing() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.forget();
        for request in [
            json!({"action": "status"}),
            json!({"action": "history"}),
            json!({"action": "check"}),
            json!({"action": "run-report"}),
            json!({"to": "green", "dry_run": true}),
        ] {
            pair.ask(request.clone()).await;
            assert_eq!(pair.written(), Vec::<String>::new(), "{request}");
        }
    });
}

#[test]
fn a_switch_of_a_pair_at_rest_costs_few_requests() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.forget();
        pair.ask(json!({"to": "green", "dry_run": true})).await;
        pair.ask(json!({"action": "drill", "mode": "dry"})).await;
        // The first version was created: no request has changed the flag, so nothing of the past is read.
        assert_eq!(pair.count("GetParameterHistory", ""), 0, "{:#?}", pair.sent());
    });
}

#[test]
fn a_stale_reading_is_not_presented_as_truth() {
    use crate::pair::by_hand;
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let flag = pair.settings.names.flag().to_owned();
        // Somebody writes the flag right after the first reading of a request that finds nothing to do.
        let name = flag.clone();
        pair.before("GetParameters", "", 1, move |world| {
            by_hand(world, &name, Some("green"));
        });
        let answer = pair
            .ask(json!({"to": "blue", "dry_run": true, "force": true, "reason": "x"}))
            .await;
        assert_eq!(
            (outcome(&answer), &answer["version"]),
            ("would_switch", &json!(2)),
            "{answer}"
        );
        assert!(pair.count("GetParameters", "") >= 3);
    });
}

#[test]
fn an_answer_that_claims_nothing_is_read_twice_half_a_second_apart() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.forget();
        let began = pair.now();
        let answer = pair.ask(json!({"to": "blue"})).await;
        assert_eq!(outcome(&answer), "unchanged");
        let asked: Vec<i64> = pair
            .sent()
            .iter()
            .filter(|sent| sent.operation == "GetParameters" && sent.text.contains("active-environment"))
            .map(|sent| sent.at)
            .collect();
        assert!(asked.len() >= 2 && asked[1] - asked[0] >= 450, "{asked:?} from {began}");
    });
}

#[test]
fn what_was_answered_is_known_although_the_history_lags_behind() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let request = json!({"to": "blue"});
        let first = pair.ask_as("r-same", request.clone()).await.unwrap();
        assert_eq!(outcome(&first), "unchanged");
        pair.ask(json!({"to": "green"})).await;
        // The history does not show the newest version at first, so it is read again.
        go_back(&mut pair.world.lock(), "GetParameterHistory", 1000, 1);
        let again = pair.ask_as("r-same", request).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"], pair.flag().unwrap().1),
            ("unchanged", &json!(true), 2),
            "{again}"
        );
    });
}

#[test]
fn an_answer_says_how_long_it_took() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let began = pair.now();
        let answer = pair.ask(json!({"to": "green"})).await;
        let took = answer["elapsed_ms"].as_i64().unwrap();
        assert!(took > 100 && took <= pair.now() - began, "{answer}");
    });
}
