//! A hold: an order against automatic failover and drills, with a reason and an end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::text::shortened;

/// The value of the hold parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// When the hold ends by itself.
    pub until: Timestamp,
    /// Why the hold was placed.
    pub reason: String,
    /// The person or job that placed it.
    pub by: String,
}

impl Hold {
    /// Whether its time has run out. What a release leaves had already ended when it was written, and is reported as a
    /// release.
    #[must_use]
    pub fn has_run_out(&self, written: Timestamp, now: Timestamp) -> bool {
        self.until > written && self.until <= now
    }
}

/// One version of the hold parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHold {
    /// The stored text.
    pub value: String,
    /// Distinguishes one version from another: number and date, because version numbers restart after a deletion.
    pub change: String,
    /// When it was written, by SSM's clock.
    pub written: Timestamp,
}

/// The part of a hold's Description that names the request which wrote it.
const OF_REQUEST: &str = "[request=";

/// The Description of a hold. All readers use the value; the Description distinguishes a repeated delivery of one
/// request from another request.
#[must_use]
pub fn description(request_id: &str) -> String {
    format!("written by the switch-handler {OF_REQUEST}{request_id}]")
}

/// One version of the hold, as its history returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldVersion {
    /// The version number.
    pub version: u64,
    /// The stored value and its date.
    pub stored: StoredHold,
    /// LastModifiedUser, an IAM ARN.
    pub author: Option<String>,
    /// The version's Description.
    pub description: Option<String>,
}

impl HoldVersion {
    /// Whether this request wrote it. A manual edit without a Description may keep the Description of the previous
    /// version: only the first version that names the request belongs to it.
    #[must_use]
    pub fn is_of(&self, request_id: &str) -> bool {
        self.description.as_deref() == Some(description(request_id).as_str())
    }
}

impl StoredHold {
    /// The version number, with which `change` begins.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.change.strip_prefix('v')?.split('-').next()?.parse().ok()
    }

    /// The hold, if the value is one.
    #[must_use]
    pub fn hold(&self) -> Option<Hold> {
        serde_json::from_str(&self.value).ok()
    }

    /// The hold, if its time has run out.
    #[must_use]
    pub fn ran_out(&self, now: Timestamp) -> Option<Hold> {
        self.hold().filter(|hold| hold.has_run_out(self.written, now))
    }

    /// When the newest reportable change of the hold happened.
    #[must_use]
    pub fn newest_news(&self, now: Timestamp) -> Timestamp {
        self.ran_out(now).map_or(self.written, |hold| hold.until)
    }

    /// The value of `hold-reported` once every change up to now is reported.
    #[must_use]
    pub fn mark(&self, now: Timestamp) -> String {
        match self.ran_out(now) {
            Some(_) => format!("{}:ran-out", self.change),
            None => self.change.clone(),
        }
    }
}

/// The meaning of the hold parameter at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldState {
    /// There is no hold, or it has ended.
    None,
    /// The hold is in force.
    Active(Hold),
    /// The value is not a hold. Its writer wanted one, so it counts as a hold until it is removed.
    Invalid(String),
}

impl HoldState {
    /// Reads the stored value; an absent one means no hold.
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

    /// The hold in words, if there is one.
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
    fn the_time_of_a_hold_runs_out_and_that_of_a_released_one_does_not() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let stored = |until: i64| StoredHold {
            value: format!(r#"{{"until":"{}","reason":"upgrade","by":"ana"}}"#, at(until)),
            change: "v1-100".into(),
            written: at(100),
        };
        for (now, mark, news) in [
            (199, "v1-100", 100),
            (200, "v1-100:ran-out", 200),
            (9000, "v1-100:ran-out", 200),
        ] {
            assert_eq!(stored(200).mark(at(now)), mark, "{now}");
            assert_eq!(stored(200).newest_news(at(now)), at(news), "{now}");
        }
        assert_eq!(stored(99).mark(at(101)), "v1-100", "a release");
        let garbage = StoredHold {
            value: "yes".into(),
            ..stored(200)
        };
        assert_eq!(garbage.mark(at(300)), "v1-100");
    }

    #[test]
    fn a_writing_of_the_hold_names_its_request_and_its_version() {
        let version = |description: Option<&str>| HoldVersion {
            version: 7,
            stored: StoredHold {
                value: String::new(),
                change: "v7-1764".into(),
                written: Timestamp::UNIX_EPOCH,
            },
            author: None,
            description: description.map(str::to_owned),
        };
        assert_eq!(version(None).stored.version(), Some(7));
        assert!(version(Some(&description("r-1"))).is_of("r-1"));
        for other in [None, Some("r-1"), Some(description("r-10").as_str())] {
            assert!(!version(other).is_of("r-1"), "{other:?}");
        }
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
