//! The event of a readiness change.

use super::details::{FindingNews, ReadinessDetail};
use super::event::{AuditEvent, EventType, Subject};
use crate::readiness::{Readiness, ReadinessState, Severity};
use crate::response::{Open, to_json};

/// The standby's readiness turned red, or is no longer red; none if there is no change to report. `check` fills in the
/// findings where they are still available.
#[must_use]
pub fn readiness_changed(
    subject: Subject<'_>,
    standing: &ReadinessState,
    check: Option<&Readiness>,
) -> Option<AuditEvent> {
    let pending_notification = standing.pending_notification?;
    let mut findings: Vec<_> = check
        .iter()
        .flat_map(|check| &check.findings)
        .filter(|finding| finding.severity != Severity::Info)
        .map(|finding| FindingNews {
            name: finding.name.to_owned(),
            severity: finding.severity.into(),
            color: finding.color,
            what: finding.what.clone(),
            fix: finding.fix.clone(),
        })
        .collect();
    let found = check.map(|check| check.names(Severity::Red)).unwrap_or_default();
    let what = match check {
        Some(_) => "found earlier; now it could not be asked",
        None => "found earlier; it has changed since",
    };
    let earlier = standing.red.iter().filter(|name| !found.contains(&name.as_str()));
    findings.extend(earlier.map(|name| FindingNews {
        name: name.clone(),
        severity: Severity::Red.into(),
        color: None,
        what: what.to_owned(),
        fix: "see {\"action\":\"check\"}".to_owned(),
    }));
    let reason = if standing.is_red() {
        format!("the standby is not ready to take over: {}", standing.red.join(", "))
    } else {
        "nothing red is left: the standby can take over again".to_owned()
    };
    Some(AuditEvent {
        detail_type: EventType::ReadinessChanged,
        at: pending_notification.since,
        detail: to_json(&ReadinessDetail {
            // The start time distinguishes one change from another.
            level: standing.level.into(),
            previous: pending_notification.previous.map(Open::from),
            score: Some(standing.score),
            findings,
            reason,
            ..ReadinessDetail::about(
                subject,
                &format!("readiness:{}", pending_notification.since.as_millisecond()),
            )
        }),
    })
}

#[cfg(test)]
mod tests;
