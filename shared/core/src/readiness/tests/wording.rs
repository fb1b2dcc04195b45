//! What an answer says word for word: people copy its commands, and find the cause by its values.

use super::*;

/// The findings of a pair with this change, by what they say and how to repair it.
fn said(change: Change) -> Vec<(String, String)> {
    let mut pair = twins();
    change(&mut pair);
    let findings = check(&pair).findings;
    findings
        .into_iter()
        .map(|finding| (finding.what, finding.fix))
        .collect()
}

#[test]
fn each_finding_says_what_each_side_has_and_how_to_repair_it() {
    const UPDATE: &str = "aws mwaa update-environment --name orders-green --region eu-west-1";
    let table: Vec<(Change, &str, String)> = vec![
        (
            |p| standby(p).max_workers = Some(9),
            "blue has 10, green 9",
            format!("{UPDATE} --max-workers 10"),
        ),
        (
            |p| standby(p).requirements = file("requirements.txt", "two"),
            "requirements.txt: blue has one, green two",
            format!("{UPDATE} --requirements-s3-path requirements.txt --requirements-s3-object-version one"),
        ),
        (
            |p| {
                standby(p).requirements = Some(SourceFile {
                    path: "requirements.txt".into(),
                    version: None,
                });
            },
            "requirements.txt: blue has one, green no version",
            format!("{UPDATE} --requirements-s3-path requirements.txt --requirements-s3-object-version one"),
        ),
        (
            |p| standby(p).source_bucket_arn = Some("arn:aws:s3:::other".into()),
            "the contents of requirements are not compared: they lie in two buckets, whose object versions always differ",
            "compare the ETags of `aws s3api head-object --bucket orders --key <path>` with those of bucket other".into(),
        ),
        (
            |p| {
                let own = [
                    ("custom.environment_color", "green"),
                    ("smtp.smtp_password", "s3cret"),
                    ("a.here", "x"),
                    ("a.both", "1"),
                ];
                standby(p).configuration_options = options(&own);
                let own = [
                    ("custom.environment_color", "blue"),
                    ("smtp.smtp_password", "s3cret"),
                    ("a.there", "x"),
                    ("a.both", "2"),
                ];
                active(p).configuration_options = options(&own);
            },
            "these options differ, or are set in one only: a.both, a.here, a.there",
            format!(
                "compare AirflowConfigurationOptions of both, then {UPDATE} --airflow-configuration-options <all options, this \
                 color's own among them>"
            ),
        ),
        (
            |p| p.snapshot.dags.green = dags(&[("b", true)]),
            "1 DAG of blue not on green: a",
            "deploy the same DAG files to both environments; see import errors if they are there".into(),
        ),
        (
            |p| p.snapshot.dags.green = dags(&[("a", true), ("b", true)]),
            "1 DAG paused on green and not on blue: a",
            "aws mwaa invoke-rest-api --name orders-green --region eu-west-1 --path /dags/<DAG id> --method PATCH --body \
             '{\"is_paused\": false}'"
                .into(),
        ),
        (
            |p| p.manages_dags = true,
            "1 DAG of green not paused: a",
            "nothing, if green still drains or a hold stands: the watcher pauses them; else read its log, and see that the \
             stack's AirflowRole is User, Op or Admin"
                .into(),
        ),
        (
            |p| p.owner = None,
            "there is no parameter /mwaa/blue-green/owner",
            "aws ssm put-parameter --name /mwaa/blue-green/owner --type String --value '{\"pair\":\"orders\"}'".into(),
        ),
        (
            |p| p.owner = Some("payroll"),
            "the parameter /mwaa/blue-green/owner names no pair: \"payroll\"",
            "aws ssm put-parameter --name /mwaa/blue-green/owner --type String --overwrite --value '{\"pair\":\"orders\"}'"
                .into(),
        ),
    ];
    for (change, what, fix) in table {
        assert_eq!(said(change), [(what.to_owned(), fix)]);
    }
}

