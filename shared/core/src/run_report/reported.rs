//! Which transition's report is due, and what is remembered of the last one.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::period::{HandedOver, last_hand_over};
use crate::flag::HistoryEntry;
use crate::time::elapsed;

/// A transition older than this is not reported any more: the product is new here, or its watcher was away.
pub const STALE: Duration = Duration::from_secs(2 * 60 * 60);

/// What the memory says of the last report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// The transition that was reported last; the version looked at, where none was there to report.
    transition: String,
    /// The newest version that was looked at, where that is another one: it hands nothing over. Remembered so that the
    /// history is not read at every tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    up_to: Option<String>,
}

impl Reported {
    /// Reads the memory. What cannot be read is reported again, under the same id.
    #[must_use]
    pub fn read(stored: Option<&str>) -> Option<Self> {
        serde_json::from_str(stored?).ok()
    }

    /// Whether this is the newest version that was looked at.
    #[must_use]
    pub fn reaches(&self, standing: &str) -> bool {
        self.up_to.as_deref().unwrap_or(&self.transition) == standing
    }

    /// The transition that is to be reported, and what to remember once it is. `standing` names the newest version.
    ///
    /// That version itself may hand nothing over: a write that was repeated, or the same color by hand. It must not hide the
    /// transition before it.
    #[must_use]
    pub fn due(
        before: Option<&Self>,
        history: &[HistoryEntry],
        standing: &str,
        now: Timestamp,
    ) -> (Option<HandedOver>, Self) {
        let last = last_hand_over(history).filter(|last| elapsed(last.written_at, now) < STALE);
        let label = last.as_ref().map(HandedOver::label);
        let due = last.filter(|_| before.map(|before| &before.transition) != label.as_ref());
        let transition = label.unwrap_or_else(|| standing.to_owned());
        let up_to = (transition != standing).then(|| standing.to_owned());
        (due, Self { transition, up_to })
    }
}
