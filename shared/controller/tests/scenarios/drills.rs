//! Drills from their beginning to their end, whoever dies or objects in between.

use bluegreen_core::color::Color;
use bluegreen_core::drill::{Drill, DrillOutcome, Mode};
use bluegreen_core::flag::FlagVersion;
use serde_json::{Value, json};

use crate::pair::{Pair, by_hand, outcome, play, reason};
use crate::trouble::go_back;

/// Regular checks of the standby would mix with those of the drills.
pub(crate) const QUIET: &[(&str, &str)] = &[("READINESS_INTERVAL_MINUTES", "0")];

/// A pair whose cooldown is over.
pub(crate) async fn rested(pair: Pair) -> Pair {
    let pair = pair.started().await;
    pair.pass(900).await;
    pair.minutes(1).await;
    pair.forget();
    pair
}

pub(crate) async fn begin(pair: &Pair, id: &str) -> Value {
    let request = json!({"action": "drill", "duration_minutes": 5, "reason": "practice", "requested_by": "ana"});
    let answer = pair.ask_as(id, request).await.unwrap();
    assert_eq!(outcome(&answer), "pending", "{answer:#}");
    pair.hear().await;
    answer
}

pub(crate) fn finished(pair: &Pair) -> Value {
    let events = pair.events("Drill Finished");
    assert_eq!(events.len(), 1, "{events:#?}");
    events[0].clone()
}

pub(crate) fn stored(pair: &Pair) -> Value {
    pair.stored(&pair.settings.names.drill()).unwrap()
}

#[test]
fn a_drill_switches_returns_after_its_time_and_is_reported_once() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        let answer = begin(&pair, "r-drill").await;
        assert_eq!(
            (&answer["active"], &answer["previous"], &answer["version"]),
            (&json!("green"), &json!("blue"), &json!(2))
        );
        assert!(
            reason(&answer).starts_with("green is drilled; blue is active again from about "),
            "{answer}"
        );
        assert_eq!(
            (&answer["drill"]["id"], &answer["drill"]["outcome"]),
            (&json!("r-drill"), &json!("pending")),
            "{answer:#}"
        );
        assert_eq!(
            (&stored(&pair)["outcome"], &stored(&pair)["reason"]),
            (&json!("pending"), &json!("practice"))
        );
        let waiting = pair.minutes(4).await;
        for tick in &waiting {
            assert_eq!(
                (&tick["decision"], &tick["drill"]["step"]),
                (&json!("none"), &json!("wait")),
                "{tick:#}"
            );
            assert!(tick["drill"]["return_at"].is_string(), "{tick:#}");
        }
        assert_eq!(pair.flag().unwrap(), ("green".to_owned(), 2));
        let status = pair.ask(json!({"action": "status"})).await;
        assert!(status["drill"]["return_at"].is_string(), "{status:#}");
        let ticks = pair.minutes(3).await;
        assert_eq!(pair.flag().unwrap(), ("blue".to_owned(), 3), "{ticks:#?}");
        let back = ticks.iter().find(|tick| tick["decision"] == "drill-return").unwrap();
        assert_eq!(back["drill"]["outcome"], "succeeded", "{back:#}");
        assert_eq!(
            pair.count("GetParameters", "-outcome-end-1"),
            0,
            "whoever decides its end knows it at once"
        );
        let event = finished(&pair);
        assert_eq!(
            (&event["outcome"], &event["requested_by"], &event["active"]),
            (&json!("succeeded"), &json!("ana"), &json!("blue")),
            "{event:#}"
        );
        let timings = &event["timings"];
        assert!(
            timings["switched_at"].is_string() && timings["return_duration_ms"].is_u64(),
            "{event:#}"
        );
        let closed = stored(&pair);
        assert_eq!(closed["outcome"], "succeeded", "{closed:#}");
        assert!(
            closed["finished_at"].is_string() && closed["proven_at"] == closed["finished_at"],
            "{closed:#}"
        );
        assert_eq!(pair.count("PutMetricData", "DrillOutcome"), 1);
        assert_eq!(pair.events("Environment Transition").len(), 2);
        let after = pair.minutes(2).await;
        assert!(after.iter().all(|tick| tick["drill"].is_null()), "{after:#?}");
        let status = pair.ask(json!({"action": "status"})).await;
        assert_eq!(
            (&status["drill"]["outcome"], &status["drill"]["return_at"]),
            (&json!("succeeded"), &json!(null)),
            "{status:#}"
        );
    });
}

