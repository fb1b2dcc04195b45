use super::*;
use crate::flag::{FlagValue, FlagVersion};
use crate::health::CauseKind;

fn at(minute: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    noon.checked_add(jiff::SignedDuration::from_mins(minute)).unwrap()
}

/// A version that was written at a minute and takes effect at another.
fn version(number: u64, color: Color, written: i64, effective: i64) -> HistoryEntry {
    HistoryEntry {
        value: FlagValue::Valid(color),
        version: FlagVersion(number),
        modified: at(written),
        author: None,
        description: Some(format!(
            "switch: r; by x [effective_from={} record=v{number}-{number}]",
            at(effective)
        )),
    }
}

/// Blue until 12:00, green since; asked an hour later.
fn switched() -> Vec<HistoryEntry> {
    vec![version(1, Color::Blue, -600, -600), version(2, Color::Green, 0, 0)]
}

fn run(run_type: &str, state: &str, tick: Option<i64>, started: Option<i64>) -> Run {
    Run {
        dag_id: "orders".to_owned(),
        run_id: "r".to_owned(),
        run_type: run_type.to_owned(),
        state: state.to_owned(),
        logical_date: None,
        tick: tick.map(at),
        started: started.map(at),
        conf_instant: None,
    }
}

fn counts(run: &Run, history: &[HistoryEntry]) -> (usize, usize) {
    let own = own_runs(Color::Blue, std::slice::from_ref(run), history, at(60));
    (own.runs, own.others)
}

#[test]
fn its_own_runs_count_and_those_that_only_wait_in_their_guards_do_not() {
    const OWN: (usize, usize) = (1, 0);
    const WAITS: (usize, usize) = (0, 1);
    const NONE: (usize, usize) = (0, 0);
    for (what, run, expected) in [
        (
            "under way from before",
            run("scheduled", "running", Some(-5), Some(-4)),
            OWN,
        ),
        ("queued from before", run("scheduled", "queued", Some(-5), None), OWN),
        (
            "made late by a slow scheduler",
            run("scheduled", "running", Some(-1), Some(9)),
            OWN,
        ),
        (
            "a state of tomorrow",
            run("scheduled", "paused_by_budget", Some(-5), Some(-4)),
            OWN,
        ),
        ("of the new color", run("scheduled", "running", Some(5), Some(6)), WAITS),
        (
            "of the new color, not begun",
            run("scheduled", "queued", Some(5), None),
            WAITS,
        ),
        ("ended", run("scheduled", "success", Some(-5), Some(-4)), NONE),
        ("failed", run("scheduled", "failed", Some(-5), Some(-4)), NONE),
        ("manual, before", run("manual", "running", Some(-5), Some(-4)), OWN),
        ("manual, after", run("manual", "running", Some(5), Some(6)), WAITS),
        (
            "manual, will begin under green",
            run("manual", "queued", Some(-5), None),
            WAITS,
        ),
        (
            "a backfill that will begin under green",
            run("backfill", "queued", Some(-900), None),
            WAITS,
        ),
        (
            "a backfill of old ticks",
            run("backfill", "running", Some(-900), Some(-3)),
            OWN,
        ),
        ("without a tick or a start", run("scheduled", "queued", None, None), OWN),
        ("running without a start", run("manual", "running", None, None), OWN),
    ] {
        assert_eq!(counts(&run, &switched()), expected, "{what}");
    }
    let mut handed_on = run("manual", "running", None, Some(6));
    handed_on.conf_instant = Some(at(-2));
    assert_eq!(counts(&handed_on, &switched()), OWN, "started by a run of blue's");
}

#[test]
fn what_its_guard_let_go_before_a_back_dated_failover_is_still_in_flight() {
    // The failover of 12:10 counts from 12:00. Blue's guard knew nothing of it at 12:05.
    let history = [version(1, Color::Blue, -600, -600), version(2, Color::Green, 10, 0)];
    for (tick, started, expected) in [(5, 5, (1, 0)), (-5, -5, (1, 0)), (11, 11, (0, 1)), (9, 12, (0, 1))] {
        let run = run("scheduled", "running", Some(tick), Some(started));
        assert_eq!(counts(&run, &history), expected, "tick {tick}");
    }
}

#[test]
fn a_run_that_waited_while_its_color_stood_by_is_not_its_own_later() {
    // Blue stood by from 12:00 to 12:20, was active until 12:30, and stands by again.
    let history = [
        version(1, Color::Blue, -600, -600),
        version(2, Color::Green, 0, 0),
        version(3, Color::Blue, 20, 20),
        version(4, Color::Green, 30, 30),
    ];
    for (tick, started, expected) in [
        (10, 10, (0, 1)),
        (25, 25, (1, 0)),
        (35, 35, (0, 1)),
        // The tag of a new DAG dates its old ticks later: only blue's guard knows. In doubt it counts.
        (10, 25, (1, 0)),
    ] {
        let run = run("scheduled", "running", Some(tick), Some(started));
        assert_eq!(counts(&run, &history), expected, "tick {tick}");
    }
}

