//! The change listener: publishes metrics and audit events for every change of the flag and the hold.

mod event;
mod handler;

use std::process::ExitCode;

fn main() -> ExitCode {
    bluegreen_lambda::serve("change-listener", handler::handle)
}