#[test]
fn a_waiting_drill_leaves_a_tick_calm_and_a_finished_one_does_not() {
    play(
        &[
            ("READINESS_INTERVAL_MINUTES", "0"),
            ("BLUE_HEALTH_ALARM_NAMES", "health-of-blue"),
            ("GREEN_HEALTH_ALARM_NAMES", "health-of-green"),
        ],
        |pair: Pair| async move {
            let pair = rested(pair).await;
            pair.until_minute(20).await;
            begin(&pair, "r-drill").await;
            pair.until_minute(22).await;
            pair.forget();
            let tick = pair.tick().await;
            assert_eq!(
                (&tick["drill"]["step"], &tick["probes"]),
                (&json!("wait"), &json!(1)),
                "{tick:#}"
            );
            // A person wrote the flag: the drill is to be finished.
            let flag = pair.settings.names.flag().to_owned();
            pair.by_hand(&flag, Some("blue"));
            pair.until_minute(23).await;
            let tick = pair.tick().await;
            assert_eq!(
                (&tick["drill"]["outcome"], &tick["probes"]),
                (&json!("interrupted"), &json!(2)),
                "{tick:#}"
            );
            assert_eq!(finished(&pair)["outcome"], "interrupted");
            assert!(stored(&pair)["proven_at"].is_null());
        },
    );
}

#[test]
fn a_drilled_color_that_dies_is_left_at_once_and_counts_from_its_death() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.pass(60).await;
        pair.kill(Color::Green);
        let dead = pair.at();
        let ticks = pair.minutes(4).await;
        assert_eq!(pair.flag().unwrap(), ("blue".to_owned(), 3), "{ticks:#?}");
        let back = ticks.iter().find(|tick| tick["decision"] == "drill-return").unwrap();
        let from: jiff::Timestamp = back["effective_from"].as_str().unwrap().parse().unwrap();
        assert!((from - dead).get_seconds().abs() < 60, "{back:#}");
        assert_eq!(finished(&pair)["outcome"], "failed");
        assert_eq!(stored(&pair)["outcome"], "failed");
    });
}

#[test]
fn an_alarm_in_a_drill_returns_it_as_a_planned_switch() {
    play(
        &[
            ("READINESS_INTERVAL_MINUTES", "0"),
            ("DRILL_ALARM_NAMES", "late-in-green"),
        ],
        |pair: Pair| async move {
            let pair = rested(pair).await;
            begin(&pair, "r-drill").await;
            pair.minutes(1).await;
            pair.environment(Color::Green, |environment, now| environment.alarm = Some(now));
            let began = pair.at();
            let ticks = pair.minutes(2).await;
            assert_eq!(pair.flag().unwrap(), ("blue".to_owned(), 3), "{ticks:#?}");
            let back = ticks.iter().find(|tick| tick["decision"] == "drill-return").unwrap();
            let from: jiff::Timestamp = back["effective_from"].as_str().unwrap().parse().unwrap();
            assert!(from > began, "not back-dated: {back:#}");
            let record = pair.settings.names.transition(back["transition"].as_str().unwrap());
            let decided = pair.stored(&record).unwrap()["decided_at"].as_str().unwrap().to_owned();
            assert!(from > decided.parse().unwrap(), "after {decided}: {back:#}");
            let event = finished(&pair);
            assert_eq!(event["outcome"], "failed");
            assert!(event["reason"].as_str().unwrap().contains("late-in-green"), "{event:#}");
        },
    );
}

#[test]
fn a_hold_ends_a_drill_and_its_color_stays() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        pair.ask(json!({"action": "hold", "minutes": 60, "reason": "stay"}))
            .await;
        pair.hear().await;
        pair.minutes(8).await;
        assert_eq!(pair.flag().unwrap(), ("green".to_owned(), 2));
        let event = finished(&pair);
        assert_eq!(
            (&event["outcome"], &event["active"]),
            (&json!("interrupted"), &json!("green"))
        );
    });
}

