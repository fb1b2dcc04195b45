//! Values at their exact boundaries, where a wrong comparison in the code would otherwise go unnoticed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use bluegreen_core::audit::{Subject, transition};
use bluegreen_core::claim::{Outcome, Reply, Step, StoredClaim, Switching};
use bluegreen_core::color::Color;
use bluegreen_core::decision::{PreconditionName, SwitchControl, switch_preconditions};
use bluegreen_core::flag::{DescriptionMetadata, versions};
use bluegreen_core::hold::{HoldState, StoredHold};
use bluegreen_core::metric::{Metric, MetricName};
use bluegreen_core::notification::{PairContext, compose};
use bluegreen_core::policy::{CLAIM_TIMEOUT, Policy};
use bluegreen_core::time::{after, before};
use bluegreen_core::transition::{Kind, TransitionRecord};
use serde_json::json;
use support::{Store, ago, flag, healthy, intent, noon};

#[test]
fn a_hold_that_ended_at_the_moment_it_was_written_was_released_and_did_not_run_out() {
    let stored = StoredHold {
        value: json!({"until": ago(60), "reason": "released", "by": "ana"}).to_string(),
        change: "v2-1".into(),
        written: ago(60),
    };
    assert_eq!(stored.ran_out(noon()), None);
}

#[test]
fn the_cooldown_is_over_when_its_time_is() {
    let policy = Policy::default();
    let control = SwitchControl {
        hold: &HoldState::None,
        drill: None,
    };
    for (age, rested) in [(299, false), (300, true), (301, true)] {
        let target = healthy().assessed(&policy);
        let preconditions = switch_preconditions(
            &policy,
            Kind::Switch,
            &flag("blue", 12, age),
            &control,
            Color::Green,
            &target,
            noon(),
        );
        let cooldown = preconditions
            .iter()
            .find(|precondition| precondition.name == PreconditionName::Cooldown)
            .unwrap();
        assert_eq!(cooldown.passed, rested, "{age} s");
    }
}

#[test]
fn the_active_counts_one_and_the_other_nothing() {
    for active in Color::BOTH {
        let metrics = Metric::active_environment(active, noon());
        let told: Vec<(&str, bool)> = metrics
            .iter()
            .map(|metric| {
                (
                    metric.dimension().unwrap().1,
                    metric.value.to_bits() == 1.0_f64.to_bits(),
                )
            })
            .collect();
        let expected = Color::BOTH.map(|color| (color.as_str(), color == active));
        assert_eq!(told, expected);
        let sum: f64 = metrics.iter().map(|metric| metric.value).sum();
        assert!((sum - 1.0).abs() < f64::EPSILON, "the two add up to one: {sum}");
    }
}

#[test]
fn how_long_a_switch_took_is_told_in_milliseconds() {
    let observed = flag("blue", 1, 3600);
    let mut store = Store::with_flag(&observed);
    let mut switching = Switching::new(
        &Policy::default(),
        &observed,
        intent("w", Kind::Switch, Color::Green),
        noon(),
    );
    let Some(Outcome::Switched(switched)) = store.run(&mut switching, &[]) else {
        panic!("not switched")
    };
    let record = TransitionRecord::from_stored(&store.claims[&switched.record].value).unwrap();
    let written = store.versions.last().unwrap().modified;
    let records = BTreeMap::from([(switched.record, record)]);
    let versions = versions(&store.versions);
    let subject = Subject {
        pair: "orders",
        flag: "/orders/active-environment",
    };
    let (_, metrics) = transition(subject, &versions[1], Some(&versions[0]), &records);
    let duration = metrics
        .iter()
        .find(|metric| metric.name == MetricName::SwitchDuration)
        .unwrap();
    let expected = written.duration_since(noon()).as_secs_f64() * 1000.0;
    assert!(
        expected > 1.0 && (duration.value - expected).abs() < 0.5,
        "{} is not {expected}",
        duration.value
    );
}

#[test]
fn a_claim_is_abandoned_at_the_instant_at_which_its_writer_must_have_ended() {
    let observed = flag("blue", 12, 3600);
    for (age, finished) in [
        (CLAIM_TIMEOUT.checked_sub(Duration::from_millis(1)).unwrap(), false),
        (CLAIM_TIMEOUT, true),
    ] {
        let mut switching = Switching::new(
            &Policy::default(),
            &observed,
            intent("w", Kind::Switch, Color::Green),
            noon(),
        );
        let _claim = switching.start();
        let _read_back = switching.next(Reply::ClaimExists, noon(), 0.5);
        let reply = Reply::ReadBack {
            flag: Some(observed.clone()),
            claim: Some(StoredClaim {
                value: "{}".into(),
                modified: before(noon(), age),
            }),
        };
        let step = switching.next(reply, noon(), 0.5);
        assert_eq!(matches!(step, Step::WriteFlag { .. }), finished, "{age:?}: {step:?}");
    }
}

#[test]
fn a_clock_that_is_set_back_between_claim_and_write_brings_nothing_forward() {
    // The record has promised an instant; readers may have acted on the old color up to then.
    let observed = flag("blue", 12, 3600);
    let policy = Policy::default();
    let mut switching = Switching::new(&policy, &observed, intent("w", Kind::Switch, Color::Green), noon());
    let _claim = switching.start();
    let Step::WriteFlag { description, .. } = switching.next(Reply::ClaimCreated, ago(5), 0.5) else {
        panic!("no write")
    };
    assert_eq!(
        DescriptionMetadata::read(&description).unwrap().effective_from,
        after(noon(), policy.lead)
    );
}

#[test]
fn what_no_region_is_called_gets_into_no_command() {
    for (region, option) in [("eu-west-1", true), ("x;rm", false), ("$(id)", false), ("a'b", false)] {
        let place = PairContext {
            pair: "orders",
            flag: "/orders/active-environment",
            region: Some(region),
            runbooks: None,
        };
        let body = compose(place, "Failover Blocked", &json!({})).body;
        assert_eq!(body.contains("--region"), option, "{region}: {body}");
    }
}
