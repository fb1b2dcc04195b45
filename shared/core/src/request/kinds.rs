//! The actions that can be requested, with their fields and how those are read.

use jiff::Timestamp;
use serde_json::Value;

use super::expect::Expect;
use super::read::{Reader, given};
use crate::color::Color;
use crate::drill::Mode;
use crate::retired_words;
use crate::vocabulary::vocabulary;

/// The properties of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionEntry {
    /// The fields beside `action`; all others are rejected.
    pub fields: &'static [&'static str],
    /// Whether the action changes something.
    pub writes: bool,
    /// The feature page that explains the action.
    pub see: Option<&'static str>,
}

/// The parsed fields of one action.
trait Payload: Sized {
    /// Whether the action changes something.
    const WRITES: bool;

    /// Reads the fields. None where a required field is missing or wrong.
    fn read(reader: &mut Reader<'_>, now: Timestamp) -> Option<Self>;

    /// Whether the request only reports what would happen.
    fn is_dry_run(&self) -> bool {
        false
    }
}

/// Defines the actions, and a request as one of them with its payload.
macro_rules! actions {
    ($($(#[doc = $about:literal])+ $name:ident($payload:ty) { action: $text:literal, $($field:ident: $value:expr),+ $(,)? })+) => {
        vocabulary! {
            /// The actions of the switch-handler.
            pub enum ActionName: ActionEntry {
                $($(#[doc = $about])+ $name { action: $text, $($field: $value,)+ writes: <$payload as Payload>::WRITES })+
            }
        }

        /// A request that was understood.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Request {
            $($(#[doc = $about])+ $name($payload),)+
        }

        impl Request {
            /// Whether the request may change something.
            #[must_use]
            pub fn writes(&self) -> bool {
                match self {
                    $(Self::$name(payload) => <$payload>::WRITES && !payload.is_dry_run(),)+
                }
            }

            fn of(action: ActionName, reader: &mut Reader<'_>, now: Timestamp) -> Option<Self> {
                match action {
                    $(ActionName::$name => <$payload>::read(reader, now).map(Self::$name),)+
                }
            }
        }
    };
}

actions! {
    /// make `to` the active color; the default
    Switch(SwitchRequest) { action: "switch", fields: &["to", "reason", "requested_by", "dry_run", "force", "expect"], see: None }
    /// say who is active, how both environments are, and what a failover would meet
    Status(Nothing) { action: "status", fields: &[], see: None }
    /// list the flag's newest versions
    History(HistoryRequest) { action: "history", fields: &["limit"], see: None }
    /// declare the active environment failed
    Failover(FailoverRequest) {
        action: "failover",
        fields: &["to", "reason", "requested_by", "dry_run", "force", "expect"],
        see: Some("failover-by-a-person"),
    }
    /// go back to the color before the present one
    Rollback(RollbackRequest) { action: "rollback", fields: &["reason", "requested_by", "dry_run", "force", "expect"], see: None }
    /// practice a failover
    Drill(DrillRequest) {
        action: "drill",
        fields: &["mode", "duration_minutes", "reason", "requested_by", "dry_run", "expect"],
        see: Some("drills"),
    }
    /// no automatic failover and no drill until its end
    Hold(HoldRequest) {
        action: "hold", fields: &["minutes", "until", "reason", "requested_by", "dry_run"],
        see: Some("holds"),
    }
    /// end the hold, and acknowledge the automatic failovers so far
    Release(ReleaseRequest) { action: "release", fields: &["reason", "requested_by", "dry_run"], see: Some("holds") }
    /// check whether the standby could take over
    Check(Nothing) { action: "check", fields: &[], see: Some("readiness") }
    /// report which DAG runs next to a transition were executed twice, by nobody, or not yet
    RunReport(RunReportRequest) { action: "run-report", fields: &["window_minutes"], see: Some("run-report") }
    /// create the flag; never changes one that exists
    Initialize(InitializeRequest) { action: "initialize", fields: &["to", "reason", "requested_by", "dry_run", "force"], see: None }
}

/// The meaning of a request's field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The only action that this meaning applies to; empty means every action that takes the field.
    pub action: &'static str,
    /// The field's names; several that mean the same, or exclude each other.
    pub names: &'static [&'static str],
    /// The meaning of the field.
    pub about: &'static str,
}

/// Every field beside `action`.
#[rustfmt::skip]
pub const FIELDS: &[Field] = &[
    Field { action: "", names: &["to"], about: "`blue` or `green`, exactly; `initialize` takes blue if it is not given, `failover` the standby (with `force` it must be given)" },
    Field { action: "", names: &["mode"], about: "`switch` (default), `probe` or `dry`; see [drills](../features/drills.md)" },
    Field { action: "", names: &["reason", "requested_by"], about: "kept in the record, the Description and the audit event; a hold needs a reason" },
    Field { action: "", names: &["dry_run"], about: "say what would happen, write nothing" },
    Field { action: "initialize", names: &["force"], about: "create the flag although the pair has a past" },
    Field { action: "", names: &["force"], about: "skip the preconditions, never the claim" },
    Field { action: "", names: &["expect"], about: "`{\"active\":\"blue\",\"version\":12}`, either or both: refuse if the pair is in another state; `force` does not skip it" },
    Field { action: "hold", names: &["minutes", "until"], about: "its end, one of the two: minutes from now, or an instant such as `2026-11-23T14:00:00Z`; at most seven days" },
    Field { action: "drill", names: &["duration_minutes"], about: "how long the drilled environment works, 1 to 1440; as configured if not given" },
    Field { action: "", names: &["limit"], about: "1 to 100, default 20" },
    Field { action: "", names: &["window_minutes"], about: "1 to 1440, default 120: the time around the last transition" },
];

/// Reads a request; `now` decides whether a hold would end in the past.
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
    let request = action(&mut reader).and_then(|action| {
        reader.only(action.as_str(), action.entry().fields);
        Request::of(action, &mut reader, now)
    });
    match request {
        Some(request) if reader.faults.is_empty() => Ok(request),
        _ => Err(RequestError::Invalid(reader.faults)),
    }
}

fn action(reader: &mut Reader<'_>) -> Option<ActionName> {
    let Some(given) = reader.fields.get("action") else {
        return Some(ActionName::Switch);
    };
    let action = given.as_str().and_then(ActionName::parse);
    if action.is_none() {
        let all: Vec<&str> = ActionName::ALL.iter().map(|action| action.as_str()).collect();
        let allowed = match given.as_str().and_then(retired_words::action) {
            Some(new) => format!("its new name, {new:?}"),
            None => format!("one of: {}", all.join(", ")),
        };
        reader.fault("action", given, &allowed);
    }
    action
}

/// An action without fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nothing;

impl Payload for Nothing {
    const WRITES: bool = false;

    fn read(_reader: &mut Reader<'_>, _now: Timestamp) -> Option<Self> {
        Some(Self)
    }
}

/// `{"action":"history"}` and its companions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryRequest {
    /// The number of versions to list.
    pub limit: usize,
}

impl Payload for HistoryRequest {
    const WRITES: bool = false;

    fn read(reader: &mut Reader<'_>, _now: Timestamp) -> Option<Self> {
        Some(Self { limit: reader.limit() })
    }
}

/// `{"action":"run-report"}` and its companions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunReportRequest {
    /// Minutes around the last transition.
    pub window_minutes: u32,
}

impl Payload for RunReportRequest {
    const WRITES: bool = false;

