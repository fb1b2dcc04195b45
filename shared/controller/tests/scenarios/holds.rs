//! Holds and releases: what they write, what they say, and what they leave alone.

use serde_json::{Value, json};

use crate::pair::{Pair, by_hand, outcome, play, reason};
use crate::trouble::go_back;

pub(crate) fn hour(pair: &Pair, why: &str) -> String {
    let until = pair.at() + jiff::SignedDuration::from_hours(1);
    json!({"until": until.to_string(), "reason": why, "by": "bob"}).to_string()
}

#[test]
fn a_hold_is_placed_replaced_and_ended() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.forget();
        let dry = pair
            .ask(json!({"action": "hold", "minutes": 30, "reason": "maintenance", "dry_run": true}))
            .await;
        assert_eq!(
            (outcome(&dry), pair.written().contains(&"hold".to_owned())),
            ("would_hold", false),
            "{dry}"
        );
        let held = pair
            .ask(json!({"action": "hold", "minutes": 30, "reason": "maintenance"}))
            .await;
        assert_eq!(outcome(&held), "held", "{held}");
        assert!(
            reason(&held).starts_with("no automatic failover until ") && reason(&held).ends_with(": maintenance"),
            "{held}"
        );
        assert_eq!(held["hold"]["by"], "somebody (no requested_by given)");
        pair.hear().await;
        let other = pair
            .ask(json!({"action": "hold", "minutes": 60, "reason": "longer", "requested_by": "ana"}))
            .await;
        assert!(
            reason(&other).contains("; in the place of: held until ") && reason(&other).contains("maintenance"),
            "{other}"
        );
        assert_eq!(other["hold"]["by"], "ana");
        pair.hear().await;
        let dry = pair.ask(json!({"action": "release", "dry_run": true})).await;
        assert_eq!(outcome(&dry), "would_release");
        assert!(reason(&dry).starts_with("would end: held until "), "{dry}");
        assert!(pair.stored(&pair.settings.names.acknowledged()).is_none());
        let released = pair
            .ask(json!({"action": "release", "requested_by": "ana", "reason": "done"}))
            .await;
        assert_eq!(outcome(&released), "released");
        assert!(reason(&released).starts_with("ended: held until "), "{released}");
        let stored = pair.stored(&pair.settings.names.hold()).unwrap();
        assert_eq!((&stored["by"], &stored["reason"]), (&json!("ana"), &json!("done")));
        assert_eq!(pair.stored(&pair.settings.names.acknowledged()).unwrap()["by"], "ana");
        assert_eq!(pair.events("Failovers Acknowledged").len(), 1);
        pair.hear().await;
        let words: Vec<Value> = pair
            .events("Hold Changed")
            .iter()
            .map(|event| event["state"].clone())
            .collect();
        assert_eq!(words.len(), 3, "{words:?} {:#?}", pair.events("Hold Changed"));
        let none = pair.ask(json!({"action": "release"})).await;
        assert_eq!(outcome(&none), "unchanged");
        assert!(reason(&none).starts_with("there was no hold"), "{none}");
        let dry = pair.ask(json!({"action": "release", "dry_run": true})).await;
        assert!(reason(&dry).starts_with("there is no hold to end"), "{dry}");
    });
}

