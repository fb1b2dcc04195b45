//! Asks both Airflows which DAG runs there were in a period and which of their tasks did something. Unanswered parts
//! are reported as gaps.
//!
//! There are four lists per environment, whatever the number of DAGs. Three contain runs: those that started in the
//! period, those that have been running since before it, and those that are queued. The fourth contains the task
//! instances of the period that are not skipped. The filter is the start, because Airflow 2 can filter runs by start
//! and by logical date only. A logical date may lie an interval of any length before the tick.
//!
//! New versions of Airflow 3 add states. For unfinished runs that show no work, everything that has begun is asked for:
//! one more list for each hundred of them.
//!
//! Some runs have ticks from before the period, and only one environment made them in the period. The other environment
//! may have made them long ago, so it is asked for the earlier runs of those DAGs. This is a fifth list, if there are
//! such runs.
//!
//! No list of runs contains a run that was never made. The active's DAGs show their next runs, so they are listed, too:
//! last, because there may be thousands of them, and the rest is valid without them. Their tags show since when they
//! have existed.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_mwaa::types::RestApiMethod;
use aws_smithy_types::Document;
use bluegreen_core::color::{Both, Color};
use bluegreen_core::run_report::{EnvironmentRuns, GUARD_TASK, NextRun, Period, Run, Task, since_of, to_look_up};
use bluegreen_core::settings::{EnvironmentSettings, Settings};
use bluegreen_core::time::{second_after, second_before};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::airflow_api::{AirflowApi, Pace, Question, Shape, count, text};
use crate::clients::{Clients, ColorClients};
use crate::health_probe::read_instant;

/// States in which a task instance has worked, or works. Skipped ones are left out: a standby has nothing else.
const AT_WORK: [&str; 7] = [
    "success",
    "failed",
    "running",
    "restarting",
    "up_for_retry",
    "up_for_reschedule",
    "deferred",
];

/// States in which a task instance does no work, although it may have a start: no state, and the states of a try that
/// is still to come.
const IDLE: [&str; 6] = ["", "skipped", "upstream_failed", "removed", "scheduled", "queued"];

/// The answer to a question for DAG runs.
pub(crate) const DAG_RUNS: Shape<(Run, bool)> = Shape {
    field: "dag_runs",
    what: "DAG runs",
    read: read_run,
};

/// The answer to a question for task instances.
pub(crate) const TASK_INSTANCES: Shape<Task> = Shape {
    field: "task_instances",
    what: "task instances",
    read: read_task,
};

/// Run ids in one question.
const RUNS_A_QUESTION: usize = 100;

/// The questions about runs.
#[derive(Debug)]
pub struct RunProbe {
    clients: Both<ColorClients>,
    settings: Both<EnvironmentSettings>,
}

impl RunProbe {
    /// The questions about the environments in the settings, over these clients.
    pub fn new(clients: &Clients, settings: &Settings) -> Self {
        Self {
            clients: clients.colors.clone(),
            settings: settings.environments.clone(),
        }
    }

    /// Asks both environments, and the active one for its DAGs' next runs.
    pub async fn ask(&self, period: &Period, active: Color, now: Timestamp, limit: Duration) -> Both<EnvironmentRuns> {
        let until = Instant::now().checked_add(limit).unwrap_or_else(Instant::now);
        let pace = Pace::new();
        let api = |color: Color| AirflowApi {
            mwaa: &self.clients.of(color).mwaa,
            environment: &self.settings.of(color).name,
            pace: &pace,
            until,
        };
        let (blue, green) = (api(Color::Blue), api(Color::Green));
        let apis = Both { blue, green };
        let (blue, green) = tokio::join!(runs_of(&apis.blue, period, now), runs_of(&apis.green, period, now));
        let mut told = Both { blue, green };
        let unknown = to_look_up(period, &told);
        let (blue, green) = tokio::join!(
            add_earlier_runs(&apis.blue, period, &unknown.blue, &mut told.blue),
            add_earlier_runs(&apis.green, period, &unknown.green, &mut told.green),
        );
        let ((), ()) = (blue, green);
        add_dags(apis.of(active), told.of_mut(active)).await;
        told
    }
}

