//! The answers of `status` and `history`.

use jiff::Timestamp;

use super::change::DrillAnswer;
use super::open::Open;
use super::tolerant::tolerant;
use crate::color::{Both, Color};
use crate::dag_management::{Progress, State};
use crate::flag::{FlagVersion, Origin, Version};
use crate::health::{Assessment, Signals, Verdict};
use crate::hold::Hold;
use crate::identity::{Owner, Ownership};
use crate::in_flight::InFlight;
use crate::policy::Mode;
use crate::readiness::{Level, PendingNotification, ReadinessState};
use crate::transition_kind::Kind;

tolerant! {
    /// The current state of the pair.
    pub struct Status {
        /// When the flag was written.
        pub modified: Option<Timestamp>,
        /// The newest version of the flag.
        pub last_transition: Option<HistoryLine>,
        /// The decision that a tick would make.
        pub decision: String,
        /// The root, and the pair that owns it.
        pub root: Root,
        /// The hold in force, in words.
        pub hold: Option<String>,
        /// The same as a hold, where it can be read as one.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub held: Option<Hold>,
        /// The drill under way, or the last one that switched.
        pub drill: Option<DrillAnswer>,
        /// The last check of the current standby.
        pub readiness: Option<LastCheck>,
        /// The progress of DAG management, where it is configured.
        pub dag_management: Option<ManagedDags>,
        /// Whether the watcher may write the flag.
        pub mode: Open<Mode>,
        /// The flag version that was audited last.
        pub audited: Option<FlagVersion>,
        /// The names of the environments.
        pub environments: Both<String>,
        /// What is still in flight on the environment that stands by; none for the active one, and without a flag.
        pub in_flight: Both<Option<InFlightAnswer>>,
        /// The health of the environments.
        pub verdicts: Both<VerdictAnswer>,
    }

    /// What is still in flight on an environment that is not active.
    pub struct InFlightAnswer {
        /// Whether nothing is in flight, and nothing more can come. Never while that is unknown.
        pub drained: bool,
        /// The state in one sentence.
        pub reason: String,
        /// The number of unfinished runs that it executes; none if that is unknown.
        pub runs: Option<usize>,
        /// The number of unfinished runs that belong to the other color. They wait in their guards, unless their DAGs have
        /// none.
        pub others: Option<usize>,
        /// Since when the oldest of its runs has existed.
        pub oldest: Option<Timestamp>,
        /// The DAGs of its runs, those with the oldest run first; at most five.
        pub dags: Vec<String>,
        /// The number of DAGs with such a run.
        pub dag_count: Option<usize>,
        /// Why the runs are unknown.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub unknown: Option<String>,
    }

    /// One version of the flag.
    pub struct HistoryLine {
        /// The version number.
        pub version: Option<FlagVersion>,
        /// The previous value, if it is still kept.
        pub from: Option<String>,
        /// The value of this version.
        pub to: String,
        /// The kind of transition, in one word.
        pub kind: Open<Kind>,
        /// When it was written.
        pub written_at: Option<Timestamp>,
        /// When it took effect.
        pub effective_from: Option<Timestamp>,
        /// `LastModifiedUser`, an IAM ARN.
        pub by: Option<String>,
        /// Name of its record, if this product wrote it.
        pub transition: Option<String>,
        /// The same write, carried out once more because its first answer was lost: it is not a separate transition.
        pub repeat: bool,
        /// The version's Description.
        pub description: Option<String>,
    }

    /// The flag's newest versions.
    pub struct History {
        /// The versions, newest first.
        pub entries: Vec<HistoryLine>,
    }

    /// The root, and the pair that owns it.
    pub struct Root {
        /// The path of the root.
        pub path: String,
        /// `ours`, `unclaimed`, `unreadable` or `foreign`.
        pub is: String,
        /// The owner that the parameter names.
        pub owner: Option<Owner>,
    }

    /// What the watcher remembers of the last check.
    pub struct LastCheck {
        /// The score, 0 to 100.
        pub score: u32,
        /// The level of the check.
        pub level: Open<Level>,
        /// The color that was the standby.
        pub standby: Option<Color>,
        /// When the check was made.
        pub at: Option<Timestamp>,
        /// Names of the red findings.
        pub red: Vec<String>,
        /// Whether a question had no complete answer.
        pub partial: bool,
        /// The change that is still to be reported.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub pending_notification: Option<PendingNotification>,
    }

    /// The progress of pausing and unpausing DAGs.
    pub struct ManagedDags {
        /// The state in one word.
        pub state: Open<State>,
        /// The color whose DAGs are to run.
        pub active: Option<Color>,
        /// Since when the standby drains.
        pub since: Option<Timestamp>,
        /// How many DAGs are to run.
        pub remembered: Option<usize>,
    }

    /// One environment's verdict, with the signals behind it.
    pub struct VerdictAnswer {
        /// The verdict on the environment.
        pub verdict: Open<Verdict>,
        /// The reasons of the verdict, in sentences.
        pub reasons: Vec<String>,
        /// The last instant at which it was known to be healthy, if it no longer is.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub last_known_healthy: Option<Timestamp>,
        /// When a suspicion becomes a verdict if nothing changes.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub unhealthy_at: Option<Timestamp>,
        /// The signals that the verdict is based on.
        pub signals: Option<Signals>,
    }
}

