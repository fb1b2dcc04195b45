//! An audit event, and the parts of its id.

use jiff::Timestamp;
use serde_json::Value;

use crate::vocabulary::vocabulary;

/// The source of every event.
pub const SOURCE: &str = "mwaa.bluegreen";

/// Version of the detail's format.
pub(super) const SCHEMA: u32 = 1;

/// Whether people are notified of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mail {
    /// Nobody is notified: the event only goes to the audit log.
    No,
    /// People are notified of each event.
    Yes,
    /// People are notified of each event whose detail has another outcome.
    Unless {
        /// The outcome that is not reported.
        outcome: &'static str,
        /// The same exception in words.
        words: &'static str,
    },
}

/// The properties of an event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventEntry {
    /// Whether people are notified.
    pub mail: Mail,
    /// Whether an event that cannot be published is kept for the watcher. Only events of people's requests are, because
    /// no tick would detect those again. All others are rebuilt from the flag, its records and the hold.
    pub is_kept: bool,
    /// The feature page that explains the event.
    pub see: Option<&'static str>,
}

vocabulary! {
    /// The events: their detail types, each with when it is published.
    pub enum EventType: EventEntry {
        /// the flag has a new version
        EnvironmentTransition { name: "Environment Transition", mail: Mail::Yes, is_kept: false, see: None }
        /// a precondition objects to a failover; once
        FailoverBlocked { name: "Failover Blocked", mail: Mail::Yes, is_kept: false, see: None }
        /// a person acknowledged the automatic failovers so far
        FailoversAcknowledged { name: "Failovers Acknowledged", mail: Mail::No, is_kept: true, see: None }
        /// for 15 minutes nothing can confirm that the active works
        EnvironmentUnknown { name: "Environment Unknown", mail: Mail::Yes, is_kept: false, see: None }
        /// the flag is gone or holds no color
        FlagFault { name: "Flag Fault", mail: Mail::Yes, is_kept: false, see: None }
        /// a hold was placed, replaced, ended, or cannot be read
        HoldChanged { name: "Hold Changed", mail: Mail::Yes, is_kept: false, see: None }
        /// a drill ended, with measured times
        DrillFinished {
            name: "Drill Finished",
            mail: Mail::Unless { outcome: "succeeded", words: "unless it succeeded" },
            is_kept: true,
            see: None,
        }
        /// nothing has proved the standby for too long
        DrillOverdue { name: "Drill Overdue", mail: Mail::Yes, is_kept: false, see: None }
        /// the check turned red, something more turned red, or it is no longer red
        ReadinessChanged { name: "Readiness Changed", mail: Mail::Yes, is_kept: false, see: None }
        /// the report on the DAG runs next to a transition
        RunReport { name: "Run Report", mail: Mail::No, is_kept: false, see: Some("run-report") }
        /// pausing or unpausing is stuck, is over, or is settled
        DagManagement {
            name: "DAG Management",
            mail: Mail::Unless { outcome: "succeeded", words: "if it is stuck, and when that is over" },
            is_kept: false,
            see: Some("dag-management"),
        }
    }
}

/// One event for the pair's bus.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// The type of the event.
    pub detail_type: EventType,
    /// When the event's subject happened.
    pub at: Timestamp,
    /// The detail; its `id` is the same in every repeat.
    pub detail: Value,
}

/// The parts that every event id contains.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Name of the pair.
    pub pair: &'a str,
    /// Name of the flag.
    pub flag: &'a str,
}

impl Subject<'_> {
    pub(super) fn id(&self, what: &str) -> String {
        format!("{}:{}:{what}", self.pair, self.flag)
    }
}
