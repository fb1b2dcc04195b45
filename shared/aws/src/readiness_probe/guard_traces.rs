//! What Airflow's lists show about the standby's guard: two requests in a calm pair, four at most.
//!
//! A few runs are enough: a package that is missing is missing in all DAGs. Only runs that have ended count, because
//! their task instances do not change while one list is read after the other. Of the newest hundred runs, the newest of
//! each DAG is taken, at most ten. However DAG ids and run ids are combined, their guards fit into one page, so that an
//! absence is certain.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_smithy_types::Document;
use bluegreen_core::color::Color;
use bluegreen_core::health::{Cause, ProbeResult};
use bluegreen_core::readiness::GuardTraces;
use bluegreen_core::run_report::{GUARD_TASK, Run};
use bluegreen_core::time::second_before;
use jiff::Timestamp;

use crate::airflow_api::{AirflowApi, Question, text};
use crate::run_probe::{DAG_RUNS, TASK_INSTANCES, of_tasks};

/// Runs that are examined. The square of this number is a page.
const RUNS: usize = 10;

/// The input of the questions.
pub(super) struct Asked<'a> {
    /// The color that stands by.
    pub(super) color: Color,
    /// The Airflow of the standby.
    pub(super) standby: &'a AirflowApi<'a>,
    /// The Airflow of the active.
    pub(super) active: &'a AirflowApi<'a>,
    /// DAGs of the standby that may have a guard.
    pub(super) dags: BTreeSet<&'a str>,
    /// DAGs of the active. It must not be asked about others: Airflow 2 then refuses the whole question.
    pub(super) dags_of_active: BTreeSet<&'a str>,
    /// The earliest start of the runs.
    pub(super) since: Timestamp,
}

/// The DAG and the run of one task instance.
type Of = (String, String);

impl Asked<'_> {
    /// Asks for the traces. The active's runs are asked for only if a DAG of the standby is bare.
    pub(super) async fn traces(&self) -> Result<GuardTraces, Cause> {
        let mut traces = GuardTraces {
            standby: self.color,
            guarded: None,
            bare: BTreeMap::new(),
            guarded_on_active: ProbeResult::Known(BTreeSet::new()),
        };
        let runs = if self.dags.is_empty() {
            Vec::new()
        } else {
            self.finished_runs().await?
        };
        if runs.is_empty() {
            return Ok(traces);
        }
        let (guards, is_whole) = tasks(self.standby, &of_runs(&runs, Some(GUARD_TASK))).await?;
        let (guarded, bare): (Vec<_>, Vec<_>) = runs.into_iter().partition(|(key, _)| guards.contains(key));
        traces.guarded = guarded.into_iter().map(|(_, began)| began).max();
        if bare.is_empty() || !is_whole {
            return Ok(traces);
        }
        // Tasks other than a guard that have succeeded, from the first page only: nothing depends on their absence.
        let (done, _) = tasks(self.standby, &of_runs(&bare, None)).await?;
        traces.bare = bare
            .into_iter()
            .filter(|(key, _)| done.contains(key))
            .map(|((dag_id, _), began)| (dag_id, began))
            .collect();
        let ids = traces.bare.keys().map(String::as_str);
        let known: BTreeSet<&str> = ids.filter(|id| self.dags_of_active.contains(id)).collect();
        if !known.is_empty() {
            traces.guarded_on_active = match tasks(self.active, &self.guards_of(&known)).await {
                Ok((guards, _)) => ProbeResult::Known(guards.into_iter().map(|(dag_id, _)| dag_id).collect()),
                Err(cause) => ProbeResult::Unknown(cause),
            };
        }
        Ok(traces)
    }

    /// The newest run of each DAG that has succeeded, newest first, and when it began.
    async fn finished_runs(&self) -> Result<Vec<(Of, Timestamp)>, Cause> {
        let question = Question::get(
            "/dags/~/dagRuns",
            &[
                ("state", "success"),
                ("start_date_gte", &second_before(self.since)),
                ("order_by", "-start_date"),
            ],
        );
        let (listed, _) = self.standby.first_page(&question, &DAG_RUNS).await?;
        let mut runs: Vec<(Timestamp, Run)> = listed
            .into_iter()
            .filter_map(|(run, _)| Some((run.started?, run)))
            .filter(|(began, run)| {
                *began >= self.since && run.state == "success" && self.dags.contains(run.dag_id.as_str())
            })
            .collect();
        runs.sort_by(|(left, _), (right, _)| right.cmp(left));
        let mut dags = BTreeSet::new();
        Ok(runs
            .into_iter()
            .filter(|(_, run)| dags.insert(run.dag_id.clone()))
            .take(RUNS)
            .map(|(began, run)| ((run.dag_id, run.run_id), began))
            .collect())
    }

    fn guards_of(&self, dags: &BTreeSet<&str>) -> HashMap<String, Document> {
        HashMap::from([
            ("dag_ids".to_owned(), array(dags.iter().copied())),
            ("task_ids".to_owned(), array([GUARD_TASK])),
            ("start_date_gte".to_owned(), text(&second_before(self.since))),
        ])
    }
}

/// The task instances of these runs: those of one task, or those that have succeeded.
fn of_runs(runs: &[(Of, Timestamp)], task: Option<&str>) -> HashMap<String, Document> {
    let dags: BTreeSet<&str> = runs.iter().map(|((dag_id, _), _)| dag_id.as_str()).collect();
    let ids: BTreeSet<&str> = runs.iter().map(|((_, run_id), _)| run_id.as_str()).collect();
    let (name, only) = match task {
        Some(task) => ("task_ids", task),
        None => ("state", "success"),
    };
    HashMap::from([
        ("dag_ids".to_owned(), array(dags)),
        ("dag_run_ids".to_owned(), array(ids)),
        (name.to_owned(), array([only])),
    ])
}

fn array<'a>(words: impl IntoIterator<Item = &'a str>) -> Document {
    Document::Array(words.into_iter().map(text).collect())
}

/// The runs that have such task instances, as far as the first page contains them, and whether it contains them all.
/// The question is either only for guards, or guards are not counted. This is checked here as well, because Airflow may
/// ignore a field that it does not know.
async fn tasks(api: &AirflowApi<'_>, body: &HashMap<String, Document>) -> Result<(BTreeSet<Of>, bool), Cause> {
    let wants_guards = body.contains_key("task_ids");
    let (listed, is_whole) = api.first_page(&of_tasks(body.clone()), &TASK_INSTANCES).await?;
    let found = listed
        .into_iter()
        .filter(|task| {
            let is_guard = task.task_id == GUARD_TASK;
            is_guard == wants_guards && (is_guard || task.state == "success")
        })
        .map(|task| (task.dag_id, task.run_id))
        .collect();
    Ok((found, is_whole))
}
