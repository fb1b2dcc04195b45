//! Exact instants and counts at which a drill's next step changes.

use super::*;

#[test]
fn a_drill_returns_at_the_second_at_which_its_time_is_over() {
    let (drill, store) = drilling(10 * MINUTE);
    let stage = stage_of(&drill, &store);
    let Stage::Drilling { switched_at, return_at } = stage else {
        panic!("{stage:?}")
    };
    assert_eq!(return_at, after(switched_at, seconds(600)));
    let at = |at| Now { at, ..now() };
    assert!(waits(&at(before(return_at, seconds(1))).ask(&drill, &stage)));
    assert_eq!(returned(&at(return_at).ask(&drill, &stage)), DrillOutcome::Succeeded);
    // And it is given up a quarter of an hour later, at the second.
    let unread = |now| at(now).blue(healthy().alarms_unknown(CauseKind::Throttled));
    let given_up = after(return_at, RETURN_GRACE);
    assert!(waits(&unread(before(given_up, seconds(1))).ask(&drill, &stage)));
    assert_eq!(
        finished(&unread(given_up).ask(&drill, &stage)),
        DrillOutcome::Interrupted
    );
}

#[test]
fn a_drill_that_has_not_switched_is_distinguished_from_one_that_another_writer_overtook() {
    let drill = drill(ago(MINUTE));
    let with = |version: u64, age: u64| {
        let mut store = Store::with_flag(&flag("green", version, age));
        store.versions[0].author = Some("ana".into());
        stage_of(&drill, &store)
    };
    // The version from which it started, and an older one, in a stale reading.
    assert_eq!(with(12, 7200), Stage::NotSwitched);
    assert_eq!(with(11, 7201), Stage::NotSwitched);
    let Stage::Overtaken {
        switched_at,
        by,
        active,
    } = with(13, 30)
    else {
        panic!("not overtaken")
    };
    assert_eq!((switched_at, active), (None, Some(Color::Green)));
    assert_eq!(
        by,
        "version 13 (external, green) was written by ana at 2026-11-23T11:59:30Z"
    );
    let deleted = stage(&drill, &[]);
    assert!(matches!(deleted, Stage::Overtaken { active: None, ref by, .. } if by == "the flag was deleted"));
}

#[test]
fn a_drill_that_has_not_switched_has_failed_once_its_claim_counts_as_abandoned() {
    let drill = drill(noon());
    let ask = |age| {
        let at = after(noon(), seconds(age));
        Now { at, ..now() }.ask(&drill, &Stage::NotSwitched)
    };
    let limit = CLAIM_TIMEOUT.as_secs();
    assert!(waits(&ask(limit - 1)));
    assert_eq!(finished(&ask(limit)), DrillOutcome::Failed);
}

#[test]
fn a_repeated_write_counts_as_the_drills_while_its_writer_may_be_alive() {
    let drill = drill(ago(300));
    let limit = CLAIM_TIMEOUT.as_secs();
    for (value, version, age, is_own) in [
        // Before its write.
        ("blue", 12, 7200, true),
        ("blue", 12, 7199, false),
        // Its write, and that write once more.
        ("green", 13, 290, true),
        ("blue", 13, 290, false),
        ("green", 14, 300 - limit + 1, true),
        ("green", 14, 300 - limit, false),
        ("blue", 14, 299, false),
        ("green", 15, 299, false),
    ] {
        let flag = flag(value, version, age);
        assert_eq!(drill.owns_flag_version(&flag), is_own, "{flag}");
    }
}

#[test]
fn a_way_out_has_the_drills_kind_and_the_drills_id() {
    let (drill, store) = drilling(MINUTE);
    let record = TransitionRecord::from_stored(&store.claims[&drill.record()].value).unwrap();
    assert!(drill.is_way_out(&record));
    let other = Drill {
        id: "drill-2".into(),
        ..drill.clone()
    };
    assert!(!other.is_way_out(&record));
    for kind in [Kind::DrillReturn, Kind::Switch] {
        let record = TransitionRecord { kind, ..record.clone() };
        assert!(!drill.is_way_out(&record), "{kind}");
    }
    let untagged = TransitionRecord {
        drill: None,
        ..record.clone()
    };
    assert!(!drill.is_way_out(&untagged));
    // Another drill's writer may be alive until its claim counts as abandoned.
    let abandoned = after(record.decided_at, CLAIM_TIMEOUT);
    assert!(other.superseded_by(Some(&record), before(abandoned, seconds(1))));
    assert!(!other.superseded_by(Some(&record), abandoned));
}

