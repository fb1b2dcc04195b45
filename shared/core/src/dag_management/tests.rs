#![allow(clippy::arithmetic_side_effects)]

use proptest::prelude::*;

use super::*;
use crate::health::{Cause, CauseKind};
use crate::readiness::Dag;

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

fn flag(active: Colour, version: u64) -> Standing {
    Standing {
        active,
        version: FlagVersion(version),
        modified: at(0),
    }
}

fn settled(active: Colour) -> Progress {
    Progress {
        active,
        version: FlagVersion(1),
        phase: Phase::Settled,
        since: at(-500),
        told: vec![State::Settled],
        unpaused: Some(Remembered {
            count: 1,
            ids: Some(set(&["orders"])),
            parts: None,
        }),
    }
}

#[test]
fn a_transition_unpauses_first_with_what_was_remembered_and_tells_anew() {
    let next = Progress::follow(Some(settled(Colour::Blue)), flag(Colour::Green, 2), true, at(5));
    assert_eq!(
        (next.phase, next.active, next.since),
        (Phase::Activating, Colour::Green, at(0))
    );
    assert_eq!(next.unpaused, settled(Colour::Blue).unpaused);
    assert!(next.told.is_empty());
}

#[test]
fn the_same_version_goes_on_where_it_stood() {
    let stands = settled(Colour::Blue);
    assert_eq!(
        Progress::follow(Some(stands.clone()), flag(Colour::Blue, 1), false, at(9)),
        stands
    );
}

#[test]
fn there_and_back_between_two_ticks_only_looks_after_the_standby_again() {
    let next = Progress::follow(Some(settled(Colour::Blue)), flag(Colour::Blue, 3), false, at(5));
    assert_eq!(
        (next.phase, next.version, next.since),
        (Phase::Fencing, FlagVersion(3), at(0))
    );
    let half = Progress {
        phase: Phase::Activating,
        ..settled(Colour::Blue)
    };
    assert_eq!(
        Progress::follow(Some(half), flag(Colour::Blue, 3), false, at(5)).phase,
        Phase::Activating
    );
}

#[test]
fn the_first_look_leaves_the_active_alone_and_a_first_transition_does_not() {
    let first = Progress::follow(None, flag(Colour::Blue, 7), false, at(90));
    assert_eq!(
        (first.phase, first.since, first.unpaused),
        (Phase::Fencing, at(90), None)
    );
    assert_eq!(
        Progress::follow(None, flag(Colour::Blue, 7), true, at(90)).phase,
        Phase::Activating
    );
}

#[test]
fn nothing_is_read_while_the_active_is_half_unpaused() {
    let mut progress = settled(Colour::Blue);
    assert!(progress.wants_reading(7));
    progress.phase = Phase::Activating;
    assert!(!progress.wants_reading(0));
    progress.phase = Phase::Fencing;
    progress.unpaused = Some(Remembered {
        count: FEW + 1,
        ids: None,
        parts: None,
    });
    assert!(!progress.wants_reading(7) && progress.wants_reading(10));
    progress.unpaused = None;
    assert!(progress.wants_reading(7));
}

#[test]
fn what_a_person_paused_on_the_active_is_not_remembered() {
    let active = list(&[("orders", false), ("old", true)]);
    let standby = list(&[("orders", true), ("old", true), ("new", true)]);
    assert_eq!(remember(None, &active, &standby), Some(set(&["orders"])));
    assert_eq!(
        remember(Some(&set(&["old", "orders"])), &active, &standby),
        Some(set(&["orders"]))
    );
}

#[test]
fn a_dag_that_vanished_from_the_active_keeps_what_it_had_while_the_standby_has_it() {
    let active = list(&[("orders", false)]);
    let before = set(&["orders", "broken", "deleted"]);
    let standby = list(&[("orders", true), ("broken", true), ("never_there", true)]);
    assert_eq!(
        remember(Some(&before), &active, &standby),
        Some(set(&["broken", "orders"]))
    );
    // A standby that does not answer proves no deletion.
    let silent = DagList::unknown(Cause::new(CauseKind::TimedOut, "no answer"));
    assert_eq!(remember(Some(&before), &active, &silent), Some(before.clone()));
}

