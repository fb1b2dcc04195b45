//! Answers as they are made of what the core decided: all their fields. `answers.rs` reads recorded ones.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod support;

use std::collections::BTreeSet;

use bluegreen_core::catalog::schema;
use bluegreen_core::color::{Both, Color};
use bluegreen_core::dag_management::{ActiveVersion, Progress, Remembered, Report, State};
use bluegreen_core::drill::{Drill, DrillOutcome, Mode};
use bluegreen_core::flag::{FlagVersion, versions};
use bluegreen_core::health::CauseKind;
use bluegreen_core::identity::Ownership;
use bluegreen_core::in_flight::{InFlight, OwnRuns};
use bluegreen_core::metric::{Metric, MetricDimension};
use bluegreen_core::outcome::Outcome;
use bluegreen_core::parameters::ParameterNames;
use bluegreen_core::policy::Policy;
use bluegreen_core::readiness::{Finding, Level, Question, Readiness, Severity, UnansweredQuestion as Unanswered};
use bluegreen_core::request;
use bluegreen_core::response::{
    CheckReport, DagAnswer, DrillAnswer, HistoryLine, InFlightAnswer, ManagedDags, Open, ReportAnswer, Root,
    VerdictAnswer, to_json,
};
use bluegreen_core::run_report::{
    Counts, HandedOver, Late, Period, RunEntry, RunOutcome, RunReport, UnansweredQuestion,
};
use bluegreen_core::transition::Kind;
use serde_json::{Value, json};
use support::{Store, ago, dead, flag, healthy, noon, seconds};

#[test]
fn drills() {
    let drill = Drill {
        schema: Drill::SCHEMA,
        id: "drill-1".into(),
        mode: Mode::Switch,
        from: Color::Blue,
        to: Color::Green,
        version: FlagVersion(12),
        modified: ago(7200),
        started_at: ago(60),
        duration_minutes: 10,
        reason: "weekly".into(),
        requested_by: Some("ana".into()),
        outcome: DrillOutcome::Pending,
        finished_at: None,
        proven_at: Some(ago(86_400)),
    };
    let under_way = DrillAnswer::of(&drill, Some(noon()));
    assert_eq!(
        (under_way.return_at(), under_way.started_at()),
        (Some(noon()), Some(ago(60)))
    );
    assert_eq!(
        to_json(&under_way),
        json!({
            "id": "drill-1", "mode": "switch", "from": "blue", "to": "green", "duration_minutes": 10, "outcome": "pending",
            "schema": 1, "version": 12, "modified": "2026-11-23T10:00:00Z", "started_at": "2026-11-23T11:59:00Z", "reason": "weekly",
            "requested_by": "ana", "finished_at": null, "proven_at": "2026-11-22T12:00:00Z", "return_at": "2026-11-23T12:00:00Z",
        })
    );
    let earlier = DrillAnswer::recorded("drill-0", Some(Color::Green), Color::Blue, DrillOutcome::Failed);
    assert_eq!((earlier.return_at(), earlier.started_at()), (None, None));
    assert_eq!(
        (earlier.id.as_str(), earlier.from, earlier.to),
        ("drill-0", Some(Color::Green), Some(Color::Blue))
    );
    assert_eq!(earlier.outcome, DrillOutcome::Failed);
    assert_eq!(to_json(&earlier)["return_at"], json!(null));
    assert!(earlier.back.is_some() && earlier.trace.is_none());
    let blocked = DrillAnswer::blocked("drill-2", Mode::Probe, 7);
    assert_eq!((blocked.id.as_str(), blocked.duration_minutes), ("drill-2", Some(7)));
    assert_eq!(blocked.outcome, DrillOutcome::Blocked);
    assert_eq!(blocked.mode, Some(Open::from(Mode::Probe)));
    assert!(blocked.back.is_none() && blocked.trace.is_none());
}

