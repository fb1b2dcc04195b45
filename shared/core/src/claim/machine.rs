//! The protocol's state machine.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::intent::{Intent, effective_from};
use super::step::{Conflict, Failed, Outcome, Reply, Step, StoredClaim, Switched};
use crate::color::Color;
use crate::flag::{
    DescriptionMetadata, FlagObservation, FlagVersion, HistoryEntry, description, escape_reserved_prefix, finished_by,
    finishing_sentence, versions,
};
use crate::health::{Cause, CauseKind};
use crate::identity::with_pair;
use crate::parameters::record_name;
use crate::policy::{CLAIM_TIMEOUT, Policy};
use crate::time::{after, elapsed, in_seconds, to_milliseconds};
use crate::transition::TransitionRecord;
use crate::transition_kind::Kind;

/// Attempts of one request before giving up; with the waits below, at most about four seconds of waiting.
const MAX_ATTEMPTS: u32 = 4;

/// How long a writer may run before it must no longer write, because its claim soon counts as abandoned. A Lambda
/// function ends before that; a process on a laptop may have been suspended.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// The first wait between attempts; it doubles each time, and the jitter shortens it.
const FIRST_WAIT: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum State {
    Claiming,
    ReadingBack,
    Writing,
    ReadingHistory,
    WaitingToClaim,
    WaitingToReadBack,
    WaitingToWrite,
    WaitingToReadHistory,
}

/// The claim that is being carried out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Claim {
    /// This writer's own claim.
    Own,
    /// The abandoned claim of a dead writer; its record, where readable.
    DeadWriters(Option<Box<TransitionRecord>>),
}

/// One writer's pass through the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Switching {
    policy: Policy,
    observed: FlagObservation,
    intent: Intent,
    record: String,
    value: String,
    /// The color to write: this writer's, or that of the claim being rolled forward.
    to: Color,
    claim: Claim,
    state: State,
    decided_at: Timestamp,
    attempts: u32,
    waits: u32,
    /// The version that the last write returned, if it is not the expected one.
    returned: Option<FlagVersion>,
    effective_from: Timestamp,
    claimed: bool,
}

impl Switching {
    /// Prepares the transition out of `observed`. The record is final from here on: it is the claim.
    #[must_use]
    pub fn new(policy: &Policy, observed: &FlagObservation, intent: Intent, now: Timestamp) -> Self {
        let record = record_name(observed);
        let effective_from = to_milliseconds(effective_from(policy, &intent, now));
        let value = TransitionRecord {
            schema: TransitionRecord::SCHEMA,
            kind: intent.kind,
            from: observed.value.color(),
            to: intent.to,
            version: observed.version.next(),
            decided_at: to_milliseconds(now),
            effective_from,
            reason: intent.reason.clone(),
            actor: intent.actor.clone(),
            trigger: intent.trigger.clone(),
            drill: intent.drill.clone(),
            evidence: intent.evidence.clone(),
        }
        .to_stored();
        Self {
            policy: policy.clone(),
            observed: observed.clone(),
            to: intent.to,
            intent,
            record,
            value,
            claim: Claim::Own,
            state: State::Claiming,
            decided_at: now,
            attempts: 0,
            waits: 0,
            returned: None,
            effective_from,
            claimed: false,
        }
    }

    /// Adds the pair's name to the claim. Call it before [`Self::start`], because a writer recognizes its own claim by
    /// the text.
    pub fn of_pair(&mut self, pair: &str) {
        self.value = with_pair(&self.value, pair);
    }

    /// Name of the record, as answers give it.
    #[must_use]
    pub fn record(&self) -> &str {
        &self.record
    }

    /// The first request of the protocol.
    pub fn start(&mut self) -> Step {
        self.claim()
    }

