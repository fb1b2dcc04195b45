//! One observation of the pair's parameters, and the watcher's memory.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aws_sdk_ssm::types::Parameter;
use bluegreen_core::audit::Audited;
use bluegreen_core::claim::Failure;
use bluegreen_core::color::Both;
use bluegreen_core::flag::FlagObservation;
use bluegreen_core::health::{Assessment, Evidence, Past, assess_after};
use bluegreen_core::hold::StoredHold;
use bluegreen_core::identity::Ownership;
use bluegreen_core::memory::{Field, Memory};
use bluegreen_core::policy::Policy;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;

use super::parsing::{instant, memory, observation, read_audited, unparsable};
use super::store::ParameterStore;

/// How often versions are read again that must exist, and the wait in between: a replica may be seconds behind.
const TRIES_MEANWHILE: u32 = 9;
const WAIT_MEANWHILE: Duration = Duration::from_secs(1);

/// How many versions of the memory are looked at if other ticks wrote meanwhile: a storm of twenty ticks at once writes
/// fewer between what the first and the last of them observed.
const MOST_MEANWHILE: i64 = 30;

/// How many versions one GetParameters can read.
const MOST_AT_ONCE: usize = 10;

/// The result of one GetParameters: everything a tick needs to know about the pair.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The flag; `None` if there is none.
    pub flag: Option<FlagObservation>,
    /// The hold as it is stored; whether it is in force depends on the time.
    pub hold: Option<String>,
    /// The stored hold, with what distinguishes this write from others.
    pub stored_hold: Option<StoredHold>,
    /// How far the audit has come.
    pub audited: Option<Audited>,
    /// How many times that was recorded so far: the version of `audited` itself, 0 if there is none.
    pub audited_notes: i64,
    /// What was announced once. Like readiness, overdue drill and run report, this is a field of the memory.
    pub announced: Option<String>,
    /// Since when the state of the active environment has been unknown, and whether that was announced.
    pub doubt: Option<String>,
    /// What earlier observations saw of both environments. An unreadable value counts as none.
    pub past: Both<Option<Past>>,
    /// The drill under way, or the last one.
    pub drill: Option<String>,
    /// The last check of the standby's readiness.
    pub readiness: Option<String>,
    /// The last proof whose age was reported to people.
    pub drill_overdue: Option<Timestamp>,
    /// The transition whose run report was published last.
    pub run_report: Option<String>,
    /// Which DAGs are to run, and how far pausing and unpausing have come.
    pub managed_dags: Option<String>,
    /// Requests that were answered and wrote nothing else; only read for a request.
    pub answered: Option<String>,
    /// What only the watcher remembers; the tick can add to it.
    pub memory: Remembered,
    /// The owner of the root.
    pub ownership: Ownership,
}

impl Observed {
    /// Judges both environments, with what earlier observations of the watcher saw of them.
    pub fn assess(&self, policy: &Policy, evidence: &Both<Evidence>, now: Timestamp) -> Both<Assessment> {
        evidence.map(|color, evidence| assess_after(policy, evidence, self.past.of(color).as_ref(), now))
    }
}

/// The watcher's memory as one observation found it, with this tick's additions.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    added: Arc<std::sync::Mutex<Added>>,
    stored: Arc<Mutex<Stored>>,
}

/// What the parts of a tick have added to the memory so far.
#[derive(Debug, Default)]
struct Added {
    /// With the number of each addition.
    fields: BTreeMap<Field, (u64, Option<Value>)>,
    /// How many additions there were.
    count: u64,
}

/// The memory as this tick knows it to be stored.
#[derive(Debug, Default)]
struct Stored {
    memory: Memory,
    /// The version that the observation found; 0 if there was none.
    observed: i64,
    /// The version of the parameter; 0 if there was none.
    version: i64,
    /// How many of the additions it contains.
    count: u64,
}

impl Remembered {
    /// The version that the observation found, and the newest one that this tick knows of.
    async fn versions(&self) -> (i64, i64) {
        let stored = self.stored.lock().await;
        (stored.observed, stored.version)
    }

    fn found(memory: Memory, version: i64) -> Self {
        let stored = Stored {
            memory,
            observed: version,
            version,
            count: 0,
        };
        Self {
            added: Arc::default(),
            stored: Arc::new(Mutex::new(stored)),
        }
    }

