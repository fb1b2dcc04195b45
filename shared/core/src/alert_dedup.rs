//! What is reported once: a blocked failover, a flag fault and an unknown active environment last for many ticks, and
//! one alert is enough.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decision::{Action, Decision};
use crate::health::{Assessment, Reading, Verdict};
use crate::policy::Policy;
use crate::precondition::PreconditionName;
use crate::time::{elapsed, to_milliseconds};

/// How long the active environment may be unknown before people are notified: a temporary throttle is over by then.
pub const UNKNOWN_ALERT_DELAY: Duration = Duration::from_secs(15 * 60);

/// The condition that an alert is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// The kind of condition.
    pub subject: Subject,
    /// The flag version that the alert is about, or what replaces it where there is none.
    pub flag: String,
    /// The preconditions that block, in the order of the decision.
    pub preconditions: Vec<PreconditionName>,
}

/// Conditions that are reported once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A failover that preconditions, or the mode, prevent.
    FailoverBlocked,
    /// A flag that holds no color.
    FlagFault,
    /// Nothing confirms that the active environment works: its state is unknown, or its signals disagree.
    ActiveUnknown,
}

impl Subject {
    /// How long the condition must last before it is reported.
    fn patience(self) -> Duration {
        match self {
            Self::FailoverBlocked | Self::FlagFault => Duration::ZERO,
            Self::ActiveUnknown => UNKNOWN_ALERT_DELAY,
        }
    }
}

/// A topic as the memory keeps it in its field `announced`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The condition that was noted.
    pub topic: Topic,
    /// When the condition began.
    pub since: Timestamp,
    /// Whether people have been notified.
    pub said: bool,
}

/// What to write to the memory and to publish on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Notice {
    /// Nothing to report, nothing to remember.
    Quiet,
    /// Too early to report: remember when the condition began.
    Remember(Announcement),
    /// Report it, then remember that it was reported.
    Say(Announcement),
    /// The condition is over: forget it, so that the next one is reported again.
    Forget,
}

/// Since when the condition has lasted, if it is the remembered one.
#[must_use]
pub fn remembered_since(remembered: Option<&str>, subject: Subject, flag: &str) -> Option<Timestamp> {
    let before = serde_json::from_str::<Announcement>(remembered?).ok()?;
    (before.topic.subject == subject && before.topic.flag == flag).then_some(before.since)
}

/// Compares the current condition with the remembered one. A memory that cannot be read counts as empty: a repeated
/// alert is better than a lost one.
pub fn notice(remembered: Option<&str>, current: Option<Topic>, now: Timestamp) -> Notice {
    let patience = current
        .as_ref()
        .map_or(Duration::ZERO, |topic| topic.subject.patience());
    notice_after(remembered, current, patience, now)
}

/// The same for a condition that must last for `patience` before it is reported.
pub fn notice_after(remembered: Option<&str>, current: Option<Topic>, patience: Duration, now: Timestamp) -> Notice {
    let before = remembered.and_then(|text| serde_json::from_str::<Announcement>(text).ok());
    let Some(topic) = current else {
        return if remembered.is_some() {
            Notice::Forget
        } else {
            Notice::Quiet
        };
    };
    let before = before.filter(|before| before.topic == topic);
    if before.as_ref().is_some_and(|before| before.said) {
        return Notice::Quiet;
    }
    // In milliseconds, as the event's id has it: one id must not have two instants.
    let since = before
        .as_ref()
        .map_or_else(|| to_milliseconds(now), |before| before.since);
    let said = elapsed(since, now) >= patience;
    let announcement = Announcement { topic, since, said };
    match (said, before) {
        (true, _) => Notice::Say(announcement),
        (false, Some(_)) => Notice::Quiet,
        (false, None) => Notice::Remember(announcement),
    }
}

/// The announcement that is in force where other ticks wrote the same memory field `meanwhile` (oldest first), after
/// this tick's observation and before its own write.
///
/// Several ticks start at once exactly when something fails: the schedule, an alarm and a change of status wake one each.
/// All want to report the same condition, and the first one to write it down gives it its beginning, and so its id. If
/// one of them has reported it already, it is reported. What others wrote in between does not matter: this tick has seen
/// the condition before all of them.
#[must_use]
pub fn first_of(announcement: Announcement, meanwhile: &[Option<Value>]) -> Announcement {
    let topic = announcement.topic.clone();
    let same = meanwhile.iter().rev().filter_map(|value| {
        Announcement::deserialize(value.as_ref()?)
            .ok()
            .filter(|other| other.topic == topic)
    });
    same.fold(announcement, |newer, older| Announcement {
        since: older.since,
        said: newer.said || older.said,
        ..newer
    })
}