#[test]
fn dags() {
    let report = Report {
        state: State::Draining,
        active: Color::Green,
        unpaused: 3,
        paused: 2,
        manual: vec!["a/b".into()],
        detail: "two drain".into(),
    };
    assert_eq!(
        to_json(&DagAnswer::from(report)),
        json!({"state": "draining", "active": "green", "unpaused": 3, "paused": 2, "manual": ["a/b"], "detail": "two drain"})
    );
    assert_eq!(
        to_json(&DagAnswer::failed(Color::Blue, "throttled".into())),
        json!({"state": "activating", "active": "blue", "detail": "throttled"})
    );
    let version = ActiveVersion {
        active: Color::Green,
        version: FlagVersion(13),
        modified: ago(60),
    };
    let mut progress = Progress::follow(None, version, true, seconds(10), noon()).unwrap();
    assert_eq!(
        Progress::from_stored(&to_json(&progress).to_string()),
        Some(progress.clone())
    );
    progress.unpaused = Some(Remembered {
        count: 7,
        ids: None,
        parts: None,
    });
    assert_eq!(
        to_json(&ManagedDags::from(progress)),
        json!({"state": "activating", "active": "green", "since": "2026-11-23T11:59:10Z", "remembered": 7})
    );
}

fn run_report() -> RunReport {
    let run = |id: &str| RunEntry {
        dag_id: "orders".into(),
        run_id: id.into(),
        run_type: "scheduled".into(),
        instant: Some(ago(60)),
        owner: Some(Color::Blue),
        blue: RunOutcome::Executed,
        green: RunOutcome::Absent,
        unguarded: true,
    };
    let transition = HandedOver {
        version: FlagVersion(13),
        kind: Kind::Failover,
        from: Color::Blue,
        to: Color::Green,
        effective_from: ago(200),
        written_at: ago(100),
        broken_since: Some(ago(300)),
        transition: Some("v13-1".into()),
    };
    RunReport {
        window: Period {
            from: ago(600),
            to: ago(10),
            transition: Some(transition.clone()),
        },
        transition: Some(transition),
        partial: true,
        not_asked: vec![UnansweredQuestion {
            question: "dag-runs",
            color: Color::Blue,
            cause: "throttled".into(),
        }],
        in_flight: vec![run("a")],
        pending: vec![run("b")],
        late: vec![Late {
            dag_id: "late".into(),
            due: ago(700),
            color: Color::Green,
            owner: Some(Color::Green),
            other: RunOutcome::Skipped,
            has_import_errors: true,
        }],
        doubled: vec![run("c")],
        lost: vec![run("d")],
        counts: Counts {
            runs: 9,
            in_flight: 1,
            pending: 1,
            late: 1,
            doubled: 1,
            lost: 1,
            unjudged: 4,
            ..Counts::default()
        },
    }
}

#[test]
fn runs() {
    let run = |id: &str| {
        json!({
            "dag_id": "orders", "run_id": id, "run_type": "scheduled", "instant": "2026-11-23T11:59:00Z", "owner": "blue",
            "blue": "executed", "green": "absent", "unguarded": true,
        })
    };
    let mut written = to_json(&ReportAnswer::from(&run_report()));
    assert_eq!(written["counts"].take()["unjudged"], 4);
    assert_eq!(
        written,
        json!({
            "window": {"from": "2026-11-23T11:50:00Z", "to": "2026-11-23T11:59:50Z"},
            "transition": {
                "version": 13, "kind": "failover", "from": "blue", "to": "green", "effective_from": "2026-11-23T11:56:40Z",
                "written_at": "2026-11-23T11:58:20Z", "broken_since": "2026-11-23T11:55:00Z", "transition": "v13-1",
            },
            "partial": true, "not_asked": [{"question": "dag-runs", "color": "blue", "cause": "throttled"}],
            "in_flight": [run("a")], "pending": [run("b")], "doubled": [run("c")], "lost": [run("d")],
            "late": [{
                "dag_id": "late", "due": "2026-11-23T11:48:20Z", "color": "green", "owner": "green", "other": "skipped",
                "has_import_errors": true,
            }],
            "counts": null,
        })
    );
}

