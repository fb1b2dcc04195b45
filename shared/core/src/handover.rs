//! The run hand-over report: which DAG runs next to a transition were executed, by whom, and which by nobody.
//!
//! A run's state does not tell: the guard ends a standby's run as `success`, with all its tasks skipped. What tells is
//! whether a task beside the guard did anything. Where that cannot be known nothing is claimed: the run is `unjudged`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::colour::{Both, Colour};
use crate::flag::{FlagVersion, HistoryEntry, Origin, label, versions};
use crate::health::Cause;
use crate::ownership::owner;
use crate::time::{self, after, before, elapsed, to_milliseconds};
use crate::transition::Kind;

/// Id of the guard's task.
pub const GUARD_TASK: &str = "bluegreen_guard";

/// Tag of a DAG that says since when it has been there.
const SINCE_TAG: &str = "bluegreen:since";

/// Runs named in each list of a report; the counts are always whole.
pub const NAMED: usize = 50;

/// How late a scheduler may be with a run that is due before the run counts as lost.
pub const CREATION_GRACE: Duration = Duration::from_secs(10 * 60);

/// How late a scheduler may be with a run that is due before it is told. A healthy one, busy, is late by a minute or two.
pub const LATE_AFTER: Duration = Duration::from_secs(5 * 60);

/// A run that begins later than this after the window has ended is not looked for.
pub const LATEST_START: Duration = Duration::from_secs(24 * 60 * 60);

/// So much of the time in which a flag held no colour is looked at.
const LONGEST_BROKEN: Duration = Duration::from_secs(24 * 60 * 60);

/// What a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Period {
    /// First instant of the runs that are judged.
    pub from: Timestamp,
    /// Last one.
    pub to: Timestamp,
    /// The transition in the middle; none if the pair has not had one.
    #[serde(skip)]
    pub transition: Option<HandedOver>,
}

/// The transition that runs were handed over by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HandedOver {
    /// The flag's version.
    pub version: FlagVersion,
    /// Its kind.
    pub kind: Kind,
    /// The old colour.
    pub from: Colour,
    /// The new one.
    pub to: Colour,
    /// When it took effect.
    pub effective_from: Timestamp,
    /// When it was written.
    pub written_at: Timestamp,
    /// It repaired a flag that had held no colour since then. The old colour may be the new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_since: Option<Timestamp>,
    /// Name of its record, if it is ours.
    pub transition: Option<String>,
}

impl HandedOver {
    /// Names it, also when the flag was deleted and made again.
    #[must_use]
    pub fn label(&self) -> String {
        label(self.version, self.written_at)
    }
}

/// The last change from one colour to the other, or the last repair of a flag without a colour, of which there are two: a
/// version that held none, and a flag that was gone and was made again by the watcher.
#[must_use]
pub fn last_hand_over(history: &[HistoryEntry]) -> Option<HandedOver> {
    let versions = versions(history);
    let mut found = None;
    let mut colour = None;
    let mut broken_since = None;
    for version in &versions {
        let Some(now) = version.entry.value.colour() else {
            broken_since.get_or_insert(version.entry.modified);
            continue;
        };
        let broken = broken_since.take();
        let before = colour.replace(now);
        let remade = before.is_none() && version.kind() == Kind::Restore;
        if before.is_some_and(|before| before != now) || broken.is_some() || remade {
            found = Some(HandedOver {
                version: version.entry.version,
                kind: version.kind(),
                from: before.unwrap_or(now),
                to: now,
                effective_from: version.effective_from,
                written_at: version.entry.modified,
                broken_since: broken,
                transition: match &version.origin {
                    Origin::Ours { record, .. } | Origin::Repeat { record, .. } => Some(record.clone()),
                    Origin::External => None,
                },
            });
        }
    }
    found
}

