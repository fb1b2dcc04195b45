//! The one clock.

use jiff::Timestamp;

/// The present instant, to the nanosecond.
#[expect(clippy::disallowed_methods, reason = "everything else is told the time")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
