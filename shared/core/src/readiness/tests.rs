use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::flag::{FlagValue, FlagVersion, HistoryEntry, versions};
use crate::health::{
    AirflowHealth, Answer, Cause, CauseKind, Environment, EnvironmentAnswer, Evidence, HeartbeatEvidence, assess,
};
use crate::hold::Hold;
use crate::policy::Policy;

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// A pair of twins with blue active, and what a test changes of it.
struct Pair {
    settings: Both<EnvironmentSettings>,
    evidence: Both<Evidence>,
    snapshot: Snapshot,
    hold: HoldState,
    last_proof: Option<Timestamp>,
    overdue_days: u32,
    manages_dags: bool,
    catching_up: BTreeSet<String>,
    owner: Option<&'static str>,
}

fn evidence(status: &str) -> Evidence {
    Evidence {
        environment: EnvironmentAnswer::Found(Environment {
            status: status.to_owned(),
            airflow_version: None,
            last_update_source: None,
        }),
        airflow: Answer::Known(AirflowHealth {
            scheduler: Some("healthy".into()),
            metadatabase: Some("healthy".into()),
            latest_scheduler_heartbeat: Some(now()),
        }),
        heartbeat: Answer::Unknown(Cause::not_asked()),
        alarms: Answer::Known(Vec::new()),
    }
}

