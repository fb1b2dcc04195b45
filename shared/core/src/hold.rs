//! A hold: a standing order, with a reason and an end, against automatic failover and drills.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::flag::shortened;
use crate::time::elapsed;

/// What the hold parameter holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// When it ends by itself.
    pub until: Timestamp,
    /// Why it was placed.
    pub reason: String,
    /// By whom.
    pub by: String,
}

impl Hold {
    /// Whether its time ran out in the last `window`. What a release leaves had ended when it was written, and is told as that.
    #[must_use]
    pub fn ran_out_within(&self, window: Duration, written: Timestamp, now: Timestamp) -> bool {
        self.until > written && self.until <= now && elapsed(self.until, now) < window
    }
}

/// The hold parameter as it stands at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldState {
    /// There is none, or it has ended.
    None,
    /// In force.
    Active(Hold),
    /// Somebody wrote something that is no hold. They wanted one, so it counts as one until it is removed.
    Invalid(String),
}

impl HoldState {
    /// Reads the stored value; absent means none.
    #[must_use]
    pub fn read(stored: Option<&str>, now: Timestamp) -> Self {
        match stored {
            None => Self::None,
            Some(text) => match serde_json::from_str::<Hold>(text) {
                Ok(hold) if hold.until > now => Self::Active(hold),
                Ok(_) => Self::None,
                Err(_) => Self::Invalid(shortened(text, 80)),
            },
        }
    }

    /// In words, if there is one.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Active(hold) => Some(format!("held until {} by {}: {}", hold.until, hold.by, hold.reason)),
            Self::Invalid(text) => Some(format!(
                "the hold parameter holds {text:?}, which is not {{until, reason, by}}: it counts as a hold until it \
                 is deleted or written right"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_its_time_ran_out_is_seen_for_a_while_and_not_of_one_that_was_released() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let hold = |until: i64| Hold {
            until: at(until),
            reason: "upgrade".into(),
            by: "ana".into(),
        };
        let window = Duration::from_secs(90);
        let (written, until) = (at(100), 200);
        for (now, ran_out) in [(199, false), (200, true), (289, true), (290, false)] {
            assert_eq!(hold(until).ran_out_within(window, written, at(now)), ran_out, "{now}");
        }
        assert!(!hold(99).ran_out_within(window, written, at(101)), "a release");
    }

    #[test]
    fn a_hold_ends_by_itself_and_garbage_still_holds() {
        let text = r#"{"until":"2026-11-23T12:00:00Z","reason":"upgrade","by":"ana"}"#;
        let read = |now: &str| HoldState::read(Some(text), now.parse().unwrap());
        assert!(matches!(read("2026-11-23T11:59:59Z"), HoldState::Active(_)));
        assert_eq!(read("2026-11-23T12:00:00Z"), HoldState::None);
        assert!(matches!(
            HoldState::read(Some("yes"), Timestamp::UNIX_EPOCH),
            HoldState::Invalid(_)
        ));
        assert_eq!(HoldState::read(None, Timestamp::UNIX_EPOCH), HoldState::None);
    }
}
