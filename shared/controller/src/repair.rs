//! Repair of a broken flag, where `ON_FLAG_FAULT` says so: over garbage the colour that stood before it, for a deleted
//! flag the last audited one.

use bluegreen_aws::clock;
use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::announcement::{Subject, remembered_since};
use bluegreen_core::audit;
use bluegreen_core::colour::Colour;
use bluegreen_core::decision::{ControlState, FlagState};
use bluegreen_core::health::Cause;
use bluegreen_core::policy::OnFlagFault;
use bluegreen_core::switch::{Conflict, Intent, Outcome, Switching};
use bluegreen_core::transition::{Kind, Trigger};
use jiff::Timestamp;
use serde_json::json;

use crate::invocation::Invocation;
use crate::services::Shell;
use crate::tick::Look;
use crate::{claim_runner, flag_creation};

/// Learns what the decision about a broken flag needs; nothing is asked while the flag holds a colour.
pub(crate) async fn learn(
    shell: &Shell,
    observed: &Result<Observed, Cause>,
    control: &mut ControlState,
    missing_since: &mut Option<Timestamp>,
    now: Timestamp,
) {
    let Ok(observed) = observed else { return };
    let is_missing = match &control.flag {
        FlagState::Missing => true,
        FlagState::Present(flag) if flag.value.colour().is_none() => false,
        FlagState::Present(_) | FlagState::Unreadable(_) => {
            *missing_since = None;
            return;
        }
    };
    if shell.settings.policy.on_flag_fault == OnFlagFault::Alert {
        return;
    }
    if is_missing {
        // An earlier tick may have seen it and said so; its deletion was no later.
        let remembered = remembered_since(
            observed.announced.as_deref(),
            Subject::FlagFault,
            &audit::missing_flag(observed.audited),
        );
        control.missing_since = Some(*missing_since.get_or_insert(remembered.unwrap_or(now)));
    } else {
        // What stands before the garbage is newer than what was audited: an event may be late.
        match shell.store.history().await {
            Ok(history) => control.last_active = history.iter().rev().find_map(|entry| entry.value.colour()),
            Err(failure) => tracing::warn!(error = %failure.cause, "the flag's history could not be read"),
        }
        if control.last_active.is_some() {
            return;
        }
    }
    match shell.store.last_active().await {
        Ok(colour) => control.last_active = colour,
        Err(failure) => tracing::warn!(error = %failure.cause, "the last audited colour could not be read"),
    }
}

/// Puts the colour back.
pub(crate) async fn restore(
    shell: &Shell,
    look: &Look,
    colour: Colour,
    invocation: &Invocation,
    trigger: &Trigger,
) -> Option<Outcome> {
    let intent = Intent {
        kind: Kind::Restore,
        to: colour,
        reason: look.decision.reason.clone(),
        actor: invocation.actor(None),
        trigger: trigger.clone(),
        evidence: json!({"observed_at": look.at}),
        last_known_healthy: None,
        previous_effective_from: None,
        drill: None,
    };
    if let Some(observation) = look.present() {
        let mut switching = Switching::new(&shell.settings.policy, observation, intent, clock::now());
        return Some(claim_runner::run(&shell.store, &mut switching).await);
    }
    let created = flag_creation::run(&shell.store, &intent, clock::now()).await;
    Some(created.unwrap_or_else(|| {
        Outcome::Conflict(Conflict {
            reason: "somebody created the flag at the same moment".to_owned(),
            winner: None,
            flag: None,
        })
    }))
}
