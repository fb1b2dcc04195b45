//! The events that are not about a flag version: blocked actions, faults, and what people did.

use jiff::Timestamp;

use super::details::{
    AcknowledgedDetail, BlockedDetail, DagDetail, DrillDetail, DrillTimings, FaultDetail, OverdueDetail,
    RunReportDetail, UnknownDetail, VerdictEvidence,
};
use super::event::{AuditEvent, EventType, Subject};
use crate::color::{Both, Color};
use crate::dag_management::{News, Progress, Report};
use crate::decision::Decision;
use crate::drill::Conclusion;
use crate::flag::label;
use crate::health::{Assessment, Verdict};
use crate::precondition::PreconditionName;
use crate::response::{Open, PreconditionAnswer, ReportAnswer, to_json};
use crate::run_report::RunReport;
use crate::time::{self, to_second};

/// A failover is wanted, and preconditions prevent it.
#[must_use]
pub fn blocked(
    subject: Subject<'_>,
    flag: &str,
    active: Option<Color>,
    since: Timestamp,
    decision: &Decision,
    verdicts: &Both<Assessment>,
    now: Timestamp,
) -> AuditEvent {
    let preconditions: Vec<&str> = decision
        .blocked_by()
        .into_iter()
        .map(PreconditionName::as_str)
        .collect();
    AuditEvent {
        detail_type: EventType::FailoverBlocked,
        at: now,
        detail: to_json(&BlockedDetail {
            active,
            wanted: active.map(Color::other),
            since: Some(since),
            reason: decision.reason.clone(),
            preconditions: decision
                .preconditions
                .iter()
                .cloned()
                .map(PreconditionAnswer::from)
                .collect(),
            blocked_by: decision.blocked_by().into_iter().map(Open::from).collect(),
            evidence: VerdictEvidence::from(verdicts),
            ..BlockedDetail::about(
                subject,
                &format!("{flag}:blocked:{}:{}", preconditions.join("+"), since.as_millisecond()),
            )
        }),
    }
}

/// Nothing has confirmed for a while that the active environment works. It has this verdict now, and nothing fails
/// over.
#[must_use]
pub fn active_unknown(
    subject: Subject<'_>,
    flag: &str,
    since: Timestamp,
    (active, verdict): (Option<Color>, Verdict),
    decision: &Decision,
    verdicts: &Both<Assessment>,
    now: Timestamp,
) -> AuditEvent {
    AuditEvent {
        detail_type: EventType::EnvironmentUnknown,
        at: now,
        detail: to_json(&UnknownDetail {
            active,
            verdict: verdict.into(),
            since: Some(since),
            reason: decision.reason.clone(),
            evidence: VerdictEvidence::from(verdicts),
            ..UnknownDetail::about(subject, &format!("{flag}:unknown:{}", since.as_millisecond()))
        }),
    }
}

/// A drill ended, or was blocked at its start.
#[must_use]
pub fn drill_finished(subject: Subject<'_>, conclusion: &Conclusion) -> AuditEvent {
    AuditEvent {
        detail_type: EventType::DrillFinished,
        at: conclusion.timings.finished_at,
        detail: to_json(&DrillDetail {
            drill: conclusion.id.clone(),
            mode: conclusion.mode.into(),
            outcome: conclusion.outcome.into(),
            from: conclusion.from,
            to: conclusion.to,
            active: conclusion.active,
            reason: conclusion.reason.clone(),
            requested_by: conclusion.requested_by.clone(),
            timings: DrillTimings::from(&conclusion.timings),
            ..DrillDetail::about(subject, &format!("drill:{}", conclusion.id))
        }),
    }
}

/// No drill or transition has proved the standby for too long: since `last`, so it is dated to the end of these days.
#[must_use]
pub fn drill_overdue(subject: Subject<'_>, last: Timestamp, days: u32) -> AuditEvent {
    AuditEvent {
        detail_type: EventType::DrillOverdue,
        at: time::after(last, time::days(days)),
        detail: to_json(&OverdueDetail {
            last: Some(last),
            days: Some(days),
            reason: format!(
                "no drill has succeeded, and the flag has not changed, since {}: nothing has proved for more than {days} days \
                 that the standby can do the work",
                to_second(last)
            ),
            ..OverdueDetail::about(subject, &format!("drill-overdue:{}", last.as_millisecond()))
        }),
    }
}

/// What is wrong with the flag of a pair with a past that is gone.
pub const FLAG_DELETED: &str = "the flag was deleted: this pair has transition records";

/// The flag holds no color, or is gone.
#[must_use]
pub fn flag_fault(subject: Subject<'_>, flag: &str, what: &str, now: Timestamp) -> AuditEvent {
    AuditEvent {
        detail_type: EventType::FlagFault,
        at: now,
        detail: to_json(&FaultDetail {
            reason: what.to_owned(),
            ..FaultDetail::about(subject, &format!("{flag}:fault"))
        }),
    }
}

/// Which runs next to a transition were executed, by which color, and which by neither.
#[must_use]
pub fn run_report(subject: Subject<'_>, transition: &str, report: &RunReport, now: Timestamp) -> AuditEvent {
    AuditEvent {
        detail_type: EventType::RunReport,
        at: now,
        detail: to_json(&RunReportDetail {
            reason: report.summary(),
            run_report: ReportAnswer::from(report),
            ..RunReportDetail::about(subject, &format!("run-report:{transition}"))
        }),
    }
}

/// The progress of pausing and unpausing DAGs after a transition.
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
        News::Settled if report.manual.is_empty() => ("succeeded", progress.since),
        // No other function will set these DAGs.
        News::Settled => ("failed", progress.since),
    };
    AuditEvent {
        detail_type: EventType::DagManagement,
        at: now,
        detail: to_json(&DagDetail {
            active: Some(progress.active),
            version: Some(progress.version),
            state: report.state.into(),
            outcome: outcome.to_owned(),
            reason: report.detail.clone(),
            dag_management: report.clone().into(),
            ..DagDetail::about(
                subject,
                &format!(
                    "{}:dags-{}-{}",
                    label(progress.version, progress.written),
                    report.state.as_str(),
                    since.as_millisecond()
                ),
            )
        }),
    }
}

/// A person acknowledged the automatic failovers so far.
#[must_use]
pub fn failovers_acknowledged(
    subject: Subject<'_>,
    by: &str,
    reason: Option<&str>,
    request_id: &str,
    now: Timestamp,
) -> AuditEvent {
    AuditEvent {
        detail_type: EventType::FailoversAcknowledged,
        at: now,
        detail: to_json(&AcknowledgedDetail {
            by: by.to_owned(),
            reason: reason.map(str::to_owned),
            ..AcknowledgedDetail::about(subject, &format!("acknowledged:{request_id}"))
        }),
    }
}
