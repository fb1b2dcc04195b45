//! The answers of the two functions that events wake. Nothing of this product reads them: they are for people and scripts.

use jiff::Timestamp;
use serde::Serialize;

use crate::color::{Both, Color};
use crate::dag_management::Report;
use crate::drill::Conclusion;
use crate::flag::FlagVersion;
use crate::health::Assessment;
use crate::precondition::{Precondition, PreconditionName};

/// The health-watcher's answer to whatever woke it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tick {
    /// What woke it.
    pub trigger: String,
    /// The active color, after what was done.
    pub active: Option<Color>,
    /// The flag's version, after what was done.
    pub version: Option<FlagVersion>,
    /// How both environments are.
    pub verdicts: Both<Assessment>,
    /// What was decided.
    pub decision: &'static str,
    /// The preconditions that object.
    pub blocked_by: Vec<PreconditionName>,
    /// Every precondition that was asked.
    pub preconditions: Vec<Precondition>,
    /// Name of the record of the transition that was made.
    pub transition: Option<String>,
    /// When it takes effect.
    pub effective_from: Option<Timestamp>,
    /// What the operator should know of it.
    pub warnings: Option<Vec<String>>,
    /// Who made the transition instead.
    pub conflict: Option<String>,
    /// The hold in force, in words.
    pub hold: Option<String>,
    /// One sentence.
    pub reason: String,
    /// How often it looked.
    pub probes: u32,
    /// How long it took.
    pub elapsed_ms: u64,
    /// The drill under way, or the one that this tick brought to its end.
    pub drill: Option<TickDrill>,
    /// How pausing and unpausing DAGs stands; left out where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dag_management: Option<Report>,
}

/// The drill at one tick.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TickDrill {
    /// It goes on.
    UnderWay {
        /// Its id.
        id: String,
        /// The color that was active, and is to be again.
        from: Color,
        /// The color that is drilled.
        to: Color,
        /// `wait`, `return` or `finish`.
        step: &'static str,
        /// Why.
        reason: String,
        /// When it comes back, once it has switched.
        return_at: Option<Timestamp>,
    },
    /// It is over.
    Ended(Box<Conclusion>),
}

/// The change-listener's answer to an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Heard {
    /// A change of the flag or the hold was audited.
    Audited {
        /// The versions audited now.
        audited: Vec<FlagVersion>,
        /// Whether it was the hold that changed.
        hold_changed: bool,
        /// Records removed because SSM has forgotten their versions.
        pruned_records: usize,
        /// The active color.
        active: Option<Color>,
        /// The flag's version.
        version: Option<FlagVersion>,
        /// How long it took.
        elapsed_ms: u64,
    },
    /// People were notified of an event.
    Notified {
        /// Yes.
        notified: bool,
        /// The message's subject.
        subject: String,
        /// The message's id.
        message: Option<String>,
        /// How long it took.
        elapsed_ms: u64,
    },
    /// They were not, for nobody is named.
    NotNotified {
        /// No.
        notified: bool,
        /// The subject that it would have had.
        subject: String,
    },
}
