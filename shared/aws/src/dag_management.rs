//! Carries DAG management out: reads which DAGs run, unpauses the new colour's, pauses the old one's.
//!
//! Every step may be repeated, and may be cut short anywhere: what is left is asked of Airflow again. The environment that
//! was left never holds up the one that works.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_smithy_types::Document;
use bluegreen_core::audit;
use bluegreen_core::colour::Colour;
use bluegreen_core::dag_management::{
    Phase, Plan, Progress, READING_TIME, Report, Standing, State, busy, fence, path_of, remember,
};
use bluegreen_core::handover::Run;
use bluegreen_core::health::{Cause, CauseKind};
use bluegreen_core::readiness::DagList;
use bluegreen_core::time::{after, elapsed, to_second};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use tokio::time::Instant;

use crate::airflow_api::{AirflowApi, PAGE, Pace, Question, Shape, count, number, other_shape, text};
use crate::answer::FunctionError;
use crate::clock;
use crate::dag_list_storage::{pack, unpack};
use crate::function::Shell;
use crate::readiness_probe::airflow_lists;
use crate::run_probe::read_run;

/// Requests under way at once.
const IN_FLIGHT: usize = 4;

/// Times that what is left is asked for and set. DAGs may appear in between.
const ROUNDS: u32 = 4;

/// Requests for one pattern: with a hundred DAGs each, ten times the largest installation known.
const MOST_PAGES: u32 = 500;

/// How long the environment that was left is waited for in one turn.
const FENCING_TIME: Duration = Duration::from_secs(12);

/// A person is told of an environment that does not answer once it has not for so long.
const PATIENCE: Duration = Duration::from_secs(90);

/// Lists that nothing names any more are kept so long, for a slower writer may be about to name one.
const KEEP_LISTS: Duration = Duration::from_secs(600);

/// DAGs named in an answer.
const NAMED: usize = 20;

/// One occasion to go on with the work.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// What was observed beside the flag.
    pub stored: Option<&'a str>,
    /// The flag as it stands, after a transition of this invocation if there was one.
    pub flag: Standing,
    /// Whether there was.
    pub is_transition: bool,
    /// A hold stands: what somebody unpaused on the standby meanwhile is left alone.
    pub is_held: bool,
    /// When the flag was observed; none if no list may be read in this turn.
    pub observed_at: Option<Timestamp>,
    /// How long it may take.
    pub time: Duration,
}

/// Reads which DAGs run, shortly before a transition. Answers what is stored then; failing, what was.
pub async fn read_before(shell: &Shell, turn: Turn<'_>) -> Option<String> {
    let stored = turn.stored.map(str::to_owned);
    if !shell.settings.manages_dags() {
        return stored;
    }
    let mut work = Work::new(shell, &turn);
    if work.progress.phase == Phase::Activating {
        return stored;
    }
    match work.read(&turn).await {
        Ok(_) => Some(json!(work.progress).to_string()),
        Err(failure) => {
            tracing::warn!(error = %failure, "the DAGs were not listed before the transition; what was remembered counts");
            stored
        }
    }
}

/// Goes on as far as the time allows. None if DAGs are not managed.
pub async fn keep(shell: &Shell, turn: Turn<'_>) -> Result<Option<Report>, FunctionError> {
    if !shell.settings.manages_dags() {
        return Ok(None);
    }
    let mut work = Work::new(shell, &turn);
    let (state, detail) = work.go_on(&turn).await?;
    let report = Report {
        state,
        active: turn.flag.active,
        unpaused: work.unpaused,
        paused: work.paused,
        by_hand: work.by_hand.clone(),
        detail,
    };
    if state != State::Settled || work.unpaused > 0 || work.paused > 0 {
        tracing::info!(
            pair = shell.settings.pair,
            active = report.active.as_str(),
            version = turn.flag.version.0,
            decision = state.as_str(),
            reason = report.detail,
            unpaused = report.unpaused,
            paused = report.paused,
            "dag management"
        );
    }
    work.tell(&report).await?;
    Ok(Some(report))
}

/// DAG ids of one state, and whose API listed them.
struct Ids {
    ids: BTreeSet<String>,
    is_airflow_2: bool,
}

