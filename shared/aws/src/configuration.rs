//! The only module that reads environment variables.

use bluegreen_core::settings::{self, Settings, SettingsFaults};

/// Reads the settings of this process.
pub fn from_environment() -> Result<Settings, SettingsFaults> {
    settings::read(variable)
}

/// One environment variable; an unset variable and a non-Unicode value are treated the same.
#[expect(clippy::disallowed_methods, reason = "everything else is told its settings")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
