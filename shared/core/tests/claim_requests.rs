//! Which requests one writer makes, and how long it waits between them, by what each request is answered.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod support;

use bluegreen_core::claim::{Failure, Outcome, Reply, Step, Switching};
use bluegreen_core::color::Color;
use bluegreen_core::flag::FlagVersion;
use bluegreen_core::policy::Policy;
use bluegreen_core::transition::Kind;
use support::Fault::{self, Denied, LostAnswer, LostRequest, Stale, Throttled};
use support::{Store, flag, intent, noon};

const FINE: Fault = Fault::None;

/// The requests and waits of one writer, and its end. `jitter` is the same for all waits.
fn requests(
    store: &mut Store,
    writer: &mut Switching,
    jitter: f64,
    mut answers: impl FnMut(usize, Reply) -> Reply,
    faults: &[Fault],
) -> (String, Outcome) {
    let mut said = Vec::new();
    let mut asked = 0;
    let mut step = writer.start();
    for _ in 0..40 {
        said.push(match &step {
            Step::CreateClaim { .. } => "claim".to_owned(),
            Step::ReadBack { .. } => "read".to_owned(),
            Step::WriteFlag { .. } => "write".to_owned(),
            Step::ReadHistory => "history".to_owned(),
            Step::Wait(time) => time.as_millis().to_string(),
            Step::Done(outcome) => return (said.join(" "), (**outcome).clone()),
        });
        let reply = if matches!(step, Step::Wait(_)) {
            store.answer(&step, FINE).unwrap()
        } else {
            let reply = store.answer(&step, faults.get(asked).copied().unwrap_or(FINE)).unwrap();
            asked += 1;
            answers(asked, reply)
        };
        step = writer.next(reply, store.now, jitter);
    }
    panic!("no end: {said:?}");
}

fn end(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Switched(done) => format!("switched {}", done.version),
        Outcome::Conflict(_) => "conflict".to_owned(),
        Outcome::Failed(failed) => {
            let claimed = if failed.claimed { ", claimed" } else { "" };
            let uncertain = if failed.uncertain { ", uncertain" } else { "" };
            format!("failed {}{claimed}{uncertain}", failed.doing)
        }
    }
}

fn run(faults: &[Fault], answers: impl FnMut(usize, Reply) -> Reply) -> (String, String) {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Color::Green),
        noon(),
    );
    let (said, outcome) = requests(&mut store, &mut writer, 0.5, answers, faults);
    (said, end(&outcome))
}

#[test]
fn every_answer_has_its_next_request_and_four_attempts_are_the_most() {
    for (faults, said, ends) in [
        (&[][..], "claim write", "switched 13"),
        // The claim.
        (&[Denied], "claim", "failed claiming the transition"),
        (&[Throttled], "claim 150 claim write", "switched 13"),
        (
            &[Throttled; 3],
            "claim 150 claim 300 claim 600 claim write",
            "switched 13",
        ),
        (
            &[Throttled; 4],
            "claim 150 claim 300 claim 600 claim",
            "failed claiming the transition",
        ),
        (
            &[Throttled, Denied],
            "claim 150 claim",
            "failed claiming the transition",
        ),
        // Whether it was made shows a reading.
        (&[LostAnswer], "claim read write", "switched 13"),
        (&[LostRequest], "claim read 150 claim write", "switched 13"),
        (&[LostAnswer, Stale], "claim read 150 claim read write", "switched 13"),
        (
            &[LostRequest, FINE, LostRequest, FINE],
            "claim read 150 claim read",
            "conflict",
        ),
        (&[LostAnswer, Denied], "claim read 150 read write", "switched 13"),
        (
            &[LostAnswer, Denied, Denied],
            "claim read 150 read 300 read write",
            "switched 13",
        ),
        (
            &[LostAnswer, Denied, Denied, Denied],
            "claim read 150 read 300 read",
            "failed reading who holds the claim",
        ),
        // The write has its own four attempts, and its own waits.
        (&[FINE, Denied], "claim write", "failed writing the flag, claimed"),
        (
            &[Throttled, Throttled, FINE, Throttled],
            "claim 150 claim 300 claim write 150 write",
            "switched 13",
        ),
        (
            &[Throttled, Throttled, Throttled, FINE, Throttled, Throttled, Throttled],
            "claim 150 claim 300 claim 600 claim write 150 write 300 write 600 write",
            "switched 13",
        ),
        (
            &[FINE, Throttled, Throttled, Throttled, Throttled],
            "claim write 150 write 300 write 600 write",
            "failed writing the flag, claimed",
        ),
        // Whether it was made shows the history.
        (&[FINE, LostAnswer], "claim write history", "switched 13"),
        (&[FINE, LostRequest], "claim write history 150 write", "switched 13"),
        (
            &[FINE, LostAnswer, Denied],
            "claim write history 150 history",
            "switched 13",
        ),
        (
            &[FINE, LostAnswer, Denied, Denied, Denied, Denied],
            "claim write history 150 history 300 history 600 history 1200 history",
            "switched 13",
        ),
        (
            &[FINE, LostAnswer, Denied, Denied, Denied, Denied, Denied],
            "claim write history 150 history 300 history 600 history 1200 history",
            "failed finding out whether the flag was written, claimed, uncertain",
        ),
        (
            &[
                FINE,
                LostRequest,
                FINE,
                LostRequest,
                FINE,
                LostRequest,
                FINE,
                LostRequest,
            ],
            "claim write history 150 write history 150 write history 150 write history",
            "failed writing the flag, claimed, uncertain",
        ),
    ] {
        let (requests, end) = run(faults, |_, reply| reply);
        assert_eq!((requests.as_str(), end.as_str()), (said, ends), "{faults:?}");
    }
}

