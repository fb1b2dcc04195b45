//! How many automatic failovers nobody has acknowledged, which the budget is about.

use bluegreen_core::decision::RecentFailovers;
use bluegreen_core::flag::Version;
use jiff::Timestamp;

use crate::services::Services;

/// Counts them in the flag's history. What a release has acknowledged is asked for only where there is something to acknowledge:
/// a calm tick does not need it, and neither does the first failover of a day.
///
/// None where that cannot be read and would decide: nobody can say then whether the budget is used up.
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
