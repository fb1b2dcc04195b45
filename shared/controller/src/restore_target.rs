//! The color to which a broken flag would be restored, where `ON_FLAG_FAULT` allows it.

use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::alert_dedup::{Subject, remembered_since};
use bluegreen_core::audit;
use bluegreen_core::decision::{ControlState, FlagState};
use bluegreen_core::health::Cause;
use bluegreen_core::policy::OnFlagFault;
use jiff::Timestamp;

use crate::services::Services;

/// Loads what the decision about a broken flag needs; asks nothing while the flag holds a color.
pub(crate) async fn load_restore_target(
    services: &Services,
    observed: &Result<Observed, Cause>,
    control: &mut ControlState,
    missing_since: &mut Option<Timestamp>,
    now: Timestamp,
) {
    let Ok(observed) = observed else { return };
    let is_missing = match &control.flag {
        FlagState::Missing => true,
        FlagState::Present(flag) if flag.value.color().is_none() => false,
        FlagState::Present(_) | FlagState::Unreadable(_) => {
            *missing_since = None;
            return;
        }
    };
    if services.settings.policy.on_flag_fault == OnFlagFault::Alert {
        return;
    }
    if is_missing {
        // An earlier tick may have seen and reported it; the flag was deleted before that.
        let remembered = remembered_since(
            observed.announced.as_deref(),
            Subject::FlagFault,
            &audit::missing_flag(observed.audited),
        );
        control.missing_since = Some(*missing_since.get_or_insert(remembered.unwrap_or(now)));
    } else {
        // The version before the garbage is newer than the last audited one: an event may be late.
        match services.store.history().await {
            Ok(history) => control.last_active = history.iter().rev().find_map(|entry| entry.value.color()),
            Err(failure) => tracing::warn!(error = %failure.cause, "the flag's history could not be read"),
        }
        if control.last_active.is_some() {
            return;
        }
    }
    match services.store.last_active().await {
        Ok(color) => control.last_active = color,
        Err(failure) => tracing::warn!(error = %failure.cause, "the last audited color could not be read"),
    }
}
