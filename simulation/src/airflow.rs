//! The Airflow of both environments: schedulers that make the runs of some DAGs, and the guard that executes or skips
//! each of them by its own rule, over the flag's history as Parameter Store shows it.
//!
//! What happens to a run waits in a queue by time, so that nothing is looked at in vain.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::color::{Both, Color};
use bluegreen_core::settings::Settings;
use fastrand::Rng;

use crate::clock::{DAY, HOUR, MINUTE, Milliseconds, SECOND};
use crate::environment::Environment;
use crate::guard::{Around, Decision, Reader, Undecided, entry_of};
use crate::parameter_store::Version;
use crate::runs::{Ending, Runs, Why};

/// policy.py: an attempt of the guard that failed is repeated so often, after these pauses.
const RETRIES: u32 = 12;
const RETRY_DELAY: Milliseconds = 15 * SECOND;
const MAX_RETRY_DELAY: Milliseconds = 5 * MINUTE;
/// Airflow's default.
pub const MAX_ACTIVE_RUNS: usize = 16;
/// Runs that have ended are listed for so long: readiness looks back for a day.
const LISTED: Milliseconds = 26 * HOUR;

/// A DAG, whose file both environments have.
#[derive(Debug, Clone)]
pub struct Dag {
    /// Its id.
    pub id: String,
    /// Milliseconds between two ticks.
    every: Milliseconds,
    /// Its first tick.
    first: Milliseconds,
    /// Its last tick.
    last: Milliseconds,
    /// The instant of its tag `bluegreen:since`.
    pub since: Option<Milliseconds>,
    /// How long an execution takes, in seconds.
    seconds: (i64, i64),
    /// Whether a person wants it to be paused.
    pub rests: bool,
    /// When a person brought it; none if it was there from the beginning.
    brought: Option<Milliseconds>,
    /// Whether it was new, and paused on one environment while nobody could list what the other one has.
    is_forgotten: bool,
}

impl Dag {
    /// The instant that decides who owns the run of a tick: run.py.
    fn instant(&self, tick: Milliseconds) -> Milliseconds {
        self.since.map_or(tick, |since| tick.max(since))
    }

    /// Whether nobody may have listed it yet: an environment parses a new file within five minutes, and a full observation
    /// comes every five.
    fn is_new(&self, now: Milliseconds) -> bool {
        self.brought.is_some_and(|brought| now - brought < 15 * MINUTE)
    }

    /// Whether this tick comes after its last one.
    pub fn is_over(&self, tick: Milliseconds) -> bool {
        tick > self.last
    }

    /// The first tick after this instant.
    fn tick_after(&self, at: Milliseconds) -> Milliseconds {
        if at < self.first {
            return self.first;
        }
        self.first + ((at - self.first) / self.every + 1) * self.every
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The guard has not decided yet.
    Undecided,
    /// It executes.
    Executing,
    /// It has been executed.
    Executed,
    /// It has been skipped.
    Skipped,
    /// The guard gave up.
    Failed,
}

/// One run in one environment.
#[derive(Debug, Clone)]
pub struct Run {
    /// When the scheduler made it.
    pub made: Milliseconds,
    /// How far it is.
    pub state: State,
    /// Since when.
    pub since: Milliseconds,
    /// When the guard had decided.
    pub decided: Option<Milliseconds>,
    failures: u32,
    /// Its event waits until the DAG is no longer paused.
    is_frozen: bool,
}

impl Run {
    /// Whether nothing more happens to it.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Executed | State::Skipped | State::Failed)
    }
}

/// A DAG in one environment.
#[derive(Debug, Clone, Default)]
pub struct Here {
    /// Whether the environment has parsed its file.
    pub is_there: bool,
    /// Whether it is paused.
    pub is_paused: bool,
    /// The tick whose run is made next.
    pub next: Milliseconds,
    /// Whether an event that makes it is in the queue.
    is_queued: bool,
    /// Its runs by tick.
    pub runs: BTreeMap<Milliseconds, Run>,
    active: BTreeSet<Milliseconds>,
}

