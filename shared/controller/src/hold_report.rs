//! Publishes events of the hold that the listener has not published: its expiry, of which there is no change event, and
//! a change whose event was lost.

use bluegreen_core::audit::MAX_HOLD_REPORT_AGE;
use bluegreen_core::time::elapsed;
use jiff::Timestamp;

use crate::audit_trail::{self, LISTENER_GRACE_PERIOD};
use crate::function_error::FunctionError;
use crate::observation::Observation;
use crate::services::Services;

pub(crate) async fn report_hold_changes(
    services: &Services,
    observation: &Observation,
    now: Timestamp,
) -> Result<(), FunctionError> {
    let Some(stored) = observation
        .observed
        .as_ref()
        .ok()
        .and_then(|observed| observed.stored_hold.as_ref())
    else {
        return Ok(());
    };
    let mark = stored.mark(now);
    let known = services
        .hold_reported
        .lock()
        .is_ok_and(|told| told.as_deref() == Some(mark.as_str()));
    let listener_may_tell = stored.ran_out(now).is_none() && elapsed(stored.written, now) < LISTENER_GRACE_PERIOD;
    if known || listener_may_tell || elapsed(stored.newest_news(now), now) > MAX_HOLD_REPORT_AGE {
        return Ok(());
    }
    let events = audit_trail::catch_up_hold(services, stored, now).await?;
    if events > 0 {
        tracing::info!(events, "reported the hold");
    }
    if let Ok(mut told) = services.hold_reported.lock() {
        *told = Some(mark);
    }
    Ok(())
}
