//! One message of one event.

use serde_json::Value;

use super::detail::{Detail, LONGEST_DETAIL, LONGEST_REASON, flat};
use super::drills::{drill_finished, drill_overdue};
use super::faults::{environment_unknown, failover_blocked, flag_fault};
use super::letter::{Ask, Letter, Place};
use super::standby::{dag_management, hold_changed, readiness_changed};
use super::transitions::transition;

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
pub fn compose(place: Place<'_>, detail_type: &str, detail: &Value) -> Notification {
    let detail = Detail(detail);
    let mut letter = Letter::new(place);
    let headline = match detail_type {
        "Environment Transition" => transition(&mut letter, &detail),
        "Failover Blocked" => failover_blocked(&mut letter, &detail),
        "Environment Unknown" => environment_unknown(&mut letter, &detail),
        "Flag Fault" => flag_fault(&mut letter, &detail),
        "Hold Changed" => hold_changed(&mut letter, &detail),
        "Drill Finished" => drill_finished(&mut letter, &detail),
        "Drill Overdue" => drill_overdue(&mut letter, &detail),
        "Readiness Changed" => readiness_changed(&mut letter, &detail),
        "DAG Management" => dag_management(&mut letter, &detail),
        other => anything_else(&mut letter, other, &detail),
    };
    letter.read_more(detail.text("id", LONGEST_DETAIL).as_deref());
    Notification {
        subject: subject(place.pair, &headline),
        body: letter.text,
    }
}

/// SNS refuses a subject with a line break, a control character or anything but ASCII.
fn subject(pair: &str, headline: &str) -> String {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    flat(&format!("[{pair}] {headline}"), usize::MAX)
        .chars()
        .map(printable)
        .take(LONGEST_SUBJECT)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// A later version may send what this one does not know.
fn anything_else(letter: &mut Letter<'_>, detail_type: &str, detail: &Detail<'_>) -> String {
    letter.heading("WHAT HAPPENED");
    letter.paragraph(&format!(
        "An event of the kind {:?}, of which this version knows no more than it says itself.",
        flat(detail_type, LONGEST_DETAIL)
    ));
    letter.heading("WHY");
    letter.paragraph(
        &detail
            .text("reason", LONGEST_REASON)
            .unwrap_or_else(|| flat(&detail.0.to_string(), LONGEST_REASON)),
    );
    letter.heading("WHAT TO DO");
    letter.step("Where things stand:", &Ask::Status);
    flat(detail_type, LONGEST_SUBJECT)
}
