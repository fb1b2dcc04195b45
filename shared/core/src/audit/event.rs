//! An event, and what its id is made of.

use jiff::Timestamp;
use serde_json::Value;

/// The source of every event.
pub const SOURCE: &str = "mwaa.bluegreen";

/// Version of the detail's format.
pub(super) const SCHEMA: u32 = 1;

/// One event for the pair's bus.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// `Environment Transition`, `Failover Blocked`, `Environment Unknown`, `Hold Changed`, `Flag Fault`, `Drill Finished`,
    /// `Drill Overdue`, `Readiness Changed`, `Run Report` or `DAG Management`.
    pub detail_type: &'static str,
    /// When it happened.
    pub at: Timestamp,
    /// The detail; its `id` is the same in every repeat.
    pub detail: Value,
}

/// What an id is made of.
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
