//! The message of one event.

use serde_json::Value;

use super::detail::{LONGEST_DETAIL, LONGEST_REASON, line, sanitize_line};
use super::drills::{drill_finished, drill_overdue};
use super::faults::{environment_unknown, failover_blocked, flag_fault};
use super::message::{MessageBuilder, PairContext, SuggestedCommand};
use super::runbook::Runbook;
use super::standby::{dag_management, hold_changed, readiness_changed};
use super::transitions::transition;
use crate::audit::EventType;
use crate::audit::details::{About, FaultDetail, read};

/// SNS accepts fewer than 100 ASCII characters.
const LONGEST_SUBJECT: usize = 99;

/// A message for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// One line of printable ASCII that begins with the pair's name.
    pub subject: String,
    /// The plain text of the message.
    pub body: String,
}

/// Composes the message of one event.
#[must_use]
pub fn compose(place: PairContext<'_>, detail_type: &str, detail: &Value) -> Notification {
    let mut message = MessageBuilder::new(place);
    let headline = match EventType::parse(detail_type) {
        Some(EventType::EnvironmentTransition) => transition(&mut message, &read(detail)),
        Some(EventType::FailoverBlocked) => failover_blocked(&mut message, &read(detail)),
        Some(EventType::EnvironmentUnknown) => environment_unknown(&mut message, &read(detail)),
        Some(EventType::FlagFault) => flag_fault(&mut message, &read(detail)),
        Some(EventType::HoldChanged) => hold_changed(&mut message, &read(detail)),
        Some(EventType::DrillFinished) => drill_finished(&mut message, &read(detail)),
        Some(EventType::DrillOverdue) => drill_overdue(&mut message, &read(detail)),
        Some(EventType::ReadinessChanged) => readiness_changed(&mut message, &read(detail)),
        Some(EventType::DagManagement) => dag_management(&mut message, &read(detail)),
        Some(event) => without_more(&mut message, event.as_str(), &sentence(event.about()), detail),
        None => without_more(&mut message, detail_type, &of_a_later_version(detail_type), detail),
    };
    let about: About = read(detail);
    let runbook = Runbook::of(detail_type, detail);
    message.read_more(
        (runbook.introduction(), &runbook.address(place)),
        line(&about.id, LONGEST_DETAIL).as_deref(),
    );
    Notification {
        subject: subject(place.pair, &headline),
        body: message.text,
    }
}

/// SNS rejects a subject with a line break, a control character, or a character outside ASCII.
fn subject(pair: &str, headline: &str) -> String {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    sanitize_line(&format!("[{pair}] {headline}"), usize::MAX)
        .chars()
        .map(printable)
        .take(LONGEST_SUBJECT)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// The headline for an event type that only a later release knows.
fn of_a_later_version(detail_type: &str) -> String {
    format!(
        "An event of the kind {:?}, of which this version knows no more than it says itself.",
        sanitize_line(detail_type, LONGEST_DETAIL)
    )
}

/// An event that needs no text of its own: what it is, its reason, and the current state.
fn without_more(message: &mut MessageBuilder<'_>, detail_type: &str, happened: &str, detail: &Value) -> String {
    message.heading("WHAT HAPPENED");
    message.paragraph(happened);
    message.heading("WHY");
    message.paragraph(
        &line(&read::<FaultDetail>(detail).reason, LONGEST_REASON)
            .unwrap_or_else(|| sanitize_line(&detail.to_string(), LONGEST_REASON)),
    );
    message.heading("WHAT TO DO");
    message.step("Where things stand:", &SuggestedCommand::Status);
    sanitize_line(detail_type, LONGEST_SUBJECT)
}

/// The reference's description of an event, as a sentence.
fn sentence(about: &str) -> String {
    let about = about.trim();
    let first = about.chars().next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(about.chars().skip(1)).chain(['.']).collect()
}
