//! Every event as it is written: all its fields. Dashboards, rules and people's own consumers read them by name.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::audit::{
    AuditEvent, EventType, Subject, active_unknown, blocked, dag_management, drill_finished, drill_overdue,
    failovers_acknowledged, flag_fault, hold_removed, transition,
};
use bluegreen_core::claim::Switching;
use bluegreen_core::color::Color;
use bluegreen_core::dag_management::{ActiveVersion, News, Progress, Report, State};
use bluegreen_core::drill::{Conclusion, DrillOutcome, Mode, Timings};
use bluegreen_core::flag::{FlagVersion, versions};
use bluegreen_core::health::Verdict;
use bluegreen_core::hold::{Hold, HoldState};
use bluegreen_core::policy::Policy;
use bluegreen_core::time::after;
use bluegreen_core::transition::{Kind, TransitionRecord, Trigger};
use serde_json::{Value, json};
use support::{Fault, Store, ago, dead, flag, intent, noon, seconds, tick};

const SUBJECT: Subject<'static> = Subject {
    pair: "orders",
    flag: "/a/flag",
};

/// The detail, with what every event has checked and taken out.
fn detail(event: AuditEvent, of: EventType, id: &str) -> Value {
    assert_eq!(event.detail_type, of);
    let Value::Object(mut fields) = event.detail else {
        panic!("{event:?}")
    };
    let common = ["schema", "id", "pair", "flag"].map(|name| fields.remove(name));
    let expected = [
        json!(1),
        json!(format!("orders:/a/flag:{id}")),
        json!("orders"),
        json!("/a/flag"),
    ];
    assert_eq!(common, expected.map(Some));
    Value::Object(fields)
}

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_blocked_failover() {
    let held = HoldState::Active(Hold {
        until: after(noon(), seconds(3600)),
        reason: "an upgrade".into(),
        by: "ana".into(),
    });
    let tick = tick().blue(dead()).hold(held);
    let decision = tick.decide();
    let event = blocked(
        SUBJECT,
        "v12-7",
        Some(Color::Blue),
        ago(60),
        &decision,
        &tick.verdicts(),
        noon(),
    );
    assert_eq!(event.at, noon());
    let id = format!("v12-7:blocked:hold:{}", ago(60).as_millisecond());
    let mut detail = detail(event, EventType::FailoverBlocked, &id);
    let preconditions = detail["preconditions"].take();
    let evidence = detail["evidence"].take();
    assert_eq!(
        detail,
        json!({
            "active": "blue", "wanted": "green", "since": "2026-11-23T11:59:00Z", "reason": decision.reason,
            "preconditions": null, "blocked_by": ["hold"], "evidence": null,
        })
    );
    assert!(!decision.reason.is_empty());
    let asked: Vec<(&str, bool)> = preconditions
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["passed"].as_bool().unwrap()))
        .collect();
    let of_decision: Vec<(&str, bool)> = decision
        .preconditions
        .iter()
        .map(|one| (one.name.as_str(), one.passed))
        .collect();
    assert_eq!(asked, of_decision);
    assert_eq!(asked.iter().filter(|(_, passed)| !passed).count(), 1);
    assert_eq!(evidence["verdicts"]["blue"]["verdict"], "unhealthy");
    assert_eq!(evidence["verdicts"]["green"]["verdict"], "healthy");
}

#[test]
fn an_active_environment_in_doubt() {
    let tick = tick();
    let decision = tick.decide();
    let active = (Some(Color::Green), Verdict::Suspect);
    let event = active_unknown(SUBJECT, "v12-7", ago(900), active, &decision, &tick.verdicts(), noon());
    assert_eq!(event.at, noon());
    let id = format!("v12-7:unknown:{}", ago(900).as_millisecond());
    let mut detail = detail(event, EventType::EnvironmentUnknown, &id);
    assert_eq!(detail["evidence"].take()["verdicts"]["blue"]["verdict"], "healthy");
    assert_eq!(
        detail,
        json!({
            "active": "green", "verdict": "suspect", "since": "2026-11-23T11:45:00Z", "reason": decision.reason, "evidence": null,
        })
    );
}

