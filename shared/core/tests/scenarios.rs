//! The scenarios that the decision must get right, one test each, replayed through the pure core.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod support;

use bluegreen_core::audit::{
    AuditEvent, Audited, Subject, Unsent, due, failovers_acknowledged, holds_due, is_behind, records_to_prune,
    transition,
};
use bluegreen_core::colour::Colour;
use bluegreen_core::decision::{
    Action, FlagState, GuardName, RecentFailovers, SwitchControl, declared_failover_guards, switch_guards,
};
use bluegreen_core::flag::{FlagValue, FlagVersion, HistoryEntry, declared_reason, versions};
use bluegreen_core::health::{AlarmState, CauseKind, Verdict};
use bluegreen_core::hold::{Hold, HoldState, StoredHold};
use bluegreen_core::ownership::owner;
use bluegreen_core::policy::{CLAIM_TIMEOUT, Mode, Policy};
use bluegreen_core::switch::{Outcome, Switched, Switching};
use bluegreen_core::time::after;
use bluegreen_core::transition::Kind;
use std::collections::BTreeMap;
use support::{Fault, Store, ago, cause, dead, flag, healthy, intent, noon, seconds, tick};

const UNKNOWN_KINDS: [CauseKind; 6] = [
    CauseKind::Throttled,
    CauseKind::TimedOut,
    CauseKind::AccessDenied,
    CauseKind::Unavailable,
    CauseKind::Unparsable,
    CauseKind::Rejected,
];

fn switched(outcome: Option<Outcome>) -> Switched {
    match outcome {
        Some(Outcome::Switched(switched)) => switched,
        other => panic!("not switched: {other:?}"),
    }
}

fn conflict(outcome: Option<Outcome>) -> String {
    match outcome {
        Some(Outcome::Conflict(conflict)) => conflict.reason,
        other => panic!("no conflict: {other:?}"),
    }
}

// ---- the active is dead, the standby lives

#[test]
fn a_dead_scheduler_fails_over() {
    let decision = tick().blue(dead()).decide();
    assert_eq!(decision.action, Action::Failover);
    assert!(decision.reason.contains("scheduler unhealthy"), "{}", decision.reason);
    assert_eq!(decision.blocked_by(), []);
}

#[test]
fn nothing_happens_while_both_are_healthy() {
    let decision = tick().decide();
    assert_eq!((decision.action, decision.look_again_soon), (Action::None, false));
}

#[test]
fn a_failure_shorter_than_the_window_is_suspect_and_looked_at_again_soon() {
    for (age, action) in [
        (31, Action::None),
        (119, Action::None),
        (120, Action::Failover),
        (121, Action::Failover),
    ] {
        let decision = tick()
            .blue(healthy().scheduler_dead_for(age).metric_unknown(CauseKind::TimedOut))
            .decide();
        assert_eq!(decision.action, action, "dead for {age} s");
        assert_eq!(decision.look_again_soon, action == Action::None, "dead for {age} s");
    }
}

#[test]
fn signals_that_disagree_are_suspect() {
    let seen = healthy().scheduler_dead_for(600).metric_last_seen(30);
    assert_eq!(seen.assessed(&Policy::default()).verdict, Verdict::Suspect);
    assert_eq!(tick().blue(seen).decide().action, Action::None);
}

#[test]
fn a_users_alarm_is_evidence_at_once() {
    let ringing = healthy().alarm(Some(AlarmState::Alarm), 40);
    let assessment = ringing.assessed(&Policy::default());
    assert_eq!(assessment.verdict, Verdict::Unhealthy);
    assert_eq!(assessment.last_known_healthy, Some(ago(40)));
    assert_eq!(tick().blue(ringing).decide().action, Action::Failover);
    for silent in [Some(AlarmState::Ok), Some(AlarmState::InsufficientData), None] {
        assert_eq!(
            tick().blue(healthy().alarm(silent, 40)).decide().action,
            Action::None,
            "{silent:?}"
        );
    }
}

#[test]
fn an_environment_that_mwaa_gives_up_while_airflow_still_answers() {
    // The last sign of life is Airflow's own, three seconds ago.
    let given_up = healthy().status("UNAVAILABLE").assessed(&Policy::default());
    assert_eq!(
        (given_up.verdict, given_up.last_known_healthy),
        (Verdict::Unhealthy, Some(ago(3)))
    );
    // Where nothing tells, a failover counts from its write, not a lead after it.
    let blind = intent("w", Kind::Failover, Colour::Green);
    let blind = bluegreen_core::switch::Intent {
        last_known_healthy: None,
        ..blind
    };
    assert_eq!(
        bluegreen_core::switch::effective_from(&Policy::default(), &blind, noon()),
        noon()
    );
}

#[test]
fn environment_deleted() {
    let gone = healthy().not_found().metric_last_seen(400);
    assert_eq!(gone.assessed(&Policy::default()).verdict, Verdict::Unhealthy);
    assert_eq!(tick().blue(gone).decide().action, Action::Failover);
}

