//! What a transition is to be, and when it is to take effect.

use jiff::Timestamp;

use crate::color::Color;
use crate::policy::{FailoverSemantics, Policy};
use crate::time::after;
use crate::transition::{Actor, Trigger};
use crate::transition_kind::Kind;

/// What a transition is to be, before it is claimed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Why.
    pub kind: Kind,
    /// The color wanted.
    pub to: Color,
    /// One sentence for people.
    pub reason: String,
    /// Who.
    pub actor: Actor,
    /// What made it run.
    pub trigger: Trigger,
    /// What was seen.
    pub evidence: serde_json::Value,
    /// For a failover: the last instant the old active was known healthy.
    pub last_known_healthy: Option<Timestamp>,
    /// When the version that is in force took effect, where known; no transition takes effect before it.
    pub previous_effective_from: Option<Timestamp>,
    /// The drill it belongs to.
    pub drill: Option<serde_json::Value>,
}

/// When a transition takes effect.
#[must_use]
pub fn effective_from(policy: &Policy, intent: &Intent, now: Timestamp) -> Timestamp {
    let planned = after(now, policy.lead);
    // A drill that ends because the drilled color failed hands over like the failover that it is.
    let is_planned =
        intent.kind.is_planned() && !(intent.kind == Kind::DrillReturn && intent.last_known_healthy.is_some());
    let wanted = match (is_planned, policy.failover_semantics, intent.last_known_healthy) {
        (false, FailoverSemantics::AtLeastOnce, Some(healthy)) => healthy.min(now),
        // Nobody knows when the dead one last lived; waiting would leave it even more runs.
        (false, FailoverSemantics::AtLeastOnce, None) => now,
        _ => planned,
    };
    intent
        .previous_effective_from
        .map_or(wanted, |previous| wanted.max(previous))
}
