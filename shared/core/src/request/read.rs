//! From JSON to a request, with every fault by name.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::form::ActionName;
use super::kinds::{
    DrillRequest, Expect, FailoverRequest, HoldRequest, InitializeRequest, ReleaseRequest, Request, RequestError,
    RollbackRequest, SwitchRequest,
};
use crate::color::Color;
use crate::drill::Mode;
use crate::flag::FlagVersion;
use crate::retired_words;
use crate::text::shortened;
use crate::time::{after, to_second};

/// Minutes around the last transition that a run report is about unless told otherwise.
pub const DEFAULT_WINDOW_MINUTES: u32 = 120;

/// Longest reason, in characters.
const MAX_REASON: usize = 500;

/// Longest name of who asks, in characters.
const MAX_REQUESTED_BY: usize = 200;

/// Longest hold: one that is forgotten must not last.
const MAX_HOLD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Longest drill, in minutes.
const MAX_DRILL_MINUTES: u32 = 24 * 60;

/// Widest window of a run report, in minutes.
const MAX_WINDOW_MINUTES: u32 = 24 * 60;

/// Versions that `history` shows unless told otherwise.
const DEFAULT_LIMIT: usize = 20;

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
    let request = match action {
        Some(ActionName::Switch) => reader.switch(),
        Some(ActionName::Failover) => Some(reader.failover()),
        Some(ActionName::Status) => {
            reader.only(ActionName::Status, &[]);
            Some(Request::Status)
        }
        Some(ActionName::Check) => {
            reader.only(ActionName::Check, &[]);
            Some(Request::Check)
        }
        Some(ActionName::RunReport) => {
            reader.only(ActionName::RunReport, &["window_minutes"]);
            Some(Request::RunReport {
                window_minutes: reader.window_minutes(),
            })
        }
        Some(ActionName::History) => {
            reader.only(ActionName::History, &["limit"]);
            Some(Request::History { limit: reader.limit() })
        }
        Some(ActionName::Initialize) => {
            reader.only(
                ActionName::Initialize,
                &["to", "reason", "requested_by", "dry_run", "force"],
            );
            Some(Request::Initialize(InitializeRequest {
                to: reader.color("to"),
                reason: reader.text("reason", MAX_REASON),
                requested_by: reader.text("requested_by", MAX_REQUESTED_BY),
                dry_run: reader.flag("dry_run"),
                force: reader.flag("force"),
            }))
        }
        Some(ActionName::Rollback) => {
            reader.only(
                ActionName::Rollback,
                &["reason", "requested_by", "dry_run", "force", "expect"],
            );
            Some(Request::Rollback(RollbackRequest {
                reason: reader.text("reason", MAX_REASON),
                requested_by: reader.text("requested_by", MAX_REQUESTED_BY),
                dry_run: reader.flag("dry_run"),
                force: reader.flag("force"),
                expect: reader.expect(),
            }))
        }
        Some(ActionName::Hold) => reader.hold(now),
        Some(ActionName::Release) => {
            reader.only(ActionName::Release, &["reason", "requested_by", "dry_run"]);
            Some(Request::Release(ReleaseRequest {
                reason: reader.text("reason", MAX_REASON),
                requested_by: reader.text("requested_by", MAX_REQUESTED_BY),
                dry_run: reader.flag("dry_run"),
            }))
        }
        Some(ActionName::Drill) => {
            reader.only(
                ActionName::Drill,
                &[
                    "mode",
                    "duration_minutes",
                    "reason",
                    "requested_by",
                    "dry_run",
                    "expect",
                ],
            );
            Some(Request::Drill(DrillRequest {
                mode: reader.mode(),
                expect: reader.expect(),
                duration_minutes: reader.drill_minutes(),
                reason: reader.text("reason", MAX_REASON),
                requested_by: reader.text("requested_by", MAX_REQUESTED_BY),
                dry_run: reader.flag("dry_run"),
            }))
        }
        None => None,
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

    fn action(&mut self) -> Option<ActionName> {
        let Some(given) = self.fields.get("action") else {
            return Some(ActionName::Switch);
        };
        let known = given.as_str().and_then(ActionName::parse);
        if known.is_none() {
            let allowed = match given.as_str().and_then(retired_words::action) {
                Some(new) => format!("its new name, {new:?}"),
                None => format!("one of: {}", ActionName::ALL.map(ActionName::as_str).join(", ")),
            };
            self.fault("action", given, &allowed);
        }
        known
    }

    fn only(&mut self, action: ActionName, allowed: &[&str]) {
        let action = action.as_str();
        for (field, _) in self.fields.iter().filter(|(field, _)| *field != "action") {
            if let Some(new) = retired_words::field(action, field) {
                self.faults
                    .push(format!("field {field:?} of action {action:?} is called {new:?} now"));
            } else if !allowed.contains(&field.as_str()) {
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
            ActionName::Switch,
            &["to", "reason", "requested_by", "dry_run", "force", "expect"],
        );
        let to = self.color("to");
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
            ActionName::Failover,
            &["to", "reason", "requested_by", "dry_run", "force", "expect"],
        );
        let request = FailoverRequest {
            to: self.color("to"),
            reason: self.text("reason", MAX_REASON),
            requested_by: self.text("requested_by", MAX_REQUESTED_BY),
            dry_run: self.flag("dry_run"),
            force: self.flag("force"),
            expect: self.expect(),
        };
        // Without preconditions "the other color" would be a color that nobody has looked at: where the watcher, or a repeat of this
        // request, was a moment faster, it would be the one that has failed.
        if request.force && !self.fields.contains_key("to") {
            self.faults.push(
                "field \"to\" is missing; allowed is \"blue\" or \"green\": with \"force\" the color that is to take over must \
                 be named"
                    .to_owned(),
            );
        }
        Request::Failover(request)
    }

    fn hold(&mut self, now: Timestamp) -> Option<Request> {
        self.only(
            ActionName::Hold,
            &["minutes", "until", "reason", "requested_by", "dry_run"],
        );
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

    /// The end of a hold: `until`, or `minutes` from now; in the future, and at most seven days ahead.
    fn until(&mut self, now: Timestamp) -> Option<Timestamp> {
        let latest = after(now, MAX_HOLD);
        match (self.fields.get("minutes"), self.fields.get("until")) {
            (Some(minutes), None) => {
                let until = minutes
                    .as_u64()
                    .filter(|minutes| *minutes >= 1)
                    .and_then(|minutes| minutes.checked_mul(60))
                    .map(|seconds| after(now, Duration::from_secs(seconds)))
                    .filter(|until| *until <= latest);
                if until.is_none() {
                    self.fault("minutes", minutes, "a whole number from 1 to 10080 (seven days)");
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
                    .push("field \"minutes\" is missing; allowed is it or \"until\"".to_owned());
                None
            }
            (Some(_), Some(_)) => {
                self.faults
                    .push("fields \"minutes\" and \"until\" exclude each other; give one".to_owned());
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
        let value = self.fields.get("duration_minutes")?;
        let minutes = value
            .as_u64()
            .and_then(|minutes| u32::try_from(minutes).ok())
            .filter(|minutes| (1..=MAX_DRILL_MINUTES).contains(minutes));
        if minutes.is_none() {
            self.fault(
                "duration_minutes",
                value,
                "a whole number from 1 to 1440 (a day): how long the drilled color works",
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

    fn color(&mut self, field: &str) -> Option<Color> {
        let value = self.fields.get(field)?;
        let color = value.as_str().and_then(Color::parse);
        if color.is_none() {
            self.fault(field, value, "exactly \"blue\" or \"green\"");
        }
        color
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
            .map(|active| active.as_str().and_then(Color::parse));
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
