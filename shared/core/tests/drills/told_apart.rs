//! A drill is distinguished from other drills, and from the writes of others.

use super::*;

#[test]
fn a_repeated_write_is_still_the_same_drill() {
    let (drill, mut store) = drilling(MINUTE);
    let text = store.versions.last().unwrap().description.clone();
    store.write("green", text.as_deref(), "writer");
    assert!(matches!(stage_of(&drill, &store), Stage::Drilling { .. }));
}

/// A drill of green whose write was carried out twice: its answer was lost, and the history that was read next lacked
/// it.
fn drilling_twice(age: u64) -> (Drill, Store) {
    let mut store = store();
    store.now = ago(age);
    let drill = drill(store.now);
    let observed = store.flag().unwrap();
    let mut switching = Switching::new(&Policy::default(), &observed, of_drill(&drill), store.now);
    let faults = [Fault::None, Fault::LostAnswer, Fault::Stale];
    let outcome = store.run(&mut switching, &faults);
    assert!(matches!(outcome, Some(Outcome::Switched(_))), "{outcome:?}");
    assert_eq!(store.flag().unwrap().version.0, 14, "twice");
    store.now = noon();
    (drill, store)
}

#[test]
fn a_drill_whose_write_was_repeated_is_under_way_for_a_persons_request() {
    let (drill, store) = drilling_twice(400);
    let standing = store.flag().unwrap();
    assert!(matches!(stage_of(&drill, &store), Stage::Drilling { .. }));
    assert!(drill.owns_flag_version(&standing));
    let stored = json!(drill).to_string();
    let control = SwitchControl {
        hold: &HoldState::None,
        drill: Some(&stored),
    };
    let (policy, well) = (Policy::default(), healthy().assessed(&Policy::default()));
    let preconditions = switch_preconditions(&policy, Kind::Switch, &standing, &control, Color::Blue, &well, noon());
    let objecting: Vec<_> = preconditions
        .iter()
        .filter(|precondition| !precondition.passed)
        .map(|precondition| precondition.name)
        .collect();
    assert_eq!(objecting, [PreconditionName::Drill]);
    // Its way back also belongs to the drill, and the previous color is the one before both writes.
    let history = history(&store);
    let before = before_transition(&history, history.last().unwrap()).unwrap();
    assert_eq!(before.entry.value.color(), Some(Color::Blue));
}

#[test]
fn the_return_of_a_failed_drill_whose_writes_were_repeated_is_no_proof_either() {
    let drills = DrillPolicy {
        overdue_days: 1,
        ..policy_of("")
    };
    let day = 24 * 3600;
    let drill = Drill {
        modified: ago(9 * day),
        outcome: DrillOutcome::Failed,
        finished_at: Some(ago(9)),
        ..drill(ago(60))
    };
    let stored = json!(drill).to_string();
    let proven_since = |flag| overdue(&drills, Some(&stored), &flag, noon());
    for version in [14, 15, 16] {
        assert_eq!(proven_since(flag("blue", version, 10)), Some(ago(9 * day)), "{version}");
    }
    assert_eq!(proven_since(flag("blue", 16, 5)), None, "somebody switched after it");
    assert_eq!(proven_since(flag("green", 15, 10)), None, "that is no way back");
}

#[test]
fn of_two_drills_that_left_the_same_trace_the_one_with_the_record_is_under_way() {
    let (first, store) = drilling(MINUTE);
    let record = TransitionRecord::from_stored(&store.claims[&first.record()].value).unwrap();
    let second = Drill {
        id: "drill-2".into(),
        duration_minutes: 99,
        ..first.clone()
    };
    let second_outcome = second.outcome_record();
    let followed = second.as_recorded(&record);
    assert_eq!((followed.id.as_str(), followed.duration_minutes), ("drill-1", 10));
    assert_eq!(first.clone().as_recorded(&record), first);
    assert_ne!(first.outcome_record(), second_outcome);
    let of_record = outcome_of(&first.record(), &record);
    assert_eq!(of_record, Some(first.outcome_record()));
}

