//! What the switch-handler remembers of requests that wrote nothing: the parameter `answered`.
//!
//! Lambda delivers an asynchronous request at least once, and the second time may be minutes after the first. A request that
//! wrote the flag or the hold is known by what it wrote; one that was refused leaves nothing else, and must not be carried out
//! by its second delivery, when nobody expects it any more.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::text::as_value;
use crate::text::shortened;
use crate::time::{elapsed, to_milliseconds};

/// For so long a delivery of a request may be repeated: Lambda keeps one that it cannot place for 6 hours, EventBridge for 24.
pub const REPEATED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest reason kept, in characters.
const LONGEST_REASON: usize = 160;

/// What Parameter Store takes as a value.
const MOST_BYTES: usize = 4096;

/// One request and what was answered to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Lambda's request id.
    pub id: String,
    /// The outcome.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl Answered {
    /// What is kept of an answer.
    #[must_use]
    pub fn new(id: &str, outcome: &str, reason: &str, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            outcome: outcome.to_owned(),
            reason: shortened(reason, LONGEST_REASON),
            at: to_milliseconds(now),
        }
    }
}

/// Reads the parameter, newest first. What cannot be read is forgotten.
#[must_use]
pub fn read(stored: Option<&str>) -> Vec<Answered> {
    stored
        .and_then(|stored| serde_json::from_str(stored).ok())
        .unwrap_or_default()
}

/// The parameter with one request more: as many of the newest as fit, and none that cannot be repeated any more.
#[must_use]
pub fn with(stored: Option<&str>, answered: Answered, now: Timestamp) -> String {
    let mut requests = read(stored);
    requests.retain(|request| request.id != answered.id && elapsed(request.at, now) < REPEATED_FOR);
    requests.insert(0, answered);
    loop {
        let text = as_value(json!(requests).to_string());
        if text.len() <= MOST_BYTES || requests.len() <= 1 {
            return text;
        }
        requests.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn request(number: i64) -> Answered {
        Answered::new(&format!("r-{number}"), "refused", "cooldown: wait", at(number))
    }

    #[test]
    fn what_was_answered_is_found_again_and_the_newest_is_first() {
        let stored = with(None, request(1), at(1));
        let stored = with(Some(&stored), request(2), at(2));
        let stored = with(Some(&stored), request(2), at(2));
        assert_eq!(read(Some(&stored)), [request(2), request(1)]);
        for garbage in [None, Some(""), Some("{}"), Some("[1]")] {
            assert_eq!(read(garbage), [], "{garbage:?}");
        }
    }

    #[test]
    fn it_fits_a_parameter_and_forgets_the_oldest() {
        let mut stored = None;
        for number in 0..200 {
            let long = Answered::new(
                &format!("r-{number}"),
                "refused",
                &"{{\u{1f4a5}".repeat(400),
                at(number),
            );
            stored = Some(with(stored.as_deref(), long, at(number)));
            let text = stored.as_deref().unwrap();
            assert!(text.len() <= MOST_BYTES && !text.contains("{{"), "{}", text.len());
        }
        let kept = read(stored.as_deref());
        assert_eq!((kept.len() > 2, kept[0].id.as_str()), (true, "r-199"));
        let day = i64::try_from(REPEATED_FOR.as_secs()).unwrap();
        let later = with(stored.as_deref(), request(200 + day), at(200 + day));
        assert_eq!(read(Some(&later)).len(), 1);
    }
}
