//! A function killed at every request that it makes, before it is carried out and after: nothing is lost, nothing is
//! stuck, and there is one outcome.
//!
//! No list says where to kill: each story is played again until nobody has reached the request that was meant. So a
//! request that is added to the code becomes a point by itself.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::color::Color;
use bluegreen_core::flag::DescriptionMetadata;
use serde_json::{Value, json};

use crate::drills::{begin, rested};
use crate::pair::{Pair, outcome, play};

const REASON: &str = "an upgrade";

/// Broken flags are restored, and nobody waits for what another story is about.
const SETTINGS: &[(&str, &str)] = &[
    ("ON_FLAG_FAULT", "restore"),
    ("PROBE_UNTIL_SECONDS", "0"),
    ("COOLDOWN_SECONDS", "0"),
    ("READINESS_INTERVAL_MINUTES", "0"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    DrillBegun,
    DrillReturned,
    Switched,
    FailedOver,
    GarbageRestored,
    DeletionRestored,
    Held,
    Released,
    SwitchHeard,
    HoldHeard,
    LostEventMadeGood,
}

/// How the story was ended: the kinds of the versions that it wrote.
type Kinds = Vec<&'static str>;

impl Story {
    fn victim(self) -> &'static str {
        match self {
            Self::DrillBegun | Self::Switched | Self::Held | Self::Released => "switch-handler",
            Self::DrillReturned
            | Self::FailedOver
            | Self::GarbageRestored
            | Self::DeletionRestored
            | Self::LostEventMadeGood => "health-watcher",
            Self::SwitchHeard | Self::HoldHeard => "change-listener",
        }
    }

    /// What leads up to it.
    async fn begin(self, pair: &Pair) {
        let flag = pair.settings.names.flag().to_owned();
        match self {
            Self::DrillBegun | Self::Switched | Self::Held => {}
            Self::DrillReturned => {
                begin(pair, "r-drill").await;
                pair.minutes(4).await;
                pair.pass(120).await;
            }
            Self::FailedOver => {
                pair.kill(Color::Blue);
                pair.minutes(1).await;
                pair.pass(120).await;
                assert_eq!(pair.flag().unwrap(), ("blue".to_owned(), 1));
            }
            Self::GarbageRestored => {
                pair.by_hand(&flag, Some("purple"));
                pair.hear().await;
                pair.pass(60).await;
            }
            Self::DeletionRestored => {
                pair.by_hand(&flag, None);
                pair.hear().await;
                pair.minutes(1).await;
                pair.pass(60).await;
                assert_eq!(pair.flag(), None);
            }
            Self::Released => {
                assert_eq!(outcome(&pair.ask(hold()).await), "held");
                pair.hear().await;
            }
            Self::SwitchHeard => assert_eq!(outcome(&pair.ask(switch()).await), "switched"),
            Self::HoldHeard => assert_eq!(outcome(&pair.ask(hold()).await), "held"),
            Self::LostEventMadeGood => {
                assert_eq!(outcome(&pair.ask(switch()).await), "switched");
                assert!(!pair.lose_events().is_empty());
                pair.pass(60).await;
            }
        }
    }

    /// What its victim does, and answers if it lives.
    async fn act(self, pair: &Pair) -> Option<Value> {
        let request = match self {
            Self::DrillBegun => json!({"action": "drill", "duration_minutes": 1}),
            Self::Switched => switch(),
            Self::Held => hold(),
            Self::Released => json!({"action": "release"}),
            Self::SwitchHeard | Self::HoldHeard => return Some(json!(pair.hear().await)),
            Self::DrillReturned
            | Self::FailedOver
            | Self::GarbageRestored
            | Self::DeletionRestored
            | Self::LostEventMadeGood => {
                let ended = pair.tick_or_die(self.victim(), "schedule").await;
                return ended.map(Result::unwrap);
            }
        };
        let ended = pair.ask_or_die(self.victim(), "r-asked", request).await;
        ended.map(Result::unwrap)
    }

    /// What it has done if nobody was killed: otherwise another one was, or none.
    fn is_acted(self, pair: &Pair, answer: &Value) -> bool {
        match self {
            Self::DrillBegun => answer["outcome"] == "pending",
            Self::Switched => answer["outcome"] == "switched",
            Self::Held => answer["outcome"] == "held",
            Self::Released => answer["outcome"] == "released",
            Self::DrillReturned => answer["decision"] == "drill-return",
            Self::FailedOver => answer["decision"] == "failover",
            Self::GarbageRestored | Self::DeletionRestored => answer["decision"] == "restore",
            Self::HoldHeard => pair.events("Hold Changed").len() == 1,
            Self::SwitchHeard | Self::LostEventMadeGood => {
                let events = pair.events("Environment Transition");
                events.iter().any(|event| event["version"] == 2)
            }
        }
    }

    /// What must have come of it, some ticks later.
    async fn end(self, pair: &Pair) -> Kinds {
        match self {
            Self::DrillBegun => drill_has_one_outcome(pair),
            Self::DrillReturned => {
                let kinds = drill_has_one_outcome(pair);
                assert_eq!(kinds, ["drill", "drill-return"], "a return is made, and made once");
                kinds
            }
            Self::Switched | Self::SwitchHeard | Self::LostEventMadeGood => {
                let again = pair.ask(switch()).await;
                let allowed = if self == Self::Switched {
                    ["switched", "unchanged"]
                } else {
                    ["unchanged"; 2]
                };
                assert!(allowed.contains(&outcome(&again)), "{again:#}");
                vec!["switch"]
            }
            Self::FailedOver => {
                assert_eq!(pair.flag().unwrap().0, "green");
                assert_eq!(pair.tick().await["decision"], "none", "blue is still dead");
                pair.heal(Color::Blue);
                vec!["failover"]
            }
            Self::GarbageRestored => {
                assert_eq!(pair.flag().unwrap(), ("blue".to_owned(), 3));
                let told = fault_was_told_and_is_over(pair).await;
                assert!(told.contains(":v2"), "{told}");
                vec!["external", "restore"]
            }
            Self::DeletionRestored => {
                assert_eq!(pair.flag().unwrap(), ("blue".to_owned(), 1));
                fault_was_told_and_is_over(pair).await;
                vec!["restore"]
            }
            Self::Held | Self::HoldHeard => {
                if is_held(pair).await {
                    assert_eq!(ids(&pair.published("Hold Changed")).len(), 1, "the hold is told once");
                } else {
                    assert_eq!(self, Self::Held);
                    assert_eq!(outcome(&pair.ask(hold()).await), "held");
                }
                assert_eq!(outcome(&pair.ask(json!({"action": "release"})).await), "released");
                vec![]
            }
            Self::Released => {
                if is_held(pair).await {
                    assert_eq!(outcome(&pair.ask(json!({"action": "release"})).await), "released");
                }
                assert!(!is_held(pair).await);
                vec![]
            }
        }
    }
}

