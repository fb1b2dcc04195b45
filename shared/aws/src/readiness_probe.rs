//! Asks everything that a readiness check needs, all at once and within a time limit. An answer that does not arrive in
//! time is unknown; an incomplete list of DAGs is reported as incomplete.
//!
//! Nothing here is billed by the datapoint: MWAA's and Parameter Store's questions are free, and DescribeAlarms is one
//! of CloudWatch's cheap requests.

pub(crate) mod airflow_lists;
mod guard_traces;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudwatch::types::AlarmType;
use aws_sdk_mwaa::types::Environment;
use bluegreen_core::color::{Both, Color};
use bluegreen_core::flag::HistoryEntry;
use bluegreen_core::health::{Cause, CauseKind, ProbeResult};
use bluegreen_core::readiness::{
    AlarmSetting, ConfigurationOptions, DagList, EnvironmentDetails, GuardTraces, ImportErrors, KeptVersions, Snapshot,
    SourceFile, guards_are_looked_for_since, looks_back_to, may_be_guarded,
};
use bluegreen_core::settings::{EnvironmentSettings, Settings};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::airflow_api::{AirflowApi, Pace, out_of_time};
use crate::clients::{Clients, ColorClients};
use crate::clock::Clock;
use crate::error::classify;
use crate::parameter_store::ParameterStore;

/// The maximum number of names in one DescribeAlarms.
const ALARMS_A_CALL: usize = 100;

/// The questions of a readiness check.
#[derive(Debug)]
pub struct ReadinessProbe {
    clients: Both<ColorClients>,
    settings: Both<EnvironmentSettings>,
    /// The names of the heartbeat alarms by the template; `None` in another region, where the stack creates none.
    heartbeat_alarms: Both<Option<String>>,
    clock: Clock,
}

impl ReadinessProbe {
    /// The questions about the environments in the settings, over these clients.
    pub fn new(clients: &Clients, settings: &Settings) -> Self {
        Self {
            clients: clients.colors.clone(),
            settings: settings.environments.clone(),
            clock: clients.clock.clone(),
            heartbeat_alarms: settings.environments.map(|color, environment| {
                environment
                    .region
                    .is_none()
                    .then(|| format!("{}-{color}-heartbeat-lost", settings.pair))
            }),
        }
    }

    /// Asks everything. Also returns the flag's history, which the caller needs anyway; it is empty if it could not be
    /// read.
    pub async fn snapshot(&self, store: &ParameterStore, limit: Duration) -> (Snapshot, Vec<HistoryEntry>) {
        let until = Instant::now().checked_add(limit).unwrap_or_else(Instant::now);
        // The rate limit is the account's: both environments share it.
        let pace = Pace::new();
        let (blue, green, history, allowed_pattern) = tokio::join!(
            self.color(Color::Blue, &pace, until),
            self.color(Color::Green, &pace, until),
            within(until, async {
                store.history_with_labels().await.map_err(|failure| failure.cause)
            }),
            within(until, async {
                store.allowed_pattern().await.map_err(|failure| failure.cause)
            }),
        );
        let (history, kept) = match history {
            ProbeResult::Known(versions) => {
                let kept = kept(&versions);
                (
                    versions.into_iter().map(|(entry, _)| entry).collect(),
                    ProbeResult::Known(kept),
                )
            }
            ProbeResult::Unknown(cause) => (Vec::new(), ProbeResult::Unknown(cause)),
        };
        let is_airflow_2 = Both {
            blue: is_airflow_2(&blue.environment),
            green: is_airflow_2(&green.environment),
        };
        let mut snapshot = Snapshot {
            environments: Both {
                blue: blue.environment,
                green: green.environment,
            },
            dags: Both {
                blue: blue.dags,
                green: green.dags,
            },
            import_errors: Both {
                blue: blue.import_errors,
                green: green.import_errors,
            },
            history: kept,
            allowed_pattern,
            named_alarms: Both {
                blue: blue.named_alarms,
                green: green.named_alarms,
            },
            heartbeat_alarms: Both {
                blue: blue.heartbeat_alarm,
                green: green.heartbeat_alarm,
            },
            guards: None,
            old_ticks: Vec::new(),
        };
        // Asked after the others, whose answers it uses: what they do not contain is not asked for.
        let (guards, old_ticks) = tokio::join!(
            self.guards(&snapshot, &history, &pace, until),
            self.old_ticks(&history, is_airflow_2, &pace, until),
        );
        snapshot.guards = guards;
        snapshot.old_ticks = old_ticks;
        (snapshot, history)
    }

