//! The answer to a request for a change: a switch, a failover, a drill, a hold, or the flag's creation.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::open::Open;
use super::tolerant::tolerant;
use crate::back_dating::BackDating;
use crate::color::Color;
use crate::dag_management::{self, State};
use crate::drill::{Drill, DrillOutcome, Mode};
use crate::flag::FlagVersion;
use crate::hold::Hold;
use crate::transition::TransitionRecord;

/// The writer that made the transition instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Winner {
    /// The record of that transition; none where it cannot be read.
    #[serde(deserialize_with = "Option::deserialize")]
    pub winner: Option<TransitionRecord>,
}

tolerant! {
    /// The fields of a change in addition to the common ones, each where it applies.
    pub struct Change {
        /// When the written flag takes effect.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub effective_from: Option<Timestamp>,
        /// What the operator should know, such as a conflicting write.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub warnings: Option<Vec<String>>,
        /// How far a failover is back-dated.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub back_dating: Option<BackDating>,
        /// The writer that made the transition instead.
        #[serde(flatten)]
        pub lost_to: Option<Winner>,
        /// The hold that was placed, or would be.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub hold: Option<Hold>,
        /// The drill that the request is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub drill: Option<DrillAnswer>,
        /// The progress of pausing and unpausing DAGs.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub dag_management: Option<DagAnswer>,
        /// Whether the request had already been carried out.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub repeat: bool,
    }

    /// A drill: one that started, one that is known only from its record, or one that did not start.
    pub struct DrillAnswer {
        /// The drill's id.
        pub id: String,
        /// The requested extent of the drill.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub mode: Option<Open<Mode>>,
        /// The color that was active.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub from: Option<Color>,
        /// The color that is drilled.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub to: Option<Color>,
        /// How long the drilled color is active, in minutes.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub duration_minutes: Option<u32>,
        /// How the drill ended, or `pending`.
        pub outcome: Open<DrillOutcome>,
        /// The other fields of its trace; none where there is no trace.
        #[serde(flatten)]
        pub trace: Option<DrillTrace>,
        /// When it returns; left out where it did not start.
        #[serde(flatten)]
        pub back: Option<DrillReturn>,
    }

    /// The progress of pausing and unpausing DAGs after a transition.
    pub struct DagAnswer {
        /// The state in one word.
        pub state: Open<State>,
        /// The color whose DAGs are to run.
        pub active: Option<Color>,
        /// Number of DAGs unpaused on the active color in this turn; left out where the turn failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub unpaused: Option<usize>,
        /// Number of DAGs paused on the standby in this turn; left out where the turn failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub paused: Option<usize>,
        /// DAGs that no request can set alone: a person must set them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub manual: Vec<String>,
        /// The state in one sentence.
        pub detail: String,
    }
}

/// The fields that only the parameter `drill` has. There is a trace where it shows when the drill was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillTrace {
    /// Version of the trace's format.
    pub schema: Option<u32>,
    /// Version of the flag that the drill starts from.
    pub version: Option<FlagVersion>,
    /// When that version was written.
    pub modified: Option<Timestamp>,
    /// When the drill was started.
    pub started_at: Timestamp,
    /// Why the drill was requested.
    pub reason: Option<String>,
    /// The person or job that requested it.
    pub requested_by: Option<String>,
    /// When the drill ended.
    pub finished_at: Option<Timestamp>,
    /// When a drill last succeeded.
    pub proven_at: Option<Timestamp>,
}

/// When a drill returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillReturn {
    /// The instant; none before the drill has switched, and after its end. A missing field is not read as none.
    #[serde(deserialize_with = "Option::deserialize")]
    pub return_at: Option<Timestamp>,
}

impl DrillAnswer {
    /// A drill with a trace.
    #[must_use]
    pub fn of(drill: &Drill, return_at: Option<Timestamp>) -> Self {
        Self {
            id: drill.id.clone(),
            mode: Some(drill.mode.into()),
            from: Some(drill.from),
            to: Some(drill.to),
            duration_minutes: Some(drill.duration_minutes),
            outcome: drill.outcome.into(),
            trace: Some(DrillTrace {
                schema: Some(drill.schema),
                version: Some(drill.version),
                modified: Some(drill.modified),
                started_at: drill.started_at,
                reason: Some(drill.reason.clone()),
                requested_by: drill.requested_by.clone(),
                finished_at: drill.finished_at,
                proven_at: drill.proven_at,
            }),
            back: Some(DrillReturn { return_at }),
        }
    }

    /// An earlier drill whose trace is gone: its record shows the two colors.
    #[must_use]
    pub fn recorded(id: &str, from: Option<Color>, to: Color, outcome: DrillOutcome) -> Self {
        Self {
            id: id.to_owned(),
            from,
            to: Some(to),
            outcome: outcome.into(),
            back: Some(DrillReturn::default()),
            ..Self::default()
        }
    }

    /// A drill that did not start.
    #[must_use]
    pub fn blocked(id: &str, mode: Mode, duration_minutes: u32) -> Self {
        Self {
            id: id.to_owned(),
            mode: Some(mode.into()),
            duration_minutes: Some(duration_minutes),
            outcome: DrillOutcome::Blocked.into(),
            ..Self::default()
        }
    }

    /// When the drill returns, if that is known.
    #[must_use]
    pub fn return_at(&self) -> Option<Timestamp> {
        self.back.as_ref()?.return_at
    }

    /// When the drill was started, if that is known.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        Some(self.trace.as_ref()?.started_at)
    }
}

impl DagAnswer {
    /// The turn failed; the flag is written nevertheless.
    #[must_use]
    pub fn failed(active: Color, detail: String) -> Self {
        Self {
            state: State::Activating.into(),
            active: Some(active),
            detail,
            ..Self::default()
        }
    }
}

impl From<dag_management::Report> for DagAnswer {
    fn from(report: dag_management::Report) -> Self {
        Self {
            state: report.state.into(),
            active: Some(report.active),
            unpaused: Some(report.unpaused),
            paused: Some(report.paused),
            manual: report.manual,
            detail: report.detail,
        }
    }
}
