use serde_json::json;

use super::*;

#[test]
fn many_dags_are_counted_and_the_first_are_named() {
    let mut pair = twins();
    let ids: Vec<String> = (0..1000).map(|number| format!("dag_{number:04}")).collect();
    let all: Vec<(&str, bool)> = ids.iter().map(|id| (id.as_str(), false)).collect();
    pair.snapshot.dags = Both {
        blue: dags(&all),
        green: dags(&[]),
    };
    let readiness = check(&pair);
    assert_eq!(
        readiness.findings[0].what,
        "1000 DAGs of blue not on green: dag_0000, dag_0001, dag_0002, dag_0003, dag_0004 and 995 more"
    );
    let missing = DagComparison::of(&pair.snapshot.dags, Color::Blue).missing;
    assert_eq!((missing.count, missing.first.len()), (1000, 20));
}

#[test]
fn commands_name_the_environment_and_its_region() {
    let mut pair = twins();
    standby(&mut pair).max_workers = Some(1);
    assert_eq!(
        check(&pair).findings[0].fix,
        "aws mwaa update-environment --name orders-green --region eu-west-1 --max-workers 10"
    );
}

#[test]
fn red_comes_first_and_caps_the_score() {
    let mut pair = twins();
    standby(&mut pair).webserver_access_mode = Some("PRIVATE_ONLY".into());
    standby(&mut pair).max_workers = Some(1);
    pair.snapshot.dags.green = dags(&[("b", true)]);
    pair.snapshot.import_errors.green = import_errors(&["x.py"]);
    let readiness = check(&pair);
    let names: Vec<_> = readiness.findings.iter().map(|finding| finding.name).collect();
    assert_eq!(
        names,
        ["dags-missing", "import-errors", "max-workers", "webserver-access"]
    );
    assert_eq!(readiness.score, 37);
    assert_eq!(
        readiness.summary(Color::Green),
        "green is not ready to take over: dags-missing, import-errors; to look at: max-workers"
    );
    for reds in 0..12 {
        for ambers in 0..40 {
            for unanswered in 0..10 {
                let score = score(reds, ambers, unanswered);
                assert_eq!(score < 50, reds > 0);
                assert!(score <= super::score(reds, ambers.saturating_sub(1), unanswered.saturating_sub(1)));
            }
        }
    }
}

#[test]
fn the_last_proof_is_the_end_of_the_last_time_that_the_standby_was_active() {
    let entries: Vec<HistoryEntry> = ["blue", "green", "blue", "purple"]
        .iter()
        .zip(1_i64..)
        .map(|(value, number)| HistoryEntry {
            value: FlagValue::read(value),
            version: FlagVersion(number.unsigned_abs()),
            modified: at(number),
            author: None,
            description: None,
        })
        .collect();
    assert_eq!(last_proof(&versions(&entries), Color::Green, None), Some(at(3)));
    assert_eq!(last_proof(&versions(&entries[..1]), Color::Green, None), None);
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(minute.saturating_mul(60)).unwrap()
}

/// A version each minute: its value, and what its writer said.
fn written(versions: &[(&str, &str)]) -> Vec<HistoryEntry> {
    versions
        .iter()
        .zip(1_i64..)
        .map(|((value, words), number)| HistoryEntry {
            value: FlagValue::read(value),
            version: FlagVersion(number.unsigned_abs()),
            modified: at(number),
            author: None,
            description: Some(format!(
                "{words} [effective_from=1970-01-01T00:00:00Z record=r-{number}]"
            )),
        })
        .collect()
}

#[test]
fn a_drill_that_failed_proves_nothing_and_one_that_succeeded_does() {
    let entries = written(&[
        ("green", "switch: x"),
        ("blue", "switch: y"),
        ("green", "drill: monthly"),
        ("blue", "drill-return: bad"),
    ]);
    let stored = |outcome: &str, to: &str| {
        json!({
            "schema": 1, "id": "d", "mode": "switch", "from": "blue", "to": to, "version": 2, "modified": at(2),
            "started_at": at(3), "duration_minutes": 1, "reason": "monthly", "requested_by": null, "outcome": outcome,
        })
        .to_string()
    };
    let proof = |drill: &str| last_proof(&versions(&entries), Color::Green, Some(drill));
    assert_eq!(
        proof(&stored("failed", "green")),
        Some(at(2)),
        "what stood before it is older"
    );
    assert_eq!(proof(&stored("succeeded", "green")), Some(at(4)));
    assert_eq!(
        proof(&stored("failed", "blue")),
        Some(at(4)),
        "a drill of the other color"
    );
}

#[test]
fn a_failed_drill_takes_nothing_from_the_one_before_it() {
    let entries = written(&[
        ("blue", "switch: x"),
        ("green", "drill: monthly"),
        ("blue", "drill-return: good"),
        ("green", "drill: again"),
        ("blue", "drill-return: bad"),
    ]);
    let failed = json!({
        "schema": 1, "id": "d", "mode": "switch", "from": "blue", "to": "green", "version": 3, "modified": at(3),
        "started_at": at(4), "duration_minutes": 1, "reason": "again", "requested_by": null, "outcome": "failed",
    });
    let proof = last_proof(&versions(&entries), Color::Green, Some(&failed.to_string()));
    assert_eq!(proof, Some(at(3)));
}

#[test]
fn without_an_active_color_there_is_no_standby() {
    let readiness = Readiness::without_standby("there is no flag".to_owned());
    assert_eq!(
        (readiness.outcome(), readiness.names(Severity::Red)),
        (Outcome::NotReady, vec!["flag"])
    );
}