impl Period {
    /// `minutes` around the last transition, up to now; the last `minutes` if there has been none. Around a repair, the time
    /// in which the flag held no colour too, up to a day of it.
    #[must_use]
    pub fn around(history: &[HistoryEntry], minutes: u32, now: Timestamp) -> Self {
        let whole = time::minutes(minutes);
        let half = whole.checked_div(2).unwrap_or(whole);
        let transition = last_hand_over(history);
        let now = to_milliseconds(now);
        match &transition {
            Some(handed_over) => Self {
                from: before(
                    handed_over.broken_since.map_or(handed_over.effective_from, |broken| {
                        broken
                            .max(before(handed_over.effective_from, LONGEST_BROKEN))
                            .min(handed_over.effective_from)
                    }),
                    half,
                ),
                to: after(handed_over.effective_from, half).min(now),
                transition,
            },
            None => Self {
                from: before(now, whole),
                to: now,
                transition,
            },
        }
    }

    /// The last start that can belong to a run of the period.
    #[must_use]
    pub fn latest_start(&self, now: Timestamp) -> Timestamp {
        after(self.to, LATEST_START).min(now)
    }
}

/// A DAG run as Airflow lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// `dag_id`.
    pub dag_id: String,
    /// `dag_run_id`.
    pub run_id: String,
    /// `run_type`.
    pub run_type: String,
    /// `state`.
    pub state: String,
    /// `logical_date`.
    pub logical_date: Option<Timestamp>,
    /// The tick: `run_after` (Airflow 3) or `data_interval_end` (Airflow 2).
    pub tick: Option<Timestamp>,
    /// `start_date`.
    pub started: Option<Timestamp>,
    /// `bluegreen_instant` in its conf.
    pub handed_on: Option<Timestamp>,
}

impl Run {
    fn is_scheduled(&self) -> bool {
        self.run_type == "scheduled"
    }

    fn is_finished(&self) -> bool {
        matches!(self.state.as_str(), "success" | "failed")
    }

    /// Whether it is certainly not at its end. A state that Airflow invents tomorrow is neither this nor finished.
    fn is_under_way(&self) -> bool {
        matches!(self.state.as_str(), "queued" | "running")
    }

    /// The instant that decides who owns it: the guard's rule, but for the DAG's tag.
    ///
    /// A handed-on instant wins whatever Airflow calls the run's type: the words grow with its versions. Not for a backfill,
    /// whose one conf is copied into the runs of all its ticks.
    #[must_use]
    pub fn instant(&self) -> Option<Timestamp> {
        let tick = self.tick.filter(|_| self.is_scheduled());
        let handed_on = self
            .handed_on
            .filter(|_| !self.is_scheduled() && self.run_type != "backfill");
        tick.or(handed_on).or(self.started)
    }

    /// The same, in a DAG whose tag says since when it has been there: for ticks older than it.
    #[must_use]
    pub fn instant_since(&self, since: Option<Timestamp>) -> Option<Timestamp> {
        match (self.instant(), since) {
            (Some(instant), Some(since)) if self.is_scheduled() => Some(instant.max(since)),
            (instant, _) => instant,
        }
    }

    fn is_of_old_tick(&self, period: &Period) -> bool {
        self.is_scheduled() && self.tick.is_some_and(|tick| tick < period.from)
    }

    /// Whether it began in the period.
    fn was_made_in(&self, period: &Period) -> bool {
        self.started
            .is_some_and(|started| started >= period.from && started <= period.to)
    }
}

/// A task instance that is not skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// `dag_id`.
    pub dag_id: String,
    /// `dag_run_id`.
    pub run_id: String,
    /// `task_id`.
    pub task_id: String,
    /// `state`.
    pub state: String,
    /// `end_date`.
    pub ended: Option<Timestamp>,
}

/// A DAG that is not paused, and its next scheduled run as Airflow lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextRun {
    /// `dag_id`.
    pub dag_id: String,
    /// When the run is to be made: `next_dagrun_run_after` (Airflow 3) or `next_dagrun_create_after` (Airflow 2).
    pub due: Timestamp,
    /// `max_active_runs`.
    pub max_active_runs: Option<u64>,
    /// `has_import_errors`: the scheduler makes no runs of such a DAG.
    pub has_import_errors: bool,
}

