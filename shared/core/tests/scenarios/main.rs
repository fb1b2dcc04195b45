//! The scenarios that the decision must handle correctly, one test each, replayed through the pure core.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod audit;
mod claims;
mod health;
mod looked_again;
mod people;
#[path = "../support/mod.rs"]
mod support;
mod the_flag;

use bluegreen_core::audit::{
    AuditEvent, Audited, EventType, Subject, Unsent, due, failovers_acknowledged, holds_due, is_behind, is_record_late,
    records_to_prune, settled, transition,
};
use bluegreen_core::claim::{Outcome, Switched, Switching};
use bluegreen_core::color::Color;
use bluegreen_core::decision::{
    Action, FlagState, PreconditionName, RecentFailovers, SwitchControl, declared_failover_preconditions,
    switch_preconditions,
};
use bluegreen_core::flag::{FlagValue, FlagVersion, HistoryEntry, declared_reason, versions};
use bluegreen_core::health::{AlarmState, CauseKind, Verdict};
use bluegreen_core::hold::{Hold, HoldState, StoredHold};
use bluegreen_core::metric::MetricName;
use bluegreen_core::ownership::owner;
use bluegreen_core::policy::{CLAIM_TIMEOUT, Mode, Policy};
use bluegreen_core::time::after;
use bluegreen_core::transition::Kind;
use std::collections::BTreeMap;
use support::{Fault, Store, ago, cause, dead, flag, healthy, intent, noon, seconds, tick};

const UNKNOWN_KINDS: [CauseKind; 6] = [
    CauseKind::Throttled,
    CauseKind::TimedOut,
    CauseKind::AccessDenied,
    CauseKind::Unavailable,
    CauseKind::Unparsable,
    CauseKind::Rejected,
];

fn switched(outcome: Option<Outcome>) -> Switched {
    match outcome {
        Some(Outcome::Switched(switched)) => switched,
        other => panic!("not switched: {other:?}"),
    }
}

fn conflict(outcome: Option<Outcome>) -> String {
    match outcome {
        Some(Outcome::Conflict(conflict)) => conflict.reason,
        other => panic!("no conflict: {other:?}"),
    }
}

// ---- fixtures of this file

const SUBJECT: Subject<'static> = Subject {
    pair: "orders",
    flag: "/mwaa/blue-green/active-environment",
};

fn entry(version: u64, value: &str, age: u64, record: Option<&str>) -> HistoryEntry {
    HistoryEntry {
        value: FlagValue::read(value),
        version: FlagVersion(version),
        modified: ago(age),
        author: Some("arn:aws:iam::123456789012:user/ana".into()),
        description: record.map(|record| format!("failover: x [effective_from={} record={record}]", ago(age))),
    }
}
