//! The answer of `run_report`, which the event of the same report carries, too.

use jiff::Timestamp;

use super::open::Open;
use super::tolerant::tolerant;
use crate::color::Color;
use crate::flag::FlagVersion;
use crate::run_report::{Counts, HandedOver, Late, Period, RunEntry, RunOutcome, RunReport, UnansweredQuestion};
use crate::transition_kind::Kind;

tolerant! {
    /// The run report.
    pub struct RunReportAnswer {
        /// All of it; none is for readers only.
        pub run_report: Option<ReportAnswer>,
    }

    /// Which runs were executed, by whom.
    pub struct ReportAnswer {
        /// The period.
        pub window: Window,
        /// The transition in it.
        pub transition: Option<TransitionAnswer>,
        /// Whether something could not be asked.
        pub partial: Option<bool>,
        /// What.
        pub not_asked: Vec<Gap>,
        /// Under way on the old color.
        pub in_flight: Vec<RunLine>,
        /// The new color's, not executed yet.
        pub pending: Vec<RunLine>,
        /// Due, and not made by the scheduler that should have.
        pub late: Vec<LateLine>,
        /// Executed by both.
        pub doubled: Vec<RunLine>,
        /// Executed by nobody.
        pub lost: Vec<RunLine>,
        /// How many.
        pub counts: Option<Counts>,
    }

    /// The period that a report is about.
    pub struct Window {
        /// First instant of the runs that are judged.
        pub from: Option<Timestamp>,
        /// Last one.
        pub to: Option<Timestamp>,
    }

    /// The transition that runs were handed over by.
    pub struct TransitionAnswer {
        /// The flag's version.
        pub version: Option<FlagVersion>,
        /// Its kind.
        pub kind: Open<Kind>,
        /// The old color.
        pub from: Option<Color>,
        /// The new one.
        pub to: Option<Color>,
        /// When it took effect.
        pub effective_from: Option<Timestamp>,
        /// When it was written.
        pub written_at: Option<Timestamp>,
        /// It repaired a flag that had held no color since then.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub broken_since: Option<Timestamp>,
        /// Name of its record, if it is ours.
        pub transition: Option<String>,
    }

    /// A question that was not answered in full.
    pub struct Gap {
        /// `dag-runs`, `earlier-runs`, `task-instances` or `dags`.
        pub question: String,
        /// Of which environment.
        pub color: Option<Color>,
        /// Why.
        pub cause: String,
    }

    /// One run.
    pub struct RunLine {
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
        pub blue: Open<RunOutcome>,
        /// What green did.
        pub green: Open<RunOutcome>,
        /// No precondition in its DAG.
        pub unguarded: bool,
    }

    /// A run that is due and that an environment's scheduler has not made.
    pub struct LateLine {
        /// Its DAG.
        pub dag_id: String,
        /// When it was due.
        pub due: Option<Timestamp>,
        /// Whose scheduler is late with it.
        pub color: Option<Color>,
        /// The color that owns it.
        pub owner: Option<Color>,
        /// What the other environment did.
        pub other: Open<RunOutcome>,
        /// The DAG's file cannot be imported.
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
