//! The flag and its history.

use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::put_parameter::{PutParameterError, PutParameterOutput};
use aws_sdk_ssm::types::{ParameterStringFilter, ParameterType};
use bluegreen_core::claim::{Failure, Reply, StoredClaim};
use bluegreen_core::color::Color;
use bluegreen_core::flag::{ALLOWED_PATTERN, FlagValue, HistoryEntry};
use bluegreen_core::health::{Cause, CauseKind};

use super::parsing::{already_exists, instant, no_retries, observation, readable, unparsable, version};
use super::store::ParameterStore;
use crate::error::classify;

impl ParameterStore {
    /// Writes the flag, once, over any present value; the claim must come first.
    pub async fn write_flag(&self, value: Color, description: &str) -> Reply {
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

    /// Creates the flag, if there is none. Returns false if there is one already.
    pub async fn create_flag(&self, value: Color, description: &str) -> Result<bool, Failure> {
        self.may_write()?;
        match self.put_flag(value, description, false).await {
            Ok(_) => Ok(true),
            Err(error) if already_exists(&error) => Ok(false),
            Err(error) => Err(classify(&error)),
        }
    }

    /// Sent once: only the caller knows what an unanswered try means. The Description is sent exactly as
    /// `flag::description` built and measured it.
    async fn put_flag(
        &self,
        value: Color,
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
        let labeled = self.history_with_labels().await?;
        Ok(labeled.into_iter().map(|(entry, _)| entry).collect())
    }

    /// The same, each version with its labels.
    pub async fn history_with_labels(&self) -> Result<Vec<(HistoryEntry, Vec<String>)>, Failure> {
        let kept = self.kept_versions(self.names.flag()).await?;
        kept.iter()
            .map(|entry| {
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
                Ok((read, entry.labels().to_vec()))
            })
            .collect()
    }

    /// The flag's `AllowedPattern`, if it has one.
    pub async fn allowed_pattern(&self) -> Result<Option<String>, Failure> {
        let filter = ParameterStringFilter::builder()
            .key("Name")
            .option("Equals")
            .values(self.names.flag())
            .build()
            .map_err(|error| unparsable(&error.to_string()))?;
        // A page may be empty without being the last one.
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
            retryable: true,
            cause: Cause::new(CauseKind::NotFound, "DescribeParameters does not know the flag"),
        })
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
}
