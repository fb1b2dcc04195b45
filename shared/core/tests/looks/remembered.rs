//! What one observation leaves to the next one, and its consequences.

use super::*;

// ---- what is noted

#[test]
fn a_calm_pair_notes_nothing_and_a_failure_is_noted_again_and_again() {
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    let stored = looks.past.clone().unwrap();
    assert!(stored.is_news_to(None));
    for second in [60, 600, 86_400] {
        looks.see(second, &healthy());
        assert!(
            !looks.past.as_ref().unwrap().is_news_to(Some(&stored)),
            "after {second} s"
        );
    }
    looks.see(86_460, &healthy().status("UPDATING"));
    assert!(looks.past.as_ref().unwrap().is_news_to(Some(&stored)), "another class");
    let mut noted = looks.past.clone().unwrap();
    let mut count = 0;
    for minute in 0..30 {
        looks.see(86_520 + minute * 60, &silent(400 + minute * 60).status("UPDATING"));
        let past = looks.past.clone().unwrap();
        if past.is_news_to(Some(&noted)) {
            noted = past;
            count += 1;
        }
    }
    assert_eq!(count, 8, "when it begins, and every four minutes");
}

#[test]
fn the_past_is_stored_and_read_back() {
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    looks.see(60, &dead().status("UPDATING"));
    looks.see(120, &dead());
    let past = looks.past.unwrap();
    let text = serde_json::to_string(&past).unwrap();
    assert_eq!(serde_json::from_str::<Past>(&text).unwrap(), past);
    assert!(text.len() < 400, "two of them lie beside the other memories: {text}");
}

// ---- windows and dates

#[test]
fn an_alarm_that_rang_and_cannot_be_read_now_is_not_over() {
    let unread = healthy().alarms_unknown(CauseKind::TimedOut);
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    assert_eq!(looks.at(60, &unread).verdict, Verdict::Healthy, "it never rang");
    looks.see(60, &healthy().alarm(Some(AlarmState::Alarm), 30));
    assert_eq!(looks.at(120, &unread).verdict, Verdict::Unknown);
    looks.see(120, &unread);
    assert_eq!(looks.at(180, &unread).verdict, Verdict::Unknown, "nor is it forgotten");
    looks.see(180, &healthy().alarm(Some(AlarmState::Ok), 30));
    assert_eq!(looks.at(240, &unread).verdict, Verdict::Healthy);
}

#[test]
fn a_heartbeat_from_before_it_was_sick_makes_nothing_healthy_while_airflow_does_not_answer() {
    let policy = Policy {
        failure_window: seconds(600),
        ..Policy::default()
    };
    let mut looks = Looks { policy, past: None };
    looks.see(0, &healthy());
    for second in (60..=360).step_by(60) {
        looks.see(second, &healthy().scheduler_dead_for(second).metric_last_seen(second));
    }
    // Within the window, so not missing yet.
    let unread = |seen| healthy().api_unknown(CauseKind::Throttled).metric_last_seen(seen);
    assert_eq!(looks.at(420, &unread(420)).verdict, Verdict::Unknown);
    looks.see(420, &unread(420));
    assert_eq!(
        looks.at(480, &unread(480)).verdict,
        Verdict::Unknown,
        "nor is it forgotten"
    );
    // A newer one shows that it lives.
    assert_eq!(looks.at(480, &unread(120)).verdict, Verdict::Healthy);
}

#[test]
fn a_longer_failure_window_counts_for_the_heartbeat_alone_too() {
    let policy = Policy {
        failure_window: seconds(600),
        ..Policy::default()
    };
    // The metric is 400 s old: enough for its own window of 300 s, not for the longer one. It does not show life either.
    assert_eq!(
        silent(400).status("AVAILABLE").assessed(&policy).verdict,
        Verdict::Unknown
    );
    assert_eq!(silent(640).assessed(&policy).verdict, Verdict::Suspect);
    let mut looks = Looks { policy, past: None };
    looks.see(0, &healthy());
    looks.see(60, &silent(601));
    assert_eq!(looks.verdict(118, &silent(659)), Verdict::Suspect);
    assert_eq!(looks.verdict(119, &silent(660)), Verdict::Unhealthy);
}

#[test]
fn planned_work_is_no_failure_while_airflow_says_healthy() {
    let seen = healthy().status("UPDATING").metric_last_seen(7200);
    assert_eq!(seen.assessed(&Policy::default()).verdict, Verdict::Maintenance);
}

