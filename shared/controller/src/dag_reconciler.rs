//! Carries DAG management out: lists which DAGs run, unpauses those of the new color, pauses those of the old one.
//!
//! Every step can be repeated, and can be cut short anywhere: what remains is asked of Airflow again. The previously
//! active environment never delays the active one.

use std::collections::BTreeSet;
use std::time::Duration;

use bluegreen_aws::airflow_dags::{DagSession, Listing};
use bluegreen_core::audit;
use bluegreen_core::color::Color;
use bluegreen_core::dag_management::{
    ActiveVersion, Fence, PAUSE_DELAY, Phase, Plan, Progress, READING_TIME, Report, State, VERIFY_AFTER, activation,
    busy, fence, remember,
};
use bluegreen_core::health::{Cause, CauseKind};
use bluegreen_core::readiness::{DagList, some_of};
use bluegreen_core::time::{after, elapsed, to_second};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use tokio::time::Instant;

use crate::dag_memory::DagMemory;
use crate::function_error::FunctionError;
use crate::services::Services;

/// How many times the remaining DAGs are listed and set. DAGs may appear in between.
const ROUNDS: u32 = 4;

/// How long one input waits for the previously active environment.
const FENCING_TIME: Duration = Duration::from_secs(12);

/// How long an environment must have been unresponsive before people are notified of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// The input of one reconciliation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReconcileInput<'a> {
    /// The stored progress, as observed together with the flag.
    pub(crate) stored: Option<&'a str>,
    /// The current flag, after this invocation's transition if there was one.
    pub(crate) flag: ActiveVersion,
    /// Whether this invocation made a transition.
    pub(crate) is_transition: bool,
    /// Whether a hold is in force: DAGs that somebody unpaused on the standby meanwhile are then left alone.
    pub(crate) is_held: bool,
    /// When the flag was observed; `None` if this input may read no list.
    pub(crate) observed_at: Option<Timestamp>,
    /// How long the reconciliation may take.
    pub(crate) time: Duration,
}

/// Lists which DAGs run, shortly before a transition. Returns what is stored then; on failure, what was stored before.
pub(crate) async fn read_before(services: &Services, input: ReconcileInput<'_>) -> Option<String> {
    let stored = input.stored.map(str::to_owned);
    if !services.settings.manages_dags() {
        return stored;
    }
    let Some(mut reconciler) =
        Reconciler::new(services, &input).filter(|reconciler| reconciler.memory.progress.may_read())
    else {
        return stored;
    };
    let unasked = DagList::unknown(Cause::new(CauseKind::NotAsked, "not asked"));
    let reading = async {
        let listing = reconciler.airflow.all(input.flag.active, reconciler.until).await;
        reconciler.learn(&input, listing, &unasked).await
    };
    // If the store takes longer, the ticks do the rest. Parts are named by content, so an incomplete set does no harm.
    match tokio::time::timeout(input.time, reading).await {
        Ok(Ok(())) => Some(json!(reconciler.memory.progress).to_string()),
        Ok(Err(failure)) => {
            tracing::warn!(error = %failure, "the DAGs were not listed before the transition; what was remembered counts");
            stored
        }
        Err(_) => {
            tracing::warn!("no time to list the DAGs before the transition; what was remembered counts");
            stored
        }
    }
}

