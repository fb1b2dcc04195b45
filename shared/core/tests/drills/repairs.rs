//! Repairs of a flag that holds no color or is gone.

use super::*;

// ---- repair of a broken flag

fn broken(flag: FlagState, missing_for: Option<u64>) -> support::Tick {
    let mut tick = tick()
        .flag(flag)
        .policy(|policy| policy.on_flag_fault = OnFlagFault::Restore);
    tick.control.last_active = Some(Color::Green);
    tick.control.missing_since = missing_for.map(ago);
    tick
}

#[test]
fn a_garbage_flag_is_put_back_to_the_last_audited_color_even_under_a_hold() {
    let garbage = FlagState::Present(flag("purple", 13, 5));
    assert_eq!(
        broken(garbage.clone(), None).decide().action,
        Action::Restore(Color::Green)
    );
    assert_eq!(
        broken(garbage.clone(), None).hold(held()).decide().action,
        Action::Restore(Color::Green)
    );
    let told = broken(garbage.clone(), None)
        .policy(|policy| policy.on_flag_fault = OnFlagFault::Alert)
        .decide();
    assert_eq!(told.action, Action::Blocked);
    let observed = broken(garbage.clone(), None)
        .policy(|policy| policy.mode = WatcherMode::Observe)
        .decide();
    assert_eq!(observed.action, Action::ObserveOnly);
    let mut unknown = broken(garbage, None);
    unknown.control.last_active = None;
    let decision = unknown.decide();
    assert_eq!(decision.action, Action::Blocked);
    assert!(decision.reason.contains("not known"), "{}", decision.reason);
}

#[test]
fn a_deleted_flag_is_made_again_only_after_the_wait_that_ssm_asks_for() {
    for (missing_for, again) in [(None, true), (Some(0), true), (Some(29), true)] {
        let decision = broken(FlagState::Missing, missing_for).decide();
        assert_eq!(
            (decision.action, decision.look_again_soon),
            (Action::Blocked, again),
            "{missing_for:?}"
        );
    }
    assert_eq!(
        broken(FlagState::Missing, Some(30)).decide().action,
        Action::Restore(Color::Green)
    );
    assert_eq!(
        broken(FlagState::Missing, Some(30))
            .policy(|policy| policy.on_flag_fault = OnFlagFault::Alert)
            .decide()
            .action,
        Action::Blocked
    );
}
