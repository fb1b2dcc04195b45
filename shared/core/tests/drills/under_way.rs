//! What each tick does about a drill under way.

use super::*;

// ---- a successful drill

#[test]
fn a_drill_waits_out_its_time_and_returns_with_success() {
    let (drill, store) = drilling(9 * MINUTE);
    assert!(waits(&now().ask(&drill, &stage_of(&drill, &store))));
    let (drill, mut store) = drilling(10 * MINUTE + 1);
    let step = now().ask(&drill, &stage_of(&drill, &store));
    assert_eq!(returned(&step), DrillOutcome::Succeeded);
    let back = Intent {
        drill: Some(drill.return_tag(DrillOutcome::Succeeded, "as ordered")),
        ..intent("tick", Kind::DrillReturn, Color::Blue)
    };
    switch(&mut store, back);
    let stage = stage_of(&drill, &store);
    let Stage::Returned { record, active, .. } = &stage else {
        panic!("{stage:?}")
    };
    assert_eq!(*active, Some(Color::Blue));
    assert!(matches!(
        now().ask(&drill, &stage),
        DrillStep::Finish { outcome: None, .. }
    ));
    let read = |name: &str| TransitionRecord::from_stored(&store.claims[name].value).unwrap();
    let (way_out, way_back) = (read(&drill.record()), read(record));
    let conclusion = conclude(&drill, &stage, None, "", Some(&way_out), Some(&way_back), noon());
    assert_eq!(conclusion.outcome, DrillOutcome::Succeeded);
    assert_eq!(conclusion.reason, "as ordered");
    assert!(conclusion.timings.held_s.unwrap() >= 600);
    assert!(conclusion.timings.switch_duration_ms.is_some() && conclusion.timings.return_duration_ms.is_some());
}

#[test]
fn a_return_takes_effect_like_a_planned_switch_unless_the_drilled_color_died() {
    let policy = Policy::default();
    let back = |last_known_healthy| Intent {
        last_known_healthy,
        ..intent("tick", Kind::DrillReturn, Color::Blue)
    };
    assert_eq!(effective_from(&policy, &back(None), noon()), after(noon(), policy.lead));
    assert_eq!(effective_from(&policy, &back(Some(ago(90))), noon()), ago(90));
}

// ---- a failure takes precedence

#[test]
fn a_drilled_color_that_dies_is_left_at_once_whatever_the_cooldown() {
    let (drill, store) = drilling(MINUTE);
    let step = now().green(dead()).ask(&drill, &stage_of(&drill, &store));
    assert_eq!(returned(&step), DrillOutcome::Failed);
}

#[test]
fn an_alarm_that_rings_in_a_drill_ends_it_at_once_unless_home_is_not_healthy() {
    let (drill, store) = drilling(MINUTE);
    let stage = stage_of(&drill, &store);
    let rings = || now().alarms(alarm(Some(AlarmState::Alarm)));
    let step = rings().ask(&drill, &stage);
    assert_eq!(returned(&step), DrillOutcome::Failed);
    let DrillStep::Return { reason, .. } = step else {
        panic!("{step:?}")
    };
    assert!(
        reason.contains("orders-late is in ALARM since 2026-11-23T11:59:30Z"),
        "{reason}"
    );
    assert!(waits(&rings().blue(dead()).ask(&drill, &stage)));
    let observing = Now {
        mode: WatcherMode::Observe,
        ..rings()
    };
    assert!(waits(&observing.ask(&drill, &stage)));
}

#[test]
fn an_alarm_that_rings_in_a_drill_sends_nobody_to_a_home_whose_alarms_nobody_could_read() {
    let (drill, store) = drilling(MINUTE);
    let rings = now().alarms(alarm(Some(AlarmState::Alarm)));
    let unread = healthy().alarms_unknown(CauseKind::Throttled);
    assert!(waits(&rings.blue(unread).ask(&drill, &stage_of(&drill, &store))));
}

#[test]
fn a_drill_has_not_succeeded_while_nobody_can_tell_that_no_alarm_rings() {
    for unknown in [unreadable(), alarm(None)] {
        let (drill, store) = drilling(MINUTE);
        let early = now().alarms(unknown.clone()).ask(&drill, &stage_of(&drill, &store));
        assert!(waits(&early), "what is unknown ends no drill early");
        let (drill, store) = drilling(10 * MINUTE + 1);
        let stage = stage_of(&drill, &store);
        let mut now = now().alarms(unknown);
        assert!(waits(&now.ask(&drill, &stage)));
        now.at = after(noon(), RETURN_GRACE + seconds(1));
        assert_eq!(returned(&now.ask(&drill, &stage)), DrillOutcome::Failed);
    }
    let (drill, store) = drilling(10 * MINUTE + 1);
    let silent = now().alarms(alarm(Some(AlarmState::InsufficientData)));
    assert_eq!(
        returned(&silent.ask(&drill, &stage_of(&drill, &store))),
        DrillOutcome::Succeeded
    );
}

#[test]
fn a_drilled_color_that_is_only_suspect_is_left_alone_until_it_is_known() {
    let (drill, store) = drilling(MINUTE);
    let suspect = healthy().scheduler_dead_for(30).metric_last_seen(80);
    assert!(waits(&now().green(suspect).ask(&drill, &stage_of(&drill, &store))));
}

