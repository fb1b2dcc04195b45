//! What lies under the root, and which function may do what with it: the statements of the functions' roles are made of this.

use serde::Serialize;

use crate::memory::Field;
use crate::vocabulary::vocabulary;

/// What a function does with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Reads its value.
    Get,
    /// Reads its versions.
    History,
    /// Lists what lies under it.
    List,
    /// Writes it.
    Put,
    /// Creates it, and never overwrites it.
    Create,
    /// Deletes it.
    Delete,
}

use Access::{Create, Delete, Get, History, List, Put};

/// What is to be known about a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterEntry {
    /// What the health-watcher does with it.
    pub health_watcher: &'static [Access],
    /// What the switch-handler does with it.
    pub switch_handler: &'static [Access],
    /// What the change-listener does with it.
    pub change_listener: &'static [Access],
}

vocabulary! {
    /// The parameters under the root. A name ending in a slash stands for those under it.
    pub enum StoredParameter: ParameterEntry {
        /// the flag: `blue` or `green`, with the allowed pattern `^(blue\|green)$`
        Flag {
            name: "active-environment",
            health_watcher: &[Get, History, Put],
            switch_handler: &[Get, History, Put],
            change_listener: &[Get, History],
        }
        /// one JSON record for each transition, `v<next>-<ms>`: kind, from, to, reason, actor, trigger, evidence. SSM keeps 100
        /// versions; the records of the oldest are removed as it forgets them. A drill adds `v<next>-<ms>-outcome-<id>`, how it
        /// ended, and `…-outcome-end-1`, `…-2`, who decides its end: see the
        /// [claim protocol](../internals/claim-protocol.md#the-end-of-a-drill)
        Transitions {
            name: "transitions/",
            health_watcher: &[Get, List, Create, Delete],
            switch_handler: &[Get, List, Create],
            change_listener: &[Get, List, Delete],
        }
        /// which pair, stack, account and region the root belongs to; the only parameter that the stack owns
        Owner { name: "owner", health_watcher: &[Get], switch_handler: &[Get], change_listener: &[Get] }
        /// an order against automatic failover; absent means none
        Hold {
            name: "hold",
            health_watcher: &[Get, History],
            switch_handler: &[Get, History, Put],
            change_listener: &[Get, History],
        }
        /// which version of the hold has been reported, and whether its end has
        HoldReported { name: "hold-reported", health_watcher: &[Get, Put], switch_handler: &[], change_listener: &[Get, Put] }
        /// when a release last acknowledged the automatic failovers before it, and by whom
        Acknowledged { name: "acknowledged", health_watcher: &[Get], switch_handler: &[Get, Put], change_listener: &[] }
        /// requests of the last day and what was answered to them, so that a second delivery is recognized
        Answered { name: "answered", health_watcher: &[], switch_handler: &[Get, Put], change_listener: &[] }
        /// events of people's requests that could not be published; for some minutes also published ones, and how a drill
        /// ended that changed nothing: its second delivery has no other end
        Unsent { name: "unsent/", health_watcher: &[List, Put, Delete], switch_handler: &[Get, Put], change_listener: &[] }
        /// the last flag version whose audit event has been sent, with its date (`v13-1795432470389`): a number alone would name
        /// one version of each flag that was deleted and created again
        Audited { name: "audited", health_watcher: &[Get, Put], switch_handler: &[Get], change_listener: &[Get, Put] }
        /// the last audited color, its version and that one's date: what a deleted flag is restored to
        LastActive { name: "last-active", health_watcher: &[Get, Put], switch_handler: &[Get], change_listener: &[Get, Put] }
        /// the drill under way, or the last one
        Drill { name: "drill", health_watcher: &[Get, Put], switch_handler: &[Get, Put], change_listener: &[Get] }
        /// with `DagManagement=pause`: which DAGs are to run, and how far pausing and unpausing have come
        ManagedDags {
            name: "managed-dags",
            health_watcher: &[Get, Put, Delete],
            switch_handler: &[Get, Put],
            change_listener: &[Get],
        }
        /// `<name>-<n>`: a list over 2,500 bytes (of DAGs still to be unpaused: over 700), compressed
        ManagedDagsParts {
            name: "managed-dags/",
            health_watcher: &[Get, List, Put, Delete],
            switch_handler: &[Get, List, Put, Delete],
            change_listener: &[],
        }
        /// what only the watcher remembers, one JSON field each
        Memory { name: "memory", health_watcher: &[Get, Put], switch_handler: &[Get], change_listener: &[Get] }
    }
}

/// The fields of the parameter `memory`, in the order of the reference.
pub const MEMORIES: [Field; 6] = [
    Field::Announced,
    Field::Past,
    Field::Doubt,
    Field::Readiness,
    Field::DrillOverdue,
    Field::RunReport,
];

/// What a field of the parameter `memory` holds.
#[must_use]
pub const fn about_memory(field: Field) -> &'static str {
    match field {
        Field::Announced => "what a lasting fault was reported as, so that it is reported once",
        Field::Past => "what earlier observations saw of both environments: status, and since when they fail",
        Field::Doubt => "since when nothing can confirm that the active works, and whether that was reported",
        Field::Readiness => "the last check of the standby: score, level, what is red",
        Field::DrillOverdue => "the last proof whose age was reported",
        Field::RunReport => "the transition whose runs were reported last",
    }
}
