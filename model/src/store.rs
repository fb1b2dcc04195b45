//! Parameter Store as the protocols see it: versions, a create-only put, and a clock that advances with each write.

use std::collections::BTreeMap;
use std::time::Duration;

use bluegreen_core::audit::Audited;
use bluegreen_core::claim::{Reply, Step, StoredClaim};
use bluegreen_core::color::Color;
use bluegreen_core::flag::{FlagObservation, FlagValue, FlagVersion, HistoryEntry};
use bluegreen_core::time::after;
use jiff::Timestamp;

/// The parameters of one pair.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) now: Timestamp,
    pub(crate) versions: Vec<HistoryEntry>,
    /// Everything below `transitions/`, outcomes of drills included.
    pub(crate) records: BTreeMap<String, StoredClaim>,
    pub(crate) drill: Option<String>,
    pub(crate) held: bool,
    pub(crate) audited: Option<(FlagVersion, Timestamp)>,
    pub(crate) last_active: Option<Color>,
}

impl Store {
    /// The initial store: blue is active since version 1, and that version has been audited.
    pub(crate) fn new() -> Self {
        let mut store = Self {
            now: Timestamp::UNIX_EPOCH,
            versions: Vec::new(),
            records: BTreeMap::new(),
            drill: None,
            held: false,
            audited: None,
            last_active: Some(Color::Blue),
        };
        store.write("blue", None, "initialize");
        store.audited = Some((FlagVersion(1), store.now));
        store
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = after(self.now, time);
    }

    pub(crate) fn audited(&self) -> Option<Audited> {
        self.audited.map(|(version, at)| Audited { version, at })
    }

    /// The flag's history; a stale reading shows the state of one version ago.
    pub(crate) fn history(&self, stale: bool) -> Vec<HistoryEntry> {
        let hidden = usize::from(stale && self.versions.len() > 1);
        let shown = self.versions.len().saturating_sub(hidden);
        self.versions.iter().take(shown).cloned().collect()
    }

    pub(crate) fn flag(&self, stale: bool) -> Option<FlagObservation> {
        self.history(stale).last().map(|entry| FlagObservation {
            value: entry.value.clone(),
            version: entry.version,
            modified: entry.modified,
        })
    }

    pub(crate) fn write(&mut self, value: &str, description: Option<&str>, author: &str) -> FlagVersion {
        self.pass(Duration::from_millis(1));
        let version = self.versions.last().map_or(FlagVersion(1), |last| last.version.next());
        self.versions.push(HistoryEntry {
            value: FlagValue::read(value),
            version,
            modified: self.now,
            author: Some(author.to_owned()),
            description: description.map(str::to_owned),
        });
        version
    }

    /// Creates a record; false if it exists already.
    pub(crate) fn create_record(&mut self, name: &str, value: &str) -> bool {
        if self.records.contains_key(name) {
            return false;
        }
        let claim = StoredClaim {
            value: value.to_owned(),
            modified: self.now,
        };
        self.records.insert(name.to_owned(), claim);
        true
    }

    /// Carries out one request of the switch protocol.
    pub(crate) fn carry_out(&mut self, step: &Step, writer: &str, stale: bool) -> Reply {
        match step {
            Step::CreateClaim { record, value } => {
                if self.create_record(record, value) {
                    Reply::ClaimCreated
                } else {
                    Reply::ClaimExists
                }
            }
            Step::ReadBack { record } => Reply::ReadBack {
                flag: self.flag(stale),
                claim: self.records.get(record).filter(|_| !stale).cloned(),
            },
            Step::WriteFlag { value, description } => {
                Reply::Wrote(self.write(value.as_str(), Some(description), writer))
            }
            Step::ReadHistory => Reply::History(self.history(stale)),
            Step::Wait(_) | Step::Done(_) => Reply::Waited,
        }
    }
}
