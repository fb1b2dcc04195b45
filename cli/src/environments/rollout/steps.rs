//! The loop: look, ask for the one step, carry it out, look again.

use std::rc::Rc;
use std::time::{Duration, Instant};

use bluegreen_core::color::Color;
use bluegreen_environments::rollout::{
    Before, Health, HoldSeen, InFlight, Meanwhile, REPLACEMENT_TIME, StackState, Step, Waiting, meanwhile, next_step,
};

use super::look::health;
use super::pair::Target;
use super::requests::Unmoved;
use super::run::{Checked, Next, Run, Seen};
use crate::confirm::{Question, must_ask, somebody_is_there, typed};
use crate::failure::Failure;
use crate::terminal::{self, span};

impl Run<'_> {
    pub(super) async fn carry_to_the_end(mut self, described: &Rc<Target>) -> Result<u8, Failure> {
        loop {
            let seen = match self.look(described).await {
                Ok(seen) => seen,
                // What cannot be read at the beginning is wrong; later it may pass.
                Err(failure) if self.memory.has_looked && is_passing(&failure) => {
                    // The part that could be read may say that the active has failed.
                    if let Some(why) = Box::pin(self.release_if_failed(None)).await {
                        return Err(self.released(&why));
                    }
                    let waiting = Waiting::Unreadable(failure.message());
                    self.wait(&waiting, None)?;
                    tokio::time::sleep(self.interval()).await;
                    continue;
                }
                Err(failure) => return Err(self.resumable(failure)),
            };
            self.memory.has_looked = true;
            if self.options.consent.dry_run {
                return self.foresee(&seen);
            }
            let step = next_step(&seen.observed);
            if matches!(step, Step::Stop { .. })
                && seen.observed.hold == HoldSeen::Released
                && !self.is_settled().await?
            {
                continue;
            }
            match self.carry_out(&step, &seen).await {
                Ok(Next::LookAgain) => self.memory.waiting = None,
                Ok(Next::Wait) => tokio::time::sleep(self.interval()).await,
                Ok(Next::End(code)) => return Ok(code),
                Err(failure) => return Err(self.resumable(failure)),
            }
        }
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs(self.options.interval)
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.options.patience)
    }

    async fn carry_out(&mut self, step: &Step, seen: &Seen) -> Result<Next, Failure> {
        self.tell(step);
        match step {
            Step::ApplyStandby(_) | Step::ReplaceStandby { .. } | Step::SyncDags(_) => {
                self.memory.check = None;
                self.memory.dags = None;
                self.change(step, seen).await
            }
            Step::Hold { .. } | Step::ExtendHold => {
                self.place_hold(seen.before).await?;
                Ok(Next::LookAgain)
            }
            Step::Wait(waiting) => {
                let standby = seen.common.active.map(Color::other);
                self.wait(waiting, standby)?;
                Ok(Next::Wait)
            }
            Step::Check(standby) => self.check(*standby, seen).await,
            Step::AskToReplace { color, why } => {
                let question = Question::Word {
                    word: "replace",
                    to_do: format!("delete the environment of {color} and make it again"),
                };
                terminal::note(&format!(
                    "{color} cannot be changed in place: {why}.\nIts environment is deleted with its metadata database \
                     (variables, connections, run history, which DAGs are paused) and made again. For {REPLACEMENT_TIME} the pair has no \
                     standby: nothing can fail over.\n"
                ));
                self.ask(&question).await?;
                self.memory.replacement_confirmed = Some(*color);
                Ok(Next::LookAgain)
            }
            Step::AskToSwitch { to, version, .. } => {
                self.ask(&Question::Color {
                    to: *to,
                    over_objections: false,
                    is_failover: false,
                })
                .await?;
                self.memory.switch_confirmed = Some(*version);
                Ok(Next::LookAgain)
            }
            Step::Switch { to, version } => self.switch(*to, *version).await,
            Step::Release { why } => {
                // A failover waits for nothing of CloudFormation's.
                let is_urgent = matches!(seen.observed.active_health, Health::Failed(_));
                if !is_urgent {
                    self.pair.protect().await?;
                }
                self.release(why).await?;
                self.memory.hold_until.set(None);
                self.note_under_way();
                if is_urgent {
                    self.pair.protect().await?;
                }
                Ok(Next::LookAgain)
            }
            Step::Done(ending) => self.done(*ending, seen),
            Step::Stop { why, to_do } => self.stop(why, to_do, seen),
        }
    }

    /// Changes the standby, under a hold that is placed again meanwhile.
    async fn change(&mut self, step: &Step, seen: &Seen) -> Result<Next, Failure> {
        if let Step::ApplyStandby(color) | Step::ReplaceStandby { color, .. } = step {
            *self.memory.attempted.of_mut(*color) = true;
        }
        let fence = Unmoved::new(self, seen);
        let work = async {
            match step {
                Step::ApplyStandby(color) => self.pair.apply(&seen.target, *color, &fence).await,
                Step::ReplaceStandby { color, .. } => {
                    let unusable = matches!(seen.observed.colors.of(*color).stack, StackState::Unusable(_));
                    self.pair.delete(*color, unusable, &fence).await
                }
                Step::SyncDags(color) => {
                    let progress = |line: &str| self.session.progress(&format!("{color}: {line}"));
                    let synced = self
                        .pair
                        .sync_dags(&seen.target, *color, self.options.dag_patience, &fence, progress)
                        .await;
                    self.session.end_progress();
                    synced
                }
                _ => Ok(()),
            }
        };
        let done = self.under_hold(work, seen.before).await;
        let has_moved = fence.has_moved();
        match done {
            Err(_) if has_moved => {
                self.say("flag or hold were written in the meantime: looking again");
                Ok(Next::LookAgain)
            }
            Err(failure) => Err(failure),
            Ok(()) => Ok(Next::LookAgain),
        }
    }

    /// Keeps the hold while the work goes on, so that it cannot run out under a long update; ends it if the active fails.
    /// The work is not broken off: what it begins next is fenced by the hold.
    async fn under_hold<T>(&self, work: impl Future<Output = T>, before: Before) -> T {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            why = self.until_active_fails(Some(before)) => self.tell_released(&why),
        }
        work.await
    }

    /// Looks again and again, and returns once the active has failed and this rollout's hold was ended for it: why. The hold
    /// is placed again only with `before`.
    async fn until_active_fails(&self, before: Option<Before>) -> String {
        loop {
            tokio::time::sleep(self.interval()).await;
            // Boxed, because the compiler follows nested futures only so deep.
            if let Some(why) = Box::pin(self.release_if_failed(before)).await {
                return why;
            }
        }
    }

    /// Why this rollout's hold was ended, if it was: the active has failed.
    async fn release_if_failed(&self, before: Option<Before>) -> Option<String> {
        // What cannot be read is looked at again.
        let (_, common, status) = self.session.backend.status().await.ok()?;
        let active = common.active?;
        let health = health(&status, active);
        match (meanwhile(&self.hold(&status), &health), before, health) {
            (Meanwhile::Release, _, Health::Failed(why)) => {
                let freed = format!("the active color, {active}, is unhealthy: {why}");
                match self.release(&freed).await {
                    Ok(()) => return Some(freed),
                    Err(failure) => self.say(&format!(
                        "{freed}; the hold could not be ended, and keeps a failover from {}: {}",
                        active.other(),
                        failure.message()
                    )),
                }
            }
            (Meanwhile::Extend, Some(before), _) => {
                // If that fails, the next look tries again; it has more than an hour left.
                drop(self.place_hold(before).await);
            }
            _ => {}
        }
        None
    }

    fn tell_released(&self, why: &str) {
        self.session.end_progress();
        self.memory.hold_until.set(None);
        self.note_hold(None);
        self.say(&format!(
            "{why}; THE HOLD IS ENDED, nothing of this rollout keeps a failover any more: the watcher fails over if the standby is \
             healthy, `mwaa-bluegreen failover` does it now"
        ));
    }

    /// The end of this run, after its hold was ended for a failed active.
    fn released(&self, why: &str) -> Failure {
        self.tell_released(why);
        Failure::Refused(format!(
            "{why}; the hold is ended, so that nothing keeps a failover; afterwards the same command goes on from what it \
             finds, and --abort goes back"
        ))
    }

    fn wait(&mut self, waiting: &Waiting, standby: Option<Color>) -> Result<(), Failure> {
        let kind = std::mem::discriminant(waiting);
        let since = match self.memory.waiting {
            Some((waited, since)) if waited == kind => since,
            _ => Instant::now(),
        };
        self.memory.waiting = Some((kind, since));
        self.session.progress(&format!("{waiting} ({})", span(since.elapsed())));
        if waiting.is_progress() || since.elapsed() < self.patience() {
            return Ok(());
        }
        self.session.end_progress();
        let more = match (waiting, standby) {
            (Waiting::Drained(_, InFlight::Unknown(_)), Some(color)) => format!(
                "; look yourself on {color}'s Airflow page, and if nothing of its own runs go on with --not-drained"
            ),
            _ => String::new(),
        };
        Err(Failure::NotInTime(format!(
            "{waiting}: not within {} (--patience){more}",
            span(self.patience())
        )))
    }

    async fn check(&mut self, standby: Color, seen: &Seen) -> Result<Next, Failure> {
        let Some(version) = seen.common.version else {
            return Ok(Next::Wait);
        };
        let against = self.ask_check(&seen.observed).await?;
        let since = match &self.memory.check {
            Some(before) if before.standby == standby && before.version == version => before.since,
            _ => Instant::now(),
        };
        let is_ready = against.is_empty();
        if !is_ready {
            self.session
                .progress(&format!("{standby} is not ready yet: {}", against.join("; ")));
        }
        self.memory.check = Some(Checked {
            standby,
            version,
            against,
            since,
        });
        Ok(if is_ready { Next::LookAgain } else { Next::Wait })
    }

    async fn ask(&mut self, question: &Question) -> Result<(), Failure> {
        must_ask(false, somebody_is_there())?;
        self.session.end_progress();
        let prompt = question.prompt();
        // The person may have gone for lunch: the question must not keep a failover waiting.
        let answer = tokio::select! {
            answer = typed(&prompt) => answer?,
            why = self.until_active_fails(None) => {
                terminal::note("\n");
                return Err(self.released(&why));
            }
        };
        if question.agrees(&answer) {
            Ok(())
        } else {
            Err(Failure::NotConfirmed("not confirmed".to_owned()))
        }
    }
}

fn is_passing(failure: &Failure) -> bool {
    matches!(failure, Failure::Aws(_) | Failure::Function { .. })
}
