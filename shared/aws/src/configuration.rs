//! The one reading of environment variables.

use bluegreen_core::settings::{self, Settings, SettingsFaults};

/// Reads the settings of this process.
pub fn from_environment() -> Result<Settings, SettingsFaults> {
    settings::read(variable)
}

/// One environment variable; not set and not Unicode are the same.
#[expect(clippy::disallowed_methods, reason = "everything else is told its settings")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
