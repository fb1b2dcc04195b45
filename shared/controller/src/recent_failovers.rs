//! The number of unacknowledged automatic failovers, which the budget limits.

use bluegreen_core::decision::RecentFailovers;
use bluegreen_core::flag::Version;
use jiff::Timestamp;

use crate::services::Services;

/// Counts them in the flag's history. The acknowledgement by a release is read only if there is something to
/// acknowledge: a calm tick does not need it, and neither does the first failover of a day.
///
/// `None` if it cannot be read and would decide: it is then unknown whether the budget is used up.
pub(crate) async fn count(services: &Services, versions: &[Version], now: Timestamp) -> Option<RecentFailovers> {
    let all = RecentFailovers::count(versions, None, now);
    if !all.may_be_acknowledged() {
        return Some(all);
    }
    match services.store.acknowledgement().await {
        Ok(acknowledged) => {
            let at = acknowledged.map(|acknowledged| acknowledged.at);
            Some(RecentFailovers::count(versions, at, now))
        }
        Err(failure) => {
            tracing::warn!(error = %failure.cause, "what a release has acknowledged could not be read");
            all.is_within_budget(&services.settings.policy).then_some(all)
        }
    }
}
