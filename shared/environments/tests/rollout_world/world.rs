//! The world, what moves in it, and what must hold.

use std::collections::{HashMap, HashSet};

use bluegreen_core::color::{Both, Color};
use bluegreen_core::flag::FlagVersion;
use bluegreen_environments::rollout::{
    AbortSource, Before, CheckSeen, ColorState, DagState, Flag, Goal, Health, HoldSeen, InFlight, Observed, Options,
    StackState, Step, abort_source, next_step,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Rest,
    RolledBack,
    Updating(bool),
    Creating(bool),
    Deleting,
    Missing,
    Unusable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Environment {
    pub(crate) stack_new: bool,
    pub(crate) dags_new: bool,
    pub(crate) op: Op,
    pub(crate) running: bool,
    pub(crate) sick: bool,
    pub(crate) attempted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Hold {
    None,
    Rollout {
        goal: Goal,
        before: Option<Before>,
        soon: bool,
    },
    OtherRollout,
    Foreign,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) active: Color,
    pub(crate) version: u8,
    pub(crate) in_force: bool,
    pub(crate) colors: Both<Environment>,
    pub(crate) hold: Hold,
    pub(crate) had_hold: bool,
    pub(crate) check: u8,
    pub(crate) confirmed: Option<u8>,
    pub(crate) replacement_confirmed: Option<Color>,
    /// What was decided, the version and the hold it was decided for, and what the goal was.
    pub(crate) pending: Option<(Step, u8, Hold, Target)>,
    pub(crate) budget: u8,
}

/// The configuration that the goal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) stack_new: bool,
    pub(crate) dags_new: bool,
}

pub(crate) const NEW: Target = Target {
    stack_new: true,
    dags_new: true,
};

/// What differs between the explorations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) goal: Goal,
    /// The change cannot be made in place.
    pub(crate) major: bool,
    pub(crate) yes: bool,
    pub(crate) replace: bool,
    /// The color that a person names for an abort.
    pub(crate) to: Option<Color>,
    /// Whether a change is made only if the flag is as it was observed.
    pub(crate) looks_at_flag: bool,
    /// The same of the hold.
    pub(crate) looks_at_hold: bool,
}

impl World {
    pub(crate) fn new(budget: u8) -> Self {
        let old = Environment {
            stack_new: false,
            dags_new: false,
            op: Op::Rest,
            running: false,
            sick: false,
            attempted: false,
        };
        Self {
            active: Color::Blue,
            version: 1,
            in_force: true,
            colors: Both { blue: old, green: old },
            hold: Hold::None,
            had_hold: false,
            check: 0,
            confirmed: None,
            replacement_confirmed: None,
            pending: None,
            budget,
        }
    }

    pub(crate) fn states(&self, target: Target, major: bool) -> Both<ColorState> {
        self.colors.map(|_, environment| {
            let equal = environment.stack_new == target.stack_new;
            let why = String::new;
            let stack = match environment.op {
                Op::Rest | Op::RolledBack if equal => StackState::Matches,
                Op::Rest => StackState::Differs,
                Op::RolledBack => StackState::RolledBack(why()),
                Op::Updating(_) | Op::Creating(_) | Op::Deleting => StackState::Busy(why()),
                Op::Missing => StackState::Missing,
                Op::Unusable => StackState::Unusable(why()),
            };
            ColorState {
                stack,
                replacement: (major && !equal).then(why),
                dags: if environment.dags_new == target.dags_new {
                    DagState::Match
                } else {
                    DagState::Differ
                },
                in_flight: if environment.running {
                    InFlight::Running(why())
                } else {
                    InFlight::Drained
                },
                attempted: environment.attempted,
            }
        })
    }

    fn before(&self) -> Option<Before> {
        match self.hold {
            Hold::Rollout { before, .. } => before,
            _ => None,
        }
    }

