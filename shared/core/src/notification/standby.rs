//! The messages of holds, of the standby's readiness, and of the pausing of its DAGs.

use super::detail::{LONGEST_DETAIL, MOST_DETAILS, line, line_of, moment, reason, sanitize_line, word, word_or};
use super::message::{MessageBuilder, SuggestedCommand};
use crate::audit::details::{DagDetail, HoldDetail, ReadinessDetail};

pub(super) fn hold_changed(message: &mut MessageBuilder<'_>, detail: &HoldDetail) -> String {
    let until = detail.hold.as_ref().map(|hold| moment(hold.until));
    message.heading("WHAT HAPPENED");
    let state = word(&detail.state);
    let headline = match (state.as_str(), &until) {
        ("held", Some(until)) => {
            message.paragraph(&format!(
                "The pair is held until {until}: nothing fails over by itself and no drill starts before. A person may \
                 still switch. It ends by itself, and a message says so."
            ));
            format!("HOLD until {until}")
        }
        ("invalid", _) => {
            message.paragraph(
                "Something that is no hold was written in its place. It counts as one until it is put right.",
            );
            "HOLD that cannot be read".to_owned()
        }
        _ => {
            message.paragraph("The pair is not held any more: it fails over by itself again.");
            "HOLD ended".to_owned()
        }
    };
    message.heading("WHY");
    message.paragraph(&reason(&detail.reason));
    if let Some(author) = line_of(detail.who.last_modified_user.as_deref(), LONGEST_DETAIL) {
        message.paragraph(&format!("Written as {author}."));
    }
    message.heading("WHAT TO DO");
    message.bullet("Nothing, if you knew of it.");
    message.heading("TO UNDO IT");
    if headline == "HOLD ended" {
        message.step("To hold it again:", &SuggestedCommand::Hold);
    } else {
        message.step("To end it now:", &SuggestedCommand::Release);
    }
    headline
}

pub(super) fn readiness_changed(message: &mut MessageBuilder<'_>, detail: &ReadinessDetail) -> String {
    let (level, previous) = (word(&detail.level), word_or(detail.previous.as_ref(), "unknown"));
    let red = level == "red";
    message.heading("WHAT HAPPENED");
    message.paragraph(&if red {
        format!("The standby could not take over as it stands: readiness went from {previous} to red.")
    } else {
        format!("The standby could take over again: readiness went from {previous} to {level}.")
    });
    let score = word_or(detail.score.as_ref(), "?");
    message.paragraph(&format!("Score: {score} of 100."));
    message.heading("WHY");
    message.paragraph(&reason(&detail.reason));
    message.heading("WHAT TO DO");
    let findings = &detail.findings;
    for finding in findings.iter().take(MOST_DETAILS) {
        let color = finding.color.map(|color| format!(", {color}"));
        message.bullet(&format!(
            "{}{} ({}): {}",
            word(&finding.name),
            color.unwrap_or_default(),
            word(&finding.severity),
            sanitize_line(&finding.what, LONGEST_DETAIL)
        ));
        if let Some(fix) = line(&finding.fix, LONGEST_DETAIL) {
            message.paragraph(&format!("To mend it: {fix}"));
        }
    }
    if findings.len() > MOST_DETAILS {
        message.bullet(&format!("And {} more.", findings.len().saturating_sub(MOST_DETAILS)));
    }
    if findings.is_empty() {
        message.bullet("Nothing.");
    }
    message.step("To check again:", &SuggestedCommand::Check);
    message.heading("TO UNDO IT");
    message.paragraph("Nothing was changed, so there is nothing to undo.");
    if red {
        format!("STANDBY NOT READY (score {score})")
    } else {
        format!("STANDBY READY again ({level}, score {score})")
    }
}

pub(super) fn dag_management(message: &mut MessageBuilder<'_>, detail: &DagDetail) -> String {
    let state = word(&detail.state);
    let active = word_or(detail.active.as_ref(), "?");
    let standby = detail
        .active
        .map_or_else(|| "the other color".to_owned(), |active| active.other().to_string());
    let manual = &detail.dag_management.manual;
    let (happened, advice, headline) = match state.as_str() {
        "activation-failed" => (
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
                 pause its DAGs manually."
            ),
            format!("{standby} NOT FENCED"),
        ),
        "settled" if !manual.is_empty() => (
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
    message.heading("WHAT HAPPENED");
    message.paragraph(&happened);
    message.heading("WHY");
    message.paragraph(&reason(&detail.reason));
    message.heading("WHAT TO DO");
    message.bullet(&advice);
    for id in manual.iter().take(MOST_DETAILS) {
        message.bullet(&format!("Set {id} manually: its id is too long for MWAA's API."));
    }
    message.step("To see how it stands:", &SuggestedCommand::Status);
    message.heading("TO UNDO IT");
    message.paragraph(&format!(
        "To have no DAGs paused, deploy the stack with DagManagement=guard, and unpause {standby}'s DAGs."
    ));
    headline
}
