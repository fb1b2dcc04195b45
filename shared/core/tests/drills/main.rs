//! Drills and repairs: what each tick does in each situation, in an operator's words.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod asked;
mod edges;
mod preconditions;
mod repairs;
#[path = "../support/mod.rs"]
mod support;
mod told_apart;
mod under_way;

use bluegreen_core::claim::{Intent, Outcome, Step, Switching, effective_from};
use bluegreen_core::color::{Both, Color};
use bluegreen_core::decision::{Action, FlagState, PreconditionName, SwitchControl, switch_preconditions};
use bluegreen_core::drill::{
    BlockedWindows, Drill, DrillOutcome, DrillPolicy, DrillStep, Mode, RETURN_GRACE, Stage, conclude, decide,
    outcome_of, overdue, preconditions, stage,
};
use bluegreen_core::flag::{DescriptionMetadata, Version, before as before_transition, description, versions};
use bluegreen_core::health::{AlarmEvidence, AlarmState, Cause, CauseKind, ProbeResult};
use bluegreen_core::hold::{Hold, HoldState};
use bluegreen_core::policy::{CLAIM_TIMEOUT, Mode as WatcherMode, OnFlagFault, Policy};
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
        from: Color::Blue,
        to: Color::Green,
        version: flag.version,
        modified: flag.modified,
        started_at: started,
        duration_minutes: 10,
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
        ..intent("drill-1", Kind::Drill, Color::Green)
    }
}

fn switch(store: &mut Store, intent: Intent) {
    let observed = store.flag().unwrap();
    let mut switching = Switching::new(&Policy::default(), &observed, intent, store.now);
    let outcome = store.run(&mut switching, &[]);
    assert!(matches!(outcome, Some(Outcome::Switched(_))), "{outcome:?}");
}

/// A drill of green that switched this many seconds before noon.
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

type Alarms = ProbeResult<Vec<AlarmEvidence>>;

/// One alarm named for drills, in this state; none means that the alarm does not exist.
fn alarm(state: Option<AlarmState>) -> Alarms {
    ProbeResult::Known(vec![AlarmEvidence {
        name: "orders-late".into(),
        state,
        since: Some(ago(30)),
    }])
}

fn unreadable() -> Alarms {
    ProbeResult::Unknown(Cause::new(CauseKind::Throttled, "slow down"))
}

fn now() -> Now {
    Now {
        mode: WatcherMode::Automatic,
        hold: HoldState::None,
        blue: healthy(),
        green: healthy(),
        alarms: ProbeResult::Known(Vec::new()),
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

// ---- preconditions

fn policy_of(windows: &str) -> DrillPolicy {
    DrillPolicy {
        duration_minutes: 15,
        blocked_windows: BlockedWindows::read(windows),
        overdue_days: 0,
        alarms: Vec::new(),
    }
}
