//! A status that cannot be read, and planned work.

use super::*;

// ---- a status that cannot be read

#[test]
fn a_status_that_cannot_be_read_condemns_nobody() {
    let signs = [
        ("both dead", dead()),
        (
            "scheduler dead, metric unknown",
            healthy().scheduler_dead_for(600).metric_unknown(CauseKind::Throttled),
        ),
        ("only the metric, long dead", silent(4000)),
        ("an alarm", in_alarm(healthy())),
        ("everything", in_alarm(dead())),
    ];
    for (name, seen) in signs {
        let unread = UNREAD.map(|kind| (format!("{kind:?}"), seen.clone().status_unknown(kind)));
        let new = ["HIBERNATING", "available", ""].map(|status| (status.to_owned(), seen.clone().status(status)));
        for (why, seen) in unread.into_iter().chain(new) {
            let assessment = seen.assessed(&Policy::default());
            assert_eq!(
                assessment.verdict,
                Verdict::Suspect,
                "{name}, {why}: {:?}",
                assessment.reasons
            );
            let decision = tick().blue(seen.clone()).decide();
            assert_eq!(
                (decision.action, decision.look_again_soon),
                (Action::None, true),
                "{name}, {why}"
            );
            let standby = tick().blue(dead()).green(seen).decide();
            assert_eq!(
                standby.blocked_by(),
                [PreconditionName::StandbyUnknown],
                "{name}, {why}"
            );
        }
    }
    // Neither is an environment unhealthy that MWAA does not know and that was never observed.
    let never = in_alarm(healthy().not_found().metric_never_seen());
    assert_eq!(never.assessed(&Policy::default()).verdict, Verdict::Suspect);
}

#[test]
fn it_vouches_for_nobody_either() {
    for kind in UNREAD {
        let unread = healthy().status_unknown(kind);
        assert_eq!(
            unread.assessed(&Policy::default()).verdict,
            Verdict::Unknown,
            "{kind:?}"
        );
        let mut looks = Looks::default();
        looks.see(0, &healthy());
        assert_eq!(
            looks.verdict(5, &unread),
            Verdict::Unknown,
            "{kind:?}: not by what was read before"
        );
        let decision = tick().blue(dead()).green(unread).decide();
        assert_eq!(decision.blocked_by(), [PreconditionName::StandbyUnknown], "{kind:?}");
    }
}

#[test]
fn planned_work_goes_on_while_its_status_cannot_be_read() {
    for kind in UNREAD {
        for status in ["UPDATING", "MAINTENANCE", "CREATING_SNAPSHOT"] {
            let mut looks = Looks::default();
            assert_eq!(
                looks.verdict(0, &in_alarm(silent(600)).status(status)),
                Verdict::Maintenance
            );
            let unread = in_alarm(silent(600)).status_unknown(kind);
            let stands = STATUS_STANDS.as_secs();
            assert_eq!(looks.verdict(60, &unread), Verdict::Maintenance, "{kind:?} in {status}");
            assert_eq!(
                looks.verdict(stands, &unread),
                Verdict::Maintenance,
                "{kind:?} in {status}"
            );
            assert_eq!(
                looks.verdict(stands + 1, &unread),
                Verdict::Suspect,
                "{kind:?} in {status}: too old"
            );
        }
    }
}

#[test]
fn a_failure_that_began_while_it_served_is_one_although_the_status_cannot_be_read() {
    // It had been dead for 60 s when the status was last read: planned work did not cause that.
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    looks.see(120, &healthy().scheduler_dead_for(60).metric_last_seen(110));
    let unread = |age| {
        healthy()
            .status_unknown(CauseKind::Throttled)
            .scheduler_dead_for(age)
            .metric_last_seen(age + 50)
    };
    assert_eq!(looks.verdict(125, &unread(65)), Verdict::Suspect);
    assert_eq!(looks.verdict(180, &unread(120)), Verdict::Unhealthy);
    let stands = STATUS_STANDS.as_secs();
    for second in (240..120 + stands).step_by(60) {
        looks.see(second, &unread(second - 60));
    }
    assert_eq!(looks.verdict(120 + stands, &unread(60 + stands)), Verdict::Unhealthy);
    assert_eq!(
        looks.verdict(121 + stands, &unread(61 + stands)),
        Verdict::Suspect,
        "it may be worked on by now"
    );
}

