//! Parameter Store: the flag, its records and the small memories beside it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::put_parameter::{PutParameterError, PutParameterOutput};
use aws_sdk_ssm::types::{Parameter, ParameterStringFilter, ParameterType};
use aws_smithy_types::DateTime;
use bluegreen_core::audit::Audited;
use bluegreen_core::colour::{Both, Colour};
use bluegreen_core::drill::Drill;
use bluegreen_core::flag::{ALLOWED_PATTERN, FlagObservation, FlagValue, FlagVersion, HistoryEntry};
use bluegreen_core::health::{Assessment, Cause, CauseKind, Evidence, Past, assess_after};
use bluegreen_core::hold::{Hold, HoldVersion, StoredHold, description};
use bluegreen_core::identity::{Ownership, with_pair};
use bluegreen_core::memory::{Field, Memory};
use bluegreen_core::parameters::{ParameterNames, as_value};
use bluegreen_core::policy::Policy;
use bluegreen_core::switch::{Failure, Reply, StoredClaim};
use bluegreen_core::transition::TransitionRecord;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::clients::retries;
use crate::error::classify;

/// Names that one GetParameters takes.
const NAMES_A_CALL: usize = 10;

/// Versions on one page of GetParameterHistory.
const HISTORY_PAGE: i32 = 50;

/// The parameters of one pair.
#[derive(Debug, Clone)]
pub struct ParameterStore {
    client: Client,
    names: ParameterNames,
    pair: String,
    /// Why nothing may be written, as of the last look at the root.
    refusal: Arc<std::sync::Mutex<Option<String>>>,
    newest: Arc<std::sync::Mutex<Option<Newest>>>,
}

/// For so long it is remembered how far the flag has come: no stale reading is so old, and whatever this process got wrong passes.
const NEWEST_FOR: Duration = Duration::from_secs(60);

/// The newest version of the flag that this process has seen or written: Parameter Store's readings are eventually consistent,
/// and none may be older than what is known.
#[derive(Debug, Clone, Copy)]
struct Newest {
    version: FlagVersion,
    /// It was written at this instant, or later.
    modified: Timestamp,
    known_at: Instant,
}

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
    /// When a person last acknowledged automatic failovers by a release.
    pub acknowledged: Option<Timestamp>,
    /// By which request.
    pub acknowledged_by_request: Option<String>,
    /// What was announced once. This, like readiness, overdue drill and hand-over, is a field of the memory.
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
    /// The transition whose hand-over was reported last.
    pub handover: Option<String>,
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
        evidence.map(|colour, evidence| assess_after(policy, evidence, self.past.of(colour).as_ref(), now))
    }
}

/// The watcher's memory as one look found it, and what this tick has put into it since.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    found: Memory,
    /// Of the parameter; 0 if there was none.
    version: i64,
    added: Arc<Mutex<BTreeMap<Field, Option<Value>>>>,
}

impl ParameterStore {
    /// Over a client, for the parameters of one flag.
    pub fn new(client: Client, names: ParameterNames) -> Self {
        Self {
            client,
            names,
            pair: String::new(),
            refusal: Arc::default(),
            newest: Arc::default(),
        }
    }

    /// The same, of one pair: on a root that it finds to be another's it writes nothing.
    #[must_use]
    pub fn of_pair(self, pair: &str) -> Self {
        Self {
            pair: pair.to_owned(),
            ..self
        }
    }

    /// The pair.
    pub fn pair(&self) -> &str {
        &self.pair
    }

    /// Whether the root may be written to, as of the last look at it. Every write asks; who has more to do than to write asks
    /// first.
    pub fn may_write(&self) -> Result<(), Failure> {
        // A lock that somebody panicked over holds what was seen before.
        let refusal = self.refusal.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match refusal.as_ref() {
            None => Ok(()),
            Some(refusal) => Err(Failure {
                ambiguous: false,
                passing: false,
                cause: Cause::new(CauseKind::WrongPair, refusal.clone()),
            }),
        }
    }