/// The id of the only one.
async fn fault_was_told_and_is_over(pair: &Pair) -> String {
    assert_eq!(pair.tick().await["decision"], "none");
    let memory = pair.stored(&pair.settings.names.memory()).unwrap();
    assert!(memory["announced"].is_null(), "{memory:#}");
    let told = pair.published("Flag Fault");
    assert_eq!(ids(&told).len(), 1, "{told:#?}");
    told[0]["id"].as_str().unwrap().to_owned()
}

fn switch() -> Value {
    json!({"to": "green", "reason": REASON})
}

fn hold() -> Value {
    json!({"action": "hold", "minutes": 60, "reason": REASON, "requested_by": "ana"})
}

async fn is_held(pair: &Pair) -> bool {
    let status = pair.ask(json!({"action": "status"})).await;
    status["hold"].to_string().contains(REASON)
}

fn ids(events: &[Value]) -> BTreeSet<&str> {
    events.iter().map(|event| event["id"].as_str().unwrap()).collect()
}

fn drill_has_one_outcome(pair: &Pair) -> Kinds {
    let (color, version) = pair.flag().unwrap();
    assert_eq!(color, "blue", "the drill is over");
    let Some(drill) = pair.stored(&pair.settings.names.drill()) else {
        assert_eq!(version, 1, "it left no trace: nothing began");
        return vec![];
    };
    let (wanted, kinds) = match version {
        1 => ("failed", vec![]),
        _ => ("succeeded", vec!["drill", "drill-return"]),
    };
    assert_eq!(drill["outcome"], wanted, "{drill:#}");
    let told = pair.published("Drill Finished");
    assert_eq!(ids(&told).len(), 1, "{told:#?}");
    assert!(told.iter().all(|event| event["outcome"] == wanted), "{told:#?}");
    let outcome = format!("-outcome-{}", drill["id"].as_str().unwrap());
    assert_eq!(records(pair).iter().filter(|name| name.ends_with(&outcome)).count(), 1);
    kinds
}

/// The names of the transition records.
fn records(pair: &Pair) -> BTreeSet<String> {
    let world = pair.world.lock();
    let path = format!("{}/transitions/", world.names.root());
    let names = world.store.names_below(&path);
    names.map(|name| name[path.len()..].to_owned()).collect()
}

