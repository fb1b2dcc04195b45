//! The state that every command works with.

use std::io::{IsTerminal, stderr, stdout};

use bluegreen_aws::clock::Clock;
use bluegreen_aws::configuration::variable;
use bluegreen_core::printable::visible;
use bluegreen_core::response::{Body, Response};

use crate::backend::{Answered, Backend};
use crate::connection::{Connection, Output};
use crate::failure::Failure;
use crate::render;
use crate::terminal::{self, Paint};
use crate::{foreign, run_report};

/// One run of a command.
pub(crate) struct Session {
    pub(crate) backend: Backend,
    pub(crate) pair: String,
    pub(crate) json: bool,
    pub(crate) paint: Paint,
    pub(crate) note_paint: Paint,
    pub(crate) connection: Connection,
}

/// The color setting for the standard output.
pub(crate) fn paint(connection: &Connection) -> Paint {
    Paint::new(connection.color, no_color(), &stdout())
}

fn no_color() -> bool {
    variable("NO_COLOR").is_some_and(|value| !value.is_empty())
}

impl Session {
    pub(crate) async fn open(connection: &Connection) -> Result<Self, Failure> {
        if let Output::Picture(file) = &connection.output {
            return Err(Failure::Usage(format!(
                "--output {} is for chart; allowed is text or json",
                file.display()
            )));
        }
        Ok(Self {
            backend: Backend::open(connection).await?,
            pair: visible(&connection.pair),
            json: connection.output == Output::Json,
            paint: paint(connection),
            note_paint: Paint::new(connection.color, no_color(), &stderr()),
            connection: connection.clone(),
        })
    }

    /// Shows the answer: as it was received, or for people.
    pub(crate) fn show(&self, answered: &Answered) -> Result<(), Failure> {
        if self.json {
            return terminal::json(&answered.text);
        }
        let (Response { common, body }, now) = (&answered.response, Clock::system().now());
        terminal::out(&match body {
            Body::Status(status) => render::status(self.paint, &self.pair, common, status, now),
            Body::History(history) => render::history(self.paint, &self.pair, common, history),
            Body::Check(check) => render::check(self.paint, &self.pair, common, check),
            Body::RunReport(report) => run_report::run_report(self.paint, &self.pair, common, report, now),
            Body::Change(change) => render::change(self.paint, common, change, now),
        })
    }

    /// Shows the answer; returns its exit code.
    pub(crate) fn finish(&self, answered: &Answered) -> Result<u8, Failure> {
        self.show(answered)?;
        Ok(match &answered.response.body {
            Body::RunReport(report) => run_report::code(report),
            _ => render::code_of(&answered.response.common.outcome),
        })
    }

    /// The options that name the same pair again.
    pub(crate) fn same_pair(&self) -> String {
        foreign::same_pair(&self.connection)
    }

    /// Shows one line that the next one replaces; on a terminal only.
    pub(crate) fn progress(&self, line: &str) {
        if stderr().is_terminal() && !self.json {
            terminal::note(&format!("\r\x1b[K  {line}"));
        }
    }

    /// Removes the line.
    pub(crate) fn end_progress(&self) {
        if stderr().is_terminal() && !self.json {
            terminal::note("\r\x1b[K");
        }
    }
}
