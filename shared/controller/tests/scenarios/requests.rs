//! Requests of people: what each does, and what it says when something stands in its way.

use bluegreen_core::color::Color;
use serde_json::json;

use crate::pair::{Pair, by_hand, outcome, play, reason};

#[test]
fn a_switch_says_what_it_wrote() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let dry = pair
            .ask(json!({"to": "green", "dry_run": true, "reason": "deploy"}))
            .await;
        assert_eq!(
            (outcome(&dry), pair.flag().unwrap().0.as_str()),
            ("would_switch", "blue")
        );
        let answer = pair
            .ask(json!({"to": "green", "reason": "deploy", "requested_by": "ana"}))
            .await;
        assert_eq!((outcome(&answer), reason(&answer)), ("switched", "deploy"));
        assert_eq!(
            (&answer["active"], &answer["previous"], &answer["version"]),
            (&json!("green"), &json!("blue"), &json!(2))
        );
        assert_eq!(answer["warnings"], json!([]));
        let record = answer["transition"].as_str().unwrap();
        let record = pair.stored(&pair.settings.names.transition(record)).unwrap();
        assert_eq!(record["actor"]["requested_by"], "ana");
        assert_eq!(record["actor"]["function"], "switch-handler");
        assert_eq!(
            (
                &record["trigger"]["type"],
                record["trigger"]["id"] == record["actor"]["request_id"]
            ),
            (&json!("invoke"), true)
        );
        assert_eq!(record["kind"], "switch");
        let again = pair.ask(json!({"to": "green"})).await;
        assert_eq!(outcome(&again), "unchanged", "another request");
        assert!(reason(&again).starts_with("green is active already"), "{again}");
        let none = pair.ask(json!({"to": "blue", "expect": {"active": "blue"}})).await;
        assert_eq!(outcome(&none), "refused", "{none}");
        // Force does not override what was expected.
        let forced = pair
            .ask(json!({"to": "blue", "force": true, "reason": "x", "expect": {"active": "blue"}}))
            .await;
        assert_eq!(
            (outcome(&forced), pair.flag().unwrap().0.as_str()),
            ("refused", "green"),
            "{forced}"
        );
    });
}

#[test]
fn a_switch_to_a_dead_color_needs_force() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.kill(Color::Green);
        pair.minutes(6).await;
        let answer = pair.ask(json!({"to": "green"})).await;
        assert_eq!(
            (outcome(&answer), pair.flag().unwrap().0.as_str()),
            ("refused", "blue"),
            "{answer}"
        );
        assert!(
            answer["preconditions"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["passed"] == false)
        );
        let began = pair.now();
        pair.refuse("InvokeRestApi", "orders-green");
        let answer = pair
            .ask(json!({"to": "green", "force": true, "reason": "I know"}))
            .await;
        assert_eq!(
            (outcome(&answer), pair.flag().unwrap().0.as_str()),
            ("switched", "green"),
            "{answer}"
        );
        assert!(
            pair.now() - began < 6000,
            "it waits two seconds at most for what it ignores"
        );
        let record = pair.settings.names.transition(answer["transition"].as_str().unwrap());
        assert!(
            !pair.stored(&record).unwrap()["evidence"]["overridden"]
                .as_array()
                .unwrap()
                .is_empty()
        );
    });
}

#[test]
fn a_rollback_goes_back_to_the_color_before_and_says_when_there_is_none() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let none = pair.ask(json!({"action": "rollback"})).await;
        assert_eq!(outcome(&none), "refused");
        assert!(reason(&none).starts_with("there is nothing to go back to"), "{none}");
        pair.ask(json!({"to": "green"})).await;
        let dry = pair.ask(json!({"action": "rollback", "dry_run": true})).await;
        assert_eq!((outcome(&dry), pair.flag().unwrap().1), ("would_switch", 2), "{dry}");
        let back = pair.ask(json!({"action": "rollback", "requested_by": "ana"})).await;
        assert_eq!(
            (outcome(&back), reason(&back)),
            ("switched", "back to blue on demand"),
            "{back}"
        );
        assert_eq!(pair.flag().unwrap(), ("blue".to_owned(), 3));
        let record = pair.settings.names.transition(back["transition"].as_str().unwrap());
        assert_eq!(pair.stored(&record).unwrap()["kind"], "rollback");
        // A later edit by hand that writes the same color does not change what came before.
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, Some("blue"));
        let forth = pair.ask(json!({"action": "rollback"})).await;
        assert_eq!(
            (outcome(&forth), pair.flag().unwrap().0.as_str()),
            ("switched", "green"),
            "{forth}"
        );
    });
}

