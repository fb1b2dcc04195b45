//! The finding that the standby executes runs without a guard.
//!
//! Only evidence counts: a run of the standby that ended, executed a task, and has no guard task. Two things show that
//! a guard is intended: runs of the same DAG on the active color, or options that only the guard reads. The color
//! option shows nothing, because DAGs that branch without the guard read it, too.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::dags::{dags, looks_back_to};
use super::finding::{Finding, Question, Report, Severity, some_of};
use super::snapshot::EnvironmentDetails;
use super::subject::{Subject, command};
use crate::airflow::Dag;
use crate::flag::HistoryEntry;
use crate::health::ProbeResult;
use crate::time::{before, to_second};

/// Name of the finding that both environments execute every run.
pub const BOTH_EXECUTE: &str = "guard-missing";

/// The age up to which runs show whether there is a guard; it covers one run of every daily DAG.
const LOOKS_BACK: Duration = Duration::from_secs(24 * 60 * 60);

/// Prefix of the guard's options.
const OPTIONS: &str = "custom.bluegreen_";
/// The option that selects which DAGs are guarded.
const MODE_OPTION: &str = "custom.bluegreen_guard";
/// The option that shows the color in the web server: unrelated to the guard.
const MARK_OPTION: &str = "custom.bluegreen_status_page";

/// Since when runs show whether the standby is guarded: since its color became the standby, or for one day if that is
/// shorter.
#[must_use]
pub fn guards_are_looked_for_since(history: &[HistoryEntry], now: Timestamp) -> Timestamp {
    let day = before(now, LOOKS_BACK);
    looks_back_to(history, now).map_or(day, |change| change.max(day))
}

/// Whether a guard is plausible in this DAG of this environment.
#[must_use]
pub fn may_be_guarded(environment: &EnvironmentDetails, dag: &Dag) -> bool {
    !dag.unguarded && (mode(environment) != Some("tagged") || dag.guarded)
}

fn mode(environment: &EnvironmentDetails) -> Option<&str> {
    environment.configuration_options.0.get(MODE_OPTION).map(String::as_str)
}

/// Whether the environment's guard mode skips nothing.
fn is_without_effect(environment: &EnvironmentDetails) -> bool {
    matches!(mode(environment), Some("off" | "observe"))
}

fn has_options_of_the_guard(environment: &EnvironmentDetails) -> bool {
    let mut names = environment.configuration_options.0.keys();
    names.any(|name| name.starts_with(OPTIONS) && name != MARK_OPTION)
}

pub(super) fn missing(subject: &Subject<'_>, report: &mut Report) {
    let (active, standby) = (subject.active, subject.active.other());
    let traces = match &subject.snapshot.guards {
        None => return,
        Some(ProbeResult::Unknown(cause)) => {
            report.unanswered(Question::Guards, Some(standby), "airflow:InvokeRestApi", cause);
            return;
        }
        // The flag may have changed since they were requested.
        Some(ProbeResult::Known(traces)) if traces.standby != standby => return,
        Some(ProbeResult::Known(traces)) => traces,
    };
    let ProbeResult::Known(environment) = subject.snapshot.environments.of(standby) else {
        return;
    };
    // One newer run with a guard, in any DAG, shows that the package is installed: older runs are from before the
    // repair.
    let bare = traces
        .bare
        .iter()
        .filter(|(_, began)| traces.guarded.is_none_or(|guarded| guarded < **began));
    let bare: BTreeMap<&str, Timestamp> = bare.map(|(id, began)| (id.as_str(), *began)).collect();
    if bare.is_empty() {
        return;
    }
    let of_active = match subject.snapshot.environments.of(active) {
        ProbeResult::Known(details) => Some(details),
        ProbeResult::Unknown(_) => None,
    };
    let is_demanded = !is_without_effect(environment)
        && (has_options_of_the_guard(environment)
            || of_active.is_some_and(|details| has_options_of_the_guard(details) && !is_without_effect(details)));
    let meant: BTreeMap<&str, Timestamp> = match &traces.guarded_on_active {
        _ if is_demanded => bare,
        ProbeResult::Unknown(cause) => {
            report.unanswered(Question::Guards, Some(active), "airflow:InvokeRestApi", cause);
            return;
        }
        // An active environment that only observes skips nothing, so its standby does not need to skip either.
        ProbeResult::Known(_) if of_active.is_none_or(is_without_effect) => return,
        ProbeResult::Known(guarded) => bare.into_iter().filter(|(id, _)| guarded.contains(*id)).collect(),
    };
    let Some(last) = meant.values().max() else { return };
    report.add(Finding {
        name: BOTH_EXECUTE,
        severity: Severity::Red,
        color: Some(standby),
        what: format!(
            "{} of {standby} executed runs without the guard, the last one that began at {}: {}",
            dags(meant.len()),
            to_second(*last),
            some_of(meant.keys().copied())
        ),
        why: "without its guard the standby executes what the active executes, too: every run is done twice",
        fix: format!(
            "pause {standby}'s DAGs; install mwaa-bluegreen there with its start-up script, which starts no environment without \
             it: {}; unpause them, and the first run with a guard ends this. A guard that is off on purpose is off by the \
             option {MODE_OPTION}; a DAG that is to run in both has the tag bluegreen:unguarded",
            command(
                subject.settings.of(standby),
                "mwaa update-environment",
                " --startup-script-s3-path startup.sh --startup-script-s3-object-version <version>"
            )
        ),
    });
}
