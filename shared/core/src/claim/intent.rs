//! What a transition should do, and when it takes effect.

use jiff::Timestamp;

use crate::color::Color;
use crate::policy::{FailoverSemantics, Policy};
use crate::time::after;
use crate::transition::{Actor, Trigger};
use crate::transition_kind::Kind;

/// What a transition should do, before it is claimed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Intent {
    /// The kind of transition.
    pub kind: Kind,
    /// The color that becomes active.
    pub to: Color,
    /// The reason in one sentence, for people.
    pub reason: String,
    /// The function and the person behind the transition.
    pub actor: Actor,
    /// The event that invoked the function.
    pub trigger: Trigger,
    /// What was observed.
    pub evidence: serde_json::Value,
    /// For a failover: the last instant at which the old active color was known to be healthy.
    pub last_known_healthy: Option<Timestamp>,
    /// When the version in force took effect, where known; no transition takes effect before it.
    pub previous_effective_from: Option<Timestamp>,
    /// The drill that the transition belongs to.
    pub drill: Option<serde_json::Value>,
}

/// When a transition takes effect.
#[must_use]
pub fn effective_from(policy: &Policy, intent: &Intent, now: Timestamp) -> Timestamp {
    let planned = after(now, policy.lead);
    // A drill that ends because the drilled color failed takes effect like the failover that it is.
    let is_planned =
        intent.kind.is_planned() && !(intent.kind == Kind::DrillReturn && intent.last_known_healthy.is_some());
    let wanted = match (is_planned, policy.failover_semantics, intent.last_known_healthy) {
        (false, FailoverSemantics::AtLeastOnce, Some(healthy)) => healthy.min(now),
        // It is not known when the failed environment last worked; waiting would leave it even more runs.
        (false, FailoverSemantics::AtLeastOnce, None) => now,
        _ => planned,
    };
    intent
        .previous_effective_from
        .map_or(wanted, |previous| wanted.max(previous))
}
