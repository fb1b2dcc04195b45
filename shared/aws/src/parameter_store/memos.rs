//! The small memories beside the flag: the drill, how far the audit has come, what was answered, what could not be
//! sent.

use aws_sdk_ssm::types::ParameterType;
use bluegreen_core::audit::{Audited, Unsent};
use bluegreen_core::claim::Failure;
use bluegreen_core::color::Color;
use bluegreen_core::drill::Drill;
use bluegreen_core::parameters::{NAMES_A_CALL, as_value};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::parsing::{already_exists, instant, read_audited};
use super::store::ParameterStore;
use crate::error::classify;

/// An acknowledgement, by a person, of the automatic failovers so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The time: the parameter's date, not its value, because the flag's versions are dated by SSM's clock, too.
    pub at: Timestamp,
    /// The request that made it; `None` if somebody else has written the parameter.
    pub request_id: Option<String>,
    /// When that request began, by the function's clock: the date of its event.
    pub requested_at: Option<Timestamp>,
}

impl ParameterStore {
    /// Stores the drill under way, or how the last one ended.
    pub async fn put_drill(&self, drill: &Drill) -> Result<(), Failure> {
        self.put(self.names.drill(), json!(drill).to_string()).await
    }

    /// The drill as it is stored now.
    pub async fn drill(&self) -> Result<Option<Drill>, Failure> {
        let name = self.names.drill();
        let mut found = self.get(vec![name.clone()]).await?;
        Ok(found
            .remove(&name)
            .and_then(|parameter| Drill::from_stored(parameter.value()?)))
    }

    /// The last audited color, for the case that the flag itself holds none.
    pub async fn last_active(&self) -> Result<Option<Color>, Failure> {
        let name = self.names.last_active();
        let mut found = self.get(vec![name.clone()]).await?;
        Ok(found.remove(&name).and_then(|parameter| {
            let stored: Value = serde_json::from_str(parameter.value()?).ok()?;
            Color::parse(stored.get("active")?.as_str()?)
        }))
    }

    /// Records the last audited color.
    pub async fn put_last_active(&self, active: Color, of: Audited) -> Result<(), Failure> {
        let value = json!({"active": active, "version": of.version, "modified": of.at}).to_string();
        self.put(self.names.last_active(), value).await
    }

    /// Records how far the audit has come; returns the version of `audited` itself.
    pub async fn put_audited(&self, audited: Audited) -> Result<i64, Failure> {
        self.put_versioned(self.names.audited(), audited.to_stored()).await
    }

    /// How far the audit had come in these versions of `audited`; versions that are no longer kept are left out.
    pub async fn audited_notes(&self, notes: &[i64]) -> Result<Vec<Audited>, Failure> {
        let kept = self.versions_of(&self.names.audited(), notes.iter().copied()).await?;
        Ok(kept.iter().filter_map(read_audited).collect())
    }

    /// Requests that were answered and wrote nothing else, as stored.
    pub async fn answered(&self) -> Result<Option<String>, Failure> {
        let name = self.names.answered();
        let mut found = self.get(vec![name.clone()]).await?;
        Ok(found.remove(&name).and_then(|parameter| parameter.value))
    }

    /// Stores the requests that were answered and wrote nothing else.
    pub async fn put_answered(&self, text: String) -> Result<(), Failure> {
        self.put(self.names.answered(), text).await
    }

    /// When a person last acknowledged, by a release, the automatic failovers before it. Read only if there are some to
    /// acknowledge, so that no calm observation needs it.
    pub async fn acknowledgement(&self) -> Result<Option<Acknowledgement>, Failure> {
        let name = self.names.acknowledged();
        let mut found = self.get(vec![name.clone()]).await?;
        Ok(found.remove(&name).and_then(|parameter| {
            let stored: Option<Value> = parameter.value().and_then(|value| serde_json::from_str(value).ok());
            let field = |name: &str| stored.as_ref()?.get(name)?.as_str();
            Some(Acknowledgement {
                at: instant(parameter.last_modified_date()?)?,
                request_id: field("request_id").map(str::to_owned),
                requested_at: field("requested_at").and_then(|at| at.parse().ok()),
            })
        }))
    }

    /// Records that a person has acknowledged the automatic failovers so far.
    pub async fn put_acknowledged(
        &self,
        by: &str,
        reason: &str,
        request_id: &str,
        requested_at: Timestamp,
    ) -> Result<(), Failure> {
        let value = json!({"by": by, "reason": reason, "request_id": request_id, "requested_at": requested_at});
        self.put(self.names.acknowledged(), value.to_string()).await
    }

    /// Keeps an event of the request `key`, unless one of this request is kept already; whether it is this one.
    pub async fn keep_unsent(&self, key: &str, value: &str) -> Result<bool, Failure> {
        self.may_write()?;
        let put = self
            .client
            .put_parameter()
            .name(self.names.unsent_event(key))
            .value(as_value(value.to_owned()))
            .r#type(ParameterType::String)
            .overwrite(false);
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if already_exists(&error) => {
                // This may have been the first try of this very put, whose answer was lost. Where that cannot be read, it is
                // the watcher's to publish, like that of another delivery.
                let kept = self.unsent_of(key).await.ok().flatten();
                Ok(kept.is_some_and(|kept| kept == as_value(value.to_owned())))
            }
            Err(error) => Err(classify(&error)),
        }
    }

    /// The event of the request `key`, if one is kept.
    pub async fn unsent_of(&self, key: &str) -> Result<Option<String>, Failure> {
        let name = self.names.unsent_event(key);
        let mut found = self.get(vec![name.clone()]).await?;
        Ok(found
            .remove(&name)
            .and_then(|parameter| parameter.value().map(str::to_owned)))
    }

    /// Marks an event as published.
    pub async fn mark_sent(&self, key: &str, value: &str) -> Result<(), Failure> {
        self.put(self.names.unsent_event(key), value.to_owned()).await
    }

    /// Events that could not be published, by their keys; only some of them, if there are many. Those that only stay for
    /// another delivery hide none of them.
    pub async fn unsent(&self) -> Result<Vec<(String, String)>, Failure> {
        let path = self.names.unsent();
        // A page may be empty without being the last one.
        let mut pages = self.client.get_parameters_by_path().path(&path).into_paginator().send();
        let (mut found, mut waiting) = (Vec::new(), 0_usize);
        while let Some(page) = pages.next().await {
            for parameter in page.map_err(|error| classify(&error))?.parameters() {
                let key = parameter
                    .name()
                    .and_then(|name| name.strip_prefix(&path)?.strip_prefix('/'));
                if let (Some(key), Some(value)) = (key, parameter.value()) {
                    let is_sent = Unsent::read(value).is_some_and(|kept| kept.is_sent());
                    waiting = waiting.saturating_add(usize::from(!is_sent));
                    found.push((key.to_owned(), value.to_owned()));
                }
            }
            if waiting >= NAMES_A_CALL {
                break;
            }
        }
        Ok(found)
    }

    /// Removes an event that was published.
    pub async fn delete_unsent(&self, key: &str) -> Result<(), Failure> {
        self.delete(self.names.unsent_event(key)).await
    }
}
