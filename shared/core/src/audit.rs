//! Audit: from the flag's history to one event and a few metrics for every version, in a form that makes repeats
//! recognisable. Delivery is at least once: an event's id is made of what it is about, never of when it is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::colour::Colour;
use crate::dag_management::{News, Progress, Report};
use crate::decision::{Decision, GuardName};
use crate::drill::Conclusion;
use crate::flag::{FlagVersion, KEPT_VERSIONS, Origin, Version, label, sentence_of, shortened};
use crate::handover::Handover;
use crate::health::Verdict;
use crate::hold::{Hold, HoldState, StoredHold};
use crate::metric::{Metric, MetricUnit};
use crate::parameters::as_value;
use crate::time::{elapsed, to_second, whole_milliseconds};
use crate::transition::{Kind, TransitionRecord};

/// The source of every event.
pub const SOURCE: &str = "mwaa.bluegreen";

/// Version of the detail's format.
const SCHEMA: u32 = 1;

/// Records younger than this are never pruned: their claim may still be needed.
const YOUNGEST_PRUNED: Duration = Duration::from_secs(24 * 60 * 60);

/// One event for the pair's bus.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// `Environment Transition`, `Failover Blocked`, `Environment Unknown`, `Hold Changed`, `Flag Fault`, `Drill Finished`,
    /// `Drill Overdue`, `Readiness Changed`, `Run Handover` or `DAG Management`.
    pub detail_type: &'static str,
    /// When it happened.
    pub at: Timestamp,
    /// The detail; its `id` is the same in every repeat.
    pub detail: Value,
}

/// An event that could not be published, as it is kept until the watcher publishes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unsent {
    detail_type: String,
    at: Timestamp,
    detail: Value,
}

/// Events of people's requests, which no tick would find out about: all others are made anew from the flag, its records and
/// the hold.
const KEPT: [&str; 2] = ["Failovers Acknowledged", "Drill Finished"];

impl Unsent {
    /// As a parameter keeps it; none if it does not fit, or is none of those that are kept.
    #[must_use]
    pub fn to_stored(event: &AuditEvent) -> Option<String> {
        let kept = Self {
            detail_type: (*KEPT.iter().find(|kept| **kept == event.detail_type)?).to_owned(),
            at: event.at,
            detail: event.detail.clone(),
        };
        let fits = |text: &String| as_value(text.clone()).len() <= MOST_BYTES;
        let text = json!(kept).to_string();
        if fits(&text) {
            return Some(text);
        }
        // The reason of a blocked drill can be long; that it was asked for matters more than each word of it.
        let mut shorter = kept;
        let reason = shortened(shorter.detail.get("reason")?.as_str()?, LONGEST_KEPT_REASON);
        shorter
            .detail
            .as_object_mut()?
            .insert("reason".to_owned(), json!(reason));
        Some(json!(shorter).to_string()).filter(fits)
    }

    /// Reads it back.
    #[must_use]
    pub fn read(stored: &str) -> Option<AuditEvent> {
        let kept: Self = serde_json::from_str(stored).ok()?;
        Some(AuditEvent {
            detail_type: KEPT.into_iter().find(|name| *name == kept.detail_type)?,
            at: kept.at,
            detail: kept.detail,
        })
    }
}

/// What Parameter Store takes as a value.
const MOST_BYTES: usize = 4096;

/// In characters, of which each may take four bytes, or six in JSON.
const LONGEST_KEPT_REASON: usize = 400;

/// What an id is made of.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Name of the pair.
    pub pair: &'a str,
    /// Name of the flag.
    pub flag: &'a str,
}

impl Subject<'_> {
    fn id(&self, what: &str) -> String {
        format!("{}:{}:{what}", self.pair, self.flag)
    }
}

/// How far the audit has come: the `audited` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audited {
    /// The last flag version whose event has been sent.
    pub version: FlagVersion,
    /// LastModifiedDate of that version: the number alone names one version of each incarnation of the flag. Where a note
    /// has only a number, when it was written.
    pub at: Timestamp,
}

impl Audited {
    /// Reads what [`Audited::to_stored`] wrote. A bare number, as a person may write it, is of the incarnation that stood when
    /// it was `written`.
    #[must_use]
    pub fn read(stored: &str, written: Timestamp) -> Option<Self> {
        let Some(label) = stored.strip_prefix('v') else {
            return Some(Self {
                version: FlagVersion(stored.parse().ok()?),
                at: written,
            });
        };
        let (version, milliseconds) = label.split_once('-')?;
        Some(Self {
            version: FlagVersion(version.parse().ok()?),
            at: Timestamp::from_millisecond(milliseconds.parse().ok()?).ok()?,
        })
    }

