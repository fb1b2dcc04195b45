//! A failover, by whomever, counts from the last sign of life of what it leaves: not later, or the runs in between are lost,
//! and not from after its death.

use bluegreen_core::color::Color;
use bluegreen_core::flag::{Origin, versions};
use bluegreen_core::policy::FailoverSemantics;
use bluegreen_core::settings::Settings;
use bluegreen_core::transition::TransitionRecord;
use bluegreen_core::transition_kind::Kind;

use super::failover::{WRONG, record_of};
use super::{Checked, Fact, Rule, history};
use crate::clock::{MINUTE, Milliseconds, SECOND, text};
use crate::world::World;

/// How a failover takes effect.
#[derive(Debug)]
pub struct BackDating {
    semantics: FailoverSemantics,
}

impl BackDating {
    /// For a pair with these settings.
    pub fn of(settings: &Settings) -> Self {
        Self {
            semantics: settings.policy.failover_semantics,
        }
    }
}

impl Rule for BackDating {
    fn happened(&mut self, world: &World, fact: &Fact, _now: Milliseconds) -> Checked {
        let Fact::Stored {
            name,
            version: Some(version),
            by,
        } = fact
        else {
            return Ok(());
        };
        if name != world.names.flag() {
            return Ok(());
        }
        let Some((record, _)) = record_of(world, version) else {
            return Ok(());
        };
        let Some(from) = record.from.filter(|_| record.kind == Kind::Failover) else {
            return Ok(());
        };
        let why = format!("{by} left {from}: {}", record.reason);
        is_before_its_death(world, from, &record, &why)?;
        if self.semantics == FailoverSemantics::AtLeastOnce {
            counts(world, &record, &why)?;
        }
        Ok(())
    }
}

/// The environment's last sign of life, as the record has it, is not from after its death: a run of the time in between
/// would be nobody's.
fn is_before_its_death(world: &World, from: Color, record: &TransitionRecord, why: &str) -> Checked {
    let (Some(healthy), Some(stopped)) = (record.last_known_healthy(), world.environments.of(from).dead_since()) else {
        return Ok(());
    };
    // A minute of the metric counts to its end.
    if healthy.as_millisecond() > stopped + MINUTE + WRONG {
        let what = format!(
            "its scheduler stopped {}, the record says {healthy}; {why}",
            text(stopped)
        );
        return Err(("last-sign-of-life-is-true", what));
    }
    Ok(())
}

/// It counts from the last sign of life that its record has (docs/concepts.md), or from the transition before it.
fn counts(world: &World, record: &TransitionRecord, why: &str) -> Checked {
    let history = history(world);
    let versions = versions(&history);
    let (Some(newest), Some(healthy)) = (versions.last(), record.last_known_healthy()) else {
        return Ok(());
    };
    // Whoever finishes a dead writer's claim counts by what it has seen itself.
    let is_finished_by_another = matches!(&newest.origin, Origin::Ours { finished_by, .. } if finished_by.is_some());
    if is_finished_by_another {
        return Ok(());
    }
    let before = versions.iter().rev().nth(1).map(|before| before.effective_from);
    let latest = healthy.max(before.unwrap_or(healthy));
    if newest.effective_from.as_millisecond() > latest.as_millisecond() + SECOND {
        let what = format!(
            "it last lived {healthy}, and the failover counts from {}; {why}",
            newest.effective_from
        );
        return Err(("a-failover-counts-from-the-last-sign-of-life", what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::timestamp;
    use crate::invariants::testing::{dead_blue, failover, settings, write_flag};

    /// The rule that a failover breaks whose last sign of life is so many minutes old.
    fn broken(world: &mut World, healthy: i64, mut change: Value, effect: i64) -> &'static str {
        let mut rule = BackDating::of(&settings(&[]));
        let healthy = timestamp(world.now() - healthy * MINUTE).to_string();
        change["evidence"] = json!({"last_known_healthy": healthy});
        let fact = failover(world, &change, effect, "blue is unhealthy");
        rule.happened(world, &fact, world.now())
            .map_or_else(|(rule, _)| rule, |()| "")
    }

    #[test]
    fn a_sign_of_life_after_the_death_is_found() {
        for (healthy, effect, expected) in [(10, -600, ""), (5, -300, "last-sign-of-life-is-true")] {
            assert_eq!(broken(&mut dead_blue(), healthy, json!({}), effect), expected);
        }
    }

    #[test]
    fn a_failover_that_leaves_the_dead_one_its_runs_is_found() {
        let late = "a-failover-counts-from-the-last-sign-of-life";
        for (function, reason) in [
            ("health-watcher", "blue is unhealthy"),
            ("switch-handler", "declared by a person: it does not work"),
        ] {
            let actor = json!({"function": function, "request_id": "r-1", "requested_by": null});
            let change = json!({"actor": actor, "reason": reason});
            for (effect, expected) in [(-600, ""), (0, late)] {
                assert_eq!(
                    broken(&mut dead_blue(), 10, change.clone(), effect),
                    expected,
                    "{function}"
                );
            }
        }
        // Nothing counts from before the transition before it.
        let mut world = dead_blue();
        write_flag(&mut world, "green", None, "a person");
        write_flag(&mut world, "blue", None, "a person");
        assert_eq!(broken(&mut world, 10, json!({}), 0), "");
        // A dead writer's claim has what that one saw.
        let (mut world, mut rule) = (dead_blue(), BackDating::of(&settings(&[])));
        let healthy = timestamp(world.now() - 10 * MINUTE).to_string();
        let change = json!({"evidence": {"last_known_healthy": healthy}});
        let finished = "claim of a dead writer finished by request r-2; blue is unhealthy";
        let fact = failover(&mut world, &change, 0, finished);
        assert_eq!(rule.happened(&world, &fact, world.now()), Ok(()));
    }
}
