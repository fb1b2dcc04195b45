//! Tells when the time of a hold has run out: from then on the pair fails over by itself again.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bluegreen_aws::answer::FunctionError;
use bluegreen_aws::function::Shell;
use bluegreen_core::audit;
use bluegreen_core::hold::Hold;
use jiff::Timestamp;

use crate::handler::Look;

/// Longer than from one tick to the next, so that one of them sees it.
const SEEN_FOR: Duration = Duration::from_secs(90);

/// The end that this process told last, in milliseconds. Only saves repeats, which carry the same event id.
static TOLD: AtomicI64 = AtomicI64::new(0);

pub(crate) async fn tell_its_end(shell: &Shell, look: &Look, now: Timestamp) -> Result<(), FunctionError> {
    let Ok(observed) = &look.observed else { return Ok(()) };
    let (Some(stored), Some(change), Some(written)) = (&observed.hold, &observed.hold_change, observed.hold_written)
    else {
        return Ok(());
    };
    let Ok(hold) = serde_json::from_str::<Hold>(stored) else {
        return Ok(());
    };
    let until = hold.until.as_millisecond();
    if !hold.ran_out_within(SEEN_FOR, written, now) || TOLD.load(Ordering::Relaxed) == until {
        return Ok(());
    }
    let event = audit::hold_ran_out(shell.subject(), &hold, change, now);
    shell
        .bus
        .send(&[event])
        .await
        .map_err(FunctionError::undelivered("telling that a hold has ended"))?;
    TOLD.store(until, Ordering::Relaxed);
    Ok(())
}
