//! What is looked at before a step.

use std::rc::Rc;
use std::time::Instant;

use bluegreen_aws::clock::Clock;
use bluegreen_core::color::{Both, Color};
use bluegreen_core::drill::DrillOutcome;
use bluegreen_core::health::Verdict;
use bluegreen_core::hold::HoldState;
use bluegreen_core::request::{ActionName, RequestForm};
use bluegreen_core::response::{Body, Common, Status};
use bluegreen_environments::rollout::{
    Before, CheckSeen, ColorState, DagState, Flag, Goal, Health, HoldReason, HoldSeen, InFlight, Observed, Options,
    StackState, classify, moved_away,
};

use super::pair::{Deployed, Target, before};
use super::run::{DAGS_AGAIN, Run, STALE, Seen};
use crate::failure::Failure;

/// How many versions of the flag are looked through for this rollout's own switch.
const HISTORY: u64 = 20;

impl Run<'_> {
    /// A hold that is gone may be an old reading.
    pub(super) async fn is_settled(&self) -> Result<bool, Failure> {
        tokio::time::sleep(STALE).await;
        let (_, _, status) = self.session.backend.status().await?;
        Ok(self.hold(&status) == HoldSeen::Released)
    }

    pub(super) fn hold(&self, status: &Status) -> HoldSeen {
        let state = match (&status.held, &status.hold) {
            (Some(held), _) => HoldState::Active(held.clone()),
            (None, Some(words)) => HoldState::Invalid(words.clone()),
            (None, None) => HoldState::None,
        };
        classify(
            &state,
            &self.id,
            self.goal,
            self.memory.hold_until.get(),
            Clock::system().now(),
        )
    }

    pub(super) async fn look(&mut self, described: &Rc<Target>) -> Result<Seen, Failure> {
        let (answered, deployed) = tokio::join!(self.session.backend.status(), self.pair.deployed());
        let ((_, common, status), deployed) = (answered?, deployed?);
        if status.held.is_none()
            && status
                .hold
                .as_deref()
                .is_some_and(|words| words.starts_with("held until "))
        {
            return Err(Failure::Refused(
                "the deployed controller is older than this command, and does not say whose the hold is: deploy it first with \
                 `mwaa-bluegreen env apply`"
                    .to_owned(),
            ));
        }
        let flag = self.flag(&common, &status);
        let active = match &flag {
            Flag::Holds { active, .. } => *active,
            _ => self.pair.description().active,
        };
        let hold = self.hold(&status);
        let reason = status.held.as_ref().and_then(|held| HoldReason::read(&held.reason));
        let told_before = reason.as_ref().and_then(|reason| reason.before);
        let target = self.target(described, &deployed, told_before, active).await?;
        let dags = self.dag_states(&target).await;
        let mut colors = Both::from_fn(|color| self.pair.state(&target, &deployed, color));
        for color in Color::BOTH {
            let state = colors.of_mut(color);
            state.dags = dags.of(color).clone();
            *self.memory.attempted.of_mut(color) |= matches!(state.stack, StackState::Busy(_));
            state.attempted = *self.memory.attempted.of(color);
            state.in_flight = InFlight::of(status.in_flight.of(color).as_ref(), color);
        }
        let health = health(&status, active);
        let check = self.check_seen(&flag);
        let mut before = told_before.unwrap_or_else(|| before(self.goal, &target, &colors, active));
        before.color = self.options.to.unwrap_or(before.color);
        let moved_away = self.moved_away(&flag, &colors).await?;
        let drill = status
            .drill
            .as_ref()
            .filter(|drill| drill.outcome == DrillOutcome::Pending);
        let observed = Observed {
            goal: self.goal,
            flag,
            drill: drill.map(|drill| format!("drill {} is under way", drill.id)),
            hold,
            active_health: health,
            colors,
            check,
            moved_away,
            switch_confirmed: self.memory.switch_confirmed,
            replacement_confirmed: self.memory.replacement_confirmed,
            options: Options {
                until_standby: self.options.until.is_some(),
                yes: self.options.consent.yes,
                replace: self.options.replace,
                // A consent to one switch, not to every one.
                switch_again: self.options.switch_again && !self.memory.has_switched,
                take_over: self.options.take_over,
                not_drained: self.options.not_drained,
            },
        };
        if let (HoldSeen::Ours { .. }, Some(held)) = (&observed.hold, &status.held) {
            self.memory.hold_until.set(Some(held.until));
        }
        self.note_under_way();
        Ok(Seen {
            observed,
            common,
            status,
            target,
            before,
        })
    }

    /// Asked only where the next step could be the switch.
    async fn moved_away(&self, flag: &Flag, colors: &Both<ColorState>) -> Result<Option<String>, Failure> {
        let Flag::Holds { active, .. } = flag else {
            return Ok(None);
        };
        let standby = active.other();
        if !colors.of(standby).is_finished() || colors.of(*active).is_finished() {
            return Ok(None);
        }
        let request = RequestForm {
            limit: Some(HISTORY),
            ..RequestForm::of(ActionName::History)
        };
        let answered = self.session.backend.ask(&request).await?;
        match &answered.response.body {
            Body::History(history) => Ok(moved_away(&history.entries, &self.id, self.goal, standby)),
            _ => Err(Failure::Aws(format!(
                "the history of the flag was answered {}: {}",
                answered.response.common.outcome, answered.response.common.reason
            ))),
        }
    }

    pub(super) fn flag(&mut self, common: &Common, status: &Status) -> Flag {
        let (Some(active), Some(version)) = (common.active, common.version) else {
            return Flag::Invalid(common.reason.clone());
        };
        if self.memory.version.is_some_and(|seen| version < seen) {
            return Flag::Unknown(format!("version {version} of the flag is an old reading"));
        }
        self.memory.version = Some(version);
        let Some(last) = status
            .last_transition
            .as_ref()
            .filter(|last| last.version == Some(version))
        else {
            return Flag::Unknown(format!("the history of the flag does not show version {version}"));
        };
        let now = Clock::system().now();
        Flag::Holds {
            active,
            version,
            in_force: last.effective_from.is_none_or(|from| from <= now),
        }
    }

    /// The goal: what `pair.toml` describes, or what the color from before has.
    pub(super) async fn target(
        &mut self,
        described: &Rc<Target>,
        deployed: &Both<Deployed>,
        before: Option<Before>,
        active: Color,
    ) -> Result<Rc<Target>, Failure> {
        if self.goal == Goal::Forward {
            return Ok(described.clone());
        }
        if let Some(target) = &self.memory.from_before {
            return Ok(target.clone());
        }
        let mut colors = Both::from_fn(|color| self.pair.state(described, deployed, color));
        let is_busy = |color: Color| matches!(colors.of(color).stack, StackState::Busy(_));
        // While CloudFormation is at work, nothing says yet what a color has.
        if Color::BOTH.into_iter().any(is_busy) {
            return Ok(described.clone());
        }
        let dags = self.dag_states_of(described).await;
        for color in Color::BOTH {
            colors.of_mut(color).dags = dags.of(color).clone();
        }
        let target = self
            .pair
            .old_target(
                described,
                &colors,
                deployed,
                before,
                (active, self.options.to),
                self.folder.path(),
            )
            .await?;
        let target = target.map_or_else(|| described.clone(), Rc::new);
        self.memory.from_before = Some(target.clone());
        self.memory.dags = None;
        Ok(target)
    }

    pub(super) async fn dag_states_of(&self, target: &Target) -> Both<DagState> {
        let (blue, green) = tokio::join!(
            self.pair.dag_state(target, Color::Blue),
            self.pair.dag_state(target, Color::Green)
        );
        Both { blue, green }
    }

    /// Listing thousands of files at each look would be a burden: now and then, and after each change.
    pub(super) async fn dag_states(&mut self, target: &Target) -> Both<DagState> {
        if let Some((at, states)) = &self.memory.dags
            && at.elapsed() < DAGS_AGAIN
        {
            return states.clone();
        }
        let states = self.dag_states_of(target).await;
        let is_known = |state: &DagState| !matches!(state, DagState::Unknown(_));
        if is_known(&states.blue) && is_known(&states.green) {
            self.memory.dags = Some((Instant::now(), states.clone()));
        }
        states
    }

    pub(super) fn check_seen(&self, flag: &Flag) -> CheckSeen {
        let Flag::Holds { active, version, .. } = flag else {
            return CheckSeen::NotAsked;
        };
        match &self.memory.check {
            Some(checked) if checked.standby == active.other() && checked.version == *version => {
                if checked.against.is_empty() {
                    CheckSeen::Ready
                } else if checked.since.elapsed() < self.patience() {
                    CheckSeen::NotYet(checked.against.clone())
                } else {
                    CheckSeen::NotReady(checked.against.clone())
                }
            }
            _ => CheckSeen::NotAsked,
        }
    }
}

pub(super) fn health(status: &Status, active: Color) -> Health {
    let answer = status.verdicts.of(active);
    let words = format!("{active} is {}: {}", answer.verdict, answer.reasons.join("; "));
    match answer.verdict.known() {
        Some(Verdict::Healthy) => Health::Healthy,
        Some(Verdict::Unhealthy) => Health::Failed(words),
        _ => Health::Unclear(words),
    }
}