#[test]
fn a_hold_that_is_delivered_twice_is_placed_once_with_its_first_end() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let request = json!({"action": "hold", "minutes": 30, "reason": "maintenance"});
        let first = pair.ask_as("r-hold", request.clone()).await.unwrap();
        pair.pass(100).await;
        pair.forget();
        let again = pair.ask_as("r-hold", request.clone()).await.unwrap();
        assert_eq!((outcome(&again), &again["repeat"]), ("held", &json!(true)), "{again}");
        assert_eq!(again["hold"]["until"], first["hold"]["until"]);
        assert!(!reason(&again).contains("since then"), "{again}");
        assert_eq!(pair.written(), Vec::<String>::new());
        pair.ask(json!({"action": "hold", "minutes": 90, "reason": "other"}))
            .await;
        let again = pair.ask_as("r-hold", request.clone()).await.unwrap();
        assert!(
            reason(&again).ends_with("since then the hold was written again: ask for status"),
            "{again}"
        );
        // The parameter is gone: what was answered is known all the same, and nothing is placed.
        let name = pair.settings.names.hold();
        pair.by_hand(&name, None);
        pair.pass(60).await;
        let again = pair.ask_as("r-hold", request).await.unwrap();
        assert_eq!((outcome(&again), &again["repeat"]), ("held", &json!(true)), "{again}");
        assert!(pair.stored(&name).is_none());
        let dry = pair
            .ask_as(
                "r-hold",
                json!({"action": "hold", "minutes": 30, "reason": "x", "dry_run": true}),
            )
            .await
            .unwrap();
        assert_eq!(outcome(&dry), "would_hold", "a dry run is no repeat: {dry}");
    });
}

#[test]
fn a_release_that_is_delivered_twice_ends_no_hold_that_was_placed_since() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"action": "hold", "minutes": 30, "reason": "one"}))
            .await;
        let request = json!({"action": "release"});
        pair.ask_as("r-release", request.clone()).await.unwrap();
        let again = pair.ask_as("r-release", request.clone()).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"]),
            ("released", &json!(true)),
            "{again}"
        );
        assert!(reason(&again).ends_with("the hold was ended"), "{again}");
        pair.ask(json!({"action": "hold", "minutes": 30, "reason": "two"}))
            .await;
        let again = pair.ask_as("r-release", request.clone()).await.unwrap();
        assert!(
            reason(&again).contains("the hold was ended; since then: held until"),
            "{again}"
        );
        assert_eq!(pair.stored(&pair.settings.names.hold()).unwrap()["reason"], "two");
        let dry = pair
            .ask_as("r-release", json!({"action": "release", "dry_run": true}))
            .await
            .unwrap();
        assert_eq!(outcome(&dry), "would_release");
        // A release without a hold leaves no trace but its answer.
        pair.ask(json!({"action": "release"})).await;
        let first = pair.ask_as("r-none", json!({"action": "release"})).await.unwrap();
        assert_eq!(outcome(&first), "unchanged");
        pair.ask(json!({"action": "hold", "minutes": 30, "reason": "three"}))
            .await;
        let again = pair.ask_as("r-none", json!({"action": "release"})).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"]),
            ("unchanged", &json!(true)),
            "{again}"
        );
        assert_eq!(pair.stored(&pair.settings.names.hold()).unwrap()["reason"], "three");
    });
}

#[test]
fn a_release_that_died_after_its_acknowledgement_ends_only_a_hold_of_before() {
    for since in [false, true] {
        play(&[], |pair: Pair| async move {
            let pair = pair.started().await;
            let name = pair.settings.names.hold();
            if since {
                pair.ask(json!({"action": "hold", "minutes": 30, "reason": "zero"}))
                    .await;
            } else {
                pair.ask(json!({"action": "hold", "minutes": 30, "reason": "one"}))
                    .await;
            }
            pair.pass(5).await;
            pair.deny("PutParameter", &format!("\"{name}\""));
            pair.ask_as("r-release", json!({"action": "release"}))
                .await
                .unwrap_err();
            pair.mend();
            assert_eq!(pair.count("PutEvents", "Failovers Acknowledged"), 1);
            let acknowledged = pair.stored(&pair.settings.names.acknowledged()).unwrap();
            pair.pass(5).await;
            if since {
                pair.by_hand(&name, Some(&hour(&pair, "two")));
            }
            pair.pass(60).await;
            pair.forget();
            let again = pair.ask_as("r-release", json!({"action": "release"})).await.unwrap();
            assert_eq!(
                pair.stored(&pair.settings.names.acknowledged()).unwrap(),
                acknowledged,
                "it is not acknowledged anew"
            );
            assert_eq!(pair.count("PutEvents", "Failovers Acknowledged"), 0, "nor told again");
            let stands = pair.stored(&name).unwrap();
            if since {
                assert_eq!(
                    (outcome(&again), &stands["reason"]),
                    ("conflict", &json!("two")),
                    "{again}"
                );
                assert!(
                    reason(&again).contains("a hold was placed at the same moment, and stays: held until"),
                    "{again}"
                );
                assert!(!pair.written().contains(&"hold".to_owned()));
            } else {
                assert_eq!(
                    (outcome(&again), &stands["reason"]),
                    ("released", &json!("released")),
                    "{again}"
                );
            }
        });
    }
}

