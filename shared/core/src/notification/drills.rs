//! Drills that ended, and drills that are overdue.

use super::detail::{LONGEST_DETAIL, line_of, moment, reason, word, word_or};
use super::message::{MessageBuilder, SuggestedCommand};
use crate::audit::details::{DrillDetail, OverdueDetail};

pub(super) fn drill_finished(message: &mut MessageBuilder<'_>, detail: &DrillDetail) -> String {
    let (outcome, mode) = (word(&detail.outcome), word(&detail.mode));
    let to = word_or(detail.to.as_ref(), "the standby");
    message.heading("WHAT HAPPENED");
    // Its function died before it wrote the flag: that shows nothing about the color.
    let not_begun = outcome == "failed" && mode == "switch" && detail.timings.switched_at.is_none();
    message.paragraph(&match outcome.as_str() {
        "succeeded" => format!("The drill of {to} (mode {mode}) succeeded."),
        "failed" if not_begun => format!(
            "The drill of {to} (mode {mode}) did not begin: the function that was to switch ended before it did. Nothing was \
             changed, and nothing is known of {to} that was not known before."
        ),
        "failed" => format!("The drill of {to} (mode {mode}) failed: do not count on {to} to take over."),
        "blocked" => format!("The drill of {to} (mode {mode}) did not start. Nothing was touched."),
        "interrupted" => format!(
            "The drill of {to} (mode {mode}) was interrupted: something real came first. It will not return by itself any \
             more."
        ),
        other => format!("The drill of {to} (mode {mode}) ended: {other}."),
    });
    message.paragraph(&format!(
        "Active now: {}.",
        word_or(detail.active.as_ref(), "not known")
    ));
    let timings = &detail.timings;
    let mut times = Vec::new();
    for (time, what) in [
        (timings.started_at, "begun"),
        (timings.switched_at, "switched"),
        (timings.returned_at, "returned"),
        (timings.finished_at, "ended"),
    ] {
        if let Some(time) = time {
            times.push(format!("{what} {}", moment(time)));
        }
    }
    for (milliseconds, what) in [
        (timings.switch_duration_ms, "the switch took"),
        (timings.return_duration_ms, "the return took"),
    ] {
        if let Some(milliseconds) = milliseconds {
            times.push(format!("{what} {milliseconds} ms"));
        }
    }
    if !times.is_empty() {
        message.paragraph(&format!("Times: {}.", times.join(", ")));
    }
    message.heading("WHY");
    message.paragraph(&reason(&detail.reason));
    if let Some(asked) = line_of(detail.requested_by.as_deref(), LONGEST_DETAIL) {
        message.paragraph(&format!("Asked for by {asked}."));
    }
    message.heading("WHAT TO DO");
    match outcome.as_str() {
        "succeeded" => message.bullet("Nothing."),
        "failed" if not_begun => {
            message.bullet("If it happens again, read the log of the switch-handler.");
            message.step("Drill again, first without switching:", &SuggestedCommand::Drill);
        }
        "failed" => {
            message.bullet(&format!("Find out what ails {to}, and repair it."));
            message.step("What stands in the way of a failover:", &SuggestedCommand::Check);
            message.step("Then drill again, first without switching:", &SuggestedCommand::Drill);
        }
        "blocked" => {
            message.bullet("Do what the reason asks for, or wait until it is over, and drill again.");
            message.step("First without switching:", &SuggestedCommand::Drill);
        }
        _ => {
            message.bullet("See where things stand, and switch if that is the wrong color.");
            message.step("How both are:", &SuggestedCommand::Status);
        }
    }
    message.heading("TO UNDO IT");
    match detail.active {
        Some(active) if outcome == "interrupted" => message.step(
            &format!("{active} stays active. If {} is the right one:", active.other()),
            &SuggestedCommand::Switch(active.other()),
        ),
        _ => message.paragraph("There is nothing to undo."),
    }
    format!("DRILL {} ({mode}, {to})", outcome.to_uppercase())
}

pub(super) fn drill_overdue(message: &mut MessageBuilder<'_>, detail: &OverdueDetail) -> String {
    let days = word_or(detail.days.as_ref(), "?");
    message.heading("WHAT HAPPENED");
    message.paragraph(&format!(
        "For {days} days nobody has seen the standby work. The last drill or transition was {}.",
        detail.last.map_or_else(|| "never".to_owned(), moment)
    ));
    message.heading("WHY");
    message.paragraph(&reason(&detail.reason));
    message.heading("WHAT TO DO");
    message.bullet("Drill, or give the stack a DrillSchedule.");
    message.step("First without switching:", &SuggestedCommand::Drill);
    message.heading("TO UNDO IT");
    message.paragraph("Nothing was changed, so there is nothing to undo.");
    "DRILL OVERDUE".to_owned()
}
