//! What people order, and what an automatic failover must leave to people.

use super::*;

// ---- preconditions

#[test]
fn flapping() {
    // Green became active a minute ago and is already dead, too: the cooldown applies.
    let fresh = FlagState::Present(flag("green", 13, 60));
    let decision = tick().flag(fresh).green(dead()).decide();
    assert_eq!(decision.blocked_by(), [PreconditionName::Cooldown]);
    // After the third failover of the day, a person must investigate.
    let decision = tick().blue(dead()).recent(Some(3)).decide();
    assert_eq!(
        (decision.action, decision.blocked_by()),
        (Action::Blocked, vec![PreconditionName::FailoverBudget])
    );
    assert_eq!(tick().blue(dead()).recent(Some(2)).decide().action, Action::Failover);
}

#[test]
fn a_person_acknowledges_automatic_failovers() {
    let history = [
        entry(1, "blue", 90_000, None),
        entry(2, "green", 80_000, Some("v2-1")),
        entry(3, "blue", 70_000, Some("v3-1")),
        entry(4, "green", 60_000, None),
        entry(5, "blue", 50_000, Some("v5-1")),
    ];
    assert_eq!(
        RecentFailovers::count(&versions(&history), None, noon()).unacknowledged,
        1
    );
    assert_eq!(
        RecentFailovers::count(&versions(&history[..3]), None, noon()).unacknowledged,
        2
    );
    // A release acknowledges the failovers before it, and none after it.
    assert_eq!(
        RecentFailovers::count(&versions(&history), Some(ago(49_999)), noon()).unacknowledged,
        0
    );
    assert_eq!(
        RecentFailovers::count(&versions(&history[..3]), Some(ago(75_000)), noon()).unacknowledged,
        1
    );
    // A day later they no longer count.
    assert_eq!(
        RecentFailovers::count(&versions(&history), None, after(noon(), seconds(86_400))).unacknowledged,
        0
    );
}

#[test]
fn garbage_in_the_flag_acknowledges_nothing_and_only_a_person_repairs_with_eyes_open() {
    let repaired = |reason: &str| HistoryEntry {
        description: Some(format!(
            "restore: {reason} [effective_from=2026-11-23T11:50:00Z record=v4-1]"
        )),
        ..entry(4, "green", 600, None)
    };
    let mut history = vec![
        entry(1, "blue", 9000, None),
        entry(2, "green", 8000, Some("v2-1")),
        entry(3, "purple", 700, None),
        repaired("the flag holds \"purple\"; green was the color before; by health-watcher"),
    ];
    let count = |history: &[HistoryEntry]| RecentFailovers::count(&versions(history), None, noon()).unacknowledged;
    assert_eq!(count(&history), 1);
    assert_eq!(count(&history[..3]), 1, "not yet repaired");
    // A person who repairs it has investigated, by a request or by a manual edit.
    history[3] = repaired(&declared_reason("green it is; by switch-handler"));
    assert_eq!(count(&history), 0);
    history[3] = entry(4, "green", 600, None);
    assert_eq!(count(&history), 0);
}

#[test]
fn a_failover_by_a_person_is_none_of_the_watchers() {
    let automatic =
        "failover: blue is unhealthy: x; by health-watcher [effective_from=2026-11-23T11:59:00Z record=v2-1]";
    let declared = declared_reason("blue is dead");
    let declared = format!("failover: {declared}; by switch-handler [effective_from=2026-11-23T11:59:30Z record=v3-1]");
    let described = |version, value, age, description: &str| HistoryEntry {
        description: Some(description.to_owned()),
        ..entry(version, value, age, None)
    };
    let history = [
        entry(1, "blue", 7200, None),
        described(2, "green", 60, automatic),
        described(3, "blue", 30, &declared),
    ];
    let count = |upto: usize| RecentFailovers::count(&versions(&history[..upto]), None, noon()).unacknowledged;
    assert_eq!(
        (count(2), count(3)),
        (1, 0),
        "it acknowledges, and does not count itself"
    );
}

