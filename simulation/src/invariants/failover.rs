//! The watcher fails over because of a failure, to an environment that works, and against no order.

use bluegreen_core::color::{Both, Color};
use bluegreen_core::flag::versions;
use bluegreen_core::hold::HoldState;
use bluegreen_core::policy::{Mode, Policy, STATUS_STANDS};
use bluegreen_core::settings::Settings;
use bluegreen_core::transition::TransitionRecord;
use bluegreen_core::transition_kind::Kind;

use super::{Checked, Fact, Rule, history, record_named};
use crate::clock::{DAY, MINUTE, Milliseconds, SECOND, in_milliseconds, text, timestamp};
use crate::environment::Environment;
use crate::parameter_store::Version;
use crate::weather::Service;
use crate::world::World;

/// A tick lives 75 s (template.yaml); what it saw when it claims is no older, beside the time of two requests.
pub(super) const TICK: Milliseconds = 90 * SECOND;
/// Clocks here are wrong by up to 8 s, and readings are up to 8 s old.
pub(super) const WRONG: Milliseconds = 18 * SECOND;
/// CloudWatch shows a minute's heartbeat when the minute is over; a heartbeat counts for three minutes.
const METRIC: Milliseconds = 3 * MINUTE;

/// What was true, and when it last was.
#[derive(Debug)]
pub struct Failovers {
    policy: Policy,
    /// When the environment last truly gave a reason to leave it.
    evidence: Both<Option<Milliseconds>>,
    /// When the environment last truly worked.
    worked: Both<Option<Milliseconds>>,
    /// When the watcher last said that there is planned work on the environment.
    known_work: Both<Option<Milliseconds>>,
    /// Since when a hold is truly in force without a break.
    held_since: Option<Milliseconds>,
    /// When a person last acknowledged: a release, as the parameter `acknowledged` shows it.
    acknowledged: Milliseconds,
    /// Whether the flag was ever deleted.
    is_made_again: bool,
}

impl Failovers {
    /// For a pair with these settings.
    pub fn of(settings: &Settings) -> Self {
        Self {
            policy: settings.policy.clone(),
            evidence: Both::default(),
            worked: Both::default(),
            known_work: Both::default(),
            held_since: None,
            acknowledged: 0,
            is_made_again: false,
        }
    }

    fn see(&mut self, world: &World, now: Milliseconds) {
        for color in [Color::Blue, Color::Green] {
            let environment = world.environments.of(color);
            if is_evidence(&self.policy, environment, now) || self.is_hidden_evidence(world, color, now) {
                *self.evidence.of_mut(color) = Some(now);
            }
            if environment.works() && environment.alarm.is_none() {
                *self.worked.of_mut(color) = Some(now);
            }
        }
        if is_held(world, now) {
            self.held_since = self.held_since.or(Some(now));
        } else {
            self.held_since = None;
        }
    }

    /// Whether its scheduler died while nothing was planned, and nobody could see the work that began afterwards: a
    /// status that served counts if it was read when the failure had begun (docs/concepts.md).
    fn is_hidden_evidence(&self, world: &World, color: Color, now: Milliseconds) -> bool {
        let environment = world.environments.of(color);
        let began = environment.status_since;
        let others = |service: Service, of: Option<Color>| service != Service::Mwaa || of.is_some_and(|of| of != color);
        environment.is_planned()
            && environment.dead_since().is_some_and(|died| died < began)
            && has_stopped(&self.policy, environment, now)
            && world.weather.fair_but_for(others, now) <= 0
            && self.known_work.of(color).is_none_or(|known| known < began)
    }