/// Reconciles as far as the time allows. `None` if DAGs are not managed, or if the flag's reading is too old to act on.
pub(crate) async fn reconcile_dags(
    services: &Services,
    input: ReconcileInput<'_>,
) -> Result<Option<Report>, FunctionError> {
    if !services.settings.manages_dags() {
        return Ok(None);
    }
    let Some(mut reconciler) = Reconciler::new(services, &input) else {
        return Ok(None);
    };
    let (state, detail) = reconciler.go_on(&input).await?;
    let state = reconciler
        .memory
        .progress
        .judge(state, services.settings.drain, services.clock.now());
    let report = Report {
        state,
        active: input.flag.active,
        unpaused: reconciler.unpaused,
        paused: reconciler.paused,
        manual: reconciler.manual.iter().cloned().collect(),
        detail,
    };
    if state != State::Settled || reconciler.unpaused > 0 || reconciler.paused > 0 {
        tracing::info!(
            pair = services.settings.pair,
            active = report.active.as_str(),
            version = input.flag.version.0,
            decision = state.as_str(),
            reason = report.detail,
            unpaused = report.unpaused,
            paused = report.paused,
            manual = ?report.manual,
            "dag management"
        );
    }
    reconciler.report_state(&report).await?;
    Ok(Some(report))
}

struct Reconciler<'a> {
    services: &'a Services,
    airflow: DagSession<'a>,
    until: Instant,
    memory: DagMemory<'a>,
    unpaused: usize,
    paused: usize,
    manual: BTreeSet<String>,
}

/// Why a reconciliation ends early.
type Stopped = (State, String);

impl<'a> Reconciler<'a> {
    fn until_for(&self, time: Duration) -> Instant {
        Instant::now()
            .checked_add(time)
            .map_or(self.until, |then| then.min(self.until))
    }

    fn new(services: &'a Services, input: &ReconcileInput<'_>) -> Option<Self> {
        let stored = input.stored.and_then(Progress::from_stored);
        if let (Some(text), None) = (input.stored, &stored) {
            tracing::error!(
                stored = text,
                "what is remembered of the DAGs cannot be read: beginning anew"
            );
        }
        let progress = Progress::follow(
            stored.clone(),
            input.flag,
            input.is_transition,
            services.settings.policy.lead,
            services.clock.now(),
        )?;
        Some(Self {
            services,
            airflow: services.dags.session(),
            until: Instant::now().checked_add(input.time).unwrap_or_else(Instant::now),
            memory: DagMemory::new(services, stored, progress),
            unpaused: 0,
            paused: 0,
            manual: BTreeSet::new(),
        })
    }

    async fn go_on(&mut self, input: &ReconcileInput<'_>) -> Result<Stopped, FunctionError> {
        let (active, standby) = (input.flag.active, input.flag.active.other());
        if self.memory.progress.phase == Phase::Activating || !self.memory.progress.verified {
            let began = self.services.clock.now();
            // A store that refuses this does not stop the work: the next run finds the other color, and repeats it.
            let saved = self.memory.save().await;
            let activated = self.activate(active).await?;
            saved?;
            match activated {
                Ok(()) => {
                    self.memory.progress.verified = elapsed(self.memory.progress.written, began) >= VERIFY_AFTER;
                    if self.memory.progress.phase == Phase::Activating {
                        self.memory.progress.phase = Phase::Fencing;
                    }
                }
                Err(stopped) if self.memory.progress.phase == Phase::Activating => return Ok(stopped),
                // They ran when last listed, so the standby may be paused. Nothing is learned until they are listed
                // again.
                Err((_, why)) => tracing::warn!(reason = why, "the active's DAGs could not be read again"),
            }
        }
        self.memory.save().await?;
        let minute = self.services.clock.now().to_zoned(TimeZone::UTC).minute();
        if input.observed_at.is_some() && self.memory.progress.wants_reading(minute) {
            let running_on_standby = self.read(input).await?;
            if running_on_standby && self.memory.progress.phase == Phase::Settled && !input.is_held {
                self.memory.progress.phase = Phase::Fencing;
                self.memory.progress.since = self.services.clock.now();
                self.memory.save().await?;
            }
        }
        if self.memory.progress.phase == Phase::Settled {
            return Ok((State::Settled, self.settled(active)));
        }
        if self.memory.progress.unpaused.is_none() {
            let why = format!("{active}'s DAGs have not been listed yet, so {standby}'s are not paused");
            return Ok((State::Draining, why));
        }
        match self.fence(input, standby).await {
            Ok(None) => {
                self.memory.progress.phase = Phase::Settled;
                self.memory.save().await?;
                Ok((State::Settled, self.settled(active)))
            }
            Ok(Some(waits)) => Ok((State::Draining, waits)),
            Err(cause) => Ok((
                State::NotFenced,
                format!(
                    "not fenced: {standby} cannot be paused now ({cause}){}; tried again at every tick",
                    advice(&cause)
                ),
            )),
        }
    }

