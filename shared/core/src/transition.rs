//! Transitions: one change of the flag each, and the record that claims it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::color::Color;
use crate::flag::FlagVersion;
use crate::parameters::MAX_VALUE;
use crate::text::{as_value, fitting, shortened};

pub use crate::transition_kind::Kind;

/// Longest record in bytes, without the name of the pair, which the store adds: at most 64 characters, and the field
/// around it.
const MOST_BYTES: usize = MAX_VALUE.saturating_sub(80);

/// The function and the person behind a transition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// Name of the function.
    pub function: String,
    /// Its Lambda request id.
    pub request_id: String,
    /// The person or job that asked, as given in the request.
    pub requested_by: Option<String>,
}

/// The event that invoked the function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trigger {
    /// `schedule`, `alarm`, `alarm-event`, `sns-alarm`, `environment-status`, `invoke` or `unrecognized`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Event id or alarm name, if the event had one.
    pub id: Option<String>,
}

/// The claim and write-ahead record of one transition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TransitionRecord {
    /// Version of this format.
    pub schema: u32,
    /// The kind of transition.
    pub kind: Kind,
    /// The color before the transition; none if the flag held no color.
    pub from: Option<Color>,
    /// The color after the transition.
    pub to: Color,
    /// The version that the write creates if nothing else is written in between.
    pub version: FlagVersion,
    /// When it was decided, by the writer's clock.
    pub decided_at: Timestamp,
    /// When it takes effect. The metadata in the flag's Description is authoritative: a late write moves the instant.
    pub effective_from: Timestamp,
    /// The reason in one sentence, for people.
    pub reason: String,
    /// The function and the person behind the transition.
    pub actor: Actor,
    /// The event that invoked the function.
    pub trigger: Trigger,
    /// The drill that the transition belongs to.
    pub drill: Option<Value>,
    /// What was observed: raw signals with their ages, and `last_known_healthy` of the old color.
    pub evidence: Value,
}

impl TransitionRecord {
    /// The current format.
    pub const SCHEMA: u32 = 1;

    /// The stored form. Evidence, then the reason, are shortened if the whole would not fit a standard parameter.
    #[must_use]
    pub fn to_stored(&self) -> String {
        let text = as_value(json!(self).to_string());
        if text.len() <= MOST_BYTES {
            return text;
        }
        let mut smaller = self.clone();
        let last_known_healthy = self.evidence.get("last_known_healthy").cloned();
        smaller.evidence = json!({"omitted": "larger than a standard parameter"});
        if let (Some(healthy), Some(evidence)) = (last_known_healthy, smaller.evidence.as_object_mut()) {
            evidence.insert("last_known_healthy".to_owned(), healthy);
        }
        fitting(MOST_BYTES, |room| {
            smaller.reason = shortened(&self.reason, room);
            smaller.actor.requested_by = self.actor.requested_by.as_deref().map(|by| shortened(by, room));
            smaller.trigger.id = self.trigger.id.as_deref().map(|id| shortened(id, room));
            json!(smaller).to_string()
        })
    }

    /// Reads a stored record. Fields added by a later schema are ignored.
    pub fn from_stored(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The last instant at which the old color was known to be healthy, where a failover recorded it.
    #[must_use]
    pub fn last_known_healthy(&self) -> Option<Timestamp> {
        self.evidence.get("last_known_healthy")?.as_str()?.parse().ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record() -> TransitionRecord {
        TransitionRecord {
            schema: TransitionRecord::SCHEMA,
            kind: Kind::Failover,
            from: Some(Color::Blue),
            to: Color::Green,
            version: FlagVersion(13),
            decided_at: "2026-11-23T10:15:02.120Z".parse().unwrap(),
            effective_from: "2026-11-23T10:12:44Z".parse().unwrap(),
            reason: "blue: scheduler heartbeat stale for 138 s".into(),
            actor: Actor {
                function: "health-watcher".into(),
                request_id: "r-1".into(),
                requested_by: None,
            },
            trigger: Trigger {
                kind: "schedule".into(),
                id: Some("e-1".into()),
            },
            drill: None,
            evidence: json!({"last_known_healthy": "2026-11-23T10:12:44Z"}),
        }
    }

    #[test]
    fn a_record_is_stored_in_the_documented_form_and_read_back() {
        let stored: Value = serde_json::from_str(&record().to_stored()).unwrap();
        assert_eq!(stored["decided_at"], "2026-11-23T10:15:02.12Z");
        assert_eq!(stored["effective_from"], "2026-11-23T10:12:44Z");
        assert_eq!(stored["trigger"]["type"], "schedule");
        assert_eq!(stored["version"], 13);
        assert_eq!(stored["kind"], "failover");
        assert!(stored["drill"].is_null());
        assert_eq!(TransitionRecord::from_stored(&record().to_stored()).unwrap(), record());
    }

    #[test]
    fn a_record_fits_a_standard_parameter_whatever_it_was_given() {
        let mut large = record();
        large.reason = "é".repeat(5000);
        large.actor.requested_by = Some("x".repeat(3000));
        large.evidence = json!({"noise": "n".repeat(9000), "last_known_healthy": "2026-11-23T10:12:44Z"});
        let stored = large.to_stored();
        assert!(stored.len() <= MOST_BYTES, "{}", stored.len());
        let with_pair = crate::identity::with_pair(&stored, &"p".repeat(64));
        assert!(with_pair.len() <= MAX_VALUE && with_pair.contains(&"p".repeat(64)));
        let read = TransitionRecord::from_stored(&stored).unwrap();
        assert_eq!(read.last_known_healthy(), record().last_known_healthy());
        assert_eq!(read.to, Color::Green);
    }

    #[test]
    fn a_record_is_measured_as_it_is_sent() {
        // Letters that become longer: escaped by JSON, or because Parameter Store would take them for a reference.
        for letter in ["{", "\u{1}", "\"", "\u{1f4a5}"] {
            let mut large = record();
            large.reason = letter.repeat(5000);
            large.actor.requested_by = Some(letter.repeat(200));
            large.trigger.id = Some(letter.repeat(200));
            large.drill = Some(json!({"id": "d-1", "outcome": "failed", "reason": letter.repeat(200)}));
            let stored = large.to_stored();
            assert!(stored.len() <= MOST_BYTES, "{letter:?}: {} bytes", stored.len());
            assert_eq!(
                as_value(stored.clone()),
                stored,
                "{letter:?}: nothing is left to be escaped"
            );
            let read = TransitionRecord::from_stored(&stored).unwrap();
            assert!(
                read.reason.starts_with(letter),
                "{letter:?}: as much of the reason as fits"
            );
            // A record that fits is not shortened.
            let small = TransitionRecord {
                reason: letter.repeat(300),
                ..record()
            };
            assert_eq!(TransitionRecord::from_stored(&small.to_stored()).unwrap(), small);
        }
    }

    #[test]
    fn a_later_schema_with_more_fields_is_still_read() {
        let mut later: Value = serde_json::from_str(&record().to_stored()).unwrap();
        later["schema"] = json!(2);
        later["something_new"] = json!([1]);
        assert_eq!(TransitionRecord::from_stored(&later.to_string()).unwrap().schema, 2);
    }
}
