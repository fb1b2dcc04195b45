//! Every version of every incarnation of the flag is audited, and one id names one event.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fact::text;
use super::{Checked, Fact, Rule};
use crate::clock::{MINUTE, Milliseconds};
use crate::parameter_store::Version;
use crate::world::World;

/// A deleted flag takes its history with it: what nobody could read for so long before stays unaudited
/// (docs/features/flag-repair.md, Limits).
const READ_WITHIN: Milliseconds = 5 * MINUTE;

/// What was written, and what was published.
#[derive(Debug, Default)]
pub struct AuditTrail {
    /// Every version of every incarnation of the flag, by number and date.
    versions: BTreeMap<(i64, Milliseconds), Version>,
    /// Every event by its id.
    events: BTreeMap<String, Value>,
}

impl Rule for AuditTrail {
    fn happened(&mut self, world: &World, fact: &Fact, now: Milliseconds) -> Checked {
        match fact {
            Fact::Stored {
                name, version: None, ..
            } if name == world.names.flag() => {
                let fair_for = world.weather.fair_for(now);
                self.versions.retain(|(_, at), _| fair_for.min(now - at) > READ_WITHIN);
                Ok(())
            }
            Fact::Stored {
                name,
                version: Some(version),
                ..
            } if name == world.names.flag() => {
                self.versions.insert((version.number, version.at), version.clone());
                Ok(())
            }
            Fact::Published(event) => self.published(event),
            _ => Ok(()),
        }
    }

    fn peace(&mut self, _world: &World, _now: Milliseconds) -> Checked {
        for ((number, at), version) in &self.versions {
            let suffix = format!(":v{number}-{at}");
            let is_audited = |(id, event): (&String, &Value)| {
                id.ends_with(&suffix) && text(event, "/detail-type") == "Environment Transition"
            };
            if !self.events.iter().any(is_audited) {
                let what = format!(
                    "version {number} of {} ({}) was never audited",
                    crate::clock::text(*at),
                    version.value
                );
                return Err(("every-version-audited", what));
            }
        }
        // What was found to be right once needs not be looked at again.
        self.versions.clear();
        self.events.clear();
        Ok(())
    }
}

impl AuditTrail {
    fn published(&mut self, event: &Value) -> Checked {
        let id = text(event, "/detail/id").to_owned();
        let kind = text(event, "/detail-type");
        let Some(before) = self.events.get(&id) else {
            self.events.insert(id, event.clone());
            return Ok(());
        };
        if text(before, "/detail-type") != kind || identity(kind, before) != identity(kind, event) {
            let what = format!("two events {kind} with the id {id} differ:\n{before}\n{event}");
            return Err(("one-id-one-event", what));
        }
        Ok(())
    }
}

