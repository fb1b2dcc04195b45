//! Which environment executed which run: each scheduled run exactly once across planned transitions, at least once across
//! failovers, and never by both or by neither, unless one of the excuses below says why. Each excuse is a sentence of the
//! documents; whatever they do not say is a violation.
//!
//! Two guards can only disagree if they have seen different versions of the flag, so the first version between the two
//! readings that gives the run to the other color is to blame, and its kind decides.

use std::collections::BTreeMap;

use bluegreen_core::color::{Both, Color};
use bluegreen_core::flag::{HistoryEntry, KEPT_VERSIONS, Version, versions};
use bluegreen_core::ownership::owner;
use bluegreen_core::policy::{FailoverSemantics, Policy};
use bluegreen_core::transition_kind::Kind;

use crate::clock::{Milliseconds, SECOND, in_milliseconds, text, timestamp};
use crate::guard::STANDBY_WAIT;

/// How far the oldest reading of Parameter Store is behind here, and a writer's clock with it.
const STALE: Milliseconds = 8 * SECOND;
const DRIFT: Milliseconds = 8 * SECOND;
/// The lead that lets every reader see a version before it counts.
const SAFE_LEAD: Milliseconds = 10 * SECOND;

/// Why an environment has no run of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It did not work, or its DAG was paused, and the DAG does not catch up.
    Missed,
    /// It was deleted.
    Deleted,
}

/// How one tick ended in one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its execution began.
    Executed {
        /// The newest version that the guard had seen, see [`Runs::position`].
        seen: usize,
        /// When.
        at: Milliseconds,
    },
    /// It was skipped.
    Skipped {
        /// The newest version that the guard had seen.
        seen: usize,
        /// When.
        at: Milliseconds,
    },
    /// The guard gave up.
    Failed {
        /// When.
        at: Milliseconds,
    },
    /// There is none.
    Gone {
        /// Why.
        why: Why,
        /// When that was known.
        at: Milliseconds,
    },
}

/// A version of the flag, in one of its incarnations: a deletion ends one.
#[derive(Debug, Clone)]
struct Known {
    incarnation: u32,
    entry: HistoryEntry,
}

/// The version that is to blame for a run.
#[derive(Debug)]
struct Blame {
    version: Version,
    /// Whether the guard that saw less saw another incarnation of the flag.
    is_made_again: bool,
    instant: Milliseconds,
}

/// What has become of the runs.
#[derive(Debug, Default)]
pub struct Runs {
    /// The first violation: its rule, and what happened.
    pub violation: Option<(&'static str, String)>,
    /// How many ticks were executed once.
    pub once: u64,
    /// How many were executed by nobody or by both, by excuse.
    pub excused: BTreeMap<&'static str, u64>,
    policy: Policy,
    manages_dags: bool,
    incarnation: u32,
    is_there: bool,
    versions: Vec<Known>,
    /// Ticks that have ended in one environment.
    ticks: BTreeMap<(usize, Milliseconds), (Color, Ending)>,
}

impl Runs {
    /// For a pair with this policy.
    pub fn of(policy: Policy, manages_dags: bool) -> Self {
        Self {
            policy,
            manages_dags,
            ..Self::default()
        }
    }

    /// The flag was written, or deleted.
    pub fn flag_changed(&mut self, entry: Option<HistoryEntry>) {
        let was_there = std::mem::replace(&mut self.is_there, entry.is_some());
        if let Some(entry) = entry {
            self.incarnation += u32::from(!was_there);
            self.versions.push(Known {
                incarnation: self.incarnation,
                entry,
            });
        }
    }

    /// The place of a version among all that there ever were.
    pub fn position(&self, number: i64, modified: Milliseconds) -> Option<usize> {
        let number = u64::try_from(number).ok()?;
        self.versions
            .iter()
            .rposition(|known| known.entry.version.0 == number && known.entry.modified == timestamp(modified))
    }

    /// A guard has read a version with a color, and the rule of ownership says that no color is in force.
    pub fn owned_by_nobody(&mut self, dag: &str, tick: Milliseconds, instant: Milliseconds) {
        let what = format!(
            "{dag}, tick {}, instant {}: no color is in force",
            text(tick),
            text(instant)
        );
        self.violation = self.violation.take().or(Some(("a-color-is-in-force", what)));
    }