#[test]
fn only_a_drill_that_switches_takes_time_in_which_a_window_may_begin() {
    // Noon is a Monday's; the window begins ten minutes later.
    let policy = policy_of("MON:12:10-MON:13:00");
    for (mode, minutes, is_blocked) in [
        (Mode::Switch, 9, false),
        (Mode::Switch, 10, true),
        (Mode::Probe, 10, false),
        (Mode::Dry, 10, false),
    ] {
        let well = healthy().assessed(&Policy::default());
        let verdicts = Both {
            blue: well.clone(),
            green: well,
        };
        let asked = preconditions(
            &Policy::default(),
            &policy,
            (mode, minutes),
            &flag("blue", 12, 7200),
            &HoldState::None,
            None,
            &verdicts,
            &ProbeResult::Known(Vec::new()),
            noon(),
        );
        let window = asked
            .iter()
            .find(|one| one.name == PreconditionName::BlockedWindow)
            .unwrap();
        assert_eq!(window.passed, !is_blocked, "{mode:?} for {minutes} min");
    }
}

#[test]
fn alarms_that_cannot_be_read_hide_no_other_objection() {
    let unread = |seen: Seen| seen.alarms_unknown(CauseKind::Throttled).assessed(&Policy::default());
    for (blue, green, objecting) in [
        (healthy(), healthy(), ["active-unhealthy", "standby-unknown"]),
        (dead(), dead(), ["active-unhealthy", "standby-unhealthy"]),
        (
            dead(),
            healthy().status("UPDATING"),
            ["active-unhealthy", "standby-maintenance"],
        ),
    ] {
        let verdicts = Both {
            blue: unread(blue),
            green: unread(green),
        };
        let asked = preconditions(
            &Policy::default(),
            &policy_of(""),
            (Mode::Switch, 10),
            &flag("blue", 12, 7200),
            &HoldState::None,
            None,
            &verdicts,
            &ProbeResult::Known(Vec::new()),
            noon(),
        );
        let failed: Vec<_> = asked.iter().filter(|one| !one.passed).collect();
        let names: Vec<&str> = failed.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, objecting);
        for (precondition, assessment) in failed.iter().zip([&verdicts.blue, &verdicts.green]) {
            let adds = precondition.detail.contains("but its alarms");
            assert_eq!(
                adds,
                assessment.verdict == bluegreen_core::health::Verdict::Healthy,
                "{precondition:?}"
            );
        }
    }
}

#[test]
fn what_is_written_until_the_drills_end_is_its_way_back_where_it_holds_the_color_before() {
    let drill = Drill {
        finished_at: Some(ago(10)),
        ..drill(ago(900))
    };
    for (value, version, age, is_way_back) in [
        // The expected version, whatever its date.
        ("blue", 14, 5, true),
        // Another one, if it is as old as the end or older, and newer than the start.
        ("blue", 15, 10, true),
        ("blue", 15, 9, false),
        ("green", 15, 10, false),
        ("blue", 12, 7200, false),
        ("blue", 13, 60, true),
    ] {
        let flag = flag(value, version, age);
        assert_eq!(drill.has_written_back(&flag), is_way_back, "{flag}");
    }
}

#[test]
fn a_drill_that_follows_another_ones_record_is_that_drill() {
    let (first, store) = drilling(MINUTE);
    let record = TransitionRecord::from_stored(&store.claims[&first.record()].value).unwrap();
    let second = Drill {
        id: "drill-2".into(),
        started_at: ago(7),
        reason: "another".into(),
        requested_by: Some("eve".into()),
        ..first.clone()
    };
    let followed = second.as_recorded(&record);
    assert_eq!(
        followed,
        Drill {
            reason: record.reason.clone(),
            requested_by: record.actor.requested_by.clone(),
            started_at: record.decided_at,
            ..first
        }
    );
    assert_eq!(
        (followed.reason.as_str(), followed.requested_by),
        ("drill-1 wants green", None)
    );
}

#[test]
fn a_conclusion_is_read_back_as_it_was_stored() {
    let (drill, store) = drilling(MINUTE);
    let stage = stage_of(&drill, &store);
    let conclusion = conclude(&drill, &stage, Some(DrillOutcome::Failed), "why", None, None, noon());
    assert_eq!(
        bluegreen_core::drill::Conclusion::from_stored(&conclusion.to_stored()),
        Some(conclusion)
    );
    assert_eq!(bluegreen_core::drill::Conclusion::from_stored("{}"), None);
}