/// The same where this tick observed an announcement that is not reported yet, and the memory's versions `before` that
/// one (oldest first) have it, too. It may be what one of several ticks wrote at first, before it saw that another one
/// was faster: then the others of them stand right before it.
#[must_use]
pub fn first_of_row(announcement: Announcement, before: &[Option<Value>]) -> Announcement {
    let others = before
        .iter()
        .rposition(|value| {
            let other = value.as_ref().and_then(|value| Announcement::deserialize(value).ok());
            other.is_none_or(|other| other.topic != announcement.topic)
        })
        .map_or(0, |other| other.saturating_add(1));
    first_of(announcement, before.get(others..).unwrap_or_default())
}

/// Whether another tick has written something else since this one `observed` what was stored: marked as said, this
/// announcement would replace what the field holds in the `newest` memory, and that be said again under another id.
///
/// What this tick has observed itself is no such thing: then somebody who had not seen this announcement has written the
/// rest of the memory.
#[must_use]
pub fn is_replaced(announcement: &Announcement, observed: Option<&str>, newest: Option<&Value>) -> bool {
    let observed = observed.and_then(|observed| serde_json::from_str::<Value>(observed).ok());
    let newest_announcement = newest.and_then(|newest| Announcement::deserialize(newest).ok());
    newest != observed.as_ref() && newest_announcement.is_none_or(|newest| newest.topic != announcement.topic)
}

/// How long an environment may be in doubt before people are notified; none if it is confirmed to work, or known to
/// have failed.
///
/// Each kind of doubt prevents a failover, and none may do so silently without end: neither a throttle, nor two signals
/// that disagree because one is stuck or forged, nor planned work that hides every signal. They share one clock,
/// because an environment that is unknown in one minute and suspect in the next is still in doubt.
#[must_use]
pub fn patience_with(policy: &Policy, assessment: &Assessment) -> Option<Duration> {
    let is_ok = |reading: &Reading| matches!(reading, Reading::Ok { .. });
    match assessment.verdict {
        Verdict::Healthy | Verdict::Unhealthy => None,
        Verdict::Suspect | Verdict::Unknown => Some(UNKNOWN_ALERT_DELAY),
        Verdict::Maintenance if is_ok(&assessment.signals.scheduler) || is_ok(&assessment.signals.heartbeat) => None,
        Verdict::Maintenance => Some(UNKNOWN_ALERT_DELAY.max(policy.maintenance_grace)),
    }
}

/// What one observation found of all that may be reported.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The flag version that it is about, or what replaces it where there is none.
    pub flag: &'a str,
    /// Whether something is wrong with the flag.
    pub is_faulty: bool,
    /// The assessment of the active environment; none if the flag holds no color.
    pub active: Option<&'a Assessment>,
    /// The decision of this tick.
    pub decision: &'a Decision,
}