/// The Airflow of one environment.
#[derive(Debug, Clone, Default)]
pub struct Side {
    is_alive: bool,
    is_gone: bool,
    /// Whether it has an empty metadata database.
    is_new: bool,
    /// What would have happened while it was dead.
    parked: Vec<Event>,
    /// Its DAGs, in the order of [`Airflow::dags`].
    pub dags: Vec<Here>,
    reader: Reader,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    /// The scheduler looks whether a run of this DAG is due.
    Make(Color, usize),
    /// The guard of a run reads the flag.
    Guard(Color, usize, Milliseconds),
    /// An execution ends.
    End(Color, usize, Milliseconds),
    /// An environment parses a new file.
    Appears(Color, usize),
}

impl Event {
    fn color(self) -> Color {
        match self {
            Self::Make(color, _) | Self::Guard(color, ..) | Self::End(color, ..) | Self::Appears(color, _) => color,
        }
    }
}

/// Both Airflows.
#[derive(Debug, Default)]
pub struct Airflow {
    /// The DAGs.
    pub dags: Vec<Dag>,
    /// What each environment makes of them.
    pub sides: Both<Side>,
    /// Who executed what.
    pub runs: Runs,
    queue: BTreeMap<(Milliseconds, u64), Event>,
    number: u64,
    rng: Rng,
    /// Whether the standby's DAGs are to be paused.
    manages: bool,
}

impl Airflow {
    /// Two environments with the same DAGs.
    pub fn new(seed: u64, settings: &Settings, now: Milliseconds) -> Self {
        let manages = settings.manages_dags();
        let mut airflow = Self {
            rng: Rng::with_seed(seed ^ 0xa1b2_c3d4),
            manages,
            runs: Runs::of(settings.policy.clone(), manages),
            ..Self::default()
        };
        let midnight = now.div_euclid(DAY) * DAY;
        for (id, every, offset, seconds, rests) in [
            ("quarterly", 15 * MINUTE, 0, (5, 400), false),
            ("hourly", HOUR, 0, (20, 900), false),
            ("daily", DAY, 150 * MINUTE, (300, 3600), false),
            ("resting", HOUR, 0, (5, 10), true),
        ] {
            airflow.dags.push(Dag {
                id: id.to_owned(),
                every,
                first: midnight + offset,
                last: Milliseconds::MAX,
                since: None,
                seconds,
                rests,
                brought: None,
                is_forgotten: false,
            });
        }
        for color in [Color::Blue, Color::Green] {
            for number in 0..airflow.dags.len() {
                airflow.bring(color, number);
                // The first tick that both have seen a flag for.
                airflow.appear(color, number, now + MINUTE);
            }
            airflow.sides.of_mut(color).is_alive = true;
        }
        airflow
    }

    /// A person brings a new DAG to both environments, whose first ticks are old.
    pub fn add(&mut self, hours: i64, is_tagged: bool, now: Milliseconds) {
        let number = self.dags.len();
        let minute = now.div_euclid(MINUTE) * MINUTE;
        self.dags.push(Dag {
            id: format!("new-{number}"),
            every: HOUR,
            first: now.div_euclid(HOUR) * HOUR - hours * HOUR,
            last: now + DAY,
            since: is_tagged.then_some(minute),
            seconds: (5, 120),
            rests: false,
            brought: Some(now),
            is_forgotten: false,
        });
        for color in [Color::Blue, Color::Green] {
            self.bring(color, number);
            let after = self.rng.i64(20 * SECOND..5 * MINUTE);
            self.push(now + after, Event::Appears(color, number));
        }
    }

    /// When something happens next.
    pub fn next_due(&self) -> Milliseconds {
        self.queue.keys().next().map_or(Milliseconds::MAX, |(at, _)| *at)
    }

