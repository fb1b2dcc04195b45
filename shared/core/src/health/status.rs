//! What an MWAA environment status means for the question "can it run DAGs".

/// Classes of status. Source: the API reference of `GetEnvironment`, field `Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusClass {
    /// Usable. `UPDATE_FAILED`, too: MWAA has restored the previous state.
    Serving,
    /// Planned work is in progress; schedulers restart during it.
    Planned,
    /// Being rolled back after a failed update.
    Degraded,
    /// The environment is being created.
    NotReady,
    /// The environment is gone or unusable.
    Failed,
    /// A status that this release does not know: no information.
    Unknown,
}

impl StatusClass {
    /// The class of a status as MWAA writes it.
    #[must_use]
    pub fn of(status: &str) -> Self {
        match status {
            "AVAILABLE" | "UPDATE_FAILED" => Self::Serving,
            "UPDATING" | "CREATING_SNAPSHOT" | "MAINTENANCE" => Self::Planned,
            "ROLLING_BACK" => Self::Degraded,
            "CREATING" | "PENDING" => Self::NotReady,
            "UNAVAILABLE" | "CREATE_FAILED" | "DELETING" | "DELETED" => Self::Failed,
            _ => Self::Unknown,
        }
    }
}
