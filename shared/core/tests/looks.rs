//! One look after the other: what a status that cannot be read, planned work and a suspicion that lasts make of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod support;

use bluegreen_core::announcement::{BLIND_TIME, Found, Notice, Subject, patience_with};
use bluegreen_core::colour::Both;
use bluegreen_core::decision::{Action, FlagState, GuardName, decide};
use bluegreen_core::health::{AlarmState, Assessment, CauseKind, Past, Verdict};
use bluegreen_core::policy::{HEARTBEAT_ONLY_WINDOW, Policy, STATUS_STANDS};
use bluegreen_core::time::after;
use proptest::prelude::*;
use support::{Looks, Seen, Tick, dead, flag, healthy, noon, seconds, tick};

const UNREAD: [CauseKind; 6] = [
    CauseKind::Throttled,
    CauseKind::TimedOut,
    CauseKind::AccessDenied,
    CauseKind::Unavailable,
    CauseKind::Unparsable,
    CauseKind::Rejected,
];

/// The web server is silent, and the metric is so many seconds old.
fn silent(metric_age: u64) -> Seen {
    healthy()
        .api_unknown(CauseKind::Unavailable)
        .metric_last_seen(metric_age)
}

fn ringing(seen: Seen) -> Seen {
    seen.alarm(Some(AlarmState::Alarm), 40)
}

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
        ("an alarm", ringing(healthy())),
        ("everything", ringing(dead())),
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
            assert_eq!(standby.blocked_by(), [GuardName::StandbyUnknown], "{name}, {why}");
        }
    }
    // Nor an environment that MWAA does not know, and that nobody has ever seen.
    let never = ringing(healthy().not_found().metric_never_seen());
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
        assert_eq!(decision.blocked_by(), [GuardName::StandbyUnknown], "{kind:?}");
    }
}

