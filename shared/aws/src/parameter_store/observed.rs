//! What one look at the pair's parameters brings, and the watcher's memory.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use aws_sdk_ssm::types::Parameter;
use bluegreen_core::audit::Audited;
use bluegreen_core::color::Both;
use bluegreen_core::flag::FlagObservation;
use bluegreen_core::health::{Assessment, Evidence, Past, assess_after};
use bluegreen_core::hold::StoredHold;
use bluegreen_core::identity::Ownership;
use bluegreen_core::memory::{Field, Memory};
use bluegreen_core::policy::Policy;
use bluegreen_core::switch::Failure;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;

use super::parsing::{instant, memory, observation, read_audited};
use super::store::ParameterStore;

/// What one GetParameters brings: everything a tick needs to know of the pair.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The flag.
    pub flag: Option<FlagObservation>,
    /// The stored hold.
    pub hold: Option<String>,
    /// The same, with what tells this writing of it from another.
    pub stored_hold: Option<StoredHold>,
    /// How far the audit has come.
    pub audited: Option<Audited>,
    /// How often that was noted so far: the version of the note itself, 0 if there is none.
    pub audited_notes: i64,
    /// What was announced once. This, like readiness, overdue drill and run report, is a field of the memory.
    pub announced: Option<String>,
    /// Since when nobody can vouch for the active environment, and whether that was announced.
    pub doubt: Option<String>,
    /// What earlier looks saw of both environments. What cannot be read counts as none.
    pub past: Both<Option<Past>>,
    /// The drill under way, or the last one.
    pub drill: Option<String>,
    /// The last check of the standby's readiness.
    pub readiness: Option<String>,
    /// The last proof whose age a person was told of.
    pub drill_overdue: Option<Timestamp>,
    /// The transition whose run report was reported last.
    pub run_report: Option<String>,
    /// Which DAGs are to run, and how far pausing and unpausing have come.
    pub managed_dags: Option<String>,
    /// Requests that were answered and wrote nothing else; only observed for a request.
    pub answered: Option<String>,
    /// What only the watcher remembers, to be added to.
    pub memory: Remembered,
    /// Whose root it is.
    pub ownership: Ownership,
}

impl Observed {
    /// Judges both environments, with what earlier looks of the watcher saw of them.
    pub fn assess(&self, policy: &Policy, evidence: &Both<Evidence>, now: Timestamp) -> Both<Assessment> {
        evidence.map(|color, evidence| assess_after(policy, evidence, self.past.of(color).as_ref(), now))
    }
}

/// The watcher's memory as one look found it, and what this tick has put into it since.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    added: Arc<std::sync::Mutex<Added>>,
    stored: Arc<Mutex<Stored>>,
}

/// What the parts of a tick have put into the memory so far.
#[derive(Debug, Default)]
struct Added {
    fields: BTreeMap<Field, Option<Value>>,
    /// How many times something was put there.
    count: u64,
}

/// The memory as this tick knows it to be stored.
#[derive(Debug, Default)]
struct Stored {
    memory: Memory,
    /// Of the parameter; 0 if there was none.
    version: i64,
    /// So many of what was added are in it.
    count: u64,
}

impl Remembered {
    fn found(memory: Memory, version: i64) -> Self {
        let stored = Stored {
            memory,
            version,
            count: 0,
        };
        Self {
            added: Arc::default(),
            stored: Arc::new(Mutex::new(stored)),
        }
    }

    /// Adds something; answers how many that makes.
    fn add(&self, field: Field, value: Option<Value>) -> u64 {
        // A lock that somebody panicked over holds what was added before.
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        added.fields.insert(field, value);
        added.count = added.count.saturating_add(1);
        added.count
    }

    /// All that was added, and how many that makes.
    fn all_added(&self) -> (BTreeMap<Field, Option<Value>>, u64) {
        let added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        (added.fields.clone(), added.count)
    }
}

impl ParameterStore {
    /// Reads flag, hold and memories in one call. Missing ones are none; trouble is an error.
    pub async fn observe(&self) -> Result<Observed, Failure> {
        self.observe_with(None).await
    }

    /// The same for a person's request: what was answered before, too.
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

    /// Puts something into one field of the watcher's memory, or forgets what it holds. It is stored once this has answered.
    ///
    /// What the parts of a tick put there beside each other is written at once, and nothing is written that is stored already.
    ///
    /// Two ticks may write at once, and Parameter Store cannot compare and swap. So the memory is read again right before
    /// it is written: a tick that has looked for half a minute takes nothing back that another has put there meanwhile.
    /// What is left is the time between these two requests. What is lost in it is said once more by the next tick, under
    /// another id; nothing that must happen once only is kept here.
    pub async fn remember(&self, memory: &Remembered, field: Field, value: Option<Value>) -> Result<(), Failure> {
        let mine = memory.add(field, value);
        // The other parts of the tick add theirs before the first of them writes.
        tokio::task::yield_now().await;
        let mut stored = memory.stored.lock().await;
        if stored.count >= mine {
            return Ok(());
        }
        let (fields, count) = memory.all_added();
        let name = self.names.memory();
        let read = self.get(vec![name.clone()]).await;
        let (mut newest, is_certain) = match read.map(|mut found| self::memory(found.remove(&name))) {
            Ok((found, version)) if version >= stored.version => (found, true),
            // A replica that lags behind what was seen, or written, or no answer.
            _ => (stored.memory.clone(), false),
        };
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
        let version = self.put_versioned(name, text).await?;
        *stored = Stored {
            memory: newest,
            version: version.max(stored.version),
            count,
        };
        Ok(())
    }
}
