//! The messages that people receive: every kind of event against its whole text, in `tests/notifications/`.
//!
//! After an intended change: `cargo test -p bluegreen-core --test notifications -- --ignored`, then read the
//! difference.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    missing_docs
)]

use std::path::PathBuf;

use bluegreen_core::decision::PreconditionName;
use bluegreen_core::notification::{Notification, PairContext, compose};
use bluegreen_core::readiness::BOTH_EXECUTE;
use bluegreen_core::transition::Kind;
use serde_json::{Value, json};

const PLACE: PairContext<'static> = PairContext {
    pair: "orders",
    flag: "/orders/active-environment",
    region: Some("eu-west-1"),
    runbooks: None,
};

fn transition(kind: &str, changes: &Value) -> Value {
    let mut detail = json!({
        "schema": 1,
        "id": "orders:/orders/active-environment:v13-1795428000123",
        "pair": "orders",
        "flag": "/orders/active-environment",
        "version": 13,
        "kind": kind,
        "from": "blue",
        "to": "green",
        "reason": "upgrade of blue",
        "who": {"last_modified_user": "arn:aws:sts::123456789012:assumed-role/orders/orders-switch-handler",
                "requested_by": "ana", "function": "switch-handler", "request_id": "0d1f"},
        "finished_by": null,
        "timings": {"written_at": "2026-11-23T10:15:02.311Z", "effective_from": "2026-11-23T10:15:12.311Z",
                    "decided_at": "2026-11-23T10:15:02.120Z", "last_known_healthy": null, "recovery_time_s": null},
    });
    for (field, value) in changes.as_object().unwrap() {
        detail[field] = value.clone();
    }
    detail
}

fn blocked(preconditions: &[(&str, &str)]) -> Value {
    let mut asked = vec![json!({"name": "cooldown", "passed": true, "detail": "the last transition is 2 days old"})];
    asked.extend(
        preconditions
            .iter()
            .map(|(name, detail)| json!({"name": name, "passed": false, "detail": detail})),
    );
    json!({
        "id": "orders:/orders/active-environment:v12-1:blocked:1795428000123",
        "active": "blue", "wanted": "green", "since": "2026-11-23T10:14:00Z",
        "reason": "blue is unhealthy: scheduler heartbeat stale for 138 s; Airflow API says scheduler unhealthy",
        "preconditions": asked,
    })
}

fn drill(outcome: &str, changes: &Value) -> Value {
    let mut detail = json!({
        "id": "orders:/orders/active-environment:drill:d1", "drill": "d1", "mode": "switch", "outcome": outcome,
        "from": "blue", "to": "green", "reason": "green became unhealthy: no scheduler heartbeat", "active": "blue",
        "requested_by": "schedule",
        "timings": {"started_at": "2026-11-23T10:00:00Z", "switched_at": "2026-11-23T10:00:01Z",
                    "returned_at": "2026-11-23T10:07:00Z", "finished_at": "2026-11-23T10:07:01Z",
                    "switch_duration_ms": 812, "return_duration_ms": 640, "held_s": 419, "duration_minutes": 15},
    });
    for (field, value) in changes.as_object().unwrap() {
        detail[field] = value.clone();
    }
    detail
}