    /// Adds a value; returns the number of additions so far.
    fn add(&self, field: Field, value: Option<Value>) -> u64 {
        // A poisoned lock still holds what was added before.
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        let number = added.count.saturating_add(1);
        added.fields.insert(field, (number, value));
        added.count = number;
        number
    }

    /// The additions after so many, and the number of all.
    fn added_after(&self, stored: u64) -> (Vec<(Field, Option<Value>)>, u64) {
        let added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = added.fields.iter().filter(|(_, (number, _))| *number > stored);
        let newer = newer.map(|(field, (_, value))| (*field, value.clone()));
        (newer.collect(), added.count)
    }
}

impl ParameterStore {
    /// Reads flag, hold and memories in one call. A missing one is `None`; a failure is an error.
    pub async fn observe(&self) -> Result<Observed, Failure> {
        self.observe_with(None).await
    }

    /// The same for a person's request, with the parameter `answered`.
    pub async fn observe_for_request(&self) -> Result<Observed, Failure> {
        self.observe_with(Some(self.names.answered())).await
    }

    async fn observe_with(&self, more: Option<String>) -> Result<Observed, Failure> {
        let names = self.names.observed().into_iter().chain(more);
        let mut found = self.get(names.collect()).await?;
        let hold = found.remove(&self.names.hold());
        let audited = found.remove(&self.names.audited());
        let owner = found.remove(&self.names.owner()).and_then(|parameter| parameter.value);
        let (memory, version) = memory(found.remove(&self.names.memory()));
        let flag = found
            .remove(self.names.flag())
            .map(|parameter| observation(&parameter))
            .transpose()?;
        if let Some(flag) = &flag {
            self.learn(flag.version, Some(flag.modified));
        }
        Ok(Observed {
            flag,
            answered: found
                .remove(&self.names.answered())
                .and_then(|parameter| parameter.value),
            stored_hold: hold.as_ref().and_then(|parameter| {
                let written = instant(parameter.last_modified_date()?)?;
                Some(StoredHold {
                    value: parameter.value()?.to_owned(),
                    change: format!("v{}-{}", parameter.version(), written.as_millisecond()),
                    written,
                })
            }),
            hold: hold.and_then(|parameter| parameter.value),
            audited_notes: audited.as_ref().map_or(0, Parameter::version),
            audited: audited.and_then(|parameter| read_audited(&parameter)),
            announced: memory.text(Field::Announced),
            doubt: memory.text(Field::Doubt),
            past: Both::from_fn(|color| {
                let past = memory.get(Field::Past)?.get(color.as_str())?;
                serde_json::from_value(past.clone()).ok()
            }),
            drill: found.remove(&self.names.drill()).and_then(|parameter| parameter.value),
            readiness: memory.text(Field::Readiness),
            drill_overdue: memory
                .get(Field::DrillOverdue)
                .and_then(|value| value.as_str()?.parse().ok()),
            run_report: memory.text(Field::RunReport),
            managed_dags: found
                .remove(&self.names.managed_dags())
                .and_then(|parameter| parameter.value),
            memory: Remembered::found(memory, version),
            ownership: self.learn_whose_it_is(owner.as_deref()),
        })
    }

    /// Sets or clears one field of the watcher's memory. The field is stored when this returns.
    ///
    /// What the parts of a tick add concurrently is written at once. Nothing is written that is already stored.
    ///
    /// Two ticks may write at once, and Parameter Store has no compare-and-swap. So the memory is read again right
    /// before it is written: a tick that has observed for half a minute reverts nothing that another tick has added
    /// meanwhile. What remains is the time between these two requests. What is lost in it is published again, and an
    /// alert under the same id, see [`ParameterStore::remembered_meanwhile`]; nothing that must happen only once is kept
    /// here.
    pub async fn remember(&self, memory: &Remembered, field: Field, value: Option<Value>) -> Result<(), Failure> {
        let mine = memory.add(field, value);
        // The other parts of the tick add theirs before the first of them writes.
        tokio::task::yield_now().await;
        let mut stored = memory.stored.lock().await;
        if stored.count >= mine {
            return Ok(());
        }
        let newest = self.newest(&stored).await;
        self.write(memory, &mut stored, newest).await
    }

