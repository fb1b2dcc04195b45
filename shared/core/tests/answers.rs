//! Answers as they were recorded: each one is read by type and written again unchanged, and one of a newer version is
//! read as far as this version understands it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bluegreen_core::color::{Both, Color};
use bluegreen_core::flag::FlagVersion;
use bluegreen_core::health::{AirflowHealth, EnvironmentAnswer, Evidence, HeartbeatEvidence, ProbeResult, assess};
use bluegreen_core::outcome::Outcome;
use bluegreen_core::policy::Policy;
use bluegreen_core::request::{self, ActionName, Expect, RequestForm};
use bluegreen_core::response::{Body, Heard, Open, Response, Tick, TickDrill, to_json};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The part that is written for people, and that this product never reads.
const WRITTEN_ONLY: &str = "/readiness/environments";

fn recorded() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers");
    let mut found: Vec<(String, Value)> = fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap())
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(found.len() > 40, "{}", found.len());
    found
}

fn without_written_only(mut answer: Value) -> Value {
    let (parent, field) = WRITTEN_ONLY.rsplit_once('/').unwrap();
    if let Some(Value::Object(fields)) = answer.pointer_mut(parent) {
        fields.remove(field);
    }
    answer
}

#[test]
fn every_answer_is_written_as_it_was_read() {
    let mut outcomes = BTreeSet::new();
    for (name, answer) in recorded() {
        let response = Response::read(&answer);
        let Some(outcome) = response.common.outcome.known() else {
            panic!("{name}: {:?}", response.common.outcome);
        };
        outcomes.insert(outcome.as_str());
        let (written, recorded) = (to_json(&response), without_written_only(answer));
        assert_eq!(
            serde_json::to_string_pretty(&written).unwrap(),
            serde_json::to_string_pretty(&recorded).unwrap(),
            "{name}"
        );
    }
    let all: BTreeSet<&str> = Outcome::ALL.map(Outcome::as_str).into();
    assert_eq!(outcomes, all, "each outcome has a recorded answer");
}

/// Calls `visit` with each place of the document.
fn every_place(value: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| every_place(value, visit)),
        Value::Object(fields) => fields.values_mut().for_each(|value| every_place(value, visit)),
        _ => {}
    }
    visit(value);
}

#[test]
fn what_a_newer_version_adds_changes_nothing_of_the_rest() {
    for (name, answer) in recorded() {
        let mut newer = answer.clone();
        every_place(&mut newer, &mut |value| {
            if let Value::Object(fields) = value {
                fields.insert("of_tomorrow".to_owned(), json!({"kind": ["new"], "version": "twelve"}));
            }
        });
        let read = Response::read(&newer);
        // A map with the user's own names accepts any key.
        if name.starts_with("conflict") {
            assert_eq!(read.common, Response::read(&answer).common, "{name}");
        } else {
            assert_eq!(read, Response::read(&answer), "{name}");
        }
    }
}

#[test]
fn a_field_of_another_shape_takes_nothing_else_with_it() {
    let shapes = [
        json!(null),
        json!("of-tomorrow"),
        json!(-1),
        json!([[]]),
        json!({"a": {}}),
    ];
    for (name, answer) in recorded() {
        let Value::Object(fields) = &answer else {
            panic!("{name}");
        };
        let before = to_json(&Response::read(&answer));
        for field in fields.keys().filter(|field| *field != "outcome") {
            for shape in &shapes {
                let mut other = answer.clone();
                other[field] = shape.clone();
                let after = to_json(&Response::read(&other));
                for kept in fields.keys().filter(|kept| *kept != field) {
                    assert_eq!(after.get(kept), before.get(kept), "{name}: {field} is {shape}");
                }
            }
        }
    }
}

#[test]
fn an_unknown_word_is_kept_as_it_came_and_the_answer_is_read_all_the_same() {
    for (name, answer) in recorded() {
        for (place, of) in [
            ("/verdicts/blue/verdict", "status"),
            ("/last_transition/kind", "status"),
            ("/preconditions/0/name", ""),
            ("/drill/outcome", ""),
            ("/drill/mode", ""),
            ("/readiness/level", ""),
            ("/readiness/findings/0/severity", ""),
            ("/dag_management/state", ""),
            ("/run_report/lost/0/blue", ""),
            ("/run_report/transition/kind", ""),
            ("/entries/0/kind", "history"),
            ("/mode", "status"),
        ] {
            let mut newer = answer.clone();
            match newer.pointer_mut(place) {
                Some(word) if name.starts_with(of) && word.is_string() => *word = json!("of-tomorrow"),
                _ => continue,
            }
            let written = to_json(&Response::read(&newer));
            assert_eq!(written, without_written_only(newer), "{name}: {place}");
        }
    }
}

