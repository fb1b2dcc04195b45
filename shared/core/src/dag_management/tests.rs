#![allow(clippy::arithmetic_side_effects)]

use proptest::prelude::*;

use super::*;
use crate::airflow::Dag;
use crate::health::{Cause, CauseKind};

fn list(dags: &[(&str, bool)]) -> DagList {
    DagList {
        dags: dags
            .iter()
            .map(|(id, paused)| {
                (
                    (*id).to_owned(),
                    Dag {
                        paused: *paused,
                        has_import_errors: false,
                        ..Dag::default()
                    },
                )
            })
            .collect(),
        total: u64::try_from(dags.len()).ok(),
        gap: None,
    }
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_428_000 + second).unwrap()
}

const LEAD: Duration = Duration::from_secs(10);

fn flag(active: Color, version: u64) -> ActiveVersion {
    ActiveVersion {
        active,
        version: FlagVersion(version),
        modified: at(0),
    }
}

fn remembered(ids: &[&str]) -> Remembered {
    Remembered {
        count: ids.len(),
        ids: Some(set(ids)),
        parts: None,
    }
}

fn settled(active: Color) -> Progress {
    Progress {
        active,
        version: FlagVersion(1),
        written: at(-500),
        flag_written: Some(at(-500)),
        phase: Phase::Settled,
        verified: true,
        since: at(-500),
        state: State::Settled,
        failing: None,
        told: true,
        dags: 1,
        unpaused: Some(remembered(&["orders"])),
        pending_unpause: None,
    }
}

fn follow(stored: Option<Progress>, active: Color, version: u64, is_transition: bool) -> Progress {
    Progress::follow(stored, flag(active, version), is_transition, LEAD, at(90)).unwrap()
}

#[test]
fn a_transition_unpauses_first_with_what_was_remembered_and_tells_anew() {
    let owing = Progress {
        pending_unpause: Some(remembered(&["orders"])),
        ..settled(Color::Blue)
    };
    let next = follow(Some(owing), Color::Green, 2, true);
    assert_eq!(
        (next.phase, next.active, next.since, next.written),
        (Phase::Activating, Color::Green, at(10), at(0))
    );
    let orders = || Some(remembered(&["orders"]));
    assert_eq!((next.unpaused, next.pending_unpause), (orders(), orders()));
    assert!(!next.told && !next.verified);
}

#[test]
fn the_same_version_goes_on_where_it_stood() {
    let stands = settled(Color::Blue);
    let same = ActiveVersion {
        modified: stands.written,
        ..flag(Color::Blue, 1)
    };
    assert_eq!(
        Progress::follow(Some(stands.clone()), same, false, LEAD, at(90)),
        Some(stands)
    );
}

#[test]
fn the_same_number_of_a_flag_that_was_made_again_is_another_version() {
    let stands = settled(Color::Blue);
    let of = |modified| ActiveVersion {
        modified,
        ..flag(Color::Blue, 1)
    };
    let next = |modified| Progress::follow(Some(stands.clone()), of(modified), false, LEAD, at(90)).unwrap();
    // A function's own clock may be slow.
    assert_eq!(next(after(stands.written, Duration::from_secs(20))), stands);
    let again = next(after(stands.written, Duration::from_secs(31)));
    assert_eq!((again.phase, again.told), (Phase::Fencing, false));
}

#[test]
fn there_and_back_between_two_ticks_only_looks_after_the_standby_again() {
    let next = follow(Some(settled(Color::Blue)), Color::Blue, 3, false);
    assert_eq!(
        (next.phase, next.version, next.since, next.verified),
        (Phase::Fencing, FlagVersion(3), at(10), false)
    );
    let half = Progress {
        phase: Phase::Activating,
        ..settled(Color::Blue)
    };
    assert_eq!(follow(Some(half), Color::Blue, 3, false).phase, Phase::Activating);
}

