//! In peace the pair is healed and quiet, and says so.

use bluegreen_core::drill::Drill;
use serde_json::Value;

use super::fact::text;
use super::{Checked, Fact, Rule};
use crate::clock::{HOUR, Milliseconds};
use crate::world::World;

/// The id of the request with which peace asks for the status.
pub const STATUS: &str = "peace-status";
/// The id of the request with which peace asks whether a switch would be made.
pub const SWITCH: &str = "peace-switch";
/// More parameters than that under one root are never needed: 100 versions, each with a record and the ends of a drill.
const MOST_PARAMETERS: usize = 400;

/// What the watcher last said.
#[derive(Debug, Default)]
pub struct Quiet {
    ticked: Option<(Milliseconds, Value)>,
}

impl Rule for Quiet {
    fn happened(&mut self, _world: &World, fact: &Fact, now: Milliseconds) -> Checked {
        let Fact::Ended {
            process,
            request_id,
            answer: Ok(answer),
        } = fact
        else {
            return Ok(());
        };
        if process.starts_with("health-watcher") {
            self.ticked = Some((now, answer.clone()));
        }
        match request_id.as_str() {
            STATUS => says_so(answer, "status").map_err(|why| ("quiet-in-peace", why)),
            SWITCH if text(answer, "/outcome") != "would_switch" => {
                Err(("ready-in-peace", format!("a switch would not be made: {answer}")))
            }
            _ => Ok(()),
        }
    }

    fn peace(&mut self, world: &World, now: Milliseconds) -> Checked {
        let broken = |what: String| Err(("quiet-in-peace", what));
        let unsent = format!("{}/", world.names.unsent());
        if let Some(name) = world.store.names_below(&unsent).next() {
            return broken(format!("an event was never sent: {name}"));
        }
        let value = |name: String| world.store.truth(&name).map(|stored| stored.value.clone());
        let memory: Value = value(world.names.memory())
            .and_then(|memory| serde_json::from_str(&memory).ok())
            .unwrap_or_default();
        for field in ["announced", "doubt"] {
            if let Some(kept) = memory.get(field).filter(|kept| !kept.is_null()) {
                return broken(format!("the watcher still remembers as {field}: {kept}"));
            }
        }
        if let Some(drill) = Drill::under_way(value(world.names.drill()).as_deref()) {
            return broken(format!("drill {} is under way", drill.id));
        }
        let root = format!("{}/", world.names.root());
        let parameters = world.store.names_below(&root).count();
        if parameters > MOST_PARAMETERS {
            return broken(format!("there are {parameters} parameters"));
        }
        match &self.ticked {
            Some((at, answer)) if now - at < 2 * HOUR => says_so(answer, "the last tick").or_else(broken),
            _ => broken("no tick has answered for two hours".to_owned()),
        }
    }
}

/// Whether an answer says that both work and nothing is to be done.
fn says_so(answer: &Value, who: &str) -> Result<(), String> {
    let verdict = |color: &str| text(answer, &format!("/verdicts/{color}/verdict")).to_owned();
    let is_well = verdict("blue") == "healthy" && verdict("green") == "healthy";
    if is_well && text(answer, "/decision") == "none" {
        Ok(())
    } else {
        Err(format!("{who} says: {answer}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::testing::{ended, ticked, world, write};

    fn well() -> Value {
        json!({"decision": "none", "verdicts": {"blue": {"verdict": "healthy"}, "green": {"verdict": "healthy"}}})
    }

    fn told(answer: Value) -> (World, Quiet) {
        let (world, mut rule) = (world(), Quiet::default());
        let now = world.now();
        rule.happened(&world, &ticked(answer), now).unwrap();
        (world, rule)
    }

    #[test]
    fn a_pair_that_is_not_quiet_is_found() {
        let (mut world, mut rule) = told(well());
        let now = world.now();
        assert_eq!(rule.peace(&world, now), Ok(()));
        assert!(rule.peace(&world, now + 3 * HOUR).is_err(), "nobody ticks");
        for (parameter, value) in [
            (world.names.memory(), json!({"announced": {"said": true}})),
            (world.names.memory(), json!({"doubt": {"said": false}})),
            (world.names.unsent_event("r-1"), json!({})),
        ] {
            let mut world = crate::invariants::testing::world();
            write(&mut world, &parameter, &value.to_string(), None, "us");
            assert_eq!(rule.peace(&world, now).unwrap_err().0, "quiet-in-peace", "{parameter}");
        }
        let memory = world.names.memory();
        write(
            &mut world,
            &memory,
            &json!({"announced": null, "past": {}}).to_string(),
            None,
            "us",
        );
        assert_eq!(rule.peace(&world, now), Ok(()));
        let root = world.names.root().to_owned();
        for number in 0..=MOST_PARAMETERS {
            write(&mut world, &format!("{root}/transitions/v{number}-1"), "{}", None, "us");
        }
        assert!(rule.peace(&world, now).is_err());
    }

    #[test]
    fn whoever_does_not_say_so_is_found() {
        for (pointer, word) in [("/decision", "blocked"), ("/verdicts/green/verdict", "unknown")] {
            let mut answer = well();
            *answer.pointer_mut(pointer).unwrap() = json!(word);
            let (world, mut rule) = told(answer.clone());
            let now = world.now();
            assert_eq!(rule.peace(&world, now).unwrap_err().0, "quiet-in-peace", "{word}");
            let status = ended("switch-handler#1", STATUS, Ok(answer));
            assert_eq!(
                rule.happened(&world, &status, now).unwrap_err().0,
                "quiet-in-peace",
                "{word}"
            );
        }
        let (world, mut rule) = told(well());
        assert_eq!(
            rule.happened(&world, &ended("switch-handler#1", STATUS, Ok(well())), 0),
            Ok(())
        );
        let refused = ended("switch-handler#1", SWITCH, Ok(json!({"outcome": "refused"})));
        assert_eq!(rule.happened(&world, &refused, 0).unwrap_err().0, "ready-in-peace");
        let willing = ended("switch-handler#1", SWITCH, Ok(json!({"outcome": "would_switch"})));
        assert_eq!(rule.happened(&world, &willing, 0), Ok(()));
    }
}
