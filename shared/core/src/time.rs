//! Arithmetic on instants that cannot overflow, whatever a parameter or an answer contains.

use std::time::Duration;

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

/// `instant` plus `duration`, or the last representable instant.
#[must_use]
pub fn after(instant: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| instant.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

/// `instant` minus `duration`, or the first representable instant.
#[must_use]
pub fn before(instant: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| instant.checked_sub(duration).ok())
        .unwrap_or(Timestamp::MIN)
}

/// Time from `from` to `to`; zero if `to` is earlier (two machines' clocks may disagree).
#[must_use]
pub fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

/// A duration of `count` minutes.
#[must_use]
pub fn minutes(count: u32) -> Duration {
    Duration::from_secs(u64::from(count).saturating_mul(60))
}

/// A duration of `count` days of 24 hours.
#[must_use]
pub fn days(count: u32) -> Duration {
    Duration::from_secs(u64::from(count).saturating_mul(86_400))
}

/// The instant cut to whole milliseconds, the resolution of Parameter Store and of our records.
#[must_use]
pub fn to_milliseconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(instant.as_millisecond()).unwrap_or(instant)
}

/// The instant to the second, for people: `2026-11-23T10:12:44Z`.
#[must_use]
pub fn to_second(instant: Timestamp) -> String {
    instant.round(Unit::Second).unwrap_or(instant).to_string()
}

/// The last whole second that is not after the instant. It is the lower bound of a query in whole seconds, which must
/// omit nothing. [`to_second`] may lie up to half a second on either side.
#[must_use]
pub fn second_before(instant: Timestamp) -> String {
    whole_second(instant, RoundMode::Floor)
}

/// The first whole second that is not before the instant: the upper bound of such a query.
#[must_use]
pub fn second_after(instant: Timestamp) -> String {
    whole_second(instant, RoundMode::Ceil)
}

fn whole_second(instant: Timestamp, mode: RoundMode) -> String {
    let to = TimestampRound::new().smallest(Unit::Second).mode(mode);
    instant.round(to).unwrap_or(instant).to_string()
}

/// Seconds with at most one decimal, for people: `138 s`, `4.2 s`.
#[must_use]
pub fn in_seconds(duration: Duration) -> String {
    if duration.as_secs() >= 10 || duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// Milliseconds as an integer that every JSON reader can represent.
#[must_use]
pub fn whole_milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_a_question_leave_nothing_out() {
        let cases = [
            ("2026-11-23T10:12:44Z", "2026-11-23T10:12:44Z", "2026-11-23T10:12:44Z"),
            (
                "2026-11-23T10:12:44.001Z",
                "2026-11-23T10:12:44Z",
                "2026-11-23T10:12:45Z",
            ),
            ("2026-11-23T10:12:44.5Z", "2026-11-23T10:12:44Z", "2026-11-23T10:12:45Z"),
            (
                "2026-11-23T23:59:59.999Z",
                "2026-11-23T23:59:59Z",
                "2026-11-24T00:00:00Z",
            ),
            ("1969-12-31T23:59:58.5Z", "1969-12-31T23:59:58Z", "1969-12-31T23:59:59Z"),
        ];
        for (instant, before, after) in cases {
            let instant = instant.parse().unwrap();
            assert_eq!(
                (second_before(instant).as_str(), second_after(instant).as_str()),
                (before, after),
                "{instant}"
            );
        }
    }
}