#[test]
fn a_person_may_declare_what_is_not_known_to_work() {
    let policy = Policy::default();
    let hold = HoldState::read(
        Some(r#"{"until":"2026-11-23T13:00:00Z","reason":"upgrade","by":"ana"}"#),
        noon(),
    );
    let control = SwitchControl {
        hold: &hold,
        drill: None,
    };
    let objecting = |active: support::Seen, standby: support::Seen| -> Vec<&'static str> {
        let (active, standby) = (active.assessed(&policy), standby.assessed(&policy));
        // A moment after the last transition, under a hold.
        let flag = flag("blue", 12, 5);
        declared_failover_preconditions(&flag, &control, (Color::Blue, &active), (Color::Green, &standby))
            .into_iter()
            .filter(|precondition| !precondition.passed)
            .map(|precondition| precondition.name.as_str())
            .collect()
    };
    for active in [
        dead(),
        healthy().scheduler_dead_for(5),
        healthy().status("UPDATING"),
        healthy().everything_unknown(CauseKind::Unavailable),
    ] {
        assert_eq!(objecting(active.clone(), healthy()), [] as [&str; 0]);
        assert_eq!(objecting(active.clone(), dead()), ["standby-unhealthy"]);
        let unknown = healthy().everything_unknown(CauseKind::Throttled);
        assert_eq!(objecting(active, unknown), ["standby-unknown"]);
    }
    assert_eq!(objecting(healthy(), healthy()), ["active-healthy"]);
}

#[test]
fn a_flag_that_was_made_again_rests_like_any_transition() {
    for (age, made_again, blocked_by) in [
        (10, true, vec![PreconditionName::Cooldown]),
        (299, true, vec![PreconditionName::Cooldown]),
        (300, true, vec![]),
        (10, false, vec![]),
    ] {
        let mut tick = tick().blue(dead()).flag(FlagState::Present(flag("blue", 1, age)));
        tick.control.recent = Some(RecentFailovers {
            unacknowledged: 0,
            recreated_after_deletion: made_again,
        });
        assert_eq!(
            tick.decide().blocked_by(),
            blocked_by,
            "made {age} s ago, again: {made_again}"
        );
    }
}

#[test]
fn the_history_is_asked_for_only_when_everything_else_speaks_for_a_failover() {
    let unread = tick().recent(None).blue(dead());
    let decision = unread.decide();
    assert_eq!(
        (decision.action, decision.blocked_by()),
        (Action::Blocked, vec![PreconditionName::FailoverBudget])
    );
    assert!(bluegreen_core::decision::wants_recent_failovers(
        &unread.control,
        &decision
    ));
    for calm in [tick().recent(None), tick().recent(None).blue(dead()).green(dead())] {
        assert!(!bluegreen_core::decision::wants_recent_failovers(
            &calm.control,
            &calm.decide()
        ));
    }
}

#[test]
fn a_hold_blocks_a_failover_but_not_a_person() {
    let hold = HoldState::Active(Hold {
        until: after(noon(), seconds(60)),
        reason: "upgrade".into(),
        by: "ana".into(),
    });
    let decision = tick().blue(dead()).hold(hold.clone()).decide();
    assert_eq!(
        (decision.action, decision.blocked_by()),
        (Action::Blocked, vec![PreconditionName::Hold])
    );
    // What would have been done without the hold is reported, including that the budget would be exceeded.
    let unread = tick().recent(None).blue(dead()).hold(hold.clone());
    assert!(bluegreen_core::decision::wants_recent_failovers(
        &unread.control,
        &unread.decide()
    ));
    assert_eq!(
        unread.recent(Some(3)).decide().blocked_by(),
        [PreconditionName::Hold, PreconditionName::FailoverBudget]
    );
    let policy = Policy::default();
    let preconditions = switch_preconditions(
        &policy,
        Kind::Switch,
        &flag("blue", 12, 3600),
        &SwitchControl {
            hold: &hold,
            drill: None,
        },
        Color::Green,
        &healthy().assessed(&policy),
        noon(),
    );
    assert!(
        preconditions.iter().all(|precondition| precondition.passed),
        "{preconditions:?}"
    );
    assert!(
        preconditions
            .iter()
            .any(|precondition| precondition.detail.contains("upgrade"))
    );
}

#[test]
fn observe_mode_decides_and_writes_nothing() {
    let decision = tick()
        .policy(|policy| policy.mode = Mode::Observe)
        .blue(dead())
        .decide();
    assert_eq!(
        (decision.action, decision.blocked_by()),
        (Action::ObserveOnly, vec![PreconditionName::ModeObserve])
    );
    let both = tick()
        .policy(|policy| policy.mode = Mode::Observe)
        .blue(dead())
        .green(dead())
        .decide();
    assert_eq!(both.action, Action::Blocked);
}
