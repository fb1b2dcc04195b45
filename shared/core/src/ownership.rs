//! Ownership: which colour executes a run.

use jiff::Timestamp;

use crate::flag::{FlagValue, FlagVersion, HistoryEntry, versions};

/// The owner of an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The colour in force; an invalid value means nobody executes.
    pub value: FlagValue,
    /// The flag version that says so.
    pub version: FlagVersion,
}

/// The colour in force at `instant`: that of the newest version with `effective_from <= instant`.
///
/// Before the first version that is known, the first one counts. None only if the history is empty.
#[must_use]
pub fn owner(history: &[HistoryEntry], instant: Timestamp) -> Option<Owner> {
    let versions = versions(history);
    let in_force = versions
        .iter()
        .rev()
        .find(|version| version.effective_from <= instant)
        .or(versions.first())?;
    Some(Owner {
        value: in_force.entry.value.clone(),
        version: in_force.entry.version,
    })
}
