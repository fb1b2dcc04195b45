//! The flag changed.

use super::detail::{Detail, LONGEST_DETAIL};
use super::letter::{Ask, Letter};
use crate::colour::Colour;

// -- what is said of each event

pub(super) fn transition(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
    let kind = detail.word("kind");
    let (from, to) = (detail.word_or("from", "nothing"), detail.word("to"));
    let target = detail.colour("to");
    letter.heading("WHAT HAPPENED");
    letter.paragraph(&match kind.as_str() {
        "switch" => format!("A person switched from {from} to {to}."),
        "failover" if detail.is_declared() => {
            format!("A person declared that {from} has failed, and {to} took over.")
        }
        "failover" => format!("{from} was unhealthy and {to} was healthy, so {to} took over by itself."),
        "drill" => format!("A drill has begun: {to} does the work for a while, then {from} gets it back by itself."),
        "drill-return" => format!("The drill is over: {to} does the work again."),
        "rollback" => format!("A person went back from {from} to {to}."),
        "restore" => format!("The flag was broken (it held {from}), and has been put right: it holds {to} again."),
        "external" => format!(
            "The flag was written by another road than this product: from {from} to {to}. What stands there counts, and \
             the cooldown has begun."
        ),
        "initialize" => format!("The flag was created, with {to} active."),
        other => format!("The flag changed from {from} to {to} ({other})."),
    });
    let written = detail.time("timings/written_at");
    let mut when = format!("Version {} of the flag, written {written}", detail.word("version"));
    if let Some(effective) = detail
        .time_if_any("timings/effective_from")
        .filter(|time| *time != written)
    {
        when = format!("{when}; it counts from {effective}");
    }
    letter.paragraph(&format!("{when}."));
    if let Some(seconds) = detail.number("timings/recovery_time_s") {
        letter.paragraph(&format!(
            "Time to recovery: {seconds:.0} s, counted from the last sign of life of {from} ({}).",
            detail.time("timings/last_known_healthy")
        ));
    }
    letter.heading("WHY");
    letter.paragraph(&detail.reason());
    letter.paragraph(&who(detail));
    if let Some(finisher) = detail.text("finished_by", LONGEST_DETAIL) {
        letter.paragraph(&format!(
            "Its first writer died in between; {finisher} finished what it had claimed."
        ));
    }
    if let Some(warning) = detail.text("warning", LONGEST_DETAIL) {
        letter.paragraph(&format!("Mind: {warning}."));
    }
    letter.heading("WHAT TO DO");
    transition_advice(letter, &kind, &from, &to, target);
    if from == "nothing" {
        format!("{} {to}", kind.to_uppercase())
    } else if detail.is_declared() {
        format!("{} {from} -> {to} (by a person)", kind.to_uppercase())
    } else {
        format!("{} {from} -> {to}", kind.to_uppercase())
    }
}

pub(super) fn transition_advice(letter: &mut Letter<'_>, kind: &str, from: &str, to: &str, target: Option<Colour>) {
    let wrong_colour = |letter: &mut Letter<'_>| {
        if let Some(target) = target {
            letter.heading("TO UNDO IT");
            letter.step(
                &format!("If {} is the right one:", target.other()),
                &Ask::Switch(target.other()),
            );
        }
    };
    match kind {
        "failover" => {
            letter.bullet(&format!("See that {to} does the work."));
            letter.step("How both are:", &Ask::Status);
            letter.bullet(&format!(
                "Repair {from}. Until it is healthy, nothing is there to take over if {to} dies, too."
            ));
            letter.heading("TO UNDO IT");
            letter.step(
                &format!("Once {from} is healthy again (the request asks for that):"),
                &Ask::Rollback,
            );
        }
        "drill" => {
            letter.bullet("Nothing. Watch whether your DAGs run as they should.");
            letter.heading("TO UNDO IT");
            letter.step("It ends by itself. To end it now:", &Ask::Rollback);
        }
        "drill-return" => {
            letter.bullet("Nothing. What came out of the drill is in the audit log, and is told unless it succeeded.");
        }
        "restore" => {
            letter.bullet("Find out who broke the flag; its history names every writer.");
            letter.command(&letter.place.flag_history());
            wrong_colour(letter);
        }
        "initialize" => {
            letter.bullet("Nothing.");
            wrong_colour(letter);
        }
        _ => {
            if target.is_none() {
                letter.bullet("The flag holds no colour now: a message on this fault says how to put it right.");
            } else {
                letter.bullet("Nothing, if you knew of it. Runs that are under way finish where they began.");
            }
            if from == to {
                letter.bullet("The colour is the same as before, so there is nothing to undo.");
            } else if target.is_some() && Colour::parse(from).is_some() {
                letter.heading("TO UNDO IT");
                letter.step("Back to the colour before:", &Ask::Rollback);
            } else {
                wrong_colour(letter);
            }
        }
    }
}

pub(super) fn who(detail: &Detail<'_>) -> String {
    let asked = detail.text("who/requested_by", LONGEST_DETAIL);
    let function = detail.text("who/function", LONGEST_DETAIL);
    let author = detail.text("who/last_modified_user", LONGEST_DETAIL);
    let by = match (asked, function) {
        (Some(asked), Some(function)) => format!("Asked for by {asked}; done by {function}"),
        (Some(asked), None) => format!("Asked for by {asked}"),
        (None, Some(function)) => format!("Done by {function}"),
        (None, None) => "Nobody gave a name".to_owned(),
    };
    match author {
        Some(author) => format!("{by}; written as {author}."),
        None => format!("{by}."),
    }
}
