//! What each event says: written by the audit, read by whoever tells people of it.
//!
//! A reader trusts none of it: a field may be missing, of another shape, or as long as its writer liked.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::event::{SCHEMA, Subject};
use crate::color::{Both, Color};
use crate::dag_management::State;
use crate::drill::{DrillOutcome, Mode, Timings};
use crate::flag::FlagVersion;
use crate::health::{Assessment, Verdict};
use crate::hold::Hold;
use crate::precondition::PreconditionName;
use crate::readiness::{Level, Severity};
use crate::response::tolerant::tolerant;
use crate::response::{DagAnswer, Open, PreconditionAnswer, ReportAnswer, VerdictAnswer};
use crate::transition::Trigger;
use crate::transition_kind::Kind;

/// Details with what every event says: its id, and which pair it is about.
macro_rules! events {
    ($(
        $(#[$of:meta])*
        pub struct $name:ident {
            $( $(#[$meta:meta])* pub $field:ident: $type:ty, )*
        }
    )*) => {
        tolerant! {$(
            $(#[$of])*
            pub struct $name {
                /// Version of the detail's format.
                pub schema: Option<u32>,
                /// The same in every repeat.
                pub id: String,
                /// Name of the pair.
                pub pair: String,
                /// Name of the flag.
                pub flag: String,
                $( $(#[$meta])* pub $field: $type, )*
            }
        )*}
        $(
            impl $name {
                /// One of this subject; `what` is what its id is made of.
                pub(super) fn about(subject: Subject<'_>, what: &str) -> Self {
                    Self {
                        schema: Some(SCHEMA),
                        id: subject.id(what),
                        pair: subject.pair.to_owned(),
                        flag: subject.flag.to_owned(),
                        ..Self::default()
                    }
                }
            }
        )*
    };
}

events! {
    /// The flag has a new version.
    pub struct TransitionDetail {
        /// The version.
        pub version: Option<FlagVersion>,
        /// Why, in a word.
        pub kind: Open<Kind>,
        /// Tells a failover that a person asked for from an automatic one.
        pub declared_by_person: bool,
        /// What the flag held before, if that is kept.
        pub from: Option<String>,
        /// What it holds.
        pub to: String,
        /// Why.
        pub reason: String,
        /// Who wrote it.
        pub who: Who,
        /// The request that finished what a dead writer had claimed.
        pub finished_by: Option<String>,
        /// That writer.
        pub dead_writer: Option<DeadWriter>,
        /// What made the function run.
        pub trigger: Option<Trigger>,
        /// What it was decided on.
        pub evidence: Option<Value>,
        /// The drill that it belongs to.
        pub drill: Option<Value>,
        /// When what happened.
        pub timings: TransitionTimings,
        /// Name of its record.
        pub record: Option<String>,
        /// The same write, carried out once more.
        pub repeat: bool,
        /// The version that its writer wanted, where it is another.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub expected_version: Option<FlagVersion>,
        /// What a person should know.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub warning: Option<String>,
    }

    /// A failover is wanted, and preconditions prevent it.
    pub struct BlockedDetail {
        /// The active color.
        pub active: Option<Color>,
        /// The color that should take over.
        pub wanted: Option<Color>,
        /// Since when.
        pub since: Option<Timestamp>,
        /// Why.
        pub reason: String,
        /// Every precondition that was asked.
        pub preconditions: Vec<PreconditionAnswer>,
        /// Those that object.
        pub blocked_by: Vec<Open<PreconditionName>>,
        /// What it was decided on.
        pub evidence: VerdictEvidence,
    }

    /// For a while nobody could vouch for the active environment.
    pub struct UnknownDetail {
        /// The active color.
        pub active: Option<Color>,
        /// What it is now.
        pub verdict: Open<Verdict>,
        /// Since when.
        pub since: Option<Timestamp>,
        /// Why.
        pub reason: String,
        /// What it was decided on.
        pub evidence: VerdictEvidence,
    }

    /// The flag holds no color, or is gone.
    pub struct FaultDetail {
        /// What is wrong.
        pub reason: String,
    }

    /// The hold changed.
    pub struct HoldDetail {
        /// `held`, `ended`, `none` or `invalid`.
        pub state: String,
        /// The hold that was written, or that ended.
        pub hold: Option<Hold>,
        /// Why.
        pub reason: String,
        /// Who wrote it.
        pub who: Author,
    }

    /// A drill came to its end, or did not get past its beginning.
    pub struct DrillDetail {
        /// The drill's id.
        pub drill: String,
        /// How far it was to go.
        pub mode: Open<Mode>,
        /// How it ended.
        pub outcome: Open<DrillOutcome>,
        /// The color that was active.
        pub from: Option<Color>,
        /// The color that was drilled.
        pub to: Option<Color>,
        /// The color that is active now.
        pub active: Option<Color>,
        /// Why.
        pub reason: String,
        /// Who asked.
        pub requested_by: Option<String>,
        /// When what happened.
        pub timings: DrillTimings,
    }

    /// For too long nothing has proved that the standby can do the work.
    pub struct OverdueDetail {
        /// The last proof.
        pub last: Option<Timestamp>,
        /// How many days that may be ago.
        pub days: Option<u32>,
        /// Why it is told.
        pub reason: String,
    }

    /// The standby's readiness turned.
    pub struct ReadinessDetail {
        /// The level now.
        pub level: Open<Level>,
        /// The level before.
        pub previous: Option<Open<Level>>,
        /// 0 to 100.
        pub score: Option<u32>,
        /// What was found.
        pub findings: Vec<FindingNews>,
        /// One sentence.
        pub reason: String,
    }

    /// Which runs next to a transition were executed.
    pub struct RunReportDetail {
        /// One sentence.
        pub reason: String,
        /// The report.
        pub run_report: ReportAnswer,
    }

    /// How pausing and unpausing DAGs stands after a transition.
    pub struct DagDetail {
        /// The color whose DAGs are to run.
        pub active: Option<Color>,
        /// The version that it is about.
        pub version: Option<FlagVersion>,
        /// In a word.
        pub state: Open<State>,
        /// `succeeded`, `failed` or `recovered`.
        pub outcome: String,
        /// One sentence.
        pub reason: String,
        /// All of it.
        pub dag_management: DagAnswer,
    }

    /// A person has looked at the automatic failovers so far.
    pub struct AcknowledgedDetail {
        /// Who.
        pub by: String,
        /// Why.
        pub reason: Option<String>,
    }
}

tolerant! {
    /// What every event says of itself.
    pub struct About {
        /// The same in every repeat.
        pub id: String,
    }

    /// What logs and metrics tell of an event, whatever its kind.
    pub struct Outline {
        /// Name of the record that it is about.
        pub record: Option<String>,
        /// Why the flag changed, in a word.
        pub kind: Option<String>,
        /// What it holds, or was to.
        pub to: Option<String>,
        /// What came of a drill.
        pub outcome: Option<String>,
    }

    /// Who wrote a version.
    pub struct Who {
        /// `LastModifiedUser`.
        pub last_modified_user: Option<String>,
        /// Who asked.
        pub requested_by: Option<String>,
        /// The function.
        pub function: Option<String>,
        /// Its request.
        pub request_id: Option<String>,
    }

    /// A writer that died after its claim.
    pub struct DeadWriter {
        /// The function.
        pub function: String,
        /// Its request.
        pub request_id: String,
        /// Who asked.
        pub requested_by: Option<String>,
        /// What it wanted.
        pub kind: Open<Kind>,
        /// Why.
        pub reason: String,
        /// When.
        pub decided_at: Option<Timestamp>,
    }

    /// When what happened, and how long it took.
    pub struct TransitionTimings {
        /// When the flag was written.
        pub written_at: Option<Timestamp>,
        /// When it takes effect.
        pub effective_from: Option<Timestamp>,
        /// When it was decided.
        pub decided_at: Option<Timestamp>,
        /// The old color's last sign of life.
        pub last_known_healthy: Option<Timestamp>,
        /// From the decision to the written flag.
        pub switch_duration_ms: Option<u64>,
        /// From the last sign of life to the written flag.
        pub recovery_time_s: Option<f64>,
    }

    /// How both environments were.
    pub struct VerdictEvidence {
        /// Each with what led to it.
        pub verdicts: Both<VerdictAnswer>,
    }

    /// Who wrote a parameter.
    pub struct Author {
        /// `LastModifiedUser`.
        pub last_modified_user: Option<String>,
    }

    /// When what happened, as far as it did.
    pub struct DrillTimings {
        /// When it was asked for.
        pub started_at: Option<Timestamp>,
        /// When the flag was written for the way out.
        pub switched_at: Option<Timestamp>,
        /// When the flag was written for the way back.
        pub returned_at: Option<Timestamp>,
        /// When it ended.
        pub finished_at: Option<Timestamp>,
        /// How long the way out took.
        pub switch_duration_ms: Option<u64>,
        /// How long the way back took.
        pub return_duration_ms: Option<u64>,
        /// How long the drilled color was active, in seconds.
        pub held_s: Option<u64>,
        /// How long it was to be.
        pub duration_minutes: Option<u32>,
    }

    /// One finding.
    pub struct FindingNews {
        /// Stable name.
        pub name: String,
        /// How bad.
        pub severity: Open<Severity>,
        /// The environment to repair, where it is one.
        pub color: Option<Color>,
        /// What was found.
        pub what: String,
        /// How to repair it.
        pub fix: String,
    }
}

/// An event's detail, or its envelope, as far as it can be read.
#[must_use]
pub fn read<'de, T: Deserialize<'de> + Default>(event: &'de Value) -> T {
    T::deserialize(event).unwrap_or_default()
}

impl From<&Both<Assessment>> for VerdictEvidence {
    fn from(verdicts: &Both<Assessment>) -> Self {
        Self {
            verdicts: verdicts.map(|_, assessment| VerdictAnswer::from(assessment)),
        }
    }
}

impl From<&Timings> for DrillTimings {
    fn from(timings: &Timings) -> Self {
        Self {
            started_at: Some(timings.started_at),
            switched_at: timings.switched_at,
            returned_at: timings.returned_at,
            finished_at: Some(timings.finished_at),
            switch_duration_ms: timings.switch_duration_ms,
            return_duration_ms: timings.return_duration_ms,
            held_s: timings.held_s,
            duration_minutes: Some(timings.duration_minutes),
        }
    }
}
