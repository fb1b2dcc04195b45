//! The change listener: emits metrics and audit events for every change of the flag and the hold.

mod handler;

use std::process::ExitCode;

fn main() -> ExitCode {
    bluegreen_aws::function::serve("change-listener", handler::handle)
}
