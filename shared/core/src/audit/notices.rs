//! The events of what is no version of the flag: what was not done, what is wrong, what a person did.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::event::{AuditEvent, SCHEMA, Subject};
use crate::color::Color;
use crate::dag_management::{News, Progress, Report};
use crate::decision::Decision;
use crate::drill::Conclusion;
use crate::flag::label;
use crate::health::Verdict;
use crate::precondition::PreconditionName;
use crate::response::ReportAnswer;
use crate::run_report::RunReport;
use crate::time::to_second;

/// A failover is wanted, and preconditions prevent it.
#[must_use]
pub fn blocked(
    subject: Subject<'_>,
    flag: &str,
    active: Option<Color>,
    since: Timestamp,
    decision: &Decision,
    evidence: &Value,
    now: Timestamp,
) -> AuditEvent {
    let preconditions: Vec<&str> = decision
        .blocked_by()
        .into_iter()
        .map(PreconditionName::as_str)
        .collect();
    AuditEvent {
        detail_type: "Failover Blocked",
        at: now,
        detail: json!({
            "schema": SCHEMA,
            "id": subject.id(&format!("{flag}:blocked:{}:{}", preconditions.join("+"), since.as_millisecond())),
            "pair": subject.pair,
            "flag": subject.flag,
            "active": active,
            "wanted": active.map(Color::other),
            "since": since,
            "reason": decision.reason,
            "preconditions": decision.preconditions,
            "blocked_by": preconditions,
            "evidence": evidence,
        }),
    }
}

/// For a while nobody could vouch for the active environment, which is of this verdict now: nothing fails over.
#[must_use]
pub fn active_unknown(
    subject: Subject<'_>,
    flag: &str,
    since: Timestamp,
    (active, verdict): (Option<Color>, Verdict),
    decision: &Decision,
    evidence: &Value,
    now: Timestamp,
) -> AuditEvent {
    AuditEvent {
        detail_type: "Environment Unknown",
        at: now,
        detail: json!({
            "schema": SCHEMA,
            "id": subject.id(&format!("{flag}:unknown:{}", since.as_millisecond())),
            "pair": subject.pair,
            "flag": subject.flag,
            "active": active,
            "verdict": verdict,
            "since": since,
            "reason": decision.reason,
            "evidence": evidence,
        }),
    }
}

/// A drill came to its end, or did not get past its beginning.
#[must_use]
pub fn drill_finished(subject: Subject<'_>, conclusion: &Conclusion) -> AuditEvent {
    AuditEvent {
        detail_type: "Drill Finished",
        at: conclusion.timings.finished_at,
        detail: json!({
            "schema": SCHEMA,
            "id": subject.id(&format!("drill:{}", conclusion.id)),
            "pair": subject.pair,
            "flag": subject.flag,
            "drill": conclusion.id,
            "mode": conclusion.mode,
            "outcome": conclusion.outcome,
            "from": conclusion.from,
            "to": conclusion.to,
            "active": conclusion.active,
            "reason": conclusion.reason,
            "requested_by": conclusion.requested_by,
            "timings": conclusion.timings,
        }),
    }
}

/// For too long nothing has proved that the standby can do the work.
#[must_use]
pub fn drill_overdue(subject: Subject<'_>, last: Timestamp, days: u32, now: Timestamp) -> AuditEvent {
    AuditEvent {
        detail_type: "Drill Overdue",
        at: now,
        detail: json!({
            "schema": SCHEMA,
            "id": subject.id(&format!("drill-overdue:{}", last.as_millisecond())),
            "pair": subject.pair,
            "flag": subject.flag,
            "last": last,
            "days": days,
            "reason": format!(
                "no drill has succeeded, and the flag has not changed, since {}: nothing has proved for more than {days} days \
                 that the standby can do the work",
                to_second(last)
            ),
        }),
    }
}

/// The flag holds no color, or is gone.
#[must_use]
pub fn flag_fault(subject: Subject<'_>, flag: &str, what: &str, now: Timestamp) -> AuditEvent {
    AuditEvent {
        detail_type: "Flag Fault",
        at: now,
        detail: json!({
            "schema": SCHEMA,
            "id": subject.id(&format!("{flag}:fault")),
            "pair": subject.pair,
            "flag": subject.flag,
            "reason": what,
        }),
    }
}

/// Which runs next to a transition were executed, by whom, and which by nobody.
#[must_use]
pub fn run_report(subject: Subject<'_>, transition: &str, report: &RunReport, now: Timestamp) -> AuditEvent {
    AuditEvent {
        detail_type: "Run Report",
        at: now,
        detail: json!({
            "schema": SCHEMA,
            "id": subject.id(&format!("run-report:{transition}")),
            "pair": subject.pair,
            "flag": subject.flag,
            "reason": report.summary(),
            "run_report": ReportAnswer::from(report),
        }),
    }
}

/// How pausing and unpausing DAGs stands after a transition.
#[must_use]
pub fn dag_management(
    subject: Subject<'_>,
    progress: &Progress,
    report: &Report,
    news: News,
    now: Timestamp,
) -> AuditEvent {
    let (outcome, since) = match news {
        News::Failing(since) => ("failed", since),
        News::Recovered(since) => ("recovered", since),
        News::Settled if report.by_hand.is_empty() => ("succeeded", progress.since),
        // Nobody else will set these.
        News::Settled => ("failed", progress.since),
    };
    AuditEvent {
        detail_type: "DAG Management",
        at: now,
        detail: json!({
            "schema": SCHEMA,
            "id": subject.id(&format!(
                "{}:dags-{}-{}",
                label(progress.version, progress.written),
                report.state.as_str(),
                since.as_millisecond()
            )),
            "pair": subject.pair,
            "flag": subject.flag,
            "active": progress.active,
            "version": progress.version,
            "state": report.state,
            "outcome": outcome,
            "reason": report.detail,
            "dag_management": report,
        }),
    }
}

/// A person has looked at the automatic failovers so far.
#[must_use]
pub fn failovers_acknowledged(
    subject: Subject<'_>,
    by: &str,
    reason: Option<&str>,
    request_id: &str,
    now: Timestamp,
) -> AuditEvent {
    AuditEvent {
        detail_type: "Failovers Acknowledged",
        at: now,
        detail: json!({
            "schema": SCHEMA,
            "id": subject.id(&format!("acknowledged:{request_id}")),
            "pair": subject.pair,
            "flag": subject.flag,
            "by": by,
            "reason": reason,
        }),
    }
}
