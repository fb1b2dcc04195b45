//! The answer to a request: the fields that every one has, and what the use cases add to them.

use bluegreen_core::decision::{Precondition, PreconditionName};
use bluegreen_core::flag::FlagObservation;
use bluegreen_core::switch::Switched;
use bluegreen_core::time::whole_milliseconds;
use serde_json::{Value, json};

use crate::invocation::Invocation;

/// What is said where there is no flag.
pub(crate) const NO_FLAG: &str = "there is no flag; make a new pair's with {\"action\":\"initialize\"}; if this pair has been in use, \
                                  name the active color: {\"action\":\"initialize\",\"to\":\"<color>\",\"force\":true}";

/// Adds what a written flag changes in an answer.
pub(crate) fn tell_written(answer: &mut Value, before: &FlagObservation, switched: &Switched, warnings: &[String]) {
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("active".to_owned(), json!(switched.to));
        fields.insert("previous".to_owned(), json!(before.value.color()));
        fields.insert("version".to_owned(), json!(switched.version));
        fields.insert("transition".to_owned(), json!(switched.record));
        fields.insert("effective_from".to_owned(), json!(switched.effective_from));
        fields.insert("warnings".to_owned(), json!(warnings));
    }
}

/// What the preconditions that do not pass say, in one line.
pub(crate) fn objections<'a>(preconditions: impl IntoIterator<Item = &'a Precondition>) -> String {
    let objections: Vec<String> = preconditions
        .into_iter()
        .filter(|precondition| !precondition.passed)
        .map(|precondition| format!("{}: {}", precondition.name, precondition.detail))
        .collect();
    objections.join("; ")
}

/// The fields that every answer to a switch has.
pub(crate) struct Answer {
    outcome: &'static str,
    reason: String,
    preconditions: Vec<Precondition>,
}

impl Answer {
    pub(crate) fn new(outcome: &'static str, reason: String, preconditions: Vec<Precondition>) -> Self {
        Self {
            outcome,
            reason,
            preconditions,
        }
    }

    /// As it stands with the flag as given.
    pub(crate) fn to_json(&self, flag: Option<&FlagObservation>, invocation: &Invocation) -> Value {
        json!({
            "outcome": self.outcome,
            "active": flag.and_then(|flag| flag.value.color()),
            "previous": null,
            "version": flag.map(|flag| flag.version),
            "transition": null,
            "preconditions": self.preconditions,
            "reason": self.reason,
            "elapsed_ms": whole_milliseconds(invocation.elapsed()),
        })
    }
}

/// The refusal of what needs a flag, where there is none.
pub(crate) fn no_flag(invocation: &Invocation) -> Value {
    let advice = NO_FLAG;
    let preconditions = vec![Precondition::new(PreconditionName::FlagInvalid, false, advice)];
    Answer::new("refused", advice.to_owned(), preconditions).to_json(None, invocation)
}
