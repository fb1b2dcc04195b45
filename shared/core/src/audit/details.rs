//! The details of all events: the audit writes them, and the message composer reads them.
//!
//! A reader trusts no field: it may be missing, have another shape, or have any length.

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

/// Defines details with the fields of every event: its id, and which pair it is about.
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
                /// The id, which is the same in every repeat.
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
                /// A detail about this subject; `what` becomes part of its id.
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
        /// The flag version that the event is about.
        pub version: Option<FlagVersion>,
        /// The kind of transition, in one word.
        pub kind: Open<Kind>,
        /// Distinguishes a failover that a person requested from an automatic one.
        pub declared_by_person: bool,
        /// The flag's previous value, if it is still kept.
        pub from: Option<String>,
        /// The flag's new value.
        pub to: String,
        /// Why the flag was written.
        pub reason: String,
        /// Who wrote the version.
        pub who: Who,
        /// The request that finished an abandoned claim of a dead writer.
        pub finished_by: Option<String>,
        /// The writer that abandoned its claim.
        pub dead_writer: Option<DeadWriter>,
        /// What made the function run.
        pub trigger: Option<Trigger>,
        /// The evidence that the decision was based on.
        pub evidence: Option<Value>,
        /// The drill that it belongs to.
        pub drill: Option<Value>,
        /// The times of the transition.
        pub timings: TransitionTimings,
        /// Name of the transition's record.
        pub record: Option<String>,
        /// The same write, carried out once more.
        pub repeat: bool,
        /// The version that its writer expected, where the write made another one.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub expected_version: Option<FlagVersion>,
        /// What the operator should know, such as a conflicting write.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub warning: Option<String>,
    }

    /// A failover is wanted, and preconditions prevent it.
    pub struct BlockedDetail {
        /// The active color.
        pub active: Option<Color>,
        /// The color that should take over.
        pub wanted: Option<Color>,
        /// When the failover was first blocked.
        pub since: Option<Timestamp>,
        /// Why a failover is wanted and blocked.
        pub reason: String,
        /// Every precondition that was evaluated.
        pub preconditions: Vec<PreconditionAnswer>,
        /// The preconditions that object.
        pub blocked_by: Vec<Open<PreconditionName>>,
        /// The evidence that the decision was based on.
        pub evidence: VerdictEvidence,
    }

    /// Nothing confirmed for a while that the active environment works.
    pub struct UnknownDetail {
        /// The active color.
        pub active: Option<Color>,
        /// The active environment's current verdict.
        pub verdict: Open<Verdict>,
        /// Since when the active environment has been in doubt.
        pub since: Option<Timestamp>,
        /// Why its state is in doubt.
        pub reason: String,
        /// The evidence that the verdict was based on.
        pub evidence: VerdictEvidence,
    }

    /// The flag holds no color, or is gone.
    pub struct FaultDetail {
        /// What is wrong with the flag.
        pub reason: String,
    }

    /// The hold was placed, replaced, ended or deleted.
    pub struct HoldDetail {
        /// `held`, `ended`, `none` or `invalid`.
        pub state: String,
        /// The hold that was written, or that ended.
        pub hold: Option<Hold>,
        /// What happened to the hold, in one sentence.
        pub reason: String,
        /// Who wrote the hold parameter.
        pub who: Author,
    }

    /// A drill ended, or was blocked at its start.
    pub struct DrillDetail {
        /// The drill's id.
        pub drill: String,
        /// The requested extent of the drill.
        pub mode: Open<Mode>,
        /// How the drill ended.
        pub outcome: Open<DrillOutcome>,
        /// The color that was active before the drill.
        pub from: Option<Color>,
        /// The color that was drilled.
        pub to: Option<Color>,
        /// The color that is active now.
        pub active: Option<Color>,
        /// Why the drill ended in that way.
        pub reason: String,
        /// The person or job that requested the drill.
        pub requested_by: Option<String>,
        /// The times of the drill.
        pub timings: DrillTimings,
    }

    /// No drill or transition has proved the standby for too long.
    pub struct OverdueDetail {
        /// When the standby was last proved.
        pub last: Option<Timestamp>,
        /// The allowed age of the proof, in days.
        pub days: Option<u32>,
        /// Why people are notified.
        pub reason: String,
    }

    /// The standby's readiness changed to or from red.
    pub struct ReadinessDetail {
        /// The current level.
        pub level: Open<Level>,
        /// The level before the change.
        pub previous: Option<Open<Level>>,
        /// The score, 0 to 100.
        pub score: Option<u32>,
        /// The findings of the check.
        pub findings: Vec<FindingNews>,
        /// The change in one sentence.
        pub reason: String,
    }

    /// The report on the DAG runs next to a transition.
    pub struct RunReportDetail {
        /// The report in one sentence.
        pub reason: String,
        /// The report.
        pub run_report: ReportAnswer,
    }

    /// The progress of pausing and unpausing DAGs after a transition.
    pub struct DagDetail {
        /// The color whose DAGs are to run.
        pub active: Option<Color>,
        /// The flag version that the progress belongs to.
        pub version: Option<FlagVersion>,
        /// The state of the work, in one word.
        pub state: Open<State>,
        /// `succeeded`, `failed` or `recovered`.
        pub outcome: String,
        /// The state in one sentence.
        pub reason: String,
        /// The full state, as answers give it.
        pub dag_management: DagAnswer,
    }

    /// A person acknowledged the automatic failovers so far.
    pub struct AcknowledgedDetail {
        /// The person who acknowledged them.
        pub by: String,
        /// The reason that the person gave.
        pub reason: Option<String>,
    }
}