    fn read(reader: &mut Reader<'_>, _now: Timestamp) -> Option<Self> {
        Some(Self {
            window_minutes: reader.window_minutes(),
        })
    }
}

/// `{"to":"green"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct SwitchRequest {
    /// The color that is to be active.
    pub to: Color,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// The person or job that makes the request.
    pub requested_by: Option<String>,
    /// Report what would happen, without writing.
    pub dry_run: bool,
    /// Skip the preconditions, never the claim.
    pub force: bool,
    /// The expected state of the flag.
    pub expect: Option<Expect>,
}

impl Payload for SwitchRequest {
    const WRITES: bool = true;

    fn read(reader: &mut Reader<'_>, _now: Timestamp) -> Option<Self> {
        let to = reader.color("to");
        if !reader.is_given("to") {
            reader.refuse("field \"to\" is missing; allowed is \"blue\" or \"green\"");
        }
        let (reason, requested_by) = (reader.reason(), reader.requested_by());
        let (dry_run, force, expect) = (reader.flag("dry_run"), reader.flag("force"), reader.expect());
        Some(Self {
            to: to?,
            reason,
            requested_by,
            dry_run,
            force,
            expect,
        })
    }

    fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// `{"action":"failover","to":"green"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct FailoverRequest {
    /// The color that takes over; none means the current standby.
    pub to: Option<Color>,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// The person or job that makes the request.
    pub requested_by: Option<String>,
    /// Report what would happen, without writing.
    pub dry_run: bool,
    /// Skip the preconditions, never the claim.
    pub force: bool,
    /// The expected state of the flag.
    pub expect: Option<Expect>,
}

impl Payload for FailoverRequest {
    const WRITES: bool = true;

    fn read(reader: &mut Reader<'_>, _now: Timestamp) -> Option<Self> {
        let request = Self {
            to: reader.color("to"),
            reason: reader.reason(),
            requested_by: reader.requested_by(),
            dry_run: reader.flag("dry_run"),
            force: reader.flag("force"),
            expect: reader.expect(),
        };
        // Without preconditions, nothing checks the health of "the other color". If the watcher, or a repeat of this
        // request, was slightly faster, that color is the one that has failed.
        if request.force && !reader.is_given("to") {
            reader.refuse(
                "field \"to\" is missing; allowed is \"blue\" or \"green\": with \"force\" the color that is to take over must \
                 be named",
            );
        }
        Some(request)
    }

    fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// `{"action":"initialize"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct InitializeRequest {
    /// The first active color, if named.
    pub to: Option<Color>,
    /// Why the flag is created.
    pub reason: Option<String>,
    /// The person or job that makes the request.
    pub requested_by: Option<String>,
    /// Report what would happen, without writing.
    pub dry_run: bool,
    /// Create the flag although the pair already has a history.
    pub force: bool,
}

impl Payload for InitializeRequest {
    const WRITES: bool = true;

    fn read(reader: &mut Reader<'_>, _now: Timestamp) -> Option<Self> {
        Some(Self {
            to: reader.color("to"),
            reason: reader.reason(),
            requested_by: reader.requested_by(),
            dry_run: reader.flag("dry_run"),
            force: reader.flag("force"),
        })
    }

    fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// `{"action":"rollback"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct RollbackRequest {
    /// Why the pair goes back, in the person's words.
    pub reason: Option<String>,
    /// The person or job that makes the request.
    pub requested_by: Option<String>,
    /// Report what would happen, without writing.
    pub dry_run: bool,
    /// Skip the preconditions, never the claim.
    pub force: bool,
    /// The expected state of the flag.
    pub expect: Option<Expect>,
}

impl Payload for RollbackRequest {
    const WRITES: bool = true;

    fn read(reader: &mut Reader<'_>, _now: Timestamp) -> Option<Self> {
        Some(Self {
            reason: reader.reason(),
            requested_by: reader.requested_by(),
            dry_run: reader.flag("dry_run"),
            force: reader.flag("force"),
            expect: reader.expect(),
        })
    }

    fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// `{"action":"hold","minutes":60,"reason":"…"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct HoldRequest {
    /// When the hold ends by itself.
    pub until: Timestamp,
    /// Why the pair is held. Required, because a person will read it at night.
    pub reason: String,
    /// The person or job that makes the request.
    pub requested_by: Option<String>,
    /// Report what would happen, without writing.
    pub dry_run: bool,
}

impl Payload for HoldRequest {
    const WRITES: bool = true;

    fn read(reader: &mut Reader<'_>, now: Timestamp) -> Option<Self> {
        let faults = reader.faults.len();
        let reason = reader.reason();
        if reason.is_none() && reader.faults.len() == faults {
            reader.refuse("field \"reason\" is missing; allowed is a text: whoever is woken will read it");
        }
        let until = reader.until(now);
        let (requested_by, dry_run) = (reader.requested_by(), reader.flag("dry_run"));
        Some(Self {
            until: until?,
            reason: reason?,
            requested_by,
            dry_run,
        })
    }

    fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// `{"action":"release"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseRequest {
    /// Why the hold ends.
    pub reason: Option<String>,
    /// The person or job that makes the request.
    pub requested_by: Option<String>,
    /// Report what would happen, without writing.
    pub dry_run: bool,
}

impl Payload for ReleaseRequest {
    const WRITES: bool = true;

    fn read(reader: &mut Reader<'_>, _now: Timestamp) -> Option<Self> {
        Some(Self {
            reason: reader.reason(),
            requested_by: reader.requested_by(),
            dry_run: reader.flag("dry_run"),
        })
    }

    fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// `{"action":"drill"}` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillRequest {
    /// The requested extent of the drill.
    pub mode: Mode,
    /// How long the drilled color is active; none means the configured time.
    pub duration_minutes: Option<u32>,
    /// Why the drill is made.
    pub reason: Option<String>,
    /// The person or job that makes the request.
    pub requested_by: Option<String>,
    /// Report what would happen, without writing or notifying people.
    pub dry_run: bool,
    /// The expected state of the flag.
    pub expect: Option<Expect>,
}

impl Payload for DrillRequest {
    const WRITES: bool = true;

    fn read(reader: &mut Reader<'_>, _now: Timestamp) -> Option<Self> {
        Some(Self {
            mode: reader.mode(),
            expect: reader.expect(),
            duration_minutes: reader.drill_minutes(),
            reason: reader.reason(),
            requested_by: reader.requested_by(),
            dry_run: reader.flag("dry_run"),
        })
    }

    fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// A request that cannot be carried out as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The request is invalid; each message names the field, the given value and the allowed ones.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_every_action_is_explained_and_no_other() {
        let explained = |action: ActionName, name: &str| {
            FIELDS.iter().any(|field| {
                field.names.contains(&name) && (field.action.is_empty() || field.action == action.as_str())
            })
        };
        for action in ActionName::ALL {
            for name in action.entry().fields {
                assert!(explained(*action, name), "{name} of {action}");
            }
        }
        for field in FIELDS {
            for name in field.names {
                let mut taking = ActionName::ALL
                    .iter()
                    .filter(|action| action.entry().fields.contains(name));
                assert!(
                    taking.any(|action| field.action.is_empty() || field.action == action.as_str()),
                    "{name}"
                );
            }
        }
    }
}
