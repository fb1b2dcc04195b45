//! How drills end: whatever dies, comes in between, or cannot be read.

use bluegreen_core::color::Color;
use bluegreen_core::drill::{End, EndClaim};
use serde_json::json;

use crate::drills::{QUIET, begin, finished, rested, stored};
use crate::pair::{Pair, by_hand, outcome, play, reason};
use crate::trouble::go_back;

#[test]
fn a_drill_whose_function_dies_before_the_switch_is_given_up_and_reported() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        pair.deny("PutParameter", "/transitions/v2-");
        let error = pair
            .ask_as("r-drill", json!({"action": "drill"}))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("; the drill is noted, and the watcher's ticks find out"),
            "{error}"
        );
        assert_eq!(stored(&pair)["outcome"], "pending");
        pair.mend();
        let first = pair.minutes(1).await;
        assert_eq!(first[0]["drill"]["step"], "wait", "{first:#?}");
        pair.minutes(2).await;
        assert_eq!(finished(&pair)["outcome"], "failed");
        assert_eq!(stored(&pair)["outcome"], "failed");
    });
}

#[test]
fn a_drill_that_loses_its_claim_to_a_switch_is_interrupted() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        let (drill, switch) = tokio::join!(
            pair.ask_on("one", "r-drill", json!({"action": "drill", "duration_minutes": 5})),
            async {
                // Between the last look and the claim.
                loop {
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    if pair.stored(&pair.settings.names.drill()).is_some() {
                        break;
                    }
                }
                pair.ask_on(
                    "two",
                    "r-switch",
                    json!({"to": "green", "force": true, "reason": "now"}),
                )
                .await
            }
        );
        let (drill, switch) = (drill, switch.unwrap());
        pair.hear().await;
        pair.minutes(8).await;
        let event = finished(&pair);
        // Whoever was faster: one transition out of version 1, and one outcome.
        if outcome(&switch) == "switched" {
            assert_eq!(event["outcome"], "interrupted", "{drill:#?}");
            assert_eq!(pair.flag().unwrap().0, "green");
        } else {
            assert!(
                ["succeeded", "interrupted"].contains(&event["outcome"].as_str().unwrap()),
                "{event:#}"
            );
        }
    });
}

#[test]
fn a_stale_history_lets_a_drill_wait() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        go_back(&mut pair.world.lock(), "GetParameterHistory", 600_000, 420);
        pair.pass(390).await;
        let tick = pair.tick().await;
        assert_eq!(
            (&tick["drill"]["step"], pair.flag().unwrap().1),
            (&json!("wait"), 2),
            "{tick:#}"
        );
        assert!(tick["drill"]["reason"].as_str().unwrap().contains("stale"), "{tick:#}");
        pair.pass(120).await;
        pair.minutes(1).await;
        assert_eq!(pair.flag().unwrap(), ("blue".to_owned(), 3));
    });
}

#[test]
fn a_drill_whose_history_cannot_be_read_waits() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.pass(390).await;
        pair.refuse("GetParameterHistory", "");
        drop(pair.tick_of("schedule").await);
        assert_eq!(
            (pair.flag().unwrap().1, &stored(&pair)["outcome"]),
            (2, &json!("pending"))
        );
        pair.mend();
        pair.minutes(2).await;
        assert_eq!(pair.flag().unwrap().1, 3);
        assert_eq!(finished(&pair)["outcome"], "succeeded");
    });
}

#[test]
fn of_two_ticks_at_once_one_returns_the_drill() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.pass(360).await;
        let (one, two) = tokio::join!(pair.tick_on("one", "schedule"), async {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            pair.tick_on("two", "alarm").await
        });
        drop((one, two));
        pair.hear().await;
        pair.minutes(3).await;
        assert_eq!(pair.flag().unwrap(), ("blue".to_owned(), 3));
        let events = pair.events("Drill Finished");
        assert!(
            events.iter().all(|event| event["outcome"] == "succeeded"),
            "{events:#?}"
        );
        assert_eq!(
            pair.events("Environment Transition")
                .iter()
                .filter(|event| event["kind"] == "drill-return")
                .count(),
            1
        );
    });
}

