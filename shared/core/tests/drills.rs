//! Drills and repairs: what each tick makes of what stands, as an operator would tell it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod support;

use bluegreen_core::colour::{Both, Colour};
use bluegreen_core::decision::{Action, FlagState, GuardName, SwitchControl, switch_guards};
use bluegreen_core::drill::{
    BlockedWindows, Drill, DrillOutcome, DrillPolicy, DrillStep, Mode, RETURN_GRACE, Stage, conclude, decide, guards,
    outcome_of, overdue, stage,
};
use bluegreen_core::flag::{Tail, Version, before as before_transition, description, versions};
use bluegreen_core::health::{AlarmEvidence, AlarmState, Answer, Cause, CauseKind};
use bluegreen_core::hold::{Hold, HoldState};
use bluegreen_core::policy::{CLAIM_TIMEOUT, Mode as WatcherMode, OnFlagFault, Policy};
use bluegreen_core::switch::{Intent, Outcome, Step, Switching, effective_from};
use bluegreen_core::time::{after, before};
use bluegreen_core::transition::{Kind, TransitionRecord};
use jiff::Timestamp;
use serde_json::json;
use support::{Fault, Seen, Store, ago, dead, flag, healthy, intent, noon, seconds, tick};

const MINUTE: u64 = 60;

/// Blue is active at version 12; a drill of green for ten minutes starts at `started`.
fn drill(started: Timestamp) -> Drill {
    let flag = flag("blue", 12, 7200);
    Drill {
        schema: Drill::SCHEMA,
        id: "drill-1".into(),
        mode: Mode::Switch,
        from: Colour::Blue,
        to: Colour::Green,
        version: flag.version,
        modified: flag.modified,
        started_at: started,
        hold_minutes: 10,
        reason: "weekly".into(),
        requested_by: Some("schedule".into()),
        outcome: DrillOutcome::Pending,
        finished_at: None,
        proven_at: None,
    }
}

/// The flag's store before the drill.
fn store() -> Store {
    Store::with_flag(&flag("blue", 12, 7200))
}

fn of_drill(drill: &Drill) -> Intent {
    Intent {
        drill: Some(drill.tag()),
        ..intent("drill-1", Kind::Drill, Colour::Green)
    }
}

fn switch(store: &mut Store, intent: Intent) {
    let observed = store.flag().unwrap();
    let mut switching = Switching::new(&Policy::default(), &observed, intent, store.now);
    let outcome = store.run(&mut switching, &[]);
    assert!(matches!(outcome, Some(Outcome::Switched(_))), "{outcome:?}");
}

/// A drill of green that switched so many seconds before noon.
fn drilling(age: u64) -> (Drill, Store) {
    let mut store = store();
    store.now = ago(age);
    let drill = drill(store.now);
    let intent = of_drill(&drill);
    switch(&mut store, intent);
    store.now = noon();
    (drill, store)
}

fn stage_of(drill: &Drill, store: &Store) -> Stage {
    stage(drill, &history(store))
}

fn history(store: &Store) -> Vec<Version> {
    versions(&store.versions)
}

struct Now {
    mode: WatcherMode,
    hold: HoldState,
    blue: Seen,
    green: Seen,
    alarms: Alarms,
    at: Timestamp,
}

type Alarms = Answer<Vec<AlarmEvidence>>;

/// One alarm named for drills, in this state; none means that it does not exist.
fn alarm(state: Option<AlarmState>) -> Alarms {
    Answer::Known(vec![AlarmEvidence {
        name: "orders-late".into(),
        state,
        since: Some(ago(30)),
    }])
}

fn unreadable() -> Alarms {
    Answer::Unknown(Cause::new(CauseKind::Throttled, "slow down"))
}

fn now() -> Now {
    Now {
        mode: WatcherMode::Automatic,
        hold: HoldState::None,
        blue: healthy(),
        green: healthy(),
        alarms: Answer::Known(Vec::new()),
        at: noon(),
    }
}

impl Now {
    fn alarms(self, alarms: Alarms) -> Self {
        Self { alarms, ..self }
    }

    fn blue(self, blue: Seen) -> Self {
        Self { blue, ..self }
    }

    fn green(self, green: Seen) -> Self {
        Self { green, ..self }
    }

    fn ask(&self, drill: &Drill, stage: &Stage) -> DrillStep {
        let policy = Policy::default();
        let verdicts = Both {
            blue: self.blue.assessed(&policy),
            green: self.green.assessed(&policy),
        };
        decide(drill, stage, self.mode, &self.hold, &verdicts, &self.alarms, self.at)
    }
}