#[test]
fn an_unknown_outcome_is_a_change_that_shows_what_it_has() {
    let read = Response::read(&json!({"outcome": "swapped", "active": "green", "version": 3, "warnings": ["w"]}));
    assert_eq!(read.common.outcome, Open::Other("swapped".to_owned()));
    assert!(matches!(read.body, Body::Change(change) if change.warnings == Some(vec!["w".to_owned()])));
    for (word, is_dry_run) in [
        ("would_swap", true),
        ("would_switch", true),
        ("switched", false),
        ("swapped", false),
    ] {
        assert_eq!(Open::<Outcome>::read(word).is_dry_run(), is_dry_run, "{word}");
    }
}

#[test]
fn every_outcome_and_every_action_is_read_as_it_is_written() {
    for outcome in Outcome::ALL {
        assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
        assert_eq!(to_json(&outcome), json!(outcome.as_str()));
    }
    for &action in ActionName::ALL {
        assert_eq!(ActionName::parse(action.as_str()), Some(action));
    }
    assert_eq!((Outcome::parse("Switched"), ActionName::parse("")), (None, None));
}

#[test]
fn a_form_is_a_request_that_is_understood() {
    let expect = Expect {
        active: None,
        version: Some(FlagVersion(3)),
    };
    for &action in ActionName::ALL {
        let mut form = RequestForm::of(action);
        match action {
            ActionName::Switch => form.to = Some(Color::Green.into()),
            ActionName::Hold => (form.minutes, form.reason) = (Some(5), Some("r".to_owned())),
            ActionName::Drill => form.duration_minutes = Some(5),
            ActionName::Rollback => (form.expect, form.force) = (Some(expect), true),
            _ => {}
        }
        let sent = to_json(&form);
        assert_eq!(sent["action"], json!(action.as_str()));
        assert!(request::read(&sent, Timestamp::UNIX_EPOCH).is_ok(), "{sent}");
        assert_eq!(serde_json::from_value::<RequestForm>(sent).unwrap(), form);
    }
    assert_eq!(
        to_json(&RequestForm::default()),
        json!({}),
        "nothing that was not given"
    );
    assert!(serde_json::from_value::<RequestForm>(json!({"to": "green", "at": 3})).is_err());
}

#[test]
fn what_the_two_other_functions_answer_is_written_as_before() {
    let at: Timestamp = "2026-11-27T09:02:01.5Z".parse().unwrap();
    let evidence = Evidence {
        of: None,
        environment: EnvironmentAnswer::NotFound,
        airflow: ProbeResult::Known(AirflowHealth {
            scheduler: None,
            metadatabase: None,
            latest_scheduler_heartbeat: None,
        }),
        heartbeat: ProbeResult::Known(HeartbeatEvidence { last_seen: None }),
        alarms: ProbeResult::Known(Vec::new()),
    };
    let verdicts = Both::from_fn(|_| assess(&Policy::default(), &evidence, at));
    let under_way = TickDrill::UnderWay {
        id: "d-1".to_owned(),
        from: Color::Blue,
        to: Color::Green,
        step: "wait",
        reason: "not yet".to_owned(),
        return_at: None,
    };
    let tick = Tick {
        trigger: "schedule".to_owned(),
        active: Some(Color::Blue),
        version: Some(FlagVersion(3)),
        verdicts: verdicts.clone(),
        decision: "none",
        blocked_by: Vec::new(),
        preconditions: Vec::new(),
        transition: None,
        effective_from: None,
        warnings: None,
        conflict: None,
        hold: None,
        reason: "all is well".to_owned(),
        probes: 1,
        elapsed_ms: 9,
        drill: Some(under_way),
        dag_management: None,
    };
    let expected = json!({
        "trigger": "schedule", "active": "blue", "version": 3, "verdicts": verdicts, "decision": "none", "blocked_by": [], "preconditions": [],
        "transition": null, "effective_from": null, "warnings": null, "conflict": null, "hold": null, "reason": "all is well",
        "probes": 1, "elapsed_ms": 9,
        "drill": {"id": "d-1", "from": "blue", "to": "green", "step": "wait", "reason": "not yet", "return_at": null},
    });
    assert_eq!(to_json(&tick).to_string(), expected.to_string());
    let audited = Heard::Audited {
        audited: vec![FlagVersion(3)],
        hold_changed: false,
        pruned_records: 0,
        active: None,
        version: None,
        elapsed_ms: 9,
    };
    let notified = Heard::Notified {
        notified: true,
        subject: "s".to_owned(),
        message: None,
        elapsed_ms: 9,
    };
    let not_notified = Heard::NotNotified {
        notified: false,
        subject: "s".to_owned(),
    };
    for (heard, expected) in [
        (
            audited,
            json!({"audited": [3], "hold_changed": false, "pruned_records": 0, "active": null, "version": null, "elapsed_ms": 9}),
        ),
        (
            notified,
            json!({"notified": true, "subject": "s", "message": null, "elapsed_ms": 9}),
        ),
        (not_notified, json!({"notified": false, "subject": "s"})),
    ] {
        assert_eq!(to_json(&heard).to_string(), expected.to_string());
    }
}
