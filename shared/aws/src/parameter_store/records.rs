//! Transition records; creating one is the claim.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_ssm::types::{Parameter, ParameterType};
use bluegreen_core::claim::{Failure, Reply, StoredClaim};
use bluegreen_core::identity::with_pair;
use bluegreen_core::parameters::{NAMES_A_CALL, as_value};
use bluegreen_core::transition::TransitionRecord;
use futures_util::future::try_join_all;

use super::parsing::{already_exists, instant, no_retries};
use super::store::ParameterStore;
use crate::error::classify;

impl ParameterStore {
    /// Creates a transition record; the create-only put is the claim. The record is stored with the name of the pair in
    /// it, see [`with_pair`]: a comparison of texts must use that form.
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
        // The protocol itself retries: only the protocol knows what an unanswered try means.
        match put.customize().config_override(no_retries()).send().await {
            Ok(_) => Reply::ClaimCreated,
            Err(error) if already_exists(&error) => Reply::ClaimExists,
            Err(error) => Reply::Failed(classify(&error)),
        }
    }

    /// Transition records by name; missing and unreadable ones are left out.
    pub async fn records(&self, records: &[String]) -> Result<BTreeMap<String, TransitionRecord>, Failure> {
        // Repeats of a version name its record again, and GetParameters refuses a name that is given twice.
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
        // A page may be empty without being the last one.
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

    /// Removes the record of a version that SSM no longer keeps.
    pub async fn delete_record(&self, record: &str) -> Result<(), Failure> {
        self.delete(self.names.transition(record)).await
    }
}