impl Found<'_> {
    /// What to report of a failover that is wanted and blocked, or of a broken flag.
    pub fn notice(&self, remembered: Option<&str>, now: Timestamp) -> Notice {
        let is_wanted = matches!(self.decision.action, Action::Blocked | Action::ObserveOnly);
        let about = match self.active {
            _ if self.is_faulty => Some(Subject::FlagFault),
            Some(_) if is_wanted => Some(Subject::FailoverBlocked),
            // An observation that confirms nothing neither adds to what was reported nor clears it: a signal that
            // flaps, or a service that is throttled for a tick, must not alert at every change.
            Some(active) if matches!(active.verdict, Verdict::Suspect | Verdict::Unknown) => return Notice::Quiet,
            _ => None,
        };
        let topic = about.map(|subject| self.topic(subject, self.decision.blocked_by()));
        notice(remembered, topic, now)
    }

    /// What to report of an active environment that has been in doubt for too long. Remembered separately from the
    /// other topics: intermittent doubt is neither reported anew nor forgotten when a failover is wanted in between.
    pub fn notice_of_doubt(&self, policy: &Policy, remembered: Option<&str>, now: Timestamp) -> Notice {
        let Some(active) = self.active else {
            return Notice::Quiet;
        };
        match patience_with(policy, active) {
            Some(patience) => {
                let topic = self.topic(Subject::ActiveUnknown, Vec::new());
                notice_after(remembered, Some(topic), patience, now)
            }
            None if active.verdict == Verdict::Unhealthy => Notice::Quiet,
            None => notice(remembered, None, now),
        }
    }

    fn topic(&self, subject: Subject, preconditions: Vec<PreconditionName>) -> Topic {
        Topic {
            subject,
            flag: self.flag.to_owned(),
            preconditions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::after;

    fn topic(subject: Subject, preconditions: &[PreconditionName]) -> Topic {
        Topic {
            subject,
            flag: "v12-1".into(),
            preconditions: preconditions.to_vec(),
        }
    }

    fn stored(notice: &Notice) -> String {
        match notice {
            Notice::Say(announcement) | Notice::Remember(announcement) => serde_json::to_string(announcement).unwrap(),
            other => panic!("nothing to remember: {other:?}"),
        }
    }

    #[test]
    fn a_block_is_said_once_and_again_when_it_changes_or_returns() {
        let now = Timestamp::UNIX_EPOCH;
        let hold = topic(Subject::FailoverBlocked, &[PreconditionName::Hold]);
        let first = notice(None, Some(hold.clone()), now);
        assert!(matches!(first, Notice::Say(_)));
        assert_eq!(notice(Some(&stored(&first)), Some(hold.clone()), now), Notice::Quiet);
        let cooldown = topic(Subject::FailoverBlocked, &[PreconditionName::Cooldown]);
        assert!(matches!(
            notice(Some(&stored(&first)), Some(cooldown), now),
            Notice::Say(_)
        ));
        assert_eq!(notice(Some(&stored(&first)), None, now), Notice::Forget);
        assert_eq!(notice(Some("garbage"), None, now), Notice::Forget);
        assert!(matches!(notice(Some("garbage"), Some(hold), now), Notice::Say(_)));
        assert_eq!(notice(None, None, now), Notice::Quiet);
    }

    #[test]
    fn of_ticks_that_report_at_once_the_first_gives_the_id() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let about = |preconditions: &[PreconditionName], second, said| Announcement {
            topic: topic(Subject::FailoverBlocked, preconditions),
            since: at(second),
            said,
        };
        let written = |announcement: &Announcement| Some(serde_json::to_value(announcement).unwrap());
        let hold = [PreconditionName::Hold];
        let mine = about(&hold, 9, false);
        let (first, second) = (about(&hold, 5, false), about(&hold, 7, false));
        let other = about(&[PreconditionName::Cooldown], 6, false);
        for (meanwhile, expected) in [
            (vec![], mine.clone()),
            (vec![written(&first)], first.clone()),
            (vec![written(&first), written(&second)], first.clone()),
            (
                vec![written(&about(&hold, 5, true)), written(&second)],
                about(&hold, 5, true),
            ),
            // A tick that saw the pair a moment earlier or later wrote something else in between.
            (vec![written(&about(&hold, 5, true)), None], about(&hold, 5, true)),
            (vec![written(&first), written(&other), written(&second)], first.clone()),
            (vec![written(&other)], mine.clone()),
            (vec![Some(serde_json::json!("garbage"))], mine.clone()),
        ] {
            assert_eq!(first_of(mine.clone(), &meanwhile), expected, "{meanwhile:?}");
        }
        // Observed, and not only written meanwhile: one that ended in between was another one.
        for (before, expected) in [
            (vec![], mine.clone()),
            (vec![written(&first), written(&second)], first.clone()),
            (vec![written(&first), None, written(&second)], second.clone()),
            (vec![written(&first), written(&other), written(&second)], second.clone()),
            (
                vec![written(&about(&hold, 5, true)), written(&second)],
                about(&hold, 5, true),
            ),
            (vec![written(&first), None], mine.clone()),
            (vec![written(&first), Some(serde_json::json!("garbage"))], mine.clone()),
        ] {
            assert_eq!(first_of_row(mine.clone(), &before), expected, "{before:?}");
        }
    }

    #[test]
    fn what_another_tick_wrote_since_is_not_replaced() {
        let about = |preconditions: &[PreconditionName], said| {
            serde_json::json!(Announcement {
                topic: topic(Subject::FailoverBlocked, preconditions),
                since: Timestamp::UNIX_EPOCH,
                said,
            })
        };
        let (hold, cooldown) = ([PreconditionName::Hold], [PreconditionName::Cooldown]);
        let mine = Announcement::deserialize(&about(&hold, true)).unwrap();
        for (observed, newest, replaced) in [
            (None, Some(about(&hold, false)), false),
            (None, Some(about(&cooldown, true)), true),
            (Some(about(&hold, false)), None, true),
            // As it was before this tick wrote: its own words are lost, and nobody has other ones.
            (None, None, false),
            (Some(about(&cooldown, true)), Some(about(&cooldown, true)), false),
            (Some(about(&cooldown, true)), Some(about(&cooldown, false)), true),
        ] {
            let observed = observed.map(|observed| observed.to_string());
            assert_eq!(
                is_replaced(&mine, observed.as_deref(), newest.as_ref()),
                replaced,
                "{observed:?}, {newest:?}"
            );
        }
    }

    #[test]
    fn a_blind_watcher_is_told_of_only_after_a_while() {
        let start = Timestamp::UNIX_EPOCH;
        let blind = topic(Subject::ActiveUnknown, &[]);
        let first = notice(None, Some(blind.clone()), start);
        assert!(matches!(first, Notice::Remember(_)));
        let memory = stored(&first);
        let soon = after(start, UNKNOWN_ALERT_DELAY.saturating_sub(Duration::from_secs(1)));
        assert_eq!(notice(Some(&memory), Some(blind.clone()), soon), Notice::Quiet);
        let said = notice(Some(&memory), Some(blind.clone()), after(start, UNKNOWN_ALERT_DELAY));
        assert!(matches!(said, Notice::Say(_)));
        assert_eq!(
            notice(Some(&stored(&said)), Some(blind), after(start, UNKNOWN_ALERT_DELAY * 2)),
            Notice::Quiet
        );
    }
}
