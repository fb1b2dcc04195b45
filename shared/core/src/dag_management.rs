//! Pausing the standby's DAGs, for those who choose it (`DAG_MANAGEMENT=pause`).
//!
//! After a transition, the new color's DAGs are unpaused, but only those that were unpaused on the old one. Then the
//! old color drains, and its DAGs are paused. The set of unpaused DAGs is remembered while the pair is settled, because
//! the old environment may not answer when the set is needed. The stored state is one parameter. Airflow itself shows
//! how far the pausing has come: every tick asks what is left.

mod plan;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use plan::{Plan, path_of};

use crate::airflow::{DagList, Run};
use crate::color::Color;
use crate::flag::FlagVersion;
use crate::setting::words;
use crate::time::{after, elapsed};

/// How long after a transition takes effect the old color is left alone.
///
/// Its scheduler creates the last runs that are still its own in that time. A list that was requested before the
/// transition is also complete by then ([`READING_TIME`]), so a reading can never mistake what was paused here for what
/// a person paused.
pub const PAUSE_DELAY: Duration = Duration::from_secs(30);

/// A turn that begins this long after a transition overlaps with no function that knew only the previous flag: the
/// longest one runs for 75 s. Until then, such a function may pause DAGs that must run, so the DAGs are checked again,
/// and the list is not remembered.
pub const VERIFY_AFTER: Duration = Duration::from_secs(90);

/// How long a step that should take a moment may take before it is reported as a failure.
const STALL_TIMEOUT: Duration = Duration::from_secs(180);

/// A list of the active environment's DAGs counts if it was complete this soon after the flag was observed.
pub const READING_TIME: Duration = Duration::from_secs(20);

/// How much later than `written` a version may be dated and still be the one it was written for: `written` can be a
/// function's own clock. A deleted parameter is not re-created within 30 s.
const SAME_WRITE: Duration = Duration::from_secs(20);

/// Up to this number, DAGs are listed at every tick; above it, every few minutes.
pub const LIST_EVERY_TICK_MAX_DAGS: usize = 500;

/// What prevents the standby's DAGs from executing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DagManagement {
    /// The guard in every run, by the flag's value. No DAG is paused.
    #[default]
    Guard,
    /// The guard, and the standby's DAGs are also paused.
    Pause,
}

words!(DagManagement { "guard" => Guard, "pause" => Pause });

/// The current step of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The active color's DAGs are being unpaused.
    Activating,
    /// The active color's DAGs are unpaused; the standby's are still to be paused.
    Fencing,
    /// Nothing is left to do.
    Settled,
}

/// The state of the work, of which people are notified once for each transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The active color's DAGs cannot be unpaused now.
    ActivationFailed,
    /// The active color's DAGs are being unpaused.
    Activating,
    /// The standby's runs in progress may finish first.
    Draining,
    /// The standby's DAGs cannot be paused now: it may execute runs, unless the guard is installed.
    NotFenced,
    /// The active's DAGs are unpaused and the standby's are paused.
    Settled,
}

impl State {
    fn at_first() -> Self {
        Self::Activating
    }

    /// The state as answers and events write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ActivationFailed => "activation-failed",
            Self::Activating => "activating",
            Self::Draining => "draining",
            Self::NotFenced => "not-fenced",
            Self::Settled => "settled",
        }
    }
}

/// The stored progress of DAG management.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The color whose DAGs are to run.
    pub active: Color,
    /// The flag version that the progress belongs to.
    pub version: FlagVersion,
    /// When that version was written, or a moment later.
    pub written: Timestamp,
    /// The date of that version, as the name of one incarnation of the flag: no delay is measured from it. None in what
    /// older releases stored.
    #[serde(default)]
    pub flag_written: Option<Timestamp>,
    /// The step that is in progress.
    pub phase: Phase,
    /// Whether the active color's DAGs were confirmed to run after every function that knew only the previous flag had
    /// ended.
    #[serde(default)]
    pub verified: bool,
    /// Since when the standby drains, once the transition is in force. Runs that began earlier, or whose instant is
    /// earlier, may finish.
    pub since: Timestamp,
    /// The state after the last turn.
    #[serde(default = "State::at_first")]
    pub state: State,
    /// A step that currently fails, until it succeeds.
    #[serde(default)]
    pub failing: Option<Failing>,
    /// Whether people were notified that all is settled.
    #[serde(default)]
    pub told: bool,
    /// The number of DAGs in the longer of the two lists.
    #[serde(default)]
    pub dags: usize,
    /// The DAGs that are to run; none if they have never been listed.
    #[serde(default)]
    pub unpaused: Option<Remembered>,
    /// Those of them that have not been confirmed to run on the active color: it does not list them yet, or no request
    /// can set them alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_unpause: Option<Remembered>,
}

/// A step that currently fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// [`State::ActivationFailed`] or [`State::NotFenced`].
    pub state: State,
    /// Since when the step fails.
    pub since: Timestamp,
    /// Whether people were notified of the failure.
    pub told: bool,
}

