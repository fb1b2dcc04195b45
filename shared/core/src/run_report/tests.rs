//! Fixtures of the report's tests.

mod fates;
mod lateness;
mod old_ticks;
mod periods;
mod reported;

use jiff::Timestamp;

use super::*;
use crate::color::{Both, Color};
use crate::flag::{FlagValue, FlagVersion, HistoryEntry};
use crate::health::{Cause, CauseKind};
use crate::transition_kind::Kind;

fn at(text: &str) -> Timestamp {
    format!("2026-11-23T{text}Z").parse().unwrap()
}

fn version(number: u64, value: &str, written: &str, counts_from: Option<&str>) -> HistoryEntry {
    HistoryEntry {
        value: FlagValue::read(value),
        version: FlagVersion(number),
        modified: at(written),
        author: None,
        description: counts_from.map(|from| format!("failover: dead [effective_from={} record=v{number}-1]", at(from))),
    }
}

/// Blue since the morning; green took over at 10:05, back-dated to 10:00.
fn history() -> Vec<HistoryEntry> {
    vec![
        version(1, "blue", "06:00:00", None),
        version(2, "green", "10:05:00", Some("10:00:00")),
    ]
}

const NOW: &str = "10:30:00";

fn run(dag_id: &str, tick: &str, state: &str) -> Run {
    Run {
        dag_id: dag_id.into(),
        run_id: format!("scheduled__{tick}"),
        run_type: "scheduled".into(),
        state: state.into(),
        logical_date: Some(at(tick)),
        tick: Some(at(tick)),
        started: Some(at(tick)),
        conf_instant: None,
    }
}

/// A task instance of the run of that tick; `id` is `guard` or a task of the DAG.
fn task(dag_id: &str, tick: &str, id: &str, state: &str, ended: &str) -> Task {
    Task {
        dag_id: dag_id.into(),
        run_id: format!("scheduled__{tick}"),
        task_id: if id == "guard" { GUARD_TASK.into() } else { id.into() },
        state: state.into(),
        ended: Some(at(ended)),
    }
}

/// A run in words: its state, then `id=state@end` for each task instance that is not skipped.
fn told(dag_id: &str, tick: &str, words: &str) -> EnvironmentRuns {
    let mut told = EnvironmentRuns::default();
    let mut words = words.split_whitespace();
    let Some(state) = words.next() else { return told };
    told.runs.push(run(dag_id, tick, state));
    for word in words {
        let (id, rest) = word.split_once('=').unwrap();
        let (state, ended) = rest.split_once('@').unwrap_or((rest, tick));
        told.tasks.push(task(dag_id, tick, id, state, ended));
    }
    told
}

fn judged(tick: &str, blue: &str, green: &str) -> RunReport {
    let told = Both {
        blue: told("orders", tick, blue),
        green: told("orders", tick, green),
    };
    let period = Period::around(&history(), 120, at(NOW));
    compare(&period, Color::Green, &told, &history(), at(NOW))
}

fn word(report: &RunReport) -> String {
    let lists = [
        ("in-flight", &report.in_flight),
        ("pending", &report.pending),
        ("doubled", &report.doubled),
        ("lost", &report.lost),
    ];
    let mut words: Vec<&str> = lists
        .iter()
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(word, _)| *word)
        .collect();
    if !report.late.is_empty() {
        words.push("late");
    }
    if report.counts.executed_once > 0 {
        words.push("once");
    }
    if report.counts.unjudged > 0 {
        words.push("unjudged");
    }
    words.join(" ")
}

const EXECUTED: &str = "success guard=success load=success";
const SKIPPED: &str = "success guard=success";

fn next(due: &str) -> NextRun {
    NextRun {
        dag_id: "orders".into(),
        due: at(due),
        max_active_runs: Some(1),
        has_import_errors: false,
    }
}
