//! Gathers the evidence of both environments: every independent question at once, each in its own region.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy, StatusCode};
use aws_sdk_mwaa::operation::invoke_rest_api::InvokeRestApiError;
use aws_sdk_mwaa::types::RestApiMethod;
use aws_smithy_types::{DateTime, Document};
use bluegreen_core::color::{Both, Color};
use bluegreen_core::flag::shortened;
use bluegreen_core::health::{
    AirflowHealth, Cause, CauseKind, Environment, EnvironmentAnswer, Evidence, HeartbeatEvidence, ProbeResult,
    heartbeat_could_change,
};
use bluegreen_core::settings::{EnvironmentSettings, Settings};
use bluegreen_core::time::before;
use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout_at};

use crate::alarms::{AlarmStates, MOST_ALARMS, NamedAlarms};
use crate::clients::{Clients, ColorClients, FIRST_TRY, SECOND_TRY, one_try};
use crate::error::{LONGEST_MESSAGE, classify};

/// How far back heartbeats are searched minute by minute, and the period in seconds.
const RECENT: Duration = Duration::from_secs(3 * 60 * 60);
const RECENT_PERIOD: i32 = 60;

/// How far back a heartbeat counts as "seen before": longer than the longest hold, so that an environment that died
/// during one is still known to have been alive. The coarser period, in seconds, only dates what is hours old.
const LOOK_BACK: Duration = Duration::from_secs(8 * 24 * 60 * 60);
const LOOK_BACK_PERIOD: i32 = 300;

/// The part of an observation's time, as a divisor, after which CloudWatch is asked in parallel with a silent Airflow.
/// InvokeRestApi may hang for nearly the whole time, and CloudWatch's answer must fit, too. A healthy Airflow answers
/// long before, so that a calm observation still asks nothing that is billed.
const IMPATIENCE: u32 = 4;

/// The health endpoint of Airflow 3 (MWAA puts /api/v2 before it).
const HEALTH_AIRFLOW_3: &str = "/monitor/health";

/// The health endpoint of Airflow 2 (MWAA puts /api/v1 before it).
const HEALTH_AIRFLOW_2: &str = "/health";

/// Time before the web server is asked again, plus a random time of up to the same length.
const PAUSE: Duration = Duration::from_millis(200);

/// Which questions are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeScope {
    /// The free questions: MWAA's status and Airflow's own health. Enough to see that all is well, never enough to act.
    Free,
    /// In addition, the questions that are billed by the request, if they could change the verdict: the heartbeat
    /// metric and the user's alarms.
    Full,
}

/// The probes of both environments.
#[derive(Debug)]
pub struct HealthProbe {
    probes: Both<Probe>,
}

#[derive(Debug)]
struct Probe {
    clients: ColorClients,
    settings: EnvironmentSettings,
    alarms: NamedAlarms,
    /// The alarms of both colors, if one request can ask for all.
    alarms_of_both: Option<Arc<NamedAlarms>>,
    /// A datapoint as recent as this proves life; a longer silence must be proven.
    failure_window: Duration,
    /// Which endpoint answered last. Only saves a request; a wrong guess costs one.
    is_airflow_2: AtomicBool,
}

impl HealthProbe {
    /// The probes of the environments in the settings, over these clients.
    pub fn new(clients: &Clients, settings: &Settings) -> Self {
        let of_both = of_both(clients, settings).map(Arc::new);
        Self {
            probes: Both::from_fn(|color| Probe {
                clients: clients.colors.of(color).clone(),
                settings: settings.environments.of(color).clone(),
                alarms: NamedAlarms::new(
                    &clients.colors.of(color).cloudwatch,
                    &settings.environments.of(color).alarms,
                ),
                alarms_of_both: of_both.clone(),
                failure_window: settings.policy.failure_window,
                is_airflow_2: AtomicBool::new(false),
            }),
        }
    }

    /// The evidence of both, gathered at once; an answer that does not arrive within `limit` is unknown.
    pub async fn both(&self, depth: ProbeScope, limit: Duration, now: Timestamp) -> Both<Evidence> {
        let together = OnceCell::new();
        let (blue, green) = tokio::join!(
            self.asked(Color::Blue, depth, limit, now, Some(&together)),
            self.asked(Color::Green, depth, limit, now, Some(&together))
        );
        Both { blue, green }
    }

