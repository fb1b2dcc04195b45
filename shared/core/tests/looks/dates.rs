//! From when a failure counts if its date is missing or wrong.

use super::*;

// ---- a lasting suspicion

#[test]
fn a_bad_signal_without_a_date_counts_from_the_first_look_that_saw_it() {
    let undated = healthy().scheduler_dead_without_date();
    for unknown in [
        undated.clone().metric_unknown(CauseKind::Throttled),
        undated.clone().metric_never_seen(),
    ] {
        let mut looks = Looks::default();
        for (second, verdict) in [
            (0, Verdict::Suspect),
            (60, Verdict::Suspect),
            (119, Verdict::Suspect),
            (120, Verdict::Unhealthy),
        ] {
            assert_eq!(looks.verdict(second, &unknown), verdict, "after {second} s");
        }
        // Healthy in between: the suspicion starts anew.
        looks.see(180, &healthy());
        assert_eq!(looks.verdict(240, &unknown), Verdict::Suspect);
        // Not observed for long: it is not known whether the suspicion lasted.
        assert_eq!(looks.verdict(1200, &unknown), Verdict::Suspect);
    }
}

#[test]
fn a_heartbeat_in_the_future_counts_from_the_first_look_too() {
    let mut looks = Looks::default();
    let mut ahead = healthy().scheduler_dead_for(0).metric_unknown(CauseKind::Throttled);
    let bluegreen_core::health::ProbeResult::Known(health) = &mut ahead.0.airflow else {
        panic!("no health")
    };
    health.latest_scheduler_heartbeat = Some(after(noon(), seconds(3600)));
    assert_eq!(looks.verdict(0, &ahead), Verdict::Suspect);
    assert_eq!(looks.verdict(120, &ahead), Verdict::Unhealthy);
}

#[test]
fn a_heartbeat_that_is_stuck_or_forged_never_fails_over_and_is_told() {
    let mut looks = Looks::default();
    let mut said = Said::default();
    for minute in 0..40 {
        // Airflow has been dead all the time, and its heartbeat is forged.
        let seen = healthy().scheduler_dead_for(600 + minute * 60).metric_last_seen(30);
        let assessment = looks.at(minute * 60, &seen);
        assert_eq!(assessment.verdict, Verdict::Suspect);
        said.look(minute, &tick(), assessment);
    }
    assert_eq!(said.told, [(15, Subject::ActiveUnknown)]);
}

#[test]
fn a_window_longer_than_a_gap_counts_once_if_somebody_looked_all_the_time() {
    // The simulation's seed 527: a window of ten minutes, and a tick that was killed when the metric turned bad.
    for (window, missed) in [(600, true), (660, false), (900, false), (1800, false)] {
        let policy = Policy {
            failure_window: seconds(window),
            ..Policy::default()
        };
        let watched = |looked: bool| {
            let mut looks = Looks {
                policy: policy.clone(),
                past: None,
            };
            let first = if looked { 0 } else { window };
            let found = (first..3 * window).step_by(60).find(|second| {
                let is_missed = missed && *second == window + 60;
                // The newest datapoint is of the first minute.
                !is_missed && looks.verdict(*second, &silent(*second)) == Verdict::Unhealthy
            });
            found.unwrap()
        };
        assert!(watched(true) <= window + 120, "{window} s: {} s", watched(true));
        // Who begins to look late must have looked for a window.
        assert!(watched(false) >= window + 300, "{window} s: {} s", watched(false));
    }
}

// ---- the last instant at which it was known to be healthy, from which a failover counts

/// How many seconds before an observation it was last known to be healthy; `second` is the observation's time after
/// noon.
fn healthy_before(assessment: &Assessment, second: u64) -> Option<u64> {
    let now = after(noon(), seconds(second));
    assessment
        .last_known_healthy
        .map(|at| bluegreen_core::time::elapsed(at, now).as_secs())
}

#[test]
fn a_live_heartbeat_makes_no_bad_signal_younger() {
    let ringing = |seen: Seen| seen.alarm(Some(AlarmState::Alarm), 600);
    let once = |seen: Seen| healthy_before(&seen.assessed(&Policy::default()), 0);
    assert_eq!(once(ringing(healthy())), Some(600));
    for kind in UNREAD {
        let silent = healthy().api_unknown(kind).metric_last_seen(60);
        assert_eq!(once(ringing(silent)), Some(600), "{kind:?}");
    }
    // Airflow's own report, while its heartbeat is forged.
    let dead = healthy().scheduler_dead_for(900).metric_last_seen(30);
    assert_eq!(once(dead.clone()), Some(900));
    assert_eq!(once(ringing(dead)), Some(900));
    // A later failure does not make an alarm newer that fired before it.
    let dead = healthy().scheduler_dead_for(150).metric_last_seen(200);
    assert_eq!(once(dead.clone()), Some(150));
    assert_eq!(once(ringing(dead)), Some(600));
    // No bad signal has a date: the newest sign of life counts.
    assert_eq!(
        once(healthy().scheduler_dead_without_date().metric_last_seen(30)),
        Some(30)
    );
}

