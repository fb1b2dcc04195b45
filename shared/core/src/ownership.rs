//! Ownership: which color executes a run.

use jiff::Timestamp;

use crate::flag::{FlagValue, FlagVersion, HistoryEntry, versions};

/// The owner of an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The color in force. No color only where no version ever had one: nobody executes.
    pub value: FlagValue,
    /// The flag version that says so.
    pub version: FlagVersion,
}

/// The color in force at `instant`: that of the newest version with a color and `effective_from <= instant`.
///
/// A version without a color is never in force: the color before it stays so until the flag is repaired, or what was due
/// in between would belong to nobody for ever. Before the first version that is known, the first one counts. None only if the
/// history is empty.
#[must_use]
pub fn owner(history: &[HistoryEntry], instant: Timestamp) -> Option<Owner> {
    let versions = versions(history);
    let colored = || versions.iter().filter(|version| version.entry.value.color().is_some());
    let in_force = colored()
        .rev()
        .find(|version| version.effective_from <= instant)
        .or_else(|| colored().next())
        .or(versions.first())?;
    Some(Owner {
        value: in_force.entry.value.clone(),
        version: in_force.entry.version,
    })
}
