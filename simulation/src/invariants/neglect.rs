//! A dead active is left within the bound, unless a named precondition objects, and then people know of it.

use bluegreen_core::alert_dedup::UNKNOWN_ALERT_DELAY;
use bluegreen_core::color::Color;
use bluegreen_core::policy::{Mode, Policy};
use bluegreen_core::settings::Settings;
use serde_json::Value;

use super::fact::text;
use super::failover::{TICK, is_held};
use super::{Checked, Fact, Rule, standing};
use crate::clock::{MINUTE, Milliseconds, SECOND, in_milliseconds};
use crate::environment::Environment;
use crate::weather::Service;
use crate::world::World;

/// The least window: the heartbeat alone must be missing for 300 s (docs/concepts.md).
const LEAST_WINDOW: Milliseconds = 300 * SECOND;
/// Beyond the window: a tick a minute, the cooldown's rest comes on top where it objects.
const BEYOND: Milliseconds = 10 * MINUTE;

/// What the watcher last said.
#[derive(Debug, Clone)]
struct Ticked {
    at: Milliseconds,
    decision: String,
    blocked_by: Vec<String>,
}

/// Since when the active is dead, and what was done and said.
#[derive(Debug)]
pub struct Neglect {
    policy: Policy,
    /// Since when the active is truly dead, ticks come, and nothing goes wrong with requests but for those to its Airflow,
    /// whose silence does not delay a failover for longer than the bound.
    dead_since: Option<(Color, Milliseconds)>,
    /// Since when, at least, the watcher can say so: its own services work, whatever the environment's answer.
    sayable_since: Option<(Color, Milliseconds)>,
    /// Since when, besides, the other one works.
    clear_since: Option<Milliseconds>,
    ticked: Option<Ticked>,
    /// The newest event that says of this flag version that a failover is blocked, or that the active is unknown.
    said_of: Option<String>,
    /// When a hold was last truly in force.
    held_at: Option<Milliseconds>,
}

impl Neglect {
    /// For a pair with these settings.
    pub fn of(settings: &Settings) -> Self {
        Self {
            policy: settings.policy.clone(),
            dead_since: None,
            sayable_since: None,
            clear_since: None,
            ticked: None,
            said_of: None,
            held_at: None,
        }
    }

    fn bound(&self) -> Milliseconds {
        let window = in_milliseconds(self.policy.failure_window);
        window.max(LEAST_WINDOW) + BEYOND
    }
}

fn is_dead(environment: &Environment) -> bool {
    let is_stopped = environment.dead_since().is_some() && environment.status == Some("AVAILABLE");
    is_stopped || environment.status == Some("UNAVAILABLE")
}

fn is_clear(environment: &Environment, now: Milliseconds) -> bool {
    environment.works()
        && environment.web_is_up
        && environment.alarm.is_none()
        && environment.status == Some("AVAILABLE")
        && now - environment.started_at > 5 * MINUTE
        && now - environment.status_since > 5 * MINUTE
}

impl Rule for Neglect {
    fn look(&mut self, world: &World, now: Milliseconds) -> Checked {
        if is_held(world, now) {
            self.held_at = Some(now);
        }
        let ticks_come = self.ticked.as_ref().is_some_and(|ticked| now - ticked.at < 3 * MINUTE);
        let active = world
            .active()
            .filter(|active| ticks_come && is_dead(world.environments.of(*active)));
        let since = |before: Option<(Color, Milliseconds)>, is_fair: bool| {
            let active = active.filter(|_| is_fair)?;
            Some(before.filter(|(color, _)| *color == active).unwrap_or((active, now)))
        };
        let weather = &world.weather;
        let fair_for = weather.fair_but_for(|service, of| service == Service::Airflow && of == active, now);
        self.dead_since = since(self.dead_since, fair_for > 5 * MINUTE);
        let are_asked = [Service::Airflow, Service::Mwaa, Service::CloudWatch];
        let sayable_for = weather.fair_but_for(|service, _| are_asked.contains(&service), now);
        self.sayable_since = since(self.sayable_since, sayable_for > 5 * MINUTE);
        self.people_know(world, now)?;
        let Some((active, since)) = self.dead_since else {
            self.clear_since = None;
            return Ok(());
        };
        self.clear_since =
            is_clear(world.environments.of(active.other()), now).then(|| self.clear_since.unwrap_or(now));
        if now - since <= self.bound() {
            return Ok(());
        }
        let Some(ticked) = self.ticked.clone() else {
            return Ok(());
        };
        if self.clear_since.is_some_and(|clear| now - clear > self.bound()) {
            self.excused(world, &ticked).map_err(|why| {
                let what = format!(
                    "{active} is dead, nothing has gone wrong with requests for {} s, {} works, and {active} is still \
                     active: {why}",
                    (now - since) / SECOND,
                    active.other()
                );
                ("dead-active-left", what)
            })?;
        }
        Ok(())
    }

