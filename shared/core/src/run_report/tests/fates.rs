use super::*;

#[test]
fn a_run_is_judged_by_what_its_tasks_did() {
    let cases = [
        // Before the switch, after it, and in the gap that the failover covered.
        ("09:50:00", EXECUTED, SKIPPED, "once"),
        ("10:10:00", SKIPPED, EXECUTED, "once"),
        ("10:02:00", "", EXECUTED, "once"),
        ("09:50:00", EXECUTED, EXECUTED, "doubled"),
        ("10:10:00", EXECUTED, EXECUTED, "doubled"),
        ("09:50:00", SKIPPED, SKIPPED, "once"),
        // Green skipped it while it was blue's; then it became green's.
        ("10:02:00", "", "success guard=success@10:02:05", "lost"),
        // Green cleared its guard after the failover.
        ("10:02:00", "", "success guard=success@10:06:00 load=success", "once"),
        // Nothing in it had to be done: the DAG's own branches skipped it.
        ("10:10:00", SKIPPED, SKIPPED, "once"),
        ("10:02:00", "", "success guard=success@10:06:00", "once"),
        // The guard could not decide, and the tasks that do not depend on it failed.
        ("10:10:00", SKIPPED, "failed guard=failed clean_up=failed", "lost"),
        ("10:10:00", SKIPPED, "failed guard=success load=failed", "once"),
        (
            "10:10:00",
            SKIPPED,
            "running guard=up_for_reschedule always=running",
            "pending",
        ),
        ("10:10:00", SKIPPED, "running guard=success load=running", "once"),
        ("10:10:00", SKIPPED, "queued", "pending"),
        ("10:10:00", "running guard=running", "running guard=running", "pending"),
        // No scheduler has created the owner's run; another ten minutes may be its backlog.
        ("10:10:00", SKIPPED, "", "lost"),
        // For exactly these ten minutes.
        ("10:20:00", SKIPPED, "", "lost"),
        ("10:24:00", SKIPPED, "", "late"),
        ("10:26:00", SKIPPED, "", "pending"),
        ("09:50:00", "", SKIPPED, "lost"),
        // Not executed where it belongs, and the guard of the other one has not decided yet.
        ("09:50:00", "failed guard=failed", "running guard=running", ""),
        // A run in progress stays on its color.
        (
            "09:50:00",
            "running guard=success load=running",
            SKIPPED,
            "in-flight once",
        ),
        ("09:50:00", "queued", SKIPPED, "in-flight"),
        (
            "10:10:00",
            "running guard=success load=running",
            EXECUTED,
            "in-flight doubled",
        ),
        ("10:10:00", "running guard=running", EXECUTED, "once"),
        // Outside the window: only runs in progress are reported.
        ("08:00:00", EXECUTED, EXECUTED, ""),
        ("08:00:00", "running guard=success load=running", "", "in-flight"),
    ];
    for (tick, blue, green, expected) in cases {
        let report = judged(tick, blue, green);
        assert_eq!(
            word(&report),
            expected,
            "{tick}: blue {blue}; green {green}: {report:#?}"
        );
        assert!(!report.partial);
        let counts = &report.counts;
        assert_eq!(
            (
                counts.in_flight,
                counts.pending,
                counts.late,
                counts.doubled,
                counts.lost
            ),
            (
                report.in_flight.len(),
                report.pending.len(),
                report.late.len(),
                report.doubled.len(),
                report.lost.len()
            ),
            "{tick}: blue {blue}; green {green}"
        );
    }
}

#[test]
fn without_a_guard_the_state_alone_tells_and_it_is_said() {
    for (blue, green, expected) in [
        ("success", "success", "doubled"),
        ("failed", "success branch=success", "doubled"),
        ("success", "", "once"),
        ("queued", "success", "once"),
    ] {
        let report = judged("10:10:00", blue, green);
        let words: Vec<String> = word(&report).split(' ').map(str::to_owned).collect();
        assert!(words.contains(&expected.to_owned()), "{blue} / {green}: {report:#?}");
        for line in &report.doubled {
            assert!(line.unguarded);
        }
    }
    // A guard on one color is a guard of the DAG: the other color's run was ended before it reached the guard.
    assert_eq!(word(&judged("10:10:00", "failed", EXECUTED)), "once");
    assert_eq!(word(&judged("10:10:00", "failed load=failed", EXECUTED)), "once");
}

