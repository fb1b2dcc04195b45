//! Which runs a report covers: those next to the last transition.

use std::time::Duration;

use jiff::Timestamp;

use crate::color::Color;
use crate::flag::{FlagVersion, HistoryEntry, Origin, label, versions};
use crate::time::{self, after, before, to_milliseconds};
use crate::transition_kind::Kind;

/// A run that starts later than this after the end of the window is not included.
pub const LATEST_START: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest covered part of a time in which the flag held no color.
const LONGEST_BROKEN: Duration = Duration::from_secs(24 * 60 * 60);

/// The period that a report covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// The first instant of the runs that are judged.
    pub from: Timestamp,
    /// The last instant of the runs that are judged.
    pub to: Timestamp,
    /// The transition within the period; none if the pair has not had one.
    pub transition: Option<HandedOver>,
}

/// The transition that changed the owner of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOver {
    /// The flag's version after the transition.
    pub version: FlagVersion,
    /// The kind of the transition.
    pub kind: Kind,
    /// The color before the transition.
    pub from: Color,
    /// The color after the transition.
    pub to: Color,
    /// When the transition took effect.
    pub effective_from: Timestamp,
    /// When the flag was written.
    pub written_at: Timestamp,
    /// Where it repaired the flag: since when the flag had held no color. The old and the new color may then be the
    /// same.
    pub broken_since: Option<Timestamp>,
    /// Name of its record, if this product wrote it.
    pub transition: Option<String>,
}

impl HandedOver {
    /// Names the transition, also when the flag was deleted and re-created.
    #[must_use]
    pub fn label(&self) -> String {
        label(self.version, self.written_at)
    }
}

/// The last change from one color to the other, or the last repair of a flag without a color. Two cases count as a
/// repair: a version that held no color, and a deleted flag that the watcher re-created.
#[must_use]
pub fn last_hand_over(history: &[HistoryEntry]) -> Option<HandedOver> {
    let versions = versions(history);
    let mut found = None;
    let mut color = None;
    let mut broken_since = None;
    for version in &versions {
        let Some(now) = version.entry.value.color() else {
            broken_since.get_or_insert(version.entry.modified);
            continue;
        };
        let broken = broken_since.take();
        let before = color.replace(now);
        let remade = before.is_none() && version.kind() == Kind::Restore;
        if before.is_some_and(|before| before != now) || broken.is_some() || remade {
            found = Some(HandedOver {
                version: version.entry.version,
                kind: version.kind(),
                from: before.unwrap_or(now),
                to: now,
                effective_from: version.effective_from,
                written_at: version.entry.modified,
                broken_since: broken,
                transition: match &version.origin {
                    Origin::Ours { record, .. } | Origin::Repeat { record, .. } => Some(record.clone()),
                    Origin::External => None,
                },
            });
        }
    }
    found
}

impl Period {
    /// The `minutes` around the last transition, up to now; the last `minutes` if there has been none. A repair also
    /// covers the time in which the flag held no color, up to one day of it.
    #[must_use]
    pub fn around(history: &[HistoryEntry], minutes: u32, now: Timestamp) -> Self {
        let whole = time::minutes(minutes);
        let half = whole.checked_div(2).unwrap_or(whole);
        let transition = last_hand_over(history);
        let now = to_milliseconds(now);
        match &transition {
            Some(handed_over) => Self {
                from: before(
                    handed_over.broken_since.map_or(handed_over.effective_from, |broken| {
                        broken
                            .max(before(handed_over.effective_from, LONGEST_BROKEN))
                            .min(handed_over.effective_from)
                    }),
                    half,
                ),
                to: after(handed_over.effective_from, half).min(now),
                transition,
            },
            None => Self {
                from: before(now, whole),
                to: now,
                transition,
            },
        }
    }

    /// The latest start that a run of the period can have.
    #[must_use]
    pub fn latest_start(&self, now: Timestamp) -> Timestamp {
        after(self.to, LATEST_START).min(now)
    }
}