#[test]
fn a_flag_read_staler_than_the_memory_beside_it_is_not_acted_on() {
    let newer = Progress {
        version: FlagVersion(3),
        written: at(1),
        ..settled(Color::Blue)
    };
    assert_eq!(
        Progress::follow(Some(newer.clone()), flag(Color::Green, 2), false, LEAD, at(2)),
        None
    );
    // Deleted and re-created: an older number, but a later date.
    let before = Progress {
        written: at(-1),
        ..newer
    };
    assert!(Progress::follow(Some(before), flag(Color::Green, 1), false, LEAD, at(2)).is_some());
    // Only an older number with an older date is stale.
    let same_number = Progress {
        written: at(1),
        ..settled(Color::Blue)
    };
    assert_eq!(follow(Some(same_number), Color::Green, 1, false).active, Color::Green);
    let same_instant = Progress {
        version: FlagVersion(3),
        written: at(0),
        ..settled(Color::Blue)
    };
    assert_eq!(follow(Some(same_instant), Color::Green, 2, false).active, Color::Green);
}

#[test]
fn the_first_look_leaves_the_active_alone_and_a_first_transition_does_not() {
    let first = follow(None, Color::Blue, 7, false);
    assert_eq!(
        (first.phase, first.since, first.unpaused.as_ref()),
        (Phase::Fencing, at(90), None)
    );
    assert!(first.wants_reading(7));
    assert_eq!(first.state, State::Draining, "nothing is to be unpaused");
    let after_one = follow(None, Color::Blue, 7, true);
    assert_eq!(
        (after_one.phase, after_one.state),
        (Phase::Activating, State::Activating)
    );
}

#[test]
fn nothing_is_read_before_the_active_is_verified_to_run() {
    let mut progress = settled(Color::Blue);
    assert!(progress.wants_reading(7));
    progress.verified = false;
    assert!(!progress.wants_reading(0));
    progress.verified = true;
    progress.phase = Phase::Activating;
    assert!(!progress.wants_reading(0));
    progress.phase = Phase::Fencing;
    progress.dags = LIST_EVERY_TICK_MAX_DAGS + 1;
    assert!(!progress.wants_reading(7) && progress.wants_reading(10));
    progress.pending_unpause = Some(remembered(&["orders"]));
    assert!(progress.wants_reading(7));
    (progress.pending_unpause, progress.unpaused) = (None, None);
    assert!(progress.wants_reading(7));
}

const PATIENCE: Duration = Duration::from_secs(90);

fn conclude(progress: &mut Progress, state: State, second: i64) -> Option<News> {
    let news = progress.conclude(state, PATIENCE, at(second));
    if let Some(news) = news {
        progress.note_told(news);
    }
    news
}

#[test]
fn a_failure_is_told_once_after_a_while_and_so_is_its_end() {
    let mut progress = follow(Some(settled(Color::Blue)), Color::Green, 2, true);
    assert_eq!(conclude(&mut progress, State::NotFenced, 0), None);
    assert_eq!(
        conclude(&mut progress, State::Draining, 10),
        None,
        "a moment's trouble is nobody's news"
    );
    assert_eq!(
        conclude(&mut progress, State::NotFenced, 1000),
        None,
        "counted from this trouble, not from the last"
    );
    assert_eq!(
        conclude(&mut progress, State::NotFenced, 1090),
        Some(News::Failing(at(1000)))
    );
    assert_eq!(conclude(&mut progress, State::NotFenced, 2000), None);
    assert_eq!(conclude(&mut progress, State::Draining, 2100), None);
    assert_eq!(progress.state, State::Draining);
    assert_eq!(
        conclude(&mut progress, State::Settled, 2200),
        Some(News::Recovered(at(1000)))
    );
    assert_eq!(conclude(&mut progress, State::Settled, 2300), None);
    // Settling again after a person unpaused something is not reported; a new failure is.
    assert_eq!(conclude(&mut progress, State::NotFenced, 3000), None);
    assert_eq!(
        conclude(&mut progress, State::NotFenced, 3100),
        Some(News::Failing(at(3000)))
    );
    assert_eq!(
        conclude(&mut progress, State::Settled, 3200),
        Some(News::Recovered(at(3000)))
    );
}