    /// A tick has ended in one environment. It is judged once it has ended in both.
    pub fn ended(
        &mut self,
        (number, dag): (usize, &str),
        (tick, instant): (Milliseconds, Milliseconds),
        color: Color,
        copy: Ending,
    ) {
        let Some((other, before)) = self.ticks.remove(&(number, tick)) else {
            self.ticks.insert((number, tick), (color, copy));
            return;
        };
        if other == color {
            let what = format!(
                "{color} comes to the tick {} of {dag} twice: {before:?}, {copy:?}",
                text(tick)
            );
            self.violation = self.violation.take().or(Some(("a-tick-has-one-run", what)));
            return;
        }
        let copies = match color {
            Color::Blue => Both {
                blue: copy,
                green: before,
            },
            Color::Green => Both {
                blue: before,
                green: copy,
            },
        };
        match self.judge(instant, &copies) {
            Ok(None) => self.once += 1,
            Ok(Some(excuse)) => *self.excused.entry(excuse).or_default() += 1,
            Err((rule, why)) => {
                let what = format!(
                    "{dag}, tick {}, instant {}: blue {}; green {}: {why}",
                    text(tick),
                    text(instant),
                    self.words(&copies.blue),
                    self.words(&copies.green)
                );
                self.violation = self.violation.take().or(Some((rule, what)));
            }
        }
    }

    /// Whether a run was executed once; else the excuse, or the violation.
    fn judge(
        &self,
        instant: Milliseconds,
        copies: &Both<Ending>,
    ) -> Result<Option<&'static str>, (&'static str, String)> {
        use Ending::{Executed, Failed, Gone, Skipped};
        match (copies.blue, copies.green) {
            (Executed { seen: blue, .. }, Executed { seen: green, .. }) => {
                // The one who saw more took the run from the one who saw less.
                let to = if blue < green { Color::Green } else { Color::Blue };
                self.excuse("executed-by-both", instant, (blue, green), to).map(Some)
            }
            (Executed { .. }, _) | (_, Executed { .. }) => Ok(None),
            (Skipped { seen: blue, .. }, Skipped { seen: green, .. }) => {
                // The one who saw more knew that the run was given to the one who saw less.
                let to = if blue < green { Color::Blue } else { Color::Green };
                self.excuse("executed-by-nobody", instant, (blue, green), to).map(Some)
            }
            (Failed { .. }, _) | (_, Failed { .. }) => Ok(Some(THE_GUARD_GAVE_UP)),
            (Gone { why: Why::Deleted, .. }, _) | (_, Gone { why: Why::Deleted, .. }) => {
                Ok(Some(THE_ENVIRONMENT_IS_GONE))
            }
            (Gone { why: Why::Missed, .. }, _) | (_, Gone { why: Why::Missed, .. }) if self.manages_dags => {
                Ok(Some(ONLY_THE_LAST_MISSED_TICK))
            }
            _ => Err(("executed-by-nobody", "and no run was made of it".to_owned())),
        }
    }

