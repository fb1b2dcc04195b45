//! The health watcher: looks at both environments every minute, and fails over by itself.

mod event;
mod handler;

use std::process::ExitCode;

fn main() -> ExitCode {
    bluegreen_lambda::serve("health-watcher", handler::handle)
}
