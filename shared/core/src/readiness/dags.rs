//! Findings about the DAGs of both environments, as Airflow lists them.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Question, Report, Severity, some_of};
use super::subject::{Subject, command};
use crate::airflow::{Dag, DagList};
use crate::color::{Both, Color};
use crate::flag::{HistoryEntry, versions};
use crate::health::ProbeResult;
use crate::ownership::owner;
use crate::run_report::CREATION_GRACE;
use crate::time::{before, elapsed};

/// Most ids named in an answer; the counts are always complete.
const NAMED: usize = 20;

/// The two lists, compared as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DagComparison {
    /// How complete each list is.
    pub listed: Both<Listed>,
    /// DAGs of the active color that the standby certainly does not have.
    pub missing: Ids,
    /// DAGs of the standby that the active color certainly does not have.
    pub extra: Ids,
    /// DAGs that are paused on the standby only.
    pub paused: Ids,
    /// DAGs that are paused on the active color only.
    pub unpaused: Ids,
    /// DAGs of the standby that are not paused.
    pub not_fenced: Ids,
}

/// How complete a list of DAGs is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The number of listed DAGs.
    pub known: usize,
    /// The number of DAGs, by Airflow's count.
    pub total: Option<u64>,
    /// The number of listed DAGs that are paused.
    pub paused: usize,
    /// Whether every DAG is listed.
    pub complete: bool,
}

/// A list of DAG ids: its length, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// The number of ids.
    pub count: usize,
    /// The first ids, in sorted order.
    pub first: Vec<String>,
}

impl Ids {
    fn of<'a>(ids: impl Iterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for id in ids {
            found.count = found.count.saturating_add(1);
            if found.first.len() < NAMED {
                found.first.push(id.to_owned());
            }
        }
        found
    }

    fn describe(&self) -> String {
        let text = some_of(self.first.iter().map(String::as_str));
        match self.count.saturating_sub(self.first.len()) {
            0 => text,
            _ => format!(
                "{} and {} more",
                self.first.get(..5).unwrap_or_default().join(", "),
                self.count.saturating_sub(5)
            ),
        }
    }
}

impl DagComparison {
    /// Compares the two lists. A DAG is missing only from a list that is complete.
    #[must_use]
    pub fn of<'a>(lists: &'a Both<DagList>, active: Color) -> Self {
        let (active, standby) = (lists.of(active), lists.of(active.other()));
        let absent = |from: &'a DagList, of: &'a DagList| {
            let ids = of
                .dags
                .keys()
                .filter(|id| from.is_complete() && !from.dags.contains_key(*id));
            Ids::of(ids.map(String::as_str))
        };
        let differ = |wanted: fn(&Dag, &Dag) -> bool| {
            let in_both = active
                .dags
                .iter()
                .filter_map(|(id, dag)| Some((id, dag, standby.dags.get(id)?)));
            Ids::of(
                in_both
                    .filter(|(_, active, standby)| wanted(active, standby))
                    .map(|(id, _, _)| id.as_str()),
            )
        };
        Self {
            listed: lists.map(|_, list| Listed {
                known: list.dags.len(),
                total: list.total,
                paused: list.dags.values().filter(|dag| dag.paused).count(),
                complete: list.is_complete(),
            }),
            missing: absent(standby, active),
            extra: absent(active, standby),
            paused: differ(|active, standby| !active.paused && standby.paused),
            unpaused: differ(|active, standby| active.paused && !standby.paused),
            not_fenced: Ids::of(
                standby
                    .dags
                    .iter()
                    .filter(|(_, dag)| !dag.paused)
                    .map(|(id, _)| id.as_str()),
            ),
        }
    }
}

/// How long a run that was created late is reported.
const MAX_REPORT_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The start of the search for runs with older ticks: the last change of color, or a week ago if that is later. None
/// without a change of color: then all ticks belong to the active color.
#[must_use]
pub fn looks_back_to(history: &[HistoryEntry], now: Timestamp) -> Option<Timestamp> {
    let mut color = None;
    let changes = versions(history).into_iter().filter(|version| {
        let (now, was) = (version.entry.value.color(), color);
        color = now.or(was);
        was.is_some() && color != was
    });
    let last = changes.last()?;
    Some(last.effective_from.max(before(now, MAX_REPORT_AGE)))
}