fn held() -> HoldState {
    HoldState::Active(Hold {
        until: after(noon(), seconds(3600)),
        reason: "looking at it".into(),
        by: "ana".into(),
    })
}

fn finished(step: &DrillStep) -> DrillOutcome {
    match step {
        DrillStep::Finish {
            outcome: Some(outcome), ..
        } => *outcome,
        other => panic!("not finished: {other:?}"),
    }
}

fn returned(step: &DrillStep) -> DrillOutcome {
    match step {
        DrillStep::Return { outcome, .. } => *outcome,
        other => panic!("no return: {other:?}"),
    }
}

fn waits(step: &DrillStep) -> bool {
    matches!(step, DrillStep::Wait(_))
}

// ---- the way of a drill that goes well

#[test]
fn a_drill_waits_out_its_time_and_returns_with_success() {
    let (drill, store) = drilling(9 * MINUTE);
    assert!(waits(&now().ask(&drill, &stage_of(&drill, &store))));
    let (drill, mut store) = drilling(10 * MINUTE + 1);
    let step = now().ask(&drill, &stage_of(&drill, &store));
    assert_eq!(returned(&step), DrillOutcome::Succeeded);
    let back = Intent {
        drill: Some(drill.return_tag(DrillOutcome::Succeeded, "as ordered")),
        ..intent("tick", Kind::DrillReturn, Colour::Blue)
    };
    switch(&mut store, back);
    let stage = stage_of(&drill, &store);
    let Stage::Returned { record, active, .. } = &stage else {
        panic!("{stage:?}")
    };
    assert_eq!(*active, Some(Colour::Blue));
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
fn a_return_takes_effect_like_a_planned_switch_unless_the_drilled_colour_died() {
    let policy = Policy::default();
    let back = |last_known_healthy| Intent {
        last_known_healthy,
        ..intent("tick", Kind::DrillReturn, Colour::Blue)
    };
    assert_eq!(effective_from(&policy, &back(None), noon()), after(noon(), policy.lead));
    assert_eq!(effective_from(&policy, &back(Some(ago(90))), noon()), ago(90));
}

// ---- the failure wins

#[test]
fn a_drilled_colour_that_dies_is_left_at_once_whatever_the_cooldown() {
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
        reason.contains("orders-late rings since 2026-11-23T11:59:30Z"),
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
fn a_drilled_colour_that_is_only_suspect_is_left_alone_until_it_is_known() {
    let (drill, store) = drilling(MINUTE);
    let suspect = healthy().scheduler_dead_for(30).metric_last_seen(80);
    assert!(waits(&now().green(suspect).ask(&drill, &stage_of(&drill, &store))));
}

#[test]
fn nobody_returns_to_a_colour_that_is_not_healthy() {
    let (drill, store) = drilling(10 * MINUTE + 1);
    let stage = stage_of(&drill, &store);
    let throttled = healthy().everything_unknown(CauseKind::Throttled);
    for green in [healthy(), dead(), throttled.clone()] {
        let step = now().blue(dead()).green(green).ask(&drill, &stage);
        assert_eq!(finished(&step), DrillOutcome::Interrupted);
    }
    // Not bad, but not healthy either: it may pass, up to the grace.
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
fn success_needs_a_drilled_colour_that_is_healthy_at_the_end() {
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
fn an_observing_watcher_does_not_leave_a_drilled_colour_that_died() {
    let (drill, store) = drilling(MINUTE);
    let mut now = now().green(dead());
    now.mode = WatcherMode::Observe;
    assert!(waits(&now.ask(&drill, &stage_of(&drill, &store))));
}

// ---- a person wins

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
        switch(&mut store, intent("ana", kind, Colour::Blue));
        let stage = stage_of(&drill, &store);
        assert!(
            matches!(
                &stage,
                Stage::Overtaken {
                    switched_at: Some(_),
                    active: Some(Colour::Blue),
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
    switch(&mut store, intent("ana", Kind::Switch, Colour::Green));
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
    switch(&mut store, intent("watcher", Kind::Failover, Colour::Green));
    let stage = stage_of(&drill, &store);
    assert!(
        matches!(&stage, Stage::Overtaken { by, .. } if by.contains("failover")),
        "{stage:?}"
    );
}

#[test]
fn a_repeated_write_is_still_the_same_drill() {
    let (drill, mut store) = drilling(MINUTE);
    let text = store.versions.last().unwrap().description.clone();
    store.write("green", text.as_deref(), "writer");
    assert!(matches!(stage_of(&drill, &store), Stage::Drilling { .. }));
}

/// A drill of green whose write was carried out twice: its answer was lost, and the history read after it was a write behind.
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
    assert!(drill.has_the_flag(&standing));
    let stored = json!(drill).to_string();
    let control = SwitchControl {
        hold: &HoldState::None,
        drill: Some(&stored),
    };
    let (policy, well) = (Policy::default(), healthy().assessed(&Policy::default()));
    let guards = switch_guards(&policy, Kind::Switch, &standing, &control, Colour::Blue, &well, noon());
    let objecting: Vec<_> = guards
        .iter()
        .filter(|guard| !guard.passed)
        .map(|guard| guard.name)
        .collect();
    assert_eq!(objecting, [GuardName::Drill]);
    // Its way back is its own, too, and the colour before it is the one before both.
    let history = history(&store);
    let before = before_transition(&history, history.last().unwrap()).unwrap();
    assert_eq!(before.entry.value.colour(), Some(Colour::Blue));
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
        hold_minutes: 99,
        ..first.clone()
    };
    let second_outcome = second.outcome_record();
    let followed = second.as_recorded(&record);
    assert_eq!((followed.id.as_str(), followed.hold_minutes), ("drill-1", 10));
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
        active: Some(Colour::Blue),
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
        active: Some(Colour::Blue),
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
    assert!(second.lost_to_another(Some(&record), ago(MINUTE)));
    assert!(!second.lost_to_another(Some(&record), after(noon(), CLAIM_TIMEOUT)));
    assert!(!first.lost_to_another(Some(&record), ago(MINUTE)));
    let back = TransitionRecord {
        kind: Kind::DrillReturn,
        ..record
    };
    assert!(
        !second.lost_to_another(Some(&back), ago(MINUTE)),
        "the way back is nobody's way out"
    );
    assert!(!second.lost_to_another(None, noon()));
}

#[test]
fn whatever_the_reason_a_drills_records_fit_a_standard_parameter() {
    let (drill, mut store) = drilling(10 * MINUTE);
    let long = "\u{1f4a5}".repeat(5000);
    let back = Intent {
        reason: long.clone(),
        drill: Some(drill.return_tag(DrillOutcome::Failed, &long)),
        evidence: json!({"noise": long}),
        ..intent("tick", Kind::DrillReturn, Colour::Blue)
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
        intent("laptop", Kind::Switch, Colour::Green),
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

// ---- preconditions

fn policy_of(windows: &str) -> DrillPolicy {
    DrillPolicy {
        hold_minutes: 15,
        blocked_windows: BlockedWindows::read(windows),
        overdue_days: 0,
        alarms: Vec::new(),
    }
}

fn objections(
    change: impl FnOnce(&mut Policy, &mut HoldState, &mut Option<String>),
    blue: &Seen,
    green: &Seen,
    windows: &str,
) -> Vec<GuardName> {
    objections_with(change, blue, green, windows, &Answer::Known(Vec::new()))
}

fn objections_with(
    change: impl FnOnce(&mut Policy, &mut HoldState, &mut Option<String>),
    blue: &Seen,
    green: &Seen,
    windows: &str,
    alarms: &Alarms,
) -> Vec<GuardName> {
    let (mut policy, mut hold, mut stored) = (Policy::default(), HoldState::None, None);
    change(&mut policy, &mut hold, &mut stored);
    let verdicts = Both {
        blue: blue.assessed(&policy),
        green: green.assessed(&policy),
    };
    guards(
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
    .filter(|guard| !guard.passed)
    .map(|guard| guard.name)
    .collect()
}

#[test]
fn every_precondition_of_a_drill_is_named_when_it_is_not_met() {
    let nothing = |_: &mut Policy, _: &mut HoldState, _: &mut Option<String>| {};
    assert_eq!(objections(nothing, &healthy(), &healthy(), ""), []);
    assert_eq!(
        objections(nothing, &healthy(), &dead(), ""),
        [GuardName::StandbyUnhealthy]
    );
    assert_eq!(
        objections(nothing, &dead(), &healthy(), ""),
        [GuardName::ActiveUnhealthy]
    );
    let unknown = healthy().everything_unknown(CauseKind::Throttled);
    assert_eq!(
        objections(nothing, &unknown, &healthy(), ""),
        [GuardName::ActiveUnhealthy]
    );
    // Noon of 2026-11-23 is a Monday.
    assert_eq!(
        objections(nothing, &healthy(), &healthy(), "MON:08:00-FRI:18:00"),
        [GuardName::BlockedWindow]
    );
    assert_eq!(
        objections(|_, hold, _| *hold = held(), &healthy(), &healthy(), ""),
        [GuardName::Hold]
    );
    assert_eq!(
        objections(
            |policy, _, _| policy.cooldown = seconds(7200),
            &healthy(),
            &healthy(),
            ""
        ),
        [GuardName::Cooldown]
    );
    assert_eq!(
        objections(
            |policy, _, _| policy.mode = WatcherMode::Observe,
            &healthy(),
            &healthy(),
            ""
        ),
        [GuardName::ModeObserve]
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
            [GuardName::DrillAlarm][usize::from(!objecting)..],
            "{alarms:?}"
        );
    }
    let under_way = json!(drill(ago(60))).to_string();
    assert_eq!(
        objections(|_, _, stored| *stored = Some(under_way), &healthy(), &healthy(), ""),
        [GuardName::Drill]
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
        switch_guards(
            &Policy::default(),
            kind,
            &flag("green", 13, 3600),
            &control,
            Colour::Blue,
            &target,
            noon(),
        )
        .iter()
        .any(|guard| !guard.passed && guard.name == GuardName::Drill)
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
    for (colour, version, age, has) in [
        ("blue", 12, 7200, true),
        ("blue", 12, 10, false),
        ("green", 13, 10, true),
        ("blue", 13, 10, false),
        ("blue", 14, 10, false),
        // Its write arrived twice; later than its writer lives it is a hand that wrote the same colour.
        ("green", 14, 50, true),
        ("green", 14, 0, true),
        ("green", 15, 10, false),
    ] {
        assert_eq!(
            drill.has_the_flag(&flag(colour, version, age)),
            has,
            "{colour} {version}"
        );
    }
}

#[test]
fn a_drill_wants_the_alarms_of_both_colours_read() {
    let nothing = |_: &mut Policy, _: &mut HoldState, _: &mut Option<String>| {};
    let unread = || healthy().alarms_unknown(CauseKind::Throttled);
    assert_eq!(
        objections(nothing, &unread(), &healthy(), ""),
        [GuardName::ActiveUnhealthy]
    );
    assert_eq!(
        objections(nothing, &healthy(), &unread(), ""),
        [GuardName::StandbyUnknown]
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
    // The failure still wins: leaving a dead colour cannot wait.
    let step = now().blue(unread()).green(dead()).ask(&drill, &stage);
    assert_eq!(returned(&step), DrillOutcome::Failed);
}

#[test]
fn what_a_drill_leaves_in_the_description_reads_as_a_drill() {
    let tail = Tail {
        effective_from: noon(),
        record: drill(noon()).record(),
    };
    assert_eq!(
        Kind::of_description(&description(Kind::Drill, "weekly", &tail)),
        Some(Kind::Drill)
    );
}

// ---- repair of a broken flag

fn broken(flag: FlagState, missing_for: Option<u64>) -> support::Tick {
    let mut tick = tick()
        .flag(flag)
        .policy(|policy| policy.on_flag_fault = OnFlagFault::Restore);
    tick.control.last_active = Some(Colour::Green);
    tick.control.missing_since = missing_for.map(ago);
    tick
}

#[test]
fn a_garbage_flag_is_put_back_to_the_last_audited_colour_even_under_a_hold() {
    let garbage = FlagState::Present(flag("purple", 13, 5));
    assert_eq!(
        broken(garbage.clone(), None).decide().action,
        Action::Restore(Colour::Green)
    );
    assert_eq!(
        broken(garbage.clone(), None).hold(held()).decide().action,
        Action::Restore(Colour::Green)
    );
    let told = broken(garbage.clone(), None)
        .policy(|policy| policy.on_flag_fault = OnFlagFault::Alert)
        .decide();
    assert_eq!(told.action, Action::Blocked);
    let observed = broken(garbage.clone(), None)
        .policy(|policy| policy.mode = WatcherMode::Observe)
        .decide();
    assert_eq!(observed.action, Action::ObserveOnly);
    let mut unknown = broken(garbage, None);
    unknown.control.last_active = None;
    let decision = unknown.decide();
    assert_eq!(decision.action, Action::Blocked);
    assert!(decision.reason.contains("not known"), "{}", decision.reason);
}

#[test]
fn a_deleted_flag_is_made_again_only_after_the_wait_that_ssm_asks_for() {
    for (missing_for, again) in [(None, true), (Some(0), true), (Some(29), true)] {
        let decision = broken(FlagState::Missing, missing_for).decide();
        assert_eq!(
            (decision.action, decision.look_again_soon),
            (Action::Blocked, again),
            "{missing_for:?}"
        );
    }
    assert_eq!(
        broken(FlagState::Missing, Some(30)).decide().action,
        Action::Restore(Colour::Green)
    );
    assert_eq!(
        broken(FlagState::Missing, Some(30))
            .policy(|policy| policy.on_flag_fault = OnFlagFault::Alert)
            .decide()
            .action,
        Action::Blocked
    );
}
