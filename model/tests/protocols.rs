//! Every world is explored completely. The test prints the number of states; docs/internals/verification.md lists them.
#![allow(clippy::panic, missing_docs)]

use bluegreen_core::color::Color;
use bluegreen_model::{Budget, Model, Role, Writer};
use stateright::{Checker, Model as _};

fn explore(name: &str, model: Model) {
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!(
        "{name}: {} states, {} of them different, depth {}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth()
    );
    for (property, path) in checker.discoveries() {
        let wanted = checker.discovery_classification(property);
        if !matches!(wanted, stateright::DiscoveryClassification::Example) {
            let liveness_violations = path.last_state().liveness_violations();
            panic!(
                "{name}: not so: {property}\n{liveness_violations:?}\n{path}\n{:#?}",
                path.last_state()
            );
        }
    }
    checker.assert_properties();
}

#[test]
fn two_people_and_a_tick_with_a_death_a_lost_answer_and_a_stale_reading() {
    explore(
        "switches",
        Model {
            writers: vec![
                Writer::new("ana", Role::Person(Color::Green)),
                Writer::new("ben", Role::Forced(Color::Blue)),
                Writer::new("tick", Role::Tick),
            ],
            budget: Budget {
                deaths: 1,
                lost_answers: 1,
                stale_readings: 1,
                health_flips: 1,
                timeouts: 1,
                events: 1,
                ..Budget::default()
            },
            reaches: &["switch", "failover"],
        },
    );
}

#[test]
fn a_drill_and_two_ticks_with_deaths() {
    explore(
        "drill",
        Model {
            writers: vec![
                Writer::new("drill", Role::Drill),
                Writer::new("tick-1", Role::Tick),
                Writer::new("tick-2", Role::Tick),
            ],
            budget: Budget {
                deaths: 2,
                health_flips: 1,
                timeouts: 2,
                ..Budget::default()
            },
            reaches: &["drill-return", "drill succeeded", "drill failed", "drill interrupted"],
        },
    );
}

#[test]
fn a_drill_that_a_person_keeps_from_returning_and_two_ticks() {
    explore(
        "kept",
        Model {
            writers: vec![
                Writer::new("drill", Role::Drill),
                Writer::new("ana", Role::Keeper),
                Writer::new("tick-1", Role::Tick),
                Writer::new("tick-2", Role::Tick),
            ],
            budget: Budget {
                deaths: 1,
                lost_answers: 1,
                stale_readings: 1,
                holds: 1,
                timeouts: 1,
                ..Budget::default()
            },
            reaches: &["kept", "drill-return", "drill succeeded", "drill interrupted"],
        },
    );
}

#[test]
fn two_drills_a_person_and_a_tick() {
    explore(
        "drills",
        Model {
            writers: vec![
                Writer::new("drill-1", Role::Drill),
                Writer::new("drill-2", Role::Drill),
                Writer::new("ana", Role::Forced(Color::Green)),
                Writer::new("tick", Role::Tick),
            ],
            budget: Budget {
                stale_readings: 1,
                timeouts: 1,
                holds: 1,
                ..Budget::default()
            },
            reaches: &[
                "switch",
                "drill-return",
                "drill succeeded",
                "drill blocked",
                "drill interrupted",
            ],
        },
    );
}

#[test]
fn a_drill_with_lost_answers_stale_readings_and_a_hand_at_the_flag() {
    explore(
        "drill, disturbed",
        Model {
            writers: vec![
                Writer::new("drill", Role::Drill),
                Writer::new("tick-1", Role::Tick),
                Writer::new("tick-2", Role::Tick),
            ],
            budget: Budget {
                lost_answers: 1,
                stale_readings: 1,
                hand_edits: 1,
                timeouts: 1,
                ..Budget::default()
            },
            reaches: &["drill-return", "drill succeeded", "drill interrupted"],
        },
    );
}

#[test]
fn a_broken_flag_two_ticks_and_a_person() {
    explore(
        "repair",
        Model {
            writers: vec![
                Writer::new("tick-1", Role::Tick),
                Writer::new("tick-2", Role::Tick),
                Writer::new("ana", Role::Forced(Color::Green)),
            ],
            budget: Budget {
                deaths: 1,
                hand_edits: 1,
                deletions: 1,
                events: 1,
                ..Budget::default()
            },
            reaches: &["switch", "restore"],
        },
    );
}
