//! How far the audit has come in the flag's history, and which versions are due.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::flag::{FlagVersion, HistoryEntry, KEPT_VERSIONS, Origin, Version, label};
use crate::time::elapsed;
use crate::transition::TransitionRecord;

/// Records younger than this are never pruned: their claim may still be needed.
const YOUNGEST_PRUNED: Duration = Duration::from_secs(24 * 60 * 60);

/// How far the audit has come: the `audited` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audited {
    /// The last flag version whose event has been sent.
    pub version: FlagVersion,
    /// LastModifiedDate of that version, because the number alone does not identify the flag's incarnation. Where a
    /// note has only a number, the date on which the note was written.
    pub at: Timestamp,
}

impl From<&HistoryEntry> for Audited {
    fn from(entry: &HistoryEntry) -> Self {
        Self {
            version: entry.version,
            at: entry.modified,
        }
    }
}

impl Audited {
    /// Reads what [`Audited::to_stored`] wrote. A bare number, as a person may write it, belongs to the incarnation
    /// that existed when it was `written`.
    #[must_use]
    pub fn read(stored: &str, written: Timestamp) -> Option<Self> {
        let Some(label) = stored.strip_prefix('v') else {
            return Some(Self {
                version: FlagVersion(stored.parse().ok()?),
                at: written,
            });
        };
        let (version, milliseconds) = label.split_once('-')?;
        Some(Self {
            version: FlagVersion(version.parse().ok()?),
            at: Timestamp::from_millisecond(milliseconds.parse().ok()?).ok()?,
        })
    }

    /// The stored form, which names the version and its incarnation.
    #[must_use]
    pub fn to_stored(self) -> String {
        label(self.version, self.at)
    }

    /// Whether this version was audited last. Dates only grow: in a later incarnation, the version with this number is
    /// newer than the note.
    #[must_use]
    pub fn is(self, version: FlagVersion, modified: Timestamp) -> bool {
        version == self.version && modified <= self.at
    }
}

/// The versions whose events have not been sent.
///
/// Those after the audited one. All of them if it is not among them: SSM has dropped it, the flag was deleted and
/// re-created, or the history [is behind](is_behind). Without a note the pair is new, or it adopted an existing flag:
/// versions before our first one are not reported, only the current value.
#[must_use]
pub fn due(versions: &[Version], audited: Option<Audited>) -> &[Version] {
    let start = match audited {
        Some(audited) => versions
            .iter()
            .position(|version| audited.is(version.entry.version, version.entry.modified))
            .map_or(0, |position| position.saturating_add(1)),
        None => versions
            .iter()
            .position(|version| matches!(version.origin, Origin::Ours { .. }))
            .unwrap_or(versions.len().saturating_sub(1)),
    };
    versions.get(start..).unwrap_or_default()
}

/// Whether the history is older than the note: reads are eventually consistent. A re-created flag can cause the same
/// only if SSM's clock went back; then a second read gives the same result.
#[must_use]
pub fn is_behind(versions: &[Version], audited: Option<Audited>) -> bool {
    let (Some(newest), Some(audited)) = (versions.last(), audited) else {
        return false;
    };
    newest.entry.version < audited.version && newest.entry.modified <= audited.at
}

/// Names the subject of a missing flag's fault, so that each deletion has its own id.
#[must_use]
pub fn missing_flag(audited: Option<Audited>) -> String {
    audited.map_or_else(
        || "missing".to_owned(),
        |audited| format!("missing-after-v{}-{}", audited.version, audited.at.as_millisecond()),
    )
}

/// Names of the records that these versions refer to.
#[must_use]
pub fn records_of(versions: &[Version]) -> Vec<String> {
    versions
        .iter()
        .filter_map(|version| match &version.origin {
            Origin::Ours { record, .. } | Origin::Repeat { record, .. } => Some(record.clone()),
            Origin::External => None,
        })
        .collect()
}

/// How long a record that a version names may be missing in a reading. Parameter Store's readings are eventually
/// consistent, and a version whose record is not seen yet would be published without what its writer recorded.
const RECORD_LAG: Duration = Duration::from_secs(60);

/// Whether a version's record is not among those that were read.
fn lacks_record(version: &Version, records: &BTreeMap<String, TransitionRecord>) -> bool {
    records_of(std::slice::from_ref(version))
        .iter()
        .any(|record| !records.contains_key(record))
}

/// Whether a reading of the records lacks one that may only not be seen yet.
#[must_use]
pub fn is_record_late(due: &[Version], records: &BTreeMap<String, TransitionRecord>, now: Timestamp) -> bool {
    due.iter()
        .any(|version| lacks_record(version, records) && elapsed(version.entry.modified, now) < RECORD_LAG)
}

/// The versions that can be published as they were: those before the first one whose record may only not be seen yet.
///
/// A created flag comes before its record, and its writer may die in between, so a first version waits for nothing. Any
/// other version was claimed by its record, which is therefore there.
#[must_use]
pub fn settled<'a>(due: &'a [Version], records: &BTreeMap<String, TransitionRecord>, now: Timestamp) -> &'a [Version] {
    let end = due
        .iter()
        .position(|version| {
            version.entry.version != FlagVersion(1) && is_record_late(std::slice::from_ref(version), records, now)
        })
        .unwrap_or(due.len());
    due.get(..end).unwrap_or_default()
}

/// Records that only the oldest kept versions refer to: they describe versions that SSM is about to drop.
#[must_use]
pub fn records_to_prune(versions: &[Version], now: Timestamp) -> Vec<String> {
    if versions.len() < KEPT_VERSIONS {
        return Vec::new();
    }
    let oldest = versions.get(..5).unwrap_or_default();
    oldest
        .iter()
        .filter(|version| elapsed(version.entry.modified, now) > YOUNGEST_PRUNED)
        .flat_map(|version| records_of(std::slice::from_ref(version)))
        .collect()
}
