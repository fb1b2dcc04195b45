//! The records of a drill: where it started, what its transitions store about it, and how it ended.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::color::Color;
use crate::flag::{FlagObservation, FlagValue, FlagVersion};
use crate::parameters::record_name;
use crate::policy::CLAIM_TIMEOUT;
use crate::text::shortened;
use crate::time::elapsed;
use crate::transition::TransitionRecord;
use crate::transition_kind::Kind;

/// Longest reason that is kept of a drill, in characters: with all other fields it must fit a standard parameter,
/// whatever its letters.
pub(super) const LONGEST_REASON: usize = 200;

/// The extent of a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Evaluate the preconditions and report.
    Dry,
    /// Also check the standby's readiness.
    Probe,
    /// Also switch, let the standby work, and return.
    Switch,
}

impl Mode {
    /// The mode as requests and events write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dry => "dry",
            Self::Probe => "probe",
            Self::Switch => "switch",
        }
    }
}

/// How a drill ended, or that it has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillOutcome {
    /// Under way.
    Pending,
    /// The standby did the work, or could have, and the pair is as it was before.
    Succeeded,
    /// The standby did not do the work.
    Failed,
    /// A precondition objected; nothing was changed.
    Blocked,
    /// A real failure or a person's action ended the drill.
    Interrupted,
}

impl DrillOutcome {
    /// Every outcome of a drill that has ended.
    pub const ENDS: [Self; 4] = [Self::Succeeded, Self::Failed, Self::Blocked, Self::Interrupted];

    /// The outcome as answers, metrics and events write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Interrupted => "interrupted",
        }
    }
}

impl DrillOutcome {
    /// The outcome with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Pending,
            Self::Succeeded,
            Self::Failed,
            Self::Blocked,
            Self::Interrupted,
        ];
        all.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

impl fmt::Display for DrillOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The parameter `drill`: the drill under way, or the last one that switched.
///
/// It is written before anything else, so that a crash leaves a trace which the next tick follows. It only states from
/// which version of the flag a drill was to start. The flag's history and the transition's record show whether it did,
/// and when it is to return.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Drill {
    /// Version of this format.
    pub schema: u32,
    /// Request id of the invocation that started it.
    pub id: String,
    /// The drill's extent; always `switch` here.
    pub mode: Mode,
    /// The color that was active, and becomes active again.
    pub from: Color,
    /// The color that is drilled.
    pub to: Color,
    /// Version of the flag that it starts from.
    pub version: FlagVersion,
    /// LastModifiedDate of that version.
    pub modified: Timestamp,
    /// When the drill was started.
    pub started_at: Timestamp,
    /// How long the drilled color is active.
    pub duration_minutes: u32,
    /// Why the drill was requested.
    pub reason: String,
    /// The person or job that requested it.
    pub requested_by: Option<String>,
    /// How the drill ended, or `pending`.
    pub outcome: DrillOutcome,
    /// When the drill ended.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// When a drill last succeeded, this one or an earlier one.
    #[serde(default)]
    pub proven_at: Option<Timestamp>,
}

impl Drill {
    /// The current format.
    pub const SCHEMA: u32 = 1;

    /// Reads the stored value. A value that cannot be read is no drill: it must never cause a switch.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The drill that is under way, if the stored value says so.
    #[must_use]
    pub fn under_way(stored: Option<&str>) -> Option<Self> {
        stored
            .and_then(Self::from_stored)
            .filter(|drill| drill.outcome == DrillOutcome::Pending)
    }

    /// The version of the flag that the way back writes, if nothing else is written in between.
    #[must_use]
    pub fn returned_at_version(&self) -> FlagVersion {
        self.version.next().next()
    }

    /// Whether the flag is as this drill found it, or as this drill wrote it. Any other write has ended the drill, even
    /// if that is not reported yet.
    ///
    /// In one observation, a repeated write by the drill and a manual edit to the same color cannot be distinguished.
    /// It counts as a repeated write for as long as the drill's writer may be alive. Where the history is available,
    /// [`super::stage`] distinguishes the two.
    #[must_use]
    pub fn owns_flag_version(&self, flag: &FlagObservation) -> bool {
        let written = self.version.next();
        let repeated = flag.version == written.next() && elapsed(self.started_at, flag.modified) < CLAIM_TIMEOUT;
        (flag.version == self.version && flag.modified == self.modified)
            || (flag.value == FlagValue::Valid(self.to) && (flag.version == written || repeated))
    }

    /// Whether the flag's last write was this drill's way back, which proves nothing of a drill that failed. Where its
    /// writes were repeated, the date is more reliable than the number: every later transition is newer than the
    /// drill's end.
    #[must_use]
    pub fn has_written_back(&self, flag: &FlagObservation) -> bool {
        let by_then = self
            .finished_at
            .is_some_and(|finished| flag.version > self.version && flag.modified <= finished);
        flag.version == self.returned_at_version() || (by_then && flag.value == FlagValue::Valid(self.from))
    }