#[test]
fn a_person_who_wants_the_drilled_color_keeps_it() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        let back = pair.ask(json!({"to": "blue"})).await;
        assert_eq!((outcome(&back), pair.flag().unwrap().1), ("refused", 2), "{back}");
        let named = pair.ask(json!({"action": "failover", "to": "green"})).await;
        assert!(
            reason(&named).contains(", in a drill that returns by itself"),
            "{named}"
        );
        let dry = pair.ask(json!({"to": "green", "dry_run": true})).await;
        assert_eq!(
            (outcome(&dry), &stored(&pair)["outcome"]),
            ("would_cancel_drill", &json!("pending")),
            "{dry}"
        );
        let keep = pair
            .ask(json!({"to": "green", "requested_by": "bob", "reason": "it is fine"}))
            .await;
        assert_eq!(outcome(&keep), "drill_canceled", "{keep}");
        assert!(reason(&keep).ends_with("green stays active"), "{keep}");
        let event = finished(&pair);
        assert_eq!(event["outcome"], "interrupted");
        assert!(
            event["reason"]
                .as_str()
                .unwrap()
                .contains("bob wants green to stay active: it is fine"),
            "{event:#}"
        );
        pair.minutes(8).await;
        assert_eq!(pair.flag().unwrap(), ("green".to_owned(), 2));
        assert_eq!(stored(&pair)["outcome"], "interrupted");
        let status = pair.ask(json!({"action": "status"})).await;
        assert!(status["drill"]["return_at"].is_null(), "it never returns: {status:#}");
        let again = pair.ask(json!({"to": "green"})).await;
        assert_eq!(outcome(&again), "unchanged", "{again}");
    });
}

#[test]
fn a_rollback_ends_a_drill() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        let back = pair.ask(json!({"action": "rollback"})).await;
        assert_eq!(
            (outcome(&back), pair.flag().unwrap()),
            ("switched", ("blue".to_owned(), 3)),
            "{back}"
        );
        pair.hear().await;
        pair.minutes(2).await;
        assert_eq!(finished(&pair)["outcome"], "interrupted");
    });
}

#[test]
fn what_objects_blocks_a_drill_and_is_reported() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        pair.ask(json!({"action": "hold", "minutes": 60, "reason": "stay"}))
            .await;
        let dry = pair.ask(json!({"action": "drill", "dry_run": true})).await;
        assert_eq!(
            (outcome(&dry), pair.events("Drill Finished").len()),
            ("blocked", 0),
            "{dry}"
        );
        let request = json!({"action": "drill", "requested_by": "ana", "duration_minutes": 7});
        let blocked = pair.ask_as("r-drill", request.clone()).await.unwrap();
        assert_eq!((outcome(&blocked), pair.flag().unwrap().1), ("blocked", 1), "{blocked}");
        assert!(reason(&blocked).starts_with("hold: "), "{blocked}");
        assert_eq!(
            (&blocked["drill"]["id"], &blocked["drill"]["duration_minutes"]),
            (&json!("r-drill"), &json!(7)),
            "{blocked:#}"
        );
        let event = finished(&pair);
        assert_eq!(
            (&event["outcome"], &event["active"]),
            (&json!("blocked"), &json!("blue")),
            "{event:#}"
        );
        assert_eq!(pair.count("PutMetricData", "DrillOutcome"), 1);
        // What was reported to be blocked does not begin later.
        pair.ask(json!({"action": "release"})).await;
        pair.pass(60).await;
        let again = pair.ask_as("r-drill", request).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"], pair.flag().unwrap().1),
            ("blocked", &json!(true), 1),
            "{again}"
        );
        finished(&pair);
    });
}

#[test]
fn a_dry_drill_and_a_probe_change_nothing_and_are_reported() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        let would = pair
            .ask(json!({"action": "drill", "dry_run": true, "duration_minutes": 9}))
            .await;
        assert_eq!(outcome(&would), "would_drill", "{would}");
        assert!(
            reason(&would).starts_with("green would be drilled for 9 minutes, until about "),
            "{would}"
        );
        assert_eq!(pair.events("Drill Finished").len(), 0);
        for mode in ["dry", "probe"] {
            pair.forget();
            let answer = pair.ask(json!({"action": "drill", "mode": mode})).await;
            assert_eq!(outcome(&answer), "succeeded", "{mode}: {answer:#}");
            assert_eq!(reason(&answer), "nothing stands in the way of a drill of green");
            assert_eq!(finished(&pair)["outcome"], "succeeded");
            assert_eq!(
                pair.count("InvokeRestApi", "importErrors") > 0,
                mode == "probe",
                "a dry one asks no lists"
            );
        }
        assert_eq!(pair.flag().unwrap().1, 1);
        assert!(pair.stored(&pair.settings.names.drill()).is_none());
        // Incomplete, so it proves nothing.
        pair.forget();
        pair.refuse("InvokeRestApi", "importErrors");
        let partial = pair.ask(json!({"action": "drill", "mode": "probe"})).await;
        assert_eq!(outcome(&partial), "blocked", "{partial:#}");
    });
}

