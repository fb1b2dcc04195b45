//! Ownership: which colour executes a run.

use jiff::Timestamp;

use crate::flag::{FlagValue, FlagVersion, HistoryEntry, versions};

/// The owner of an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The colour in force. No colour only where no version ever had one: nobody executes.
    pub value: FlagValue,
    /// The flag version that says so.
    pub version: FlagVersion,
}

/// The colour in force at `instant`: that of the newest version with a colour and `effective_from <= instant`.
///
/// A version without a colour is never in force: the colour before it stays so until the flag is repaired, or what was due
/// in between would belong to nobody for ever. Before the first version that is known, the first one counts. None only if the
/// history is empty.
#[must_use]
pub fn owner(history: &[HistoryEntry], instant: Timestamp) -> Option<Owner> {
    let versions = versions(history);
    let coloured = || versions.iter().filter(|version| version.entry.value.colour().is_some());
    let in_force = coloured()
        .rev()
        .find(|version| version.effective_from <= instant)
        .or_else(|| coloured().next())
        .or(versions.first())?;
    Some(Owner {
        value: in_force.entry.value.clone(),
        version: in_force.entry.version,
    })
}