async fn runs_of(api: &AirflowApi<'_>, period: &Period, now: Timestamp) -> EnvironmentRuns {
    // Slightly wider than the period: what is outside it is not judged.
    let (from, to) = (second_before(period.from), second_after(period.latest_start(now)));
    // Ordered by id, or pages may overlap.
    let runs = |query: &[(&str, &str)]| Question::get("/dags/~/dagRuns", &[query, &[("order_by", "id")]].concat());
    // Queued ones first: a run that begins in between is found by one of the questions. In the other order, by neither.
    let questions = [
        runs(&[("state", "queued")]),
        runs(&[("start_date_gte", &from), ("start_date_lte", &to)]),
        runs(&[("state", "running"), ("start_date_lte", &from)]),
    ];
    let mut told = EnvironmentRuns::default();
    let mut is_airflow_3 = false;
    for question in &questions {
        let listed = api.list(question, &DAG_RUNS).await;
        is_airflow_3 |= listed.entries.values().any(|(_, is_airflow_3)| *is_airflow_3);
        told.runs.extend(listed.entries.into_values().map(|(run, _)| run));
        if let Some(gap) = listed.gap {
            // An environment that does not respond is not asked repeatedly: the tick has other things to do.
            told.tasks_gap = Some(gap.clone());
            told.runs_gap = Some(gap);
            return told;
        }
    }
    if told.runs.is_empty() {
        return told;
    }
    let mut body = HashMap::from([
        ("start_date_gte".to_owned(), text(&from)),
        ("start_date_lte".to_owned(), text(&to)),
        ("state".to_owned(), Document::Array(AT_WORK.map(text).to_vec())),
    ]);
    if is_airflow_3 {
        // Airflow 2 refuses the field. If its pages overlap, the count reveals it.
        body.insert("order_by".to_owned(), text("id"));
    }
    let listed = api.list(&of_tasks(body), &TASK_INSTANCES).await;
    told.tasks.extend(listed.entries.into_values());
    told.tasks_gap = listed.gap;
    if is_airflow_3 && told.tasks_gap.is_none() {
        add_unknown_work(api, (&from, &to), &mut told).await;
    }
    told
}

/// Adds tasks in states that Airflow has added since, such as 3.3's `awaiting_input`. Older versions refuse a question
/// that names these states. So everything that began is asked for, but only for unfinished runs that show no other
/// work. Finished runs have known states.
async fn add_unknown_work(api: &AirflowApi<'_>, (from, to): (&str, &str), told: &mut EnvironmentRuns) {
    let at_work: BTreeSet<(&str, &str)> = told
        .tasks
        .iter()
        .filter(|task| task.task_id != GUARD_TASK)
        .map(|task| (task.dag_id.as_str(), task.run_id.as_str()))
        .collect();
    let idle: BTreeSet<(&str, &str)> = told
        .runs
        .iter()
        .filter(|run| run.has_begun_and_goes_on())
        .map(|run| (run.dag_id.as_str(), run.run_id.as_str()))
        .filter(|run| !at_work.contains(run))
        .collect();
    let idle: Vec<_> = idle.into_iter().collect();
    let mut found = Vec::new();
    for chunk in idle.chunks(RUNS_A_QUESTION) {
        let (dags, runs): (BTreeSet<&str>, BTreeSet<&str>) = chunk.iter().copied().unzip();
        let texts = |ids: BTreeSet<&str>| Document::Array(ids.into_iter().map(text).collect());
        let question = of_tasks(HashMap::from([
            ("dag_ids".to_owned(), texts(dags)),
            ("dag_run_ids".to_owned(), texts(runs)),
            ("start_date_gte".to_owned(), text(from)),
            ("start_date_lte".to_owned(), text(to)),
            ("order_by".to_owned(), text("id")),
        ]));
        let listed = api.list(&question, &TASK_INSTANCES).await;
        let unknown = |task: &Task| {
            let state = task.state.as_str();
            !AT_WORK.contains(&state) && !IDLE.contains(&state)
        };
        found.extend(listed.entries.into_values().filter(unknown));
        if listed.gap.is_some() {
            told.tasks_gap = listed.gap;
            break;
        }
    }
    told.tasks.extend(found);
}

/// The question for task instances of any DAG and run, as the body limits them.
pub(crate) fn of_tasks(body: HashMap<String, Document>) -> Question {
    Question {
        method: RestApiMethod::Post,
        path: "/dags/~/dagRuns/~/taskInstances/list".to_owned(),
        query: HashMap::new(),
        body: Some(body),
    }
}

/// Adds the runs of these DAGs that began before the period.
async fn add_earlier_runs(api: &AirflowApi<'_>, period: &Period, dags: &BTreeSet<String>, told: &mut EnvironmentRuns) {
    if dags.is_empty() {
        return;
    }
    if let Some(gap) = &told.runs_gap {
        told.earlier_gap = Some(gap.clone());
        return;
    }
    let ids = dags.iter().map(|id| text(id)).collect();
    let question = Question {
        method: RestApiMethod::Post,
        path: "/dags/~/dagRuns/list".to_owned(),
        query: HashMap::new(),
        body: Some(HashMap::from([
            ("dag_ids".to_owned(), Document::Array(ids)),
            ("start_date_lte".to_owned(), text(&second_after(period.from))),
            ("order_by".to_owned(), text("id")),
        ])),
    };
    let listed = api.list(&question, &DAG_RUNS).await;
    told.earlier.extend(
        listed
            .entries
            .into_values()
            .filter_map(|(run, _)| Some((run.dag_id, run.tick?))),
    );
    told.earlier_gap = listed.gap;
}