    fn learn_whose_it_is(&self, stored: Option<&str>) -> Ownership {
        if self.pair.is_empty() {
            return Ownership::default();
        }
        let ownership = Ownership::read(stored, &self.pair);
        let refusal = ownership.refusal(&self.pair, self.names.root());
        *self.refusal.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = refusal;
        ownership
    }

    /// The version of the flag that this process knows of, if this reading is older.
    pub fn knows_newer_than(&self, flag: &FlagObservation) -> Option<FlagVersion> {
        let newest = self
            .newest
            .lock()
            .ok()?
            .filter(|newest| newest.known_at.elapsed() < NEWEST_FOR)?;
        // One with a lower number and a later date is another incarnation of the flag.
        (flag.version < newest.version && flag.modified <= newest.modified).then_some(newest.version)
    }

    fn learn(&self, version: FlagVersion, modified: Option<Timestamp>) {
        let Ok(mut newest) = self.newest.lock() else { return };
        let modified = modified.or_else(|| newest.as_ref().map(|newest| newest.modified));
        let is_newer = |modified: Timestamp| {
            newest
                .as_ref()
                .is_none_or(|newest| version > newest.version || modified > newest.modified)
        };
        if let Some(modified) = modified.filter(|modified| is_newer(*modified)) {
            *newest = Some(Newest {
                version,
                modified,
                known_at: Instant::now(),
            });
        }
    }

    /// The names.
    pub fn names(&self) -> &ParameterNames {
        &self.names
    }

    /// Reads flag, hold and memories in one call. Missing ones are none; trouble is an error.
    pub async fn observe(&self) -> Result<Observed, Failure> {
        self.observe_with(None).await
    }

    /// The same for a person's request: what was answered before, too.
    pub async fn observe_for_request(&self) -> Result<Observed, Failure> {
        self.observe_with(Some(self.names.answered())).await
    }

