//! What must hold at every step, checked against the world as it truly is.
//!
//! Each rule is told of every fact, of time that passes, and of peace: that nothing has gone wrong for a while. The first
//! one that is broken ends the history.

pub mod answers;
pub mod audit_trail;
pub mod back_dating;
pub mod dag_runs;
pub mod endings;
pub mod fact;
pub mod failover;
pub mod neglect;
pub mod notices;
pub mod once;
pub mod ownership;
pub mod quiet;
#[cfg(test)]
mod testing;
pub mod unclaimed;

use std::fmt;

use bluegreen_core::flag::{DescriptionMetadata, FlagValue, FlagVersion, HistoryEntry};
use bluegreen_core::settings::Settings;

pub use self::fact::Fact;
use crate::clock::{Milliseconds, timestamp};
use crate::parameter_store::Version;
use crate::world::World;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub rule: &'static str,
    /// When.
    pub at: Milliseconds,
    /// What happened.
    pub what: String,
}

/// The result of a check: which rule is broken, and by what.
pub type Checked = Result<(), (&'static str, String)>;

/// A group of invariants with what it has to remember.
pub trait Rule: fmt::Debug + Send {
    /// Time passes. Told at least once a minute while there is trouble.
    fn look(&mut self, _world: &World, _now: Milliseconds) -> Checked {
        Ok(())
    }

    /// Something happened.
    fn happened(&mut self, _world: &World, _fact: &Fact, _now: Milliseconds) -> Checked {
        Ok(())
    }

    /// Nothing has gone wrong for a while.
    fn peace(&mut self, _world: &World, _now: Milliseconds) -> Checked {
        Ok(())
    }
}

/// All invariants, and the first violation.
#[derive(Debug, Default)]
pub struct Invariants {
    /// The first violation.
    pub violation: Option<Violation>,
    rules: Vec<Box<dyn Rule>>,
}

impl Invariants {
    /// For a pair with these settings.
    pub fn of(settings: &Settings) -> Self {
        Self {
            violation: None,
            rules: vec![
                Box::new(ownership::Ownership::of(settings)),
                Box::new(failover::Failovers::of(settings)),
                Box::new(back_dating::BackDating::of(settings)),
                Box::new(neglect::Neglect::of(settings)),
                Box::new(answers::Answers::default()),
                Box::new(once::Once::default()),
                Box::new(unclaimed::Unclaimed),
                Box::new(audit_trail::AuditTrail::default()),
                Box::new(notices::Notices::default()),
                Box::new(endings::Endings::of(settings)),
                Box::new(quiet::Quiet::default()),
                Box::new(dag_runs::DagRuns),
            ],
        }
    }

    /// One rule more.
    pub fn also(&mut self, rule: Box<dyn Rule>) {
        self.rules.push(rule);
    }

    fn check(&mut self, now: Milliseconds, check: impl Fn(&mut dyn Rule) -> Checked) {
        for rule in &mut self.rules {
            if let Err((rule, what)) = check(rule.as_mut())
                && self.violation.is_none()
            {
                self.violation = Some(Violation { rule, at: now, what });
            }
        }
    }

    /// The timeline has what a script wants to be told of.
    pub fn told(&mut self, now: Milliseconds, line: &str) {
        if self.violation.is_none() {
            self.violation = Some(Violation {
                rule: "told",
                at: now,
                what: line.to_owned(),
            });
        }
    }

    /// Lets time pass.
    pub fn look(&mut self, world: &World, now: Milliseconds) {
        self.check(now, |rule| rule.look(world, now));
    }

    /// Checks one fact.
    pub fn happened(&mut self, world: &World, fact: &Fact, now: Milliseconds) {
        self.check(now, |rule| rule.happened(world, fact, now));
    }

    /// What must hold when nothing has gone wrong for a while.
    pub fn peace(&mut self, world: &World, now: Milliseconds) {
        self.check(now, |rule| rule.peace(world, now));
    }
}

/// The flag's true history, as the product's types have it.
fn history(world: &World) -> Vec<HistoryEntry> {
    let kept = world.store.versions(world.names.flag());
    kept.map(|version| HistoryEntry {
        value: FlagValue::read(&version.value),
        version: FlagVersion(u64::try_from(version.number).unwrap_or(0)),
        modified: timestamp(version.at),
        author: Some(version.by.clone()),
        description: version.description.clone(),
    })
    .collect()
}

/// The record that a version of the flag names.
fn record_named(version: &Version) -> Option<String> {
    DescriptionMetadata::read(version.description.as_deref()?).map(|metadata| metadata.record)
}

/// The label of the flag's present version, as ids of events have it.
fn standing(world: &World) -> Option<String> {
    let flag = world.store.truth(world.names.flag())?;
    Some(format!("v{}-{}", flag.number, flag.at))
}