    fn flag_written(&self, world: &World, version: &Version, by: &str) -> Checked {
        let Some((record, claimed)) = record_of(world, version) else {
            return Ok(());
        };
        let is_automatic = record.kind == Kind::Failover
            && record.actor.function == "health-watcher"
            && !bluegreen_core::flag::is_declared(&record.reason);
        let Some(from) = record.from.filter(|_| is_automatic) else {
            return Ok(());
        };
        let why = format!("{by} left {from}: {}", record.reason);
        if self.policy.mode == Mode::Observe {
            return Err(("observe-writes-nothing", why));
        }
        self.had_evidence(world, from, claimed, &why)?;
        self.had_somewhere_to_go(record.to, claimed, &why)?;
        if let Some(since) = self.held_since.filter(|since| claimed - since > WRONG) {
            return Err((
                "no-failover-against-a-hold",
                format!("held since {}; {why}", text(since)),
            ));
        }
        self.had_rest(world, version, claimed, &why)?;
        self.was_within_budget(world, version, claimed, &why)
    }

    fn had_evidence(&self, world: &World, from: Color, claimed: Milliseconds, why: &str) -> Checked {
        self.had_time_to_start(world, from, claimed, why)?;
        // The last status counts for 15 minutes while no newer one can be read (docs/concepts.md).
        let stands = in_milliseconds(STATUS_STANDS);
        let oldest = if world.weather.fair_for(claimed) > stands {
            TICK
        } else {
            TICK + stands
        };
        match self.evidence.of(from) {
            Some(last) if claimed - last <= oldest => Ok(()),
            last => {
                let last = last.map_or_else(|| "never".to_owned(), text);
                Err((
                    "failover-without-evidence",
                    format!("it last gave a reason {last}; {why}"),
                ))
            }
        }
    }

    /// After planned work that the watcher has seen, a scheduler that does not run yet counts from the end of the work
    /// (docs/concepts.md, Planned work is over).
    fn had_time_to_start(&self, world: &World, from: Color, claimed: Milliseconds, why: &str) -> Checked {
        let environment = world.environments.of(from);
        let is_over = matches!(environment.status, Some("AVAILABLE" | "UPDATE_FAILED"));
        let ended = environment.status_since;
        let (Some(dead), Some(known)) = (environment.dead_since(), *self.known_work.of(from)) else {
            return Ok(());
        };
        let was_in_it = dead < ended && known > dead && known < ended + TICK;
        let outlasted = claimed - dead >= in_milliseconds(self.policy.maintenance_grace);
        let waited = claimed - ended + WRONG >= in_milliseconds(self.policy.failure_window);
        if is_over && environment.alarm.is_none() && was_in_it && !outlasted && !waited {
            let what = format!("its planned work was over only at {}; {why}", text(ended));
            return Err(("failover-without-evidence", what));
        }
        Ok(())
    }

    fn had_somewhere_to_go(&self, to: Color, claimed: Milliseconds, why: &str) -> Checked {
        match self.worked.of(to) {
            Some(last) if claimed - last <= TICK + METRIC => Ok(()),
            last => {
                let last = last.map_or_else(|| "never".to_owned(), text);
                Err(("no-failover-into-a-failure", format!("{to} last worked {last}; {why}")))
            }
        }
    }

    fn had_rest(&self, world: &World, version: &Version, claimed: Milliseconds, why: &str) -> Checked {
        let before = world
            .store
            .versions(world.names.flag())
            .filter(|other| other.number < version.number)
            .last();
        let cooldown = in_milliseconds(self.policy.cooldown);
        // The first version is no transition, unless the flag was deleted before. One that a person starts anew is none
        // either (docs/reference/preconditions.md).
        let history = history(world);
        let is_started = versions(&history)
            .first()
            .is_some_and(|first| first.kind() == Kind::Initialize);
        let counts = |before: &&Version| before.number > 1 || (self.is_made_again && !is_started);
        match before.filter(|before| counts(before) && claimed - before.at < cooldown - WRONG) {
            Some(before) => Err((
                "no-failover-within-the-cooldown",
                format!("version {} is of {}; {why}", before.number, text(before.at)),
            )),
            None => Ok(()),
        }
    }

