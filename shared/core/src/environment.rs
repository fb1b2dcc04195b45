//! Where one environment is.

/// Where one environment is and what else belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentSettings {
    /// Its MWAA name.
    pub name: String,
    /// Its region; none means the function's own.
    pub region: Option<String>,
    /// CloudWatch alarms, in its region, that count as evidence.
    pub alarms: Vec<String>,
}

impl EnvironmentSettings {
    /// Its name, with its region where it is not the function's own.
    #[must_use]
    pub fn named(&self) -> String {
        match &self.region {
            Some(region) => format!("{}/{}", region, self.name),
            None => self.name.clone(),
        }
    }
}
