use super::*;
use crate::flag::FlagValue;
use crate::health::CauseKind;

fn at(text: &str) -> Timestamp {
    format!("2026-11-23T{text}Z").parse().unwrap()
}

fn version(number: u64, value: &str, written: &str, counts_from: Option<&str>) -> HistoryEntry {
    HistoryEntry {
        value: FlagValue::read(value),
        version: FlagVersion(number),
        modified: at(written),
        author: None,
        description: counts_from.map(|from| format!("failover: dead [effective_from={} record=v{number}-1]", at(from))),
    }
}

/// Blue since the morning; green took over at 10:05, back-dated to 10:00.
fn history() -> Vec<HistoryEntry> {
    vec![
        version(1, "blue", "06:00:00", None),
        version(2, "green", "10:05:00", Some("10:00:00")),
    ]
}

const NOW: &str = "10:30:00";

fn run(dag_id: &str, tick: &str, state: &str) -> Run {
    Run {
        dag_id: dag_id.into(),
        run_id: format!("scheduled__{tick}"),
        run_type: "scheduled".into(),
        state: state.into(),
        logical_date: Some(at(tick)),
        tick: Some(at(tick)),
        started: Some(at(tick)),
        handed_on: None,
    }
}

/// A task instance of the run of that tick; `id` is `guard` or a task of the DAG.
fn task(dag_id: &str, tick: &str, id: &str, state: &str, ended: &str) -> Task {
    Task {
        dag_id: dag_id.into(),
        run_id: format!("scheduled__{tick}"),
        task_id: if id == "guard" { GUARD_TASK.into() } else { id.into() },
        state: state.into(),
        ended: Some(at(ended)),
    }
}

/// A run in words: its state, then `id=state@end` of its task instances that are not skipped.
fn told(dag_id: &str, tick: &str, words: &str) -> Told {
    let mut told = Told::default();
    let mut words = words.split_whitespace();
    let Some(state) = words.next() else { return told };
    told.runs.push(run(dag_id, tick, state));
    for word in words {
        let (id, rest) = word.split_once('=').unwrap();
        let (state, ended) = rest.split_once('@').unwrap_or((rest, tick));
        told.tasks.push(task(dag_id, tick, id, state, ended));
    }
    told
}

fn judged(tick: &str, blue: &str, green: &str) -> Handover {
    let told = Both {
        blue: told("orders", tick, blue),
        green: told("orders", tick, green),
    };
    let period = Period::around(&history(), 120, at(NOW));
    compare(&period, Colour::Green, &told, &history(), at(NOW))
}

fn word(report: &Handover) -> String {
    let lists = [
        ("in-flight", &report.in_flight),
        ("pending", &report.pending),
        ("doubled", &report.doubled),
        ("lost", &report.lost),
    ];
    let mut words: Vec<&str> = lists
        .iter()
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(word, _)| *word)
        .collect();
    if !report.late.is_empty() {
        words.push("late");
    }
    if report.counts.executed_once > 0 {
        words.push("once");
    }
    if report.counts.unjudged > 0 {
        words.push("unjudged");
    }
    words.join(" ")
}

const EXECUTED: &str = "success guard=success load=success";
const SKIPPED: &str = "success guard=success";

#[test]
fn a_run_is_judged_by_what_its_tasks_did() {
    let cases = [
        // Before the switch, after it, and in the gap that the failover took over.
        ("09:50:00", EXECUTED, SKIPPED, "once"),
        ("10:10:00", SKIPPED, EXECUTED, "once"),
        ("10:02:00", "", EXECUTED, "once"),
        ("09:50:00", EXECUTED, EXECUTED, "doubled"),
        ("10:10:00", EXECUTED, EXECUTED, "doubled"),
        ("09:50:00", SKIPPED, SKIPPED, "once"),
        // Green had skipped it while it was blue's; then it became green's.
        ("10:02:00", "", "success guard=success@10:02:05", "lost"),
        // Green cleared its guard after the failover.
        ("10:02:00", "", "success guard=success@10:06:00 load=success", "once"),
        // Nothing of it was to be done: the DAG's own branches skipped it.
        ("10:10:00", SKIPPED, SKIPPED, "once"),
        ("10:02:00", "", "success guard=success@10:06:00", "once"),
        // The guard could not decide, and whatever does not wait for it failed.
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
        // Nobody's scheduler has made the owner's run; another ten minutes may be its backlog.
        ("10:10:00", SKIPPED, "", "lost"),
        ("10:24:00", SKIPPED, "", "late"),
        ("10:26:00", SKIPPED, "", "pending"),
        ("09:50:00", "", SKIPPED, "lost"),
        // A run in progress stays where it is.
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
        // Outside the window: only what is under way is told.
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
    }
}