    /// Names the version and its incarnation.
    #[must_use]
    pub fn to_stored(self) -> String {
        label(self.version, self.at)
    }

    /// Whether that is the version which was audited last. Dates only grow: a later incarnation's version of this number is
    /// younger than the note.
    #[must_use]
    pub fn is(self, version: FlagVersion, modified: Timestamp) -> bool {
        version == self.version && modified <= self.at
    }
}

/// The versions whose events have not been sent.
///
/// Those after the audited one; all, if it is not among them: SSM has forgotten it, or the flag was deleted and made again,
/// or the history [is behind](is_behind). Without a note the pair is new, or a flag with a past of its own has been adopted: what others wrote before our first version
/// is not ours to announce, only where it stands now.
#[must_use]
pub fn due(versions: &[Version], audited: Option<Audited>) -> &[Version] {
    let start = match audited {
        Some(audited) => versions
            .iter()
            .position(|version| audited.is(version.entry.version, version.entry.modified))
            .map_or(0, |position| position.saturating_add(1)),
        None => versions
            .iter()
            .position(|version| matches!(version.origin, Origin::Ours { .. }))
            .unwrap_or(versions.len().saturating_sub(1)),
    };
    versions.get(start..).unwrap_or_default()
}

/// Whether the history looks older than the note: reads are eventually consistent. A flag that was made again may look like
/// that only if SSM's clock went back; then another reading says the same.
#[must_use]
pub fn is_behind(versions: &[Version], audited: Option<Audited>) -> bool {
    let (Some(newest), Some(audited)) = (versions.last(), audited) else {
        return false;
    };
    newest.entry.version < audited.version && newest.entry.modified <= audited.at
}

/// Names what a missing flag's fault is about, so that one deletion is told from the next.
#[must_use]
pub fn missing_flag(audited: Option<Audited>) -> String {
    audited.map_or_else(
        || "missing".to_owned(),
        |audited| format!("missing-after-v{}-{}", audited.version, audited.at.as_millisecond()),
    )
}

/// Names of the records that these versions need.
#[must_use]
pub fn records_of(versions: &[Version]) -> Vec<String> {
    versions
        .iter()
        .filter_map(|version| match &version.origin {
            Origin::Ours { record, .. } | Origin::Repeat { record, .. } => Some(record.clone()),
            Origin::External => None,
        })
        .collect()
}

/// Records that only the oldest kept versions name: they describe what SSM is about to forget.
#[must_use]
pub fn records_to_prune(versions: &[Version], now: Timestamp) -> Vec<String> {
    if versions.len() < KEPT_VERSIONS {
        return Vec::new();
    }
    let oldest = versions.get(..5).unwrap_or_default();
    oldest
        .iter()
        .filter(|version| elapsed(version.entry.modified, now) > YOUNGEST_PRUNED)
        .flat_map(|version| records_of(std::slice::from_ref(version)))
        .collect()
}