impl HistoryLine {
    /// The line of a version; `before` is the previous version, if it is still kept.
    #[must_use]
    pub fn of(version: &Version, before: Option<&Version>) -> Self {
        let entry = &version.entry;
        Self {
            version: Some(entry.version),
            from: before.map(|before| before.entry.value.to_string()),
            to: entry.value.to_string(),
            kind: version.kind().into(),
            written_at: Some(entry.modified),
            effective_from: Some(version.effective_from),
            by: entry.author.clone(),
            transition: match &version.origin {
                Origin::Ours { record, .. } | Origin::Repeat { record, .. } => Some(record.clone()),
                Origin::External => None,
            },
            repeat: matches!(version.origin, Origin::Repeat { .. }),
            description: entry.words(&version.origin).map(str::to_owned),
        }
    }
}

impl Root {
    /// The root with this path and this ownership.
    #[must_use]
    pub fn of(path: &str, ownership: &Ownership) -> Self {
        Self {
            path: path.to_owned(),
            is: ownership.as_str().to_owned(),
            owner: ownership.owner().cloned(),
        }
    }
}

impl From<ReadinessState> for LastCheck {
    fn from(standing: ReadinessState) -> Self {
        Self {
            score: standing.score,
            level: standing.level.into(),
            standby: standing.standby,
            at: Some(standing.at),
            red: standing.red,
            partial: standing.partial,
            pending_notification: standing.pending_notification,
        }
    }
}

impl From<Progress> for ManagedDags {
    fn from(progress: Progress) -> Self {
        Self {
            state: progress.state.into(),
            active: Some(progress.active),
            since: Some(progress.since),
            remembered: progress.unpaused.map(|list| list.count),
        }
    }
}

impl From<&InFlight> for InFlightAnswer {
    fn from(found: &InFlight) -> Self {
        let own = found.runs.as_ref().ok();
        Self {
            drained: found.drained,
            reason: found.reason.clone(),
            runs: own.map(|own| own.runs),
            others: own.map(|own| own.others),
            oldest: own.and_then(|own| own.oldest),
            dags: own.map(|own| own.dags.clone()).unwrap_or_default(),
            dag_count: own.map(|own| own.dag_count),
            unknown: found.runs.as_ref().err().cloned(),
        }
    }
}

impl From<&Assessment> for VerdictAnswer {
    fn from(assessment: &Assessment) -> Self {
        Self {
            verdict: assessment.verdict.into(),
            reasons: assessment.reasons.clone(),
            last_known_healthy: assessment.last_known_healthy,
            unhealthy_at: assessment.unhealthy_at,
            signals: Some(assessment.signals.clone()),
        }
    }
}