#[test]
fn a_probe_of_a_standby_that_is_not_ready_fails() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        // Red: DAGs that run on the active are missing here.
        {
            let mut world = pair.world.lock();
            for dag in &mut world.airflow.sides.green.dags {
                dag.is_there = false;
            }
        }
        let switch = pair.ask(json!({"action": "drill"})).await;
        assert_eq!((outcome(&switch), pair.flag().unwrap().1), ("blocked", 1), "{switch:#}");
        pair.forget();
        let probe = pair.ask(json!({"action": "drill", "mode": "probe"})).await;
        assert_eq!(outcome(&probe), "failed", "{probe:#}");
        assert!(reason(&probe).starts_with("readiness: "), "{probe}");
        assert_eq!(finished(&pair)["outcome"], "failed");
    });
}

#[test]
fn a_drill_that_is_delivered_twice_is_one_drill() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        begin(&pair, "r-drill").await;
        let request = json!({"action": "drill", "duration_minutes": 5, "reason": "practice", "requested_by": "ana"});
        let again = pair.ask_as("r-drill", request.clone()).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"], pair.flag().unwrap().1),
            ("pending", &json!(true), 2),
            "{again}"
        );
        pair.minutes(8).await;
        let again = pair.ask_as("r-drill", request.clone()).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"], pair.flag().unwrap().1),
            ("succeeded", &json!(true), 3),
            "{again}"
        );
        let dry = json!({"action": "drill", "dry_run": true});
        let dry = pair.ask_as("r-drill", dry).await.unwrap();
        assert!(
            dry["repeat"].is_null() || dry["repeat"] == false,
            "a dry run is no repeat: {dry}"
        );
        // Another drill has the parameter: the records tell of the first one.
        pair.pass(1800).await;
        pair.minutes(1).await;
        pair.forget();
        begin(&pair, "r-other").await;
        let again = pair.ask_as("r-drill", request).await.unwrap();
        assert_eq!(
            (outcome(&again), &again["repeat"], &again["drill"]["id"]),
            ("succeeded", &json!(true), &json!("r-drill")),
            "{again:#}"
        );
        assert_eq!(pair.flag().unwrap().1, 4);
    });
}

#[test]
fn a_drill_whose_past_cannot_be_read_does_not_begin() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        pair.ask(json!({"to": "green"})).await;
        pair.hear().await;
        pair.pass(900).await;
        pair.minutes(1).await;
        pair.refuse("GetParameterHistory", "active-environment");
        let error = pair.ask_as("r-drill", json!({"action": "drill"})).await.unwrap_err();
        assert!(error.to_string().contains("begun before"), "{error}");
        assert_eq!(pair.flag().unwrap().1, 2);
    });
}

#[test]
fn two_deliveries_at_once_are_one_drill_with_one_outcome() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        let request = json!({"action": "drill", "duration_minutes": 5});
        let (one, two) = tokio::join!(pair.ask_on("one", "r-drill", request.clone()), async {
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            pair.ask_on("two", "r-drill", request.clone()).await
        });
        drop((one, two));
        pair.hear().await;
        pair.minutes(10).await;
        let events = pair.events("Drill Finished");
        let outcomes: std::collections::BTreeSet<String> =
            events.iter().map(|event| event["outcome"].to_string()).collect();
        assert_eq!(outcomes.len(), 1, "{events:#?}");
        assert_eq!(pair.flag().unwrap().0, "blue");
    });
}