#[test]
fn a_run_report_says_for_which_color_it_does_not_know_the_runs_in_flight() {
    let report = run_report();
    let unknown = "it is unknown how many are under way on the old (throttled)";
    assert!(report.summary().contains(unknown), "{}", report.summary());
    assert!(
        report
            .summary()
            .starts_with("failover from blue to green: of 9 run(s), 1 executed by nobody")
    );
    assert!(
        report
            .summary()
            .ends_with("; 1 due for minutes and not made by the scheduler; partial: 4 run(s) could not be judged")
    );
    for (question, color) in [("dag-runs", Color::Green), ("task-instances", Color::Blue)] {
        let mut report = run_report();
        report.not_asked[0].question = question;
        report.not_asked[0].color = color;
        assert!(
            report.summary().contains("; 1 under way on the old"),
            "{}",
            report.summary()
        );
    }
    let mut repaired = run_report();
    repaired.transition.as_mut().unwrap().from = Color::Green;
    assert!(
        repaired.summary().starts_with("failover of green: "),
        "{}",
        repaired.summary()
    );
    let event = bluegreen_core::audit::run_report(
        bluegreen_core::audit::Subject {
            pair: "orders",
            flag: "/a/flag",
        },
        "v13-1",
        &report,
        noon(),
    );
    assert_eq!(event.detail["id"], "orders:/a/flag:run-report:v13-1");
    assert_eq!(event.detail["reason"], report.summary());
    assert_eq!(event.detail["run_report"], to_json(&ReportAnswer::from(&report)));
}

#[test]
fn a_check() {
    let readiness = Readiness {
        score: 70,
        level: Level::Red,
        partial: true,
        findings: vec![Finding {
            name: "dags-missing",
            severity: Severity::Red,
            color: Some(Color::Green),
            what: "one is missing".into(),
            why: "it would not run",
            fix: "deploy it".into(),
        }],
        not_asked: vec![Unanswered {
            question: Question::ImportErrors,
            color: Some(Color::Blue),
            cause: "throttled".into(),
        }],
    };
    assert_eq!(
        to_json(&CheckReport::from(&readiness)),
        json!({
            "score": 70, "level": "red", "partial": true,
            "findings": [{
                "name": "dags-missing", "severity": "red", "color": "green", "what": "one is missing", "why": "it would not run",
                "fix": "deploy it",
            }],
            "not_asked": [{"question": "import-errors", "color": "blue", "cause": "throttled"}],
        })
    );
    for question in [
        Question::Verdict,
        Question::Environment,
        Question::Dags,
        Question::ImportErrors,
        Question::Guards,
        Question::FlagHistory,
        Question::FlagPattern,
        Question::NamedAlarms,
        Question::HeartbeatAlarms,
    ] {
        assert_eq!(json!(question), question.to_string());
    }
}

