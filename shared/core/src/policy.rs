//! The thresholds and choices that a user may configure, in the types that the decision needs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::setting::{Group, Reader, Setting, Unit, settings, words};

/// How long the heartbeat metric must be missing where Airflow's API does not answer: metrics can arrive minutes late.
pub const HEARTBEAT_ONLY_WINDOW: Duration = Duration::from_secs(300);

/// For how long a heartbeat shows that an environment works whose Airflow does not answer. CloudWatch has that of a minute
/// when the minute is over; one that is older, within a long failure window, only fails to show that it is dead. A silence
/// has a date only from then on, too.
pub const HEARTBEAT_SHOWS_LIFE: Duration = Duration::from_secs(180);

/// How long the last status counts while no newer one can be read.
pub const STATUS_STANDS: Duration = Duration::from_secs(15 * 60);

/// The age from which a claim counts as abandoned by a dead writer.
///
/// It exceeds every function's time-out (the template's longest is 75 s, and a test compares the two). So a writer
/// whose claim is taken over can no longer be running.
pub const CLAIM_TIMEOUT: Duration = Duration::from_secs(80);

/// Whether the watcher may write the flag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Fail over automatically.
    #[default]
    Automatic,
    /// Decide and report without writing.
    Observe,
}

words!(Mode { "automatic" => Automatic, "observe" => Observe });

/// What happens to runs that the failed environment may or may not have executed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailoverSemantics {
    /// A failover is back-dated to the last instant at which the old active color was known to be healthy.
    #[default]
    AtLeastOnce,
    /// A failover counts from its write; nobody executes runs in the gap.
    AtMostOnce,
}

words!(FailoverSemantics { "at-least-once" => AtLeastOnce, "at-most-once" => AtMostOnce });

/// What the watcher does about a flag that holds no color or is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFlagFault {
    /// Notify people, and change nothing.
    #[default]
    Alert,
    /// Also restore the previous color.
    Restore,
}

words!(OnFlagFault { "alert" => Alert, "restore" => Restore });

settings! {
    /// Thresholds and choices, as configured.
    #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(default)]
    pub struct Policy {
        /// `automatic` fails over by itself. `observe` decides and reports the same way, but never writes the flag; a good first
        /// week.
        mode: Mode = Setting::word::<Mode>("FAILOVER_MODE")
            .parameter("FailoverMode", Group::Failover),
        /// How long the active environment must be seen failing before it counts as unhealthy. Below 60 only makes sense on the
        /// local AWS.
        failure_window: Duration = Setting::number("FAILURE_WINDOW_SECONDS", 120, (10, 3600), Unit::Seconds)
            .parameter("FailureWindowSeconds", Group::Failover),
        /// How long an environment under update, snapshot or maintenance may be without a scheduler heartbeat before that counts
        /// as a failure.
        maintenance_grace: Duration = Setting::number("MAINTENANCE_GRACE_SECONDS", 2700, (60, 86400), Unit::Seconds)
            .parameter("MaintenanceGraceSeconds", Group::Failover),
        /// Least time between any transition and the next automatic failover, switch by a person or drill, so that two failing
        /// environments are not swapped to and fro. A rollback and a failover by a person do not wait for it.
        cooldown: Duration = Setting::number("COOLDOWN_SECONDS", 300, (0, 86400), Unit::Seconds)
            .parameter("CooldownSeconds", Group::Failover),
        /// Most automatic failovers in 24 hours. After that a person must check, and acknowledge by a switch or a release. For no
        /// automatic failover at all use `FailoverMode=observe`.
        failover_budget: u32 = Setting::number("FAILOVER_BUDGET_PER_DAY", 3, (1, 24), Unit::Count)
            .parameter("FailoverBudgetPerDay", Group::Failover),
        /// `at-least-once` gives the runs that the failed environment never executed to the new one: a failover is back-dated to
        /// the last moment the old active was known healthy, and a run may execute twice. `at-most-once` leaves them out, and a run
        /// may be lost.
        failover_semantics: FailoverSemantics = Setting::word::<FailoverSemantics>("FAILOVER_SEMANTICS")
            .parameter("FailoverSemantics", Group::Failover),
        /// A planned switch takes effect so long after its write, so that every reader has seen it before it counts. Readers
        /// accept at most 60.
        lead: Duration = Setting::number("SWITCH_LEAD_SECONDS", 10, (0, 60), Unit::Seconds)
            .parameter("SwitchLeadSeconds", Group::Failover),
        /// What happens when the flag is deleted or holds no color. `alert` notifies people and waits for them. `restore` puts
        /// back the color that it held before.
        on_flag_fault: OnFlagFault = Setting::word::<OnFlagFault>("ON_FLAG_FAULT")
            .parameter("OnFlagFault", Group::Failover),
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::read(&mut Reader::new(&|_| None), ())
    }
}