#[test]
fn a_list_that_is_empty_or_half_there_teaches_nothing() {
    let standby = list(&[("orders", true)]);
    assert_eq!(remember(Some(&set(&["orders"])), &list(&[]), &standby), None);
    let half = DagList {
        gap: Some(Cause::new(CauseKind::Throttled, "slow down")),
        ..list(&[("orders", true)])
    };
    assert_eq!(remember(Some(&set(&["orders"])), &half, &standby), None);
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
        handed_on: None,
    }
}

#[test]
fn only_runs_from_before_the_transition_are_waited_for() {
    let runs = [
        run("long", Some(-600), None),
        run("waits", Some(30), None),
        run("queued", None, Some(-5)),
        run("queued_later", None, Some(5)),
        run("undated", None, None),
    ];
    assert_eq!(busy(&runs, at(0)), BTreeSet::from(["long", "queued", "undated"]));
}

#[test]
fn the_standby_rests_then_drains_then_is_paused_whatever_still_runs() {
    let drain = Duration::from_secs(600);
    let busy = || BTreeSet::from(["long"]);
    assert!(fence(busy(), at(0), drain, at(29)).wait.is_some());
    assert!(fence(BTreeSet::new(), at(0), Duration::ZERO, at(29)).wait.is_some());
    let draining = fence(busy(), at(0), drain, at(30));
    assert_eq!((draining.wait, draining.spared, draining.frozen), (None, busy(), 0));
    let over = fence(busy(), at(0), drain, at(600));
    assert_eq!((over.wait, over.spared, over.frozen), (None, BTreeSet::new(), 1));
}

fn plan(wanted: &[&str], spared: &[&str]) -> Plan {
    Plan::of(&wanted.iter().copied().collect(), &spared.iter().copied().collect())
}

#[test]
fn all_are_set_at_once_if_none_must_be_spared() {
    assert_eq!(plan(&["a", "b", "c"], &[]).patterns, ["~"]);
    assert_eq!(plan(&["a", "b"], &[]).single, ["a", "b"]);
    assert!(plan(&[], &["a"]).is_empty());
}

#[test]
fn a_few_exceptions_among_thousands_cost_a_few_requests() {
    let ids: Vec<String> = (1..=5000).map(|number| format!("dag_{number:05}")).collect();
    let spared: BTreeSet<&str> = ids.iter().step_by(1000).map(String::as_str).collect();
    let wanted: BTreeSet<&str> = ids
        .iter()
        .map(String::as_str)
        .filter(|id| !spared.contains(id))
        .collect();
    let plan = Plan::of(&wanted, &spared);
    let requests = plan.patterns.len() + plan.single.len();
    assert!(requests < 200, "{requests} requests");
    assert!(plan.by_hand.is_empty());
}

#[test]
fn a_long_id_goes_by_pattern_unless_that_would_match_another() {
    let long = "x".repeat(59);
    assert_eq!(plan(&[&long], &["other"]).patterns, [long.as_str()]);
    assert_eq!(path_of("a\u{e4}"), "/dags/a%C3%A4");
    assert_eq!(plan(&[&long[1..]], &["other"]).single, [&long[1..]]);
    let longer = format!("{long}_backfill");
    assert_eq!(plan(&[&long], &[&longer]).by_hand, [long.as_str()]);
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

/// As SQL does it, said in another way: with regular expressions this would need a library.
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
        let (wanted, spared) = (of(true), of(false));
        let plan = Plan::of(&wanted, &spared);
        let reached: BTreeSet<&str> = dags
            .keys()
            .map(String::as_str)
            .filter(|id| plan.patterns.iter().any(|pattern| like(pattern, id)) || plan.single.iter().any(|single| single == id))
            .collect();
        prop_assert!(plan.single.iter().all(|id| id.len() <= 58));
        for id in &spared {
            prop_assert!(!reached.contains(id), "{id} must be spared by {plan:?}");
        }
        for id in &wanted {
            prop_assert!(reached.contains(id) || plan.by_hand.iter().any(|hand| hand == id), "{id} is missed by {plan:?}");
        }
        for id in &plan.by_hand {
            prop_assert!(spared.iter().any(|other| like(id, other)), "{id} could go by its pattern");
        }
    }
}