    async fn observe_with(&self, more: Option<String>) -> Result<Observed, Failure> {
        let names = [
            self.names.flag().to_owned(),
            self.names.hold(),
            self.names.audited(),
            self.names.acknowledged(),
            self.names.memory(),
            self.names.drill(),
            self.names.managed_dags(),
            self.names.owner(),
        ];
        let mut found = self.get(names.into_iter().chain(more).collect()).await?;
        let hold = found.remove(&self.names.hold());
        let audited = found.remove(&self.names.audited());
        let owner = found.remove(&self.names.owner()).and_then(|parameter| parameter.value);
        let acknowledged = found.remove(&self.names.acknowledged());
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
            // Its date, not its value, is the acknowledgement: SSM's clock is the one the versions are dated by.
            acknowledged: acknowledged
                .as_ref()
                .and_then(|parameter| instant(parameter.last_modified_date()?)),
            acknowledged_by_request: acknowledged.and_then(|parameter| {
                let value: Value = serde_json::from_str(parameter.value()?).ok()?;
                Some(value.get("request_id")?.as_str()?.to_owned())
            }),
            announced: memory.text(Field::Announced),
            doubt: memory.text(Field::Doubt),
            past: Both::from_fn(|colour| {
                let past = memory.get(Field::Past)?.get(colour.as_str())?;
                serde_json::from_value(past.clone()).ok()
            }),
            drill: found.remove(&self.names.drill()).and_then(|parameter| parameter.value),
            readiness: memory.text(Field::Readiness),
            drill_overdue: memory
                .get(Field::DrillOverdue)
                .and_then(|value| value.as_str()?.parse().ok()),
            handover: memory.text(Field::Handover),
            managed_dags: found
                .remove(&self.names.managed_dags())
                .and_then(|parameter| parameter.value),
            memory: Remembered {
                found: memory,
                version,
                added: Arc::default(),
            },
            ownership: self.learn_whose_it_is(owner.as_deref()),
        })
    }

    /// Puts something into one field of the watcher's memory, or forgets what it holds.
    ///
    /// Two ticks may write at once, and Parameter Store cannot compare and swap. So the memory is read again right before
    /// it is written: a tick that has looked for half a minute takes nothing back that another has put there meanwhile.
    /// What is left is the time between these two requests. What is lost in it is said once more by the next tick, under
    /// another id; nothing that must happen once only is kept here.
    pub async fn remember(&self, memory: &Remembered, field: Field, value: Option<Value>) -> Result<(), Failure> {
        // Held until it is written, for the parts of one tick do this beside each other.
        let mut added = memory.added.lock().await;
        added.insert(field, value);
        let name = self.names.memory();
        let read = self.get(vec![name.clone()]).await;
        let mut newest = match read.map(|mut found| self::memory(found.remove(&name))) {
            Ok((found, version)) if version >= memory.version => found,
            // A replica that lags behind what was seen, or no answer.
            _ => memory.found.clone(),
        };
        for (field, value) in added.iter() {
            newest.set(*field, value.clone());
        }
        let (text, left_out) = newest.to_stored();
        if !left_out.is_empty() {
            tracing::warn!(
                left_out = left_out.join(","),
                "the memory did not fit its parameter: what was left out is said again"
            );
        }
        self.put(name, text).await
    }

    /// Creates a transition record; the create-only put is the claim. It is stored with the name of the pair in it, see
    /// [`with_pair`]: who compares texts does so with that.
    pub async fn create_claim(&self, record: &str, value: &str) -> Reply {
        if let Err(failure) = self.may_write() {
            return Reply::Failed(failure);
        }
        let value = with_pair(value, &self.pair);
        let put = self
            .client
            .put_parameter()
            .name(self.names.transition(record))
            .value(as_value(value))
            .r#type(ParameterType::String)
            .overwrite(false);
        // The protocol tries again itself: only it knows what an unanswered try means.
        match put.customize().config_override(no_retries()).send().await {
            Ok(_) => Reply::ClaimCreated,
            Err(error) if already_exists(&error) => Reply::ClaimExists,
            Err(error) => Reply::Failed(classify(&error)),
        }
    }

    /// Reads the flag and a claim in one call.
    pub async fn read_back(&self, record: &str) -> Reply {
        let claim_name = self.names.transition(record);
        let read = async {
            let mut found = self.get(vec![self.names.flag().to_owned(), claim_name.clone()]).await?;
            let flag = found
                .remove(self.names.flag())
                .map(|parameter| observation(&parameter))
                .transpose()?;
            let claim = found.remove(&claim_name).and_then(|parameter| {
                Some(StoredClaim {
                    modified: instant(parameter.last_modified_date()?)?,
                    value: parameter.value?,
                })
            });
            Ok(Reply::ReadBack { flag, claim })
        };
        read.await.unwrap_or_else(Reply::Failed)
    }

    /// Writes the flag.
    pub async fn write_flag(&self, value: Colour, description: &str) -> Reply {
        if let Err(failure) = self.may_write() {
            return Reply::Failed(failure);
        }
        match self.put_flag(value, description, true).await {
            Ok(written) => version(written.version()).map_or_else(
                || Reply::Failed(unparsable("PutParameter answered no version")),
                |version| {
                    self.learn(version, None);
                    Reply::Wrote(version)
                },
            ),
            Err(error) => Reply::Failed(classify(&error)),
        }
    }

    /// Creates the flag, if there is none. False if there is one already.
    pub async fn create_flag(&self, value: Colour, description: &str) -> Result<bool, Failure> {
        self.may_write()?;
        match self.put_flag(value, description, false).await {
            Ok(_) => Ok(true),
            Err(error) if already_exists(&error) => Ok(false),
            Err(error) => Err(classify(&error)),
        }
    }

    /// Sent once: only the caller knows what an unanswered try means. The Description is sent as `flag::description` made and
    /// measured it.
    async fn put_flag(
        &self,
        value: Colour,
        description: &str,
        overwrite: bool,
    ) -> Result<PutParameterOutput, SdkError<PutParameterError>> {
        self.client
            .put_parameter()
            .name(self.names.flag())
            .value(value.as_str())
            .r#type(ParameterType::String)
            .allowed_pattern(ALLOWED_PATTERN)
            .description(description)
            .overwrite(overwrite)
            .customize()
            .config_override(no_retries())
            .send()
            .await
    }

    /// All kept versions of the flag, oldest first; empty if there is no flag.
    pub async fn history(&self) -> Result<Vec<HistoryEntry>, Failure> {
        let labelled = self.history_with_labels().await?;
        Ok(labelled.into_iter().map(|(entry, _)| entry).collect())
    }

    /// The same, each version with its labels.
    pub async fn history_with_labels(&self) -> Result<Vec<(HistoryEntry, Vec<String>)>, Failure> {
        let mut entries = Vec::new();
        let mut pages = self
            .client
            .get_parameter_history()
            .name(self.names.flag())
            .max_results(HISTORY_PAGE)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    let failure = classify(&error);
                    if failure.cause.kind == CauseKind::NotFound {
                        return Ok(Vec::new());
                    }
                    return Err(failure);
                }
            };
            for entry in page.parameters() {
                readable(self.names.flag(), entry.r#type())?;
                let modified = entry.last_modified_date().and_then(instant);
                let (Some(value), Some(version), Some(modified)) = (entry.value(), version(entry.version()), modified)
                else {
                    return Err(unparsable(
                        "GetParameterHistory answered a version without value, number or date",
                    ));
                };
                let read = HistoryEntry {
                    value: FlagValue::read(value),
                    version,
                    modified,
                    author: entry.last_modified_user().map(str::to_owned),
                    description: entry.description().filter(|text| !text.is_empty()).map(str::to_owned),
                };
                entries.push((read, entry.labels().to_vec()));
            }
        }
        Ok(entries)
    }

    /// The flag's `AllowedPattern`, if it has one.
    pub async fn allowed_pattern(&self) -> Result<Option<String>, Failure> {
        let filter = ParameterStringFilter::builder()
            .key("Name")
            .option("Equals")
            .values(self.names.flag())
            .build()
            .map_err(|error| unparsable(&error.to_string()))?;
        // A page may be empty and yet not the last one.
        let mut pages = self
            .client
            .describe_parameters()
            .parameter_filters(filter)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| classify(&error))?;
            if let Some(found) = page
                .parameters()
                .iter()
                .find(|parameter| parameter.name() == Some(self.names.flag()))
            {
                return Ok(found.allowed_pattern().map(str::to_owned));
            }
        }
        Err(Failure {
            ambiguous: false,
            passing: true,
            cause: Cause::new(CauseKind::NotFound, "DescribeParameters does not know the flag"),
        })
    }

    /// Every kept writing of the hold, oldest first; empty if there is none.
    pub async fn hold_history(&self) -> Result<Vec<HoldVersion>, Failure> {
        let history = self
            .client
            .get_parameter_history()
            .name(self.names.hold())
            .max_results(HISTORY_PAGE);
        let mut pages = history.into_paginator().send();
        let mut versions = Vec::new();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    let failure = classify(&error);
                    if failure.cause.kind == CauseKind::NotFound {
                        return Ok(Vec::new());
                    }
                    return Err(failure);
                }
            };
            versions.extend(page.parameters().iter().filter_map(|entry| {
                let written = entry.last_modified_date().and_then(instant)?;
                let version = u64::try_from(entry.version()).ok()?;
                Some(HoldVersion {
                    version,
                    stored: StoredHold {
                        value: entry.value()?.to_owned(),
                        change: format!("v{version}-{}", written.as_millisecond()),
                        written,
                    },
                    author: entry.last_modified_user().map(str::to_owned),
                    description: entry.description().map(str::to_owned),
                })
            }));
        }
        Ok(versions)
    }

    /// Transition records by name; those that are gone or unreadable are left out.
    pub async fn records(&self, records: &[String]) -> Result<BTreeMap<String, TransitionRecord>, Failure> {
        // Repeats of a version name its record again, and GetParameters refuses a name that comes twice.
        let mut names: Vec<_> = records.iter().map(|record| self.names.transition(record)).collect();
        names.sort_unstable();
        names.dedup();
        let calls = names.chunks(NAMES_A_CALL).map(|chunk| self.get(chunk.to_vec()));
        let found: HashMap<String, Parameter> = try_join_all(calls).await?.into_iter().flatten().collect();
        Ok(records
            .iter()
            .filter_map(|record| {
                let parameter = found.get(&self.names.transition(record))?;
                let read = TransitionRecord::from_stored(parameter.value()?).ok()?;
                Some((record.clone(), read))
            })
            .collect())
    }

    /// Whether the pair has ever recorded a transition.
    pub async fn has_records(&self) -> Result<bool, Failure> {
        // A page may be empty and yet not the last one.
        let mut pages = self
            .client
            .get_parameters_by_path()
            .path(self.names.transitions())
            .max_results(1)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            if !page.map_err(|error| classify(&error))?.parameters().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Remembers the drill under way, or how the last one ended.
    pub async fn put_drill(&self, drill: &Drill) -> Result<(), Failure> {
        self.put(self.names.drill(), json!(drill).to_string()).await
    }

    /// The hold as it stands now.
    pub async fn hold(&self) -> Result<Option<String>, Failure> {
        let mut found = self.get(vec![self.names.hold()]).await?;
        Ok(found.remove(&self.names.hold()).and_then(|parameter| parameter.value))
    }

    /// What of the hold has been told.
    pub async fn hold_told(&self) -> Result<Option<String>, Failure> {
        let name = self.names.hold_told();
        let mut found = self.get(vec![name.clone()]).await?;
        Ok(found.remove(&name).and_then(|parameter| parameter.value))
    }

    /// Notes what of the hold has been told.
    pub async fn put_hold_told(&self, mark: String) -> Result<(), Failure> {
        self.put(self.names.hold_told(), mark).await
    }

    /// The drill as it stands now.
    pub async fn drill(&self) -> Result<Option<Drill>, Failure> {
        let name = self.names.drill();
        let mut found = self.get(vec![name.clone()]).await?;
        Ok(found
            .remove(&name)
            .and_then(|parameter| Drill::from_stored(parameter.value()?)))
    }

    /// One record, of whatever form, with the date of its creation.
    pub async fn record(&self, record: &str) -> Result<Option<StoredClaim>, Failure> {
        let name = self.names.transition(record);
        let mut found = self.get(vec![name.clone()]).await?;
        Ok(found.remove(&name).and_then(|parameter| {
            Some(StoredClaim {
                modified: instant(parameter.last_modified_date()?)?,
                value: parameter.value?,
            })
        }))
    }

    /// Records of whatever form, in the order of their names; at most ten.
    pub async fn stored_records(&self, records: &[String]) -> Result<Vec<Option<StoredClaim>>, Failure> {
        let names: Vec<_> = records.iter().map(|record| self.names.transition(record)).collect();
        let mut found = self.get(names.clone()).await?;
        let stored = names.iter().map(|name| {
            let parameter = found.remove(name)?;
            Some(StoredClaim {
                modified: instant(parameter.last_modified_date()?)?,
                value: parameter.value?,
            })
        });
        Ok(stored.collect())
    }

    /// The last audited colour, for the day when the flag itself holds none.
    pub async fn last_active(&self) -> Result<Option<Colour>, Failure> {
        let name = self.names.last_active();
        let mut found = self.get(vec![name.clone()]).await?;
        Ok(found.remove(&name).and_then(|parameter| {
            let stored: Value = serde_json::from_str(parameter.value()?).ok()?;
            Colour::parse(stored.get("active")?.as_str()?)
        }))
    }

    /// Notes the last audited colour.
    pub async fn put_last_active(&self, active: Colour, of: Audited) -> Result<(), Failure> {
        let value = json!({"active": active, "version": of.version, "modified": of.at}).to_string();
        self.put(self.names.last_active(), value).await
    }

    /// Notes how far the audit has come; answers the version of the note itself.
    pub async fn put_audited(&self, audited: Audited) -> Result<i64, Failure> {
        self.put_versioned(self.names.audited(), audited.to_stored()).await
    }

    /// What notes of these versions say of how far the audit has come; those that are not kept say nothing.
    pub async fn audited_notes(&self, notes: &[i64]) -> Result<Vec<Audited>, Failure> {
        let names = notes.iter().map(|note| format!("{}:{note}", self.names.audited()));
        let answer = self
            .client
            .get_parameters()
            .set_names(Some(names.collect()))
            .send()
            .await
            .map_err(|error| classify(&error))?;
        Ok(answer.parameters().iter().filter_map(read_audited).collect())
    }

    /// Places or replaces the hold in the name of a request; answers the version that it made.
    pub async fn put_hold(&self, hold: &Hold, request_id: &str) -> Result<u64, Failure> {
        self.may_write()?;
        let written = self
            .client
            .put_parameter()
            .name(self.names.hold())
            .value(as_value(json!(hold).to_string()))
            .r#type(ParameterType::String)
            .description(description(request_id))
            .overwrite(true)
            .send()
            .await
            .map_err(|error| classify(&error))?;
        u64::try_from(written.version()).map_err(|_| unparsable("PutParameter answered no version"))
    }

    /// Puts a hold back that was overwritten by mistake, as it stood.
    pub async fn put_hold_again(&self, value: &str) -> Result<(), Failure> {
        self.put(self.names.hold(), value.to_owned()).await
    }

    /// Requests that were answered and wrote nothing else, as stored.
    pub async fn answered(&self) -> Result<Option<String>, Failure> {
        let name = self.names.answered();
        let mut found = self.get(vec![name.clone()]).await?;
        Ok(found.remove(&name).and_then(|parameter| parameter.value))
    }

    /// Remembers them.
    pub async fn put_answered(&self, text: String) -> Result<(), Failure> {
        self.put(self.names.answered(), text).await
    }

    /// Notes that a person has acknowledged the automatic failovers so far.
    pub async fn put_acknowledged(&self, by: &str, reason: &str, request_id: &str) -> Result<(), Failure> {
        self.put(
            self.names.acknowledged(),
            json!({"by": by, "reason": reason, "request_id": request_id}).to_string(),
        )
        .await
    }

    /// Remembers which DAGs are to run, and how far that has come.
    pub async fn put_managed_dags(&self, text: String) -> Result<(), Failure> {
        self.put(self.names.managed_dags(), text).await
    }

    /// Writes the parts of a list, one after the other: Parameter Store takes three puts a second unless asked for more.
    pub async fn put_managed_dags_parts(&self, list: &str, parts: Vec<String>) -> Result<(), Failure> {
        for (number, part) in parts.into_iter().enumerate() {
            self.put(self.names.managed_dags_part(list, number), part).await?;
        }
        Ok(())
    }

    /// Reads the parts of a list; none if one is missing.
    pub async fn managed_dags_parts(&self, list: &str, count: usize) -> Result<Option<Vec<String>>, Failure> {
        let names: Vec<_> = (0..count)
            .map(|number| self.names.managed_dags_part(list, number))
            .collect();
        let calls = names.chunks(NAMES_A_CALL).map(|chunk| self.get(chunk.to_vec()));
        let mut found: HashMap<String, Parameter> = try_join_all(calls).await?.into_iter().flatten().collect();
        Ok(names.iter().map(|name| found.remove(name)?.value).collect())
    }

    /// Forgets which DAGs are to run.
    pub async fn forget_managed_dags(&self) -> Result<(), Failure> {
        self.delete(self.names.managed_dags()).await
    }

    /// Removes the parts of lists other than those `kept` that were written before `before`.
    pub async fn prune_managed_dags_parts(&self, kept: &[&str], before: Timestamp) -> Result<(), Failure> {
        let kept: Vec<String> = kept
            .iter()
            .map(|list| format!("{}/{list}-", self.names.managed_dags()))
            .collect();
        let mut pages = self
            .client
            .get_parameters_by_path()
            .path(self.names.managed_dags())
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            for parameter in page.map_err(|error| classify(&error))?.parameters() {
                let is_old = parameter
                    .last_modified_date()
                    .and_then(instant)
                    .is_some_and(|modified| modified < before);
                let is_kept = |name: &&str| kept.iter().any(|kept| name.starts_with(kept));
                if let Some(name) = parameter.name().filter(|name| is_old && !is_kept(name)) {
                    self.delete(name.to_owned()).await?;
                }
            }
        }
        Ok(())
    }

    /// Keeps an event that could not be published. One that is kept already is the same request's, delivered twice.
    pub async fn keep_unsent(&self, key: &str, value: &str) -> Result<(), Failure> {
        self.may_write()?;
        let put = self
            .client
            .put_parameter()
            .name(self.names.unsent_event(key))
            .value(as_value(value.to_owned()))
            .r#type(ParameterType::String)
            .overwrite(false);
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) if already_exists(&error) => Ok(()),
            Err(error) => Err(classify(&error)),
        }
    }

    /// Events that could not be published, by their keys; some of them, if there are many.
    pub async fn unsent(&self) -> Result<Vec<(String, String)>, Failure> {
        let path = self.names.unsent();
        // A page may be empty and yet not the last one.
        let mut pages = self.client.get_parameters_by_path().path(&path).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            for parameter in page.map_err(|error| classify(&error))?.parameters() {
                let key = parameter
                    .name()
                    .and_then(|name| name.strip_prefix(&path)?.strip_prefix('/'));
                if let (Some(key), Some(value)) = (key, parameter.value()) {
                    found.push((key.to_owned(), value.to_owned()));
                }
            }
            if found.len() >= NAMES_A_CALL {
                break;
            }
        }
        Ok(found)
    }

    /// Removes an event that was published.
    pub async fn delete_unsent(&self, key: &str) -> Result<(), Failure> {
        self.delete(self.names.unsent_event(key)).await
    }

    /// Removes the record of a version that SSM has forgotten.
    pub async fn delete_record(&self, record: &str) -> Result<(), Failure> {
        self.delete(self.names.transition(record)).await
    }

    async fn get(&self, names: Vec<String>) -> Result<HashMap<String, Parameter>, Failure> {
        let answer = self
            .client
            .get_parameters()
            .set_names(Some(names))
            .send()
            .await
            .map_err(|error| classify(&error))?;
        // Half an answer must not pass for a flag that holds garbage, a hold that nobody placed or a claim that nobody made.
        answer
            .parameters
            .unwrap_or_default()
            .into_iter()
            .map(|parameter| match parameter.name.clone() {
                Some(name) if parameter.value().is_some() => Ok((name, parameter)),
                name => Err(unparsable(&format!(
                    "GetParameters answered {} without a value",
                    name.as_deref().unwrap_or("a parameter without name")
                ))),
            })
            .collect()
    }

    async fn put(&self, name: String, value: String) -> Result<(), Failure> {
        self.put_versioned(name, value).await.map(drop)
    }

    /// Writes; answers which version of the parameter that made.
    async fn put_versioned(&self, name: String, value: String) -> Result<i64, Failure> {
        self.may_write()?;
        self.client
            .put_parameter()
            .name(name)
            .value(as_value(value))
            .r#type(ParameterType::String)
            .overwrite(true)
            .send()
            .await
            .map(|written| written.version())
            .map_err(|error| classify(&error))
    }

    async fn delete(&self, name: String) -> Result<(), Failure> {
        self.may_write()?;
        match self.client.delete_parameter().name(name).send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let failure = classify(&error);
                if failure.cause.kind == CauseKind::NotFound {
                    Ok(())
                } else {
                    Err(failure)
                }
            }
        }
    }
}

