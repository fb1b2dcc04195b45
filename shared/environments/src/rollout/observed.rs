//! What a rollout looks at before each step.

use bluegreen_core::color::{Both, Color};
use bluegreen_core::flag::FlagVersion;
use bluegreen_core::response::InFlightAnswer;

/// Where a rollout goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Goal {
    /// To what `pair.toml` describes.
    Forward,
    /// Back to the configuration from before the rollout (`--abort`).
    Abort,
}

/// Everything the next step depends on. Stacks, flag and hold are the memory; the rest belongs to one run of the command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observed {
    /// Where the rollout goes. The colors below are compared with that goal.
    pub goal: Goal,
    /// The flag.
    pub flag: Flag,
    /// A drill under way, in words.
    pub drill: Option<String>,
    /// The hold.
    pub hold: HoldSeen,
    /// The health of the active environment.
    pub active_health: Health,
    /// Both environments, compared with the goal.
    pub colors: Both<ColorState>,
    /// What the check of the standby said, since something was last changed.
    pub check: CheckSeen,
    /// What moved the flag away from the standby after this rollout had switched to it.
    pub moved_away: Option<String>,
    /// The flag's version for which a person agreed to the switch.
    pub switch_confirmed: Option<FlagVersion>,
    /// The color whose environment a person agreed to replace.
    pub replacement_confirmed: Option<Color>,
    /// The options of the command.
    pub options: Options,
}

/// The options of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option that is given or not")]
pub struct Options {
    /// Stop before the switch.
    pub until_standby: bool,
    /// Do not ask, except before an environment is replaced.
    pub yes: bool,
    /// Replace the standby's environment where it cannot be changed in place.
    pub replace: bool,
    /// Switch although the flag was moved back after this rollout had switched.
    pub switch_again: bool,
    /// Work under a hold that somebody else placed.
    pub take_over: bool,
    /// Change the standby although runs are in flight on it, or nobody can say.
    pub not_drained: bool,
}

/// The flag as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Flag {
    /// It holds a color.
    Holds {
        /// The active color.
        active: Color,
        /// The version.
        version: FlagVersion,
        /// Whether this version has taken effect.
        in_force: bool,
    },
    /// It is missing, or holds no color.
    Invalid(String),
    /// It could not be read.
    Unknown(String),
}

/// The hold as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HoldSeen {
    /// There is none.
    None,
    /// It is this rollout's.
    Ours {
        /// Whether it ends soon.
        ends_soon: bool,
    },
    /// This run of the command has seen its hold, and it was ended before its time.
    Released,
    /// It is another rollout's, or the same one's in the other direction.
    OfRollout {
        /// Its id.
        id: String,
        /// The hold in words.
        words: String,
    },
    /// A person or another job placed it, or it cannot be read as a hold.
    Foreign {
        /// The hold in words.
        words: String,
    },
}

/// The health of the active environment, as far as the rollout cares.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Health {
    /// Healthy.
    Healthy,
    /// Suspect, under maintenance, or unknown: a reason to wait.
    Unclear(String),
    /// Unhealthy.
    Failed(String),
}

/// One environment, compared with the goal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColorState {
    /// Its stacks.
    pub stack: StackState,
    /// Why the difference needs a new environment, if it does.
    pub replacement: Option<String>,
    /// Its DAG files.
    pub dags: DagState,
    /// Runs in flight on it.
    pub in_flight: InFlight,
    /// Whether this run of the command has changed its stacks, or has waited while they changed.
    pub attempted: bool,
}

/// The stacks of one color, compared with the goal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StackState {
    /// Deployed as the goal wants, or not deployed by this product.
    Matches,
    /// At rest, and different.
    Differs,
    /// Different, because the last update was rolled back; why.
    RolledBack(String),
    /// CloudFormation is at work on it; what it does.
    Busy(String),
    /// Its creation or deletion failed: all that can be done is to delete it; why.
    Unusable(String),
    /// It cannot be changed until a person has repaired it; why, with the command that does.
    Stuck(String),
    /// It does not exist.
    Missing,
    /// It could not be read.
    Unknown(String),
}

/// The DAG files of one color, compared with the goal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DagState {
    /// As the goal wants, or not managed by the rollout.
    Match,
    /// Different.
    Differ,
    /// The manifest could not be read.
    Unknown(String),
}

/// The DAG runs in flight on an environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum InFlight {
    /// None, and no more can begin.
    Drained,
    /// Some, or some may still begin; in words.
    Running(String),
    /// Nobody can say; why.
    Unknown(String),
}

/// What the check said about the standby.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CheckSeen {
    /// It was not asked since the last change.
    NotAsked,
    /// Nothing speaks against the standby.
    Ready,
    /// Something does, and time may heal it.
    NotYet(Vec<String>),
    /// Something still does.
    NotReady(Vec<String>),
}

impl InFlight {
    /// Of what the controller says about a color.
    #[must_use]
    pub fn of(answer: Option<&InFlightAnswer>, color: Color) -> Self {
        match answer {
            None => Self::Unknown(format!("the controller does not say what is in flight on {color}")),
            Some(answer) if answer.runs.is_none() => Self::Unknown(answer.reason.clone()),
            Some(answer) if answer.drained && answer.runs == Some(0) => Self::Drained,
            Some(answer) => Self::Running(answer.reason.clone()),
        }
    }
}

impl ColorState {
    /// Whether nothing is left to do on it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.stack == StackState::Matches && self.dags == DagState::Match
    }
}
