//! The rollout: a change is applied to the standby first, checked, switched to, and then applied to the other color.
//!
//! Level-triggered: [`next_step`] looks at the stacks, the flag and the hold, and names one step; then everything is
//! looked at again. No progress is stored anywhere, so that anybody can interrupt it and anybody can go on. What
//! happens in the middle, a failover or a person's switch, only changes which color is the standby.
//!
//! Three rules hold for every observation: at most one color is under change, it is the standby, and where something
//! cannot be read nothing is changed.

mod abort;
mod check;
mod foresee;
mod hold;
mod moved;
mod observed;
mod replacement;
mod stacks;
mod words;

use bluegreen_core::color::Color;
use bluegreen_core::flag::FlagVersion;

pub use abort::{AbortSource, abort_source, of_the_other};
pub use check::{Differences, judge};
pub use foresee::foresee;
pub use hold::{
    Before, HOLD_MINUTES, HOLD_RENEWED_BELOW_MINUTES, HoldReason, Meanwhile, RolloutId, classify, meanwhile,
};
pub use moved::moved_away;
pub use observed::{
    CheckSeen, ColorState, DagState, Flag, Goal, Health, HoldSeen, InFlight, Observed, Options, StackState,
};
pub use replacement::{Compared, compare, lacks, replacement};
pub use stacks::{combined, of_status};

/// How long a pair has no standby while its environment is replaced: MWAA's user guide says 10-15 minutes for a deletion
/// and 20-30 for a creation.
pub const REPLACEMENT_TIME: &str = "30 to 45 minutes";

/// The next step of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use]
pub enum Step {
    /// Place this rollout's hold, in the place of the one that is described.
    Hold {
        /// The hold that it replaces.
        over: Option<String>,
    },
    /// Place this rollout's hold again, with a later end.
    ExtendHold,
    /// Look again in a while.
    Wait(Waiting),
    /// Apply the goal to the stacks of this color, which is the standby; creates what is missing.
    ApplyStandby(Color),
    /// Ask a person whether the standby's environment may be replaced.
    AskToReplace {
        /// The standby.
        color: Color,
        /// Why it cannot be changed in place.
        why: String,
    },
    /// Delete the standby's environment stack; afterwards it is missing, and is made again.
    ReplaceStandby {
        /// The standby.
        color: Color,
        /// Why.
        why: String,
    },
    /// Bring the goal's DAG files to this color, which is the standby.
    SyncDags(Color),
    /// Check whether the standby could take over.
    Check(Color),
    /// Ask a person whether to switch.
    AskToSwitch {
        /// The color to switch to.
        to: Color,
        /// The flag's version that was seen.
        version: FlagVersion,
        /// What moved the flag back after this rollout had switched to that color.
        after: Option<String>,
    },
    /// Switch, if the flag is still as it was seen.
    Switch {
        /// The color to switch to.
        to: Color,
        /// The flag's version that was seen.
        version: FlagVersion,
    },
    /// End the hold.
    Release {
        /// Why.
        why: String,
    },
    /// Nothing is left to do.
    Done(Ending),
    /// Only a person can go on.
    Stop {
        /// Why.
        why: String,
        /// What to do.
        to_do: String,
    },
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// Something that could not be read.
    Unreadable(String),
    /// The newest flag version takes effect within seconds.
    InForce(Color),
    /// The active environment, whose health is not clear.
    ActiveHealth(String),
    /// CloudFormation's work on this color.
    Stack(Color, String),
    /// Runs in flight on this color.
    Drained(Color, InFlight),
}

impl Waiting {
    /// Whether it ends by itself however long it takes. Everything else is waited for a limited time.
    #[must_use]
    pub fn is_progress(&self) -> bool {
        match self {
            Self::Stack(..) | Self::InForce(_) | Self::Drained(_, InFlight::Running(_) | InFlight::Drained) => true,
            Self::Unreadable(_) | Self::ActiveHealth(_) | Self::Drained(_, InFlight::Unknown(_)) => false,
        }
    }
}

/// How a rollout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Both colors are as the goal wants, and there is no hold of the rollout.
    Finished,
    /// The standby is; `--until standby` ends here, and the hold stays.
    StandbyReady,
}