#[test]
fn a_failure_that_may_be_planned_work_is_one_when_it_outlasts_the_grace() {
    let grace = Policy::default().maintenance_grace.as_secs();
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    let unread = |age| silent(age).status_unknown(CauseKind::AccessDenied);
    for second in (700..grace + 560).step_by(240) {
        assert_eq!(
            looks.verdict(second, &unread(second - 500)),
            Verdict::Suspect,
            "after {second} s"
        );
    }
    assert_eq!(looks.verdict(grace + 560, &unread(grace + 60)), Verdict::Unhealthy);
    // Nothing is known about an environment whose status has never been read.
    assert_eq!(Looks::default().verdict(0, &unread(grace + 60)), Verdict::Suspect);
    // An alarm alone does not show how long planned work takes.
    let alarm = in_alarm(healthy()).status_unknown(CauseKind::AccessDenied);
    assert_eq!(looks.verdict(grace + 960, &alarm), Verdict::Suspect);
}

#[test]
fn an_alarm_condemns_by_a_status_that_was_read_since_it_rings_or_just_before() {
    let alarm = |age| {
        healthy()
            .status_unknown(CauseKind::Throttled)
            .alarm(Some(AlarmState::Alarm), age)
    };
    let window = Policy::default().failure_window.as_secs();
    for (second, age, verdict) in [
        (window, window - 10, Verdict::Unhealthy),
        (window + 1, window - 10, Verdict::Suspect),
        (window + 1, window + 2, Verdict::Unhealthy),
    ] {
        let mut looks = Looks::default();
        looks.see(0, &healthy());
        assert_eq!(
            looks.verdict(second, &alarm(age)),
            verdict,
            "status {second} s old, alarm {age} s"
        );
    }
}

// ---- an environment that MWAA no longer knows

#[test]
fn an_environment_that_was_seen_is_known_to_be_deleted_though_cloudwatch_is_silent() {
    let gone = healthy().not_found().of("airflow-blue");
    for gone in UNREAD
        .map(|kind| gone.clone().metric_unknown(kind))
        .into_iter()
        .chain([gone.clone().metric_never_seen()])
    {
        let mut looks = Looks::default();
        looks.see(0, &healthy().of("airflow-blue"));
        // Further observations do not change that, and neither does one without an answer.
        for second in [60, 120, 4000] {
            let assessment = looks.at(second, &gone);
            assert_eq!(
                assessment.verdict,
                Verdict::Unhealthy,
                "{second}: {:?}",
                assessment.reasons
            );
            assert!(
                assessment
                    .reasons
                    .join(" ")
                    .contains("it was AVAILABLE at 2026-11-23T12:00:00Z"),
                "{:?}",
                assessment.reasons
            );
            looks.see(
                second + 1,
                &healthy().of("airflow-blue").everything_unknown(CauseKind::Throttled),
            );
        }
    }
}

#[test]
fn what_was_seen_of_another_environment_says_nothing_of_a_wrong_name() {
    let unread = CauseKind::Throttled;
    let seen = |name: &str| healthy().of(name);
    let mut looks = Looks::default();
    looks.see(0, &seen("airflow-blue"));
    let wrong = seen("airflow-blau").not_found().metric_unknown(unread);
    assert_eq!(looks.verdict(60, &wrong), Verdict::Unknown);
    assert_eq!(looks.verdict(120, &wrong), Verdict::Unknown);
    // Planned work or a failure of the previous environment does not count for its replacement; and this is noted.
    let mut looks = Looks::default();
    looks.see(0, &silent(600).of("airflow-blue").status("UPDATING"));
    let before = looks.past.clone();
    let alarm = in_alarm(seen("airflow-blue-2"));
    assert_eq!(looks.verdict(60, &alarm), Verdict::Unhealthy);
    assert!(looks.past.unwrap().is_news_to(before.as_ref()));
    let mut looks = Looks::default();
    looks.see(0, &seen("airflow-blue"));
    let before = looks.past.clone();
    looks.see(60, &seen("airflow-blue-2"));
    assert!(looks.past.unwrap().is_news_to(before.as_ref()), "also in a calm pair");
}

// ---- planned work is over

#[test]
fn a_failure_counts_from_when_the_environment_began_to_serve_again() {
    for status in ["AVAILABLE", "UPDATE_FAILED", "ROLLING_BACK"] {
        for before in ["UPDATING", "MAINTENANCE", "CREATING_SNAPSHOT", "CREATING"] {
            // Airflow does not answer; or it does, and its scheduler is not running yet.
            for (name, window, seen) in [
                ("silent", HEARTBEAT_ONLY_WINDOW.as_secs(), silent(1510)),
                (
                    "answering",
                    120,
                    healthy().scheduler_dead_for(1500).metric_last_seen(1560),
                ),
            ] {
                let mut looks = Looks::default();
                looks.see(0, &seen.clone().status(before));
                let back = seen.status(status);
                let case = format!("{status} after {before}, {name}");
                assert_eq!(looks.verdict(60, &back), Verdict::Suspect, "{case}");
                assert_eq!(looks.verdict(60 + window - 1, &back), Verdict::Suspect, "{case}");
                let dead = looks.at(60 + window, &back);
                assert_eq!(dead.verdict, Verdict::Unhealthy, "{case}: {:?}", dead.reasons);
                // The runs that it did not execute in all that time must be executed: back-dating is a separate
                // question.
                assert!(dead.last_known_healthy.unwrap() < noon(), "{case}");
            }
        }
    }
}

