//! Airflow's DAGs and import errors. The fields that are read are the same in both generations of its API.

use aws_smithy_types::Document;
use bluegreen_core::health::{Cause, ProbeResult};
use bluegreen_core::readiness::{Dag, DagList, ImportErrors};
use bluegreen_core::run_report::since_of;
use bluegreen_core::time::{second_after, second_before};
use jiff::Timestamp;

use crate::airflow_api::{AirflowApi, Question, Shape, count, other_shape};
use crate::run_probe::{next_run, read_run, tags};

/// Import errors that are asked for. Airflow 3 counts one row for every DAG of a file but returns each file once, so
/// its pages are unreliable; the first page is enough to show that something is broken.
const IMPORT_ERRORS: u64 = 50;

/// Files that cannot be imported.
pub(super) async fn import_errors(api: &AirflowApi<'_>) -> ProbeResult<ImportErrors> {
    let question = Question::get("/importErrors", &[]);
    match api.first(&question, IMPORT_ERRORS).await {
        Ok(document) => read_import_errors(&document).map_or_else(
            || ProbeResult::Unknown(other_shape("/importErrors")),
            ProbeResult::Known,
        ),
        Err(cause) => ProbeResult::Unknown(cause),
    }
}

/// The tags of a DAG that the guard leaves alone, and of one that has the guard where only tagged DAGs have it.
const UNGUARDED_TAG: &str = "bluegreen:unguarded";
const GUARDED_TAG: &str = "bluegreen:guarded";

/// Runs with old ticks that are asked for, those with the oldest ticks first: enough to name the DAGs.
const OLD_TICKS: u64 = 100;

/// Scheduled runs that began since then and have ticks from before.
pub(super) async fn old_ticks(
    api: &AirflowApi<'_>,
    is_airflow_2: bool,
    since: Timestamp,
) -> Result<Vec<(String, Timestamp)>, Cause> {
    // Airflow 2 knows only the beginning of an interval; a run whose interval ended later is filtered out below.
    let (before, order) = if is_airflow_2 {
        ("execution_date_lte", "execution_date")
    } else {
        ("run_after_lte", "run_after")
    };
    // Wider than necessary: surplus runs are filtered out below, but runs that were not asked for would be missing.
    let question = Question::get(
        "/dags/~/dagRuns",
        &[
            ("start_date_gte", &second_before(since)),
            (before, &second_after(since)),
            ("order_by", order),
        ],
    );
    let document = api.first(&question, OLD_TICKS).await?;
    let runs = document
        .as_object()
        .and_then(|fields| fields.get("dag_runs")?.as_array())
        .ok_or_else(|| other_shape("/dags/~/dagRuns"))?;
    let read = runs.iter().filter_map(read_run).map(|(_, (run, _))| run);
    Ok(read
        .filter(|run| {
            let is_since = run.started.is_some_and(|started| started >= since);
            run.run_type == "scheduled" && is_since && run.tick.is_some_and(|tick| tick < since)
        })
        .filter_map(|run| Some((run.dag_id, run.tick?)))
        .collect())
}

/// All DAGs of the environment.
pub(super) async fn dags(api: &AirflowApi<'_>) -> DagList {
    let shape = Shape {
        field: "dags",
        what: "DAGs",
        read: read_dag,
    };
    let listed = api
        .list(&Question::get("/dags", &[("order_by", "dag_id")]), &shape)
        .await;
    DagList {
        dags: listed.entries,
        total: listed.total,
        gap: listed.gap,
    }
}

/// The DAG and its id.
pub(crate) fn read_dag(document: &Document) -> Option<(String, Dag)> {
    let dag = document.as_object()?;
    // Airflow 2 returns null while it does not know yet; such a DAG has never been unpaused.
    let is = |name: &str| dag.get(name).and_then(Document::as_bool);
    Some((
        dag.get("dag_id")?.as_string()?.to_owned(),
        Dag {
            paused: is("is_paused").unwrap_or(true),
            has_import_errors: is("has_import_errors").unwrap_or(false),
            next_run: next_run(dag),
            since: since_of(tags(dag)),
            unguarded: tags(dag).any(|tag| tag == UNGUARDED_TAG),
            guarded: tags(dag).any(|tag| tag == GUARDED_TAG),
        },
    ))
}

fn read_import_errors(document: &Document) -> Option<ImportErrors> {
    let fields = document.as_object()?;
    let listed = fields.get("import_errors")?.as_array()?;
    let files = listed
        .iter()
        .map(|error| Some(error.as_object()?.get("filename")?.as_string()?.to_owned()));
    Some(ImportErrors {
        files: files.collect::<Option<_>>()?,
        more: count(fields.get("total_entries")?)? > IMPORT_ERRORS,
    })
}