/// What one environment's Airflow told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Runs that started in the period, and all that are queued or running.
    pub runs: Vec<Run>,
    /// Why some of them are not here.
    pub runs_gap: Option<Cause>,
    /// Task instances that started since the period began and are not skipped.
    pub tasks: Vec<Task>,
    /// Why some of them are not here.
    pub tasks_gap: Option<Cause>,
    /// Runs with old ticks that this environment made before the period, of the DAGs asked for by [`to_look_up`].
    pub earlier: BTreeSet<(String, Timestamp)>,
    /// Why some of those are not here.
    pub earlier_gap: Option<Cause>,
    /// Instants of the DAGs' tags `bluegreen:since`; of the active environment alone, whose DAG files are the other's too.
    pub since: BTreeMap<String, Timestamp>,
    /// Next runs; of the active environment alone.
    pub next_runs: Vec<NextRun>,
    /// Why some of them are not here.
    pub dags_gap: Option<Cause>,
}

/// A question that was not answered in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unasked {
    /// `dag-runs`, `earlier-runs`, `task-instances` or `dags`.
    pub question: &'static str,
    /// Of which environment.
    pub colour: Colour,
    /// Why.
    pub cause: String,
}

/// What became of a run in one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It did something, or does.
    Executed,
    /// It has ended, and did nothing: the guard skipped it.
    Skipped,
    /// It has ended, and did nothing: the guard failed, or it was ended before the guard.
    NotExecuted,
    /// It has not ended, and has done nothing yet.
    Waiting,
    /// There is no such run.
    Absent,
    /// Nobody can tell.
    Unknown,
}

/// One run in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its DAG.
    pub dag_id: String,
    /// Its id.
    pub run_id: String,
    /// `scheduled`, `manual`, …
    pub run_type: String,
    /// The instant that decides who owns it.
    pub instant: Option<Timestamp>,
    /// The colour that owns it.
    pub owner: Option<Colour>,
    /// What blue did.
    pub blue: Fate,
    /// What green did.
    pub green: Fate,
    /// No guard in its DAG: what executed it is judged by the run's state alone.
    pub unguarded: bool,
}

/// A run that is due and that an environment's scheduler has not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Late {
    /// Its DAG.
    pub dag_id: String,
    /// When it was due.
    pub due: Timestamp,
    /// Whose scheduler is late with it.
    pub colour: Colour,
    /// The colour that owns it.
    pub owner: Option<Colour>,
    /// What the other environment did.
    pub other: Fate,
    /// The DAG's file cannot be imported, so the scheduler will not make it. Known of the active environment only.
    pub has_import_errors: bool,
}

/// Runs, capped, with their whole number beside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Judged: those whose instant lies in the period.
    pub runs: usize,
    /// Executed by one colour only.
    pub executed_once: usize,
    /// Under way on the old colour.
    pub in_flight: usize,
    /// The new colour's, not executed yet.
    pub pending: usize,
    /// Due, and not made by the scheduler that should have.
    pub late: usize,
    /// Executed by both.
    pub doubled: usize,
    /// Of these, without a guard.
    pub doubled_unguarded: usize,
    /// Executed by nobody.
    pub lost: usize,
    /// About which too little is known.
    pub unjudged: usize,
}

/// The report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Handover {
    /// The period.
    pub window: Period,
    /// The transition in it.
    pub transition: Option<HandedOver>,
    /// Whether something could not be asked.
    pub partial: bool,
    /// What.
    pub not_asked: Vec<Unasked>,
    /// Under way on the old colour.
    pub in_flight: Vec<Line>,
    /// The new colour's, not executed yet.
    pub pending: Vec<Line>,
    /// Due more than [`LATE_AFTER`] ago, and not made by the scheduler that should have: the owner's, where the other
    /// environment has the run; the active's, where its DAG's next run tells.
    pub late: Vec<Late>,
    /// Executed by both.
    pub doubled: Vec<Line>,
    /// Executed by nobody.
    pub lost: Vec<Line>,
    /// How many.
    pub counts: Counts,
}

/// What the tasks of one run tell.
#[derive(Debug, Default)]
struct Work<'a> {
    guard: Option<&'a Task>,
    /// A task beside the guard succeeded.
    succeeded: bool,
    /// A task beside the guard failed or is at work. Says nothing before the guard has let the run go on: tasks that do
    /// not wait for it begin, ask for its decision, and fail if there will be none.
    began: bool,
}

