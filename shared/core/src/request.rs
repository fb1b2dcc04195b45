//! Requests to the switch-handler. Unknown fields and wrong types are refused by name, all at once.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::colour::Colour;
use crate::drill::Mode;
use crate::flag::{FlagObservation, FlagVersion};
use crate::precondition::{Guard, GuardName};
use crate::text::shortened;
use crate::time::{after, to_second};

/// Longest reason, in characters.
const MAX_REASON: usize = 500;

/// Longest name of who asks, in characters.
const MAX_REQUESTED_BY: usize = 200;

/// Longest hold: one that is forgotten must not last.
const MAX_HOLD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Longest drill, in minutes.
const MAX_DRILL_MINUTES: u32 = 24 * 60;

/// Widest window of a hand-over report, in minutes.
const MAX_WINDOW_MINUTES: u32 = 24 * 60;

/// Minutes around the last transition that a hand-over report is about unless told otherwise.
pub const DEFAULT_WINDOW_MINUTES: u32 = 120;

/// Versions that `history` shows unless told otherwise.
const DEFAULT_LIMIT: usize = 20;

const ACTIONS: [&str; 11] = [
    "switch",
    "status",
    "history",
    "failover",
    "rollback",
    "drill",
    "hold",
    "release",
    "check",
    "handover",
    "initialize",
];

/// A request, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Make `to` the active colour.
    Switch(SwitchRequest),
    /// Declare the active colour failed.
    Failover(FailoverRequest),
    /// Say what stands.
    Status,
    /// Say whether the standby could take over.
    Check,
    /// Say which runs were executed, by whom.
    Handover {
        /// How much time around the last transition.
        window_minutes: u32,
    },
    /// List the flag's newest versions.
    History {
        /// How many.
        limit: usize,
    },
    /// Create the flag.
    Initialize(InitializeRequest),
    /// Go back to the colour before.
    Rollback(RollbackRequest),
    /// Place a hold.
    Hold(HoldRequest),
    /// Remove the hold, and acknowledge automatic failovers.
    Release(ReleaseRequest),
    /// Practise a failover.
    Drill(DrillRequest),
}

/// `{"to":"green"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct SwitchRequest {
    /// The colour wanted.
    pub to: Colour,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
    /// Skip the guards, never the claim.
    pub force: bool,
    /// What must stand for the request to be carried out.
    pub expect: Option<Expect>,
}

/// `{"action":"failover","to":"green"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct FailoverRequest {
    /// The colour that is to take over; none means whichever stands by.
    pub to: Option<Colour>,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
    /// Skip the guards, never the claim.
    pub force: bool,
    /// What must stand for the request to be carried out.
    pub expect: Option<Expect>,
}

/// The state a request was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// The active colour.
    pub active: Option<Colour>,
    /// The flag's version.
    pub version: Option<FlagVersion>,
}

impl Expect {
    /// Compares with what stands. It is the caller's own condition, so `force` does not skip it.
    #[must_use]
    pub fn guard(&self, observed: &FlagObservation) -> Guard {
        let good = self.active.is_none_or(|active| observed.value.colour() == Some(active))
            && self.version.is_none_or(|version| observed.version == version);
        let mut wanted = Vec::new();
        wanted.extend(self.active.map(|active| active.to_string()));
        wanted.extend(self.version.map(|version| format!("version {version}")));
        let detail = format!(
            "expected {}, found {} at version {}",
            wanted.join(" at "),
            observed.value,
            observed.version
        );
        Guard::new(GuardName::Expect, good, detail)
    }
}

/// `{"action":"initialize"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct InitializeRequest {
    /// The first active colour, if named.
    pub to: Option<Colour>,
    /// Why.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
    /// Create the flag although the pair has a past.
    pub force: bool,
}

/// `{"action":"rollback"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct RollbackRequest {
    /// Why.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
    /// Skip the guards, never the claim.
    pub force: bool,
    /// What must stand for the request to be carried out.
    pub expect: Option<Expect>,
}

