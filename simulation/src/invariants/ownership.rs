//! One color is in force at every instant.

use bluegreen_core::flag::{Origin, Version, versions};
use bluegreen_core::ownership::owner;
use bluegreen_core::policy::FailoverSemantics;
use bluegreen_core::settings::Settings;
use bluegreen_core::transition_kind::Kind;
use jiff::Timestamp;

use super::{Checked, Fact, Rule, history};
use crate::clock::{Milliseconds, SECOND, text, timestamp};
use crate::world::World;

/// Readers accept an effect so long after a version's write (DESIGN: ownership).
const LATEST: Milliseconds = 60 * SECOND;
/// How early a planned transition may count before its write. With no lead it counts from the decision: one slow request
/// (9 s) and a wrong clock (8 s) lie in between; a later write moves the instant.
const EARLY: Milliseconds = 20 * SECOND;

/// The flag's history gives every instant one owner, and only a failure changes the past.
#[derive(Debug)]
pub struct Ownership {
    semantics: FailoverSemantics,
}

impl Ownership {
    /// For a pair with these settings.
    pub fn of(settings: &Settings) -> Self {
        Self {
            semantics: settings.policy.failover_semantics,
        }
    }
}

impl Rule for Ownership {
    fn happened(&mut self, world: &World, fact: &Fact, _now: Milliseconds) -> Checked {
        let Fact::Stored {
            name,
            version: Some(written),
            ..
        } = fact
        else {
            return Ok(());
        };
        if name != world.names.flag() {
            return Ok(());
        }
        let history = history(world);
        let versions = versions(&history);
        ordered(&versions)?;
        let Some(newest) = versions.last() else { return Ok(()) };
        let Some(color) = newest.entry.value.color() else {
            return Ok(());
        };
        // Once it must have taken effect, it is in force, whatever its writer's clock said.
        let by_then = timestamp(written.at + LATEST);
        let in_force = owner(&history, by_then).and_then(|owner| owner.value.color());
        if in_force != Some(color) {
            let what = format!(
                "version {} holds {color}, but {in_force:?} owns {by_then}",
                written.number
            );
            return Err(("one-color-in-force", what));
        }
        self.past_is_kept(newest)
    }
}

impl Ownership {
    /// Only what follows from a failure is back-dated.
    fn past_is_kept(&self, newest: &Version) -> Checked {
        let Origin::Ours { kind, .. } = &newest.origin else {
            return Ok(());
        };
        let is_of_failure = match kind {
            Kind::Failover => self.semantics == FailoverSemantics::AtLeastOnce,
            // A drill whose color failed returns like a failover.
            Kind::DrillReturn => self.semantics == FailoverSemantics::AtLeastOnce && says_failed(newest),
            // The repair of a broken flag counts from when it was broken, see docs/features/flag-repair.md.
            _ => false,
        };
        let early = millis(newest.entry.modified) - millis(newest.effective_from);
        if early > EARLY && !is_of_failure {
            let what = format!(
                "{kind} of version {} counts from {}, {} s before its write: runs of that time had another owner",
                newest.entry.version,
                text(millis(newest.effective_from)),
                early / SECOND
            );
            return Err(("planned-never-back-dated", what));
        }
        Ok(())
    }
}

fn says_failed(version: &Version) -> bool {
    let description = version.entry.description.as_deref().unwrap_or_default();
    description.contains("drill failed")
}

fn millis(at: Timestamp) -> Milliseconds {
    at.as_millisecond()
}

/// Effects never go backward, and never lie later than readers accept.
fn ordered(versions: &[Version]) -> Checked {
    for (before, after) in versions.iter().zip(versions.iter().skip(1)) {
        if after.effective_from < before.effective_from {
            let what = format!(
                "version {} counts from {}, version {} before it from {}",
                after.entry.version, after.effective_from, before.entry.version, before.effective_from
            );
            return Err(("effects-in-order", what));
        }
    }
    let late = |version: &&Version| millis(version.effective_from) - millis(version.entry.modified) > LATEST;
    // Not the ones behind a later effect: they count from that one's instant, see the clamps.
    if let Some(version) = versions.first().filter(late) {
        let what = format!(
            "version {} counts from {}",
            version.entry.version, version.effective_from
        );
        return Err(("effects-in-order", what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bluegreen_core::flag::{FlagValue, FlagVersion, HistoryEntry};

    use super::*;
    use crate::invariants::testing::{described, settings, world, write_flag};

    #[test]
    fn a_planned_switch_that_changes_the_past_is_found() {
        let (mut world, mut rule) = (world(), Ownership::of(&settings(&[])));
        let fact = write_flag(&mut world, "blue", None, "the stack");
        assert_eq!(rule.happened(&world, &fact, 0), Ok(()));
        let lead = described(&world, "switch", "wanted", 10);
        let fact = write_flag(&mut world, "green", Some(&lead), "switch-handler#1");
        assert_eq!(rule.happened(&world, &fact, 0), Ok(()));
        world.pass(600);
        for (kind, is_broken) in [("switch", true), ("rollback", true), ("failover", false)] {
            let early = described(&world, kind, "wanted", -120);
            let fact = write_flag(&mut world, "blue", Some(&early), "switch-handler#1");
            let checked = rule.happened(&world, &fact, 0);
            assert_eq!(checked.is_err(), is_broken, "{kind}: {checked:?}");
            world.pass(600);
        }
        let mut rule = Ownership::of(&settings(&[("FAILOVER_SEMANTICS", "at-most-once")]));
        let early = described(&world, "failover", "blue is unhealthy", -120);
        let fact = write_flag(&mut world, "green", Some(&early), "health-watcher#1");
        assert_eq!(
            rule.happened(&world, &fact, 0).unwrap_err().0,
            "planned-never-back-dated"
        );
    }

    #[test]
    fn a_drill_that_failed_returns_back_dated_and_no_other() {
        let mut rule = Ownership::of(&settings(&[]));
        for (sentence, is_broken) in [
            ("drill failed: green is unhealthy", false),
            ("drill succeeded: in time", true),
        ] {
            let mut world = world();
            write_flag(&mut world, "green", None, "the stack");
            world.pass(600);
            let early = described(&world, "drill-return", sentence, -120);
            let fact = write_flag(&mut world, "blue", Some(&early), "health-watcher#1");
            assert_eq!(rule.happened(&world, &fact, 0).is_err(), is_broken, "{sentence}");
        }
    }

    #[test]
    fn effects_out_of_order_are_found() {
        let version = |number: u64, modified: i64, effective_from: i64| Version {
            entry: HistoryEntry {
                value: FlagValue::read("blue"),
                version: FlagVersion(number),
                modified: timestamp(modified * SECOND),
                author: None,
                description: None,
            },
            origin: Origin::External,
            effective_from: timestamp(effective_from * SECOND),
        };
        assert_eq!(ordered(&[version(1, 100, 100), version(2, 200, 100)]), Ok(()));
        let backward = ordered(&[version(1, 100, 100), version(2, 200, 99)]);
        assert_eq!(backward.unwrap_err().0, "effects-in-order");
        assert_eq!(ordered(&[version(1, 100, 160)]), Ok(()));
        assert_eq!(ordered(&[version(1, 100, 161)]).unwrap_err().0, "effects-in-order");
    }
}