    /// The flag was written, or deleted.
    pub fn flag_changed(&mut self, version: Option<&Version>) {
        self.runs.flag_changed(version.map(entry_of));
    }

    /// A DAG is paused, or is not paused any more.
    pub fn set_paused(&mut self, color: Color, number: usize, is_paused: bool, now: Milliseconds) {
        let here = &mut self.sides.of_mut(color).dags[number];
        let was_paused = std::mem::replace(&mut here.is_paused, is_paused);
        if !was_paused || is_paused {
            return;
        }
        let frozen: Vec<Milliseconds> = here.active.iter().copied().collect();
        for tick in frozen {
            let here = &mut self.sides.of_mut(color).dags[number];
            if let Some(run) = here.runs.get_mut(&tick)
                && std::mem::take(&mut run.is_frozen)
            {
                let at = now + self.rng.i64(SECOND..20 * SECOND);
                self.push(at, Event::Guard(color, number, tick));
            }
        }
        self.look_for_ticks(color, number, now);
    }

    /// DAGs of this environment were set while the other one could not be listed. A new DAG that is paused is not remembered
    /// (docs/features/dag-management.md, Limits), nor is one that the other one does not have.
    pub fn set_blindly(&mut self, color: Color, now: Milliseconds) {
        for (number, dag) in self.dags.iter_mut().enumerate() {
            let is_there = |color: Color| self.sides.of(color).dags[number].is_there;
            let is_paused = self.sides.of(color).dags[number].is_paused;
            let is_unseen = dag.is_new(now) || !is_there(color.other());
            dag.is_forgotten |= is_paused && is_there(color) && is_unseen;
        }
    }

    /// DAGs that are paused although they should run, or run although they should be paused.
    pub fn not_as_intended(&self, active: Color) -> Vec<String> {
        let mut found = Vec::new();
        for (number, dag) in self.dags.iter().enumerate() {
            for color in [Color::Blue, Color::Green] {
                let here = &self.sides.of(color).dags[number];
                let is_meant = dag.rests || self.manages && color != active;
                let is_excused = dag.is_forgotten && here.is_paused;
                if here.is_there && here.is_paused != is_meant && !is_excused {
                    let state = if here.is_paused { "paused" } else { "not paused" };
                    found.push(format!("{} is {state} on {color}", dag.id));
                }
            }
        }
        found
    }

    fn push(&mut self, at: Milliseconds, event: Event) {
        self.number += 1;
        self.queue.insert((at, self.number), event);
    }

    /// The scheduler looks at a DAG when its next tick is due, some seconds late, now and then by minutes.
    fn look_for_ticks(&mut self, color: Color, number: usize, now: Milliseconds) {
        let here = &mut self.sides.of_mut(color).dags[number];
        let is_over = self.dags[number].is_over(here.next);
        if here.is_queued || here.is_paused || !here.is_there || is_over {
            return;
        }
        here.is_queued = true;
        let due = here.next.max(now);
        let late = if self.rng.u8(0..25) == 0 {
            self.rng.i64(0..3 * MINUTE)
        } else {
            self.rng.i64(200..6 * SECOND)
        };
        self.push(due + late, Event::Make(color, number));
    }

    fn bring(&mut self, color: Color, number: usize) {
        let next = self.dags[number].first;
        self.sides.of_mut(color).dags.push(Here {
            next,
            ..Here::default()
        });
    }

    fn appear(&mut self, color: Color, number: usize, now: Milliseconds) {
        let dag = &self.dags[number];
        let is_old = dag.since.is_some() || dag.last < Milliseconds::MAX;
        // A new file with old ticks catches up on them; the others were there all the time.
        let next = if is_old { dag.first } else { dag.tick_after(now) };
        let rests = dag.rests;
        let here = &mut self.sides.of_mut(color).dags[number];
        if here.is_there {
            return;
        }
        here.is_there = true;
        here.is_paused = rests;
        here.next = here.next.max(next);
        self.look_for_ticks(color, number, now);
    }