#[test]
fn a_hold_that_is_placed_while_another_one_is_released_is_put_back() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"action": "hold", "minutes": 30, "reason": "one"}))
            .await;
        pair.pass(5).await;
        let (name, value) = (pair.settings.names.hold(), hour(&pair, "two"));
        let (of_rule, put) = (format!("\"{name}\""), value.clone());
        let by = name.clone();
        pair.before("PutParameter", &of_rule, 0, move |world| {
            by_hand(world, &by, Some(&put));
        });
        let answer = pair.ask(json!({"action": "release"})).await;
        assert_eq!(outcome(&answer), "conflict", "{answer}");
        assert!(reason(&answer).contains("two"), "{answer}");
        assert_eq!(pair.stored(&name).unwrap()["reason"], "two");
    });
}

#[test]
fn a_hold_that_ended_while_another_one_was_released_is_not_put_back() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"action": "hold", "minutes": 30, "reason": "one"}))
            .await;
        pair.pass(5).await;
        let name = pair.settings.names.hold();
        let ended = json!({"until": pair.at().to_string(), "reason": "over", "by": "bob"}).to_string();
        let by = name.clone();
        pair.before("PutParameter", &format!("\"{name}\""), 0, move |world| {
            by_hand(world, &by, Some(&ended));
        });
        let answer = pair.ask(json!({"action": "release"})).await;
        assert_eq!(outcome(&answer), "released", "{answer}");
    });
}

#[test]
fn a_release_whose_write_was_repeated_is_no_conflict_with_itself() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"action": "hold", "minutes": 30, "reason": "one"}))
            .await;
        pair.pass(5).await;
        let name = pair.settings.names.hold();
        pair.lose_answer("PutParameter", &format!("\"{name}\""));
        pair.forget();
        let answer = pair.ask(json!({"action": "release"})).await;
        assert!(pair.count("PutParameter", &format!("\"{name}\"")) > 1, "repeated");
        assert_eq!(outcome(&answer), "released", "{answer}");
    });
}

#[test]
fn a_hold_that_cannot_be_written_says_what_to_do() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let name = format!("\"{}\"", pair.settings.names.hold());
        pair.deny("PutParameter", &name);
        let request = json!({"action": "hold", "minutes": 30, "reason": "one"});
        let denied = pair.ask_as("r-1x", request.clone()).await.unwrap_err().to_string();
        assert!(
            denied.contains("placing the hold") && !denied.contains("asking again is safe"),
            "{denied}"
        );
        pair.mend();
        pair.refuse("PutParameter", &name);
        let failed = pair.ask_as("r-2x", request).await.unwrap_err().to_string();
        assert!(failed.ends_with("; asking again is safe"), "{failed}");
    });
}

#[test]
fn a_stale_reading_that_shows_no_hold_is_not_believed() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let (name, value) = (pair.settings.names.hold(), hour(&pair, "two"));
        // Placed right after the first reading: the second one shows it.
        let by = name.clone();
        pair.before("GetParameters", "", 1, move |world| {
            by_hand(world, &by, Some(&value));
        });
        let answer = pair.ask(json!({"action": "release", "dry_run": true})).await;
        assert!(reason(&answer).starts_with("would end: held until"), "{answer}");
    });
}

