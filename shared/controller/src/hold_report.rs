//! Tells of the hold what the listener has not told: that its time has run out, of which there is no change event, and a
//! change whose event was lost.

use std::sync::Mutex;

use bluegreen_core::audit::HOLD_IS_NEWS_FOR;
use bluegreen_core::time::elapsed;
use jiff::Timestamp;

use crate::audit_trail;
use crate::function_error::FunctionError;
use crate::services::Shell;
use crate::tick::{LISTENER_TIME, Look};

/// What this process found told, so that it asks once for each change. A new process asks again.
static TOLD: Mutex<Option<String>> = Mutex::new(None);

pub(crate) async fn tell(shell: &Shell, look: &Look, now: Timestamp) -> Result<(), FunctionError> {
    let Some(stored) = look
        .observed
        .as_ref()
        .ok()
        .and_then(|observed| observed.stored_hold.as_ref())
    else {
        return Ok(());
    };
    let mark = stored.mark(now);
    let known = TOLD.lock().is_ok_and(|told| told.as_deref() == Some(mark.as_str()));
    let listener_may_tell = stored.ran_out(now).is_none() && elapsed(stored.written, now) < LISTENER_TIME;
    if known || listener_may_tell || elapsed(stored.newest_news(now), now) > HOLD_IS_NEWS_FOR {
        return Ok(());
    }
    let events = audit_trail::catch_up_hold(shell, stored, now).await?;
    if events > 0 {
        tracing::info!(events, "told of the hold");
    }
    if let Ok(mut told) = TOLD.lock() {
        *told = Some(mark);
    }
    Ok(())
}