/// One version and one record for each transition, every version reported under one id, and nobody in the next one's way.
async fn is_sound(pair: &Pair, story: Story, known: &BTreeSet<String>, mut kinds: Kinds) {
    let other = if pair.flag().unwrap().0 == "blue" {
        "green"
    } else {
        "blue"
    };
    let next = pair.ask(json!({"to": other})).await;
    assert_eq!(outcome(&next), "switched", "{next:#}");
    kinds.push("switch");
    pair.hear().await;
    // Until all has been told that may be told late, and is forgotten.
    pair.minutes(1).await;
    pair.pass(3700).await;
    pair.minutes(5).await;

    let events = pair.published("Environment Transition");
    let mut told: BTreeMap<(i64, &str), BTreeSet<&str>> = BTreeMap::new();
    for event in &events {
        let of = (event["version"].as_i64().unwrap(), event["kind"].as_str().unwrap());
        told.entry(of).or_default().insert(event["id"].as_str().unwrap());
    }
    let as_kinds: Vec<&str> = told.keys().map(|(_, kind)| *kind).collect();
    assert_eq!(as_kinds, kinds, "{events:#?}");
    assert!(told.values().all(|ids| ids.len() == 1), "{told:#?}");

    let described: BTreeSet<String> = {
        let world = pair.world.lock();
        let versions = world.store.versions(world.names.flag());
        let described = versions.filter_map(|version| DescriptionMetadata::read(version.description.as_deref()?));
        described.map(|metadata| metadata.record).collect()
    };
    let is_recorded =
        |event: &&Value| event["kind"] == "external" || described.contains(event["record"].as_str().unwrap());
    assert!(events.iter().all(|event| is_recorded(&event)), "{events:#?}");
    let made = records(pair)
        .into_iter()
        .filter(|name| !known.contains(name) && !name.contains("-outcome-"));
    let (made, ours): (BTreeSet<String>, _) = (made.collect(), described.difference(known).cloned().collect());
    // The record of a flag that is made again follows it, and may be missing: the Description says the same.
    let may_be_missing = story == Story::DeletionRestored && made.is_subset(&ours) && made.len() + 1 == ours.len();
    assert!(
        made == ours || may_be_missing,
        "a record for each transition: {made:?}, {ours:?}"
    );

    let mut world = pair.world.lock();
    world.peace();
    assert_eq!(world.invariants.violation, None);
}

/// Whether it was reached, and somebody killed.
fn play_with_a_death_at(story: Story, request: i64, is_carried_out: bool) -> bool {
    play(SETTINGS, |pair: Pair| async move {
        let pair = rested(pair).await;
        let known = records(&pair);
        story.begin(&pair).await;
        pair.doom(story.victim(), request, is_carried_out);
        let answer = story.act(&pair).await;
        pair.spare();
        let is_killed = pair.deaths() > 0;
        if !is_killed {
            let answer = answer.unwrap();
            assert!(story.is_acted(&pair, &answer), "{answer:#}");
        }
        pair.hear().await;
        pair.minutes(6).await;
        let kinds = story.end(&pair).await;
        pair.hear().await;
        is_sound(&pair, story, &known, kinds).await;
        is_killed
    })
}

fn at_every_request(story: Story, at_least: i64) {
    for is_carried_out in [false, true] {
        let mut request = 0;
        while play_with_a_death_at(story, request, is_carried_out) {
            request += 1;
        }
        println!("{story:?}: {request} requests");
        assert!(request >= at_least, "{story:?} made only {request} requests");
    }
}

// Each with the number of requests that its victim makes at least: a story without any would pass.

#[test]
fn a_drill_begins_whoever_dies() {
    at_every_request(Story::DrillBegun, 5);
}

#[test]
fn a_drill_returns_whoever_dies() {
    at_every_request(Story::DrillReturned, 5);
}

#[test]
fn a_person_switches_whoever_dies() {
    at_every_request(Story::Switched, 3);
}

#[test]
fn the_watcher_fails_over_whoever_dies() {
    at_every_request(Story::FailedOver, 5);
}

#[test]
fn garbage_is_restored_whoever_dies() {
    at_every_request(Story::GarbageRestored, 5);
}

#[test]
fn a_deleted_flag_is_restored_whoever_dies() {
    at_every_request(Story::DeletionRestored, 5);
}

#[test]
fn a_hold_is_placed_whoever_dies() {
    at_every_request(Story::Held, 2);
}

#[test]
fn a_hold_is_released_whoever_dies() {
    at_every_request(Story::Released, 2);
}

#[test]
fn a_switch_is_heard_whoever_dies() {
    at_every_request(Story::SwitchHeard, 5);
}

#[test]
fn a_hold_is_heard_whoever_dies() {
    at_every_request(Story::HoldHeard, 3);
}

#[test]
fn a_lost_event_is_made_good_whoever_dies() {
    at_every_request(Story::LostEventMadeGood, 5);
}