#[test]
fn the_end_of_a_hold_is_reported_once_by_the_watcher() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"action": "hold", "minutes": 10, "reason": "short"}))
            .await;
        pair.hear().await;
        assert_eq!(pair.events("Hold Changed").len(), 1);
        pair.minutes(8).await;
        assert_eq!(pair.events("Hold Changed").len(), 1, "not over yet");
        pair.minutes(6).await;
        let events = pair.events("Hold Changed");
        assert_eq!(events.len(), 2, "{events:#?}");
        assert!(events[1]["id"].as_str().unwrap().ends_with(":ran-out"), "{events:#?}");
        pair.restart();
        pair.minutes(3).await;
        assert_eq!(pair.events("Hold Changed").len(), 2, "a new process asks, and knows");
        let told = format!("\"{}\"", pair.settings.names.hold_reported());
        pair.forget();
        pair.minutes(5).await;
        assert_eq!(
            pair.count("GetParameters", &format!("[{told}]")),
            0,
            "a process asks once for each change"
        );
    });
}

#[test]
fn a_change_of_the_hold_whose_event_was_lost_is_reported_after_the_listeners_time() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"action": "hold", "minutes": 60, "reason": "short"}))
            .await;
        pair.lose_events();
        pair.pass(10).await;
        pair.tick().await;
        assert_eq!(pair.events("Hold Changed").len(), 0, "the listener may still tell");
        pair.pass(30).await;
        pair.tick().await;
        assert_eq!(pair.events("Hold Changed").len(), 1);
        pair.minutes(3).await;
        assert_eq!(pair.events("Hold Changed").len(), 1);
    });
}

#[test]
fn a_hold_that_its_history_does_not_show_yet_is_reported_with_its_author() {
    // As long as a reading may be behind, and longer.
    for (seconds, at_once) in [(3, true), (60, false)] {
        play(&[], move |pair: Pair| async move {
            let pair = pair.started().await;
            for minutes in [60, 90] {
                pair.pass(600).await;
                pair.ask(json!({"action": "hold", "minutes": minutes, "reason": "maintenance"}))
                    .await;
                go_back(&mut pair.world.lock(), "GetParameterHistory", 70_000, seconds);
                let change = pair.lose_events().remove(0);
                pair.pass(1).await;
                assert_eq!(pair.listen(change).await.is_ok(), at_once);
                pair.pass(90).await;
                pair.minutes(2).await;
            }
            let told = pair.events("Hold Changed");
            assert_eq!(told.len(), 2, "{told:#?}");
            let named = |event: &serde_json::Value| event["who"]["last_modified_user"].is_string();
            assert!(told.iter().all(named), "{told:#?}");
        });
    }
}

#[test]
fn a_hold_that_was_deleted_before_it_was_reported_is_reported_with_its_removal() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let name = pair.settings.names.hold();
        pair.ask(json!({"action": "hold", "minutes": 60, "reason": "short"}))
            .await;
        let placed = pair.lose_events().remove(0);
        // Between the look at the hold and at its history, and before the event is delivered again.
        let gone = name.clone();
        pair.before("GetParameterHistory", &name, 0, move |world| {
            by_hand(world, &gone, None);
        });
        pair.listen(placed.clone()).await.unwrap();
        let removed = pair.lose_events().remove(0);
        pair.listen(placed).await.unwrap();
        let states = |pair: &Pair| -> Vec<String> {
            let events = pair.events("Hold Changed");
            events
                .iter()
                .map(|event| event["state"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(states(&pair), ["held"], "a placement is no removal");
        pair.listen(removed).await.unwrap();
        assert_eq!(states(&pair), ["held", "none"]);
    });
}