#[test]
fn wrong_environment_name_from_the_start() {
    let never = healthy().not_found().metric_never_seen();
    let assessment = never.assessed(&Policy::default());
    assert_eq!(assessment.verdict, Verdict::Unknown);
    assert!(
        assessment.reasons.join(" ").contains("check the name"),
        "{:?}",
        assessment.reasons
    );
    assert_eq!(tick().blue(never.clone()).decide().action, Action::None);
    assert_eq!(
        tick().blue(dead()).green(never).decide().blocked_by(),
        [GuardName::StandbyUnknown]
    );
}

#[test]
fn every_status_has_its_class_and_an_unknown_new_status_says_nothing() {
    for (status, verdict) in [
        ("AVAILABLE", Verdict::Healthy),
        ("UPDATE_FAILED", Verdict::Healthy),
        ("UPDATING", Verdict::Maintenance),
        ("CREATING_SNAPSHOT", Verdict::Maintenance),
        ("MAINTENANCE", Verdict::Maintenance),
        ("ROLLING_BACK", Verdict::Suspect),
        ("CREATING", Verdict::Unknown),
        ("PENDING", Verdict::Unknown),
        ("UNAVAILABLE", Verdict::Unhealthy),
        ("CREATE_FAILED", Verdict::Unhealthy),
        ("DELETING", Verdict::Unhealthy),
        ("DELETED", Verdict::Unhealthy),
        ("HIBERNATING", Verdict::Unknown),
        ("available", Verdict::Unknown),
        ("", Verdict::Unknown),
    ] {
        let seen = healthy().status(status);
        assert_eq!(seen.assessed(&Policy::default()).verdict, verdict, "{status}");
        let expected = if verdict == Verdict::Unhealthy {
            Action::Failover
        } else {
            Action::None
        };
        assert_eq!(tick().blue(seen).decide().action, expected, "{status}");
    }
}

// ---- maintenance

#[test]
fn active_updating_for_hours_with_a_live_heartbeat() {
    let updating = healthy().status("UPDATING");
    assert_eq!(tick().blue(updating).decide().action, Action::None);
    let api_down = healthy()
        .status("UPDATING")
        .api_unknown(CauseKind::Unavailable)
        .metric_last_seen(60);
    assert_eq!(tick().blue(api_down).decide().action, Action::None);
}

#[test]
fn active_updating_with_a_dead_heartbeat_past_the_grace() {
    let grace = Policy::default().maintenance_grace.as_secs();
    for (last_seen, action) in [
        (grace, Action::None),
        (grace + 59, Action::None),
        (grace + 60, Action::Failover),
    ] {
        let seen = healthy()
            .status("UPDATING")
            .api_unknown(CauseKind::Unavailable)
            .metric_last_seen(last_seen);
        assert_eq!(tick().blue(seen).decide().action, action, "last seen {last_seen} s ago");
    }
    // An unknown heartbeat is not a dead one, however long the update lasts.
    let unknown = healthy()
        .status("UPDATING")
        .scheduler_dead_for(grace * 3)
        .metric_unknown(CauseKind::Throttled);
    assert_eq!(tick().blue(unknown).decide().action, Action::None);
}

#[test]
fn standby_in_maintenance() {
    let decision = tick().blue(dead()).green(healthy().status("MAINTENANCE")).decide();
    assert_eq!(decision.action, Action::Blocked);
    assert_eq!(decision.blocked_by(), [GuardName::StandbyMaintenance]);
}

#[test]
fn both_unhealthy() {
    let decision = tick().blue(dead()).green(dead()).decide();
    assert_eq!(decision.action, Action::Blocked);
    assert_eq!(decision.blocked_by(), [GuardName::StandbyUnhealthy]);
}

// ---- nothing can be said

#[test]
fn watcher_throttled() {
    for kind in UNKNOWN_KINDS {
        let blind = healthy().everything_unknown(kind);
        assert_eq!(blind.assessed(&Policy::default()).verdict, Verdict::Unknown, "{kind:?}");
        assert_eq!(tick().blue(blind.clone()).decide().action, Action::None, "{kind:?}");
        let decision = tick().blue(dead()).green(blind).decide();
        assert_eq!(decision.blocked_by(), [GuardName::StandbyUnknown], "{kind:?}");
    }
}

#[test]
fn access_denied() {
    let denied = healthy().everything_unknown(CauseKind::AccessDenied);
    let assessment = denied.assessed(&Policy::default());
    assert_eq!(assessment.verdict, Verdict::Unknown);
    assert!(
        assessment.reasons.join(" ").contains("access denied"),
        "{:?}",
        assessment.reasons
    );
}

#[test]
fn cloudwatch_down_but_airflows_api_fine() {
    for kind in UNKNOWN_KINDS {
        let seen = healthy().metric_unknown(kind).alarms_unknown(kind);
        assert_eq!(seen.assessed(&Policy::default()).verdict, Verdict::Healthy, "{kind:?}");
    }
}

#[test]
fn airflows_api_down_but_heartbeat_fine() {
    for kind in UNKNOWN_KINDS {
        let seen = healthy().api_unknown(kind).metric_last_seen(60);
        assert_eq!(seen.assessed(&Policy::default()).verdict, Verdict::Healthy, "{kind:?}");
    }
}

