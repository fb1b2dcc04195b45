use super::*;

#[test]
fn what_is_not_answered_is_partial_and_never_red() {
    let table: Vec<(Question, Change)> = vec![
        (Question::Verdict, |p| {
            p.evidence.green.environment = EnvironmentAnswer::Unknown(throttled());
            p.evidence.green.airflow = ProbeResult::Unknown(throttled());
        }),
        (Question::Environment, |p| {
            p.snapshot.environments.green = ProbeResult::Unknown(throttled());
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
            p.snapshot.import_errors.green = ProbeResult::Unknown(throttled());
        }),
        (Question::FlagHistory, |p| {
            p.snapshot.history = ProbeResult::Unknown(throttled());
        }),
        (Question::FlagPattern, |p| {
            p.snapshot.allowed_pattern = ProbeResult::Unknown(throttled());
        }),
        (Question::NamedAlarms, |p| {
            p.snapshot.named_alarms.blue = ProbeResult::Unknown(throttled());
        }),
        (Question::HeartbeatAlarms, |p| {
            p.snapshot.heartbeat_alarms.blue = Some(ProbeResult::Unknown(throttled()));
        }),
        (Question::Guards, |p| {
            p.snapshot.guards = Some(ProbeResult::Unknown(throttled()));
        }),
        (Question::Guards, |p| {
            bare(p, &[("a", "11:00:00")]).guarded_on_active = ProbeResult::Unknown(throttled());
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
            (Outcome::Partial, Level::Amber, 96)
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
    // Green's list is complete, so z is missing; blue's is not, so b is not known to be extra.
    assert_eq!(readiness.names(Severity::Red), ["dags-missing"]);
    assert_eq!(readiness.names(Severity::Amber), Vec::<&str>::new());
    assert!(readiness.partial && readiness.outcome() == Outcome::NotReady);
    assert!(
        readiness.findings[0].what.contains(": z"),
        "{}",
        readiness.findings[0].what
    );
}

#[test]
fn a_dag_that_cannot_be_imported_is_known_from_the_list_too() {
    let mut pair = twins();
    pair.snapshot.import_errors.green = ProbeResult::Unknown(throttled());
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
            p.snapshot.environments.green = ProbeResult::Unknown(denied());
        }),
        ("airflow:InvokeRestApi", Severity::Red, |p| {
            p.snapshot.dags.green = DagList::unknown(denied());
            p.snapshot.import_errors.green = ProbeResult::Unknown(denied());
        }),
        // A custom Airflow role that may only read DAGs is sufficient for health.
        ("airflow:InvokeRestApi", Severity::Amber, |p| {
            p.snapshot.guards = Some(ProbeResult::Unknown(denied()));
        }),
        ("ssm:GetParameterHistory", Severity::Amber, |p| {
            p.snapshot.history = ProbeResult::Unknown(denied());
        }),
        ("ssm:DescribeParameters", Severity::Amber, |p| {
            p.snapshot.allowed_pattern = ProbeResult::Unknown(denied());
        }),
        ("cloudwatch:DescribeAlarms", Severity::Amber, |p| {
            p.snapshot.heartbeat_alarms.blue = Some(ProbeResult::Unknown(denied()));
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
fn a_red_finding_stays_until_the_question_behind_it_is_answered() {
    let red_of = |readiness: &Readiness| Turn::after(None, readiness, Color::Green, now()).standing.said();
    let table: Vec<(&str, Change, Change, bool)> = vec![
        (
            "standby-verdict",
            |p| p.evidence.green = evidence("UNAVAILABLE"),
            |p| {
                p.evidence.green.environment = EnvironmentAnswer::Unknown(throttled());
                p.evidence.green.airflow = ProbeResult::Unknown(throttled());
            },
            true,
        ),
        (
            "import-errors",
            |p| p.snapshot.import_errors.green = import_errors(&["x.py"]),
            |p| p.snapshot.import_errors.green = ProbeResult::Unknown(throttled()),
            true,
        ),
        (
            "flag-label",
            |p| {
                p.snapshot.history = ProbeResult::Known(KeptVersions {
                    count: 100,
                    oldest: Some(FlagVersion(1)),
                    labeled: BTreeMap::from([(FlagVersion(1), vec!["keep".to_owned()])]),
                });
            },
            |p| p.snapshot.history = ProbeResult::Unknown(throttled()),
            true,
        ),
        (
            "permission-denied",
            |p| p.snapshot.dags.green = DagList::unknown(denied()),
            |p| p.snapshot.dags.green = DagList::unknown(throttled()),
            true,
        ),
        // Its owner was read.
        (
            "root-owner",
            |p| p.owner = Some(r#"{"pair":"payroll"}"#),
            |p| p.snapshot.environments.green = ProbeResult::Unknown(throttled()),
            false,
        ),
    ];
    for (name, condition, silence, is_kept) in table {
        let mut pair = twins();
        condition(&mut pair);
        let red = red_of(&check(&pair));
        assert_eq!(red.red, [name]);
        let mut pair = twins();
        silence(&mut pair);
        let after = Turn::after(Some(&red), &check(&pair), Color::Green, now()).standing;
        assert_eq!(after.red.contains(&name.to_owned()), is_kept, "{name}");
    }
    // There is a flag again.
    let red = red_of(&Readiness::without_standby("there is no flag".to_owned()));
    assert_eq!(red.red, ["flag"]);
    let mut pair = twins();
    pair.snapshot.environments.green = ProbeResult::Unknown(throttled());
    let after = Turn::after(Some(&red), &check(&pair), Color::Green, now()).standing;
    assert_eq!(after.red, Vec::<String>::new());
}