#[test]
fn dags_that_run_after_all_are_told_before_the_other_color_is_paused() {
    let mut progress = follow(Some(settled(Color::Blue)), Color::Green, 2, true);
    assert_eq!(conclude(&mut progress, State::ActivationFailed, 0), None);
    assert_eq!(
        conclude(&mut progress, State::ActivationFailed, 100),
        Some(News::Failing(at(0)))
    );
    assert_eq!(
        conclude(&mut progress, State::Draining, 200),
        Some(News::Recovered(at(0)))
    );
    assert_eq!(conclude(&mut progress, State::Settled, 300), Some(News::Settled));
}

#[test]
fn what_goes_on_for_too_long_is_a_failure() {
    let progress = follow(Some(settled(Color::Blue)), Color::Green, 2, true);
    let drain = Duration::from_secs(600);
    for (state, second, comes_to) in [
        (State::Activating, 179, State::Activating),
        (State::Activating, 180, State::ActivationFailed),
        (State::Draining, 789, State::Draining),
        (State::Draining, 790, State::NotFenced),
        (State::Settled, 9999, State::Settled),
    ] {
        assert_eq!(
            progress.judge(state, drain, at(second)),
            comes_to,
            "{state:?} after {second} s"
        );
    }
}

#[test]
fn the_active_gets_what_is_wanted_and_what_it_does_not_list_is_owed() {
    let list = list(&[("orders", true), ("stock", false), ("retired", true)]);
    let left = activation(&list, &set(&["orders", "stock", "late"]));
    assert_eq!(left.to_unpause, BTreeSet::from(["orders"]));
    assert_eq!(left.must_stay_paused, BTreeSet::from(["retired"]));
    assert_eq!(left.pending_unpause, set(&["late", "orders"]));
    assert!(!left.nothing_there);
    assert!(
        activation(&list, &set(&["late"])).nothing_there,
        "its DAGs are not parsed yet"
    );
    assert!(!activation(&list, &set(&[])).nothing_there);
}

fn learn(before: Option<&BTreeSet<String>>, active: &DagList, standby: &DagList) -> Option<BTreeSet<String>> {
    remember(before, &BTreeSet::new(), active, standby)
}

#[test]
fn what_a_person_paused_on_the_active_is_not_remembered_but_what_is_owed_is() {
    let active = list(&[("orders", false), ("old", true)]);
    let standby = list(&[("orders", true), ("old", true), ("new", true)]);
    assert_eq!(learn(None, &active, &standby), Some(set(&["orders"])));
    let before = set(&["old", "orders"]);
    assert_eq!(learn(Some(&before), &active, &standby), Some(set(&["orders"])));
    assert_eq!(remember(Some(&before), &set(&["old"]), &active, &standby), Some(before));
}

#[test]
fn a_dag_that_vanished_from_the_active_keeps_what_it_had_while_the_standby_has_it() {
    let active = list(&[("orders", false)]);
    let before = set(&["orders", "broken", "deleted"]);
    let standby = list(&[("orders", true), ("broken", true), ("never_there", true)]);
    assert_eq!(
        learn(Some(&before), &active, &standby),
        Some(set(&["broken", "orders"]))
    );
    // A standby without an answer proves no deletion.
    let silent = DagList::unknown(Cause::new(CauseKind::TimedOut, "no answer"));
    assert_eq!(learn(Some(&before), &active, &silent), Some(before.clone()));
}

