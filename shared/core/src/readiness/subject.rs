//! What is judged, and how commands name it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::snapshot::Snapshot;
use crate::color::{Both, Color};
use crate::environment::EnvironmentSettings;
use crate::health::Assessment;
use crate::hold::HoldState;
use crate::identity::Ownership;

/// What a readiness check judges.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The color that the flag holds.
    pub active: Color,
    /// Name of the flag.
    pub flag: &'a str,
    /// Names and regions of the environments, for the commands.
    pub settings: &'a Both<EnvironmentSettings>,
    /// The health of both environments.
    pub verdicts: &'a Both<Assessment>,
    /// The answers of AWS and Airflow.
    pub snapshot: &'a Snapshot,
    /// The hold, which prevents the watcher from acting.
    pub hold: &'a HoldState,
    /// When the standby's color was last active, see [`super::last_proof`].
    pub last_proof: Option<Timestamp>,
    /// The number of days after which that proof is overdue; 0 means never.
    pub overdue_days: u32,
    /// Whether the standby's DAGs are to be paused.
    pub manages_dags: bool,
    /// The active color's DAGs that create runs which belong to the standby, see [`super::catching_up`].
    pub catching_up: &'a BTreeSet<String>,
    /// Name of the pair.
    pub pair: &'a str,
    /// The path of all parameters of the pair.
    pub root: &'a str,
    /// The ownership of the root.
    pub ownership: &'a Ownership,
}

/// The command `aws <words> --name <environment>`, with its region where that is not the function's own.
pub(super) fn command(settings: &EnvironmentSettings, words: &str, more: &str) -> String {
    let region = settings
        .region
        .as_deref()
        .map(|region| format!(" --region {region}"))
        .unwrap_or_default();
    format!("aws {words} --name {}{region}{more}", settings.name)
}
