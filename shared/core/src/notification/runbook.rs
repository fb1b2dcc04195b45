//! Which page of `docs/runbooks/` a message refers to: the page that the table in the index gives for the subject.

use serde_json::Value;

use super::detail::failed_preconditions;
use super::message::PairContext;
use crate::audit::details::{BlockedDetail, ReadinessDetail, TransitionDetail, read};
use crate::readiness::BOTH_EXECUTE;
use crate::transition_kind::Kind;

/// The folder of the pages in the repository.
const FOLDER: &str = "docs/runbooks";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runbook {
    /// The index, which lists all pages by message.
    Index,
    EmergencyFailover,
    BothUnhealthy,
    BrokenFlag,
    DagsStillPaused,
    Troubleshooting,
}

impl Runbook {
    pub(super) fn of(detail_type: &str, detail: &Value) -> Self {
        match detail_type {
            "Environment Transition" => match read::<TransitionDetail>(detail).kind.known() {
                Some(Kind::Restore | Kind::External) => Self::BrokenFlag,
                _ => Self::Index,
            },
            "Failover Blocked" => {
                let preconditions = failed_preconditions(&read::<BlockedDetail>(detail).preconditions);
                let objects = |name: &str| preconditions.iter().any(|(precondition, _)| precondition == name);
                if objects("flag-invalid") {
                    Self::BrokenFlag
                } else if objects("standby-unhealthy") {
                    Self::BothUnhealthy
                } else {
                    Self::EmergencyFailover
                }
            }
            "Environment Unknown" => Self::EmergencyFailover,
            "Flag Fault" => Self::BrokenFlag,
            "DAG Management" => Self::DagsStillPaused,
            // Both environments execute every run: the only finding that cannot wait until the morning.
            "Readiness Changed" => {
                let findings = read::<ReadinessDetail>(detail).findings;
                if findings.iter().any(|finding| finding.name == BOTH_EXECUTE) {
                    Self::Troubleshooting
                } else {
                    Self::Index
                }
            }
            _ => Self::Index,
        }
    }

    const fn page(self) -> &'static str {
        match self {
            Self::Index => "README.md",
            Self::EmergencyFailover => "emergency-failover.md",
            Self::BothUnhealthy => "both-unhealthy.md",
            Self::BrokenFlag => "broken-flag.md",
            Self::DagsStillPaused => "dags-still-paused.md",
            Self::Troubleshooting => "troubleshooting.md",
        }
    }

    pub(super) const fn introduction(self) -> &'static str {
        match self {
            Self::Index => "The runbooks, by what a message says:",
            _ => "The runbook for this:",
        }
    }

    /// The page's address, or without a base URL its file in the repository.
    pub(super) fn address(self, place: PairContext<'_>) -> String {
        let base = place.runbooks.unwrap_or(FOLDER);
        format!("{}/{}", base.trim_end_matches('/'), self.page())
    }
}
