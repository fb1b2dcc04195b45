//! The answers of both environments, indexed for the comparison.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::period::Period;
use crate::airflow::{GUARD_TASK, NextRun, Run, Task};
use crate::color::{Both, Color};
use crate::health::Cause;

/// The answers of one environment's Airflow.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentRuns {
    /// Runs that started in the period, and all that are queued or running.
    pub runs: Vec<Run>,
    /// Why some of the runs are missing.
    pub runs_gap: Option<Cause>,
    /// Task instances that started since the period began and are not skipped.
    pub tasks: Vec<Task>,
    /// Why some of the task instances are missing.
    pub tasks_gap: Option<Cause>,
    /// Runs with old ticks that this environment created before the period, of the DAGs from [`to_look_up`].
    pub earlier: BTreeSet<(String, Timestamp)>,
    /// Why some of these runs are missing.
    pub earlier_gap: Option<Cause>,
    /// Instants of the DAGs' tags `bluegreen:since`. Only of the active environment, because both have the same DAG
    /// files.
    pub since: BTreeMap<String, Timestamp>,
    /// Next runs; only of the active environment.
    pub next_runs: Vec<NextRun>,
    /// Why some of the next runs are missing.
    pub dags_gap: Option<Cause>,
}

/// What the tasks of one run show.
#[derive(Debug, Default)]
pub(super) struct Work<'a> {
    pub(super) guard: Option<&'a Task>,
    /// A task other than the guard succeeded.
    pub(super) succeeded: bool,
    /// A task other than the guard failed or is in progress. This shows nothing before the guard has let the run
    /// continue: tasks that do not depend on the guard start, request its decision, and fail if there is none.
    pub(super) began: bool,
}

/// One environment's answers, indexed for the comparison.
pub(super) struct Side<'a> {
    pub(super) told: &'a EnvironmentRuns,
    pub(super) color: Color,
    pub(super) work: BTreeMap<(&'a str, &'a str), Work<'a>>,
}

/// What makes runs of two environments the same run. Only the scheduler creates one in both.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    Scheduled(&'a str, Option<Timestamp>, &'a str),
    Own(Color, &'a str, &'a str),
}

/// DAGs of which one environment created runs with old ticks in the period, and the other's lists lack these runs. The
/// other may have created them long ago, for example if this one's database is new, so it must be asked.
#[must_use]
pub fn to_look_up(period: &Period, told: &Both<EnvironmentRuns>) -> Both<BTreeSet<String>> {
    told.map(|color, own| {
        let own: BTreeSet<_> = own.runs.iter().map(|run| Key::of(color, run)).collect();
        let of_other = &told.of(color.other()).runs;
        of_other
            .iter()
            .filter(|run| {
                is_of_old_tick(run, period) && was_made_in(run, period) && !own.contains(&Key::of(color, run))
            })
            .map(|run| run.dag_id.clone())
            .collect()
    })
}

impl<'a> Key<'a> {
    pub(super) fn of(color: Color, run: &'a Run) -> Self {
        if !run.is_scheduled() {
            return Self::Own(color, &run.dag_id, &run.run_id);
        }
        // Airflow 2 and 3 name the same run differently, and for the same tick have logical dates that are one interval
        // apart.
        match run.tick.or(run.logical_date) {
            Some(date) => Self::Scheduled(&run.dag_id, Some(date), ""),
            None => Self::Scheduled(&run.dag_id, None, &run.run_id),
        }
    }
}

impl<'a> Side<'a> {
    pub(super) fn of(color: Color, told: &'a EnvironmentRuns) -> Self {
        let mut work: BTreeMap<(&str, &str), Work<'_>> = BTreeMap::new();
        for task in &told.tasks {
            let of_run = work.entry((&task.dag_id, &task.run_id)).or_default();
            if task.task_id == GUARD_TASK {
                of_run.guard = Some(task);
            } else if task.state == "success" {
                of_run.succeeded = true;
            } else {
                of_run.began = true;
            }
        }
        Self { told, color, work }
    }

    /// The scheduled runs, by DAG and tick.
    pub(super) fn made(&self) -> BTreeMap<(&'a str, Timestamp), &'a Run> {
        let scheduled = self.told.runs.iter().filter(|run| run.is_scheduled());
        scheduled
            .filter_map(|run| Some(((run.dag_id.as_str(), run.tick?), run)))
            .collect()
    }

    /// The runs of each DAG that count against its `max_active_runs`. A run that is in two lists counts once.
    pub(super) fn under_way(&self) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
        let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for run in &self.told.runs {
            if !run.is_finished() && run.run_type != "backfill" {
                found.entry(&run.dag_id).or_default().insert(&run.run_id);
            }
        }
        found
    }
}

pub(super) fn is_of_old_tick(run: &Run, period: &Period) -> bool {
    run.is_scheduled() && run.tick.is_some_and(|tick| tick < period.from)
}

/// Whether the run started in the period.
pub(super) fn was_made_in(run: &Run, period: &Period) -> bool {
    run.started
        .is_some_and(|started| started >= period.from && started <= period.to)
}
