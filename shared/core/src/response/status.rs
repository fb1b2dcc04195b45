//! The answers of `status` and `history`.

use jiff::Timestamp;

use super::change::DrillAnswer;
use super::open::Open;
use super::tolerant::tolerant;
use crate::color::{Both, Color};
use crate::dag_management::{Progress, State};
use crate::flag::{FlagVersion, Origin, Version};
use crate::health::{Assessment, Signals, Verdict};
use crate::identity::{Owner, Ownership};
use crate::policy::Mode;
use crate::readiness::{Level, PendingNotification, ReadinessState};
use crate::transition_kind::Kind;

tolerant! {
    /// What stands.
    pub struct Status {
        /// When the flag was written.
        pub modified: Option<Timestamp>,
        /// The newest version.
        pub last_transition: Option<HistoryLine>,
        /// What a tick would decide.
        pub decision: String,
        /// Whose parameters these are.
        pub root: Root,
        /// The hold in force, in words.
        pub hold: Option<String>,
        /// The drill under way, or the last one.
        pub drill: Option<DrillAnswer>,
        /// The last check of the standby that stands by now.
        pub readiness: Option<LastCheck>,
        /// Where DAGs are managed.
        pub dag_management: Option<ManagedDags>,
        /// Whether the watcher may act.
        pub mode: Open<Mode>,
        /// The version audited last.
        pub audited: Option<FlagVersion>,
        /// Their names.
        pub environments: Both<String>,
        /// How they are.
        pub verdicts: Both<VerdictAnswer>,
    }

    /// One version of the flag.
    pub struct HistoryLine {
        /// Its number.
        pub version: Option<FlagVersion>,
        /// What the flag held before, if that is kept.
        pub from: Option<String>,
        /// What it held.
        pub to: String,
        /// Why it was written, in a word.
        pub kind: Open<Kind>,
        /// When it was written.
        pub written_at: Option<Timestamp>,
        /// When it took effect.
        pub effective_from: Option<Timestamp>,
        /// `LastModifiedUser`.
        pub by: Option<String>,
        /// Name of its record, if it is ours.
        pub transition: Option<String>,
        /// The same write, carried out once more because its first answer was lost: no transition of its own.
        pub repeat: bool,
        /// Its Description.
        pub description: Option<String>,
    }

    /// The flag's newest versions.
    pub struct History {
        /// Newest first.
        pub entries: Vec<HistoryLine>,
    }

    /// The root, and whose it is.
    pub struct Root {
        /// Its path.
        pub path: String,
        /// `ours`, `unclaimed`, `unreadable` or `foreign`.
        pub is: String,
        /// The pair that is named there.
        pub owner: Option<Owner>,
    }

    /// What the watcher remembers of the last check.
    pub struct LastCheck {
        /// 0 to 100.
        pub score: u32,
        /// The level.
        pub level: Open<Level>,
        /// The color that stood by.
        pub standby: Option<Color>,
        /// When it was checked.
        pub at: Option<Timestamp>,
        /// Names of the red findings.
        pub red: Vec<String>,
        /// Whether something could not be asked.
        pub partial: bool,
        /// What is still to be said.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub pending_notification: Option<PendingNotification>,
    }

    /// How pausing and unpausing DAGs stands.
    pub struct ManagedDags {
        /// In a word.
        pub state: Open<State>,
        /// The color whose DAGs are to run.
        pub active: Option<Color>,
        /// Since when.
        pub since: Option<Timestamp>,
        /// How many DAGs are to run.
        pub remembered: Option<usize>,
    }

    /// One environment's verdict with what led to it.
    pub struct VerdictAnswer {
        /// The verdict.
        pub verdict: Open<Verdict>,
        /// Why.
        pub reasons: Vec<String>,
        /// The last instant at which it was known healthy, if it no longer is.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub last_known_healthy: Option<Timestamp>,
        /// When a suspicion becomes a verdict.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub unhealthy_at: Option<Timestamp>,
        /// The signals.
        pub signals: Option<Signals>,
    }
}

impl HistoryLine {
    /// Of a version; `before` is the one ahead of it, if still kept.
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
    /// Of this root.
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