    /// Lets time pass.
    pub fn pass(&mut self, around: &mut Around<'_>, now: Milliseconds) {
        for color in [Color::Blue, Color::Green] {
            self.follow(color, around.environments.of(color), now);
        }
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= now
        {
            let ((at, _), event) = entry.remove_entry();
            let color = event.color();
            if self.sides.of(color).is_alive {
                self.happen(event, around, at);
            } else {
                self.sides.of_mut(color).parked.push(event);
            }
        }
    }

    /// The environment has died, or lives again, or was deleted.
    fn follow(&mut self, color: Color, environment: &Environment, now: Milliseconds) {
        let works = environment.works();
        if environment.status.is_none() && !self.sides.of(color).is_gone {
            self.delete(color, now);
        }
        let side = self.sides.of_mut(color);
        let was_alive = std::mem::replace(&mut side.is_alive, works);
        if was_alive || !works {
            return;
        }
        side.is_gone = false;
        let parked = std::mem::take(&mut side.parked);
        for event in parked {
            let at = now + self.rng.i64(2 * SECOND..90 * SECOND);
            self.push(at, event);
        }
        if std::mem::take(&mut self.sides.of_mut(color).is_new) {
            for number in 0..self.dags.len() {
                let here = &mut self.sides.of_mut(color).dags[number];
                here.is_there = true;
                here.is_paused = self.dags[number].rests;
                here.is_queued = false;
                self.skip_ticks(color, number, now, Why::Deleted, now);
                self.look_for_ticks(color, number, now);
            }
        }
    }

    /// The metadata database is deleted: with its runs, and with what it knew of earlier ticks. Whoever makes the
    /// environment again does not let its DAGs begin with their first tick (docs/features/rollout.md, Replacement).
    fn delete(&mut self, color: Color, now: Milliseconds) {
        let side = self.sides.of_mut(color);
        side.is_gone = true;
        side.is_new = true;
        side.parked.clear();
        self.queue.retain(|_, event| event.color() != color);
        for number in 0..self.dags.len() {
            let here = &mut self.sides.of_mut(color).dags[number];
            here.is_there = false;
            here.active.clear();
            for (tick, run) in std::mem::take(&mut here.runs) {
                if run.state == State::Undecided {
                    self.ended(
                        color,
                        number,
                        tick,
                        Ending::Gone {
                            why: Why::Deleted,
                            at: now,
                        },
                    );
                }
            }
        }
    }

    /// No run is ever made of the ticks up to this instant.
    fn skip_ticks(&mut self, color: Color, number: usize, upto: Milliseconds, why: Why, at: Milliseconds) {
        let last = self.dags[number].last;
        loop {
            let here = &mut self.sides.of_mut(color).dags[number];
            let tick = here.next;
            if tick > upto || tick > last {
                return;
            }
            here.next += self.dags[number].every;
            self.ended(color, number, tick, Ending::Gone { why, at });
        }
    }

    fn ended(&mut self, color: Color, number: usize, tick: Milliseconds, copy: Ending) {
        let dag = &self.dags[number];
        if !dag.rests {
            self.runs
                .ended((number, &dag.id), (tick, dag.instant(tick)), color, copy);
        }
    }

    fn happen(&mut self, event: Event, around: &mut Around<'_>, now: Milliseconds) {
        match event {
            Event::Make(color, number) => self.make(color, number, now),
            Event::Guard(color, number, tick) => self.guard(color, number, tick, around, now),
            Event::End(color, number, tick) => self.finish(color, number, tick, State::Executed, now),
            Event::Appears(color, number) => self.appear(color, number, now),
        }
    }

