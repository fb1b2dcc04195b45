//! A live view of status.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use bluegreen_aws::clock::Clock;
use bluegreen_core::color::Color;
use bluegreen_core::decision::Action;
use bluegreen_core::drill::DrillOutcome;
use bluegreen_core::health::Verdict;
use bluegreen_core::response::{Common, DrillAnswer, Status};
use jiff::Timestamp;

use crate::arguments::Watch;
use crate::failure::{Failure, exit};
use crate::render::{self, number, word};
use crate::session::Session;
use crate::terminal::{self, Style};

/// The number of consecutive failures after which `watch` gives up: this is no short interruption.
const MOST_FAILURES: u32 = 10;

pub(crate) async fn watch(session: &Session, options: &Watch) -> Result<u8, Failure> {
    let live = stdout().is_terminal() && !session.json;
    let (mut drawn, mut failures, mut last_line) = (0_usize, 0_u32, String::new());
    loop {
        match session.backend.status().await {
            Ok((answered, common, status)) => {
                failures = 0;
                let now = Clock::system().now();
                let settled = is_settled(&common, &status, now);
                if session.json {
                    terminal::json(&answered.text)?;
                } else if live {
                    drawn = redraw(drawn, &view(session, (&common, &status), settled, now))?;
                } else {
                    let plain = line(&common, &status, now);
                    // Plain lines are for logs: repeated only when something has changed.
                    if plain != last_line {
                        terminal::out(&format!("{} {plain}\n", terminal::moment(now)))?;
                        last_line = plain;
                    }
                }
                if settled && options.until_settled {
                    return Ok(exit::DONE);
                }
            }
            // A wrong request stays wrong.
            Err(failure @ (Failure::Usage(_) | Failure::OutputClosed)) => return Err(failure),
            Err(failure) => {
                failures = failures.saturating_add(1);
                if failures >= MOST_FAILURES || drawn == 0 && last_line.is_empty() && failures > 1 {
                    return Err(failure);
                }
                terminal::note(&format!("{}\n", failure.message()));
                drawn = 0;
            }
        }
        tokio::time::sleep(Duration::from_secs(options.interval)).await;
    }
}

fn view(session: &Session, (common, status): (&Common, &Status), settled: bool, now: Timestamp) -> String {
    let mut shown = render::status(session.paint, &session.pair, common, status, now);
    let state = if settled { "settled" } else { "something goes on" };
    shown.push_str(&session.paint.text(
        Style::Faint,
        &format!("\n  {} {state}; Ctrl-C ends\n", terminal::moment(now)),
    ));
    shown
}

/// Overwrites what was drawn before; returns the new number of lines.
fn redraw(drawn: usize, view: &str) -> Result<usize, Failure> {
    let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    let view = terminal::cut(view, width);
    let up = if drawn == 0 {
        String::new()
    } else {
        format!("\x1b[{drawn}A\r\x1b[J")
    };
    terminal::out(&format!("{up}{view}"))?;
    Ok(view.lines().count())
}

fn line(common: &Common, status: &Status, now: Timestamp) -> String {
    let mut parts = vec![format!(
        "active {} version {}",
        word(common.active),
        number(common.version)
    )];
    for color in Color::BOTH {
        parts.push(format!("{color} {}", status.verdicts.of(color).verdict));
    }
    parts.push(format!("decision {}", status.decision));
    parts.extend(status.hold.clone());
    if let Some(from) = in_force_from(status).filter(|from| *from > now) {
        parts.push(format!("in force from {}", terminal::moment(from)));
    }
    if let Some(drill) = &status.drill
        && drill.outcome == DrillOutcome::Pending
    {
        let mode = drill.mode.as_ref().map(ToString::to_string).unwrap_or_default();
        let back = drill
            .return_at()
            .map(|back| format!(", returns {}", terminal::moment(back)));
        parts.push(format!("drill {mode} pending{}", back.unwrap_or_default()));
    }
    parts.join(", ")
}

fn in_force_from(status: &Status) -> Option<Timestamp> {
    status.last_transition.as_ref()?.effective_from
}

/// Whether nothing is in progress: the newest version is in force and audited, its color is healthy, and no drill is
/// under way.
fn is_settled(common: &Common, status: &Status, now: Timestamp) -> bool {
    let is_healthy = common
        .active
        .is_some_and(|active| status.verdicts.of(active).verdict == Verdict::Healthy);
    let drills = |drill: &DrillAnswer| drill.outcome == DrillOutcome::Pending;
    is_healthy
        && status.decision == Action::None.as_str()
        && !status.drill.as_ref().is_some_and(drills)
        && status.audited == common.version
        && in_force_from(status).is_none_or(|from| from <= now)
}

#[cfg(test)]
mod tests {
    use bluegreen_core::response::{Body, Response};
    use serde_json::{Value, json};

    use super::*;

    fn is_settled(status: &Value, now: Timestamp) -> bool {
        let mut status = status.clone();
        status["outcome"] = json!("status");
        let response = Response::read(&status);
        match response.body {
            Body::Status(body) => super::is_settled(&response.common, &body, now),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_is_settled_when_nothing_goes_on() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let settled = json!({"active": "blue", "version": 3, "audited": 3, "decision": "none",
            "verdicts": {"blue": {"verdict": "healthy"}, "green": {"verdict": "unhealthy"}},
            "last_transition": {"effective_from": "2026-11-23T11:59:59Z"}, "drill": {"outcome": "succeeded"}});
        assert!(is_settled(&settled, now));
        for (field, value) in [
            ("audited", json!(2)),
            ("decision", json!("blocked")),
            ("active", json!("green")),
            ("active", json!(null)),
            ("last_transition", json!({"effective_from": "2026-11-23T12:00:01Z"})),
            ("drill", json!({"outcome": "pending"})),
        ] {
            let mut other = settled.clone();
            other[field] = value;
            assert!(!is_settled(&other, now), "{other}");
        }
    }
}