#[test]
fn a_drill() {
    let conclusion = Conclusion {
        schema: 1,
        id: "request-1".into(),
        mode: Mode::Switch,
        outcome: DrillOutcome::Failed,
        from: Some(Color::Blue),
        to: Some(Color::Green),
        active: Some(Color::Blue),
        reason: "an alarm".into(),
        requested_by: Some("ana".into()),
        timings: Timings {
            started_at: ago(700),
            switched_at: Some(ago(690)),
            returned_at: Some(ago(90)),
            finished_at: ago(60),
            switch_duration_ms: Some(10_000),
            return_duration_ms: Some(2000),
            held_s: Some(600),
            duration_minutes: 15,
        },
    };
    let event = drill_finished(SUBJECT, &conclusion);
    assert_eq!(event.at, ago(60));
    assert_eq!(
        detail(event, EventType::DrillFinished, "drill:request-1"),
        json!({
            "drill": "request-1", "mode": "switch", "outcome": "failed", "from": "blue", "to": "green", "active": "blue",
            "reason": "an alarm", "requested_by": "ana",
            "timings": {
                "started_at": "2026-11-23T11:48:20Z", "switched_at": "2026-11-23T11:48:30Z", "returned_at": "2026-11-23T11:58:30Z",
                "finished_at": "2026-11-23T11:59:00Z", "switch_duration_ms": 10_000, "return_duration_ms": 2000, "held_s": 600,
                "duration_minutes": 15,
            },
        })
    );
    let check = Conclusion {
        mode: Mode::Probe,
        from: None,
        to: None,
        active: None,
        requested_by: None,
        ..conclusion
    };
    let detail = detail(
        drill_finished(SUBJECT, &check),
        EventType::DrillFinished,
        "drill:request-1",
    );
    assert_eq!(detail["mode"], "probe");
    for name in ["from", "to", "active", "requested_by"] {
        assert_eq!(detail[name], json!(null), "{name}");
    }
}

#[test]
fn a_drill_that_is_overdue_a_fault_of_the_flag_a_hold_that_is_gone_and_an_acknowledgment() {
    let last = ago(30 * 86_400);
    let event = drill_overdue(SUBJECT, last, 28);
    assert_eq!(event.at, ago(2 * 86_400), "when it became overdue");
    let id = format!("drill-overdue:{}", last.as_millisecond());
    assert_eq!(
        detail(event, EventType::DrillOverdue, &id),
        json!({
            "last": "2026-10-24T12:00:00Z", "days": 28,
            "reason": "no drill has succeeded, and the flag has not changed, since 2026-10-24T12:00:00Z: nothing has proved for more \
                       than 28 days that the standby can do the work",
        })
    );
    let event = flag_fault(SUBJECT, "v12-7", "it holds purple", noon());
    assert_eq!(event.at, noon());
    assert_eq!(
        detail(event, EventType::FlagFault, "v12-7:fault"),
        json!({"reason": "it holds purple"})
    );
    let event = hold_removed(SUBJECT, "e-1", noon());
    assert_eq!(event.at, noon());
    assert_eq!(
        detail(event, EventType::HoldChanged, "hold:removed-e-1"),
        json!({"state": "none", "hold": null, "reason": "the hold was removed", "who": {"last_modified_user": null}})
    );
    for reason in [Some("seen"), None] {
        let event = failovers_acknowledged(SUBJECT, "ana", reason, "request-1", noon());
        assert_eq!(event.at, noon());
        assert_eq!(
            detail(event, EventType::FailoversAcknowledged, "acknowledged:request-1"),
            json!({"by": "ana", "reason": reason})
        );
    }
}

#[test]
fn the_dags_of_a_pair() {
    let version = ActiveVersion {
        active: Color::Green,
        version: FlagVersion(13),
        modified: ago(600),
    };
    let progress = Progress {
        since: ago(590),
        ..Progress::follow(None, version, true, seconds(10), noon()).unwrap()
    };
    let told = |state: State, manual: &[&str], news: News, since: u64, outcome: &str| {
        let report = Report {
            state,
            active: Color::Green,
            unpaused: 3,
            paused: 2,
            manual: manual.iter().map(|&dag| dag.to_owned()).collect(),
            detail: "as it is".into(),
        };
        let event = dag_management(SUBJECT, &progress, &report, news, noon());
        assert_eq!(event.at, noon());
        let id = format!(
            "v13-{}:dags-{}-{}",
            ago(600).as_millisecond(),
            state.as_str(),
            ago(since).as_millisecond()
        );
        let mut detail = detail(event, EventType::DagManagement, &id);
        let answer = detail["dag_management"].take();
        assert_eq!(
            (&answer["state"], &answer["unpaused"], &answer["paused"]),
            (&json!(state.as_str()), &json!(3), &json!(2))
        );
        assert_eq!(
            detail,
            json!({
                "active": "green", "version": 13, "state": state.as_str(), "outcome": outcome, "reason": "as it is",
                "dag_management": null,
            })
        );
    };
    told(State::NotFenced, &[], News::Failing(ago(300)), 300, "failed");
    told(State::Settled, &[], News::Recovered(ago(200)), 200, "recovered");
    told(State::Settled, &[], News::Settled, 590, "succeeded");
    // What no request can set a person must.
    told(State::Settled, &["a/b"], News::Settled, 590, "failed");
}