#[test]
fn where_only_the_heartbeat_speaks_its_window_is_five_minutes() {
    for (last_seen, action) in [(200, Action::None), (359, Action::None), (360, Action::Failover)] {
        let seen = healthy().api_unknown(CauseKind::TimedOut).metric_last_seen(last_seen);
        assert_eq!(tick().blue(seen).decide().action, action, "last seen {last_seen} s ago");
    }
}

#[test]
fn heartbeat_never_seen() {
    // Filtered out, and Airflow's API is fine: healthy. Filtered out, and Airflow says dead: one signal is enough.
    assert_eq!(
        healthy().metric_never_seen().assessed(&Policy::default()).verdict,
        Verdict::Healthy
    );
    assert_eq!(
        tick()
            .blue(healthy().scheduler_dead_for(130).metric_never_seen())
            .decide()
            .action,
        Action::Failover
    );
    let silent = healthy().api_unknown(CauseKind::Unavailable).metric_never_seen();
    assert_eq!(silent.assessed(&Policy::default()).verdict, Verdict::Unknown);
}

#[test]
fn a_scheduler_that_never_started_is_unknown() {
    let seen = healthy().scheduler_never_started().metric_never_seen();
    assert_eq!(seen.assessed(&Policy::default()).verdict, Verdict::Unknown);
    assert_eq!(
        tick().blue(dead()).green(seen).decide().blocked_by(),
        [GuardName::StandbyUnknown]
    );
}

#[test]
fn clock_skew_of_five_minutes() {
    // Our clock is ahead: a scheduler that died 31 s ago seems dead for 331 s. The metric, dated by AWS, disagrees.
    let ahead = healthy().scheduler_dead_for(331).metric_last_seen(60);
    assert_eq!(tick().blue(ahead).decide().action, Action::None);
    // Our clock is behind: the heartbeat lies in our future, and Airflow's word carries no age. The metric decides.
    let mut behind = healthy().scheduler_dead_for(0);
    let bluegreen_core::health::Answer::Known(health) = &mut behind.0.airflow else {
        panic!("no health")
    };
    health.latest_scheduler_heartbeat = Some(after(noon(), seconds(170)));
    assert_eq!(
        tick().blue(behind.clone().metric_last_seen(110)).decide().action,
        Action::None
    );
    assert_eq!(
        tick().blue(behind.metric_last_seen(200)).decide().action,
        Action::Failover
    );
    // A heartbeat in the future never makes a healthy scheduler sick.
    assert_eq!(tick().decide().action, Action::None);
}

#[test]
fn a_dead_database_without_a_date_waits_for_the_metric() {
    let seen = healthy().scheduler_dead_without_date();
    assert_eq!(
        tick().blue(seen.clone().metric_last_seen(150)).decide().action,
        Action::None
    );
    assert_eq!(
        tick().blue(seen.metric_last_seen(185)).decide().action,
        Action::Failover
    );
}

// ---- the flag

#[test]
fn ssm_unreadable() {
    for kind in UNKNOWN_KINDS {
        let decision = tick().blue(dead()).flag(FlagState::Unreadable(cause(kind))).decide();
        assert_eq!(
            (decision.action, decision.look_again_soon),
            (Action::None, true),
            "{kind:?}"
        );
    }
}

#[test]
fn stored_value_is_no_colour() {
    for value in ["Blue ", "purple", "", "BLUE", "blue\n"] {
        let decision = tick()
            .blue(dead())
            .flag(FlagState::Present(flag(value, 12, 3600)))
            .decide();
        assert_eq!(decision.action, Action::Blocked, "{value:?}");
        assert_eq!(decision.blocked_by(), [GuardName::FlagInvalid], "{value:?}");
    }
}

/// Garbage for half a minute, put right by the watcher: what was due in between has an owner all the time.
#[test]
fn runs_due_while_the_flag_held_garbage() {
    let garbage = flag("purple", 2, 3600);
    let mut store = Store {
        versions: vec![entry(1, "blue", 7200, None), entry(2, "purple", 3600, None)],
        ..Store::with_flag(&garbage)
    };
    let due = after(ago(3600), seconds(10));
    let owned = |store: &Store| owner(&store.versions, due).unwrap();
    assert_eq!(owned(&store).value.colour(), Some(Colour::Blue), "while it stands");
    store.now = ago(3570);
    let mut restore = Switching::new(
        &Policy::default(),
        &garbage,
        intent("watcher-1", Kind::Restore, Colour::Blue),
        store.now,
    );
    switched(store.run(&mut restore, &[]));
    assert_eq!(owned(&store).value.colour(), Some(Colour::Blue), "once it is repaired");
    assert_eq!(owned(&store).version, FlagVersion(1));
}

#[test]
fn parameter_deleted() {
    let decision = tick().blue(dead()).flag(FlagState::Missing).decide();
    assert_eq!(
        (decision.action, decision.blocked_by()),
        (Action::Blocked, vec![GuardName::FlagInvalid])
    );
}

