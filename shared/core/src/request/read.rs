//! Reads the fields of a request from JSON, and reports every fault by name.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::expect::Expect;
use crate::color::Color;
use crate::drill::Mode;
use crate::flag::FlagVersion;
use crate::retired_words;
use crate::text::shortened;
use crate::time::{after, to_second};

/// Default for the minutes around the last transition in a run report.
pub const DEFAULT_WINDOW_MINUTES: u32 = 120;

/// Longest reason, in characters.
const MAX_REASON: usize = 500;

/// Longest `requested_by`, in characters.
const MAX_REQUESTED_BY: usize = 200;

/// Longest hold: a forgotten hold must not last.
const MAX_HOLD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Longest drill, in minutes.
const MAX_DRILL_MINUTES: u32 = 24 * 60;

/// Widest window of a run report, in minutes.
const MAX_WINDOW_MINUTES: u32 = 24 * 60;

/// Default for the number of versions that `history` lists.
const DEFAULT_LIMIT: usize = 20;

/// The fields of a request, and the faults found in them.
pub(super) struct Reader<'a> {
    pub(super) fields: &'a Map<String, Value>,
    pub(super) faults: Vec<String>,
}

impl Reader<'_> {
    pub(super) fn fault(&mut self, field: &str, value: &Value, allowed: &str) {
        self.faults
            .push(format!("field {field:?} is {}; allowed is {allowed}", given(value)));
    }

    /// Rejects every field that is not allowed.
    pub(super) fn only(&mut self, action: &str, allowed: &[&str]) {
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
                    "field {:?} is not known to action {:?}; allowed beside it: {list}",
                    shortened(field, 60),
                    action
                ));
            }
        }
    }

    pub(super) fn is_given(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// Adds one text for each fault, in the words of the caller.
    pub(super) fn refuse(&mut self, fault: &str) {
        self.faults.push(fault.to_owned());
    }

    pub(super) fn reason(&mut self) -> Option<String> {
        self.text("reason", MAX_REASON)
    }

    pub(super) fn requested_by(&mut self) -> Option<String> {
        self.text("requested_by", MAX_REQUESTED_BY)
    }

    /// Reads the end of a hold: `until`, or `minutes` from now. It lies in the future, and at most seven days ahead.
    pub(super) fn until(&mut self, now: Timestamp) -> Option<Timestamp> {
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

    pub(super) fn mode(&mut self) -> Mode {
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

    pub(super) fn drill_minutes(&mut self) -> Option<u32> {
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

    pub(super) fn window_minutes(&mut self) -> u32 {
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

    pub(super) fn color(&mut self, field: &str) -> Option<Color> {
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

    pub(super) fn flag(&mut self, field: &str) -> bool {
        match self.fields.get(field) {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(other) => {
                self.fault(field, other, "true or false");
                false
            }
        }
    }

    pub(super) fn limit(&mut self) -> usize {
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

    pub(super) fn expect(&mut self) -> Option<Expect> {
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

/// The given value, shortened for a message.
pub(super) fn given(value: &Value) -> String {
    shortened(&value.to_string(), 80)
}
