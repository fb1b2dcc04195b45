//! Airflow's lists, page by page, through InvokeRestApi. The paths are the same in both generations of its API (MWAA
//! puts /api/v1 or /api/v2 before them), and so are the fields that are read.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_mwaa::Client;
use aws_sdk_mwaa::types::RestApiMethod;
use aws_smithy_types::{Document, Number};
use bluegreen_core::health::{Answer, Cause, CauseKind};
use bluegreen_core::readiness::{Dag, DagList, ImportErrors};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::out_of_time;
use crate::clients::{OnDemand, retries};
use crate::error::classify;
use crate::health_probe::rest_api_cause;

/// DAGs asked for at once. Airflow's `maximum_page_limit` is 100 unless set otherwise, and a page of 100 is some hundred
/// kilobytes of the 6 MB that InvokeRestApi carries. The API's `fields` is not used: Airflow 2 leaves out
/// `total_entries` with it, and only it has the parameter.
const PAGE: u64 = 100;

/// Pages of one environment under way at once: its web server has people to serve.
const IN_FLIGHT: usize = 4;

/// Requests for one environment after which its list is left unfinished: over ten times the largest installation known.
const MOST_REQUESTS: u32 = 1000;

/// Import errors that are asked for. Airflow 3 counts one row for every DAG of a file but answers each file once, so
/// its pages cannot be counted on; the first page is enough to say that something is broken.
const IMPORT_ERRORS: u64 = 50;

/// Time between two requests: eight a second, under the ten at which InvokeRestApi is said to be throttled.
const SPACING: Duration = Duration::from_millis(125);

/// Turns left to the questions about both environments' health, which are asked at the same time without a pace: two
/// each, where the first is asked in the way of the other generation of Airflow.
const TURNS_OF_HEALTH: u32 = 4;

/// Throttled, the spacing doubles up to this.
const WIDEST_SPACING: Duration = Duration::from_secs(1);

/// Times that one page is asked for. The waits between them add up to some five seconds.
const TRIES: u32 = 5;

/// Lets one request start at a time, evenly spaced, and slower once the service has asked for it.
#[derive(Debug)]
pub(super) struct Pace {
    next: Mutex<(Instant, Duration)>,
}

impl Pace {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let first = now.checked_add(SPACING.saturating_mul(TURNS_OF_HEALTH)).unwrap_or(now);
        Self {
            next: Mutex::new((first, SPACING)),
        }
    }

    async fn turn(&self) {
        let start = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let (at, spacing) = *next;
            let start = at.max(Instant::now());
            next.0 = start.checked_add(spacing).unwrap_or(start);
            start
        };
        sleep_until(start).await;
    }

    fn slow_down(&self) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.1 = next.1.saturating_mul(2).min(WIDEST_SPACING);
    }
}

/// One environment's lists.
#[derive(Debug)]
pub(super) struct AirflowLists<'a> {
    pub(super) mwaa: &'a OnDemand<Client>,
    pub(super) environment: &'a str,
    pub(super) pace: &'a Pace,
    pub(super) until: Instant,
}

/// A part of the list that is still to be read.
#[derive(Debug, Clone, Copy)]
struct Range {
    offset: u64,
    limit: u64,
}

/// A page, read.
struct Page {
    dags: Vec<(String, Dag)>,
    total: u64,
}