#[test]
fn parameter_deleted_while_a_writer_is_at_work() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut first = Switching::new(
        &Policy::default(),
        &observed,
        intent("first", Kind::Switch, Colour::Green),
        noon(),
    );
    // Dies with the claim in hand; somebody deletes the flag; the next one finds the claim and no flag.
    assert_eq!(store.run(&mut first, &[Fault::DiesAfter]), None);
    store.delete_flag();
    let mut second = Switching::new(
        &Policy::default(),
        &observed,
        intent("second", Kind::Switch, Colour::Green),
        noon(),
    );
    assert!(conflict(store.run(&mut second, &[])).contains("deleted"));
    assert!(store.versions.is_empty());
}

#[test]
fn parameter_deleted_and_made_again_starts_a_new_line_of_claims() {
    let before = flag("blue", 1, 3600);
    let again = flag("blue", 1, 60);
    let name = |observed| {
        Switching::new(
            &Policy::default(),
            observed,
            intent("w", Kind::Switch, Colour::Green),
            noon(),
        )
    };
    assert_ne!(name(&before).record(), name(&again).record());
    // And its first version is audited although the number was audited before.
    let history = [entry(1, "blue", 60, None)];
    let audited = Audited {
        version: FlagVersion(1),
        at: ago(3000),
    };
    assert_eq!(due(&versions(&history), Some(audited)).len(), 1);
}

#[test]
fn redeploy_that_resets_the_flag() {
    // A stack that owned the flag put it back to blue. It is the truth now, audited as external, and starts the cooldown.
    let history = [
        entry(11, "blue", 7200, None),
        entry(12, "green", 3600, Some("v12-1")),
        entry(13, "blue", 20, None),
    ];
    let versions = versions(&history);
    assert_eq!(versions[2].kind(), Kind::External);
    let (event, metrics) = transition(SUBJECT, &versions[2], Some(&versions[1]), &BTreeMap::new());
    assert_eq!(event.detail["kind"], "external");
    assert_eq!(
        (event.detail["from"].as_str(), event.detail["to"].as_str()),
        (Some("green"), Some("blue"))
    );
    assert_eq!(
        event.detail["who"]["last_modified_user"],
        "arn:aws:iam::123456789012:user/ana"
    );
    assert!(metrics.iter().any(|metric| metric.name == "Transitions"));
    let decision = tick()
        .blue(dead())
        .flag(FlagState::Present(flag("blue", 13, 20)))
        .decide();
    assert_eq!(decision.blocked_by(), [GuardName::Cooldown]);
}

#[test]
fn hand_edit_to_a_valid_value() {
    let history = [entry(1, "blue", 7200, None), entry(2, "green", 20, None)];
    assert_eq!(owner(&history, noon()).unwrap().value, FlagValue::Valid(Colour::Green));
    assert_eq!(owner(&history, ago(21)).unwrap().value, FlagValue::Valid(Colour::Blue));
    assert_eq!(versions(&history)[1].kind(), Kind::External);
}

// ---- guards

