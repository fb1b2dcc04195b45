//! What was seen of one environment, before anybody judges it. Serialized whole, it can be replayed.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a question got no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// The service asked us to slow down.
    Throttled,
    /// No answer in time.
    TimedOut,
    /// Our role may not ask.
    AccessDenied,
    /// The service or the network failed.
    Unavailable,
    /// It answered something we cannot read.
    Unparsable,
    /// The thing asked about does not exist.
    NotFound,
    /// The request was refused as wrong.
    Rejected,
    /// Not asked, because no answer could change the verdict.
    NotAsked,
    /// Not written, because the root belongs to another pair.
    WrongPair,
}

impl CauseKind {
    /// In words.
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

/// A cause with its message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// The class.
    pub kind: CauseKind,
    /// What the service said, or what to do.
    pub message: String,
}

impl Cause {
    /// Made of both.
    pub fn new(kind: CauseKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// Not asked, because no answer could change the verdict.
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

/// An answer, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeResult<T> {
    /// It was answered.
    Known(T),
    /// It was not.
    Unknown(Cause),
}

/// What GetEnvironment said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvironmentAnswer {
    /// It exists.
    Found(Environment),
    /// There is none of that name: deleted, or never there.
    NotFound,
    /// No answer.
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
    /// `LastUpdate.Source`: tells an update by AWS from one by a person.
    #[serde(default)]
    pub last_update_source: Option<String>,
}

/// Airflow's own answer at `/monitor/health` (Airflow 3) or `/health` (Airflow 2).
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
    /// Start of the newest period with a value of 1 or more; none if none was found as far back as we look.
    pub last_seen: Option<Timestamp>,
}

/// One alarm that the user named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmEvidence {
    /// Its name.
    pub name: String,
    /// Its state; none if CloudWatch has no alarm of that name.
    pub state: Option<AlarmState>,
    /// When it came into that state.
    pub since: Option<Timestamp>,
}

/// State of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// Within its threshold.
    Ok,
    /// Beyond it.
    Alarm,
    /// Not enough data, or a state we do not know.
    InsufficientData,
}

/// All raw signals of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Which environment it is of: what was seen of another, before the settings named this one, says nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// mwaa GetEnvironment.
    pub environment: EnvironmentAnswer,
    /// Airflow's health endpoint, through mwaa InvokeRestApi.
    pub airflow: ProbeResult<AirflowHealth>,
    /// CloudWatch GetMetricData; costs money, so asked only when Airflow's answer is not ok.
    pub heartbeat: ProbeResult<HeartbeatEvidence>,
    /// CloudWatch DescribeAlarms on the alarms the user named; empty if none are named.
    pub alarms: ProbeResult<Vec<AlarmEvidence>>,
}
