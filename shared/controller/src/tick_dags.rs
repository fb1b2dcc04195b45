//! Pausing and unpausing DAGs, where DAGs are managed: at every tick, as far as there is something left to do.

use std::time::Duration;

use bluegreen_aws::clock;
use bluegreen_core::dag_management::{Report, Standing};
use bluegreen_core::hold::HoldState;
use bluegreen_core::switch::Outcome;
use bluegreen_core::time::elapsed;

use crate::dag_management::{self, Turn};
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Shell;
use crate::tick::Look;

/// What is left of the invocation for readiness, hand-over and the answer.
const CLOSING_TIME: Duration = Duration::from_secs(6);

/// Goes on with what the flag asks for, whether this tick wrote it or another did.
pub(crate) async fn keep(
    shell: &Shell,
    look: &Look,
    outcome: Option<&Outcome>,
    invocation: &Invocation,
) -> Result<Option<Report>, FunctionError> {
    let Ok(observed) = &look.observed else {
        return Ok(None);
    };
    // An old list would unpause what people have paused since, on the day DAGs are managed again.
    if !shell.settings.manages_dags() {
        if observed.managed_dags.is_some() {
            let forgotten = shell.store.forget_managed_dags().await;
            forgotten.map_err(FunctionError::undelivered("forgetting which DAGs were to run"))?;
        }
        return Ok(None);
    }
    let now = clock::now();
    let flag = match outcome {
        Some(Outcome::Switched(switched)) => Standing {
            active: switched.to,
            version: switched.version,
            modified: now,
        },
        // Who won shows at the next tick.
        Some(Outcome::Conflict(_) | Outcome::Failed(_)) => return Ok(None),
        None => match (look.present(), look.active()) {
            (Some(flag), Some(active)) => Standing {
                active,
                version: flag.version,
                modified: flag.modified,
            },
            _ => return Ok(None),
        },
    };
    let turn = Turn {
        stored: observed.managed_dags.as_deref(),
        flag,
        is_transition: outcome.is_some(),
        is_held: !matches!(HoldState::read(observed.hold.as_deref(), now), HoldState::None),
        observed_at: outcome.is_none().then_some(look.asked),
        time: elapsed(now, invocation.deadline).saturating_sub(CLOSING_TIME),
    };
    dag_management::keep(shell, turn).await
}