#[test]
fn flapping() {
    // Green took over a minute ago and is dead too by now: rest first.
    let fresh = FlagState::Present(flag("green", 13, 60));
    let decision = tick().flag(fresh).green(dead()).decide();
    assert_eq!(decision.blocked_by(), [GuardName::Cooldown]);
    // After the third failover of the day somebody must look.
    let decision = tick().blue(dead()).recent(Some(3)).decide();
    assert_eq!(
        (decision.action, decision.blocked_by()),
        (Action::Blocked, vec![GuardName::FailoverBudget])
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
    // A release acknowledges what came before it, and nothing after it.
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
        declared_failover_guards(&flag, &control, (Colour::Blue, &active), (Colour::Green, &standby))
            .into_iter()
            .filter(|guard| !guard.passed)
            .map(|guard| guard.name.as_str())
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
        (10, true, vec![GuardName::Cooldown]),
        (299, true, vec![GuardName::Cooldown]),
        (300, true, vec![]),
        (10, false, vec![]),
    ] {
        let mut tick = tick().blue(dead()).flag(FlagState::Present(flag("blue", 1, age)));
        tick.control.recent = Some(RecentFailovers {
            unacknowledged: 0,
            was_made_again: made_again,
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
        (Action::Blocked, vec![GuardName::FailoverBudget])
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
        (Action::Blocked, vec![GuardName::Hold])
    );
    // What would have been done without the hold is told, also that it would have been too often.
    let unread = tick().recent(None).blue(dead()).hold(hold.clone());
    assert!(bluegreen_core::decision::wants_recent_failovers(
        &unread.control,
        &unread.decide()
    ));
    assert_eq!(
        unread.recent(Some(3)).decide().blocked_by(),
        [GuardName::Hold, GuardName::FailoverBudget]
    );
    let policy = Policy::default();
    let guards = switch_guards(
        &policy,
        Kind::Switch,
        &flag("blue", 12, 3600),
        &SwitchControl {
            hold: &hold,
            drill: None,
        },
        Colour::Green,
        &healthy().assessed(&policy),
        noon(),
    );
    assert!(guards.iter().all(|guard| guard.passed), "{guards:?}");
    assert!(guards.iter().any(|guard| guard.detail.contains("upgrade")));
}

#[test]
fn observe_mode_decides_and_writes_nothing() {
    let decision = tick()
        .policy(|policy| policy.mode = Mode::Observe)
        .blue(dead())
        .decide();
    assert_eq!(
        (decision.action, decision.blocked_by()),
        (Action::ObserveOnly, vec![GuardName::ModeObserve])
    );
    let both = tick()
        .policy(|policy| policy.mode = Mode::Observe)
        .blue(dead())
        .green(dead())
        .decide();
    assert_eq!(both.action, Action::Blocked);
}

// ---- events

#[test]
fn duplicate_stale_and_out_of_order_events_change_nothing() {
    // A tick has no memory of events: the same state gives the same decision, whatever woke it and how often.
    let one = tick().blue(dead());
    assert_eq!(one.decide(), one.decide());
    // A second tick that still sees the old flag finds the claim and stands back.
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let writer = |name| {
        Switching::new(
            &Policy::default(),
            &observed,
            intent(name, Kind::Failover, Colour::Green),
            noon(),
        )
    };
    assert_eq!(switched(store.run(&mut writer("first"), &[])).version, FlagVersion(13));
    let reason = conflict(store.run(&mut writer("late"), &[]));
    assert!(reason.contains("first") && reason.contains("faster"), "{reason}");
    assert_eq!(store.versions.len(), 2);
    // And the tick after that sees nothing to do.
    let after = tick().blue(dead()).flag(FlagState::Present(store.flag().unwrap()));
    assert_eq!(after.decide().action, Action::None);
}

#[test]
fn lost_ssm_event() {
    // Two changes whose events never came: the next look audits both, in order, and a repeat of it none.
    let history = [
        entry(1, "blue", 900, None),
        entry(2, "green", 600, Some("v2-1")),
        entry(3, "blue", 300, Some("v3-1")),
    ];
    let versions = versions(&history);
    let audited = Audited {
        version: FlagVersion(1),
        at: ago(899),
    };
    let due_now: Vec<u64> = due(&versions, Some(audited))
        .iter()
        .map(|version| version.entry.version.0)
        .collect();
    assert_eq!(due_now, [2, 3]);
    let done = Audited {
        version: FlagVersion(3),
        at: ago(299),
    };
    assert_eq!(due(&versions, Some(done)), []);
    // Without a note, what others wrote before our first version is not ours to announce.
    assert_eq!(due(&versions, None).len(), 2);
}

#[test]
fn a_note_names_a_version_of_one_incarnation_of_the_flag() {
    let of = |version: u64, age: u64| Audited {
        version: FlagVersion(version),
        at: ago(age),
    };
    let numbers = |history: &[HistoryEntry], audited| {
        let versions = versions(history);
        due(&versions, Some(audited))
            .iter()
            .map(|version| version.entry.version.0)
            .collect::<Vec<_>>()
    };
    let again = [
        entry(1, "green", 60, None),
        entry(2, "blue", 50, None),
        entry(3, "green", 40, None),
    ];
    // The old incarnation's note, written after the new one was made: whatever its number, all of the new one is due.
    for old in [of(13, 3000), of(13, 59), of(2, 3000), of(3, 3000), of(1, 61)] {
        assert_eq!(numbers(&again, old), [1, 2, 3], "{old:?}");
    }
    assert_eq!(numbers(&again, of(2, 50)), [3]);
    assert!(numbers(&again, of(3, 40)).is_empty());
    // SSM has forgotten the audited one.
    let long: Vec<_> = (50..150)
        .map(|number| entry(number, "blue", 200 - number, None))
        .collect();
    assert_eq!(numbers(&long, of(40, 300)).len(), 100);
    // A reading that is behind the note is read again, and the new incarnation's is none.
    let behind = |history: &[HistoryEntry], audited| is_behind(&versions(history), Some(audited));
    assert!(behind(&again, of(4, 30)));
    assert!(!behind(&again, of(3, 40)) && !behind(&again, of(13, 61)) && !behind(&long, of(40, 300)));
    assert!(!is_behind(&versions(&again), None));
}

#[test]
fn a_note_is_read_back_and_a_bare_number_is_of_the_flag_that_stood_when_it_was_written() {
    let note = Audited {
        version: FlagVersion(13),
        at: ago(600),
    };
    assert_eq!(note.to_stored(), format!("v13-{}", ago(600).as_millisecond()));
    assert_eq!(Audited::read(&note.to_stored(), noon()), Some(note));
    let bare = Audited::read("13", ago(599)).unwrap();
    assert!(
        bare.is(FlagVersion(13), ago(600)) && !bare.is(FlagVersion(13), ago(60)) && !bare.is(FlagVersion(12), ago(700))
    );
    for garbage in ["", "v", "v13", "v13-", "v13-noon", "-1", "v-1-5", "thirteen"] {
        assert_eq!(Audited::read(garbage, noon()), None, "{garbage}");
    }
}

#[test]
fn a_hold_that_was_replaced_before_it_was_told_is_told() {
    let hold = |version: u64, age: u64, minutes: u64, reason: &str| {
        let written = ago(age);
        let stored = StoredHold {
            value: format!(
                r#"{{"until":"{}","reason":"{reason}","by":"ana"}}"#,
                after(written, seconds(60 * minutes))
            ),
            change: format!("v{version}-{}", written.as_millisecond()),
            written,
        };
        (stored, Some(format!("arn:{version}")))
    };
    // The first ran out before the second came; the second was replaced while it held.
    let kept = [
        hold(1, 7200, 10, "first"),
        hold(2, 3600, 90, "second"),
        hold(3, 60, 90, "third"),
    ];
    let told = |told: Option<&str>| -> Vec<String> {
        holds_due(SUBJECT, &kept, told, noon())
            .iter()
            .map(|event| {
                let text = |path: &str| {
                    event
                        .detail
                        .pointer(path)
                        .and_then(|value| value.as_str())
                        .unwrap_or("-")
                };
                format!(
                    "{} {} {}",
                    text("/state"),
                    text("/hold/reason"),
                    text("/who/last_modified_user")
                )
            })
            .collect()
    };
    let all = [
        "held first arn:1",
        "ended first -",
        "held second arn:2",
        "held third arn:3",
    ];
    assert_eq!(told(None), all);
    let of = |index: usize| kept[index].0.change.clone();
    assert_eq!(told(Some(&of(0))), all[1..]);
    assert_eq!(told(Some(&format!("{}:ran-out", of(0)))), all[2..]);
    assert_eq!(told(Some(&of(1))), all[3..]);
    assert_eq!(told(Some(&of(2))), [""; 0]);
    // A note of a hold that was deleted since, or that SSM has forgotten: its date tells.
    assert_eq!(told(Some(&format!("v9-{}", ago(3600).as_millisecond()))), all[3..]);
    // Without a note, what is older than a day is no news, but for what stands.
    let old = [hold(1, 200_000, 10, "first"), hold(2, 190_000, 90, "second")];
    assert_eq!(holds_due(SUBJECT, &old, None, noon()).len(), 2, "held, and ran out");
}

#[test]
fn an_event_of_a_persons_request_is_kept_and_read_back() {
    let event = failovers_acknowledged(SUBJECT, "ana {{ds}}", Some("seen"), "request-1", noon());
    let stored = Unsent::to_stored(&event).unwrap();
    assert_eq!(Unsent::read(&stored), Some(event.clone()));
    // What is too long gives way in its reason, and fits as it is sent.
    let long = AuditEvent {
        detail_type: "Drill Finished",
        detail: serde_json::json!({"id": "d", "reason": "{{".repeat(3000)}),
        ..event.clone()
    };
    let kept = Unsent::read(&Unsent::to_stored(&long).unwrap()).unwrap();
    assert_eq!(kept.detail["id"], "d");
    assert!(kept.detail["reason"].as_str().unwrap().ends_with('…'));
    // Others are made anew from the flag and its records.
    let other = AuditEvent {
        detail_type: "Environment Transition",
        ..event
    };
    assert_eq!(Unsent::to_stored(&other), None);
    for garbage in [
        "",
        "{}",
        "[]",
        r#"{"detail_type":"Weather","at":"2026-11-23T12:00:00Z","detail":{}}"#,
    ] {
        assert_eq!(Unsent::read(garbage), None, "{garbage}");
    }
}

#[test]
fn a_flag_with_a_past_of_its_own_is_adopted_as_it_stands() {
    let history: Vec<_> = (1..=100)
        .map(|number| entry(number, "blue", 9_000_000 - number, None))
        .collect();
    let versions = versions(&history);
    let told: Vec<u64> = due(&versions, None)
        .iter()
        .map(|version| version.entry.version.0)
        .collect();
    assert_eq!(told, [100]);
    assert_eq!(due(&[], None), []);
}

#[test]
fn a_retried_write_neither_counts_twice_nor_acknowledges() {
    let history = [
        entry(1, "blue", 900, None),
        entry(2, "green", 600, Some("v2-1")),
        entry(3, "green", 599, Some("v2-1")),
    ];
    assert_eq!(
        RecentFailovers::count(&versions(&history), None, noon()).unacknowledged,
        1
    );
}

#[test]
fn old_records_are_pruned_by_their_own_age() {
    let mut history: Vec<_> = (3..=102)
        .map(|number| entry(number, "blue", 10_000_000 - number, None))
        .collect();
    let record = |age| Some(format!("failover: x [effective_from={} record=r-{age}]", ago(age)));
    history[0] = HistoryEntry {
        description: record(200_000),
        modified: ago(200_000),
        ..history[0].clone()
    };
    history[2] = HistoryEntry {
        description: record(3600),
        modified: ago(3600),
        ..history[2].clone()
    };
    assert_eq!(records_to_prune(&versions(&history), noon()), ["r-200000"]);
    assert!(records_to_prune(&versions(&history[1..]), noon()).is_empty());
}

#[test]
fn a_dead_writers_old_claim_is_told_as_what_its_finisher_wanted() {
    // A failover was claimed and never written; a week later a person's switch finishes the claim.
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut dead = Switching::new(
        &Policy::default(),
        &observed,
        intent("dead", Kind::Failover, Colour::Green),
        noon(),
    );
    assert_eq!(store.run(&mut dead, &[Fault::DiesAfter]), None);
    store.pass(seconds(7 * 86_400));
    let mut wish = intent("ana's", Kind::Switch, Colour::Green);
    wish.actor.requested_by = Some("ana".into());
    let mut finisher = Switching::new(&Policy::default(), &observed, wish, store.now);
    switched(store.run(&mut finisher, &[]));
    let versions = versions(&store.versions);
    assert_eq!(versions[1].kind(), Kind::Switch);
    let claim = &store.claims[finisher.record()].value;
    let record = bluegreen_core::transition::TransitionRecord::from_stored(claim).unwrap();
    let records = BTreeMap::from([(finisher.record().to_owned(), record)]);
    let (event, metrics) = transition(SUBJECT, &versions[1], Some(&versions[0]), &records);
    assert_eq!(event.detail["kind"], "switch");
    assert_eq!(event.detail["finished_by"], "ana's");
    assert_eq!(event.detail["dead_writer"]["request_id"], "dead");
    assert!(
        event.detail["reason"].as_str().unwrap().contains("ana's wants green"),
        "{}",
        event.detail["reason"]
    );
    let names: Vec<_> = metrics.iter().map(|metric| metric.name).collect();
    assert_eq!(names, ["Transitions"], "a week-old decision has no duration to tell");
    // Nobody's words can imitate it.
    let mut liar = intent("liar", Kind::Switch, Colour::Green);
    liar.reason = "claim of a dead writer finished by request dead; ha".into();
    let mut store = Store::with_flag(&observed);
    let mut liar = Switching::new(&Policy::default(), &observed, liar, noon());
    assert!(!switched(store.run(&mut liar, &[Fault::None, Fault::LostAnswer])).rolled_forward);
}

#[test]
fn a_write_that_lands_after_ours_is_told() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Colour::Green),
        noon(),
    );
    let step = writer.start();
    let reply = store.answer(&step, Fault::None).unwrap();
    let step = writer.next(reply, store.now, 0.5);
    // Ours is written, its answer lost; somebody rolls back before we look.
    let reply = store.answer(&step, Fault::LostAnswer).unwrap();
    let step = writer.next(reply, store.now, 0.5);
    store.write("blue", None, "arn:aws:iam::123456789012:user/ben");
    let reply = store.answer(&step, Fault::None).unwrap();
    let bluegreen_core::switch::Step::Done(outcome) = writer.next(reply, store.now, 0.5) else {
        panic!("not done")
    };
    let done = switched(Some(*outcome));
    assert!(
        done.warnings[0].contains("version 14") && done.warnings[0].contains("user/ben"),
        "{:?}",
        done.warnings
    );
}

