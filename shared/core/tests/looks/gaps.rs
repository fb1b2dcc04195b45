//! Planned work that was not observed, because its status could not be read or nothing was observed.

use super::*;

/// Healthy at noon; then one observation a minute without a status, while the metric dies, up to `second` seconds after
/// noon.
fn unread_until(second: u64, kind: CauseKind) -> Looks {
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    for now in (60..=second).step_by(60) {
        let assessment = looks.at(now, &silent(now).status_unknown(kind));
        assert_ne!(
            assessment.verdict,
            Verdict::Unhealthy,
            "{kind:?}, {now} s: {:?}",
            assessment.reasons
        );
    }
    looks
}

#[test]
fn a_status_that_is_read_again_after_a_gap_may_have_been_one_of_planned_work() {
    let window = HEARTBEAT_ONLY_WINDOW.as_secs();
    for kind in UNREAD {
        for status in ["AVAILABLE", "UPDATE_FAILED"] {
            let mut looks = unread_until(1500, kind);
            let back = |second| silent(second).status(status);
            let case = format!("{kind:?}, {status}");
            assert_eq!(looks.verdict(1560, &back(1560)), Verdict::Suspect, "{case}");
            assert_eq!(
                looks.verdict(1559 + window, &back(1559 + window)),
                Verdict::Suspect,
                "{case}"
            );
            assert_eq!(
                looks.verdict(1560 + window, &back(1560 + window)),
                Verdict::Unhealthy,
                "{case}"
            );
            // An alarm of that time does not count earlier either, whether it fires then or a little later.
            for age in [160, 0] {
                let mut looks = unread_until(1500, kind);
                let ringing = |second: u64| {
                    healthy()
                        .status(status)
                        .alarm(Some(AlarmState::Alarm), second - 1560 + age)
                };
                assert_eq!(looks.verdict(1560, &ringing(1560)), Verdict::Suspect, "{case}");
                assert_eq!(
                    looks.verdict(1560 + window, &ringing(1560 + window)),
                    Verdict::Unhealthy,
                    "{case}"
                );
            }
        }
    }
}

#[test]
fn a_status_that_could_not_be_read_from_the_first_look_on_hides_planned_work_too() {
    let mut looks = Looks::default();
    for second in (0..=1500).step_by(60) {
        looks.see(second, &silent(second + 60).status_unknown(CauseKind::AccessDenied));
    }
    assert_eq!(looks.verdict(1560, &silent(1620)), Verdict::Suspect);
    assert_eq!(looks.verdict(1860, &silent(1920)), Verdict::Unhealthy);
}

#[test]
fn a_gap_is_known_to_the_next_process_and_costs_one_window() {
    let mut looks = unread_until(120, CauseKind::Throttled);
    let noted = looks.past.clone();
    assert!(noted.as_ref().unwrap().status_unread_from.is_some());
    // The process that saw it is gone, and the later ones cannot write their observations.
    looks.past = noted.clone();
    assert_eq!(looks.verdict(1560, &silent(1560)), Verdict::Suspect);
    looks.past = Past::younger(looks.past, noted.clone());
    assert_eq!(looks.verdict(1860, &silent(1860)), Verdict::Unhealthy);
    // Where they can be written, its beginning and its end are noted.
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    let mut before = looks.past.clone();
    for seen in [healthy().status_unknown(CauseKind::Throttled), healthy()] {
        looks.see(60, &seen);
        assert!(looks.past.as_ref().unwrap().is_news_to(before.as_ref()));
        before = looks.past.clone();
    }
}

/// A limit of the rule above: a failure that no planned work can have caused counts in full.
#[test]
fn a_gap_delays_no_failure_that_planned_work_has_not_caused() {
    let dead = |age| healthy().scheduler_dead_for(age).metric_last_seen(age + 60);
    // A gap that is too short for planned work.
    let mut looks = unread_until(600, CauseKind::Throttled);
    assert_eq!(looks.verdict(660, &silent(660)), Verdict::Unhealthy);
    // The failure had begun when the status was last read; it was blocked then, by a hold or an unhealthy standby.
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    looks.see(120, &dead(60));
    for second in (180..=1500).step_by(60) {
        looks.see(second, &dead(second - 60).status_unknown(CauseKind::Throttled));
    }
    assert_eq!(looks.verdict(1560, &dead(1500)), Verdict::Unhealthy);
    // The same applies to the alarm.
    let ringing = |second: u64| healthy().alarm(Some(AlarmState::Alarm), second - 100);
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    looks.see(120, &ringing(120));
    for second in (180..=1500).step_by(60) {
        looks.see(second, &ringing(second).status_unknown(CauseKind::Throttled));
    }
    assert_eq!(looks.verdict(1560, &ringing(1560)), Verdict::Unhealthy);
    // It has outlasted the grace: unhealthy with a status and without one.
    let grace = Policy::default().maintenance_grace.as_secs();
    let mut looks = unread_until(grace, CauseKind::AccessDenied);
    let unread = silent(grace + 60).status_unknown(CauseKind::AccessDenied);
    assert_eq!(looks.verdict(grace + 60, &unread), Verdict::Unhealthy);
    assert_eq!(looks.verdict(grace + 65, &silent(grace + 65)), Verdict::Unhealthy);
}

