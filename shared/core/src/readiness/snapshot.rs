//! What AWS and Airflow answered, before any judgment. Every part is an answer, or why there is none.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::airflow::{DagList, ImportErrors};
use crate::color::{Both, Color};
use crate::flag::FlagVersion;
use crate::health::ProbeResult;

/// Everything that a readiness check asks for, except the verdicts.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// The answers of mwaa GetEnvironment.
    pub environments: Both<ProbeResult<EnvironmentDetails>>,
    /// The DAGs that Airflow lists.
    pub dags: Both<DagList>,
    /// Files that Airflow cannot import.
    pub import_errors: Both<ProbeResult<ImportErrors>>,
    /// The versions of the flag that SSM keeps.
    pub history: ProbeResult<KeptVersions>,
    /// The flag's `AllowedPattern`.
    pub allowed_pattern: ProbeResult<Option<String>>,
    /// The alarms that the user named; empty if none are.
    pub named_alarms: Both<ProbeResult<Vec<AlarmSetting>>>,
    /// The stack's own heartbeat alarms; none where an environment is in another region and has none.
    pub heartbeat_alarms: Both<Option<ProbeResult<AlarmSetting>>>,
    /// What the standby's last runs show about its guard. None if this could not be asked, because the DAGs, the flag's
    /// history or the environment are not known, which is reported separately.
    pub guards: Option<ProbeResult<GuardTraces>>,
    /// Scheduled runs that the active color created since the last transition, with earlier ticks: DAG and tick.
    pub old_ticks: Vec<(String, Timestamp)>,
}

/// The fields of GetEnvironment in which two environments may differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EnvironmentDetails {
    /// `Status`.
    pub status: String,
    /// `AirflowVersion`.
    pub airflow_version: Option<String>,
    /// `EnvironmentClass`.
    pub environment_class: Option<String>,
    /// `MinWorkers`.
    pub min_workers: Option<i32>,
    /// `MaxWorkers`.
    pub max_workers: Option<i32>,
    /// `Schedulers`.
    pub schedulers: Option<i32>,
    /// `MaxWebservers`.
    pub max_webservers: Option<i32>,
    /// `WebserverAccessMode`.
    pub webserver_access_mode: Option<String>,
    /// `WeeklyMaintenanceWindowStart`, in UTC.
    pub weekly_maintenance_window_start: Option<String>,
    /// `SourceBucketArn`.
    pub source_bucket_arn: Option<String>,
    /// `DagS3Path`.
    pub dag_s3_path: Option<String>,
    /// `RequirementsS3Path` and its version.
    pub requirements: Option<SourceFile>,
    /// `PluginsS3Path` and its version.
    pub plugins: Option<SourceFile>,
    /// `StartupScriptS3Path` and its version.
    pub startup_script: Option<SourceFile>,
    /// `AirflowConfigurationOptions`.
    pub configuration_options: ConfigurationOptions,
}

/// A file in the source bucket from which MWAA builds the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceFile {
    /// The object's key.
    pub path: String,
    /// The S3 object version. It can only be compared with another one of the same key in the same bucket.
    pub version: Option<String>,
}

/// Airflow configuration options by name. Values may be secrets, so they are compared and never shown or logged.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConfigurationOptions(pub BTreeMap<String, String>);

impl std::fmt::Debug for ConfigurationOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Serialize for ConfigurationOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.keys())
    }
}

/// What the last finished runs of the standby show about its guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GuardTraces {
    /// The environment that was the standby at the time of the request.
    pub standby: Color,
    /// When the newest run with a guard began.
    pub guarded: Option<Timestamp>,
    /// DAGs whose newest run executed a task without a guard, and when that run began.
    pub bare: BTreeMap<String, Timestamp>,
    /// Those of these DAGs that have a guard in the active color's runs.
    pub guarded_on_active: ProbeResult<BTreeSet<String>>,
}

/// What SSM keeps of the flag's history, as far as it can prevent the next write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KeptVersions {
    /// The number of versions.
    pub count: usize,
    /// The oldest version.
    pub oldest: Option<FlagVersion>,
    /// The versions that carry labels.
    pub labeled: BTreeMap<FlagVersion, Vec<String>>,
}

/// The configuration of one alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmSetting {
    /// The alarm's name.
    pub name: String,
    /// Whether CloudWatch has the alarm.
    pub exists: bool,
    /// `ActionsEnabled`.
    pub actions_enabled: bool,
    /// Whether it has an action for the state ALARM.
    pub has_alarm_actions: bool,
}
