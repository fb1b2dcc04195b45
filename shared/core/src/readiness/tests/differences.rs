use super::*;

#[test]
fn twins_are_ready() {
    let readiness = check(&twins());
    assert_eq!(readiness.findings, []);
    assert_eq!(
        (readiness.score, readiness.level, readiness.partial),
        (100, Level::Green, false)
    );
    assert_eq!(readiness.outcome(), Outcome::Ready);
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
        ("environment-color", Amber, |p| {
            standby(p).configuration_options = options(&[("smtp.smtp_password", "s3cret")]);
        }),
        ("environment-color", Red, |p| {
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
            p.snapshot.allowed_pattern = ProbeResult::Known(None);
        }),
        ("flag-pattern", Amber, |p| {
            p.snapshot.allowed_pattern = ProbeResult::Known(Some(".*".into()));
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
        assert_eq!(readiness.outcome() == Outcome::NotReady, severity == Red, "{name}");
        assert!(!readiness.partial, "{name}");
        // Values of options may be secrets.
        let shown = serde_json::to_string(&pair.snapshot.environments).unwrap();
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(!format!("{:?}", pair.snapshot).contains("s3cret"));
    }
}

fn label(pair: &mut Pair, version: u64, count: usize) {
    pair.snapshot.history = ProbeResult::Known(KeptVersions {
        count,
        oldest: Some(FlagVersion(1)),
        labeled: BTreeMap::from([(FlagVersion(version), vec!["keep".to_owned()])]),
    });
}

fn named(pair: &mut Pair, change: fn(&mut AlarmSetting)) {
    let mut setting = alarm("orders-late");
    change(&mut setting);
    pair.snapshot.named_alarms.blue = ProbeResult::Known(vec![setting]);
}

fn heartbeat(pair: &mut Pair, change: fn(&mut AlarmSetting)) {
    let mut setting = alarm("orders-blue-heartbeat-lost");
    change(&mut setting);
    pair.snapshot.heartbeat_alarms.blue = Some(ProbeResult::Known(setting));
}

#[test]
fn what_does_not_matter_is_no_finding() {
    let table: Vec<Change> = vec![
        |p| standby(p).max_workers = Some(11),
        |p| standby(p).schedulers = Some(5),
        |p| standby(p).weekly_maintenance_window_start = Some("MON:01:30".into()),
        |p| standby(p).weekly_maintenance_window_start = Some("SUN:21:30".into()),
        |p| standby(p).weekly_maintenance_window_start = Some("WED:23:30".into()),
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
    pair.evidence.green.airflow = ProbeResult::Unknown(throttled());
    let long_ago = "2026-11-23T11:00:00Z".parse().unwrap();
    pair.evidence.green.heartbeat = ProbeResult::Known(HeartbeatEvidence {
        last_seen: Some(long_ago),
    });
    assert_eq!(
        check(&pair).names(Severity::Red),
        ["standby-verdict", "standby-heartbeat"]
    );
}

#[test]
fn a_guard_that_reads_another_flag_is_red_on_either_side() {
    let found = |blue: Option<&str>, green: Option<&str>| {
        let mut pair = twins();
        for (color, read) in [(Color::Blue, blue), (Color::Green, green)] {
            if let Some(read) = read {
                let options = &mut environment(&mut pair, color).configuration_options.0;
                options.insert("custom.bluegreen_flag_parameter".into(), read.into());
            }
        }
        let findings = check(&pair).findings;
        let of_flag = findings.into_iter().filter(|finding| finding.name == "flag-parameter");
        of_flag
            .map(|finding| (finding.severity, finding.color))
            .collect::<Vec<_>>()
    };
    let (own, other) = (
        Some("/mwaa/blue-green/active-environment"),
        Some("/mwaa/other/active-environment"),
    );
    assert_eq!(found(None, None), []);
    assert_eq!(found(own, own), []);
    assert_eq!(found(own, other), [(Severity::Red, Some(Color::Green))]);
    assert_eq!(found(Some(""), own), [(Severity::Red, Some(Color::Blue))]);
    assert_eq!(found(other, other).len(), 2, "alike, and wrong");
}