/// One environment, made ready for questions.
struct Side<'a> {
    told: &'a Told,
    colour: Colour,
    work: BTreeMap<(&'a str, &'a str), Work<'a>>,
}

/// What makes two environments' runs the same run. Only the scheduler makes one in both.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Scheduled(&'a str, Option<Timestamp>, &'a str),
    Own(Colour, &'a str, &'a str),
}

/// The instant of a DAG's tag `bluegreen:since=<instant>`, among its tags. None too where the guard takes none: there the DAG
/// is an import error.
#[must_use]
pub fn since_of<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<Timestamp> {
    let mut found = tags.into_iter().filter_map(|tag| tag.strip_prefix(SINCE_TAG));
    match (found.next(), found.next()) {
        (Some(only), None) => only.strip_prefix('=')?.parse().ok(),
        _ => None,
    }
}

/// DAGs of which one environment made runs with old ticks in the period that the other's lists do not have. It may have made
/// them long ago, as where this one's database is new: the other is to be asked.
#[must_use]
pub fn to_look_up(period: &Period, told: &Both<Told>) -> Both<BTreeSet<String>> {
    told.map(|colour, own| {
        let own: BTreeSet<_> = own.runs.iter().map(|run| Key::of(colour, run)).collect();
        let of_other = &told.of(colour.other()).runs;
        of_other
            .iter()
            .filter(|run| run.is_of_old_tick(period) && run.was_made_in(period) && !own.contains(&Key::of(colour, run)))
            .map(|run| run.dag_id.clone())
            .collect()
    })
}

/// Compares the two lists.
#[must_use]
pub fn compare(
    period: &Period,
    active: Colour,
    told: &Both<Told>,
    history: &[HistoryEntry],
    now: Timestamp,
) -> Handover {
    let (old, new) = period
        .transition
        .as_ref()
        .map_or((active.other(), active), |transition| {
            // A repair may have put back the colour that stood before.
            (transition.to.other(), transition.to)
        });
    let sides = told.map(|colour, _| Side::of(colour, told.of(colour)));
    let guarded: BTreeSet<&str> = Colour::BOTH
        .into_iter()
        .flat_map(|colour| &sides.of(colour).work)
        .filter(|(_, work)| work.guard.is_some())
        .map(|((dag_id, _), _)| *dag_id)
        .collect();
    let since = told.of(active).since.clone();
    let judge = Judge {
        guarded,
        history,
        since,
    };
    let mut same: BTreeMap<Key<'_>, Both<Option<&Run>>> = BTreeMap::new();
    for colour in Colour::BOTH {
        for run in &told.of(colour).runs {
            let runs = same.entry(Key::of(colour, run)).or_insert(Both {
                blue: None,
                green: None,
            });
            *runs.of_mut(colour) = Some(run);
        }
    }
    let mut report = Lists::default();
    for (key, runs) in &same {
        let Some(run) = runs.blue.or(runs.green) else { continue };
        let in_both = matches!(key, Key::Scheduled(..));
        let is_old = run.is_of_old_tick(period);
        // Runs made in the period count whatever their tick: the catch-up of a new DAG is skipped here as a success, and where it
        // belongs it may never be made.
        let made = Colour::BOTH
            .into_iter()
            .filter_map(|colour| (*runs.of(colour)).filter(|run| run.was_made_in(period))?.started)
            .min();
        let is_earlier = |colour: Colour| {
            run.tick
                .is_some_and(|tick| told.of(colour).earlier.contains(&(run.dag_id.clone(), tick)))
        };
        let fates = runs.map(|colour, run| match run {
            Some(run) => judge.fate(sides.of(colour), run),
            // Only the scheduler makes the same run in both.
            None if in_both && told.of(colour).runs_gap.is_some() => Fate::Unknown,
            None if is_old && told.of(colour).earlier_gap.is_some() => Fate::Unknown,
            None => Fate::Absent,
        });
        let instant = judge.instant(run);
        let owner = instant.and_then(|instant| owner(history, instant)?.value.colour());
        let line = Line {
            dag_id: run.dag_id.clone(),
            run_id: run.run_id.clone(),
            run_type: run.run_type.clone(),
            instant,
            owner,
            blue: fates.blue,
            green: fates.green,
            unguarded: !judge.guarded.contains(run.dag_id.as_str()),
        };
        let on_old = *runs.of(old);
        let is_under_way = on_old.is_some_and(|run| !run.is_finished());
        if is_under_way && (owner.is_none_or(|owner| owner == old) || *fates.of(old) == Fate::Executed) {
            report.in_flight.push(line.clone());
        }
        let is_due_in = instant.is_some_and(|instant| instant >= period.from && instant <= period.to);
        let is_made_in = is_old && made.is_some();
        // What the other made before the period was told then, if it was to be told.
        if (is_due_in || is_made_in) && !(is_old && Colour::BOTH.into_iter().any(is_earlier)) {
            let known_since = if is_old { made.or(instant) } else { instant };
            report.judge(line, fates, new, known_since, now);
        }
    }
    report.add_late(&judge, &sides, active, now);
    report.into_handover(period, told)
}

