//! Custom metrics, namespace `MWAA/BlueGreen`.

use jiff::Timestamp;
use serde::Serialize;

use crate::color::{Both, Color};
use crate::drill::DrillOutcome;
use crate::health::{Assessment, Verdict};
use crate::precondition::PreconditionName;
use crate::transition_kind::Kind;
use crate::vocabulary::vocabulary;

/// The namespace of all custom metrics.
pub const NAMESPACE: &str = "MWAA/BlueGreen";

/// Units with CloudWatch's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MetricUnit {
    /// A number of things, or yes and no as 1 and 0.
    Count,
    /// A duration in seconds.
    Seconds,
    /// A duration in milliseconds.
    Milliseconds,
}

/// The dimension that a metric may have in addition to `Pair`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricDimension {
    /// The color of an environment.
    Color,
    /// The kind of transition.
    Kind,
    /// The name of a precondition.
    Precondition,
    /// The outcome of a drill.
    Outcome,
}

impl MetricDimension {
    /// The dimension's name in CloudWatch.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Color => "Color",
            Self::Kind => "Kind",
            Self::Precondition => "Precondition",
            Self::Outcome => "Outcome",
        }
    }

    /// Every value that the dimension can have.
    #[must_use]
    pub fn values(self) -> Vec<&'static str> {
        match self {
            Self::Color => Color::BOTH.map(Color::as_str).to_vec(),
            Self::Kind => Kind::ALL.map(Kind::as_str).to_vec(),
            Self::Precondition => {
                let blocking = PreconditionName::ALL
                    .iter()
                    .filter(|precondition| precondition.blocks_failovers());
                blocking.map(|precondition| precondition.as_str()).collect()
            }
            Self::Outcome => DrillOutcome::ENDS.map(DrillOutcome::as_str).to_vec(),
        }
    }
}

/// The properties of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricEntry {
    /// The unit of every datum.
    pub unit: MetricUnit,
    /// The dimension in addition to `Pair`, if there is one.
    pub dimension: Option<MetricDimension>,
}

vocabulary! {
    /// Names of the metrics, each with what its value says.
    pub enum MetricName: MetricEntry {
        /// 1 or 0, absent while unknown
        EnvironmentHealthy {
            name: "EnvironmentHealthy",
            unit: MetricUnit::Count,
            dimension: Some(MetricDimension::Color),
        }
        /// 1 for the active environment, 0 for the standby
        ActiveEnvironment {
            name: "ActiveEnvironment",
            unit: MetricUnit::Count,
            dimension: Some(MetricDimension::Color),
        }
        /// changes of the flag
        Transitions { name: "Transitions", unit: MetricUnit::Count, dimension: Some(MetricDimension::Kind) }
        /// from the decision to the written flag
        SwitchDuration { name: "SwitchDuration", unit: MetricUnit::Milliseconds, dimension: None }
        /// from the last sign of life to the written flag
        RecoveryTime { name: "RecoveryTime", unit: MetricUnit::Seconds, dimension: None }
        /// a failover is wanted and this precondition objects
        FailoverBlocked { name: "FailoverBlocked", unit: MetricUnit::Count, dimension: Some(MetricDimension::Precondition) }
        /// 1 while the flag is broken
        FlagFault { name: "FlagFault", unit: MetricUnit::Count, dimension: None }
        /// 1 while the active has been in doubt for too long
        EnvironmentUnknown { name: "EnvironmentUnknown", unit: MetricUnit::Count, dimension: None }
        /// drills that ended
        DrillOutcome { name: "DrillOutcome", unit: MetricUnit::Count, dimension: Some(MetricDimension::Outcome) }
        /// 1 while a drill is overdue
        DrillOverdue { name: "DrillOverdue", unit: MetricUnit::Count, dimension: None }
        /// 0 to 100; below 50 something is red
        ReadinessScore { name: "ReadinessScore", unit: MetricUnit::Count, dimension: None }
    }
}

