//! The only clock.

use std::time::Duration;

use bluegreen_core::time::after;
use jiff::Timestamp;

/// Gives the time. Use cases get it from `Services`, adapters from their clients, so that a test can set the time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    System,
    Given {
        at: Timestamp,
        set: tokio::time::Instant,
    },
}

impl Clock {
    /// The system's clock, for everything but tests.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that starts at a given time and advances as the runtime's timers do. While a test has paused these, it
    /// advances only by what is slept.
    #[must_use]
    pub fn set_to(at: Timestamp) -> Self {
        let set = tokio::time::Instant::now();
        Self(Source::Given { at, set })
    }

    /// The present instant; from the system's clock to the nanosecond.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => now(),
            Source::Given { at, set } => after(*at, set.elapsed()),
        }
    }

    /// The time that has passed since then.
    #[must_use]
    pub fn since(&self, then: Timestamp) -> Duration {
        bluegreen_core::time::elapsed(then, self.now())
    }
}

/// The system's time, whatever time a test has set: for the age of a connection.
#[expect(clippy::disallowed_methods, reason = "everything else is told the time")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_given_time_goes_on_with_the_runtimes() {
        let given: Timestamp = "2126-11-23T10:00:00Z".parse().unwrap();
        let clock = Clock::set_to(given);
        let copy = clock.clone();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (early, late) = (clock.since(given), copy.since(given));
        assert!(
            early >= Duration::from_millis(50) && late >= early,
            "{early:?}, {late:?}"
        );
        assert!(late < Duration::from_secs(60), "{late:?}");
        assert!(Clock::system().since(now()) < Duration::from_secs(60));
        assert!(Clock::default().now() < given);
    }
}
