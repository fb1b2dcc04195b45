//! An answer that claims nothing is never corrected afterwards. It is true, even where one reading went back; and who
//! wants a drilled color to stay is not told that there is nothing to do.

use bluegreen_core::color::Color;
use bluegreen_core::drill::Drill;
use serde_json::Value;

use super::fact::text;
use super::{Checked, Fact, Rule, record_named};
use crate::clock::Milliseconds;
use crate::parameter_store::Version;
use crate::world::World;

/// Nothing has to be remembered.
#[derive(Debug, Default)]
pub struct Unclaimed;

impl Rule for Unclaimed {
    fn happened(&mut self, world: &World, fact: &Fact, _now: Milliseconds) -> Checked {
        let Fact::Ended {
            process,
            answer: Ok(answer),
            ..
        } = fact
        else {
            return Ok(());
        };
        let Some(invocation) = world.under_way.get(process) else {
            return Ok(());
        };
        // Two readings that went back alike are beyond what anybody can notice.
        if !process.starts_with("switch-handler") || invocation.went_back > 1 {
            return Ok(());
        }
        let (outcome, active) = (text(answer, "/outcome"), Color::parse(text(answer, "/active")));
        let (Some(active), "unchanged" | "refused" | "blocked") = (active, outcome) else {
            return Ok(());
        };
        // What a first delivery did is said again, and whether there is a hold is asked of the hold.
        let is_repeat = answer.get("repeat").is_some();
        let is_of_flag = outcome != "unchanged" || text(answer, "/reason").contains("is active already");
        if is_repeat || !is_of_flag {
            return Ok(());
        }
        let shown = in_that_time(world, invocation.began);
        if !shown.is_empty() && shown.iter().all(|version| version.value != active.as_str()) {
            let what = format!("{process} answers {answer}, and {active} was not active while it ran");
            return Err(("what-claims-nothing-is-true", what));
        }
        if outcome == "unchanged" {
            is_heard(world, process, answer, active, invocation.began)?;
        }
        Ok(())
    }
}

/// The versions of the flag that an invocation could see; none where it was created meanwhile.
fn in_that_time(world: &World, began: Milliseconds) -> Vec<&Version> {
    let versions: Vec<&Version> = world.store.versions(world.names.flag()).collect();
    let before = versions.iter().rposition(|version| version.at < began);
    before.map_or(Vec::new(), |before| versions[before..].to_vec())
}