fn details(colour: Colour) -> EnvironmentDetails {
    EnvironmentDetails {
        status: "AVAILABLE".into(),
        airflow_version: Some("3.0.6".into()),
        environment_class: Some("mw1.medium".into()),
        min_workers: Some(2),
        max_workers: Some(10),
        schedulers: Some(2),
        max_webservers: Some(4),
        webserver_access_mode: Some("PUBLIC_ONLY".into()),
        weekly_maintenance_window_start: Some(
            if colour == Colour::Blue {
                "SUN:23:30"
            } else {
                "WED:03:00"
            }
            .into(),
        ),
        source_bucket_arn: Some("arn:aws:s3:::orders".into()),
        dag_s3_path: Some("dags".into()),
        requirements: file("requirements.txt", "one"),
        plugins: None,
        startup_script: None,
        configuration_options: options(&[
            ("custom.environment_color", colour.as_str()),
            ("smtp.smtp_password", "s3cret"),
        ]),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as the fields are")]
fn file(path: &str, version: &str) -> Option<SourceFile> {
    Some(SourceFile {
        path: path.into(),
        version: Some(version.into()),
    })
}

fn options(pairs: &[(&str, &str)]) -> ConfigurationOptions {
    let owned = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    ConfigurationOptions(owned.collect())
}

fn dags(ids: &[(&str, bool)]) -> DagList {
    DagList {
        total: Some(ids.len() as u64),
        dags: ids
            .iter()
            .map(|(id, paused)| {
                let dag = Dag {
                    paused: *paused,
                    has_import_errors: false,
                    ..Dag::default()
                };
                ((*id).to_owned(), dag)
            })
            .collect(),
        gap: None,
    }
}

fn import_errors(files: &[&str]) -> Answer<ImportErrors> {
    Answer::Known(ImportErrors {
        files: files.iter().map(|file| (*file).to_owned()).collect::<BTreeSet<_>>(),
        more: false,
    })
}

fn alarm(name: &str) -> AlarmSetting {
    AlarmSetting {
        name: name.into(),
        exists: true,
        actions_enabled: true,
        has_alarm_actions: true,
    }
}

fn throttled() -> Cause {
    Cause::new(CauseKind::Throttled, "slow down")
}

fn denied() -> Cause {
    Cause::new(CauseKind::AccessDenied, "not authorized")
}

fn twins() -> Pair {
    Pair {
        settings: Both::from_fn(|colour| EnvironmentSettings {
            name: format!("orders-{colour}"),
            region: (colour == Colour::Green).then(|| "eu-west-1".to_owned()),
            alarms: Vec::new(),
        }),
        evidence: Both::from_fn(|_| evidence("AVAILABLE")),
        snapshot: Snapshot {
            environments: Both::from_fn(|colour| Answer::Known(details(colour))),
            dags: Both::from_fn(|_| dags(&[("a", false), ("b", true)])),
            import_errors: Both::from_fn(|_| import_errors(&[])),
            history: Answer::Known(KeptVersions {
                count: 12,
                oldest: Some(FlagVersion(1)),
                labelled: BTreeMap::new(),
            }),
            allowed_pattern: Answer::Known(Some("^(blue|green)$".into())),
            named_alarms: Both::from_fn(|_| Answer::Known(Vec::new())),
            heartbeat_alarms: Both::from_fn(|_| Some(Answer::Known(alarm("orders-heartbeat-lost")))),
            guards: None,
            old_ticks: Vec::new(),
        },
        hold: HoldState::None,
        last_proof: Some(now()),
        overdue_days: 30,
        manages_dags: false,
        catching_up: BTreeSet::new(),
        owner: Some(r#"{"pair":"orders"}"#),
    }
}

fn check(pair: &Pair) -> Readiness {
    let verdicts = pair
        .evidence
        .map(|_, evidence| assess(&Policy::default(), evidence, now()));
    let subject = Subject {
        active: Colour::Blue,
        flag: "/mwaa/blue-green/active-environment",
        settings: &pair.settings,
        verdicts: &verdicts,
        snapshot: &pair.snapshot,
        hold: &pair.hold,
        last_proof: pair.last_proof,
        overdue_days: pair.overdue_days,
        manages_dags: pair.manages_dags,
        catching_up: &pair.catching_up,
        pair: "orders",
        root: "/mwaa/blue-green",
        ownership: &Ownership::read(pair.owner, "orders"),
    };
    assess_readiness(&subject, now())
}

fn environment(pair: &mut Pair, colour: Colour) -> &mut EnvironmentDetails {
    match pair.snapshot.environments.of_mut(colour) {
        Answer::Known(details) => details,
        Answer::Unknown(_) => panic!("known in these tests"),
    }
}

fn standby(pair: &mut Pair) -> &mut EnvironmentDetails {
    environment(pair, Colour::Green)
}

fn active(pair: &mut Pair) -> &mut EnvironmentDetails {
    environment(pair, Colour::Blue)
}

type Change = fn(&mut Pair);

#[test]
fn twins_are_ready() {
    let readiness = check(&twins());
    assert_eq!(readiness.findings, []);
    assert_eq!(
        (readiness.score, readiness.level, readiness.partial),
        (100, Level::Green, false)
    );
    assert_eq!(readiness.outcome(), "ready");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_difference_is_a_finding() {
    use Severity::{Amber, Info, Red};
    let table: Vec<(&str, Severity, Change)> = vec![
        ("standby-verdict", Red, |p| p.evidence.green = evidence("UNAVAILABLE")),
        ("standby-verdict", Red, |p| p.evidence.green = evidence("UPDATING")),
        ("standby-verdict", Red, |p| {
            p.evidence.green = evidence("CREATING");
            standby(p).status = "CREATING".into();
        }),
        ("airflow-version", Red, |p| {
            standby(p).airflow_version = Some("2.10.5".into());
        }),
        ("airflow-version", Red, |p| {
            standby(p).airflow_version = Some("3.1.6".into());
        }),
        ("airflow-version", Red, |p| {
            active(p).airflow_version = Some("3.1.6".into());
        }),
        ("airflow-version", Amber, |p| {
            standby(p).airflow_version = Some("3.0.7".into());
        }),
        ("environment-class", Amber, |p| {
            standby(p).environment_class = Some("mw1.small".into());
        }),
        ("environment-class", Amber, |p| {
            standby(p).environment_class = Some("mw9.odd".into());
        }),
        ("environment-class", Info, |p| {
            standby(p).environment_class = Some("mw1.2xlarge".into());
        }),
        ("max-workers", Amber, |p| standby(p).max_workers = Some(9)),
        ("schedulers", Amber, |p| active(p).schedulers = Some(3)),
        ("min-workers", Info, |p| standby(p).min_workers = Some(1)),
        ("webservers", Info, |p| standby(p).max_webservers = Some(2)),
        ("webserver-access", Info, |p| {
            standby(p).webserver_access_mode = Some("PRIVATE_ONLY".into());
        }),
        ("source-bucket", Red, |p| standby(p).source_bucket_arn = None),
        ("requirements", Red, |p| standby(p).requirements = None),
        ("requirements", Amber, |p| active(p).requirements = None),
        ("requirements", Amber, |p| {
            standby(p).requirements = file("other.txt", "one");
        }),
        ("requirements", Amber, |p| {
            standby(p).requirements = file("requirements.txt", "two");
        }),
        ("plugins", Red, |p| active(p).plugins = file("plugins.zip", "one")),
        ("startup-script", Amber, |p| {
            standby(p).startup_script = file("startup.sh", "one");
        }),
        ("source-file-versions", Info, |p| {
            standby(p).requirements = file("requirements.txt", "two");
            standby(p).source_bucket_arn = Some("arn:aws:s3:::other".into());
        }),
        ("configuration-options", Amber, |p| {
            standby(p).configuration_options =
                options(&[("custom.environment_color", "green"), ("smtp.smtp_password", "x")]);
        }),
        ("configuration-options", Amber, |p| {
            let more = [
                ("custom.environment_color", "blue"),
                ("smtp.smtp_password", "s3cret"),
                ("core.parallelism", "8"),
            ];
            active(p).configuration_options = options(&more);
        }),
        ("environment-colour", Amber, |p| {
            standby(p).configuration_options = options(&[("smtp.smtp_password", "s3cret")]);
        }),
        ("environment-colour", Red, |p| {
            standby(p).configuration_options = active(p).configuration_options.clone();
        }),
        ("maintenance-window", Amber, |p| {
            standby(p).weekly_maintenance_window_start = Some("MON:01:00".into());
        }),
        ("maintenance-window", Amber, |p| {
            standby(p).weekly_maintenance_window_start = Some("SUN:22:00".into());
        }),
        ("dags-missing", Red, |p| p.snapshot.dags.green = dags(&[("b", true)])),
        ("dags-extra", Amber, |p| {
            p.snapshot.dags.green = dags(&[("a", false), ("b", true), ("c", false)]);
        }),
        ("dags-paused", Red, |p| {
            p.snapshot.dags.green = dags(&[("a", true), ("b", true)]);
        }),
        ("dags-unpaused", Amber, |p| {
            p.snapshot.dags.green = dags(&[("a", false), ("b", false)]);
        }),
        ("import-errors", Red, |p| {
            p.snapshot.import_errors.green = import_errors(&["x.py"]);
        }),
        ("import-errors", Amber, |p| {
            p.snapshot.import_errors = Both::from_fn(|_| import_errors(&["x.py"]));
        }),
        ("flag-label", Amber, |p| label(p, 7, 12)),
        ("root-owner", Red, |p| p.owner = Some(r#"{"pair":"payroll"}"#)),
        ("root-owner", Amber, |p| p.owner = None),
        ("root-owner", Amber, |p| p.owner = Some("payroll")),
        ("flag-label", Amber, |p| label(p, 7, 100)),
        ("flag-label", Amber, |p| label(p, 1, 99)),
        ("flag-label", Red, |p| label(p, 1, 100)),
        ("flag-pattern", Amber, |p| {
            p.snapshot.allowed_pattern = Answer::Known(None);
        }),
        ("flag-pattern", Amber, |p| {
            p.snapshot.allowed_pattern = Answer::Known(Some(".*".into()));
        }),
        ("named-alarm", Amber, |p| named(p, |alarm| alarm.exists = false)),
        ("named-alarm", Info, |p| named(p, |alarm| alarm.actions_enabled = false)),
        ("heartbeat-alarm", Amber, |p| heartbeat(p, |alarm| alarm.exists = false)),
        ("heartbeat-alarm", Amber, |p| {
            heartbeat(p, |alarm| alarm.actions_enabled = false);
        }),
        ("heartbeat-alarm", Amber, |p| {
            heartbeat(p, |alarm| alarm.has_alarm_actions = false);
        }),
        ("hold", Info, |p| {
            p.hold = HoldState::Active(Hold {
                until: "2027-01-01T00:00:00Z".parse().unwrap(),
                reason: "upgrade".into(),
                by: "ana".into(),
            });
        }),
        ("hold", Amber, |p| p.hold = HoldState::Invalid("yes".into())),
        ("drill-overdue", Amber, |p| p.last_proof = None),
        ("drill-overdue", Amber, |p| {
            p.last_proof = Some("2026-10-20T00:00:00Z".parse().unwrap());
        }),
        ("drill-overdue", Info, |p| (p.last_proof, p.overdue_days) = (None, 0)),
    ];
    for (name, severity, change) in table {
        let mut pair = twins();
        change(&mut pair);
        let readiness = check(&pair);
        let found: Vec<_> = readiness
            .findings
            .iter()
            .map(|finding| (finding.name, finding.severity))
            .collect();
        assert_eq!(found, [(name, severity)], "{:#?}", readiness.findings);
        let finding = &readiness.findings[0];
        assert!(!finding.what.is_empty() && !finding.why.is_empty() && !finding.fix.is_empty());
        assert_eq!(readiness.score < 50, severity == Red, "{name}: {}", readiness.score);
        assert!(readiness.score < 100 || severity == Info, "{name}");
        assert_eq!(readiness.outcome() == "not_ready", severity == Red, "{name}");
        assert!(!readiness.partial, "{name}");
        // Values of options may be secrets.
        let shown = readiness.to_json(&pair.snapshot, Colour::Blue).to_string();
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(!format!("{:?}", pair.snapshot).contains("s3cret"));
    }
}

fn label(pair: &mut Pair, version: u64, count: usize) {
    pair.snapshot.history = Answer::Known(KeptVersions {
        count,
        oldest: Some(FlagVersion(1)),
        labelled: BTreeMap::from([(FlagVersion(version), vec!["keep".to_owned()])]),
    });
}

fn named(pair: &mut Pair, change: fn(&mut AlarmSetting)) {
    let mut setting = alarm("orders-late");
    change(&mut setting);
    pair.snapshot.named_alarms.blue = Answer::Known(vec![setting]);
}

fn heartbeat(pair: &mut Pair, change: fn(&mut AlarmSetting)) {
    let mut setting = alarm("orders-blue-heartbeat-lost");
    change(&mut setting);
    pair.snapshot.heartbeat_alarms.blue = Some(Answer::Known(setting));
}

#[test]
fn what_does_not_matter_is_no_finding() {
    let table: Vec<Change> = vec![
        |p| standby(p).max_workers = Some(11),
        |p| standby(p).schedulers = Some(5),
        |p| standby(p).weekly_maintenance_window_start = Some("MON:01:30".into()),
        |p| standby(p).weekly_maintenance_window_start = Some("SUN:21:30".into()),
        |p| standby(p).weekly_maintenance_window_start = Some("whenever".into()),
        |p| standby(p).airflow_version = None,
        |p| p.evidence.blue = evidence("UNAVAILABLE"),
        |p| p.snapshot.import_errors.blue = import_errors(&["x.py"]),
        |p| p.snapshot.heartbeat_alarms.green = None,
        |p| (p.last_proof, p.overdue_days) = (Some(Timestamp::UNIX_EPOCH), 0),
    ];
    for (index, change) in table.into_iter().enumerate() {
        let mut pair = twins();
        change(&mut pair);
        assert_eq!(check(&pair).findings, [], "case {index}");
    }
}

#[test]
fn a_dead_heartbeat_is_named_beside_the_verdict() {
    let mut pair = twins();
    pair.evidence.green.airflow = Answer::Unknown(throttled());
    let long_ago = "2026-11-23T11:00:00Z".parse().unwrap();
    pair.evidence.green.heartbeat = Answer::Known(HeartbeatEvidence {
        last_seen: Some(long_ago),
    });
    assert_eq!(
        check(&pair).names(Severity::Red),
        ["standby-verdict", "standby-heartbeat"]
    );
}

#[test]
fn what_is_not_answered_is_partial_and_never_red() {
    let table: Vec<(Question, Change)> = vec![
        (Question::Verdict, |p| {
            p.evidence.green.environment = EnvironmentAnswer::Unknown(throttled());
            p.evidence.green.airflow = Answer::Unknown(throttled());
        }),
        (Question::Environment, |p| {
            p.snapshot.environments.green = Answer::Unknown(throttled());
        }),
        (Question::Dags, |p| {
            p.snapshot.dags.green = DagList::unknown(throttled());
        }),
        (Question::Dags, |p| p.snapshot.dags.blue = DagList::unknown(throttled())),
        (Question::Dags, |p| {
            p.snapshot.dags.green = DagList {
                gap: Some(throttled()),
                ..dags(&[("b", true)])
            };
        }),
        (Question::ImportErrors, |p| {
            p.snapshot.import_errors.green = Answer::Unknown(throttled());
        }),
        (Question::FlagHistory, |p| {
            p.snapshot.history = Answer::Unknown(throttled());
        }),
        (Question::FlagPattern, |p| {
            p.snapshot.allowed_pattern = Answer::Unknown(throttled());
        }),
        (Question::NamedAlarms, |p| {
            p.snapshot.named_alarms.blue = Answer::Unknown(throttled());
        }),
        (Question::HeartbeatAlarms, |p| {
            p.snapshot.heartbeat_alarms.blue = Some(Answer::Unknown(throttled()));
        }),
        (Question::Guards, |p| {
            p.snapshot.guards = Some(Answer::Unknown(throttled()));
        }),
        (Question::Guards, |p| {
            bare(p, &[("a", "11:00:00")]).guarded_on_active = Answer::Unknown(throttled());
        }),
    ];
    for (question, change) in table {
        let mut pair = twins();
        change(&mut pair);
        let readiness = check(&pair);
        assert_eq!(readiness.findings, [], "{question:?}");
        assert_eq!(readiness.not_asked.len(), 1, "{question:?}");
        assert_eq!(readiness.not_asked[0].question, question);
        assert_eq!(
            (readiness.outcome(), readiness.level, readiness.score),
            ("partial", Level::Amber, 96)
        );
    }
}

#[test]
fn half_a_list_tells_what_it_knows_and_no_more() {
    let mut pair = twins();
    pair.snapshot.dags.blue = DagList {
        gap: Some(throttled()),
        ..dags(&[("a", false), ("z", false)])
    };
    let readiness = check(&pair);
    // z is missing from a whole list; b is not known to be extra beside half a list.
    assert_eq!(readiness.names(Severity::Red), ["dags-missing"]);
    assert_eq!(readiness.names(Severity::Amber), Vec::<&str>::new());
    assert!(readiness.partial && readiness.outcome() == "not_ready");
    assert!(
        readiness.findings[0].what.contains(": z"),
        "{}",
        readiness.findings[0].what
    );
}

#[test]
fn a_dag_that_cannot_be_imported_is_known_from_the_list_too() {
    let mut pair = twins();
    pair.snapshot.import_errors.green = Answer::Unknown(throttled());
    pair.snapshot.dags.green.dags.get_mut("a").unwrap().has_import_errors = true;
    let readiness = check(&pair);
    assert_eq!(
        (readiness.names(Severity::Red), readiness.partial),
        (vec!["import-errors"], true)
    );
}

#[test]
fn what_is_denied_names_the_action_to_allow() {
    let table: Vec<(&str, Severity, Change)> = vec![
        ("airflow:GetEnvironment", Severity::Red, |p| {
            p.snapshot.environments.green = Answer::Unknown(denied());
        }),
        ("airflow:InvokeRestApi", Severity::Red, |p| {
            p.snapshot.dags.green = DagList::unknown(denied());
            p.snapshot.import_errors.green = Answer::Unknown(denied());
        }),
        // An Airflow role of one's own that may read DAGs alone is enough for health.
        ("airflow:InvokeRestApi", Severity::Amber, |p| {
            p.snapshot.guards = Some(Answer::Unknown(denied()));
        }),
        ("ssm:GetParameterHistory", Severity::Amber, |p| {
            p.snapshot.history = Answer::Unknown(denied());
        }),
        ("ssm:DescribeParameters", Severity::Amber, |p| {
            p.snapshot.allowed_pattern = Answer::Unknown(denied());
        }),
        ("cloudwatch:DescribeAlarms", Severity::Amber, |p| {
            p.snapshot.heartbeat_alarms.blue = Some(Answer::Unknown(denied()));
        }),
    ];
    for (action, severity, change) in table {
        let mut pair = twins();
        change(&mut pair);
        let readiness = check(&pair);
        assert_eq!(readiness.findings.len(), 1, "{action} is told once");
        let finding = &readiness.findings[0];
        assert_eq!(
            (finding.name, finding.severity),
            ("permission-denied", severity),
            "{action}"
        );
        assert!(
            finding.what.contains(action) && finding.fix.contains(action),
            "{finding:?}"
        );
        assert!(readiness.partial);
    }
}

#[test]
fn many_dags_are_counted_and_the_first_are_named() {
    let mut pair = twins();
    let ids: Vec<String> = (0..1000).map(|number| format!("dag_{number:04}")).collect();
    let all: Vec<(&str, bool)> = ids.iter().map(|id| (id.as_str(), false)).collect();
    pair.snapshot.dags = Both {
        blue: dags(&all),
        green: dags(&[]),
    };
    let readiness = check(&pair);
    assert_eq!(
        readiness.findings[0].what,
        "1000 DAGs of blue not on green: dag_0000, dag_0001, dag_0002, dag_0003, dag_0004 and 995 more"
    );
    let dags = &readiness.to_json(&pair.snapshot, Colour::Blue)["dags"];
    assert_eq!(
        (
            &dags["missing"]["count"],
            dags["missing"]["first"].as_array().unwrap().len()
        ),
        (&json!(1000), 20)
    );
}

#[test]
fn commands_name_the_environment_and_its_region() {
    let mut pair = twins();
    standby(&mut pair).max_workers = Some(1);
    assert_eq!(
        check(&pair).findings[0].fix,
        "aws mwaa update-environment --name orders-green --region eu-west-1 --max-workers 10"
    );
}

#[test]
fn red_comes_first_and_caps_the_score() {
    let mut pair = twins();
    standby(&mut pair).webserver_access_mode = Some("PRIVATE_ONLY".into());
    standby(&mut pair).max_workers = Some(1);
    pair.snapshot.dags.green = dags(&[("b", true)]);
    pair.snapshot.import_errors.green = import_errors(&["x.py"]);
    let readiness = check(&pair);
    let names: Vec<_> = readiness.findings.iter().map(|finding| finding.name).collect();
    assert_eq!(
        names,
        ["dags-missing", "import-errors", "max-workers", "webserver-access"]
    );
    assert_eq!(readiness.score, 37);
    assert_eq!(
        readiness.summary(Colour::Green),
        "green is not ready to take over: dags-missing, import-errors; to look at: max-workers"
    );
    for reds in 0..12 {
        for ambers in 0..40 {
            for unanswered in 0..10 {
                let score = score(reds, ambers, unanswered);
                assert_eq!(score < 50, reds > 0);
                assert!(score <= super::score(reds, ambers.saturating_sub(1), unanswered.saturating_sub(1)));
            }
        }
    }
}

#[test]
fn the_last_proof_is_the_end_of_the_last_time_that_the_standby_was_active() {
    let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
    let entries: Vec<HistoryEntry> = ["blue", "green", "blue", "purple"]
        .iter()
        .zip(1_i64..)
        .map(|(value, number)| HistoryEntry {
            value: FlagValue::read(value),
            version: FlagVersion(number.unsigned_abs()),
            modified: at(number),
            author: None,
            description: None,
        })
        .collect();
    assert_eq!(last_proof(&versions(&entries), Colour::Green, None), Some(at(3)));
    assert_eq!(last_proof(&versions(&entries[..1]), Colour::Green, None), None);
}

#[test]
fn a_drill_that_failed_proves_nothing_and_one_that_succeeded_does() {
    let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
    let kinds = ["switch: x", "switch: y", "drill: monthly", "drill-return: bad"];
    let entries: Vec<HistoryEntry> = ["green", "blue", "green", "blue"]
        .iter()
        .zip(kinds)
        .zip(1_i64..)
        .map(|((value, words), number)| HistoryEntry {
            value: FlagValue::read(value),
            version: FlagVersion(number.unsigned_abs()),
            modified: at(number),
            author: None,
            description: Some(format!(
                "{words} [effective_from=1970-01-01T00:00:00Z record=r-{number}]"
            )),
        })
        .collect();
    let stored = |outcome: &str, to: &str| {
        json!({
            "schema": 1, "id": "d", "mode": "switch", "from": "blue", "to": to, "version": 2, "modified": at(2),
            "started_at": at(3), "hold_minutes": 1, "reason": "monthly", "requested_by": null, "outcome": outcome,
        })
        .to_string()
    };
    let proof = |drill: &str| last_proof(&versions(&entries), Colour::Green, Some(drill));
    assert_eq!(
        proof(&stored("failed", "green")),
        Some(at(2)),
        "what stood before it is older"
    );
    assert_eq!(proof(&stored("succeeded", "green")), Some(at(4)));
    assert_eq!(
        proof(&stored("failed", "blue")),
        Some(at(4)),
        "a drill of the other colour"
    );
}

// ---- what the watcher remembers

fn subject() -> crate::audit::Subject<'static> {
    crate::audit::Subject {
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

/// Through the parameter and back.
fn stored(standing: &Standing) -> Standing {
    let text = serde_json::to_string(standing).unwrap();
    assert!(text.len() < 4096);
    Standing::read(&text).unwrap()
}

#[test]
fn a_turn_to_red_and_back_is_told_once_each() {
    let green = Turn::after(None, &check(&twins()), Colour::Green, now());
    assert_eq!(
        changed_event(subject(), &green.standing, None),
        None,
        "ready from the start is no news"
    );
    let red = Turn::after(Some(&stored(&green.standing)), &red_check(), Colour::Green, now());
    let event = changed_event(subject(), &red.standing, Some(&red_check())).unwrap();
    assert_eq!(event.detail_type, "Readiness Changed");
    assert_eq!(
        event.detail["id"],
        json!(format!("orders:/a/flag:readiness:{}", now().as_millisecond()))
    );
    assert_eq!(
        (&event.detail["level"], &event.detail["previous"]),
        (&json!("red"), &json!("green"))
    );
    assert_eq!(event.detail["findings"][0]["name"], json!("dags-missing"));
    let still = Turn::after(Some(&stored(&red.standing.said())), &red_check(), Colour::Green, now());
    assert_eq!(changed_event(subject(), &still.standing, Some(&red_check())), None);
    let over = Turn::after(Some(&still.standing), &check(&twins()), Colour::Green, now());
    let event = changed_event(subject(), &over.standing, Some(&check(&twins()))).unwrap();
    assert_eq!(
        (&event.detail["level"], &event.detail["previous"]),
        (&json!("green"), &json!("red"))
    );
}

#[test]
fn what_turns_red_besides_is_told_too() {
    let red = Turn::after(None, &red_check(), Colour::Green, now()).standing.said();
    let mut pair = twins();
    pair.snapshot.dags.green = dags(&[("b", true)]);
    pair.snapshot.import_errors.green = Answer::Known(ImportErrors {
        files: ["orders.py".to_owned()].into(),
        more: false,
    });
    let worse = check(&pair);
    assert!(worse.names(Severity::Red).len() > red_check().names(Severity::Red).len());
    let later = now() + jiff::SignedDuration::from_hours(1);
    let turn = Turn::after(Some(&red), &worse, Colour::Green, later);
    let event = changed_event(subject(), &turn.standing, Some(&worse)).unwrap();
    assert_eq!(
        (&event.detail["level"], &event.detail["previous"]),
        (&json!("red"), &json!("red"))
    );
    assert!(event.detail["reason"].as_str().unwrap().contains("import-errors"));
    // One of two repaired is no news: it is red still, and the other one was told.
    let better = Turn::after(Some(&turn.standing.said()), &red_check(), Colour::Green, later);
    assert_eq!(changed_event(subject(), &better.standing, Some(&red_check())), None);
    // The same finding of the other colour, after a transition, is another one.
    let other = Turn::after(Some(&red), &red_check(), Colour::Blue, later);
    assert!(changed_event(subject(), &other.standing, Some(&red_check())).is_some());
}

#[test]
fn what_is_red_still_and_could_not_be_asked_is_named() {
    let first = Turn::after(None, &red_check(), Colour::Green, now());
    let again = Turn::after(Some(&first.standing), &partial_check(), Colour::Green, now());
    let event = changed_event(subject(), &again.standing, Some(&partial_check())).unwrap();
    assert_eq!(event.detail["findings"][0]["name"], json!("dags-missing"));
    assert_eq!(
        event.detail["findings"][0]["what"],
        json!("found earlier; now it could not be asked")
    );
}

#[test]
fn red_from_the_start_is_told() {
    let turn = Turn::after(None, &red_check(), Colour::Green, now());
    let event = changed_event(subject(), &turn.standing, Some(&red_check())).unwrap();
    assert_eq!(event.detail["previous"], json!(null));
    assert_eq!(Standing::read("garbage"), None);
}

#[test]
fn what_was_not_said_is_said_under_the_same_id() {
    let first = Turn::after(None, &red_check(), Colour::Green, now());
    let later = now() + jiff::SignedDuration::from_mins(1);
    let again = Turn::after(Some(&stored(&first.standing)), &red_check(), Colour::Green, later);
    let id = |turn: &Turn| changed_event(subject(), &turn.standing, None).unwrap().detail["id"].clone();
    assert_eq!(id(&first), id(&again));
    assert_eq!(again.overtaken, None);
    // It turned back before it was said: both turns are told, in their order.
    let over = Turn::after(Some(&stored(&first.standing)), &check(&twins()), Colour::Green, later);
    let overtaken = changed_event(subject(), over.overtaken.as_ref().unwrap(), None).unwrap();
    assert_eq!(overtaken.detail["id"], id(&first));
    assert_eq!(overtaken.detail["findings"][0]["name"], json!("dags-missing"));
    assert_ne!(id(&over), id(&first));
}

#[test]
fn a_question_without_an_answer_takes_no_red_back() {
    let red = Turn::after(None, &red_check(), Colour::Green, now()).standing.said();
    let kept = Turn::after(Some(&red), &partial_check(), Colour::Green, now()).standing;
    assert_eq!(
        (kept.level, kept.score, kept.red.as_slice()),
        (Level::Red, 49, ["dags-missing".to_owned()].as_slice())
    );
    assert!(kept.partial && kept.unsaid.is_none());
    // Another question's silence says nothing about the DAGs.
    let mut pair = twins();
    pair.snapshot.allowed_pattern = Answer::Unknown(throttled());
    let cleared = Turn::after(Some(&red), &check(&pair), Colour::Green, now()).standing;
    assert_eq!((cleared.level, cleared.red.len()), (Level::Amber, 0));
    assert!(cleared.unsaid.is_some());
}

#[test]
fn without_an_active_colour_there_is_no_standby() {
    let readiness = Readiness::without_standby("there is no flag".to_owned());
    assert_eq!(
        (readiness.outcome(), readiness.names(Severity::Red)),
        ("not_ready", vec!["flag"])
    );
}

/// Green until 10:00, then blue.
fn handed_to_blue() -> Vec<HistoryEntry> {
    [
        (1, "green", "2026-11-20T10:00:00Z"),
        (2, "blue", "2026-11-23T10:00:00Z"),
        (3, "blue", "2026-11-23T11:00:00Z"),
    ]
    .map(|(version, value, modified)| HistoryEntry {
        value: FlagValue::read(value),
        version: FlagVersion(version),
        modified: modified.parse().unwrap(),
        author: None,
        description: None,
    })
    .to_vec()
}

fn caught_up(dag: Dag, old_ticks: &[(&str, &str)]) -> Vec<String> {
    let mut list = dags(&[]);
    list.dags.insert("new".into(), dag);
    let ticks: Vec<_> = old_ticks
        .iter()
        .map(|(id, tick)| ((*id).to_owned(), tick.parse().unwrap()))
        .collect();
    catching_up(&list, &ticks, &handed_to_blue(), Colour::Blue, now())
        .into_iter()
        .collect()
}

#[test]
fn dags_whose_runs_are_the_standbys_are_named() {
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let next = |text: &str| Dag {
        next_run: at(text),
        ..Dag::default()
    };
    let old = next("2026-11-22T00:00:00Z");
    assert_eq!(caught_up(old, &[]), ["new"]);
    assert_eq!(
        caught_up(next("2026-11-23T11:00:00Z"), &[]),
        Vec::<String>::new(),
        "blue's own"
    );
    for other in [
        Dag { paused: true, ..old },
        Dag { unguarded: true, ..old },
        Dag {
            since: at("2026-11-23T10:30:00Z"),
            ..old
        },
    ] {
        assert_eq!(
            caught_up(other, &[("new", "2026-11-22T00:00:00Z")]).len(),
            usize::from(other.paused),
            "{other:?}"
        );
    }
    // Made already.
    let made = [
        ("new", "2026-11-22T00:00:00Z"),
        ("unlisted", "2026-11-22T00:00:00Z"),
        ("own", "2026-11-23T10:30:00Z"),
    ];
    assert_eq!(caught_up(Dag::default(), &made), ["new", "unlisted"]);
    // A healthy scheduler may be some minutes late.
    let mut list = dags(&[]);
    list.dags.insert("new".into(), next("2026-11-23T09:59:00Z"));
    for (second, named) in [(599, 0), (600, 1)] {
        let later = crate::time::after(
            "2026-11-23T09:59:00Z".parse().unwrap(),
            std::time::Duration::from_secs(second),
        );
        assert_eq!(
            catching_up(&list, &[], &handed_to_blue(), Colour::Blue, later).len(),
            named,
            "{second}"
        );
    }
}

#[test]
fn old_ticks_are_looked_for_since_the_last_change_of_colour_or_for_a_week() {
    let history = handed_to_blue();
    assert_eq!(
        looks_back_to(&history, now()),
        Some("2026-11-23T10:00:00Z".parse().unwrap())
    );
    assert_eq!(looks_back_to(&history[..1], now()), None);
    let later = "2026-12-23T10:00:00Z".parse().unwrap();
    assert_eq!(
        looks_back_to(&history, later),
        Some("2026-12-16T10:00:00Z".parse().unwrap())
    );
}

#[test]
fn a_dag_that_catches_up_is_a_finding_with_what_to_do() {
    let mut pair = twins();
    pair.catching_up = ["orders".to_owned()].into();
    let found = check(&pair);
    let finding = found
        .findings
        .iter()
        .find(|finding| finding.name == "catch-up")
        .unwrap();
    assert_eq!(
        (finding.severity, finding.colour),
        (Severity::Amber, Some(Colour::Blue))
    );
    assert!(
        finding.what.contains("which are green's: orders") && finding.fix.contains("bluegreen:since="),
        "{finding:?}"
    );
}

// ---- the guard in the standby's runs

/// Green's newest runs executed without a guard, and blue's have one.
fn bare<'a>(pair: &'a mut Pair, runs: &[(&str, &str)]) -> &'a mut GuardTraces {
    let traces = GuardTraces {
        standby: Colour::Green,
        guarded: None,
        bare: runs
            .iter()
            .map(|(id, time)| ((*id).to_owned(), format!("2026-11-23T{time}Z").parse().unwrap()))
            .collect(),
        guarded_on_active: Answer::Known(["a".to_owned()].into()),
    };
    pair.snapshot.guards = Some(Answer::Known(traces));
    match &mut pair.snapshot.guards {
        Some(Answer::Known(traces)) => traces,
        _ => panic!("just set"),
    }
}

fn option(pair: &mut Pair, colour: Colour, name: &str, value: &str) {
    let options = &mut environment(pair, colour).configuration_options.0;
    options.insert(name.to_owned(), value.to_owned());
}

type Boxed = Box<dyn Fn(&mut Pair)>;

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_standby_that_executes_without_a_guard_is_red_where_one_is_meant_to_be_there() {
    const PARAMETER: &str = "custom.bluegreen_flag_parameter";
    const MODE: &str = "custom.bluegreen_guard";
    let both = |p: &mut Pair, name: &str, value: &str| Colour::BOTH.map(|colour| option(p, colour, name, value));
    let none_on_active = |p: &mut Pair| {
        bare(p, &[("a", "11:00:00"), ("b", "11:20:00")]).guarded_on_active = Answer::Known(BTreeSet::new());
    };
    // What is changed, and the DAGs that are named.
    let table: Vec<(&str, Boxed, &str)> = vec![
        (
            "blue's runs of a have one",
            Box::new(|p| {
                let _ = bare(p, &[("a", "11:00:00"), ("b", "11:20:00")]);
            }),
            "a",
        ),
        ("nowhere a guard, and no option of it", Box::new(none_on_active), ""),
        (
            "an option of the guard",
            Box::new(move |p| {
                none_on_active(p);
                both(p, PARAMETER, "/x");
            }),
            "a, b",
        ),
        (
            "all",
            Box::new(move |p| {
                none_on_active(p);
                both(p, MODE, "all");
            }),
            "a, b",
        ),
        (
            "tagged",
            Box::new(move |p| {
                none_on_active(p);
                both(p, MODE, "tagged");
            }),
            "a, b",
        ),
        (
            "off",
            Box::new(move |p| {
                none_on_active(p);
                both(p, PARAMETER, "/x");
                both(p, MODE, "off");
            }),
            "",
        ),
        (
            "observes",
            Box::new(move |p| {
                none_on_active(p);
                both(p, MODE, "observe");
            }),
            "",
        ),
        (
            "the mark alone",
            Box::new(move |p| {
                none_on_active(p);
                both(p, "custom.bluegreen_mark", "on");
            }),
            "",
        ),
        (
            "off here, and the active skips",
            Box::new(move |p| {
                let _ = bare(p, &[("a", "11:00:00")]);
                option(p, Colour::Green, MODE, "off");
            }),
            "a",
        ),
        (
            "the active observes",
            Box::new(move |p| {
                let _ = bare(p, &[("a", "11:00:00")]);
                option(p, Colour::Blue, MODE, "observe");
            }),
            "",
        ),
        (
            "the active did not answer, and an option tells",
            Box::new(move |p| {
                bare(p, &[("a", "11:00:00")]).guarded_on_active = Answer::Unknown(throttled());
                both(p, PARAMETER, "/x");
            }),
            "a",
        ),
        (
            "a newer run has one",
            Box::new(|p| {
                bare(p, &[("a", "11:00:00")]).guarded = Some("2026-11-23T11:00:01Z".parse().unwrap());
            }),
            "",
        ),
        (
            "only an older run has one",
            Box::new(|p| {
                bare(p, &[("a", "11:00:00")]).guarded = Some("2026-11-23T10:59:59Z".parse().unwrap());
            }),
            "a",
        ),
        ("all have one", Box::new(|p| bare(p, &[]).guarded = Some(now())), ""),
        (
            "it was asked before the flag moved",
            Box::new(|p| {
                bare(p, &[("a", "11:00:00")]).standby = Colour::Blue;
            }),
            "",
        ),
    ];
    for (what, change, named) in table {
        let mut pair = twins();
        change(&mut pair);
        let readiness = check(&pair);
        let found = readiness
            .findings
            .iter()
            .find(|finding| finding.name == "guard-missing");
        assert_eq!(found.is_some(), !named.is_empty(), "{what}: {:?}", readiness.findings);
        assert!(!readiness.partial, "{what}");
        let Some(finding) = found else { continue };
        assert_eq!(
            (finding.severity, finding.colour),
            (Severity::Red, Some(Colour::Green)),
            "{what}"
        );
        assert!(
            finding.what.ends_with(&format!("Z: {named}")),
            "{what}: {}",
            finding.what
        );
        assert!(
            finding
                .fix
                .contains("--name orders-green --region eu-west-1 --startup-script-s3-path"),
            "{}",
            finding.fix
        );
    }
}

#[test]
fn a_missing_guard_is_not_taken_back_by_what_was_not_asked() {
    let mut pair = twins();
    let _ = bare(&mut pair, &[("a", "11:00:00")]);
    let red = Turn::after(None, &check(&pair), Colour::Green, now()).standing.said();
    assert_eq!(red.red, ["guard-missing"]);
    let table: Vec<(bool, Change)> = vec![
        (true, |p| p.snapshot.guards = Some(Answer::Unknown(throttled()))),
        (true, |p| p.snapshot.dags.green = DagList::unknown(throttled())),
        (true, |p| p.snapshot.history = Answer::Unknown(throttled())),
        (true, |p| p.snapshot.environments.green = Answer::Unknown(throttled())),
        (false, |p| p.snapshot.import_errors.green = Answer::Unknown(throttled())),
        (false, |p| bare(p, &[]).guarded = Some(now())),
    ];
    for (index, (is_kept, change)) in table.into_iter().enumerate() {
        let mut pair = twins();
        change(&mut pair);
        let after = Turn::after(Some(&red), &check(&pair), Colour::Green, now()).standing;
        assert_eq!(after.red.contains(&"guard-missing".to_owned()), is_kept, "case {index}");
    }
}

#[test]
fn guards_are_looked_for_in_runs_of_this_standby_and_of_the_last_day() {
    let history = handed_to_blue();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(guards_are_looked_for_since(&history, now()), at("2026-11-23T10:00:00Z"));
    assert_eq!(
        guards_are_looked_for_since(&history[..1], now()),
        at("2026-11-22T12:00:00Z")
    );
    let later = at("2026-11-25T10:00:00Z");
    assert_eq!(guards_are_looked_for_since(&history, later), at("2026-11-24T10:00:00Z"));
}

#[test]
fn a_dag_may_be_guarded_by_its_tags_and_the_mode() {
    let tagged = EnvironmentDetails {
        configuration_options: options(&[("custom.bluegreen_guard", "tagged")]),
        ..details(Colour::Green)
    };
    let dag = |unguarded, guarded| Dag {
        unguarded,
        guarded,
        ..Dag::default()
    };
    for (dag, by_all, by_tag) in [
        (dag(false, false), true, false),
        (dag(false, true), true, true),
        (dag(true, false), false, false),
        (dag(true, true), false, false),
    ] {
        assert_eq!(may_be_guarded(&details(Colour::Green), &dag), by_all, "{dag:?}");
        assert_eq!(may_be_guarded(&tagged, &dag), by_tag, "{dag:?}");
    }
}
