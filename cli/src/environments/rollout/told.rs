//! What a rollout tells: its steps, its end, and how to go on.

use bluegreen_core::color::Color;
use bluegreen_core::printable::visible;
use bluegreen_environments::rollout::{CheckSeen, Ending, Goal, StackState, Step, Waiting, foresee};
use jiff::Timestamp;
use serde_json::json;

use super::run::{Next, Run, Seen};
use crate::exit;
use crate::failure::Failure;
use crate::terminal::{self, span};
use crate::under_way;

impl Run<'_> {
    pub(super) fn foresee(&self, seen: &Seen) -> Result<u8, Failure> {
        let steps: Vec<String> = foresee(&seen.observed).iter().map(ToString::to_string).collect();
        if self.session.json {
            terminal::json(&json!({"outcome": "dry_run", "rollout": self.id.to_string(), "steps": steps}).to_string())?;
        } else {
            terminal::out(&format!("rollout {}, from here:\n", self.id))?;
            for (number, step) in (1_usize..).zip(&steps) {
                terminal::out(&format!("{number:>3}. {step}\n"))?;
            }
        }
        Ok(exit::DONE)
    }

    pub(super) fn done(&self, ending: Ending, seen: &Seen) -> Result<Next, Failure> {
        self.session.end_progress();
        let (outcome, told) = match (ending, self.goal) {
            (Ending::Finished, Goal::Forward) => ("finished", "both colors are as pair.toml describes".to_owned()),
            (Ending::Finished, Goal::Abort) => ("aborted", "both colors have the same configuration again".to_owned()),
            (Ending::StandbyReady, _) => (
                "standby_ready",
                format!(
                    "the standby is as described and ready; {}the same command without --until goes on, with --abort it goes \
                     back",
                    self.hold_left()
                ),
            ),
        };
        self.report(outcome, &told, seen)?;
        Ok(Next::End(exit::DONE))
    }

    pub(super) fn stop(&self, why: &str, to_do: &str, seen: &Seen) -> Result<Next, Failure> {
        self.session.end_progress();
        let observed = &seen.observed;
        let failed = Color::BOTH.iter().any(|color| {
            matches!(
                observed.colors.of(*color).stack,
                StackState::RolledBack(_) | StackState::Unusable(_) | StackState::Stuck(_)
            )
        });
        let code = match (&observed.check, failed) {
            (_, true) => exit::FAILED,
            (CheckSeen::NotReady(_), _) => exit::NOT_READY,
            _ => exit::REFUSED,
        };
        self.report("stopped", &format!("{why}; {}{to_do}", self.hold_left()), seen)?;
        Ok(Next::End(code))
    }

    pub(super) fn report(&self, outcome: &str, told: &str, seen: &Seen) -> Result<(), Failure> {
        if self.session.json {
            return terminal::json(
                &json!({
                    "outcome": outcome,
                    "rollout": self.id.to_string(),
                    "active": seen.common.active.map(Color::as_str),
                    "version": seen.common.version,
                    "hold": seen.status.hold,
                    "reason": told,
                })
                .to_string(),
            );
        }
        terminal::out(&format!(
            "rollout {} {} after {}: {told}\n",
            self.id,
            outcome.replace('_', " "),
            span(self.began.elapsed())
        ))
    }

    pub(super) fn hold_left(&self) -> String {
        self.memory.hold_until.get().map_or_else(String::new, stays)
    }

    /// A failure, with how to go on.
    pub(super) fn resumable(&self, failure: Failure) -> Failure {
        self.session.end_progress();
        if self.memory.hold_until.get().is_none() {
            return failure;
        }
        let more = format!(
            "; {}the same command goes on from what it finds, and --abort goes back",
            self.hold_left()
        );
        match failure {
            Failure::Refused(text) => Failure::Refused(format!("{text}{more}")),
            Failure::Aws(text) => Failure::Aws(format!("{text}{more}")),
            Failure::NotReady(text) => Failure::NotReady(format!("{text}{more}")),
            Failure::NotConfirmed(text) => Failure::NotConfirmed(format!("{text}{more}")),
            Failure::NotInTime(text) => Failure::NotInTime(format!("{text}{more}")),
            other => other,
        }
    }

    /// One line for each new step.
    pub(super) fn tell(&mut self, step: &Step) {
        let words = match step {
            // The reasons change all the time.
            Step::Wait(Waiting::Drained(color, _)) => format!("wait until {color} has drained"),
            Step::Done(_) | Step::Stop { .. } => return,
            step => step.to_string(),
        };
        if self.memory.told != words {
            self.session.end_progress();
            self.say(&words);
            self.memory.told = words;
        }
    }

    pub(super) fn say(&self, words: &str) {
        terminal::note(&format!(
            "{:>7}  rollout {}: {}\n",
            span(self.began.elapsed()),
            self.id,
            visible(words)
        ));
    }

    pub(super) fn note_under_way(&self) {
        self.note_hold(self.memory.hold_until.get());
    }

    /// What a person who interrupts this command is told, from now on.
    pub(super) fn note_hold(&self, until: Option<Timestamp>) {
        match until {
            Some(until) => under_way::note(
                "rollout",
                format!(
                    "{}the same command goes on with rollout {} from what it finds, also on another machine; with --abort it goes \
                     back",
                    stays(until),
                    self.id
                ),
            ),
            None => under_way::done("rollout"),
        }
    }
}

fn stays(until: Timestamp) -> String {
    format!("the hold stays until {}: ", terminal::moment(until))
}