/// `{"action":"hold","hold_minutes":60,"reason":"…"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct HoldRequest {
    /// When it ends by itself.
    pub until: Timestamp,
    /// Why; required, because somebody will read it at night.
    pub reason: String,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
}

/// `{"action":"release"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseRequest {
    /// Why.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing.
    pub dry_run: bool,
}

/// `{"action":"drill"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillRequest {
    /// How far it goes.
    pub mode: Mode,
    /// How long the drilled colour works; none means as configured.
    pub hold_minutes: Option<u32>,
    /// Why.
    pub reason: Option<String>,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Say what would happen, write nothing, tell nobody.
    pub dry_run: bool,
    /// What must stand for the request to be carried out.
    pub expect: Option<Expect>,
}

/// A request that cannot be carried out as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Something is wrong with it; the message names every field, what was given and what is allowed.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
}

/// Reads a request; `now` tells whether a hold would end in the past.
pub fn read(event: &Value, now: Timestamp) -> Result<Request, RequestError> {
    let Value::Object(fields) = event else {
        return Err(RequestError::Invalid(vec![format!(
            "the request is {}; allowed is a JSON object such as {{\"to\":\"green\"}}",
            given(event)
        )]));
    };
    let mut reader = Reader {
        fields,
        faults: Vec::new(),
    };
    let action = reader.action();
    let request = match action.as_deref() {
        Some("switch") => reader.switch(),
        Some("failover") => Some(reader.failover()),
        Some("status") => {
            reader.only("status", &[]);
            Some(Request::Status)
        }
        Some("check") => {
            reader.only("check", &[]);
            Some(Request::Check)
        }
        Some("handover") => {
            reader.only("handover", &["window_minutes"]);
            Some(Request::Handover {
                window_minutes: reader.window_minutes(),
            })
        }
        Some("history") => {
            reader.only("history", &["limit"]);
            Some(Request::History { limit: reader.limit() })
        }
        Some("initialize") => {
            reader.only("initialize", &["to", "reason", "requested_by", "dry_run", "force"]);
            Some(Request::Initialize(InitializeRequest {
                to: reader.colour("to"),
                reason: reader.text("reason", MAX_REASON),
                requested_by: reader.text("requested_by", MAX_REQUESTED_BY),
                dry_run: reader.flag("dry_run"),
                force: reader.flag("force"),
            }))
        }
        Some("rollback") => {
            reader.only("rollback", &["reason", "requested_by", "dry_run", "force", "expect"]);
            Some(Request::Rollback(RollbackRequest {
                reason: reader.text("reason", MAX_REASON),
                requested_by: reader.text("requested_by", MAX_REQUESTED_BY),
                dry_run: reader.flag("dry_run"),
                force: reader.flag("force"),
                expect: reader.expect(),
            }))
        }
        Some("hold") => reader.hold(now),
        Some("release") => {
            reader.only("release", &["reason", "requested_by", "dry_run"]);
            Some(Request::Release(ReleaseRequest {
                reason: reader.text("reason", MAX_REASON),
                requested_by: reader.text("requested_by", MAX_REQUESTED_BY),
                dry_run: reader.flag("dry_run"),
            }))
        }
        Some("drill") => {
            reader.only(
                "drill",
                &["mode", "hold_minutes", "reason", "requested_by", "dry_run", "expect"],
            );
            Some(Request::Drill(DrillRequest {
                mode: reader.mode(),
                expect: reader.expect(),
                hold_minutes: reader.drill_minutes(),
                reason: reader.text("reason", MAX_REASON),
                requested_by: reader.text("requested_by", MAX_REQUESTED_BY),
                dry_run: reader.flag("dry_run"),
            }))
        }
        Some(_) | None => None,
    };
    match request {
        Some(request) if reader.faults.is_empty() => Ok(request),
        _ => Err(RequestError::Invalid(reader.faults)),
    }
}

