//! What is judged, and how it is named in commands.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::snapshot::Snapshot;
use crate::color::{Both, Color};
use crate::environment::EnvironmentSettings;
use crate::health::Assessment;
use crate::hold::HoldState;
use crate::identity::Ownership;

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The color that the flag names.
    pub active: Color,
    /// Name of the flag.
    pub flag: &'a str,
    /// Names and regions, for the commands.
    pub settings: &'a Both<EnvironmentSettings>,
    /// Health of both.
    pub verdicts: &'a Both<Assessment>,
    /// Everything else.
    pub snapshot: &'a Snapshot,
    /// Whether somebody has ordered the watcher to leave the pair alone.
    pub hold: &'a HoldState,
    /// When the standby was last seen to do its work, see [`super::last_proof`].
    pub last_proof: Option<Timestamp>,
    /// After how many days that is too long ago; 0 for never.
    pub overdue_days: u32,
    /// Whether the standby's DAGs are to be paused.
    pub manages_dags: bool,
    /// The active's DAGs whose runs belong to the standby, see [`super::catching_up`].
    pub catching_up: &'a BTreeSet<String>,
    /// Name of the pair.
    pub pair: &'a str,
    /// The path that everything lies under.
    pub root: &'a str,
    /// Whose it is.
    pub ownership: &'a Ownership,
}

/// `aws <words> --name <environment>`, with its region where it is another one.
pub(super) fn command(settings: &EnvironmentSettings, words: &str, more: &str) -> String {
    let region = settings
        .region
        .as_deref()
        .map(|region| format!(" --region {region}"))
        .unwrap_or_default();
    format!("aws {words} --name {}{region}{more}", settings.name)
}
