//! Custom metrics, namespace `MWAA/BlueGreen`.

use jiff::Timestamp;
use serde::Serialize;

use crate::color::{Both, Color};
use crate::drill::DrillOutcome;
use crate::health::{Assessment, Verdict};
use crate::precondition::PreconditionName;

/// The namespace of every metric here.
pub const NAMESPACE: &str = "MWAA/BlueGreen";

/// Units as CloudWatch names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MetricUnit {
    /// A number of things, or a yes and no as 1 and 0.
    Count,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// One datum. The dimension `Pair` is added to it when it is published.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// Its unit.
    pub unit: MetricUnit,
    /// The dimension beside `Pair`.
    pub dimension: Option<(&'static str, String)>,
    /// When it was so.
    pub at: Timestamp,
}

impl Metric {
    fn count(name: &'static str, value: f64, dimension: Option<(&'static str, String)>, at: Timestamp) -> Self {
        Self {
            name,
            value,
            unit: MetricUnit::Count,
            dimension,
            at,
        }
    }

    /// `ActiveEnvironment`: 1 for the active color, 0 for the other.
    #[must_use]
    pub fn active_environment(active: Color, at: Timestamp) -> Vec<Self> {
        Color::BOTH
            .iter()
            .map(|color| {
                let value = if *color == active { 1.0 } else { 0.0 };
                Self::count("ActiveEnvironment", value, Some(("Color", color.to_string())), at)
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
                Some(Self::count(
                    "EnvironmentHealthy",
                    value,
                    Some(("Color", color.to_string())),
                    at,
                ))
            })
            .collect()
    }

    /// `FailoverBlocked`: a failover is wanted and this precondition prevents it.
    #[must_use]
    pub fn failover_blocked(precondition: PreconditionName, at: Timestamp) -> Self {
        Self::count(
            "FailoverBlocked",
            1.0,
            Some(("Precondition", precondition.to_string())),
            at,
        )
    }

    /// `FlagFault`: the flag holds no color, or is gone.
    #[must_use]
    pub fn flag_fault(at: Timestamp) -> Self {
        Self::count("FlagFault", 1.0, None, at)
    }

    /// `EnvironmentUnknown`: for longer than is to be borne nobody can vouch for the active environment; absent otherwise.
    #[must_use]
    pub fn environment_unknown(at: Timestamp) -> Self {
        Self::count("EnvironmentUnknown", 1.0, None, at)
    }

    /// `DrillOutcome`: a drill ended so.
    #[must_use]
    pub fn drill_outcome(outcome: DrillOutcome, at: Timestamp) -> Self {
        Self::count("DrillOutcome", 1.0, Some(("Outcome", outcome.to_string())), at)
    }

    /// `DrillOverdue`: for too long nothing has proved the standby; absent otherwise.
    #[must_use]
    pub fn drill_overdue(at: Timestamp) -> Self {
        Self::count("DrillOverdue", 1.0, None, at)
    }

    /// `ReadinessScore`: 0 to 100; below 50 something is red.
    #[must_use]
    pub fn readiness_score(score: u32, at: Timestamp) -> Self {
        Self::count("ReadinessScore", f64::from(score), None, at)
    }

    /// `Transitions`: one change of the flag.
    #[must_use]
    pub fn transition(kind: &str, at: Timestamp) -> Self {
        Self::count("Transitions", 1.0, Some(("Kind", kind.to_owned())), at)
    }
}
