//! The hold of a rollout: its name, how long it lasts, and whose a hold is.

use std::fmt;
use std::time::Duration;

use bluegreen_core::color::Color;
use bluegreen_core::hold::HoldState;
use bluegreen_core::time::elapsed;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::observed::{Goal, Health, HoldSeen};

/// How long a rollout's hold lasts. It is placed again while the command runs; of one that died, failovers are automatic
/// again after this time at the latest.
pub const HOLD_MINUTES: u64 = 240;

/// A hold with less than this left is placed again.
pub const HOLD_RENEWED_BELOW_MINUTES: u64 = 120;

/// The name of a rollout: a hash of what it brings. Whoever has the same files has the same rollout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RolloutId(String);

impl RolloutId {
    /// The id of what a rollout brings; the parts are named, so that their order does not matter.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut parts: Vec<_> = parts.into_iter().collect();
        parts.sort_unstable();
        let mut hash = Sha256::new();
        for (name, value) in parts {
            for text in [name, value] {
                // With their lengths, so that no two lists of parts are the same bytes.
                hash.update(text.len().to_string());
                hash.update(":");
                hash.update(text);
            }
        }
        let first = hash
            .finalize()
            .iter()
            .take(4)
            .fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
        Self(format!("{first:08x}"))
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The reason of a rollout's hold, such as `rollout 3f2a9c41 (before: blue, stacks and DAGs)`. It says which color has the
/// configuration from before, and what changes: an abort could not tell once `pair.toml` has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldReason {
    /// The rollout's id.
    pub id: String,
    /// Its direction.
    pub goal: Goal,
    /// Where the configuration from before the rollout is.
    pub before: Option<Before>,
}

/// Where the configuration from before a rollout is, and what the rollout changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Before {
    /// The color that has it until the end.
    pub color: Color,
    /// Whether stacks change.
    pub stacks: bool,
    /// Whether DAG files change.
    pub dags: bool,
}

impl Before {
    fn read(text: &str) -> Option<Self> {
        let (color, changes) = text.split_once(", ")?;
        Some(Self {
            color: Color::parse(color)?,
            stacks: changes.contains("stacks"),
            dags: changes.contains("DAGs"),
        })
    }
}

impl fmt::Display for Before {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = match (self.stacks, self.dags) {
            (true, true) => "stacks and DAGs",
            (true, false) => "stacks",
            (false, _) => "DAGs",
        };
        write!(formatter, "{}, {changes}", self.color)
    }
}

impl HoldReason {
    /// Reads the reason of a hold; anything else than a rollout's is none.
    #[must_use]
    pub fn read(reason: &str) -> Option<Self> {
        let mut words = reason.strip_prefix("rollout ")?.split_whitespace();
        let id = words.next()?;
        let is_id = !id.is_empty() && id.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase());
        if !is_id {
            return None;
        }
        let goal = match words.next() {
            Some("abort") => Goal::Abort,
            _ => Goal::Forward,
        };
        let before = reason
            .split_once("(before: ")
            .and_then(|(_, rest)| rest.split_once(')'))
            .and_then(|(before, _)| Before::read(before));
        Some(Self {
            id: id.to_owned(),
            goal,
            before,
        })
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "rollout {}", self.id)?;
        if self.goal == Goal::Abort {
            formatter.write_str(" abort")?;
        }
        match self.before {
            Some(before) => write!(formatter, " (before: {before})"),
            None => Ok(()),
        }
    }
}

/// Whose the hold is. `seen_until` is the end of this rollout's hold as this run of the command saw it last.
#[must_use]
pub fn classify(
    hold: &HoldState,
    id: &RolloutId,
    goal: Goal,
    seen_until: Option<Timestamp>,
    now: Timestamp,
) -> HoldSeen {
    let hold = match hold {
        HoldState::None => {
            return match seen_until {
                // One that ended in its time, while this machine slept, was not ended by a person.
                Some(until) if until > now => HoldSeen::Released,
                _ => HoldSeen::None,
            };
        }
        HoldState::Invalid(text) => return HoldSeen::Foreign { words: text.clone() },
        HoldState::Active(hold) => hold,
    };
    let words = format!("until {} by {}: {}", hold.until, hold.by, hold.reason);
    match HoldReason::read(&hold.reason) {
        None => HoldSeen::Foreign { words },
        // An abort that was begun under another pair.toml is the same abort: it goes to where the pair was.
        Some(reason) if reason.goal == goal && (goal == Goal::Abort || reason.id == id.to_string()) => HoldSeen::Ours {
            ends_soon: elapsed(now, hold.until) < Duration::from_secs(HOLD_RENEWED_BELOW_MINUTES.saturating_mul(60)),
        },
        Some(reason) => HoldSeen::OfRollout { id: reason.id, words },
    }
}

/// What to do about the hold while something else takes its time: a question to a person, an update, DAG files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    /// Nothing.
    Nothing,
    /// Place it again, with a later end.
    Extend,
    /// End it: the active does not work, and a failover waits for nobody.
    Release,
}

