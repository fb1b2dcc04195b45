//! What functions answer: one writer a transition, answers that are true, no error while nothing goes wrong, and no
//! request that Parameter Store does not take.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::policy::CLAIM_TIMEOUT;
use serde_json::Value;

use super::fact::text;
use super::{Checked, Fact, Rule, record_named};
use crate::clock::{MINUTE, Milliseconds, SECOND, in_milliseconds, text as date};
use crate::parameter_store::THROUGHPUT;
use crate::world::World;

/// An invocation lives 75 s, so an error may be of what went wrong so long ago.
const AFTERMATH: Milliseconds = 2 * MINUTE;

/// What was judged when an invocation began is answered at its end, and clocks are wrong by seconds.
const JUDGED: Milliseconds = 95 * SECOND;
/// In an answer that leaves a transition to the writer who claimed it.
const WAITS: &str = "claimed this transition";

/// Who made which transition.
#[derive(Debug, Default)]
pub struct Answers {
    /// Whose transition a record is: the id of the request that says so.
    winners: BTreeMap<String, String>,
    /// The records that versions of the flag name.
    written: BTreeSet<String>,
    /// When a transition was last claimed.
    claimed_at: Milliseconds,
}

impl Rule for Answers {
    fn look(&mut self, world: &World, now: Milliseconds) -> Checked {
        if let Some(refused) = world.store.refused.first() {
            return Err(("store-limits", format!("Parameter Store never takes: {refused}")));
        }
        let (busiest, requests) = world.store.busiest;
        if requests > THROUGHPUT && world.weather.fair_for(now) > AFTERMATH {
            let at = crate::clock::text(busiest * 1000);
            return Err(("store-limits", format!("{requests} requests within the second of {at}")));
        }
        Ok(())
    }

