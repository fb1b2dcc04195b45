//! Events that could not be published, and how they are kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::{AuditEvent, EventType};
use crate::text::{as_value, shortened};

/// An event that could not be published, kept until the watcher publishes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unsent {
    detail_type: EventType,
    at: Timestamp,
    detail: Value,
}

impl Unsent {
    /// The stored form; none if it does not fit, or if events of this type are not kept.
    #[must_use]
    pub fn to_stored(event: &AuditEvent) -> Option<String> {
        if !event.detail_type.entry().is_kept {
            return None;
        }
        let kept = Self {
            detail_type: event.detail_type,
            at: event.at,
            detail: event.detail.clone(),
        };
        let fits = |text: &String| as_value(text.clone()).len() <= MOST_BYTES;
        let text = json!(kept).to_string();
        if fits(&text) {
            return Some(text);
        }
        // The reason of a blocked drill can be long. That the drill was requested matters more than each word of the
        // reason.
        let mut shorter = kept;
        let reason = shortened(shorter.detail.get("reason")?.as_str()?, LONGEST_KEPT_REASON);
        shorter
            .detail
            .as_object_mut()?
            .insert("reason".to_owned(), json!(reason));
        Some(json!(shorter).to_string()).filter(fits)
    }

    /// Reads the stored form.
    #[must_use]
    pub fn read(stored: &str) -> Option<AuditEvent> {
        let kept: Self = serde_json::from_str(stored).ok()?;
        Some(AuditEvent {
            detail_type: Some(kept.detail_type).filter(|event| event.entry().is_kept)?,
            at: kept.at,
            detail: kept.detail,
        })
    }
}

/// Parameter Store's limit for a value, in bytes.
const MOST_BYTES: usize = 4096;

/// In characters. One character may take four bytes, or six in JSON.
const LONGEST_KEPT_REASON: usize = 400;
