//! The small world: one store, a few writers, and what may happen between any two of their requests.

use std::collections::BTreeSet;
use std::time::Duration;

use bluegreen_core::audit::due;
use bluegreen_core::color::Color;
use bluegreen_core::drill::Drill;
use bluegreen_core::flag::{Origin, versions};
use bluegreen_core::policy::CLAIM_TIMEOUT;
use stateright::Property;

use crate::state::State;
use crate::writer::{Fault, Role, Writer};

/// How much may go wrong in one world: each event costs one of its kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// How many functions die.
    pub deaths: u8,
    /// Answers that are lost.
    pub lost_answers: u8,
    /// Readings that are stale.
    pub stale_readings: u8,
    /// How many times a color becomes unhealthy or recovers.
    pub health_flips: u8,
    /// Manual edits of the flag, with a color or with garbage.
    pub hand_edits: u8,
    /// Deletions of the flag.
    pub deletions: u8,
    /// How many times a hold is placed.
    pub holds: u8,
    /// How many times so much time passes that functions time out, claims are abandoned and drills are due.
    pub timeouts: u8,
    /// Events of the change-listener that are delivered: an event can be lost or doubled for each.
    pub events: u8,
}

/// The whole state of the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    state: State,
    writers: Vec<Writer>,
    budget: Budget,
    /// Whether the flag was ever deleted.
    deleted: bool,
    /// Versions with an audit event.
    audited: BTreeSet<(u64, i64)>,
}

/// One event in the world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WorldEvent {
    /// A writer makes its next request.
    Request(usize, Fault),
    /// A color becomes unhealthy, or recovers.
    Turn(Color),
    /// Somebody writes the flag outside this product.
    ByHand(&'static str),
    /// Somebody deletes the flag.
    Deleted,
    /// Somebody places a hold.
    Held,
    /// More time passes than any function may run.
    LongWhile,
    /// The change-listener runs, and audits what is due.
    Listens,
}

/// A world to explore.
#[derive(Debug, Clone)]
pub struct Model {
    /// The writers of the flag, in the order of their indexes in [`WorldEvent::Request`].
    pub writers: Vec<Writer>,
    /// What may go wrong.
    pub budget: Budget,
    /// What must happen in some run.
    pub reaches: &'static [&'static str],
}

impl World {
    fn listen(&mut self) {
        let history = versions(&self.state.store.versions);
        let due = due(&history, self.state.store.audited());
        let Some(newest) = due.last() else { return };
        for version in due {
            self.audited
                .insert((version.entry.version.0, version.entry.modified.as_millisecond()));
        }
        if let Some(active) = newest.entry.value.color() {
            self.state.store.last_active = Some(active);
        }
        self.state.store.audited = Some((newest.entry.version, newest.entry.modified));
    }

    /// No function outlives its time-out.
    fn long_while(&mut self) {
        for writer in &mut self.writers {
            if writer.has_begun() {
                writer.end();
            }
        }
        self.state
            .store
            .pass(CLAIM_TIMEOUT.saturating_add(Duration::from_secs(1)));
    }

    /// The world after nothing more goes wrong: ticks and events come, and enough time passes.
    fn run_to_quiescence(&self) -> Self {
        let mut world = self.clone();
        // Enough for a claim to be abandoned, for a drill's minute and for the grace of its return. Health does not
        // change.
        for minutes in [0, 20, 0, 0, 0] {
            world
                .state
                .store
                .pass(Duration::from_secs(60_u64.saturating_mul(minutes)));
            world.long_while();
            world.listen();
            let mut tick = Writer::new("peace", Role::Tick);
            while tick.is_at_work() {
                tick.run(&mut world.state, Fault::None);
            }
        }
        world.listen();
        world
    }

    /// What is wrong with the pair after it has run to quiescence.
    pub fn liveness_violations(&self) -> Vec<&'static str> {
        let world = self.run_to_quiescence();
        let active = world.state.store.flag(false).and_then(|flag| flag.value.color());
        let cared_for = active.is_some_and(|active| {
            !*world.state.sick.of(active) || *world.state.sick.of(active.other()) || world.state.store.held
        });
        let history = versions(&world.state.store.versions);
        let all_audited = history.iter().skip(1).all(|version| {
            let key = (version.entry.version.0, version.entry.modified.as_millisecond());
            world.audited.contains(&key)
        });
        [
            (
                Drill::under_way(world.state.store.drill.as_deref()).is_some(),
                "a drill hangs",
            ),
            (active.is_none(), "the flag holds no color"),
            (active.is_some() && !cared_for, "a sick active was not left"),
            (!all_audited, "a version was not audited"),
            (!world.state.concluded_once(), "two outcomes were told of a drill"),
            (
                !world.state.believed_once(),
                "two writers believe that they made the same transition",
            ),
            (
                !world.state.safety_violations.is_empty(),
                "a writer did what it saw it must not",
            ),
            (
                !world.state.ended_once(),
                "a drill of which it was told that its color stays returned",
            ),
            (
                !world.claims_are_kept(),
                "a version does not follow the one it was claimed out of",
            ),
        ]
        .into_iter()
        .filter_map(|(is_so, what)| is_so.then_some(what))
        .collect()
    }

    /// Whether every version of this product follows the very version that it was claimed from. Manual edits are
    /// exempt: without compare-and-swap, a write and a deletion of the flag cannot be distinguished from their absence.
    fn claims_are_kept(&self) -> bool {
        let history = versions(&self.state.store.versions);
        let by_hand = history
            .iter()
            .skip(1)
            .any(|version| matches!(version.origin, Origin::External | Origin::Repeat { .. }));
        by_hand
            || self.deleted
            || history.windows(2).all(|pair| match pair {
                [before, after] => match &after.origin {
                    Origin::Ours { record, .. } => {
                        let named = format!(
                            "v{}-{}",
                            before.entry.version.next(),
                            before.entry.modified.as_millisecond()
                        );
                        *record == named
                    }
                    _ => true,
                },
                _ => true,
            })
    }
}

