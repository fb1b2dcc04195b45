//! Which runs a report is about: those next to the last transition.

use std::time::Duration;

use jiff::Timestamp;

use crate::color::Color;
use crate::flag::{FlagVersion, HistoryEntry, Origin, label, versions};
use crate::time::{self, after, before, to_milliseconds};
use crate::transition_kind::Kind;

/// A run that begins later than this after the window has ended is not looked for.
pub const LATEST_START: Duration = Duration::from_secs(24 * 60 * 60);

/// So much of the time in which a flag held no color is looked at.
const LONGEST_BROKEN: Duration = Duration::from_secs(24 * 60 * 60);

/// What a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// First instant of the runs that are judged.
    pub from: Timestamp,
    /// Last one.
    pub to: Timestamp,
    /// The transition in the middle; none if the pair has not had one.
    pub transition: Option<HandedOver>,
}

/// The transition that runs were handed over by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOver {
    /// The flag's version.
    pub version: FlagVersion,
    /// Its kind.
    pub kind: Kind,
    /// The old color.
    pub from: Color,
    /// The new one.
    pub to: Color,
    /// When it took effect.
    pub effective_from: Timestamp,
    /// When it was written.
    pub written_at: Timestamp,
    /// It repaired a flag that had held no color since then. The old color may be the new one.
    pub broken_since: Option<Timestamp>,
    /// Name of its record, if it is ours.
    pub transition: Option<String>,
}

impl HandedOver {
    /// Names it, also when the flag was deleted and made again.
    #[must_use]
    pub fn label(&self) -> String {
        label(self.version, self.written_at)
    }
}

/// The last change from one color to the other, or the last repair of a flag without a color, of which there are two: a
/// version that held none, and a flag that was gone and was made again by the watcher.
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
    /// `minutes` around the last transition, up to now; the last `minutes` if there has been none. Around a repair, the time
    /// in which the flag held no color too, up to a day of it.
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

    /// The last start that can belong to a run of the period.
    #[must_use]
    pub fn latest_start(&self, now: Timestamp) -> Timestamp {
        after(self.to, LATEST_START).min(now)
    }
}