struct Reader<'a> {
    fields: &'a Map<String, Value>,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn fault(&mut self, field: &str, value: &Value, allowed: &str) {
        self.faults
            .push(format!("field {field:?} is {}; allowed is {allowed}", given(value)));
    }

    fn action(&mut self) -> Option<String> {
        match self.fields.get("action") {
            None => Some("switch".to_owned()),
            Some(Value::String(action)) if ACTIONS.contains(&action.as_str()) => Some(action.clone()),
            Some(other) => {
                self.fault("action", other, &format!("one of: {}", ACTIONS.join(", ")));
                None
            }
        }
    }

    fn only(&mut self, action: &str, allowed: &[&str]) {
        for (field, _) in self.fields.iter().filter(|(field, _)| *field != "action") {
            if !allowed.contains(&field.as_str()) {
                let list = if allowed.is_empty() {
                    "nothing else".to_owned()
                } else {
                    allowed.join(", ")
                };
                self.faults.push(format!(
                    "field {:?} is not known to action {action:?}; allowed beside it: {list}",
                    shortened(field, 60)
                ));
            }
        }
    }

    fn switch(&mut self) -> Option<Request> {
        self.only(
            "switch",
            &["to", "reason", "requested_by", "dry_run", "force", "expect"],
        );
        let to = self.colour("to");
        if !self.fields.contains_key("to") {
            self.faults
                .push("field \"to\" is missing; allowed is \"blue\" or \"green\"".to_owned());
        }
        let (reason, requested_by) = (
            self.text("reason", MAX_REASON),
            self.text("requested_by", MAX_REQUESTED_BY),
        );
        let (dry_run, force, expect) = (self.flag("dry_run"), self.flag("force"), self.expect());
        Some(Request::Switch(SwitchRequest {
            to: to?,
            reason,
            requested_by,
            dry_run,
            force,
            expect,
        }))
    }

    fn failover(&mut self) -> Request {
        self.only(
            "failover",
            &["to", "reason", "requested_by", "dry_run", "force", "expect"],
        );
        let request = FailoverRequest {
            to: self.colour("to"),
            reason: self.text("reason", MAX_REASON),
            requested_by: self.text("requested_by", MAX_REQUESTED_BY),
            dry_run: self.flag("dry_run"),
            force: self.flag("force"),
            expect: self.expect(),
        };
        // Without guards "the other colour" would be a colour that nobody has looked at: where the watcher, or a repeat of this
        // request, was a moment faster, it would be the one that has failed.
        if request.force && !self.fields.contains_key("to") {
            self.faults.push(
                "field \"to\" is missing; allowed is \"blue\" or \"green\": with \"force\" the colour that is to take over must \
                 be named"
                    .to_owned(),
            );
        }
        Request::Failover(request)
    }

    fn hold(&mut self, now: Timestamp) -> Option<Request> {
        self.only("hold", &["hold_minutes", "until", "reason", "requested_by", "dry_run"]);
        let faults = self.faults.len();
        let reason = self.text("reason", MAX_REASON);
        if reason.is_none() && self.faults.len() == faults {
            self.faults
                .push("field \"reason\" is missing; allowed is a text: whoever is woken will read it".to_owned());
        }
        let until = self.until(now);
        let (requested_by, dry_run) = (self.text("requested_by", MAX_REQUESTED_BY), self.flag("dry_run"));
        Some(Request::Hold(HoldRequest {
            until: until?,
            reason: reason?,
            requested_by,
            dry_run,
        }))
    }

    /// The end of a hold: `until`, or `hold_minutes` from now; in the future, and at most seven days ahead.
    fn until(&mut self, now: Timestamp) -> Option<Timestamp> {
        let latest = after(now, MAX_HOLD);
        match (self.fields.get("hold_minutes"), self.fields.get("until")) {
            (Some(minutes), None) => {
                let until = minutes
                    .as_u64()
                    .filter(|minutes| *minutes >= 1)
                    .and_then(|minutes| minutes.checked_mul(60))
                    .map(|seconds| after(now, Duration::from_secs(seconds)))
                    .filter(|until| *until <= latest);
                if until.is_none() {
                    self.fault("hold_minutes", minutes, "a whole number from 1 to 10080 (seven days)");
                }
                until
            }
            (None, Some(given)) => {
                let until = given.as_str().and_then(|text| text.parse::<Timestamp>().ok());
                let good = until.filter(|until| *until > now && *until <= latest);
                if good.is_none() {
                    let allowed = format!(
                        "an instant with its offset, such as {}, later than now and at most seven days ahead",
                        to_second(after(now, Duration::from_secs(3600)))
                    );
                    self.fault("until", given, &allowed);
                }
                good
            }
            (None, None) => {
                self.faults
                    .push("field \"hold_minutes\" is missing; allowed is it or \"until\"".to_owned());
                None
            }
            (Some(_), Some(_)) => {
                self.faults
                    .push("fields \"hold_minutes\" and \"until\" exclude each other; give one".to_owned());
                None
            }
        }
    }

    fn mode(&mut self) -> Mode {
        let modes = [Mode::Dry, Mode::Probe, Mode::Switch];
        let Some(value) = self.fields.get("mode") else {
            return Mode::Switch;
        };
        let mode = modes.into_iter().find(|mode| value.as_str() == Some(mode.as_str()));
        if mode.is_none() {
            self.fault("mode", value, "one of: dry, probe, switch");
        }
        mode.unwrap_or(Mode::Dry)
    }

    fn drill_minutes(&mut self) -> Option<u32> {
        let value = self.fields.get("hold_minutes")?;
        let minutes = value
            .as_u64()
            .and_then(|minutes| u32::try_from(minutes).ok())
            .filter(|minutes| (1..=MAX_DRILL_MINUTES).contains(minutes));
        if minutes.is_none() {
            self.fault(
                "hold_minutes",
                value,
                "a whole number from 1 to 1440 (a day): how long the drilled colour works",
            );
        }
        minutes
    }

    fn window_minutes(&mut self) -> u32 {
        let Some(value) = self.fields.get("window_minutes") else {
            return DEFAULT_WINDOW_MINUTES;
        };
        let minutes = value
            .as_u64()
            .and_then(|minutes| u32::try_from(minutes).ok())
            .filter(|minutes| (1..=MAX_WINDOW_MINUTES).contains(minutes));
        if minutes.is_none() {
            self.fault(
                "window_minutes",
                value,
                "a whole number from 1 to 1440 (a day): the time around the last transition",
            );
        }
        minutes.unwrap_or(DEFAULT_WINDOW_MINUTES)
    }

    fn colour(&mut self, field: &str) -> Option<Colour> {
        let value = self.fields.get(field)?;
        let colour = value.as_str().and_then(Colour::parse);
        if colour.is_none() {
            self.fault(field, value, "exactly \"blue\" or \"green\"");
        }
        colour
    }

    fn text(&mut self, field: &str, longest: usize) -> Option<String> {
        match self.fields.get(field)? {
            Value::Null => None,
            Value::String(text) if text.chars().count() <= longest && !text.chars().any(char::is_control) => {
                (!text.trim().is_empty()).then(|| text.clone())
            }
            other => {
                self.fault(
                    field,
                    other,
                    &format!("a text of at most {longest} characters in one line"),
                );
                None
            }
        }
    }

    fn flag(&mut self, field: &str) -> bool {
        match self.fields.get(field) {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(other) => {
                self.fault(field, other, "true or false");
                false
            }
        }
    }

    fn limit(&mut self) -> usize {
        match self.fields.get("limit") {
            None => DEFAULT_LIMIT,
            Some(value) => match value.as_u64().and_then(|limit| usize::try_from(limit).ok()) {
                Some(limit) if (1..=100).contains(&limit) => limit,
                _ => {
                    self.fault("limit", value, "a whole number from 1 to 100");
                    DEFAULT_LIMIT
                }
            },
        }
    }

    fn expect(&mut self) -> Option<Expect> {
        let value = self.fields.get("expect")?;
        let allowed = "an object with \"active\" (\"blue\" or \"green\"), \"version\" (a whole number from 1), or both";
        let Some(fields) = value.as_object().filter(|fields| !fields.is_empty()) else {
            self.fault("expect", value, allowed);
            return None;
        };
        let active = fields
            .get("active")
            .map(|active| active.as_str().and_then(Colour::parse));
        let version = fields
            .get("version")
            .map(|version| version.as_u64().filter(|version| *version >= 1));
        let unknown = fields.keys().any(|key| key != "active" && key != "version");
        if unknown || active == Some(None) || version == Some(None) {
            self.fault("expect", value, allowed);
            return None;
        }
        Some(Expect {
            active: active.flatten(),
            version: version.flatten().map(FlagVersion),
        })
    }
}

