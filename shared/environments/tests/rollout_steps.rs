//! Every observation, reachable or not, and the step that follows from it.

use std::collections::HashSet;

use bluegreen_core::color::{Both, Color};
use bluegreen_core::flag::FlagVersion;
use bluegreen_environments::rollout::{
    CheckSeen, ColorState, DagState, Flag, Goal, Health, HoldSeen, InFlight, Observed, Options, StackState, Step,
    Waiting, next_step,
};

#[test]
fn nothing_is_changed_where_something_cannot_be_read_or_two_would_be_changed() {
    let why = || "why".to_owned();
    let stacks = [
        StackState::Matches,
        StackState::Differs,
        StackState::RolledBack(why()),
        StackState::Busy(why()),
        StackState::Unusable(why()),
        StackState::Stuck(why()),
        StackState::Missing,
        StackState::Unknown(why()),
    ];
    let dags = [DagState::Match, DagState::Differ, DagState::Unknown(why())];
    let flags = [
        Flag::Holds {
            active: Color::Blue,
            version: FlagVersion(7),
            in_force: true,
        },
        Flag::Holds {
            active: Color::Blue,
            version: FlagVersion(7),
            in_force: false,
        },
        Flag::Invalid(why()),
        Flag::Unknown(why()),
    ];
    let holds = [
        HoldSeen::None,
        HoldSeen::Ours { ends_soon: false },
        HoldSeen::Ours { ends_soon: true },
        HoldSeen::Released,
        HoldSeen::OfRollout {
            id: why(),
            words: why(),
        },
        HoldSeen::Foreign { words: why() },
    ];
    let health = [Health::Healthy, Health::Unclear(why()), Health::Failed(why())];
    let flights = [InFlight::Drained, InFlight::Running(why()), InFlight::Unknown(why())];
    let checks = [CheckSeen::NotAsked, CheckSeen::Ready, CheckSeen::NotReady(vec![why()])];
    let mut steps = HashSet::new();
    let color = |stack: &StackState, dags: &DagState, in_flight: &InFlight, bits: u32| ColorState {
        stack: stack.clone(),
        replacement: (bits & 1 > 0).then(why),
        dags: dags.clone(),
        in_flight: in_flight.clone(),
        attempted: bits & 2 > 0,
    };
    for (blue, green) in pairs(&stacks) {
        for (blue_dags, green_dags) in pairs(&dags) {
            for (flag, hold) in flags.iter().flat_map(|flag| holds.iter().map(move |hold| (flag, hold))) {
                for (health, in_flight) in health.iter().flat_map(|one| flights.iter().map(move |two| (one, two))) {
                    for bits in 0..16_u32 {
                        let seen = Observed {
                            goal: Goal::Forward,
                            flag: flag.clone(),
                            drill: None,
                            hold: hold.clone(),
                            active_health: health.clone(),
                            colors: Both {
                                blue: color(blue, blue_dags, in_flight, bits),
                                green: color(green, green_dags, in_flight, bits),
                            },
                            check: checks[usize::try_from(bits % 3).unwrap()].clone(),
                            moved_away: (bits & 1 > 0).then(why),
                            switch_confirmed: None,
                            replacement_confirmed: None,
                            options: Options {
                                yes: bits & 4 > 0,
                                replace: bits & 8 > 0,
                                switch_again: bits & 2 > 0,
                                ..Options::default()
                            },
                        };
                        let step = next_step(&seen);
                        judge(&seen, &step);
                        steps.insert(std::mem::discriminant(&step));
                    }
                }
            }
        }
    }
    assert_eq!(steps.len(), 13, "every kind of step was seen");
}

fn pairs<T>(of: &[T]) -> impl Iterator<Item = (&T, &T)> {
    of.iter().flat_map(move |one| of.iter().map(move |two| (one, two)))
}

fn judge(seen: &Observed, step: &Step) {
    let unreadable = Color::BOTH.iter().any(|color| {
        let state = seen.colors.of(*color);
        matches!(state.stack, StackState::Unknown(_)) || matches!(state.dags, DagState::Unknown(_))
    });
    let active = match seen.flag {
        Flag::Holds { active, .. } => Some(active),
        _ => None,
    };
    let busy = Color::BOTH
        .iter()
        .any(|color| matches!(seen.colors.of(*color).stack, StackState::Busy(_)));
    let ours = matches!(seen.hold, HoldSeen::Ours { .. });
    // A failover waits for nothing that a rollout waits for.
    if let (Health::Failed(_), true, Flag::Holds { .. }) = (&seen.active_health, ours, &seen.flag) {
        assert!(matches!(step, Step::Release { .. }), "{seen:?}");
    }
    if let (Step::Stop { to_do, .. }, Some(active)) = (step, active) {
        let replaced = to_do.contains("--replace");
        assert!(
            !replaced || seen.options.yes && seen.colors.of(active.other()).replacement.is_some(),
            "{seen:?}"
        );
    }
    match step {
        Step::ApplyStandby(color) | Step::ReplaceStandby { color, .. } | Step::SyncDags(color) => {
            assert_eq!(active, Some(color.other()), "{seen:?}");
            assert!(!unreadable && !busy && ours, "{seen:?}");
            assert!(matches!(seen.flag, Flag::Holds { in_force: true, .. }), "{seen:?}");
            assert_eq!(seen.active_health, Health::Healthy, "{seen:?}");
            let state = seen.colors.of(*color);
            let empty = matches!(state.stack, StackState::Missing | StackState::Unusable(_));
            assert!(empty || state.in_flight == InFlight::Drained, "{seen:?}");
            if let (Step::ApplyStandby(_), Some(_)) = (step, &state.replacement) {
                assert_eq!(state.stack, StackState::Missing, "replaced in place: {seen:?}");
            }
            if let (Step::ReplaceStandby { .. }, false) = (step, seen.options.replace) {
                assert!(
                    matches!(state.stack, StackState::Unusable(_)),
                    "replaced unasked: {seen:?}"
                );
            }
        }
        Step::Switch { to, version } => {
            assert_eq!(active, Some(to.other()));
            assert!(!unreadable && !busy && ours && seen.options.yes, "{seen:?}");
            assert_eq!((seen.check.clone(), version.0), (CheckSeen::Ready, 7));
            assert!(seen.colors.of(*to).is_finished(), "{seen:?}");
            assert!(
                seen.moved_away.is_none() || seen.options.switch_again,
                "a person is fought: {seen:?}"
            );
            assert_eq!(seen.active_health, Health::Healthy);
        }
        Step::Hold { .. } | Step::ExtendHold => {
            assert!(!unreadable && seen.active_health == Health::Healthy, "{seen:?}");
            assert!(!matches!(
                seen.hold,
                HoldSeen::Foreign { .. } | HoldSeen::OfRollout { .. }
            ));
        }
        Step::Release { .. } => {
            let failed = matches!(seen.active_health, Health::Failed(_));
            assert!(ours && (!unreadable || failed), "{seen:?}");
        }
        Step::Done(_) => assert!(Color::BOTH.iter().all(|color| seen.colors.of(*color).is_finished())),
        Step::Stop { why, to_do } => assert!(!why.is_empty() && !to_do.is_empty()),
        Step::Wait(waiting) => assert!(unreadable || busy || !matches!(waiting, Waiting::Stack(..)), "{seen:?}"),
        Step::AskToReplace { .. } | Step::AskToSwitch { .. } | Step::Check(_) => assert!(!unreadable),
    }
}