#[test]
fn after_a_drill_there_is_nothing_to_go_back_from() {
    play(&[("READINESS_INTERVAL_MINUTES", "0")], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.pass(600).await;
        let drill = pair.ask(json!({"action": "drill", "duration_minutes": 5})).await;
        assert_eq!(outcome(&drill), "pending", "{drill}");
        pair.minutes(8).await;
        assert_eq!(pair.flag().unwrap(), ("blue".to_owned(), 3));
        let none = pair.ask(json!({"action": "rollback"})).await;
        assert_eq!((outcome(&none), pair.flag().unwrap().1), ("refused", 3));
        assert!(
            reason(&none).contains("a drill of green ended and returned to blue"),
            "{none}"
        );
    });
}

#[test]
fn a_rollback_whose_history_cannot_be_read_is_not_carried_out() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        pair.refuse("GetParameterHistory", "");
        let error = pair.ask_as("r-x", json!({"action": "rollback"})).await.unwrap_err();
        assert!(error.to_string().contains("reading the flag's history"), "{error}");
        assert_eq!(pair.flag().unwrap().1, 2);
        // A switch does without.
        let answer = pair.ask(json!({"to": "blue", "force": true, "reason": "x"})).await;
        assert_eq!(outcome(&answer), "switched", "{answer}");
    });
}

#[test]
fn a_declared_failover_counts_from_the_last_sign_of_life() {
    play(&[("FAILURE_WINDOW_SECONDS", "600")], |pair: Pair| async move {
        let pair = pair.started().await;
        let alive = pair.ask(json!({"action": "failover", "reason": "it is odd"})).await;
        assert_eq!((outcome(&alive), pair.flag().unwrap().1), ("refused", 1), "{alive}");
        pair.kill(Color::Blue);
        let dead = pair.at();
        pair.minutes(4).await;
        assert_eq!(pair.flag().unwrap().1, 1);
        let dry = pair.ask(json!({"action": "failover", "dry_run": true})).await;
        assert_eq!((outcome(&dry), pair.flag().unwrap().1), ("would_switch", 1), "{dry}");
        assert!(dry["back_dating"].is_object(), "{dry}");
        let answer = pair.ask(json!({"action": "failover", "requested_by": "ana"})).await;
        assert_eq!(
            (outcome(&answer), pair.flag().unwrap().0.as_str()),
            ("switched", "green"),
            "{answer}"
        );
        assert!(
            reason(&answer).contains("blue has failed") && reason(&answer).starts_with("declared by a person"),
            "{answer}"
        );
        let from: jiff::Timestamp = answer["effective_from"].as_str().unwrap().parse().unwrap();
        assert!((from - dead).get_seconds().abs() < 60, "{answer}");
        assert!(answer["back_dating"].is_object(), "{answer}");
        assert!(answer["warnings"].as_array().unwrap().is_empty(), "{answer}");
        let named = pair.ask(json!({"action": "failover", "to": "green"})).await;
        assert_eq!((outcome(&named), pair.flag().unwrap().1), ("unchanged", 2), "{named}");
        assert!(!reason(&named).contains("drill"), "{named}");
    });
}

