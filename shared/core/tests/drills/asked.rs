//! The catalog's description of the preconditions matches the functions that evaluate them.

use std::collections::BTreeSet;

use bluegreen_core::decision::{declared_failover_preconditions, failover_preconditions};
use bluegreen_core::health::Assessment;
use bluegreen_core::precondition::{Asker, Precondition};

use super::*;

/// Preconditions that no function of the core evaluates: the switch-handler does, for a request, a drill's probe and a
/// claim.
const ASKED_ELSEWHERE: [PreconditionName; 3] = [
    PreconditionName::Expect,
    PreconditionName::Readiness,
    PreconditionName::Claim,
];

fn of_the_catalog(asker: Asker) -> BTreeSet<&'static str> {
    PreconditionName::ALL
        .iter()
        .filter(|precondition| {
            precondition.entry().asked_by.contains(&asker) && !ASKED_ELSEWHERE.contains(precondition)
        })
        .map(|precondition| precondition.as_str())
        .collect()
}

fn objecting(preconditions: impl IntoIterator<Item = Precondition>) -> BTreeSet<&'static str> {
    let failed = preconditions.into_iter().filter(|precondition| !precondition.passed);
    failed.map(|precondition| precondition.name.as_str()).collect()
}

/// Every precondition that can object does, whatever the state of the standby and the flag.
fn policy() -> Policy {
    Policy {
        cooldown: seconds(7200),
        mode: WatcherMode::Observe,
        ..Policy::default()
    }
}

fn hold() -> HoldState {
    HoldState::Invalid("{".into())
}

/// The flag, with and without a color; and the standby in each state.
fn situations() -> Vec<(&'static str, Assessment)> {
    let standbys = || {
        [
            dead(),
            healthy(),
            healthy().status("UPDATING"),
            healthy().everything_unknown(CauseKind::Throttled),
        ]
    };
    ["blue", "Blue"]
        .into_iter()
        .flat_map(|value| standbys().map(|standby| (value, standby.assessed(&policy()))))
        .collect()
}

#[test]
fn an_automatic_failover_is_stopped_by_what_the_catalog_says_and_by_nothing_else() {
    let observing = tick().policy(|policy| policy.mode = WatcherMode::Observe).blue(dead());
    let mut found: BTreeSet<&str> = observing
        .decide()
        .blocked_by()
        .into_iter()
        .map(PreconditionName::as_str)
        .collect();
    for (value, standby) in situations() {
        for recent in [Some(100), None] {
            let state = tick().hold(hold()).recent(recent).control;
            let flag = flag(value, 12, 3600);
            found.extend(objecting(failover_preconditions(
                &policy(),
                &state,
                &flag,
                &standby,
                Color::Green,
                noon(),
            )));
        }
    }
    assert_eq!(found, of_the_catalog(Asker::AutomaticFailover));
}

#[test]
fn a_person_is_stopped_by_what_the_catalog_says_and_by_nothing_else() {
    let (mut switch, mut rollback, mut failover) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (hold, stored) = (hold(), json!(drill(ago(60))).to_string());
    let control = SwitchControl {
        hold: &hold,
        drill: Some(&stored),
    };
    let active = healthy().assessed(&policy());
    for (value, standby) in situations() {
        // Green is the color to which the drill has switched.
        for flag in [flag("green", 13, 3600), flag(value, 13, 3600)] {
            for (kind, found) in [(Kind::Switch, &mut switch), (Kind::Rollback, &mut rollback)] {
                let preconditions =
                    switch_preconditions(&policy(), kind, &flag, &control, Color::Green, &standby, noon());
                found.extend(objecting(preconditions));
            }
            let (of_active, of_standby) = ((Color::Blue, &active), (Color::Green, &standby));
            failover.extend(objecting(declared_failover_preconditions(
                &flag, &control, of_active, of_standby,
            )));
        }
    }
    assert_eq!(switch, of_the_catalog(Asker::Switch));
    assert_eq!(rollback, of_the_catalog(Asker::Rollback));
    assert_eq!(failover, of_the_catalog(Asker::Failover));
}

#[test]
fn a_drill_is_stopped_by_what_the_catalog_says_and_by_nothing_else() {
    let mut found = BTreeSet::new();
    let drills = policy_of("MON:08:00-FRI:18:00");
    let alarms = ProbeResult::Unknown(Cause::new(CauseKind::Throttled, "slow"));
    let stored = json!(drill(ago(60))).to_string();
    for (value, standby) in situations() {
        for blue in [healthy().assessed(&policy()), standby.clone()] {
            let verdicts = Both {
                blue,
                green: standby.clone(),
            };
            found.extend(objecting(preconditions(
                &policy(),
                &drills,
                (Mode::Switch, 15),
                &flag(value, 12, 3600),
                &hold(),
                Some(&stored),
                &verdicts,
                &alarms,
                noon(),
            )));
        }
    }
    assert_eq!(found, of_the_catalog(Asker::Drill));
}
