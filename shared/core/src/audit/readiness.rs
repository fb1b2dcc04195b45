//! The event of a turn of the standby's readiness.

use serde_json::json;

use super::event::{AuditEvent, SCHEMA, Subject};
use crate::readiness::{Readiness, ReadinessState, Severity};

/// The standby's readiness turned red, or is red no more; none if there is no turn to tell of. `check` fills in what was found, where it is still at hand.
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
        .map(|finding| {
            json!({
                "name": finding.name,
                "severity": finding.severity,
                "color": finding.color,
                "what": finding.what,
                "fix": finding.fix,
            })
        })
        .collect();
    let found = check.map(|check| check.names(Severity::Red)).unwrap_or_default();
    let what = match check {
        Some(_) => "found earlier; now it could not be asked",
        None => "found earlier; it has changed since",
    };
    let earlier = standing.red.iter().filter(|name| !found.contains(&name.as_str()));
    findings.extend(earlier.map(|name| {
        json!({
            "name": name,
            "severity": Severity::Red,
            "color": null,
            "what": what,
            "fix": "see {\"action\":\"check\"}",
        })
    }));
    let reason = if standing.is_red() {
        format!("the standby is not ready to take over: {}", standing.red.join(", "))
    } else {
        "nothing red is left: the standby can take over again".to_owned()
    };
    Some(AuditEvent {
        detail_type: "Readiness Changed",
        at: pending_notification.since,
        detail: json!({
            "schema": SCHEMA,
            // Since when tells one turn from another.
            "id": subject.id(&format!("readiness:{}", pending_notification.since.as_millisecond())),
            "pair": subject.pair,
            "flag": subject.flag,
            "level": standing.level,
            "previous": pending_notification.previous,
            "score": standing.score,
            "findings": findings,
            "reason": reason,
        }),
    })
}

#[cfg(test)]
mod tests;