#[test]
fn a_repeated_audit_event_is_recognisable() {
    let history = [entry(1, "blue", 900, None), entry(2, "green", 600, Some("v2-1"))];
    let versions = versions(&history);
    let once = transition(SUBJECT, &versions[1], Some(&versions[0]), &BTreeMap::new()).0;
    let twice = transition(SUBJECT, &versions[1], Some(&versions[0]), &BTreeMap::new()).0;
    let label = format!("v2-{}", ago(600).as_millisecond());
    assert_eq!(
        once.detail["id"],
        format!("orders:/mwaa/blue-green/active-environment:{label}")
    );
    assert_eq!(once, twice);
    // The same number after the flag was deleted and made again is another event.
    let again = [entry(1, "blue", 300, None), entry(2, "green", 200, Some("v2-9"))];
    let again = bluegreen_core::flag::versions(&again);
    let other = transition(SUBJECT, &again[1], Some(&again[0]), &BTreeMap::new()).0;
    assert_ne!(other.detail["id"], once.detail["id"]);
}

// ---- the switch protocol

#[test]
fn the_happy_path_is_two_requests() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let started = store.now;
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Colour::Green),
        noon(),
    );
    let done = switched(store.run(&mut writer, &[]));
    assert_eq!(done.version, FlagVersion(13));
    assert!(done.warnings.is_empty());
    // 7 ms a request and 3 ms a write, as the store counts them.
    assert_eq!(bluegreen_core::time::elapsed(started, store.now).as_millis(), 17);
    assert_eq!(done.effective_from, after(noon(), seconds(10)).max(done.effective_from));
}