/// The dead scheduler was late: a run of its own that only the standby has made, and skipped.
#[test]
fn what_the_old_scheduler_has_not_made_is_late_before_it_is_lost() {
    for (now, expected) in [("10:04:30", ""), ("10:05:30", "late"), ("10:09:59", "lost")] {
        let told = Both {
            blue: Told::default(),
            green: told("orders", "09:59:50", SKIPPED),
        };
        let period = Period::around(&history(), 120, at(now));
        let report = compare(&period, Colour::Green, &told, &history(), at(now));
        assert_eq!(word(&report), expected, "{now}: {report:#?}");
        for late in &report.late {
            assert_eq!((late.colour, late.owner), (Colour::Blue, Some(Colour::Blue)));
            assert_eq!((late.other, late.due), (Fate::Skipped, at("09:59:50")));
            assert!(
                report
                    .summary()
                    .contains("; 1 due for minutes and not made by the scheduler")
            );
        }
    }
}

fn next(due: &str) -> NextRun {
    NextRun {
        dag_id: "orders".into(),
        due: at(due),
        max_active_runs: Some(1),
        has_import_errors: false,
    }
}

/// What the active's DAG says of its next run, and which runs there are.
fn lateness(next: NextRun, blue: Told, mut green: Told) -> Vec<(Timestamp, Option<Colour>, Fate)> {
    green.next_runs.push(next);
    let period = Period::around(&history(), 120, at(NOW));
    let report = compare(&period, Colour::Green, &Both { blue, green }, &history(), at(NOW));
    assert_eq!(report.counts.late, report.late.len());
    assert!(report.late.iter().all(|late| late.colour == Colour::Green));
    let told = report.late.iter().map(|late| (late.due, late.owner, late.other));
    told.collect()
}