#[test]
fn a_tick_and_a_person_who_keeps_the_color_at_once_agree() {
    for delay in [0, 80, 200, 400] {
        play(QUIET, |pair: Pair| async move {
            let pair = rested(pair).await;
            begin(&pair, "r-drill").await;
            pair.pass(360).await;
            let (tick, kept) = tokio::join!(pair.tick_on("one", "schedule"), async {
                tokio::time::sleep(std::time::Duration::from_millis(delay)).await;
                pair.ask_on("two", "r-keep", json!({"to": "green", "reason": "fine"}))
                    .await
            });
            let (tick, kept) = (tick.unwrap(), kept.unwrap());
            pair.hear().await;
            pair.minutes(4).await;
            let color = pair.flag().unwrap().0;
            if outcome(&kept) == "drill_canceled" {
                assert_eq!(color, "green", "after {delay} ms: {tick:#}");
            }
            let events = pair.events("Drill Finished");
            let outcomes: std::collections::BTreeSet<String> =
                events.iter().map(|event| event["outcome"].to_string()).collect();
            assert_eq!(outcomes.len(), 1, "after {delay} ms: {events:#?} {kept:#}");
        });
    }
}

#[test]
fn an_outcome_that_cannot_be_published_is_published_by_the_next_tick() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.pass(360).await;
        pair.refuse("PutEvents", "Drill Finished");
        let error = pair.tick_of("schedule").await.unwrap_err();
        assert_eq!(error.error_type(), "AuditUndelivered", "{error}");
        assert_eq!(pair.flag().unwrap().1, 3);
        assert_eq!(
            stored(&pair)["outcome"],
            "pending",
            "it is followed until it is published"
        );
        pair.mend();
        pair.forget();
        pair.hear().await;
        pair.minutes(4).await;
        assert_eq!(finished(&pair)["outcome"], "succeeded");
        assert_eq!(stored(&pair)["outcome"], "succeeded");
    });
}

#[test]
fn an_end_that_cannot_be_decided_fails_the_tick_and_writes_nothing() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.pass(360).await;
        pair.deny("PutParameter", "-end-");
        drop(pair.tick_of("schedule").await);
        assert_eq!(pair.flag().unwrap().1, 2);
        pair.mend();
        pair.minutes(2).await;
        assert_eq!(finished(&pair)["outcome"], "succeeded");
    });
}

#[test]
fn an_end_whose_answer_was_lost_is_still_its_own() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.pass(360).await;
        pair.lose_answer("PutParameter", "-end");
        pair.minutes(2).await;
        assert_eq!(pair.flag().unwrap().1, 3);
        assert_eq!(finished(&pair)["outcome"], "succeeded");
    });
}

#[test]
fn an_end_that_may_not_be_written_is_asked_for_once_a_look() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.pass(360).await;
        pair.deny("PutParameter", "-end-");
        pair.forget();
        drop(pair.tick_of("schedule").await);
        let (looks, tries) = (pair.count("GetEnvironment", ""), pair.count("PutParameter", "-end-"));
        assert!(tries > 0 && 2 * tries <= looks, "of two environments: {looks}; {tries}");
    });
}

#[test]
fn an_end_that_is_throttled_is_asked_for_again_in_the_same_tick() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.pass(360).await;
        // More often than the SDK tries.
        pair.throttle("PutParameter", "-end-", 4);
        pair.tick().await;
        assert_eq!(pair.flag().unwrap().1, 3);
    });
}

#[test]
fn a_person_who_keeps_the_color_does_so_although_the_store_throttles() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.throttle("PutParameter", "-end-", 4);
        let kept = pair.ask(json!({"to": "green", "reason": "fine"})).await;
        assert_eq!(outcome(&kept), "drill_canceled", "{kept:#}");
    });
}

