//! Which transition's report is due, and what is remembered of the last one.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::period::{HandedOver, last_hand_over};
use crate::flag::HistoryEntry;
use crate::time::elapsed;

/// A transition older than this is no longer reported: the product is new here, or its watcher was away.
pub const STALE: Duration = Duration::from_secs(2 * 60 * 60);

/// What the memory holds about the last report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// The transition that was reported last; the newest observed version where there was no transition to report.
    transition: String,
    /// The newest version that was examined, where it is another one that changes no owner. Remembered so that the
    /// history is not read at every tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    up_to: Option<String>,
}

impl Reported {
    /// Reads the memory. A transition whose entry cannot be read is reported again, under the same id.
    #[must_use]
    pub fn read(stored: Option<&str>) -> Option<Self> {
        serde_json::from_str(stored?).ok()
    }

    /// Whether this is the newest version that was examined.
    #[must_use]
    pub fn reaches(&self, standing: &str) -> bool {
        self.up_to.as_deref().unwrap_or(&self.transition) == standing
    }

    /// The transition to report, and what to remember after the report. `standing` names the newest version.
    ///
    /// That version may change no owner: a repeated write, or a manual edit to the same color. It must not hide the
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
