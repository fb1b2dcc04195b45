//! Who ends a drill while its color is active.
//!
//! A return excludes whatever leaves the color active: a person who keeps it, a hold, or an original color that cannot
//! take over. The end's record is create-only, and whoever creates it has decided.
//!
//! The decision that the color stays is final. The decision to return lasts for as long as its writer may live. After
//! that, any writer may create the next record, with the next number.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::record::LONGEST_REASON;
use crate::claim::StoredClaim;
use crate::policy::CLAIM_TIMEOUT;
use crate::text::as_value;
use crate::text::shortened;
use crate::time::{after, to_milliseconds};

/// How many end records a drill may have; one GetParameters call reads them all.
pub const MAX_ENDS: usize = 10;

/// The two ways in which a drill can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The flag is written back to the color before the drill.
    Return,
    /// The drilled color stays active.
    Stay,
}

/// The record that claims an end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EndClaim {
    /// Version of this format.
    pub schema: u32,
    /// The end that was decided.
    pub end: End,
    /// Identifies one run of a function: a request that is delivered twice has two.
    pub by: String,
    /// When the end was decided.
    pub decided_at: Timestamp,
    /// Why the drill ends.
    pub reason: String,
}

impl EndClaim {
    /// The current format.
    pub const SCHEMA: u32 = 1;

    /// The end that the run `by` wants.
    #[must_use]
    pub fn new(end: End, by: &str, reason: &str, now: Timestamp) -> Self {
        Self {
            schema: Self::SCHEMA,
            end,
            by: by.to_owned(),
            decided_at: to_milliseconds(now),
            reason: shortened(reason, LONGEST_REASON),
        }
    }

    /// The stored form of the record.
    #[must_use]
    pub fn to_stored(&self) -> String {
        as_value(json!(self).to_string())
    }

    /// Reads a stored record.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// Names of a drill's end records, in order, from the name of the record of its way out.
#[must_use]
pub fn end_records(way_out: &str) -> Vec<String> {
    (1..=MAX_ENDS)
        .map(|number| format!("{way_out}-outcome-end-{number}"))
        .collect()
}

/// Which run may decide how the drill ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use]
pub enum Turn {
    /// The run that creates the record of this number, counted from 0, decides.
    Open(usize),
    /// This run has decided it.
    Ours,
    /// It is decided that the color stays, for this reason.
    Stays(String),
    /// Another run is writing the flag back. At this instant its claim counts as abandoned.
    Returning(Timestamp),
    /// So many returns were claimed and never written that no further one is attempted.
    GivenUp,
}

/// Evaluates the records found, in order, for the run `by`, which wants this end.
pub fn turn(found: &[Option<StoredClaim>], end: End, by: &str, now: Timestamp) -> Turn {
    let newest = found
        .iter()
        .enumerate()
        .rev()
        .find_map(|(number, stored)| Some((number, stored.as_ref()?)));
    let Some((number, stored)) = newest else {
        return Turn::Open(0);
    };
    let ends_at = after(stored.modified, CLAIM_TIMEOUT);
    match EndClaim::from_stored(&stored.value) {
        Some(claim) if claim.end == End::Stay => Turn::Stays(claim.reason),
        Some(claim) if end == End::Return && claim.by == by => Turn::Ours,
        // A record that cannot be read may be a return.
        Some(_) | None if now < ends_at => Turn::Returning(ends_at),
        Some(_) | None => {
            let next = number.saturating_add(1);
            // The last record is reserved for giving up.
            let last = MAX_ENDS.saturating_sub(usize::from(end == End::Return));
            if next < last { Turn::Open(next) } else { Turn::GivenUp }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[expect(clippy::unnecessary_wraps, reason = "as it is found")]
    fn stored(end: End, by: &str, second: i64) -> Option<StoredClaim> {
        Some(StoredClaim {
            value: EndClaim::new(end, by, "why", at(second)).to_stored(),
            modified: at(second),
        })
    }

    #[test]
    fn the_first_to_decide_has_decided() {
        for end in [End::Return, End::Stay] {
            assert_eq!(turn(&[], end, "us", at(0)), Turn::Open(0));
            assert_eq!(turn(&[None, None], end, "us", at(0)), Turn::Open(0));
            let stays = [stored(End::Stay, "ana", 0)];
            assert_eq!(turn(&stays, end, "us", at(9000)), Turn::Stays("why".into()), "for good");
            let returning = [stored(End::Return, "tick", 0)];
            assert_eq!(turn(&returning, end, "us", at(79)), Turn::Returning(at(80)));
            assert_eq!(turn(&returning, end, "us", at(80)), Turn::Open(1), "its writer is dead");
        }
    }

    #[test]
    fn who_decided_to_return_goes_on_and_does_not_change_its_mind_while_its_write_may_be_under_way() {
        let ours = [stored(End::Return, "us", 0)];
        assert_eq!(turn(&ours, End::Return, "us", at(70)), Turn::Ours);
        assert_eq!(turn(&ours, End::Stay, "us", at(70)), Turn::Returning(at(80)));
    }

    #[test]
    fn what_cannot_be_read_may_be_a_return() {
        let garbage = [Some(StoredClaim {
            value: "yes".into(),
            modified: at(0),
        })];
        assert_eq!(turn(&garbage, End::Stay, "us", at(10)), Turn::Returning(at(80)));
        assert_eq!(turn(&garbage, End::Stay, "us", at(80)), Turn::Open(1));
    }

    #[test]
    fn the_newest_counts_and_the_last_is_for_giving_up() {
        let two = [stored(End::Return, "dead", 0), stored(End::Return, "tick", 100), None];
        assert_eq!(turn(&two, End::Stay, "us", at(110)), Turn::Returning(at(180)));
        let mut all: Vec<_> = (0..9).map(|number| stored(End::Return, "dead", number)).collect();
        assert_eq!(turn(&all, End::Return, "us", at(9000)), Turn::GivenUp);
        assert_eq!(turn(&all, End::Stay, "us", at(9000)), Turn::Open(9));
        all.push(stored(End::Stay, "us", 9000));
        assert_eq!(turn(&all, End::Return, "us", at(9100)), Turn::Stays("why".into()));
        assert_eq!(end_records("v13-1").len(), MAX_ENDS);
        assert_eq!(end_records("v13-1").first().unwrap(), "v13-1-outcome-end-1");
    }

    #[test]
    fn whatever_the_reason_it_fits_and_refers_to_nothing() {
        let claim = EndClaim::new(End::Stay, "us", &"{{\u{1f4a5}".repeat(900), at(0));
        let stored = claim.to_stored();
        assert!(stored.len() <= 4096 && !stored.contains("{{"), "{stored}");
        assert_eq!(EndClaim::from_stored(&stored), Some(claim));
    }
}
