//! The messages of changes of the flag.

use super::detail::{LONGEST_DETAIL, line_of, moment, moment_or_unknown, reason, word, word_or};
use super::message::{MessageBuilder, SuggestedCommand};
use crate::audit::details::{TransitionDetail, Who};
use crate::color::Color;

// -- the text of each event

pub(super) fn transition(message: &mut MessageBuilder<'_>, detail: &TransitionDetail) -> String {
    let kind = word(&detail.kind);
    let (from, to) = (word_or(detail.from.as_ref(), "nothing"), word(&detail.to));
    let target = Color::parse(&detail.to);
    message.heading("WHAT HAPPENED");
    message.paragraph(&match kind.as_str() {
        "switch" => format!("A person switched from {from} to {to}."),
        "failover" if detail.declared_by_person => {
            format!("A person declared that {from} has failed, and {to} took over.")
        }
        "failover" => format!("{from} was unhealthy and {to} was healthy, so {to} took over by itself."),
        "drill" => format!("A drill has begun: {to} does the work for a while, then {from} gets it back by itself."),
        "drill-return" => format!("The drill is over: {to} does the work again."),
        "rollback" => format!("A person went back from {from} to {to}."),
        "restore" => format!("The flag was broken (it held {from}), and has been put right: it holds {to} again."),
        "external" => format!(
            "The flag was written outside this product: from {from} to {to}. What stands there counts, and \
             the cooldown has begun."
        ),
        "initialize" => format!("The flag was created, with {to} active."),
        other => format!("The flag changed from {from} to {to} ({other})."),
    });
    let timings = &detail.timings;
    let written = moment_or_unknown(timings.written_at);
    let mut when = format!(
        "Version {} of the flag, written {written}",
        word_or(detail.version.as_ref(), "?")
    );
    if let Some(effective) = timings.effective_from.map(moment).filter(|time| *time != written) {
        when = format!("{when}; it counts from {effective}");
    }
    message.paragraph(&format!("{when}."));
    if let Some(seconds) = timings.recovery_time_s {
        message.paragraph(&format!(
            "Time to recovery: {seconds:.0} s, counted from the last sign of life of {from} ({}).",
            moment_or_unknown(timings.last_known_healthy)
        ));
    }
    message.heading("WHY");
    message.paragraph(&reason(&detail.reason));
    message.paragraph(&who(&detail.who));
    if let Some(finisher) = line_of(detail.finished_by.as_deref(), LONGEST_DETAIL) {
        message.paragraph(&format!(
            "Its first writer died in between; {finisher} finished what it had claimed."
        ));
    }
    if let Some(warning) = line_of(detail.warning.as_deref(), LONGEST_DETAIL) {
        message.paragraph(&format!("Mind: {warning}."));
    }
    message.heading("WHAT TO DO");
    transition_advice(message, &kind, &from, &to, target);
    if from == "nothing" {
        format!("{} {to}", kind.to_uppercase())
    } else if detail.declared_by_person {
        format!("{} {from} -> {to} (by a person)", kind.to_uppercase())
    } else {
        format!("{} {from} -> {to}", kind.to_uppercase())
    }
}

pub(super) fn transition_advice(
    message: &mut MessageBuilder<'_>,
    kind: &str,
    from: &str,
    to: &str,
    target: Option<Color>,
) {
    let wrong_color = |message: &mut MessageBuilder<'_>| {
        if let Some(target) = target {
            message.heading("TO UNDO IT");
            message.step(
                &format!("If {} is the right one:", target.other()),
                &SuggestedCommand::Switch(target.other()),
            );
        }
    };
    match kind {
        "failover" => {
            message.bullet(&format!("See that {to} does the work."));
            message.step("How both are:", &SuggestedCommand::Status);
            message.bullet(&format!(
                "Repair {from}. Until it is healthy, nothing is there to take over if {to} dies, too."
            ));
            message.heading("TO UNDO IT");
            message.step(
                &format!("Once {from} is healthy again (the request asks for that):"),
                &SuggestedCommand::Rollback,
            );
        }
        "drill" => {
            message.bullet("Nothing. Watch whether your DAGs run as they should.");
            message.heading("TO UNDO IT");
            message.step("It ends by itself. To end it now:", &SuggestedCommand::Rollback);
        }
        "drill-return" => {
            message.bullet(
                "Nothing. What came out of the drill is in the audit log, and is reported unless it succeeded.",
            );
        }
        "restore" => {
            message.bullet("Find out who broke the flag; its history names every writer.");
            message.command(&message.place.flag_history());
            wrong_color(message);
        }
        "initialize" => {
            message.bullet("Nothing.");
            wrong_color(message);
        }
        _ => {
            if target.is_none() {
                message.bullet("The flag holds no color now: a message on this fault says how to put it right.");
            } else {
                message.bullet("Nothing, if you knew of it. Runs that are under way finish where they began.");
            }
            if from == to {
                message.bullet("The color is the same as before, so there is nothing to undo.");
            } else if target.is_some() && Color::parse(from).is_some() {
                message.heading("TO UNDO IT");
                message.step("Back to the color before:", &SuggestedCommand::Rollback);
            } else {
                wrong_color(message);
            }
        }
    }
}

pub(super) fn who(who: &Who) -> String {
    let asked = line_of(who.requested_by.as_deref(), LONGEST_DETAIL);
    let function = line_of(who.function.as_deref(), LONGEST_DETAIL);
    let author = line_of(who.last_modified_user.as_deref(), LONGEST_DETAIL);
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
