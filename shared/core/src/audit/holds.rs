//! The events of the hold parameter.

use std::time::Duration;

use jiff::Timestamp;

use super::details::{Author, HoldDetail};
use super::event::{AuditEvent, EventType, Subject};
use crate::hold::{Hold, HoldState, StoredHold};
use crate::response::to_json;
use crate::time::{elapsed, to_second};

/// What to report of the hold parameter: what was written, and that its time has run out; each once, with the date of
/// what happened, whenever it is reported. `told` is the mark of the last report. Who ended a hold, and why, is in the
/// ended hold that a release leaves.
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
        // The state at the time of the write, however late this report is.
        let state = HoldState::read(Some(&stored.value), stored.written);
        let (word, reason) = match (&state, &hold) {
            (HoldState::None, Some(hold)) => ("ended", format!("ended by {}: {}", hold.by, hold.reason)),
            (HoldState::None, None) => ("none", String::new()),
            (HoldState::Active(_), _) => ("held", state.describe().unwrap_or_default()),
            (HoldState::Invalid(_), _) => ("invalid", state.describe().unwrap_or_default()),
        };
        let id = format!("hold:{change}");
        due.push(hold_event(
            subject,
            &id,
            word,
            hold.as_ref(),
            &reason,
            author,
            stored.written,
        ));
    }
    if let Some(hold) = ran_out {
        let reason = format!(
            "its time ran out at {}; placed by {}: {}",
            to_second(hold.until),
            hold.by,
            hold.reason
        );
        let id = format!("hold:{change}:ran-out");
        due.push(hold_event(
            subject,
            &id,
            "ended",
            Some(&hold),
            &reason,
            None,
            hold.until,
        ));
    }
    due
}

/// How long a change of the hold is reported where no mark shows what was reported before.
pub const MAX_HOLD_REPORT_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What to report of all versions of the hold parameter, oldest first. A hold that was replaced before it was reported
/// is still reported, and so is its end if its time ran out before the replacement. Each event comes with its author.
#[must_use]
pub fn holds_due(
    subject: Subject<'_>,
    kept: &[(StoredHold, Option<String>)],
    told: Option<&str>,
    now: Timestamp,
) -> Vec<AuditEvent> {
    let change = told.map(|told| told.split_once(':').map_or(told, |(change, _)| change));
    let noted = kept.iter().position(|(hold, _)| Some(hold.change.as_str()) == change);
    // The mark is of another incarnation of the parameter, or of a version that SSM has dropped: its date still counts.
    let noted_at = change
        .and_then(|change| change.rsplit_once('-')?.1.parse().ok())
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok());
    let is_news = |index: usize, hold: &StoredHold| match (noted, noted_at) {
        (Some(noted), _) => index >= noted,
        (None, Some(noted_at)) => hold.written > noted_at,
        (None, None) => index.saturating_add(1) == kept.len() || elapsed(hold.written, now) <= MAX_HOLD_REPORT_AGE,
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

/// The hold parameter was deleted, so it has no version: the change event's id distinguishes one removal from the next.
#[must_use]
pub fn hold_removed(subject: Subject<'_>, event_id: &str, at: Timestamp) -> AuditEvent {
    let id = format!("hold:removed-{event_id}");
    hold_event(subject, &id, "none", None, "the hold was removed", None, at)
}

fn hold_event(
    subject: Subject<'_>,
    id: &str,
    state: &str,
    hold: Option<&Hold>,
    reason: &str,
    author: Option<&str>,
    at: Timestamp,
) -> AuditEvent {
    AuditEvent {
        detail_type: EventType::HoldChanged,
        at,
        detail: to_json(&HoldDetail {
            state: state.to_owned(),
            hold: hold.cloned(),
            reason: reason.to_owned(),
            who: Author {
                last_modified_user: author.map(str::to_owned),
            },
            ..HoldDetail::about(subject, id)
        }),
    }
}