impl<'a> Key<'a> {
    fn of(colour: Colour, run: &'a Run) -> Self {
        if !run.is_scheduled() {
            return Self::Own(colour, &run.dag_id, &run.run_id);
        }
        // Airflow 2 and 3 name the same run differently, and for the same tick have logical dates an interval apart.
        match run.tick.or(run.logical_date) {
            Some(date) => Self::Scheduled(&run.dag_id, Some(date), ""),
            None => Self::Scheduled(&run.dag_id, None, &run.run_id),
        }
    }
}

impl<'a> Side<'a> {
    fn of(colour: Colour, told: &'a Told) -> Self {
        let mut work: BTreeMap<(&str, &str), Work<'_>> = BTreeMap::new();
        for task in &told.tasks {
            let of_run = work.entry((&task.dag_id, &task.run_id)).or_default();
            if task.task_id == GUARD_TASK {
                of_run.guard = Some(task);
            } else if task.state == "success" {
                of_run.succeeded = true;
            } else {
                of_run.began = true;
            }
        }
        Self { told, colour, work }
    }

    /// The scheduled runs by DAG and tick.
    fn made(&self) -> BTreeMap<(&'a str, Timestamp), &'a Run> {
        let scheduled = self.told.runs.iter().filter(|run| run.is_scheduled());
        scheduled
            .filter_map(|run| Some(((run.dag_id.as_str(), run.tick?), run)))
            .collect()
    }

    /// The runs of each DAG that count against its `max_active_runs`. One that is in two lists counts once.
    fn under_way(&self) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
        let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for run in &self.told.runs {
            if !run.is_finished() && run.run_type != "backfill" {
                found.entry(&run.dag_id).or_default().insert(&run.run_id);
            }
        }
        found
    }
}

impl Late {
    /// A run that its owner's scheduler has not made, and the other's has.
    fn of(line: &Line, fates: Both<Fate>) -> Option<Self> {
        let colour = line.owner?;
        Some(Self {
            dag_id: line.dag_id.clone(),
            due: line.instant?,
            colour,
            owner: line.owner,
            other: *fates.of(colour.other()),
            has_import_errors: false,
        })
    }
}

struct Judge<'a> {
    /// DAGs in which a guard has been seen, on either side.
    guarded: BTreeSet<&'a str>,
    history: &'a [HistoryEntry],
    /// Instants of the DAGs' tags.
    since: BTreeMap<String, Timestamp>,
}