impl AirflowLists<'_> {
    /// Files that cannot be imported.
    pub(super) async fn import_errors(&self) -> Answer<ImportErrors> {
        let range = Range {
            offset: 0,
            limit: IMPORT_ERRORS,
        };
        match self.ask("/importErrors", None, range).await {
            Ok(document) => read_import_errors(&document)
                .map_or_else(|| Answer::Unknown(other_shape("/importErrors")), Answer::Known),
            Err(cause) => Answer::Unknown(cause),
        }
    }

    /// All DAGs, in as many pages as it takes: the first tells how many DAGs there are and how long pages may be.
    pub(super) async fn dags(&self) -> DagList {
        let mut dags = BTreeMap::new();
        let mut total = 0;
        let mut rows: u64 = 0;
        let mut open = VecDeque::from([Range { offset: 0, limit: PAGE }]);
        let mut is_first = true;
        let mut requests: u32 = 0;
        let mut under_way = FuturesUnordered::new();
        let mut gap = None;
        loop {
            while under_way.len() < IN_FLIGHT && gap.is_none() {
                let Some(range) = open.pop_front() else { break };
                if requests == MOST_REQUESTS {
                    let message = format!("the list is longer than {MOST_REQUESTS} pages");
                    gap = Some(Cause::new(CauseKind::Unparsable, message));
                    break;
                }
                requests = requests.saturating_add(1);
                under_way.push(async move { (range, self.page(range).await) });
            }
            let Some((range, page)) = under_way.next().await else {
                break;
            };
            let page = match page {
                Ok(page) => page,
                // What is under way may still come; nothing more is asked.
                Err(cause) => {
                    gap.get_or_insert(cause);
                    continue;
                }
            };
            let length = u64::try_from(page.dags.len()).unwrap_or(u64::MAX);
            total = page.total;
            rows = rows.saturating_add(length);
            dags.extend(page.dags);
            let read_to = range.offset.saturating_add(length);
            if length == 0 {
                continue;
            }
            if is_first {
                is_first = false;
                let mut offset = read_to;
                // An answer that counts beyond any installation must not fill the memory.
                while offset < total && open.len() < usize::try_from(MOST_REQUESTS).unwrap_or(usize::MAX) {
                    open.push_back(Range { offset, limit: length });
                    offset = offset.saturating_add(length);
                }
            } else if length < range.limit && read_to < total {
                // Shorter than the ones before: the rest of it is another page.
                open.push_back(Range {
                    offset: read_to,
                    limit: range.limit.saturating_sub(length),
                });
            }
        }
        let known = u64::try_from(dags.len()).unwrap_or(u64::MAX);
        if gap.is_none() && (known < total || known < rows) {
            gap = Some(Cause::new(
                CauseKind::Unavailable,
                format!("the list changed while it was read: {known} of {total} DAGs"),
            ));
        }
        DagList {
            total: (!is_first || gap.is_none()).then_some(total),
            dags,
            gap,
        }
    }

    async fn page(&self, range: Range) -> Result<Page, Cause> {
        let document = self.ask("/dags", Some("dag_id"), range).await?;
        read_dags(&document).ok_or_else(|| other_shape("/dags"))
    }

    /// Asks in its turn, and again while the service asks to slow down or stumbles, until the time is over.
    async fn ask(&self, path: &str, order_by: Option<&str>, range: Range) -> Result<Document, Cause> {
        let mut tries: u32 = 0;
        loop {
            tries = tries.saturating_add(1);
            let once = async {
                self.pace.turn().await;
                self.ask_once(path, order_by, range).await
            };
            let cause = match timeout_at(self.until, once).await {
                Ok(Ok(document)) => return Ok(document),
                Ok(Err(cause)) => cause,
                Err(_) => return Err(out_of_time()),
            };
            let passing = matches!(
                cause.kind,
                CauseKind::Throttled | CauseKind::Unavailable | CauseKind::TimedOut
            );
            if cause.kind == CauseKind::Throttled {
                self.pace.slow_down();
            }
            // 0.3, 0.6, 1.2 and 2.4 s, each by up to a half longer.
            let wait = Duration::from_millis(300)
                .saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX))
                .mul_f64(1.0 + fastrand::f64() / 2.0);
            let again = Instant::now().checked_add(wait).filter(|again| *again < self.until);
            match again {
                Some(again) if passing && tries < TRIES => sleep_until(again).await,
                _ => return Err(cause),
            }
        }
    }

    async fn ask_once(&self, path: &str, order_by: Option<&str>, range: Range) -> Result<Document, Cause> {
        let number = |value| Document::Number(Number::PosInt(value));
        let mut query = HashMap::from([
            ("limit".to_owned(), number(range.limit)),
            ("offset".to_owned(), number(range.offset)),
        ]);
        // Without an order, pages may overlap.
        query.extend(order_by.map(|field| ("order_by".to_owned(), Document::String(field.to_owned()))));
        let answer = self
            .mwaa
            .invoke_rest_api()
            .name(self.environment)
            .method(RestApiMethod::Get)
            .path(path)
            .query_parameters(Document::Object(query))
            .customize()
            // The SDK's own retries know nothing of the pace.
            .config_override(aws_sdk_mwaa::Config::builder().retry_config(retries(1)))
            .send()
            .await
            .map_err(|error| {
                rest_api_cause(error.as_service_error(), path).unwrap_or_else(|| classify(&error).cause)
            })?;
        answer.rest_api_response.ok_or_else(|| other_shape(path))
    }
}

fn other_shape(path: &str) -> Cause {
    Cause::new(CauseKind::Unparsable, format!("{path} did not answer Airflow's list"))
}

fn read_dags(document: &Document) -> Option<Page> {
    let fields = document.as_object()?;
    let dags = fields.get("dags")?.as_array()?.iter().map(|dag| {
        let dag = dag.as_object()?;
        // Airflow 2 has null where it does not know yet; such a DAG has never been unpaused.
        let is = |name: &str| dag.get(name).and_then(Document::as_bool);
        Some((
            dag.get("dag_id")?.as_string()?.to_owned(),
            Dag {
                paused: is("is_paused").unwrap_or(true),
                has_import_errors: is("has_import_errors").unwrap_or(false),
            },
        ))
    });
    Some(Page {
        dags: dags.collect::<Option<_>>()?,
        total: count(fields.get("total_entries")?)?,
    })
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

fn count(document: &Document) -> Option<u64> {
    match document {
        Document::Number(Number::PosInt(value)) => Some(*value),
        _ => None,
    }
}