    fn happened(&mut self, world: &World, fact: &Fact, now: Milliseconds) -> Checked {
        match fact {
            Fact::Published(event)
                if matches!(text(event, "/detail-type"), "Failover Blocked" | "Environment Unknown") =>
            {
                let id = text(event, "/detail/id");
                // A late event of an earlier version takes nothing back.
                let said = standing(world).filter(|label| id.contains(&format!(":{label}:")));
                self.said_of = said.or(self.said_of.take());
            }
            Fact::Ended { answer: Ok(answer), .. }
                if answer.get("decision").is_some()
                    && answer.get("verdicts").is_some()
                    && answer.get("probes").is_some() =>
            {
                let blocked_by = answer
                    .get("blocked_by")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                self.ticked = Some(Ticked {
                    at: now,
                    decision: text(answer, "/decision").to_owned(),
                    blocked_by: blocked_by.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                });
            }
            _ => {}
        }
        Ok(())
    }
}

impl Neglect {
    /// Whether people were notified in time of a dead active.
    fn people_know(&self, world: &World, now: Milliseconds) -> Checked {
        // What cannot be read is said later than what is known to be bad.
        let unread = in_milliseconds(UNKNOWN_ALERT_DELAY);
        let found = [
            (self.dead_since, self.bound()),
            (self.sayable_since, self.bound() + unread),
        ];
        let late = found.into_iter().find_map(|(since, bound)| {
            let (active, since) = since.filter(|(_, since)| now - since > bound)?;
            Some((active, since, bound))
        });
        let Some((active, since, bound)) = late else {
            return Ok(());
        };
        let is_said = self.said_of.is_some() && self.said_of == standing(world);
        // What is said names the version, so it is said anew of one that somebody writes meanwhile.
        let flag_at = world.store.truth(world.names.flag()).map_or(since, |flag| flag.at);
        if is_said || now - flag_at <= bound {
            return Ok(());
        }
        let what = format!(
            "{active} is dead, nothing has gone wrong with what the watcher writes to for {} s, {active} is still active, \
             and nobody was notified; the watcher says {:?}",
            (now - since) / SECOND,
            self.ticked
        );
        Err(("people-know-of-a-dead-active", what))
    }

