//! Airflow's REST API through MWAA's InvokeRestApi: paced, retried after errors that may pass, and page by page, until
//! the time is over. The paths are the same in both generations of the API (MWAA puts /api/v1 or /api/v2 before them).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_mwaa::Client;
use aws_sdk_mwaa::types::RestApiMethod;
use aws_smithy_types::{Document, Number};
use bluegreen_core::health::{Cause, CauseKind};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::clients::{OnDemand, one_try};
use crate::error::classify;
use crate::health_probe::{is_retryable, rest_api_cause};

/// Entries in one page. Airflow's `maximum_page_limit` is 100 unless set otherwise, and a page of 100 is about a
/// hundred kilobytes of the 6 MB that InvokeRestApi carries. The API's `fields` is not used: Airflow 2 leaves out
/// `total_entries` with it, and only Airflow 2 has the parameter.
pub(crate) const PAGE: u64 = 100;

/// Pages of one list that are requested at once: the web server also has people to serve.
const IN_FLIGHT: usize = 4;

/// Requests for one list after which it is left incomplete: over ten times the largest known installation.
const MOST_REQUESTS: u32 = 1000;

/// Time between two requests: eight a second, below the ten at which InvokeRestApi is said to be throttled.
const SPACING: Duration = Duration::from_millis(125);

/// Requests that are reserved for the health questions about both environments, which are asked at the same time
/// without pacing. Two each, if the first one uses the path of the other generation of Airflow.
const TURNS_OF_HEALTH: u32 = 4;

/// After a throttle the spacing doubles, up to this.
const WIDEST_SPACING: Duration = Duration::from_secs(1);

/// How many times one request is sent. The waits between them add up to some five seconds.
const TRIES: u32 = 5;

/// The time-outs of the first try and of each later one. A silent connection leaves time for a second try in the eight
/// seconds of the shortest of these readings. That try waits long enough for a server that is slow with a long page.
const FIRST_TRY: Duration = Duration::from_secs(4);
const LATER_TRY: Duration = Duration::from_secs(6);

/// Starts one request at a time, evenly spaced, and slower after a throttle.
#[derive(Debug)]
pub(crate) struct Pace {
    next: Mutex<(Instant, Duration)>,
}

impl Pace {
    /// Starts late enough for the health questions that are asked in parallel.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let first = now.checked_add(SPACING.saturating_mul(TURNS_OF_HEALTH)).unwrap_or(now);
        Self {
            next: Mutex::new((first, SPACING)),
        }
    }

    /// Starts at once; later requests are spaced as always.
    pub(crate) fn at_once() -> Self {
        Self {
            next: Mutex::new((Instant::now(), SPACING)),
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

/// The API of one environment.
#[derive(Debug)]
pub(crate) struct AirflowApi<'a> {
    pub(crate) mwaa: &'a OnDemand<Client>,
    pub(crate) environment: &'a str,
    pub(crate) pace: &'a Pace,
    pub(crate) until: Instant,
}

/// One request, without its page.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) method: RestApiMethod,
    pub(crate) path: String,
    pub(crate) query: HashMap<String, Document>,
    pub(crate) body: Option<HashMap<String, Document>>,
}

impl Question {
    /// A GET request with parameters.
    pub(crate) fn get(path: &str, query: &[(&str, &str)]) -> Self {
        Self {
            method: RestApiMethod::Get,
            path: path.to_owned(),
            query: query
                .iter()
                .map(|(name, value)| ((*name).to_owned(), text(value)))
                .collect(),
            body: None,
        }
    }

    /// A PATCH of the DAGs that match the pattern, or, without a pattern, of the path's DAG: pauses or unpauses them.
    pub(crate) fn pause(path: String, query: HashMap<String, Document>, is_paused: bool) -> Self {
        Self {
            method: RestApiMethod::Patch,
            path,
            query,
            body: Some(HashMap::from([("is_paused".to_owned(), Document::Bool(is_paused))])),
        }
    }