    /// The request that follows the last answer. `jitter` is a random number from 0 to 1.
    pub fn next(&mut self, reply: Reply, now: Timestamp, jitter: f64) -> Step {
        match (self.state, reply) {
            (State::Claiming, Reply::ClaimCreated) => {
                self.claimed = true;
                self.first_write(now)
            }
            (State::Claiming, Reply::ClaimExists) => self.read_back(true),
            (State::Claiming, Reply::Failed(failure)) if failure.ambiguous => self.read_back(true),
            (State::Claiming, Reply::Failed(failure)) if failure.retryable && self.may_retry() => {
                self.wait(State::WaitingToClaim, jitter)
            }
            (State::Claiming, Reply::Failed(failure)) => self.failed(failure.cause, "claiming the transition", false),
            (State::WaitingToClaim, Reply::Waited) => self.claim(),

            (State::ReadingBack, Reply::ReadBack { flag, claim }) => self.judge_claim(flag, claim, now, jitter),
            (State::ReadingBack, Reply::Failed(_)) if self.may_retry() => self.wait(State::WaitingToReadBack, jitter),
            (State::ReadingBack, Reply::Failed(failure)) => {
                self.failed(failure.cause, "reading who holds the claim", false)
            }
            (State::WaitingToReadBack, Reply::Waited) => self.read_back(false),

            (State::Writing, Reply::Wrote(version)) if version == self.observed.version.next() => {
                self.switched(version, self.effective_from, Vec::new())
            }
            (State::Writing, Reply::Wrote(version)) => {
                self.returned = Some(version);
                self.read_history(true)
            }
            (State::Writing, Reply::Failed(failure)) if failure.ambiguous => self.read_history(true),
            (State::Writing, Reply::Failed(failure)) if failure.retryable && self.may_retry() => {
                self.wait(State::WaitingToWrite, jitter)
            }
            (State::Writing, Reply::Failed(failure)) => self.failed(failure.cause, "writing the flag", false),
            (State::WaitingToWrite, Reply::Waited) => self.write(now),

            (State::ReadingHistory, Reply::History(history)) => self.judge_history(&history, jitter),
            (State::ReadingHistory, Reply::Failed(_)) if self.waits < MAX_ATTEMPTS => {
                self.wait(State::WaitingToReadHistory, jitter)
            }
            (State::ReadingHistory, Reply::Failed(failure)) => match self.returned {
                Some(version) => {
                    let why = format!(
                        ", and the history that would show who wrote in between cannot be read: {}",
                        failure.cause
                    );
                    self.unseen(version, failure.cause.kind, &why)
                }
                None => self.failed(failure.cause, "finding out whether the flag was written", true),
            },
            (State::WaitingToReadHistory, Reply::Waited) => self.read_history(false),

            // The answer does not belong to the request: a fault of the caller, never of the store.
            (state, reply) => self.failed(
                Cause::new(CauseKind::Unparsable, format!("{reply:?} does not answer {state:?}")),
                "following the switch protocol",
                self.claimed,
            ),
        }
    }

    fn claim(&mut self) -> Step {
        self.attempts = self.attempts.saturating_add(1);
        self.state = State::Claiming;
        Step::CreateClaim {
            record: self.record.clone(),
            value: self.value.clone(),
        }
    }

    fn read_back(&mut self, first: bool) -> Step {
        if first {
            self.waits = 0;
        }
        self.attempts = self.attempts.saturating_add(1);
        self.state = State::ReadingBack;
        Step::ReadBack {
            record: self.record.clone(),
        }
    }

    fn first_write(&mut self, now: Timestamp) -> Step {
        self.attempts = 0;
        self.waits = 0;
        self.write(now)
    }

    fn write(&mut self, now: Timestamp) -> Step {
        if elapsed(self.decided_at, now) > WRITE_LIMIT {
            let cause = Cause::new(
                CauseKind::TimedOut,
                format!(
                    "{} have passed since the decision",
                    in_seconds(elapsed(self.decided_at, now))
                ),
            );
            return self.failed(cause, "writing the flag in time", self.attempts > 0);
        }
        self.attempts = self.attempts.saturating_add(1);
        self.state = State::Writing;
        // A planned transition that is written late takes effect later. Otherwise, a reader might have acted on the old
        // color at an instant that turns out to be the new color's.
        let from = effective_from(&self.policy, &self.intent, now);
        self.effective_from = self.effective_from.max(to_milliseconds(from));
        let mut sentence = format!("{}; by {}", self.intent.reason, self.intent.actor.function);
        if let Some(by) = &self.intent.actor.requested_by {
            sentence.push_str(" for ");
            sentence.push_str(by);
        }
        // A writer that finishes a dead writer's claim acts for its own reasons, and gives those.
        let sentence = match &self.claim {
            Claim::Own => escape_reserved_prefix(&sentence),
            Claim::DeadWriters(_) => finishing_sentence(&self.intent.actor.request_id, &sentence),
        };
        let tail = DescriptionMetadata {
            effective_from: self.effective_from,
            record: self.record.clone(),
        };
        Step::WriteFlag {
            value: self.to,
            description: description(self.intent.kind, &sentence, &tail),
        }
    }

    fn read_history(&mut self, first: bool) -> Step {
        if first {
            self.waits = 0;
        }
        self.state = State::ReadingHistory;
        Step::ReadHistory
    }