#[test]
fn airflows_own_heartbeat_dates_its_death_not_cloudwatchs_minute() {
    let dead = healthy().scheduler_dead_for(130).metric_last_seen(200);
    assert_eq!(
        dead.assessed(&Policy::default()).last_known_healthy,
        Some(support::ago(130))
    );
}

#[test]
fn a_hundred_alarms_are_not_all_quoted() {
    use bluegreen_core::health::{AlarmEvidence, ProbeResult};
    let mut many = healthy();
    many.0.alarms = ProbeResult::Known(
        (0..100)
            .map(|number| AlarmEvidence {
                name: format!("{number:03}-{}", "x".repeat(250)),
                state: Some(AlarmState::Alarm),
                since: Some(support::ago(40)),
            })
            .collect(),
    );
    let reasons = many.assessed(&Policy::default()).reasons.join("; ");
    assert!(
        reasons.contains("and 90 more") && reasons.len() < 3000,
        "{}",
        reasons.len()
    );
}

/// All signals except the status; ages are in seconds before the observation.
fn signals() -> impl Strategy<Value = Seen> {
    (0..5_u8, kind(), 0..4000_u64, 0..4000_u64, prop::option::of(0..4000_u64)).prop_map(
        |(which, kind, scheduler, metric, alarm)| {
            let seen = match which {
                0 => healthy(),
                1 => healthy().scheduler_dead_for(scheduler).metric_last_seen(metric),
                2 => healthy().scheduler_dead_without_date().metric_unknown(kind),
                3 => healthy().api_unknown(kind).metric_last_seen(metric),
                _ => healthy().api_unknown(kind).metric_unknown(kind),
            };
            match alarm {
                Some(age) => seen.alarm(Some(AlarmState::Alarm), age),
                None => seen,
            }
        },
    )
}

fn any_status(seen: Seen, status: Option<&'static str>, kind: CauseKind) -> Seen {
    match status {
        Some(status) => seen.status(status),
        None => seen.status_unknown(kind),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the signals are: without a status, or with an unknown one, no single observation makes an environment
    /// unhealthy.
    #[test]
    fn no_single_look_condemns_without_a_status(seen in signals(), kind in kind(), new in any::<bool>()) {
        let seen = if new { seen.status("SOMETHING_NEW") } else { seen.status_unknown(kind) };
        prop_assert_ne!(seen.assessed(&Policy::default()).verdict, Verdict::Unhealthy);
    }

    /// After planned work, every environment has the failure window to recover, whatever was observed before, and
    /// however often.
    #[test]
    fn nothing_is_condemned_within_the_window_after_planned_work(
        looks in prop::collection::vec((signals(), status(), kind(), 1..400_u64), 0..12),
        back in prop::collection::vec((signals(), kind(), any::<bool>()), 1..6),
    ) {
        let mut course = Looks::default();
        let mut second = 0;
        for (seen, status, kind, pause) in looks {
            course.see(second, &any_status(seen, status, kind));
            second += pause;
        }
        course.see(second, &healthy().status("UPDATING"));
        for (index, (seen, kind, readable)) in back.into_iter().enumerate() {
            // All within two minutes of the first one.
            let seen = any_status(seen, (readable || index == 0).then_some("AVAILABLE"), kind);
            second += 20;
            let verdict = course.verdict(second, &seen);
            prop_assert_ne!(verdict, Verdict::Unhealthy, "{} s after, {:?}", index * 20, seen);
        }
    }

    /// A dead environment that should serve is detected within its window and one observation, whatever the past.
    #[test]
    fn a_dead_environment_is_found_out_whatever_the_past(
        looks in prop::collection::vec((signals(), status(), kind(), 1..2000_u64), 0..12),
        age in 0..4000_u64,
    ) {
        let mut course = Looks::default();
        let mut second = 0;
        for (seen, status, kind, pause) in looks {
            course.see(second, &any_status(seen, status, kind));
            second += pause;
        }
        let mut last = Verdict::Unknown;
        for step in 0..=13 {
            let age = age + step * 30;
            last = course.verdict(second + step * 30, &healthy().scheduler_dead_for(age).metric_last_seen(age + 120));
        }
        prop_assert_eq!(last, Verdict::Unhealthy);
    }
}
