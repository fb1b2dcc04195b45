//! What only the watcher remembers from one tick to the next: the parameter `memory`, one JSON object with a field each.
//!
//! One parameter and not one each, because a tick asks for everything in one call, and that takes ten names.

use serde_json::{Map, Value};

use crate::text::as_value;

/// What Parameter Store takes as a value.
const MOST_BYTES: usize = 4096;

/// One thing remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// What has been announced once and need not be announced again.
    Announced,
    /// The last check of the standby's readiness.
    Readiness,
    /// The last proof whose age a person was told of.
    DrillOverdue,
    /// The transition whose run report was reported last.
    RunReport,
    /// What earlier looks saw of both environments, as far as it bears on the next verdict.
    Past,
    /// Since when nobody can vouch for the active environment, and whether people were told.
    Doubt,
}

impl Field {
    const ALL: [Self; 6] = [
        Self::Announced,
        Self::Readiness,
        Self::DrillOverdue,
        Self::RunReport,
        Self::Past,
        Self::Doubt,
    ];

    /// Its name in the object.
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

/// The memory as it is stored.
///
/// Each field is read by whoever wants it, so that garbage in one costs that one alone. Fields of other releases are
/// kept: a rollback of the product does not forget.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    fields: Map<String, Value>,
}

impl Memory {
    /// Reads the parameter. What is no object counts as empty: what it held is said again, and that beats never.
    #[must_use]
    pub fn read(stored: &str) -> Self {
        Self {
            fields: serde_json::from_str(stored).unwrap_or_default(),
        }
    }

    /// One field, if there is something in it.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&Value> {
        self.fields.get(field.as_str()).filter(|value| !value.is_null())
    }

    /// The same as JSON text.
    #[must_use]
    pub fn text(&self, field: Field) -> Option<String> {
        self.get(field).map(Value::to_string)
    }

    /// Puts something in the place of what the field holds; none forgets it.
    pub fn set(&mut self, field: Field, value: Option<Value>) {
        match value {
            Some(value) => self.fields.insert(field.as_str().to_owned(), value),
            None => self.fields.remove(field.as_str()),
        };
    }

    /// As a parameter holds it, and what had to be left out to fit: first fields that this release does not know, then
    /// the longest. None is anywhere near: the longest that is known, all findings red at once, has a quarter of the room.
    #[must_use]
    pub fn to_stored(&self) -> (String, Vec<String>) {
        let mut fields = self.fields.clone();
        let mut left_out = Vec::new();
        loop {
            let text = as_value(Value::Object(fields.clone()).to_string());
            if text.len() <= MOST_BYTES {
                return (text, left_out);
            }
            let is_known = |name: &str| Field::ALL.iter().any(|field| field.as_str() == name);
            let longest = fields
                .iter()
                .max_by_key(|(name, value)| (!is_known(name), value.to_string().len()))
                .map(|(name, _)| name.clone());
            // An object without fields fits.
            let Some(name) = longest else {
                return (text, left_out);
            };
            fields.remove(&name);
            left_out.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
        assert_eq!(left_out, ["a", "b"]);
        assert!(text.len() <= MOST_BYTES && !text.contains("{{"));
        let kept = Memory::read(&text);
        assert_eq!(kept.get(Field::Announced), Some(&json!("said")));
        assert!(kept.get(Field::Readiness).is_some());
        // Escaped text is longer than what was given, and what is sent is what has to fit.
        let mut memory = Memory::default();
        memory.set(Field::Announced, Some(json!("said")));
        memory.set(Field::Readiness, Some(json!("{{".repeat(700))));
        assert_eq!(memory.to_stored().1, ["readiness"]);
    }
}
