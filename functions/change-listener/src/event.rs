//! What woke the listener.

use bluegreen_controller::audit::Change;
use bluegreen_controller::notify::Delivered;
use bluegreen_core::audit::SOURCE;
use bluegreen_core::parameters::ParameterNames;
use serde_json::Value;

/// What an event is about.
pub(crate) enum Event<'a> {
    /// Something that people are to be told of.
    Audit(Delivered<'a>),
    /// A change of a parameter.
    Change {
        /// What is known of it.
        change: Change,
        /// The parameter's name, if the event says one.
        name: Option<&'a str>,
        /// Whether it is that of the flag or of the hold.
        is_known: bool,
    },
}

/// Reads any event. One of an unknown shape is a change of which nothing is known.
pub(crate) fn read<'a>(event: &'a Value, names: &ParameterNames) -> Event<'a> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str);
    if text("/source") == Some(SOURCE) {
        return Event::Audit(Delivered {
            detail_type: text("/detail-type").unwrap_or("unknown"),
            detail: event.get("detail").unwrap_or(&Value::Null),
            region: text("/region"),
        });
    }
    let name = text("/detail/name");
    let is_of_hold = name == Some(names.hold().as_str());
    let is_known = is_of_hold || name == Some(names.flag());
    Event::Change {
        change: Change {
            is_of_hold,
            is_there: match text("/detail/operation") {
                Some("Create" | "Update") => Some(true),
                Some("Delete") => Some(false),
                _ => None,
            },
            at: text("/time").and_then(|time| time.parse().ok()),
            event_id: text("/id").unwrap_or("unknown").to_owned(),
        },
        name,
        is_known,
    }
}
