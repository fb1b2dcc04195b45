//! Corner cases of the switch protocol: stale readings, late writers, and claims that another writer abandoned.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod support;

use bluegreen_core::claim::{Conflict, Outcome, Step, Switching};
use bluegreen_core::color::Color;
use bluegreen_core::flag::{FlagObservation, FlagValue, FlagVersion, HistoryEntry};
use bluegreen_core::policy::{CLAIM_TIMEOUT, Policy};
use bluegreen_core::transition::Kind;
use support::{Fault, Store, ago, flag, intent, noon, seconds};

fn writer(observed: &FlagObservation, name: &str, kind: Kind, to: Color, store: &Store) -> Switching {
    Switching::new(&Policy::default(), observed, intent(name, kind, to), store.now)
}

/// A claim of `name` out of `observed`, abandoned this many seconds ago: its writer died before it wrote the flag.
fn abandoned(observed: &FlagObservation, name: &str, to: Color, age: u64) -> Store {
    let mut store = Store::with_flag(observed);
    let mut dead = writer(observed, name, Kind::Switch, to, &store);
    assert_eq!(store.run(&mut dead, &[Fault::DiesAfter]), None);
    store.pass(seconds(age));
    store
}

fn conflict(outcome: Option<Outcome>) -> Conflict {
    match outcome {
        Some(Outcome::Conflict(conflict)) => conflict,
        other => panic!("no conflict: {other:?}"),
    }
}

#[test]
fn a_reading_older_than_the_observation_is_read_again_and_is_nobodys_victory() {
    let before = flag("green", 11, 7200);
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&before);
    store.versions.push(HistoryEntry {
        value: FlagValue::read("blue"),
        version: FlagVersion(12),
        modified: ago(3600),
        author: None,
        description: None,
    });
    let mut alone = writer(&observed, "one", Kind::Switch, Color::Green, &store);
    // The claim's answer is lost, and the read that follows is one version old: there is one writer, and it continues.
    let outcome = store.run(&mut alone, &[Fault::LostAnswer, Fault::Stale]);
    let Some(Outcome::Switched(switched)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((switched.version, store.claimed.len()), (FlagVersion(13), 1));
}

#[test]
fn a_writer_writes_up_to_a_minute_after_it_decided_and_no_later() {
    for (late, writes) in [(60, true), (61, false)] {
        let observed = flag("blue", 12, 3600);
        let mut store = Store::with_flag(&observed);
        let mut slow = writer(&observed, "slow", Kind::Switch, Color::Green, &store);
        let claim = slow.start();
        let claimed = store.answer(&claim, Fault::None).unwrap();
        let step = slow.next(claimed, noon() + seconds(late), 0.5);
        match step {
            Step::WriteFlag { .. } => assert!(writes, "{late} s"),
            Step::Done(outcome) => {
                let Outcome::Failed(failed) = *outcome else {
                    panic!("{outcome:?}")
                };
                assert!(!writes && failed.claimed && !failed.uncertain, "{late} s: {failed:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    const {
        assert!(
            60 < CLAIM_TIMEOUT.as_secs(),
            "nobody takes over from a writer that may write"
        );
    };
}

#[test]
fn a_writer_that_tries_again_too_late_leaves_the_flag_alone() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut slow = writer(&observed, "slow", Kind::Switch, Color::Green, &store);
    let claim = slow.start();
    let claimed = store.answer(&claim, Fault::None).unwrap();
    let write = slow.next(claimed, store.now, 0.5);
    let throttled = store.answer(&write, Fault::Throttled).unwrap();
    let Step::Wait(_) = slow.next(throttled, store.now, 0.5) else {
        panic!("it does not wait")
    };
    let step = slow.next(bluegreen_core::claim::Reply::Waited, noon() + seconds(61), 0.5);
    assert!(
        matches!(&step, Step::Done(outcome) if matches!(**outcome, Outcome::Failed(_))),
        "{step:?}"
    );
    assert_eq!(store.flag(), Some(observed));
}

#[test]
fn a_drill_finishes_nobodys_claim() {
    let observed = flag("blue", 12, 3600);
    let mut store = abandoned(&observed, "dead", Color::Green, 90);
    let mut drill = writer(&observed, "drill", Kind::Drill, Color::Green, &store);
    let lost = conflict(store.run(&mut drill, &[]));
    assert!(
        lost.reason.contains("a drill leaves it alone") && lost.reason.contains("dead"),
        "{}",
        lost.reason
    );
    assert_eq!(store.flag(), Some(observed));
    // Any other writer does.
    let observed = store.flag().unwrap();
    let mut person = writer(&observed, "ana", Kind::Switch, Color::Green, &store);
    assert!(matches!(store.run(&mut person, &[]), Some(Outcome::Switched(done)) if done.rolled_forward));
}

#[test]
fn whoever_finishes_a_claim_writes_the_color_that_was_claimed() {
    let garbage = flag("purple", 12, 3600);
    let mut store = abandoned(&garbage, "dead", Color::Blue, 90);
    let mut finisher = writer(&garbage, "ana", Kind::Restore, Color::Green, &store);
    let outcome = store.run(&mut finisher, &[]);
    let Some(Outcome::Switched(done)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((done.to, done.rolled_forward), (Color::Blue, true));
    assert_eq!(store.flag().unwrap().value, FlagValue::Valid(Color::Blue));
}