    /// Name of the record of its way out.
    #[must_use]
    pub fn record(&self) -> String {
        record_name(&FlagObservation {
            value: FlagValue::Valid(self.from),
            version: self.version,
            modified: self.modified,
        })
    }

    /// Name of the record of its outcome. It is create-only, so that there is exactly one.
    #[must_use]
    pub fn outcome_record(&self) -> String {
        outcome_record(&self.record(), &self.id)
    }

    /// What the record of its way out stores about it.
    #[must_use]
    pub fn tag(&self) -> Value {
        json!({"id": self.id, "duration_minutes": self.duration_minutes, "return_to": self.from})
    }

    /// The drill that the record of the way out belongs to. Two drills that started at the same moment wrote the same
    /// trace; only the one that created the record is under way.
    #[must_use]
    pub fn as_recorded(self, record: &TransitionRecord) -> Self {
        // A stale start may refer to another drill's way back, whose record is tagged, too.
        let tag = record.drill.as_ref().filter(|_| record.kind == Kind::Drill);
        let text = |name: &str| tag.and_then(|tag| tag.get(name)?.as_str()).map(str::to_owned);
        let Some(id) = text("id").filter(|id| *id != self.id) else {
            return self;
        };
        let duration_minutes = tag
            .and_then(|tag| tag.get("duration_minutes")?.as_u64())
            .and_then(|minutes| u32::try_from(minutes).ok());
        Self {
            id,
            duration_minutes: duration_minutes.unwrap_or(self.duration_minutes),
            started_at: record.decided_at,
            reason: record.reason.clone(),
            requested_by: record.actor.requested_by.clone(),
            ..self
        }
    }

    /// Whether this record is the drill's own way out.
    #[must_use]
    pub fn is_way_out(&self, record: &TransitionRecord) -> bool {
        let id = record.drill.as_ref().and_then(|tag| tag.get("id")?.as_str());
        record.kind == Kind::Drill && id == Some(self.id.as_str())
    }

    /// Whether the claim that this drill lost is the way out of another drill whose writer may be alive. Then the
    /// shared trace belongs to that drill.
    #[must_use]
    pub fn superseded_by(&self, winner: Option<&TransitionRecord>, now: Timestamp) -> bool {
        winner.is_some_and(|winner| {
            let id = winner.drill.as_ref().and_then(|tag| tag.get("id")?.as_str());
            winner.kind == Kind::Drill
                && id != Some(self.id.as_str())
                && elapsed(winner.decided_at, now) < CLAIM_TIMEOUT
        })
    }

    /// What the record of its way back stores about it.
    #[must_use]
    pub fn return_tag(&self, outcome: DrillOutcome, reason: &str) -> Value {
        json!({"id": self.id, "outcome": outcome, "reason": shortened(reason, LONGEST_REASON)})
    }
}

/// Name of a drill's outcome beside the record of its way out. The id is part of the name, because a drill that lost
/// the claim to another one also has an outcome.
#[must_use]
pub fn outcome_record(record: &str, id: &str) -> String {
    let allowed = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
    let id: String = id.chars().filter(allowed).take(64).collect();
    format!("{record}-outcome-{id}")
}

/// Name of the outcome that belongs to a transition's record, if that transition was a drill's way out.
#[must_use]
pub fn outcome_of(name: &str, record: &TransitionRecord) -> Option<String> {
    if record.kind != Kind::Drill {
        return None;
    }
    let id = record.drill.as_ref()?.get("id")?.as_str()?;
    Some(outcome_record(name, id))
}

/// How a drill ended: the stored outcome, from which the event and the metrics are built.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conclusion {
    /// Version of this format.
    pub schema: u32,
    /// The drill's id.
    pub id: String,
    /// The requested extent of the drill.
    pub mode: Mode,
    /// How the drill ended.
    pub outcome: DrillOutcome,
    /// The color that was active; none if the flag held none.
    pub from: Option<Color>,
    /// The color that was drilled.
    pub to: Option<Color>,
    /// The color that is active now.
    pub active: Option<Color>,
    /// The reason in one sentence.
    pub reason: String,
    /// The person or job that requested it.
    pub requested_by: Option<String>,
    /// The times of the drill.
    pub timings: Timings,
}

/// When each step happened, as far as it did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timings {
    /// When the drill was requested.
    pub started_at: Timestamp,
    /// When the flag was written for the way out.
    pub switched_at: Option<Timestamp>,
    /// When the flag was written for the way back.
    pub returned_at: Option<Timestamp>,
    /// When the drill ended.
    pub finished_at: Timestamp,
    /// From the decision to the written flag, in milliseconds.
    pub switch_duration_ms: Option<u64>,
    /// From the decision to return to the written flag, in milliseconds.
    pub return_duration_ms: Option<u64>,
    /// How long the drilled color was active, in seconds.
    pub held_s: Option<u64>,
    /// How long it should have been active, in minutes.
    pub duration_minutes: u32,
}

impl Conclusion {
    /// The stored form of the outcome.
    #[must_use]
    pub fn to_stored(&self) -> String {
        json!(self).to_string()
    }

    /// Reads a stored outcome.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