/// The event and the metrics of one version. `before` is the version ahead of it, if still kept.
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
    // The record of a claim that another writer finished tells what the dead one wanted, and when: none of it is so any
    // more but the colour.
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
    let mut detail = json!({
        "schema": SCHEMA,
        "id": subject.id(&label(entry.version, entry.modified)),
        "pair": subject.pair,
        "flag": subject.flag,
        "version": entry.version,
        "kind": kind,
        // Tells a failover that a person asked for from an automatic one.
        "declared_by_person": version.is_declared_failover(),
        "from": from,
        "to": entry.value.colour().map_or_else(|| entry.value.to_string(), |colour| colour.to_string()),
        "reason": record.map_or_else(|| reason_of(version), |record| record.reason.clone()),
        "who": {
            "last_modified_user": entry.author,
            "requested_by": record.and_then(|record| record.actor.requested_by.clone()),
            "function": record.map(|record| record.actor.function.clone()),
            "request_id": record.map(|record| record.actor.request_id.clone()),
        },
        "finished_by": finished_by,
        "dead_writer": dead.map(|record| json!({
            "function": record.actor.function,
            "request_id": record.actor.request_id,
            "requested_by": record.actor.requested_by,
            "kind": record.kind,
            "reason": record.reason,
            "decided_at": record.decided_at,
        })),
        "trigger": record.map(|record| &record.trigger),
        "evidence": record.map(|record| &record.evidence),
        "drill": record.and_then(|record| record.drill.clone()),
        "timings": {
            "written_at": entry.modified,
            "effective_from": version.effective_from,
            "decided_at": record.map(|record| record.decided_at),
            "last_known_healthy": last_known_healthy,
            "switch_duration_ms": switch_duration.map(whole_milliseconds),
            "recovery_time_s": recovery_time.map(|time| time.as_secs_f64()),
        },
        "record": records_of(std::slice::from_ref(version)).pop(),
        "repeat": repeat,
    });
    if let (Some(record), Some(detail)) = (record.or(dead), detail.as_object_mut())
        && record.version != entry.version
        && !repeat
    {
        detail.insert("expected_version".to_owned(), json!(record.version));
        detail.insert(
            "warning".to_owned(),
            json!("the flag was written by another road between the observation and this write"),
        );
    }
    let at = entry.modified;
    let mut metrics = Vec::new();
    if !repeat {
        metrics.push(Metric::transition(kind.as_str(), at));
        // A first version switches nothing.
        if let Some(duration) = switch_duration.filter(|_| kind != Kind::Initialize) {
            metrics.push(Metric {
                name: "SwitchDuration",
                value: duration.as_secs_f64() * 1000.0,
                unit: MetricUnit::Milliseconds,
                dimension: None,
                at,
            });
        }
        if let (Kind::Failover, Some(time)) = (kind, recovery_time) {
            metrics.push(Metric {
                name: "RecoveryTime",
                value: time.as_secs_f64(),
                unit: MetricUnit::Seconds,
                dimension: None,
                at,
            });
        }
    }
    let event = AuditEvent {
        detail_type: "Environment Transition",
        at,
        detail,
    };
    (event, metrics)
}

/// Why, as far as the Description tells.
fn reason_of(version: &Version) -> String {
    let description = version.entry.words(&version.origin);
    match version.origin {
        Origin::External => description.unwrap_or("written by another road, without a description"),
        Origin::Ours { .. } | Origin::Repeat { .. } => description.map(sentence_of).unwrap_or_default(),
    }
    .to_owned()
}

