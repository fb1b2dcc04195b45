use super::*;

/// The failed environment's scheduler was late: only the standby created the run, and skipped it.
#[test]
fn what_the_old_scheduler_has_not_made_is_late_before_it_is_lost() {
    for (now, expected) in [("10:04:30", ""), ("10:05:30", "late"), ("10:09:59", "lost")] {
        let told = Both {
            blue: EnvironmentRuns::default(),
            green: told("orders", "09:59:50", SKIPPED),
        };
        let period = Period::around(&history(), 120, at(now));
        let report = compare(&period, Color::Green, &told, &history(), at(now));
        assert_eq!(word(&report), expected, "{now}: {report:#?}");
        for late in &report.late {
            assert_eq!((late.color, late.owner), (Color::Blue, Some(Color::Blue)));
            assert_eq!((late.other, late.due), (RunOutcome::Skipped, at("09:59:50")));
            assert!(
                report
                    .summary()
                    .contains("; 1 due for minutes and not made by the scheduler")
            );
        }
    }
}

/// What the active color's DAG lists as its next run, and which runs exist.
fn lateness(
    next: NextRun,
    blue: EnvironmentRuns,
    mut green: EnvironmentRuns,
) -> Vec<(Timestamp, Option<Color>, RunOutcome)> {
    green.next_runs.push(next);
    let period = Period::around(&history(), 120, at(NOW));
    let report = compare(&period, Color::Green, &Both { blue, green }, &history(), at(NOW));
    assert_eq!(report.counts.late, report.late.len());
    assert!(report.late.iter().all(|late| late.color == Color::Green));
    let told = report.late.iter().map(|late| (late.due, late.owner, late.other));
    told.collect()
}

#[test]
fn a_run_that_nobody_made_is_told_by_its_dag() {
    let green = Some(Color::Green);
    let cases = [
        (
            next("10:20:00"),
            "",
            "",
            vec![(at("10:20:00"), green, RunOutcome::Absent)],
        ),
        (
            next("10:25:00"),
            "",
            "",
            vec![(at("10:25:00"), green, RunOutcome::Absent)],
        ),
        // Due for less than five minutes: a busy scheduler. Due later: nothing.
        (next("10:26:00"), "", "", vec![]),
        (next("11:00:00"), "", "", vec![]),
        // Created in the meantime.
        (next("10:20:00"), "", EXECUTED, vec![]),
        // Older than the window, and executed by the old color: green's scheduler still does not make progress.
        (
            next("08:00:00"),
            "",
            "",
            vec![(at("08:00:00"), Some(Color::Blue), RunOutcome::Absent)],
        ),
        // Created by the other environment: the run itself is lost by now, and reported as lost.
        (next("10:10:00"), SKIPPED, "", vec![]),
        // The same run is reported once.
        (
            next("10:22:00"),
            SKIPPED,
            "",
            vec![(at("10:22:00"), green, RunOutcome::Skipped)],
        ),
        (
            next("09:50:00"),
            EXECUTED,
            "",
            vec![(at("09:50:00"), Some(Color::Blue), RunOutcome::Executed)],
        ),
    ];
    for (next, blue, of_green, expected) in cases {
        let due = next.due;
        let tick = due.to_string()[11..19].to_owned();
        let told = lateness(next, told("orders", &tick, blue), told("orders", &tick, of_green));
        assert_eq!(told, expected, "{due}: blue {blue}; green {of_green}");
    }
}

#[test]
fn of_a_late_run_the_other_environment_is_not_said_to_lack_what_it_did_not_list() {
    let blue = EnvironmentRuns {
        runs_gap: Some(Cause::new(CauseKind::TimedOut, "dead")),
        ..EnvironmentRuns::default()
    };
    let late = lateness(next("10:20:00"), blue, EnvironmentRuns::default());
    assert_eq!(late, [(at("10:20:00"), Some(Color::Green), RunOutcome::Unknown)]);
}

#[test]
fn a_dag_with_as_many_runs_as_it_may_have_is_not_late() {
    for (state, run_type, is_late) in [
        ("running", "scheduled", false),
        ("queued", "manual", false),
        ("running", "backfill", true),
        ("success", "scheduled", true),
    ] {
        let mut green = told("orders", "10:01:00", state);
        green.runs[0].run_type = run_type.into();
        let late = lateness(next("10:20:00"), EnvironmentRuns::default(), green);
        assert_eq!(!late.is_empty(), is_late, "{state} {run_type}");
    }
    // A run that started while the lists were being read is in two of them.
    let mut twice = told("orders", "10:01:00", "running");
    twice.runs.extend(twice.runs.clone());
    let two = NextRun {
        max_active_runs: Some(2),
        ..next("10:20:00")
    };
    assert_eq!(lateness(two, EnvironmentRuns::default(), twice).len(), 1);
    let unlimited = NextRun {
        max_active_runs: None,
        ..next("10:20:00")
    };
    assert_eq!(
        lateness(
            unlimited,
            EnvironmentRuns::default(),
            told("orders", "10:01:00", "running")
        )
        .len(),
        1
    );
}

#[test]
fn without_the_list_of_dags_the_report_is_partial_and_the_rest_stands() {
    let mut both = Both {
        blue: told("orders", "10:10:00", SKIPPED),
        green: told("orders", "10:10:00", EXECUTED),
    };
    both.green.dags_gap = Some(Cause::new(CauseKind::TimedOut, "no time left"));
    let period = Period::around(&history(), 120, at(NOW));
    let report = compare(&period, Color::Green, &both, &history(), at(NOW));
    assert_eq!((word(&report).as_str(), report.partial), ("once", true));
    assert_eq!(
        (report.not_asked[0].question, report.not_asked[0].color),
        ("dags", Color::Green)
    );
}
