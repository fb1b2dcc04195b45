//! What the watcher remembers of the last check, in the field `readiness` of its memory, and when people are notified.
//!
//! People are notified when the level turns red, when more findings turn red, and when it is no longer red. The state
//! is written before the event is published, with a note of what is to be reported, and again after it. After a crash
//! in between, the event is published once more under the same id.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::finding::{Level, Readiness, Severity, questions_behind};
use crate::color::Color;
use crate::time::to_milliseconds;

/// The field `readiness` of the memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessState {
    /// The score of the last check.
    pub score: u32,
    /// The level of the last check.
    pub level: Level,
    /// The color that was the standby.
    #[serde(default)]
    pub standby: Option<Color>,
    /// When the last check was made.
    pub at: Timestamp,
    /// Names of the red findings.
    pub red: Vec<String>,
    /// Whether a question had no complete answer.
    #[serde(default)]
    pub partial: bool,
    /// The change that is still to be reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_notification: Option<PendingNotification>,
}

/// A change to or from red of which people may not have been notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingNotification {
    /// The level before the change.
    pub previous: Option<Level>,
    /// When the level changed: part of the event's id.
    pub since: Timestamp,
}

/// What to do after a check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Turn {
    /// The state to write before the event is published.
    pub standing: ReadinessState,
    /// An earlier change that was written and perhaps never reported: it is reported first, as it was written.
    pub overtaken: Option<ReadinessState>,
}

impl ReadinessState {
    /// Reads the field. One that cannot be read counts as none: a repeated report is better than a lost one.
    #[must_use]
    pub fn read(stored: &str) -> Option<Self> {
        serde_json::from_str(stored).ok()
    }

    /// The same state, with everything reported.
    #[must_use]
    pub fn said(&self) -> Self {
        Self {
            pending_notification: None,
            ..self.clone()
        }
    }

    /// Whether this check found a change that people are to be notified of.
    #[must_use]
    pub fn has_turned(&self) -> bool {
        self.pending_notification
            .is_some_and(|pending| pending.since == self.at)
    }

    /// This state, if a tick at the same time has written the same change before: that tick reports it under its own
    /// id, and the next one if it has died. `meanwhile` is what was written since this tick read the memory.
    #[must_use]
    pub fn left_to_another(&self, meanwhile: &[Option<Value>]) -> Option<Self> {
        if !self.has_turned() {
            return None;
        }
        let newest = meanwhile.iter().rev().find_map(|value| self.same(value.as_ref()))?;
        Some(self.pending_as(&newest))
    }

    /// This state, as an earlier tick has written and not reported it, where the memory's versions `before` that one have
    /// it, too: it may be what one of several ticks wrote before it saw that another one was faster.
    #[must_use]
    pub fn as_first_of_row(&self, before: &[Option<Value>]) -> Self {
        let row = before.iter().rev().map_while(|value| self.same(value.as_ref()));
        row.last().map_or_else(|| self.clone(), |first| self.pending_as(&first))
    }

    fn pending_as(&self, other: &Self) -> Self {
        Self {
            pending_notification: other.pending_notification,
            ..self.clone()
        }
    }

    /// What was written, if people would be notified of the same.
    fn same(&self, written: Option<&Value>) -> Option<Self> {
        let other = Self::deserialize(written?).ok()?;
        ((other.standby, other.is_red(), &other.red) == (self.standby, self.is_red(), &self.red)).then_some(other)
    }

    /// Whether the standby cannot take over.
    #[must_use]
    pub fn is_red(&self) -> bool {
        self.level == Level::Red
    }
}

impl Turn {
    /// Compares a check with the remembered state.
    ///
    /// An incomplete check never clears a red finding that rests on an unanswered question: a throttle must not signal
    /// a recovery.
    pub fn after(before: Option<&ReadinessState>, check: &Readiness, standby: Color, now: Timestamp) -> Self {
        // Red findings of the other color do not apply to this one; that they were reported does.
        let of_this = before.filter(|before| before.standby == Some(standby));
        let mut red: Vec<String> = check.names(Severity::Red).into_iter().map(str::to_owned).collect();
        for name in of_this.iter().flat_map(|before| &before.red) {
            let behind = questions_behind(name);
            let open = check.not_asked.iter().any(|open| behind.contains(&open.question));
            if open && !red.contains(name) {
                red.push(name.clone());
            }
        }
        // For another standby, every red finding is new: the reported findings were of the other color.
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