impl Judge<'_> {
    fn instant(&self, run: &Run) -> Option<Timestamp> {
        run.instant_since(self.since.get(&run.dag_id).copied())
    }

    fn fate(&self, side: &Side<'_>, run: &Run) -> Fate {
        let none = Work::default();
        let work = side
            .work
            .get(&(run.dag_id.as_str(), run.run_id.as_str()))
            .unwrap_or(&none);
        let guard = work.guard.map(|guard| guard.state.as_str());
        let has_guard = self.guarded.contains(run.dag_id.as_str());
        let is_past_guard = guard.map_or(!has_guard, |guard| guard == "success");
        if work.succeeded || (work.began && is_past_guard) {
            return Fate::Executed;
        }
        if side.told.tasks_gap.is_some() {
            return Fate::Unknown;
        }
        match guard {
            _ if run.is_under_way() => Fate::Waiting,
            _ if !run.is_finished() => Fate::Unknown,
            // All of it was skipped: by the guard, or by the DAG's own branches after the guard had let it go on.
            Some("success") => {
                let ended = work.guard.and_then(|guard| guard.ended);
                let let_go = self.was_let_go(side, self.instant(run), ended);
                if let_go == self.was_let_go(side, run.instant(), ended) {
                    if let_go { Fate::Executed } else { Fate::Skipped }
                } else {
                    // Whether the DAG had its tag by then is not known.
                    Fate::Unknown
                }
            }
            Some(_) => Fate::NotExecuted,
            None if has_guard => Fate::NotExecuted,
            None => Fate::Executed,
        }
    }

    /// Whether the guard let a run of that instant go on, by what the flag's history said when it decided.
    fn was_let_go(&self, side: &Side<'_>, instant: Option<Timestamp>, decided: Option<Timestamp>) -> bool {
        let (Some(instant), Some(decided)) = (instant, decided) else {
            return false;
        };
        let known: Vec<HistoryEntry> = self
            .history
            .iter()
            .filter(|entry| entry.modified <= decided)
            .cloned()
            .collect();
        owner(&known, instant).and_then(|owner| owner.value.colour()) == Some(side.colour)
    }
}

#[derive(Default)]
struct Lists {
    in_flight: Vec<Line>,
    pending: Vec<Line>,
    late: Vec<Late>,
    doubled: Vec<Line>,
    lost: Vec<Line>,
    counts: Counts,
}

impl Lists {
    /// `known_since` is when somebody could have made the run first: its instant, or for an old tick when the other made it.
    fn judge(&mut self, line: Line, fates: Both<Fate>, new: Colour, known_since: Option<Timestamp>, now: Timestamp) {
        let count = |number: &mut usize| *number = number.saturating_add(1);
        count(&mut self.counts.runs);
        let executed = [fates.blue, fates.green]
            .iter()
            .filter(|fate| **fate == Fate::Executed)
            .count();
        let unknown = fates.blue == Fate::Unknown || fates.green == Fate::Unknown;
        let of_owner = line.owner.map(|owner| *fates.of(owner));
        let is_new = line.owner == Some(new);
        let age = known_since.map(|since| elapsed(since, now));
        let is_unmade = of_owner == Some(Fate::Absent)
            && line.run_type == "scheduled"
            && age.is_some_and(|age| age < CREATION_GRACE);
        let may_still_come = is_unmade || of_owner == Some(Fate::Waiting);
        match executed {
            2 => self.doubled.push(line),
            0 if is_unmade && age.is_some_and(|age| age >= LATE_AFTER) => self.late.extend(Late::of(&line, fates)),
            0 if may_still_come && is_new => self.pending.push(line),
            // The old colour's own: among those in flight.
            0 if may_still_come => {}
            _ if unknown => count(&mut self.counts.unjudged),
            1 => count(&mut self.counts.executed_once),
            // The guard has yet to say so.
            _ if fates.blue == Fate::Waiting || fates.green == Fate::Waiting => {}
            _ => self.lost.push(line),
        }
    }

