//! Judges one run by its tasks and by what the guard knew.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::report::RunOutcome;
use super::runs::{Side, Work};
use crate::airflow::Run;
use crate::flag::HistoryEntry;
use crate::ownership::owner;

pub(super) struct Judge<'a> {
    /// DAGs in which a guard was found, on either color.
    pub(super) guarded: BTreeSet<&'a str>,
    pub(super) history: &'a [HistoryEntry],
    /// Instants of the DAGs' tags.
    pub(super) since: BTreeMap<String, Timestamp>,
}

impl Judge<'_> {
    pub(super) fn instant(&self, run: &Run) -> Option<Timestamp> {
        run.instant_since(self.since.get(&run.dag_id).copied())
    }

    pub(super) fn fate(&self, side: &Side<'_>, run: &Run) -> RunOutcome {
        let none = Work::default();
        let work = side
            .work
            .get(&(run.dag_id.as_str(), run.run_id.as_str()))
            .unwrap_or(&none);
        let guard = work.guard.map(|guard| guard.state.as_str());
        let has_guard = self.guarded.contains(run.dag_id.as_str());
        let is_past_guard = guard.map_or(!has_guard, |guard| guard == "success");
        if work.succeeded || (work.began && is_past_guard) {
            return RunOutcome::Executed;
        }
        if side.told.tasks_gap.is_some() {
            return RunOutcome::Unknown;
        }
        match guard {
            _ if run.is_under_way() => RunOutcome::Waiting,
            _ if !run.is_finished() => RunOutcome::Unknown,
            // All tasks were skipped: by the guard, or by the DAG's own branches after the guard had let the run
            // continue.
            Some("success") => {
                let ended = work.guard.and_then(|guard| guard.ended);
                let let_go = self.was_let_go(side, self.instant(run), ended);
                if let_go == self.was_let_go(side, run.instant(), ended) {
                    if let_go {
                        RunOutcome::Executed
                    } else {
                        RunOutcome::Skipped
                    }
                } else {
                    // It is not known whether the DAG had its tag by then.
                    RunOutcome::Unknown
                }
            }
            Some(_) => RunOutcome::NotExecuted,
            None if has_guard => RunOutcome::NotExecuted,
            None => RunOutcome::Executed,
        }
    }

    /// Whether the guard let a run with that instant continue, by the flag's history at the time of its decision.
    fn was_let_go(&self, side: &Side<'_>, instant: Option<Timestamp>, decided: Option<Timestamp>) -> bool {
        let (Some(instant), Some(decided)) = (instant, decided) else {
            return false;
        };
        let known: Vec<HistoryEntry> = self
            .history
            .iter()
            .filter(|entry| entry.modified <= decided)
            .cloned()
            .collect();
        owner(&known, instant).and_then(|owner| owner.value.color()) == Some(side.color)
    }
}
