//! What one environment's Airflow has made of its DAG folder, and which bucket it reads.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_types::Document;
use bluegreen_core::health::{Cause, CauseKind};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::airflow_api::{AirflowApi, PAGE, Pace, Question, Shape, count, number, other_shape};
use crate::clients::{ColorClients, OnDemand};
use crate::error::classify;

/// Pages of import errors that are requested. More broken files than this are no release's doing.
const MOST_PAGES: u32 = 50;

/// One environment's folder.
#[derive(Debug)]
pub struct DagFolder {
    mwaa: OnDemand<aws_sdk_mwaa::Client>,
    environment: String,
}

/// Where an environment reads its DAGs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// MWAA's word for its state.
    pub status: String,
    /// The bucket's name.
    pub bucket: Option<String>,
    /// The folder in the bucket.
    pub folder: Option<String>,
}

/// A DAG, by the file that makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedDag {
    /// The file, as Airflow names it.
    pub file: String,
    /// When Airflow last parsed it.
    pub parsed: Option<Timestamp>,
}

/// A file that Airflow cannot import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenFile {
    /// The file, as Airflow names it.
    pub file: String,
    /// When Airflow last tried.
    pub at: Timestamp,
    /// The stack trace.
    pub trace: String,
}

impl DagFolder {
    /// The folder of an environment, over a person's AWS settings.
    pub fn new(shared: &SdkConfig, region: &str, environment: &str) -> Self {
        Self {
            mwaa: ColorClients::build(shared, Some(region)).mwaa,
            environment: environment.to_owned(),
        }
    }

    /// Where the environment reads its DAGs; `None` if there is no such environment.
    pub async fn source(&self) -> Result<Option<Source>, Cause> {
        let answer = self.mwaa.get_environment().name(&self.environment).send().await;
        let answer = match answer.map_err(|error| classify(&error).cause) {
            Ok(answer) => answer,
            Err(cause) if cause.kind == CauseKind::NotFound => return Ok(None),
            Err(cause) => return Err(cause),
        };
        let environment = answer.environment();
        let status = environment
            .and_then(|environment| environment.status())
            .ok_or_else(|| {
                Cause::new(
                    CauseKind::Unparsable,
                    "GetEnvironment answered no environment with a status",
                )
            })?;
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Some(Source {
            status: status.as_str().to_owned(),
            bucket: given(environment.and_then(|environment| environment.source_bucket_arn()))
                .map(|arn| arn.rsplit(':').next().unwrap_or(&arn).to_owned()),
            folder: given(environment.and_then(|environment| environment.dag_s3_path()))
                .map(|path| path.trim_matches('/').to_owned()),
        }))
    }

    /// The DAGs with their files; then the import errors. All of them, or why not.
    pub async fn read(&self, limit: Duration) -> Result<(Vec<ParsedDag>, Vec<BrokenFile>), Cause> {
        let pace = Pace::at_once();
        let api = self.api(&pace, limit);
        let shape = Shape {
            field: "dags",
            what: "DAGs",
            read: read_dag,
        };
        let question = Question::get("/dags", &[("order_by", "dag_id")]);
        let listed = api.list(&question, &shape).await;
        if let Some(gap) = listed.gap {
            return Err(gap);
        }
        Ok((listed.entries.into_values().collect(), import_errors(&api).await?))
    }

    /// The files that cannot be imported: all of them, or why not.
    pub async fn import_errors(&self, limit: Duration) -> Result<Vec<BrokenFile>, Cause> {
        let pace = Pace::at_once();
        import_errors(&self.api(&pace, limit)).await
    }

    fn api<'a>(&'a self, pace: &'a Pace, limit: Duration) -> AirflowApi<'a> {
        AirflowApi {
            mwaa: &self.mwaa,
            environment: &self.environment,
            pace,
            until: Instant::now().checked_add(limit).unwrap_or_else(Instant::now),
        }
    }
}

