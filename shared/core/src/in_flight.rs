//! What is still in flight on an environment that is not active: its own runs from before the transition.
//!
//! The standby's Airflow also lists unfinished runs of the active color, whose guards wait. They are no work of the
//! standby: after the wait they are skipped. Only the owner distinguishes the two, so this needs the flag's history.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::airflow::Run;
use crate::color::Color;
use crate::dag_management::PAUSE_DELAY;
use crate::flag::{HistoryEntry, Version, versions};
use crate::health::Cause;
use crate::ownership::color_in_force;
use crate::run_report::last_hand_over;
use crate::time::{after, to_second};

/// Most DAGs that are named.
pub const NAMED_DAGS: usize = 5;

/// How long after a transition the old color may still create runs of its own: the same time for which DAG management
/// leaves it alone.
pub const LATE_RUNS: Duration = PAUSE_DELAY;

/// The unfinished runs of one environment, as far as they were listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfinished {
    /// All of them.
    Listed(Vec<Run>),
    /// They could not be listed completely.
    Unknown(Cause),
}

/// What is in flight on the environment that stands by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// The counted runs, or why they are unknown.
    pub runs: Result<OwnRuns, String>,
    /// Whether nothing is in flight, and nothing more can come.
    pub drained: bool,
    /// The state in one sentence.
    pub reason: String,
}

/// The unfinished runs that an environment still executes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnRuns {
    /// The number of the environment's own runs.
    pub runs: usize,
    /// The number of unfinished runs that belong to the other color.
    pub others: usize,
    /// Since when the oldest own run has existed.
    pub oldest: Option<Timestamp>,
    /// The DAGs of the own runs, those with the oldest run first; at most [`NAMED_DAGS`].
    pub dags: Vec<String>,
    /// The number of DAGs with own runs.
    pub dag_count: usize,
}

impl InFlight {
    /// Judges `color`, which stands by. Without the history no run has an owner, and it is unknown when the transition was.
    #[must_use]
    pub fn of(color: Color, unfinished: &Unfinished, history: Result<&[HistoryEntry], &Cause>, now: Timestamp) -> Self {
        let listed = match unfinished {
            Unfinished::Listed(runs) => runs,
            Unfinished::Unknown(cause) => return Self::unknown(color, cause),
        };
        let history = match history {
            Ok(history) => history,
            Err(cause) => return Self::unknown(color, cause),
        };
        let own = own_runs(color, listed, history, now);
        let quiet_from = last_hand_over(history)
            .map(|last| after(last.effective_from.max(last.written_at), LATE_RUNS))
            .filter(|from| *from > now);
        let drained = own.runs == 0 && quiet_from.is_none();
        let reason = own.sentence(color, quiet_from);
        Self {
            runs: Ok(own),
            drained,
            reason,
        }
    }

    fn unknown(color: Color, cause: &Cause) -> Self {
        Self {
            runs: Err(cause.to_string()),
            drained: false,
            reason: format!("it is unknown what is in flight on {color}: {cause}"),
        }
    }
}

impl OwnRuns {
    fn sentence(&self, color: Color, quiet_from: Option<Timestamp>) -> String {
        let others = match self.others {
            0 => String::new(),
            number => format!("; {} of {} not counted", counted(number), color.other()),
        };
        match (self.runs, quiet_from) {
            (0, None) => format!("{color} has drained: none of its own runs is in flight{others}"),
            (0, Some(from)) => format!(
                "none of {color}'s own runs is in flight, but its scheduler may still create some until {}{others}",
                to_second(from)
            ),
            (number, _) => {
                let named = self.dags.join(", ");
                let more = match self.dag_count.saturating_sub(self.dags.len()) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let oldest = self
                    .oldest
                    .map(|oldest| format!(", the oldest since {}", to_second(oldest)))
                    .unwrap_or_default();
                format!(
                    "{} in flight on {color}: {named}{more}{oldest}{others}",
                    counted(number)
                )
            }
        }
    }
}

/// `1 run`, `2 runs`.
fn counted(number: usize) -> String {
    format!("{number} run{}", if number == 1 { "" } else { "s" })
}

/// Counts the unfinished runs that `color` executes, or still may.
#[must_use]
pub fn own_runs(color: Color, runs: &[Run], history: &[HistoryEntry], now: Timestamp) -> OwnRuns {
    let known = Known::of(history);
    let unfinished = runs.iter().filter(|run| !run.is_finished());
    let (mut own, others): (Vec<&Run>, Vec<&Run>) = unfinished.partition(|run| known.may_execute(color, run, now));
    let since = |run: &Run| run.started.or_else(|| run.instant());
    // A run without any date is the last: it has not begun.
    own.sort_by(|a, b| {
        let order = |run: &Run| (since(run).unwrap_or(Timestamp::MAX), run.dag_id.clone());
        order(a).cmp(&order(b))
    });
    let mut seen = BTreeSet::new();
    let dags: Vec<String> = own
        .iter()
        .filter(|run| seen.insert(run.dag_id.as_str()))
        .map(|run| run.dag_id.clone())
        .take(NAMED_DAGS)
        .collect();
    OwnRuns {
        runs: own.len(),
        others: others.len(),
        oldest: own.iter().find_map(|run| since(run)),
        dags,
        dag_count: own.iter().map(|run| run.dag_id.as_str()).collect::<BTreeSet<_>>().len(),
    }
}

/// The flag's history as it was known at each moment: a guard decided by what it could read then, and a run keeps that
/// decision. A failover that is back-dated afterwards changes the owner, but not what is executing.
struct Known {
    /// From when each state of the history was known, and its versions; the oldest first.
    states: Vec<(Timestamp, Vec<Version>)>,
}

impl Known {
    fn of(history: &[HistoryEntry]) -> Self {
        let mut dates: Vec<Timestamp> = history.iter().map(|entry| entry.modified).collect();
        dates.sort_unstable();
        dates.dedup();
        let state = |date: Timestamp| {
            let by_then: Vec<HistoryEntry> = history.iter().filter(|entry| entry.modified <= date).cloned().collect();
            (date, versions(&by_then))
        };
        Self {
            states: dates.into_iter().map(state).collect(),
        }
    }

    /// Whether a guard of `color` may have let the run continue, or may still. In doubt it counts: an environment that
    /// is taken for drained too early loses work, one that is taken for busy only costs patience.
    fn may_execute(&self, color: Color, run: &Run, now: Timestamp) -> bool {
        let instant = match run.instant() {
            Some(instant) => instant,
            // Such a run belongs to the color of its start, which is still to come.
            None if run.state == "queued" && !run.is_scheduled() => now,
            None => return true,
        };
        let began = run.started.unwrap_or(now);
        // The guard decided at the earliest when the run began, by the state that was known then or by a later one.
        let first = self.states.iter().rposition(|(from, _)| *from <= began).unwrap_or(0);
        let decided = self.states.iter().skip(first);
        let belongs = |versions: &[Version], instant| color_in_force(versions, instant) == Some(color);
        decided.into_iter().any(|(_, versions)| belongs(versions, instant))
            // The DAG's tag may date a tick later, at most to the time at which the run began.
            || (run.is_scheduled()
                && self.states.last().is_some_and(|(_, versions)| run.started.is_some_and(|began| belongs(versions, began))))
    }
}

#[cfg(test)]
mod tests;
