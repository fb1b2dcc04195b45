//! Each word that is written in two ways, by its type and by a function, is the same word.
#![allow(clippy::unwrap_used, missing_docs)]

use bluegreen_core::color::Color;
use bluegreen_core::dag_management::State;
use bluegreen_core::decision::Action;
use bluegreen_core::drill::{BlockedWindows, DrillOutcome, Mode};
use bluegreen_core::health::Verdict;
use bluegreen_core::outcome::Outcome;
use bluegreen_core::precondition::PreconditionName;
use serde_json::{Value, json};

fn same(written: &Value, word: &str) {
    assert_eq!(written, word);
}

#[test]
fn a_word_is_the_same_in_json_and_in_text() {
    for color in [Color::Blue, Color::Green] {
        same(&json!(color), color.as_str());
        same(&json!(color), &color.to_string());
    }
    for verdict in [
        Verdict::Healthy,
        Verdict::Unhealthy,
        Verdict::Suspect,
        Verdict::Maintenance,
        Verdict::Unknown,
    ] {
        same(&json!(verdict), verdict.as_str());
        same(&json!(verdict), &verdict.to_string());
    }
    for action in [
        Action::None,
        Action::Failover,
        Action::Blocked,
        Action::ObserveOnly,
        Action::DrillReturn,
    ] {
        same(&json!(action), action.as_str());
    }
    same(&json!("restore"), Action::Restore(Color::Blue).as_str());
    for mode in [Mode::Dry, Mode::Probe, Mode::Switch] {
        same(&json!(mode), mode.as_str());
    }
    for outcome in DrillOutcome::ENDS.into_iter().chain([DrillOutcome::Pending]) {
        same(&json!(outcome), outcome.as_str());
        same(&json!(outcome), &outcome.to_string());
        assert_eq!(DrillOutcome::parse(outcome.as_str()), Some(outcome));
    }
    assert_eq!(DrillOutcome::parse("xyzzy"), None);
    for state in [
        State::ActivationFailed,
        State::Activating,
        State::Draining,
        State::NotFenced,
        State::Settled,
    ] {
        same(&json!(state), state.as_str());
    }
    for outcome in Outcome::ALL {
        same(&json!(outcome), outcome.as_str());
    }
    for name in PreconditionName::ALL {
        same(&json!(name), name.as_str());
    }
}

#[test]
fn blocked_windows_are_shown_as_they_were_given() {
    let windows = BlockedWindows::read("MON:08:00-FRI:18:00, 2026-12-24").unwrap();
    assert_eq!(windows.to_string(), "MON:08:00-FRI:18:00, 2026-12-24");
    assert_eq!(BlockedWindows::read("").unwrap().to_string(), "");
}