    /// Whether each precondition that objects is named, and true.
    fn excused(&self, world: &World, ticked: &Ticked) -> Result<(), String> {
        if !matches!(ticked.decision.as_str(), "blocked" | "observe-only") || ticked.blocked_by.is_empty() {
            return Err(format!("no precondition is named; the watcher says {ticked:?}"));
        }
        let cooldown = in_milliseconds(self.policy.cooldown);
        let flag = world.store.truth(world.names.flag());
        for precondition in &ticked.blocked_by {
            let is_true = match precondition.as_str() {
                "mode-observe" => self.policy.mode == Mode::Observe,
                // The next tick sees that it has ended.
                "hold" => self.held_at.is_some_and(|held| ticked.at - held <= TICK),
                "cooldown" => flag.is_some_and(|flag| ticked.at - flag.at < cooldown + MINUTE),
                // Counted, and compared with the truth, where a failover is made.
                "failover-budget" => true,
                _ => false,
            };
            if !is_true {
                return Err(format!(
                    "{precondition} objects, which is not true; the watcher says {ticked:?}"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::testing::{event, settings, ticked, world, write, write_flag};

    fn tick(decision: &str, blocked_by: &[&str]) -> Fact {
        ticked(json!({"decision": decision, "blocked_by": blocked_by, "verdicts": {}, "probes": 1}))
    }

    /// Minutes in which blue is active and dead, and the watcher says the same every minute.
    fn minutes(world: &mut World, rule: &mut Neglect, minutes: u32, tick: &Fact) -> Checked {
        for _ in 0..minutes {
            let now = world.now();
            rule.happened(world, tick, now)?;
            rule.look(world, now)?;
            world.pass(60);
        }
        Ok(())
    }

    fn dying() -> (World, Neglect) {
        let mut world = world();
        write_flag(&mut world, "blue", None, "the stack");
        world.pass(7200);
        let now = world.now();
        world.environments.blue.stop(now);
        (world, Neglect::of(&settings(&[])))
    }

    fn said(world: &World) -> Fact {
        let label = standing(world).unwrap();
        event("Failover Blocked", &format!("p:f:{label}:blocked:hold:1"), &json!({}))
    }

    fn broken(checked: &Checked) -> &'static str {
        checked.as_ref().map_or_else(|(rule, _)| *rule, |()| "")
    }

    #[test]
    fn silence_about_a_dead_active_is_found() {
        let (mut world, mut rule) = dying();
        assert_eq!(minutes(&mut world, &mut rule, 15, &tick("none", &[])), Ok(()));
        let checked = minutes(&mut world, &mut rule, 5, &tick("blocked", &["hold"]));
        assert_eq!(broken(&checked), "people-know-of-a-dead-active");
    }

    #[test]
    fn a_dead_active_that_is_not_left_is_found_unless_something_true_objects() {
        for (objects, is_held, is_found) in [
            (&["hold"][..], true, false),
            (&["hold"], false, true),
            (&[], true, true),
        ] {
            let (mut world, mut rule) = dying();
            if is_held {
                let hold = world.names.hold();
                write(&mut world, &hold, "garbage counts", None, "a person");
            }
            let now = world.now();
            let fact = said(&world);
            rule.happened(&world, &fact, now).unwrap();
            let checked = minutes(&mut world, &mut rule, 40, &tick("blocked", objects));
            let expected = if is_found { "dead-active-left" } else { "" };
            assert_eq!(broken(&checked), expected, "{objects:?}, held {is_held}: {checked:?}");
        }
    }

    #[test]
    fn a_standby_that_works_is_no_reason_to_stay() {
        let (mut world, mut rule) = dying();
        let (now, fact) = (world.now(), said(&world));
        rule.happened(&world, &fact, now).unwrap();
        let checked = minutes(&mut world, &mut rule, 40, &tick("blocked", &["standby-unhealthy"]));
        assert_eq!(broken(&checked), "dead-active-left");
        // But one that does not work is.
        let (mut world, mut rule) = dying();
        let (now, fact) = (world.now(), said(&world));
        world.environments.green.stop(now);
        rule.happened(&world, &fact, now).unwrap();
        let checked = minutes(&mut world, &mut rule, 40, &tick("blocked", &["standby-unhealthy"]));
        assert_eq!(checked, Ok(()));
    }

    #[test]
    fn what_was_said_of_another_version_does_not_count() {
        let (mut world, mut rule) = dying();
        let (now, fact) = (world.now(), said(&world));
        rule.happened(&world, &fact, now).unwrap();
        write_flag(&mut world, "blue", None, "a person");
        let checked = minutes(&mut world, &mut rule, 40, &tick("blocked", &["hold"]));
        assert_eq!(broken(&checked), "people-know-of-a-dead-active");
    }

    #[test]
    fn a_version_that_somebody_writes_meanwhile_is_said_anew_within_the_bound() {
        let (mut world, mut rule) = dying();
        let (now, before) = (world.now(), said(&world));
        world.environments.green.stop(now);
        rule.happened(&world, &before, now).unwrap();
        let objects = tick("blocked", &["standby-unhealthy"]);
        assert_eq!(minutes(&mut world, &mut rule, 30, &objects), Ok(()));
        write_flag(&mut world, "blue", None, "a person");
        assert_eq!(minutes(&mut world, &mut rule, 15, &objects), Ok(()));
        let now = world.now();
        let fact = said(&world);
        rule.happened(&world, &fact, now).unwrap();
        rule.happened(&world, &before, now).unwrap();
        assert_eq!(minutes(&mut world, &mut rule, 30, &objects), Ok(()));
    }
}