/// A remembered list of DAGs, or where it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The number of DAGs.
    pub count: usize,
    /// Their ids, if they fit here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<BTreeSet<String>>,
    /// Otherwise, the common name of the parameters that hold them, and the number of those parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
}

/// Parameters that together hold one list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Derived from the content, so that two writers never mix their parts.
    pub name: String,
    /// The number of parts.
    pub count: usize,
}

/// The fields of the flag that DAG management needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveVersion {
    /// The color the flag holds.
    pub active: Color,
    /// The version of the flag.
    pub version: FlagVersion,
    /// When it was written.
    pub modified: Timestamp,
}

/// The state of DAG management, for answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The state in one word.
    pub state: State,
    /// The color whose DAGs are to run.
    pub active: Color,
    /// Number of DAGs unpaused on the active color in this turn.
    pub unpaused: usize,
    /// Number of DAGs paused on the standby in this turn.
    pub paused: usize,
    /// DAGs that no request can set alone: a person must set them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manual: Vec<String>,
    /// The state in one sentence.
    pub detail: String,
}

impl Progress {
    /// Reads the stored progress; none for what this release did not write.
    #[must_use]
    pub fn from_stored(stored: &str) -> Option<Self> {
        serde_json::from_str(stored).ok()
    }

    /// The progress under the current flag, after `stored`. None if this flag is older than `stored`.
    ///
    /// Without stored progress, this is the pair's first turn with DAG management: what runs on the active color is
    /// right by definition, and only the standby is to be paused. `is_transition` says that this turn follows a
    /// transition and is not the first one. `lead` is the longest time from a version's write until it takes effect.
    #[must_use]
    pub fn follow(
        stored: Option<Self>,
        flag: ActiveVersion,
        is_transition: bool,
        lead: Duration,
        now: Timestamp,
    ) -> Option<Self> {
        let anew = |stored: Option<Self>, phase| Self {
            active: flag.active,
            version: flag.version,
            written: flag.modified,
            flag_written: Some(flag.modified),
            phase,
            verified: false,
            since: after(flag.modified, lead),
            state: State::Activating,
            failing: None,
            told: false,
            dags: stored.as_ref().map_or(0, |stored| stored.dags),
            pending_unpause: stored.as_ref().and_then(|stored| stored.pending_unpause.clone()),
            unpaused: stored.and_then(|stored| stored.unpaused),
        };
        match stored {
            // The exception is a flag that was deleted and re-created: its version with that number is newer.
            Some(stored)
                if stored.active == flag.active
                    && stored.version == flag.version
                    && stored
                        .flag_written
                        .is_none_or(|written| flag.modified <= after(written, SAME_WRITE)) =>
            {
                Some(stored)
            }
            // Versions restart after a deletion, dates do not.
            Some(stored) if stored.version > flag.version && stored.written > flag.modified => None,
            // Two transitions between two ticks, or the same color written again: what runs is right, the standby may
            // not be.
            Some(stored) if stored.active == flag.active && stored.phase != Phase::Activating => {
                Some(anew(Some(stored), Phase::Fencing))
            }
            Some(stored) => Some(anew(Some(stored), Phase::Activating)),
            None if is_transition => Some(anew(None, Phase::Activating)),
            None => Some(Self {
                verified: true,
                since: now,
                state: State::Draining,
                ..anew(None, Phase::Fencing)
            }),
        }
    }

    /// Whether the active color's list must be read again, to remember which DAGs run.
    ///
    /// Never before its DAGs were confirmed to run: a half-finished state would be taken for a person's choice.
    #[must_use]
    pub fn wants_reading(&self, minute: i8) -> bool {
        self.may_read()
            && (self.unpaused.is_none()
                || self.pending_unpause.is_some()
                || self.dags <= LIST_EVERY_TICK_MAX_DAGS
                || minute.checked_rem(5) == Some(0))
    }

    /// Whether the active color's list reflects what people want.
    #[must_use]
    pub fn may_read(&self) -> bool {
        self.phase != Phase::Activating && self.verified
    }

    /// The state to report for a turn that ended in `state`: a step that lasts too long is a failure.
    #[must_use]
    pub fn judge(&self, state: State, drain: Duration, now: Timestamp) -> State {
        match state {
            State::Activating if elapsed(self.written, now) >= STALL_TIMEOUT => State::ActivationFailed,
            State::Draining if elapsed(self.since, now) >= drain.saturating_add(STALL_TIMEOUT) => State::NotFenced,
            state => state,
        }
    }

    /// Records how a turn ended, and returns what people must be notified of.
    #[must_use]
    pub fn conclude(&mut self, state: State, patience: Duration, now: Timestamp) -> Option<News> {
        self.state = state;
        let was_told = self.failing.is_some_and(|failing| failing.told);
        match state {
            State::ActivationFailed | State::NotFenced => {
                let same = self.failing.filter(|failing| failing.state == state);
                let failing = same.unwrap_or(Failing {
                    state,
                    since: now,
                    told: false,
                });
                self.failing = Some(failing);
                (!failing.told && elapsed(failing.since, now) >= patience).then_some(News::Failing(failing.since))
            }
            State::Settled if was_told => Some(News::Recovered(self.failing.map_or(now, |failing| failing.since))),
            State::Settled => {
                self.failing = None;
                (!self.told).then_some(News::Settled)
            }
            State::Activating | State::Draining => {
                // A reported failure stays until its end is reported.
                self.failing = self.failing.filter(|failing| failing.told);
                let activated = self
                    .failing
                    .filter(|failing| failing.state == State::ActivationFailed && state == State::Draining);
                activated.map(|failing| News::Recovered(failing.since))
            }
        }
    }

