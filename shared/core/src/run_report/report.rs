//! The report, as answers and events carry it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::period::{HandedOver, Period};
use crate::color::{Both, Color};

/// Runs named in each list of a report; the counts are always whole.
pub const NAMED: usize = 50;

/// How late a scheduler may be with a run that is due before the run counts as lost.
pub const CREATION_GRACE: Duration = Duration::from_secs(10 * 60);

/// How late a scheduler may be with a run that is due before it is told. A healthy one, busy, is late by a minute or two.
pub const LATE_AFTER: Duration = Duration::from_secs(5 * 60);

/// A question that was not answered in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnansweredQuestion {
    /// `dag-runs`, `earlier-runs`, `task-instances` or `dags`.
    pub question: &'static str,
    /// Of which environment.
    pub color: Color,
    /// Why.
    pub cause: String,
}

/// What became of a run in one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// It did something, or does.
    Executed,
    /// It has ended, and did nothing: the guard skipped it.
    Skipped,
    /// It has ended, and did nothing: the guard failed, or it was ended before the guard.
    NotExecuted,
    /// It has not ended, and has done nothing yet.
    Waiting,
    /// There is no such run.
    Absent,
    /// Nobody can tell.
    Unknown,
}

/// One run in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntry {
    /// Its DAG.
    pub dag_id: String,
    /// Its id.
    pub run_id: String,
    /// `scheduled`, `manual`, …
    pub run_type: String,
    /// The instant that decides who owns it.
    pub instant: Option<Timestamp>,
    /// The color that owns it.
    pub owner: Option<Color>,
    /// What blue did.
    pub blue: RunOutcome,
    /// What green did.
    pub green: RunOutcome,
    /// No guard in its DAG: what executed it is judged by the run's state alone.
    pub unguarded: bool,
}

/// A run that is due and that an environment's scheduler has not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// Its DAG.
    pub dag_id: String,
    /// When it was due.
    pub due: Timestamp,
    /// Whose scheduler is late with it.
    pub color: Color,
    /// The color that owns it.
    pub owner: Option<Color>,
    /// What the other environment did.
    pub other: RunOutcome,
    /// The DAG's file cannot be imported, so the scheduler will not make it. Known of the active environment only.
    pub has_import_errors: bool,
}

/// Runs, capped, with their whole number beside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Judged: those whose instant lies in the period.
    pub runs: usize,
    /// Executed by one color only.
    pub executed_once: usize,
    /// Under way on the old color.
    pub in_flight: usize,
    /// The new color's, not executed yet.
    pub pending: usize,
    /// Due, and not made by the scheduler that should have.
    pub late: usize,
    /// Executed by both.
    pub doubled: usize,
    /// Of these, without a guard.
    pub doubled_unguarded: usize,
    /// Executed by nobody.
    pub lost: usize,
    /// About which too little is known.
    pub unjudged: usize,
}

/// The report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunReport {
    /// The period.
    pub window: Period,
    /// The transition in it.
    pub transition: Option<HandedOver>,
    /// Whether something could not be asked.
    pub partial: bool,
    /// What.
    pub not_asked: Vec<UnansweredQuestion>,
    /// Under way on the old color.
    pub in_flight: Vec<RunEntry>,
    /// The new color's, not executed yet.
    pub pending: Vec<RunEntry>,
    /// Due more than [`LATE_AFTER`] ago, and not made by the scheduler that should have: the owner's, where the other
    /// environment has the run; the active's, where its DAG's next run tells.
    pub late: Vec<Late>,
    /// Executed by both.
    pub doubled: Vec<RunEntry>,
    /// Executed by nobody.
    pub lost: Vec<RunEntry>,
    /// How many.
    pub counts: Counts,
}

impl Late {
    /// A run that its owner's scheduler has not made, and the other's has.
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
    /// One sentence for people.
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
        format!(
            "{what}: of {} run(s), {} executed by nobody, {} by both ({} of them without a guard), {} waiting on the new \
             color; {} under way on the old{late}{partial}",
            counts.runs, counts.lost, counts.doubled, counts.doubled_unguarded, counts.pending, counts.in_flight
        )
    }
}