#[test]
fn an_alarm_that_is_old_when_somebody_looks_again_may_be_of_planned_work() {
    let late = HEARTBEAT_ONLY_WINDOW.as_secs();
    let seen = |age| healthy().alarm(Some(AlarmState::Alarm), age);
    let away = || {
        let mut looks = Looks::default();
        looks.see(0, &healthy());
        looks
    };
    for mut looks in [away(), Looks::default()] {
        assert_eq!(looks.verdict(1800, &seen(1500)), Verdict::Suspect);
        assert_eq!(looks.verdict(1799 + late, &seen(1499 + late)), Verdict::Suspect);
        let old = looks.at(1800 + late, &seen(1500 + late));
        assert_eq!(old.verdict, Verdict::Unhealthy);
        assert_eq!(old.last_known_healthy, Some(after(noon(), seconds(300))));
    }
    // Where it also fired during planned work, the later count applies.
    let mut looks = Looks::default();
    looks.see(1800, &seen(1500).status("UPDATING"));
    looks.see(1860, &seen(1560));
    let both = looks.at(1960, &seen(1660));
    assert_eq!(
        (both.verdict, both.unhealthy_at),
        (Verdict::Suspect, Some(after(noon(), seconds(1860 + late))))
    );
    // A recent alarm counts at once, after any pause.
    for mut looks in [away(), Looks::default()] {
        assert_eq!(looks.verdict(1800, &seen(600)), Verdict::Unhealthy);
    }
    // An old alarm that was not requested before counts at once, too, if the status was read all the time.
    let mut looks = Looks::default();
    for second in (0..1800).step_by(60) {
        looks.see(second, &healthy().alarms_unknown(CauseKind::NotAsked));
    }
    assert_eq!(looks.verdict(1800, &seen(700)), Verdict::Unhealthy);
}

#[test]
fn an_alarm_that_lasts_is_noted_again_and_again_so_that_a_new_process_knows_it_was_watched() {
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    let mut noted = looks.past.clone();
    for second in (60..=1800).step_by(60) {
        looks.see(second, &healthy().alarm(Some(AlarmState::Alarm), second - 30));
        if looks.past.as_ref().unwrap().is_news_to(noted.as_ref()) {
            noted = looks.past.clone();
        }
    }
    looks.past = noted;
    assert_eq!(
        looks.verdict(1860, &healthy().alarm(Some(AlarmState::Alarm), 1830)),
        Verdict::Unhealthy
    );
}

#[test]
fn an_old_alarm_does_not_delay_what_the_scheduler_and_the_heartbeat_show() {
    let seen = |dead: u64| {
        healthy()
            .scheduler_dead_for(dead)
            .metric_last_seen(dead)
            .alarm(Some(AlarmState::Alarm), 2700)
    };
    let grace = Policy::default().maintenance_grace.as_secs();
    for dead in [130, grace + 60] {
        assert_eq!(
            Looks::default().verdict(0, &seen(dead)),
            Verdict::Unhealthy,
            "dead for {dead} s"
        );
    }
    // For less than the failure window neither counts.
    assert_eq!(Looks::default().verdict(0, &seen(60)), Verdict::Suspect);
}

#[test]
fn an_environment_whose_airflow_answers_is_not_gone() {
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    let mut contradicts = healthy();
    contradicts.0.environment = bluegreen_core::health::EnvironmentAnswer::NotFound;
    assert_eq!(looks.verdict(60, &contradicts), Verdict::Unknown);
    assert_eq!(looks.verdict(120, &silent(120).not_found()), Verdict::Unhealthy);
}
