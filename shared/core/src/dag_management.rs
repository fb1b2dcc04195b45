//! Pausing the standby's DAGs, for those who choose it (`DAG_MANAGEMENT=pause`).
//!
//! After a transition the new color's DAGs are unpaused, but only those that were unpaused on the old one; then the old
//! color drains, and its DAGs are paused. Which DAGs those are is remembered while all is calm, for on the day it is
//! needed the old environment may not answer. What is written stands in one parameter; Airflow itself is the memory of how
//! far the pausing has come: every tick asks what is left.

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

/// The old color is not touched for so long after a transition has taken effect.
///
/// Its scheduler makes the last runs that are still its own in that time. And a list that was asked for before the
/// transition is complete by then ([`READING_TIME`]), so a reading can never mistake what was paused here for what a
/// person paused.
pub const PAUSE_DELAY: Duration = Duration::from_secs(30);

/// A turn that began so long after a transition meets no function any more that knew the flag only as it was before: the
/// longest lives 75 s. Until then such a one may pause what is to run, so it is looked after, and nothing is learned.
pub const VERIFY_AFTER: Duration = Duration::from_secs(90);

/// What should take a moment and takes longer is told as a failure.
const STALL_TIMEOUT: Duration = Duration::from_secs(180);

/// A list of the active's DAGs counts if it was complete so soon after the flag was observed.
pub const READING_TIME: Duration = Duration::from_secs(20);

/// How much later than `written` a version may be dated and still be the one it was written for: `written` can be a
/// function's own clock. A deleted parameter is not made again within 30 s.
const SAME_WRITE: Duration = Duration::from_secs(20);

/// Up to so many DAGs, they are listed at every tick; above it every few minutes.
pub const LIST_EVERY_TICK_MAX_DAGS: usize = 500;

/// What keeps the standby's DAGs from working.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DagManagement {
    /// The guard in every run, by the flag. Nothing is paused.
    #[default]
    Guard,
    /// And they are paused.
    Pause,
}

words!(DagManagement { "guard" => Guard, "pause" => Pause });

/// Where the work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The active color's DAGs are being unpaused.
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
    /// The active color's DAGs cannot be unpaused now.
    ActivationFailed,
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
    fn at_first() -> Self {
        Self::Activating
    }

    /// As answers and events have it.
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

/// What is stored beside the flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The color whose DAGs are to run.
    pub active: Color,
    /// The flag version this is about.
    pub version: FlagVersion,
    /// When that was written, or a moment later.
    pub written: Timestamp,
    /// The same, as the name of one incarnation of the flag: no rest is counted from it. None in what older versions stored.
    #[serde(default)]
    pub flag_written: Option<Timestamp>,
    /// How far the work has come.
    pub phase: Phase,
    /// Whether the active's DAGs were seen to run after everybody who knew the flag only as it was before has ended.
    #[serde(default)]
    pub verified: bool,
    /// Since when the standby drains, once the transition is in force: runs that began earlier, or whose instant is earlier,
    /// may finish.
    pub since: Timestamp,
    /// As the last turn left it.
    #[serde(default = "State::at_first")]
    pub state: State,
    /// What cannot be done now, until it can.
    #[serde(default)]
    pub failing: Option<Failing>,
    /// Whether it was told that all is settled.
    #[serde(default)]
    pub told: bool,
    /// How many DAGs the longer list had.
    #[serde(default)]
    pub dags: usize,
    /// The DAGs to run; none if they have never been listed.
    #[serde(default)]
    pub unpaused: Option<Remembered>,
    /// Those of them that the active has not been seen to run: it did not list them yet, or no request can set them alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_unpause: Option<Remembered>,
}

/// Something that cannot be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// [`State::ActivationFailed`] or [`State::NotFenced`].
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Whether a person was told.
    pub told: bool,
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
pub struct ActiveVersion {
    /// The color the flag holds.
    pub active: Color,
    /// Its version.
    pub version: FlagVersion,
    /// When it was written.
    pub modified: Timestamp,
}

/// How it stands, for answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In a word.
    pub state: State,
    /// The color whose DAGs are to run.
    pub active: Color,
    /// DAGs unpaused on it in this turn.
    pub unpaused: usize,
    /// DAGs paused on the other in this turn.
    pub paused: usize,
    /// DAGs that no request can set alone; a person must.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manual: Vec<String>,
    /// In a sentence.
    pub detail: String,
}