    /// What the goal is in this world; none where an abort has lost it.
    fn target(&self, scenario: Scenario) -> Result<Target, AbortSource> {
        if scenario.goal == Goal::Forward {
            return Ok(NEW);
        }
        let is_busy =
            |environment: &Environment| matches!(environment.op, Op::Updating(_) | Op::Creating(_) | Op::Deleting);
        // Nothing says yet what a color has.
        if Color::BOTH.iter().any(|color| is_busy(self.colors.of(*color))) {
            return Ok(NEW);
        }
        let (blue, green) = (self.colors.of(Color::Blue), self.colors.of(Color::Green));
        let alike = (blue.stack_new, blue.dags_new) == (green.stack_new, green.dags_new);
        let source = match abort_source(&self.states(NEW, false), self.before(), scenario.to) {
            // There is nothing to choose.
            AbortSource::Ask(_) if alike => AbortSource::Of(self.active),
            source => source,
        };
        match source {
            AbortSource::Of(color) => {
                let source = self.colors.of(color);
                Ok(Target {
                    stack_new: source.stack_new,
                    dags_new: source.dags_new,
                })
            }
            AbortSource::Nothing => Ok(NEW),
            lost @ (AbortSource::Lost(_) | AbortSource::Ask(_)) => Err(lost),
        }
    }

    fn observed(&self, scenario: Scenario, target: Target) -> Observed {
        Observed {
            goal: scenario.goal,
            flag: Flag::Holds {
                active: self.active,
                version: FlagVersion(self.version.into()),
                in_force: self.in_force,
            },
            drill: None,
            hold: match self.hold {
                Hold::None if self.had_hold => HoldSeen::Released,
                Hold::None => HoldSeen::None,
                Hold::Rollout { goal, soon, .. } if goal == scenario.goal => HoldSeen::Ours { ends_soon: soon },
                Hold::Rollout { .. } | Hold::OtherRollout => HoldSeen::OfRollout {
                    id: String::new(),
                    words: String::new(),
                },
                Hold::Foreign => HoldSeen::Foreign { words: String::new() },
            },
            active_health: if self.colors.of(self.active).sick {
                Health::Failed(String::new())
            } else {
                Health::Healthy
            },
            colors: self.states(target, scenario.major),
            check: match self.check {
                0 => CheckSeen::NotAsked,
                1 => CheckSeen::Ready,
                _ => CheckSeen::NotReady(Vec::new()),
            },
            moved_away: None,
            switch_confirmed: self.confirmed.map(|version| FlagVersion(version.into())),
            replacement_confirmed: self.replacement_confirmed,
            options: Options {
                yes: scenario.yes,
                replace: scenario.replace,
                ..Options::default()
            },
        }
    }

    /// What CloudFormation, Airflow and time do by themselves.
    fn progress(&self) -> Vec<Self> {
        let mut next = Vec::new();
        for color in Color::BOTH {
            let mut world = self.clone();
            let environment = world.colors.of_mut(color);
            match environment.op {
                Op::Updating(to) | Op::Creating(to) => (environment.op, environment.stack_new) = (Op::Rest, to),
                Op::Deleting => environment.op = Op::Missing,
                _ => {}
            }
            next.push(world);
            let mut world = self.clone();
            world.colors.of_mut(color).running = false;
            next.push(world);
        }
        let mut world = self.clone();
        world.in_force = true;
        next.push(world);
        next.retain(|world| world != self);
        next
    }

    fn flag_moves(&mut self) {
        self.colors.of_mut(self.active).running = true;
        self.active = self.active.other();
        self.version = self.version.saturating_add(1);
        self.in_force = false;
        self.check = 0;
    }

    fn forget(&mut self) {
        for color in Color::BOTH {
            self.colors.of_mut(color).attempted = false;
        }
        (self.had_hold, self.check, self.confirmed) = (false, 0, None);
        (self.replacement_confirmed, self.pending) = (None, None);
    }

