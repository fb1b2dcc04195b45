//! The event and the metrics of each flag version.

use std::collections::BTreeMap;

use super::details::{DeadWriter, TransitionDetail, TransitionTimings, Who};
use super::event::{AuditEvent, EventType, Subject};
use super::history::records_of;
use crate::flag::{Origin, Version, label, sentence_of};
use crate::metric::{Metric, MetricName};
use crate::response::to_json;
use crate::time::{elapsed, whole_milliseconds};
use crate::transition::TransitionRecord;
use crate::transition_kind::Kind;

/// The event and the metrics of one version. `before` is the previous version, if it is still kept.
#[must_use]
pub fn transition(
    subject: Subject<'_>,
    version: &Version,
    before: Option<&Version>,
    records: &BTreeMap<String, TransitionRecord>,
) -> (AuditEvent, Vec<Metric>) {
    let entry = &version.entry;
    let record = match &version.origin {
        Origin::Ours { record, .. } | Origin::Repeat { record, .. } => records.get(record),
        Origin::External => None,
    };
    let repeat = matches!(version.origin, Origin::Repeat { .. });
    let from = before.map(|before| before.entry.value.to_string());
    // The record of a claim that another writer finished shows what the dead writer wanted, and when. Only the color
    // still applies.
    let finished_by = match &version.origin {
        Origin::Ours { finished_by, .. } => finished_by.as_deref(),
        Origin::Repeat { .. } | Origin::External => None,
    };
    let (dead, record) = if finished_by.is_some() {
        (record, None)
    } else {
        (None, record)
    };
    let kind = kind_of(version, before, record);
    let last_known_healthy = record.and_then(TransitionRecord::last_known_healthy);
    let switch_duration = record.map(|record| elapsed(record.decided_at, entry.modified));
    let recovery_time = last_known_healthy.map(|healthy| elapsed(healthy, entry.modified));
    let other_version = record
        .or(dead)
        .map(|record| record.version)
        .filter(|version| *version != entry.version && !repeat);
    let actor = record.map(|record| &record.actor);
    let detail = TransitionDetail {
        version: Some(entry.version),
        kind: kind.into(),
        declared_by_person: version.is_declared_failover(),
        from,
        to: entry
            .value
            .color()
            .map_or_else(|| entry.value.to_string(), |color| color.to_string()),
        reason: record.map_or_else(|| reason_of(version), |record| record.reason.clone()),
        who: Who {
            last_modified_user: entry.author.clone(),
            requested_by: actor.and_then(|actor| actor.requested_by.clone()),
            function: actor.map(|actor| actor.function.clone()),
            request_id: actor.map(|actor| actor.request_id.clone()),
        },
        finished_by: finished_by.map(str::to_owned),
        dead_writer: dead.map(|record| DeadWriter {
            function: record.actor.function.clone(),
            request_id: record.actor.request_id.clone(),
            requested_by: record.actor.requested_by.clone(),
            kind: record.kind.into(),
            reason: record.reason.clone(),
            decided_at: Some(record.decided_at),
        }),
        trigger: record.map(|record| record.trigger.clone()),
        evidence: record.map(|record| record.evidence.clone()),
        drill: record.and_then(|record| record.drill.clone()),
        timings: TransitionTimings {
            written_at: Some(entry.modified),
            effective_from: Some(version.effective_from),
            decided_at: record.map(|record| record.decided_at),
            last_known_healthy,
            switch_duration_ms: switch_duration.map(whole_milliseconds),
            recovery_time_s: recovery_time.map(|time| time.as_secs_f64()),
        },
        record: records_of(std::slice::from_ref(version)).pop(),
        repeat,
        expected_version: other_version,
        warning: other_version
            .map(|_| "the flag was written by another writer between the observation and this write".to_owned()),
        ..TransitionDetail::about(subject, &label(entry.version, entry.modified))
    };
    let at = entry.modified;
    let mut metrics = Vec::new();
    if !repeat {
        metrics.push(Metric::transition(kind, at));
        // A first version is not a switch.
        if let Some(duration) = switch_duration.filter(|_| kind != Kind::Initialize) {
            metrics.push(Metric::new(
                MetricName::SwitchDuration,
                duration.as_secs_f64() * 1000.0,
                at,
            ));
        }
        if let (Kind::Failover, Some(time)) = (kind, recovery_time) {
            metrics.push(Metric::new(MetricName::RecoveryTime, time.as_secs_f64(), at));
        }
    }
    let event = AuditEvent {
        detail_type: EventType::EnvironmentTransition,
        at,
        detail: to_json(&detail),
    };
    (event, metrics)
}

/// The reason, as far as the Description gives one.
fn reason_of(version: &Version) -> String {
    let description = version.entry.words(&version.origin);
    match version.origin {
        Origin::External => description.unwrap_or("written outside this product, without a description"),
        Origin::Ours { .. } | Origin::Repeat { .. } => description.map(sentence_of).unwrap_or_default(),
    }
    .to_owned()
}

fn kind_of(version: &Version, before: Option<&Version>, record: Option<&TransitionRecord>) -> Kind {
    match (record, &version.origin) {
        (Some(record), _) => record.kind,
        (None, Origin::External) if before.is_none() && version.entry.version.0 == 1 => {
            // Created by `initialize` or by a manual edit: the Description shows which.
            version
                .entry
                .description
                .as_deref()
                .and_then(Kind::of_description)
                .unwrap_or(Kind::External)
        }
        (None, _) => version.kind(),
    }
}
