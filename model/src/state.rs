//! What every writer observes and leaves behind: the store, the environments' health, and what was done.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::claim::Intent;
use bluegreen_core::color::{Both, Color};
use bluegreen_core::drill::{Conclusion, Drill};
use bluegreen_core::flag::FlagObservation;
use bluegreen_core::transition::Kind;

use crate::store::Store;

/// The store, the health, and the traces of what was done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) sick: Both<bool>,
    /// Which writers believe to have made which transition.
    believed: BTreeMap<String, BTreeSet<&'static str>>,
    /// What was published about each drill.
    told: BTreeMap<String, BTreeSet<String>>,
    /// Drills that were published as ones whose color stays.
    stayed: BTreeSet<String>,
    /// Drills whose return was written.
    returned: BTreeSet<String>,
    /// Actions that must never happen.
    pub(crate) safety_violations: BTreeSet<String>,
    /// What has happened, so that a model without events is noticed.
    pub(crate) seen: BTreeSet<&'static str>,
}

/// What a writer saw at the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    pub(crate) flag: Option<FlagObservation>,
    pub(crate) held: bool,
    pub(crate) drill: Option<String>,
    pub(crate) sick: Both<bool>,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            store: Store::new(),
            sick: Both {
                blue: false,
                green: false,
            },
            believed: BTreeMap::new(),
            told: BTreeMap::new(),
            stayed: BTreeSet::new(),
            returned: BTreeSet::new(),
            safety_violations: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    pub(crate) fn saw(&mut self, what: &'static str) {
        self.seen.insert(what);
    }

    pub(crate) fn believes(&mut self, writer: &'static str, record: &str) {
        self.believed.entry(record.to_owned()).or_default().insert(writer);
    }

    pub(crate) fn tell(&mut self, conclusion: &Conclusion) {
        self.saw(match conclusion.outcome.as_str() {
            "succeeded" => "drill succeeded",
            "failed" => "drill failed",
            "interrupted" => "drill interrupted",
            _ => "drill blocked",
        });
        self.told
            .entry(conclusion.id.clone())
            .or_default()
            .insert(conclusion.to_stored());
    }

    /// Records the publication that the drilled color, which is active, stays active.
    pub(crate) fn stays(&mut self, conclusion: &Conclusion) {
        self.stayed.insert(conclusion.id.clone());
        if conclusion.reason == "kept" {
            self.saw("kept");
        }
    }

    /// Records a write, and what no writer may do, judged by what it saw.
    pub(crate) fn check_write(&mut self, writer: &str, intent: &Intent, to: Color, seen: &Seen, drill: Option<&Drill>) {
        if let (Kind::DrillReturn, Some(drill)) = (intent.kind, drill) {
            self.returned.insert(drill.id.clone());
        }
        let automatic = matches!(intent.kind, Kind::Failover | Kind::DrillReturn);
        if automatic && *seen.sick.of(to) {
            self.safety_violations.insert(format!(
                "{} wrote {to} by {} though it saw it sick",
                writer, intent.kind
            ));
        }
        if automatic && seen.held {
            self.safety_violations
                .insert(format!("{} wrote by {} though it saw a hold", writer, intent.kind));
        }
    }

    pub(crate) fn concluded_once(&self) -> bool {
        self.told.values().all(|told| told.len() == 1)
    }

    pub(crate) fn ended_once(&self) -> bool {
        self.stayed.is_disjoint(&self.returned)
    }

    pub(crate) fn believed_once(&self) -> bool {
        self.believed.values().all(|writers| writers.len() == 1)
    }
}