    fn happened(&mut self, world: &World, fact: &Fact, now: Milliseconds) -> Checked {
        match fact {
            Fact::Stored {
                name,
                version: Some(version),
                ..
            } if name == world.names.flag() => {
                self.written.extend(record_named(version));
                Ok(())
            }
            Fact::Stored {
                name,
                version: Some(version),
                ..
            } if is_claim(name) => {
                self.claimed_at = version.at;
                Ok(())
            }
            Fact::Ended {
                process,
                request_id,
                answer: Ok(answer),
            } => {
                self.waited(process, answer, now)?;
                // A tick's answer has no outcome; it names the transition that it made.
                let is_winner = matches!(text(answer, "/outcome"), "switched" | "drill_canceled" | "");
                let record = text(answer, "/transition");
                if !is_winner || record.is_empty() {
                    return Ok(());
                }
                self.made(process, request_id, record)
            }
            Fact::Ended {
                process,
                answer: Err(error),
                ..
            } => {
                // The other delivery of this request was killed in the middle of it: Lambda asks again.
                let is_for_another = error.contains("carrying out this request, which was delivered before");
                let is_expected = error.starts_with("Lost") || error.starts_with("InvalidRequest") || is_for_another;
                if !is_expected && world.weather.fair_for(now) > AFTERMATH {
                    return Err(("no-error-in-fair-weather", format!("{process}: {error}")));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Whether a parameter of this name is a claim, and no outcome of a drill.
fn is_claim(name: &str) -> bool {
    let record = name.rsplit_once("/transitions/").map_or("", |(_, record)| record);
    !record.is_empty() && record.matches('-').count() == 1
}

impl Answers {
    /// A claim that its writer abandoned must not hinder anybody for longer than it may.
    fn waited(&self, process: &str, answer: &Value, now: Milliseconds) -> Checked {
        let may_hinder = in_milliseconds(CLAIM_TIMEOUT) + JUDGED;
        if now - self.claimed_at > may_hinder && answer.to_string().contains(WAITS) {
            let last = date(self.claimed_at);
            let what =
                format!("the last claim is of {last}, and {process} leaves the transition to its writer: {answer}");
            return Err(("an-abandoned-claim-hinders-nobody", what));
        }
        Ok(())
    }

    fn made(&mut self, process: &str, request_id: &str, record: &str) -> Checked {
        if !self.written.contains(record) {
            let what =
                format!("{process} ({request_id}) says that it made {record}, which no version of the flag names");
            return Err(("answers-are-true", what));
        }
        let winner = self
            .winners
            .entry(record.to_owned())
            .or_insert_with(|| request_id.to_owned());
        if winner != request_id {
            let what = format!("{process} ({request_id}) and {winner} both say that they made transition {record}");
            return Err(("one-transition-one-writer", what));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::testing::{described, ended, record, world, write, write_flag};
    use crate::weather::{Burst, Fault, Service};

    #[test]
    fn two_winners_of_one_transition_are_found() {
        let (mut world, mut rule) = (world(), Answers::default());
        write_flag(&mut world, "blue", None, "the stack");
        let record = record(&world);
        let answer = |id: &str| {
            ended(
                "switch-handler#1",
                id,
                Ok(json!({"outcome": "switched", "transition": record})),
            )
        };
        assert_eq!(
            rule.happened(&world, &answer("r-1"), 0).unwrap_err().0,
            "answers-are-true"
        );
        let description = described(&world, "switch", "wanted", 10);
        let fact = write_flag(&mut world, "green", Some(&description), "switch-handler#1");
        assert_eq!(rule.happened(&world, &fact, 0), Ok(()));
        assert_eq!(rule.happened(&world, &answer("r-1"), 0), Ok(()));
        assert_eq!(
            rule.happened(&world, &answer("r-1"), 0),
            Ok(()),
            "the same request, delivered twice"
        );
        let tick = ended(
            "health-watcher#1",
            "r-2",
            Ok(json!({"decision": "failover", "transition": record})),
        );
        assert_eq!(
            rule.happened(&world, &tick, 0).unwrap_err().0,
            "one-transition-one-writer"
        );
        let conflict = ended(
            "switch-handler#2",
            "r-3",
            Ok(json!({"outcome": "conflict", "transition": record})),
        );
        assert_eq!(rule.happened(&world, &conflict, 0), Ok(()));
    }

    #[test]
    fn a_claim_that_hinders_for_ever_is_found() {
        let (mut world, mut rule) = (world(), Answers::default());
        write_flag(&mut world, "blue", None, "the stack");
        let name = world.names.transition(&record(&world));
        let claimed = write(&mut world, &name, "{}", None, "switch-handler#1");
        let now = world.now();
        let waits = || {
            let reason = "switch-handler#1 claimed this transition 70 s ago and has not finished";
            ended(
                "switch-handler#2",
                "r-2",
                Ok(json!({"outcome": "conflict", "reason": reason})),
            )
        };
        assert_eq!(rule.happened(&world, &claimed, now), Ok(()));
        assert_eq!(rule.happened(&world, &waits(), now + 170 * SECOND), Ok(()));
        let found = rule.happened(&world, &waits(), now + 180 * SECOND);
        assert_eq!(found.unwrap_err().0, "an-abandoned-claim-hinders-nobody");
        // The outcome of a drill, beside its record, is no claim.
        let outcome = write(&mut world, &format!("{name}-outcome-r-1"), "{}", None, "x");
        assert_eq!(rule.happened(&world, &outcome, now + 170 * SECOND), Ok(()));
        assert!(rule.happened(&world, &waits(), now + 180 * SECOND).is_err());
    }

    #[test]
    fn an_error_in_fair_weather_is_found() {
        let (mut world, mut rule) = (world(), Answers::default());
        let error = |error| ended("health-watcher#1", "r-1", Err(error));
        let now = world.now();
        let found = |checked: Checked| checked.is_err();
        assert!(found(rule.happened(&world, &error("FlagUnreadable: throttled"), now)));
        assert!(found(rule.happened(&world, &error("TimedOut: no answer"), now)));
        assert!(!found(rule.happened(&world, &error("Lost: killed"), now)));
        let burst = Burst {
            service: Service::Sns,
            color: None,
            operation: None,
            fault: Fault::Denied,
            seconds: 60,
            percent: 100,
        };
        world.weather.begin(burst, 1, now);
        assert!(!found(rule.happened(
            &world,
            &error("FlagUnreadable: throttled"),
            now + 170_000
        )));
        assert!(found(rule.happened(
            &world,
            &error("FlagUnreadable: throttled"),
            now + 190_000
        )));
    }

    #[test]
    fn what_parameter_store_does_not_take_is_found() {
        let (mut world, mut rule) = (world(), Answers::default());
        let now = world.now();
        assert_eq!(rule.look(&world, now), Ok(()));
        let get = json!({"Names": ["/a"]});
        for _ in 0..=THROUGHPUT {
            let _answer = world.store.call("GetParameters", &get, "us", now, 0);
        }
        assert_eq!(rule.look(&world, now).unwrap_err().0, "store-limits");
        let mut world = crate::invariants::testing::world();
        let put = json!({"Name": "/a", "Value": "x".repeat(4097), "Type": "String"});
        let _answer = world.store.call("PutParameter", &put, "us", now, 0);
        assert_eq!(rule.look(&world, now).unwrap_err().0, "store-limits");
    }
}
