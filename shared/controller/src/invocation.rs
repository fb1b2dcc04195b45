//! One run of a use case.

use std::time::Duration;

use bluegreen_aws::clock::Clock;
use bluegreen_core::transition::{Actor, Trigger};
use jiff::Timestamp;

/// Who asks, since when, and how long there is. A function has it from Lambda, the command line makes one.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Name of the function, as records and logs give it.
    pub function: &'static str,
    /// Lambda's request id.
    pub request_id: String,
    /// Tells the time; that of the `Services` it is made for.
    pub clock: Clock,
    /// When it began.
    pub started: Timestamp,
    /// When it is ended, whatever it has done by then.
    pub deadline: Timestamp,
    /// How it came about, as the record tells it: `invoke`, or `command-line` for a person's own process.
    pub via: &'static str,
}

impl Invocation {
    /// Who acts, for the record.
    pub fn actor(&self, requested_by: Option<String>) -> Actor {
        Actor {
            function: self.function.to_owned(),
            request_id: self.request_id.clone(),
            requested_by,
        }
    }

    /// What set it off, for the record.
    pub fn trigger(&self) -> Trigger {
        Trigger {
            kind: self.via.to_owned(),
            id: Some(self.request_id.clone()),
        }
    }

    /// Names this run: a request that is delivered twice is two of them.
    pub fn run(&self) -> String {
        format!("{}/{}", self.request_id, self.started.as_nanosecond())
    }

    /// Time since it began.
    pub fn elapsed(&self) -> Duration {
        self.clock.since(self.started)
    }
}
