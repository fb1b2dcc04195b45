//! The outcomes of the switch-handler's answers: what happened, and what to do.

use crate::outcome::Outcome;

/// Outcomes that mean the same to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeRow {
    /// As answers give them.
    pub outcomes: &'static [Outcome],
    /// What happened.
    pub about: &'static str,
    /// What a person does about it.
    pub advice: &'static str,
}

/// Every outcome.
#[rustfmt::skip]
pub const OUTCOMES: &[OutcomeRow] = &[
    OutcomeRow { outcomes: &[Outcome::Switched], about: "the flag is written, by this request and no other", advice: "read `warnings`: another write in between is named there" },
    OutcomeRow { outcomes: &[Outcome::Unchanged], about: "that color is active already; or `initialize` found a flag; or there was no hold to release", advice: "nothing" },
    OutcomeRow { outcomes: &[Outcome::DrillCanceled], about: "that color is active in a drill, which has been ended (`interrupted`), so that the color stays", advice: "nothing" },
    OutcomeRow { outcomes: &[Outcome::Held, Outcome::Released], about: "the hold is placed, or ended", advice: "nothing" },
    OutcomeRow { outcomes: &[Outcome::WouldSwitch, Outcome::WouldCancelDrill, Outcome::WouldInitialize, Outcome::WouldHold, Outcome::WouldRelease], about: "dry run: nothing objects", advice: "send it without `dry_run`" },
    OutcomeRow { outcomes: &[Outcome::Refused], about: "a precondition objects; `reason` says which and why", advice: "do what it says, or use `force`" },
    OutcomeRow { outcomes: &[Outcome::Conflict], about: "another writer made, or is making, this transition; `reason` names the winner", advice: "ask for status; if the winner is dead, ask again at the time it names" },
    OutcomeRow { outcomes: &[Outcome::Initialized], about: "the flag was created", advice: "nothing" },
    OutcomeRow { outcomes: &[Outcome::Pending], about: "a drill has switched; it returns by itself", advice: "`status` says when" },
    OutcomeRow { outcomes: &[Outcome::Succeeded, Outcome::Failed], about: "a `dry` or `probe` drill: the standby would do, or would not; nothing was changed", advice: "repair what `readiness` names" },
    OutcomeRow { outcomes: &[Outcome::Interrupted], about: "a repeat of the request: its drill was ended by a failover or a person", advice: "nothing" },
    OutcomeRow { outcomes: &[Outcome::Blocked, Outcome::WouldDrill], about: "a drill's precondition is not met, and nothing was changed; or a dry run found no objection", advice: "see `preconditions`" },
    OutcomeRow { outcomes: &[Outcome::RunReport], about: "the run report; nothing was changed", advice: "look after `lost`, `doubled` and `late`" },
    OutcomeRow { outcomes: &[Outcome::Ready, Outcome::NotReady, Outcome::Partial], about: "what `check` found; nothing was changed", advice: "repair what `findings` names" },
    OutcomeRow { outcomes: &[Outcome::Status, Outcome::History], about: "the state; the newest versions", advice: "nothing" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_explained_once() {
        for outcome in Outcome::ALL {
            let rows = OUTCOMES.iter().filter(|row| row.outcomes.contains(&outcome));
            assert_eq!(rows.count(), 1, "{outcome}");
        }
    }
}