#[test]
fn the_end_of_a_drill_closes_no_other_one() {
    // Another drill that began later stays; the reading of one that began earlier is only stale.
    for (later, is_closed) in [(3600, false), (-3600, true)] {
        play(QUIET, move |pair: Pair| async move {
            let pair = rested(pair).await;
            begin(&pair, "r-drill").await;
            let name = pair.settings.names.drill();
            let mut other = stored(&pair);
            let started: jiff::Timestamp = other["started_at"].as_str().unwrap().parse().unwrap();
            other["id"] = json!("r-other");
            other["started_at"] = json!(started + jiff::SignedDuration::from_secs(later));
            other["modified"] = json!(started + jiff::SignedDuration::from_secs(later));
            pair.pass(360).await;
            pair.before("PutEvents", "Drill Finished", 0, move |world| {
                by_hand(world, &name, Some(&other.to_string()));
            });
            pair.minutes(2).await;
            assert_eq!(finished(&pair)["outcome"], "succeeded");
            let closed = stored(&pair);
            assert_eq!(closed["id"] == "r-drill", is_closed, "{closed:#}");
            assert_eq!(closed["outcome"] == "succeeded", is_closed, "{closed:#}");
        });
    }
}

#[test]
fn a_blocked_drill_whose_report_cannot_be_sent_is_reported_later() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        pair.ask(json!({"action": "hold", "minutes": 60, "reason": "stay"}))
            .await;
        pair.refuse("PutEvents", "Drill Finished");
        let error = pair.ask_as("r-drill", json!({"action": "drill"})).await.unwrap_err();
        assert!(error.to_string().contains("publishing how the drill ended"), "{error}");
        pair.mend();
        pair.until_minute(30).await;
        pair.forget();
        pair.tick().await;
        assert_eq!(finished(&pair)["outcome"], "blocked");
        assert_eq!(pair.count("PutMetricData", "DrillOutcome"), 1, "counted with it");
    });
}

#[test]
fn a_standby_that_nothing_has_proved_for_too_long_is_reported_once() {
    play(
        &[("DRILL_OVERDUE_DAYS", "1"), ("READINESS_INTERVAL_MINUTES", "0")],
        |pair: Pair| async move {
            let pair = rested(pair).await;
            pair.until_minute(30).await;
            pair.minutes(2).await;
            assert_eq!(pair.events("Drill Overdue").len(), 0);
            assert_eq!(pair.count("PutMetricData", "DrillOverdue"), 0);
            pair.pass(25 * 3600).await;
            pair.until_minute(30).await;
            pair.refuse("PutEvents", "Drill Overdue");
            pair.tick_of("schedule").await.unwrap_err();
            pair.mend();
            pair.forget();
            pair.minutes(7).await;
            assert_eq!(pair.events("Drill Overdue").len(), 1);
            assert!(
                pair.count("PutMetricData", "DrillOverdue") > 0,
                "but it is measured as long as it lasts"
            );
        },
    );
}

#[test]
fn a_drill_that_was_begun_is_recognized_without_its_history() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.refuse("GetParameterHistory", "");
        let again = pair
            .ask_as("r-drill", json!({"action": "drill", "duration_minutes": 5}))
            .await
            .unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"], pair.flag().unwrap().1),
            ("pending", &json!(true), 2),
            "{again}"
        );
    });
}

#[test]
fn an_outcome_that_was_recorded_and_not_published_is_published_once_its_run_must_be_dead() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.pass(360).await;
        pair.refuse("PutEvents", "Drill Finished");
        pair.tick_of("schedule").await.unwrap_err();
        pair.mend();
        pair.forget();
        pair.pass(10).await;
        pair.tick().await;
        assert_eq!(
            pair.events("Drill Finished").len(),
            0,
            "the run that recorded it may be about to publish it"
        );
        pair.pass(90).await;
        pair.tick().await;
        assert_eq!(finished(&pair)["outcome"], "succeeded");
    });
}

