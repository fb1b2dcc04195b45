//! The messages of faults: a blocked failover, an unknown active environment, and a broken flag.

use super::detail::{failed_preconditions, is_of_missing_flag, moment_or_unknown, reason, word};
use super::message::{MessageBuilder, SuggestedCommand};
use crate::audit::details::{BlockedDetail, FaultDetail, UnknownDetail};
use crate::color::Color;
use crate::precondition::{Advice, PreconditionName};

pub(super) fn failover_blocked(message: &mut MessageBuilder<'_>, detail: &BlockedDetail) -> String {
    let wanted = detail.wanted;
    let preconditions = failed_preconditions(&detail.preconditions);
    message.heading("WHAT HAPPENED");
    message.paragraph(&match (detail.active, wanted) {
        (Some(active), Some(wanted)) => {
            format!("{active} should be replaced by {wanted}, and is not: something stands in the way. The flag is unchanged.")
        }
        _ => "Nobody can fail over: nothing says which color is active. The flag is unchanged.".to_owned(),
    });
    message.paragraph(&format!(
        "So since {}. Every tick looks again; this is reported once.",
        moment_or_unknown(detail.since)
    ));
    message.heading("WHY");
    message.paragraph(&reason(&detail.reason));
    message.heading("WHAT TO DO");
    for (precondition, said) in &preconditions {
        message.bullet(&format!("{precondition}: {said}"));
        precondition_advice(message, precondition, wanted);
    }
    message.heading("TO UNDO IT");
    message.paragraph("Nothing was changed, so there is nothing to undo.");
    let names: Vec<&str> = preconditions
        .iter()
        .map(|(precondition, _)| precondition.as_str())
        .collect();
    format!("FAILOVER BLOCKED by {}", names.join(", "))
}

/// What lifts a precondition, or how to continue without it. A later release may have preconditions that this one does
/// not know.
pub(super) fn precondition_advice(message: &mut MessageBuilder<'_>, precondition: &str, wanted: Option<Color>) {
    let Some(precondition) = PreconditionName::parse(precondition) else {
        return message.step("Where things stand:", &SuggestedCommand::Status);
    };
    for advice in precondition.entry().advice {
        match (advice, wanted) {
            (Advice::Say(words), _) => message.paragraph(words),
            (Advice::Release(words), _) => message.step(words, &SuggestedCommand::Release),
            (Advice::Check(words), _) => message.step(words, &SuggestedCommand::Check),
            (Advice::Status(words), _) => message.step(words, &SuggestedCommand::Status),
            (Advice::Failover(words), Some(wanted)) => message.step(words, &SuggestedCommand::Failover(wanted)),
            (Advice::ForcedFailover(words), Some(wanted)) => {
                message.step(words, &SuggestedCommand::ForcedFailover(wanted));
            }
            (Advice::Failover(_) | Advice::ForcedFailover(_), None) => {}
            (Advice::RepairFlag, _) => put_flag_right(message),
        }
    }
}

pub(super) fn environment_unknown(message: &mut MessageBuilder<'_>, detail: &UnknownDetail) -> String {
    let verdict = word(&detail.verdict);
    let since = moment_or_unknown(detail.since);
    message.heading("WHAT HAPPENED");
    message.paragraph(&match verdict.as_str() {
        "suspect" => format!(
            "Since {since} the active environment is under suspicion: some of its signals are bad, and the others do not \
             say the same. It may be well or dead: while that lasts, nothing fails over."
        ),
        "maintenance" => format!(
            "Since {since} planned work on the active environment is under way, and nothing says that it still works. It may \
             be well or dead: while that lasts, nothing fails over."
        ),
        _ => format!(
            "Since {since} nothing can be said of the active environment. It may be well or dead: while that lasts, nobody \
             is watching over it, and nothing fails over."
        ),
    });
    message.heading("WHY");
    message.paragraph(&reason(&detail.reason));
    message.heading("WHAT TO DO");
    message.bullet(match verdict.as_str() {
        "suspect" => {
            "Look at the environment in the MWAA console: do its runs go on? If they do, find out why the bad signal is bad. If \
             they do not, find out why the good one is good: a heartbeat that says more than Airflow itself may be stuck, \
             or published by somebody else."
        }
        "maintenance" => "Look at the environment in the MWAA console: is the update still going on, and is that what you expect?",
        _ => {
            "Look at the environment in the MWAA console. If it is well, the way to it is broken: the watcher's permissions, \
             its network, or throttling; the reason above names it."
        }
    });
    message.step("What the watcher sees:", &SuggestedCommand::Status);
    message.bullet(
        "If it is dead, declare it failed; a person need not wait for certainty. It counts from the last moment of which \
         something is known, so that the runs missed since then are executed.",
    );
    for color in Color::BOTH {
        message.step(&format!("To {color}:"), &SuggestedCommand::Failover(color));
    }
    message.heading("TO UNDO IT");
    message.paragraph("Nothing was changed, so there is nothing to undo.");
    match verdict.as_str() {
        "suspect" => "SUSPECT for long: does the active environment work?",
        "maintenance" => "MAINTENANCE for long: does the active environment work?",
        _ => "UNKNOWN whether the active environment works",
    }
    .to_owned()
}

pub(super) fn flag_fault(message: &mut MessageBuilder<'_>, detail: &FaultDetail) -> String {
    let missing = is_of_missing_flag(&detail.id, message.place);
    message.heading("WHAT HAPPENED");
    message.paragraph(if missing {
        "The flag does not say which color is active. No DAG that asks it executes, and nothing fails over until it is put \
         right."
    } else {
        "The flag does not say which color is active. Guarded DAGs go on under the color before; others that ask the flag \
         find no answer, and nothing fails over until it is put right."
    });
    message.heading("WHY");
    message.paragraph(&reason(&detail.reason));
    message.heading("WHAT TO DO");
    message.bullet("Find out which color was active: the last transition in the audit log says so.");
    message.command(&message.place.audit_log());
    if missing {
        message.bullet(
            "Wait until 30 s have passed since the deletion (Parameter Store asks for that), then create it again.",
        );
        for color in Color::BOTH {
            message.step(&format!("If it was {color}:"), &SuggestedCommand::Initialize(color));
        }
    } else {
        message.bullet("Then write that color.");
        put_flag_right(message);
    }
    message.bullet("With OnFlagFault=restore the watcher does this by itself, and reports it.");
    message.heading("TO UNDO IT");
    message.paragraph("Nothing was changed by this product, so there is nothing to undo.");
    if missing {
        "FLAG FAULT: the flag is gone".to_owned()
    } else {
        "FLAG FAULT: the flag holds no color".to_owned()
    }
}

pub(super) fn put_flag_right(message: &mut MessageBuilder<'_>) {
    for color in Color::BOTH {
        message.step(&format!("If it was {color}:"), &SuggestedCommand::ForcedSwitch(color));
    }
}
