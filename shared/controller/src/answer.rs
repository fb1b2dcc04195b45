//! The answer to a request: the fields that every answer has, and what the use cases add to them.

use bluegreen_core::claim::Switched;
use bluegreen_core::decision::{Precondition, PreconditionName};
use bluegreen_core::flag::FlagObservation;
use bluegreen_core::outcome::Outcome;
use bluegreen_core::response::{Change, Common, Open, PreconditionAnswer, Response};
use bluegreen_core::time::whole_milliseconds;

use crate::invocation::Invocation;

/// The reason in an answer where there is no flag.
pub(crate) const NO_FLAG: &str = "there is no flag; make a new pair's with {\"action\":\"initialize\"}; if this pair has been in use, \
                                  name the active color: {\"action\":\"initialize\",\"to\":\"<color>\",\"force\":true}";

/// The fields that every answer has, with the given flag.
pub(crate) fn common(
    outcome: impl Into<Open<Outcome>>,
    reason: String,
    preconditions: Vec<Precondition>,
    flag: Option<&FlagObservation>,
    invocation: &Invocation,
) -> Common {
    Common {
        outcome: outcome.into(),
        active: flag.and_then(|flag| flag.value.color()),
        previous: None,
        version: flag.map(|flag| flag.version),
        transition: None,
        preconditions: preconditions.into_iter().map(PreconditionAnswer::from).collect(),
        reason,
        elapsed_ms: whole_milliseconds(invocation.elapsed()),
    }
}

/// The answer to a requested change, with the given flag.
pub(crate) fn respond(
    outcome: impl Into<Open<Outcome>>,
    reason: String,
    preconditions: Vec<Precondition>,
    flag: Option<&FlagObservation>,
    invocation: &Invocation,
) -> Response<Change> {
    Response {
        common: common(outcome, reason, preconditions, flag, invocation),
        body: Change::default(),
    }
}

/// Adds the fields that describe a written flag.
pub(crate) fn add_written(
    answer: &mut Response<Change>,
    before: &FlagObservation,
    switched: &Switched,
    warnings: &[String],
) {
    answer.common.active = Some(switched.to);
    answer.common.previous = before.value.color();
    answer.common.version = Some(switched.version);
    answer.common.transition = Some(switched.record.clone());
    answer.body.effective_from = Some(switched.effective_from);
    answer.body.warnings = Some(warnings.to_vec());
}

/// The details of the preconditions that do not pass, in one line.
pub(crate) fn objections<'a>(preconditions: impl IntoIterator<Item = &'a Precondition>) -> String {
    let objections: Vec<String> = preconditions
        .into_iter()
        .filter(|precondition| !precondition.passed)
        .map(|precondition| format!("{}: {}", precondition.name, precondition.detail))
        .collect();
    objections.join("; ")
}

/// The refusal of a request that needs a flag, where there is none.
pub(crate) fn no_flag(invocation: &Invocation) -> Response<Change> {
    let advice = NO_FLAG;
    let preconditions = vec![Precondition::new(PreconditionName::FlagInvalid, false, advice)];
    respond(Outcome::Refused, advice.to_owned(), preconditions, None, invocation)
}
