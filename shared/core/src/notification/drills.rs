//! Drills that ended, and that are missing.

use super::detail::{Detail, LONGEST_DETAIL};
use super::letter::{Ask, Letter};

pub(super) fn drill_finished(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
    let (outcome, mode) = (detail.word("outcome"), detail.word("mode"));
    let to = detail.word_or("to", "the standby");
    letter.heading("WHAT HAPPENED");
    // Its function died before it wrote the flag: that says nothing of the colour.
    let not_begun = outcome == "failed" && mode == "switch" && detail.time_if_any("timings/switched_at").is_none();
    letter.paragraph(&match outcome.as_str() {
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
    letter.paragraph(&format!("Active now: {}.", detail.word_or("active", "not known")));
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
        letter.paragraph(&format!("Times: {}.", times.join(", ")));
    }
    letter.heading("WHY");
    letter.paragraph(&detail.reason());
    if let Some(asked) = detail.text("requested_by", LONGEST_DETAIL) {
        letter.paragraph(&format!("Asked for by {asked}."));
    }
    letter.heading("WHAT TO DO");
    match outcome.as_str() {
        "succeeded" => letter.bullet("Nothing."),
        "failed" if not_begun => {
            letter.bullet("If it happens again, read the log of the switch-handler.");
            letter.step("Drill again, first without switching:", &Ask::Drill);
        }
        "failed" => {
            letter.bullet(&format!("Find out what ails {to}, and repair it."));
            letter.step("What stands in the way of a takeover:", &Ask::Check);
            letter.step("Then drill again, first without switching:", &Ask::Drill);
        }
        "blocked" => {
            letter.bullet("Do what the reason asks for, or wait until it is over, and drill again.");
            letter.step("First without switching:", &Ask::Drill);
        }
        _ => {
            letter.bullet("See where things stand, and switch if that is the wrong colour.");
            letter.step("How both are:", &Ask::Status);
        }
    }
    letter.heading("TO UNDO IT");
    match detail.colour("active") {
        Some(active) if outcome == "interrupted" => letter.step(
            &format!("{active} stays active. If {} is the right one:", active.other()),
            &Ask::Switch(active.other()),
        ),
        _ => letter.paragraph("There is nothing to undo."),
    }
    format!("DRILL {} ({mode}, {to})", outcome.to_uppercase())
}

pub(super) fn drill_overdue(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
    let days = detail.word("days");
    letter.heading("WHAT HAPPENED");
    letter.paragraph(&format!(
        "For {days} days nobody has seen the standby work. The last drill or transition was {}.",
        detail.time_if_any("last").unwrap_or_else(|| "never".to_owned())
    ));
    letter.heading("WHY");
    letter.paragraph(&detail.reason());
    letter.heading("WHAT TO DO");
    letter.bullet("Drill, or give the stack a DrillSchedule.");
    letter.step("First without switching:", &Ask::Drill);
    letter.heading("TO UNDO IT");
    letter.paragraph("Nothing was changed, so there is nothing to undo.");
    "DRILL OVERDUE".to_owned()
}