/// The one step that the observation asks for.
pub fn next_step(seen: &Observed) -> Step {
    let (active, version, in_force) = match &seen.flag {
        Flag::Unknown(cause) => return Step::Wait(Waiting::Unreadable(cause.clone())),
        Flag::Invalid(what) => {
            return stop(
                what.clone(),
                "without an active color nobody knows which one may be changed: `mwaa-bluegreen status` names the remedy",
            );
        }
        Flag::Holds {
            active,
            version,
            in_force,
        } => (*active, *version, *in_force),
    };
    let is_finished = Color::BOTH.iter().all(|color| seen.colors.of(*color).is_finished());
    // Before anything else: neither a person who is waited for nor an unreadable answer may keep a failover waiting.
    if let (Health::Failed(_), HoldSeen::Ours { .. }, false) = (&seen.active_health, &seen.hold, is_finished) {
        return Step::Release {
            why: format!(
                "the active color, {active}, is unhealthy: nothing may keep a failover from {}",
                active.other()
            ),
        };
    }
    for color in Color::BOTH {
        let state = seen.colors.of(color);
        if let StackState::Unknown(cause) | StackState::Stuck(cause) = &state.stack {
            let is_stuck = matches!(state.stack, StackState::Stuck(_));
            return if is_stuck {
                stop(cause.clone(), "then run the same command again")
            } else {
                Step::Wait(Waiting::Unreadable(cause.clone()))
            };
        }
        if let DagState::Unknown(cause) = &state.dags {
            return Step::Wait(Waiting::Unreadable(cause.clone()));
        }
    }
    let standby = active.other();
    let place = Place {
        seen,
        active,
        standby,
        version,
    };
    if is_finished {
        return place.finish();
    }
    if let Some(drill) = &seen.drill {
        return stop(
            drill.clone(),
            "a drill moves the flag by itself: wait for its end, or end it with `mwaa-bluegreen rollback`; then run the same \
             command again",
        );
    }
    if let Some(step) = place.refuse_others_hold() {
        return step;
    }
    if !in_force {
        return Step::Wait(Waiting::InForce(active));
    }
    // One color at a time: whoever began it, CloudFormation's work is waited for.
    for color in Color::BOTH {
        if let StackState::Busy(what) = &seen.colors.of(color).stack {
            // The hold must not run out under a long update. A failed active wants none.
            return match place.hold() {
                Some(step) if seen.active_health == Health::Healthy => step,
                _ => Step::Wait(Waiting::Stack(color, what.clone())),
            };
        }
    }
    if let Some(step) = place.look_at_active() {
        return step;
    }
    for color in Color::BOTH {
        let state = seen.colors.of(color);
        if let (StackState::RolledBack(why) | StackState::Unusable(why), true) = (&state.stack, state.attempted) {
            return stop(
                format!("{color}: {why}"),
                "the same command tries it again; `mwaa-bluegreen rollout --abort` goes back",
            );
        }
    }
    if let Some(step) = place.hold() {
        return step;
    }
    if seen.colors.of(standby).is_finished() {
        place.switch()
    } else {
        place.change_standby()
    }
}

struct Place<'a> {
    seen: &'a Observed,
    active: Color,
    standby: Color,
    version: FlagVersion,
}

