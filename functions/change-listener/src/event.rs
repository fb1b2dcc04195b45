//! The event that started the listener.

use bluegreen_controller::audit::Change;
use bluegreen_core::audit::{BusEvent, ParameterChange, SOURCE, details};
use bluegreen_core::parameters::ParameterNames;
use serde_json::Value;

/// What an event is about.
pub(crate) enum Event {
    /// An audit event, of which people are to be notified.
    Audit(BusEvent),
    /// A change of a parameter.
    Change {
        /// What is known about it.
        change: Change,
        /// The parameter's name, if the event contains one.
        name: Option<String>,
        /// Whether it is the parameter of the flag or of the hold.
        is_known: bool,
    },
}

/// Reads any event. An event of an unknown shape is a change about which nothing is known.
pub(crate) fn read(event: &Value, names: &ParameterNames) -> Event {
    let event: BusEvent = details::read(event);
    if event.source == SOURCE {
        return Event::Audit(event);
    }
    let told: ParameterChange = details::read(&event.detail);
    let is_of_hold = told.name.as_deref() == Some(names.hold().as_str());
    let is_known = is_of_hold || told.name.as_deref() == Some(names.flag());
    Event::Change {
        change: Change {
            is_of_hold,
            is_there: told.is_there(),
            at: event.time,
            event_id: if event.id.is_empty() {
                "unknown".to_owned()
            } else {
                event.id
            },
        },
        name: told.name,
        is_known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(name: &str) -> Value {
        let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn change_of(event: &Value) -> (Change, bool) {
        let names = ParameterNames::of_flag("/mwaa/blue-green/active-environment").unwrap();
        match read(event, &names) {
            Event::Change { change, is_known, .. } => (change, is_known),
            Event::Audit(_) => panic!("{event} is a change"),
        }
    }

    #[test]
    fn a_change_says_of_what_and_whether_it_is_there_since() {
        for (file, is_of_hold, is_there) in [
            ("changes/flag-created", false, Some(true)),
            ("changes/flag-updated", false, Some(true)),
            ("changes/flag-labeled", false, None),
            ("changes/flag-deleted", false, Some(false)),
            ("changes/hold-created", true, Some(true)),
            ("changes/hold-updated", true, Some(true)),
            ("changes/hold-deleted", true, Some(false)),
        ] {
            let event = of_file(file);
            let (change, is_known) = change_of(&event);
            assert_eq!(
                (change.is_of_hold, change.is_there, is_known),
                (is_of_hold, is_there, true),
                "{file}"
            );
            assert_eq!(Some(change.event_id.as_str()), event["id"].as_str(), "{file}");
            assert_eq!(change.at, event["time"].as_str().unwrap().parse().ok(), "{file}");
        }
    }

    #[test]
    fn an_audit_event_is_told_whatever_it_says() {
        for file in ["audit/failover", "audit/drill-failed", "malformed/audit-event"] {
            let event = of_file(file);
            let names = ParameterNames::of_flag("/mwaa/blue-green/active-environment").unwrap();
            match read(&event, &names) {
                Event::Audit(delivered) => assert_eq!(delivered.region.as_deref(), event["region"].as_str(), "{file}"),
                Event::Change { .. } => panic!("{file} is an audit event"),
            }
        }
    }

    #[test]
    fn of_an_unknown_shape_it_is_a_change_of_which_nothing_is_known() {
        for file in [
            "malformed/null",
            "malformed/list-of-ticks",
            "malformed/wrong-types",
            "ignored/other-parameter",
        ] {
            let (change, is_known) = change_of(&of_file(file));
            assert!(!change.is_of_hold && !is_known, "{file}");
        }
    }
}