#[test]
fn it_is_told_what_counts_and_when_it_will_be_enough() {
    let mut looks = Looks::default();
    looks.see(0, &silent(1500).status("UPDATING"));
    looks.see(60, &silent(1500));
    let later = looks.at(160, &silent(1600));
    assert!(
        later
            .reasons
            .join("; ")
            .contains("bad for 1540 s, of which 100 s count"),
        "{:?}",
        later.reasons
    );
    assert_eq!(later.unhealthy_at, Some(after(noon(), seconds(60 + 300))));
}

#[test]
fn an_alarm_of_the_time_of_planned_work_does_not_count_at_once() {
    let late = HEARTBEAT_ONLY_WINDOW.as_secs();
    let mut looks = Looks::default();
    assert_eq!(
        looks.verdict(0, &in_alarm(healthy()).status("UPDATING")),
        Verdict::Maintenance
    );
    assert_eq!(looks.verdict(60, &in_alarm(healthy())), Verdict::Suspect);
    assert_eq!(looks.verdict(59 + late, &in_alarm(healthy())), Verdict::Suspect);
    assert_eq!(looks.verdict(60 + late, &in_alarm(healthy())), Verdict::Unhealthy);
    // Long after that, it counts at once.
    let mut looks = Looks::default();
    looks.see(0, &healthy().status("UPDATING"));
    looks.see(60, &healthy());
    looks.see(60 + late, &healthy());
    assert_eq!(looks.verdict(120 + late, &in_alarm(healthy())), Verdict::Unhealthy);
}

#[test]
fn two_statuses_of_one_class_begin_nothing_anew() {
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    looks.see(60, &silent(370).status("UPDATE_FAILED"));
    assert_eq!(looks.verdict(61, &silent(370)), Verdict::Unhealthy);
}

#[test]
fn the_first_look_of_all_takes_an_old_failure_for_what_planned_work_left() {
    let grace = Policy::default().maintenance_grace.as_secs();
    for (age, verdict) in [
        (360, Verdict::Unhealthy),
        (660, Verdict::Unhealthy),
        (661, Verdict::Suspect),
        (1510, Verdict::Suspect),
        (grace + 59, Verdict::Suspect),
        (grace + 60, Verdict::Unhealthy),
    ] {
        assert_eq!(
            silent(age).assessed(&Policy::default()).verdict,
            verdict,
            "metric {age} s old"
        );
    }
    // The failure is not lost: it counts from that observation.
    let mut looks = Looks::default();
    assert_eq!(looks.verdict(0, &silent(1510)), Verdict::Suspect);
    assert_eq!(looks.verdict(299, &silent(1510 + 299)), Verdict::Suspect);
    assert_eq!(looks.verdict(300, &silent(1510 + 300)), Verdict::Unhealthy);
}

#[test]
fn a_watcher_that_was_away_finds_out_within_a_window() {
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    // One hour without an observation, during which the scheduler died.
    let dead = |age| healthy().scheduler_dead_for(age).metric_last_seen(age + 60);
    assert_eq!(looks.verdict(3600, &dead(1800)), Verdict::Suspect);
    assert_eq!(looks.verdict(3660, &dead(1860)), Verdict::Suspect);
    assert_eq!(looks.verdict(3720, &dead(1920)), Verdict::Unhealthy);
}

#[test]
fn a_failure_that_was_watched_all_the_time_counts_at_once_when_a_hold_ends() {
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    let dead = |age| healthy().scheduler_dead_for(age).metric_last_seen(age + 60);
    for minute in 2..120 {
        looks.see(minute * 60, &dead(minute * 60));
    }
    assert_eq!(looks.verdict(7200, &dead(7200)), Verdict::Unhealthy);
}

#[test]
fn the_past_that_cannot_be_noted_costs_one_window_and_no_more() {
    // Every tick reads the same stored past, of planned work, and each process adds its own observations to it.
    let mut looks = Looks::default();
    looks.see(0, &silent(600).status("UPDATING"));
    let stored = looks.past.clone();
    for second in [60, 120, 240] {
        looks.past = Past::younger(looks.past, stored.clone());
        assert_eq!(
            looks.verdict(second, &silent(600 + second)),
            Verdict::Suspect,
            "after {second} s"
        );
    }
    looks.past = Past::younger(stored, looks.past);
    assert_eq!(looks.verdict(360, &silent(960)), Verdict::Unhealthy);
}