    /// The guard's traces on the standby. `None` if a question that this one depends on has no answer.
    async fn guards(
        &self,
        snapshot: &Snapshot,
        history: &[HistoryEntry],
        pace: &Pace,
        until: Instant,
    ) -> Option<ProbeResult<GuardTraces>> {
        let active = history.last()?.value.color()?;
        let color = active.other();
        let ProbeResult::Known(environment) = snapshot.environments.of(color) else {
            return None;
        };
        let list = snapshot.dags.of(color);
        if !list.is_complete() {
            return None;
        }
        let api = |color: Color| self.api(color, pace, until);
        let guarded = list.dags.iter().filter(|(_, dag)| may_be_guarded(environment, dag));
        let asked = guard_traces::Asked {
            color,
            standby: &api(color),
            active: &api(active),
            dags: guarded.map(|(id, _)| id.as_str()).collect(),
            dags_of_active: snapshot.dags.of(active).dags.keys().map(String::as_str).collect(),
            since: guards_are_looked_for_since(history, self.clock.now()),
        };
        Some(match asked.traces().await {
            Ok(traces) => ProbeResult::Known(traces),
            Err(cause) => ProbeResult::Unknown(cause),
        })
    }

    fn api<'a>(&'a self, color: Color, pace: &'a Pace, until: Instant) -> AirflowApi<'a> {
        AirflowApi {
            mwaa: &self.clients.of(color).mwaa,
            environment: &self.settings.of(color).name,
            pace,
            until,
        }
    }

    /// Runs with old ticks of the active, whose other answers show the generation of its Airflow. Empty if it does not
    /// respond: an unreadable list counts against nothing, and the environment's other gaps are reported.
    async fn old_ticks(
        &self,
        history: &[HistoryEntry],
        is_airflow_2: Both<Option<bool>>,
        pace: &Pace,
        until: Instant,
    ) -> Vec<(String, Timestamp)> {
        let active = history.last().and_then(|newest| newest.value.color());
        let (Some(active), Some(since)) = (active, looks_back_to(history, self.clock.now())) else {
            return Vec::new();
        };
        // The two generations name the parameters differently, and Airflow 2 refuses those of the other.
        let Some(is_airflow_2) = *is_airflow_2.of(active) else {
            return Vec::new();
        };
        airflow_lists::old_ticks(&self.api(active, pace, until), is_airflow_2, since)
            .await
            .unwrap_or_else(|cause| {
                tracing::warn!(error = %cause, "runs made late could not be asked for");
                Vec::new()
            })
    }

    async fn color(&self, color: Color, pace: &Pace, until: Instant) -> OfColor {
        let settings = self.settings.of(color);
        let heartbeat = self.heartbeat_alarms.of(color);
        let api = self.api(color, pace, until);
        let mut names = settings.alarms.clone();
        names.extend(heartbeat.clone());
        let (environment, (import_errors, dags), alarms) = tokio::join!(
            within(until, self.environment(color)),
            // The one small page comes first: many DAGs must not use up its time.
            async {
                (
                    airflow_lists::import_errors(&api).await,
                    airflow_lists::dags(&api).await,
                )
            },
            within(until, self.alarms(color, &names)),
        );
        let setting = |found: &BTreeMap<String, AlarmSetting>, name: &String| {
            found.get(name).cloned().unwrap_or_else(|| AlarmSetting {
                name: name.clone(),
                exists: false,
                actions_enabled: false,
                has_alarm_actions: false,
            })
        };
        let (named_alarms, heartbeat_alarm) = match alarms {
            ProbeResult::Known(found) => (
                ProbeResult::Known(settings.alarms.iter().map(|name| setting(&found, name)).collect()),
                heartbeat.as_ref().map(|name| ProbeResult::Known(setting(&found, name))),
            ),
            ProbeResult::Unknown(cause) => (
                if settings.alarms.is_empty() {
                    ProbeResult::Known(Vec::new())
                } else {
                    ProbeResult::Unknown(cause.clone())
                },
                heartbeat.as_ref().map(|_| ProbeResult::Unknown(cause)),
            ),
        };
        OfColor {
            environment,
            dags,
            import_errors,
            named_alarms,
            heartbeat_alarm,
        }
    }