#[test]
fn concurrent_switches() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let outcomes: Vec<_> = (0..20)
        .map(|number| {
            let name = format!("w{number}");
            let mut writer = Switching::new(
                &Policy::default(),
                &observed,
                intent(&name, Kind::Switch, Colour::Green),
                noon(),
            );
            store.run(&mut writer, &[])
        })
        .collect();
    let winners = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Some(Outcome::Switched(_))))
        .count();
    assert_eq!((winners, store.versions.len(), store.claimed.len()), (1, 2, 1));
}

#[test]
fn holder_crashed_mid_switch() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let writer = |name: &str, now| {
        Switching::new(
            &Policy::default(),
            &observed,
            intent(name, Kind::Switch, Colour::Green),
            now,
        )
    };
    assert_eq!(store.run(&mut writer("dead", noon()), &[Fault::DiesAfter]), None);
    // Too young to tell whether its writer lives.
    let reason = conflict(store.run(&mut writer("early", store.now), &[]));
    assert!(reason.contains("dead") && reason.contains("ask again"), "{reason}");
    assert_eq!(store.versions.len(), 1);
    // Older than any function lives: rolled forward, by exactly one of two.
    store.pass(CLAIM_TIMEOUT);
    let now = store.now;
    let done = switched(store.run(&mut writer("finisher", now), &[]));
    assert!(done.rolled_forward);
    assert_eq!(done.dead_writer.unwrap().actor.request_id, "dead");
    // It counts from a lead after the late write, not from when the dead writer meant it to.
    assert!(done.effective_from >= after(now, seconds(10)));
    conflict(store.run(&mut writer("second", now), &[]));
    assert_eq!((store.versions.len(), store.claimed.len()), (2, 1));
}

