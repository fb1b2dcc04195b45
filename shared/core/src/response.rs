//! Answers: what every answer to a request has, and a body for each kind.
//!
//! One type for both ends of the wire. The controller makes it, [`to_json`] writes it, and the command line reads it, by
//! [`Response::read`]. Whoever reads may be older than whoever wrote: unknown fields are left out of account, unknown words are kept
//! as they came ([`Open`]), and a field of another shape counts as missing.

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
pub use status::{History, HistoryLine, LastCheck, ManagedDags, Root, Status, VerdictAnswer};
pub use tick::{Heard, Tick, TickDrill};

tolerant! {
    /// What every answer to a request has.
    pub struct Common {
        /// What came of it.
        pub outcome: Open<Outcome>,
        /// The active color; none where the flag holds none.
        pub active: Option<Color>,
        /// The color that was active before the transition, if there was one.
        pub previous: Option<Color>,
        /// The flag's version.
        pub version: Option<FlagVersion>,
        /// Name of the transition's record.
        pub transition: Option<String>,
        /// The preconditions that were asked.
        pub preconditions: Vec<PreconditionAnswer>,
        /// One sentence.
        pub reason: String,
        /// How long it took.
        pub elapsed_ms: u64,
    }

    /// One precondition with its word on the transition.
    pub struct PreconditionAnswer {
        /// Which.
        pub name: Open<PreconditionName>,
        /// Whether it lets the transition through.
        pub passed: bool,
        /// Why.
        pub detail: String,
    }
}

tolerant! {
    /// What Lambda gives where there is no answer. Its names are Lambda's.
    pub struct LambdaError {
        /// One of ours, Lambda's own, or none.
        #[serde(rename = "errorType")]
        pub error_type: Option<String>,
        /// One sentence.
        #[serde(rename = "errorMessage")]
        pub error_message: Option<String>,
    }
}

/// An answer with a body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Response<B = Body> {
    /// What every answer has.
    #[serde(flatten)]
    pub common: Common,
    /// What this kind has beside.
    #[serde(flatten)]
    pub body: B,
}

/// What an answer has beside the common fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// Of `status`.
    Status(Box<Status>),
    /// Of `history`.
    History(History),
    /// Of `check`.
    Check(Box<Check>),
    /// Of `run_report`.
    RunReport(Box<RunReportAnswer>),
    /// Of everything that changes something, or would.
    Change(Box<Change>),
}

impl Common {
    /// The preconditions that object.
    pub fn objections(&self) -> impl Iterator<Item = &PreconditionAnswer> {
        self.preconditions.iter().filter(|precondition| !precondition.passed)
    }
}

impl<B: Into<Body>> Response<B> {
    /// As one of all kinds.
    #[must_use]
    pub fn of_any_kind(self) -> Response {
        Response {
            common: self.common,
            body: self.body.into(),
        }
    }
}

impl Response {
    /// Reads an answer, also one of a newer version. The outcome tells the kind of body; of an unknown one it is a change.
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
    /// Whether it is what a dry run says where nothing objects, of whatever it was.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        match self {
            Self::Known(outcome) => outcome.is_dry_run(),
            Self::Other(text) => text.starts_with("would_"),
        }
    }
}

/// One part of an answer, as far as it can be read.
fn part<'de, T: Deserialize<'de> + Default>(answer: &'de Value) -> T {
    T::deserialize(answer).unwrap_or_default()
}

impl<'de> Deserialize<'de> for Response {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::read(&Value::deserialize(deserializer)?))
    }
}

/// An answer as it is sent: the one place that writes one. Its fields are ordered by name.
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
