//! The rollout in a small world with an adversary, explored whole.
//!
//! The adversary moves between the observation and the step that follows from it, and while CloudFormation works: it
//! fails over, switches, ends or replaces holds, lets updates roll back, environments fail, runs begin, and kills the
//! command. Whatever it does, at most one color is under change, never the active one, and every state can be finished
//! or aborted.

#![expect(
    clippy::struct_excessive_bools,
    reason = "a small world is made of what is so or not"
)]

mod world;

use std::collections::HashMap;

use bluegreen_core::color::Color;
use bluegreen_environments::rollout::{Ending, Goal, Step};

use world::{Hold, NEW, Op, Scenario, Target, World, explore};

const FORWARD: Scenario = Scenario {
    goal: Goal::Forward,
    major: false,
    yes: false,
    replace: false,
    to: None,
    looks_at_flag: true,
    looks_at_hold: true,
};

fn scenarios() -> [Scenario; 3] {
    [
        FORWARD,
        Scenario {
            major: true,
            yes: true,
            replace: true,
            ..FORWARD
        },
        Scenario { major: true, ..FORWARD },
    ]
}

fn is_all(world: &World, target: Target) -> bool {
    Color::BOTH.iter().all(|color| {
        let environment = world.colors.of(*color);
        matches!(environment.op, Op::Rest | Op::RolledBack)
            && environment.stack_new == target.stack_new
            && environment.dags_new == target.dags_new
    })
}

#[test]
fn whatever_happens_one_color_is_changed_and_it_is_the_standby_and_all_can_be_finished() {
    for scenario in scenarios() {
        let worlds = explore([World::new(3)], scenario);
        println!("{scenario:?}: {} worlds", worlds.len());
        let (mut known, mut finished) = (HashMap::new(), 0);
        for world in &worlds {
            // It ends: by Done, or by Stop.
            world.run(scenario, &mut known);
            // Whoever repairs what ails the pair and runs the command again finishes it.
            let end = world.repaired().run(scenario, &mut known);
            let step = end.is_over().unwrap();
            assert_eq!(*step, Step::Done(Ending::Finished), "from {world:?}\nto {end:?}");
            assert!(is_all(&end, NEW), "{end:?}");
            assert_eq!(end.hold, Hold::None, "from {world:?}");
            finished += 1;
        }
        assert!(finished > 1000);
    }
}

#[test]
fn whatever_happens_it_can_be_aborted_while_the_old_configuration_exists() {
    for scenario in scenarios() {
        let worlds = explore([World::new(2)], scenario);
        let abort = Scenario {
            goal: Goal::Abort,
            ..scenario
        };
        // The abort has an adversary of its own.
        let starts = worlds.iter().map(|world| {
            let mut world = world.repaired();
            world.budget = 1;
            world
        });
        let all = explore(starts, abort);
        println!("{abort:?}: {} worlds", all.len());
        let (mut known, mut back, mut lost, mut asked) = (HashMap::new(), 0, 0, 0);
        for world in &all {
            let end = world.repaired().run(abort, &mut known);
            match end.is_over().unwrap() {
                Step::Done(_) => {
                    let blue = end.colors.of(Color::Blue);
                    let target = Target {
                        stack_new: blue.stack_new,
                        dags_new: blue.dags_new,
                    };
                    assert!(is_all(&end, target), "the colors differ: from {world:?}\nto {end:?}");
                    assert_eq!(end.hold, Hold::None, "{world:?}");
                    if !target.stack_new {
                        back += 1;
                    }
                }
                // Nothing is guessed; whichever color a person names, both have what it has.
                Step::Stop { why, .. } if why.contains("Ask") => {
                    asked += 1;
                    for color in Color::BOTH {
                        let named = Scenario {
                            to: Some(color),
                            ..abort
                        };
                        let source = end.colors.of(color);
                        let target = Target {
                            stack_new: source.stack_new,
                            dags_new: source.dags_new,
                        };
                        let end = end.repaired().run(named, &mut HashMap::new());
                        assert_eq!(end.is_over(), Some(&Step::Done(Ending::Finished)), "from {world:?}");
                        assert!(is_all(&end, target), "not as {color}: from {world:?}\nto {end:?}");
                    }
                }
                // Only where a hold said that the old configuration is gone.
                Step::Stop { why, .. } => {
                    assert!(why.contains("Lost"), "{why} from {world:?}");
                    lost += 1;
                }
                _ => unreachable!(),
            }
        }
        assert!(back > 1000 && lost > 0 && asked > 0, "{back} {lost} {asked}");
    }
}

#[test]
fn an_abort_of_an_undisturbed_rollout_goes_back_from_every_place_before_the_last_change() {
    for scenario in scenarios() {
        let abort = Scenario {
            goal: Goal::Abort,
            ..scenario
        };
        let mut back = 0;
        for world in explore([World::new(0)], scenario) {
            let blue = world.colors.of(Color::Blue);
            let changed = blue.stack_new || blue.dags_new || !matches!(blue.op, Op::Rest);
            if changed {
                continue;
            }
            let end = world.repaired().run(abort, &mut HashMap::new());
            assert_eq!(end.is_over(), Some(&Step::Done(Ending::Finished)));
            let old = Target {
                stack_new: false,
                dags_new: false,
            };
            assert!(is_all(&end, old), "from {world:?}\nto {end:?}");
            back += 1;
        }
        assert!(back > 10, "{back}");
    }
}

// The tests above must be able to fail: both looks right before a change are needed.

#[test]
#[should_panic(expected = "the active color is changed")]
fn without_a_second_look_at_the_flag_the_active_is_changed() {
    explore(
        [World::new(1)],
        Scenario {
            looks_at_flag: false,
            ..FORWARD
        },
    );
}

#[test]
#[should_panic(expected = "changed without the rollout's hold")]
fn without_a_second_look_at_the_hold_two_rollouts_work_at_once() {
    explore(
        [World::new(1)],
        Scenario {
            looks_at_hold: false,
            ..FORWARD
        },
    );
}