async fn add_dags(api: &AirflowApi<'_>, told: &mut EnvironmentRuns) {
    if let Some(gap) = &told.runs_gap {
        // Without them it is also unknown whether a DAG has reached its maximum number of runs.
        told.dags_gap = Some(gap.clone());
        return;
    }
    let shape = Shape {
        field: "dags",
        what: "DAGs",
        read: read_dag,
    };
    let listed = api
        .list(&Question::get("/dags", &[("order_by", "dag_id")]), &shape)
        .await;
    for (dag_id, Scheduling { next, since }) in listed.entries {
        told.next_runs.extend(next);
        if let Some(since) = since {
            told.since.insert(dag_id, since);
        }
    }
    told.dags_gap = listed.gap;
}

/// What a DAG's entry says about its runs.
struct Scheduling {
    next: Option<NextRun>,
    since: Option<Timestamp>,
}

/// A DAG has no next run if it is paused, without a schedule, triggered by assets, or at its end.
fn read_dag(document: &Document) -> Option<(String, Scheduling)> {
    let dag = document.as_object()?;
    let dag_id = dag.get("dag_id")?.as_string()?.to_owned();
    let is = |name: &str| dag.get(name).and_then(Document::as_bool);
    let next = next_run(dag)
        .filter(|_| !is("is_paused").unwrap_or(true))
        .map(|due| NextRun {
            dag_id: dag_id.clone(),
            due,
            max_active_runs: dag.get("max_active_runs").and_then(count),
            has_import_errors: is("has_import_errors").unwrap_or(false),
        });
    let since = since_of(tags(dag));
    Some((dag_id, Scheduling { next, since }))
}

/// When the next scheduled run of a DAG is due, as either generation of Airflow lists it.
pub(crate) fn next_run(dag: &HashMap<String, Document>) -> Option<Timestamp> {
    ["next_dagrun_run_after", "next_dagrun_create_after"]
        .into_iter()
        .find_map(|name| read_instant(dag.get(name)?.as_string()?))
}

/// The tags of a DAG, as either generation of Airflow lists them.
pub(crate) fn tags(dag: &HashMap<String, Document>) -> impl Iterator<Item = &str> {
    let listed = dag
        .get("tags")
        .and_then(Document::as_array)
        .map_or(&[][..], Vec::as_slice);
    listed
        .iter()
        .filter_map(|tag| tag.as_object()?.get("name")?.as_string())
}

/// The run, and whether the entry is from Airflow 3.
pub(crate) fn read_run(document: &Document) -> Option<(String, (Run, bool))> {
    let run = document.as_object()?;
    let words = |name: &str| run.get(name).and_then(Document::as_string).map(str::to_owned);
    let instant = |name: &str| run.get(name).and_then(Document::as_string).and_then(read_instant);
    let (dag_id, run_id) = (words("dag_id")?, words("dag_run_id")?);
    let run_after = instant("run_after");
    let conf = run.get("conf").and_then(Document::as_object);
    let read = Run {
        run_type: words("run_type").unwrap_or_default(),
        state: words("state")?,
        logical_date: instant("logical_date"),
        tick: run_after.or_else(|| instant("data_interval_end")),
        started: instant("start_date"),
        conf_instant: conf
            .and_then(|conf| conf.get("bluegreen_instant")?.as_string())
            .and_then(read_instant),
        dag_id,
        run_id,
    };
    let key = format!("{}\n{}", read.dag_id, read.run_id);
    Some((key, (read, run_after.is_some())))
}

fn read_task(document: &Document) -> Option<(String, Task)> {
    let task = document.as_object()?;
    let words = |name: &str| task.get(name).and_then(Document::as_string).map(str::to_owned);
    let read = Task {
        dag_id: words("dag_id")?,
        run_id: words("dag_run_id")?,
        task_id: words("task_id")?,
        state: words("state").unwrap_or_default(),
        ended: words("end_date").as_deref().and_then(read_instant),
    };
    // A mapped task has many instances.
    let index = task
        .get("map_index")
        .map(|index| format!("{index:?}"))
        .unwrap_or_default();
    let key = format!("{}\n{}\n{}\n{index}", read.dag_id, read.run_id, read.task_id);
    Some((key, read))
}
