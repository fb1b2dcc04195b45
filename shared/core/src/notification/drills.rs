//! Drills that ended, and that are missing.

use super::detail::{Detail, LONGEST_DETAIL};
use super::message::{MessageBuilder, SuggestedCommand};

pub(super) fn drill_finished(message: &mut MessageBuilder<'_>, detail: &Detail<'_>) -> String {
    let (outcome, mode) = (detail.word("outcome"), detail.word("mode"));
    let to = detail.word_or("to", "the standby");
    message.heading("WHAT HAPPENED");
    // Its function died before it wrote the flag: that says nothing of the color.
    let not_begun = outcome == "failed" && mode == "switch" && detail.time_if_any("timings/switched_at").is_none();
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
    message.paragraph(&format!("Active now: {}.", detail.word_or("active", "not known")));
    let mut times = Vec::new();
    for (field, word) in [
        ("timings/started_at", "begun"),
        ("timings/switched_at", "switched"),
        ("timings/returned_at", "returned"),
        ("timings/finished_at", "ended"),
    ] {
        if let Some(time) = detail.time_if_any(field) {
            times.push(format!("{word} {time}"));
        }
    }
    for (field, word) in [
        ("timings/switch_duration_ms", "the switch took"),
        ("timings/return_duration_ms", "the return took"),
    ] {
        if let Some(milliseconds) = detail.number(field) {
            times.push(format!("{word} {milliseconds:.0} ms"));
        }
    }
    if !times.is_empty() {
        message.paragraph(&format!("Times: {}.", times.join(", ")));
    }
    message.heading("WHY");
    message.paragraph(&detail.reason());
    if let Some(asked) = detail.text("requested_by", LONGEST_DETAIL) {
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
    match detail.color("active") {
        Some(active) if outcome == "interrupted" => message.step(
            &format!("{active} stays active. If {} is the right one:", active.other()),
            &SuggestedCommand::Switch(active.other()),
        ),
        _ => message.paragraph("There is nothing to undo."),
    }
    format!("DRILL {} ({mode}, {to})", outcome.to_uppercase())
}

pub(super) fn drill_overdue(message: &mut MessageBuilder<'_>, detail: &Detail<'_>) -> String {
    let days = detail.word("days");
    message.heading("WHAT HAPPENED");
    message.paragraph(&format!(
        "For {days} days nobody has seen the standby work. The last drill or transition was {}.",
        detail.time_if_any("last").unwrap_or_else(|| "never".to_owned())
    ));
    message.heading("WHY");
    message.paragraph(&detail.reason());
    message.heading("WHAT TO DO");
    message.bullet("Drill, or give the stack a DrillSchedule.");
    message.step("First without switching:", &SuggestedCommand::Drill);
    message.heading("TO UNDO IT");
    message.paragraph("Nothing was changed, so there is nothing to undo.");
    "DRILL OVERDUE".to_owned()
}
