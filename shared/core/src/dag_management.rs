//! Pausing the standby's DAGs, for those who choose it (`DAG_MANAGEMENT=pause`).
//!
//! After a transition the new colour's DAGs are unpaused, but only those that were unpaused on the old one; then the old
//! colour drains, and its DAGs are paused. Which DAGs those are is remembered while all is calm, for on the day it is
//! needed the old environment may not answer. What is written stands in one parameter; Airflow itself is the memory of how
//! far the pausing has come: every tick asks what is left.

mod plan;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use plan::{LONGEST_PATH, Plan, path_of};

use crate::colour::Colour;
use crate::flag::FlagVersion;
use crate::handover::Run;
use crate::readiness::DagList;
use crate::time::elapsed;

/// The old colour is not touched for so long after a transition.
///
/// A list that was asked for before the transition is complete by then ([`READING_TIME`]), so a reading can never mistake
/// what was paused here for what a person paused.
pub const REST: Duration = Duration::from_secs(30);

/// A list of the active's DAGs counts if it was complete so soon after the flag was observed.
pub const READING_TIME: Duration = Duration::from_secs(20);

/// Up to so many DAGs, they are listed at every tick; above it every few minutes.
pub const FEW: usize = 500;

/// What keeps the standby's DAGs from working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DagManagement {
    /// The guard in every run, by the flag. Nothing is paused.
    Guard,
    /// And they are paused.
    Pause,
}

/// Where the work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The active colour's DAGs are being unpaused.
    Activating,
    /// They are; the standby's are still to be paused.
    Fencing,
    /// Nothing is left to do.
    Settled,
}

/// What a person is told once about one transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The active colour's DAGs cannot be unpaused now.
    NotActivated,
    /// They are being unpaused.
    Activating,
    /// The standby's running runs may finish first.
    Draining,
    /// The standby's DAGs cannot be paused now: it may execute runs, unless the guard is installed.
    NotFenced,
    /// The active's DAGs are unpaused and the standby's are paused.
    Settled,
}

impl State {
    /// As answers and events have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotActivated => "not-activated",
            Self::Activating => "activating",
            Self::Draining => "draining",
            Self::NotFenced => "not-fenced",
            Self::Settled => "settled",
        }
    }
}

/// What is stored beside the flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The colour whose DAGs are to run.
    pub active: Colour,
    /// The flag version this is about.
    pub version: FlagVersion,
    /// How far the work has come.
    pub phase: Phase,
    /// Since when the standby drains: runs that began earlier may finish.
    pub since: Timestamp,
    /// What a person has been told of this transition.
    #[serde(default)]
    pub told: Vec<State>,
    /// The DAGs to run; none if they have never been listed.
    #[serde(default)]
    pub unpaused: Option<Remembered>,
}

/// The remembered DAGs, or where they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// How many.
    pub count: usize,
    /// Their ids, if they fit here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<BTreeSet<String>>,
    /// Else the name that the parameters which hold them have in common, and how many those are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
}

/// Parameters that together hold a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// By content, so that two writers never mix their parts.
    pub name: String,
    /// How many.
    pub count: usize,
}

/// The flag, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The colour the flag holds.
    pub active: Colour,
    /// Its version.
    pub version: FlagVersion,
    /// When it was written.
    pub modified: Timestamp,
}

/// How it stands, for answers.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// In a word.
    pub state: State,
    /// The colour whose DAGs are to run.
    pub active: Colour,
    /// DAGs unpaused on it in this turn.
    pub unpaused: usize,
    /// DAGs paused on the other in this turn.
    pub paused: usize,
    /// DAGs that no request can set alone; a person must.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_hand: Vec<String>,
    /// In a sentence.
    pub detail: String,
}

impl Progress {
    /// Reads what is stored; none for what this version did not write.
    #[must_use]
    pub fn from_stored(stored: &str) -> Option<Self> {
        serde_json::from_str(stored).ok()
    }

