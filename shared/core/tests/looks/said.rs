//! What people are notified of, once for each condition.

use super::*;

#[test]
fn doubt_has_one_clock_whatever_it_is_called() {
    // Unknown, suspect, and for a minute known to be dead (and blocked): reported once.
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
    // Healthy for a minute, and the doubt starts anew.
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
        Some(UNKNOWN_ALERT_DELAY)
    );
}

/// Signals that disagree, and no signals at all: neither proves a failure, and neither confirms health.
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
        // Healthy, and the condition is over: the next one is reported.
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