/// Whether a person who asks for a drilled color is heard: the drill is to end then, and the color to stay.
fn is_heard(world: &World, process: &str, answer: &Value, active: Color, began: Milliseconds) -> Checked {
    let stored = world.store.truth(&world.names.drill()).filter(|drill| drill.at < began);
    let drill = Drill::under_way(stored.map(|drill| drill.value.as_str())).filter(|drill| drill.to == active);
    // Whoever asks for a failover is told how to keep the color.
    let reason = text(answer, "/reason");
    let says_nothing_of_it =
        reason.starts_with(&format!("{active} is active already")) && !reason.contains("in a drill");
    let Some(drill) = drill.filter(|_| says_nothing_of_it) else {
        return Ok(());
    };
    let since: Vec<&Version> = world
        .store
        .versions(world.names.flag())
        .filter(|version| u64::try_from(version.number).is_ok_and(|number| number > drill.version.0))
        .collect();
    let is_its_own = |version: &&Version| version.at < began && record_named(version) == Some(drill.record());
    let is_decided = || {
        let outcome = format!("{}-outcome", world.names.transition(&drill.record()));
        world.store.names_below(&outcome).next().is_some()
    };
    if !since.is_empty() && since.iter().all(is_its_own) && !is_decided() {
        let what = format!(
            "{process} answers {answer}, and drill {} will return from {active}",
            drill.id
        );
        return Err(("who-keeps-a-drilled-color-is-heard", what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bluegreen_core::flag::FlagVersion;
    use serde_json::json;

    use super::*;
    use crate::clock::{SECOND, timestamp};
    use crate::invariants::testing::{described, ended, world, write, write_flag};

    fn answers(outcome: &str, active: &str) -> Fact {
        let reason = format!("{active} is active already, since version 2");
        ended(
            "switch-handler#1",
            "r-1",
            Ok(json!({"outcome": outcome, "active": active, "reason": reason})),
        )
    }

    /// What is broken by this answer of an invocation that began a second ago.
    fn broken(world: &mut World, fact: &Fact) -> &'static str {
        let began = world.now() - SECOND;
        let process = "switch-handler#1".to_owned();
        world.under_way.entry(process).or_default().began = began;
        let checked = Unclaimed.happened(world, fact, world.now());
        checked.map_or_else(|(rule, _)| rule, |()| "")
    }

    #[test]
    fn an_answer_that_was_never_true_is_found() {
        let mut world = world();
        write_flag(&mut world, "blue", None, "the stack");
        assert_eq!(
            broken(&mut world, &answers("unchanged", "green")),
            "",
            "it was created meanwhile"
        );
        world.pass(60);
        write_flag(&mut world, "green", None, "a person");
        for outcome in ["unchanged", "refused", "blocked"] {
            assert_eq!(
                broken(&mut world, &answers(outcome, "blue")),
                "",
                "it was blue a moment ago"
            );
        }
        world.pass(60);
        for (outcome, found) in [
            ("unchanged", true),
            ("refused", true),
            ("blocked", true),
            ("switched", false),
        ] {
            let rule = broken(&mut world, &answers(outcome, "blue"));
            assert_eq!(rule == "what-claims-nothing-is-true", found, "{outcome}: {rule}");
        }
        assert_eq!(broken(&mut world, &answers("unchanged", "green")), "");
        world.under_way.get_mut("switch-handler#1").unwrap().went_back = 1;
        assert_eq!(
            broken(&mut world, &answers("unchanged", "blue")),
            "what-claims-nothing-is-true"
        );
        world.under_way.get_mut("switch-handler#1").unwrap().went_back = 2;
        assert_eq!(broken(&mut world, &answers("unchanged", "blue")), "");
    }

    #[test]
    fn who_keeps_a_drilled_color_and_is_not_heard_is_found() {
        let mut world = world();
        write_flag(&mut world, "blue", None, "the stack");
        let began = timestamp(world.now()).to_string();
        let drill = json!({
            "schema": 1, "id": "d-1", "mode": "switch", "from": "blue", "to": "green", "version": FlagVersion(1),
            "modified": began, "started_at": began, "duration_minutes": 5, "reason": "exercise", "requested_by": null,
            "outcome": "pending", "finished_at": null,
        });
        let name = world.names.drill();
        write(&mut world, &name, &drill.to_string(), None, "switch-handler#1");
        let drilled = described(&world, "drill", "exercise", 10);
        write_flag(&mut world, "green", Some(&drilled), "switch-handler#1");
        world.pass(1);
        // Its write was repeated.
        write_flag(&mut world, "green", Some(&drilled), "switch-handler#1");
        assert_eq!(
            broken(&mut world, &answers("unchanged", "green")),
            "",
            "it began meanwhile"
        );
        world.pass(60);
        assert_eq!(
            broken(&mut world, &answers("unchanged", "green")),
            "who-keeps-a-drilled-color-is-heard"
        );
        assert_eq!(broken(&mut world, &answers("drill_canceled", "green")), "");
        let held = ended(
            "switch-handler#1",
            "r-1",
            Ok(json!({"outcome": "unchanged", "active": "green", "reason": "no hold"})),
        );
        assert_eq!(broken(&mut world, &held), "", "it asks for something else");
        let outcome = format!(
            "{}-outcome-end-1",
            world
                .names
                .transition(&Drill::under_way(Some(&drill.to_string())).unwrap().record())
        );
        write(&mut world, &outcome, "{}", None, "health-watcher#1");
        assert_eq!(
            broken(&mut world, &answers("unchanged", "green")),
            "",
            "its end is decided"
        );
    }
}
