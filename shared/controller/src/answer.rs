//! The answer to a request: the fields that every one has, and what the use cases add to them.

use bluegreen_core::decision::{Guard, GuardName};
use bluegreen_core::flag::FlagObservation;
use bluegreen_core::switch::Switched;
use bluegreen_core::time::whole_milliseconds;
use serde_json::{Value, json};

use crate::invocation::Invocation;

/// What is said where there is no flag.
pub(crate) const NO_FLAG: &str = "there is no flag; make a new pair's with {\"action\":\"initialize\"}; if this pair has been in use, \
                                  name the active colour: {\"action\":\"initialize\",\"to\":\"<colour>\",\"force\":true}";

/// Adds what a written flag changes in an answer.
pub(crate) fn tell_written(answer: &mut Value, before: &FlagObservation, switched: &Switched, warnings: &[String]) {
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("active".to_owned(), json!(switched.to));
        fields.insert("previous".to_owned(), json!(before.value.colour()));
        fields.insert("version".to_owned(), json!(switched.version));
        fields.insert("transition".to_owned(), json!(switched.record));
        fields.insert("effective_from".to_owned(), json!(switched.effective_from));
        fields.insert("warnings".to_owned(), json!(warnings));
    }
}

/// What the guards that do not pass say, in one line.
pub(crate) fn objections<'a>(guards: impl IntoIterator<Item = &'a Guard>) -> String {
    let objections: Vec<String> = guards
        .into_iter()
        .filter(|guard| !guard.passed)
        .map(|guard| format!("{}: {}", guard.name, guard.detail))
        .collect();
    objections.join("; ")
}

/// The fields that every answer to a switch has.
pub(crate) struct Answer {
    outcome: &'static str,
    reason: String,
    guards: Vec<Guard>,
}

impl Answer {
    pub(crate) fn new(outcome: &'static str, reason: String, guards: Vec<Guard>) -> Self {
        Self {
            outcome,
            reason,
            guards,
        }
    }

    /// As it stands with the flag as given.
    pub(crate) fn to_json(&self, flag: Option<&FlagObservation>, invocation: &Invocation) -> Value {
        json!({
            "outcome": self.outcome,
            "active": flag.and_then(|flag| flag.value.colour()),
            "previous": null,
            "version": flag.map(|flag| flag.version),
            "transition": null,
            "guards": self.guards,
            "reason": self.reason,
            "elapsed_ms": whole_milliseconds(invocation.elapsed()),
        })
    }
}

/// The refusal of what needs a flag, where there is none.
pub(crate) fn no_flag(invocation: &Invocation) -> Value {
    let advice = NO_FLAG;
    let guards = vec![Guard::new(GuardName::FlagInvalid, false, advice)];
    Answer::new("refused", advice.to_owned(), guards).to_json(None, invocation)
}
