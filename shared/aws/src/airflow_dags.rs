//! Lists the DAGs of both environments, pauses and unpauses them, in both generations of Airflow's API.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_mwaa::types::RestApiMethod;
use aws_smithy_types::Document;
use bluegreen_core::color::{Both, Color};
use bluegreen_core::dag_management::{Plan, path_of};
use bluegreen_core::health::{Cause, CauseKind};
use bluegreen_core::readiness::{Dag, DagList};
use bluegreen_core::run_report::Run;
use bluegreen_core::settings::Settings;
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::airflow_api::{AirflowApi, PAGE, Pace, Question, Shape, count, number, other_shape, text};
use crate::clients::{Clients, OnDemand};
use crate::clock::Clock;
use crate::readiness_probe::airflow_lists;
use crate::run_probe::DAG_RUNS;

/// Requests that are sent at once.
const IN_FLIGHT: usize = 4;

/// Requests for one pattern: with a hundred DAGs each, ten times the largest known installation.
const MOST_PAGES: u32 = 500;

/// A color's DAGs, and the API that listed them.
#[derive(Debug)]
pub struct Listing {
    /// The list of DAGs.
    pub list: DagList,
    /// Whether the list is from Airflow 2.
    pub is_airflow_2: bool,
    /// When the list was complete.
    pub complete_at: Timestamp,
}

/// The states of a run that has not ended; the other two (`success`, `failed`) are its end, in Airflow 2 and 3
/// (`DagRunState`).
///
/// They cover whatever is left to do in the run. `DagRun.update_state` ends no run while one of its tasks is
/// unfinished, be it scheduled, queued, deferred or up for retry. If a person or `dagrun_timeout` ends a run early,
/// Airflow ends its tasks, too. Sub-DAGs (Airflow 2) and backfills (of both) are ordinary runs, in these states, and
/// `~` lists them with the rest.
const UNFINISHED: [&str; 2] = ["queued", "running"];

/// The DAGs of both environments.
#[derive(Debug)]
pub struct AirflowDags {
    clients: Both<OnDemand<aws_sdk_mwaa::Client>>,
    environments: Both<String>,
    clock: Clock,
}

/// Questions and requests that share one rate limit, which is the account's.
#[derive(Debug)]
pub struct DagSession<'a> {
    dags: &'a AirflowDags,
    pace: Pace,
}

impl AirflowDags {
    /// The DAGs of the environments in the settings, over these clients.
    pub fn new(clients: &Clients, settings: &Settings) -> Self {
        Self {
            clients: clients.colors.map(|_, clients| clients.mwaa.clone()),
            environments: settings.environments.map(|_, environment| environment.name.clone()),
            clock: clients.clock.clone(),
        }
    }

    /// Starts a session, whose requests share one rate limit.
    pub fn session(&self) -> DagSession<'_> {
        DagSession {
            dags: self,
            pace: Pace::new(),
        }
    }

    /// The same, for a question that usually is a single request: it does not wait for the health questions.
    pub fn short_session(&self) -> DagSession<'_> {
        DagSession {
            dags: self,
            pace: Pace::at_once(),
        }
    }
}