#[test]
fn an_unreadable_return_record_is_no_proof_of_success() {
    let (drill, store) = drilling(MINUTE);
    let stage = Stage::Returned {
        switched_at: ago(60),
        returned_at: noon(),
        record: "v14-1".into(),
        active: Some(Color::Blue),
    };
    let conclusion = conclude(&drill, &stage, None, "", None, None, store.now);
    assert_eq!(conclusion.outcome, DrillOutcome::Failed);
    assert!(conclusion.reason.contains("cannot be read"));
}

#[test]
fn what_cannot_be_read_is_no_drill_and_what_is_read_is_what_was_stored() {
    let drill = drill(noon());
    let stored = json!(drill).to_string();
    assert_eq!(Drill::under_way(Some(&stored)), Some(drill.clone()));
    let ended = json!(Drill {
        outcome: DrillOutcome::Succeeded,
        ..drill
    });
    assert_eq!(Drill::under_way(Some(&ended.to_string())), None);
    for text in ["", "{}", "yes", "null"] {
        assert_eq!(Drill::under_way(Some(text)), None, "{text}");
    }
}

#[test]
fn a_return_that_nobody_can_read_back_yet_is_told_by_whoever_made_it() {
    let (drill, store) = drilling(MINUTE);
    let stage = Stage::Returned {
        switched_at: ago(60),
        returned_at: noon(),
        record: "v14-1".into(),
        active: Some(Color::Blue),
    };
    let outcome = Some(DrillOutcome::Succeeded);
    let conclusion = conclude(&drill, &stage, outcome, "as ordered", None, None, store.now);
    assert_eq!(
        (conclusion.outcome, conclusion.reason.as_str()),
        (DrillOutcome::Succeeded, "as ordered")
    );
}

#[test]
fn a_drill_lost_to_a_dead_ones_claim_is_its_own() {
    let (first, store) = drilling(MINUTE);
    let record = TransitionRecord::from_stored(&store.claims[&first.record()].value).unwrap();
    let second = Drill {
        id: "drill-2".into(),
        ..first.clone()
    };
    assert!(second.superseded_by(Some(&record), ago(MINUTE)));
    assert!(!second.superseded_by(Some(&record), after(noon(), CLAIM_TIMEOUT)));
    assert!(!first.superseded_by(Some(&record), ago(MINUTE)));
    let back = TransitionRecord {
        kind: Kind::DrillReturn,
        ..record
    };
    assert!(
        !second.superseded_by(Some(&back), ago(MINUTE)),
        "the way back is nobody's way out"
    );
    assert!(!second.superseded_by(None, noon()));
}

#[test]
fn whatever_the_reason_a_drills_records_fit_a_standard_parameter() {
    let (drill, mut store) = drilling(10 * MINUTE);
    let long = "\u{1f4a5}".repeat(5000);
    let back = Intent {
        reason: long.clone(),
        drill: Some(drill.return_tag(DrillOutcome::Failed, &long)),
        evidence: json!({"noise": long}),
        ..intent("tick", Kind::DrillReturn, Color::Blue)
    };
    switch(&mut store, back);
    assert!(store.claims.values().all(|claim| claim.value.len() <= 4096));
    let stage = stage_of(&drill, &store);
    let conclusion = conclude(&drill, &stage, Some(DrillOutcome::Failed), &long, None, None, noon());
    assert!(conclusion.to_stored().len() <= 4096);
}

#[test]
fn a_writer_that_has_slept_writes_no_more() {
    let mut store = store();
    let observed = store.flag().unwrap();
    let mut sleeper = Switching::new(
        &Policy::default(),
        &observed,
        intent("laptop", Kind::Switch, Color::Green),
        store.now,
    );
    let claim = sleeper.start();
    let claimed = store.answer(&claim, Fault::None).unwrap();
    store.pass(seconds(3600));
    let Step::Done(outcome) = sleeper.next(claimed, store.now, 0.5) else {
        panic!("it writes")
    };
    let Outcome::Failed(failed) = *outcome else {
        panic!("{outcome:?}")
    };
    assert!(failed.claimed && !failed.uncertain, "{failed:?}");
    assert_eq!(store.flag(), Some(observed));
}