    /// Unpauses what was unpaused on the other color. The inner error says why some of it is still paused.
    async fn activate(&mut self, active: Color) -> Result<Result<(), Stopped>, FunctionError> {
        let wanted = match self.memory.wanted().await? {
            Some(wanted) => wanted,
            None if self.memory.progress.phase == Phase::Activating => match self.without_memory(active).await? {
                Ok(Some(wanted)) => wanted,
                Ok(None) => return Ok(Ok(())),
                Err(stopped) => return Ok(Err(stopped)),
            },
            None => return Ok(Ok(())),
        };
        let mut first = None;
        for _ in 0..ROUNDS {
            let listing = self.airflow.all(active, self.until).await;
            if let Some(cause) = listing.list.gap {
                return Ok(Err((State::ActivationFailed, activation_failed(active, &cause))));
            }
            let left = activation(&listing.list, &wanted);
            if left.nothing_there {
                let why = format!(
                    "{active}'s Airflow lists none of the {} DAGs that are to run; tried again at every tick",
                    wanted.len()
                );
                return Ok(Err((State::ActivationFailed, why)));
            }
            let plan = Plan::of(&left.to_unpause, &left.must_stay_paused);
            let first = *first.get_or_insert(left.to_unpause.len());
            self.unpaused = first.saturating_sub(left.to_unpause.len());
            if plan.is_empty() {
                self.manual = plan.manual.into_iter().collect();
                self.memory.owe(left.pending_unpause).await?;
                return Ok(Ok(()));
            }
            if let Err(cause) = self
                .airflow
                .carry_out(active, &plan, false, listing.is_airflow_2, self.until)
                .await
            {
                return Ok(Err(if cause.kind == CauseKind::TimedOut {
                    (State::Activating, out_of_time(active, "unpaused"))
                } else {
                    (State::ActivationFailed, activation_failed(active, &cause))
                }));
            }
        }
        Ok(Err((State::Activating, out_of_time(active, "unpaused"))))
    }

    /// Handles an unknown list of running DAGs. Nothing was paused because of such a list either: the DAGs still run on
    /// the other color, or a person has already set those of the active.
    async fn without_memory(
        &mut self,
        active: Color,
    ) -> Result<Result<Option<BTreeSet<String>>, Stopped>, FunctionError> {
        let other = active.other();
        let unasked = DagList::unknown(Cause::new(CauseKind::NotAsked, "not asked"));
        let (theirs, ours) = tokio::join!(
            self.airflow.all(other, self.until_for(READING_TIME)),
            self.airflow.all(active, self.until_for(READING_TIME))
        );
        if let Some(wanted) = remember(None, &BTreeSet::new(), &theirs.list, &unasked) {
            self.memory.remember(wanted.clone()).await?;
            return Ok(Ok(Some(wanted)));
        }
        if ours.list.dags.values().any(|dag| !dag.paused) {
            return Ok(Ok(None));
        }
        let why = theirs.list.gap.map(|cause| format!(" ({cause})")).unwrap_or_default();
        Ok(Err((
            State::ActivationFailed,
            format!(
                "not activated: which DAGs ran on {other} was never listed, and {other} cannot list them now{why}: unpause \
                 {active}'s DAGs by hand"
            ),
        )))
    }

