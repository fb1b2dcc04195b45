//! What tests of rules are about: blue flags of a version, written at a second.

use std::ops::Add as _;

use bluegreen_core::audit::Audited;
use bluegreen_core::flag::{FlagObservation, FlagValue, FlagVersion, HistoryEntry};
use jiff::{SignedDuration, Timestamp};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH.add(SignedDuration::from_secs(second))
}

pub(crate) fn flag(version: u64, second: i64) -> FlagObservation {
    FlagObservation {
        value: FlagValue::read("blue"),
        version: FlagVersion(version),
        modified: at(second),
    }
}

pub(crate) fn entry(version: u64, second: i64) -> HistoryEntry {
    HistoryEntry {
        value: FlagValue::read("blue"),
        version: FlagVersion(version),
        modified: at(second),
        author: None,
        description: None,
    }
}

pub(crate) fn audited(version: u64, second: i64) -> Audited {
    Audited {
        version: FlagVersion(version),
        at: at(second),
    }
}
