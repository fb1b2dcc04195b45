//! Runs of DAGs: [`crate::runs`] judges each tick, and in peace the DAGs are paused, or not, as they should be.

use super::{Checked, Rule};
use crate::clock::Milliseconds;
use crate::world::World;

/// What the Airflows have found, and how their DAGs are.
#[derive(Debug)]
pub struct DagRuns;

impl Rule for DagRuns {
    fn look(&mut self, world: &World, _now: Milliseconds) -> Checked {
        world.airflow.runs.violation.clone().map_or(Ok(()), Err)
    }

    /// docs/features/dag-management.md: `settled` is "the active's DAGs run, the standby's are paused".
    fn peace(&mut self, world: &World, _now: Milliseconds) -> Checked {
        let Some(active) = world.active() else { return Ok(()) };
        let wrong = world.airflow.not_as_intended(active);
        if wrong.is_empty() {
            return Ok(());
        }
        let what = format!("{active} is active, and {}", wrong.join(", "));
        Err(("dags-as-intended", what))
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::color::Color;
    use serde_json::json;

    use super::*;
    use crate::airflow::Airflow;
    use crate::clock::HOUR;
    use crate::invariants::testing::{START, settings, world};

    /// A world in which the flag is blue; whether the standby's DAGs are to be paused.
    fn blue(manages: bool) -> World {
        let mut world = world();
        let set: &[(&str, &str)] = if manages { &[("DAG_MANAGEMENT", "pause")] } else { &[] };
        world.airflow = Airflow::new(1, &settings(set), START);
        let flag = world.names.flag().to_owned();
        let request = json!({"Name": flag, "Value": "blue", "Type": "String"});
        let _written = world.store.call("PutParameter", &request, "ana", START, 0);
        world.airflow.flag_changed(world.store.truth(&flag));
        world
    }

    fn found(world: &World) -> Option<&'static str> {
        let checked = DagRuns.look(world, START).and_then(|()| DagRuns.peace(world, START));
        checked.err().map(|(rule, _)| rule)
    }

    #[test]
    fn both_make_every_run_and_one_executes_it() {
        let mut world = blue(false);
        world.run_dags(START + 6 * HOUR);
        assert_eq!(found(&world), None);
        assert!(world.airflow.runs.once >= 28, "{}", world.airflow.runs.once);
        assert!(
            world.airflow.runs.excused.is_empty(),
            "{:?}",
            world.airflow.runs.excused
        );
    }

    #[test]
    fn the_judge_ends_the_history() {
        let mut world = blue(false);
        world.airflow.runs.violation = Some(("executed-by-both", "hourly".to_owned()));
        assert_eq!(found(&world), Some("executed-by-both"));
    }

    #[test]
    fn in_peace_dags_run_where_they_should() {
        // Nothing is managed: a person's pause is the only one.
        let mut world = blue(false);
        assert_eq!(found(&world), None);
        world.airflow.set_paused(Color::Green, 0, true, START);
        assert_eq!(found(&world), Some("dags-as-intended"));
        // Managed: the standby's are paused, the active's are not, and what a person paused stays so.
        let mut world = blue(true);
        assert_eq!(found(&world), Some("dags-as-intended"));
        for number in 0..world.airflow.dags.len() {
            world.airflow.set_paused(Color::Green, number, true, START);
        }
        assert_eq!(found(&world), None);
        let rests = world.airflow.dags.iter().position(|dag| dag.rests).unwrap();
        world.airflow.set_paused(Color::Blue, rests, false, START);
        assert_eq!(found(&world), Some("dags-as-intended"));
    }

    #[test]
    fn a_new_dag_is_excused_that_was_paused_while_the_active_could_not_be_listed() {
        for is_blind in [false, true] {
            let mut world = blue(true);
            for number in 0..world.airflow.dags.len() {
                world.airflow.set_paused(Color::Green, number, true, START);
            }
            let new = world.airflow.dags.len();
            world.airflow.add(3, true, START);
            world.airflow.sides.green.dags[new].is_there = true;
            world.airflow.set_paused(Color::Green, new, true, START);
            if is_blind {
                world.airflow.set_blindly(Color::Green, START);
            }
            // After the failover.
            let wrong = world.airflow.not_as_intended(Color::Green);
            let is_found = wrong.iter().any(|line| line == "new-4 is paused on green");
            assert_eq!(is_found, !is_blind, "{wrong:?}");
        }
    }

    #[test]
    fn a_dead_standby_makes_no_run_and_makes_up_for_it() {
        let mut world = blue(false);
        world.environments.green.stop(START);
        world.run_dags(START + 6 * HOUR);
        assert_eq!(world.airflow.runs.once, 0);
        world.environments.green.start(START + 6 * HOUR);
        world.run_dags(START + 6 * HOUR);
        world.run_dags(START + 7 * HOUR);
        assert_eq!(found(&world), None);
        assert!(world.airflow.runs.once >= 28, "{}", world.airflow.runs.once);
    }
}
