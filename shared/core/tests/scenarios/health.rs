//! What the signals show.

use super::*;

// ---- the active environment is dead, the standby is healthy

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
    let in_alarm = healthy().alarm(Some(AlarmState::Alarm), 40);
    let assessment = in_alarm.assessed(&Policy::default());
    assert_eq!(assessment.verdict, Verdict::Unhealthy);
    assert_eq!(assessment.last_known_healthy, Some(ago(40)));
    assert_eq!(tick().blue(in_alarm).decide().action, Action::Failover);
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
    // Without a known instant, a failover counts from its write, without a lead.
    let blind = intent("w", Kind::Failover, Color::Green);
    let blind = bluegreen_core::claim::Intent {
        last_known_healthy: None,
        ..blind
    };
    assert_eq!(
        bluegreen_core::claim::effective_from(&Policy::default(), &blind, noon()),
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
        [PreconditionName::StandbyUnknown]
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
    assert_eq!(decision.blocked_by(), [PreconditionName::StandbyMaintenance]);
}

#[test]
fn both_unhealthy() {
    let decision = tick().blue(dead()).green(dead()).decide();
    assert_eq!(decision.action, Action::Blocked);
    assert_eq!(decision.blocked_by(), [PreconditionName::StandbyUnhealthy]);
}

// ---- no information

#[test]
fn watcher_throttled() {
    for kind in UNKNOWN_KINDS {
        let blind = healthy().everything_unknown(kind);
        assert_eq!(blind.assessed(&Policy::default()).verdict, Verdict::Unknown, "{kind:?}");
        assert_eq!(tick().blue(blind.clone()).decide().action, Action::None, "{kind:?}");
        let decision = tick().blue(dead()).green(blind).decide();
        assert_eq!(decision.blocked_by(), [PreconditionName::StandbyUnknown], "{kind:?}");
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
        [PreconditionName::StandbyUnknown]
    );
}

#[test]
fn clock_skew_of_five_minutes() {
    // Our clock is fast: a scheduler that died 31 s ago seems dead for 331 s. The metric, dated by AWS, disagrees.
    let ahead = healthy().scheduler_dead_for(331).metric_last_seen(60);
    assert_eq!(tick().blue(ahead).decide().action, Action::None);
    // Our clock is slow: the heartbeat lies in our future, so Airflow's report carries no age. The metric decides.
    let mut behind = healthy().scheduler_dead_for(0);
    let bluegreen_core::health::ProbeResult::Known(health) = &mut behind.0.airflow else {
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
    // A heartbeat in the future never makes a healthy scheduler unhealthy.
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