impl DagSession<'_> {
    /// Sends every request of the plan, even if one fails: one DAG that cannot be set must not delay the others.
    pub async fn carry_out(
        &self,
        color: Color,
        plan: &Plan,
        is_paused: bool,
        is_airflow_2: bool,
        until: Instant,
    ) -> Result<(), Cause> {
        let api = self.api(color, until);
        let by_pattern: Vec<Result<(), Cause>> = stream::iter(&plan.patterns)
            .map(|pattern| by_pattern(&api, pattern, is_paused, is_airflow_2))
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let single: Vec<Result<(), Cause>> = stream::iter(&plan.single)
            .map(|id| one(&api, id, is_paused))
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        by_pattern.into_iter().chain(single).collect()
    }

    /// Lists a color's DAGs.
    pub async fn all(&self, color: Color, until: Instant) -> Listing {
        // All of them, even if only the paused ones count: Airflow before 2.6 does not know that filter.
        let question = Question::get("/dags", &[("order_by", "dag_id")]);
        let shape = Shape {
            field: "dags",
            what: "DAGs",
            read: read_dag,
        };
        let listed = self.api(color, until).list(&question, &shape).await;
        Listing {
            is_airflow_2: listed.entries.values().any(|(_, is_airflow_2)| *is_airflow_2),
            list: DagList {
                dags: listed.entries.into_iter().map(|(id, (dag, _))| (id, dag)).collect(),
                total: listed.total,
                gap: listed.gap,
            },
            complete_at: self.dags.clock.now(),
        }
    }

    /// The runs that have not ended; `None` if they could not be listed completely.
    ///
    /// One question for both states, so that a run that begins meanwhile is in the answer: in two questions it could be
    /// in neither. Where there are several pages, a run that ends while they are read moves the others, and another one
    /// that begins hides that from the count. So a long list is read from both ends, and a run that one of the two
    /// readings contains counts.
    pub async fn in_flight(&self, color: Color, until: Instant) -> Result<Option<Vec<Run>>, Cause> {
        let api = self.api(color, until);
        let mut runs = BTreeMap::new();
        for order in ["id", "-id"] {
            let listed = api.list(&unfinished(order), &DAG_RUNS).await;
            match listed.gap {
                Some(_) if listed.total.is_some() => return Ok(None),
                Some(cause) => return Err(cause),
                None => runs.extend(listed.entries),
            }
            if listed.total.is_none_or(|total| total <= PAGE) {
                break;
            }
        }
        Ok(Some(runs.into_values().map(|(run, _)| run).collect()))
    }

    /// Whether Airflow responds at all.
    pub async fn answers(&self, color: Color, until: Instant) -> Result<(), Cause> {
        let api = self.api(color, until);
        api.first(&Question::get("/dags", &[]), 1).await.map(drop)
    }

    fn api(&self, color: Color, until: Instant) -> AirflowApi<'_> {
        AirflowApi {
            mwaa: self.dags.clients.of(color),
            environment: self.dags.environments.of(color),
            pace: &self.pace,
            until,
        }
    }
}

/// Sets every DAG that matches the pattern, page by page: 3.0 and 2 set one page per request, and answer as if it were
/// all.
async fn by_pattern(api: &AirflowApi<'_>, pattern: &str, is_paused: bool, is_airflow_2: bool) -> Result<(), Cause> {
    let mut offset: u64 = 0;
    for _ in 0..MOST_PAGES {
        let mut query = HashMap::from([
            ("dag_id_pattern".to_owned(), text(pattern)),
            ("limit".to_owned(), number(PAGE)),
        ]);
        if is_airflow_2 {
            // Airflow 2 refuses parameters that it does not know, and orders by id.
            query.insert("offset".to_owned(), number(offset));
        } else {
            // Airflow 3 guarantees no order: always the first page of the remaining DAGs.
            query.insert("paused".to_owned(), text(if is_paused { "false" } else { "true" }));
        }
        let document = api.ask(&Question::pause("/dags".to_owned(), query, is_paused)).await?;
        let (set, total) = read_set(&document).ok_or_else(|| other_shape("/dags"))?;
        offset = offset.saturating_add(set);
        let done = if is_airflow_2 { offset } else { set };
        if set == 0 || done >= total {
            return Ok(());
        }
    }
    Err(Cause::new(
        CauseKind::Unparsable,
        format!("{pattern} still matches DAGs after {MOST_PAGES} requests"),
    ))
}

async fn one(api: &AirflowApi<'_>, id: &str, is_paused: bool) -> Result<(), Cause> {
    match api.ask(&Question::pause(path_of(id), HashMap::new(), is_paused)).await {
        // The DAG was deleted after it was listed.
        Err(cause) if cause.kind == CauseKind::NotFound => Ok(()),
        answer => answer.map(drop),
    }
}

/// The question for all runs that have not ended. Asked by POST, because InvokeRestApi has no query parameter with two
/// values.
fn unfinished(order: &str) -> Question {
    Question {
        method: RestApiMethod::Post,
        path: "/dags/~/dagRuns/list".to_owned(),
        query: HashMap::new(),
        body: Some(HashMap::from([
            ("states".to_owned(), Document::Array(UNFINISHED.map(text).to_vec())),
            ("order_by".to_owned(), text(order)),
        ])),
    }
}

/// The DAG, and whether the entry is from Airflow 2.
fn read_dag(document: &Document) -> Option<(String, (Dag, bool))> {
    let (id, dag) = airflow_lists::read_dag(document)?;
    Some((id, (dag, document.as_object()?.contains_key("is_active"))))
}

/// How many DAGs one request has set, and how many it could have set.
fn read_set(document: &Document) -> Option<(u64, u64)> {
    let fields = document.as_object()?;
    let set = u64::try_from(fields.get("dags")?.as_array()?.len()).ok()?;
    Some((set, count(fields.get("total_entries")?)?))
}