    /// The request for one page. Airflow's lists that are requested by POST have the page in the body.
    fn of_page(&self, range: Range) -> Self {
        let mut question = self.clone();
        let (page, names) = match &mut question.body {
            Some(body) => (body, ["page_limit", "page_offset"]),
            None => (&mut question.query, ["limit", "offset"]),
        };
        for (name, value) in names.into_iter().zip([range.limit, range.offset]) {
            page.insert(name.to_owned(), number(value));
        }
        question
    }
}

/// A list, as far as it could be read.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    /// The entries by key, so that an entry that is listed twice counts once.
    pub(crate) entries: BTreeMap<String, T>,
    /// The number of entries, by Airflow's count.
    pub(crate) total: Option<u64>,
    /// Why some entries are missing; `None` if none are.
    pub(crate) gap: Option<Cause>,
}

/// What a list contains and how it is read.
#[derive(Debug)]
pub(crate) struct Shape<T> {
    /// The field that contains the list.
    pub(crate) field: &'static str,
    /// A description of the entries, for people.
    pub(crate) what: &'static str,
    /// Reads one entry and its key; `None` if it is not such an entry.
    pub(crate) read: fn(&Document) -> Option<(String, T)>,
}

/// A part of the list that is still to be read.
#[derive(Debug, Clone, Copy)]
struct Range {
    offset: u64,
    limit: u64,
}

struct Page<T> {
    entries: Vec<(String, T)>,
    total: u64,
}

