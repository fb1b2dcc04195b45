//! Recorded ticks, judged with other thresholds.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use bluegreen_core::decision::Action;
use bluegreen_core::policy::{Mode, Policy};
use bluegreen_core::printable::visible;
use bluegreen_core::replay::{Line, RecordedDecision, RecordedTick, Replayed};
use serde_json::{Value, json};

use crate::arguments::{FailoverMode, Replay};
use crate::connection::{Connection, Output};
use crate::failure::{Failure, exit};
use crate::session;
use crate::terminal::{self, Cell, Style, count, moment, table};

/// Everything that was found in the files.
#[derive(Debug, Default)]
struct Recording {
    ticks: Vec<RecordedTick>,
    other: usize,
    unreadable: Vec<String>,
}

pub(crate) fn replay(connection: &Connection, options: &Replay) -> Result<u8, Failure> {
    let mut recording = Recording::default();
    for file in &options.files {
        recording.add(&read(file)?);
    }
    if recording.ticks.is_empty() {
        return Err(Failure::Usage(format!(
            "no recorded tick among {} ({} could not be read{}): record some with the stack's parameter LogLevel=debug, and \
             give the health-watcher's log",
            count(recording.other.saturating_add(recording.unreadable.len()), "line"),
            recording.unreadable.len(),
            recording
                .unreadable
                .first()
                .map(|why| format!(", the first because {why}"))
                .unwrap_or_default(),
        )));
    }
    recording.ticks.sort_by_key(|tick| tick.at);
    let judged: Vec<(&RecordedTick, Replayed)> = recording
        .ticks
        .iter()
        .map(|tick| (tick, tick.replay(&changed(&tick.policy, options))))
        .collect();
    match &connection.output {
        Output::Json => terminal::json(&document(&judged, &recording).to_string())?,
        Output::Text => terminal::out(&text(
            session::paint(connection),
            &judged,
            &recording,
            options.differences,
        ))?,
        Output::Picture(_) => {
            return Err(Failure::Usage(
                "--output *.svg is for chart; allowed is text or json".to_owned(),
            ));
        }
    }
    Ok(exit::DONE)
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(file).map(|read| bytes = read)
    };
    read.map_err(|error| Failure::File(format!("{} cannot be read: {error}", file.display())))?;
    // A log may contain anything; a line that is not text is a line without a tick.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Recording {
    fn add(&mut self, text: &str) {
        // `aws logs filter-log-events` prints one document around the lines.
        let document = serde_json::from_str::<Value>(text).ok();
        if let Some(events) = document
            .as_ref()
            .and_then(|value| value.get("events"))
            .and_then(Value::as_array)
        {
            let messages = events
                .iter()
                .filter_map(|event| event.get("message").and_then(Value::as_str));
            messages.for_each(|line| self.add_line(line));
        } else {
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .for_each(|line| self.add_line(line));
        }
    }

    fn add_line(&mut self, line: &str) {
        match RecordedTick::read(line) {
            Line::Tick(tick) => self.ticks.push(*tick),
            Line::Other => self.other = self.other.saturating_add(1),
            Line::Unreadable(why) => self.unreadable.push(why),
        }
    }
}

/// The recorded policy with the thresholds to be tried.
fn changed(policy: &Policy, options: &Replay) -> Policy {
    let mut policy = policy.clone();
    let seconds = |given: Option<u64>, old: Duration| given.map_or(old, Duration::from_secs);
    policy.failure_window = seconds(options.failure_window, policy.failure_window);
    policy.maintenance_grace = seconds(options.maintenance_grace, policy.maintenance_grace);
    policy.cooldown = seconds(options.cooldown, policy.cooldown);
    policy.failover_budget = options.failover_budget.unwrap_or(policy.failover_budget);
    policy.mode = match options.failover_mode {
        Some(FailoverMode::Automatic) => Mode::Automatic,
        Some(FailoverMode::Observe) => Mode::Observe,
        None => policy.mode,
    };
    policy
}