    fn may_retry(&self) -> bool {
        self.attempts < MAX_ATTEMPTS
    }

    fn wait(&mut self, then: State, jitter: f64) -> Step {
        self.state = then;
        let full = FIRST_WAIT.saturating_mul(1_u32.checked_shl(self.waits.min(4)).unwrap_or(1));
        self.waits = self.waits.saturating_add(1);
        let share = if jitter.is_finite() {
            jitter.clamp(0.0, 1.0)
        } else {
            0.5
        };
        // Between half the wait and the full wait, so that two writers do not stay in step.
        Step::Wait(full.mul_f64(share.mul_add(0.5, 0.5)))
    }

    fn judge_claim(
        &mut self,
        flag: Option<FlagObservation>,
        claim: Option<StoredClaim>,
        now: Timestamp,
        jitter: f64,
    ) -> Step {
        let winner = claim
            .as_ref()
            .and_then(|claim| TransitionRecord::from_stored(&claim.value).ok());
        let Some(flag) = flag else {
            return conflict(
                "the flag was deleted in the meantime; see {\"action\":\"status\"}".to_owned(),
                winner,
                None,
            );
        };
        if !flag.same_version_as(&self.observed) {
            // A reading older than the observation is stale: SSM's reads are eventually consistent.
            if flag.modified < self.observed.modified && self.may_retry() {
                return self.wait(State::WaitingToReadBack, jitter);
            }
            let who = winner.as_ref().map_or_else(|| "somebody".to_owned(), who_won);
            return conflict(format!("{who} was faster: the flag is now {flag}"), winner, Some(flag));
        }
        let Some(claim) = claim else {
            if !self.may_retry() {
                let reason = "the claim exists but cannot be read yet; ask again".to_owned();
                return conflict(reason, None, Some(flag));
            }
            // Either our own put never arrived, or the read is stale; a second create-only put distinguishes the two.
            return self.wait(State::WaitingToClaim, jitter);
        };
        if claim.value == self.value {
            self.claimed = true;
            return self.first_write(now);
        }
        let age = elapsed(claim.modified, now);
        if age < CLAIM_TIMEOUT {
            let who = winner.as_ref().map_or_else(|| "somebody".to_owned(), who_won);
            let reason = format!(
                "{who} claimed this transition {} ago and has not finished; if that writer is dead, the claim can be \
                 rolled forward from {}: ask again then",
                in_seconds(age),
                after(claim.modified, CLAIM_TIMEOUT)
            );
            return conflict(reason, winner, Some(flag));
        }
        // A drill never finishes another writer's claim: a trace that two claims share could not be attributed to one
        // drill.
        if self.intent.kind == Kind::Drill {
            let who = winner.as_ref().map_or_else(|| "somebody".to_owned(), who_won);
            let reason = format!(
                "a claim out of version {} stands that its writer never finished ({who}); a drill leaves it alone; any \
                 switch by a person, or a failover, finishes it",
                flag.version
            );
            return conflict(reason, winner, Some(flag));
        }
        // With two colors, a claim out of the observed color can only want what this writer wants. Where the flag held
        // no color, the claim's record is authoritative.
        self.to = winner.as_ref().map_or(self.intent.to, |winner| winner.to);
        self.claim = Claim::DeadWriters(winner.map(Box::new));
        self.claimed = true;
        self.first_write(now)
    }