    /// The evidence of one color. Each answer is kept as it arrives; only answers that do not arrive within `limit` are
    /// unknown.
    pub async fn within(&self, color: Color, depth: ProbeScope, limit: Duration, now: Timestamp) -> Evidence {
        self.asked(color, depth, limit, now, None).await
    }

    async fn asked(
        &self,
        color: Color,
        depth: ProbeScope,
        limit: Duration,
        now: Timestamp,
        together: Option<&OnceCell<AlarmStates>>,
    ) -> Evidence {
        self.probes.of(color).evidence(depth, limit, now, together).await
    }
}

/// The alarms of both colors, if each has some, and if they are in one region and few enough for one request.
fn of_both(clients: &Clients, settings: &Settings) -> Option<NamedAlarms> {
    let (here, there) = (&clients.colors.blue.cloudwatch, &clients.colors.green.cloudwatch);
    let (blue, green) = (&settings.environments.blue.alarms, &settings.environments.green.alarms);
    let names: BTreeSet<_> = blue.iter().chain(green).cloned().collect();
    let at_once = Arc::ptr_eq(here, there) && !blue.is_empty() && !green.is_empty() && names.len() <= MOST_ALARMS;
    at_once.then(|| NamedAlarms::new(here, &Vec::from_iter(names)))
}

impl Probe {
    async fn evidence(
        &self,
        depth: ProbeScope,
        limit: Duration,
        now: Timestamp,
        together: Option<&OnceCell<AlarmStates>>,
    ) -> Evidence {
        let asked = Instant::now();
        let until = asked.checked_add(limit).unwrap_or(asked);
        let late = || Cause::new(CauseKind::TimedOut, format!("no answer within {} s", limit.as_secs()));
        let environment = async {
            timeout_at(until, self.environment())
                .await
                .unwrap_or_else(|_| EnvironmentAnswer::Unknown(late()))
        };
        let airflow = async {
            timeout_at(until, self.airflow())
                .await
                .unwrap_or_else(|_| ProbeResult::Unknown(late()))
        };
        let heartbeat = async {
            timeout_at(until, self.heartbeat(now))
                .await
                .unwrap_or_else(|_| ProbeResult::Unknown(late()))
        };
        let airflow_and_heartbeat = async {
            let mut airflow = pin!(airflow);
            let impatient = asked
                .checked_add(limit.checked_div(IMPATIENCE).unwrap_or_default())
                .unwrap_or(asked);
            let early = timeout_at(impatient, airflow.as_mut()).await;
            match (early, depth) {
                (Ok(airflow), ProbeScope::Full) if heartbeat_could_change(&airflow) => (airflow, heartbeat.await),
                (Ok(airflow), _) => (airflow, ProbeResult::Unknown(Cause::not_asked())),
                (Err(_), ProbeScope::Full) => {
                    let mut heartbeat = pin!(heartbeat);
                    let (airflow, answered) = tokio::select! {
                        airflow = airflow.as_mut() => (airflow, None),
                        answered = heartbeat.as_mut() => (airflow.await, Some(answered)),
                    };
                    match answered {
                        // A metric that is only late must not count against an Airflow that is only slow.
                        _ if !heartbeat_could_change(&airflow) => (airflow, ProbeResult::Unknown(Cause::not_asked())),
                        Some(answered) => (airflow, answered),
                        None => (airflow, heartbeat.await),
                    }
                }
                (Err(_), ProbeScope::Free) => (airflow.await, ProbeResult::Unknown(Cause::not_asked())),
            }
        };
        let alarms = async {
            timeout_at(until, self.alarms(depth, together))
                .await
                .unwrap_or_else(|_| ProbeResult::Unknown(late()))
        };
        let (environment, (airflow, heartbeat), alarms) = tokio::join!(environment, airflow_and_heartbeat, alarms);
        Evidence {
            of: Some(self.settings.named()),
            environment,
            airflow,
            heartbeat,
            alarms,
        }
    }

    async fn environment(&self) -> EnvironmentAnswer {
        match self
            .clients
            .mwaa
            .get_environment()
            .name(&self.settings.name)
            .send()
            .await
        {
            Ok(answer) => match answer.environment() {
                Some(environment) => match environment.status() {
                    Some(status) => EnvironmentAnswer::Found(Environment {
                        status: status.as_str().to_owned(),
                        airflow_version: environment.airflow_version().map(str::to_owned),
                        last_update_source: environment
                            .last_update()
                            .and_then(|update| update.source())
                            .map(str::to_owned),
                    }),
                    None => unknown_environment("GetEnvironment answered no status"),
                },
                None => unknown_environment("GetEnvironment answered no environment"),
            },
            Err(error) => match classify(&error).cause {
                cause if cause.kind == CauseKind::NotFound => EnvironmentAnswer::NotFound,
                cause => EnvironmentAnswer::Unknown(cause),
            },
        }
    }