/// Only a hold that still is this rollout's is written, and it is placed again only while the active is healthy.
#[must_use]
pub const fn meanwhile(hold: &HoldSeen, active: &Health) -> Meanwhile {
    match (hold, active) {
        (HoldSeen::Ours { .. }, Health::Failed(_)) => Meanwhile::Release,
        (HoldSeen::Ours { ends_soon: true }, Health::Healthy) => Meanwhile::Extend,
        _ => Meanwhile::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::hold::Hold;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_000_000_i64.saturating_add(minute.saturating_mul(60))).unwrap()
    }

    fn hold(reason: &str, minutes: i64) -> HoldState {
        HoldState::Active(Hold {
            until: at(minutes),
            reason: reason.to_owned(),
            by: "ana".to_owned(),
        })
    }

    #[test]
    fn the_same_parts_in_any_order_have_one_id_and_no_others_have_it() {
        let id = |parts: &[(&str, &str)]| RolloutId::of(parts.iter().copied());
        assert_eq!(id(&[("a", "1"), ("b", "2")]), id(&[("b", "2"), ("a", "1")]));
        let others: [&[(&str, &str)]; 4] = [
            &[("a", "1"), ("b", "3")],
            &[("a", "1b2")],
            &[("a1", ""), ("b", "2")],
            &[("a", "1"), ("b", "2"), ("", "")],
        ];
        for other in others {
            assert_ne!(id(&[("a", "1"), ("b", "2")]), id(other), "{other:?}");
        }
        assert_eq!(id(&[]).to_string().len(), 8);
    }

    #[test]
    fn a_reason_is_read_as_it_was_written() {
        for goal in [Goal::Forward, Goal::Abort] {
            let of = |color, stacks, dags| Some(Before { color, stacks, dags });
            for before in [
                None,
                of(Color::Blue, true, false),
                of(Color::Green, false, true),
                of(Color::Green, true, true),
            ] {
                let reason = HoldReason {
                    id: "3f2a9c41".to_owned(),
                    goal,
                    before,
                };
                assert_eq!(HoldReason::read(&reason.to_string()), Some(reason));
            }
        }
        for other in [
            "",
            "rollout",
            "rollout ",
            "rollout of the new DAGs",
            "Rollout 3f2a9c41",
            "network rollout 3f2a9c41",
        ] {
            assert_eq!(HoldReason::read(other), None, "{other}");
        }
    }

    #[test]
    fn while_something_takes_its_time_the_hold_never_stands_in_the_way_of_a_failover() {
        let why = String::new;
        let ours = |ends_soon| HoldSeen::Ours { ends_soon };
        let failed = Health::Failed(why());
        for ends_soon in [false, true] {
            assert_eq!(meanwhile(&ours(ends_soon), &failed), Meanwhile::Release);
        }
        assert_eq!(meanwhile(&ours(true), &Health::Healthy), Meanwhile::Extend);
        assert_eq!(meanwhile(&ours(false), &Health::Healthy), Meanwhile::Nothing);
        assert_eq!(meanwhile(&ours(true), &Health::Unclear(why())), Meanwhile::Nothing);
        for others in [
            HoldSeen::None,
            HoldSeen::Released,
            HoldSeen::Foreign { words: why() },
            HoldSeen::OfRollout {
                id: why(),
                words: why(),
            },
        ] {
            for health in [&Health::Healthy, &failed] {
                assert_eq!(meanwhile(&others, health), Meanwhile::Nothing);
            }
        }
    }

    #[test]
    fn whose_a_hold_is() {
        let id = RolloutId::of([("a", "1")]);
        let other = RolloutId::of([("a", "2")]);
        let forward = |hold: &HoldState, seen: Option<i64>| classify(hold, &id, Goal::Forward, seen.map(at), at(0));
        assert_eq!(forward(&HoldState::None, None), HoldSeen::None);
        assert_eq!(forward(&HoldState::None, Some(1)), HoldSeen::Released);
        assert_eq!(forward(&HoldState::None, Some(0)), HoldSeen::None, "it ran out");
        for (minutes, ends_soon) in [(119, true), (120, false)] {
            assert_eq!(
                forward(&hold(&format!("rollout {id} (before: blue, stacks)"), minutes), None),
                HoldSeen::Ours { ends_soon }
            );
        }
        for reason in [format!("rollout {other}"), format!("rollout {id} abort")] {
            assert!(
                matches!(forward(&hold(&reason, 9), None), HoldSeen::OfRollout { .. }),
                "{reason}"
            );
        }
        for foreign in [hold("network maintenance", 9), HoldState::Invalid("yes".to_owned())] {
            assert!(matches!(forward(&foreign, None), HoldSeen::Foreign { .. }));
        }
        let abort = |reason: String| classify(&hold(&reason, 200), &id, Goal::Abort, None, at(0));
        for reason in [
            format!("rollout {id} abort"),
            format!("rollout {other} abort (before: green, DAGs)"),
        ] {
            assert_eq!(abort(reason), HoldSeen::Ours { ends_soon: false });
        }
        assert!(matches!(abort(format!("rollout {id}")), HoldSeen::OfRollout { .. }));
    }
}