#[test]
fn a_status() {
    let assessment = dead().assessed(&Policy::default());
    let mut written = to_json(&VerdictAnswer::from(&assessment));
    assert_eq!(written["signals"].take(), to_json(&assessment.signals));
    assert_eq!(written["verdict"], "unhealthy");
    assert_eq!(written["reasons"], json!(assessment.reasons));
    assert_eq!(written["last_known_healthy"], json!(assessment.last_known_healthy));
    assert!(assessment.last_known_healthy.is_some());

    let owner = r#"{"pair":"orders","stack":"s","account":"1","region":"r"}"#;
    let ours = Ownership::read(Some(owner), "orders");
    assert_eq!(
        to_json(&Root::of("/mwaa/orders", &ours)),
        json!({"path": "/mwaa/orders", "is": "ours", "owner": {"pair": "orders", "stack": "s", "account": "1", "region": "r"}})
    );
    let foreign = Ownership::read(Some(owner), "billing");
    assert_eq!(foreign.owner(), ours.owner());
    assert_eq!((foreign.as_str(), foreign.owner().is_some()), ("foreign", true));
    let none = Ownership::read(None, "orders");
    assert_eq!((none.as_str(), none.owner()), ("unclaimed", None));

    let found = InFlight {
        runs: Ok(OwnRuns {
            runs: 3,
            others: 1,
            oldest: Some(ago(60)),
            dags: vec!["a".into(), "b".into()],
            dag_count: 2,
        }),
        drained: false,
        reason: "three run".into(),
    };
    let written = to_json(&InFlightAnswer::from(&found));
    for (name, value) in [
        ("drained", json!(false)),
        ("reason", json!("three run")),
        ("runs", json!(3)),
        ("others", json!(1)),
        ("oldest", json!("2026-11-23T11:59:00Z")),
        ("dags", json!(["a", "b"])),
        ("dag_count", json!(2)),
    ] {
        assert_eq!(written[name], value, "{name}");
    }
    let unknown = InFlight {
        runs: Err("throttled".into()),
        ..found
    };
    assert_eq!(to_json(&InFlightAnswer::from(&unknown))["unknown"], "throttled");

    let mut store = Store::with_flag(&flag("blue", 12, 3600));
    let description = "switch: x [effective_from=2026-11-23T12:00:10Z record=v13-1]";
    store.write("green", Some(description), "writer");
    store.write("green", Some(description), "writer");
    let versions = versions(&store.versions);
    let line = to_json(&HistoryLine::of(&versions[1], Some(&versions[0])));
    assert_eq!(
        line,
        json!({
            "version": 13, "from": "blue", "to": "green", "kind": "switch", "written_at": "2026-11-23T12:00:00.003Z",
            "effective_from": "2026-11-23T12:00:10Z", "by": "writer", "transition": "v13-1", "repeat": false, "description": description,
        })
    );
    assert_eq!(to_json(&HistoryLine::of(&versions[2], None))["repeat"], true);
    assert_eq!(to_json(&HistoryLine::of(&versions[0], None))["transition"], json!(null));
}

#[test]
fn an_open_word_is_compared_by_what_it_is_and_is_empty_where_there_is_none() {
    let known: Open<Mode> = Open::read("switch");
    assert!(known == Mode::Switch && known != Mode::Probe && !known.is_empty());
    let newer: Open<Mode> = Open::read("sideways");
    assert!(newer != Mode::Switch && !newer.is_empty() && newer.to_string() == "sideways");
    assert!(Open::<Mode>::default().is_empty());
}

#[test]
fn a_dry_run_writes_nothing_whatever_its_action() {
    for (event, writes) in [
        (json!({"to": "green"}), true),
        (json!({"action": "failover"}), true),
        (json!({"action": "rollback"}), true),
        (json!({"action": "drill"}), true),
        (
            json!({"action": "hold", "minutes": 5, "reason": "r", "requested_by": "ana"}),
            true,
        ),
        (json!({"action": "release", "reason": "r", "requested_by": "ana"}), true),
        (json!({"action": "initialize"}), true),
        (json!({"action": "initialize", "to": "blue"}), true),
        (json!({"action": "status"}), false),
        (json!({"action": "history"}), false),
        (json!({"action": "check"}), false),
        (json!({"action": "run-report"}), false),
    ] {
        let asked = request::read(&event, noon()).unwrap_or_else(|error| panic!("{event}: {error}"));
        assert_eq!(asked.writes(), writes, "{event}");
        if writes {
            for (dry_run, writes) in [(true, false), (false, true)] {
                let mut event = event.clone();
                event["dry_run"] = json!(dry_run);
                let asked = request::read(&event, noon()).unwrap_or_else(|error| panic!("{event}: {error}"));
                assert_eq!(asked.writes(), writes, "{event}");
            }
        }
    }
}

