//! What Airflow lists: DAGs, their runs, and the runs' tasks, limited to the fields that this product uses.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::health::Cause;

/// Id of the guard's task.
pub const GUARD_TASK: &str = "bluegreen_guard";

/// Prefix of the DAG tag that says since when the DAG exists.
const SINCE_TAG: &str = "bluegreen:since";

/// The DAGs of one environment, as far as they were listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DagList {
    /// The DAGs by id. Airflow does not list stale DAGs, so they count as missing.
    pub dags: BTreeMap<String, Dag>,
    /// The number of DAGs, by Airflow's count.
    pub total: Option<u64>,
    /// Why some DAGs are missing from the list; none if it is complete.
    pub gap: Option<Cause>,
}

impl DagList {
    /// An empty list: no DAG could be listed.
    #[must_use]
    pub fn unknown(cause: Cause) -> Self {
        Self {
            dags: BTreeMap::new(),
            total: None,
            gap: Some(cause),
        }
    }

    /// Whether the list is complete, so that a DAG which is not in it is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.gap.is_none()
    }
}

/// One DAG as Airflow lists it.
#[expect(clippy::struct_excessive_bools, reason = "as Airflow and the tags have them")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dag {
    /// `is_paused`.
    pub paused: bool,
    /// `has_import_errors`.
    pub has_import_errors: bool,
    /// When its next scheduled run is due.
    pub next_run: Option<Timestamp>,
    /// The instant of its tag `bluegreen:since`.
    pub since: Option<Timestamp>,
    /// Whether its tag says that it has no guard.
    pub unguarded: bool,
    /// Whether its tag says that it has a guard, where only tagged DAGs have one.
    pub guarded: bool,
}

/// The files that Airflow cannot import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportErrors {
    /// The first of the files.
    pub files: BTreeSet<String>,
    /// Whether there are more files than these.
    pub more: bool,
}

/// The instant of a DAG's tag `bluegreen:since=<instant>`, among its tags. None also where the guard rejects the tag:
/// there the DAG is an import error.
#[must_use]
pub fn since_of<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<Timestamp> {
    let mut found = tags.into_iter().filter_map(|tag| tag.strip_prefix(SINCE_TAG));
    match (found.next(), found.next()) {
        (Some(only), None) => only.strip_prefix('=')?.parse().ok(),
        _ => None,
    }
}

/// A DAG run as Airflow lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// `dag_id`.
    pub dag_id: String,
    /// `dag_run_id`.
    pub run_id: String,
    /// `run_type`.
    pub run_type: String,
    /// `state`.
    pub state: String,
    /// `logical_date`.
    pub logical_date: Option<Timestamp>,
    /// The tick: `run_after` (Airflow 3) or `data_interval_end` (Airflow 2).
    pub tick: Option<Timestamp>,
    /// `start_date`.
    pub started: Option<Timestamp>,
    /// `bluegreen_instant` in its conf.
    pub conf_instant: Option<Timestamp>,
}

impl Run {
    pub(crate) fn is_scheduled(&self) -> bool {
        self.run_type == "scheduled"
    }

    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.state.as_str(), "success" | "failed")
    }

    /// Whether the run has certainly not ended. A state that a later Airflow version adds is neither this nor finished.
    pub(crate) fn is_under_way(&self) -> bool {
        matches!(self.state.as_str(), "queued" | "running")
    }

    /// Whether tasks of the run may be executing. A state that a later Airflow version adds may mean that.
    #[must_use]
    pub fn has_begun_and_goes_on(&self) -> bool {
        self.state != "queued" && !self.is_finished()
    }

    /// The instant that decides which color owns the run: the guard's rule, except for the DAG's tag.
    ///
    /// An instant in the conf wins whatever Airflow calls the run's type, because later versions add types. A backfill
    /// is the exception: its one conf is copied into the runs of all its ticks.
    #[must_use]
    pub fn instant(&self) -> Option<Timestamp> {
        let tick = self.tick.filter(|_| self.is_scheduled());
        let conf_instant = self
            .conf_instant
            .filter(|_| !self.is_scheduled() && self.run_type != "backfill");
        tick.or(conf_instant).or(self.started)
    }

    /// The same, in a DAG whose tag says since when it exists: a tick older than the DAG counts as the tag's instant.
    #[must_use]
    pub fn instant_since(&self, since: Option<Timestamp>) -> Option<Timestamp> {
        match (self.instant(), since) {
            (Some(instant), Some(since)) if self.is_scheduled() => Some(instant.max(since)),
            (instant, _) => instant,
        }
    }
}

/// A task instance that is not skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// `dag_id`.
    pub dag_id: String,
    /// `dag_run_id`.
    pub run_id: String,
    /// `task_id`.
    pub task_id: String,
    /// `state`.
    pub state: String,
    /// `end_date`.
    pub ended: Option<Timestamp>,
}

/// A DAG that is not paused, with its next scheduled run as Airflow lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextRun {
    /// `dag_id`.
    pub dag_id: String,
    /// When the run is due: `next_dagrun_run_after` (Airflow 3) or `next_dagrun_create_after` (Airflow 2).
    pub due: Timestamp,
    /// `max_active_runs`.
    pub max_active_runs: Option<u64>,
    /// `has_import_errors`: the scheduler creates no runs of such a DAG.
    pub has_import_errors: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_read_as_the_guard_reads_it() {
        let instant = Some("2026-11-23T10:08:00Z".parse().unwrap());
        for (tags, expected) in [
            (vec!["team:a", "bluegreen:since=2026-11-23T10:08:00Z"], instant),
            (vec!["bluegreen:since=2026-11-23T11:08:00+01:00"], instant),
            (vec![], None),
            (vec!["bluegreen:since=yesterday"], None),
            (vec!["bluegreen:since"], None),
            (
                vec![
                    "bluegreen:since=2026-11-23T10:08:00Z",
                    "bluegreen:since=2026-11-23T10:09:00Z",
                ],
                None,
            ),
        ] {
            assert_eq!(since_of(tags.iter().copied()), expected, "{tags:?}");
        }
    }
}