#[test]
fn an_old_hold_is_news_to_nobody() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let name = pair.settings.names.hold();
        let until = pair.at() + jiff::SignedDuration::from_hours(100);
        let hold = json!({"until": until.to_string(), "reason": "long", "by": "bob"}).to_string();
        pair.by_hand(&name, Some(&hold));
        pair.lose_events();
        pair.pass(25 * 3600).await;
        pair.minutes(3).await;
        assert_eq!(pair.events("Hold Changed").len(), 0);
    });
}

#[test]
fn a_removed_hold_is_reported() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let name = pair.settings.names.hold();
        pair.ask(json!({"action": "hold", "minutes": 60, "reason": "short"}))
            .await;
        pair.hear().await;
        pair.pass(40).await;
        pair.by_hand(&name, None);
        let heard = pair.hear().await;
        let events = pair.events("Hold Changed");
        assert_eq!(events.len(), 2, "{events:#?}");
        assert!(heard.iter().any(|heard| heard["hold_changed"] == true), "{heard:#?}");
    });
}

#[test]
fn an_acknowledgement_that_could_not_be_published_is_kept_and_sent_by_the_watcher() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.refuse("PutEvents", "Failovers Acknowledged");
        let error = pair
            .ask_as("r-release", json!({"action": "release"}))
            .await
            .unwrap_err();
        assert_eq!(error.error_type(), "AuditUndelivered");
        let told = error.to_string();
        assert!(
            told.contains("reporting the acknowledgement")
                && told.ends_with("; the event is kept, and the watcher publishes it"),
            "{told}"
        );
        let kept = pair.settings.names.unsent_event("r-release");
        assert!(pair.stored(&kept).is_some());
        pair.mend();
        pair.until_minute(11).await;
        pair.forget();
        pair.tick().await;
        assert_eq!(pair.events("Failovers Acknowledged").len(), 0, "at the interval");
        pair.until_minute(15).await;
        pair.tick().await;
        assert_eq!(pair.events("Failovers Acknowledged").len(), 1);
        assert_eq!(pair.stored(&kept).unwrap()["sent"], true, "for another delivery");
        assert_eq!(pair.count("PutMetricData", "DrillOutcome"), 0);
        pair.until_minute(20).await;
        pair.tick().await;
        assert_eq!(pair.events("Failovers Acknowledged").len(), 1);
        assert!(pair.stored(&kept).is_none());
    });
}

#[test]
fn a_kept_event_that_cannot_be_marked_fails_the_tick() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.refuse("PutEvents", "");
        pair.ask_as("r-release", json!({"action": "release"}))
            .await
            .unwrap_err();
        pair.mend();
        pair.deny("PutParameter", "/unsent/");
        pair.until_minute(15).await;
        let error = pair.tick_of("schedule").await.unwrap_err();
        assert_eq!(error.error_type(), "AuditUndelivered", "{error}");
        assert!(
            error.to_string().contains("marking an event that was published"),
            "{error}"
        );
    });
}

#[test]
fn what_only_stays_for_another_delivery_hides_nothing_that_waits() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.refuse("PutEvents", "");
        for number in 10..34 {
            let id = format!("r-{number}");
            pair.ask_as(&id, json!({"action": "release"})).await.unwrap_err();
        }
        pair.mend();
        pair.forget();
        // Ten or more at a time.
        for minute in [15, 20, 25] {
            pair.until_minute(minute).await;
            pair.tick().await;
        }
        assert_eq!(pair.events("Failovers Acknowledged").len(), 24);
    });
}

#[test]
fn an_event_that_can_neither_be_sent_nor_kept_is_said_to_be_lost() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.refuse("PutEvents", "");
        pair.refuse("PutParameter", "unsent");
        let error = pair
            .ask_as("r-release", json!({"action": "release"}))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("it could not be kept for later either (failed reporting"),
            "{error}"
        );
        assert!(error.contains("this event is lost"), "{error}");
    });
}
