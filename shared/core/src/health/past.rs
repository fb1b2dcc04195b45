//! What earlier looks saw of an environment, as far as it bears on the next verdict.
//!
//! A look by itself cannot tell how long an environment has been serving again after planned work, since when a signal
//! without a date has been bad, or what a status was that cannot be read now. The watcher keeps that between its looks, in its
//! memory and in its process; whoever has none judges by what he sees alone.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::status::StatusClass;
use crate::time::elapsed;

/// After a pause of this length between two looks nobody can say that a failure lasted through it.
pub(super) const BLIND_FOR: Duration = Duration::from_secs(10 * 60);

/// How often a lasting failure is noted again, so that [`BLIND_FOR`] tells a watcher that looks from one that was away.
const NOTED_EVERY: Duration = Duration::from_secs(4 * 60);

/// What earlier looks saw of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Which environment it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// When it was noted.
    pub at: Timestamp,
    /// The status read last; none if none has been read yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<LastStatus>,
    /// Since when the status cannot be read; none while it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_unread_from: Option<Timestamp>,
    /// The scheduler or the heartbeat is bad, and that counts from no earlier than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_from: Option<Timestamp>,
    /// Since when Airflow has said at every look that it is sick: a date for what it gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub airflow_sick_from: Option<Timestamp>,
    /// Its alarms were in ALARM when they were asked last.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_in_alarm: bool,
    /// Since when one look has followed the other closely: nobody can say what was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_from: Option<Timestamp>,
}

/// The status read last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastStatus {
    /// As MWAA wrote it.
    pub status: String,
    /// When it was read; after it was noted it may have been read again.
    pub read: Timestamp,
    /// The first look that found it of this class after it had been of another; none if it was so from the first look on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl LastStatus {
    pub(super) fn class(&self) -> StatusClass {
        StatusClass::of(&self.status)
    }
}

impl Past {
    /// Whether looks have been so close together that what lasted from the one to the other lasted in between.
    pub(super) fn is_close(&self, now: Timestamp) -> bool {
        elapsed(self.at, now) <= BLIND_FOR
    }

    /// What earlier looks saw of the environment that this evidence is of.
    pub(super) fn of_the_same<'a>(past: Option<&'a Self>, evidence: &Evidence) -> Option<&'a Self> {
        past.filter(|past| past.of == evidence.of)
    }

    /// The younger of two: a process knows better than the memory what it saw itself, and another process may know better.
    #[must_use]
    pub fn younger(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if other.at > one.at { other } else { one }),
            (one, other) => one.or(other),
        }
    }

    /// Whether it must be noted in the place of what is stored: when it says something else, and now and then while a
    /// failure lasts. A calm pair writes nothing.
    #[must_use]
    pub fn is_news_to(&self, stored: Option<&Self>) -> bool {
        let Some(stored) = stored else { return true };
        let class = |past: &Self| past.status.as_ref().map(|status| (status.class(), status.since));
        let bad = |past: &Self| (past.failing_from, past.airflow_sick_from, past.is_in_alarm);
        let is_bad = self.failing_from.is_some() || self.airflow_sick_from.is_some() || self.is_in_alarm;
        self.of != stored.of
            || class(self) != class(stored)
            || self.status_unread_from != stored.status_unread_from
            || bad(self) != bad(stored)
            || (is_bad && elapsed(stored.at, self.at) >= NOTED_EVERY)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(value: &bool) -> bool {
    !value
}