    fn make(&mut self, color: Color, number: usize, now: Milliseconds) {
        let here = &mut self.sides.of_mut(color).dags[number];
        here.is_queued = false;
        if here.is_paused || !here.is_there || here.active.len() >= MAX_ACTIVE_RUNS {
            // Continued when it is unpaused, or when a run ends.
            return;
        }
        while let Some(first) = here.runs.first_entry()
            && first.get().has_ended()
            && now - first.get().since > LISTED
        {
            first.remove();
        }
        if self.manages {
            // Catching up on weeks of pause is nothing that anybody wants (docs/features/dag-management.md, Limits), so the
            // DAGs have catchup=False: Airflow makes the last missed tick only.
            let newest = self.dags[number].tick_after(now) - self.dags[number].every;
            self.skip_ticks(color, number, newest - 1, Why::Missed, now);
        }
        let here = &mut self.sides.of_mut(color).dags[number];
        let tick = here.next;
        if tick <= now && tick <= self.dags[number].last {
            here.next += self.dags[number].every;
            here.active.insert(tick);
            let run = Run {
                made: now,
                state: State::Undecided,
                since: now,
                decided: None,
                failures: 0,
                is_frozen: false,
            };
            here.runs.insert(tick, run);
            let after = self.rng.i64(500..8 * SECOND);
            self.push(now + after, Event::Guard(color, number, tick));
        }
        self.look_for_ticks(color, number, now);
    }

    fn finish(&mut self, color: Color, number: usize, tick: Milliseconds, state: State, now: Milliseconds) {
        let here = &mut self.sides.of_mut(color).dags[number];
        if let Some(run) = here.runs.get_mut(&tick) {
            run.state = state;
            run.since = now;
            run.decided = run.decided.or(Some(now));
        }
        here.active.remove(&tick);
        self.look_for_ticks(color, number, now);
    }

    /// guard.py: one look of the guard.
    fn guard(&mut self, color: Color, number: usize, tick: Milliseconds, around: &mut Around<'_>, now: Milliseconds) {
        let instant = self.dags[number].instant(tick);
        let here = &mut self.sides.of_mut(color).dags[number];
        let Some(run) = here.runs.get_mut(&tick) else { return };
        if here.is_paused {
            // Its remaining tasks are not scheduled until somebody unpauses the DAG.
            run.is_frozen = true;
            return;
        }
        let decided = self.sides.of_mut(color).reader.decide(color, instant, around, now);
        // A version that it has seen is one that was written.
        let seen = |runs: &Runs, (number, modified)| runs.position(number, modified).unwrap_or_default();
        match decided {
            Ok(Decision::Execute(version)) => {
                let seen = seen(&self.runs, version);
                let (least, most) = self.dags[number].seconds;
                let run = self.sides.of_mut(color).dags[number].runs.get_mut(&tick);
                if let Some(run) = run {
                    (run.state, run.since, run.decided) = (State::Executing, now, Some(now));
                }
                self.ended(color, number, tick, Ending::Executed { seen, at: now });
                let seconds = self.rng.i64(least..most);
                self.push(now + seconds * SECOND, Event::End(color, number, tick));
            }
            Ok(Decision::Skip(version)) => {
                let seen = seen(&self.runs, version);
                self.ended(color, number, tick, Ending::Skipped { seen, at: now });
                self.finish(color, number, tick, State::Skipped, now);
            }
            Ok(Decision::Again(at)) => {
                let late = self.rng.i64(100..5 * SECOND);
                self.push(at + late, Event::Guard(color, number, tick));
            }
            Err(undecided) => {
                if undecided == Undecided::Nobody {
                    self.runs.owned_by_nobody(&self.dags[number].id, tick, instant);
                }
                let run = self.sides.of_mut(color).dags[number].runs.get_mut(&tick);
                let failures = run.map_or(0, |run| {
                    run.failures += 1;
                    run.failures
                });
                if failures > RETRIES {
                    self.ended(color, number, tick, Ending::Failed { at: now });
                    self.finish(color, number, tick, State::Failed, now);
                    return;
                }
                let pause = (RETRY_DELAY << (failures - 1).min(10)).min(MAX_RETRY_DELAY);
                self.push(now + pause, Event::Guard(color, number, tick));
            }
        }
    }
}