/// A switch by a person that was written, with the store, and its records.
fn switched(change: impl FnOnce(&mut bluegreen_core::claim::Intent)) -> (Store, BTreeMap<String, TransitionRecord>) {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut wish = intent("request-1", Kind::Switch, Color::Green);
    change(&mut wish);
    let mut writer = Switching::new(&Policy::default(), &observed, wish, store.now);
    store.run(&mut writer, &[]).unwrap();
    let record = TransitionRecord::from_stored(&store.claims[writer.record()].value).unwrap();
    let records = BTreeMap::from([(writer.record().to_owned(), record)]);
    (store, records)
}

#[test]
fn a_transition() {
    let (store, records) = switched(|wish| {
        wish.actor.requested_by = Some("ana".into());
        wish.trigger = Trigger {
            kind: "invoke".into(),
            id: Some("t-1".into()),
        };
        wish.evidence = json!({"forced": true});
        wish.drill = Some(json!({"id": "drill-1"}));
    });
    let versions = versions(&store.versions);
    let (event, metrics) = transition(SUBJECT, &versions[1], Some(&versions[0]), &records);
    assert_eq!(event.at, after(noon(), std::time::Duration::from_millis(17)));
    let record = records.keys().next().unwrap();
    let id = format!("v13-{}", event.at.as_millisecond());
    assert_eq!(
        detail(event, EventType::EnvironmentTransition, &id),
        json!({
            "version": 13, "kind": "switch", "declared_by_person": false, "from": "blue", "to": "green",
            "reason": "request-1 wants green",
            "who": {
                "last_modified_user": "writer", "requested_by": "ana", "function": "switch-handler", "request_id": "request-1",
            },
            "finished_by": null, "dead_writer": null, "trigger": {"type": "invoke", "id": "t-1"}, "evidence": {"forced": true},
            "drill": {"id": "drill-1"},
            "timings": {
                "written_at": "2026-11-23T12:00:00.017Z", "effective_from": "2026-11-23T12:00:10.007Z",
                "decided_at": "2026-11-23T12:00:00Z", "last_known_healthy": null, "switch_duration_ms": 17, "recovery_time_s": null,
            },
            "record": record, "repeat": false,
        })
    );
    let said: Vec<(&str, f64)> = metrics
        .iter()
        .map(|metric| (metric.name.as_str(), metric.value))
        .collect();
    assert_eq!(said, [("Transitions", 1.0), ("SwitchDuration", 17.0)]);
}

#[test]
fn a_failover_has_its_recovery_time_and_another_kind_has_none() {
    for (kind, has_time) in [(Kind::Failover, true), (Kind::Restore, false)] {
        let (store, records) = switched(|wish| {
            wish.kind = kind;
            wish.evidence = json!({"last_known_healthy": ago(150)});
        });
        let versions = versions(&store.versions);
        let (event, metrics) = transition(SUBJECT, &versions[1], Some(&versions[0]), &records);
        assert_eq!(event.detail["timings"]["last_known_healthy"], "2026-11-23T11:57:30Z");
        assert_eq!(event.detail["timings"]["recovery_time_s"], json!(150.017));
        let recovery = metrics.iter().find(|metric| metric.name.as_str() == "RecoveryTime");
        assert_eq!(
            recovery.map(|metric| metric.value),
            has_time.then_some(150.017),
            "{kind}"
        );
    }
}

