//! The answer to whoever wanted something changed: a switch, a failover, a drill, a hold, the flag's creation.

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

/// Who made the transition instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Winner {
    /// The record of that transition; none where it cannot be read.
    #[serde(deserialize_with = "Option::deserialize")]
    pub winner: Option<TransitionRecord>,
}

tolerant! {
    /// What an answer says beside the common fields, each where there is something to say.
    pub struct Change {
        /// From when the written flag counts.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub effective_from: Option<Timestamp>,
        /// What the operator should know.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub warnings: Option<Vec<String>>,
        /// How far a failover reaches back.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub back_dating: Option<BackDating>,
        /// Who made the transition instead.
        #[serde(flatten)]
        pub lost_to: Option<Winner>,
        /// The hold that is placed, or would be.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub hold: Option<Hold>,
        /// The drill.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub drill: Option<DrillAnswer>,
        /// How pausing and unpausing DAGs stands.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub dag_management: Option<DagAnswer>,
        /// The request had been carried out before.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub repeat: bool,
    }

    /// A drill: one that began, one that is known by its record alone, or one that was not begun.
    pub struct DrillAnswer {
        /// Its id.
        pub id: String,
        /// How far it goes.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub mode: Option<Open<Mode>>,
        /// The color that was active.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub from: Option<Color>,
        /// The color that is drilled.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub to: Option<Color>,
        /// How long the drilled color works.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub duration_minutes: Option<u32>,
        /// How it ended, or `pending`.
        pub outcome: Open<DrillOutcome>,
        /// What its trace says beside; none where there is no trace.
        #[serde(flatten)]
        pub trace: Option<DrillTrace>,
        /// Left out where it was not begun.
        #[serde(flatten)]
        pub back: Option<DrillReturn>,
    }

    /// How pausing and unpausing DAGs stands after a transition.
    pub struct DagAnswer {
        /// In a word.
        pub state: Open<State>,
        /// The color whose DAGs are to run.
        pub active: Option<Color>,
        /// DAGs unpaused on it in this turn; left out where the turn failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub unpaused: Option<usize>,
        /// DAGs paused on the other in this turn; left out where the turn failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub paused: Option<usize>,
        /// DAGs that no request can set alone.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub manual: Vec<String>,
        /// In a sentence.
        pub detail: String,
    }
}

/// What only the parameter `drill` tells: there is a trace where it says when the drill was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillTrace {
    /// Version of its format.
    pub schema: Option<u32>,
    /// Version of the flag that it starts from.
    pub version: Option<FlagVersion>,
    /// When that was written.
    pub modified: Option<Timestamp>,
    /// When it was started.
    pub started_at: Timestamp,
    /// Why.
    pub reason: Option<String>,
    /// Who asked.
    pub requested_by: Option<String>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When a drill last succeeded.
    pub proven_at: Option<Timestamp>,
}

/// When it comes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillReturn {
    /// None before it has switched, and after its end. What says nothing at all is not read as that.
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

    /// An earlier drill, whose trace is gone: its record tells from where it went to where.
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

    /// One that was not begun.
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

    /// When it comes back, if that is known.
    #[must_use]
    pub fn return_at(&self) -> Option<Timestamp> {
        self.back.as_ref()?.return_at
    }

    /// When it was started, if that is known.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        Some(self.trace.as_ref()?.started_at)
    }
}

impl DagAnswer {
    /// The turn failed; the flag is written all the same.
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
