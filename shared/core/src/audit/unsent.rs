//! Events that could not be published, as they are kept until they can.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::AuditEvent;
use crate::text::{as_value, shortened};

/// An event that could not be published, as it is kept until the watcher publishes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unsent {
    detail_type: String,
    at: Timestamp,
    detail: Value,
}

/// Events of people's requests, which no tick would find out about: all others are made anew from the flag, its records and
/// the hold.
const KEPT: [&str; 2] = ["Failovers Acknowledged", "Drill Finished"];

impl Unsent {
    /// As a parameter keeps it; none if it does not fit, or is none of those that are kept.
    #[must_use]
    pub fn to_stored(event: &AuditEvent) -> Option<String> {
        let kept = Self {
            detail_type: (*KEPT.iter().find(|kept| **kept == event.detail_type)?).to_owned(),
            at: event.at,
            detail: event.detail.clone(),
        };
        let fits = |text: &String| as_value(text.clone()).len() <= MOST_BYTES;
        let text = json!(kept).to_string();
        if fits(&text) {
            return Some(text);
        }
        // The reason of a blocked drill can be long; that it was asked for matters more than each word of it.
        let mut shorter = kept;
        let reason = shortened(shorter.detail.get("reason")?.as_str()?, LONGEST_KEPT_REASON);
        shorter
            .detail
            .as_object_mut()?
            .insert("reason".to_owned(), json!(reason));
        Some(json!(shorter).to_string()).filter(fits)
    }

    /// Reads it back.
    #[must_use]
    pub fn read(stored: &str) -> Option<AuditEvent> {
        let kept: Self = serde_json::from_str(stored).ok()?;
        Some(AuditEvent {
            detail_type: KEPT.into_iter().find(|name| *name == kept.detail_type)?,
            at: kept.at,
            detail: kept.detail,
        })
    }
}

/// What Parameter Store takes as a value.
const MOST_BYTES: usize = 4096;

/// In characters, of which each may take four bytes, or six in JSON.
const LONGEST_KEPT_REASON: usize = 400;