    /// Records that people were notified.
    pub fn note_told(&mut self, news: News) {
        match news {
            News::Failing(_) => {
                self.told = false;
                if let Some(failing) = &mut self.failing {
                    failing.told = true;
                }
            }
            News::Recovered(_) => {
                self.failing = None;
                self.told = self.state == State::Settled;
            }
            News::Settled => self.told = true,
        }
    }
}

/// A change that people are notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A step fails since this instant.
    Failing(Timestamp),
    /// A failure that began at this instant is over.
    Recovered(Timestamp),
    /// All DAGs are as they should be.
    Settled,
}

/// What is left to unpause on the active color.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation<'a> {
    /// DAGs that are paused and should run.
    pub to_unpause: BTreeSet<&'a str>,
    /// DAGs that are paused and must stay so.
    pub must_stay_paused: BTreeSet<&'a str>,
    /// DAGs that should run and were not confirmed to run.
    pub pending_unpause: BTreeSet<String>,
    /// None of the wanted DAGs is listed, though some are wanted: the environment has not parsed its DAGs yet.
    pub nothing_there: bool,
}

/// Compares the active color's list with the DAGs that are to run on it.
#[must_use]
pub fn activation<'a>(list: &'a DagList, wanted: &BTreeSet<String>) -> Activation<'a> {
    let paused = list
        .dags
        .iter()
        .filter(|(_, dag)| dag.paused)
        .map(|(id, _)| id.as_str());
    let (to_unpause, must_stay_paused) = paused.partition(|id| wanted.contains(*id));
    Activation {
        to_unpause,
        must_stay_paused,
        pending_unpause: wanted
            .iter()
            .filter(|id| list.dags.get(*id).is_none_or(|dag| dag.paused))
            .cloned()
            .collect(),
        nothing_there: !wanted.is_empty() && !wanted.iter().any(|id| list.dags.contains_key(id)),
    }
}

/// The DAGs to run from now on, by what is paused on the active color; none if the lists do not show it.
///
/// A DAG that has vanished from the active color but not from the standby keeps its state: a broken import must not be
/// taken for a person's choice. The same applies to a DAG that is `pending_unpause`. Of the DAGs that only the standby
/// has, those count that are not paused there: nobody but this product pauses them, and if the active dies before it has
/// parsed their files, they must run on the standby. A paused one was never unpaused here, so it is left as it is.
#[must_use]
pub fn remember(
    before: Option<&BTreeSet<String>>,
    pending_unpause: &BTreeSet<String>,
    active: &DagList,
    standby: &DagList,
) -> Option<BTreeSet<String>> {
    if !active.is_complete() || active.dags.is_empty() {
        return None;
    }
    let running = active.dags.iter().filter(|(_, dag)| !dag.paused).map(|(id, _)| id);
    let kept = before.into_iter().flatten().filter(|id| {
        pending_unpause.contains(*id)
            || (!active.dags.contains_key(*id) && (!standby.is_complete() || standby.dags.contains_key(*id)))
    });
    let only_there = standby
        .dags
        .iter()
        .filter(|(id, dag)| !dag.paused && !active.dags.contains_key(*id));
    Some(
        running
            .chain(kept)
            .chain(only_there.map(|(id, _)| id))
            .cloned()
            .collect(),
    )
}

/// The standby's DAGs with an unfinished run that began, or has its instant, before `since`: it may be the standby's
/// own.
///
/// A late scheduler begins its own runs after that. Runs with later instants are not waited for. In those the standby
/// waits for, or skips, the new color's work, and a DAG that runs every few minutes would never drain.
#[must_use]
pub fn busy(runs: &[Run], since: Timestamp) -> BTreeSet<&str> {
    runs.iter()
        .filter(|run| {
            run.instant().is_none_or(|instant| instant < since) || run.started.is_some_and(|began| began < since)
        })
        .map(|run| run.dag_id.as_str())
        .collect()
}

/// Which of the standby's DAGs may be paused now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fence {
    /// No DAG yet.
    Rest,
    /// DAGs without a run from before the transition.
    Drain,
    /// All DAGs: runs that are still in progress freeze.
    Over,
}

/// Decides about the standby, whose drain began at `since` and may last for `drain`.
#[must_use]
pub fn fence(since: Timestamp, drain: Duration, now: Timestamp) -> Fence {
    let waited = elapsed(since, now);
    if waited < PAUSE_DELAY {
        Fence::Rest
    } else if waited < drain {
        Fence::Drain
    } else {
        Fence::Over
    }
}

#[cfg(test)]
mod tests;
