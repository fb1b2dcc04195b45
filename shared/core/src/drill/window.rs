//! Windows in which no drill may start, modeled on AWS's own practice runs. All times are UTC.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::time::after;

/// The number of minutes in a week.
const WEEK: u32 = 7 * 24 * 60;

const DAYS: [(&str, Weekday); 7] = [
    ("MON", Weekday::Monday),
    ("TUE", Weekday::Tuesday),
    ("WED", Weekday::Wednesday),
    ("THU", Weekday::Thursday),
    ("FRI", Weekday::Friday),
    ("SAT", Weekday::Saturday),
    ("SUN", Weekday::Sunday),
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Window {
    /// Every week, in minutes since Monday 00:00. The end is exclusive, and may lie in the next week.
    Weekly { from: u32, to: u32 },
    /// Whole days; both are inclusive.
    Dates { first: Date, last: Date },
}

/// A window with the text that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Given {
    window: Window,
    words: String,
}

/// The list of all windows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockedWindows(Vec<Given>);

/// A window that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "names the window {0:?}; allowed are, separated by commas and in UTC: a weekly window such as MON:08:00-FRI:18:00, a date \
     such as 2026-12-24, or dates such as 2026-12-20/2027-01-05"
)]
pub struct BadWindow(String);

impl BlockedWindows {
    /// Reads a list; empty means none.
    pub fn read(list: &str) -> Result<Self, BadWindow> {
        list.split(',')
            .map(str::trim)
            .filter(|words| !words.is_empty())
            .map(|words| {
                let window = Window::read(words).ok_or_else(|| BadWindow(words.to_owned()))?;
                Ok(Given {
                    window,
                    words: words.to_owned(),
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The window that contains `now`, or an instant up to `length` later; as its original text.
    #[must_use]
    pub fn blocking(&self, now: Timestamp, length: Duration) -> Option<&str> {
        self.0
            .iter()
            .find(|given| given.window.meets(now, length))
            .map(|given| given.words.as_str())
    }
}

impl Window {
    fn read(words: &str) -> Option<Self> {
        if let Some((first, last)) = words.split_once('/') {
            let (first, last): (Date, Date) = (first.parse().ok()?, last.parse().ok()?);
            return (first <= last).then_some(Self::Dates { first, last });
        }
        if let Ok(date) = words.parse::<Date>() {
            return Some(Self::Dates {
                first: date,
                last: date,
            });
        }
        let (from, to) = words.split_once('-')?;
        let (from, to) = (minute_of_week(from)?, minute_of_week(to)?);
        (from != to).then_some(Self::Weekly { from, to })
    }

    /// Checks minute by minute: a window is at least one minute long, and a drill at most one day.
    fn meets(&self, now: Timestamp, length: Duration) -> bool {
        let minutes = length.as_secs().div_euclid(60);
        self.contains(after(now, length))
            || (0..=minutes).any(|minute| self.contains(after(now, Duration::from_secs(minute.saturating_mul(60)))))
    }

    fn contains(&self, now: Timestamp) -> bool {
        let now = now.to_zoned(TimeZone::UTC);
        match self {
            Self::Dates { first, last } => (*first..=*last).contains(&now.date()),
            Self::Weekly { from, to } => {
                let Some(minute) = minutes(
                    u32::try_from(now.weekday().to_monday_zero_offset()).unwrap_or_default(),
                    u32::try_from(now.hour()).unwrap_or_default(),
                    u32::try_from(now.minute()).unwrap_or_default(),
                ) else {
                    return false;
                };
                if from < to {
                    (*from..*to).contains(&minute)
                } else {
                    minute >= *from || minute < *to
                }
            }
        }
    }
}

/// `FRI:18:00` as minutes since Monday 00:00.
fn minute_of_week(words: &str) -> Option<u32> {
    let (day, time) = words.split_once(':')?;
    let (hour, minute) = time.split_once(':')?;
    let number = |text: &str, most: u32| {
        (text.len() == 2)
            .then(|| text.parse::<u32>().ok())
            .flatten()
            .filter(|number| *number <= most)
    };
    let (_, weekday) = DAYS.iter().find(|(name, _)| *name == day)?;
    let day = u32::try_from(weekday.to_monday_zero_offset()).ok()?;
    minutes(day, number(hour, 23)?, number(minute, 59)?)
}

fn minutes(day: u32, hour: u32, minute: u32) -> Option<u32> {
    let hours = day.checked_mul(24)?.checked_add(hour)?;
    hours
        .checked_mul(60)?
        .checked_add(minute)
        .filter(|minute| *minute < WEEK)
}

impl fmt::Display for BlockedWindows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.0.iter().map(|given| given.words.as_str()).collect();
        formatter.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_blocks_from_its_start_to_its_end() {
        // 2026-11-23 is a Monday.
        for (list, blocked, free) in [
            (
                "MON:08:00-FRI:18:00",
                vec!["2026-11-23T08:00:00Z", "2026-11-27T17:59:59Z"],
                vec!["2026-11-23T07:59:59Z", "2026-11-27T18:00:00Z", "2026-11-29T12:00:00Z"],
            ),
            (
                "SUN:22:00-MON:04:00",
                vec!["2026-11-22T23:00:00Z", "2026-11-23T03:59:00Z"],
                vec!["2026-11-23T04:00:00Z", "2026-11-22T21:59:00Z"],
            ),
            (
                "2026-12-24, 2026-12-30/2027-01-02",
                vec!["2026-12-24T00:00:00Z", "2026-12-30T00:00:00Z", "2027-01-02T23:59:59Z"],
                vec!["2026-12-25T00:00:00Z", "2027-01-03T00:00:00Z"],
            ),
            ("", vec![], vec!["2026-11-23T08:00:00Z"]),
        ] {
            let windows = BlockedWindows::read(list).unwrap();
            for at in blocked {
                assert!(
                    windows.blocking(at.parse().unwrap(), Duration::ZERO).is_some(),
                    "{list} at {at}"
                );
            }
            for at in free {
                assert_eq!(
                    windows.blocking(at.parse().unwrap(), Duration::ZERO),
                    None,
                    "{list} at {at}"
                );
            }
        }
    }

    #[test]
    fn a_drill_that_would_last_into_a_window_is_blocked_by_it() {
        let windows = BlockedWindows::read("MON:08:00-MON:08:01,2026-12-24").unwrap();
        let meets = |at: &str, minutes: u64| {
            windows
                .blocking(at.parse().unwrap(), Duration::from_secs(60 * minutes))
                .is_some()
        };
        assert!(!meets("2026-11-23T07:30:30Z", 29), "it is over by then");
        assert!(meets("2026-11-23T07:30:30Z", 30));
        assert!(meets("2026-11-23T07:30:30Z", 60), "it would be over again by then");
        assert!(meets("2026-12-23T23:59:30Z", 1) && !meets("2026-12-25T00:00:00Z", 1440));
    }

    #[test]
    fn an_unknown_window_is_refused_with_what_is_allowed() {
        for list in [
            "monday",
            "MON-FRI",
            "MON:8:00-FRI:18:00",
            "MON:24:00-TUE:01:00",
            "MON:08:60-TUE:01:00",
            "Mon:08:00-Fri:18:00",
            "MON:08:00-MON:08:00",
            "2026-02-30",
            "2027-01-05/2026-12-20",
            "MON:08:00-FRI:18:00,never",
            "-",
            "/",
        ] {
            let message = BlockedWindows::read(list).unwrap_err().to_string();
            assert!(message.contains("MON:08:00-FRI:18:00"), "{list}: {message}");
        }
    }
}
