//! A small world for the tests of the rules.

use std::collections::{BTreeMap, VecDeque};

use bluegreen_core::color::Both;
use bluegreen_core::settings::{self, Settings};
use fastrand::Rng;
use serde_json::{Value, json};

use super::{Fact, Invariants};
use crate::airflow::Airflow;
use crate::clock::{MINUTE, Milliseconds, SECOND, Time, timestamp};
use crate::environment::Environment;
use crate::parameter_store::ParameterStore;
use crate::weather::Weather;
use crate::world::World;

/// When these tests begin.
pub(super) const START: Milliseconds = 1_798_761_600_000;

/// Settings of a pair, with these variables.
pub(super) fn settings(set: &[(&str, &str)]) -> Settings {
    let given = |name: &str| {
        let found = set.iter().find(|(set, _)| *set == name).map(|(_, value)| *value);
        let fixed = match name {
            "PAIR_NAME" => Some("mwaa-blue-green"),
            "BLUE_ENVIRONMENT_NAME" => Some("airflow-blue"),
            "GREEN_ENVIRONMENT_NAME" => Some("airflow-green"),
            "AUDIT_BUS_NAME" => Some("audit"),
            _ => None,
        };
        found.or(fixed).map(str::to_owned)
    };
    settings::read(given).unwrap()
}

/// A world in which everything works; the clock stands still.
pub(super) fn world() -> World {
    World {
        time: Time::standing_at(START),
        rng: Rng::with_seed(1),
        names: settings(&[]).names,
        memory: String::new(),
        store: ParameterStore::default(),
        weather: Weather::default(),
        environments: Both {
            blue: Environment::new("airflow-blue", START - 3600 * SECOND),
            green: Environment::new("airflow-green", START - 3600 * SECOND),
        },
        airflow: Airflow::new(1, &settings(&[]), START),
        deliveries: VecDeque::new(),
        wake: std::sync::Arc::default(),
        invariants: Invariants::default(),
        lines: VecDeque::new(),
        requests: BTreeMap::new(),
        under_way: BTreeMap::new(),
        stirred_at: 0,
        is_told: true,
        told: VecDeque::new(),
    }
}

impl World {
    /// So many seconds pass.
    pub fn pass(&mut self, seconds: i64) {
        self.time = Time::standing_at(self.now() + seconds * SECOND);
    }
}

/// Writes a parameter; the fact that it was.
pub(super) fn write(world: &mut World, name: &str, value: &str, description: Option<&str>, by: &str) -> Fact {
    let mut request = json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true});
    if let Some(description) = description {
        request["Description"] = json!(description);
    }
    let now = world.now();
    world.store.call("PutParameter", &request, by, now, 0).unwrap();
    Fact::Stored {
        name: name.to_owned(),
        version: world.store.truth(name).cloned(),
        by: by.to_owned(),
    }
}

/// Writes the flag.
pub(super) fn write_flag(world: &mut World, value: &str, description: Option<&str>, by: &str) -> Fact {
    let name = world.names.flag().to_owned();
    write(world, &name, value, description, by)
}

/// The name of the record of the next version.
pub(super) fn record(world: &World) -> String {
    let flag = world.store.truth(world.names.flag()).unwrap();
    format!("v{}-{}", flag.number + 1, flag.at)
}

/// A Description as the product writes it, with an effect so many seconds from now.
pub(super) fn described(world: &World, kind: &str, sentence: &str, effect: i64) -> String {
    let effective_from = timestamp(world.now() + effect * SECOND);
    format!(
        "{kind}: {sentence} [effective_from={effective_from} record={}]",
        record(world)
    )
}

/// A tick's answer.
pub(super) fn ticked(answer: Value) -> Fact {
    ended("health-watcher#1", "r-tick", Ok(answer))
}

/// An invocation that ended.
pub(super) fn ended(process: &str, request_id: &str, answer: Result<Value, &str>) -> Fact {
    Fact::Ended {
        process: process.to_owned(),
        request_id: request_id.to_owned(),
        answer: answer.map_err(str::to_owned),
    }
}

/// An event that reached the bus.
pub(super) fn event(kind: &str, id: &str, detail: &Value) -> Fact {
    let mut detail = detail.clone();
    detail["id"] = json!(id);
    Fact::Published(json!({"detail-type": kind, "detail": detail}))
}

/// Blue is active since an hour, and has been dead for ten minutes; green works.
pub(super) fn dead_blue() -> World {
    let mut world = world();
    write_flag(&mut world, "green", None, "the stack");
    write_flag(&mut world, "blue", None, "the stack");
    world.pass(3600);
    let now = world.now();
    world.environments.blue.stop(now - 10 * MINUTE);
    world
}

/// The watcher fails over to green, with these fields of its record changed, and an effect so many seconds from now.
pub(super) fn failover(world: &mut World, change: &Value, effect: i64, sentence: &str) -> Fact {
    let text = |at| timestamp(at).to_string();
    let now = world.now();
    let mut value = json!({
        "schema": 1, "kind": "failover", "from": "blue", "to": "green", "version": 3, "decided_at": text(now),
        "effective_from": text(now), "reason": "blue is unhealthy",
        "actor": {"function": "health-watcher", "request_id": "r-1", "requested_by": null},
        "trigger": {"type": "schedule", "id": null}, "drill": null, "evidence": {},
    });
    for (field, to) in change.as_object().unwrap() {
        value[field] = to.clone();
    }
    let name = format!("{}/{}", world.names.transitions(), record(world));
    write(world, &name, &value.to_string(), None, "health-watcher#1");
    let description = described(world, "failover", sentence, effect);
    write_flag(world, "green", Some(&description), "health-watcher#1")
}