    /// Reads both lists and remembers which DAGs run. Returns whether the standby has DAGs that are not paused.
    async fn read(&mut self, input: &ReconcileInput<'_>) -> Result<bool, FunctionError> {
        let Some(observed_at) = input.observed_at else {
            return Ok(false);
        };
        let left = READING_TIME.saturating_sub(elapsed(observed_at, self.services.clock.now()));
        // A standby that hangs must not use up the active's time.
        let standby_left = left.saturating_sub(Duration::from_secs(4));
        let (active, standby) = tokio::join!(
            self.airflow.all(input.flag.active, self.until_for(left)),
            self.airflow
                .all(input.flag.active.other(), self.until_for(standby_left))
        );
        self.learn(input, active, &standby.list).await?;
        Ok(standby.list.dags.values().any(|dag| !dag.paused))
    }

    /// Takes the active's list for what people want, except for pending DAGs, which are unpaused when they appear.
    async fn learn(
        &mut self,
        input: &ReconcileInput<'_>,
        active: Listing,
        standby: &DagList,
    ) -> Result<(), FunctionError> {
        let is_late = input
            .observed_at
            .is_none_or(|observed_at| elapsed(observed_at, active.complete_at) >= READING_TIME);
        let mut list = active.list;
        if let Some(cause) = &list.gap {
            tracing::warn!(active = input.flag.active.as_str(), error = %cause, "the DAGs could not be listed");
        }
        if is_late || !list.is_complete() {
            return Ok(());
        }
        let before = self.memory.wanted().await?;
        let mut pending_unpause = match &self.memory.progress.pending_unpause {
            Some(pending_unpause) => self.memory.unpacked(pending_unpause).await?.unwrap_or_default(),
            None => BTreeSet::new(),
        };
        // Missing in both lists: deleted.
        pending_unpause
            .retain(|id| list.dags.contains_key(id) || !standby.is_complete() || standby.dags.contains_key(id));
        let left = activation(&list, &pending_unpause);
        let plan = Plan::of(&left.to_unpause, &left.must_stay_paused);
        self.manual = plan.manual.iter().cloned().collect();
        if !plan.is_empty() {
            let appeared: Vec<String> = left.to_unpause.iter().map(|id| (*id).to_owned()).collect();
            match self
                .airflow
                .carry_out(input.flag.active, &plan, false, active.is_airflow_2, self.until)
                .await
            {
                Ok(()) => {
                    for id in appeared.iter().filter(|id| !self.manual.contains(*id)) {
                        if let Some(dag) = list.dags.get_mut(id) {
                            dag.paused = false;
                            self.unpaused = self.unpaused.saturating_add(1);
                        }
                    }
                }
                Err(cause) => {
                    tracing::warn!(error = %cause, "what has appeared could not be unpaused; the next tick goes on");
                }
            }
        }
        let still_owed = activation(&list, &pending_unpause).pending_unpause;
        self.memory.progress.dags = list.dags.len().max(standby.dags.len());
        if let Some(wanted) = remember(before.as_ref(), &still_owed, &list, standby)
            && before.as_ref() != Some(&wanted)
        {
            self.memory.remember(wanted).await?;
        }
        self.memory.owe(still_owed).await
    }

