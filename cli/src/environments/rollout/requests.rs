//! What a rollout asks of the pair's function: hold, check, switch, release, and the look right before a change.

use std::cell::Cell;

use bluegreen_core::color::Color;
use bluegreen_core::flag::FlagVersion;
use bluegreen_core::outcome::Outcome;
use bluegreen_core::precondition::PreconditionName;
use bluegreen_core::request::{ActionName, Expect, RequestForm};
use bluegreen_core::response::{Body, Common};
use bluegreen_environments::rollout::{
    Before, DagState, Differences, Goal, HOLD_MINUTES, HoldReason, HoldSeen, Observed, StackState, judge,
};

use super::changes::Fence;
use super::run::{Next, Run, Seen};
use crate::consent::request;
use crate::failure::Failure;
use crate::under_way;

/// Flag and hold as they were when a change was decided.
pub(super) struct Unmoved<'a> {
    run: &'a Run<'a>,
    active: Option<Color>,
    version: Option<FlagVersion>,
    moved: Cell<bool>,
}

impl<'a> Unmoved<'a> {
    pub(super) fn new(run: &'a Run<'a>, seen: &Seen) -> Self {
        Self {
            run,
            active: seen.common.active,
            version: seen.common.version,
            moved: Cell::new(false),
        }
    }

    pub(super) fn has_moved(&self) -> bool {
        self.moved.get()
    }
}

impl Fence for Unmoved<'_> {
    async fn still_holds(&self) -> Result<(), Failure> {
        let (_, common, status) = self.run.session.backend.status().await?;
        let is_ours = matches!(self.run.hold(&status), HoldSeen::Ours { .. });
        if common.active == self.active && common.version == self.version && is_ours {
            return Ok(());
        }
        self.moved.set(true);
        Err(Failure::Refused(
            "flag or hold were written in the meantime; nothing was changed".to_owned(),
        ))
    }
}

impl Run<'_> {
    fn request(&self, action: ActionName) -> RequestForm {
        let why = match self.goal {
            Goal::Forward => format!("rollout {}", self.id),
            Goal::Abort => format!("rollout {} is aborted", self.id),
        };
        request(action, Some(why), &self.options.consent)
    }

    /// Places the rollout's hold, and remembers its end.
    pub(super) async fn place_hold(&self, before: Before) -> Result<(), Failure> {
        let reason = HoldReason {
            id: self.id.to_string(),
            goal: self.goal,
            before: Some(before),
        };
        let request = RequestForm {
            minutes: Some(HOLD_MINUTES),
            reason: Some(reason.to_string()),
            ..self.request(ActionName::Hold)
        };
        if self.memory.hold_until.get().is_none() {
            under_way::note(
                "rollout",
                format!(
                    "the rollout's hold may have been placed, for {HOLD_MINUTES} minutes: `mwaa-bluegreen status` shows it; the same \
                     command goes on from what it finds, with --abort it goes back, and `mwaa-bluegreen release` ends the hold"
                ),
            );
        }
        let answered = self.session.backend.change(&request).await?;
        let held = match &answered.response.body {
            Body::Change(change) => change.hold.as_ref().map(|hold| hold.until),
            _ => None,
        };
        match (answered.response.common.outcome.known(), held) {
            (Some(Outcome::Held), Some(until)) => {
                self.memory.hold_until.set(Some(until));
                self.note_hold(Some(until));
                Ok(())
            }
            _ => Err(unexpected("the hold", &answered.response.common)),
        }
    }

    pub(super) async fn release(&self, why: &str) -> Result<(), Failure> {
        let request = RequestForm {
            reason: Some(format!("rollout {}: {why}", self.id)),
            ..self.request(ActionName::Release)
        };
        let answered = self.session.backend.change(&request).await?;
        match answered.response.common.outcome.known() {
            Some(Outcome::Released | Outcome::Unchanged) => Ok(()),
            _ => Err(unexpected("the release", &answered.response.common)),
        }
    }

    /// What speaks against the standby.
    pub(super) async fn ask_check(&self, observed: &Observed) -> Result<Vec<String>, Failure> {
        let answered = self.session.backend.ask(&RequestForm::of(ActionName::Check)).await?;
        let Body::Check(check) = &answered.response.body else {
            return Err(unexpected("the check", &answered.response.common));
        };
        let differ = |differs: &dyn Fn(Color) -> bool| Color::BOTH.into_iter().any(differs);
        Ok(judge(
            &check.readiness,
            Differences {
                stacks: differ(&|color| observed.colors.of(color).stack != StackState::Matches),
                dags: differ(&|color| observed.colors.of(color).dags != DagState::Match),
            },
        ))
    }

    /// Switches, if the flag still has the version that was seen.
    pub(super) async fn switch(&mut self, to: Color, version: FlagVersion) -> Result<Next, Failure> {
        let expect = Expect {
            active: Some(to.other()),
            version: Some(version),
        };
        // Going back waits for no cooldown: it undoes a transition.
        let action = match self.goal {
            Goal::Forward => ActionName::Switch,
            Goal::Abort => ActionName::Rollback,
        };
        let request = RequestForm {
            to: (action == ActionName::Switch).then(|| to.into()),
            expect: Some(expect),
            ..self.request(action)
        };
        let answered = self.session.backend.change(&request).await?;
        let common = &answered.response.common;
        match common.outcome.known() {
            Some(Outcome::Switched | Outcome::Unchanged | Outcome::DrillCanceled) => {
                self.memory.check = None;
                self.memory.has_switched = true;
                Ok(Next::LookAgain)
            }
            // Somebody else's transition: which color is the standby is looked at again.
            Some(Outcome::Conflict) => Ok(Next::Wait),
            Some(Outcome::Refused) => self.refused(common),
            _ => Err(unexpected("the switch", common)),
        }
    }

    fn refused(&self, common: &Common) -> Result<Next, Failure> {
        let objections: Vec<&PreconditionName> = common
            .objections()
            .filter_map(|objection| objection.name.known())
            .collect();
        let details: Vec<&str> = common.objections().map(|objection| objection.detail.as_str()).collect();
        let only = |wanted: PreconditionName| !objections.is_empty() && objections.iter().all(|name| **name == wanted);
        if only(PreconditionName::Expect) {
            return Ok(Next::Wait);
        }
        if only(PreconditionName::Cooldown) {
            self.session
                .progress(&format!("wait for the end of the cooldown: {}", details.join("; ")));
            return Ok(Next::Wait);
        }
        Err(Failure::Refused(format!(
            "the switch is refused: {}",
            if details.is_empty() {
                common.reason.clone()
            } else {
                details.join("; ")
            }
        )))
    }
}

fn unexpected(what: &str, common: &Common) -> Failure {
    Failure::Aws(format!("{what} was answered {}: {}", common.outcome, common.reason))
}
