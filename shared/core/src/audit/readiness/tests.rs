use serde_json::{Value, json};

use super::*;
use crate::airflow::{DagList, ImportErrors};
use crate::color::Color;
use crate::health::ProbeResult;
use crate::readiness::tests::{check, dags, now, throttled, twins};
use crate::readiness::{Level, Turn};

fn subject() -> Subject<'static> {
    Subject {
        pair: "orders",
        flag: "/a/flag",
    }
}

fn red_check() -> Readiness {
    let mut pair = twins();
    pair.snapshot.dags.green = dags(&[("b", true)]);
    check(&pair)
}

fn partial_check() -> Readiness {
    let mut pair = twins();
    pair.snapshot.dags.green = DagList::unknown(throttled());
    check(&pair)
}

/// Writes the state to the parameter and reads it back.
fn stored(standing: &ReadinessState) -> ReadinessState {
    let text = serde_json::to_string(standing).unwrap();
    assert!(text.len() < 4096);
    ReadinessState::read(&text).unwrap()
}

#[test]
fn a_turn_to_red_and_back_is_told_once_each() {
    let green = Turn::after(None, &check(&twins()), Color::Green, now());
    assert_eq!(
        readiness_changed(subject(), &green.standing, None),
        None,
        "ready from the start is no news"
    );
    let red = Turn::after(Some(&stored(&green.standing)), &red_check(), Color::Green, now());
    let event = readiness_changed(subject(), &red.standing, Some(&red_check())).unwrap();
    assert_eq!(event.detail_type.as_str(), "Readiness Changed");
    assert_eq!(
        event.detail["id"],
        json!(format!("orders:/a/flag:readiness:{}", now().as_millisecond()))
    );
    assert_eq!(
        (&event.detail["level"], &event.detail["previous"]),
        (&json!("red"), &json!("green"))
    );
    assert_eq!(event.detail["findings"][0]["name"], json!("dags-missing"));
    assert_eq!(event.detail["score"], json!(49));
    let still = Turn::after(Some(&stored(&red.standing.said())), &red_check(), Color::Green, now());
    assert_eq!(readiness_changed(subject(), &still.standing, Some(&red_check())), None);
    let over = Turn::after(Some(&still.standing), &check(&twins()), Color::Green, now());
    let event = readiness_changed(subject(), &over.standing, Some(&check(&twins()))).unwrap();
    assert_eq!(
        (&event.detail["level"], &event.detail["previous"]),
        (&json!("green"), &json!("red"))
    );
}

#[test]
fn of_two_ticks_at_once_the_first_to_write_tells_it() {
    let theirs = Turn::after(None, &red_check(), Color::Green, now()).standing;
    let later = now() + jiff::SignedDuration::from_secs(17);
    let ours = Turn::after(None, &red_check(), Color::Green, later).standing;
    let written = |state: &ReadinessState| Some(json!(state));
    let left = ours.left_to_another(&[None, written(&theirs)]).unwrap();
    assert_eq!(left.pending_notification, theirs.pending_notification);
    assert_eq!(left.at, ours.at);
    // It has told it already.
    let meanwhile = [written(&theirs), written(&theirs.said())];
    assert_eq!(ours.left_to_another(&meanwhile), Some(ours.said()));
    // Another change is none of ours, and neither is what was there before.
    let green = Turn::after(None, &check(&twins()), Color::Green, now()).standing;
    assert_eq!(ours.left_to_another(&[written(&green)]), None);
    assert_eq!(ours.left_to_another(&[]), None);
    // What an earlier tick left to be told is told.
    let still = Turn::after(Some(&theirs), &red_check(), Color::Green, later).standing;
    assert_eq!(still.left_to_another(&[written(&theirs)]), None);
}

#[test]
fn what_a_tick_has_written_before_it_saw_that_another_one_was_faster_is_told_as_that_ones() {
    let theirs = Turn::after(None, &red_check(), Color::Green, now()).standing;
    let later = now() + jiff::SignedDuration::from_secs(17);
    let ours = Turn::after(None, &red_check(), Color::Green, later).standing;
    let green = Turn::after(None, &check(&twins()), Color::Green, now()).standing;
    let written = |state: &ReadinessState| Some(json!(state));
    // A third tick observes ours, which is not reported yet.
    let pending = |before: &[Option<Value>]| ours.as_first_of_row(before).pending_notification;
    assert_eq!(pending(&[]), ours.pending_notification);
    assert_eq!(
        pending(&[written(&green), written(&theirs)]),
        theirs.pending_notification
    );
    assert_eq!(pending(&[written(&green), written(&theirs.said())]), None);
    // What ended before it was another one.
    for between in [written(&green), None, Some(json!("garbage"))] {
        assert_eq!(pending(&[written(&theirs), between]), ours.pending_notification);
    }
    // What is found now does not matter: it is told as theirs, also where it is over, or was said with fewer findings.
    let settled = ours.as_first_of_row(&[written(&theirs)]);
    let over = Turn::after(Some(&settled), &check(&twins()), Color::Green, later);
    let overtaken = over.overtaken.and_then(|overtaken| overtaken.pending_notification);
    assert_eq!(overtaken, theirs.pending_notification);
    let fewer = ReadinessState {
        red: Vec::new(),
        ..theirs.said()
    };
    assert_eq!(pending(&[written(&fewer)]), ours.pending_notification);
}