/// Name of the text, kind of event, and detail.
fn cases() -> Vec<(String, &'static str, Value)> {
    let watcher = json!({"last_modified_user": "arn:aws:sts::123456789012:assumed-role/orders/orders-health-watcher",
                         "requested_by": null, "function": "health-watcher", "request_id": "0d1f"});
    let manual =
        json!({"last_modified_user": "arn:aws:iam::123456789012:user/ben", "requested_by": null, "function": null});
    let failover = json!({
        "reason": "blue is unhealthy: scheduler heartbeat stale for 138 s; Airflow API says scheduler unhealthy",
        "who": watcher,
        "timings": {"written_at": "2026-11-23T10:15:02.311Z", "effective_from": "2026-11-23T10:12:44Z",
                    "last_known_healthy": "2026-11-23T10:12:44Z", "recovery_time_s": 138.311},
    });
    let transitions = [
        ("switch", json!({})),
        ("failover", failover.clone()),
        ("drill", json!({"reason": "scheduled drill"})),
        (
            "drill-return",
            json!({"from": "green", "to": "blue", "reason": "the drill is over", "who": watcher}),
        ),
        (
            "rollback",
            json!({"from": "green", "to": "blue", "reason": "orders are late since the switch"}),
        ),
        (
            "restore",
            json!({"from": "\"bleu\"", "reason": "the last audited color", "who": watcher}),
        ),
        (
            "external",
            json!({"reason": "written outside this product, without a description", "who": manual,
                   "timings": {"written_at": "2026-11-23T10:15:02Z", "effective_from": "2026-11-23T10:15:02Z"}}),
        ),
        (
            "initialize",
            json!({"from": null, "to": "blue", "reason": "the first version"}),
        ),
    ];
    let mut cases: Vec<(String, &'static str, Value)> = transitions
        .into_iter()
        .map(|(kind, changes)| {
            (
                format!("transition-{kind}"),
                "Environment Transition",
                transition(kind, &changes),
            )
        })
        .collect();
    cases.push((
        "transition-finished-by-another".to_owned(),
        "Environment Transition",
        transition(
            "switch",
            &json!({"finished_by": "health-watcher", "who": watcher,
                    "warning": "the flag was written by another writer between the observation and this write"}),
        ),
    ));
    let mut by_a_person = failover;
    by_a_person["declared_by_person"] = json!(true);
    by_a_person["reason"] = json!("declared by a person: the workers of blue do nothing");
    by_a_person["who"] = transition("failover", &json!({}))["who"].clone();
    cases.push((
        "transition-failover-by-a-person".to_owned(),
        "Environment Transition",
        transition("failover", &by_a_person),
    ));
    let all: Vec<(&str, &str)> = vec![
        ("hold", "held until 2026-11-23T14:00:00Z by ana: network maintenance"),
        ("cooldown", "the last transition is 120 s old; 300 s are asked for"),
        ("failover-budget", "3 automatic failovers in 24 hours"),
        ("standby-unhealthy", "green is unhealthy: status UNAVAILABLE"),
        ("standby-maintenance", "green is in maintenance: status UPDATING"),
        ("standby-unknown", "nothing can be said of green: throttled"),
        (
            "mode-observe",
            "FAILOVER_MODE is observe: decided and reported, nothing written",
        ),
    ];
    for (name, said) in &all {
        cases.push((
            format!("blocked-by-{name}"),
            "Failover Blocked",
            blocked(&[(name, said)]),
        ));
    }
    let mut broken = blocked(&[(
        "flag-invalid",
        "the flag holds \"bleu\"; allowed is exactly blue or green",
    )]);
    broken["active"] = Value::Null;
    broken["wanted"] = Value::Null;
    cases.push(("blocked-by-flag-invalid".to_owned(), "Failover Blocked", broken));
    cases.push(("blocked-by-two".to_owned(), "Failover Blocked", blocked(&all[..2])));
    let red = json!([
        {"name": "airflow-version", "severity": "red", "color": "green", "what": "blue runs Airflow 3.0.6, green 2.10.5",
         "why": "DAGs may not parse", "fix": "upgrade green before it has to take over"},
        {"name": "maintenance-windows", "severity": "amber", "color": null, "what": "both have MON:02:00",
         "fix": "give one of them another window"},
    ]);
    let rest: [(&str, &'static str, Value); 22] = [
        (
            "unknown",
            "Environment Unknown",
            json!({"id": "orders:/orders/active-environment:v12-1:unknown:1", "since": "2026-11-23T10:00:00Z",
                   "active": "blue", "verdict": "unknown", "reason": "nothing can be said of blue: access denied"}),
        ),
        (
            "suspect",
            "Environment Unknown",
            json!({"id": "orders:/orders/active-environment:v12-1:unknown:1", "since": "2026-11-23T10:00:00Z",
                   "active": "blue", "verdict": "suspect",
                   "reason": "blue is suspect: Airflow says scheduler unhealthy, latest heartbeat 2026-11-23T09:58:00Z; \
                              heartbeat metric seen at 2026-11-23T10:14:00Z; bad for 1020 s by one signal, but the signals \
                              disagree"}),
        ),
        (
            "maintenance-for-long",
            "Environment Unknown",
            json!({"id": "orders:/orders/active-environment:v12-1:unknown:1", "since": "2026-11-23T10:00:00Z",
                   "active": "blue", "verdict": "maintenance",
                   "reason": "blue is in maintenance: environment status UPDATING: planned work"}),
        ),
        (
            "flag-fault-invalid",
            "Flag Fault",
            json!({"id": "orders:/orders/active-environment:v14-1795428000123:fault",
                   "reason": "the flag holds \"bleu\"; allowed is exactly blue or green"}),
        ),
        (
            "flag-fault-missing",
            "Flag Fault",
            json!({"id": "orders:/orders/active-environment:missing-after-v13-1795428000123:fault",
                   "reason": "the flag was deleted: this pair has transition records"}),
        ),
        (
            "hold-placed",
            "Hold Changed",
            json!({"id": "orders:/orders/active-environment:hold:v3", "state": "held",
                   "hold": {"until": "2026-11-23T14:00:00Z", "reason": "network maintenance", "by": "ana"},
                   "reason": "held until 2026-11-23T14:00:00Z by ana: network maintenance",
                   "who": {"last_modified_user": "arn:aws:iam::123456789012:user/ana"}}),
        ),
        (
            "hold-ended",
            "Hold Changed",
            json!({"id": "orders:/orders/active-environment:hold:v4", "state": "ended", "hold": {"until": "2026-11-23T11:00:00Z"},
                   "reason": "ended by ana: done", "who": {"last_modified_user": null}}),
        ),
        (
            "hold-invalid",
            "Hold Changed",
            json!({"id": "orders:/orders/active-environment:hold:v5", "state": "invalid", "hold": null,
                   "reason": "the hold parameter holds \"yes\", which is not {until, reason, by}"}),
        ),
        ("drill-failed", "Drill Finished", drill("failed", &json!({}))),
        (
            "drill-not-begun",
            "Drill Finished",
            drill(
                "failed",
                &json!({"reason": "the function that started the drill ended before it wrote the flag",
                        "timings": {"started_at": "2026-11-23T10:00:00Z", "finished_at": "2026-11-23T10:01:20Z"}}),
            ),
        ),
        (
            "drill-blocked",
            "Drill Finished",
            drill(
                "blocked",
                &json!({"reason": "precondition blocked-window: MON:08:00-FRI:18:00", "mode": "probe",
                        "timings": {"started_at": "2026-11-23T10:00:00Z", "finished_at": "2026-11-23T10:00:00Z"}}),
            ),
        ),
        (
            "drill-interrupted",
            "Drill Finished",
            drill(
                "interrupted",
                &json!({"active": "green", "reason": "blue became unhealthy while green was drilled"}),
            ),
        ),
        (
            "drill-succeeded",
            "Drill Finished",
            drill("succeeded", &json!({"reason": "held for 15 minutes"})),
        ),
        (
            "drill-overdue",
            "Drill Overdue",
            json!({"id": "orders:/orders/active-environment:overdue:1", "days": 30, "last": "2026-10-20T10:00:00Z",
                   "reason": "the last drill or transition is 34 days old; DrillOverdueDays is 30"}),
        ),
        (
            "readiness-red",
            "Readiness Changed",
            json!({"id": "orders:/orders/active-environment:readiness:1", "level": "red", "previous": "green", "score": 20,
                   "findings": red, "reason": "1 red finding: airflow-version"}),
        ),
        (
            "readiness-restored",
            "Readiness Changed",
            json!({"id": "orders:/orders/active-environment:readiness:2", "level": "green", "previous": "red", "score": 100,
                   "findings": [], "reason": "nothing stands in the way of a failover"}),
        ),
        (
            "dags-activation-failed",
            "DAG Management",
            json!({"id": "orders:/orders/active-environment:v3-1:dags-activation-failed", "state": "activation-failed", "active": "green",
                   "reason": "not activated: green's DAGs cannot be unpaused now (unavailable: Airflow answered 503 at /dags); tried again at every tick",
                   "dag_management": {"state": "activation-failed"}}),
        ),
        (
            "dags-not-fenced",
            "DAG Management",
            json!({"id": "orders:/orders/active-environment:v3-1:dags-not-fenced", "state": "not-fenced", "active": "green",
                   "reason": "not fenced: blue cannot be paused now (timed out: no answer within the check's time); tried again at every tick"}),
        ),
        (
            "dags-manual",
            "DAG Management",
            json!({"id": "orders:/orders/active-environment:v3:dags-settled-1", "state": "settled", "outcome": "failed", "active": "green",
                   "reason": "green's DAGs run and blue's are paused, but for 1 that must be set manually",
                   "dag_management": {"manual": ["a_very_long_id"]}}),
        ),
        (
            "dags-run-again",
            "DAG Management",
            json!({"id": "orders:/orders/active-environment:v3:dags-draining-1", "state": "draining", "outcome": "recovered",
                   "active": "green", "reason": "blue finishes runs of orders until 2026-11-23T10:45:00Z at the latest"}),
        ),
        (
            "dags-in-order",
            "DAG Management",
            json!({"id": "orders:/orders/active-environment:v3-1:dags-settled", "state": "settled", "recovered": true, "active": "green",
                   "reason": "green's DAGs run and blue's are paused"}),
        ),
        (
            "kind-of-a-later-version",
            "Weather Changed",
            json!({"id": "orders:/orders/active-environment:weather:1", "reason": "rain"}),
        ),
    ];
    cases.extend(
        rest.into_iter()
            .map(|(name, kind, detail)| (name.to_owned(), kind, detail)),
    );
    cases
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/notifications/{name}.txt"))
}

fn written(notification: &Notification) -> String {
    format!("Subject: {}\n\n{}", notification.subject, notification.body)
}

#[test]
fn every_kind_of_event_has_its_text() {
    for (name, kind, detail) in cases() {
        let expected = std::fs::read_to_string(golden(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(written(&compose(PLACE, kind, &detail)), expected, "{name}");
    }
}

#[test]
#[ignore = "writes the texts anew"]
fn write_the_texts() {
    for (name, kind, detail) in cases() {
        std::fs::create_dir_all(golden(&name).parent().unwrap()).unwrap();
        std::fs::write(golden(&name), written(&compose(PLACE, kind, &detail))).unwrap();
    }
}

#[test]
fn every_text_answers_the_five_questions_and_sns_takes_it() {
    for (name, kind, detail) in cases() {
        let Notification { subject, body } = compose(PLACE, kind, &detail);
        for question in ["WHAT HAPPENED\n", "\nWHY\n", "\nWHAT TO DO\n", "\nTO READ MORE\n"] {
            assert!(body.contains(question), "{question:?} in {name}");
        }
        assert!(body.contains(detail["id"].as_str().unwrap()), "{name}");
        assert!(subject.starts_with("[orders] "), "{name}: {subject}");
        assert!(
            subject.len() < 100 && subject.chars().all(|c| matches!(c, ' '..='~')),
            "{name}: {subject}"
        );
        let long: Vec<&str> = body
            .lines()
            .filter(|line| !line.starts_with("      ") && !line.starts_with("Event ") && line.chars().count() > 78)
            .collect();
        assert_eq!(long, Vec::<&str>::new(), "{name}");
    }
}

#[test]
fn every_text_gives_the_address_of_a_runbook_that_exists() {
    let pages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
    let base = "https://wiki.example.com/on-call/runbooks/";
    let mut given = std::collections::BTreeSet::new();
    for (name, kind, detail) in cases() {
        let place = PairContext {
            runbooks: Some(base),
            ..PLACE
        };
        let body = compose(place, kind, &detail).body;
        let addresses: Vec<&str> = body.lines().filter_map(|line| line.trim().strip_prefix(base)).collect();
        assert_eq!(addresses.len(), 1, "{name}: {body}");
        assert!(pages.join(addresses[0]).is_file(), "{name}: {}", addresses[0]);
        let file = format!("      docs/runbooks/{}\n", addresses[0]);
        assert!(compose(PLACE, kind, &detail).body.contains(&file), "{name}");
        given.insert(addresses[0].to_owned());
    }
    assert_eq!(given.len(), 5, "{given:?}");
    let both_execute = json!({"level": "red", "findings": [{"name": BOTH_EXECUTE, "severity": "red"}]});
    let page = "docs/runbooks/troubleshooting.md";
    assert!(compose(PLACE, "Readiness Changed", &both_execute).body.contains(page));
    assert!(pages.join("troubleshooting.md").is_file());
}

#[test]
fn every_kind_and_every_guard_of_the_code_has_a_text() {
    let names: Vec<String> = cases().into_iter().map(|(name, ..)| name).collect();
    for kind in Kind::ALL {
        assert!(names.contains(&format!("transition-{kind}")), "{kind}");
    }
    for precondition in [
        PreconditionName::FlagInvalid,
        PreconditionName::Hold,
        PreconditionName::Cooldown,
        PreconditionName::FailoverBudget,
        PreconditionName::StandbyUnhealthy,
        PreconditionName::StandbyMaintenance,
        PreconditionName::StandbyUnknown,
        PreconditionName::ModeObserve,
    ] {
        assert!(names.contains(&format!("blocked-by-{precondition}")), "{precondition}");
    }
}

#[test]
fn whatever_stands_in_an_event_makes_a_message_that_sns_takes() {
    let huge = "\u{1f535}\r\n\u{7}long ".repeat(25_000);
    let odd = [
        Value::Null,
        json!(true),
        json!([1, 2]),
        json!("text"),
        json!({}),
        json!({"kind": 7, "from": [], "to": {}, "reason": {"a": 1}, "who": "me", "timings": 3, "version": "x", "id": 4}),
        json!({"kind": huge, "from": huge, "to": huge, "reason": huge, "id": huge, "version": huge, "state": huge, "outcome": huge,
               "mode": huge, "level": huge, "score": huge, "warning": huge, "finished_by": huge, "days": huge, "last": huge,
               "active": huge, "requested_by": huge, "hold": {"until": huge},
               "who": {"requested_by": huge, "function": huge, "last_modified_user": huge},
               "timings": {"written_at": huge, "recovery_time_s": 1e300},
               "preconditions": vec![json!({"name": huge, "passed": false, "detail": huge}); 200],
               "findings": vec![json!({"name": huge, "severity": huge, "what": huge, "fix": huge}); 200]}),
    ];
    let kinds: Vec<&'static str> = cases().into_iter().map(|(_, kind, _)| kind).chain(["", "\n"]).collect();
    for detail in &odd {
        for kind in &kinds {
            let Notification { subject, body } = compose(PLACE, kind, detail);
            assert!(subject.starts_with("[orders]") && subject.len() < 100, "{subject}");
            assert!(subject.chars().all(|c| matches!(c, ' '..='~')), "{subject}");
            assert!(body.len() < 256 * 1024, "{kind}: {} bytes", body.len());
            assert!(!body.contains(|c: char| c.is_control() && c != '\n'), "{kind}");
        }
    }
}

/// The value with the poison in every text.
fn poisoned(value: &Value, poison: &str) -> Value {
    match value {
        Value::String(text) => Value::from(format!("{text}{poison}")),
        Value::Array(values) => values.iter().map(|value| poisoned(value, poison)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), poisoned(value, poison)))
            .collect::<serde_json::Map<String, Value>>()
            .into(),
        other => other.clone(),
    }
}

#[test]
fn nobodys_words_begin_a_line_of_a_mail_or_turn_one_around() {
    let poison = "\r\nBcc: everybody\u{2028}WHAT TO DO\u{85}- pay\u{1b}[2J\u{202e}evil\u{2066}\u{200b}\u{9b}1m";
    for (name, kind, detail) in cases() {
        let Notification { subject, body } = compose(PLACE, kind, &poisoned(&detail, poison));
        assert!(subject.chars().all(|c| matches!(c, ' '..='~')), "{name}: {subject}");
        assert!(
            body.chars()
                .all(|c| c == '\n' || bluegreen_core::printable::is_printable(c)),
            "{name}: {body:?}"
        );
        for line in ["Bcc: everybody", "- pay", "WHAT TO DO- pay"] {
            assert!(!body.lines().any(|told| told.starts_with(line)), "{name}: {body}");
        }
        assert_eq!(body.matches("\nWHAT TO DO\n").count(), 1, "{name}: {body}");
    }
}

#[test]
fn an_odd_region_does_not_reach_a_command() {
    let place = PairContext {
        region: Some("eu-west-1; rm -rf /"),
        ..PLACE
    };
    assert!(!compose(place, "Flag Fault", &json!({})).body.contains("--region"));
}
