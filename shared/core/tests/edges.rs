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

use bluegreen_core::audit::{Audited, Subject, missing_flag, records_to_prune, transition};
use bluegreen_core::claim::{Decided, Outcome, Reply, Step, StoredClaim, Switching, overridden};
use bluegreen_core::color::Color;
use bluegreen_core::decision::{Precondition, PreconditionName, RecentFailovers, SwitchControl, switch_preconditions};
use bluegreen_core::flag::{DescriptionMetadata, FlagVersion, HistoryEntry, Origin, versions};
use bluegreen_core::hold::{HoldState, StoredHold};
use bluegreen_core::metric::{Metric, MetricName};
use bluegreen_core::notification::{PairContext, compose};
use bluegreen_core::policy::{CLAIM_TIMEOUT, Policy};
use bluegreen_core::request::Expect;
use bluegreen_core::time::{after, before, in_seconds};
use bluegreen_core::transition::{Kind, TransitionRecord};
use serde_json::json;
use support::{Fault, Store, ago, flag, healthy, intent, noon};

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

#[test]
fn a_writer_that_has_written_before_does_not_know_whether_it_is_too_late() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut slow = Switching::new(
        &Policy::default(),
        &observed,
        intent("slow", Kind::Switch, Color::Green),
        store.now,
    );
    let claim = slow.start();
    let claimed = store.answer(&claim, Fault::None).unwrap();
    let write = slow.next(claimed, store.now, 0.5);
    let throttled = store.answer(&write, Fault::Throttled).unwrap();
    assert!(matches!(slow.next(throttled, store.now, 0.5), Step::Wait(_)));
    let Step::Done(outcome) = slow.next(Reply::Waited, after(noon(), Duration::from_secs(61)), 0.5) else {
        panic!("it writes")
    };
    assert!(
        matches!(*outcome, Outcome::Failed(ref failed) if failed.claimed && failed.uncertain),
        "{outcome:?}"
    );
}

#[test]
fn another_version_of_the_same_instant_is_read_once_and_is_somebody_elses() {
    let observed = flag("blue", 12, 3600);
    for (version, age, is_read_again) in [(13, 3600, false), (13, 60, false), (11, 3601, true)] {
        let mut writer = Switching::new(
            &Policy::default(),
            &observed,
            intent("one", Kind::Switch, Color::Green),
            noon(),
        );
        let _ = writer.start();
        let Step::ReadBack { .. } = writer.next(Reply::ClaimExists, noon(), 0.5) else {
            panic!("no reading")
        };
        let reply = Reply::ReadBack {
            flag: Some(flag("green", version, age)),
            claim: None,
        };
        let step = writer.next(reply, noon(), 0.5);
        assert_eq!(
            matches!(step, Step::Wait(_)),
            is_read_again,
            "version {version}, {age} s old: {step:?}"
        );
    }
}

#[test]
fn a_description_has_the_writers_own_sentence() {
    for (reason, by, sentence) in [
        ("it is time", None, "it is time; by switch-handler"),
        ("it is time", Some("ana"), "it is time; by switch-handler for ana"),
        // What only a finisher of another's claim says is in quotation marks where anybody else says it.
        (
            "claim of a dead writer finished by request r-1; ha",
            None,
            "\u{201c}claim of a dead writer finished by request r-1; ha; by switch-handler\u{201d}",
        ),
    ] {
        let observed = flag("blue", 12, 3600);
        let mut store = Store::with_flag(&observed);
        let mut wish = intent("one", Kind::Switch, Color::Green);
        wish.reason = reason.into();
        wish.actor.requested_by = by.map(str::to_owned);
        let mut writer = Switching::new(&Policy::default(), &observed, wish, store.now);
        store.run(&mut writer, &[]).unwrap();
        let description = store.versions[1].description.clone().unwrap();
        let (said, _) = description.split_once(" [effective_from=").unwrap();
        assert_eq!(said, format!("switch: {sentence}"));
        let version = &versions(&store.versions)[1];
        assert_eq!(version.entry.words(&version.origin), Some(description.as_str()));
        // Whoever edits the flag outside inherits the Description, and has said nothing.
        assert_eq!(version.entry.words(&Origin::External), None);
    }
    let store = Store::with_flag(&flag("blue", 12, 3600));
    let edited = HistoryEntry {
        description: Some("by me".into()),
        ..store.versions[0].clone()
    };
    assert_eq!(edited.words(&Origin::External), Some("by me"));
}