#[test]
fn planned_work_goes_on_while_its_status_cannot_be_read() {
    for kind in UNREAD {
        for status in ["UPDATING", "MAINTENANCE", "CREATING_SNAPSHOT"] {
            let mut looks = Looks::default();
            assert_eq!(
                looks.verdict(0, &ringing(silent(600)).status(status)),
                Verdict::Maintenance
            );
            let unread = ringing(silent(600)).status_unknown(kind);
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
    // Dead since 60 s when the status was read last: no planned work has done that.
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
    // Nothing is known of an environment whose status has never been read.
    assert_eq!(Looks::default().verdict(0, &unread(grace + 60)), Verdict::Suspect);
    // And an alarm alone says nothing of how long planned work takes.
    let alarm = ringing(healthy()).status_unknown(CauseKind::AccessDenied);
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

// ---- planned work is over

#[test]
fn a_failure_counts_from_when_the_environment_began_to_serve_again() {
    for status in ["AVAILABLE", "UPDATE_FAILED", "ROLLING_BACK"] {
        for before in ["UPDATING", "MAINTENANCE", "CREATING_SNAPSHOT", "CREATING"] {
            // Airflow silent; or already there, and its scheduler is not.
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
                // What it did not execute in all that time is to be executed: back-dating is another question.
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
    assert_eq!(later.ripens_at, Some(after(noon(), seconds(60 + 300))));
}

#[test]
fn an_alarm_of_the_time_of_planned_work_does_not_count_at_once() {
    let late = HEARTBEAT_ONLY_WINDOW.as_secs();
    let mut looks = Looks::default();
    assert_eq!(
        looks.verdict(0, &ringing(healthy()).status("UPDATING")),
        Verdict::Maintenance
    );
    assert_eq!(looks.verdict(60, &ringing(healthy())), Verdict::Suspect);
    assert_eq!(looks.verdict(59 + late, &ringing(healthy())), Verdict::Suspect);
    assert_eq!(looks.verdict(60 + late, &ringing(healthy())), Verdict::Unhealthy);
    // Long after, it counts at once.
    let mut looks = Looks::default();
    looks.see(0, &healthy().status("UPDATING"));
    looks.see(60, &healthy());
    looks.see(60 + late, &healthy());
    assert_eq!(looks.verdict(120 + late, &ringing(healthy())), Verdict::Unhealthy);
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
    // It is not lost: it counts from that look.
    let mut looks = Looks::default();
    assert_eq!(looks.verdict(0, &silent(1510)), Verdict::Suspect);
    assert_eq!(looks.verdict(299, &silent(1510 + 299)), Verdict::Suspect);
    assert_eq!(looks.verdict(300, &silent(1510 + 300)), Verdict::Unhealthy);
}

#[test]
fn a_watcher_that_was_away_finds_out_within_a_window() {
    let mut looks = Looks::default();
    looks.see(0, &healthy());
    // An hour without a look, and the scheduler died in it.
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
    // Every tick finds the same stored past, of planned work, and each process adds its own looks to it.
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

// ---- a suspicion that lasts

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
        // Healthy in between: it begins anew.
        looks.see(180, &healthy());
        assert_eq!(looks.verdict(240, &unknown), Verdict::Suspect);
        // Not looked at for long: nobody can say that it lasted.
        assert_eq!(looks.verdict(1200, &unknown), Verdict::Suspect);
    }
}

#[test]
fn a_heartbeat_in_the_future_counts_from_the_first_look_too() {
    let mut looks = Looks::default();
    let mut ahead = healthy().scheduler_dead_for(0).metric_unknown(CauseKind::Throttled);
    let bluegreen_core::health::Answer::Known(health) = &mut ahead.0.airflow else {
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
        // Airflow has been dead all the time, and somebody publishes its heartbeat.
        let seen = healthy().scheduler_dead_for(600 + minute * 60).metric_last_seen(30);
        let assessment = looks.at(minute * 60, &seen);
        assert_eq!(assessment.verdict, Verdict::Suspect);
        said.look(minute, &tick(), assessment);
    }
    assert_eq!(said.told, [(15, Subject::ActiveUnknown)]);
}

#[test]
fn doubt_has_one_clock_whatever_it_is_called() {
    // Unknown, suspect, and for a minute known to be dead (and blocked): once it is told.
    let blind = healthy().everything_unknown(CauseKind::Throttled);
    let suspect = healthy().scheduler_dead_for(600).metric_last_seen(30);
    let mut said = Said::default();
    for minute in 0..40 {
        let seen = if minute == 8 {
            dead()
        } else if minute % 2 == 0 {
            blind.clone()
        } else {
            suspect.clone()
        };
        said.see(minute, &held(), &seen);
    }
    let doubts = |said: &Said| -> Vec<u64> {
        let doubts = said
            .told
            .iter()
            .filter(|(_, subject)| *subject == Subject::ActiveUnknown);
        doubts.map(|(minute, _)| *minute).collect()
    };
    assert_eq!(doubts(&said), [15]);
    // Healthy for a minute, and it begins anew.
    for minute in 40..70 {
        let seen = if minute == 40 { healthy() } else { suspect.clone() };
        said.see(minute, &held(), &seen);
    }
    assert_eq!(doubts(&said), [15, 56]);
}

#[test]
fn planned_work_behind_which_nothing_can_be_seen_is_told_after_the_grace() {
    let policy = Policy::default();
    let updating = |seen: Seen| patience_with(&policy, &seen.status("UPDATING").assessed(&policy));
    assert_eq!(updating(healthy()), None);
    assert_eq!(updating(silent(60)), None, "it beats");
    let blind = healthy().everything_unknown(CauseKind::Throttled);
    assert_eq!(updating(blind), Some(policy.maintenance_grace));
    let dead = healthy().scheduler_dead_for(9000).metric_unknown(CauseKind::Throttled);
    assert_eq!(updating(dead.clone()), Some(policy.maintenance_grace));
    let short = Policy {
        maintenance_grace: seconds(60),
        ..Policy::default()
    };
    assert_eq!(
        patience_with(&short, &dead.status("UPDATING").assessed(&short)),
        Some(BLIND_TIME)
    );
}

// ---- what is said of it

/// What the watcher remembers of what it said, minute by minute, and when it said what.
#[derive(Debug, Default)]
struct Said {
    announced: Option<String>,
    doubt: Option<String>,
    told: Vec<(u64, Subject)>,
}

impl Said {
    /// Blue is active and looks so, in the flag of that tick.
    fn look(&mut self, minute: u64, tick: &Tick, blue: Assessment) {
        let now = after(noon(), seconds(minute * 60));
        let verdicts = Both {
            blue,
            green: tick.verdicts().green,
        };
        let decision = decide(&tick.policy, &tick.control, &verdicts, now);
        let (flag, is_faulty) = match &tick.control.flag {
            FlagState::Present(flag) => (flag.label(), flag.value.colour().is_none()),
            _ => ("missing".to_owned(), true),
        };
        let found = Found {
            flag: &flag,
            is_faulty,
            active: (!is_faulty).then_some(&verdicts.blue),
            decision: &decision,
        };
        let notices = [
            (found.notice(self.announced.as_deref(), now), &mut self.announced),
            (
                found.notice_of_doubt(&tick.policy, self.doubt.as_deref(), now),
                &mut self.doubt,
            ),
        ];
        for (notice, memory) in notices {
            match notice {
                Notice::Quiet => {}
                Notice::Forget => *memory = None,
                Notice::Remember(announcement) => *memory = Some(serde_json::to_string(&announcement).unwrap()),
                Notice::Say(announcement) => {
                    self.told.push((minute, announcement.topic.subject));
                    *memory = Some(serde_json::to_string(&announcement).unwrap());
                }
            }
        }
    }

    fn see(&mut self, minute: u64, tick: &Tick, blue: &Seen) {
        self.look(minute, tick, blue.assessed(&tick.policy));
    }
}

/// Signals that disagree, and none at all: neither condemns, and neither vouches.
fn doubtful() -> [Seen; 2] {
    [
        healthy().scheduler_dead_for(600).metric_last_seen(30),
        healthy().everything_unknown(CauseKind::Throttled),
    ]
}

fn held() -> Tick {
    tick().green(dead())
}

#[test]
fn a_block_is_said_once_although_it_is_in_doubt_now_and_then() {
    for doubt in doubtful() {
        let mut said = Said::default();
        let dead = dead();
        said.see(0, &held(), &dead);
        assert_eq!(said.told, [(0, Subject::FailoverBlocked)]);
        let block = said.announced.clone();
        for minute in 1..10 {
            said.see(minute, &held(), if minute % 2 == 1 { &doubt } else { &dead });
            assert_eq!(
                said.announced, block,
                "neither added to nor taken back in minute {minute}"
            );
        }
        assert_eq!(said.told.len(), 1, "{:?}", said.told);
        // Healthy, and it is over: the next one is news.
        said.see(10, &held(), &healthy());
        assert_eq!((&said.announced, &said.doubt), (&None, &None));
        said.see(11, &held(), &dead);
        assert_eq!(said.told.last(), Some(&(11, Subject::FailoverBlocked)));
    }
}

#[test]
fn planned_work_ends_a_block() {
    let mut said = Said::default();
    said.see(0, &held(), &dead());
    said.see(1, &held(), &healthy().status("UPDATING"));
    assert_eq!(said.announced, None);
}

#[test]
fn a_broken_flag_is_said_whatever_the_environments_look_like() {
    for blue in doubtful().into_iter().chain([healthy(), dead()]) {
        let broken = |version, text: &str| tick().flag(FlagState::Present(flag(text, version, 60)));
        let mut said = Said::default();
        said.see(0, &broken(13, "bleu"), &blue);
        said.see(1, &broken(13, "bleu"), &blue);
        assert_eq!(said.told, [(0, Subject::FlagFault)]);
        assert_eq!(said.doubt, None, "nobody is active that could be in doubt");
        said.see(2, &broken(14, "blau"), &blue);
        said.see(3, &tick().flag(FlagState::Missing), &blue);
        said.see(4, &tick().flag(FlagState::Missing), &blue);
        assert_eq!(
            said.told,
            [0, 2, 3].map(|minute| (minute, Subject::FlagFault)),
            "another fault"
        );
    }
}

#[test]
fn a_block_and_a_doubt_are_remembered_apart() {
    let [doubt, _] = doubtful();
    let dead = dead();
    let mut said = Said::default();
    for minute in 0..40 {
        said.see(minute, &held(), if minute % 3 == 0 { &dead } else { &doubt });
    }
    assert_eq!(said.told, [(0, Subject::FailoverBlocked), (16, Subject::ActiveUnknown)]);
}

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
fn a_longer_failure_window_counts_for_the_heartbeat_alone_too() {
    let policy = Policy {
        failure_window: seconds(600),
        ..Policy::default()
    };
    // The metric is 400 s old: enough for its own window of 300 s, not for the longer one.
    assert_eq!(
        silent(400).status("AVAILABLE").assessed(&policy).verdict,
        Verdict::Healthy
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
    use bluegreen_core::health::{AlarmEvidence, Answer};
    let mut many = healthy();
    many.0.alarms = Answer::Known(
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

// ---- whatever is seen, in whatever order

fn kind() -> impl Strategy<Value = CauseKind> {
    prop::sample::select(UNREAD.to_vec())
}

/// What is seen of everything but the status; ages in seconds before the look.
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

fn status() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(vec![
        "AVAILABLE",
        "UPDATE_FAILED",
        "UPDATING",
        "MAINTENANCE",
        "ROLLING_BACK",
        "CREATING",
        "HIBERNATING",
    ]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the signals say, without a status, or with one that nobody knows, nobody is condemned by one look.
    #[test]
    fn no_single_look_condemns_without_a_status(seen in signals(), kind in kind(), new in any::<bool>()) {
        let seen = if new { seen.status("SOMETHING_NEW") } else { seen.status_unknown(kind) };
        prop_assert_ne!(seen.assessed(&Policy::default()).verdict, Verdict::Unhealthy);
    }

    /// After planned work everybody has the window to come back in, whatever was seen before, and however often.
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
            // All within two minutes of the first of them.
            let seen = any_status(seen, (readable || index == 0).then_some("AVAILABLE"), kind);
            second += 20;
            let verdict = course.verdict(second, &seen);
            prop_assert_ne!(verdict, Verdict::Unhealthy, "{} s after, {:?}", index * 20, seen);
        }
    }

    /// A dead environment that serves is found out, whatever the past looks like, within its window and one look.
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
