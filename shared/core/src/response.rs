//! Answers: the fields that every answer to a request has, and a body for each kind.
//!
//! Both ends of the wire use one type. The controller builds it, [`to_json`] writes it, and the command line reads it
//! with [`Response::read`]. A reader may be older than the writer: it ignores unknown fields, keeps unknown words as
//! they came ([`Open`]), and treats a field of another shape as missing.

mod change;
mod check;
mod open;
mod run_report;
mod status;
mod tick;
pub(crate) mod tolerant;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::color::Color;
use crate::flag::FlagVersion;
use crate::outcome::Outcome;
use crate::precondition::{Precondition, PreconditionName};
use tolerant::tolerant;

pub use change::{Change, DagAnswer, DrillAnswer, DrillReturn, DrillTrace, Winner};
pub use check::{Check, CheckReport, FindingAnswer, UnansweredQuestionAnswer};
pub use open::Open;
pub use run_report::{Gap, LateLine, ReportAnswer, RunLine, RunReportAnswer, TransitionAnswer, Window};
pub use status::{History, HistoryLine, InFlightAnswer, LastCheck, ManagedDags, Root, Status, VerdictAnswer};
pub use tick::{Heard, Tick, TickDrill};

tolerant! {
    /// The fields that every answer to a request has.
    pub struct Common {
        /// The outcome of the request.
        pub outcome: Open<Outcome>,
        /// The active color; none where the flag holds none.
        pub active: Option<Color>,
        /// The color that was active before the transition, if there was one.
        pub previous: Option<Color>,
        /// The flag's version.
        pub version: Option<FlagVersion>,
        /// Name of the record of the transition.
        pub transition: Option<String>,
        /// The preconditions that were evaluated.
        pub preconditions: Vec<PreconditionAnswer>,
        /// The outcome's reason in one sentence.
        pub reason: String,
        /// How long the request took, in milliseconds.
        pub elapsed_ms: u64,
    }

    /// One evaluated precondition.
    pub struct PreconditionAnswer {
        /// The precondition's name.
        pub name: Open<PreconditionName>,
        /// Whether it passes; false where it objects.
        pub passed: bool,
        /// The reason, and the remedy where it objects.
        pub detail: String,
    }
}

tolerant! {
    /// What Lambda returns where a function fails. The field names are Lambda's.
    pub struct LambdaError {
        /// The error's class: one of ours, one of Lambda's, or none.
        #[serde(rename = "errorType")]
        pub error_type: Option<String>,
        /// The error in one sentence.
        #[serde(rename = "errorMessage")]
        pub error_message: Option<String>,
    }
}

/// An answer with a body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Response<B = Body> {
    /// The fields that every answer has.
    #[serde(flatten)]
    pub common: Common,
    /// The fields of this kind of answer.
    #[serde(flatten)]
    pub body: B,
}

/// The fields of an answer in addition to the common ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// The answer of `status`.
    Status(Box<Status>),
    /// The answer of `history`.
    History(History),
    /// The answer of `check`.
    Check(Box<Check>),
    /// The answer of `run_report`.
    RunReport(Box<RunReportAnswer>),
    /// The answer of every action that changes something, or would.
    Change(Box<Change>),
}

impl Common {
    /// The preconditions that object.
    pub fn objections(&self) -> impl Iterator<Item = &PreconditionAnswer> {
        self.preconditions.iter().filter(|precondition| !precondition.passed)
    }
}

impl<B: Into<Body>> Response<B> {
    /// The same answer, as the type that covers all kinds.
    #[must_use]
    pub fn of_any_kind(self) -> Response {
        Response {
            common: self.common,
            body: self.body.into(),
        }
    }
}

impl Response {
    /// Reads an answer, also one of a newer version. The outcome determines the kind of body; an unknown outcome has a
    /// change.
    #[must_use]
    pub fn read(answer: &Value) -> Self {
        let common: Common = part(answer);
        let body = match common.outcome.known() {
            Some(Outcome::Status) => Body::Status(part(answer)),
            Some(Outcome::History) => Body::History(part(answer)),
            Some(Outcome::Ready | Outcome::NotReady | Outcome::Partial) => Body::Check(part(answer)),
            Some(Outcome::RunReport) => Body::RunReport(part(answer)),
            _ => Body::Change(part(answer)),
        };
        Self { common, body }
    }
}

impl Open<Outcome> {
    /// Whether it is the outcome of a dry run to which nothing objects, for any action.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        match self {
            Self::Known(outcome) => outcome.is_dry_run(),
            Self::Other(text) => text.starts_with("would_"),
        }
    }
}

/// Reads one part of an answer, as far as it can be read.
fn part<'de, T: Deserialize<'de> + Default>(answer: &'de Value) -> T {
    T::deserialize(answer).unwrap_or_default()
}

impl<'de> Deserialize<'de> for Response {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::read(&Value::deserialize(deserializer)?))
    }
}

/// An answer as it is sent, written only here. Its fields are sorted by name.
#[must_use]
pub fn to_json(answer: &impl Serialize) -> Value {
    json!(answer)
}

impl From<Precondition> for PreconditionAnswer {
    fn from(precondition: Precondition) -> Self {
        Self {
            name: precondition.name.into(),
            passed: precondition.passed,
            detail: precondition.detail,
        }
    }
}

impl From<Status> for Body {
    fn from(body: Status) -> Self {
        Self::Status(Box::new(body))
    }
}

impl From<History> for Body {
    fn from(body: History) -> Self {
        Self::History(body)
    }
}

impl From<Check> for Body {
    fn from(body: Check) -> Self {
        Self::Check(Box::new(body))
    }
}

impl From<RunReportAnswer> for Body {
    fn from(body: RunReportAnswer) -> Self {
        Self::RunReport(Box::new(body))
    }
}

impl From<Change> for Body {
    fn from(body: Change) -> Self {
        Self::Change(Box::new(body))
    }
}