/// Airflow 3 counts a row for each DAG of a broken file, and lists the file once. So a page can be shorter than its rows;
/// the next one begins after what was listed, and the files of both count once for who reads them by name.
async fn import_errors(api: &AirflowApi<'_>) -> Result<Vec<BrokenFile>, Cause> {
    let path = "/importErrors";
    let (mut found, mut offset) = (Vec::new(), 0_u64);
    for _ in 0..MOST_PAGES {
        let mut question = Question::get(path, &[]);
        question.query.insert("limit".to_owned(), number(PAGE));
        question.query.insert("offset".to_owned(), number(offset));
        let document = api.ask(&question).await?;
        let (page, total) = read_errors(&document).ok_or_else(|| other_shape(path))?;
        let length = u64::try_from(page.len()).unwrap_or(u64::MAX);
        offset = offset.saturating_add(length);
        found.extend(page);
        if length == 0 || offset >= total {
            return Ok(found);
        }
    }
    Err(Cause::new(
        CauseKind::Unparsable,
        format!("{path} still goes on after {MOST_PAGES} pages"),
    ))
}

fn read_dag(document: &Document) -> Option<(String, ParsedDag)> {
    let dag = document.as_object()?;
    let file = dag
        .get("relative_fileloc")
        .and_then(Document::as_string)
        .or_else(|| dag.get("fileloc").and_then(Document::as_string))?;
    Some((
        dag.get("dag_id")?.as_string()?.to_owned(),
        ParsedDag {
            file: file.to_owned(),
            parsed: dag.get("last_parsed_time").and_then(instant),
        },
    ))
}

fn read_errors(document: &Document) -> Option<(Vec<BrokenFile>, u64)> {
    let fields = document.as_object()?;
    let listed = fields.get("import_errors")?.as_array()?;
    let read = |document: &Document| {
        let error = document.as_object()?;
        let trace = error.get("stack_trace").or_else(|| error.get("stacktrace"));
        Some(BrokenFile {
            file: error.get("filename")?.as_string()?.to_owned(),
            at: instant(error.get("timestamp")?)?,
            trace: trace.and_then(Document::as_string).unwrap_or_default().to_owned(),
        })
    };
    Some((
        listed.iter().map(read).collect::<Option<_>>()?,
        count(fields.get("total_entries")?)?,
    ))
}

fn instant(document: &Document) -> Option<Timestamp> {
    document.as_string()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn text(value: &str) -> Document {
        Document::String(value.to_owned())
    }

    fn object(fields: &[(&str, Document)]) -> Document {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Document::Object(fields.collect::<HashMap<_, _>>())
    }

    #[test]
    fn both_generations_name_the_file_of_a_dag() {
        let at = "2026-11-27T10:00:00Z";
        let expected = |file: &str| ParsedDag {
            file: file.to_owned(),
            parsed: at.parse().ok(),
        };
        let two = object(&[
            ("dag_id", text("a")),
            ("fileloc", text("/usr/local/airflow/dags/x/a.py")),
            ("last_parsed_time", text("2026-11-27T10:00:00+00:00")),
        ]);
        assert_eq!(
            read_dag(&two),
            Some(("a".to_owned(), expected("/usr/local/airflow/dags/x/a.py")))
        );
        let three = object(&[
            ("dag_id", text("a")),
            ("fileloc", text("/usr/local/airflow/dags/x/a.py")),
            ("relative_fileloc", text("x/a.py")),
            ("last_parsed_time", text(at)),
        ]);
        assert_eq!(read_dag(&three), Some(("a".to_owned(), expected("x/a.py"))));
    }

    #[test]
    fn an_error_without_its_instant_is_another_shape() {
        let error = |fields: &[(&str, Document)]| {
            object(&[
                ("import_errors", Document::Array(vec![object(fields)])),
                ("total_entries", number(1)),
            ])
        };
        let whole = error(&[
            ("filename", text("a.py")),
            ("timestamp", text("2026-11-27T10:00:00Z")),
            ("stack_trace", text("Boom")),
        ]);
        let (found, total) = read_errors(&whole).unwrap();
        assert_eq!(
            (found[0].file.as_str(), found[0].trace.as_str(), total),
            ("a.py", "Boom", 1)
        );
        assert!(read_errors(&error(&[("filename", text("a.py"))])).is_none());
    }
}
