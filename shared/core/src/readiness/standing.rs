//! What the watcher remembers of the last check, in the field `readiness` of its memory, and when a person is told.
//!
//! A person is told when the level turns red, when something more turns red, and when it leaves red. It is written before the event is sent,
//! with a note of what is to be said, and again after it: a crash in between says it once more under the same id.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::finding::{Level, Readiness, Severity, questions_behind};
use crate::color::Color;
use crate::time::to_milliseconds;

/// The field `readiness` of the memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessState {
    /// The score.
    pub score: u32,
    /// The level.
    pub level: Level,
    /// The color that stood by.
    #[serde(default)]
    pub standby: Option<Color>,
    /// When it was checked.
    pub at: Timestamp,
    /// Names of the red findings.
    pub red: Vec<String>,
    /// Whether something could not be asked.
    #[serde(default)]
    pub partial: bool,
    /// What is still to be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_notification: Option<PendingNotification>,
}

/// A turn to or from red that nobody may have been told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingNotification {
    /// The level before.
    pub previous: Option<Level>,
    /// When it turned: part of the event's id.
    pub since: Timestamp,
}

/// What to do after a check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Turn {
    /// What to write before anything is said.
    pub standing: ReadinessState,
    /// A turn before this one that was written and perhaps never said: to be said first, as it was written.
    pub overtaken: Option<ReadinessState>,
}

impl ReadinessState {
    /// Reads the field. One that cannot be read counts as none: twice said beats never.
    #[must_use]
    pub fn read(stored: &str) -> Option<Self> {
        serde_json::from_str(stored).ok()
    }

    /// The same, with everything said.
    #[must_use]
    pub fn said(&self) -> Self {
        Self {
            pending_notification: None,
            ..self.clone()
        }
    }

    /// Whether the standby cannot take over.
    #[must_use]
    pub fn is_red(&self) -> bool {
        self.level == Level::Red
    }
}

impl Turn {
    /// Compares a check with what is remembered.
    ///
    /// A check that could not ask everything takes no red finding back that rests on an unanswered question: a throttle
    /// must not sound the all-clear.
    pub fn after(before: Option<&ReadinessState>, check: &Readiness, standby: Color, now: Timestamp) -> Self {
        // What was red of the other color is nothing to this one; that it was told is.
        let of_this = before.filter(|before| before.standby == Some(standby));
        let mut red: Vec<String> = check.names(Severity::Red).into_iter().map(str::to_owned).collect();
        for name in of_this.iter().flat_map(|before| &before.red) {
            let behind = questions_behind(name);
            let open = check.not_asked.iter().any(|open| behind.contains(&open.question));
            if open && !red.contains(name) {
                red.push(name.clone());
            }
        }
        // Of another standby everything red is new: what was told was told of the other one.
        let has_more = before.is_some_and(ReadinessState::is_red)
            && red
                .iter()
                .any(|name| of_this.is_none_or(|before| !before.red.contains(name)));
        let level = if red.is_empty() { check.level } else { Level::Red };
        let mut standing = ReadinessState {
            score: if level == check.level {
                check.score
            } else {
                check.score.min(49)
            },
            level,
            standby: Some(standby),
            at: to_milliseconds(now),
            red,
            partial: check.partial,
            pending_notification: None,
        };
        let turned = has_more || standing.is_red() != before.is_some_and(ReadinessState::is_red);
        let pending_notification = before.and_then(|before| before.pending_notification);
        let mut overtaken = None;
        if turned {
            overtaken = before.filter(|before| before.pending_notification.is_some()).cloned();
            standing.pending_notification = Some(PendingNotification {
                previous: before.map(|before| before.level),
                since: standing.at,
            });
        } else {
            standing.pending_notification = pending_notification;
        }
        Self { standing, overtaken }
    }
}
