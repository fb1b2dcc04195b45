//! From when a failure counts whose date is missing or wrong.

use super::*;

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
        // Airflow has been dead all the time, and somebody publishes its heartbeat.
        let seen = healthy().scheduler_dead_for(600 + minute * 60).metric_last_seen(30);
        let assessment = looks.at(minute * 60, &seen);
        assert_eq!(assessment.verdict, Verdict::Suspect);
        said.look(minute, &tick(), assessment);
    }
    assert_eq!(said.told, [(15, Subject::ActiveUnknown)]);
}