    /// The active's runs that are due and that neither list may have: no list of runs shows what was never made.
    fn add_late(&mut self, judge: &Judge<'_>, sides: &Both<Side<'_>>, active: Colour, now: Timestamp) {
        let (side, other) = (sides.of(active), sides.of(active.other()));
        let (made, made_by_other) = (side.made(), other.made());
        let under_way = side.under_way();
        // A run that is lost or late already is not told twice.
        let told: BTreeSet<(String, Timestamp)> = self
            .lost
            .iter()
            .filter_map(|line| Some((line.dag_id.clone(), line.instant?)))
            .chain(self.late.iter().map(|late| (late.dag_id.clone(), late.due)))
            .collect();
        for next in &side.told.next_runs {
            let key = (next.dag_id.as_str(), next.due);
            let is_full = next.max_active_runs.is_some_and(|most| {
                let number = under_way.get(next.dag_id.as_str()).map_or(0, BTreeSet::len);
                // Airflow before 3.2 tells no next run then; 3.2 and later do.
                u64::try_from(number).unwrap_or(u64::MAX) >= most
            });
            if elapsed(next.due, now) < LATE_AFTER
                || is_full
                || made.contains_key(&key)
                || told.contains(&(next.dag_id.clone(), next.due))
            {
                continue;
            }
            self.late.push(Late {
                dag_id: next.dag_id.clone(),
                due: next.due,
                colour: active,
                owner: owner(
                    judge.history,
                    judge
                        .since
                        .get(&next.dag_id)
                        .map_or(next.due, |since| next.due.max(*since)),
                )
                .and_then(|owner| owner.value.colour()),
                other: match made_by_other.get(&key) {
                    Some(run) => judge.fate(other, run),
                    None if other.told.runs_gap.is_some() => Fate::Unknown,
                    None => Fate::Absent,
                },
                has_import_errors: next.has_import_errors,
            });
        }
        // The oldest first; the lists are capped.
        self.late.sort_by(|a, b| (a.due, &a.dag_id).cmp(&(b.due, &b.dag_id)));
    }

    fn into_handover(mut self, period: &Period, told: &Both<Told>) -> Handover {
        // Those without a guard are meant to be seen last: nobody claimed that they would be executed once.
        self.doubled.sort_by_key(|line| line.unguarded);
        let mut not_asked = Vec::new();
        for colour in Colour::BOTH {
            let told = told.of(colour);
            let gaps = [
                ("dag-runs", &told.runs_gap),
                ("earlier-runs", &told.earlier_gap),
                ("task-instances", &told.tasks_gap),
                ("dags", &told.dags_gap),
            ];
            not_asked.extend(gaps.into_iter().filter_map(|(question, gap)| {
                Some(Unasked {
                    question,
                    colour,
                    cause: gap.as_ref()?.to_string(),
                })
            }));
        }
        let counts = Counts {
            in_flight: self.in_flight.len(),
            pending: self.pending.len(),
            late: self.late.len(),
            doubled: self.doubled.len(),
            doubled_unguarded: self.doubled.iter().filter(|line| line.unguarded).count(),
            lost: self.lost.len(),
            ..self.counts
        };
        for list in [
            &mut self.in_flight,
            &mut self.pending,
            &mut self.doubled,
            &mut self.lost,
        ] {
            list.truncate(NAMED);
        }
        self.late.truncate(NAMED);
        Handover {
            window: period.clone(),
            transition: period.transition.clone(),
            partial: !not_asked.is_empty(),
            not_asked,
            in_flight: self.in_flight,
            pending: self.pending,
            late: self.late,
            doubled: self.doubled,
            lost: self.lost,
            counts,
        }
    }
}

impl Handover {
    /// One sentence for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let counts = &self.counts;
        let what = match &self.transition {
            Some(transition) if transition.from == transition.to => {
                format!("{} of {}", transition.kind, transition.to)
            }
            Some(transition) => format!("{} from {} to {}", transition.kind, transition.from, transition.to),
            None => "no transition".to_owned(),
        };
        let partial = if self.partial {
            format!("; partial: {} run(s) could not be judged", counts.unjudged)
        } else {
            String::new()
        };
        let late = match counts.late {
            0 => String::new(),
            number => format!("; {number} due for minutes and not made by the scheduler"),
        };
        format!(
            "{what}: of {} run(s), {} executed by nobody, {} by both ({} of them without a guard), {} waiting on the new \
             colour; {} under way on the old{late}{partial}",
            counts.runs, counts.lost, counts.doubled, counts.doubled_unguarded, counts.pending, counts.in_flight
        )
    }
}

#[cfg(test)]
mod tests;