    fn excuse(
        &self,
        rule: &'static str,
        instant: Milliseconds,
        (blue, green): (usize, usize),
        to: Color,
    ) -> Result<&'static str, (&'static str, String)> {
        let (less, more) = (blue.min(green), blue.max(green));
        let Some(blame) = self.blame(instant, less, more, to) else {
            return Err((rule, "both guards have seen the same".to_owned()));
        };
        let excuses: [(bool, &'static str); 5] = [
            (flag_was_made_again(&blame), "the flag was deleted and made again"),
            (
                rule == "executed-by-both" && is_back_dated(&blame, &self.policy),
                "a failover is back-dated, and the dead one had begun",
            ),
            (
                rule == "executed-by-nobody" && came_late(&blame),
                "a failover more than 420 s after the run's instant",
            ),
            (has_no_lead(&blame), "a version without a lead, next to its write"),
            (
                lead_is_short(&blame, &self.policy),
                "a lead shorter than readings may be behind",
            ),
        ];
        match excuses.iter().find(|(holds, _)| *holds) {
            Some((_, excuse)) => Ok(excuse),
            None => Err((
                rule,
                format!(
                    "version {} of {} ({}, {}) gave it to {to}, in force from {}",
                    blame.version.entry.version,
                    blame.version.entry.modified,
                    blame.version.kind(),
                    blame.version.entry.value,
                    blame.version.effective_from
                ),
            )),
        }
    }

    /// The first version after the one reading, and up to the other, that gives the instant to this color.
    fn blame(&self, instant: Milliseconds, less: usize, more: usize, to: Color) -> Option<Blame> {
        ((less + 1)..=more).find_map(|at| {
            let history = self.history(at);
            let owner = owner(&history, timestamp(instant))?.value.color();
            (owner == Some(to)).then_some(())?;
            Some(Blame {
                version: versions(&history).pop()?,
                is_made_again: self.versions[at].incarnation != self.versions[less].incarnation,
                instant,
            })
        })
    }

    /// The history, as it was when this version was the newest.
    fn history(&self, at: usize) -> Vec<HistoryEntry> {
        let incarnation = self.versions[at].incarnation;
        let known = self.versions[..=at].iter().rev();
        let mut entries: Vec<HistoryEntry> = known
            .take_while(|known| known.incarnation == incarnation)
            .take(KEPT_VERSIONS)
            .map(|known| known.entry.clone())
            .collect();
        entries.reverse();
        entries
    }

    fn words(&self, copy: &Ending) -> String {
        let version = |seen: &usize| {
            let known = self.versions.get(*seen);
            known.map_or_else(String::new, |known| {
                format!("having seen version {} ({})", known.entry.version, known.entry.value)
            })
        };
        match copy {
            Ending::Executed { seen, at } => format!("executed it at {}, {}", text(*at), version(seen)),
            Ending::Skipped { seen, at } => format!("skipped it at {}, {}", text(*at), version(seen)),
            Ending::Failed { at } => format!("gave up at {}", text(*at)),
            Ending::Gone { why, at } => format!("has no run of it ({why:?}, {})", text(*at)),
        }
    }
}

/// docs/concepts.md, What can be lost: "the flag is missing, or SSM cannot be read: nothing executes; guards retry for
/// about 45 minutes, then their runs fail".
const THE_GUARD_GAVE_UP: &str = "the guard gave up after 45 minutes without the flag";

/// docs/concepts.md, What can be lost: "a run due before the last sign of life, not finished: lost, until the dead
/// environment comes back"; docs/features/rollout.md, Replacement: what comes back has a new metadata database.
const THE_ENVIRONMENT_IS_GONE: &str = "its environment was deleted with it";

/// docs/features/dag-management.md, Limits: "A paused standby makes no runs. After a failover, of the ticks that the dead
/// environment missed only the last one of each DAG is executed, unless the DAG has catchup=True".
const ONLY_THE_LAST_MISSED_TICK: &str = "a paused standby makes no runs, and the DAG does not catch up";

/// docs/runbooks/broken-flag.md: a flag that is made again has a history of its own, and docs/internals/ownership-rule.md:
/// "An instant before the oldest version known belongs to that one".
fn flag_was_made_again(blame: &Blame) -> bool {
    blame.is_made_again
}

/// docs/concepts.md, What can be doubled: "failover: a run that the dead one began after its last heartbeat: doubled with
/// at-least-once". A drill that ends because its color failed takes effect like the failover that it is
/// (`core/claim/intent.rs`).
fn is_back_dated(blame: &Blame, policy: &Policy) -> bool {
    let is_failover = matches!(blame.version.kind(), Kind::Failover | Kind::DrillReturn);
    // A lead is what planned transitions have. The writer's clock is wrong by no more than its drift.
    let lead = blame.version.effective_from.as_millisecond() - blame.version.entry.modified.as_millisecond();
    is_failover && policy.failover_semantics == FailoverSemantics::AtLeastOnce && lead < DRIFT.min(SAFE_LEAD)
}

