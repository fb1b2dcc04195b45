//! The answers of the two functions that events invoke. They are for people and scripts: this product does not read
//! them.

use jiff::Timestamp;
use serde::Serialize;

use crate::color::{Both, Color};
use crate::dag_management::Report;
use crate::drill::Conclusion;
use crate::flag::FlagVersion;
use crate::health::Assessment;
use crate::precondition::{Precondition, PreconditionName};

/// The health-watcher's answer to the event that invoked it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tick {
    /// The kind of event that invoked it.
    pub trigger: String,
    /// The active color, after this tick's changes.
    pub active: Option<Color>,
    /// The flag's version, after this tick's changes.
    pub version: Option<FlagVersion>,
    /// The health of both environments.
    pub verdicts: Both<Assessment>,
    /// The action that was decided.
    pub decision: &'static str,
    /// The preconditions that object.
    pub blocked_by: Vec<PreconditionName>,
    /// Every precondition that was evaluated.
    pub preconditions: Vec<Precondition>,
    /// Name of the record of this tick's transition.
    pub transition: Option<String>,
    /// When that transition takes effect.
    pub effective_from: Option<Timestamp>,
    /// What the operator should know about that transition.
    pub warnings: Option<Vec<String>>,
    /// The writer that made the transition instead.
    pub conflict: Option<String>,
    /// The hold in force, in words.
    pub hold: Option<String>,
    /// The reason in one sentence.
    pub reason: String,
    /// The number of observations in this tick.
    pub probes: u32,
    /// How long the tick took, in milliseconds.
    pub elapsed_ms: u64,
    /// The drill under way, or the one that this tick ended.
    pub drill: Option<TickDrill>,
    /// The progress of pausing and unpausing DAGs; left out where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dag_management: Option<Report>,
}

/// The drill at one tick.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TickDrill {
    /// The drill is under way.
    UnderWay {
        /// The drill's id.
        id: String,
        /// The color that was active, and becomes active again.
        from: Color,
        /// The color that is drilled.
        to: Color,
        /// `wait`, `return` or `finish`.
        step: &'static str,
        /// Why this step follows.
        reason: String,
        /// When the drill returns, once it has switched.
        return_at: Option<Timestamp>,
    },
    /// The drill has ended.
    Ended(Box<Conclusion>),
}

/// The change-listener's answer to an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Heard {
    /// The function audited a change of the flag or of the hold.
    Audited {
        /// The versions that were audited now.
        audited: Vec<FlagVersion>,
        /// Whether it was the hold that changed.
        hold_changed: bool,
        /// Number of records deleted because SSM has dropped their versions.
        pruned_records: usize,
        /// The active color.
        active: Option<Color>,
        /// The flag's version.
        version: Option<FlagVersion>,
        /// How long the audit took, in milliseconds.
        elapsed_ms: u64,
    },
    /// People were notified of an event.
    Notified {
        /// Always true.
        notified: bool,
        /// The message's subject.
        subject: String,
        /// The id that SNS gave the message.
        message: Option<String>,
        /// How long the notification took, in milliseconds.
        elapsed_ms: u64,
    },
    /// People were not notified, because no topic is configured.
    NotNotified {
        /// Always false.
        notified: bool,
        /// The subject that the message would have had.
        subject: String,
    },
}