/// What was given, short enough for a message.
fn given(value: &Value) -> String {
    shortened(&value.to_string(), 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn ask(event: &Value) -> Result<Request, RequestError> {
        read(event, "2026-11-23T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_colour_is_enough() {
        let Ok(Request::Switch(request)) = ask(&json!({"to": "green"})) else {
            panic!("not understood")
        };
        assert_eq!(
            (request.to, request.force, request.dry_run),
            (Colour::Green, false, false)
        );
    }

    #[test]
    fn a_failover_names_its_colour_or_takes_the_standby() {
        for (event, to) in [
            (json!({"action": "failover"}), None),
            (json!({"action": "failover", "to": "green"}), Some(Colour::Green)),
            (
                json!({"action": "failover", "to": "blue", "force": true, "requested_by": "ana"}),
                Some(Colour::Blue),
            ),
        ] {
            let Ok(Request::Failover(request)) = ask(&event) else {
                panic!("{event} is not understood")
            };
            assert_eq!(request.to, to);
            assert_eq!(request.force, event.get("force").is_some());
        }
    }

    #[test]
    fn every_fault_names_its_field_what_was_given_and_what_is_allowed() {
        for (event, parts) in [
            (
                json!({"to": "Blue "}),
                vec!["\"to\"", "\"Blue \"", "\"blue\" or \"green\""],
            ),
            (json!({}), vec!["\"to\"", "missing"]),
            (json!({"to": null}), vec!["\"to\"", "null"]),
            (json!({"to": "green", "colour": 1}), vec!["\"colour\"", "not known"]),
            (
                json!({"to": "green", "dry_run": "yes"}),
                vec!["\"dry_run\"", "\"yes\"", "true or false"],
            ),
            (json!({"to": "green", "expect": {}}), vec!["\"expect\"", "{}"]),
            (
                json!({"to": "green", "expect": {"version": 0}}),
                vec!["\"expect\"", "from 1"],
            ),
            (
                json!({"to": "green", "expect": {"version": 1.5}}),
                vec!["\"expect\"", "1.5"],
            ),
            (json!({"to": "green", "reason": 7}), vec!["\"reason\"", "7"]),
            (
                json!({"to": "green", "reason": "x".repeat(501)}),
                vec!["\"reason\"", "500"],
            ),
            (
                json!({"action": "Switch"}),
                vec!["\"action\"", "\"Switch\"", "switch, status"],
            ),
            (json!({"action": "history", "limit": 0}), vec!["\"limit\"", "1 to 100"]),
            (json!({"action": "history", "limit": 1e300}), vec!["\"limit\""]),
            (
                json!({"action": "status", "to": "green"}),
                vec!["\"to\"", "nothing else"],
            ),
            (
                json!({"action": "check", "dry_run": true}),
                vec!["\"dry_run\"", "nothing else"],
            ),
            (
                json!({"to": "pink", "force": 1}),
                vec!["\"to\"", "\"pink\"", "\"force\"", "1"],
            ),
            (json!("green"), vec!["\"green\"", "JSON object"]),
            (Value::Null, vec!["null"]),
        ] {
            let message = ask(&event).unwrap_err().to_string();
            for part in parts {
                assert!(message.contains(part), "{event}: {part} is not in: {message}");
            }
        }
    }

    #[test]
    fn a_hold_has_an_end_and_a_reason() {
        for end in [
            json!({"hold_minutes": 60}),
            json!({"until": "2026-11-23T13:00:00Z"}),
            json!({"until": "2026-11-23T14:00:00+01:00"}),
        ] {
            let mut event = json!({"action": "hold", "reason": "upgrade", "requested_by": "ana"});
            event.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
            let Ok(Request::Hold(hold)) = ask(&event) else {
                panic!("{event} is not understood")
            };
            assert_eq!(hold.until.to_string(), "2026-11-23T13:00:00Z");
        }
        for (event, part) in [
            (json!({"action": "hold", "hold_minutes": 60}), "\"reason\" is missing"),
            (
                json!({"action": "hold", "hold_minutes": 60, "reason": ""}),
                "\"reason\" is missing",
            ),
            (json!({"action": "hold", "reason": "x"}), "\"hold_minutes\" is missing"),
            (
                json!({"action": "hold", "reason": "x", "hold_minutes": 0}),
                "from 1 to 10080",
            ),
            (
                json!({"action": "hold", "reason": "x", "hold_minutes": 10081}),
                "from 1 to 10080",
            ),
            (
                json!({"action": "hold", "reason": "x", "hold_minutes": u64::MAX}),
                "from 1 to 10080",
            ),
            (
                json!({"action": "hold", "reason": "x", "until": "2026-11-23T11:59:59Z"}),
                "later than now",
            ),
            (
                json!({"action": "hold", "reason": "x", "until": "2026-12-24T12:00:00Z"}),
                "seven days",
            ),
            (
                json!({"action": "hold", "reason": "x", "until": "tomorrow"}),
                "\"tomorrow\"",
            ),
            (
                json!({"action": "hold", "reason": "x", "until": "2026-11-23T13:00:00Z", "hold_minutes": 5}),
                "exclude",
            ),
            (
                json!({"action": "hold", "reason": "x", "hold_minutes": 5, "force": true}),
                "\"force\"",
            ),
            (json!({"action": "release", "to": "blue"}), "\"to\""),
            (json!({"action": "drill", "mode": "full"}), "dry, probe, switch"),
            (json!({"action": "drill", "hold_minutes": 1441}), "from 1 to 1440"),
            (json!({"action": "drill", "hold_minutes": "5"}), "from 1 to 1440"),
            (json!({"action": "drill", "force": true}), "\"force\""),
            (json!({"action": "rollback", "to": "blue"}), "\"to\""),
            (
                json!({"action": "failover", "to": "Green"}),
                "exactly \"blue\" or \"green\"",
            ),
            (
                json!({"action": "failover", "force": true}),
                "with \"force\" the colour",
            ),
            (json!({"action": "failover", "minutes": 5}), "\"minutes\" is not known"),
        ] {
            let message = ask(&event).unwrap_err().to_string();
            assert!(message.contains(part), "{event}: {part} is not in: {message}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            Just(json!("green")),
            Just(json!("switch")),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            let key = prop_oneof![
                ".*",
                Just("to".to_owned()),
                Just("action".to_owned()),
                Just("expect".to_owned()),
                Just("limit".to_owned()),
                Just("reason".to_owned()),
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..6).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_at_all_is_answered(event in any_json()) {
            if let Err(RequestError::Invalid(faults)) = ask(&event) {
                prop_assert!(!faults.is_empty());
            }
        }
    }
}