impl stateright::Model for Model {
    type State = World;
    type Action = WorldEvent;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            state: State::new(),
            writers: self.writers.clone(),
            budget: self.budget,
            deleted: false,
            audited: BTreeSet::new(),
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<WorldEvent>) {
        let budget = world.budget;
        for (index, writer) in world
            .writers
            .iter()
            .enumerate()
            .filter(|(_, writer)| writer.is_at_work())
        {
            actions.push(WorldEvent::Request(index, Fault::None));
            if writer.reads() && budget.stale_readings > 0 {
                actions.push(WorldEvent::Request(index, Fault::Stale));
            }
            if writer.has_begun() && budget.deaths > 0 {
                actions.push(WorldEvent::Request(index, Fault::DiesBefore));
            }
            if writer.writes() {
                if budget.deaths > 0 {
                    actions.push(WorldEvent::Request(index, Fault::DiesAfter));
                }
                if budget.lost_answers > 0 {
                    actions.push(WorldEvent::Request(index, Fault::LostAnswer));
                }
            }
        }
        if budget.health_flips > 0 {
            actions.extend(Color::BOTH.map(WorldEvent::Turn));
        }
        if budget.hand_edits > 0 && !world.state.store.versions.is_empty() {
            actions.extend(["blue", "green", "purple"].map(WorldEvent::ByHand));
        }
        if budget.deletions > 0 && !world.state.store.versions.is_empty() {
            actions.push(WorldEvent::Deleted);
        }
        if budget.holds > 0 && !world.state.store.held {
            actions.push(WorldEvent::Held);
        }
        if budget.timeouts > 0 {
            actions.push(WorldEvent::LongWhile);
        }
        if budget.events > 0 {
            actions.push(WorldEvent::Listens);
        }
    }

    fn next_state(&self, before: &World, happening: WorldEvent) -> Option<World> {
        let mut world = before.clone();
        let budget = &mut world.budget;
        match happening {
            WorldEvent::Request(index, fault) => {
                let spent = match fault {
                    Fault::None => None,
                    Fault::LostAnswer => Some(&mut budget.lost_answers),
                    Fault::Stale => Some(&mut budget.stale_readings),
                    Fault::DiesBefore | Fault::DiesAfter => Some(&mut budget.deaths),
                };
                if let Some(spent) = spent {
                    *spent = spent.saturating_sub(1);
                }
                let mut writer = world.writers.get(index)?.clone();
                writer.run(&mut world.state, fault);
                *world.writers.get_mut(index)? = writer;
            }
            WorldEvent::Turn(color) => {
                budget.health_flips = budget.health_flips.saturating_sub(1);
                let sick = world.state.sick.of_mut(color);
                *sick = !*sick;
            }
            WorldEvent::ByHand(value) => {
                budget.hand_edits = budget.hand_edits.saturating_sub(1);
                world.state.store.write(value, None, "hand");
            }
            WorldEvent::Deleted => {
                budget.deletions = budget.deletions.saturating_sub(1);
                world.deleted = true;
                world.state.store.versions.clear();
                world.state.store.pass(Duration::from_millis(1));
            }
            WorldEvent::Held => {
                budget.holds = budget.holds.saturating_sub(1);
                world.state.store.held = true;
            }
            WorldEvent::LongWhile => {
                budget.timeouts = budget.timeouts.saturating_sub(1);
                world.long_while();
            }
            WorldEvent::Listens => {
                budget.events = budget.events.saturating_sub(1);
                world.listen();
            }
        }
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::<Self>::always(
                "no two writers believe that they made the same transition",
                |_, world| world.state.believed_once(),
            ),
            Property::<Self>::always("one outcome is told of a drill", |_, world| {
                world.state.concluded_once()
            }),
            Property::<Self>::always("no drill returns whose color was told to stay", |_, world| {
                world.state.ended_once()
            }),
            Property::<Self>::always(
                "nobody fails over or returns to a color it saw sick, or against a hold it saw",
                |_, world| world.state.safety_violations.is_empty(),
            ),
            Property::<Self>::always("a version of ours follows the one it was claimed out of", |_, world| {
                world.claims_are_kept()
            }),
            Property::<Self>::always(
                "left in peace, the pair heals: no drill hangs, the flag holds a color, a sick active is left, all is audited",
                |_, world| world.liveness_violations().is_empty(),
            ),
        ];
        for reached in self.reaches {
            properties.push(Property::<Self>::sometimes(reached, sometimes(reached)));
        }
        properties
    }
}

/// Conditions are plain functions: one for each thing that a model can be asked to reach.
fn sometimes(what: &'static str) -> fn(&Model, &World) -> bool {
    match what {
        "switch" => |_, world| world.state.seen.contains("switch"),
        "failover" => |_, world| world.state.seen.contains("failover"),
        "restore" => |_, world| world.state.seen.contains("restore"),
        "drill-return" => |_, world| world.state.seen.contains("drill-return"),
        "drill succeeded" => |_, world| world.state.seen.contains("drill succeeded"),
        "drill failed" => |_, world| world.state.seen.contains("drill failed"),
        "drill interrupted" => |_, world| world.state.seen.contains("drill interrupted"),
        "kept" => |_, world| world.state.seen.contains("kept"),
        "drill blocked" => |_, world| world.state.seen.contains("drill blocked"),
        _ => |_, _| false,
    }
}
