//! Recorded ticks, and what another policy would have decided.
//!
//! At `LOG_LEVEL=debug` the watcher logs one [`RecordedTick`] for each observation: all inputs of its decision. So a
//! threshold can be tested on last month's ticks before it is changed.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::color::Both;
use crate::decision::{Action, ControlState, Decision, RecentFailovers, decide, wants_recent_failovers};
use crate::health::{Assessment, Evidence, Past, assess_after};
use crate::policy::Policy;
use crate::precondition::PreconditionName;

/// The log line's message, and the name of its field that holds the tick.
const MESSAGE: &str = "evidence";
const FIELD: &str = "tick";

/// One observation of the watcher: what it saw, its policy, and its decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedTick {
    /// When the decision was made.
    pub at: Timestamp,
    /// The policy at that time. A threshold that is newer than the record has its default.
    pub policy: Policy,
    /// Everything about the pair except its health.
    pub control: ControlState,
    /// What was observed of both environments.
    pub evidence: Both<Evidence>,
    /// What earlier observations had seen. A tick recorded by an older watcher has none.
    #[serde(default)]
    pub past: Both<Option<Past>>,
    /// The decision at that time.
    pub decision: RecordedDecision,
}

/// A decision without the sentences of its preconditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedDecision {
    /// The action to take.
    pub action: Action,
    /// The preconditions that objected.
    pub blocked_by: Vec<PreconditionName>,
    /// The reason in one sentence.
    pub reason: String,
}

impl From<&Decision> for RecordedDecision {
    fn from(decision: &Decision) -> Self {
        Self {
            action: decision.action,
            blocked_by: decision.blocked_by(),
            reason: decision.reason.clone(),
        }
    }
}

/// The result of another policy for a recorded tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The verdicts under that policy.
    pub verdicts: Both<Assessment>,
    /// The decision under that policy.
    pub decision: RecordedDecision,
    /// The watcher had not read the recent failovers; the replay assumes none.
    pub assumed_none_recent: bool,
}

/// The content of one log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A recorded tick.
    Tick(Box<RecordedTick>),
    /// Another line: of this product, or Lambda's own.
    Other,
    /// A recorded tick that cannot be read.
    Unreadable(String),
}

impl RecordedTick {
    /// Records one observation.
    #[must_use]
    pub fn of(
        policy: &Policy,
        control: &ControlState,
        evidence: &Both<Evidence>,
        decision: &Decision,
        at: Timestamp,
    ) -> Self {
        Self {
            at,
            policy: policy.clone(),
            control: control.clone(),
            evidence: evidence.clone(),
            past: Both::default(),
            decision: decision.into(),
        }
    }

    /// Adds what earlier observations had seen.
    #[must_use]
    pub fn after(self, past: Both<Option<Past>>) -> Self {
        Self { past, ..self }
    }

    /// Reads one line: the bare record, or the watcher's log line with whatever a tool has added before or after it.
    #[must_use]
    pub fn read(line: &str) -> Line {
        let Some(start) = line.find('{') else {
            return Line::Other;
        };
        let text = line.get(start..).unwrap_or_default();
        let Some(Ok(Value::Object(fields))) = serde_json::Deserializer::from_str(text).into_iter::<Value>().next()
        else {
            return Line::Other;
        };
        let tick = if fields.contains_key("at") && fields.contains_key("evidence") {
            serde_json::from_value(Value::Object(fields))
        } else if fields.get("message").and_then(Value::as_str) == Some(MESSAGE) {
            match fields.get(FIELD).and_then(Value::as_str) {
                Some(tick) => serde_json::from_str(tick),
                None => return Line::Unreadable(format!("the line has no field {FIELD:?}: an older watcher wrote it")),
            }
        } else {
            return Line::Other;
        };
        tick.map_or_else(
            |error| Line::Unreadable(error.to_string()),
            |tick| Line::Tick(Box::new(tick)),
        )
    }

    /// Judges the recorded evidence by `policy`. Each tick stands alone, because the consequences of a decision that
    /// was not made are not recorded.
    #[must_use]
    pub fn replay(&self, policy: &Policy) -> Replayed {
        let verdicts = self
            .evidence
            .map(|color, evidence| assess_after(policy, evidence, self.past.of(color).as_ref(), self.at));
        let mut control = self.control.clone();
        let mut decision = decide(policy, &control, &verdicts, self.at);
        let assumed_none_recent = wants_recent_failovers(&control, &decision);
        if assumed_none_recent {
            control.recent = Some(RecentFailovers::default());
            decision = decide(policy, &control, &verdicts, self.at);
        }
        Replayed {
            verdicts,
            decision: (&decision).into(),
            assumed_none_recent,
        }
    }
}

impl Replayed {
    /// Whether the result equals the record: the same action, blocked by the same preconditions.
    #[must_use]
    pub fn agrees_with(&self, tick: &RecordedTick) -> bool {
        // Thresholds do not decide the return from a drill, only whether something else takes precedence. A return
        // because the drilled color failed is equivalent to the failover that it replaces.
        if tick.decision.action == Action::DrillReturn {
            return matches!(
                self.decision.action,
                Action::None | Action::Failover | Action::Blocked | Action::ObserveOnly
            );
        }
        self.decision.action == tick.decision.action && self.decision.blocked_by == tick.decision.blocked_by
    }
}

/// Writes the tick as one line of JSON.
impl fmt::Display for RecordedTick {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::color::Color;
    use crate::decision::FlagState;
    use crate::flag::{FlagObservation, FlagValue, FlagVersion};
    use crate::health::{AirflowHealth, Cause, Environment, EnvironmentAnswer, HeartbeatEvidence, ProbeResult, assess};
    use crate::hold::HoldState;
    use crate::time::before;