#[test]
fn nothing_is_claimed_about_what_is_not_known() {
    let dead = || Some(Cause::new(CauseKind::TimedOut, "dead"));
    let cases = [(EXECUTED, "unjudged"), (SKIPPED, "unjudged"), ("queued", "pending")];
    for (green, expected) in cases {
        let told = Both {
            blue: EnvironmentRuns {
                runs_gap: dead(),
                tasks_gap: dead(),
                ..EnvironmentRuns::default()
            },
            green: told("orders", "10:10:00", green),
        };
        let period = Period::around(&history(), 120, at(NOW));
        let report = compare(&period, Color::Green, &told, &history(), at(NOW));
        assert_eq!(word(&report), expected, "{green}: {report:#?}");
        assert!(report.partial);
        let asked: Vec<_> = report.not_asked.iter().map(|gap| (gap.question, gap.color)).collect();
        assert_eq!(asked, [("dag-runs", Color::Blue), ("task-instances", Color::Blue)]);
    }
    // The runs are known, their tasks are not.
    let mut both = Both {
        blue: told("orders", "10:10:00", "success"),
        green: told("orders", "10:10:00", EXECUTED),
    };
    both.blue.tasks_gap = dead();
    let period = Period::around(&history(), 120, at(NOW));
    let report = compare(&period, Color::Green, &both, &history(), at(NOW));
    assert_eq!(word(&report), "unjudged");
}

#[test]
fn a_run_of_one_environment_alone_is_not_missed_in_the_other() {
    let manual = |state: &str, conf_instant: Option<&str>| Run {
        run_type: "manual".into(),
        run_id: "manual__1".into(),
        tick: Some(at("03:00:00")),
        logical_date: Some(at("03:00:00")),
        started: Some(at("10:10:00")),
        conf_instant: conf_instant.map(at),
        ..run("orders", "10:10:00", state)
    };
    let guard = |id: &str, ended: &str| Task {
        run_id: "manual__1".into(),
        ..task("orders", "10:10:00", id, "success", ended)
    };
    let cases = [
        (
            Color::Green,
            vec![guard("guard", "10:10:05"), guard("load", "10:11:00")],
            None,
            "once",
        ),
        // Triggered manually on the standby: the guard skips it, and no other environment has it.
        (Color::Blue, vec![guard("guard", "10:10:05")], None, "lost"),
        (
            Color::Blue,
            vec![guard("guard", "10:10:05"), guard("load", "10:11:00")],
            Some("09:59:00"),
            "once",
        ),
    ];
    for (color, tasks, conf_instant, expected) in cases {
        let mut told = Both {
            blue: EnvironmentRuns::default(),
            green: EnvironmentRuns::default(),
        };
        told.of_mut(color).runs.push(manual("success", conf_instant));
        told.of_mut(color).tasks = tasks;
        let period = Period::around(&history(), 120, at(NOW));
        let report = compare(&period, Color::Green, &told, &history(), at(NOW));
        assert_eq!(word(&report), expected, "{color}: {report:#?}");
    }
}

#[test]
fn both_generations_of_airflow_mean_the_same_run() {
    let mut both = Both {
        blue: told("orders", "10:10:00", SKIPPED),
        green: told("orders", "10:10:00", EXECUTED),
    };
    both.blue.runs[0].run_id = "scheduled__2026-11-22T10:10:00+00:00".into();
    both.blue.tasks[0].run_id = both.blue.runs[0].run_id.clone();
    // Airflow 2 derives data intervals from a cron expression, Airflow 3 does not.
    both.blue.runs[0].logical_date = Some(at("10:09:00"));
    let period = Period::around(&history(), 120, at(NOW));
    let report = compare(&period, Color::Green, &both, &history(), at(NOW));
    assert_eq!((word(&report).as_str(), report.counts.runs), ("once", 1));
}

#[test]
fn lists_are_capped_and_counts_are_whole() {
    let mut told = Both {
        blue: EnvironmentRuns::default(),
        green: EnvironmentRuns::default(),
    };
    for number in 0..120 {
        let dag_id = format!("dag_{number:03}");
        let with_guard = number >= 60;
        for color in Color::BOTH {
            let side = told.of_mut(color);
            side.runs.push(run(&dag_id, "10:10:00", "success"));
            if with_guard {
                side.tasks
                    .push(task(&dag_id, "10:10:00", "guard", "success", "10:10:05"));
            }
            side.tasks
                .push(task(&dag_id, "10:10:00", "load", "success", "10:10:06"));
            side.next_runs.push(NextRun {
                dag_id: dag_id.clone(),
                ..next("10:20:00")
            });
        }
    }
    let period = Period::around(&history(), 120, at(NOW));
    let report = compare(&period, Color::Green, &told, &history(), at(NOW));
    assert_eq!((report.counts.doubled, report.counts.doubled_unguarded), (120, 60));
    assert_eq!(
        (report.doubled.len(), report.late.len(), report.counts.late),
        (NAMED, NAMED, 120)
    );
    assert!(
        report.doubled.iter().all(|line| !line.unguarded),
        "the guarded ones first"
    );
}

#[test]
fn of_a_run_in_a_state_that_nobody_knows_nothing_is_claimed() {
    // Neither waiting nor ended; what its tasks did still counts.
    for (blue, green, expected) in [
        (SKIPPED, "limbo guard=success", "unjudged"),
        (SKIPPED, "limbo", "unjudged"),
        (SKIPPED, "limbo guard=success load=success", "once"),
    ] {
        assert_eq!(word(&judged("10:10:00", blue, green)), expected, "{green}");
    }
}
