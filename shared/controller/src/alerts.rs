//! What people are notified of once: a blocked failover, a broken flag, an active environment whose state is unknown.

use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::alert_dedup::{
    Announcement, Notice, Subject as Announced, first_of, first_of_row, is_replaced, remembered_since,
};
use bluegreen_core::audit::{self, AuditEvent};
use bluegreen_core::decision::FlagState;
use bluegreen_core::memory::Field;
use bluegreen_core::time::elapsed;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::function_error::FunctionError;
use crate::observation::Observation;
use crate::services::Services;

/// What is wrong with the flag, if anything. A pair without a past is only not initialized yet.
pub(crate) async fn flag_fault(services: &Services, observed: &Observed, observation: &Observation) -> Option<String> {
    match &observation.flag {
        FlagState::Unreadable(_) => None,
        FlagState::Present(flag) if flag.value.color().is_some() => None,
        FlagState::Present(flag) => Some(flag.value.fault()),
        FlagState::Missing => {
            let has_past = observed.audited.is_some()
                || services.store.has_records().await.unwrap_or_else(|failure| {
                    tracing::warn!(error = %failure.cause, "the transition records could not be read");
                    false
                });
            if has_past {
                Some(audit::FLAG_DELETED.to_owned())
            } else {
                tracing::warn!(
                    "this pair is not initialized: invoke the switch-handler with {{\"action\":\"initialize\"}}"
                );
                None
            }
        }
    }
}

/// Whether the state of the active environment has been unknown for longer than acceptable.
pub(crate) fn is_long_in_doubt(
    services: &Services,
    observed: &Observed,
    observation: &Observation,
    now: Timestamp,
) -> bool {
    let Some((_, patience)) = observation.doubt(&services.settings.policy) else {
        return false;
    };
    let flag = observation.flag_label(observed);
    remembered_since(observed.doubt.as_deref(), Announced::ActiveUnknown, &flag)
        .is_some_and(|since| elapsed(since, now) >= patience)
}

/// Publishes once that a failover is blocked, or that the flag is broken.
pub(crate) async fn announce(
    services: &Services,
    observed: &Observed,
    observation: &Observation,
    fault: Option<&str>,
    now: Timestamp,
) -> Result<(), FunctionError> {
    let flag = observation.flag_label(observed);
    let stored = observed.announced.as_deref();
    say_once(
        services,
        observed,
        Field::Announced,
        stored,
        observation.found(&flag, fault.is_some()).notice(stored, now),
        |announcement| {
            let subject = services.subject();
            match announcement.topic.subject {
                Announced::FlagFault => audit::flag_fault(subject, &flag, fault.unwrap_or_default(), now),
                Announced::FailoverBlocked | Announced::ActiveUnknown => audit::blocked(
                    subject,
                    &flag,
                    observation.active(),
                    announcement.since,
                    &observation.decision,
                    &observation.verdicts,
                    now,
                ),
            }
        },
    )
    .await
}

/// Publishes once that the state of the active environment has been unknown for too long.
pub(crate) async fn announce_doubt(
    services: &Services,
    observation: &Observation,
    now: Timestamp,
) -> Result<(), FunctionError> {
    let Ok(observed) = &observation.observed else {
        return Ok(());
    };
    let stored = observed.doubt.as_deref();
    let flag = observation.flag_label(observed);
    let Some(active) = observation.active() else {
        return Ok(());
    };
    let verdict = observation.verdicts.of(active).verdict;
    let notice = observation
        .found(&flag, false)
        .notice_of_doubt(&services.settings.policy, stored, now);
    say_once(services, observed, Field::Doubt, stored, notice, |announcement| {
        audit::active_unknown(
            services.subject(),
            &flag,
            announcement.since,
            (Some(active), verdict),
            &observation.decision,
            &observation.verdicts,
            now,
        )
    })
    .await
}

/// Carries a notice out: publishes, remembers or forgets.
async fn say_once(
    services: &Services,
    observed: &Observed,
    field: Field,
    stored: Option<&str>,
    notice: Notice,
    event: impl FnOnce(&Announcement) -> AuditEvent,
) -> Result<(), FunctionError> {
    let remember = |value: Option<Value>| services.store.remember(&observed.memory, field, value);
    match notice {
        Notice::Quiet => Ok(()),
        Notice::Forget => remember(None)
            .await
            .map_err(FunctionError::undelivered("forgetting what was announced")),
        Notice::Remember(announcement) => remember(Some(json!(announcement)))
            .await
            .map_err(FunctionError::undelivered("remembering what may have to be announced")),
        Notice::Say(announcement) => {
            // Remembered before it is published, so that a repeat after a crash carries the same id.
            let unsaid = Announcement {
                said: false,
                ..announcement.clone()
            };
            let is_remembered = stored
                .is_some_and(|before| serde_json::from_str(before).is_ok_and(|before: Announcement| before == unsaid));
            // Of several ticks at once, the first to remember it gives it its id.
            let first = if is_remembered {
                // Found unsaid: its writer died, or is one of several that do not know yet who is first.
                let before = services.store.remembered_before(&observed.memory, field).await;
                before.map(|before| first_of_row(unsaid.clone(), &before))
            } else {
                let remembered = remember(Some(json!(unsaid))).await;
                remembered.map_err(FunctionError::undelivered("remembering what is to be announced"))?;
                let meanwhile = services.store.remembered_meanwhile(&observed.memory, field).await;
                meanwhile.map(|meanwhile| first_of(unsaid.clone(), &meanwhile))
            };
            // Published under an id of its own, people might be notified twice. The next tick finds it unsaid.
            let first = first.map_err(FunctionError::undelivered("reading what other ticks announced"))?;
            let announcement = Announcement {
                said: true,
                ..first.clone()
            };
            if !first.said {
                if first != unsaid {
                    let remembered = remember(Some(json!(first))).await;
                    remembered.map_err(FunctionError::undelivered("remembering what is to be announced"))?;
                }
                // Published before it is remembered as published: a crash in between repeats it, and never loses it.
                services
                    .bus
                    .send(&[event(&announcement)])
                    .await
                    .map_err(FunctionError::undelivered("announcing what a person should know"))?;
            }
            let stays = |newest: Option<&Value>| is_replaced(&announcement, stored, newest);
            services
                .store
                .remember_unless(&observed.memory, field, Some(json!(announcement)), stays)
                .await
                .map_err(FunctionError::undelivered("remembering what was announced"))
        }
    }
}
