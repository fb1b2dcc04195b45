//! What only the watcher remembers from one tick to the next: the parameter `memory`, one JSON object with one member
//! for each field.
//!
//! It is one parameter and not several, because a tick reads everything in one call, which takes ten names.

use serde_json::{Map, Value};

use crate::parameters::MAX_VALUE;
use crate::text::as_value;

/// The length from which a field counts as garbage. The longest text that a release writes, all findings red at once,
/// is shorter.
const MAX_FIELD: usize = 1200;

/// One field of the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The alert that was reported once and need not be repeated.
    Announced,
    /// The last check of the standby's readiness.
    Readiness,
    /// The last proof about whose age people were notified.
    DrillOverdue,
    /// The transition whose run report was published last.
    RunReport,
    /// What earlier observations saw of both environments, as far as it affects the next verdict.
    Past,
    /// Since when the active environment has been in doubt, and whether people were notified.
    Doubt,
}

impl Field {
    /// All fields, in the order in which they are dropped: those first whose loss costs least. A reported fact is
    /// reported once more, readiness at most once an hour. An alert that is reported once would be reported at every
    /// tick. Doubt that is forgotten never lasts long enough to be reported. Last comes what earlier observations saw,
    /// because it affects the verdict.
    const ALL: [Self; 6] = [
        Self::Readiness,
        Self::RunReport,
        Self::DrillOverdue,
        Self::Announced,
        Self::Doubt,
        Self::Past,
    ];

    /// The field's name in the object.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Readiness => "readiness",
            Self::DrillOverdue => "drill_overdue",
            Self::RunReport => "run_report",
            Self::Past => "past",
            Self::Doubt => "doubt",
        }
    }
}

/// The memory in its stored form.
///
/// Each field is parsed where it is used, so that garbage in one costs only that one. Fields of other releases are
/// kept: a rollback of the product forgets nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    fields: Map<String, Value>,
}

impl Memory {
    /// Reads the parameter. A value that is no object counts as empty: a repeated report is better than a lost one.
    #[must_use]
    pub fn read(stored: &str) -> Self {
        Self {
            fields: serde_json::from_str(stored).unwrap_or_default(),
        }
    }