#[test]
fn a_failover_that_names_its_color_does_not_wait_for_the_history() {
    play(&[("FAILURE_WINDOW_SECONDS", "600")], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.kill(Color::Blue);
        pair.minutes(4).await;
        pair.refuse("GetParameterHistory", "");
        let error = pair.ask_as("r-x", json!({"action": "failover"})).await.unwrap_err();
        assert!(error.to_string().contains("carried out before"), "{error}");
        assert_eq!(pair.flag().unwrap().1, 1);
        // A dry run changes nothing, so it may be given twice.
        let dry = pair.ask(json!({"action": "failover", "dry_run": true})).await;
        assert_eq!(outcome(&dry), "would_switch", "{dry}");
        let answer = pair.ask(json!({"action": "failover", "to": "green"})).await;
        assert_eq!(
            (outcome(&answer), pair.flag().unwrap().0.as_str()),
            ("switched", "green"),
            "{answer}"
        );
        let warnings = answer["warnings"].to_string();
        assert!(warnings.contains("the flag's history could not be read"), "{answer}");
    });
}

#[test]
fn a_forced_failover_overrides_all_but_what_was_expected() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let unexpected =
            json!({"action": "failover", "to": "green", "force": true, "reason": "x", "expect": {"active": "green"}});
        let refused = pair.ask(unexpected).await;
        assert_eq!((outcome(&refused), pair.flag().unwrap().1), ("refused", 1), "{refused}");
        let forced = pair
            .ask(json!({"action": "failover", "to": "green", "force": true, "reason": "x", "expect": {"active": "blue"}}))
            .await;
        assert_eq!(
            (outcome(&forced), pair.flag().unwrap().0.as_str()),
            ("switched", "green"),
            "{forced}"
        );
        // With a broken flag it is unknown which color's runs are taken over.
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, Some("purple"));
        let broken = pair
            .ask(json!({"action": "failover", "to": "green", "force": true, "reason": "x"}))
            .await;
        assert_eq!(
            (outcome(&broken), pair.flag().unwrap().0.as_str()),
            ("refused", "purple"),
            "{broken}"
        );
        let repaired = pair
            .ask(json!({"to": "green", "force": true, "reason": "mend", "requested_by": "ana"}))
            .await;
        assert_eq!(outcome(&repaired), "switched", "{repaired}");
        let record = pair.settings.names.transition(repaired["transition"].as_str().unwrap());
        assert_eq!(pair.stored(&record).unwrap()["kind"], "restore");
    });
}

#[test]
fn without_a_flag_every_request_says_how_to_make_one() {
    play(&[], |pair: Pair| async move {
        for request in [
            json!({"to": "green"}),
            json!({"action": "rollback"}),
            json!({"action": "failover"}),
            json!({"action": "drill"}),
            json!({"action": "status"}),
            json!({"action": "history"}),
        ] {
            let answer = pair.ask(request.clone()).await;
            assert!(
                reason(&answer).contains("\"action\":\"initialize\""),
                "{request}: {answer}"
            );
            assert_eq!(pair.flag(), None, "{request}");
        }
        let check = pair.ask(json!({"action": "check"})).await;
        assert!(reason(&check).contains("there is no flag"), "{check}");
        let report = pair.ask(json!({"action": "run-report"})).await;
        assert_eq!(outcome(&report), "refused", "{report}");
    });
}