    /// What there is to do under the flag as it stands, after `stored`.
    ///
    /// Without anything stored this is the pair's first tick with DAG management: what runs on the active is right by
    /// definition, and only the standby is to be paused. `is_transition` says that this is no first look but a transition.
    #[must_use]
    pub fn follow(stored: Option<Self>, flag: Standing, is_transition: bool, now: Timestamp) -> Self {
        match stored {
            Some(stored) if stored.active == flag.active && stored.version == flag.version => stored,
            // Two transitions between two ticks, or a colour written over itself: what runs is right, the standby may not be.
            Some(stored) if stored.active == flag.active => Self {
                version: flag.version,
                phase: match stored.phase {
                    Phase::Activating => Phase::Activating,
                    Phase::Fencing | Phase::Settled => Phase::Fencing,
                },
                since: flag.modified,
                told: Vec::new(),
                ..stored
            },
            Some(stored) => Self {
                active: flag.active,
                version: flag.version,
                phase: Phase::Activating,
                since: flag.modified,
                told: Vec::new(),
                unpaused: stored.unpaused,
            },
            None => Self {
                active: flag.active,
                version: flag.version,
                phase: if is_transition {
                    Phase::Activating
                } else {
                    Phase::Fencing
                },
                since: if is_transition { flag.modified } else { now },
                told: Vec::new(),
                unpaused: None,
            },
        }
    }

    /// As the last turn left it.
    #[must_use]
    pub fn state(&self) -> State {
        let was_told = |state| self.told.contains(&state);
        match self.phase {
            Phase::Activating if was_told(State::NotActivated) => State::NotActivated,
            Phase::Activating => State::Activating,
            Phase::Fencing if was_told(State::NotFenced) => State::NotFenced,
            Phase::Fencing => State::Draining,
            Phase::Settled => State::Settled,
        }
    }

    /// Whether the active's list is to be read again, to remember what runs.
    ///
    /// Never while its DAGs are being unpaused: half the work would be taken for a person's wish.
    #[must_use]
    pub fn wants_reading(&self, minute: i8) -> bool {
        self.phase != Phase::Activating
            && self
                .unpaused
                .as_ref()
                .is_none_or(|remembered| remembered.count <= FEW || minute.checked_rem(5) == Some(0))
    }
}

/// The DAGs to run from now on, by what is paused on the active; none if the lists do not tell.
///
/// A DAG that has vanished from the active but not from the standby keeps what it had: a broken import must not be taken
/// for a person's wish. One that only the standby ever had was never unpaused here, so it is left as it is.
#[must_use]
pub fn remember(before: Option<&BTreeSet<String>>, active: &DagList, standby: &DagList) -> Option<BTreeSet<String>> {
    if !active.is_complete() || active.dags.is_empty() {
        return None;
    }
    let running = active.dags.iter().filter(|(_, dag)| !dag.paused).map(|(id, _)| id);
    let vanished = before
        .into_iter()
        .flatten()
        .filter(|id| !active.dags.contains_key(*id) && (!standby.is_complete() || standby.dags.contains_key(*id)));
    Some(running.chain(vanished).cloned().collect())
}

/// The standby's DAGs with a run that began before `since` and has not ended.
///
/// Later ones are not waited for: they are the standby's own waiting or skipping of the new colour's runs, and a DAG that
/// runs every few minutes would never drain.
#[must_use]
pub fn busy(runs: &[Run], since: Timestamp) -> BTreeSet<&str> {
    runs.iter()
        .filter(|run| run.started.or(run.tick).is_none_or(|began| began < since))
        .map(|run| run.dag_id.as_str())
        .collect()
}

/// What of the standby may be paused now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence<'a> {
    /// Not yet, and why.
    pub wait: Option<String>,
    /// The DAGs that must not be paused yet.
    pub spared: BTreeSet<&'a str>,
    /// How many DAGs have a run still going whose time is over, so that pausing freezes it.
    pub frozen: usize,
}

/// Decides about the standby, whose drain began at `since` and may last `drain`.
#[must_use]
pub fn fence(busy: BTreeSet<&str>, since: Timestamp, drain: Duration, now: Timestamp) -> Fence<'_> {
    let waited = elapsed(since, now);
    if waited < REST {
        return Fence {
            wait: Some(format!("nothing is paused within {} s of a transition", REST.as_secs())),
            spared: BTreeSet::new(),
            frozen: 0,
        };
    }
    if waited < drain {
        return Fence {
            wait: None,
            spared: busy,
            frozen: 0,
        };
    }
    Fence {
        wait: None,
        frozen: busy.len(),
        spared: BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests;
