//! The watcher cannot act, or cannot tell, or the flag is broken.

use super::detail::Detail;
use super::letter::{Ask, Letter};
use crate::colour::Colour;

pub(super) fn failover_blocked(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
    let wanted = detail.colour("wanted");
    let guards = detail.failed_guards();
    letter.heading("WHAT HAPPENED");
    letter.paragraph(&match (detail.colour("active"), wanted) {
        (Some(active), Some(wanted)) => {
            format!("{active} should be replaced by {wanted}, and is not: something stands in the way. The flag is unchanged.")
        }
        _ => "Nobody can fail over: nothing says which colour is active. The flag is unchanged.".to_owned(),
    });
    letter.paragraph(&format!(
        "So since {}. Every tick looks again; this is told once.",
        detail.time("since")
    ));
    letter.heading("WHY");
    letter.paragraph(&detail.reason());
    letter.heading("WHAT TO DO");
    for (guard, said) in &guards {
        letter.bullet(&format!("{guard}: {said}"));
        guard_advice(letter, guard, wanted);
    }
    letter.heading("TO UNDO IT");
    letter.paragraph("Nothing was changed, so there is nothing to undo.");
    let names: Vec<&str> = guards.iter().map(|(guard, _)| guard.as_str()).collect();
    format!("FAILOVER BLOCKED by {}", names.join(", "))
}

/// What lifts a guard, or how to go on without it.
pub(super) fn guard_advice(letter: &mut Letter<'_>, guard: &str, wanted: Option<Colour>) {
    let by_hand = |letter: &mut Letter<'_>, words: &str, force: bool| {
        if let Some(wanted) = wanted {
            letter.step(
                words,
                &if force {
                    Ask::ForcedFailover(wanted)
                } else {
                    Ask::Failover(wanted)
                },
            );
        }
    };
    match guard {
        "hold" => {
            letter.step("End the hold, and it fails over at the next tick:", &Ask::Release);
            by_hand(letter, "Or fail over in spite of it:", false);
        }
        "cooldown" => by_hand(letter, "Wait for its end, or do not:", false),
        "failover-budget" => {
            letter.paragraph("Look first why it failed over so often.");
            letter.step("Then acknowledge what was, and it may fail over again:", &Ask::Release);
            by_hand(letter, "Or do it by hand, which acknowledges, too:", false);
        }
        "standby-unhealthy" | "standby-maintenance" | "standby-unknown" => {
            letter.step("See what is wrong with the standby, and repair it:", &Ask::Check);
            by_hand(letter, "Or, if you know better:", true);
        }
        "mode-observe" => {
            letter.paragraph("Deploy with FailoverMode=automatic, if it shall act by itself.");
            by_hand(letter, "Or do it by hand:", false);
        }
        "flag-invalid" => put_flag_right(letter),
        _ => letter.step("Where things stand:", &Ask::Status),
    }
}

pub(super) fn environment_unknown(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
    let verdict = detail.word("verdict");
    let since = detail.time("since");
    letter.heading("WHAT HAPPENED");
    letter.paragraph(&match verdict.as_str() {
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
    letter.heading("WHY");
    letter.paragraph(&detail.reason());
    letter.heading("WHAT TO DO");
    letter.bullet(match verdict.as_str() {
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
    letter.step("What the watcher sees:", &Ask::Status);
    letter.bullet(
        "If it is dead, declare it failed; a person need not wait for certainty. It counts from the last moment of which \
         something is known, so that the runs missed since then are executed.",
    );
    for colour in Colour::BOTH {
        letter.step(&format!("To {colour}:"), &Ask::Failover(colour));
    }
    letter.heading("TO UNDO IT");
    letter.paragraph("Nothing was changed, so there is nothing to undo.");
    match verdict.as_str() {
        "suspect" => "SUSPECT for long: does the active environment work?",
        "maintenance" => "MAINTENANCE for long: does the active environment work?",
        _ => "UNKNOWN whether the active environment works",
    }
    .to_owned()
}

pub(super) fn flag_fault(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
    let missing = detail.is_of_missing_flag(letter.place);
    letter.heading("WHAT HAPPENED");
    letter.paragraph(if missing {
        "The flag does not say which colour is active. No DAG that asks it executes, and nothing fails over until it is put \
         right."
    } else {
        "The flag does not say which colour is active. Guarded DAGs go on under the colour before; others that ask the flag \
         find no answer, and nothing fails over until it is put right."
    });
    letter.heading("WHY");
    letter.paragraph(&detail.reason());
    letter.heading("WHAT TO DO");
    letter.bullet("Find out which colour was active: the last transition in the audit log says so.");
    letter.command(&letter.place.audit_log());
    if missing {
        letter.bullet(
            "Wait until 30 s have passed since the deletion (Parameter Store asks for that), then create it again.",
        );
        for colour in Colour::BOTH {
            letter.step(&format!("If it was {colour}:"), &Ask::Initialize(colour));
        }
    } else {
        letter.bullet("Then write that colour.");
        put_flag_right(letter);
    }
    letter.bullet("With OnFlagFault=restore the watcher does this by itself, and tells so.");
    letter.heading("TO UNDO IT");
    letter.paragraph("Nothing was changed by this product, so there is nothing to undo.");
    if missing {
        "FLAG FAULT: the flag is gone".to_owned()
    } else {
        "FLAG FAULT: the flag holds no colour".to_owned()
    }
}

pub(super) fn put_flag_right(letter: &mut Letter<'_>) {
    for colour in Colour::BOTH {
        letter.step(&format!("If it was {colour}:"), &Ask::ForcedSwitch(colour));
    }
}