fn in_words(decision: &RecordedDecision) -> String {
    let preconditions: Vec<String> = decision.blocked_by.iter().map(ToString::to_string).collect();
    if preconditions.is_empty() {
        decision.action.as_str().to_owned()
    } else {
        format!("{} by {}", decision.action.as_str(), preconditions.join(", "))
    }
}

fn text(
    paint: terminal::Paint,
    judged: &[(&RecordedTick, Replayed)],
    recording: &Recording,
    only_differences: bool,
) -> String {
    let rows: Vec<Vec<Cell>> = judged
        .iter()
        .filter(|(tick, now)| !only_differences || !now.agrees_with(tick))
        .map(|(tick, now)| {
            let differs = !now.agrees_with(tick);
            vec![
                Cell::plain(moment(tick.at)),
                Cell::word(now.verdicts.blue.verdict.as_str()),
                Cell::word(now.verdicts.green.verdict.as_str()),
                Cell::plain(in_words(&tick.decision)),
                Cell::new(
                    if differs { Style::Bold } else { Style::Plain },
                    in_words(&now.decision),
                ),
                Cell::new(Style::Doubtful, if differs { now.decision.reason.as_str() } else { "" }),
            ]
        })
        .collect();
    let mut shown = table(
        paint,
        &["TIME", "BLUE", "GREEN", "DECIDED THEN", "DECIDED NOW", "DIFFERENCE"],
        &rows,
    );
    shown.push('\n');
    let differing = judged.iter().filter(|(tick, now)| !now.agrees_with(tick)).count();
    let line = |text: String| format!("  {text}\n");
    shown.push_str(&line(format!(
        "{}, {differing} decided differently",
        count(judged.len(), "tick")
    )));
    let first = |then: bool| {
        judged
            .iter()
            .find(|(tick, now)| {
                (if then {
                    tick.decision.action
                } else {
                    now.decision.action
                }) == Action::Failover
            })
            .map_or_else(|| "none".to_owned(), |(tick, _)| moment(tick.at))
    };
    shown.push_str(&line(format!(
        "first failover: then {}, now {}",
        first(true),
        first(false)
    )));
    if judged.iter().any(|(_, now)| now.assumed_none_recent) {
        shown.push_str(&line(
            "failovers of the day were not recorded where none was due; taken as none".to_owned(),
        ));
    }
    shown.push_str(&line(format!(
        "skipped: {} without a tick, {} unreadable{}",
        count(recording.other, "line"),
        recording.unreadable.len(),
        recording
            .unreadable
            .first()
            .map(|why| format!(" (the first: {})", visible(why)))
            .unwrap_or_default()
    )));
    shown
}

fn document(judged: &[(&RecordedTick, Replayed)], recording: &Recording) -> Value {
    let ticks: Vec<Value> = judged
        .iter()
        .map(|(tick, now)| {
            json!({
                "at": tick.at,
                "verdicts": now.verdicts.map(|_, assessment| assessment.verdict),
                "then": tick.decision,
                "now": now.decision,
                "differs": !now.agrees_with(tick),
            })
        })
        .collect();
    json!({
        "ticks": ticks,
        "differing": judged.iter().filter(|(tick, now)| !now.agrees_with(tick)).count(),
        "skipped": {"other": recording.other, "unreadable": recording.unreadable.len()},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_by_what_they_are() {
        let mut recording = Recording::default();
        recording.add("START RequestId: 1\n{\"message\":\"decision\"}\n\n{\"message\":\"evidence\",\"tick\":\"{\"}\n");
        assert_eq!(
            (recording.ticks.len(), recording.other, recording.unreadable.len()),
            (0, 2, 1)
        );
        let mut document = Recording::default();
        document.add(
            "{\n \"events\": [\n {\"message\": \"REPORT\"}, {\"message\": \"{\\\"message\\\":\\\"evidence\\\"}\"}]}",
        );
        assert_eq!((document.other, document.unreadable.len()), (1, 1));
    }
}