/// docs/concepts.md, What can be lost: "failover later than 420 s after a run's instant: lost: the standby has skipped it".
/// The standby's last reading may be as old as a reading can be.
fn came_late(blame: &Blame) -> bool {
    let is_failover = matches!(blame.version.kind(), Kind::Failover | Kind::DrillReturn);
    is_failover && blame.version.entry.modified.as_millisecond() > blame.instant + STANDBY_WAIT - STALE
}

/// docs/concepts.md, What can be lost or doubled: "a flag edited manually, without a lead: a run within the same second".
/// The same holds for a flag that is made, and for a failover of whose active nothing shows when it last lived: it counts
/// from its write. A reading may be behind.
fn has_no_lead(blame: &Blame) -> bool {
    let written = blame.version.entry.modified.as_millisecond();
    let has_none = matches!(blame.version.kind(), Kind::External | Kind::Initialize | Kind::Failover);
    has_none && (written - DRIFT..=written + STALE).contains(&blame.instant)
}

/// docs/reference/template-parameters.md, `SwitchLeadSeconds`: "so that every reader has seen it before it counts". One that
/// is set shorter than readings may be behind lets them not.
fn lead_is_short(blame: &Blame, policy: &Policy) -> bool {
    let lead = in_milliseconds(policy.lead);
    let written = blame.version.entry.modified.as_millisecond();
    lead < SAFE_LEAD && (written - DRIFT..=written + STALE).contains(&blame.instant)
}

#[cfg(test)]
mod tests {
    use bluegreen_core::flag::{FlagValue, FlagVersion};

    use super::*;
    use crate::clock::{HOUR, MINUTE};

    /// A tick that everything here happens around.
    const TICK: Milliseconds = 1_798_761_600_000;

    fn policy(semantics: FailoverSemantics) -> Policy {
        Policy {
            failover_semantics: semantics,
            ..Policy::default()
        }
    }

    /// Runs of a flag that has been blue for an hour.
    fn blue() -> Runs {
        let mut runs = Runs::of(policy(FailoverSemantics::AtLeastOnce), false);
        write(&mut runs, 1, "blue", -HOUR, None);
        runs
    }

    /// Writes a version so long after the tick; with a kind, and when it takes effect.
    fn write(runs: &mut Runs, number: u64, value: &str, after: Milliseconds, ours: Option<(&str, Milliseconds)>) {
        let description = ours.map(|(kind, from)| {
            let from = timestamp(TICK + from);
            format!("{kind}: why [effective_from={from} record=v{number}-1]")
        });
        runs.flag_changed(Some(HistoryEntry {
            value: FlagValue::read(value),
            version: FlagVersion(number),
            modified: timestamp(TICK + after),
            author: None,
            description,
        }));
    }

    fn executed(seen: usize) -> Ending {
        Ending::Executed { seen, at: TICK }
    }

    fn skipped(seen: usize) -> Ending {
        Ending::Skipped { seen, at: TICK }
    }