#[test]
fn a_return_ends_the_drill_as_its_record_says_whoever_concludes() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.pass(60).await;
        pair.kill(Color::Green);
        // The tick that returns dies before it has said how the drill ended.
        pair.deny("PutParameter", "-outcome-r-drill");
        for _ in 0..4 {
            pair.pass(60).await;
            drop(pair.tick_of("schedule").await);
        }
        assert_eq!(
            (pair.flag().unwrap().1, &stored(&pair)["outcome"]),
            (3, &json!("pending"))
        );
        pair.mend();
        pair.hear().await;
        pair.minutes(2).await;
        let event = finished(&pair);
        assert_eq!(event["outcome"], "failed", "{event:#}");
    });
}

#[test]
fn an_end_that_the_store_does_not_take_is_said_to_be_undecided() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.pass(360).await;
        pair.refuse("PutParameter", "-end-");
        let tick = match pair.tick_of("schedule").await {
            Ok(tick) => tick.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(tick.contains("deciding the drill's end"), "{tick}");
        assert_eq!(pair.flag().unwrap().1, 2);
    });
}

#[test]
fn a_tick_that_finds_another_one_returning_says_from_when_anybody_may() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        let answer = begin(&pair, "r-drill").await;
        pair.pass(360).await;
        let record = pair.settings.names.transition(answer["transition"].as_str().unwrap());
        let claim = EndClaim::new(End::Return, "another tick", "its time is over", pair.at());
        pair.by_hand(&format!("{record}-outcome-end-1"), Some(&claim.to_stored()));
        let tick = pair.tick().await.to_string();
        assert!(
            tick.contains("another tick is writing the return of this drill; if it is dead, from 20"),
            "{tick}"
        );
        pair.pass(60).await;
        pair.minutes(1).await;
        assert_eq!(pair.flag().unwrap().1, 3, "that tick is dead");
    });
}

#[test]
fn a_person_who_keeps_a_color_that_was_left_meanwhile_is_told() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        let flag = pair.settings.names.flag().to_owned();
        pair.before("PutParameter", "-end-", 0, move |world| {
            by_hand(world, &flag, Some("blue"));
        });
        let kept = pair.ask(json!({"to": "green", "reason": "fine"})).await;
        assert_eq!(
            (outcome(&kept), pair.flag().unwrap().0.as_str()),
            ("conflict", "blue"),
            "{kept:#}"
        );
        assert!(reason(&kept).contains("written at the same moment"), "{kept:#}");
    });
}

#[test]
fn a_drill_that_was_overtaken_says_how_it_ended() {
    let mut overtaken = 0;
    // In one of these moments the switch claims between the drill's last look and its claim.
    for delay in (1500..2000).step_by(50) {
        let mut was_overtaken = false;
        play(QUIET, |pair: Pair| {
            let was_overtaken = &mut was_overtaken;
            async move {
                let pair = rested(pair).await;
                let (drill, switch) = tokio::join!(
                    pair.ask_on("one", "r-drill", json!({"action": "drill", "duration_minutes": 5})),
                    async {
                        tokio::time::sleep(std::time::Duration::from_millis(delay)).await;
                        pair.ask_on(
                            "two",
                            "r-switch",
                            json!({"to": "green", "force": true, "reason": "now"}),
                        )
                        .await
                    }
                );
                let (drill, switch) = (drill.unwrap(), switch.unwrap());
                if (outcome(&drill), outcome(&switch)) == ("conflict", "switched") {
                    assert_eq!(drill["drill"]["outcome"], "interrupted", "{drill:#}");
                    assert_eq!(stored(&pair)["outcome"], "interrupted");
                    *was_overtaken = true;
                }
            }
        });
        overtaken += i32::from(was_overtaken);
    }
    assert!(overtaken > 0);
}