    /// The value of one field, if it has one.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&Value> {
        self.fields.get(field.as_str()).filter(|value| !value.is_null())
    }

    /// The value of one field, as JSON text.
    #[must_use]
    pub fn text(&self, field: Field) -> Option<String> {
        self.get(field).map(Value::to_string)
    }

    /// Replaces the value of the field; none deletes it.
    pub fn set(&mut self, field: Field, value: Option<Value>) {
        match value {
            Some(value) => self.fields.insert(field.as_str().to_owned(), value),
            None => self.fields.remove(field.as_str()),
        };
    }

    /// The stored form, and the fields that were dropped to make it fit. First are fields that this release does not
    /// know, the longest first. Then come fields too long to have been written by any release, and then those whose
    /// loss costs least. Everything that releases write fits.
    #[must_use]
    pub fn to_stored(&self) -> (String, Vec<String>) {
        let mut fields = self.fields.clone();
        let mut left_out = Vec::new();
        loop {
            let text = as_value(Value::Object(fields.clone()).to_string());
            if text.len() <= MAX_VALUE {
                return (text, left_out);
            }
            let dispensable = fields.iter().max_by_key(|(name, value)| {
                let importance = Field::ALL.iter().position(|field| field.as_str() == *name);
                let length = as_value(value.to_string()).len();
                let excess = if length > MAX_FIELD { length } else { 0 };
                match importance {
                    None => (true, length, None),
                    Some(importance) => (false, excess, Some(std::cmp::Reverse(importance))),
                }
            });
            // An object without fields always fits.
            let Some(name) = dispensable.map(|(name, _)| name.clone()) else {
                return (text, left_out);
            };
            fields.remove(&name);
            left_out.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::alert_dedup::{Announcement, Subject, Topic};
    use crate::color::Color;
    use crate::health::{LastStatus, Past};
    use crate::precondition::PreconditionName;
    use crate::readiness::{Level, PendingNotification, ReadinessState};

    #[test]
    fn fields_are_kept_apart() {
        let stored = json!({"announced": "garbage", "readiness": {"score": 100}, "of_another_release": [1]});
        let mut memory = Memory::read(&stored.to_string());
        assert_eq!(memory.text(Field::Readiness).as_deref(), Some(r#"{"score":100}"#));
        assert_eq!(memory.get(Field::RunReport), None);
        memory.set(Field::RunReport, Some(json!({"transition": "v2-1"})));
        memory.set(Field::Announced, None);
        let (text, left_out) = memory.to_stored();
        assert_eq!(left_out, Vec::<String>::new());
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({"readiness": {"score": 100}, "of_another_release": [1], "run_report": {"transition": "v2-1"}})
        );
        assert_eq!(Memory::read(&text), memory);
    }

    #[test]
    fn what_is_no_object_counts_as_empty() {
        for stored in ["", "[]", "null", "\"announced\"", "{\"announced\":", "\u{fffd}"] {
            assert_eq!(Memory::read(stored), Memory::default(), "{stored}");
        }
        assert_eq!(Memory::read(r#"{"announced":null}"#).get(Field::Announced), None);
    }

    #[test]
    fn it_fits_a_parameter_whatever_others_have_put_into_it() {
        let mut memory = Memory::read(&json!({"a": "x".repeat(2000), "b": "{{".repeat(700), "c": 1}).to_string());
        memory.set(Field::Announced, Some(json!("said")));
        memory.set(Field::Readiness, Some(json!("y".repeat(2500))));
        let (text, left_out) = memory.to_stored();
        assert_eq!(
            left_out,
            ["b", "a"],
            "what this release does not know, the longest first"
        );
        assert!(text.len() <= MAX_VALUE && !text.contains("{{"));
        let kept = Memory::read(&text);
        assert_eq!(kept.get(Field::Announced), Some(&json!("said")));
        assert!(kept.get(Field::Readiness).is_some());
        // Escaped text is longer than the original, and the escaped form has to fit.
        let mut memory = Memory::default();
        memory.set(Field::Announced, Some(json!("said")));
        memory.set(Field::Readiness, Some(json!("{{".repeat(700))));
        assert_eq!(memory.to_stored().1, ["readiness"]);
    }

    fn full(of: impl Fn(Field) -> usize) -> Memory {
        let mut memory = Memory::default();
        for field in Field::ALL {
            memory.set(field, Some(json!("x".repeat(of(field)))));
        }
        memory
    }

    #[test]
    fn what_is_needed_most_is_left_out_last() {
        let left_out = |memory: &Memory| memory.to_stored().1;
        assert_eq!(left_out(&full(|_| 600)), [""; 0]);
        assert_eq!(left_out(&full(|_| 700)), ["readiness"]);
        assert_eq!(left_out(&full(|_| 1150)), ["readiness", "run_report", "drill_overdue"]);
        // A value that no release can have written is dropped before a value that is needed.
        let with = |garbage| full(move |field| if field == garbage { 3500 } else { 300 });
        assert_eq!(left_out(&with(Field::Past)), ["past"]);
        assert_eq!(left_out(&with(Field::Doubt)), ["doubt"]);
        // The longest that one may be, as JSON.
        let longest = |more| {
            full(move |field| {
                if field == Field::Past {
                    MAX_FIELD - 2 + more
                } else {
                    600
                }
            })
        };
        assert_eq!(left_out(&longest(0)), ["readiness"]);
        assert_eq!(left_out(&longest(1)), ["past"]);
        let mut memory = full(|_| 1000);
        memory.fields.insert("of_another_release".to_owned(), json!(1));
        assert_eq!(left_out(&memory)[0], "of_another_release");
    }

    /// The most that a release writes: every text at its maximum length, and every field in use.
    #[test]
    fn all_that_is_remembered_fits_and_no_field_counts_as_garbage() {
        let at = || "2026-11-23T10:00:00.123456789Z".parse::<Timestamp>().unwrap();
        let label = "v1000000-1795428000123";
        let past = Past {
            // A region and a name of 80 characters.
            of: Some("x".repeat(100)),
            at: at(),
            status: Some(LastStatus {
                status: "CREATING_SNAPSHOT_OF_WHATEVER_IS_NEW".to_owned(),
                read: at(),
                since: Some(at()),
            }),
            status_unread_from: Some(at()),
            failing_from: Some(at()),
            alive_at: Some(at()),
            airflow_sick_from: Some(at()),
            is_in_alarm: true,
            watched_from: Some(at()),
        };
        // Eleven preconditions can object to a failover, so a topic never has more.
        let announcement = |subject| Announcement {
            topic: Topic {
                subject,
                flag: format!("missing-after-{label}"),
                preconditions: vec![PreconditionName::StandbyMaintenance; 11],
            },
            since: at(),
            said: false,
        };
        // There are sixteen names of findings.
        let readiness = ReadinessState {
            score: 100,
            level: Level::Amber,
            standby: Some(Color::Green),
            at: at(),
            red: vec!["environment-color".to_owned(); 24],
            partial: false,
            pending_notification: Some(PendingNotification {
                previous: Some(Level::Amber),
                since: at(),
            }),
        };
        let mut memory = Memory::default();
        for (field, value) in [
            (Field::Readiness, json!(readiness)),
            (Field::RunReport, json!({"transition": label})),
            (Field::DrillOverdue, json!(at())),
            (Field::Announced, json!(announcement(Subject::FailoverBlocked))),
            (Field::Doubt, json!(announcement(Subject::ActiveUnknown))),
            (Field::Past, json!({"blue": past, "green": past})),
        ] {
            assert!(
                value.to_string().len() <= MAX_FIELD,
                "{field:?}: {}",
                value.to_string().len()
            );
            memory.set(field, Some(value));
        }
        let (text, left_out) = memory.to_stored();
        assert_eq!(left_out, [""; 0]);
        assert!(
            text.len() < MAX_VALUE - 1000,
            "room for what is still to come: {}",
            text.len()
        );
    }
}
