//! The run report, on request and after a transition.

use serde_json::json;

use crate::pair::{Pair, outcome, play};

#[test]
fn a_run_report_is_given_on_request_and_published_once_after_a_transition() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.pass(1800).await;
        pair.forget();
        pair.ask(json!({"to": "green"})).await;
        pair.hear().await;
        pair.minutes(4).await;
        assert_eq!(pair.events("Run Report").len(), 0, "five minutes later");
        pair.minutes(3).await;
        let events = pair.events("Run Report");
        assert_eq!(events.len(), 1, "{events:#?}");
        pair.minutes(3).await;
        assert_eq!(pair.events("Run Report").len(), 1, "once");
        let report = pair.ask(json!({"action": "run-report"})).await;
        assert_eq!(outcome(&report), "run_report", "{report:#}");
        assert!(
            report["transition"].is_string() && report["run_report"].is_object(),
            "{report:#}"
        );
    });
}

#[test]
fn no_run_report_is_published_where_it_is_switched_off_or_far_too_late() {
    play(&[("RUN_REPORT_SECONDS", "0")], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        pair.minutes(8).await;
        assert_eq!(pair.events("Run Report").len(), 0);
    });
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        pair.pass(3 * 24 * 3600).await;
        pair.minutes(3).await;
        assert_eq!(pair.events("Run Report").len(), 0);
    });
}

#[test]
fn a_run_report_that_could_not_be_published_is_published_by_the_next_tick() {
    play(&[], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        pair.minutes(4).await;
        pair.refuse("PutEvents", "Run Report");
        let mut failed = 0;
        for _ in 0..3 {
            pair.pass(60).await;
            failed += i32::from(pair.tick_of("schedule").await.is_err());
        }
        assert!(failed > 0);
        pair.mend();
        pair.forget();
        pair.minutes(3).await;
        assert_eq!(pair.events("Run Report").len(), 1);
    });
}

#[test]
fn a_tick_reads_the_history_for_a_run_report_only_while_one_may_be_due() {
    play(&[("READINESS_INTERVAL_MINUTES", "0")], |pair: Pair| async move {
        let pair = pair.started().await;
        pair.ask(json!({"to": "green"})).await;
        pair.hear().await;
        for (seconds, expected) in [(120, 0), (300, 1), (3 * 24 * 3600, 0)] {
            pair.pass(seconds).await;
            // No report was given before.
            pair.by_hand(&pair.settings.names.memory(), None);
            pair.forget();
            pair.tick().await;
            assert_eq!(
                pair.count("GetParameterHistory", "active-environment"),
                expected,
                "{seconds} s later"
            );
            pair.forget();
            pair.tick().await;
            assert_eq!(pair.count("GetParameterHistory", "active-environment"), 0, "once");
        }
    });
}
