//! When a failover by a person takes effect, and what that does to the runs around it, in words.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert_dedup::{Subject, remembered_since};
use crate::color::Color;
use crate::flag::FlagObservation;
use crate::health::{Assessment, Verdict};
use crate::policy::{FailoverSemantics, Policy};
use crate::time::{before, elapsed, in_seconds, to_milliseconds, to_second};

/// The time between two observations of the watcher.
const LOOKS_APART: Duration = Duration::from_secs(60);

/// The last instant at which the active environment is known to have been healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastHealthy {
    /// Known from the environment's own signals.
    Signals(Timestamp),
    /// The environment's signals are missing, as in a regional outage. Known from the watcher's last observation before
    /// the environment was in doubt.
    Watcher(Timestamp),
    /// No source gives an instant.
    Unknown,
}

impl LastHealthy {
    /// Finds it for an active environment with this assessment; `announced` is the watcher's memory of alerts.
    #[must_use]
    pub fn of(assessment: &Assessment, flag: &FlagObservation, announced: Option<&str>) -> Self {
        let doubted_since = || {
            remembered_since(announced, Subject::ActiveUnknown, &flag.label())
                .filter(|_| assessment.verdict != Verdict::Healthy)
                .map(|since| Self::Watcher(before(since, LOOKS_APART)))
        };
        assessment
            .last_known_healthy
            .map(Self::Signals)
            .or_else(doubted_since)
            .unwrap_or(Self::Unknown)
    }

    /// The instant, if one is known.
    #[must_use]
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::Signals(at) | Self::Watcher(at) => Some(at),
            Self::Unknown => None,
        }
    }
}

/// How far a failover is back-dated, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackDating {
    /// When the failover takes effect.
    pub effective_from: Timestamp,
    /// How many seconds before its write that is; zero if it is not back-dated.
    pub seconds: u64,
    /// The last instant at which the previous color was known to be healthy.
    pub last_known_healthy: Option<Timestamp>,
    /// Why it takes effect then, and what happens to the runs around it.
    pub why: String,
}

