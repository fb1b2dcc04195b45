//! Messages for people: from an audit event to a subject and a plain text that say what happened, why, what to do, how
//! to undo it and where to read more.
//!
//! Nothing here trusts an event: a field may be missing, of another type, or as long as its writer liked.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::colour::Colour;
use crate::printable::{is_printable, visible};
use crate::time::to_second;

/// SNS takes fewer than 100 characters of ASCII.
const LONGEST_SUBJECT: usize = 99;

/// Columns of the text; commands are never broken.
const WIDTH: usize = 78;

/// Characters of one reason, and of one detail among several. With the limits below, a message stays under half of the
/// 256 KB that SNS takes.
const LONGEST_REASON: usize = 2000;
const LONGEST_DETAIL: usize = 500;
const MOST_DETAILS: usize = 30;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// One line of printable ASCII that begins with the pair's name.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// Which pair it is about, for the commands in it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Name of the pair.
    pub pair: &'a str,
    /// Name of the flag.
    pub flag: &'a str,
    /// Region of the stack.
    pub region: Option<&'a str>,
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

// -- what is said of each event

fn transition(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
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

fn transition_advice(letter: &mut Letter<'_>, kind: &str, from: &str, to: &str, target: Option<Colour>) {
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

fn who(detail: &Detail<'_>) -> String {
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

fn failover_blocked(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
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
fn guard_advice(letter: &mut Letter<'_>, guard: &str, wanted: Option<Colour>) {
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

fn environment_unknown(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
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

fn flag_fault(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
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

fn put_flag_right(letter: &mut Letter<'_>) {
    for colour in Colour::BOTH {
        letter.step(&format!("If it was {colour}:"), &Ask::ForcedSwitch(colour));
    }
}

fn hold_changed(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
    let until = detail.time_if_any("hold/until");
    letter.heading("WHAT HAPPENED");
    let state = detail.word("state");
    let headline = match (state.as_str(), &until) {
        ("held", Some(until)) => {
            letter.paragraph(&format!(
                "The pair is held until {until}: nothing fails over by itself and no drill starts before. A person may \
                 still switch. It ends by itself, and a message says so."
            ));
            format!("HOLD until {until}")
        }
        ("invalid", _) => {
            letter.paragraph(
                "Something that is no hold was written in its place. It counts as one until it is put right.",
            );
            "HOLD that cannot be read".to_owned()
        }
        _ => {
            letter.paragraph("The pair is not held any more: it fails over by itself again.");
            "HOLD ended".to_owned()
        }
    };
    letter.heading("WHY");
    letter.paragraph(&detail.reason());
    if let Some(author) = detail.text("who/last_modified_user", LONGEST_DETAIL) {
        letter.paragraph(&format!("Written as {author}."));
    }
    letter.heading("WHAT TO DO");
    letter.bullet("Nothing, if you knew of it.");
    letter.heading("TO UNDO IT");
    if headline == "HOLD ended" {
        letter.step("To hold it again:", &Ask::Hold);
    } else {
        letter.step("To end it now:", &Ask::Release);
    }
    headline
}

fn drill_finished(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
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

fn drill_overdue(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
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

fn dag_management(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
    let state = detail.word("state");
    let active = detail.word("active");
    let standby = detail
        .colour("active")
        .map_or_else(|| "the other colour".to_owned(), |active| active.other().to_string());
    let (happened, advice, headline) = match state.as_str() {
        "not-activated" => (
            format!(
                "{active} is active, but its DAGs are still paused: NO RUN IS EXECUTED for them. It is tried again at every tick."
            ),
            format!("Unpause {active}'s DAGs in its Airflow UI if you cannot wait. What was unpaused stays so."),
            format!("DAGS OF {active} STILL PAUSED"),
        ),
        "not-fenced" => (
            format!(
                "{active} works. {standby} could not be reached to pause its DAGs; that is tried again at every tick."
            ),
            format!(
                "If the guard is installed: nothing, for it skips {standby}'s runs. If not: see that {standby} cannot execute runs, or \
                 pause its DAGs by hand."
            ),
            format!("{standby} NOT FENCED"),
        ),
        "settled" if !detail.list("dag_management/by_hand").is_empty() => (
            format!("{active}'s DAGs run and {standby}'s are paused, but for some that no request can set alone."),
            format!("Look at each of them: on {active} it is still paused and ran on {standby} before."),
            format!("SOME DAGS OF {active} MUST BE SET BY HAND"),
        ),
        "settled" => (
            format!("{active}'s DAGs run and {standby}'s are paused, after all."),
            "Nothing.".to_owned(),
            format!("DAGS in order: {active} runs, {standby} paused"),
        ),
        _ => (
            format!("{active}'s DAGs run, after all. {standby}'s are still to be paused."),
            "Nothing.".to_owned(),
            format!("DAGS of {active} run"),
        ),
    };
    letter.heading("WHAT HAPPENED");
    letter.paragraph(&happened);
    letter.heading("WHY");
    letter.paragraph(&detail.reason());
    letter.heading("WHAT TO DO");
    letter.bullet(&advice);
    let by_hand = detail.list("dag_management/by_hand");
    for id in by_hand.iter().take(MOST_DETAILS).filter_map(Value::as_str) {
        letter.bullet(&format!("Set {id} by hand: its id is too long for MWAA's API."));
    }
    letter.step("To see how it stands:", &Ask::Status);
    letter.heading("TO UNDO IT");
    letter.paragraph(&format!(
        "To have no DAGs paused, deploy the stack with DagManagement=guard, and unpause {standby}'s DAGs."
    ));
    headline
}

fn readiness_changed(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
    let (level, previous) = (detail.word("level"), detail.word_or("previous", "unknown"));
    let red = level == "red";
    letter.heading("WHAT HAPPENED");
    letter.paragraph(&if red {
        format!("The standby could not take over as it stands: readiness went from {previous} to red.")
    } else {
        format!("The standby could take over again: readiness went from {previous} to {level}.")
    });
    let score = detail.word("score");
    letter.paragraph(&format!("Score: {score} of 100."));
    letter.heading("WHY");
    letter.paragraph(&detail.reason());
    letter.heading("WHAT TO DO");
    let findings = detail.list("findings");
    for finding in findings.iter().take(MOST_DETAILS).map(Detail) {
        let colour = finding
            .text("colour", LONGEST_DETAIL)
            .map(|colour| format!(", {colour}"));
        letter.bullet(&format!(
            "{}{} ({}): {}",
            finding.word("name"),
            colour.unwrap_or_default(),
            finding.word("severity"),
            finding.text("what", LONGEST_DETAIL).unwrap_or_default()
        ));
        if let Some(fix) = finding.text("fix", LONGEST_DETAIL) {
            letter.paragraph(&format!("To mend it: {fix}"));
        }
    }
    if findings.len() > MOST_DETAILS {
        letter.bullet(&format!("And {} more.", findings.len().saturating_sub(MOST_DETAILS)));
    }
    if findings.is_empty() {
        letter.bullet("Nothing.");
    }
    letter.step("To check again:", &Ask::Check);
    letter.heading("TO UNDO IT");
    letter.paragraph("Nothing was changed, so there is nothing to undo.");
    if red {
        format!("STANDBY NOT READY (score {score})")
    } else {
        format!("STANDBY READY again ({level}, score {score})")
    }
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

// -- commands

/// What a person can ask of the switch-handler.
enum Ask {
    Status,
    Check,
    Rollback,
    Release,
    Hold,
    Drill,
    Switch(Colour),
    ForcedSwitch(Colour),
    Failover(Colour),
    ForcedFailover(Colour),
    Initialize(Colour),
}

const SAY_WHY: &str = "say why here";

impl Ask {
    /// For `mwaa-bluegreen`.
    fn words(&self) -> String {
        match self {
            Self::Status => "status".to_owned(),
            Self::Check => "check".to_owned(),
            Self::Rollback => format!("rollback --reason '{SAY_WHY}'"),
            Self::Release => "release".to_owned(),
            Self::Hold => format!("hold --minutes 120 --reason '{SAY_WHY}'"),
            Self::Drill => format!("drill --mode probe --reason '{SAY_WHY}'"),
            Self::Switch(to) => format!("switch --to {to} --reason '{SAY_WHY}'"),
            Self::ForcedSwitch(to) => format!("switch --to {to} --force --reason '{SAY_WHY}'"),
            Self::Failover(to) => format!("failover --to {to} --reason '{SAY_WHY}'"),
            Self::ForcedFailover(to) => format!("failover --to {to} --force --reason '{SAY_WHY}'"),
            Self::Initialize(to) => format!("initialize --to {to} --force --reason '{SAY_WHY}'"),
        }
    }

    /// For the function.
    fn request(&self) -> Value {
        match self {
            Self::Status => json!({"action": "status"}),
            Self::Check => json!({"action": "check"}),
            Self::Rollback => json!({"action": "rollback", "reason": SAY_WHY}),
            Self::Release => json!({"action": "release"}),
            Self::Hold => json!({"action": "hold", "hold_minutes": 120, "reason": SAY_WHY}),
            Self::Drill => json!({"action": "drill", "mode": "probe", "reason": SAY_WHY}),
            Self::Switch(to) => json!({"to": to, "reason": SAY_WHY}),
            Self::ForcedSwitch(to) => json!({"to": to, "force": true, "reason": SAY_WHY}),
            Self::Failover(to) => json!({"action": "failover", "to": to, "reason": SAY_WHY}),
            Self::ForcedFailover(to) => {
                json!({"action": "failover", "to": to, "force": true, "reason": SAY_WHY})
            }
            Self::Initialize(to) => json!({"action": "initialize", "to": to, "force": true, "reason": SAY_WHY}),
        }
    }
}

impl Place<'_> {
    /// It comes from an event and goes into a command: only what a region may be called.
    fn region_option(self) -> String {
        self.region
            .filter(|region| region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
            .map(|region| format!(" --region {region}"))
            .unwrap_or_default()
    }

    fn invoke(self, ask: &Ask) -> String {
        format!(
            "printf '%s' '{}' | aws lambda invoke{} --cli-read-timeout 90 --function-name {}-switch-handler --payload \
             fileb:///dev/stdin /dev/stdout",
            ask.request(),
            self.region_option(),
            self.pair
        )
    }

    fn flag_history(self) -> String {
        format!(
            "aws ssm get-parameter-history{} --name {}",
            self.region_option(),
            self.flag
        )
    }

    fn audit_log(self) -> String {
        format!(
            "aws logs filter-log-events{} --log-group-name /aws/events/{}-audit --query 'events[].[message]' --output text",
            self.region_option(),
            self.pair
        )
    }
}

// -- the text

struct Letter<'a> {
    place: Place<'a>,
    text: String,
}

impl<'a> Letter<'a> {
    fn new(place: Place<'a>) -> Self {
        Self {
            place,
            text: String::new(),
        }
    }

    /// Whatever is in it, it is one line.
    fn line(&mut self, line: &str) {
        self.text.push_str(&visible(line));
        self.text.push('\n');
    }

    fn heading(&mut self, words: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.line(words);
    }

    fn paragraph(&mut self, words: &str) {
        self.wrapped(words, "  ", "  ");
    }

    fn bullet(&mut self, words: &str) {
        self.wrapped(words, "- ", "  ");
    }

    fn command(&mut self, command: &str) {
        self.line(&format!("      {command}"));
    }

    /// A request to the switch-handler, in both forms.
    fn step(&mut self, words: &str, ask: &Ask) {
        self.paragraph(words);
        self.command(&format!(
            "mwaa-bluegreen --pair {}{} {}",
            self.place.pair,
            self.place.region_option(),
            ask.words()
        ));
        self.paragraph("or:");
        self.command(&self.place.invoke(ask));
    }

    fn wrapped(&mut self, words: &str, first: &str, others: &str) {
        let mut line = first.to_owned();
        let mut empty = true;
        for word in words.split_whitespace() {
            let length = line.chars().count().saturating_add(word.chars().count());
            if !empty && length >= WIDTH {
                self.line(&line);
                others.clone_into(&mut line);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        if !empty {
            self.line(&line);
        }
    }

    fn read_more(&mut self, id: Option<&str>) {
        self.heading("TO READ MORE");
        self.paragraph("Everything that happened to this pair, evidence included:");
        self.command(&self.place.audit_log());
        self.paragraph("The flag's own history, without this product:");
        self.command(&self.place.flag_history());
        self.paragraph("What to do in each case is in the runbooks of MWAA Blue-Green.");
        if let Some(id) = id {
            self.text.push('\n');
            self.line(&format!("Event {id}"));
            self.line("Messages are sent at least once: a repeat carries the same event.");
        }
    }
}

// -- reading what nobody vouches for

struct Detail<'a>(&'a Value);

impl Detail<'_> {
    fn at(&self, path: &str) -> &Value {
        self.0.pointer(&format!("/{path}")).unwrap_or(&Value::Null)
    }

    /// Text or a number, on one line.
    fn text(&self, path: &str, most: usize) -> Option<String> {
        match self.at(path) {
            Value::String(text) => Some(flat(text, most)).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn word(&self, path: &str) -> String {
        self.word_or(path, "?")
    }

    fn word_or(&self, path: &str, otherwise: &str) -> String {
        self.text(path, 80).unwrap_or_else(|| otherwise.to_owned())
    }

    fn reason(&self) -> String {
        self.text("reason", LONGEST_REASON)
            .unwrap_or_else(|| "No reason was given.".to_owned())
    }

    fn number(&self, path: &str) -> Option<f64> {
        self.at(path).as_f64()
    }

    fn colour(&self, path: &str) -> Option<Colour> {
        let text = self.at(path).as_str()?;
        Colour::BOTH.into_iter().find(|colour| colour.as_str() == text)
    }

    /// `2026-11-23 10:15:02 UTC`.
    fn time_if_any(&self, path: &str) -> Option<String> {
        let instant: Timestamp = self.at(path).as_str()?.parse().ok()?;
        Some(to_second(instant).replace('T', " ").replace('Z', " UTC"))
    }

    fn time(&self, path: &str) -> String {
        self.time_if_any(path).unwrap_or_else(|| "an unknown time".to_owned())
    }

    /// Whether a person asked for this failover.
    fn is_declared(&self) -> bool {
        self.at("declared_by_person") == &Value::Bool(true)
    }

    fn list(&self, path: &str) -> &[Value] {
        self.at(path).as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The guards that object, with what each says.
    fn failed_guards(&self) -> Vec<(String, String)> {
        self.list("guards")
            .iter()
            .map(Detail)
            .filter(|guard| guard.at("passed") == &Value::Bool(false))
            .take(MOST_DETAILS)
            .map(|guard| {
                let said = guard.text("detail", LONGEST_DETAIL);
                (
                    guard.word("name"),
                    said.unwrap_or_else(|| "it gives no reason".to_owned()),
                )
            })
            .collect()
    }

    /// A fault's id names the version it is about; a flag that is gone has none ([`crate::audit::missing_flag`]).
    fn is_of_missing_flag(&self, place: Place<'_>) -> bool {
        self.at("id")
            .as_str()
            .and_then(|id| id.strip_prefix(&format!("{}:{}:", place.pair, place.flag)))
            .is_some_and(|about| about.starts_with("missing"))
    }
}

/// On one line, without what does not show itself, and no longer than a reader wants it.
fn flat(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut length: usize = 0;
    for word in text.split(|c: char| c.is_whitespace() || !is_printable(c)) {
        let gap = if line.is_empty() || word.is_empty() { "" } else { " " };
        for c in gap.chars().chain(word.chars()) {
            if length == most {
                let kept = line.chars().take(most.saturating_sub(3));
                return kept.chain("...".chars()).collect();
            }
            line.push(c);
            length = length.saturating_add(1);
        }
    }
    line
}
