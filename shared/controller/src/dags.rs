//! Pausing and unpausing DAGs around a transition, where DAGs are managed.

use std::time::Duration;

use bluegreen_aws::clock;
use bluegreen_core::dag_management::Standing;
use bluegreen_core::flag::FlagObservation;
use bluegreen_core::switch::Switched;
use bluegreen_core::time::elapsed;
use serde_json::{Value, json};

use crate::dag_management::{self, Turn};
use crate::invocation::Invocation;
use crate::services::Shell;

/// How long reading which DAGs run may hold up a switch. What was remembered by a tick serves otherwise.
const READING_TIME: Duration = Duration::from_secs(8);

/// The same for a forced one, whose active may be dead.
const FORCED_READING_TIME: Duration = Duration::from_secs(2);

/// What is left of the invocation for the answer.
const CLOSING_TIME: Duration = Duration::from_secs(3);

/// Reads which DAGs run, shortly before the flag is written. Answers what is stored then.
pub(crate) async fn before(
    shell: &Shell,
    stored: Option<&str>,
    flag: &FlagObservation,
    force: bool,
    invocation: &Invocation,
) -> Option<String> {
    let Some(active) = flag.value.colour() else {
        return stored.map(str::to_owned);
    };
    let turn = Turn {
        stored,
        flag: Standing {
            active,
            version: flag.version,
            modified: flag.modified,
        },
        is_transition: false,
        is_held: false,
        observed_at: Some(invocation.started),
        time: if force { FORCED_READING_TIME } else { READING_TIME },
    };
    dag_management::read_before(shell, turn).await
}

/// Goes on with what the written flag asks for, and says in the answer how that stands. The ticks do the rest.
pub(crate) async fn after(
    shell: &Shell,
    stored: Option<&str>,
    switched: &Switched,
    answer: &mut Value,
    invocation: &Invocation,
) {
    let now = clock::now();
    let turn = Turn {
        stored,
        flag: Standing {
            active: switched.to,
            version: switched.version,
            modified: now,
        },
        is_transition: true,
        is_held: false,
        observed_at: None,
        time: elapsed(now, invocation.deadline).saturating_sub(CLOSING_TIME),
    };
    let report = match dag_management::keep(shell, turn).await {
        Ok(None) => return,
        Ok(Some(report)) => json!(report),
        // The flag is written, and that is what was asked for.
        Err(error) => {
            json!({"state": "activating", "active": switched.to, "detail": format!("{error}; the next tick goes on")})
        }
    };
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("dag_management".to_owned(), report);
    }
}