#[test]
fn a_dag_that_only_the_standby_has_runs_after_a_failover_if_nobody_but_us_paused_it() {
    let active = list(&[("orders", false)]);
    let before = set(&["orders"]);
    // A new DAG, whose file the active has not parsed: the standby is fenced, and the DAG is paused there, too.
    let standby = list(&[("orders", true), ("new", false), ("resting", true)]);
    let wanted = learn(Some(&before), &active, &standby);
    assert_eq!(wanted, Some(set(&["new", "orders"])));
    let fenced = list(&[("orders", true), ("new", true), ("resting", true)]);
    assert_eq!(learn(wanted.as_ref(), &active, &fenced), wanted);
    // Once the active lists it, the active's state counts.
    let parsed = list(&[("orders", false), ("new", true)]);
    assert_eq!(learn(wanted.as_ref(), &parsed, &fenced), Some(before));
    // Not by a list of the standby that is missing.
    let silent = DagList::unknown(Cause::new(CauseKind::TimedOut, "no answer"));
    assert_eq!(learn(None, &active, &silent), Some(set(&["orders"])));
}

#[test]
fn a_list_that_is_empty_or_half_there_teaches_nothing() {
    let standby = list(&[("orders", true)]);
    assert_eq!(learn(Some(&set(&["orders"])), &list(&[]), &standby), None);
    let half = DagList {
        gap: Some(Cause::new(CauseKind::Throttled, "slow down")),
        ..list(&[("orders", true)])
    };
    assert_eq!(learn(Some(&set(&["orders"])), &half, &standby), None);
}

fn run(dag_id: &str, started: Option<i64>, tick: Option<i64>) -> Run {
    Run {
        dag_id: dag_id.to_owned(),
        run_id: "r".to_owned(),
        run_type: "scheduled".to_owned(),
        state: "running".to_owned(),
        logical_date: None,
        tick: tick.map(at),
        started: started.map(at),
        conf_instant: None,
    }
}

#[test]
fn only_runs_from_before_the_transition_are_waited_for() {
    let runs = [
        run("long", Some(-600), None),
        run("waits", Some(30), None),
        run("queued", None, Some(-5)),
        run("queued_later", None, Some(5)),
        // A late scheduler: the run began after the transition, but is still the standby's own.
        run("begun_late", Some(6), Some(-1)),
        run("the_other_colors", Some(6), Some(5)),
        run("undated", None, None),
        // Of the very instant of the transition: the new color's.
        run("at_once", Some(0), Some(0)),
    ];
    assert_eq!(
        busy(&runs, at(0)),
        BTreeSet::from(["begun_late", "long", "queued", "undated"])
    );
}

#[test]
fn the_standby_rests_then_drains_then_is_paused_whatever_still_runs() {
    let drain = Duration::from_secs(600);
    for (second, expected) in [
        (29, Fence::Rest),
        (30, Fence::Drain),
        (599, Fence::Drain),
        (600, Fence::Over),
    ] {
        assert_eq!(fence(at(0), drain, at(second)), expected, "{second} s");
    }
    assert_eq!(fence(at(0), Duration::ZERO, at(29)), Fence::Rest);
}

fn plan(wanted: &[&str], must_stay_paused: &[&str]) -> Plan {
    Plan::of(
        &wanted.iter().copied().collect(),
        &must_stay_paused.iter().copied().collect(),
    )
}

#[test]
fn all_are_set_at_once_if_none_must_be_spared() {
    assert_eq!(plan(&["a", "b", "c"], &[]).patterns, ["~"]);
    assert_eq!(plan(&["a", "b"], &[]).single, ["a", "b"]);
    assert!(plan(&[], &["a"]).is_empty());
    assert!(!plan(&["a", "b", "c"], &[]).is_empty(), "by a pattern");
    assert!(!plan(&["a", "b"], &[]).is_empty(), "one by one");
}

#[test]
fn what_begins_alike_is_set_by_one_request_from_three_on() {
    let families = plan(
        &["etl_1", "etl_2", "etl_3", "ml_1", "ml_2", "ml_3", "x_1", "x_2"],
        &["other"],
    );
    assert_eq!(families.patterns, ["etl_", "ml_"]);
    assert_eq!(families.single, ["x_1", "x_2"]);
    // Exactly three are one request; a single one goes by itself.
    let two = plan(&["etl_1", "etl_2", "etl_3", "ml_1"], &["other"]);
    assert_eq!(
        (two.patterns, two.single),
        (vec!["etl_".to_owned()], vec!["ml_1".to_owned()])
    );
}

