//! The health watcher: observes both environments every minute, and fails over automatically.

mod event;
mod handler;

use std::process::ExitCode;

fn main() -> ExitCode {
    bluegreen_lambda::serve("health-watcher", handler::handle)
}