/// One datum. Its name determines unit and dimension; the dimension `Pair` is added when it is published.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// The metric's name.
    pub name: MetricName,
    /// The value of the datum.
    pub value: f64,
    /// The value of the dimension in addition to `Pair`, if the name has one.
    pub of: Option<&'static str>,
    /// The instant that the value belongs to.
    pub at: Timestamp,
}

impl Metric {
    /// A datum of a metric without a dimension.
    #[must_use]
    pub fn new(name: MetricName, value: f64, at: Timestamp) -> Self {
        Self {
            name,
            value,
            of: None,
            at,
        }
    }

    fn of(name: MetricName, of: &'static str, value: f64, at: Timestamp) -> Self {
        Self {
            of: Some(of),
            ..Self::new(name, value, at)
        }
    }

    /// The dimension in addition to `Pair`, with its value.
    #[must_use]
    pub fn dimension(&self) -> Option<(&'static str, &'static str)> {
        Some((self.name.entry().dimension?.as_str(), self.of?))
    }

    /// `ActiveEnvironment`: 1 for the active color, 0 for the other.
    #[must_use]
    pub fn active_environment(active: Color, at: Timestamp) -> Vec<Self> {
        Color::BOTH
            .iter()
            .map(|color| {
                let value = if *color == active { 1.0 } else { 0.0 };
                Self::of(MetricName::ActiveEnvironment, color.as_str(), value, at)
            })
            .collect()
    }

    /// `EnvironmentHealthy`: 1 healthy, 0 not; absent while unknown.
    #[must_use]
    pub fn environment_healthy(verdicts: &Both<Assessment>, at: Timestamp) -> Vec<Self> {
        Color::BOTH
            .iter()
            .filter_map(|color| {
                let value = match verdicts.of(*color).verdict {
                    Verdict::Healthy => 1.0,
                    Verdict::Unhealthy | Verdict::Suspect | Verdict::Maintenance => 0.0,
                    Verdict::Unknown => return None,
                };
                Some(Self::of(MetricName::EnvironmentHealthy, color.as_str(), value, at))
            })
            .collect()
    }

    /// `FailoverBlocked`: a failover is wanted and this precondition objects.
    #[must_use]
    pub fn failover_blocked(precondition: PreconditionName, at: Timestamp) -> Self {
        Self::of(MetricName::FailoverBlocked, precondition.as_str(), 1.0, at)
    }

    /// `FlagFault`: the flag is missing or holds no color.
    #[must_use]
    pub fn flag_fault(at: Timestamp) -> Self {
        Self::new(MetricName::FlagFault, 1.0, at)
    }

    /// `EnvironmentUnknown`: the active environment has been in doubt for too long; absent otherwise.
    #[must_use]
    pub fn environment_unknown(at: Timestamp) -> Self {
        Self::new(MetricName::EnvironmentUnknown, 1.0, at)
    }

    /// `DrillOutcome`: a drill ended with this outcome.
    #[must_use]
    pub fn drill_outcome(outcome: DrillOutcome, at: Timestamp) -> Self {
        Self::of(MetricName::DrillOutcome, outcome.as_str(), 1.0, at)
    }

    /// `DrillOverdue`: nothing has proved the standby for too long; absent otherwise.
    #[must_use]
    pub fn drill_overdue(at: Timestamp) -> Self {
        Self::new(MetricName::DrillOverdue, 1.0, at)
    }

    /// `ReadinessScore`: 0 to 100; below 50 something is red.
    #[must_use]
    pub fn readiness_score(score: u32, at: Timestamp) -> Self {
        Self::new(MetricName::ReadinessScore, f64::from(score), at)
    }

    /// `Transitions`: one change of the flag.
    #[must_use]
    pub fn transition(kind: Kind, at: Timestamp) -> Self {
        Self::of(MetricName::Transitions, kind.as_str(), 1.0, at)
    }
}
