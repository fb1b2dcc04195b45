//! What was observed of one environment, before any judgment. The serialized form is complete, so it can be replayed.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a question has no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// The service throttled the request.
    Throttled,
    /// The answer did not arrive in time.
    TimedOut,
    /// The function's role is not allowed to ask.
    AccessDenied,
    /// The service or the network failed.
    Unavailable,
    /// The service's answer cannot be parsed.
    Unparsable,
    /// The requested resource does not exist.
    NotFound,
    /// The request was rejected as invalid.
    Rejected,
    /// Not asked, because no answer could change the verdict.
    NotAsked,
    /// Not written, because the root belongs to another pair.
    WrongPair,
}

impl CauseKind {
    /// The class in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::TimedOut => "timed out",
            Self::AccessDenied => "access denied",
            Self::Unavailable => "unavailable",
            Self::Unparsable => "unparsable answer",
            Self::NotFound => "not found",
            Self::Rejected => "request refused",
            Self::NotAsked => "not asked",
            Self::WrongPair => "wrong pair",
        }
    }
}

/// A cause: its class and its message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// The class of the cause.
    pub kind: CauseKind,
    /// The service's message, or what to do.
    pub message: String,
}

impl Cause {
    /// Combines a class and a message.
    pub fn new(kind: CauseKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The cause of a question that was not asked, because no answer could change the verdict.
    #[must_use]
    pub fn not_asked() -> Self {
        Self::new(CauseKind::NotAsked, "")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            formatter.write_str(self.kind.as_str())
        } else {
            write!(formatter, "{}: {}", self.kind.as_str(), self.message)
        }
    }
}

/// The answer to a probe, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeResult<T> {
    /// The probe was answered.
    Known(T),
    /// The probe was not answered, for this cause.
    Unknown(Cause),
}

/// The answer of GetEnvironment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvironmentAnswer {
    /// The environment exists.
    Found(Environment),
    /// No environment has that name: it was deleted, or never existed.
    NotFound,
    /// The request was not answered.
    Unknown(Cause),
}

/// The fields of an environment that matter here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// `Status`, as MWAA writes it.
    pub status: String,
    /// `AirflowVersion`.
    #[serde(default)]
    pub airflow_version: Option<String>,
    /// `LastUpdate.Source`: distinguishes an update by AWS from one by a person.
    #[serde(default)]
    pub last_update_source: Option<String>,
}

/// Airflow's answer at `/monitor/health` (Airflow 3) or `/health` (Airflow 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AirflowHealth {
    /// `scheduler.status`; none means it has never started.
    pub scheduler: Option<String>,
    /// `metadatabase.status`.
    pub metadatabase: Option<String>,
    /// `scheduler.latest_scheduler_heartbeat`.
    pub latest_scheduler_heartbeat: Option<Timestamp>,
}

/// The metric `AmazonMWAA SchedulerHeartbeat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatEvidence {
    /// Start of the newest period with a value of 1 or more; none if the requested time range has none.
    pub last_seen: Option<Timestamp>,
}

/// One alarm that the user named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmEvidence {
    /// The alarm's name.
    pub name: String,
    /// The alarm's state; none if CloudWatch has no alarm of that name.
    pub state: Option<AlarmState>,
    /// When the alarm entered that state.
    pub since: Option<Timestamp>,
}

/// The state of a CloudWatch alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// The metric is within the alarm's threshold.
    Ok,
    /// The metric is beyond the alarm's threshold.
    Alarm,
    /// The alarm has too little data, or a state that this release does not know.
    InsufficientData,
}

/// All raw signals of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Name of the observed environment. Evidence of another one, from before the settings named this one, does not
    /// apply to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// mwaa GetEnvironment.
    pub environment: EnvironmentAnswer,
    /// Airflow's health endpoint, through mwaa InvokeRestApi.
    pub airflow: ProbeResult<AirflowHealth>,
    /// CloudWatch GetMetricData. Each request costs money, so it is made only when Airflow's answer is not ok.
    pub heartbeat: ProbeResult<HeartbeatEvidence>,
    /// CloudWatch DescribeAlarms on the alarms the user named; empty if none are named.
    pub alarms: ProbeResult<Vec<AlarmEvidence>>,
}
