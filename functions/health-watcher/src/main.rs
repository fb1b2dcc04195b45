//! The health watcher: looks at both environments every minute, and fails over by itself.

mod dags;
mod drill;
mod event;
mod handler;
mod handover;
mod hold;
mod past;
mod readiness;
mod repair;

use std::process::ExitCode;

fn main() -> ExitCode {
    bluegreen_aws::function::serve("health-watcher", handler::handle)
}
