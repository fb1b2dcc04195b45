//! Holds, the standby's readiness, and the pausing of its DAGs.

use serde_json::Value;

use super::detail::{Detail, LONGEST_DETAIL, MOST_DETAILS};
use super::letter::{Ask, Letter};

pub(super) fn hold_changed(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
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

pub(super) fn readiness_changed(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
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

pub(super) fn dag_management(letter: &mut Letter<'_>, detail: &Detail<'_>) -> String {
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