    /// The same, unless another tick has written something meanwhile that is to stay. `stays` is asked of what the field
    /// holds right before the write, if that can be read.
    pub async fn remember_unless(
        &self,
        memory: &Remembered,
        field: Field,
        value: Option<Value>,
        stays: impl FnOnce(Option<&Value>) -> bool,
    ) -> Result<(), Failure> {
        let mut stored = memory.stored.lock().await;
        let (newest, is_certain) = self.newest(&stored).await;
        if is_certain && stays(newest.get(field)) {
            return Ok(());
        }
        memory.add(field, value);
        self.write(memory, &mut stored, (newest, is_certain)).await
    }

    /// The memory as it is now, and whether it could be read; else as this tick knows it.
    async fn newest(&self, stored: &Stored) -> (Memory, bool) {
        let name = self.names.memory();
        let read = self.get(vec![name.clone()]).await;
        match read.map(|mut found| self::memory(found.remove(&name))) {
            Ok((found, version)) if version >= stored.version => (found, true),
            // No answer, or a replica that lags behind what was read or written.
            _ => (stored.memory.clone(), false),
        }
    }

    /// Writes what was added since the last write. What is stored is not written again: another tick may have replaced it
    /// meanwhile.
    async fn write(
        &self,
        memory: &Remembered,
        stored: &mut Stored,
        (mut newest, is_certain): (Memory, bool),
    ) -> Result<(), Failure> {
        let (fields, count) = memory.added_after(stored.count);
        let before = newest.clone();
        for (field, value) in fields {
            newest.set(field, value);
        }
        if is_certain && newest == before {
            stored.count = count;
            return Ok(());
        }
        let (text, left_out) = newest.to_stored();
        if !left_out.is_empty() {
            tracing::warn!(
                left_out = left_out.join(","),
                "the memory did not fit its parameter: what was left out is said again"
            );
        }
        let version = self.put_versioned(self.names.memory(), text).await?;
        *stored = Stored {
            memory: newest,
            observed: stored.observed,
            version: version.max(stored.version),
            count,
        };
        Ok(())
    }

    /// What the field holds now.
    pub async fn remembered_now(&self, field: Field) -> Result<Option<Value>, Failure> {
        let name = self.names.memory();
        let mut found = self.get(vec![name.clone()]).await?;
        Ok(self::memory(found.remove(&name)).0.get(field).cloned())
    }

    /// What the field held in the versions of the memory between this tick's observation and its last write, oldest
    /// first: what other ticks wrote meanwhile. Empty, without a request, where nobody did.
    pub async fn remembered_meanwhile(&self, memory: &Remembered, field: Field) -> Result<Vec<Option<Value>>, Failure> {
        let (observed, written) = memory.versions().await;
        self.remembered_in(observed.saturating_add(1)..written, field).await
    }

    /// What the field held in the versions before the one that this tick's observation found, oldest first.
    pub async fn remembered_before(&self, memory: &Remembered, field: Field) -> Result<Vec<Option<Value>>, Failure> {
        let (observed, _) = memory.versions().await;
        self.remembered_in(1..observed, field).await
    }

    /// What the field held in the newest [`MOST_MEANWHILE`] of these versions, oldest first. All of them, or an error: the
    /// one that is missing may be the first.
    async fn remembered_in(&self, versions: Range<i64>, field: Field) -> Result<Vec<Option<Value>>, Failure> {
        let first = versions.start.max(versions.end.saturating_sub(MOST_MEANWHILE));
        let wanted: Vec<i64> = (first..versions.end).collect();
        let mut found = self.memory_versions(&wanted).await?;
        // They exist: a reading that lacks one of them is behind.
        for _ in 0..TRIES_MEANWHILE {
            if found.len() >= wanted.len() {
                break;
            }
            tokio::time::sleep(WAIT_MEANWHILE).await;
            found = self.memory_versions(&wanted).await?;
        }
        if found.len() < wanted.len() {
            return Err(unparsable(
                "GetParameters answered fewer versions of the memory than there are",
            ));
        }
        found.sort_by_key(Parameter::version);
        Ok(found
            .into_iter()
            .map(|parameter| self::memory(Some(parameter)).0.get(field).cloned())
            .collect())
    }

    async fn memory_versions(&self, wanted: &[i64]) -> Result<Vec<Parameter>, Failure> {
        let name = self.names.memory();
        let parts = wanted
            .chunks(MOST_AT_ONCE)
            .map(|part| self.versions_of(&name, part.iter().copied()));
        Ok(try_join_all(parts).await?.into_iter().flatten().collect())
    }
}