/// Describes a failover from `active` that takes effect at `effective_from` and is, or would be, written at `written`.
#[must_use]
pub fn back_dating(
    policy: &Policy,
    (active, verdict, last_healthy): (Color, Verdict, LastHealthy),
    previous_effective_from: Option<Timestamp>,
    effective_from: Timestamp,
    written: Timestamp,
) -> BackDating {
    let to = active.other();
    let back = elapsed(effective_from, written);
    let healthy = last_healthy.at();
    let lost = format!(
        "runs that {active} has missed before are executed by nobody; the run report (run-report) names those that {to} has made"
    );
    let why = match (policy.failover_semantics, healthy) {
        (FailoverSemantics::AtMostOnce, _) => format!(
            "FailoverSemantics is at-most-once, so it counts from {}, after its write, whenever {active} failed: {lost}",
            to_second(effective_from)
        ),
        (FailoverSemantics::AtLeastOnce, Some(healthy)) => {
            let known = match last_healthy {
                LastHealthy::Watcher(_) => {
                    format!("{} (by the watcher; its signals are silent since)", to_second(healthy))
                }
                LastHealthy::Signals(_) | LastHealthy::Unknown => to_second(healthy),
            };
            let since = match previous_effective_from {
                Some(previous) if to_milliseconds(healthy) < to_milliseconds(previous) => format!(
                    "{active} was last known healthy at {known}, but is active only since {}, and nothing counts from before \
                     that",
                    to_second(previous)
                ),
                _ => format!("{active} was last known healthy at {known}"),
            };
            format!(
                "{since}: runs due since {}, {} before the write, are {to}'s; those of them that {active} did execute are \
                 executed twice",
                to_second(effective_from),
                in_seconds(back)
            )
        }
        (FailoverSemantics::AtLeastOnce, None) if verdict == Verdict::Healthy => format!(
            "by its signals {active} is healthy to this moment, so it counts from its write, {}: if {active} has executed \
             nothing for longer than that, {lost}",
            to_second(effective_from)
        ),
        (FailoverSemantics::AtLeastOnce, None) => format!(
            "nothing shows when {active} was last healthy, so it counts from its write, {}: {lost}",
            to_second(effective_from)
        ),
    };
    BackDating {
        effective_from,
        seconds: back.as_secs(),
        last_known_healthy: healthy,
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert_dedup::{Announcement, Topic};
    use crate::flag::{FlagValue, FlagVersion};
    use crate::health::{Reading, Signals};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn assessed(verdict: Verdict, last_known_healthy: Option<&str>) -> Assessment {
        let silent = Reading::Unknown { detail: String::new() };
        Assessment {
            verdict,
            reasons: Vec::new(),
            last_known_healthy: last_known_healthy.map(at),
            unhealthy_at: None,
            signals: Signals {
                status: silent.clone(),
                scheduler: silent.clone(),
                heartbeat: silent,
                alarms: None,
            },
            unread_alarms: None,
        }
    }

    fn told(policy: &Policy, verdict: Verdict, healthy: Option<&str>, from: &str) -> BackDating {
        let previous = Some(at("2026-11-23T11:00:00Z"));
        let written = at("2026-11-23T12:00:00Z");
        let last_healthy = healthy.map_or(LastHealthy::Unknown, |healthy| LastHealthy::Signals(at(healthy)));
        back_dating(
            policy,
            (Color::Blue, verdict, last_healthy),
            previous,
            at(from),
            written,
        )
    }

    #[test]
    fn where_the_signals_are_silent_the_watchers_last_look_tells() {
        let flag = FlagObservation {
            value: FlagValue::Valid(Color::Blue),
            version: FlagVersion(12),
            modified: at("2026-11-23T09:00:00Z"),
        };
        let doubted = |flag: &FlagObservation, subject: Subject| {
            let topic = Topic {
                subject,
                flag: flag.label(),
                preconditions: Vec::new(),
            };
            let since = at("2026-11-23T11:40:00Z");
            serde_json::to_string(&Announcement {
                topic,
                since,
                said: true,
            })
            .unwrap()
        };
        let remembered = doubted(&flag, Subject::ActiveUnknown);
        let of =
            |verdict, healthy, announced: &str| LastHealthy::of(&assessed(verdict, healthy), &flag, Some(announced));
        let last_look = LastHealthy::Watcher(at("2026-11-23T11:39:00Z"));
        assert_eq!(of(Verdict::Unknown, None, &remembered), last_look);
        // The environment's own signals take precedence, and a healthy environment is not in doubt.
        let own = Some("2026-11-23T11:50:00Z");
        assert_eq!(
            of(Verdict::Suspect, own, &remembered),
            LastHealthy::Signals(at("2026-11-23T11:50:00Z"))
        );
        assert_eq!(of(Verdict::Healthy, None, &remembered), LastHealthy::Unknown);
        // A memory of another version or of another subject does not apply to this version.
        let other = FlagObservation {
            version: FlagVersion(11),
            ..flag.clone()
        };
        for announced in [
            doubted(&other, Subject::ActiveUnknown),
            doubted(&flag, Subject::FailoverBlocked),
            "garbage".to_owned(),
        ] {
            assert_eq!(
                of(Verdict::Unknown, None, &announced),
                LastHealthy::Unknown,
                "{announced}"
            );
        }
        let told = back_dating(
            &Policy::default(),
            (Color::Blue, Verdict::Unknown, last_look),
            None,
            at("2026-11-23T11:39:00Z"),
            at("2026-11-23T12:00:00Z"),
        );
        assert_eq!(told.seconds, 21 * 60);
        assert!(
            told.why.starts_with("blue was last known healthy at 2026-11-23T11:39:00Z (by the watcher; its signals are silent since): runs due"),
            "{}",
            told.why
        );
    }

    #[test]
    fn it_says_how_far_back_why_and_what_becomes_of_the_runs() {
        let policy = Policy::default();
        let usual = told(
            &policy,
            Verdict::Unhealthy,
            Some("2026-11-23T11:55:00Z"),
            "2026-11-23T11:55:00Z",
        );
        assert_eq!(usual.seconds, 300);
        assert_eq!(
            usual.why,
            "blue was last known healthy at 2026-11-23T11:55:00Z: runs due since 2026-11-23T11:55:00Z, 300 s before the write, \
             are green's; those of them that blue did execute are executed twice"
        );
        let young = told(
            &policy,
            Verdict::Suspect,
            Some("2026-11-23T10:00:00Z"),
            "2026-11-23T11:00:00Z",
        );
        assert!(
            young.why.starts_with(
                "blue was last known healthy at 2026-11-23T10:00:00Z, but is active only since 2026-11-23T11:00:00Z, and nothing \
                 counts from before that: runs due since 2026-11-23T11:00:00Z"
            ),
            "{}",
            young.why
        );
        // Healthy at the very moment from which it is active.
        let at_once = told(
            &policy,
            Verdict::Suspect,
            Some("2026-11-23T11:00:00Z"),
            "2026-11-23T11:00:00Z",
        );
        let plainly = "blue was last known healthy at 2026-11-23T11:00:00Z: runs due since 2026-11-23T11:00:00Z";
        assert!(at_once.why.starts_with(plainly), "{}", at_once.why);
        for (verdict, part) in [
            (
                Verdict::Unknown,
                "nothing shows when blue was last healthy, so it counts from its write, 2026-11-23T12:00:00Z: runs that blue \
                 has missed before are executed by nobody",
            ),
            (Verdict::Healthy, "by its signals blue is healthy to this moment"),
        ] {
            let blind = told(&policy, verdict, None, "2026-11-23T12:00:00Z");
            assert!(blind.why.starts_with(part), "{}", blind.why);
            assert_eq!((blind.seconds, blind.last_known_healthy), (0, None));
        }
        let at_most_once = Policy {
            failover_semantics: FailoverSemantics::AtMostOnce,
            ..policy
        };
        let later = told(
            &at_most_once,
            Verdict::Unhealthy,
            Some("2026-11-23T11:55:00Z"),
            "2026-11-23T12:00:10Z",
        );
        assert!(
            later
                .why
                .starts_with("FailoverSemantics is at-most-once, so it counts from 2026-11-23T12:00:10Z"),
            "{}",
            later.why
        );
        assert_eq!(later.seconds, 0);
    }
}
