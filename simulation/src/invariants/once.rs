//! A request makes one transition, however often it is delivered; and who decides that a drilled color stays decides it
//! for good.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fact::text;
use super::{Checked, Fact, Rule, record_named};
use crate::clock::Milliseconds;
use crate::parameter_store::Version;
use crate::world::World;

/// What was made and decided.
#[derive(Debug, Default)]
pub struct Once {
    /// The record that a person's request has written the flag with, by the id of the request.
    made: BTreeMap<String, String>,
    /// Ids of drills whose color stays.
    stay: BTreeSet<String>,
}

impl Rule for Once {
    fn happened(&mut self, world: &World, fact: &Fact, _now: Milliseconds) -> Checked {
        let Fact::Stored {
            name,
            version: Some(version),
            ..
        } = fact
        else {
            return Ok(());
        };
        if name == world.names.flag() {
            return self.written(world, version);
        }
        if let Some((record, _)) = name.split_once("-outcome-end-")
            && text(&read(&version.value), "/end") == "stay"
        {
            let drill = stored(world, record).map(|record| text(&record, "/drill/id").to_owned());
            self.stay.extend(drill.filter(|drill| !drill.is_empty()));
        }
        Ok(())
    }
}

impl Once {
    fn written(&mut self, world: &World, version: &Version) -> Checked {
        let Some(name) = record_named(version) else {
            return Ok(());
        };
        let Some(record) = stored(world, &world.names.transition(&name)) else {
            return Ok(());
        };
        let (request, drill) = (text(&record, "/actor/request_id"), text(&record, "/drill/id"));
        // Not by the record: a person who goes back later may finish the return's abandoned claim.
        let kind = version.description.as_deref().and_then(|words| words.split_once(':'));
        if kind.is_some_and(|(kind, _)| kind == "drill-return") && self.stay.contains(drill) {
            let what = format!(
                "version {} returns from drill {drill}, whose color stays",
                version.number
            );
            return Err(("a-color-that-stays-stays", what));
        }
        if text(&record, "/actor/function") != "switch-handler" {
            return Ok(());
        }
        let made = self.made.entry(request.to_owned()).or_insert_with(|| name.clone());
        if *made != name {
            let what = format!("request {request} made {made} and, delivered again, {name}");
            return Err(("a-request-makes-one-transition", what));
        }
        Ok(())
    }
}

fn read(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or(Value::Null)
}

/// What a parameter truly holds.
fn stored(world: &World, name: &str) -> Option<Value> {
    world.store.truth(name).map(|version| read(&version.value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::testing::{described, record, world, write, write_flag};

    /// Claims the next version, and writes it.
    fn made(world: &mut World, rule: &mut Once, color: &str, claim: &Value) -> Checked {
        let name = world.names.transition(&record(world));
        let now = world.now();
        let claimed = write(world, &name, &claim.to_string(), None, "switch-handler#1");
        rule.happened(world, &claimed, now)?;
        let description = described(world, claim["kind"].as_str().unwrap(), "why", 10);
        let written = write_flag(world, color, Some(&description), "switch-handler#1");
        rule.happened(world, &written, now)
    }

    fn begun() -> (World, Once) {
        let mut world = world();
        write_flag(&mut world, "blue", None, "the stack");
        (world, Once::default())
    }

    #[test]
    fn a_request_that_is_carried_out_twice_is_found() {
        let (mut world, mut rule) = begun();
        let by = |id: &str| json!({"kind": "switch", "actor": {"function": "switch-handler", "request_id": id}});
        assert_eq!(made(&mut world, &mut rule, "green", &by("r-1")), Ok(()));
        assert_eq!(made(&mut world, &mut rule, "blue", &by("r-2")), Ok(()));
        let again = made(&mut world, &mut rule, "green", &by("r-1"));
        assert_eq!(again.unwrap_err().0, "a-request-makes-one-transition");
    }

    #[test]
    fn a_return_from_a_drill_whose_color_stays_is_found() {
        for (end, found) in [("stay", Some("a-color-that-stays-stays")), ("return", None)] {
            let (mut world, mut rule) = begun();
            let way_out = world.names.transition(&record(&world));
            let of = |kind: &str, function: &str| json!({"kind": kind, "drill": {"id": "r-1"}, "actor": {"function": function, "request_id": "r-1"}});
            let drill = of("drill", "switch-handler");
            assert_eq!(made(&mut world, &mut rule, "green", &drill), Ok(()));
            let decided = json!({"end": end}).to_string();
            let now = world.now();
            let fact = write(
                &mut world,
                &format!("{way_out}-outcome-end-1"),
                &decided,
                None,
                "health-watcher#1",
            );
            assert_eq!(rule.happened(&world, &fact, now), Ok(()));
            let back = made(&mut world, &mut rule, "blue", &of("drill-return", "health-watcher"));
            assert_eq!(back.err().map(|(rule, _)| rule), found);
        }
        // A person goes back, and finishes the claim of a return that was never written.
        let (mut world, mut rule) = begun();
        rule.stay.insert("r-1".to_owned());
        let name = world.names.transition(&record(&world));
        let claim = json!({"kind": "drill-return", "drill": {"id": "r-1"}, "actor": {"function": "health-watcher"}});
        write(&mut world, &name, &claim.to_string(), None, "health-watcher#1");
        let back = described(&world, "rollback", "claim of a dead writer finished", 10);
        let fact = write_flag(&mut world, "green", Some(&back), "switch-handler#1");
        let now = world.now();
        assert_eq!(rule.happened(&world, &fact, now), Ok(()));
    }
}
