//! One tick: observe, assess, decide, act, and report what was done and why.

use std::time::Duration;

use bluegreen_aws::health_probe::ProbeScope;
use bluegreen_core::claim::{Decided, Intent, Outcome, Switching};
use bluegreen_core::decision::Action;
use bluegreen_core::flag::versions;
use bluegreen_core::response::Tick;
use bluegreen_core::time::{after, before, elapsed};
use bluegreen_core::transition::{Kind, Trigger};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::observation::{EVIDENCE_TIME, Observation, observe_and_decide};
use crate::services::Services;
use crate::tick_report::{close, log};
use crate::{claim_runner, drill_return, repair};

/// The time that is reserved at the end of the invocation for publishing and answering.
const CLOSING_TIME: Duration = Duration::from_secs(6);

/// The maximum age of an observed hold when the flag is about to be written. More than the age at the end of an
/// observation that waited for nothing, so that such an observation costs no second request.
const MAX_HOLD_READ_AGE: Duration = Duration::from_secs(1);

/// Runs one tick to its end, which may take several observations.
pub async fn tick(services: &Services, trigger: Trigger, invocation: &Invocation) -> Result<Tick, FunctionError> {
    // The last observation must leave time for its evidence and for closing. The next tick is then not far away.
    let last_look = after(invocation.started, services.settings.probe_until)
        .min(before(invocation.deadline, CLOSING_TIME.saturating_add(EVIDENCE_TIME)));
    let mut probes: u32 = 0;
    let mut missing_since = None;
    let mut depth = first_depth(&trigger, invocation.started, services.settings.metrics_interval_minutes);
    loop {
        probes = probes.saturating_add(1);
        let mut observation = observe_and_decide(services, depth, &mut missing_since).await;
        // Another pair's flag says nothing about these environments. The failing tick makes the stack's alarm fire.
        services.may_write()?;
        if depth == ProbeScope::Free && !observation.is_calm() {
            // An observation of scope `Free` never leads to an action: what it leaves out could object.
            depth = ProbeScope::Full;
            continue;
        }
        // If an answer came slowly, the hold was read seconds ago. A hold that was placed since must be respected.
        let acts = matches!(observation.decision.action, Action::Failover | Action::DrillReturn);
        if acts
            && elapsed(observation.asked, services.clock.now()) > MAX_HOLD_READ_AGE
            && hold_changed_since(services, &observation).await
        {
            if after(services.clock.now(), services.settings.probe_interval) <= last_look {
                continue;
            }
            let observation = observation.without_action();
            log(services, &observation, None, invocation, &trigger, probes);
            return close(services, observation, None, depth, invocation, trigger, probes).await;
        }
        let outcome = match observation.decision.action {
            Action::Failover => fail_over(services, &observation, invocation, &trigger).await,
            Action::DrillReturn => {
                drill_return::return_from_drill(services, &mut observation, invocation, &trigger).await
            }
            Action::Restore(color) => repair::restore(services, &observation, color, invocation, &trigger).await,
            Action::None | Action::Blocked | Action::ObserveOnly => None,
        };
        log(services, &observation, outcome.as_ref(), invocation, &trigger, probes);
        // A claim of another writer, or a store that failed half-way, is settled within seconds: observe again.
        let unsettled = matches!(outcome, Some(Outcome::Conflict(_) | Outcome::Failed(_)));
        if (observation.decision.look_again_soon || unsettled)
            && after(services.clock.now(), services.settings.probe_interval) <= last_look
        {
            tokio::time::sleep(services.settings.probe_interval).await;
            continue;
        }
        return close(services, observation, outcome, depth, invocation, trigger, probes).await;
    }
}

/// Whether the hold has changed since the observation, or cannot be read.
async fn hold_changed_since(services: &Services, observation: &Observation) -> bool {
    let seen = observation
        .observed
        .as_ref()
        .ok()
        .and_then(|observed| observed.hold.as_deref());
    match services.store.hold().await {
        Ok(hold) => hold.as_deref() != seen,
        Err(failure) => {
            tracing::warn!(error = %failure.cause, "the hold could not be read again");
            true
        }
    }
}

/// The scope of a tick's first observation. While all is calm, a scheduled tick asks billed questions and publishes
/// only at intervals; any other tick does so at once.
fn first_depth(trigger: &Trigger, now: Timestamp, interval_minutes: u32) -> ProbeScope {
    let minute = i64::from(now.to_zoned(TimeZone::UTC).minute());
    let is_due = minute.checked_rem(i64::from(interval_minutes)) == Some(0);
    if trigger.kind == "schedule" && !is_due {
        ProbeScope::Free
    } else {
        ProbeScope::Full
    }
}

async fn fail_over(
    services: &Services,
    observation: &Observation,
    invocation: &Invocation,
    trigger: &Trigger,
) -> Option<Outcome> {
    let flag = observation.present()?;
    let active = flag.value.color()?;
    let last_known_healthy = observation.last_healthy(active).at();
    let previous_effective_from = observation
        .history
        .as_deref()
        .and_then(|history| versions(history).last().map(|version| version.effective_from));
    let intent = Intent {
        kind: Kind::Failover,
        to: active.other(),
        reason: observation.decision.reason.clone(),
        actor: invocation.actor(None),
        trigger: trigger.clone(),
        evidence: Decided::Watched {
            last_known_healthy,
            observed_at: observation.at,
            verdicts: &observation.verdicts,
        }
        .to_json(),
        last_known_healthy,
        previous_effective_from,
        drill: None,
    };
    let mut switching = Switching::new(&services.settings.policy, flag, intent, services.clock.now());
    Some(claim_runner::run(services, &mut switching).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_scheduled_tick_in_between_asks_less() {
        let of = |kind: &str, minute: &str| {
            let trigger = Trigger {
                kind: kind.to_owned(),
                id: None,
            };
            first_depth(&trigger, format!("2026-11-23T10:{minute}:02Z").parse().unwrap(), 5)
        };
        assert_eq!(of("schedule", "15"), ProbeScope::Full);
        assert_eq!(of("schedule", "16"), ProbeScope::Free);
        for kind in ["alarm", "alarm-event", "environment-status", "invoke", "unrecognized"] {
            assert_eq!(of(kind, "16"), ProbeScope::Full, "{kind}");
        }
    }
}
