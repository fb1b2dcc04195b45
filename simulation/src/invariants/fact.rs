//! What happens, as invariants are told of it and as the timeline shows it.

use std::fmt;

use serde_json::Value;

use crate::parameter_store::Version;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// A parameter was written, or deleted if there is no version.
    Stored {
        /// Its name.
        name: String,
        /// The version that it has now.
        version: Option<Version>,
        /// By whom.
        by: String,
    },
    /// An event reached the pair's bus.
    Published(Value),
    /// A message reached the topic.
    Notified {
        /// Its subject.
        subject: String,
        /// The message.
        message: String,
    },
    /// An event was answered with a notification: this is its id.
    Delivered(String),
    /// The event of this id was given up: it is among the dead letters.
    GivenUp(String),
    /// An invocation ended.
    Ended {
        /// The process.
        process: String,
        /// The id of the request.
        request_id: String,
        /// The answer, or what went wrong.
        answer: Result<Value, String>,
    },
    /// Something of the script, in words.
    Scripted(String),
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl fmt::Display for Fact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { name, version, by } => {
                let name = name.rsplit_once("/blue-green/").map_or(name.as_str(), |(_, last)| last);
                match version {
                    Some(version) => {
                        let description = version.description.as_deref().unwrap_or_default();
                        write!(
                            formatter,
                            "{by}: {name} v{} = {} {description}",
                            version.number, version.value
                        )
                    }
                    None => write!(formatter, "{by}: {name} deleted"),
                }
            }
            Self::Published(event) => {
                write!(
                    formatter,
                    "event {} {}: {}",
                    text(event, "/detail-type"),
                    text(event, "/detail/id"),
                    text(event, "/detail/reason")
                )
            }
            Self::Notified { subject, .. } => write!(formatter, "people are notified: {subject}"),
            Self::Delivered(id) => write!(formatter, "notified of {id}"),
            Self::GivenUp(id) => write!(formatter, "{id} is among the dead letters"),
            Self::Ended {
                process,
                request_id,
                answer,
            } => match answer {
                Ok(answer) => write!(formatter, "{process} {request_id}: {}", in_short(answer)),
                Err(error) => write!(formatter, "{process} {request_id}: {error}"),
            },
            Self::Scripted(words) => write!(formatter, "== {words}"),
        }
    }
}

fn in_short(answer: &Value) -> String {
    if let Some(outcome) = answer.get("outcome").and_then(Value::as_str) {
        return format!("{outcome}: {}", text(answer, "/reason"));
    }
    if let Some(decision) = answer.get("decision").and_then(Value::as_str) {
        let verdict = |color: &str| text(answer, &format!("/verdicts/{color}/verdict")).to_owned();
        return format!(
            "{decision}; active {} v{}; blue {}, green {}: {}",
            text(answer, "/active"),
            answer.get("version").and_then(Value::as_i64).unwrap_or(0),
            verdict("blue"),
            verdict("green"),
            text(answer, "/reason")
        );
    }
    answer.to_string()
}
