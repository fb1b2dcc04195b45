//! Events that could not be published, and how they are kept.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::{AuditEvent, EventType};
use crate::text::{as_value, shortened};
use crate::time::elapsed;

/// An event that could not be published, kept until the watcher publishes it; or one that was written down before it
/// was published, so that only one delivery of a request publishes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unsent {
    detail_type: EventType,
    at: Timestamp,
    detail: Value,
    /// Whether it has been published, and only says so to another delivery.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sent: bool,
}

/// A published event is kept for longer than another delivery of its request may take, which has seen nothing of it.
const SENT_FOR: Duration = Duration::from_secs(300);

impl Unsent {
    /// The stored form; none if it does not fit, or if events of this type are not kept.
    #[must_use]
    pub fn to_stored(event: &AuditEvent) -> Option<String> {
        Self::of(event, false)
    }

    /// The stored form of an event that has been published.
    #[must_use]
    pub fn sent(event: &AuditEvent) -> Option<String> {
        Self::of(event, true)
    }

    fn of(event: &AuditEvent, sent: bool) -> Option<String> {
        if !event.detail_type.entry().is_kept {
            return None;
        }
        let kept = Self {
            detail_type: event.detail_type,
            at: event.at,
            detail: event.detail.clone(),
            sent,
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
    pub fn read(stored: &str) -> Option<Self> {
        serde_json::from_str(stored)
            .ok()
            .filter(|kept: &Self| kept.detail_type.entry().is_kept)
    }

    /// What is to be done with it.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Due {
        match self.sent {
            false => Due::Publish,
            true if elapsed(self.at, now) < SENT_FOR => Due::Stay,
            true => Due::Forget,
        }
    }

    /// Whether it has been published.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.sent
    }

    /// The event.
    #[must_use]
    pub fn event(self) -> AuditEvent {
        AuditEvent {
            detail_type: self.detail_type,
            at: self.at,
            detail: self.detail,
        }
    }
}

/// What is to be done with an event that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It is to be published, and then marked so.
    Publish,
    /// It has been published, and another delivery of its request may still come.
    Stay,
    /// It is of no use any more.
    Forget,
}

/// Parameter Store's limit for a value, in bytes.
const MOST_BYTES: usize = 4096;

/// In characters. One character may take four bytes, or six in JSON.
const LONGEST_KEPT_REASON: usize = 400;