#[test]
fn outcomes_that_leave_no_trace_are_these() {
    let those = |is: fn(Outcome) -> bool| -> Vec<String> {
        Outcome::ALL
            .into_iter()
            .filter(|outcome| is(*outcome))
            .map(|outcome| outcome.to_string())
            .collect()
    };
    let dry = [
        "would_switch",
        "would_cancel_drill",
        "would_initialize",
        "would_hold",
        "would_release",
        "would_drill",
    ];
    assert_eq!(those(Outcome::is_dry_run), dry);
    assert_eq!(
        those(Outcome::claims_nothing).into_iter().collect::<BTreeSet<_>>(),
        dry.into_iter()
            .chain(["unchanged", "refused"])
            .map(str::to_owned)
            .collect()
    );
    assert_eq!(those(Outcome::is_noted_elsewhere), ["switched", "pending"]);
}

#[test]
fn every_parameter_has_its_place_below_the_root() {
    let names = ParameterNames::of_flag("/mwaa/orders/active-environment").unwrap();
    for (name, place) in [
        (names.root().to_owned(), ""),
        (names.flag().to_owned(), "/active-environment"),
        (names.owner(), "/owner"),
        (names.hold(), "/hold"),
        (names.hold_reported(), "/hold-reported"),
        (names.audited(), "/audited"),
        (names.acknowledged(), "/acknowledged"),
        (names.answered(), "/answered"),
        (names.drill(), "/drill"),
        (names.last_active(), "/last-active"),
        (names.memory(), "/memory"),
        (names.managed_dags(), "/managed-dags"),
        (names.managed_dags_part("abc", 2), "/managed-dags/abc-2"),
        (names.transitions(), "/transitions"),
        (names.transition("v13-1"), "/transitions/v13-1"),
        (names.unsent(), "/unsent"),
        (names.unsent_event("k"), "/unsent/k"),
    ] {
        assert_eq!(name, format!("/mwaa/orders{place}"));
    }
    assert_eq!(
        ParameterNames::default_flag("mwaa-blue-green"),
        "/mwaa/blue-green/active-environment"
    );
    assert_eq!(
        ParameterNames::default_flag("orders"),
        "/mwaa/orders/active-environment"
    );
}

#[test]
fn metrics_say_the_health_of_what_is_known() {
    let verdicts = |blue: support::Seen, green: support::Seen| Both {
        blue: blue.assessed(&Policy::default()),
        green: green.assessed(&Policy::default()),
    };
    let throttled = healthy().everything_unknown(CauseKind::Throttled);
    let values = |verdicts| -> Vec<(Option<(&str, &str)>, f64)> {
        let metrics = Metric::environment_healthy(&verdicts, noon());
        metrics
            .iter()
            .map(|metric| (metric.dimension(), metric.value))
            .collect()
    };
    assert_eq!(
        values(verdicts(healthy(), dead())),
        [(Some(("Color", "blue")), 1.0), (Some(("Color", "green")), 0.0)]
    );
    assert_eq!(
        values(verdicts(throttled, healthy())),
        [(Some(("Color", "green")), 1.0)]
    );
    assert_eq!(MetricDimension::Color.values(), ["blue", "green"]);
    assert_eq!(
        MetricDimension::Outcome.values(),
        ["succeeded", "failed", "blocked", "interrupted"]
    );
    assert_eq!(MetricDimension::Kind.values().len(), 8);
    assert_eq!(MetricDimension::Precondition.values().len(), 8);
}

#[test]
fn the_schema_names_every_entry_of_every_list() {
    let schema = schema();
    for (list, key) in [
        ("/preconditions", "name"),
        ("/events/types", "detail_type"),
        ("/metrics/names", "name"),
        ("/settings", "variable"),
        ("/parameters", "name"),
        ("/memories", "name"),
        ("/actions", "name"),
    ] {
        let entries = schema
            .pointer(list)
            .and_then(Value::as_array)
            .unwrap_or_else(|| panic!("{list}"));
        let names: BTreeSet<&str> = entries.iter().map(|entry| entry[key].as_str().unwrap()).collect();
        assert!(names.len() == entries.len() && names.len() > 3, "{list}: {names:?}");
        assert!(
            entries.iter().all(|entry| !entry["about"].as_str().unwrap().is_empty()),
            "{list}"
        );
    }
}