/// What must be the same in every repeat of an event.
///
/// Of a version, a hold, a drill, an acknowledgement, that is everything, its date too. A condition that lasts is observed
/// anew when its event is repeated: what it is about is the same, its evidence and its date are newer
/// (docs/reference/events.md).
fn identity(kind: &str, event: &Value) -> Value {
    let detail = event.get("detail").unwrap_or(&Value::Null);
    let fields: &[&str] = match kind {
        "Failover Blocked" => &["pair", "flag", "active", "wanted", "since", "blocked_by"],
        "Environment Unknown" => &["pair", "flag", "active", "since"],
        "Flag Fault" | "Run Report" => &["pair", "flag"],
        "Readiness Changed" => &["pair", "flag", "level", "previous"],
        "DAG Management" => &["pair", "flag", "active", "version", "state"],
        _ => return json!([event.get("time"), detail]),
    };
    let kept = fields
        .iter()
        .map(|field| ((*field).to_owned(), detail.get(*field).cloned().unwrap_or(Value::Null)));
    Value::Object(kept.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::testing::{event, world, write_flag};
    use crate::weather::{Burst, Fault, Service};

    #[test]
    fn a_version_that_was_never_audited_is_found() {
        let (mut world, mut rule) = (world(), AuditTrail::default());
        let fact = write_flag(&mut world, "blue", None, "the stack");
        rule.happened(&world, &fact, 0).unwrap();
        assert_eq!(rule.peace(&world, 0).unwrap_err().0, "every-version-audited");
        let label = crate::invariants::standing(&world).unwrap();
        let other = event("Flag Fault", &format!("p:f:{label}"), &json!({}));
        rule.happened(&world, &other, 0).unwrap();
        assert_eq!(rule.peace(&world, 0).unwrap_err().0, "every-version-audited");
        let mut rule = AuditTrail::default();
        rule.happened(&world, &fact, 0).unwrap();
        let audited = event("Environment Transition", &format!("p:f:{label}"), &json!({}));
        rule.happened(&world, &audited, 0).unwrap();
        assert_eq!(rule.peace(&world, 0), Ok(()));
    }

    #[test]
    fn a_version_is_excused_that_was_deleted_before_anybody_could_read_it() {
        for (minutes, silence, is_found) in [(4, 0, false), (30, 0, true), (30, 20, true), (30, 29, false)] {
            let (mut world, mut rule) = (world(), AuditTrail::default());
            let fact = write_flag(&mut world, "blue", None, "the stack");
            let at = world.now();
            rule.happened(&world, &fact, at).unwrap();
            world.weather.begin(silent(silence * 60), 1, at);
            world.pass(minutes * 60);
            let deleted = Fact::Stored {
                name: world.names.flag().to_owned(),
                version: None,
                by: "a person".to_owned(),
            };
            let now = world.now();
            rule.happened(&world, &deleted, now).unwrap();
            let checked = rule.peace(&world, now);
            assert_eq!(checked.is_err(), is_found, "{minutes} min, {silence} of them silent");
        }
    }

    fn silent(seconds: i64) -> Burst {
        Burst {
            service: Service::ParameterStore,
            color: None,
            operation: None,
            fault: Fault::Silence,
            seconds,
            percent: 70,
        }
    }

    #[test]
    fn two_events_with_one_id_that_differ_are_found() {
        let world = world();
        for (kind, field, is_broken) in [
            ("Environment Transition", "reason", true),
            ("Drill Finished", "outcome", true),
            ("Hold Changed", "state", true),
            ("Failover Blocked", "evidence", false),
            ("Failover Blocked", "since", true),
            ("Environment Unknown", "reason", false),
            ("Readiness Changed", "level", true),
        ] {
            let mut rule = AuditTrail::default();
            rule.happened(&world, &event(kind, "p:f:1", &json!({field: "a"})), 0)
                .unwrap();
            rule.happened(&world, &event(kind, "p:f:1", &json!({field: "a"})), 0)
                .unwrap();
            let checked = rule.happened(&world, &event(kind, "p:f:1", &json!({field: "b"})), 0);
            assert_eq!(checked.is_err(), is_broken, "{kind} {field}: {checked:?}");
        }
        for (kind, is_broken) in [("Drill Finished", true), ("Flag Fault", false)] {
            let at =
                |time: &str| Fact::Published(json!({"detail-type": kind, "time": time, "detail": {"id": "p:f:1"}}));
            let mut rule = AuditTrail::default();
            for (time, is_found) in [("09:00", false), ("09:00", false), ("09:01", is_broken)] {
                let checked = rule.happened(&world, &at(time), 0);
                assert_eq!(checked.is_err(), is_found, "{kind} at {time}: {checked:?}");
            }
        }
        let mut rule = AuditTrail::default();
        rule.happened(&world, &event("Flag Fault", "p:f:1", &json!({})), 0)
            .unwrap();
        assert!(
            rule.happened(&world, &event("Hold Changed", "p:f:1", &json!({})), 0)
                .is_err()
        );
    }
}