#[test]
fn a_version_without_a_color_changes_no_owner() {
    let mut broken = version(3, Color::Green, 5, 5);
    broken.value = FlagValue::read("purple");
    broken.description = None;
    let history = [switched(), vec![broken]].concat();
    assert_eq!(counts(&run("scheduled", "running", Some(6), Some(6)), &history), (0, 1));
    assert_eq!(
        counts(&run("scheduled", "running", Some(-6), Some(-6)), &history),
        (1, 0)
    );
}

fn judged(runs: Vec<Run>, now: i64) -> InFlight {
    InFlight::of(Color::Blue, &Unfinished::Listed(runs), Ok(&switched()), at(now))
}

#[test]
fn it_has_drained_when_nothing_is_in_flight_and_nothing_more_can_come() {
    let waits = || run("scheduled", "running", Some(5), Some(6));
    let own = || run("scheduled", "running", Some(-5), Some(-4));
    for (runs, now, drained) in [
        (vec![], 60, true),
        (vec![waits()], 60, true),
        (vec![own()], 60, false),
        // A switch is in force from 12:00; a slow scheduler may still create the run of 11:59.
        (vec![], 0, false),
        (vec![], -1, false),
        (vec![], 1, true),
    ] {
        let found = judged(runs.clone(), now);
        assert_eq!(found.drained, drained, "{runs:?} at {now}: {}", found.reason);
    }
    let found = judged(vec![], 0);
    assert!(
        found
            .reason
            .contains("may still create some until 2026-11-23T12:00:30Z"),
        "{}",
        found.reason
    );
    assert_eq!(
        judged(vec![waits()], 60).reason,
        "blue has drained: none of its own runs is in flight; 1 run of green not counted"
    );
}

#[test]
fn a_pair_that_never_switched_has_nothing_in_flight_on_its_standby() {
    let history = [version(1, Color::Green, -600, -600)];
    let runs = Unfinished::Listed(vec![run("scheduled", "running", Some(-5), Some(-4))]);
    let found = InFlight::of(Color::Blue, &runs, Ok(&history), at(0));
    assert!(found.drained && found.runs.unwrap().others == 1);
}

#[test]
fn what_cannot_be_read_is_never_drained() {
    let cause = Cause::new(CauseKind::TimedOut, "no answer");
    let listed = Unfinished::Listed(Vec::new());
    for found in [
        InFlight::of(
            Color::Blue,
            &Unfinished::Unknown(cause.clone()),
            Ok(&switched()),
            at(60),
        ),
        InFlight::of(Color::Blue, &listed, Err(&cause), at(60)),
    ] {
        assert_eq!(found.runs, Err(cause.to_string()));
        assert!(
            !found.drained && found.reason.ends_with("no answer"),
            "{}",
            found.reason
        );
    }
}

#[test]
fn the_dag_with_the_oldest_run_is_named_first() {
    let of = |dag: &str, started: i64| Run {
        dag_id: dag.to_owned(),
        ..run("scheduled", "running", Some(started), Some(started))
    };
    let mut runs: Vec<Run> = (0..7)
        .map(|number| of(&format!("dag_{number}"), -10 - number))
        .collect();
    runs.push(of("dag_0", -100));
    let own = own_runs(Color::Blue, &runs, &switched(), at(60));
    assert_eq!((own.runs, own.dag_count, own.oldest), (8, 7, Some(at(-100))));
    assert_eq!(own.dags, ["dag_0", "dag_6", "dag_5", "dag_4", "dag_3"]);
    assert_eq!(
        judged(runs, 60).reason,
        "8 runs in flight on blue: dag_0, dag_6, dag_5, dag_4, dag_3 and 2 more, the oldest since 2026-11-23T10:20:00Z"
    );
}

#[test]
fn an_environment_without_runs_has_drained_once_no_late_one_can_come() {
    let drained = |second: i64| {
        let now = at(0).checked_add(jiff::SignedDuration::from_secs(second)).unwrap();
        InFlight::of(Color::Blue, &Unfinished::Listed(Vec::new()), Ok(&switched()), now).drained
    };
    let late = i64::try_from(LATE_RUNS.as_secs()).unwrap();
    assert!(!drained(late - 1) && drained(late));
}
