//! What the switch-handler remembers of requests: the parameter `answered`.
//!
//! Lambda delivers an asynchronous request at least once, and the second delivery may come minutes after the first. A
//! refused request leaves no other trace. Its second delivery must not be carried out when nobody expects it anymore. A
//! request that wrote the flag or the hold is known by what it wrote, but that may be unreadable or deleted when the
//! request comes again.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::text::as_value;
use crate::text::shortened;
use crate::time::{elapsed, to_milliseconds};

/// How long a delivery may be repeated: Lambda keeps a request that it cannot deliver for 6 hours, EventBridge for 24.
pub const REPEATED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest reason that is kept, in characters.
const LONGEST_REASON: usize = 160;

/// Parameter Store's limit for a value, in bytes.
const MOST_BYTES: usize = 4096;

/// The outcome of a request that is about to write the flag: the flag's versions show whether it did.
const BEGUN: &str = "begun";

/// Outcomes of requests that have left another trace. They are forgotten first where there is no room.
const TRACED: [&str; 4] = [BEGUN, "initialized", "held", "released"];

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Lambda's request id.
    pub id: String,
    /// The outcome of the request, as answers give it.
    pub outcome: String,
    /// Why the request had that outcome, shortened.
    pub reason: String,
    /// When the request was answered.
    pub at: Timestamp,
}

impl Answered {
    /// Keeps what is needed of an answer.
    #[must_use]
    pub fn new(id: &str, outcome: &str, reason: &str, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            outcome: outcome.to_owned(),
            reason: shortened(reason, LONGEST_REASON),
            at: to_milliseconds(now),
        }
    }

    /// The entry of a request that is about to write the flag.
    #[must_use]
    pub fn begun(id: &str, now: Timestamp) -> Self {
        Self::new(id, BEGUN, "", now)
    }

    /// Whether the entry only says that the request was about to write the flag.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.outcome == BEGUN
    }
}

/// Reads the parameter, newest first. Entries that cannot be read are forgotten.
#[must_use]
pub fn read(stored: Option<&str>) -> Vec<Answered> {
    stored
        .and_then(|stored| serde_json::from_str(stored).ok())
        .unwrap_or_default()
}

/// The parameter with one more request: as many of the newest as fit, without those that can no longer be repeated.
/// Requests that left no other trace stay longest.
#[must_use]
pub fn with(stored: Option<&str>, answered: Answered, now: Timestamp) -> String {
    let mut requests = read(stored);
    // Of two deliveries of one request the slower one may begin after the faster one was answered.
    let earlier = requests
        .iter()
        .find(|request| request.id == answered.id && !request.is_begun() && answered.is_begun());
    let answered = earlier.cloned().unwrap_or(answered);
    requests.retain(|request| request.id != answered.id && elapsed(request.at, now) < REPEATED_FOR);
    requests.insert(0, answered);
    loop {
        let text = as_value(json!(requests).to_string());
        if text.len() <= MOST_BYTES || requests.len() <= 1 {
            return text;
        }
        let mut others = requests.iter().skip(1);
        let traced = others.rposition(|request| TRACED.contains(&request.outcome.as_str()));
        requests.remove(traced.map_or(requests.len().saturating_sub(1), |index| index.saturating_add(1)));
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
    fn a_late_begin_does_not_replace_an_answer() {
        let answer = request(1);
        let stored = with(None, answer.clone(), at(1));
        assert_eq!(
            read(Some(&with(Some(&stored), Answered::begun("r-1", at(2)), at(2)))),
            std::slice::from_ref(&answer)
        );
        let begun = with(None, Answered::begun("r-1", at(0)), at(0));
        assert_eq!(read(Some(&with(Some(&begun), answer.clone(), at(1)))), [answer]);
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
        let first = with(None, request(0), at(0));
        let kept_until = |second: i64| read(Some(&with(Some(&first), request(second), at(second)))).len();
        assert_eq!((kept_until(day - 1), kept_until(day)), (2, 1));
    }

    #[test]
    fn what_has_left_another_trace_is_forgotten_first() {
        let mut stored = with(None, request(0), at(0));
        for number in 1..200 {
            let id = format!("r-{number}");
            let written = if number % 2 == 0 {
                Answered::begun(&id, at(number))
            } else {
                Answered::new(&id, "held", &"until then ".repeat(20), at(number))
            };
            stored = with(Some(&stored), written, at(number));
            assert!(stored.len() <= MOST_BYTES, "{}", stored.len());
        }
        let kept = read(Some(&stored));
        assert_eq!(kept.first().unwrap().id, "r-199", "the newest");
        assert_eq!(
            kept.last(),
            Some(&request(0)),
            "the refused one, although it is the oldest"
        );
        assert!(kept.len() > 10 && kept.iter().any(Answered::is_begun) && !request(0).is_begun());
        let refused = with(Some(&stored), Answered::new("r-199", "refused", "", at(200)), at(200));
        assert_eq!(read(Some(&refused)).iter().filter(|kept| kept.id == "r-199").count(), 1);
    }
}