    async fn airflow(&self) -> ProbeResult<AirflowHealth> {
        let guess = self.is_airflow_2.load(Ordering::Relaxed);
        match self.airflow_at(guess).await {
            // The other generation of Airflow: use its path, and remember it.
            Err(Cause {
                kind: CauseKind::NotFound,
                ..
            }) => match self.airflow_at(!guess).await {
                Ok(health) => {
                    self.is_airflow_2.store(!guess, Ordering::Relaxed);
                    ProbeResult::Known(health)
                }
                Err(cause) => ProbeResult::Unknown(cause),
            },
            Ok(health) => ProbeResult::Known(health),
            Err(cause) => ProbeResult::Unknown(cause),
        }
    }

    async fn airflow_at(&self, is_airflow_2: bool) -> Result<AirflowHealth, Cause> {
        let path = if is_airflow_2 {
            HEALTH_AIRFLOW_2
        } else {
            HEALTH_AIRFLOW_3
        };
        match self.airflow_once(path, FIRST_TRY).await {
            Err(cause) if is_retryable(&cause) => {
                sleep(PAUSE.mul_f64(1.0 + fastrand::f64())).await;
                self.airflow_once(path, SECOND_TRY).await
            }
            answer => answer,
        }
    }

    /// One try, which ends after `limit`.
    async fn airflow_once(&self, path: &str, limit: Duration) -> Result<AirflowHealth, Cause> {
        let request = self
            .clients
            .mwaa
            .invoke_rest_api()
            .name(&self.settings.name)
            .method(RestApiMethod::Get)
            .path(path)
            .customize()
            .config_override(one_try(limit));
        match request.send().await {
            Ok(answer) => answer
                .rest_api_response()
                .and_then(read_health)
                .ok_or_else(|| Cause::new(CauseKind::Unparsable, format!("{path} did not answer Airflow's health"))),
            Err(error) => Err(rest_api_cause(error.as_service_error(), path).unwrap_or_else(|| classify(&error).cause)),
        }
    }

    async fn heartbeat(&self, now: Timestamp) -> ProbeResult<HeartbeatEvidence> {
        match self.heartbeat_within(RECENT, RECENT_PERIOD, now).await {
            // There was no heartbeat for hours: was there ever one? A coarse period keeps the answer short.
            ProbeResult::Known(HeartbeatEvidence { last_seen: None }) => {
                self.heartbeat_within(LOOK_BACK, LOOK_BACK_PERIOD, now).await
            }
            answer => answer,
        }
    }

