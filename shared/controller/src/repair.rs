//! Repair of a broken flag, where `ON_FLAG_FAULT` allows it. Garbage is replaced by the color before it, a deleted flag
//! by the last audited color.

use bluegreen_core::claim::{Conflict, Decided, Intent, Outcome, Switching};
use bluegreen_core::color::Color;
use bluegreen_core::transition::{Kind, Trigger};

use crate::invocation::Invocation;
use crate::observation::Observation;
use crate::services::Services;
use crate::{claim_runner, flag_creation};

pub(crate) async fn restore(
    services: &Services,
    observation: &Observation,
    color: Color,
    invocation: &Invocation,
    trigger: &Trigger,
) -> Option<Outcome> {
    let intent = Intent {
        kind: Kind::Restore,
        to: color,
        reason: observation.decision.reason.clone(),
        actor: invocation.actor(None),
        trigger: trigger.clone(),
        evidence: Decided::Flag {
            observed_at: observation.at,
        }
        .to_json(),
        last_known_healthy: None,
        previous_effective_from: None,
        drill: None,
    };
    if let Some(flag) = observation.present() {
        let mut switching = Switching::new(&services.settings.policy, flag, intent, services.clock.now());
        return Some(claim_runner::run(services, &mut switching).await);
    }
    let created = flag_creation::run(&services.store, &intent, services.clock.now()).await;
    Some(created.unwrap_or_else(|| {
        Outcome::Conflict(Conflict {
            reason: "somebody created the flag at the same moment".to_owned(),
            winner: None,
            flag: None,
        })
    }))
}