#[test]
fn missing_dags_are_copied_from_one_folder_to_the_other_where_these_are_known_to_differ() {
    let fix = |blue: (Option<&str>, Option<&str>), green: (Option<&str>, Option<&str>)| {
        let mut pair = twins();
        pair.snapshot.dags.green = dags(&[("b", true)]);
        for (color, (bucket, path)) in [(Color::Blue, blue), (Color::Green, green)] {
            let details = environment(&mut pair, color);
            details.source_bucket_arn = bucket.map(|bucket| format!("arn:aws:s3:::{bucket}"));
            details.dag_s3_path = path.map(str::to_owned);
        }
        let findings = check(&pair).findings;
        let missing = findings.into_iter().find(|finding| finding.name == "dags-missing");
        missing.unwrap().fix
    };
    assert_eq!(
        fix((Some("one"), Some("dags")), (Some("two"), None)),
        "aws s3 sync s3://one/dags s3://two/dags; a minute or so later Airflow has parsed them"
    );
    assert_eq!(
        fix((Some("one"), Some("blue/dags")), (Some("one"), Some("green/dags"))),
        "aws s3 sync s3://one/blue/dags s3://one/green/dags; a minute or so later Airflow has parsed them"
    );
    let to_both = "deploy the same DAG files to both environments; see import errors if they are there";
    assert_eq!(fix((Some("one"), Some("dags")), (Some("one"), None)), to_both);
    assert_eq!(fix((Some("one"), Some("dags")), (None, Some("dags"))), to_both);
}

#[test]
fn a_standby_that_mwaa_does_not_know_is_told_apart_from_one_that_nobody_could_ask_for() {
    let about = |kind: CauseKind| {
        let mut pair = twins();
        pair.snapshot.environments.green = ProbeResult::Unknown(Cause::new(kind, "no answer"));
        pair.evidence.green.environment = EnvironmentAnswer::Unknown(Cause::new(kind, "no answer"));
        pair.evidence.green.airflow = ProbeResult::Unknown(Cause::new(kind, "no answer"));
        let readiness = check(&pair);
        let verdict = readiness
            .findings
            .iter()
            .find(|finding| finding.name == "standby-verdict");
        let is_open = readiness
            .not_asked
            .iter()
            .any(|open| open.question == Question::Verdict);
        (verdict.map(|finding| finding.what.clone()), is_open)
    };
    let none = Some("MWAA has no environment orders-green".to_owned());
    assert_eq!(about(CauseKind::NotFound), (none, false));
    for kind in [CauseKind::Throttled, CauseKind::AccessDenied, CauseKind::TimedOut] {
        assert_eq!(about(kind), (None, true), "{kind:?}");
    }
    // It is condemned by what was found, although MWAA does not describe it now.
    let mut pair = twins();
    pair.snapshot.environments.green = ProbeResult::Unknown(throttled());
    pair.evidence.green = evidence("UNAVAILABLE");
    let readiness = check(&pair);
    assert_eq!(readiness.names(Severity::Red), ["standby-verdict"]);
    assert!(
        readiness.findings[0].what.starts_with("green is unhealthy: "),
        "{}",
        readiness.findings[0].what
    );
}

#[test]
fn a_partial_answer_names_what_could_not_be_asked_once() {
    let mut pair = twins();
    pair.snapshot.named_alarms = Both::from_fn(|_| ProbeResult::Unknown(throttled()));
    pair.snapshot.history = ProbeResult::Unknown(throttled());
    standby(&mut pair).max_workers = Some(1);
    let mut readiness = check(&pair);
    readiness.not_asked.extend(readiness.not_asked.clone());
    assert_eq!(
        readiness.summary(Color::Green),
        "nothing speaks against green taking over, but not everything could be asked: flag-history, named-alarms (blue), \
         named-alarms (green); to look at: max-workers"
    );
    assert_eq!(check(&twins()).summary(Color::Green), "green is ready to take over");
}

#[test]
fn names_of_options_are_shown_and_their_values_are_not() {
    let shown = format!("{:?}", details(Color::Green).configuration_options);
    assert_eq!(shown, r#"{"custom.environment_color", "smtp.smtp_password"}"#);
}

#[test]
fn a_drill_is_overdue_after_its_days_and_not_on_the_last_of_them() {
    let found = |seconds: i64| {
        let mut pair = twins();
        let age = jiff::SignedDuration::from_secs(30 * 24 * 60 * 60 + seconds);
        pair.last_proof = now().checked_sub(age).ok();
        check(&pair).findings.first().map(|finding| finding.what.clone())
    };
    assert_eq!(found(-1), None);
    assert_eq!(found(0), None);
    let overdue = "green was last made active 30 days ago; a drill is due every 30";
    assert_eq!(found(1).as_deref(), Some(overdue));
}
