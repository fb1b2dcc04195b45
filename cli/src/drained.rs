//! Whether an environment has drained: nothing that it executes itself is in flight any more.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use bluegreen_core::color::Color;
use bluegreen_core::response::{Common, Status};

use crate::arguments::Drained;
use crate::backend::Answered;
use crate::failure::{Failure, exit};
use crate::render::number;
use crate::session::Session;
use crate::terminal;

/// The time between two looks: each one is a request to the standby's web server, which also has people to serve.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The state of a color, with a sentence for people.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Nothing is in flight, and nothing more can come.
    Drained(String),
    /// Something is in flight, or may come.
    Draining(String),
    /// It is not known.
    Unknown(String),
    /// It is the active color.
    Active(String),
}

pub(crate) async fn drained(session: &Session, options: &Drained) -> Result<u8, Failure> {
    if options.wait {
        return wait(session, options.of, Duration::from_secs(options.within), true).await;
    }
    let (answered, common, status) = session.backend.status().await?;
    let state = state(&common, &status, options.of);
    let code = match &state {
        State::Drained(_) => exit::DONE,
        State::Draining(_) | State::Unknown(_) => exit::NOT_READY,
        State::Active(_) => exit::REFUSED,
    };
    show(session, &answered, &state)?;
    Ok(code)
}

/// Waits until the color has drained. `shows` is false where another answer was shown before.
pub(crate) async fn wait(session: &Session, color: Color, limit: Duration, shows: bool) -> Result<u8, Failure> {
    let began = Instant::now();
    let mut last = String::new();
    let mut has_stood_by = false;
    loop {
        match session.backend.status().await {
            Ok((answered, common, status)) => {
                let state = state(&common, &status, color);
                match &state {
                    State::Drained(_) => {
                        session.end_progress();
                        return end(session, shows.then_some(&answered), &state, exit::DONE);
                    }
                    State::Active(_) => {
                        session.end_progress();
                        // A switch back during the wait is another writer's; a wrong color is the caller's.
                        let code = if has_stood_by || !shows {
                            exit::CONFLICT
                        } else {
                            exit::REFUSED
                        };
                        return end(session, shows.then_some(&answered), &state, code);
                    }
                    State::Draining(text) | State::Unknown(text) => {
                        has_stood_by = true;
                        progress(session, text, &mut last, began.elapsed());
                    }
                }
            }
            Err(failure @ (Failure::Usage(_) | Failure::OutputClosed)) => return Err(failure),
            Err(failure) => progress(
                session,
                &format!("still waiting: {}", failure.message()),
                &mut last,
                began.elapsed(),
            ),
        }
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            session.end_progress();
            return Err(Failure::NotInTime(format!(
                "{color} has not drained within {} s: {last}",
                limit.as_secs()
            )));
        }
        tokio::time::sleep(left.min(LOOK_INTERVAL)).await;
    }
}

fn end(session: &Session, answered: Option<&Answered>, state: &State, code: u8) -> Result<u8, Failure> {
    match answered {
        Some(answered) => show(session, answered, state)?,
        None => terminal::note(&format!("{}\n", text_of(state))),
    }
    Ok(code)
}

fn show(session: &Session, answered: &Answered, state: &State) -> Result<(), Failure> {
    if session.json {
        return terminal::json(&answered.text);
    }
    terminal::out(&format!("{}\n", text_of(state)))
}

/// One line that is replaced on a terminal; elsewhere a new line where something has changed.
fn progress(session: &Session, text: &str, last: &mut String, waited: Duration) {
    session.progress(&format!("{text}; waiting for {}", terminal::span(waited)));
    if !stderr().is_terminal() && !session.json && last != text {
        terminal::note(&format!("{text}; waiting for {}\n", terminal::span(waited)));
    }
    text.clone_into(last);
}

fn text_of(state: &State) -> &str {
    match state {
        State::Drained(text) | State::Draining(text) | State::Unknown(text) | State::Active(text) => text,
    }
}

fn state(common: &Common, status: &Status, color: Color) -> State {
    match (common.active, status.in_flight.of(color)) {
        (None, _) => State::Unknown(format!(
            "it is unknown what is in flight on {color}, because the flag holds no color: {}",
            common.reason
        )),
        (Some(active), _) if active == color => State::Active(format!(
            "{color} is the active color (version {}): it has not drained, and what runs on it is its work",
            number(common.version)
        )),
        (Some(_), None) => State::Unknown(format!(
            "it is unknown what is in flight on {color}: the function is older than this command line, and does not say it"
        )),
        (Some(_), Some(found)) if found.drained && found.runs == Some(0) => State::Drained(found.reason.clone()),
        (Some(_), Some(found)) if found.runs.is_none() => State::Unknown(found.reason.clone()),
        (Some(_), Some(found)) => State::Draining(found.reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::response::{Body, Response};
    use serde_json::{Value, json};

    use super::*;

    fn blue(active: &Value, in_flight: &Value) -> State {
        let answer = json!({"outcome": "status", "active": active, "version": 3, "reason": "r",
            "in_flight": {"green": null, "blue": in_flight}});
        let response = Response::read(&answer);
        match response.body {
            Body::Status(status) => state(&response.common, &status, Color::Blue),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_known_zero_on_the_standby_is_drained() {
        let green = json!("green");
        let none = json!({"drained": true, "runs": 0, "reason": "nothing"});
        assert_eq!(blue(&green, &none), State::Drained("nothing".to_owned()));
        for in_flight in [
            json!({"drained": false, "runs": 0, "reason": "more may come"}),
            json!({"drained": false, "runs": 2, "reason": "two"}),
            json!({"drained": true, "runs": 2, "reason": "contradicts itself"}),
        ] {
            assert!(matches!(blue(&green, &in_flight), State::Draining(_)), "{in_flight}");
        }
        for in_flight in [
            json!(null),
            json!("of-tomorrow"),
            json!({"drained": true}),
            json!({"drained": false, "runs": null, "reason": "no answer"}),
        ] {
            assert!(matches!(blue(&green, &in_flight), State::Unknown(_)), "{in_flight}");
        }
        assert!(matches!(blue(&json!(null), &none), State::Unknown(_)));
        assert!(
            matches!(blue(&json!("blue"), &none), State::Active(_)),
            "the active never is"
        );
    }
}
