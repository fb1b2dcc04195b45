//! What a user may tune, as deciding code needs it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// With Airflow's API silent, the heartbeat metric alone must be missing this long: metrics can arrive minutes late.
pub const HEARTBEAT_ONLY_WINDOW: Duration = Duration::from_secs(300);

/// How long a status that was read counts as read while it cannot be read again.
pub const STATUS_STANDS: Duration = Duration::from_secs(15 * 60);

/// A claim older than this was left by a writer that is dead.
///
/// Longer than any function's time-out (the template's longest is 75 s, and a test compares the two), so a writer
/// whose claim is taken over can no longer be running.
pub const CLAIM_TIMEOUT: Duration = Duration::from_secs(80);

/// Whether the watcher may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Fail over by itself.
    Automatic,
    /// Decide and report, write nothing.
    Observe,
}

/// What happens to runs that the dead environment may or may not have executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailoverSemantics {
    /// A failover is back-dated to the last moment the old active was known healthy.
    AtLeastOnce,
    /// A failover counts from its write; runs in the gap are executed by nobody.
    AtMostOnce,
}

/// What the watcher does about a flag that holds no color, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFlagFault {
    /// Tell a person, touch nothing.
    Alert,
    /// And put the color before back.
    Restore,
}

/// Thresholds and standing choices.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Whether the watcher may act.
    pub mode: Mode,
    /// How long the active must be bad before it counts as unhealthy.
    pub failure_window: Duration,
    /// How long a planned update may leave the heartbeat dead.
    pub maintenance_grace: Duration,
    /// Rest after a transition.
    pub cooldown: Duration,
    /// Automatic failovers in 24 hours before a person must acknowledge.
    pub failover_budget: u32,
    /// What a failover does about the gap.
    pub failover_semantics: FailoverSemantics,
    /// How long after its write a planned transition takes effect.
    pub lead: Duration,
    /// What happens to a broken flag.
    pub on_flag_fault: OnFlagFault,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Automatic,
            failure_window: Duration::from_secs(120),
            maintenance_grace: Duration::from_secs(2700),
            cooldown: Duration::from_secs(300),
            failover_budget: 3,
            failover_semantics: FailoverSemantics::AtLeastOnce,
            lead: Duration::from_secs(10),
            on_flag_fault: OnFlagFault::Alert,
        }
    }
}