    fn was_within_budget(&self, world: &World, version: &Version, claimed: Milliseconds, why: &str) -> Checked {
        let history = history(world);
        let versions = versions(&history);
        let since = (claimed - DAY + WRONG).max(self.acknowledged + WRONG);
        let made = versions
            .iter()
            .rev()
            .skip_while(|before| before.entry.modified >= timestamp(version.at))
            .take_while(|before| before.entry.modified > timestamp(since) && !before.is_by_a_person())
            .filter(|before| {
                matches!(
                    before.origin,
                    bluegreen_core::flag::Origin::Ours {
                        kind: Kind::Failover,
                        ..
                    }
                )
            })
            .count();
        let budget = usize::try_from(self.policy.failover_budget).unwrap_or(usize::MAX);
        if made >= budget {
            return Err((
                "no-failover-beyond-the-budget",
                format!("{made} were made before; {why}"),
            ));
        }
        Ok(())
    }
}

impl Rule for Failovers {
    fn look(&mut self, world: &World, now: Milliseconds) -> Checked {
        self.see(world, now);
        Ok(())
    }

    fn happened(&mut self, world: &World, fact: &Fact, now: Milliseconds) -> Checked {
        if let Fact::Ended { answer: Ok(answer), .. } = fact {
            for color in [Color::Blue, Color::Green] {
                if super::fact::text(answer, &format!("/verdicts/{color}/verdict")) == "maintenance" {
                    *self.known_work.of_mut(color) = Some(now);
                }
            }
        }
        let Fact::Stored { name, version, by } = fact else {
            return Ok(());
        };
        if *name == world.names.acknowledged() {
            self.acknowledged = now;
        }
        self.see(world, now);
        if name != world.names.flag() {
            return Ok(());
        }
        let Some(version) = version else {
            self.is_made_again = true;
            return Ok(());
        };
        self.flag_written(world, version, by)
    }
}

/// The record that a version's Description names, and when it was created.
pub(super) fn record_of(world: &World, version: &Version) -> Option<(TransitionRecord, Milliseconds)> {
    let stored = world.store.truth(&world.names.transition(&record_named(version)?))?;
    Some((TransitionRecord::from_stored(&stored.value).ok()?, stored.at))
}

/// For how long no scheduler has run. Clocks are wrong by up to 8 s.
fn stopped_for(environment: &Environment, now: Milliseconds) -> Option<Milliseconds> {
    environment.dead_since().map(|at| now - at + 10 * SECOND)
}

/// Whether no scheduler has run for as long as a failure has to last.
fn has_stopped(policy: &Policy, environment: &Environment, now: Milliseconds) -> bool {
    stopped_for(environment, now).is_some_and(|stopped| stopped >= in_milliseconds(policy.failure_window))
}

/// Whether an environment truly gives a reason to fail over, as far as the settings let it.
fn is_evidence(policy: &Policy, environment: &Environment, now: Milliseconds) -> bool {
    let outlasts = |stopped| stopped >= in_milliseconds(policy.maintenance_grace);
    let excused = environment.is_planned() && !stopped_for(environment, now).is_some_and(outlasts);
    let failed = matches!(
        environment.status,
        None | Some("UNAVAILABLE" | "CREATE_FAILED" | "DELETING")
    );
    environment.alarm.is_some() || failed || (has_stopped(policy, environment, now) && !excused)
}

/// The hold as it truly is.
pub(crate) fn hold(world: &World, now: Milliseconds) -> HoldState {
    let stored = world.store.truth(&world.names.hold());
    HoldState::read(stored.map(|hold| hold.value.as_str()), timestamp(now))
}

