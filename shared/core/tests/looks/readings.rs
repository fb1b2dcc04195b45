//! Each signal in the words of its evidence, and what is remembered of it.

use bluegreen_core::health::{AirflowHealth, Cause, ProbeResult, Reading, heartbeat_could_change};

use super::*;

fn reading(reading: &Reading) -> (&'static str, &str) {
    let state = match reading {
        Reading::Ok { .. } => "ok",
        Reading::Bad { .. } => "bad",
        Reading::Unknown { .. } => "unknown",
    };
    (state, reading.detail())
}

#[test]
fn a_status_says_what_it_means() {
    let assessed = |seen: &Seen| seen.assessed(&Policy::default()).signals.status;
    for (status, state, said) in [
        ("AVAILABLE", "ok", "environment status AVAILABLE"),
        ("UNAVAILABLE", "bad", "environment status UNAVAILABLE"),
        ("UPDATING", "unknown", "environment status UPDATING: planned work"),
        (
            "ROLLING_BACK",
            "unknown",
            "environment status ROLLING_BACK: being rolled back",
        ),
        ("CREATING", "unknown", "environment status CREATING: not ready"),
        (
            "HIBERNATING",
            "unknown",
            "environment status HIBERNATING: not known here",
        ),
    ] {
        assert_eq!(reading(&assessed(&healthy().status(status))), (state, said));
    }
    let unread = assessed(&healthy().status_unknown(CauseKind::Throttled));
    assert_eq!(
        reading(&unread),
        (
            "unknown",
            "environment status unknown (throttled: as the test wants it)"
        )
    );
    let gone = healthy().metric_last_seen(600).not_found();
    let (state, said) = (
        "bad",
        "MWAA has no such environment any more: it has had heartbeats, so it was deleted",
    );
    assert_eq!(reading(&assessed(&gone)), (state, said));
    let never = assessed(&healthy().not_found().metric_never_seen());
    assert_eq!(
        reading(&never),
        (
            "unknown",
            "MWAA has no environment of this name, and none has been seen: check the name and the region"
        )
    );
    // One of the two answers is wrong.
    let mut alive = healthy().not_found();
    alive.0.airflow = healthy().0.airflow;
    assert_eq!(
        reading(&assessed(&alive)),
        (
            "unknown",
            "MWAA has no environment of this name, and yet its Airflow answers that it is healthy"
        )
    );
}

#[test]
fn a_scheduler_says_what_airflow_said_of_it() {
    let health = |scheduler: Option<&str>, metadatabase: Option<&str>| {
        let mut seen = healthy();
        seen.0.airflow = ProbeResult::Known(AirflowHealth {
            scheduler: scheduler.map(str::to_owned),
            metadatabase: metadatabase.map(str::to_owned),
            latest_scheduler_heartbeat: None,
        });
        seen
    };
    for (scheduler, metadatabase, state, said) in [
        (
            Some("healthy"),
            Some("healthy"),
            "ok",
            "Airflow says scheduler healthy, no heartbeat ever",
        ),
        (
            Some("unhealthy"),
            Some("healthy"),
            "bad",
            "Airflow says scheduler unhealthy, no heartbeat ever",
        ),
        (
            Some("unhealthy"),
            None,
            "bad",
            "Airflow says scheduler unhealthy, no heartbeat ever",
        ),
        (
            Some("healthy"),
            Some("unhealthy"),
            "bad",
            "Airflow says metadatabase unhealthy, no heartbeat ever",
        ),
        (
            None,
            Some("unhealthy"),
            "bad",
            "Airflow says metadatabase unhealthy, no heartbeat ever",
        ),
        (
            None,
            Some("healthy"),
            "unknown",
            "Airflow says its scheduler has never started",
        ),
        (None, None, "unknown", "Airflow says its scheduler has never started"),
        (
            Some("healthy"),
            None,
            "unknown",
            "Airflow says scheduler \"healthy\", metadatabase \"null\": not known here",
        ),
        (
            Some("asleep"),
            Some("healthy"),
            "unknown",
            "Airflow says scheduler \"asleep\", metadatabase \"healthy\": not known here",
        ),
    ] {
        let seen = health(scheduler, metadatabase);
        let signals = seen.assessed(&Policy::default()).signals;
        assert_eq!(reading(&signals.scheduler), (state, said));
        // Only an Airflow that is well by its own word is not looked up in CloudWatch, which costs money.
        assert_eq!(heartbeat_could_change(&seen.0.airflow), state != "ok", "{said}");
    }
    let not_asked = ProbeResult::Unknown(Cause::not_asked());
    assert!(heartbeat_could_change(&not_asked));
}

