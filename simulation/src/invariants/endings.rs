//! Whatever begins ends, and its end is reported: drills, holds, transitions with their run reports.

use std::collections::BTreeSet;

use bluegreen_core::color::Color;
use bluegreen_core::drill::{Drill, RETURN_GRACE};
use bluegreen_core::hold::Hold;
use bluegreen_core::settings::Settings;

use super::fact::text;
use super::{Checked, Fact, Rule};
use crate::clock::{DAY, MINUTE, Milliseconds, in_milliseconds, text as date};
use crate::parameter_store::Version;
use crate::world::World;

/// For how long nothing may have gone wrong before a drill that is still under way is a finding.
const SETTLED: Milliseconds = 15 * MINUTE;

/// What has begun.
#[derive(Debug)]
pub struct Endings {
    run_report_after: Milliseconds,
    /// Since when ticks come without a gap.
    ticking: Option<(Milliseconds, Milliseconds)>,
    /// Versions of the hold, each with when the next one replaced it.
    holds: Vec<(Version, Option<Milliseconds>)>,
    /// Ids of events about holds, and of run reports.
    reported: BTreeSet<String>,
}

impl Endings {
    /// For a pair with these settings.
    pub fn of(settings: &Settings) -> Self {
        Self {
            run_report_after: in_milliseconds(settings.run_report_after),
            ticking: None,
            holds: Vec::new(),
            reported: BTreeSet::new(),
        }
    }

    fn is_reported(&self, end: &str) -> bool {
        self.reported.iter().any(|id| id.ends_with(end))
    }

    fn drill_ends(&self, world: &World, now: Milliseconds) -> Checked {
        let stored = world
            .store
            .truth(&world.names.drill())
            .map(|drill| drill.value.as_str());
        let Some(drill) = Drill::under_way(stored) else {
            return Ok(());
        };
        let grace = in_milliseconds(RETURN_GRACE);
        let end = drill.started_at.as_millisecond() + i64::from(drill.duration_minutes) * MINUTE + grace;
        let ticking_for = self.ticking.map_or(0, |(since, last)| last - since);
        let settled_for = world.weather.fair_for(now).min(ticking_for).min(now - end);
        if settled_for > grace + SETTLED {
            let what = format!(
                "drill {} of {} should have ended by {}, and is under way",
                drill.id,
                drill.started_at,
                date(end)
            );
            return Err(("every-drill-ends", what));
        }
        Ok(())
    }

    fn holds_reported(&self, now: Milliseconds) -> Checked {
        for (hold, replaced) in &self.holds {
            let change = format!("hold:v{}-{}", hold.number, hold.at);
            if !self.is_reported(&change) {
                return Err((
                    "every-hold-reported",
                    format!("{change} ({}) was never reported", hold.value),
                ));
            }
            let Ok(order) = serde_json::from_str::<Hold>(&hold.value) else {
                continue;
            };
            let until = order.until.as_millisecond();
            let ran_out = until > hold.at && until <= now && replaced.is_none_or(|replaced| until < replaced);
            if ran_out && !self.is_reported(&format!("{change}:ran-out")) {
                return Err((
                    "every-hold-reported",
                    format!("the end of {change} at {} was never reported", date(until)),
                ));
            }
        }
        Ok(())
    }

    /// The last transition has a report. An earlier one need not have its own: if another one follows soon, that one's
    /// report has both. The repair of a flag without a color is a transition, too (docs/features/run-report.md).
    fn transition_reported(&self, world: &World, now: Milliseconds) -> Checked {
        let mut before: Option<Color> = None;
        let (mut last, mut is_broken) = (None, false);
        for version in world.store.versions(world.names.flag()) {
            let Some(color) = Color::parse(&version.value) else {
                is_broken = true;
                continue;
            };
            if std::mem::take(&mut is_broken) || before.is_some_and(|before| before != color) {
                last = Some(version);
            }
            before = Some(color);
        }
        let Some(last) = last.filter(|last| self.run_report_after > 0 && now - last.at < DAY) else {
            return Ok(());
        };
        let label = format!("run-report:v{}-{}", last.number, last.at);
        if now - last.at > self.run_report_after + 30 * MINUTE && !self.is_reported(&label) {
            return Err(("every-transition-has-its-run-report", format!("there is no {label}")));
        }
        Ok(())
    }
}

impl Rule for Endings {
    fn look(&mut self, world: &World, now: Milliseconds) -> Checked {
        self.drill_ends(world, now)
    }

    fn happened(&mut self, world: &World, fact: &Fact, now: Milliseconds) -> Checked {
        match fact {
            Fact::Stored { name, version, .. } if *name == world.names.hold() => {
                if let Some((_, replaced)) = self.holds.last_mut() {
                    *replaced = replaced.or(Some(now));
                }
                if version.is_none() {
                    // With its history gone, what was not reported yet stays unreported (docs/features/holds.md: limits).
                    self.holds.clear();
                }
                self.holds.extend(version.clone().map(|version| (version, None)));
            }
            Fact::Published(event) if matches!(text(event, "/detail-type"), "Hold Changed" | "Run Report") => {
                self.reported.insert(text(event, "/detail/id").to_owned());
            }
            Fact::Ended {
                process, answer: Ok(_), ..
            } if process.starts_with("health-watcher") => {
                let since = self
                    .ticking
                    .filter(|(_, last)| now - last < 3 * MINUTE)
                    .map_or(now, |(since, _)| since);
                self.ticking = Some((since, now));
            }
            _ => {}
        }
        Ok(())
    }