impl Progress {
    /// Reads what is stored; none for what this version did not write.
    #[must_use]
    pub fn from_stored(stored: &str) -> Option<Self> {
        serde_json::from_str(stored).ok()
    }

    /// What there is to do under the flag as it stands, after `stored`. None if the flag was read staler than `stored`.
    ///
    /// Without anything stored this is the pair's first turn with DAG management: what runs on the active is right by
    /// definition, and only the standby is to be paused. `is_transition` says that this is no first look but a transition.
    /// `lead` is the longest time from a version's write until it takes effect.
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
            // Not so a flag that was deleted and made again: its version of that number is younger.
            Some(stored)
                if stored.active == flag.active
                    && stored.version == flag.version
                    && stored
                        .flag_written
                        .is_none_or(|written| flag.modified <= after(written, SAME_WRITE)) =>
            {
                Some(stored)
            }
            // Versions begin anew after a delete, dates do not.
            Some(stored) if stored.version > flag.version && stored.written > flag.modified => None,
            // Two transitions between two ticks, or a color written over itself: what runs is right, the standby may not be.
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

    /// Whether the active's list is to be read again, to remember what runs.
    ///
    /// Never before its DAGs were verified to run: half the work would be taken for a person's wish.
    #[must_use]
    pub fn wants_reading(&self, minute: i8) -> bool {
        self.may_read()
            && (self.unpaused.is_none()
                || self.pending_unpause.is_some()
                || self.dags <= LIST_EVERY_TICK_MAX_DAGS
                || minute.checked_rem(5) == Some(0))
    }

    /// Whether the active's list may be taken for what people want.
    #[must_use]
    pub fn may_read(&self) -> bool {
        self.phase != Phase::Activating && self.verified
    }

    /// What a turn that ended in `state` comes to: what goes on for too long is a failure.
    #[must_use]
    pub fn judge(&self, state: State, drain: Duration, now: Timestamp) -> State {
        match state {
            State::Activating if elapsed(self.written, now) >= STALL_TIMEOUT => State::ActivationFailed,
            State::Draining if elapsed(self.since, now) >= drain.saturating_add(STALL_TIMEOUT) => State::NotFenced,
            state => state,
        }
    }

    /// Notes how a turn ended, and answers what a person is to be told.
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
                // What people were told stays until they are told that it is over.
                self.failing = self.failing.filter(|failing| failing.told);
                let activated = self
                    .failing
                    .filter(|failing| failing.state == State::ActivationFailed && state == State::Draining);
                activated.map(|failing| News::Recovered(failing.since))
            }
        }
    }

    /// Notes that it was told.
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

/// What a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It cannot be done, since then.
    Failing(Timestamp),
    /// What had failed since then is over.
    Recovered(Timestamp),
    /// It is done.
    Settled,
}

/// What is left to unpause on the active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation<'a> {
    /// Paused, and wanted.
    pub to_unpause: BTreeSet<&'a str>,
    /// Paused, and to stay so.
    pub must_stay_paused: BTreeSet<&'a str>,
    /// Wanted, and not seen to run.
    pub pending_unpause: BTreeSet<String>,
    /// Not one of the wanted is there, though some are wanted: its DAGs are not parsed yet.
    pub nothing_there: bool,
}

/// Compares the active's list with the DAGs that are to run on it.
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

/// The DAGs to run from now on, by what is paused on the active; none if the lists do not tell.
///
/// A DAG that has vanished from the active but not from the standby keeps what it had: a broken import must not be taken
/// for a person's wish. Neither is one that is `pending_unpause`. One that only the standby ever had was never unpaused here, so it is
/// left as it is.
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
    Some(running.chain(kept).cloned().collect())
}

/// The standby's DAGs with a run that has not ended, and began or has its instant before `since`: it may be the standby's own.
///
/// A late scheduler begins its own runs after that. Those of later instants are not waited for: they are the standby's waiting
/// or skipping of the new color's runs, and a DAG that runs every few minutes would never drain.
#[must_use]
pub fn busy(runs: &[Run], since: Timestamp) -> BTreeSet<&str> {
    runs.iter()
        .filter(|run| {
            run.instant().is_none_or(|instant| instant < since) || run.started.is_some_and(|began| began < since)
        })
        .map(|run| run.dag_id.as_str())
        .collect()
}

/// What of the standby may be paused now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fence {
    /// Nothing yet.
    Rest,
    /// DAGs without a run from before the transition.
    Drain,
    /// All of them: what still runs freezes.
    Over,
}

/// Decides about the standby, whose drain began at `since` and may last `drain`.
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