    fn adversary(&self) -> Vec<Self> {
        let Some(budget) = self.budget.checked_sub(1) else {
            return Vec::new();
        };
        let mut next = Vec::new();
        let mut add = |change: &dyn Fn(&mut Self)| {
            let mut world = self.clone();
            change(&mut world);
            if world != *self {
                world.budget = budget;
                next.push(world);
            }
        };
        for color in Color::BOTH {
            add(&|world| {
                let environment = world.colors.of_mut(color);
                match environment.op {
                    Op::Updating(_) => environment.op = Op::RolledBack,
                    Op::Creating(_) | Op::Deleting => environment.op = Op::Unusable,
                    _ => {}
                }
            });
            add(&|world| world.colors.of_mut(color).sick ^= true);
            add(&|world| world.colors.of_mut(color).running = true);
        }
        // A failover or a person's switch, forced ones included; not to an environment that does not exist.
        if matches!(
            self.colors.of(self.active.other()).op,
            Op::Rest | Op::RolledBack | Op::Updating(_)
        ) {
            add(&Self::flag_moves);
        }
        for hold in [Hold::None, Hold::Foreign, Hold::OtherRollout] {
            add(&|world| world.hold = hold);
        }
        add(&|world| {
            if let Hold::Rollout { soon, .. } = &mut world.hold {
                *soon = true;
            }
        });
        add(&Self::forget);
        next
    }

    /// Decides by what is seen now.
    fn decide(&self, scenario: Scenario) -> Self {
        let mut world = self.clone();
        for color in Color::BOTH {
            let environment = world.colors.of_mut(color);
            // The command attends to what it sees at work.
            environment.attempted |= matches!(environment.op, Op::Updating(_) | Op::Creating(_) | Op::Deleting);
        }
        world.had_hold |= matches!(world.hold, Hold::Rollout { goal, .. } if goal == scenario.goal);
        let (step, target) = match world.target(scenario) {
            Ok(target) => (next_step(&world.observed(scenario, target)), target),
            Err(lost) => (
                Step::Stop {
                    why: format!("{lost:?}"),
                    to_do: String::new(),
                },
                NEW,
            ),
        };
        world.pending = Some((step, world.version, world.hold, target));
        world
    }

    /// Carries out what was decided, and checks that it may.
    fn carry_out(&self, scenario: Scenario) -> Vec<Self> {
        let Some((step, version, hold, target)) = self.pending.clone() else {
            return vec![self.decide(scenario)];
        };
        let mut world = self.clone();
        world.pending = None;
        let unmoved =
            (!scenario.looks_at_flag || world.version == version) && (!scenario.looks_at_hold || world.hold == hold);
        let changes = matches!(
            step,
            Step::ApplyStandby(_) | Step::ReplaceStandby { .. } | Step::SyncDags(_)
        );
        if changes && !unmoved {
            return vec![world];
        }
        if changes {
            world.check = 0;
        }
        match step {
            Step::Hold { .. } | Step::ExtendHold => {
                let unfinished: Vec<Color> = Color::BOTH
                    .into_iter()
                    .filter(|color| !world.states(NEW, false).of(*color).is_finished())
                    .collect();
                let before = world.before().filter(|_| scenario.to.is_none()).or(Some(Before {
                    color: match scenario.to {
                        Some(to) => to,
                        None => match unfinished.as_slice() {
                            [only] => *only,
                            _ => world.active,
                        },
                    },
                    stacks: true,
                    dags: true,
                }));
                world.hold = Hold::Rollout {
                    goal: scenario.goal,
                    before,
                    soon: false,
                };
                world.had_hold = true;
            }
            Step::ApplyStandby(color) => {
                world.may_change(color, scenario);
                let environment = world.colors.of_mut(color);
                environment.op = match environment.op {
                    Op::Missing => Op::Creating(target.stack_new),
                    _ => Op::Updating(target.stack_new),
                };
                environment.attempted = true;
            }
            Step::ReplaceStandby { color, .. } => {
                world.may_change(color, scenario);
                let unusable = world.colors.of(color).op == Op::Unusable;
                let agreed = scenario.replace || world.replacement_confirmed == Some(color) || unusable;
                assert!(agreed, "nobody agreed to this replacement: {self:?}");
                let environment = world.colors.of_mut(color);
                (environment.op, environment.attempted) = (Op::Deleting, true);
            }
            Step::SyncDags(color) => {
                world.may_change(color, scenario);
                world.colors.of_mut(color).dags_new = target.dags_new;
            }
            Step::Check(_) => {
                let mut bad = world.clone();
                world.check = 1;
                if let Some(budget) = world.budget.checked_sub(1) {
                    (bad.check, bad.budget) = (2, budget);
                    return vec![world, bad];
                }
            }
            Step::AskToReplace { color, .. } => world.replacement_confirmed = Some(color),
            Step::AskToSwitch { version, .. } => world.confirmed = u8::try_from(version.0).ok(),
            Step::Switch { to, version } => {
                // `expect` and the claim make it atomic.
                if u64::from(world.version) == version.0 {
                    assert_eq!(to, world.active.other());
                    let agreed = scenario.yes || world.confirmed == Some(world.version);
                    assert!(agreed, "nobody agreed to this switch: {self:?}");
                    assert!(
                        world.check == 1 || world.budget == 0 || !unmoved,
                        "switched unchecked: {self:?}"
                    );
                    world.flag_moves();
                }
            }
            Step::Release { .. } => (world.hold, world.had_hold) = (Hold::None, false),
            Step::Wait(_) => {}
            Step::Done(_) | Step::Stop { .. } => return Vec::new(),
        }
        vec![world]
    }