struct Work<'a> {
    shell: &'a Shell,
    pace: Pace,
    until: Instant,
    /// As it is to be stored.
    progress: Progress,
    /// As it is stored.
    stored: Option<Progress>,
    /// The DAGs to run, once read from where they are kept.
    wanted: Option<BTreeSet<String>>,
    unpaused: usize,
    paused: usize,
    by_hand: Vec<String>,
}

impl<'a> Work<'a> {
    fn new(shell: &'a Shell, turn: &Turn<'_>) -> Self {
        let stored = turn.stored.and_then(Progress::from_stored);
        if let (Some(text), None) = (turn.stored, &stored) {
            tracing::error!(
                stored = text,
                "what is remembered of the DAGs cannot be read: beginning anew"
            );
        }
        let now = clock::now();
        Self {
            shell,
            pace: Pace::new(),
            until: Instant::now().checked_add(turn.time).unwrap_or_else(Instant::now),
            progress: Progress::follow(stored.clone(), turn.flag, turn.is_transition, now),
            stored,
            wanted: None,
            unpaused: 0,
            paused: 0,
            by_hand: Vec::new(),
        }
    }

    async fn go_on(&mut self, turn: &Turn<'_>) -> Result<(State, String), FunctionError> {
        let (active, standby) = (turn.flag.active, turn.flag.active.other());
        // Before anything is changed: whoever comes next must not take what was paused here for a person's wish.
        self.save().await?;
        if self.progress.phase == Phase::Activating {
            if let Err(stopped) = self.activate(active).await? {
                return Ok(stopped);
            }
            self.progress.phase = Phase::Fencing;
            self.save().await?;
        }
        let minute = clock::now().to_zoned(TimeZone::UTC).minute();
        if turn.observed_at.is_some() && self.progress.wants_reading(minute) {
            let running_on_standby = self.read(turn).await?;
            if running_on_standby && self.progress.phase == Phase::Settled && !turn.is_held {
                self.progress.phase = Phase::Fencing;
                self.progress.since = clock::now();
                self.save().await?;
            }
        }
        if self.progress.phase == Phase::Settled {
            return Ok((State::Settled, settled(active)));
        }
        if self.progress.unpaused.is_none() {
            let why = format!("{active}'s DAGs have not been listed yet, so {standby}'s are not paused");
            return Ok((State::Draining, why));
        }
        match self.fence(standby).await {
            Ok(None) => {
                self.progress.phase = Phase::Settled;
                self.save().await?;
                Ok((State::Settled, settled(active)))
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

    /// Unpauses what was unpaused on the other colour. The inner error says why some of it is still paused.
    async fn activate(&mut self, active: Colour) -> Result<Result<(), (State, String)>, FunctionError> {
        let wanted = match self.wanted().await? {
            Some(wanted) => wanted,
            // Nothing was ever paused here, so what runs on the other is what ought to run.
            None => match self.read_other(active).await? {
                Ok(wanted) => wanted,
                Err(why) => return Ok(Err((State::NotActivated, why))),
            },
        };
        let mut first = None;
        for _ in 0..ROUNDS {
            let listed = match self.listed(active, true).await {
                Ok(listed) => listed,
                Err(cause) => return Ok(Err((State::NotActivated, not_activated(active, &cause)))),
            };
            let (to_unpause, spared): (BTreeSet<&str>, BTreeSet<&str>) = listed
                .ids
                .iter()
                .map(String::as_str)
                .partition(|id| wanted.contains(*id));
            let plan = Plan::of(&to_unpause, &spared);
            let first = *first.get_or_insert(to_unpause.len());
            self.unpaused = first.saturating_sub(to_unpause.len());
            if plan.is_empty() {
                self.by_hand = plan.by_hand;
                return Ok(Ok(()));
            }
            if let Err(cause) = self.carry_out(active, &plan, false, listed.is_airflow_2).await {
                return Ok(Err(if cause.kind == CauseKind::TimedOut {
                    (State::Activating, out_of_time(active, "unpaused"))
                } else {
                    (State::NotActivated, not_activated(active, &cause))
                }));
            }
        }
        Ok(Err((State::Activating, out_of_time(active, "unpaused"))))
    }

    /// The DAGs to run, of the colour that was left.
    async fn read_other(&mut self, active: Colour) -> Result<Result<BTreeSet<String>, String>, FunctionError> {
        let other = active.other();
        let list = self.all(other, self.until_for(READING_TIME)).await;
        let unasked = DagList::unknown(Cause::new(CauseKind::NotAsked, "not asked"));
        match remember(None, &list, &unasked) {
            Some(wanted) => {
                self.remember(wanted.clone()).await?;
                Ok(Ok(wanted))
            }
            None => Ok(Err(format!(
                "which DAGs ran on {other} was never listed, and {other} does not tell it now{}: unpause {active}'s DAGs by hand",
                list.gap.map(|cause| format!(" ({cause})")).unwrap_or_default()
            ))),
        }
    }

    /// Reads both lists and remembers which DAGs run. Answers whether the standby has DAGs that are not paused.
    async fn read(&mut self, turn: &Turn<'_>) -> Result<bool, FunctionError> {
        let Some(observed_at) = turn.observed_at else {
            return Ok(false);
        };
        let left = READING_TIME.saturating_sub(elapsed(observed_at, clock::now()));
        let until = self.until_for(left);
        let (active, standby) = tokio::join!(
            self.all(turn.flag.active, until),
            self.all(turn.flag.active.other(), until)
        );
        if elapsed(observed_at, clock::now()) >= READING_TIME {
            return Ok(false);
        }
        let before = self.wanted().await?;
        match remember(before.as_ref(), &active, &standby) {
            Some(wanted) if before.as_ref() != Some(&wanted) => self.remember(wanted).await?,
            Some(_) => {}
            None => {
                if let Some(cause) = &active.gap {
                    tracing::warn!(active = turn.flag.active.as_str(), error = %cause, "the DAGs could not be listed");
                }
            }
        }
        Ok(standby.dags.values().any(|dag| !dag.paused))
    }

    /// Pauses the standby's DAGs, as far as they have drained. Answers what is waited for; none if all are paused.
    async fn fence(&mut self, standby: Colour) -> Result<Option<String>, Cause> {
        let until = self.until;
        self.until = self.until_for(FENCING_TIME);
        let runs = self.in_flight(standby).await?;
        // It answers, so it is worth the rest of the time.
        self.until = until;
        let drain = self.shell.settings.drain;
        let since = self.progress.since;
        let decided = fence(busy(&runs, since), since, drain, clock::now());
        if let Some(wait) = decided.wait {
            return Ok(Some(wait));
        }
        if decided.frozen > 0 {
            tracing::warn!(
                standby = standby.as_str(),
                dags = decided.frozen,
                "the time to drain is over: runs are frozen"
            );
        }
        let mut first = None;
        for _ in 0..ROUNDS {
            let listed = match self.listed(standby, false).await {
                Err(cause) if cause.kind == CauseKind::TimedOut => break,
                listed => listed?,
            };
            let (spared, to_pause): (BTreeSet<&str>, BTreeSet<&str>) = listed
                .ids
                .iter()
                .map(String::as_str)
                .partition(|id| decided.spared.contains(id));
            let plan = Plan::of(&to_pause, &spared);
            let first = *first.get_or_insert(to_pause.len());
            self.paused = first.saturating_sub(to_pause.len());
            if plan.is_empty() {
                self.by_hand.extend(plan.by_hand);
                return Ok((!spared.is_empty()).then(|| {
                    format!(
                        "{standby} finishes runs of {} until {} at the latest",
                        some_of(&spared),
                        to_second(after(since, drain))
                    )
                }));
            }
            match self.carry_out(standby, &plan, true, listed.is_airflow_2).await {
                Err(cause) if cause.kind == CauseKind::TimedOut => break,
                done => done?,
            }
        }
        Ok(Some(out_of_time(standby, "paused")))
    }

    async fn carry_out(&self, colour: Colour, plan: &Plan, is_paused: bool, is_airflow_2: bool) -> Result<(), Cause> {
        let api = self.api(colour, self.until);
        let by_pattern = stream::iter(&plan.patterns)
            .map(|pattern| by_pattern(&api, pattern, is_paused, is_airflow_2))
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<Vec<()>>();
        by_pattern.await?;
        let single = stream::iter(&plan.single)
            .map(|id| one(&api, id, is_paused))
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<Vec<()>>();
        single.await.map(drop)
    }

    async fn all(&self, colour: Colour, until: Instant) -> DagList {
        airflow_lists::dags(&self.api(colour, until)).await
    }

    /// Ids of the DAGs that are paused, or are not.
    async fn listed(&self, colour: Colour, is_paused: bool) -> Result<Ids, Cause> {
        let question = Question::get(
            "/dags",
            &[
                ("order_by", "dag_id"),
                ("paused", if is_paused { "true" } else { "false" }),
            ],
        );
        let shape = Shape {
            field: "dags",
            what: "DAGs",
            read: read_id,
        };
        let listed = self.api(colour, self.until).list(&question, &shape).await;
        match listed.gap {
            Some(cause) => Err(cause),
            None => Ok(Ids {
                is_airflow_2: listed.entries.values().any(|is_airflow_2| *is_airflow_2),
                ids: listed.entries.into_keys().collect(),
            }),
        }
    }

    async fn in_flight(&self, colour: Colour) -> Result<Vec<Run>, Cause> {
        let api = self.api(colour, self.until);
        let mut runs = Vec::new();
        for state in ["running", "queued"] {
            let question = Question::get("/dags/~/dagRuns", &[("state", state), ("order_by", "id")]);
            let shape = Shape {
                field: "dag_runs",
                what: "DAG runs",
                read: read_run,
            };
            let listed = api.list(&question, &shape).await;
            match listed.gap {
                Some(cause) => return Err(cause),
                None => runs.extend(listed.entries.into_values().map(|(run, _)| run)),
            }
        }
        Ok(runs)
    }

    fn api(&self, colour: Colour, until: Instant) -> AirflowApi<'_> {
        AirflowApi {
            mwaa: self.shell.airflow(colour),
            environment: &self.shell.settings.environments.of(colour).name,
            pace: &self.pace,
            until,
        }
    }

    fn until_for(&self, time: Duration) -> Instant {
        Instant::now()
            .checked_add(time)
            .map_or(self.until, |then| then.min(self.until))
    }

    async fn wanted(&mut self) -> Result<Option<BTreeSet<String>>, FunctionError> {
        if self.wanted.is_some() {
            return Ok(self.wanted.clone());
        }
        let Some(remembered) = &self.progress.unpaused else {
            return Ok(None);
        };
        let ids = match (&remembered.ids, &remembered.parts) {
            (Some(ids), _) => Some(ids.clone()),
            (None, Some(parts)) => self
                .shell
                .store
                .managed_dags_parts(&parts.name, parts.count)
                .await
                .map_err(|failure| FunctionError::unreadable("reading which DAGs are to run", failure.cause))?
                .and_then(|parts| unpack(&parts, remembered.count)),
            (None, None) => None,
        };
        if ids.is_none() {
            tracing::error!(list = ?remembered.parts, "the remembered DAGs cannot be read");
        }
        self.wanted.clone_from(&ids);
        Ok(ids)
    }

    async fn remember(&mut self, wanted: BTreeSet<String>) -> Result<(), FunctionError> {
        let undelivered = FunctionError::undelivered("remembering which DAGs are to run");
        let Some(packed) = pack(wanted.clone()) else {
            tracing::error!(
                count = wanted.len(),
                "too many DAGs to remember; what was remembered before is kept"
            );
            return Ok(());
        };
        // The parts before the parameter that names them: it never names what is not there.
        if let Some(parts) = &packed.remembered.parts {
            let put = self.shell.store.put_managed_dags_parts(&parts.name, packed.parts).await;
            put.map_err(&undelivered)?;
        }
        let before = self.progress.unpaused.replace(packed.remembered);
        self.wanted = Some(wanted);
        self.save().await?;
        let kept = self.progress.unpaused.as_ref().and_then(|list| list.parts.as_ref());
        if before.and_then(|list| list.parts).is_some() || kept.is_some() {
            let kept = kept.map_or("", |parts| parts.name.as_str());
            let old = bluegreen_core::time::before(clock::now(), KEEP_LISTS);
            if let Err(failure) = self.shell.store.prune_managed_dags_parts(kept, old).await {
                tracing::warn!(error = %failure.cause, "old lists of DAGs were not removed");
            }
        }
        Ok(())
    }

    async fn save(&mut self) -> Result<(), FunctionError> {
        if self.stored.as_ref() == Some(&self.progress) {
            return Ok(());
        }
        let put = self
            .shell
            .store
            .put_managed_dags(json!(self.progress).to_string())
            .await;
        put.map_err(FunctionError::undelivered(
            "remembering how far DAG management has come",
        ))?;
        self.stored = Some(self.progress.clone());
        Ok(())
    }

    /// Tells what a person should know, once a transition. Told before it is remembered: a crash in between tells it twice,
    /// under one id.
    async fn tell(&mut self, report: &Report) -> Result<(), FunctionError> {
        let now = clock::now();
        let is_due = match report.state {
            State::NotActivated | State::NotFenced => elapsed(self.progress.since, now) >= PATIENCE,
            State::Settled => true,
            State::Activating | State::Draining => false,
        };
        if !is_due || self.progress.told.contains(&report.state) {
            return Ok(());
        }
        let recovered = report.state == State::Settled && !self.progress.told.is_empty();
        let event = audit::dag_management(self.shell.subject(), &self.progress, report, recovered, now);
        self.shell
            .bus
            .send(&[event])
            .await
            .map_err(FunctionError::undelivered("telling how DAG management stands"))?;
        self.progress.told.push(report.state);
        self.save().await
    }
}

/// Sets every DAG that fits the pattern, page by page: 3.0 and 2 set one page a request, and answer as if that were all.
async fn by_pattern(api: &AirflowApi<'_>, pattern: &str, is_paused: bool, is_airflow_2: bool) -> Result<(), Cause> {
    let mut offset: u64 = 0;
    for _ in 0..MOST_PAGES {
        let mut query = HashMap::from([
            ("dag_id_pattern".to_owned(), text(pattern)),
            ("limit".to_owned(), number(PAGE)),
        ]);
        if is_airflow_2 {
            // It refuses parameters that it does not know, and orders by id.
            query.insert("offset".to_owned(), number(offset));
        } else {
            // In no order: so always the first page of those that are left.
            query.insert("paused".to_owned(), text(if is_paused { "false" } else { "true" }));
        }
        let document = api.ask(&Question::pause("/dags".to_owned(), query, is_paused)).await?;
        let (set, total) = read_set(&document).ok_or_else(|| other_shape("/dags"))?;
        offset = offset.saturating_add(set);
        let done = if is_airflow_2 { offset } else { set };
        if set == 0 || done >= total {
            return Ok(());
        }
    }
    Err(Cause::new(
        CauseKind::Unparsable,
        format!("{pattern} still matches DAGs after {MOST_PAGES} requests"),
    ))
}

async fn one(api: &AirflowApi<'_>, id: &str, is_paused: bool) -> Result<(), Cause> {
    match api.ask(&Question::pause(path_of(id), HashMap::new(), is_paused)).await {
        // It has been deleted since it was listed.
        Err(cause) if cause.kind == CauseKind::NotFound => Ok(()),
        answer => answer.map(drop),
    }
}

/// The id, and whether it is Airflow 2 that tells it.
fn read_id(document: &Document) -> Option<(String, bool)> {
    let dag = document.as_object()?;
    Some((
        dag.get("dag_id")?.as_string()?.to_owned(),
        dag.contains_key("is_active"),
    ))
}

/// How many DAGs one request set, and how many it could have.
fn read_set(document: &Document) -> Option<(u64, u64)> {
    let fields = document.as_object()?;
    let set = u64::try_from(fields.get("dags")?.as_array()?.len()).ok()?;
    Some((set, count(fields.get("total_entries")?)?))
}

fn settled(active: Colour) -> String {
    format!("{active}'s DAGs run and {}'s are paused", active.other())
}

fn out_of_time(colour: Colour, what: &str) -> String {
    format!("{colour}'s DAGs are being {what}; the next tick goes on")
}

fn not_activated(active: Colour, cause: &Cause) -> String {
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

fn some_of(ids: &BTreeSet<&str>) -> String {
    let named: Vec<&str> = ids.iter().take(NAMED).copied().collect();
    match ids.len().saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
