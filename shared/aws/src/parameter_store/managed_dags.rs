//! The DAGs that are to run.

use std::collections::HashMap;

use aws_sdk_ssm::types::Parameter;
use bluegreen_core::claim::Failure;
use bluegreen_core::parameters::NAMES_A_CALL;
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::parsing::instant;
use super::store::ParameterStore;
use crate::error::classify;

impl ParameterStore {
    /// Stores which DAGs are to run, and how far pausing and unpausing have come.
    pub async fn put_managed_dags(&self, text: String) -> Result<(), Failure> {
        self.put(self.names.managed_dags(), text).await
    }

    /// Writes the parts of a list, in sequence: Parameter Store accepts three puts a second, unless the limit is
    /// raised.
    pub async fn put_managed_dags_parts(&self, list: &str, parts: Vec<String>) -> Result<(), Failure> {
        for (number, part) in parts.into_iter().enumerate() {
            self.put(self.names.managed_dags_part(list, number), part).await?;
        }
        Ok(())
    }

    /// Reads the parts of a list; `None` if one is missing.
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

    /// Removes the parts of lists other than those in `kept` that were written before `before`.
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
}