#[test]
fn a_drill_that_another_delivery_began_does_not_block_itself_though_the_last_reading_is_old() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        let name = pair.settings.names.drill();
        let drill = Drill {
            schema: Drill::SCHEMA,
            id: "r-drill".to_owned(),
            mode: Mode::Switch,
            from: Color::Blue,
            to: Color::Green,
            version: FlagVersion(1),
            modified: pair.at(),
            started_at: pair.at(),
            duration_minutes: 5,
            reason: "practice".to_owned(),
            requested_by: None,
            outcome: DrillOutcome::Pending,
            finished_at: None,
            proven_at: None,
        };
        // The other delivery begins the drill after the first reading. The second one shows it; those after it go back.
        pair.before("GetParameters", "active-environment", 1, move |world| {
            by_hand(world, &name, Some(&json!(drill).to_string()));
        });
        pair.before("GetParameters", "active-environment", 2, |world| {
            go_back(world, "GetParameters", 5000, 60);
        });
        let answer = pair.ask_as("r-drill", json!({"action": "drill"})).await.unwrap();
        assert_eq!(
            (outcome(&answer), &answer["repeat"]),
            ("pending", &json!(true)),
            "{answer:#}"
        );
        assert_eq!(pair.events("Drill Finished"), Vec::<Value>::new());
    });
}

#[test]
fn a_drill_is_not_blocked_by_the_claim_of_its_own_other_delivery() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        let flag = format!("\"{}\"", pair.settings.names.flag());
        pair.deny("PutParameter", &flag);
        let request = json!({"action": "drill"});
        pair.ask_as("r-drill", request.clone()).await.unwrap_err();
        pair.mend();
        // Every reading of its drill is older than that.
        pair.by_hand(&pair.settings.names.drill(), None);
        let answer = pair.ask_as("r-drill", request).await.unwrap();
        assert_eq!(
            (outcome(&answer), &answer["repeat"]),
            ("pending", &json!(true)),
            "{answer:#}"
        );
        assert_eq!(pair.events("Drill Finished"), Vec::<Value>::new());
    });
}

#[test]
fn a_claim_that_stands_blocks_a_drill_at_the_last_look() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        let flag = format!("\"{}\"", pair.settings.names.flag());
        pair.deny("PutParameter", &flag);
        pair.ask_as("r-dead", json!({"to": "green"})).await.unwrap_err();
        pair.mend();
        let answer = pair.ask_as("r-drill", json!({"action": "drill"})).await.unwrap();
        assert_eq!((outcome(&answer), pair.flag().unwrap().1), ("blocked", 1), "{answer:#}");
        assert!(
            reason(&answer).contains("a claim out of version 1 stands (switch to green, request r-dead"),
            "{answer}"
        );
        assert!(pair.stored(&pair.settings.names.drill()).is_none());
    });
}

#[test]
fn a_hold_that_is_placed_while_a_drill_asks_its_questions_blocks_it() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        let name = pair.settings.names.hold();
        let until = pair.at() + jiff::SignedDuration::from_hours(1);
        let value = json!({"until": until.to_string(), "reason": "no", "by": "bob"}).to_string();
        // The drill's own record is asked for at the last look.
        pair.before("GetParameters", "/transitions/v2-", 0, move |world| {
            by_hand(world, &name, Some(&value));
        });
        let answer = pair.ask(json!({"action": "drill"})).await;
        assert_eq!((outcome(&answer), pair.flag().unwrap().1), ("blocked", 1), "{answer:#}");
        assert!(reason(&answer).contains("hold"), "{answer}");
    });
}

#[test]
fn an_end_that_the_watcher_published_is_the_end_for_a_second_delivery_too() {
    play(QUIET, |pair: Pair| async move {
        let pair = rested(pair).await;
        pair.ask(json!({"action": "hold", "minutes": 600, "reason": "no drills"}))
            .await;
        pair.until_minute(13).await;
        // It is written down, and nobody says so.
        pair.lose_answer("PutParameter", "unsent");
        pair.refuse("PutParameter", "unsent");
        pair.refuse("GetParameters", "unsent/");
        let error = pair.ask_as("r-drill", json!({"action": "drill"})).await.unwrap_err();
        assert_eq!(error.error_type(), "AuditUndelivered", "{error}");
        pair.mend();
        assert_eq!(pair.events("Drill Finished").len(), 0);
        pair.until_minute(15).await;
        pair.tick().await;
        assert_eq!(pair.events("Drill Finished").len(), 1);
        let answer = pair.ask_as("r-drill", json!({"action": "drill"})).await.unwrap();
        assert_eq!((outcome(&answer), pair.flag().unwrap().1), ("blocked", 1), "{answer:#}");
        let events = pair.events("Drill Finished");
        assert_eq!(events.len(), 1, "{events:#?}");
        let said = events[0]["reason"].as_str().unwrap();
        assert!(reason(&answer).ends_with(said), "{answer:#}");
    });
}