/// The active color's DAGs that create, or have created since the last transition, runs which belong to the standby.
///
/// A run that a healthy active environment creates ten minutes late is unusual: a person deployed or unpaused a DAG
/// that catches up. The guard skips those runs here as successes, and either the standby executes them or nobody does.
#[must_use]
pub fn catching_up(
    list: &DagList,
    old_ticks: &[(String, Timestamp)],
    history: &[HistoryEntry],
    active: Color,
    now: Timestamp,
) -> BTreeSet<String> {
    let is_foreign = |dag: Option<&Dag>, tick: Timestamp| {
        let instant = dag.and_then(|dag| dag.since).map_or(tick, |since| since.max(tick));
        owner(history, instant).and_then(|owner| owner.value.color()) == Some(active.other())
    };
    let is_guarded = |dag: Option<&Dag>| dag.is_none_or(|dag| !dag.unguarded);
    let made = old_ticks
        .iter()
        .filter(|(id, tick)| is_guarded(list.dags.get(id)) && is_foreign(list.dags.get(id), *tick))
        .map(|(id, _)| id.clone());
    let to_come = list.dags.iter().filter(|(_, dag)| {
        dag.next_run.is_some_and(|next| {
            !dag.paused && !dag.unguarded && elapsed(next, now) >= CREATION_GRACE && is_foreign(Some(dag), next)
        })
    });
    made.chain(to_come.map(|(id, _)| id.clone())).collect()
}

pub(super) fn catch_up(subject: &Subject<'_>, report: &mut Report) {
    let ids = Ids::of(subject.catching_up.iter().map(String::as_str));
    if ids.count == 0 {
        return;
    }
    let (active, standby) = (subject.active, subject.active.other());
    report.add(Finding {
        name: "catch-up",
        severity: Severity::Amber,
        color: Some(active),
        what: format!(
            "{} of {active} with runs for ticks from before the last transition, which are {standby}'s: {}",
            dags(ids.count),
            ids.describe()
        ),
        why: "the guard skips them here as successes; the standby executes them, or nobody does where it is paused or dead",
        fix: "if the DAG is new: give it the tag bluegreen:since=<when it was deployed>, and backfill what was skipped in the \
              active environment; the run report names the runs"
            .to_owned(),
    });
}

pub(super) fn compare(subject: &Subject<'_>, report: &mut Report) {
    let lists = &subject.snapshot.dags;
    for color in Color::BOTH {
        if let Some(cause) = &lists.of(color).gap {
            report.unanswered(Question::Dags, Some(color), "airflow:InvokeRestApi", cause);
        }
    }
    let (active, standby) = (subject.active, subject.active.other());
    let compared = DagComparison::of(lists, active);
    let mut add = |name, severity, ids: &Ids, what: &str, why, fix: String| {
        if ids.count > 0 {
            report.add(Finding {
                name,
                severity,
                color: Some(standby),
                what: format!("{} {what}: {}", dags(ids.count), ids.describe()),
                why,
                fix,
            });
        }
    };
    add(
        "dags-missing",
        Severity::Red,
        &compared.missing,
        &format!("of {active} not on {standby}"),
        "after a failover their runs would not exist",
        sync(subject),
    );
    if !subject.manages_dags {
        // Red like a missing DAG, because a paused DAG does not run either. In this mode the flag stops the standby's
        // DAGs from executing, and pausing does not.
        add(
            "dags-paused",
            Severity::Red,
            &compared.paused,
            &format!("paused on {standby} and not on {active}"),
            "after a failover they would not run, and nobody would be notified",
            pause(subject, standby, false),
        );
        add(
            "dags-unpaused",
            Severity::Amber,
            &compared.unpaused,
            &format!("paused on {active} and not on {standby}"),
            "somebody paused them for a reason; after a failover they would run",
            pause(subject, standby, true),
        );
    }
    if subject.manages_dags {
        add(
            "dags-not-fenced",
            Severity::Amber,
            &compared.not_fenced,
            &format!("of {standby} not paused"),
            "without the guard in them they execute runs there, too",
            format!(
                "nothing, if {standby} still drains or a hold stands: the watcher pauses them; else read its log, and see that \
                 the stack's AirflowRole is User, Op or Admin"
            ),
        );
    }
    add(
        "dags-extra",
        Severity::Amber,
        &compared.extra,
        &format!("on {standby} that {active} does not have"),
        "after a failover they would begin to run",
        format!("remove them from {standby}'s DAG folder, or deploy them to {active}"),
    );
}