    fn judge_history(&mut self, history: &[HistoryEntry], jitter: f64) -> Step {
        let after_observed: Vec<&HistoryEntry> = history
            .iter()
            .filter(|entry| entry.version > self.observed.version)
            .collect();
        let first_with_record = versions(history).into_iter().find(|version| {
            version.entry.version > self.observed.version
                && version
                    .entry
                    .description
                    .as_deref()
                    .and_then(DescriptionMetadata::read)
                    .is_some_and(|tail| tail.record == self.record)
        });
        if let Some(version) = first_with_record {
            if !self.wrote(&version.entry) {
                let flag = observation_of(&version.entry);
                let reason = format!("another writer has finished this claim: the flag is now {flag}");
                return conflict(reason, TransitionRecord::from_stored(&self.value).ok(), Some(flag));
            }
            let mut warnings = Vec::new();
            for entry in after_observed
                .iter()
                .filter(|entry| entry.version < version.entry.version)
            {
                warnings.push(format!(
                    "version {} ({}) was written by {} between our observation and our write, which replaced it",
                    entry.version,
                    entry.value,
                    entry.author.as_deref().unwrap_or("somebody")
                ));
            }
            for entry in &after_observed {
                let of_ours = entry
                    .description
                    .as_deref()
                    .and_then(DescriptionMetadata::read)
                    .is_some_and(|tail| tail.record == self.record);
                if entry.version > version.entry.version && !of_ours {
                    warnings.push(format!(
                        "version {} ({}) was written by {} around our write; see {{\"action\":\"status\"}}",
                        entry.version,
                        entry.value,
                        entry.author.as_deref().unwrap_or("somebody")
                    ));
                }
            }
            // A repeated write creates a second version with the same value: the newest version is the current one.
            let stands_at = self
                .returned
                .map_or(version.entry.version, |returned| returned.max(version.entry.version));
            return self.switched(stands_at, version.effective_from, warnings);
        }
        match (self.returned, after_observed.last()) {
            // Our write is confirmed but missing from the history: the reading is too old, or the flag was re-created.
            (Some(_), _) if self.waits < MAX_ATTEMPTS => self.wait(State::WaitingToReadHistory, jitter),
            (Some(version), _) => self.unseen(
                version,
                CauseKind::TimedOut,
                ": the flag was deleted and re-created, or written by another writer in between",
            ),
            (None, Some(newest)) => {
                let flag = observation_of(newest);
                let reason = format!(
                    "our write got no answer, and the flag was then written by {}: it is now {flag}",
                    newest.author.as_deref().unwrap_or("somebody")
                );
                conflict(reason, None, Some(flag))
            }
            // The write is missing: not there yet, or never made. Writing again is harmless, with the same value under
            // the same claim.
            (None, None) if self.may_retry() => self.wait(State::WaitingToWrite, jitter),
            (None, None) => {
                let cause = Cause::new(
                    CauseKind::TimedOut,
                    "no answer to the write, and no new version is to be seen",
                );
                self.failed(cause, "writing the flag", true)
            }
        }
    }

    /// A write that returned a version which the history does not show. A writer of its own claim has switched, because
    /// no other writer may finish that claim before this one must stop. For a dead writer's claim, the expected version
    /// may come from another finisher; then this transition belongs to that writer.
    fn unseen(&self, version: FlagVersion, kind: CauseKind, why: &str) -> Step {
        let said = format!(
            "version {version} came back where {} was expected{why}",
            self.observed.version.next()
        );
        match self.claim {
            Claim::Own => self.switched(version, self.effective_from, vec![said]),
            Claim::DeadWriters(_) => self.failed(Cause::new(kind, said), "finding out who finished the claim", true),
        }
    }

    /// Whether this writer, and no other finisher of the claim, wrote an entry with our record.
    fn wrote(&self, entry: &HistoryEntry) -> bool {
        let finisher = entry.description.as_deref().and_then(finished_by);
        match self.claim {
            Claim::Own => finisher.is_none(),
            Claim::DeadWriters(_) => finisher.as_deref() == Some(self.intent.actor.request_id.as_str()),
        }
    }

    fn switched(&self, version: FlagVersion, effective_from: Timestamp, warnings: Vec<String>) -> Step {
        Step::Done(Box::new(Outcome::Switched(Switched {
            version,
            record: self.record.clone(),
            to: self.to,
            effective_from,
            rolled_forward: matches!(self.claim, Claim::DeadWriters(_)),
            dead_writer: match &self.claim {
                Claim::Own => None,
                Claim::DeadWriters(record) => record.as_deref().cloned(),
            },
            warnings,
        })))
    }

    fn failed(&self, cause: Cause, doing: &'static str, uncertain: bool) -> Step {
        Step::Done(Box::new(Outcome::Failed(Failed {
            cause,
            doing,
            claimed: self.claimed,
            uncertain,
        })))
    }
}

fn conflict(reason: String, winner: Option<TransitionRecord>, flag: Option<FlagObservation>) -> Step {
    Step::Done(Box::new(Outcome::Conflict(Conflict { reason, winner, flag })))
}

fn observation_of(entry: &HistoryEntry) -> FlagObservation {
    FlagObservation {
        value: entry.value.clone(),
        version: entry.version,
        modified: entry.modified,
    }
}

fn who_won(record: &TransitionRecord) -> String {
    let by = record
        .actor
        .requested_by
        .as_deref()
        .map(|by| format!(" for {by}"))
        .unwrap_or_default();
    format!(
        "{}{by} ({} to {}, request {})",
        record.actor.function, record.kind, record.to, record.actor.request_id
    )
}
