//! What earlier observations saw of an environment, as far as it affects the next verdict.
//!
//! A single observation cannot show three things. They are how long an environment has been serving again after planned
//! work, since when a signal without a date has been bad, and what the status was before it became unreadable. The
//! watcher keeps this between its observations, in its memory and in its process. A function without it judges by its
//! own observation alone.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::status::StatusClass;
use crate::time::elapsed;

/// After a pause this long between two observations, it is not known whether a failure lasted through it.
pub(super) const BLIND_FOR: Duration = Duration::from_secs(10 * 60);

/// How often a lasting failure is noted again, so that [`BLIND_FOR`] distinguishes a watcher that observes from one
/// that was away.
const NOTED_EVERY: Duration = Duration::from_secs(4 * 60);

/// What earlier observations saw of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Name of the observed environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// When the past was noted.
    pub at: Timestamp,
    /// The last status that was read; none if none has been read yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<LastStatus>,
    /// Since when the status cannot be read; none while it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_unread_from: Option<Timestamp>,
    /// The scheduler or the heartbeat is bad, and the failure counts from no earlier than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_from: Option<Timestamp>,
    /// The newest sign of life that the first observation of the failure showed: it may be older than `failing_from`, as a
    /// metric has no date at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alive_at: Option<Timestamp>,
    /// Since when Airflow has reported at every observation that it is unhealthy: the date of a failure to which
    /// Airflow gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub airflow_sick_from: Option<Timestamp>,
    /// Whether its alarms were in ALARM when they were last read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_in_alarm: bool,
    /// Since when observations have followed each other closely: what was before is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_from: Option<Timestamp>,
}

/// The last status that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastStatus {
    /// The status as MWAA wrote it.
    pub status: String,
    /// When it was read; it may have been read again since it was noted.
    pub read: Timestamp,
    /// The first observation that found this class after another one; none if the first observation found this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl LastStatus {
    pub(super) fn class(&self) -> StatusClass {
        StatusClass::of(&self.status)
    }
}

impl Past {
    /// Whether observations were so close together that a failure in two of them lasted in between.
    pub(super) fn is_close(&self, now: Timestamp) -> bool {
        elapsed(self.at, now) <= BLIND_FOR
    }

    /// What earlier observations saw of the environment that this evidence is about.
    pub(super) fn of_the_same<'a>(past: Option<&'a Self>, evidence: &Evidence) -> Option<&'a Self> {
        past.filter(|past| past.of == evidence.of)
    }

    /// The newer of two pasts: a process has better knowledge of its own observations than the memory, and another
    /// process may have newer ones.
    #[must_use]
    pub fn younger(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if other.at > one.at { other } else { one }),
            (one, other) => one.or(other),
        }
    }

    /// Whether it must replace the stored past: when it differs, and from time to time while a failure lasts. A healthy
    /// pair writes nothing.
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