/// Whether a hold is truly in force.
pub(crate) fn is_held(world: &World, now: Milliseconds) -> bool {
    hold(world, now) != HoldState::None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::invariants::testing::{dead_blue, failover, settings, ticked, write, write_flag};
    use crate::weather::{Burst, Fault};

    fn failed() -> (World, Failovers) {
        (dead_blue(), Failovers::of(&settings(&[])))
    }

    fn left(world: &mut World, rule: &mut Failovers, change: &Value) -> Checked {
        let now = world.now();
        rule.look(world, now).unwrap();
        let fact = failover(world, change, 0, "blue is unhealthy");
        rule.happened(world, &fact, now)
    }

    fn broken(checked: &Checked) -> &'static str {
        checked.as_ref().map_or_else(|(rule, _)| *rule, |()| "")
    }

    #[test]
    fn leaving_a_dead_environment_is_right() {
        let (mut world, mut rule) = failed();
        assert_eq!(left(&mut world, &mut rule, &json!({})), Ok(()));
    }

    #[test]
    fn leaving_an_environment_that_works_is_found() {
        let (mut world, mut rule) = failed();
        let now = world.now();
        world.environments.blue.start(now);
        assert_eq!(
            broken(&left(&mut world, &mut rule, &json!({}))),
            "failover-without-evidence"
        );
        // Not yet for the failure window.
        let (mut world, mut rule) = failed();
        world.environments.blue.stopped_at = Some(now - MINUTE);
        assert_eq!(
            broken(&left(&mut world, &mut rule, &json!({}))),
            "failover-without-evidence"
        );
        // On planned work within its grace.
        let (mut world, mut rule) = failed();
        world.environments.blue.set_status(Some("UPDATING"), now);
        assert_eq!(
            broken(&left(&mut world, &mut rule, &json!({}))),
            "failover-without-evidence"
        );
        // Unless it died before the work, which nobody could see; the same work that was seen is found.
        for seen in [false, true] {
            let (mut world, mut rule) = failed();
            world.environments.blue.set_status(Some("UPDATING"), now);
            let silent = Burst {
                service: Service::Mwaa,
                color: Some(Color::Blue),
                operation: None,
                fault: Fault::Silence,
                seconds: 600,
                percent: 100,
            };
            world.weather.begin(silent, 1, now);
            if seen {
                let planned = json!({"verdicts": {"blue": {"verdict": "maintenance"}}});
                assert_eq!(rule.happened(&world, &ticked(planned), now), Ok(()));
            }
            let expected = if seen { "failover-without-evidence" } else { "" };
            assert_eq!(broken(&left(&mut world, &mut rule, &json!({}))), expected);
        }
        // Right after planned work that the watcher has seen, while the scheduler starts.
        let (mut world, mut rule) = failed();
        let planned = json!({"verdicts": {"blue": {"verdict": "maintenance"}}});
        assert_eq!(rule.happened(&world, &ticked(planned.clone()), now - MINUTE), Ok(()));
        world.environments.blue.status_since = now - MINUTE;
        assert_eq!(
            broken(&left(&mut world, &mut rule, &json!({}))),
            "failover-without-evidence"
        );
        let (mut world, mut rule) = failed();
        assert_eq!(rule.happened(&world, &ticked(planned), now - 3 * MINUTE), Ok(()));
        world.environments.blue.status_since = now - 3 * MINUTE;
        assert_eq!(left(&mut world, &mut rule, &json!({})), Ok(()));
        // By a person it is right.
        let (mut world, mut rule) = failed();
        world.environments.blue.start(now);
        let declared = json!({"reason": "declared by a person: it does not work"});
        assert_eq!(left(&mut world, &mut rule, &declared), Ok(()));
    }

    #[test]
    fn old_evidence_does_only_while_services_fail() {
        use crate::weather::{Burst, Fault, Service};
        let (mut world, mut rule) = failed();
        let now = world.now();
        rule.look(&world, now).unwrap();
        world.environments.blue.start(now);
        world.pass(600);
        assert_eq!(
            broken(&left(&mut world, &mut rule, &json!({}))),
            "failover-without-evidence"
        );
        let (mut world, mut rule) = failed();
        let now = world.now();
        rule.look(&world, now).unwrap();
        world.environments.blue.start(now);
        let burst = Burst {
            service: Service::Mwaa,
            color: None,
            operation: None,
            fault: Fault::Denied,
            seconds: 600,
            percent: 100,
        };
        world.weather.begin(burst, 1, now);
        world.pass(600);
        assert_eq!(left(&mut world, &mut rule, &json!({})), Ok(()));
    }

    #[test]
    fn going_to_an_environment_that_does_not_work_is_found() {
        let (mut world, mut rule) = failed();
        let now = world.now();
        world.environments.green.stop(now - 10 * MINUTE);
        assert_eq!(
            broken(&left(&mut world, &mut rule, &json!({}))),
            "no-failover-into-a-failure"
        );
    }

    #[test]
    fn a_failover_against_an_order_is_found() {
        let (mut world, mut rule) = failed();
        let hold = world.names.hold();
        write(&mut world, &hold, "garbage counts", None, "a person");
        let now = world.now();
        rule.look(&world, now).unwrap();
        world.pass(60);
        assert_eq!(
            broken(&left(&mut world, &mut rule, &json!({}))),
            "no-failover-against-a-hold"
        );
        let (mut world, _) = failed();
        let mut rule = Failovers::of(&settings(&[("COOLDOWN_SECONDS", "7200")]));
        let cooled = left(&mut world, &mut rule, &json!({}));
        assert_eq!(broken(&cooled), "no-failover-within-the-cooldown");
        let (mut world, _) = failed();
        let mut rule = Failovers::of(&settings(&[("FAILOVER_MODE", "observe")]));
        assert_eq!(
            broken(&left(&mut world, &mut rule, &json!({}))),
            "observe-writes-nothing"
        );
    }

    #[test]
    fn one_failover_too_many_is_found() {
        let (mut world, _) = failed();
        let mut rule = Failovers::of(&settings(&[
            ("COOLDOWN_SECONDS", "0"),
            ("FAILOVER_BUDGET_PER_DAY", "1"),
        ]));
        assert_eq!(left(&mut world, &mut rule, &json!({})), Ok(()));
        world.pass(3600);
        assert_eq!(
            broken(&left(&mut world, &mut rule, &json!({}))),
            "no-failover-beyond-the-budget"
        );
        world.pass(60);
        let acknowledged = world.names.acknowledged();
        let fact = write(&mut world, &acknowledged, "{}", None, "switch-handler#1");
        let now = world.now();
        assert_eq!(rule.happened(&world, &fact, now), Ok(()));
        world.pass(60);
        assert_eq!(left(&mut world, &mut rule, &json!({})), Ok(()), "acknowledged");
    }

    #[test]
    fn a_failover_right_after_the_flag_was_made_again_is_found() {
        let now = failed().0.now();
        let initialized = format!(
            "initialize: start with blue active [effective_from={} record=v1-{now}]",
            timestamp(now)
        );
        for (description, expected) in [
            (None, "no-failover-within-the-cooldown"),
            (Some(initialized.as_str()), ""),
        ] {
            let (mut world, _) = failed();
            let mut rule = Failovers::of(&settings(&[("COOLDOWN_SECONDS", "7200")]));
            let flag = world.names.flag().to_owned();
            let deletion = json!({"Name": flag});
            world
                .store
                .call("DeleteParameter", &deletion, "a person", now, 0)
                .unwrap();
            let gone = Fact::Stored {
                name: flag,
                version: None,
                by: "a person".to_owned(),
            };
            rule.happened(&world, &gone, now).unwrap();
            write_flag(&mut world, "blue", description, "a person");
            world.pass(3600);
            let checked = left(&mut world, &mut rule, &json!({}));
            assert_eq!(broken(&checked), expected, "{description:?}");
        }
    }
}
