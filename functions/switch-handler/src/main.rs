//! The switch handler: switches on demand, and says what stands.

mod check;
mod drill;
mod handler;
mod hold;
mod initialize;
mod report;
mod switch;

use std::process::ExitCode;

fn main() -> ExitCode {
    bluegreen_aws::function::serve("switch-handler", handler::handle)
}
