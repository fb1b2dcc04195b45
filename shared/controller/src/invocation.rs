//! One run of a use case.

use std::time::Duration;

use bluegreen_aws::clock::Clock;
use bluegreen_core::transition::{Actor, Trigger};
use jiff::Timestamp;

/// Who asks, since when, and how much time there is. A function gets it from Lambda; the command line creates one.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The name of the function, as it appears in records and logs.
    pub function: &'static str,
    /// Lambda's request id.
    pub request_id: String,
    /// The clock of the `Services` with which the use case runs.
    pub clock: Clock,
    /// When the run began.
    pub started: Timestamp,
    /// When the run is ended, whatever it has done by then.
    pub deadline: Timestamp,
    /// How the run was started, for the record: `invoke`, or `command-line` for a person's own process.
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

    /// What started the run, for the record.
    pub fn trigger(&self) -> Trigger {
        Trigger {
            kind: self.via.to_owned(),
            id: Some(self.request_id.clone()),
        }
    }

    /// A name for this run: a request that is delivered twice is two runs.
    pub fn run(&self) -> String {
        format!("{}/{}", self.request_id, self.started.as_nanosecond())
    }

    /// The time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.clock.since(self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_deliveries_of_one_request_are_two_runs() {
        let at = |second| Invocation {
            function: "switch-handler",
            request_id: "r-1".to_owned(),
            clock: Clock::system(),
            started: Timestamp::from_second(second).unwrap(),
            deadline: Timestamp::from_second(second + 30).unwrap(),
            via: "invoke",
        };
        assert_ne!(at(1).run(), at(2).run());
        assert_eq!(at(1).run(), at(1).run());
    }
}
