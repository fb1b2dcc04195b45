//! Compares the runs of both environments.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::judge::Judge;
use super::period::Period;
use super::report::{
    CREATION_GRACE, Counts, LATE_AFTER, Late, NAMED, RunEntry, RunOutcome, RunReport, UnansweredQuestion,
};
use super::runs::{EnvironmentRuns, Key, Side, is_of_old_tick, was_made_in};
use crate::airflow::Run;
use crate::color::{Both, Color};
use crate::flag::HistoryEntry;
use crate::ownership::owner;
use crate::time::elapsed;

/// Compares the lists of both environments.
#[must_use]
pub fn compare(
    period: &Period,
    active: Color,
    told: &Both<EnvironmentRuns>,
    history: &[HistoryEntry],
    now: Timestamp,
) -> RunReport {
    let (old, new) = period
        .transition
        .as_ref()
        .map_or((active.other(), active), |transition| {
            // A repair may have restored the previous color.
            (transition.to.other(), transition.to)
        });
    let sides = told.map(|color, _| Side::of(color, told.of(color)));
    let guarded: BTreeSet<&str> = Color::BOTH
        .into_iter()
        .flat_map(|color| &sides.of(color).work)
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
    for color in Color::BOTH {
        for run in &told.of(color).runs {
            let runs = same.entry(Key::of(color, run)).or_insert(Both {
                blue: None,
                green: None,
            });
            *runs.of_mut(color) = Some(run);
        }
    }
    let mut report = Lists::default();
    for (key, runs) in &same {
        let Some(run) = runs.blue.or(runs.green) else { continue };
        let in_both = matches!(key, Key::Scheduled(..));
        let is_old = is_of_old_tick(run, period);
        // Runs created in the period count whatever their tick. The catch-up of a new DAG is skipped here as a success,
        // and the owner may never create those runs.
        let made = Color::BOTH
            .into_iter()
            .filter_map(|color| (*runs.of(color)).filter(|run| was_made_in(run, period))?.started)
            .min();
        let is_earlier = |color: Color| {
            run.tick
                .is_some_and(|tick| told.of(color).earlier.contains(&(run.dag_id.clone(), tick)))
        };
        let fates = runs.map(|color, run| match run {
            Some(run) => judge.fate(sides.of(color), run),
            // Only the scheduler creates the same run in both.
            None if in_both && told.of(color).runs_gap.is_some() => RunOutcome::Unknown,
            None if is_old && told.of(color).earlier_gap.is_some() => RunOutcome::Unknown,
            None => RunOutcome::Absent,
        });
        let instant = judge.instant(run);
        let owner = instant.and_then(|instant| owner(history, instant)?.value.color());
        let line = RunEntry {
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
        if is_under_way && (owner.is_none_or(|owner| owner == old) || *fates.of(old) == RunOutcome::Executed) {
            report.in_flight.push(line.clone());
        }
        let is_due_in = instant.is_some_and(|instant| instant >= period.from && instant <= period.to);
        let is_made_in = is_old && made.is_some();
        // A run with an old tick that a color created before the period was due for an earlier report.
        if (is_due_in || is_made_in) && !(is_old && Color::BOTH.into_iter().any(is_earlier)) {
            let known_since = if is_old { made.or(instant) } else { instant };
            report.judge(line, fates, new, known_since, now);
        }
    }
    report.add_late(&judge, &sides, active, now);
    report.into_run_report(period, told)
}

#[derive(Default)]
struct Lists {
    in_flight: Vec<RunEntry>,
    pending: Vec<RunEntry>,
    late: Vec<Late>,
    doubled: Vec<RunEntry>,
    lost: Vec<RunEntry>,
    counts: Counts,
}

impl Lists {
    /// `known_since` is the earliest time at which the run could have been created: its instant, or for an old tick the
    /// time at which the other color created it.
    fn judge(
        &mut self,
        line: RunEntry,
        fates: Both<RunOutcome>,
        new: Color,
        known_since: Option<Timestamp>,
        now: Timestamp,
    ) {
        let count = |number: &mut usize| *number = number.saturating_add(1);
        count(&mut self.counts.runs);
        let executed = [fates.blue, fates.green]
            .iter()
            .filter(|fate| **fate == RunOutcome::Executed)
            .count();
        let unknown = fates.blue == RunOutcome::Unknown || fates.green == RunOutcome::Unknown;
        let of_owner = line.owner.map(|owner| *fates.of(owner));
        let is_new = line.owner == Some(new);
        let age = known_since.map(|since| elapsed(since, now));
        let is_unmade = of_owner == Some(RunOutcome::Absent)
            && line.run_type == "scheduled"
            && age.is_some_and(|age| age < CREATION_GRACE);
        let may_still_come = is_unmade || of_owner == Some(RunOutcome::Waiting);
        match executed {
            2 => self.doubled.push(line),
            0 if is_unmade && age.is_some_and(|age| age >= LATE_AFTER) => self.late.extend(Late::of(&line, fates)),
            0 if may_still_come && is_new => self.pending.push(line),
            // The old color's own run: among those in flight.
            0 if may_still_come => {}
            _ if unknown => count(&mut self.counts.unjudged),
            1 => count(&mut self.counts.executed_once),
            // The guard has not decided yet.
            _ if fates.blue == RunOutcome::Waiting || fates.green == RunOutcome::Waiting => {}
            _ => self.lost.push(line),
        }
    }

    /// The active color's due runs that may be missing from both lists: a list of runs does not show runs that were
    /// never created.
    fn add_late(&mut self, judge: &Judge<'_>, sides: &Both<Side<'_>>, active: Color, now: Timestamp) {
        let (side, other) = (sides.of(active), sides.of(active.other()));
        let (made, made_by_other) = (side.made(), other.made());
        let under_way = side.under_way();
        // A run that is already lost or late is not reported twice.
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
                // Airflow before 3.2 lists no next run then; 3.2 and later do.
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
                color: active,
                owner: owner(
                    judge.history,
                    judge
                        .since
                        .get(&next.dag_id)
                        .map_or(next.due, |since| next.due.max(*since)),
                )
                .and_then(|owner| owner.value.color()),
                other: match made_by_other.get(&key) {
                    Some(run) => judge.fate(other, run),
                    None if other.told.runs_gap.is_some() => RunOutcome::Unknown,
                    None => RunOutcome::Absent,
                },
                has_import_errors: next.has_import_errors,
            });
        }
        // The oldest first, because the lists are capped.
        self.late.sort_by(|a, b| (a.due, &a.dag_id).cmp(&(b.due, &b.dag_id)));
    }

    fn into_run_report(mut self, period: &Period, told: &Both<EnvironmentRuns>) -> RunReport {
        // Runs without a guard come last: for those, a single execution was never claimed.
        self.doubled.sort_by_key(|line| line.unguarded);
        let mut not_asked = Vec::new();
        for color in Color::BOTH {
            let told = told.of(color);
            let gaps = [
                ("dag-runs", &told.runs_gap),
                ("earlier-runs", &told.earlier_gap),
                ("task-instances", &told.tasks_gap),
                ("dags", &told.dags_gap),
            ];
            not_asked.extend(gaps.into_iter().filter_map(|(question, gap)| {
                Some(UnansweredQuestion {
                    question,
                    color,
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
        RunReport {
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