#[test]
fn initialize_creates_the_flag_once_and_assumes_nothing_of_a_pair_with_a_past() {
    play(&[], |pair: Pair| async move {
        let dry = pair
            .ask(json!({"action": "initialize", "dry_run": true, "to": "green"}))
            .await;
        assert_eq!((outcome(&dry), pair.flag()), ("would_initialize", None), "{dry}");
        assert_eq!(reason(&dry), "start with green active");
        let made = pair
            .ask(json!({"action": "initialize", "to": "green", "requested_by": "ana"}))
            .await;
        assert_eq!(
            (outcome(&made), pair.flag().unwrap()),
            ("initialized", ("green".to_owned(), 1)),
            "{made}"
        );
        assert_eq!((&made["active"], &made["version"]), (&json!("green"), &json!(1)));
        let there = pair
            .ask(json!({"action": "initialize", "to": "blue", "force": true}))
            .await;
        assert_eq!(
            (outcome(&there), pair.flag().unwrap().0.as_str()),
            ("unchanged", "green"),
            "{there}"
        );
        let flag = pair.settings.names.flag().to_owned();
        // Its records alone are a past, and so is what was audited.
        for audited in [false, true] {
            if audited {
                pair.hear().await;
                let transitions = pair.settings.names.transitions();
                let records: Vec<String> = pair
                    .world
                    .lock()
                    .store
                    .names_below(&transitions)
                    .map(str::to_owned)
                    .collect();
                pair.by_hand(&flag, None);
                for record in records {
                    pair.by_hand(&record, None);
                }
                assert!(pair.stored(&pair.settings.names.audited()).is_some());
            } else {
                assert!(pair.stored(&pair.settings.names.audited()).is_none());
                pair.by_hand(&flag, None);
            }
            pair.lose_events();
            pair.pass(90).await;
            for request in [
                json!({"action": "initialize"}),
                json!({"action": "initialize", "to": "green"}),
            ] {
                let refused = pair.ask(request).await;
                assert_eq!((outcome(&refused), pair.flag()), ("refused", None), "{refused}");
                assert_eq!(refused["preconditions"][0]["passed"], false);
            }
            let forced = pair
                .ask(json!({"action": "initialize", "to": "green", "force": true, "reason": "known"}))
                .await;
            assert_eq!(
                (outcome(&forced), pair.flag().unwrap().0.as_str()),
                ("initialized", "green"),
                "{forced}"
            );
            assert_eq!(reason(&forced), "known");
        }
    });
}

#[test]
fn initialize_and_somebody_else_at_once_make_one_flag() {
    play(&[], |pair: Pair| async move {
        let flag = pair.settings.names.flag().to_owned();
        let name = flag.clone();
        pair.before("PutParameter", &format!("\"{flag}\""), 0, move |world| {
            by_hand(world, &name, Some("green"));
        });
        let answer = pair.ask(json!({"action": "initialize"})).await;
        assert_eq!(
            (outcome(&answer), pair.flag().unwrap().0.as_str()),
            ("conflict", "green"),
            "{answer}"
        );
        assert!(reason(&answer).contains("somebody created the flag"), "{answer}");
    });
}

#[test]
fn initialize_that_the_store_refuses_says_what_to_do() {
    play(&[], |pair: Pair| async move {
        pair.refuse("PutParameter", &format!("\"{}\"", pair.settings.names.flag()));
        let error = pair.ask_as("r-x", json!({"action": "initialize"})).await.unwrap_err();
        assert!(error.to_string().contains("then initialize again"), "{error}");
    });
}

#[test]
fn two_people_at_once_make_one_transition_and_the_loser_is_told() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let (one, two) = tokio::join!(
            pair.ask_on(
                "one",
                "r-one",
                json!({"to": "green", "reason": "one", "requested_by": "ana"})
            ),
            async {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                pair.ask_on(
                    "two",
                    "r-two",
                    json!({"to": "green", "reason": "two", "requested_by": "bob"}),
                )
                .await
            }
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        let mut outcomes = [outcome(&one), outcome(&two)];
        outcomes.sort_unstable();
        assert_eq!(outcomes, ["conflict", "switched"], "{one} {two}");
        assert_eq!(pair.flag().unwrap(), ("green".to_owned(), 2));
        let lost = if outcome(&one) == "conflict" { &one } else { &two };
        assert!(lost["winner"].is_object(), "{lost}");
    });
}

#[test]
fn an_abandoned_claim_is_rolled_forward_by_the_next_switch_which_says_so() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let flag = format!("\"{}\"", pair.settings.names.flag());
        pair.deny("PutParameter", &flag);
        let error = pair.ask_as("r-dead", json!({"to": "green"})).await.unwrap_err();
        assert!(error.to_string().contains("the transition is claimed"), "{error}");
        pair.mend();
        pair.pass(120).await;
        let answer = pair.ask(json!({"to": "green"})).await;
        assert_eq!(outcome(&answer), "switched", "{answer}");
        let warnings = answer["warnings"].to_string();
        assert!(
            warnings.contains("the claim of a dead writer (switch to green, request r-dead)"),
            "{answer}"
        );
    });
}