#[test]
fn a_few_exceptions_among_thousands_cost_a_few_requests() {
    let ids: Vec<String> = (1..=5000).map(|number| format!("dag_{number:05}")).collect();
    let must_stay_paused: BTreeSet<&str> = ids.iter().step_by(1000).map(String::as_str).collect();
    let wanted: BTreeSet<&str> = ids
        .iter()
        .map(String::as_str)
        .filter(|id| !must_stay_paused.contains(id))
        .collect();
    let plan = Plan::of(&wanted, &must_stay_paused);
    let requests = plan.patterns.len() + plan.single.len();
    assert!(requests < 200, "{requests} requests");
    assert!(plan.manual.is_empty());
}

#[test]
fn a_long_id_goes_by_pattern_unless_that_would_match_another() {
    let long = "x".repeat(59);
    assert_eq!(plan(&[&long], &["other"]).patterns, [long.as_str()]);
    assert_eq!(path_of("a\u{e4}"), "/dags/a%C3%A4");
    assert_eq!(plan(&[&long[1..]], &["other"]).single, [&long[1..]]);
    let longer = format!("{long}_backfill");
    assert_eq!(plan(&[&long], &[&longer]).manual, [long.as_str()]);
    // Percent-encoded, each of these takes more than one character of the path.
    let umlauts = "\u{e4}".repeat(10);
    assert_eq!(plan(&[&umlauts], &["other"]).patterns, [umlauts.as_str()]);
}

#[test]
fn an_underscore_in_a_pattern_matches_anything() {
    let plan = plan(&["a_1x", "a_1y", "a_1z"], &["A-1"]);
    assert!(plan.patterns.is_empty(), "{plan:?}");
    assert_eq!(plan.single.len(), 3);
}

/// SQL's `LIKE`, implemented in a second way: regular expressions would need a library.
fn like(pattern: &str, id: &str) -> bool {
    if pattern == "~" {
        return true;
    }
    let (pattern, id) = (pattern.to_lowercase(), id.to_lowercase());
    let (pattern, id): (Vec<char>, Vec<char>) = (pattern.chars().collect(), id.chars().collect());
    (0..=id.len()).any(|start| {
        pattern.iter().enumerate().all(|(index, wanted)| {
            id.get(start + index)
                .is_some_and(|found| *wanted == '_' || wanted == found)
        })
    })
}

proptest! {
    #[test]
    fn a_plan_reaches_every_wanted_dag_and_no_spared_one(
        dags in proptest::collection::btree_map("[ab_A]{1,5}(xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx)?[ab]{0,2}", any::<bool>(), 0..40)
    ) {
        let of = |wanted: bool| -> BTreeSet<&str> {
            dags.iter().filter(|(_, is)| **is == wanted).map(|(id, _)| id.as_str()).collect()
        };
        let (wanted, must_stay_paused) = (of(true), of(false));
        let plan = Plan::of(&wanted, &must_stay_paused);
        let reached: BTreeSet<&str> = dags
            .keys()
            .map(String::as_str)
            .filter(|id| plan.patterns.iter().any(|pattern| like(pattern, id)) || plan.single.iter().any(|single| single == id))
            .collect();
        prop_assert!(plan.single.iter().all(|id| id.len() <= 58));
        for id in &must_stay_paused {
            prop_assert!(!reached.contains(id), "{id} must be must_stay_paused by {plan:?}");
        }
        for id in &wanted {
            prop_assert!(reached.contains(id) || plan.manual.iter().any(|hand| hand == id), "{id} is missed by {plan:?}");
        }
        for id in &plan.manual {
            prop_assert!(must_stay_paused.iter().any(|other| like(id, other)), "{id} could go by its pattern");
        }
    }
}
