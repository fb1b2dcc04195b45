//! Simulated time: the runtime's paused timers, on a date.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Milliseconds since 1970, by the clock of the simulated AWS.
pub type Milliseconds = i64;

/// One second, minute, hour and day.
pub const SECOND: Milliseconds = 1000;
/// One minute.
pub const MINUTE: Milliseconds = 60 * SECOND;
/// One hour.
pub const HOUR: Milliseconds = 60 * MINUTE;
/// One day.
pub const DAY: Milliseconds = 24 * HOUR;

/// The clock of the simulated AWS.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    began: Instant,
    base: Milliseconds,
}

impl Time {
    /// A clock that shows `base` now.
    pub fn starting_at(base: Milliseconds) -> Self {
        Self {
            began: Instant::now(),
            base,
        }
    }

    /// A clock that shows `at` and stands still, for tests.
    #[cfg(test)]
    pub fn standing_at(at: Milliseconds) -> Self {
        Self {
            began: Instant::now() + Duration::from_secs(3600),
            base: at,
        }
    }

    /// The present instant.
    pub fn now(&self) -> Milliseconds {
        self.base + in_milliseconds(self.began.elapsed())
    }

    /// The runtime's instant at which this clock shows `at`.
    pub fn instant(&self, at: Milliseconds) -> Instant {
        self.began + Duration::from_millis(u64::try_from(at - self.base).unwrap_or(0))
    }
}

/// A duration of the product.
pub fn in_milliseconds(duration: Duration) -> Milliseconds {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The same instant, as the product has it.
pub fn timestamp(at: Milliseconds) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or_default()
}

/// The same instant as text, for timelines.
pub fn text(at: Milliseconds) -> String {
    timestamp(at).strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string()
}