#[test]
fn an_abandoned_claim_on_a_broken_flag_may_have_another_color() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, Some("purple"));
        pair.hear().await;
        pair.deny("PutParameter", &format!("\"{flag}\""));
        pair.ask_as("r-dead", json!({"to": "green", "force": true, "reason": "x"}))
            .await
            .unwrap_err();
        pair.mend();
        pair.pass(120).await;
        let answer = pair.ask(json!({"to": "blue", "force": true, "reason": "x"})).await;
        let (value, _) = pair.flag().unwrap();
        assert_eq!(
            outcome(&answer),
            if value == "blue" { "switched" } else { "conflict" },
            "{answer}"
        );
    });
}

#[test]
fn status_says_how_things_stand() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let status = pair.ask(json!({"action": "status"})).await;
        assert_eq!(
            reason(&status),
            "blue is active and healthy; green stands by and is healthy"
        );
        assert_eq!(
            (&status["active"], &status["version"], &status["audited"]),
            (&json!("blue"), &json!(1), &json!(1))
        );
        assert_eq!(status["decision"], "none");
        assert_eq!(status["last_transition"]["kind"], "initialize", "{status:#}");
        assert!(
            status["in_flight"]["green"].is_object() && status["in_flight"]["blue"].is_null(),
            "{status:#}"
        );
        assert!(status["drill"].is_null() && status["hold"].is_null() && status["held"].is_null());
        assert!(
            status["preconditions"].as_array().unwrap().len() > 2,
            "what a failover would meet: {status:#}"
        );
        pair.ask(json!({"action": "hold", "minutes": 30, "reason": "maintenance", "requested_by": "ana"}))
            .await;
        let status = pair.ask(json!({"action": "status"})).await;
        assert_eq!(status["held"]["reason"], "maintenance", "{status:#}");
        assert!(
            status["preconditions"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["name"] == "hold" && one["passed"] == false)
        );
        let flag = pair.settings.names.flag().to_owned();
        pair.by_hand(&flag, Some("purple"));
        let status = pair.ask(json!({"action": "status"})).await;
        assert!(reason(&status).contains("purple"), "{status}");
        // Deleted and made again: what was audited is of the flag before.
        pair.by_hand(&flag, None);
        pair.lose_events();
        pair.pass(90).await;
        pair.by_hand(&flag, Some("blue"));
        let status = pair.ask(json!({"action": "status"})).await;
        assert_eq!(
            (&status["version"], &status["audited"]),
            (&json!(1), &json!(null)),
            "{status:#}"
        );
        let owner = pair.settings.names.owner();
        pair.by_hand(&owner, Some("{\"pair\": \"payroll\"}"));
        let status = pair.ask(json!({"action": "status"})).await;
        assert!(reason(&status).contains("payroll"), "{status:#}");
        assert_eq!(status["decision"], "none");
    });
}

#[test]
fn history_lists_the_newest_versions_first() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green", "reason": "one"})).await;
        pair.ask(json!({"to": "blue", "reason": "two", "force": true})).await;
        let history = pair.ask(json!({"action": "history", "limit": 2})).await;
        assert_eq!(reason(&history), "2 of 3 kept versions, newest first");
        assert_eq!((&history["active"], &history["version"]), (&json!("blue"), &json!(3)));
        let entries = history["history"]
            .as_array()
            .or_else(|| history["entries"].as_array())
            .unwrap();
        assert_eq!(entries.len(), 2, "{history:#}");
        assert_eq!(entries[0]["version"], 3);
    });
}

#[test]
fn check_says_whether_the_standby_is_ready() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.pass(120).await;
        let check = pair.ask(json!({"action": "check"})).await;
        assert!(["ready", "partial"].contains(&outcome(&check)), "{check:#}");
        assert_eq!(check["active"], "blue");
        assert!(check["readiness"]["score"].is_number(), "{check:#}");
        pair.kill(Color::Green);
        pair.minutes(8).await;
        let check = pair.ask(json!({"action": "check"})).await;
        assert_eq!(outcome(&check), "not_ready", "{check:#}");
    });
}
