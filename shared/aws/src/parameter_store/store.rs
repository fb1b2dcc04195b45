//! The parameters of one pair, and the requests that the other modules are built on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{Parameter, ParameterHistory, ParameterType};
use bluegreen_core::claim::Failure;
use bluegreen_core::flag::{FlagObservation, FlagVersion};
use bluegreen_core::health::{Cause, CauseKind};
use bluegreen_core::identity::Ownership;
use bluegreen_core::parameters::{ParameterNames, as_value};
use jiff::Timestamp;
use tokio::time::Instant;

use super::parsing::unparsable;
use crate::error::classify;

/// Versions on one page of GetParameterHistory.
const HISTORY_PAGE: i32 = 50;

/// The parameters of one pair.
#[derive(Debug, Clone)]
pub struct ParameterStore {
    pub(super) client: Client,
    pub(super) names: ParameterNames,
    pub(super) pair: String,
    /// Why nothing may be written, as of the last observation of the root.
    refusal: Arc<std::sync::Mutex<Option<String>>>,
    newest: Arc<std::sync::Mutex<Option<Newest>>>,
}

/// How long the newest known version of the flag is remembered. No stale reading is so old, and an error of this
/// process ends after it.
const NEWEST_FOR: Duration = Duration::from_secs(60);

/// The newest version of the flag that this process has seen or written: Parameter Store's readings are eventually
/// consistent, and none may be older than what is known.
#[derive(Debug, Clone, Copy)]
struct Newest {
    version: FlagVersion,
    /// The version was written at this instant, or later.
    modified: Timestamp,
    known_at: Instant,
}

impl ParameterStore {
    /// The parameters of one flag, over a client.
    pub fn new(client: Client, names: ParameterNames) -> Self {
        Self {
            client,
            names,
            pair: String::new(),
            refusal: Arc::default(),
            newest: Arc::default(),
        }
    }

    /// The same for one pair: it writes nothing to a root that belongs to another pair.
    #[must_use]
    pub fn of_pair(self, pair: &str) -> Self {
        Self {
            pair: pair.to_owned(),
            ..self
        }
    }

    /// The name of the pair.
    pub fn pair(&self) -> &str {
        &self.pair
    }

    /// Whether the root may be written to, as of the last observation of it. Every write asks; a use case that does
    /// more than write asks first.
    pub fn may_write(&self) -> Result<(), Failure> {
        // A poisoned lock still holds what was seen before.
        let refusal = self.refusal.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match refusal.as_ref() {
            None => Ok(()),
            Some(refusal) => Err(Failure {
                ambiguous: false,
                retryable: false,
                cause: Cause::new(CauseKind::WrongPair, refusal.clone()),
            }),
        }
    }

    /// The names of the parameters.
    pub fn names(&self) -> &ParameterNames {
        &self.names
    }

    pub(super) async fn get(&self, names: Vec<String>) -> Result<HashMap<String, Parameter>, Failure> {
        let answer = self
            .client
            .get_parameters()
            .set_names(Some(names))
            .send()
            .await
            .map_err(|error| classify(&error))?;
        // A partial answer must not be taken for a flag that holds garbage, a hold that nobody placed or a claim that
        // nobody made.
        answer
            .parameters
            .unwrap_or_default()
            .into_iter()
            .map(|parameter| match parameter.name.clone() {
                Some(name) if parameter.value().is_some() => Ok((name, parameter)),
                _ => Err(without_value(&parameter)),
            })
            .collect()
    }

    /// These versions of a parameter, at most ten, in any order; versions that are no longer kept are left out.
    pub(super) async fn versions_of(
        &self,
        name: &str,
        versions: impl Iterator<Item = i64>,
    ) -> Result<Vec<Parameter>, Failure> {
        let names = versions.map(|version| format!("{name}:{version}"));
        let answer = self
            .client
            .get_parameters()
            .set_names(Some(names.collect()))
            .send()
            .await
            .map_err(|error| classify(&error))?;
        let found = answer.parameters.unwrap_or_default();
        match found.iter().find(|parameter| parameter.value().is_none()) {
            Some(partial) => Err(without_value(partial)),
            None => Ok(found),
        }
    }

    pub(super) async fn put(&self, name: String, value: String) -> Result<(), Failure> {
        self.put_versioned(name, value).await.map(drop)
    }

    /// Writes a value; returns the version of the parameter that this created.
    pub(super) async fn put_versioned(&self, name: String, value: String) -> Result<i64, Failure> {
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

    pub(super) async fn delete(&self, name: String) -> Result<(), Failure> {
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

    /// The version of the flag that this process knows, if this reading is older.
    pub fn knows_newer_than(&self, flag: &FlagObservation) -> Option<FlagVersion> {
        let newest = self
            .newest
            .lock()
            .ok()?
            .filter(|newest| newest.known_at.elapsed() < NEWEST_FOR)?;
        // A version with a lower number and a later date belongs to a re-created flag.
        (flag.version < newest.version && flag.modified <= newest.modified).then_some(newest.version)
    }

    pub(super) fn learn(&self, version: FlagVersion, modified: Option<Timestamp>) {
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

    pub(super) fn learn_whose_it_is(&self, stored: Option<&str>) -> Ownership {
        if self.pair.is_empty() {
            return Ownership::default();
        }
        let ownership = Ownership::read(stored, &self.pair);
        let refusal = ownership.refusal(&self.pair, self.names.root());
        *self.refusal.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = refusal;
        ownership
    }

    /// All kept versions of a parameter, oldest first; empty if there is no parameter of that name.
    pub(super) async fn kept_versions(&self, name: &str) -> Result<Vec<ParameterHistory>, Failure> {
        let history = self.client.get_parameter_history().name(name).max_results(HISTORY_PAGE);
        let mut pages = history.into_paginator().send();
        let mut versions = Vec::new();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => versions.extend(page.parameters.unwrap_or_default()),
                Err(error) => {
                    let failure = classify(&error);
                    let is_absent = failure.cause.kind == CauseKind::NotFound;
                    return if is_absent { Ok(Vec::new()) } else { Err(failure) };
                }
            }
        }
        Ok(versions)
    }
}

fn without_value(parameter: &Parameter) -> Failure {
    let name = parameter.name().unwrap_or("a parameter without name");
    unparsable(&format!("GetParameters answered {name} without a value"))
}
