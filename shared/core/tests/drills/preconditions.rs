//! The preconditions of a drill's start, and overdue drills.

use super::*;

fn objections(
    change: impl FnOnce(&mut Policy, &mut HoldState, &mut Option<String>),
    blue: &Seen,
    green: &Seen,
    windows: &str,
) -> Vec<PreconditionName> {
    objections_with(change, blue, green, windows, &ProbeResult::Known(Vec::new()))
}

fn objections_with(
    change: impl FnOnce(&mut Policy, &mut HoldState, &mut Option<String>),
    blue: &Seen,
    green: &Seen,
    windows: &str,
    alarms: &Alarms,
) -> Vec<PreconditionName> {
    let (mut policy, mut hold, mut stored) = (Policy::default(), HoldState::None, None);
    change(&mut policy, &mut hold, &mut stored);
    let verdicts = Both {
        blue: blue.assessed(&policy),
        green: green.assessed(&policy),
    };
    preconditions(
        &policy,
        &policy_of(windows),
        (Mode::Switch, 15),
        &flag("blue", 12, 3600),
        &hold,
        stored.as_deref(),
        &verdicts,
        alarms,
        noon(),
    )
    .iter()
    .filter(|precondition| !precondition.passed)
    .map(|precondition| precondition.name)
    .collect()
}

#[test]
fn every_precondition_of_a_drill_is_named_when_it_is_not_met() {
    let nothing = |_: &mut Policy, _: &mut HoldState, _: &mut Option<String>| {};
    assert_eq!(objections(nothing, &healthy(), &healthy(), ""), []);
    assert_eq!(
        objections(nothing, &healthy(), &dead(), ""),
        [PreconditionName::StandbyUnhealthy]
    );
    assert_eq!(
        objections(nothing, &dead(), &healthy(), ""),
        [PreconditionName::ActiveUnhealthy]
    );
    let unknown = healthy().everything_unknown(CauseKind::Throttled);
    assert_eq!(
        objections(nothing, &unknown, &healthy(), ""),
        [PreconditionName::ActiveUnhealthy]
    );
    // Noon of 2026-11-23 is a Monday.
    assert_eq!(
        objections(nothing, &healthy(), &healthy(), "MON:08:00-FRI:18:00"),
        [PreconditionName::BlockedWindow]
    );
    assert_eq!(
        objections(|_, hold, _| *hold = held(), &healthy(), &healthy(), ""),
        [PreconditionName::Hold]
    );
    assert_eq!(
        objections(
            |policy, _, _| policy.cooldown = seconds(7200),
            &healthy(),
            &healthy(),
            ""
        ),
        [PreconditionName::Cooldown]
    );
    assert_eq!(
        objections(
            |policy, _, _| policy.mode = WatcherMode::Observe,
            &healthy(),
            &healthy(),
            ""
        ),
        [PreconditionName::ModeObserve]
    );
    for (alarms, objecting) in [
        (alarm(Some(AlarmState::Ok)), false),
        (alarm(Some(AlarmState::InsufficientData)), false),
        (alarm(Some(AlarmState::Alarm)), true),
        (alarm(None), true),
        (unreadable(), true),
    ] {
        assert_eq!(
            objections_with(nothing, &healthy(), &healthy(), "", &alarms),
            [PreconditionName::DrillAlarm][usize::from(!objecting)..],
            "{alarms:?}"
        );
    }
    let under_way = json!(drill(ago(60))).to_string();
    assert_eq!(
        objections(|_, _, stored| *stored = Some(under_way), &healthy(), &healthy(), ""),
        [PreconditionName::Drill]
    );
}

#[test]
fn a_switch_by_a_person_is_told_of_the_drill_and_a_rollback_ends_it() {
    let stored = json!(drill(ago(60))).to_string();
    let objects = |kind| {
        let control = SwitchControl {
            hold: &HoldState::None,
            drill: Some(&stored),
        };
        let target = healthy().assessed(&Policy::default());
        switch_preconditions(
            &Policy::default(),
            kind,
            &flag("green", 13, 3600),
            &control,
            Color::Blue,
            &target,
            noon(),
        )
        .iter()
        .any(|precondition| !precondition.passed && precondition.name == PreconditionName::Drill)
    };
    assert!(objects(Kind::Switch));
    assert!(!objects(Kind::Rollback));
}