#[test]
fn a_flag_that_was_made_again_has_one_version_that_initialize_did_not_write() {
    for (version, description, again) in [
        (
            1,
            "initialize: the first color [effective_from=2026-11-23T11:00:00Z record=v1-1]",
            false,
        ),
        (
            1,
            "restore: it was gone [effective_from=2026-11-23T11:00:00Z record=v1-1]",
            true,
        ),
        (1, "mine", true),
        (2, "mine", false),
        (
            2,
            "restore: it was gone [effective_from=2026-11-23T11:00:00Z record=v2-1]",
            false,
        ),
    ] {
        let mut store = Store::with_flag(&flag("blue", version, 3600));
        store.versions[0].description = Some(description.to_owned());
        let recent = RecentFailovers::count(&versions(&store.versions), None, noon());
        assert_eq!(recent.recreated_after_deletion, again, "{version}: {description}");
    }
    assert!(!RecentFailovers::count(&[], None, noon()).recreated_after_deletion);
}

#[test]
fn a_failover_counts_for_a_day_and_until_it_is_acknowledged() {
    let day = 24 * 60 * 60;
    let count = |age: u64, acknowledged: Option<u64>| {
        let mut store = Store::with_flag(&flag("blue", 12, age));
        store.versions[0].description = Some("failover: x [effective_from=2026-11-20T12:00:00Z record=v12-1]".into());
        RecentFailovers::count(&versions(&store.versions), acknowledged.map(ago), noon())
    };
    for (age, acknowledged, counts) in [
        (day - 1, None, true),
        (day, None, true),
        (day + 1, None, false),
        (100, Some(101), true),
        (100, Some(100), true),
        (100, Some(99), false),
        // An acknowledgment lowers the count, and never counts what is older than a day.
        (day + 1, Some(2 * day), false),
    ] {
        let recent = count(age, acknowledged);
        assert_eq!(
            recent.unacknowledged,
            u32::from(counts),
            "{age} s old, acknowledged {acknowledged:?}"
        );
        assert_eq!(recent.may_be_acknowledged(), counts);
    }
    let policy = Policy {
        failover_budget: 2,
        ..Policy::default()
    };
    for (unacknowledged, is_within) in [(0, true), (1, true), (2, false), (3, false)] {
        let recent = RecentFailovers {
            unacknowledged,
            ..RecentFailovers::default()
        };
        assert_eq!(recent.is_within_budget(&policy), is_within, "{unacknowledged}");
    }
}

#[test]
fn records_are_pruned_where_the_history_is_full_and_older_than_a_day() {
    let day = 24 * 60 * 60;
    let pruned = |count: u64, age: u64| {
        let mut store = Store::with_flag(&flag("blue", 1, 9 * day));
        let old = store.versions.remove(0);
        store.versions = (1..=count)
            .map(|number| HistoryEntry {
                version: FlagVersion(number),
                modified: ago(age),
                description: Some(format!("switch: x [effective_from={} record=r-{number}]", ago(age))),
                ..old.clone()
            })
            .collect();
        records_to_prune(&versions(&store.versions), noon())
    };
    assert_eq!(pruned(99, 9 * day), [""; 0]);
    assert_eq!(pruned(100, 9 * day), ["r-1", "r-2", "r-3", "r-4", "r-5"]);
    assert_eq!(pruned(100, day + 1), ["r-1", "r-2", "r-3", "r-4", "r-5"]);
    assert_eq!(pruned(100, day), [""; 0]);
}

#[test]
fn the_preconditions_of_an_automatic_failover_are_these() {
    let those: Vec<&str> = PreconditionName::ALL
        .iter()
        .filter(|name| name.blocks_failovers())
        .map(|name| name.as_str())
        .collect();
    assert_eq!(
        those,
        [
            "flag-invalid",
            "hold",
            "cooldown",
            "failover-budget",
            "standby-unhealthy",
            "standby-maintenance",
            "standby-unknown",
            "mode-observe",
        ]
    );
}