    async fn environment(&self, color: Color) -> Result<EnvironmentDetails, Cause> {
        let name = &self.settings.of(color).name;
        let answer = self.clients.of(color).mwaa.get_environment().name(name).send().await;
        match answer {
            Ok(answer) => answer.environment().and_then(details).ok_or_else(|| {
                Cause::new(
                    CauseKind::Unparsable,
                    "GetEnvironment answered no environment with a status",
                )
            }),
            Err(error) => Err(classify(&error).cause),
        }
    }

    async fn alarms(&self, color: Color, names: &[String]) -> Result<BTreeMap<String, AlarmSetting>, Cause> {
        let mut found = BTreeMap::new();
        for chunk in names.chunks(ALARMS_A_CALL) {
            let answer = self
                .clients
                .of(color)
                .cloudwatch
                .describe_alarms()
                .set_alarm_names(Some(chunk.to_vec()))
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .max_records(100)
                .send()
                .await
                .map_err(|error| classify(&error).cause)?;
            let metric_alarms = answer
                .metric_alarms()
                .iter()
                .map(|alarm| (alarm.alarm_name(), alarm.actions_enabled(), alarm.alarm_actions()));
            let composite_alarms = answer
                .composite_alarms()
                .iter()
                .map(|alarm| (alarm.alarm_name(), alarm.actions_enabled(), alarm.alarm_actions()));
            for (name, actions_enabled, actions) in metric_alarms.chain(composite_alarms) {
                let Some(name) = name else { continue };
                let setting = AlarmSetting {
                    name: name.to_owned(),
                    exists: true,
                    // Absent means yes, as in PutMetricAlarm.
                    actions_enabled: actions_enabled.unwrap_or(true),
                    has_alarm_actions: !actions.is_empty(),
                };
                found.insert(name.to_owned(), setting);
            }
        }
        Ok(found)
    }
}

fn is_airflow_2(environment: &ProbeResult<EnvironmentDetails>) -> Option<bool> {
    match environment {
        ProbeResult::Known(details) => details
            .airflow_version
            .as_deref()
            .map(|version| version.starts_with("2.")),
        ProbeResult::Unknown(_) => None,
    }
}

struct OfColor {
    environment: ProbeResult<EnvironmentDetails>,
    dags: DagList,
    import_errors: ProbeResult<ImportErrors>,
    named_alarms: ProbeResult<Vec<AlarmSetting>>,
    heartbeat_alarm: Option<ProbeResult<AlarmSetting>>,
}

async fn within<T>(until: Instant, question: impl Future<Output = Result<T, Cause>>) -> ProbeResult<T> {
    match timeout_at(until, question).await {
        Ok(Ok(answer)) => ProbeResult::Known(answer),
        Ok(Err(cause)) => ProbeResult::Unknown(cause),
        Err(_) => ProbeResult::Unknown(out_of_time()),
    }
}

fn kept(versions: &[(HistoryEntry, Vec<String>)]) -> KeptVersions {
    KeptVersions {
        count: versions.len(),
        oldest: versions.first().map(|(entry, _)| entry.version),
        labeled: versions
            .iter()
            .filter(|(_, labels)| !labels.is_empty())
            .map(|(entry, labels)| (entry.version, labels.clone()))
            .collect(),
    }
}

fn details(environment: &Environment) -> Option<EnvironmentDetails> {
    // MWAA returns an empty path for a file that was removed.
    let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let file = |path: Option<&str>, version: Option<&str>| {
        given(path).map(|path| SourceFile {
            path,
            version: given(version),
        })
    };
    Some(EnvironmentDetails {
        status: environment.status()?.as_str().to_owned(),
        airflow_version: given(environment.airflow_version()),
        environment_class: given(environment.environment_class()),
        min_workers: environment.min_workers(),
        max_workers: environment.max_workers(),
        schedulers: environment.schedulers(),
        max_webservers: environment.max_webservers(),
        webserver_access_mode: environment.webserver_access_mode().map(|mode| mode.as_str().to_owned()),
        weekly_maintenance_window_start: given(environment.weekly_maintenance_window_start()),
        source_bucket_arn: given(environment.source_bucket_arn()),
        dag_s3_path: given(environment.dag_s3_path()),
        requirements: file(
            environment.requirements_s3_path(),
            environment.requirements_s3_object_version(),
        ),
        plugins: file(environment.plugins_s3_path(), environment.plugins_s3_object_version()),
        startup_script: file(
            environment.startup_script_s3_path(),
            environment.startup_script_s3_object_version(),
        ),
        configuration_options: ConfigurationOptions(
            environment
                .airflow_configuration_options()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        ),
    })
}