#[test]
fn a_proof_is_overdue_when_neither_drill_nor_transition_gave_one() {
    let drills = DrillPolicy {
        overdue_days: 7,
        ..policy_of("")
    };
    let day = 24 * 3600;
    let old = flag("blue", 12, 30 * day);
    assert_eq!(overdue(&drills, None, &old, noon()), Some(old.modified));
    assert_eq!(overdue(&drills, None, &flag("blue", 12, 6 * day), noon()), None);
    let proven = |age| {
        json!(Drill {
            outcome: DrillOutcome::Failed,
            proven_at: Some(ago(age)),
            ..drill(ago(age))
        })
        .to_string()
    };
    assert_eq!(overdue(&drills, Some(&proven(6 * day)), &old, noon()), None);
    assert_eq!(
        overdue(&drills, Some(&proven(8 * day)), &old, noon()),
        Some(ago(8 * day))
    );
    assert_eq!(overdue(&policy_of(""), None, &old, noon()), None);
}

#[test]
fn the_return_from_a_failed_drill_is_no_proof() {
    let drills = DrillPolicy {
        overdue_days: 1,
        ..policy_of("")
    };
    let day = 24 * 3600;
    let ended = |outcome| {
        let drill = Drill {
            modified: ago(9 * day),
            outcome,
            ..drill(ago(60))
        };
        overdue(&drills, Some(&json!(drill).to_string()), &flag("blue", 14, 10), noon())
    };
    assert_eq!(ended(DrillOutcome::Failed), Some(ago(9 * day)));
    assert_eq!(ended(DrillOutcome::Interrupted), None, "somebody switched");
}

#[test]
fn a_drill_has_the_flag_until_anybody_else_writes_it() {
    let drill = drill(ago(60));
    for (color, version, age, has) in [
        ("blue", 12, 7200, true),
        ("blue", 12, 10, false),
        ("green", 13, 10, true),
        ("blue", 13, 10, false),
        ("blue", 14, 10, false),
        // Its write arrived twice. After its writer must have ended, it counts as a manual edit to the same color.
        ("green", 14, 50, true),
        ("green", 14, 0, true),
        ("green", 15, 10, false),
    ] {
        assert_eq!(
            drill.owns_flag_version(&flag(color, version, age)),
            has,
            "{color} {version}"
        );
    }
}

#[test]
fn a_drill_wants_the_alarms_of_both_colors_read() {
    let nothing = |_: &mut Policy, _: &mut HoldState, _: &mut Option<String>| {};
    let unread = || healthy().alarms_unknown(CauseKind::Throttled);
    assert_eq!(
        objections(nothing, &unread(), &healthy(), ""),
        [PreconditionName::ActiveUnhealthy]
    );
    assert_eq!(
        objections(nothing, &healthy(), &unread(), ""),
        [PreconditionName::StandbyUnknown]
    );
    let not_asked = healthy().alarms_unknown(CauseKind::NotAsked);
    assert_eq!(objections(nothing, &not_asked, &not_asked, ""), []);

    let (drill, store) = drilling(10 * MINUTE + 1);
    let stage = stage_of(&drill, &store);
    for (blue, green, in_the_end) in [
        (unread(), healthy(), DrillOutcome::Interrupted),
        (healthy(), unread(), DrillOutcome::Failed),
    ] {
        let mut now = now().blue(blue).green(green);
        assert!(waits(&now.ask(&drill, &stage)));
        now.at = after(noon(), RETURN_GRACE + seconds(1));
        let outcome = match now.ask(&drill, &stage) {
            DrillStep::Return { outcome, .. } => outcome,
            step => finished(&step),
        };
        assert_eq!(outcome, in_the_end);
    }
    // A failure still takes precedence: leaving a dead color cannot wait.
    let step = now().blue(unread()).green(dead()).ask(&drill, &stage);
    assert_eq!(returned(&step), DrillOutcome::Failed);
}

#[test]
fn what_a_drill_leaves_in_the_description_reads_as_a_drill() {
    let tail = DescriptionMetadata {
        effective_from: noon(),
        record: drill(noon()).record(),
    };
    assert_eq!(
        Kind::of_description(&description(Kind::Drill, "weekly", &tail)),
        Some(Kind::Drill)
    );
}