    /// Pauses the standby's DAGs, as far as they have drained. Returns what it waits for; `None` if all are paused.
    async fn fence(&mut self, input: &ReconcileInput<'_>, standby: Color) -> Result<Option<String>, Cause> {
        let drain = self.services.settings.drain;
        let since = self.memory.progress.since;
        let until = self.until;
        self.until = self.until_for(FENCING_TIME);
        let decided = fence(since, drain, self.services.clock.now());
        // Asked even while nothing may be paused yet: whether the standby responds is worth reporting at once.
        let runs = if decided == Fence::Over {
            // Runs that come and go cannot always be listed without a gap. They are no longer waited for.
            self.airflow.answers(standby, self.until).await?;
            Vec::new()
        } else {
            match self.airflow.in_flight(standby, self.until).await? {
                Some(runs) => runs,
                None => {
                    return Ok(Some(format!(
                        "{standby}'s runs come and go faster than they can be listed"
                    )));
                }
            }
        };
        if decided == Fence::Rest {
            return Ok(Some(format!(
                "nothing is paused until {} s after the transition has taken effect",
                PAUSE_DELAY.as_secs()
            )));
        }
        let busy = busy(&runs, since);
        // It responds, so it may use the rest of the time.
        self.until = until;
        let mut first = None;
        for _ in 0..ROUNDS {
            let listing = self.airflow.all(standby, self.until).await;
            match listing.list.gap {
                Some(cause) if cause.kind == CauseKind::TimedOut => break,
                Some(cause) => return Err(cause),
                None => {}
            }
            let running = listing.list.dags.iter().filter(|(_, dag)| !dag.paused);
            let (must_stay_paused, to_pause): (BTreeSet<&str>, BTreeSet<&str>) =
                running.map(|(id, _)| id.as_str()).partition(|id| busy.contains(id));
            let plan = Plan::of(&to_pause, &must_stay_paused);
            let first = *first.get_or_insert(to_pause.len());
            self.paused = first.saturating_sub(to_pause.len());
            if plan.is_empty() {
                self.manual.extend(plan.manual);
                return Ok((!must_stay_paused.is_empty()).then(|| {
                    format!(
                        "{standby} finishes runs of {} until {} at the latest",
                        some_of(must_stay_paused.iter().copied()),
                        to_second(after(since, drain))
                    )
                }));
            }
            // A switch back may have come in between; this would then pause the DAGs of the new active.
            if !self.still_stands(input).await {
                return Ok(Some(
                    "the flag may have changed meanwhile; the next tick goes on".to_owned(),
                ));
            }
            match self
                .airflow
                .carry_out(standby, &plan, true, listing.is_airflow_2, self.until)
                .await
            {
                Err(cause) if cause.kind == CauseKind::TimedOut => break,
                done => done?,
            }
        }
        Ok(Some(out_of_time(standby, "paused")))
    }

    async fn still_stands(&self, input: &ReconcileInput<'_>) -> bool {
        match self.services.store.observe().await {
            Ok(observed) => observed.flag.is_some_and(|flag| {
                flag.version == input.flag.version && flag.value.color() == Some(input.flag.active)
            }),
            Err(failure) => {
                tracing::warn!(error = %failure.cause, "the flag could not be read again before pausing");
                false
            }
        }
    }

    /// Publishes what people should know, before it is remembered: a crash in between publishes it twice, under one id.
    async fn report_state(&mut self, report: &Report) -> Result<(), FunctionError> {
        let now = self.services.clock.now();
        if let Some(news) = self.memory.progress.conclude(report.state, PATIENCE, now) {
            let event = audit::dag_management(self.services.subject(), &self.memory.progress, report, news, now);
            let sent = self.services.bus.send(&[event]).await;
            sent.map_err(FunctionError::undelivered("publishing how DAG management stands"))?;
            self.memory.progress.note_told(news);
        }
        self.memory.save().await
    }

    fn settled(&self, active: Color) -> String {
        let manual = match self.manual.len() {
            0 => String::new(),
            count => format!(", but for {count} that must be set manually"),
        };
        format!("{active}'s DAGs run and {}'s are paused{manual}", active.other())
    }
}

fn out_of_time(color: Color, what: &str) -> String {
    format!("{color}'s DAGs are being {what}; the next tick goes on")
}

fn activation_failed(active: Color, cause: &Cause) -> String {
    format!(
        "not activated: {active}'s DAGs cannot be unpaused now ({cause}){}; tried again at every tick",
        advice(cause)
    )
}

fn advice(cause: &Cause) -> &'static str {
    match cause.kind {
        CauseKind::AccessDenied => {
            "; pausing DAGs needs the Airflow role User, Op or Admin: the template's AirflowRole"
        }
        _ => "",
    }
}