fn no_retries() -> aws_sdk_ssm::config::Builder {
    aws_sdk_ssm::Config::builder().retry_config(retries(1))
}

fn already_exists(error: &SdkError<PutParameterError>) -> bool {
    error
        .as_service_error()
        .is_some_and(PutParameterError::is_parameter_already_exists)
}

fn unparsable(message: &str) -> Failure {
    Failure {
        ambiguous: true,
        passing: true,
        cause: Cause::new(CauseKind::Unparsable, message),
    }
}

/// The memory, and the version of its parameter.
fn memory(parameter: Option<Parameter>) -> (Memory, i64) {
    let version = parameter.as_ref().map_or(0, Parameter::version);
    let value = parameter.and_then(|parameter| parameter.value);
    (value.as_deref().map(Memory::read).unwrap_or_default(), version)
}

fn read_audited(parameter: &Parameter) -> Option<Audited> {
    Audited::read(parameter.value()?, instant(parameter.last_modified_date()?)?)
}

/// Read without decryption the value of a `SecureString` is ciphertext. A flag of that type counts as one that cannot be read: as
/// garbage it would be written over, which Parameter Store refuses, because it changes no parameter's type.
fn readable(name: &str, r#type: Option<&ParameterType>) -> Result<(), Failure> {
    if r#type != Some(&ParameterType::SecureString) {
        return Ok(());
    }
    Err(Failure {
        ambiguous: false,
        passing: false,
        cause: Cause::new(
            CauseKind::Unparsable,
            format!(
                "{name} is a SecureString, whose value is encrypted; the flag must be a String: delete it, wait 30 s, then name \
                 the colour that was active: {{\"action\":\"initialize\",\"to\":\"<colour>\",\"force\":true}}"
            ),
        ),
    })
}

