//! The switch handler: switches on demand, and says what stands.

mod handler;

use std::process::ExitCode;

fn main() -> ExitCode {
    bluegreen_lambda::serve("switch-handler", handler::handle)
}