    fn peace(&mut self, world: &World, now: Milliseconds) -> Checked {
        self.holds_reported(now)?;
        self.transition_reported(world, now)?;
        // The newest one may still run out.
        self.holds.retain(|(_, replaced)| replaced.is_none());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::flag::FlagVersion;
    use serde_json::json;

    use super::*;
    use crate::clock::{SECOND, timestamp};
    use crate::invariants::testing::{event, settings, ticked, world, write, write_flag};

    fn drill(world: &World, outcome: &str) -> String {
        let began = timestamp(world.now()).to_string();
        json!({
            "schema": 1, "id": "d-1", "mode": "switch", "from": "blue", "to": "green", "version": FlagVersion(1),
            "modified": began, "started_at": began, "duration_minutes": 5, "reason": "exercise", "requested_by": null,
            "outcome": outcome, "finished_at": null,
        })
        .to_string()
    }

    fn after_an_hour(outcome: &str, ticks: bool) -> Checked {
        let (mut world, mut rule) = (world(), Endings::of(&settings(&[])));
        let (name, value) = (world.names.drill(), drill(&world, outcome));
        write(&mut world, &name, &value, None, "switch-handler#1");
        for _ in 0..60 {
            world.pass(60);
            let now = world.now();
            if ticks {
                rule.happened(&world, &ticked(json!({})), now)?;
            }
            rule.look(&world, now)?;
        }
        Ok(())
    }

    #[test]
    fn a_drill_that_does_not_end_is_found() {
        assert_eq!(after_an_hour("pending", true).unwrap_err().0, "every-drill-ends");
        assert_eq!(after_an_hour("succeeded", true), Ok(()));
        assert_eq!(after_an_hour("pending", false), Ok(()), "nobody could have ended it");
    }

    #[test]
    fn a_hold_that_nobody_heard_of_is_found() {
        let (mut world, mut rule) = (world(), Endings::of(&settings(&[])));
        let until = timestamp(world.now() + 60 * SECOND).to_string();
        let name = world.names.hold();
        let value = json!({"until": until, "reason": "work", "by": "ana"}).to_string();
        let fact = write(&mut world, &name, &value, None, "switch-handler#1");
        let change = {
            let hold = world.store.truth(&name).unwrap();
            format!("p:f:hold:v{}-{}", hold.number, hold.at)
        };
        let now = world.now();
        rule.happened(&world, &fact, now).unwrap();
        assert_eq!(rule.peace(&world, now).unwrap_err().0, "every-hold-reported");
        rule.happened(&world, &event("Hold Changed", &change, &json!({})), now)
            .unwrap();
        assert_eq!(rule.peace(&world, now), Ok(()));
        assert_eq!(
            rule.peace(&world, now + 61 * SECOND).unwrap_err().0,
            "every-hold-reported"
        );
        let end = event("Hold Changed", &format!("{change}:ran-out"), &json!({}));
        rule.happened(&world, &end, now).unwrap();
        assert_eq!(rule.peace(&world, now + 61 * SECOND), Ok(()));
    }

    #[test]
    fn a_transition_without_its_run_report_is_found() {
        let (mut world, mut rule) = (world(), Endings::of(&settings(&[])));
        write_flag(&mut world, "blue", None, "the stack");
        world.pass(60);
        assert_eq!(
            rule.peace(&world, world.now() + 2 * 60 * MINUTE),
            Ok(()),
            "no transition yet"
        );
        write_flag(&mut world, "green", None, "a person");
        let label = crate::invariants::standing(&world).unwrap();
        let late = world.now() + 2 * 60 * MINUTE;
        assert_eq!(
            rule.peace(&world, late).unwrap_err().0,
            "every-transition-has-its-run-report"
        );
        let report = event("Run Report", &format!("p:f:run-report:{label}"), &json!({}));
        rule.happened(&world, &report, late).unwrap();
        assert_eq!(rule.peace(&world, late), Ok(()));
    }

    #[test]
    fn the_report_on_a_repair_is_the_one_on_the_transition_before_it() {
        let (mut world, mut rule) = (world(), Endings::of(&settings(&[])));
        for value in ["blue", "green"] {
            write_flag(&mut world, value, None, "a person");
            world.pass(60);
        }
        let label = crate::invariants::standing(&world).unwrap();
        for value in ["purple", "green"] {
            write_flag(&mut world, value, None, "a person");
            world.pass(60);
        }
        let repaired = crate::invariants::standing(&world).unwrap();
        let late = world.now() + 2 * 60 * MINUTE;
        for (of, is_broken) in [(label, true), (repaired, false)] {
            let report = event("Run Report", &format!("p:f:run-report:{of}"), &json!({}));
            rule.happened(&world, &report, late).unwrap();
            assert_eq!(rule.peace(&world, late).is_err(), is_broken, "{of}");
        }
    }
}