#[test]
fn an_answer_that_may_have_been_carried_out_is_looked_up_even_where_it_would_not_be_asked_again() {
    for (at, said) in [(1, "claim read write"), (2, "claim write history")] {
        let faults = if at == 1 {
            &[LostAnswer][..]
        } else {
            &[FINE, LostAnswer]
        };
        let (requests, end) = run(faults, |asked, reply| match reply {
            Reply::Failed(failure) if asked == at => Reply::Failed(Failure {
                retryable: false,
                ..failure
            }),
            reply => reply,
        });
        assert_eq!((requests.as_str(), end.as_str()), (said, "switched 13"), "{at}");
    }
}

#[test]
fn a_confirmed_write_that_the_history_does_not_show_is_looked_for_four_times() {
    // The write returns a later version than the expected one, and then nobody sees it.
    let hidden = |answers: usize| {
        move |asked: usize, reply: Reply| match reply {
            Reply::Wrote(_) => Reply::Wrote(FlagVersion(14)),
            Reply::History(history) if asked < 3 + answers => Reply::History(history[..1].to_vec()),
            reply => reply,
        }
    };
    let (requests, end) = run(&[], hidden(1));
    // It is there at the second look. The version that came back is the newer one.
    assert_eq!(
        (requests.as_str(), end.as_str()),
        ("claim write history 150 history", "switched 14")
    );
    let (requests, end) = run(&[], hidden(4));
    let waits = "claim write history 150 history 300 history 600 history 1200 history";
    assert_eq!((requests.as_str(), end.as_str()), (waits, "switched 14"));
    let (requests, end) = run(&[], hidden(9));
    assert_eq!((requests.as_str(), end.as_str()), (waits, "switched 14"));
}

#[test]
fn a_wait_is_between_half_of_it_and_all_of_it() {
    for (jitter, wait) in [
        (0.0, 100),
        (0.5, 150),
        (1.0, 200),
        (-1.0, 100),
        (7.0, 200),
        (f64::NAN, 150),
        (f64::INFINITY, 150),
    ] {
        let observed = flag("blue", 12, 3600);
        let mut store = Store::with_flag(&observed);
        let mut writer = Switching::new(
            &Policy::default(),
            &observed,
            intent("one", Kind::Switch, Color::Green),
            noon(),
        );
        let (said, _) = requests(&mut store, &mut writer, jitter, |_, reply| reply, &[Throttled]);
        assert_eq!(said, format!("claim {wait} claim write"), "{jitter}");
    }
}

#[test]
fn an_answer_to_another_request_is_a_fault_of_the_caller() {
    let observed = flag("blue", 12, 3600);
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Color::Green),
        noon(),
    );
    let _ = writer.start();
    let Step::Done(outcome) = writer.next(Reply::Waited, noon(), 0.5) else {
        panic!("it goes on")
    };
    assert_eq!(end(&outcome), "failed following the switch protocol");
}

#[test]
fn a_claim_names_its_pair_and_its_writer_recognizes_it() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Color::Green),
        noon(),
    );
    writer.of_pair("orders");
    let (said, _) = requests(&mut store, &mut writer, 0.5, |_, reply| reply, &[LostAnswer]);
    assert_eq!(said, "claim read write");
    let claim = &store.claims[writer.record()].value;
    assert!(claim.contains(r#""pair":"orders""#), "{claim}");
}