    fn noon() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    /// Blue is active, and its scheduler has been silent for this many seconds; green is healthy.
    fn tick(silent_for: u64) -> RecordedTick {
        let seen = |scheduler: &str, age: u64| Evidence {
            of: None,
            environment: EnvironmentAnswer::Found(Environment {
                status: "AVAILABLE".into(),
                airflow_version: None,
                last_update_source: None,
            }),
            airflow: ProbeResult::Known(AirflowHealth {
                scheduler: Some(scheduler.into()),
                metadatabase: Some("healthy".into()),
                latest_scheduler_heartbeat: Some(before(noon(), Duration::from_secs(age))),
            }),
            heartbeat: if scheduler == "healthy" {
                ProbeResult::Unknown(Cause::not_asked())
            } else {
                ProbeResult::Known(HeartbeatEvidence {
                    last_seen: Some(before(noon(), Duration::from_secs(age.saturating_add(60)))),
                })
            },
            alarms: ProbeResult::Known(Vec::new()),
        };
        let control = ControlState {
            flag: FlagState::Present(FlagObservation {
                value: FlagValue::Valid(Color::Blue),
                version: FlagVersion(7),
                modified: before(noon(), Duration::from_secs(86_400)),
            }),
            hold: HoldState::None,
            recent: None,
            last_active: None,
            missing_since: None,
        };
        let evidence = Both {
            blue: seen("unhealthy", silent_for),
            green: seen("healthy", 2),
        };
        let policy = Policy::default();
        let verdicts = evidence.map(|_, evidence| assess(&policy, evidence, noon()));
        let decision = decide(&policy, &control, &verdicts, noon());
        RecordedTick::of(&policy, &control, &evidence, &decision, noon())
    }

    fn with_window(seconds: u64) -> Policy {
        Policy {
            failure_window: Duration::from_secs(seconds),
            ..Policy::default()
        }
    }

    #[test]
    fn the_policy_of_then_decides_as_it_did_then() {
        let tick = tick(60);
        let again = tick.replay(&tick.policy);
        assert!(again.agrees_with(&tick));
        assert_eq!(again.decision, tick.decision);
    }

    #[test]
    fn a_shorter_window_would_have_failed_over() {
        let tick = tick(60);
        assert_eq!(tick.decision.action, Action::None);
        let shorter = tick.replay(&with_window(30));
        assert_eq!(shorter.decision.action, Action::Failover, "{shorter:?}");
        assert!(shorter.assumed_none_recent && !shorter.agrees_with(&tick));
    }

    #[test]
    fn a_tick_is_read_back_from_whatever_shows_the_log() {
        let tick = tick(60);
        let bare = tick.to_string();
        let logged =
            serde_json::json!({"level": "DEBUG", "message": "evidence", "tick": bare, "request_id": "1"}).to_string();
        for line in [
            bare.clone(),
            logged.clone(),
            format!("2026-11-23T12:00:00.000000+00:00 2026/11/23/[$LATEST]abc {logged}"),
            format!("EVENTS\t387\t1795432470389\t{logged}\t1795432470390"),
        ] {
            assert_eq!(RecordedTick::read(&line), Line::Tick(Box::new(tick.clone())), "{line}");
        }
    }

    #[test]
    fn other_lines_are_told_from_broken_ones() {
        for line in [
            "",
            "REPORT RequestId: 1 Duration: 4 ms",
            "START {not json",
            r#"{"message":"decision","pair":"orders"}"#,
            "[1,2]",
        ] {
            assert_eq!(RecordedTick::read(line), Line::Other, "{line}");
        }
        for line in [
            r#"{"message":"evidence","evidence":"{}"}"#,
            r#"{"message":"evidence","tick":"{"}"#,
            r#"{"at":"yesterday","evidence":{}}"#,
        ] {
            assert!(matches!(RecordedTick::read(line), Line::Unreadable(_)), "{line}");
        }
    }

    #[test]
    fn a_threshold_that_was_not_recorded_has_its_default() {
        let mut fields: Value = serde_json::from_str(&tick(60).to_string()).unwrap();
        fields["policy"].as_object_mut().unwrap().remove("on_flag_fault");
        let Line::Tick(tick) = RecordedTick::read(&fields.to_string()) else {
            panic!("an older record is a record");
        };
        assert_eq!(tick.policy, Policy::default());
    }

    #[test]
    fn a_line_that_only_resembles_a_tick_is_another_one() {
        for line in [
            r#"{"at":"2026-11-23T12:00:00Z"}"#,
            r#"{"evidence":{}}"#,
            r#"{"message":"x"}"#,
        ] {
            assert!(matches!(RecordedTick::read(line), Line::Other), "{line}");
        }
        assert!(matches!(
            RecordedTick::read(r#"{"at":1,"evidence":{}}"#),
            Line::Unreadable(_)
        ));
    }

    #[test]
    fn what_was_seen_before_is_recorded_with_the_tick() {
        let past = Both {
            blue: Some(Past {
                of: None,
                at: noon(),
                status: None,
                status_unread_from: None,
                failing_from: Some(noon()),
                alive_at: None,
                airflow_sick_from: None,
                is_in_alarm: false,
                watched_from: None,
            }),
            green: None,
        };
        let recorded = tick(600).after(past.clone());
        assert_eq!(recorded.past, past);
        let Line::Tick(read) = RecordedTick::read(&recorded.to_string()) else {
            panic!("not read")
        };
        assert_eq!(read.past, past);
    }
}
