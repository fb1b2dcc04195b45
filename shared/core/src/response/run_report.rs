//! The answer of `run_report`; the event of the same report has the same body.

use jiff::Timestamp;

use super::open::Open;
use super::tolerant::tolerant;
use crate::color::Color;
use crate::flag::FlagVersion;
use crate::run_report::{Counts, HandedOver, Late, Period, RunEntry, RunOutcome, RunReport, UnansweredQuestion};
use crate::transition_kind::Kind;

tolerant! {
    /// The answer with the run report.
    pub struct RunReportAnswer {
        /// The report; none exists only for readers.
        pub run_report: Option<ReportAnswer>,
    }

    /// Which runs were executed, and by which color.
    pub struct ReportAnswer {
        /// The period that the report covers.
        pub window: Window,
        /// The transition within the period.
        pub transition: Option<TransitionAnswer>,
        /// Whether a question has no complete answer.
        pub partial: Option<bool>,
        /// The questions without a complete answer.
        pub not_asked: Vec<Gap>,
        /// Runs that are in progress on the old color.
        pub in_flight: Vec<RunLine>,
        /// Runs of the new color that are not executed yet.
        pub pending: Vec<RunLine>,
        /// Runs that are due and not created by the responsible scheduler.
        pub late: Vec<LateLine>,
        /// Runs that both colors executed.
        pub doubled: Vec<RunLine>,
        /// Runs that nobody executed.
        pub lost: Vec<RunLine>,
        /// The number of runs of each kind.
        pub counts: Option<Counts>,
    }

    /// The period that a report is about.
    pub struct Window {
        /// The first instant of the runs that are judged.
        pub from: Option<Timestamp>,
        /// The last instant of the runs that are judged.
        pub to: Option<Timestamp>,
    }

    /// The transition that changed the owner of runs.
    pub struct TransitionAnswer {
        /// The flag's version after the transition.
        pub version: Option<FlagVersion>,
        /// The kind of the transition.
        pub kind: Open<Kind>,
        /// The color before the transition.
        pub from: Option<Color>,
        /// The color after the transition.
        pub to: Option<Color>,
        /// When the transition took effect.
        pub effective_from: Option<Timestamp>,
        /// When the flag was written.
        pub written_at: Option<Timestamp>,
        /// Where the transition repaired the flag: since when the flag had held no color.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub broken_since: Option<Timestamp>,
        /// Name of its record, if this product wrote it.
        pub transition: Option<String>,
    }

    /// A question without a complete answer.
    pub struct Gap {
        /// `dag-runs`, `earlier-runs`, `task-instances` or `dags`.
        pub question: String,
        /// The environment that was asked.
        pub color: Option<Color>,
        /// Why there is no complete answer.
        pub cause: String,
    }

    /// One run in a report.
    pub struct RunLine {
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
        pub blue: Open<RunOutcome>,
        /// What became of the run on green.
        pub green: Open<RunOutcome>,
        /// Whether its DAG has no guard.
        pub unguarded: bool,
    }

    /// A run that is due and that an environment's scheduler has not created.
    pub struct LateLine {
        /// The id of the run's DAG.
        pub dag_id: String,
        /// When it was due.
        pub due: Option<Timestamp>,
        /// The color whose scheduler is late.
        pub color: Option<Color>,
        /// The color that owns it.
        pub owner: Option<Color>,
        /// What became of the run in the other environment.
        pub other: Open<RunOutcome>,
        /// Whether the DAG's file cannot be imported.
        pub has_import_errors: bool,
    }
}

fn each<'a, T: 'a, U: From<&'a T>>(of: &'a [T]) -> Vec<U> {
    of.iter().map(U::from).collect()
}

impl From<&RunReport> for ReportAnswer {
    fn from(report: &RunReport) -> Self {
        Self {
            window: Window::from(&report.window),
            transition: report.transition.as_ref().map(TransitionAnswer::from),
            partial: Some(report.partial),
            not_asked: each(&report.not_asked),
            in_flight: each(&report.in_flight),
            pending: each(&report.pending),
            late: each(&report.late),
            doubled: each(&report.doubled),
            lost: each(&report.lost),
            counts: Some(report.counts),
        }
    }
}

impl From<&Period> for Window {
    fn from(period: &Period) -> Self {
        Self {
            from: Some(period.from),
            to: Some(period.to),
        }
    }
}

impl From<&HandedOver> for TransitionAnswer {
    fn from(transition: &HandedOver) -> Self {
        Self {
            version: Some(transition.version),
            kind: transition.kind.into(),
            from: Some(transition.from),
            to: Some(transition.to),
            effective_from: Some(transition.effective_from),
            written_at: Some(transition.written_at),
            broken_since: transition.broken_since,
            transition: transition.transition.clone(),
        }
    }
}

impl From<&UnansweredQuestion> for Gap {
    fn from(unasked: &UnansweredQuestion) -> Self {
        Self {
            question: unasked.question.to_owned(),
            color: Some(unasked.color),
            cause: unasked.cause.clone(),
        }
    }
}

impl From<&RunEntry> for RunLine {
    fn from(line: &RunEntry) -> Self {
        Self {
            dag_id: line.dag_id.clone(),
            run_id: line.run_id.clone(),
            run_type: line.run_type.clone(),
            instant: line.instant,
            owner: line.owner,
            blue: line.blue.into(),
            green: line.green.into(),
            unguarded: line.unguarded,
        }
    }
}

impl From<&Late> for LateLine {
    fn from(late: &Late) -> Self {
        Self {
            dag_id: late.dag_id.clone(),
            due: Some(late.due),
            color: Some(late.color),
            owner: late.owner,
            other: late.other.into(),
            has_import_errors: late.has_import_errors,
        }
    }
}