    fn may_change(&self, color: Color, scenario: Scenario) {
        let other = self.colors.of(color.other());
        assert_ne!(color, self.active, "the active color is changed: {self:?}");
        assert!(
            self.in_force,
            "runs may still begin on the color that is changed: {self:?}"
        );
        assert!(
            !matches!(other.op, Op::Updating(_) | Op::Creating(_) | Op::Deleting),
            "both colors are changed: {self:?}"
        );
        assert!(
            matches!(self.hold, Hold::Rollout { goal, .. } if goal == scenario.goal),
            "changed without the rollout's hold: {self:?}"
        );
    }

    pub(crate) fn is_over(&self) -> Option<&Step> {
        match &self.pending {
            Some((step @ (Step::Done(_) | Step::Stop { .. }), ..)) => Some(step),
            _ => None,
        }
    }

    /// Without the adversary, to the end.
    pub(crate) fn run(&self, scenario: Scenario, known: &mut HashMap<World, World>) -> Self {
        let mut path = Vec::new();
        let mut world = self.clone();
        (world.budget, world.pending) = (0, None);
        loop {
            if let Some(end) = known.get(&world) {
                world = end.clone();
                break;
            }
            assert!(path.len() < 100, "it does not end: {self:?}");
            path.push(world.clone());
            let decided = world.decide(scenario);
            if decided.is_over().is_some() {
                world = decided;
                break;
            }
            let waits = matches!(decided.pending, Some((Step::Wait(_), ..)));
            world = decided.carry_out(scenario).remove(0);
            if waits {
                let before = world.clone();
                while let Some(next) = world.progress().pop() {
                    world = next;
                }
                assert_ne!(before, world, "it waits for what never comes: {before:?}");
            }
        }
        for passed in path {
            known.insert(passed, world.clone());
        }
        world
    }

    /// What a person does before the command is run again.
    pub(crate) fn repaired(&self) -> Self {
        let mut world = self.clone();
        world.forget();
        for color in Color::BOTH {
            world.colors.of_mut(color).sick = false;
        }
        if matches!(world.hold, Hold::Foreign | Hold::OtherRollout) {
            world.hold = Hold::None;
        }
        world
    }
}

/// Every world that the adversary can bring about.
pub(crate) fn explore(starts: impl IntoIterator<Item = World>, scenario: Scenario) -> HashSet<World> {
    let mut seen: HashSet<World> = starts.into_iter().collect();
    let mut open: Vec<World> = seen.iter().cloned().collect();
    while let Some(world) = open.pop() {
        let mut next = world.carry_out(scenario);
        next.extend(world.progress());
        next.extend(world.adversary());
        for world in next {
            if seen.insert(world.clone()) {
                open.push(world);
            }
        }
    }
    seen
}
