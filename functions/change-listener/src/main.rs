//! The change listener: emits metrics and audit events for every change of the flag and the hold.

use std::process::ExitCode;

use bluegreen_controller::audit;

fn main() -> ExitCode {
    bluegreen_lambda::serve("change-listener", audit::handle)
}
