//! An event has one date under its id, however often it is sent, and by whom.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bluegreen_simulation::clock::{MINUTE, SECOND, timestamp};
use bluegreen_simulation::world::Delivery;
use serde_json::{Value, json};

use crate::pair::{Pair, outcome, play};

/// How often each event of this kind was sent, and with which dates, by its id.
fn dates(pair: &Pair, kind: &str) -> BTreeMap<String, (usize, BTreeSet<String>)> {
    let mut found: BTreeMap<String, (usize, BTreeSet<String>)> = BTreeMap::new();
    for entry in pair.entries(kind) {
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        let (sent, dates) = found.entry(detail["id"].as_str().unwrap().to_owned()).or_default();
        *sent += 1;
        dates.insert(entry["Time"].to_string());
    }
    found
}

#[test]
fn a_placement_and_an_end_of_the_hold_are_dated_by_themselves() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.forget();
        pair.ask(json!({"action": "hold", "minutes": 10, "reason": "short"}))
            .await;
        let placed_at = pair.now();
        let placed = pair.lose_events().remove(0);
        // Sent, and not noted.
        let mark = format!("\"{}\"", pair.settings.names.hold_reported());
        pair.deny("PutParameter", &mark);
        for _ in 0..2 {
            pair.pass(20).await;
            pair.listen(placed.clone()).await.unwrap_err();
        }
        pair.mend();
        let Some(Delivery::Audit(event)) = pair.lose_events().into_iter().next() else {
            panic!("nobody is told")
        };
        assert_eq!(event["time"], timestamp(placed_at / SECOND * SECOND).to_string());
        let told = dates(&pair, "Hold Changed");
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(
            told.values().all(|(sent, dates)| (*sent, dates.len()) == (2, 1)),
            "{told:#?}"
        );
        pair.listen(placed).await.unwrap();

        pair.pass(10 * MINUTE / SECOND).await;
        pair.forget();
        pair.deny("PutParameter", &mark);
        for _ in 0..2 {
            pair.pass(20).await;
            pair.tick_of("schedule").await.unwrap_err();
        }
        let told = dates(&pair, "Hold Changed");
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(
            told.values().all(|(sent, dates)| (*sent, dates.len()) == (2, 1)),
            "{told:#?}"
        );
    });
}

#[test]
fn a_removal_of_the_hold_is_dated_by_its_change() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"action": "hold", "minutes": 10, "reason": "short"}))
            .await;
        pair.hear().await;
        pair.pass(40).await;
        pair.by_hand(&pair.settings.names.hold(), None);
        let removed = pair.lose_events().remove(0);
        pair.forget();
        for _ in 0..2 {
            pair.pass(20).await;
            pair.listen(removed.clone()).await.unwrap();
        }
        let told = dates(&pair, "Hold Changed");
        assert_eq!(
            told.values()
                .map(|(sent, dates)| (*sent, dates.len()))
                .collect::<Vec<_>>(),
            [(2, 1)]
        );
    });
}

#[test]
fn a_release_is_reported_once_although_another_one_came_between_its_two_deliveries() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"action": "hold", "minutes": 60, "reason": "one"}))
            .await;
        pair.pass(5).await;
        pair.deny("PutParameter", &format!("\"{}\"", pair.settings.names.hold()));
        pair.ask_as("r-first", json!({"action": "release"})).await.unwrap_err();
        pair.mend();
        pair.pass(5).await;
        pair.ask_as("r-second", json!({"action": "release"})).await.unwrap();
        pair.pass(50).await;
        let again = pair.ask_as("r-first", json!({"action": "release"})).await.unwrap();
        assert_eq!(outcome(&again), "unchanged", "{again}");
        let told = dates(&pair, "Failovers Acknowledged");
        assert_eq!(
            told.values().map(|(sent, _)| *sent).collect::<Vec<_>>(),
            [1, 1],
            "{told:#?}"
        );
        let acknowledged = pair.stored(&pair.settings.names.acknowledged()).unwrap();
        assert_eq!(
            acknowledged["request_id"], "r-second",
            "what came since is not acknowledged"
        );
    });
}

#[test]
fn two_deliveries_of_one_release_at_once_report_it_once() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        let later = async {
            tokio::time::sleep(Duration::from_millis(40)).await;
            pair.ask_on("another", "r-release", json!({"action": "release"})).await
        };
        let (one, other) = tokio::join!(pair.ask_on("one", "r-release", json!({"action": "release"})), later);
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        let told = dates(&pair, "Failovers Acknowledged");
        assert_eq!(
            told.values().map(|(sent, _)| *sent).collect::<Vec<_>>(),
            [1],
            "{told:#?}"
        );
    });
}

#[test]
fn a_release_that_cannot_be_written_down_is_reported_at_once_and_again_with_the_same_date() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.deny("PutParameter", &pair.settings.names.unsent_event("r-release"));
        pair.ask_as("r-release", json!({"action": "release"})).await.unwrap();
        pair.pass(30).await;
        // What is noted of its answer is lost, too.
        pair.by_hand(&pair.settings.names.answered(), None);
        pair.ask_as("r-release", json!({"action": "release"})).await.unwrap();
        let told = dates(&pair, "Failovers Acknowledged");
        assert_eq!(
            told.values()
                .map(|(sent, dates)| (*sent, dates.len()))
                .collect::<Vec<_>>(),
            [(2, 1)]
        );
        // Neither way is open.
        pair.deny("PutParameter", &pair.settings.names.unsent_event("r-next"));
        pair.refuse("PutEvents", "");
        let error = pair.ask_as("r-next", json!({"action": "release"})).await.unwrap_err();
        assert_eq!(error.error_type(), "AuditUndelivered");
        assert!(error.to_string().contains("this event is lost"), "{error}");
    });
}
