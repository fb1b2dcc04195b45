//! The run report, as answers and events carry it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::period::{HandedOver, Period};
use crate::color::{Both, Color};

/// Most runs named in each list of a report; the counts are always complete.
pub const NAMED: usize = 50;

/// How late a scheduler may create a due run before the run counts as lost.
pub const CREATION_GRACE: Duration = Duration::from_secs(10 * 60);

/// How late a scheduler may create a due run before the run is reported. A busy, healthy one is late by a minute or
/// two.
pub const LATE_AFTER: Duration = Duration::from_secs(5 * 60);

/// A question without a complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnansweredQuestion {
    /// `dag-runs`, `earlier-runs`, `task-instances` or `dags`.
    pub question: &'static str,
    /// The environment that was asked.
    pub color: Color,
    /// Why there is no complete answer.
    pub cause: String,
}

/// What became of a run in one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// A task of the run executed, or is executing.
    Executed,
    /// The run has ended without executing a task: the guard skipped it.
    Skipped,
    /// The run has ended without executing a task: the guard failed, or the run was ended before the guard.
    NotExecuted,
    /// The run has not ended, and has executed nothing yet.
    Waiting,
    /// The environment has no such run.
    Absent,
    /// The outcome is not known.
    Unknown,
}

/// One run in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntry {
    /// The id of the run's DAG.
    pub dag_id: String,
    /// The id of the run.
    pub run_id: String,
    /// The run's type: `scheduled`, `manual`, …
    pub run_type: String,
    /// The instant that decides who owns it.
    pub instant: Option<Timestamp>,
    /// The color that owns it.
    pub owner: Option<Color>,
    /// What became of the run on blue.
    pub blue: RunOutcome,
    /// What became of the run on green.
    pub green: RunOutcome,
    /// Whether its DAG has no guard: then the run's state alone shows whether it was executed.
    pub unguarded: bool,
}

/// A run that is due and that an environment's scheduler has not created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// The id of the run's DAG.
    pub dag_id: String,
    /// When it was due.
    pub due: Timestamp,
    /// The color whose scheduler is late.
    pub color: Color,
    /// The color that owns it.
    pub owner: Option<Color>,
    /// What became of the run in the other environment.
    pub other: RunOutcome,
    /// Whether the DAG's file cannot be imported, so that the scheduler does not create the run. Known of the active
    /// environment only.
    pub has_import_errors: bool,
}

/// The number of runs of each kind; complete even where a list is capped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Judged runs: those whose instant lies in the period.
    pub runs: usize,
    /// Runs that exactly one color executed.
    pub executed_once: usize,
    /// Runs that are in progress on the old color.
    pub in_flight: usize,
    /// Runs of the new color that are not executed yet.
    pub pending: usize,
    /// Runs that are due and not created by the responsible scheduler.
    pub late: usize,
    /// Runs that both colors executed.
    pub doubled: usize,
    /// Doubled runs whose DAG has no guard.
    pub doubled_unguarded: usize,
    /// Runs that nobody executed.
    pub lost: usize,
    /// Runs of which too little is known.
    pub unjudged: usize,
}

/// The report on the runs next to a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunReport {
    /// The period that the report covers.
    pub window: Period,
    /// The transition within the period.
    pub transition: Option<HandedOver>,
    /// Whether a question has no complete answer.
    pub partial: bool,
    /// The questions without a complete answer.
    pub not_asked: Vec<UnansweredQuestion>,
    /// Runs that are in progress on the old color.
    pub in_flight: Vec<RunEntry>,
    /// Runs of the new color that are not executed yet.
    pub pending: Vec<RunEntry>,
    /// Runs that were due more than [`LATE_AFTER`] ago and that the responsible scheduler has not created. That is the
    /// owner's scheduler where the other environment has the run, and the active color's where its DAG's next run shows
    /// it.
    pub late: Vec<Late>,
    /// Runs that both colors executed.
    pub doubled: Vec<RunEntry>,
    /// Runs that nobody executed.
    pub lost: Vec<RunEntry>,
    /// The number of runs of each kind.
    pub counts: Counts,
}

impl Late {
    /// A run that the owner's scheduler has not created, while the other's has.
    pub(super) fn of(line: &RunEntry, fates: Both<RunOutcome>) -> Option<Self> {
        let color = line.owner?;
        Some(Self {
            dag_id: line.dag_id.clone(),
            due: line.instant?,
            color,
            owner: line.owner,
            other: *fates.of(color.other()),
            has_import_errors: false,
        })
    }
}

impl RunReport {
    /// The report in one sentence for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let counts = &self.counts;
        let what = match &self.transition {
            Some(transition) if transition.from == transition.to => {
                format!("{} of {}", transition.kind, transition.to)
            }
            Some(transition) => format!("{} from {} to {}", transition.kind, transition.from, transition.to),
            None => "no transition".to_owned(),
        };
        let partial = if self.partial {
            format!("; partial: {} run(s) could not be judged", counts.unjudged)
        } else {
            String::new()
        };
        let late = match counts.late {
            0 => String::new(),
            number => format!("; {number} due for minutes and not made by the scheduler"),
        };
        // Runs that were not listed are not zero runs.
        let under_way = match self.unlisted_on_old() {
            Some(cause) => format!("it is unknown how many are under way on the old ({cause})"),
            None => format!("{} under way on the old", counts.in_flight),
        };
        format!(
            "{what}: of {} run(s), {} executed by nobody, {} by both ({} of them without a guard), {} waiting on the new \
             color; {under_way}{late}{partial}",
            counts.runs, counts.lost, counts.doubled, counts.doubled_unguarded, counts.pending
        )
    }

    /// Why the runs of the old color are not all listed.
    fn unlisted_on_old(&self) -> Option<&str> {
        let old = self.transition.as_ref()?.to.other();
        let gap = self
            .not_asked
            .iter()
            .find(|gap| gap.question == "dag-runs" && gap.color == old)?;
        Some(&gap.cause)
    }
}