fn kind_of(version: &Version, before: Option<&Version>, record: Option<&TransitionRecord>) -> Kind {
    match (record, &version.origin) {
        (Some(record), _) => record.kind,
        (None, Origin::External) if before.is_none() && version.entry.version.0 == 1 => {
            // Created by `initialize`, or by hand: the Description tells.
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

/// A failover is wanted, and guards prevent it.
#[must_use]
pub fn blocked(
    subject: Subject<'_>,
    flag: &str,
    active: Option<Colour>,
    since: Timestamp,
    decision: &Decision,
    evidence: &Value,
    now: Timestamp,
) -> AuditEvent {
    let guards: Vec<&str> = decision.blocked_by().into_iter().map(GuardName::as_str).collect();
    AuditEvent {
        detail_type: "Failover Blocked",
        at: now,
        detail: json!({
            "schema": SCHEMA,
            "id": subject.id(&format!("{flag}:blocked:{}:{}", guards.join("+"), since.as_millisecond())),
            "pair": subject.pair,
            "flag": subject.flag,
            "active": active,
            "wanted": active.map(Colour::other),
            "since": since,
            "reason": decision.reason,
            "guards": decision.guards,
            "blocked_by": guards,
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
    (active, verdict): (Option<Colour>, Verdict),
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

/// The flag holds no colour, or is gone.
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

/// The standby's readiness turned red, or is red no more. `since` tells one turn from another.
#[must_use]
pub fn readiness_changed(subject: Subject<'_>, since: Timestamp, what: &Value) -> AuditEvent {
    let mut detail = json!({
        "schema": SCHEMA,
        "id": subject.id(&format!("readiness:{}", since.as_millisecond())),
        "pair": subject.pair,
        "flag": subject.flag,
    });
    if let (Some(detail), Some(what)) = (detail.as_object_mut(), what.as_object()) {
        detail.extend(what.clone());
    }
    AuditEvent {
        detail_type: "Readiness Changed",
        at: since,
        detail,
    }
}

/// Which runs next to a transition were executed, by whom, and which by nobody.
#[must_use]
pub fn run_handover(subject: Subject<'_>, transition: &str, report: &Handover, now: Timestamp) -> AuditEvent {
    AuditEvent {
        detail_type: "Run Handover",
        at: now,
        detail: json!({
            "schema": SCHEMA,
            "id": subject.id(&format!("handover:{transition}")),
            "pair": subject.pair,
            "flag": subject.flag,
            "reason": report.summary(),
            "handover": report,
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

/// What is to be told of the hold parameter: what was written, and that its time has run out; each once. `told` is the mark
/// of what was told last. Who ended a hold, and why, stands in the ended hold that a release leaves.
#[must_use]
pub fn hold_due(
    subject: Subject<'_>,
    stored: &StoredHold,
    told: Option<&str>,
    author: Option<&str>,
    now: Timestamp,
) -> Vec<AuditEvent> {
    let mut due = Vec::new();
    if told == Some(stored.mark(now).as_str()) {
        return due;
    }
    let (hold, ran_out) = (stored.hold(), stored.ran_out(now));
    let change = &stored.change;
    if told != Some(change.as_str()) {
        // As it was when it was written, however late this is.
        let state = HoldState::read(Some(&stored.value), stored.written);
        let (word, reason) = match (&state, &hold) {
            (HoldState::None, Some(hold)) => ("ended", format!("ended by {}: {}", hold.by, hold.reason)),
            (HoldState::None, None) => ("none", String::new()),
            (HoldState::Active(_), _) => ("held", state.describe().unwrap_or_default()),
            (HoldState::Invalid(_), _) => ("invalid", state.describe().unwrap_or_default()),
        };
        let id = format!("hold:{change}");
        due.push(hold_event(subject, &id, word, hold.as_ref(), &reason, author, now));
    }
    if let Some(hold) = ran_out {
        let reason = format!(
            "its time ran out at {}; placed by {}: {}",
            to_second(hold.until),
            hold.by,
            hold.reason
        );
        let id = format!("hold:{change}:ran-out");
        due.push(hold_event(subject, &id, "ended", Some(&hold), &reason, None, now));
    }
    due
}

/// How long a change of the hold is news where nothing tells what was told before.
pub const HOLD_IS_NEWS_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What is to be told of all that the hold parameter held, oldest first: a hold that was replaced before anybody told of it is
/// told, too, and that its time ran out, if it did before. Each comes with its author.
#[must_use]
pub fn holds_due(
    subject: Subject<'_>,
    kept: &[(StoredHold, Option<String>)],
    told: Option<&str>,
    now: Timestamp,
) -> Vec<AuditEvent> {
    let change = told.map(|told| told.split_once(':').map_or(told, |(change, _)| change));
    let noted = kept.iter().position(|(hold, _)| Some(hold.change.as_str()) == change);
    // Of another incarnation of the parameter, or forgotten by SSM: its date still tells.
    let noted_at = change
        .and_then(|change| change.rsplit_once('-')?.1.parse().ok())
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok());
    let is_news = |index: usize, hold: &StoredHold| match (noted, noted_at) {
        (Some(noted), _) => index >= noted,
        (None, Some(noted_at)) => hold.written > noted_at,
        (None, None) => index.saturating_add(1) == kept.len() || elapsed(hold.written, now) <= HOLD_IS_NEWS_FOR,
    };
    let mut due = Vec::new();
    for (index, (hold, author)) in kept
        .iter()
        .enumerate()
        .filter(|(index, (hold, _))| is_news(*index, hold))
    {
        let replaced = kept.get(index.saturating_add(1)).map(|(next, _)| next.written);
        let until = replaced.map_or(now, |replaced| replaced.min(now));
        let told = told.filter(|_| noted == Some(index));
        due.extend(hold_due(subject, hold, told, author.as_deref(), until));
    }
    due
}

/// The hold parameter was deleted. It has no version any more: the change event's id tells one removal from the next.
#[must_use]
pub fn hold_removed(subject: Subject<'_>, event_id: &str, now: Timestamp) -> AuditEvent {
    let id = format!("hold:removed-{event_id}");
    hold_event(subject, &id, "none", None, "the hold was removed", None, now)
}

fn hold_event(
    subject: Subject<'_>,
    id: &str,
    state: &str,
    hold: Option<&Hold>,
    reason: &str,
    author: Option<&str>,
    now: Timestamp,
) -> AuditEvent {
    AuditEvent {
        detail_type: "Hold Changed",
        at: now,
        detail: json!({
            "schema": SCHEMA,
            "id": subject.id(id),
            "pair": subject.pair,
            "flag": subject.flag,
            "state": state,
            "hold": hold,
            "reason": reason,
            "who": {"last_modified_user": author},
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
