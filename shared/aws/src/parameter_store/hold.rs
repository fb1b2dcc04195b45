//! The hold, and which of its changes were reported.

use aws_sdk_ssm::types::ParameterType;
use bluegreen_core::claim::Failure;
use bluegreen_core::hold::{Hold, HoldVersion, StoredHold, description};
use bluegreen_core::parameters::as_value;
use serde_json::json;

use super::parsing::{instant, unparsable};
use super::store::ParameterStore;
use crate::error::classify;

impl ParameterStore {
    /// Every kept write of the hold, oldest first; empty if there is none.
    pub async fn hold_history(&self) -> Result<Vec<HoldVersion>, Failure> {
        let kept = self.kept_versions(&self.names.hold()).await?;
        let versions = kept.iter().filter_map(|entry| {
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
        });
        Ok(versions.collect())
    }

    /// The hold as it is stored now; `None` if there is none.
    pub async fn hold(&self) -> Result<Option<String>, Failure> {
        let mut found = self.get(vec![self.names.hold()]).await?;
        Ok(found.remove(&self.names.hold()).and_then(|parameter| parameter.value))
    }

    /// Which change of the hold was reported last.
    pub async fn hold_reported(&self) -> Result<Option<String>, Failure> {
        let name = self.names.hold_reported();
        let mut found = self.get(vec![name.clone()]).await?;
        Ok(found.remove(&name).and_then(|parameter| parameter.value))
    }

    /// Records which change of the hold was reported last.
    pub async fn put_hold_reported(&self, mark: String) -> Result<(), Failure> {
        self.put(self.names.hold_reported(), mark).await
    }

    /// Places or replaces the hold on behalf of a request; returns the version that this created.
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

    /// Restores, unchanged, a hold that was overwritten by mistake.
    pub async fn put_hold_again(&self, value: &str) -> Result<(), Failure> {
        self.put(self.names.hold(), value.to_owned()).await
    }
}