#[test]
fn ssm_write_ambiguous() {
    let observed = flag("blue", 12, 3600);
    for (faults, versions_written) in [
        // The claim's answer is lost: it is found to be ours.
        (vec![Fault::LostAnswer], 1),
        (vec![Fault::LostRequest], 1),
        (vec![Fault::LostRequest, Fault::Stale], 1),
        // The write's answer is lost: the history tells.
        (vec![Fault::None, Fault::LostAnswer], 1),
        (vec![Fault::None, Fault::LostRequest], 1),
        // The history is behind: written twice, the same value under the same record.
        (vec![Fault::None, Fault::LostAnswer, Fault::Stale], 2),
        (vec![Fault::None, Fault::Throttled, Fault::Throttled], 1),
    ] {
        let mut store = Store::with_flag(&observed);
        let mut writer = Switching::new(
            &Policy::default(),
            &observed,
            intent("one", Kind::Switch, Colour::Green),
            noon(),
        );
        let done = switched(store.run(&mut writer, &faults));
        assert_eq!(store.versions.len(), 1 + versions_written, "{faults:?}");
        assert!(done.warnings.is_empty(), "{faults:?}: {:?}", done.warnings);
        assert_eq!(store.flag().unwrap().version, done.version, "{faults:?}");
    }
}

#[test]
fn a_planned_switch_that_is_written_late_takes_effect_late() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Colour::Green),
        noon(),
    );
    let claim = writer.start();
    let claimed = store.answer(&claim, Fault::None).unwrap();
    // Half a minute lies between claim and write: no reader may have run blue at an instant that turns out green's.
    store.pass(seconds(30));
    let write = writer.next(claimed, store.now, 0.5);
    let decided = store.now;
    store.answer(&write, Fault::None).unwrap();
    assert_eq!(versions(&store.versions)[1].effective_from, after(decided, seconds(10)));
}

#[test]
fn an_interleaved_hand_edit_is_told() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Colour::Green),
        noon(),
    );
    let claim = writer.start();
    let reply = store.answer(&claim, Fault::None).unwrap();
    let write = writer.next(reply, store.now, 0.5);
    store.write("green", None, "arn:aws:iam::123456789012:user/ana");
    let reply = store.answer(&write, Fault::None).unwrap();
    let history = writer.next(reply, store.now, 0.5);
    let reply = store.answer(&history, Fault::None).unwrap();
    let bluegreen_core::switch::Step::Done(outcome) = writer.next(reply, store.now, 0.5) else {
        panic!("not done")
    };
    let done = switched(Some(*outcome));
    assert_eq!(done.version, FlagVersion(14));
    assert!(
        done.warnings[0].contains("version 13") && done.warnings[0].contains("user/ana"),
        "{:?}",
        done.warnings
    );
    // The audit says so too.
    let versions = versions(&store.versions);
    let record =
        bluegreen_core::transition::TransitionRecord::from_stored(&store.claims[writer.record()].value).unwrap();
    let records = BTreeMap::from([(writer.record().to_owned(), record)]);
    let (event, _) = transition(SUBJECT, &versions[2], Some(&versions[1]), &records);
    assert_eq!(event.detail["expected_version"], 13);
}

#[test]
fn a_refused_write_leaves_the_claim_for_the_next_attempt() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Colour::Green),
        noon(),
    );
    let Some(Outcome::Failed(failed)) = store.run(&mut writer, &[Fault::None, Fault::Denied]) else {
        panic!("no failure")
    };
    assert!(failed.claimed && !failed.uncertain);
    store.pass(CLAIM_TIMEOUT);
    let mut next = Switching::new(
        &Policy::default(),
        &observed,
        intent("two", Kind::Failover, Colour::Green),
        store.now,
    );
    let done = switched(store.run(&mut next, &[]));
    // A failover that finishes a dead writer's switch still passes the missed runs to the new colour.
    assert_eq!(done.effective_from, ago(150));
}

// ---- fixtures of this file

const SUBJECT: Subject<'static> = Subject {
    pair: "orders",
    flag: "/mwaa/blue-green/active-environment",
};

fn entry(version: u64, value: &str, age: u64, record: Option<&str>) -> HistoryEntry {
    HistoryEntry {
        value: FlagValue::read(value),
        version: FlagVersion(version),
        modified: ago(age),
        author: Some("arn:aws:iam::123456789012:user/ana".into()),
        description: record.map(|record| format!("failover: x [effective_from={} record={record}]", ago(age))),
    }
}
