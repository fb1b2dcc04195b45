//! The world as it truly is.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bluegreen_core::color::{Both, Color};
use bluegreen_core::parameters::ParameterNames;
use fastrand::Rng;
use serde_json::Value;
use tokio::sync::Notify;

use crate::airflow::Airflow;
use crate::clock::{Milliseconds, Time};
use crate::environment::Environment;
use crate::guard::Around;
use crate::invariants::{Fact, Invariants};
use crate::parameter_store::ParameterStore;
use crate::weather::Weather;

/// Lines that are kept for the timeline of a violation.
const LINES: usize = 20_000;

/// An event that has to be brought somewhere.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// A change of the flag or the hold, for the change-listener.
    Change {
        /// The parameter's name.
        name: String,
        /// `Create`, `Update` or `Delete`.
        operation: &'static str,
        /// When it was.
        at: Milliseconds,
    },
    /// An event of the pair's bus.
    Audit(Value),
}

/// An invocation under way.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnderWay {
    /// When it began.
    pub began: Milliseconds,
    /// How many readings that may have gone back it was answered.
    pub went_back: u32,
}

/// Everything.
#[derive(Debug)]
pub struct World {
    /// The clock.
    pub time: Time,
    /// For what is not part of the script: latencies.
    pub rng: Rng,
    /// The names of the pair's parameters.
    pub names: ParameterNames,
    /// The name of what the watcher remembers, which it writes now and then without anything new.
    pub memory: String,
    /// Parameter Store.
    pub store: ParameterStore,
    /// What goes wrong.
    pub weather: Weather,
    /// The two environments.
    pub environments: Both<Environment>,
    /// Their Airflows.
    pub airflow: Airflow,
    /// Events that wait for being delivered.
    pub deliveries: VecDeque<Delivery>,
    /// Told when there is one more.
    pub wake: Arc<Notify>,
    /// What must hold.
    pub invariants: Invariants,
    /// The timeline.
    pub lines: VecDeque<(Milliseconds, String)>,
    /// Requests by operation.
    pub requests: BTreeMap<String, u64>,
    /// The invocations under way, by the process that runs them.
    pub under_way: BTreeMap<String, UnderWay>,
    /// When the pair, or what people know of it, last changed.
    pub stirred_at: Milliseconds,
    /// Whether there is a timeline.
    pub is_told: bool,
    /// Words that the timeline must not have in this order, see [`crate::script::Script::told`].
    pub told: VecDeque<String>,
}

/// The world, as tasks share it.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// Shares a world.
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// The world; never held across a wait.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// The present instant.
    pub fn now(&self) -> Milliseconds {
        self.time.now()
    }

    /// An event is to be delivered.
    pub fn deliver(&mut self, delivery: Delivery) {
        self.deliveries.push_back(delivery);
        self.wake.notify_one();
    }

    /// Adds a line to the timeline.
    pub fn tell(&mut self, line: impl fmt::Display) {
        if !self.is_told {
            return;
        }
        let (now, line) = (self.now(), line.to_string());
        if self.told.front().is_some_and(|words| line.contains(words)) {
            self.told.pop_front();
            if self.told.is_empty() {
                self.invariants.told(now, &line);
            }
        }
        self.lines.push_back((now, line));
        if self.lines.len() > LINES {
            self.lines.pop_front();
        }
    }

    /// Something happened: it is checked, and stands in the timeline.
    pub fn happened(&mut self, fact: &Fact) {
        let now = self.now();
        self.tell(fact);
        let is_stir = match fact {
            Fact::Stored { name, .. } => *name != self.memory,
            Fact::Published(_) | Fact::Notified { .. } => true,
            Fact::Ended { answer, .. } => answer.is_err(),
            _ => false,
        };
        if is_stir {
            self.stirred_at = now;
        }
        let mut invariants = std::mem::take(&mut self.invariants);
        invariants.happened(self, fact, now);
        self.invariants = invariants;
    }

    /// Lets the invariants look at the world as it is now.
    pub fn look(&mut self) {
        let now = self.now();
        let mut invariants = std::mem::take(&mut self.invariants);
        invariants.look(self, now);
        self.invariants = invariants;
    }

    /// Nothing has gone wrong for a while: what must hold then is checked.
    pub fn peace(&mut self) {
        let now = self.now();
        let mut invariants = std::mem::take(&mut self.invariants);
        invariants.peace(self, now);
        self.invariants = invariants;
    }

    /// Lets time pass in both Airflows.
    pub fn run_dags(&mut self, now: Milliseconds) {
        let mut around = Around {
            store: &self.store,
            weather: &mut self.weather,
            environments: &self.environments,
            flag: self.names.flag(),
        };
        self.airflow.pass(&mut around, now);
    }

    /// The color that the flag holds, if it holds one.
    pub fn active(&self) -> Option<Color> {
        Color::parse(&self.store.truth(self.names.flag())?.value)
    }
}
