//! One message of one event.

use serde_json::Value;

use super::detail::{LONGEST_DETAIL, LONGEST_REASON, line, sanitize_line};
use super::drills::{drill_finished, drill_overdue};
use super::faults::{environment_unknown, failover_blocked, flag_fault};
use super::message::{MessageBuilder, PairContext, SuggestedCommand};
use super::runbook::Runbook;
use super::standby::{dag_management, hold_changed, readiness_changed};
use super::transitions::transition;
use crate::audit::details::{About, FaultDetail, read};

/// SNS takes fewer than 100 characters of ASCII.
const LONGEST_SUBJECT: usize = 99;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// One line of printable ASCII that begins with the pair's name.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// Composes the message of one event.
#[must_use]
pub fn compose(place: PairContext<'_>, detail_type: &str, detail: &Value) -> Notification {
    let mut message = MessageBuilder::new(place);
    let headline = match detail_type {
        "Environment Transition" => transition(&mut message, &read(detail)),
        "Failover Blocked" => failover_blocked(&mut message, &read(detail)),
        "Environment Unknown" => environment_unknown(&mut message, &read(detail)),
        "Flag Fault" => flag_fault(&mut message, &read(detail)),
        "Hold Changed" => hold_changed(&mut message, &read(detail)),
        "Drill Finished" => drill_finished(&mut message, &read(detail)),
        "Drill Overdue" => drill_overdue(&mut message, &read(detail)),
        "Readiness Changed" => readiness_changed(&mut message, &read(detail)),
        "DAG Management" => dag_management(&mut message, &read(detail)),
        other => anything_else(&mut message, other, detail),
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

/// SNS refuses a subject with a line break, a control character or anything but ASCII.
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

/// A later version may send what this one does not know.
fn anything_else(message: &mut MessageBuilder<'_>, detail_type: &str, detail: &Value) -> String {
    message.heading("WHAT HAPPENED");
    message.paragraph(&format!(
        "An event of the kind {:?}, of which this version knows no more than it says itself.",
        sanitize_line(detail_type, LONGEST_DETAIL)
    ));
    message.heading("WHY");
    message.paragraph(
        &line(&read::<FaultDetail>(detail).reason, LONGEST_REASON)
            .unwrap_or_else(|| sanitize_line(&detail.to_string(), LONGEST_REASON)),
    );
    message.heading("WHAT TO DO");
    message.step("Where things stand:", &SuggestedCommand::Status);
    sanitize_line(detail_type, LONGEST_SUBJECT)
}