#[test]
fn nobody_returns_to_a_color_that_is_not_healthy() {
    let (drill, store) = drilling(10 * MINUTE + 1);
    let stage = stage_of(&drill, &store);
    let throttled = healthy().everything_unknown(CauseKind::Throttled);
    for green in [healthy(), dead(), throttled.clone()] {
        let step = now().blue(dead()).green(green).ask(&drill, &stage);
        assert_eq!(finished(&step), DrillOutcome::Interrupted);
    }
    // Not unhealthy, but not healthy either: it may recover within the grace.
    for blue in [throttled, healthy().status("UPDATING")] {
        let mut now = now().blue(blue);
        assert!(waits(&now.ask(&drill, &stage)));
        now.at = after(noon(), RETURN_GRACE + seconds(1));
        assert_eq!(finished(&now.ask(&drill, &stage)), DrillOutcome::Interrupted);
    }
}

#[test]
fn a_standby_that_dies_in_the_middle_ends_the_drill_only_when_it_is_needed() {
    let (drill, store) = drilling(MINUTE);
    let stage = stage_of(&drill, &store);
    assert!(waits(&now().blue(dead()).ask(&drill, &stage)));
    assert!(waits(&now().blue(dead()).green(dead()).ask(&drill, &stage)));
}

#[test]
fn success_needs_a_drilled_color_that_is_healthy_at_the_end() {
    let (drill, store) = drilling(10 * MINUTE + 1);
    let stage = stage_of(&drill, &store);
    let mut unknown = now().green(healthy().everything_unknown(CauseKind::TimedOut));
    assert!(waits(&unknown.ask(&drill, &stage)));
    unknown.at = after(noon(), RETURN_GRACE + seconds(1));
    assert_eq!(returned(&unknown.ask(&drill, &stage)), DrillOutcome::Failed);
    let step = now().green(healthy().status("UPDATING")).ask(&drill, &stage);
    assert_eq!(returned(&step), DrillOutcome::Interrupted);
}

#[test]
fn an_observing_watcher_writes_nothing_and_gives_up_in_the_end() {
    let (drill, store) = drilling(10 * MINUTE + 1);
    let stage = stage_of(&drill, &store);
    let mut now = now();
    now.mode = WatcherMode::Observe;
    assert!(waits(&now.ask(&drill, &stage)));
    now.at = after(noon(), RETURN_GRACE + seconds(1));
    assert_eq!(finished(&now.ask(&drill, &stage)), DrillOutcome::Interrupted);
}

#[test]
fn an_observing_watcher_does_not_leave_a_drilled_color_that_died() {
    let (drill, store) = drilling(MINUTE);
    let mut now = now().green(dead());
    now.mode = WatcherMode::Observe;
    assert!(waits(&now.ask(&drill, &stage_of(&drill, &store))));
}

// ---- a person takes precedence

#[test]
fn a_hold_in_the_middle_ends_the_drill_where_it_stands() {
    let (drill, store) = drilling(MINUTE);
    let mut now = now();
    now.hold = held();
    let step = now.ask(&drill, &stage_of(&drill, &store));
    assert_eq!(finished(&step), DrillOutcome::Interrupted);
    let DrillStep::Finish { reason, .. } = step else {
        panic!()
    };
    assert!(reason.contains("ana") && reason.contains("rollback"), "{reason}");
}

#[test]
fn whoever_writes_the_flag_in_the_middle_ends_the_drill() {
    for kind in [Kind::Switch, Kind::Rollback, Kind::Failover] {
        let (drill, mut store) = drilling(MINUTE);
        switch(&mut store, intent("ana", kind, Color::Blue));
        let stage = stage_of(&drill, &store);
        assert!(
            matches!(
                &stage,
                Stage::Overtaken {
                    switched_at: Some(_),
                    active: Some(Color::Blue),
                    ..
                }
            ),
            "{stage:?}"
        );
        assert_eq!(finished(&now().ask(&drill, &stage)), DrillOutcome::Interrupted);
    }
    let (drill, mut store) = drilling(MINUTE);
    store.write("blue", None, "ben");
    let Stage::Overtaken { by, .. } = stage_of(&drill, &store) else {
        panic!()
    };
    assert!(by.contains("ben") && by.contains("external"), "{by}");
    store.delete_flag();
    assert!(matches!(
        stage_of(&drill, &store),
        Stage::Overtaken { active: None, .. }
    ));
}

#[test]
fn a_person_who_is_faster_than_the_drill_ends_it_before_it_began() {
    let mut store = store();
    let drill = drill(noon());
    switch(&mut store, intent("ana", Kind::Switch, Color::Green));
    let stage = stage_of(&drill, &store);
    assert!(matches!(stage, Stage::Overtaken { switched_at: None, .. }), "{stage:?}");
}

// ---- crashes

#[test]
fn a_drill_that_never_switched_is_given_up_when_its_function_must_be_dead() {
    let store = store();
    let drill = drill(noon());
    assert_eq!(stage_of(&drill, &store), Stage::NotSwitched);
    let mut now = now();
    now.at = before(after(noon(), CLAIM_TIMEOUT), seconds(1));
    assert!(waits(&now.ask(&drill, &Stage::NotSwitched)));
    now.at = after(noon(), CLAIM_TIMEOUT);
    assert_eq!(finished(&now.ask(&drill, &Stage::NotSwitched)), DrillOutcome::Failed);
}

#[test]
fn a_claim_of_a_dead_drill_that_a_failover_finishes_is_no_drill() {
    let mut store = store();
    let drill = drill(store.now);
    let observed = store.flag().unwrap();
    let mut dying = Switching::new(&Policy::default(), &observed, of_drill(&drill), store.now);
    assert_eq!(store.run(&mut dying, &[Fault::DiesAfter]), None);
    store.pass(CLAIM_TIMEOUT);
    switch(&mut store, intent("watcher", Kind::Failover, Color::Green));
    let stage = stage_of(&drill, &store);
    assert!(
        matches!(&stage, Stage::Overtaken { by, .. } if by.contains("failover")),
        "{stage:?}"
    );
}
