//! What is said once: a blocked failover and a flag fault last for many ticks, and one page is enough.

use serde::{Deserialize, Serialize};

use crate::decision::GuardName;

/// The thing announced, as the `announced` parameter remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// What it is about.
    pub subject: Subject,
    /// Which flag version it is about, or what stands in its place.
    pub flag: String,
    /// The guards that block, in the order of the decision.
    pub guards: Vec<GuardName>,
}

/// Subjects that are announced once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A failover that guards prevent.
    FailoverBlocked,
    /// A flag that holds no colour.
    FlagFault,
}

/// What to do with the memory and the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Notice {
    /// Nothing to say, nothing remembered.
    Quiet,
    /// Said before.
    AlreadySaid,
    /// Say it, then remember it.
    Say(Announcement),
    /// It is over: forget it, so that the next one is said again.
    Forget,
}

/// Compares what is so now with what was said before. A memory that cannot be read counts as none: twice beats never.
pub fn notice(remembered: Option<&str>, current: Option<Announcement>) -> Notice {
    let before = remembered.and_then(|text| serde_json::from_str::<Announcement>(text).ok());
    match (before, current) {
        (_, None) if remembered.is_some() => Notice::Forget,
        (None, None) => Notice::Quiet,
        (Some(before), Some(current)) if before == current => Notice::AlreadySaid,
        (_, Some(current)) => Notice::Say(current),
        (Some(_), None) => Notice::Forget,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(guards: &[GuardName]) -> Announcement {
        Announcement {
            subject: Subject::FailoverBlocked,
            flag: "v12-1".into(),
            guards: guards.to_vec(),
        }
    }

    #[test]
    fn a_block_is_said_once_and_again_when_it_changes_or_returns() {
        let hold = blocked(&[GuardName::Hold]);
        assert_eq!(notice(None, Some(hold.clone())), Notice::Say(hold.clone()));
        let stored = serde_json::to_string(&hold).unwrap();
        assert_eq!(notice(Some(&stored), Some(hold.clone())), Notice::AlreadySaid);
        let cooldown = blocked(&[GuardName::Cooldown]);
        assert_eq!(notice(Some(&stored), Some(cooldown.clone())), Notice::Say(cooldown));
        assert_eq!(notice(Some(&stored), None), Notice::Forget);
        assert_eq!(notice(Some("garbage"), None), Notice::Forget);
        assert_eq!(notice(Some("garbage"), Some(hold.clone())), Notice::Say(hold));
        assert_eq!(notice(None, None), Notice::Quiet);
    }
}
