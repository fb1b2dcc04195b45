use super::*;

/// An old tick of a new DAG: green created its run at 10:10, and skipped it because it is blue's.
fn caught_up(started: &str) -> Both<EnvironmentRuns> {
    let mut green = told("new", "08:00:00", SKIPPED);
    green.runs[0].started = Some(at(started));
    green.tasks[0].ended = Some(at(started));
    Both {
        blue: EnvironmentRuns::default(),
        green,
    }
}

fn report_of(told: &Both<EnvironmentRuns>) -> RunReport {
    let period = Period::around(&history(), 60, at(NOW));
    assert_eq!(period.from, at("09:30:00"));
    compare(&period, Color::Green, told, &history(), at(NOW))
}

#[test]
fn a_run_made_in_the_window_counts_whatever_its_tick() {
    for (started, expected) in [
        ("10:10:00", "lost"),
        // Blue may still create it.
        ("10:24:00", "late"),
        ("10:26:00", ""),
        ("09:00:00", ""),
    ] {
        let report = report_of(&caught_up(started));
        assert_eq!(word(&report), expected, "{started}");
        assert_eq!(report.counts.runs, usize::from(started > "09:30"), "{started}");
    }
    let lost = report_of(&caught_up("10:10:00")).lost;
    assert_eq!(
        (lost[0].owner, lost[0].blue, lost[0].green),
        (Some(Color::Blue), RunOutcome::Absent, RunOutcome::Skipped)
    );
    // Blue has also executed it in the window.
    let mut both = caught_up("10:10:00");
    both.blue = told("new", "08:00:00", EXECUTED);
    both.blue.runs[0].started = Some(at("10:11:00"));
    assert_eq!(word(&report_of(&both)), "once");
}

#[test]
fn an_old_tick_that_the_other_made_long_ago_is_not_lost() {
    let mut both = caught_up("10:10:00");
    let period = Period::around(&history(), 60, at(NOW));
    let asked = to_look_up(&period, &both);
    assert_eq!(
        (asked.blue.into_iter().collect::<Vec<_>>(), asked.green.len()),
        (vec!["new".to_owned()], 0)
    );
    both.blue.earlier.insert(("new".into(), at("08:00:00")));
    let report = report_of(&both);
    assert_eq!((word(&report).as_str(), report.counts.runs), ("", 0));
    // What blue created is not known: the report claims nothing.
    both.blue.earlier.clear();
    both.blue.earlier_gap = Some(Cause::new(CauseKind::Throttled, "slow down"));
    let report = report_of(&both);
    assert_eq!(word(&report), "unjudged");
    assert_eq!((report.partial, report.not_asked[0].question), (true, "earlier-runs"));
}

#[test]
fn only_scheduled_runs_with_old_ticks_that_were_made_in_the_window_are_looked_up_elsewhere() {
    let period = Period::around(&history(), 60, at(NOW));
    let asked = |change: fn(&mut Run), is_in_blue: bool| {
        let mut both = caught_up("10:10:00");
        change(&mut both.green.runs[0]);
        if is_in_blue {
            both.blue.runs.push(both.green.runs[0].clone());
        }
        let asked = to_look_up(&period, &both);
        assert_eq!(asked.green.len(), 0);
        !asked.blue.is_empty()
    };
    assert!(asked(|_| {}, false));
    assert!(!asked(|_| {}, true));
    assert!(!asked(|run| run.started = Some(at("09:29:59")), false));
    assert!(asked(|run| run.started = Some(at("09:30:00")), false));
    assert!(!asked(|run| run.started = Some(at("10:35:01")), false));
    assert!(!asked(|run| run.started = None, false));
    assert!(!asked(|run| run.tick = Some(at("09:30:00")), false));
    assert!(!asked(|run| run.tick = None, false));
    assert!(!asked(|run| run.run_type = "manual".into(), false));
    assert!(asked(|run| run.tick = Some(at("09:29:59")), false));
}

#[test]
fn ticks_older_than_the_dags_tag_belong_to_the_tags_instant() {
    let mut both = caught_up("10:10:00");
    both.green.since.insert("new".into(), at("10:08:00"));
    assert_eq!(
        word(&report_of(&both)),
        "unjudged",
        "whether it had the tag when its guard decided is not known"
    );
    both.green.tasks[0].state = "failed".into();
    let line = report_of(&both).lost.remove(0);
    assert_eq!((line.owner, line.instant), (Some(Color::Green), Some(at("10:08:00"))));
    both.green.tasks[0].state = "success".into();
    both.green
        .tasks
        .push(task("new", "08:00:00", "load", "success", "10:10:05"));
    assert_eq!(word(&report_of(&both)), "once");
    // Ticks from then on have their own instant.
    let tagged = run("new", "10:20:00", "success").instant_since(Some(at("10:08:00")));
    assert_eq!(tagged, Some(at("10:20:00")));
    let manual = Run {
        run_type: "manual".into(),
        ..run("new", "08:00:00", "success")
    };
    assert_eq!(
        manual.instant_since(Some(at("10:08:00"))),
        Some(at("08:00:00")),
        "its start"
    );
}

#[test]
fn a_handed_on_instant_wins_whatever_airflow_calls_the_run_but_not_in_a_backfill() {
    let of = |run_type: &str| {
        Run {
            run_type: run_type.into(),
            conf_instant: Some(at("09:59:00")),
            tick: Some(at("08:00:00")),
            ..run("orders", "10:10:00", "success")
        }
        .instant()
    };
    for run_type in ["manual", "operator_triggered", "asset_triggered", "word_of_tomorrow"] {
        assert_eq!(of(run_type), Some(at("09:59:00")), "{run_type}");
    }
    assert_eq!(of("backfill"), Some(at("10:10:00")), "its start");
    assert_eq!(of("scheduled"), Some(at("08:00:00")), "its tick");
}