/// A file that fails on both is already lost, and a failover does not change that.
pub(super) fn import_errors(subject: &Subject<'_>, report: &mut Report) {
    let errors = &subject.snapshot.import_errors;
    for color in Color::BOTH {
        if let ProbeResult::Unknown(cause) = errors.of(color) {
            report.unanswered(Question::ImportErrors, Some(color), "airflow:InvokeRestApi", cause);
        }
    }
    let standby = subject.active.other();
    let ProbeResult::Known(broken) = errors.of(standby) else {
        // The list of DAGs shows only a part.
        let flagged = subject.snapshot.dags.of(standby).dags.iter();
        let ids: Vec<&str> = flagged
            .filter(|(_, dag)| dag.has_import_errors)
            .map(|(id, _)| id.as_str())
            .collect();
        if !ids.is_empty() {
            report.add(broken_files(
                Severity::Red,
                standby,
                format!(
                    "{} on {standby} that cannot be imported any more: {}",
                    dags(ids.len()),
                    some_of(ids.iter().copied())
                ),
            ));
        }
        return;
    };
    let elsewhere = match errors.of(subject.active) {
        ProbeResult::Known(active) => Some(&active.files),
        ProbeResult::Unknown(_) => None,
    };
    let (both, only): (Vec<&str>, Vec<&str>) = broken
        .files
        .iter()
        .map(String::as_str)
        .partition(|file| elsewhere.is_some_and(|files| files.contains(*file)));
    let more = if broken.more { ", and there are more" } else { "" };
    // An incomplete list of the active color never proves that an error is the standby's alone.
    let half_known = matches!(errors.of(subject.active), ProbeResult::Known(active) if active.more);
    if !only.is_empty() {
        let what = format!("{standby} cannot import {}{more}", some_of(only.iter().copied()));
        let severity = if half_known { Severity::Amber } else { Severity::Red };
        report.add(broken_files(severity, standby, what));
    }
    if !both.is_empty() {
        let what = format!("neither environment can import {}{more}", some_of(both.iter().copied()));
        report.add(broken_files(Severity::Amber, standby, what));
    }
}

fn broken_files(severity: Severity, standby: Color, what: String) -> Finding {
    Finding {
        name: "import-errors",
        severity,
        color: Some(standby),
        what,
        why: "the DAGs of a file that cannot be imported do not run, or run as they were before",
        fix: "read the error on Airflow's page, or at its API's path /importErrors; often a package is missing in the \
              requirements"
            .to_owned(),
    }
}

pub(super) fn dags(count: usize) -> String {
    match count {
        1 => "1 DAG".to_owned(),
        count => format!("{count} DAGs"),
    }
}

fn sync(subject: &Subject<'_>) -> String {
    let folder = |color: Color| match subject.snapshot.environments.of(color) {
        ProbeResult::Known(details) => {
            let bucket = details.source_bucket_arn.as_deref()?.rsplit(':').next()?;
            Some(format!(
                "s3://{bucket}/{}",
                details.dag_s3_path.as_deref().unwrap_or("dags")
            ))
        }
        ProbeResult::Unknown(_) => None,
    };
    match (folder(subject.active), folder(subject.active.other())) {
        (Some(from), Some(to)) if from != to => {
            format!("aws s3 sync {from} {to}; a minute or so later Airflow has parsed them")
        }
        _ => "deploy the same DAG files to both environments; see import errors if they are there".to_owned(),
    }
}

fn pause(subject: &Subject<'_>, color: Color, paused: bool) -> String {
    command(
        subject.settings.of(color),
        "mwaa invoke-rest-api",
        &format!(" --path /dags/<DAG id> --method PATCH --body '{{\"is_paused\": {paused}}}'"),
    )
}