#[test]
fn a_record_names_the_preconditions_that_objected() {
    let preconditions = [
        Precondition::new(PreconditionName::Hold, false, "held"),
        Precondition::new(PreconditionName::Expect, true, "as expected"),
        Precondition::new(PreconditionName::Cooldown, false, "too early"),
    ];
    assert_eq!(
        overridden(&preconditions),
        [PreconditionName::Hold, PreconditionName::Cooldown]
    );
}

#[test]
fn what_a_caller_expects_is_compared_with_what_it_named() {
    let observed = flag("blue", 12, 60);
    for (active, version, passed, said) in [
        (
            Some(Color::Blue),
            Some(12),
            true,
            "expected blue at version 12, found blue at version 12",
        ),
        (
            Some(Color::Blue),
            Some(13),
            false,
            "expected blue at version 13, found blue at version 12",
        ),
        (
            Some(Color::Green),
            Some(12),
            false,
            "expected green at version 12, found blue at version 12",
        ),
        (
            Some(Color::Green),
            None,
            false,
            "expected green, found blue at version 12",
        ),
        (None, Some(12), true, "expected version 12, found blue at version 12"),
        (None, Some(11), false, "expected version 11, found blue at version 12"),
    ] {
        let expect = Expect {
            active,
            version: version.map(FlagVersion),
        };
        let precondition = expect.precondition(&observed);
        assert_eq!(
            (precondition.name, precondition.passed, precondition.detail.as_str()),
            (PreconditionName::Expect, passed, said)
        );
    }
}

#[test]
fn seconds_have_a_decimal_below_ten_where_it_says_something() {
    for (milliseconds, said) in [
        (0, "0 s"),
        (40, "0.0 s"),
        (900, "0.9 s"),
        (4000, "4 s"),
        (4200, "4.2 s"),
        (9900, "9.9 s"),
        (10_000, "10 s"),
        (12_500, "12 s"),
        (138_000, "138 s"),
    ] {
        assert_eq!(in_seconds(Duration::from_millis(milliseconds)), said);
    }
}

#[test]
fn an_observation_is_shown_with_its_version_and_its_date() {
    assert_eq!(
        flag("blue", 12, 60).to_string(),
        "blue (version 12, written 2026-11-23T11:59:00Z)"
    );
    assert_eq!(
        flag("purple", 2, 0).to_string(),
        "\"purple\" (version 2, written 2026-11-23T12:00:00Z)"
    );
}

#[test]
fn a_version_is_the_same_if_its_number_and_its_date_are() {
    let one = flag("blue", 12, 60);
    for (version, age, is_same) in [(12, 60, true), (13, 60, false), (12, 61, false), (13, 61, false)] {
        assert_eq!(
            one.same_version_as(&flag("green", version, age)),
            is_same,
            "{version}, {age}"
        );
    }
}

#[test]
fn each_deletion_of_the_flag_has_a_name_of_its_own() {
    assert_eq!(missing_flag(None), "missing");
    let audited = Audited {
        version: FlagVersion(13),
        at: ago(60),
    };
    let name = format!("missing-after-v13-{}", ago(60).as_millisecond());
    assert_eq!(missing_flag(Some(audited)), name);
}

#[test]
fn evidence_is_written_by_the_kind_of_decision() {
    let well = healthy().assessed(&Policy::default());
    assert_eq!(Decided::Unseen {}.to_json(), json!({}));
    assert_eq!(
        Decided::Flag { observed_at: ago(1) }.to_json(),
        json!({"observed_at": "2026-11-23T11:59:59Z"})
    );
    let asked = Decided::Asked {
        observed_at: ago(1),
        forced: true,
        target: &well,
        overridden: vec![PreconditionName::Cooldown],
    };
    let written = asked.to_json();
    assert_eq!(
        (&written["forced"], &written["overridden"]),
        (&json!(true), &json!(["cooldown"]))
    );
    assert_eq!(written["target"]["verdict"], "healthy");
}