#[test]
fn what_turns_red_besides_is_told_too() {
    let red = Turn::after(None, &red_check(), Color::Green, now()).standing.said();
    let mut pair = twins();
    pair.snapshot.dags.green = dags(&[("b", true)]);
    pair.snapshot.import_errors.green = ProbeResult::Known(ImportErrors {
        files: ["orders.py".to_owned()].into(),
        more: false,
    });
    let worse = check(&pair);
    assert!(worse.names(Severity::Red).len() > red_check().names(Severity::Red).len());
    let later = now() + jiff::SignedDuration::from_hours(1);
    let turn = Turn::after(Some(&red), &worse, Color::Green, later);
    let event = readiness_changed(subject(), &turn.standing, Some(&worse)).unwrap();
    assert_eq!(
        (&event.detail["level"], &event.detail["previous"]),
        (&json!("red"), &json!("red"))
    );
    assert!(event.detail["reason"].as_str().unwrap().contains("import-errors"));
    // One of two findings is repaired, which is not reported: the level is still red, and the other was reported.
    let better = Turn::after(Some(&turn.standing.said()), &red_check(), Color::Green, later);
    assert_eq!(readiness_changed(subject(), &better.standing, Some(&red_check())), None);
    // The same finding of the other color, after a transition, is a new one.
    let other = Turn::after(Some(&red), &red_check(), Color::Blue, later);
    assert!(readiness_changed(subject(), &other.standing, Some(&red_check())).is_some());
}

#[test]
fn what_is_red_still_and_could_not_be_asked_is_named() {
    let first = Turn::after(None, &red_check(), Color::Green, now());
    let again = Turn::after(Some(&first.standing), &partial_check(), Color::Green, now());
    let event = readiness_changed(subject(), &again.standing, Some(&partial_check())).unwrap();
    assert_eq!(event.detail["findings"][0]["name"], json!("dags-missing"));
    assert_eq!(
        event.detail["findings"][0]["what"],
        json!("found earlier; now it could not be asked")
    );
}

#[test]
fn red_from_the_start_is_told() {
    let turn = Turn::after(None, &red_check(), Color::Green, now());
    let event = readiness_changed(subject(), &turn.standing, Some(&red_check())).unwrap();
    assert_eq!(event.detail["previous"], json!(null));
    assert_eq!(ReadinessState::read("garbage"), None);
}

#[test]
fn what_was_not_said_is_said_under_the_same_id() {
    let first = Turn::after(None, &red_check(), Color::Green, now());
    let later = now() + jiff::SignedDuration::from_mins(1);
    let again = Turn::after(Some(&stored(&first.standing)), &red_check(), Color::Green, later);
    let id = |turn: &Turn| readiness_changed(subject(), &turn.standing, None).unwrap().detail["id"].clone();
    assert_eq!(id(&first), id(&again));
    assert_eq!(again.overtaken, None);
    // It changed back before it was reported: both changes are reported, in order.
    let over = Turn::after(Some(&stored(&first.standing)), &check(&twins()), Color::Green, later);
    let overtaken = readiness_changed(subject(), over.overtaken.as_ref().unwrap(), None).unwrap();
    assert_eq!(overtaken.detail["id"], id(&first));
    assert_eq!(overtaken.detail["findings"][0]["name"], json!("dags-missing"));
    assert_ne!(id(&over), id(&first));
}

#[test]
fn a_question_without_an_answer_takes_no_red_back() {
    let red = Turn::after(None, &red_check(), Color::Green, now()).standing.said();
    let kept = Turn::after(Some(&red), &partial_check(), Color::Green, now()).standing;
    assert_eq!(
        (kept.level, kept.score, kept.red.as_slice()),
        (Level::Red, 49, ["dags-missing".to_owned()].as_slice())
    );
    assert!(kept.partial && kept.pending_notification.is_none());
    // Another unanswered question shows nothing about the DAGs.
    let mut pair = twins();
    pair.snapshot.allowed_pattern = ProbeResult::Unknown(throttled());
    let cleared = Turn::after(Some(&red), &check(&pair), Color::Green, now()).standing;
    assert_eq!((cleared.level, cleared.red.len()), (Level::Amber, 0));
    assert!(cleared.pending_notification.is_some());
}
