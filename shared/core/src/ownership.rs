//! Ownership: which color executes a run.

use jiff::Timestamp;

use crate::color::Color;
use crate::flag::{FlagValue, FlagVersion, HistoryEntry, Version, versions};

/// The owner of an instant: the color in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The color in force. An invalid value only where no version ever held a color: then nobody executes.
    pub value: FlagValue,
    /// The flag version that holds this color.
    pub version: FlagVersion,
}

/// The color in force at `instant`: that of the newest version with a color and `effective_from <= instant`.
///
/// A version without a color is never in force. The previous color stays in force until the flag is repaired, because
/// otherwise the runs due in between would never have an owner. Before the first known version, that version counts.
/// None only if the history is empty.
#[must_use]
pub fn owner(history: &[HistoryEntry], instant: Timestamp) -> Option<Owner> {
    let versions = versions(history);
    let in_force = in_force(&versions, instant)?;
    Some(Owner {
        value: in_force.entry.value.clone(),
        version: in_force.entry.version,
    })
}

/// The same color, for versions that are at hand; none if no version ever held one.
pub(crate) fn color_in_force(versions: &[Version], instant: Timestamp) -> Option<Color> {
    in_force(versions, instant)?.entry.value.color()
}

fn in_force(versions: &[Version], instant: Timestamp) -> Option<&Version> {
    let colored = || versions.iter().filter(|version| version.entry.value.color().is_some());
    colored()
        .rev()
        .find(|version| version.effective_from <= instant)
        .or_else(|| colored().next())
        .or(versions.first())
}