    /// Ends the tick in both, and tells the rule that was broken, or the excuse; nothing if it was executed once.
    fn judged(mut runs: Runs, blue: Ending, green: Ending) -> Option<&'static str> {
        runs.ended((0, "hourly"), (TICK, TICK), Color::Green, green);
        runs.ended((0, "hourly"), (TICK, TICK), Color::Blue, blue);
        let broken = runs.violation.map(|(rule, _)| rule);
        broken.or_else(|| runs.excused.into_keys().next())
    }

    #[test]
    fn a_run_that_one_executes_is_executed_once() {
        assert_eq!(judged(blue(), executed(0), skipped(0)), None);
        assert_eq!(judged(blue(), executed(0), Ending::Failed { at: TICK }), None);
    }

    #[test]
    fn a_flag_with_a_color_that_gives_a_run_to_nobody_is_found() {
        let mut runs = blue();
        runs.owned_by_nobody("hourly", TICK, TICK);
        let gave_up = Ending::Failed { at: TICK };
        assert_eq!(judged(runs, gave_up, skipped(0)), Some("a-color-is-in-force"));
    }

    #[test]
    fn nothing_excuses_guards_that_have_seen_the_same() {
        assert_eq!(judged(blue(), executed(0), executed(0)), Some("executed-by-both"));
        assert_eq!(judged(blue(), skipped(0), skipped(0)), Some("executed-by-nobody"));
    }

    #[test]
    fn nothing_excuses_a_planned_transition() {
        for kind in ["switch", "rollback", "drill", "drill-return", "restore"] {
            let switched = |written: Milliseconds, from: Milliseconds| {
                let mut runs = blue();
                write(&mut runs, 2, "green", written, Some((kind, from)));
                runs
            };
            // Blue has not seen a version that gives the run to green.
            let runs = switched(-12_000, -2_000);
            assert_eq!(
                judged(runs, executed(0), executed(1)),
                Some("executed-by-both"),
                "{kind}"
            );
            // Green has skipped a run that was then given to it.
            let runs = switched(MINUTE, -MINUTE);
            assert_eq!(
                judged(runs, skipped(1), skipped(0)),
                Some("executed-by-nobody"),
                "{kind}"
            );
        }
    }

    #[test]
    fn a_failover_may_double_with_at_least_once_only() {
        for (semantics, expected) in [
            (
                FailoverSemantics::AtLeastOnce,
                "a failover is back-dated, and the dead one had begun",
            ),
            (FailoverSemantics::AtMostOnce, "executed-by-both"),
        ] {
            let mut runs = Runs::of(policy(semantics), false);
            write(&mut runs, 1, "blue", -HOUR, None);
            write(&mut runs, 2, "green", 3 * MINUTE, Some(("failover", -MINUTE)));
            assert_eq!(judged(runs, executed(0), executed(1)), Some(expected));
        }
    }

    #[test]
    fn a_failover_may_lose_only_what_the_standby_had_to_skip() {
        for (written, expected) in [
            (6 * MINUTE, "executed-by-nobody"),
            (8 * MINUTE, "a failover more than 420 s after the run's instant"),
        ] {
            let mut runs = blue();
            write(&mut runs, 2, "green", written, Some(("failover", -MINUTE)));
            assert_eq!(judged(runs, skipped(1), skipped(0)), Some(expected));
        }
    }

    #[test]
    fn a_manual_edit_excuses_only_its_own_seconds() {
        for (written, expected) in [
            (-2_000, "a version without a lead, next to its write"),
            (-20_000, "executed-by-both"),
        ] {
            let mut runs = blue();
            write(&mut runs, 2, "green", written, None);
            assert_eq!(judged(runs, executed(0), executed(1)), Some(expected));
        }
    }

    #[test]
    fn a_flag_that_is_made_again_has_a_history_of_its_own() {
        let mut runs = blue();
        runs.flag_changed(None);
        write(&mut runs, 1, "green", HOUR, None);
        let excuse = "the flag was deleted and made again";
        assert_eq!(judged(runs, executed(0), executed(1)), Some(excuse));
        // Without the deletion it is an edit, which counts from its write: who executed was not to.
        let mut runs = blue();
        write(&mut runs, 2, "green", HOUR, None);
        assert_eq!(judged(runs, executed(0), executed(1)), Some("executed-by-both"));
    }

    #[test]
    fn a_run_that_is_missing_needs_a_reason() {
        let gone = |why| Ending::Gone { why, at: TICK };
        assert_eq!(
            judged(blue(), gone(Why::Deleted), skipped(0)),
            Some(THE_ENVIRONMENT_IS_GONE)
        );
        assert_eq!(
            judged(blue(), Ending::Failed { at: TICK }, skipped(0)),
            Some(THE_GUARD_GAVE_UP)
        );
        assert_eq!(
            judged(blue(), gone(Why::Missed), skipped(0)),
            Some("executed-by-nobody")
        );
        let mut managed = blue();
        managed.manages_dags = true;
        assert_eq!(
            judged(managed, gone(Why::Missed), skipped(0)),
            Some(ONLY_THE_LAST_MISSED_TICK)
        );
    }

    #[test]
    fn a_tick_ends_once_in_an_environment() {
        let mut runs = blue();
        for _ in 0..2 {
            runs.ended((0, "hourly"), (TICK, TICK), Color::Blue, executed(0));
        }
        assert_eq!(runs.violation.map(|(rule, _)| rule), Some("a-tick-has-one-run"));
    }
}