#[test]
fn what_was_not_asked_is_not_called_unknown() {
    let signals = healthy().assessed(&Policy::default()).signals;
    assert_eq!(reading(&signals.heartbeat), ("unknown", "heartbeat metric not asked"));
    let unread = healthy()
        .metric_unknown(CauseKind::Throttled)
        .assessed(&Policy::default());
    let said = "heartbeat metric unknown (throttled: as the test wants it)";
    assert_eq!(reading(&unread.signals.heartbeat), ("unknown", said));
}

#[test]
fn a_healthy_past_is_short_and_one_in_alarm_says_so() {
    let mut looks = Looks::default();
    looks.see(0, &healthy().of("airflow-blue"));
    let written = serde_json::to_value(&looks.past).unwrap();
    assert_eq!(
        written,
        serde_json::json!({
            "of": "airflow-blue", "at": "2026-11-23T12:00:00Z", "watched_from": "2026-11-23T12:00:00Z",
            "status": {"status": "AVAILABLE", "read": "2026-11-23T12:00:00Z"},
        })
    );
    assert_eq!(
        serde_json::from_value::<Past>(written).unwrap(),
        looks.past.clone().unwrap()
    );
    let mut looks = Looks::default();
    looks.see(0, &in_alarm(healthy()));
    let past = looks.past.unwrap();
    let written = serde_json::to_value(&past).unwrap();
    assert_eq!(written["is_in_alarm"], true);
    assert_eq!(serde_json::from_value::<Past>(written).unwrap(), past);
}

#[test]
fn of_two_pasts_the_newer_one_counts_and_of_two_of_one_instant_the_own_one() {
    let past = |second: u64, name: &str| {
        let mut looks = Looks::default();
        looks.see(second, &healthy().of(name));
        looks.past
    };
    for (one, other, newer) in [(0, 60, "other"), (60, 0, "own"), (60, 60, "own")] {
        let newest = Past::younger(past(one, "own"), past(other, "other")).unwrap();
        assert_eq!(newest.of.as_deref(), Some(newer), "{one} {other}");
    }
    assert_eq!(Past::younger(past(0, "own"), None), past(0, "own"));
    assert_eq!(Past::younger(None, past(0, "other")), past(0, "other"));
}

#[test]
fn a_lasting_failure_is_noted_every_four_minutes() {
    let at = |second: u64, seen: &Seen| {
        let mut looks = Looks::default();
        looks.see(0, seen);
        let stored = looks.past.clone().unwrap();
        looks.see(second, seen);
        looks.past.unwrap().is_news_to(Some(&stored))
    };
    let bad = dead();
    for (second, is_news) in [(60, false), (239, false), (240, true), (600, true)] {
        assert_eq!(at(second, &bad), is_news, "{second} s");
        assert!(!at(second, &healthy()), "a healthy pair writes nothing");
    }
}

#[test]
fn alarms_say_which_of_them() {
    use bluegreen_core::health::AlarmEvidence;
    let reading_of = |alarms: &[(&str, Option<AlarmState>)]| {
        let mut seen = healthy();
        let alarms = alarms.iter().map(|(name, state)| AlarmEvidence {
            name: (*name).to_owned(),
            state: *state,
            since: None,
        });
        seen.0.alarms = ProbeResult::Known(alarms.collect());
        seen.assessed(&Policy::default()).signals.alarms
    };
    assert_eq!(reading_of(&[]), None, "who names no alarms reads of none");
    let (fine, fires, silent) = (
        Some(AlarmState::Ok),
        Some(AlarmState::Alarm),
        Some(AlarmState::InsufficientData),
    );
    for (alarms, state, said) in [
        (&[("a", fine), ("b", fine)][..], "ok", "alarm a, b OK"),
        (&[("a", fine), ("b", fires), ("c", None)], "bad", "alarm b in ALARM"),
        (
            &[("a", fine), ("b", None), ("c", silent)],
            "unknown",
            "CloudWatch has no alarm named b: check the name and the region",
        ),
        (
            &[("a", fine), ("b", silent), ("c", silent)],
            "unknown",
            "alarm b, c has not enough data",
        ),
    ] {
        let found = reading_of(alarms).unwrap();
        assert_eq!(reading(&found), (state, said));
    }
    let many: Vec<String> = (1..=12).map(|number| format!("a{number}")).collect();
    let many: Vec<(&str, Option<AlarmState>)> = many.iter().map(|name| (name.as_str(), fine)).collect();
    let said = |alarms| reading_of(alarms).unwrap().detail().to_owned();
    assert_eq!(
        said(&many),
        "alarm a1, a2, a3, a4, a5, a6, a7, a8, a9, a10 and 2 more OK"
    );
    assert!(!said(&many[..10]).contains("more"));
}