#[test]
fn a_repeated_write_is_said_to_be_one_and_counts_nothing() {
    let (mut store, records) = switched(|_| {});
    let description = store.versions[1].description.clone();
    store.write("green", description.as_deref(), "writer");
    let versions = versions(&store.versions);
    let (event, metrics) = transition(SUBJECT, &versions[2], Some(&versions[1]), &records);
    assert_eq!(
        (&event.detail["repeat"], &event.detail["version"]),
        (&json!(true), &json!(14))
    );
    assert_eq!(event.detail.get("expected_version"), None);
    assert!(metrics.is_empty());
}

#[test]
fn a_claim_that_another_writer_finished_shows_the_dead_one() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut wish = intent("dead", Kind::Failover, Color::Green);
    wish.actor.requested_by = Some("eve".into());
    let mut dead = Switching::new(&Policy::default(), &observed, wish, store.now);
    assert_eq!(store.run(&mut dead, &[Fault::DiesAfter]), None);
    store.pass(seconds(90));
    let mut finisher = Switching::new(
        &Policy::default(),
        &observed,
        intent("request-2", Kind::Switch, Color::Green),
        store.now,
    );
    store.run(&mut finisher, &[]).unwrap();
    let record = TransitionRecord::from_stored(&store.claims[finisher.record()].value).unwrap();
    let records = BTreeMap::from([(finisher.record().to_owned(), record)]);
    let versions = versions(&store.versions);
    let (event, metrics) = transition(SUBJECT, &versions[1], Some(&versions[0]), &records);
    let detail = event.detail;
    assert_eq!(detail["finished_by"], "request-2");
    assert_eq!(
        detail["dead_writer"],
        json!({
            "function": "switch-handler", "request_id": "dead", "requested_by": "eve", "kind": "failover",
            "reason": "dead wants green", "decided_at": "2026-11-23T12:00:00Z",
        })
    );
    for name in ["trigger", "evidence", "drill"] {
        assert_eq!(detail[name], json!(null), "{name}");
    }
    assert_eq!(
        metrics.len(),
        1,
        "the time of a dead writer's decision measures nothing"
    );
}

#[test]
fn a_first_version_is_created_by_initialize_or_by_somebody_and_a_later_one_is_what_it_is() {
    let initialize = "initialize: the first color [effective_from=2026-11-23T11:00:00Z record=v1-1]";
    for (version, has_before, description, kind) in [
        (1, false, Some(initialize), "initialize"),
        // The stack's or a person's own creation carries no record.
        (1, false, Some("initialize: by ana"), "initialize"),
        (1, false, Some("set up"), "external"),
        (1, false, None, "external"),
        // Whatever the Description says: somebody wrote over a flag that was there.
        (2, true, Some("initialize: a lie"), "external"),
        (2, false, Some("initialize: a lie"), "external"),
        (1, true, Some("initialize: a lie"), "external"),
    ] {
        let mut store = Store::with_flag(&flag("blue", 1, 3600));
        store.versions[0].version = FlagVersion(version);
        store.versions[0].description = description.map(str::to_owned);
        let own = versions(&store.versions);
        let mut earlier = Store::with_flag(&flag("green", 1, 7200));
        earlier.versions[0].version = FlagVersion(version - u64::from(version > 1));
        let earlier = versions(&earlier.versions);
        let before = has_before.then(|| &earlier[0]);
        let (event, metrics) = transition(SUBJECT, &own[0], before, &BTreeMap::new());
        assert_eq!(
            event.detail["kind"], kind,
            "version {version}, {description:?}, {has_before}"
        );
        assert_eq!(event.detail["from"], before.map_or(json!(null), |_| json!("green")));
        assert_eq!(metrics.len(), 1);
        assert!(names(&event.detail).is_superset(&BTreeSet::from(["timings", "who", "record"])));
    }
}

#[test]
fn a_failover_by_a_person_and_a_version_that_was_not_expected_are_said_to_be_so() {
    let (mut store, records) = switched(|wish| {
        wish.kind = Kind::Failover;
        wish.reason = bluegreen_core::flag::declared_reason("blue is dead, says ana");
    });
    // Somebody wrote the flag between the observation and this write.
    store.versions[1].version = FlagVersion(14);
    let versions = versions(&store.versions);
    let (event, _) = transition(SUBJECT, &versions[1], Some(&versions[0]), &records);
    assert_eq!(event.detail["declared_by_person"], true);
    assert_eq!(
        (&event.detail["version"], &event.detail["expected_version"]),
        (&json!(14), &json!(13))
    );
    assert_eq!(
        event.detail["warning"],
        "the flag was written by another writer between the observation and this write"
    );
}
