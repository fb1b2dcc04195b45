//! The settings of one environment.

/// The name and region of one environment, and its alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentSettings {
    /// The environment's MWAA name.
    pub name: String,
    /// The environment's region; none means the function's own.
    pub region: Option<String>,
    /// CloudWatch alarms, in the environment's region, that count as evidence.
    pub alarms: Vec<String>,
}

impl EnvironmentSettings {
    /// The environment's name, with its region where that is not the function's own.
    #[must_use]
    pub fn named(&self) -> String {
        match &self.region {
            Some(region) => format!("{}/{}", region, self.name),
            None => self.name.clone(),
        }
    }
}

/// The classes in order of size: MWAA's user guide, "environment class".
pub const ENVIRONMENT_CLASSES: [&str; 6] = [
    "mw1.micro",
    "mw1.small",
    "mw1.medium",
    "mw1.large",
    "mw1.xlarge",
    "mw1.2xlarge",
];