fn observation(parameter: &Parameter) -> Result<FlagObservation, Failure> {
    readable(parameter.name().unwrap_or("the flag"), parameter.r#type())?;
    let modified = parameter.last_modified_date().and_then(instant);
    let (Some(value), Some(version), Some(modified)) = (parameter.value(), version(parameter.version()), modified)
    else {
        return Err(unparsable(
            "GetParameters answered a flag without value, version or date",
        ));
    };
    Ok(FlagObservation {
        value: FlagValue::read(value),
        version,
        modified,
    })
}

/// Versions count from 1; the SDK gives 0 where the answer has none.
fn version(number: i64) -> Option<FlagVersion> {
    u64::try_from(number).ok().filter(|number| *number > 0).map(FlagVersion)
}

/// To the nearest millisecond: SSM sends seconds with three decimals, which a binary fraction can miss by a hair.
fn instant(date: &DateTime) -> Option<Timestamp> {
    let milliseconds = date.as_nanos().checked_add(500_000)?.div_euclid(1_000_000);
    Timestamp::from_millisecond(i64::try_from(milliseconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_to_the_nearest_millisecond() {
        for (seconds, nanos, expected) in [
            (1_764_000_000, 122_999_906, 123),
            (1_764_000_000, 123_000_144, 123),
            (0, 0, 0),
        ] {
            let read = instant(&DateTime::from_secs_and_nanos(seconds, nanos)).unwrap();
            assert_eq!(read.as_millisecond(), seconds * 1000 + expected);
        }
    }
}