    async fn heartbeat_within(&self, back: Duration, period: i32, now: Timestamp) -> ProbeResult<HeartbeatEvidence> {
        let metric = Metric::builder()
            .namespace("AmazonMWAA")
            .metric_name("SchedulerHeartbeat")
            .dimensions(
                Dimension::builder()
                    .name("Environment")
                    .value(&self.settings.name)
                    .build(),
            )
            // Without this second dimension the answer is empty.
            .dimensions(Dimension::builder().name("Function").value("Scheduler").build())
            .build();
        let query = MetricDataQuery::builder()
            .id("heartbeat")
            .metric_stat(MetricStat::builder().metric(metric).period(period).stat("Sum").build())
            .build();
        let mut pages = self
            .clients
            .cloudwatch
            .get_metric_data()
            .metric_data_queries(query)
            .start_time(DateTime::from_millis(before(now, back).as_millisecond()))
            .end_time(DateTime::from_millis(now.as_millisecond()))
            .scan_by(ScanBy::TimestampDescending)
            .into_paginator()
            .send();
        // What remains unknown after an answer that lacks the metric, or has an unknown status.
        let mut missing = Some("GetMetricData answered nothing of the heartbeat".to_owned());
        let mut newest: Option<Timestamp> = None;
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) if newest.is_some_and(|newest| newest >= self.proves_life(now)) => {
                    tracing::debug!(error = %classify(&error).cause, "the rest of the heartbeat was not answered");
                    break;
                }
                Err(error) => return ProbeResult::Unknown(classify(&error).cause),
            };
            for result in page.metric_data_results() {
                missing = match result.status_code() {
                    Some(StatusCode::Complete) | None => None,
                    Some(StatusCode::PartialData) => Some("GetMetricData answered only a part".to_owned()),
                    Some(other) => Some(format!("GetMetricData answered {other}")),
                };
                newest = result
                    .timestamps()
                    .iter()
                    .zip(result.values())
                    .filter(|(_, value)| **value >= 1.0)
                    .filter_map(|(at, _)| Timestamp::from_millisecond(at.to_millis().ok()?).ok())
                    .chain(newest)
                    .max();
            }
            // Newest first: the datapoints of a later page are older.
            if missing.is_none() && newest.is_some() {
                break;
            }
        }
        // A partial answer may prove life, never death: the missing part may be the newest.
        match missing {
            Some(what) if newest.is_none_or(|newest| newest < self.proves_life(now)) => {
                ProbeResult::Unknown(Cause::new(CauseKind::Unavailable, what))
            }
            _ => ProbeResult::Known(HeartbeatEvidence { last_seen: newest }),
        }
    }

    /// The earliest datapoint that proves that the scheduler is alive now.
    fn proves_life(&self, now: Timestamp) -> Timestamp {
        before(now, self.failure_window)
    }

    /// `together` holds the alarms that one observation of both environments reads once: a request is billed, not a
    /// name.
    async fn alarms(&self, depth: ProbeScope, together: Option<&OnceCell<AlarmStates>>) -> AlarmStates {
        // The events of alarms in another region do not reach the watcher: their state must be asked for.
        if depth == ProbeScope::Free && self.settings.region.is_none() && !self.alarms.is_empty() {
            return ProbeResult::Unknown(Cause::not_asked());
        }
        match (together, &self.alarms_of_both) {
            (Some(together), Some(both)) if !self.alarms.is_empty() => {
                self.alarms.among(together.get_or_init(|| both.states()).await)
            }
            _ => self.alarms.states().await,
        }
    }
}

fn unknown_environment(message: &str) -> EnvironmentAnswer {
    EnvironmentAnswer::Unknown(Cause::new(CauseKind::Unparsable, message))
}

/// Whether a retry can help.
pub(crate) fn is_retryable(cause: &Cause) -> bool {
    matches!(
        cause.kind,
        CauseKind::Throttled | CauseKind::Unavailable | CauseKind::TimedOut
    )
}

/// Airflow's own errors are wrapped, with Airflow's status.
pub(crate) fn rest_api_cause(error: Option<&InvokeRestApiError>, path: &str) -> Option<Cause> {
    let (status, message) = match error? {
        InvokeRestApiError::RestApiClientException(error) => (error.rest_api_status_code(), error.message()),
        InvokeRestApiError::RestApiServerException(error) => (error.rest_api_status_code(), error.message()),
        _ => return None,
    };
    let kind = match status {
        Some(404) => CauseKind::NotFound,
        Some(401 | 403) => CauseKind::AccessDenied,
        Some(429) => CauseKind::Throttled,
        Some(500..) | None => CauseKind::Unavailable,
        Some(_) => CauseKind::Rejected,
    };
    let status = status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
    Some(Cause::new(
        kind,
        format!(
            "Airflow answered {status} at {path}{}",
            message
                .map(|message| format!(": {}", shortened(message, LONGEST_MESSAGE)))
                .unwrap_or_default()
        ),
    ))
}

/// Parses Airflow's health answer. An answer of another shape is `None`, never bad.
fn read_health(document: &Document) -> Option<AirflowHealth> {
    let field = |part: &str, name: &str| -> Option<Option<String>> {
        match document.as_object()?.get(part)?.as_object()?.get(name) {
            Some(Document::String(text)) => Some(Some(text.clone())),
            Some(Document::Null) | None => Some(None),
            Some(_) => None,
        }
    };
    let heartbeat = field("scheduler", "latest_scheduler_heartbeat")?;
    Some(AirflowHealth {
        scheduler: field("scheduler", "status")?,
        metadatabase: field("metadatabase", "status")?,
        latest_scheduler_heartbeat: heartbeat.as_deref().and_then(read_instant),
    })
}

/// Airflow writes `2026-11-23T10:12:44.120000+00:00`; without an offset it means UTC.
pub(crate) fn read_instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}
