//! The steps to the end if nothing fails and nobody interferes: what `--dry-run` shows.

use bluegreen_core::color::Color;

use super::observed::{CheckSeen, ColorState, DagState, Flag, Health, HoldSeen, InFlight, Observed, StackState};
use super::{Step, Waiting, next_step};

/// More steps than any rollout has.
const MOST: usize = 60;

/// The steps from here to the end. Ends early at what nobody can foresee.
#[must_use]
pub fn foresee(seen: &Observed) -> Vec<Step> {
    let mut seen = seen.clone();
    let mut steps = Vec::new();
    for _ in 0..MOST {
        let step = next_step(&seen);
        steps.push(step.clone());
        let color = |color: Color, change: &mut dyn FnMut(&mut ColorState), seen: &mut Observed| {
            change(seen.colors.of_mut(color));
            seen.check = CheckSeen::NotAsked;
        };
        match step {
            Step::Done(_) | Step::Stop { .. } | Step::Wait(Waiting::Unreadable(_)) => break,
            Step::Wait(Waiting::ActiveHealth(_)) => seen.active_health = Health::Healthy,
            Step::Wait(Waiting::InForce(_)) => {
                if let Flag::Holds { in_force, .. } = &mut seen.flag {
                    *in_force = true;
                }
            }
            Step::Wait(Waiting::Stack(of, _)) | Step::ApplyStandby(of) => color(
                of,
                &mut |state| {
                    state.stack = StackState::Matches;
                    state.replacement = None;
                    state.attempted = true;
                },
                &mut seen,
            ),
            Step::Wait(Waiting::Drained(of, _)) => seen.colors.of_mut(of).in_flight = InFlight::Drained,
            Step::AskToReplace { color, .. } => seen.replacement_confirmed = Some(color),
            Step::ReplaceStandby { color: of, .. } => {
                color(of, &mut |state| state.stack = StackState::Missing, &mut seen);
            }
            Step::SyncDags(of) => color(of, &mut |state| state.dags = DagState::Match, &mut seen),
            Step::Hold { .. } | Step::ExtendHold => seen.hold = HoldSeen::Ours { ends_soon: false },
            Step::Check(_) => seen.check = CheckSeen::Ready,
            Step::AskToSwitch { version, .. } => seen.switch_confirmed = Some(version),
            Step::Switch { to, version } => {
                seen.flag = Flag::Holds {
                    active: to,
                    version: version.next(),
                    in_force: true,
                };
                seen.check = CheckSeen::NotAsked;
                // Whatever it executes now, it finishes.
                seen.colors.of_mut(to.other()).in_flight = InFlight::Running(String::new());
            }
            Step::Release { .. } => seen.hold = HoldSeen::None,
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use bluegreen_core::color::Both;
    use bluegreen_core::flag::FlagVersion;

    use super::*;
    use crate::rollout::observed::{Goal, Options};

    fn untouched(replacement: Option<&str>) -> Observed {
        let state = ColorState {
            stack: StackState::Differs,
            replacement: replacement.map(str::to_owned),
            dags: DagState::Differ,
            in_flight: InFlight::Drained,
            attempted: false,
        };
        Observed {
            goal: Goal::Forward,
            flag: Flag::Holds {
                active: Color::Blue,
                version: FlagVersion(3),
                in_force: true,
            },
            drill: None,
            hold: HoldSeen::None,
            active_health: Health::Healthy,
            colors: Both {
                blue: state.clone(),
                green: state,
            },
            check: CheckSeen::NotAsked,
            moved_away: None,
            switch_confirmed: None,
            replacement_confirmed: None,
            options: Options::default(),
        }
    }

    #[test]
    fn a_rollout_is_foreseen_to_its_end() {
        let words: Vec<String> = foresee(&untouched(None)).iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "place a hold: no automatic failover until the rollout is finished",
                "apply to green, the standby",
                "bring the DAG files to green, the standby",
                "check whether green could take over",
                "ask whether to switch to green",
                "switch to green",
                "wait until blue has drained",
                "apply to blue, the standby",
                "bring the DAG files to blue, the standby",
                "check whether blue could take over",
                "end the hold: the rollout is finished",
                "done: both colors are as described",
            ]
        );
    }

    #[test]
    fn a_replacement_says_how_long_there_is_no_standby() {
        let words: Vec<String> = foresee(&untouched(Some("Airflow 2 to 3")))
            .iter()
            .map(ToString::to_string)
            .collect();
        for color in ["green", "blue"] {
            for beginning in [
                format!("ask whether the environment of {color}"),
                format!("delete the environment of {color}"),
            ] {
                let found = words.iter().find(|line| line.starts_with(&beginning));
                assert!(found.is_some_and(|line| line.contains("30 to 45 minutes")), "{words:?}");
            }
        }
        assert_eq!(words.iter().filter(|line| line.starts_with("apply to ")).count(), 2);
    }

    #[test]
    fn with_until_standby_nothing_is_switched() {
        let mut seen = untouched(None);
        seen.options.until_standby = true;
        let steps = foresee(&seen);
        assert!(!steps.iter().any(|step| matches!(step, Step::Switch { .. })));
        assert!(matches!(steps.last(), Some(Step::Done(_))));
    }
}
