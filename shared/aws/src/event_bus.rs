//! EventBridge: the pair's audit bus.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_smithy_types::DateTime;
use bluegreen_core::audit::{AuditEvent, SOURCE};
use bluegreen_core::claim::Failure;
use bluegreen_core::health::{Cause, CauseKind};

use crate::clients::OnDemand;
use crate::error::classify;

/// The maximum number of entries in one PutEvents.
const ENTRIES_A_CALL: usize = 10;

/// The pair's audit bus.
#[derive(Debug, Clone)]
pub struct EventBus {
    client: OnDemand<Client>,
    name: String,
}

impl EventBus {
    /// The named bus, over a client.
    pub fn new(client: OnDemand<Client>, name: String) -> Self {
        Self { client, name }
    }

    /// Sends events, in order. A refused entry is an error: the caller sends all again, with the same ids.
    pub async fn send(&self, events: &[AuditEvent]) -> Result<(), Failure> {
        for chunk in events.chunks(ENTRIES_A_CALL) {
            let entries = chunk.iter().map(|event| {
                PutEventsRequestEntry::builder()
                    .event_bus_name(&self.name)
                    .source(SOURCE)
                    .detail_type(event.detail_type.as_str())
                    .time(DateTime::from_millis(event.at.as_millisecond()))
                    .detail(event.detail.to_string())
                    .build()
            });
            let answer = self
                .client
                .put_events()
                .set_entries(Some(entries.collect()))
                .send()
                .await
                .map_err(|error| classify(&error))?;
            if let Some(refused) = answer.entries().iter().find(|entry| entry.error_code().is_some()) {
                return Err(Failure {
                    ambiguous: false,
                    retryable: true,
                    cause: Cause::new(
                        CauseKind::Rejected,
                        format!(
                            "{} of {} events refused by bus {}: {}: {}",
                            answer.failed_entry_count(),
                            chunk.len(),
                            self.name,
                            refused.error_code().unwrap_or("?"),
                            refused.error_message().unwrap_or("?")
                        ),
                    ),
                });
            }
        }
        Ok(())
    }
}
