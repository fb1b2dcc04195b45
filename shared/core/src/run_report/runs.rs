//! What both environments were asked for, made ready for questions.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::period::Period;
use crate::airflow::{GUARD_TASK, NextRun, Run, Task};
use crate::color::{Both, Color};
use crate::health::Cause;

/// What one environment's Airflow told.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentRuns {
    /// Runs that started in the period, and all that are queued or running.
    pub runs: Vec<Run>,
    /// Why some of them are not here.
    pub runs_gap: Option<Cause>,
    /// Task instances that started since the period began and are not skipped.
    pub tasks: Vec<Task>,
    /// Why some of them are not here.
    pub tasks_gap: Option<Cause>,
    /// Runs with old ticks that this environment made before the period, of the DAGs asked for by [`to_look_up`].
    pub earlier: BTreeSet<(String, Timestamp)>,
    /// Why some of those are not here.
    pub earlier_gap: Option<Cause>,
    /// Instants of the DAGs' tags `bluegreen:since`; of the active environment alone, whose DAG files are the other's too.
    pub since: BTreeMap<String, Timestamp>,
    /// Next runs; of the active environment alone.
    pub next_runs: Vec<NextRun>,
    /// Why some of them are not here.
    pub dags_gap: Option<Cause>,
}

/// What the tasks of one run tell.
#[derive(Debug, Default)]
pub(super) struct Work<'a> {
    pub(super) guard: Option<&'a Task>,
    /// A task beside the guard succeeded.
    pub(super) succeeded: bool,
    /// A task beside the guard failed or is at work. Says nothing before the guard has let the run go on: tasks that do
    /// not wait for it begin, ask for its decision, and fail if there will be none.
    pub(super) began: bool,
}

/// One environment, made ready for questions.
pub(super) struct Side<'a> {
    pub(super) told: &'a EnvironmentRuns,
    pub(super) color: Color,
    pub(super) work: BTreeMap<(&'a str, &'a str), Work<'a>>,
}

/// What makes two environments' runs the same run. Only the scheduler makes one in both.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    Scheduled(&'a str, Option<Timestamp>, &'a str),
    Own(Color, &'a str, &'a str),
}

/// DAGs of which one environment made runs with old ticks in the period that the other's lists do not have. It may have made
/// them long ago, as where this one's database is new: the other is to be asked.
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
        // Airflow 2 and 3 name the same run differently, and for the same tick have logical dates an interval apart.
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

    /// The scheduled runs by DAG and tick.
    pub(super) fn made(&self) -> BTreeMap<(&'a str, Timestamp), &'a Run> {
        let scheduled = self.told.runs.iter().filter(|run| run.is_scheduled());
        scheduled
            .filter_map(|run| Some(((run.dag_id.as_str(), run.tick?), run)))
            .collect()
    }

    /// The runs of each DAG that count against its `max_active_runs`. One that is in two lists counts once.
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

/// Whether it began in the period.
pub(super) fn was_made_in(run: &Run, period: &Period) -> bool {
    run.started
        .is_some_and(|started| started >= period.from && started <= period.to)
}