#[test]
fn what_cannot_be_read_at_all_begins_no_failure() {
    let mut looks = Looks::default();
    looks.see(0, &healthy().everything_unknown(CauseKind::Throttled));
    let past = looks.past.clone().unwrap();
    assert_eq!((past.failing_from, past.airflow_sick_from), (None, None));
    assert_eq!(past.status_unread_from, Some(noon()));
    // A failure that was seen before goes on while nothing can be read, and ends with a sign of life.
    looks.see(60, &dead());
    let failing_from = looks.past.clone().unwrap().failing_from;
    assert!(failing_from.is_some());
    looks.see(120, &healthy().everything_unknown(CauseKind::Throttled));
    assert_eq!(looks.past.clone().unwrap().failing_from, failing_from);
    looks.see(180, &healthy());
    assert_eq!(looks.past.unwrap().failing_from, None);
}

#[test]
fn an_old_heartbeat_alone_shows_neither_life_nor_death() {
    let mut looks = Looks::default();
    looks.policy.failure_window = seconds(600);
    looks.see(0, &healthy());
    let silent = |seen| healthy().api_unknown(CauseKind::Unavailable).metric_last_seen(seen);
    for (seen, verdict) in [
        (60, Verdict::Healthy),
        (180, Verdict::Healthy),
        (181, Verdict::Unknown),
        (600, Verdict::Unknown),
    ] {
        assert_eq!(looks.clone().verdict(60, &silent(seen)), verdict, "{seen} s");
    }
    let said = looks.clone().at(60, &silent(300)).reasons.join("; ");
    assert!(said.contains("300 s ago, too old to show that it works"), "{said}");
    // Once Airflow answers, the heartbeat is of no interest.
    assert_eq!(looks.verdict(60, &healthy().metric_last_seen(300)), Verdict::Healthy);
}

#[test]
fn a_minute_that_is_not_over_is_no_silence() {
    // Airflow gives no date: its database is dead, and was alive less than a minute ago.
    let sick = |seen| healthy().scheduler_dead_without_date().metric_last_seen(seen);
    let mut looks = Looks::default();
    looks.policy.failure_window = seconds(60);
    looks.see(0, &healthy());
    // What is judged was asked a moment ago, before the newest minute was over.
    looks.see(60, &sick(121));
    assert_eq!(looks.clone().verdict(60, &sick(121)), Verdict::Suspect);
    assert_eq!(looks.clone().verdict(119, &sick(121)), Verdict::Suspect);
    assert_eq!(
        looks.verdict(120, &sick(121)),
        Verdict::Unhealthy,
        "a minute after the first look"
    );
    // Or once the silence has a date.
    let mut unseen = Looks::default();
    unseen.policy.failure_window = seconds(60);
    unseen.see(0, &healthy());
    assert_eq!(unseen.clone().verdict(60, &sick(179)), Verdict::Suspect);
    assert_eq!(unseen.verdict(60, &sick(180)), Verdict::Unhealthy);
}

#[test]
fn a_dead_metric_condemns_nobody_whose_airflow_says_healthy_and_whose_status_cannot_be_read() {
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    let grace = looks.policy.maintenance_grace.as_secs();
    let unread = healthy().status_unknown(CauseKind::Throttled);
    let metric_dead = |seen: Seen| seen.metric_last_seen(grace + 600);
    // So long after the last status that it stands for nothing.
    let contradicted = looks.clone().verdict(7200, &metric_dead(unread.clone()));
    assert_eq!(contradicted, Verdict::Suspect);
    let alone = looks.verdict(7200, &metric_dead(unread.api_unknown(CauseKind::Unavailable)));
    assert_eq!(alone, Verdict::Unhealthy);
}

#[test]
fn an_alarm_that_was_there_at_the_first_look_counts_from_that_look() {
    let mut looks = Looks::default();
    looks.policy.failure_window = seconds(3600);
    looks.see(0, &healthy().status("UPDATING"));
    looks.see(60, &healthy());
    // Nobody looks for more than ten minutes, and the alarm fires in them.
    let fires = |age| healthy().alarm(Some(AlarmState::Alarm), age);
    looks.see(760, &fires(660));
    let assessment = looks.at(800, &fires(700));
    assert_eq!(assessment.verdict, Verdict::Suspect);
    let said = assessment.reasons.join("; ");
    assert!(
        said.contains("already in ALARM at the first look, and watched for 40 s"),
        "{said}"
    );
    assert_eq!(assessment.unhealthy_at, Some(after(noon(), seconds(760 + 3600))));
}
