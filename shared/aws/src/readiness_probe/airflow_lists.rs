//! Airflow's DAGs and import errors. The fields that are read are the same in both generations of its API.

use aws_smithy_types::Document;
use bluegreen_core::health::Answer;
use bluegreen_core::readiness::{Dag, DagList, ImportErrors};

use crate::airflow_api::{AirflowApi, Question, Shape, count, other_shape};

/// Import errors that are asked for. Airflow 3 counts one row for every DAG of a file but answers each file once, so
/// its pages cannot be counted on; the first page is enough to say that something is broken.
const IMPORT_ERRORS: u64 = 50;

/// Files that cannot be imported.
pub(super) async fn import_errors(api: &AirflowApi<'_>) -> Answer<ImportErrors> {
    let question = Question::get("/importErrors", &[]);
    match api.first(&question, IMPORT_ERRORS).await {
        Ok(document) => {
            read_import_errors(&document).map_or_else(|| Answer::Unknown(other_shape("/importErrors")), Answer::Known)
        }
        Err(cause) => Answer::Unknown(cause),
    }
}

/// All DAGs.
pub(crate) async fn dags(api: &AirflowApi<'_>) -> DagList {
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

fn read_dag(document: &Document) -> Option<(String, Dag)> {
    let dag = document.as_object()?;
    // Airflow 2 has null where it does not know yet; such a DAG has never been unpaused.
    let is = |name: &str| dag.get(name).and_then(Document::as_bool);
    Some((
        dag.get("dag_id")?.as_string()?.to_owned(),
        Dag {
            paused: is("is_paused").unwrap_or(true),
            has_import_errors: is("has_import_errors").unwrap_or(false),
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