impl AirflowApi<'_> {
    /// A whole list, in as many pages as necessary: the first page shows the list's length and the maximum page size.
    ///
    /// The question must put the entries in order, or pages may overlap.
    pub(crate) async fn list<T>(&self, question: &Question, shape: &Shape<T>) -> Listed<T> {
        let mut entries = BTreeMap::new();
        let mut total = 0;
        // The first page's count is valid. If another page corrects it, that page belongs to another list.
        let mut counted_otherwise = None;
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
                under_way.push(async move { (range, self.page(question, range, shape).await) });
            }
            let Some((range, page)) = under_way.next().await else {
                break;
            };
            let page = match page {
                Ok(page) => page,
                // Requests under way may still succeed; no further ones are sent.
                Err(cause) => {
                    gap.get_or_insert(cause);
                    continue;
                }
            };
            let length = u64::try_from(page.entries.len()).unwrap_or(u64::MAX);
            if is_first {
                total = page.total;
            } else if page.total != total {
                counted_otherwise = Some(page.total);
            }
            rows = rows.saturating_add(length);
            entries.extend(page.entries);
            let read_to = range.offset.saturating_add(length);
            if length == 0 {
                continue;
            }
            if is_first {
                is_first = false;
                let mut offset = read_to;
                // An answer with a count beyond any installation must not fill the memory.
                while offset < total && open.len() < usize::try_from(MOST_REQUESTS).unwrap_or(usize::MAX) {
                    open.push_back(Range { offset, limit: length });
                    offset = offset.saturating_add(length);
                }
            } else if length < range.limit && read_to < total {
                // The page is shorter than the ones before: the rest of it is another page.
                open.push_back(Range {
                    offset: read_to,
                    limit: range.limit.saturating_sub(length),
                });
            }
        }
        let known = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        if gap.is_none() && (known < total || known < rows) {
            gap = Some(Cause::new(
                CauseKind::Unavailable,
                format!("the list changed while it was read: {known} of {total} {}", shape.what),
            ));
        }
        if let (None, Some(other)) = (&gap, counted_otherwise) {
            gap = Some(Cause::new(
                CauseKind::Unavailable,
                format!(
                    "the list changed while it was read: {total} {}, then {other}",
                    shape.what
                ),
            ));
        }
        Listed {
            total: (!is_first || gap.is_none()).then_some(total),
            entries,
            gap,
        }
    }

    async fn page<T>(&self, question: &Question, range: Range, shape: &Shape<T>) -> Result<Page<T>, Cause> {
        let document = self.ask(&question.of_page(range)).await?;
        read_page(&document, shape).ok_or_else(|| other_shape(&question.path))
    }

    /// The entries of the first page alone, and whether they are the whole list.
    pub(crate) async fn first_page<T>(&self, question: &Question, shape: &Shape<T>) -> Result<(Vec<T>, bool), Cause> {
        let page = self.page(question, Range { offset: 0, limit: PAGE }, shape).await?;
        let length = u64::try_from(page.entries.len()).unwrap_or(u64::MAX);
        let entries = page.entries.into_iter().map(|(_, entry)| entry).collect();
        Ok((entries, length >= page.total))
    }

    /// The first page alone.
    pub(crate) async fn first(&self, question: &Question, limit: u64) -> Result<Document, Cause> {
        self.ask(&question.of_page(Range { offset: 0, limit })).await
    }

    /// Sends the request at its turn, and retries after throttles and errors that may pass, until the time is over.
    pub(crate) async fn ask(&self, question: &Question) -> Result<Document, Cause> {
        let mut tries: u32 = 0;
        loop {
            tries = tries.saturating_add(1);
            let once = async {
                self.pace.turn().await;
                let limit = if tries == 1 { FIRST_TRY } else { LATER_TRY };
                self.ask_once(question, limit).await
            };
            let cause = match timeout_at(self.until, once).await {
                Ok(Ok(document)) => return Ok(document),
                Ok(Err(cause)) => cause,
                Err(_) => return Err(out_of_time()),
            };
            let retryable = is_retryable(&cause);
            if cause.kind == CauseKind::Throttled {
                self.pace.slow_down();
            }
            // 0.3, 0.6, 1.2 and 2.4 s, each longer by up to a half.
            let wait = Duration::from_millis(300)
                .saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX))
                .mul_f64(1.0 + fastrand::f64() / 2.0);
            let again = Instant::now().checked_add(wait).filter(|again| *again < self.until);
            match again {
                Some(again) if retryable && tries < TRIES => sleep_until(again).await,
                _ => return Err(cause),
            }
        }
    }

    async fn ask_once(&self, question: &Question, limit: Duration) -> Result<Document, Cause> {
        let path = question.path.as_str();
        let answer = self
            .mwaa
            .invoke_rest_api()
            .name(self.environment)
            .method(question.method.clone())
            .path(path)
            .query_parameters(Document::Object(question.query.clone()))
            .set_body(question.body.clone().map(Document::Object))
            .customize()
            // The SDK's own retries ignore the pace.
            .config_override(one_try(limit))
            .send()
            .await
            .map_err(|error| {
                rest_api_cause(error.as_service_error(), path).unwrap_or_else(|| classify(&error).cause)
            })?;
        answer.rest_api_response.ok_or_else(|| other_shape(path))
    }
}

/// The cause of a question that was not answered in time.
pub(crate) fn out_of_time() -> Cause {
    Cause::new(CauseKind::TimedOut, "no answer within the check's time")
}

/// The cause of an answer that cannot be used.
pub(crate) fn other_shape(path: &str) -> Cause {
    Cause::new(CauseKind::Unparsable, format!("{path} did not answer Airflow's list"))
}

fn read_page<T>(document: &Document, shape: &Shape<T>) -> Option<Page<T>> {
    let fields = document.as_object()?;
    let entries = fields.get(shape.field)?.as_array()?.iter().map(shape.read);
    Some(Page {
        entries: entries.collect::<Option<_>>()?,
        total: count(fields.get("total_entries")?)?,
    })
}

/// Reads a number of things.
pub(crate) fn count(document: &Document) -> Option<u64> {
    match document {
        Document::Number(Number::PosInt(value)) => Some(*value),
        _ => None,
    }
}

/// A text as a document.
pub(crate) fn text(value: &str) -> Document {
    Document::String(value.to_owned())
}

/// A count as a document.
pub(crate) fn number(value: u64) -> Document {
    Document::Number(Number::PosInt(value))
}
