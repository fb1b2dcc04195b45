use super::*;

fn option(pair: &mut Pair, color: Color, name: &str, value: &str) {
    let options = &mut environment(pair, color).configuration_options.0;
    options.insert(name.to_owned(), value.to_owned());
}

type Boxed = Box<dyn Fn(&mut Pair)>;

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_standby_that_executes_without_a_guard_is_red_where_one_is_meant_to_be_there() {
    const PARAMETER: &str = "custom.bluegreen_flag_parameter";
    const MODE: &str = "custom.bluegreen_guard";
    let both = |p: &mut Pair, name: &str, value: &str| Color::BOTH.map(|color| option(p, color, name, value));
    let none_on_active = |p: &mut Pair| {
        bare(p, &[("a", "11:00:00"), ("b", "11:20:00")]).guarded_on_active = ProbeResult::Known(BTreeSet::new());
    };
    // The change, and the DAGs that the finding names.
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
                both(p, "custom.bluegreen_status_page", "on");
            }),
            "",
        ),
        (
            "off here, and the active skips",
            Box::new(move |p| {
                let _ = bare(p, &[("a", "11:00:00")]);
                option(p, Color::Green, MODE, "off");
            }),
            "a",
        ),
        (
            "the active observes",
            Box::new(move |p| {
                let _ = bare(p, &[("a", "11:00:00")]);
                option(p, Color::Blue, MODE, "observe");
            }),
            "",
        ),
        (
            "the active did not answer, and an option tells",
            Box::new(move |p| {
                bare(p, &[("a", "11:00:00")]).guarded_on_active = ProbeResult::Unknown(throttled());
                both(p, PARAMETER, "/x");
            }),
            "a",
        ),
        (
            "an option of the guard here alone",
            Box::new(move |p| {
                none_on_active(p);
                option(p, Color::Green, PARAMETER, "/mwaa/blue-green/active-environment");
            }),
            "a, b",
        ),
        (
            "an option of the guard on the active alone",
            Box::new(move |p| {
                none_on_active(p);
                option(p, Color::Blue, PARAMETER, "/mwaa/blue-green/active-environment");
            }),
            "a, b",
        ),
        (
            "a run of the same instant has one",
            Box::new(|p| {
                bare(p, &[("a", "11:00:00")]).guarded = Some("2026-11-23T11:00:00Z".parse().unwrap());
            }),
            "",
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
                bare(p, &[("a", "11:00:00")]).standby = Color::Blue;
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
            (finding.severity, finding.color),
            (Severity::Red, Some(Color::Green)),
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
    let red = Turn::after(None, &check(&pair), Color::Green, now()).standing.said();
    assert_eq!(red.red, ["guard-missing"]);
    let table: Vec<(bool, Change)> = vec![
        (true, |p| p.snapshot.guards = Some(ProbeResult::Unknown(throttled()))),
        (true, |p| p.snapshot.dags.green = DagList::unknown(throttled())),
        (true, |p| p.snapshot.history = ProbeResult::Unknown(throttled())),
        (true, |p| {
            p.snapshot.environments.green = ProbeResult::Unknown(throttled());
        }),
        (false, |p| {
            p.snapshot.import_errors.green = ProbeResult::Unknown(throttled());
        }),
        (false, |p| bare(p, &[]).guarded = Some(now())),
    ];
    for (index, (is_kept, change)) in table.into_iter().enumerate() {
        let mut pair = twins();
        change(&mut pair);
        let after = Turn::after(Some(&red), &check(&pair), Color::Green, now()).standing;
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
        ..details(Color::Green)
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
        assert_eq!(may_be_guarded(&details(Color::Green), &dag), by_all, "{dag:?}");
        assert_eq!(may_be_guarded(&tagged, &dag), by_tag, "{dag:?}");
    }
}
