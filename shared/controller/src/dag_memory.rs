//! What is remembered of the DAGs between two reconciliations.

use std::collections::BTreeSet;
use std::time::Duration;

use bluegreen_aws::dag_list_storage::{LONGEST_INLINE, LONGEST_INLINE_OWED, pack, unpack};
use bluegreen_core::dag_management::{Progress, Remembered};
use bluegreen_core::time::before;
use serde_json::json;

use crate::function_error::FunctionError;
use crate::services::Services;

/// How long lists are kept that nothing refers to any more: a slower writer may be about to refer to one.
const KEEP_LISTS: Duration = Duration::from_secs(600);

/// What is remembered: as it is to be stored, and as it is stored.
pub(crate) struct DagMemory<'a> {
    services: &'a Services,
    /// The progress as it is to be stored.
    pub(crate) progress: Progress,
    /// The progress as it is stored.
    stored: Option<Progress>,
    /// The DAGs that are to run, once they have been read from where they are kept.
    wanted: Option<BTreeSet<String>>,
}

impl<'a> DagMemory<'a> {
    pub(crate) fn new(services: &'a Services, stored: Option<Progress>, progress: Progress) -> Self {
        Self {
            services,
            progress,
            stored,
            wanted: None,
        }
    }

    pub(crate) async fn wanted(&mut self) -> Result<Option<BTreeSet<String>>, FunctionError> {
        if self.wanted.is_none()
            && let Some(remembered) = &self.progress.unpaused
        {
            self.wanted = self.unpacked(remembered).await?;
        }
        Ok(self.wanted.clone())
    }

    pub(crate) async fn unpacked(&self, remembered: &Remembered) -> Result<Option<BTreeSet<String>>, FunctionError> {
        let ids = match (&remembered.ids, &remembered.parts) {
            (Some(ids), _) => Some(ids.clone()),
            (None, Some(parts)) => self
                .services
                .store
                .managed_dags_parts(&parts.name, parts.count)
                .await
                .map_err(|failure| FunctionError::unreadable("reading which DAGs are to run", failure.cause))?
                .and_then(|parts| unpack(&parts, remembered.count)),
            (None, None) => None,
        };
        if ids.is_none() {
            tracing::error!(list = ?remembered.parts, "the remembered DAGs cannot be read");
        }
        Ok(ids)
    }

    pub(crate) async fn remember(&mut self, wanted: BTreeSet<String>) -> Result<(), FunctionError> {
        let Some(remembered) = self.packed(&wanted, LONGEST_INLINE).await? else {
            return Ok(());
        };
        self.progress.unpaused = Some(remembered);
        self.wanted = Some(wanted);
        self.save().await
    }

    pub(crate) async fn owe(&mut self, pending_unpause: BTreeSet<String>) -> Result<(), FunctionError> {
        let pending_unpause = if pending_unpause.is_empty() {
            None
        } else {
            self.packed(&pending_unpause, LONGEST_INLINE_OWED).await?
        };
        self.progress.pending_unpause = pending_unpause;
        self.save().await
    }

    /// Writes the parts before the parameter that names them: it never names a part that does not exist.
    async fn packed(&self, ids: &BTreeSet<String>, longest_inline: usize) -> Result<Option<Remembered>, FunctionError> {
        let Some(packed) = pack(ids, longest_inline) else {
            tracing::error!(
                count = ids.len(),
                "too many DAGs to remember; what was remembered before is kept"
            );
            return Ok(None);
        };
        if let Some(parts) = &packed.remembered.parts {
            let known = [&self.progress.unpaused, &self.progress.pending_unpause];
            if !known
                .into_iter()
                .flatten()
                .any(|list| list.parts.as_ref() == Some(parts))
            {
                let put = self
                    .services
                    .store
                    .put_managed_dags_parts(&parts.name, packed.parts)
                    .await;
                put.map_err(FunctionError::undelivered("remembering which DAGs are to run"))?;
            }
        }
        Ok(Some(packed.remembered))
    }

    pub(crate) async fn save(&mut self) -> Result<(), FunctionError> {
        if self.stored.as_ref() == Some(&self.progress) {
            return Ok(());
        }
        let put = self
            .services
            .store
            .put_managed_dags(json!(self.progress).to_string())
            .await;
        put.map_err(FunctionError::undelivered(
            "remembering how far DAG management has come",
        ))?;
        let was = self.stored.replace(self.progress.clone());
        self.prune(was.as_ref()).await;
        Ok(())
    }

    /// Removes lists that nothing refers to any more. The list that was named until now stays until the next change: a
    /// slower writer may be about to name it again.
    async fn prune(&self, was: Option<&Progress>) {
        fn lists(progress: &Progress) -> Vec<&str> {
            [&progress.unpaused, &progress.pending_unpause]
                .into_iter()
                .filter_map(|list| Some(list.as_ref()?.parts.as_ref()?.name.as_str()))
                .collect()
        }
        let named = lists(&self.progress);
        let were_named = was.map(lists).unwrap_or_default();
        if were_named == named {
            return;
        }
        let kept = [named, were_named].concat();
        let old = before(self.services.clock.now(), KEEP_LISTS);
        if let Err(failure) = self.services.store.prune_managed_dags_parts(&kept, old).await {
            tracing::warn!(error = %failure.cause, "old lists of DAGs were not removed");
        }
    }
}
