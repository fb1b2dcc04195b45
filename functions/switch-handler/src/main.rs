//! The switch handler: switches on request, and reports the current state.

mod handler;

use std::process::ExitCode;

fn main() -> ExitCode {
    bluegreen_lambda::serve("switch-handler", handler::handle)
}