#[test]
fn a_run_that_nobody_made_is_told_by_its_dag() {
    let green = Some(Colour::Green);
    let cases = [
        (next("10:20:00"), "", "", vec![(at("10:20:00"), green, Fate::Absent)]),
        // Due for less than five minutes: a busy scheduler. Due later: nothing.
        (next("10:26:00"), "", "", vec![]),
        (next("11:00:00"), "", "", vec![]),
        // Made in the meantime.
        (next("10:20:00"), "", EXECUTED, vec![]),
        // Older than the window, and executed by the old colour: green's scheduler stands still all the same.
        (
            next("08:00:00"),
            "",
            "",
            vec![(at("08:00:00"), Some(Colour::Blue), Fate::Absent)],
        ),
        // Made by the other environment: the run itself is lost by now, and told as that.
        (next("10:10:00"), SKIPPED, "", vec![]),
        // The same run is told once.
        (
            next("10:22:00"),
            SKIPPED,
            "",
            vec![(at("10:22:00"), green, Fate::Skipped)],
        ),
        (
            next("09:50:00"),
            EXECUTED,
            "",
            vec![(at("09:50:00"), Some(Colour::Blue), Fate::Executed)],
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
fn a_dag_with_as_many_runs_as_it_may_have_is_not_late() {
    for (state, run_type, is_late) in [
        ("running", "scheduled", false),
        ("queued", "manual", false),
        ("running", "backfill", true),
        ("success", "scheduled", true),
    ] {
        let mut green = told("orders", "10:01:00", state);
        green.runs[0].run_type = run_type.into();
        let late = lateness(next("10:20:00"), Told::default(), green);
        assert_eq!(!late.is_empty(), is_late, "{state} {run_type}");
    }
    // A run that started while the lists were read is in two of them.
    let mut twice = told("orders", "10:01:00", "running");
    twice.runs.extend(twice.runs.clone());
    let two = NextRun {
        max_active_runs: Some(2),
        ..next("10:20:00")
    };
    assert_eq!(lateness(two, Told::default(), twice).len(), 1);
    let unlimited = NextRun {
        max_active_runs: None,
        ..next("10:20:00")
    };
    assert_eq!(
        lateness(unlimited, Told::default(), told("orders", "10:01:00", "running")).len(),
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
    let report = compare(&period, Colour::Green, &both, &history(), at(NOW));
    assert_eq!((word(&report).as_str(), report.partial), ("once", true));
    assert_eq!(
        (report.not_asked[0].question, report.not_asked[0].colour),
        ("dags", Colour::Green)
    );
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
    // A guard on one side is a guard of the DAG: the other side's run was ended before it got there.
    assert_eq!(word(&judged("10:10:00", "failed", EXECUTED)), "once");
}

#[test]
fn nothing_is_claimed_about_what_is_not_known() {
    let dead = || Some(Cause::new(CauseKind::TimedOut, "dead"));
    let cases = [(EXECUTED, "unjudged"), (SKIPPED, "unjudged"), ("queued", "pending")];
    for (green, expected) in cases {
        let told = Both {
            blue: Told {
                runs_gap: dead(),
                tasks_gap: dead(),
                ..Told::default()
            },
            green: told("orders", "10:10:00", green),
        };
        let period = Period::around(&history(), 120, at(NOW));
        let report = compare(&period, Colour::Green, &told, &history(), at(NOW));
        assert_eq!(word(&report), expected, "{green}: {report:#?}");
        assert!(report.partial);
        let asked: Vec<_> = report.not_asked.iter().map(|gap| (gap.question, gap.colour)).collect();
        assert_eq!(asked, [("dag-runs", Colour::Blue), ("task-instances", Colour::Blue)]);
    }
    // The runs are known, their tasks are not.
    let mut both = Both {
        blue: told("orders", "10:10:00", "success"),
        green: told("orders", "10:10:00", EXECUTED),
    };
    both.blue.tasks_gap = dead();
    let period = Period::around(&history(), 120, at(NOW));
    let report = compare(&period, Colour::Green, &both, &history(), at(NOW));
    assert_eq!(word(&report), "unjudged");
}

#[test]
fn a_run_of_one_environment_alone_is_not_missed_in_the_other() {
    let manual = |state: &str, handed_on: Option<&str>| Run {
        run_type: "manual".into(),
        run_id: "manual__1".into(),
        tick: Some(at("03:00:00")),
        logical_date: Some(at("03:00:00")),
        started: Some(at("10:10:00")),
        handed_on: handed_on.map(at),
        ..run("orders", "10:10:00", state)
    };
    let guard = |id: &str, ended: &str| Task {
        run_id: "manual__1".into(),
        ..task("orders", "10:10:00", id, "success", ended)
    };
    let cases = [
        (
            Colour::Green,
            vec![guard("guard", "10:10:05"), guard("load", "10:11:00")],
            None,
            "once",
        ),
        // Started by hand on the standby: the guard skips it, and no other environment has it.
        (Colour::Blue, vec![guard("guard", "10:10:05")], None, "lost"),
        (
            Colour::Blue,
            vec![guard("guard", "10:10:05"), guard("load", "10:11:00")],
            Some("09:59:00"),
            "once",
        ),
    ];
    for (colour, tasks, handed_on, expected) in cases {
        let mut told = Both {
            blue: Told::default(),
            green: Told::default(),
        };
        told.of_mut(colour).runs.push(manual("success", handed_on));
        told.of_mut(colour).tasks = tasks;
        let period = Period::around(&history(), 120, at(NOW));
        let report = compare(&period, Colour::Green, &told, &history(), at(NOW));
        assert_eq!(word(&report), expected, "{colour}: {report:#?}");
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
    // Airflow 2 makes data intervals of a cron expression, Airflow 3 does not.
    both.blue.runs[0].logical_date = Some(at("10:09:00"));
    let period = Period::around(&history(), 120, at(NOW));
    let report = compare(&period, Colour::Green, &both, &history(), at(NOW));
    assert_eq!((word(&report).as_str(), report.counts.runs), ("once", 1));
}

#[test]
fn lists_are_capped_and_counts_are_whole() {
    let mut told = Both {
        blue: Told::default(),
        green: Told::default(),
    };
    for number in 0..120 {
        let dag_id = format!("dag_{number:03}");
        let with_guard = number >= 60;
        for colour in Colour::BOTH {
            let side = told.of_mut(colour);
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
    let report = compare(&period, Colour::Green, &told, &history(), at(NOW));
    assert_eq!((report.counts.doubled, report.counts.doubled_unguarded), (120, 60));
    assert_eq!(
        (report.doubled.len(), report.late.len(), report.counts.late),
        (NAMED, NAMED, 120)
    );
    assert!(
        report.doubled.iter().all(|line| !line.unguarded),
        "the guarded ones first"
    );
    let size = serde_json::to_string(&report).unwrap().len();
    assert!(size < 60_000, "{size}: an event has 256 KB");
}

#[test]
fn the_window_lies_around_the_last_change_of_colour() {
    let mut history = history();
    // A version of the same colour is no hand-over.
    history.push(version(3, "green", "10:10:00", None));
    let period = Period::around(&history, 120, at(NOW));
    let transition = period.transition.clone().unwrap();
    assert_eq!((transition.version.0, transition.kind), (2, Kind::Failover));
    assert_eq!((transition.from, transition.to), (Colour::Blue, Colour::Green));
    assert_eq!((period.from, period.to), (at("09:00:00"), at(NOW)));
    assert_eq!(Period::around(&history, 20, at(NOW)).to, at("10:10:00"));
    assert_eq!(period.latest_start(at(NOW)), at(NOW));
    let never = Period::around(&history[..1], 120, at(NOW));
    assert_eq!((never.transition, never.from), (None, at("08:30:00")));
}

#[test]
fn a_repair_is_reported_with_the_time_in_which_the_flag_held_no_colour() {
    let mut history = history();
    history.push(version(3, "purple", "10:12:00", None));
    history.push(version(4, "Green", "10:13:00", None));
    assert_eq!(last_hand_over(&history).unwrap().version.0, 2, "not repaired yet");
    for (repaired, from) in [("green", Colour::Green), ("blue", Colour::Green)] {
        let mut history = history.clone();
        history.push(version(5, repaired, "10:20:00", None));
        history.push(version(6, repaired, "10:21:00", None));
        let period = Period::around(&history, 20, at(NOW));
        let transition = period.transition.clone().unwrap();
        assert_eq!((transition.version.0, transition.from), (5, from));
        assert_eq!(transition.to.as_str(), repaired);
        assert_eq!(transition.broken_since, Some(at("10:12:00")));
        assert_eq!((period.from, period.to), (at("10:02:00"), at("10:30:00")));
    }
    // Broken for weeks: a day of it.
    let long = [
        HistoryEntry {
            modified: "2026-10-01T00:00:00Z".parse().unwrap(),
            ..version(1, "purple", "06:00:00", None)
        },
        version(2, "green", "10:00:00", None),
    ];
    let period = Period::around(&long, 20, at(NOW));
    assert_eq!(period.from, "2026-11-22T09:50:00Z".parse().unwrap());
}

#[test]
fn a_flag_that_was_gone_and_made_again_is_reported_and_a_first_one_is_not() {
    let remade = HistoryEntry {
        description: Some("restore: it was gone [effective_from=2026-11-23T10:00:00Z record=v1-1]".into()),
        ..version(1, "green", "10:00:00", None)
    };
    let transition = last_hand_over(std::slice::from_ref(&remade)).unwrap();
    assert_eq!(
        (transition.kind, transition.from, transition.to),
        (Kind::Restore, Colour::Green, Colour::Green)
    );
    assert_eq!(last_hand_over(&[version(1, "green", "10:00:00", None)]), None);
}

/// Green was active while the flag held garbage, and what was due then is green's, executed or lost.
#[test]
fn runs_due_while_the_flag_held_garbage_are_judged() {
    let history = [
        version(1, "green", "06:00:00", None),
        version(2, "purple", "10:00:00", None),
        version(3, "green", "10:05:00", Some("10:05:10")),
    ];
    let period = Period::around(&history, 20, at(NOW));
    for (green, expected) in [(EXECUTED, "once"), ("failed guard=failed", "lost")] {
        let told = Both {
            blue: told("orders", "10:02:00", SKIPPED),
            green: told("orders", "10:02:00", green),
        };
        let report = compare(&period, Colour::Green, &told, &history, at(NOW));
        assert_eq!(word(&report), expected, "{green}");
        assert!(
            report.summary().contains("failover of green: of 1 run(s)"),
            "{}",
            report.summary()
        );
    }
}

/// A new DAG's old tick, made and skipped by green at 10:10 because it is blue's.
fn caught_up(started: &str) -> Both<Told> {
    let mut green = told("new", "08:00:00", SKIPPED);
    green.runs[0].started = Some(at(started));
    green.tasks[0].ended = Some(at(started));
    Both {
        blue: Told::default(),
        green,
    }
}

fn report_of(told: &Both<Told>) -> Handover {
    let period = Period::around(&history(), 60, at(NOW));
    assert_eq!(period.from, at("09:30:00"));
    compare(&period, Colour::Green, told, &history(), at(NOW))
}

#[test]
fn a_run_made_in_the_window_counts_whatever_its_tick() {
    for (started, expected) in [
        ("10:10:00", "lost"),
        // Blue may still come to it.
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
        (Some(Colour::Blue), Fate::Absent, Fate::Skipped)
    );
    // Blue has executed it in the window, too.
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
    // What blue made cannot be known: nothing is claimed.
    both.blue.earlier.clear();
    both.blue.earlier_gap = Some(Cause::new(CauseKind::Throttled, "slow down"));
    let report = report_of(&both);
    assert_eq!(word(&report), "unjudged");
    assert_eq!((report.partial, report.not_asked[0].question), (true, "earlier-runs"));
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
    assert_eq!((line.owner, line.instant), (Some(Colour::Green), Some(at("10:08:00"))));
    both.green.tasks[0].state = "success".into();
    both.green
        .tasks
        .push(task("new", "08:00:00", "load", "success", "10:10:05"));
    assert_eq!(word(&report_of(&both)), "once");
    // Ticks from then on belong to their own instant.
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
fn the_tag_is_read_as_the_guard_reads_it() {
    let instant = Some(at("10:08:00"));
    for (tags, expected) in [
        (vec!["team:a", "bluegreen:since=2026-11-23T10:08:00Z"], instant),
        (vec!["bluegreen:since=2026-11-23T11:08:00+01:00"], instant),
        (vec![], None),
        (vec!["bluegreen:since=yesterday"], None),
        (vec!["bluegreen:since"], None),
        (
            vec![
                "bluegreen:since=2026-11-23T10:08:00Z",
                "bluegreen:since=2026-11-23T10:09:00Z",
            ],
            None,
        ),
    ] {
        assert_eq!(since_of(tags.iter().copied()), expected, "{tags:?}");
    }
}

#[test]
fn a_handed_on_instant_wins_whatever_airflow_calls_the_run_but_not_in_a_backfill() {
    let of = |run_type: &str| {
        Run {
            run_type: run_type.into(),
            handed_on: Some(at("09:59:00")),
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

#[test]
fn of_a_run_in_a_state_that_nobody_knows_nothing_is_claimed() {
    // Neither waiting nor at its end; what its tasks did still counts.
    for (blue, green, expected) in [
        (SKIPPED, "limbo guard=success", "unjudged"),
        (SKIPPED, "limbo", "unjudged"),
        (SKIPPED, "limbo guard=success load=success", "once"),
    ] {
        assert_eq!(word(&judged("10:10:00", blue, green)), expected, "{green}");
    }
}

#[test]
fn a_run_of_the_windows_first_and_last_instant_is_judged() {
    let period = Period::around(&history(), 60, at(NOW));
    for (moved, runs) in [(0_i64, 1), (-1, 0)] {
        for edge in [period.from, period.to] {
            let outside = if edge == period.from { moved } else { -moved };
            let instant = jiff::Timestamp::from_millisecond(edge.as_millisecond() + outside).unwrap();
            let mut both = Both {
                blue: told("orders", "10:10:00", EXECUTED),
                green: told("orders", "10:10:00", SKIPPED),
            };
            for colour in Colour::BOTH {
                let run = &mut both.of_mut(colour).runs[0];
                (run.tick, run.logical_date, run.started) = (Some(instant), Some(instant), None);
            }
            let report = compare(&period, Colour::Green, &both, &history(), at(NOW));
            assert_eq!(report.counts.runs, runs, "{instant}");
        }
    }
}