impl Place<'_> {
    /// Both colors are as the goal wants.
    fn finish(&self) -> Step {
        let ours = match (&self.seen.hold, self.seen.goal) {
            // Aborted before anything was changed: what is left of the rollout is its hold.
            (HoldSeen::Ours { .. }, _) | (HoldSeen::OfRollout { .. }, Goal::Abort) => true,
            (HoldSeen::None | HoldSeen::Released | HoldSeen::OfRollout { .. } | HoldSeen::Foreign { .. }, _) => false,
        };
        if !ours {
            return Step::Done(Ending::Finished);
        }
        // An outage is not prolonged by a check.
        if matches!(self.seen.active_health, Health::Failed(_)) {
            return self.release();
        }
        match &self.seen.check {
            CheckSeen::NotAsked | CheckSeen::NotYet(_) => Step::Check(self.standby),
            CheckSeen::Ready => self.release(),
            CheckSeen::NotReady(findings) => stop(
                format!(
                    "both colors are as they shall be, but {} could not take over: {}",
                    self.standby,
                    findings.join("; ")
                ),
                "the hold stays: repair that and run the same command again, or end it with `mwaa-bluegreen release`",
            ),
        }
    }

    fn release(&self) -> Step {
        Step::Release {
            why: match self.seen.goal {
                Goal::Forward => "the rollout is finished".to_owned(),
                Goal::Abort => "the rollout is aborted".to_owned(),
            },
        }
    }

    fn refuse_others_hold(&self) -> Option<Step> {
        match &self.seen.hold {
            HoldSeen::None | HoldSeen::Ours { .. } => None,
            HoldSeen::Released => Some(stop(
                "somebody ended the hold of this rollout".to_owned(),
                "ask who it was (`aws ssm get-parameter-history` of the parameter `hold` names them); the same command goes on \
                 under a new hold, `mwaa-bluegreen rollout --abort` goes back",
            )),
            _ if self.seen.options.take_over => None,
            HoldSeen::OfRollout { .. } if self.seen.goal == Goal::Abort => None,
            HoldSeen::OfRollout { id, words } => Some(stop(
                format!("another rollout is under way, {id}: {words}"),
                "its `pair.toml` or DAG files differ from yours, or it is being aborted: ask whoever placed the hold; then go \
                 back with `mwaa-bluegreen rollout --abort`, or go on with what you have by --take-over",
            )),
            HoldSeen::Foreign { words } => Some(stop(
                format!("a hold that is not a rollout's is in force: {words}"),
                "somebody works on this pair: wait for its end, end it with `mwaa-bluegreen release`, or work under it with \
                 --take-over",
            )),
        }
    }

    /// The step that puts the hold in order, if it is not.
    fn hold(&self) -> Option<Step> {
        match &self.seen.hold {
            HoldSeen::Ours { ends_soon: false } => None,
            HoldSeen::Ours { ends_soon: true } => Some(Step::ExtendHold),
            HoldSeen::None | HoldSeen::Released => Some(Step::Hold { over: None }),
            HoldSeen::OfRollout { words, .. } | HoldSeen::Foreign { words } => Some(Step::Hold {
                over: Some(words.clone()),
            }),
        }
    }

    /// While the active does not work, the standby is what the pair has left: it is not touched, and no hold of a rollout
    /// keeps the failover from it.
    fn look_at_active(&self) -> Option<Step> {
        let (active, standby) = (self.active, self.standby);
        match &self.seen.active_health {
            Health::Healthy => {}
            Health::Unclear(why) => return Some(Step::Wait(Waiting::ActiveHealth(why.clone()))),
            Health::Failed(why) => {
                return Some(stop(
                    format!("the active color, {active}, is unhealthy: {why}"),
                    &format!(
                        "the watcher fails over if {standby} is healthy; `mwaa-bluegreen failover --to {standby}` does it now; then \
                         run the same command again: it goes on from what it finds"
                    ),
                ));
            }
        }
        match &self.seen.colors.of(active).stack {
            StackState::Missing => Some(stop(
                format!("{active} is active, and its stack does not exist"),
                "a rollout changes what `mwaa-bluegreen env apply` has made; an environment made by other means is named in \
                 pair.toml by `existing`",
            )),
            StackState::Unusable(why) => Some(stop(
                format!("{active} is active, and its stack cannot be used: {why}"),
                "switch to the other color first (`mwaa-bluegreen switch`); then the same command makes this one again",
            )),
            _ => None,
        }
    }

    /// The standby is not yet as the goal wants.
    fn change_standby(&self) -> Step {
        let color = self.standby;
        let state = self.seen.colors.of(color);
        let runs = !matches!(state.stack, StackState::Missing | StackState::Unusable(_));
        if runs && state.in_flight != InFlight::Drained && !self.seen.options.not_drained {
            return Step::Wait(Waiting::Drained(color, state.in_flight.clone()));
        }
        match &state.stack {
            StackState::Missing => Step::ApplyStandby(color),
            StackState::Unusable(why) => Step::ReplaceStandby {
                color,
                why: why.clone(),
            },
            StackState::Differs | StackState::RolledBack(_) => match &state.replacement {
                None => Step::ApplyStandby(color),
                Some(why) if self.seen.options.replace || self.seen.replacement_confirmed == Some(color) => {
                    Step::ReplaceStandby {
                        color,
                        why: why.clone(),
                    }
                }
                // It deletes a metadata database: whoever said --yes to a rollout has not said that.
                Some(why) if self.seen.options.yes => stop(
                    format!("{color}, the standby, cannot be changed in place: {why}"),
                    &format!(
                        "its environment would be deleted with its metadata database and made again, with {REPLACEMENT_TIME} without \
                         a standby: add --replace to --yes if that is what you want, or leave --yes out and be asked"
                    ),
                ),
                Some(why) => Step::AskToReplace {
                    color,
                    why: why.clone(),
                },
            },
            StackState::Matches => Step::SyncDags(color),
            StackState::Busy(what) | StackState::Stuck(what) | StackState::Unknown(what) => {
                Step::Wait(Waiting::Stack(color, what.clone()))
            }
        }
    }

    /// The standby is as the goal wants, and the active is not.
    fn switch(&self) -> Step {
        let (to, version) = (self.standby, self.version);
        let Options {
            yes,
            switch_again,
            until_standby,
            ..
        } = self.seen.options;
        // At once, and not after the wait for a check that is not ready yet.
        if let (Some(away), true, false, false) = (&self.seen.moved_away, yes, switch_again, until_standby) {
            return stop(
                format!("this rollout had switched to {to}, and the flag was moved away again: {away}"),
                "ask whoever did it; then go back with `mwaa-bluegreen rollout --abort`, or switch once more: without --yes you are \
                 asked, with --yes add --switch-again",
            );
        }
        match &self.seen.check {
            CheckSeen::NotAsked | CheckSeen::NotYet(_) => return Step::Check(self.standby),
            CheckSeen::NotReady(findings) => {
                return stop(
                    format!("{} is not ready to take over: {}", self.standby, findings.join("; ")),
                    "repair that and run the same command again, or go back with `mwaa-bluegreen rollout --abort`",
                );
            }
            CheckSeen::Ready => {}
        }
        if until_standby {
            return Step::Done(Ending::StandbyReady);
        }
        // A person agrees to one version of the flag, not to whatever it holds later.
        if yes || self.seen.switch_confirmed == Some(version) {
            Step::Switch { to, version }
        } else {
            Step::AskToSwitch {
                to,
                version,
                after: self.seen.moved_away.clone(),
            }
        }
    }
}

fn stop(why: String, to_do: &str) -> Step {
    Step::Stop {
        why,
        to_do: to_do.to_owned(),
    }
}