#[test]
fn sickness_without_a_date_is_dated_by_the_first_look_that_saw_it() {
    let sick = healthy().scheduler_dead_without_date();
    for (name, seen) in [
        ("heartbeat forged", sick.clone().metric_last_seen(30)),
        ("heartbeat unknown", sick.clone().metric_unknown(CauseKind::Throttled)),
        ("heartbeat just stopped", sick.metric_last_seen(240)),
        // A scheduler that is restarted repeatedly is no healthier for its last heartbeat.
        (
            "restarting",
            healthy().scheduler_dead_for(40).metric_unknown(CauseKind::Throttled),
        ),
    ] {
        let mut looks = Looks::default();
        looks.see(0, &healthy());
        for second in (60..3600).step_by(60) {
            looks.see(second, &seen);
        }
        let known = healthy_before(&looks.at(3600, &seen), 3600).unwrap();
        assert!(known >= 3540, "{name}: {known} s");
        // Airflow does not answer either, and the status shows that it is gone.
        let gone = healthy()
            .status("UNAVAILABLE")
            .everything_but_the_status_unknown(CauseKind::Unavailable);
        let known = healthy_before(&looks.at(3660, &gone), 3660).unwrap();
        assert!(known >= 3600, "{name}, then silent: {known} s");
        // After a recovery, what was before no longer counts.
        looks.see(3720, &healthy());
        let known = healthy_before(&looks.at(3780, &gone), 3780);
        assert_eq!(known, None, "{name}");
    }
}

#[test]
fn a_first_look_that_saw_it_sick_is_no_sign_that_it_was_well_until_then() {
    let policy = Policy {
        failure_window: seconds(3600),
        ..Policy::default()
    };
    let mut looks = Looks { policy, past: None };
    let sick = |age| healthy().scheduler_dead_without_date().metric_last_seen(age);
    looks.see(0, &sick(300));
    assert_eq!(healthy_before(&looks.at(60, &sick(360)), 60), Some(360));
}

#[test]
fn a_silence_that_was_seen_before_it_had_a_date_is_dated_by_its_last_datapoint() {
    let gone = healthy()
        .status("UNAVAILABLE")
        .everything_but_the_status_unknown(CauseKind::TimedOut);
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    // Nothing is answered for a while; then the metric shows a silence, whose newest minute may still be missing.
    for second in [60, 110] {
        looks.see(second, &healthy().everything_unknown(CauseKind::TimedOut));
    }
    looks.see(170, &silent(170));
    assert_eq!(healthy_before(&looks.at(230, &gone), 230), Some(230));
    // And as long as nothing else is seen.
    looks.see(230, &gone);
    assert_eq!(healthy_before(&looks.at(290, &gone), 290), Some(290));
    // After a recovery, what was before no longer counts.
    looks.see(300, &healthy());
    assert_eq!(healthy_before(&looks.at(360, &gone), 360), None);
}

#[test]
fn what_died_before_all_fell_silent_is_dated_by_the_looks_that_saw_it_while_they_were_close() {
    let gone = healthy()
        .status("UNAVAILABLE")
        .everything_but_the_status_unknown(CauseKind::Unavailable);
    // The metric stopped at noon, and Airflow did not answer.
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    for second in (60..=600).step_by(60) {
        looks.see(second, &silent(second));
    }
    assert_eq!(
        healthy_before(&looks.at(660, &gone), 660),
        Some(660),
        "the start of its minute"
    );
    // Airflow's own date is older than the look that saw it.
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    let dead = healthy().scheduler_dead_for(200).metric_unknown(CauseKind::Throttled);
    looks.see(200, &dead);
    assert_eq!(healthy_before(&looks.at(300, &gone), 300), Some(300));
    // A longer time without observations: it may have been healthy in between.
    for seen in [
        silent(400),
        healthy()
            .scheduler_dead_without_date()
            .metric_unknown(CauseKind::Throttled),
    ] {
        let mut looks = Looks::default();
        looks.see(0, &seen);
        assert_eq!(healthy_before(&looks.at(601, &gone), 601), None);
    }
}