tolerant! {
    /// The fields that identify any event.
    pub struct About {
        /// The id, which is the same in every repeat.
        pub id: String,
    }

    /// What logs and metrics use of an event, whatever its kind.
    pub struct Outline {
        /// Name of the record that the event is about.
        pub record: Option<String>,
        /// The kind of transition, in one word.
        pub kind: Option<String>,
        /// The flag's new value, or the intended one.
        pub to: Option<String>,
        /// How a drill ended.
        pub outcome: Option<String>,
    }

    /// Who wrote a flag version.
    pub struct Who {
        /// `LastModifiedUser`, an IAM ARN.
        pub last_modified_user: Option<String>,
        /// The person or job that requested the write.
        pub requested_by: Option<String>,
        /// Name of the function that wrote it.
        pub function: Option<String>,
        /// The function's request id.
        pub request_id: Option<String>,
    }

    /// A writer that died after its claim.
    pub struct DeadWriter {
        /// Name of the function that died.
        pub function: String,
        /// The request id of the dead function.
        pub request_id: String,
        /// The person or job that requested the transition.
        pub requested_by: Option<String>,
        /// The kind of transition that it claimed.
        pub kind: Open<Kind>,
        /// Why it claimed the transition.
        pub reason: String,
        /// When it decided, by its own clock.
        pub decided_at: Option<Timestamp>,
    }

    /// When each step of a transition happened, and how long it took.
    pub struct TransitionTimings {
        /// When the flag was written.
        pub written_at: Option<Timestamp>,
        /// When it takes effect.
        pub effective_from: Option<Timestamp>,
        /// When the transition was decided.
        pub decided_at: Option<Timestamp>,
        /// The old color's last sign of life.
        pub last_known_healthy: Option<Timestamp>,
        /// From the decision to the written flag.
        pub switch_duration_ms: Option<u64>,
        /// From the last sign of life to the written flag.
        pub recovery_time_s: Option<f64>,
    }

    /// The health of both environments.
    pub struct VerdictEvidence {
        /// The verdict for each environment, with the signals behind it.
        pub verdicts: Both<VerdictAnswer>,
    }

    /// Who wrote a parameter.
    pub struct Author {
        /// `LastModifiedUser`, an IAM ARN.
        pub last_modified_user: Option<String>,
    }

    /// When each step of a drill happened, as far as it did.
    pub struct DrillTimings {
        /// When the drill was requested.
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
        /// How long it should have been active, in minutes.
        pub duration_minutes: Option<u32>,
    }

    /// One readiness finding, as an event carries it.
    pub struct FindingNews {
        /// The finding's stable name.
        pub name: String,
        /// The finding's severity.
        pub severity: Open<Severity>,
        /// The environment to repair, where the finding concerns one.
        pub color: Option<Color>,
        /// What was found.
        pub what: String,
        /// How to repair it.
        pub fix: String,
    }
}

/// Reads an event's detail or envelope, as far as it can be read.
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
