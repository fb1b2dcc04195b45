//! Readiness: can the standby take over now, and would it behave the same?
//!
//! Pure: a snapshot and the verdicts go in, and findings come out, always in the same order. Questions without an
//! answer are listed: they make the answer partial, and never red.

mod dags;
mod environments;
mod finding;
mod guards;
mod safeguards;
mod snapshot;
mod standing;
mod subject;

use jiff::Timestamp;

use crate::color::Color;
use crate::drill::{Drill, DrillOutcome};
use crate::flag::Version;
use crate::transition_kind::Kind;

use finding::Report;

pub use crate::airflow::{Dag, DagList, ImportErrors};
pub use dags::{DagComparison, catching_up, looks_back_to};
pub use finding::{Finding, Level, Question, Readiness, Severity, UnansweredQuestion, score, some_of};
pub use guards::{BOTH_EXECUTE, guards_are_looked_for_since, may_be_guarded};
pub use snapshot::{
    AlarmSetting, ConfigurationOptions, EnvironmentDetails, GuardTraces, KeptVersions, Snapshot, SourceFile,
};
pub use standing::{PendingNotification, ReadinessState, Turn};
pub use subject::Subject;

/// Judges the standby's readiness.
pub fn assess_readiness(subject: &Subject<'_>, now: Timestamp) -> Readiness {
    let mut report = Report::default();
    environments::standby(subject, &mut report);
    environments::compare(subject, &mut report);
    dags::compare(subject, &mut report);
    dags::import_errors(subject, &mut report);
    dags::catch_up(subject, &mut report);
    guards::missing(subject, &mut report);
    safeguards::root(subject, &mut report);
    safeguards::flag(subject, &mut report);
    safeguards::alarms(subject, &mut report);
    safeguards::hold(subject, &mut report);
    safeguards::proof(subject, now, &mut report);
    report.close()
}

/// Until when the standby's color was last active. A switch, a failover or a drill is the only proof that it can be
/// active; a failed drill is none.
#[must_use]
pub fn last_proof(versions: &[Version], standby: Color, stored_drill: Option<&str>) -> Option<Timestamp> {
    let failed = stored_drill
        .and_then(Drill::from_stored)
        .filter(|drill| drill.outcome == DrillOutcome::Failed && drill.to == standby);
    let is_of_failed = |version: &Version| {
        failed
            .as_ref()
            .is_some_and(|drill| version.kind() == Kind::Drill && version.entry.version == drill.version.next())
    };
    let last = versions
        .iter()
        .rposition(|version| version.entry.value.color() == Some(standby) && !is_of_failed(version))?;
    let ended = last.checked_add(1).and_then(|next| versions.get(next));
    ended.or(versions.get(last)).map(|version| version.entry.modified)
}

#[cfg(test)]
pub(crate) mod tests;
