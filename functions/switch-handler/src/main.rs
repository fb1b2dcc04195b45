//! The switch handler: switches on demand, and says what stands.

use std::process::ExitCode;

fn main() -> ExitCode {
    bluegreen_aws::function::serve("switch-handler", switch_handler::handle)
}
