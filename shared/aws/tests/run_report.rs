//! The run probe against real HTTP, in both generations of Airflow's API: what is asked, how answers are read, and what
//! becomes of a list that breaks off.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod local;

use std::time::Duration;

use bluegreen_aws::clients::Clients;
use bluegreen_aws::run_probe::RunProbe;
use bluegreen_core::color::Color;
use bluegreen_core::health::CauseKind;
use bluegreen_core::run_report::{EnvironmentRuns, Period};
use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const NOW: &str = "2026-11-23T11:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What the standby's Airflow answers; every request that it received.
async fn runs_of(answer: impl Fn(&Value) -> ResponseTemplate + Send + Sync + 'static) -> (EnvironmentRuns, Vec<Value>) {
    runs_of_while(Color::Green, answer).await
}

/// What blue's Airflow answers while `active` is active; every request that it received.
async fn runs_of_while(
    active: Color,
    answer: impl Fn(&Value) -> ResponseTemplate + Send + Sync + 'static,
) -> (EnvironmentRuns, Vec<Value>) {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/restapi/orders-blue"))
        .respond_with(move |request: &Request| answer(&serde_json::from_slice(&request.body).unwrap()))
        .mount(&server)
        .await;
    let settings = local::settings(&[]);
    let shared = local::aws(&server).load().await;
    let period = Period {
        from: at("2026-11-23T10:00:00Z"),
        to: at("2026-11-23T10:30:00Z"),
        transition: None,
    };
    let probe = RunProbe::new(&Clients::over(&shared, &settings), &settings);
    let told = probe.ask(&period, active, at(NOW), Duration::from_secs(10)).await.blue;
    let asked = server.received_requests().await.unwrap();
    let asked = asked
        .iter()
        .filter(|request| request.url.path() == "/restapi/orders-blue")
        .map(|request| serde_json::from_slice(&request.body).unwrap());
    (told, asked.collect())
}

fn rest_api(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"RestApiStatusCode": 200, "RestApiResponse": body}))
}

fn refused() -> ResponseTemplate {
    ResponseTemplate::new(429)
        .insert_header("x-amzn-ErrorType", "ThrottlingException")
        .set_body_json(json!({"message": "slow down"}))
}

fn runs(listed: &[Value]) -> ResponseTemplate {
    rest_api(&json!({"dag_runs": listed, "total_entries": listed.len()}))
}

/// A run as in 3.0.6.
fn of_airflow_3() -> Value {
    json!({"dag_id": "orders", "dag_run_id": "scheduled__1", "state": "success", "run_type": "scheduled",
           "logical_date": "2026-11-23T10:10:00Z", "run_after": "2026-11-23T10:10:00Z", "start_date": "2026-11-23T10:10:01.5Z",
           "data_interval_end": "2026-11-23T10:11:00Z", "conf": {}, "note": null, "dag_versions": []})
}

/// A run that somebody started, as in 2.10.5.
fn of_airflow_2() -> Value {
    json!({"dag_id": "orders", "dag_run_id": "manual__1", "state": "queued", "run_type": "manual", "note": null,
           "logical_date": "2026-11-23T10:10:00+00:00", "data_interval_end": "2026-11-23T10:11:00+00:00", "start_date": null,
           "conf": {"bluegreen_instant": "2026-11-23T10:12:00+00:00"}, "external_trigger": true})
}

fn tasks() -> ResponseTemplate {
    let task = |id: &str, index: i32| {
        json!({"dag_id": "orders", "dag_run_id": "scheduled__1", "task_id": id, "map_index": index, "state": "success",
               "end_date": "2026-11-23T10:10:02.000000+00:00"})
    };
    let listed = [task("bluegreen_guard", -1), task("load", 0), task("load", 1)];
    rest_api(&json!({"task_instances": listed, "total_entries": 3}))
}

/// One run in the period, and none that goes on from before it or is queued.
fn one_run(call: &Value) -> ResponseTemplate {
    match call["QueryParameters"]["state"].as_str() {
        None => runs(&[of_airflow_3()]),
        Some(_) => runs(&[]),
    }
}

fn is_list_of_tasks(call: &Value) -> bool {
    call["Path"] == "/dags/~/dagRuns/~/taskInstances/list"
}

#[tokio::test]
async fn four_questions_whatever_the_number_of_dags() {
    let (told, asked) = runs_of(|call| {
        if is_list_of_tasks(call) {
            return tasks();
        }
        one_run(call)
    })
    .await;
    assert_eq!((told.runs.len(), told.tasks.len()), (1, 3));
    assert_eq!((&told.runs_gap, &told.tasks_gap), (&None, &None));
    let run = &told.runs[0];
    assert_eq!(run.tick, Some(at("2026-11-23T10:10:00Z")), "Airflow 3: run_after");
    assert_eq!(run.started, Some(at("2026-11-23T10:10:01.5Z")));
    assert_eq!(asked.len(), 4);
    for call in &asked {
        assert!(call["Path"].as_str().unwrap().len() <= 64);
    }
    let queries: Vec<&Value> = asked.iter().map(|call| &call["QueryParameters"]).collect();
    assert_eq!(queries[1]["start_date_gte"], "2026-11-23T10:00:00Z");
    assert_eq!(
        queries[1]["start_date_lte"], "2026-11-23T11:00:00Z",
        "not later than now"
    );
    assert_eq!(
        (&queries[0]["state"], &queries[2]["state"]),
        (&json!("queued"), &json!("running")),
        "the other way round a run that begins in between is in neither list"
    );
    let body = &asked[3]["Body"];
    assert_eq!(
        (&asked[3]["Method"], &body["page_limit"]),
        (&json!("POST"), &json!(100))
    );
    assert_eq!(body["order_by"], "id", "pages without an order may overlap");
    assert!(!body["state"].as_array().unwrap().contains(&json!("skipped")));
}

#[tokio::test]
async fn airflow_2_is_asked_and_read_in_its_way() {
    let (told, asked) = runs_of(|call| {
        if is_list_of_tasks(call) {
            return rest_api(&json!({"task_instances": [], "total_entries": 0}));
        }
        runs(&[of_airflow_2()])
    })
    .await;
    // The same run in three lists is one run.
    let mut instants: Vec<_> = told.runs.iter().map(bluegreen_core::run_report::Run::instant).collect();
    instants.dedup();
    assert_eq!(instants, [Some(at("2026-11-23T10:12:00Z"))], "handed on in its conf");
    assert_eq!(told.runs[0].tick, Some(at("2026-11-23T10:11:00Z")), "data_interval_end");
    assert!(
        asked[3]["Body"].get("order_by").is_none(),
        "Airflow 2 refuses the field"
    );
}

#[tokio::test]
async fn a_task_in_a_state_of_tomorrow_is_at_work() {
    for (state, at_work) in [
        ("awaiting_input", true),
        ("word_of_tomorrow", true),
        ("upstream_failed", false),
        ("queued", false),
    ] {
        let (told, asked) = runs_of(move |call| {
            if !is_list_of_tasks(call) {
                let mut going_on = of_airflow_3();
                going_on["state"] = json!("running");
                return runs(&[going_on]);
            }
            let task = |id: &str, state: &str| json!({"dag_id": "orders", "dag_run_id": "scheduled__1", "task_id": id, "state": state});
            let guard = task("bluegreen_guard", "success");
            match call["Body"]["state"].as_array() {
                Some(states) => {
                    assert!(!states.contains(&json!(state)) || !at_work, "what a version does not know it refuses");
                    rest_api(&json!({"task_instances": [guard], "total_entries": 1}))
                }
                None => rest_api(&json!({"task_instances": [guard, task("approve", state)], "total_entries": 2})),
            }
        })
        .await;
        let found: Vec<_> = told.tasks.iter().filter(|task| task.task_id == "approve").collect();
        assert_eq!(found.len(), usize::from(at_work), "{state}");
        let last = &asked[4]["Body"];
        assert_eq!(
            (&last["dag_ids"], &last["dag_run_ids"]),
            (&json!(["orders"]), &json!(["scheduled__1"]))
        );
        assert_eq!(asked.len(), 5);
    }
}

#[tokio::test]
async fn an_instant_that_a_template_did_not_find_is_none() {
    for nothing in [json!("None"), json!(""), json!(null)] {
        let (told, _) = runs_of(move |call| {
            let mut run = of_airflow_2();
            run["conf"]["bluegreen_instant"] = nothing.clone();
            if is_list_of_tasks(call) { tasks() } else { runs(&[run]) }
        })
        .await;
        assert_eq!(told.runs[0].conf_instant, None, "as the guard reads it");
    }
}

#[tokio::test]
async fn a_list_that_breaks_off_is_a_gap_and_the_rest_is_not_asked() {
    let (told, asked) = runs_of(|call| {
        if call["QueryParameters"]["state"].is_null() {
            let refusal = ResponseTemplate::new(400).insert_header("x-amzn-ErrorType", "RestApiClientException");
            return refusal.set_body_json(json!({"RestApiStatusCode": 403, "RestApiResponse": {"detail": "no"}}));
        }
        runs(&[of_airflow_3()])
    })
    .await;
    assert_eq!((told.runs.len(), asked.len()), (1, 2));
    assert_eq!(told.runs_gap.unwrap().kind, CauseKind::AccessDenied);
    assert_eq!(told.tasks_gap.unwrap().kind, CauseKind::AccessDenied);
}

#[tokio::test]
async fn throttled_at_the_tasks_the_runs_are_still_known() {
    let (told, _) = runs_of(|call| {
        if is_list_of_tasks(call) {
            return refused();
        }
        one_run(call)
    })
    .await;
    assert_eq!((told.runs.len(), told.runs_gap), (1, None));
    assert_eq!(told.tasks_gap.unwrap().kind, CauseKind::Throttled);
}

/// A DAG as in 3.0.6 or 2.10.5, as far as it is read.
fn dag(id: &str, due: &str, value: &Value, paused: bool) -> Value {
    json!({"dag_id": id, "is_paused": paused, "max_active_runs": 16, "has_import_errors": id == "broken", due: value})
}

#[tokio::test]
async fn the_actives_dags_tell_their_next_runs_in_both_generations() {
    for (name, instant) in [
        ("next_dagrun_run_after", "2026-11-23T10:10:00Z"),
        ("next_dagrun_create_after", "2026-11-23T10:10:00+00:00"),
    ] {
        let (told, asked) = runs_of_while(Color::Blue, move |call| {
            let due = json!(instant);
            match call["Path"].as_str().unwrap() {
                "/dags" => rest_api(&json!({"total_entries": 4, "dags": [
                    dag("orders", name, &due, false), dag("paused", name, &due, true), dag("broken", name, &due, false),
                    dag("assets", name, &Value::Null, false)]})),
                _ => runs(&[]),
            }
        })
        .await;
        let known: Vec<_> = told
            .next_runs
            .iter()
            .map(|next| {
                (
                    next.dag_id.as_str(),
                    next.due,
                    next.max_active_runs,
                    next.has_import_errors,
                )
            })
            .collect();
        let due = at("2026-11-23T10:10:00Z");
        assert_eq!(
            known,
            [("broken", due, Some(16), true), ("orders", due, Some(16), false)]
        );
        assert_eq!(
            (told.dags_gap, asked.len()),
            (None, 4),
            "three lists of runs, one of DAGs"
        );
    }
}

#[tokio::test]
async fn the_actives_dags_tell_their_tags_in_both_generations() {
    for tag in [
        json!({"name": "bluegreen:since=2026-11-23T09:00:00Z"}),
        json!({"name": "bluegreen:since=2026-11-23T09:00:00Z", "dag_id": "orders", "dag_display_name": "orders"}),
    ] {
        let (told, _) = runs_of_while(Color::Blue, move |call| match call["Path"].as_str().unwrap() {
            "/dags" => rest_api(&json!({"total_entries": 2, "dags": [
                {"dag_id": "orders", "is_paused": true, "tags": [{"name": "team:a"}, tag]},
                {"dag_id": "plain", "is_paused": true, "tags": null}]})),
            _ => runs(&[]),
        })
        .await;
        let since: Vec<_> = told.since.into_iter().collect();
        assert_eq!(since, [("orders".to_owned(), at("2026-11-23T09:00:00Z"))]);
    }
}

/// Green makes an old tick of a new DAG in the period; blue is asked whether it made it long ago.
#[tokio::test]
async fn who_may_have_made_an_old_tick_before_is_asked() {
    let server = MockServer::start().await;
    let of = |tick: &str, began: &str| {
        json!({"dag_id": "orders", "dag_run_id": format!("scheduled__{tick}"), "state": "success", "run_type": "scheduled",
               "logical_date": tick, "run_after": tick, "start_date": began, "conf": {}})
    };
    let old = of("2026-11-23T08:00:00Z", "2026-11-23T10:10:00Z");
    let (by_green, by_blue) = (old.clone(), of("2026-11-23T08:00:00Z", "2026-11-23T08:00:01Z"));
    Mock::given(path("/restapi/orders-green"))
        .respond_with(move |request: &Request| {
            let call: Value = serde_json::from_slice(&request.body).unwrap();
            match call["QueryParameters"].get("start_date_gte") {
                Some(_) => runs(std::slice::from_ref(&by_green)),
                None if is_list_of_tasks(&call) => tasks(),
                None => runs(&[]),
            }
        })
        .mount(&server)
        .await;
    Mock::given(path("/restapi/orders-blue"))
        .respond_with(move |request: &Request| {
            let call: Value = serde_json::from_slice(&request.body).unwrap();
            match call["Path"].as_str().unwrap() {
                "/dags/~/dagRuns/list" => runs(std::slice::from_ref(&by_blue)),
                _ => runs(&[]),
            }
        })
        .mount(&server)
        .await;
    let settings = local::settings(&[]);
    let shared = local::aws(&server).load().await;
    let period = Period {
        from: at("2026-11-23T10:00:00Z"),
        to: at("2026-11-23T10:30:00Z"),
        transition: None,
    };
    let probe = RunProbe::new(&Clients::over(&shared, &settings), &settings);
    let told = probe.ask(&period, Color::Green, at(NOW), Duration::from_secs(10)).await;
    let earlier: Vec<_> = told.blue.earlier.into_iter().collect();
    assert_eq!(earlier, [("orders".to_owned(), at("2026-11-23T08:00:00Z"))]);
    let lookups: Vec<Value> = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .filter(|call: &Value| call["Path"] == "/dags/~/dagRuns/list")
        .collect();
    assert_eq!(lookups.len(), 1, "green has the run: it is not asked");
    assert_eq!(lookups[0]["Body"]["dag_ids"], json!(["orders"]));
    assert_eq!(lookups[0]["Body"]["start_date_lte"], "2026-11-23T10:00:00Z");
}

#[tokio::test]
async fn the_standbys_dags_are_not_asked_nor_those_of_an_environment_that_does_not_answer() {
    let (told, asked) = runs_of(|_| runs(&[])).await;
    assert!(asked.iter().all(|call| call["Path"] != "/dags"), "{asked:?}");
    assert_eq!(told.dags_gap, None);
    let (told, asked) = runs_of_while(Color::Blue, |_| refused()).await;
    assert!(asked.iter().all(|call| call["Path"] != "/dags"), "{asked:?}");
    assert_eq!(told.dags_gap.unwrap().kind, CauseKind::Throttled);
}

#[tokio::test]
async fn without_the_dags_the_runs_stand() {
    let (told, _) = runs_of_while(Color::Blue, |call| match call["Path"].as_str().unwrap() {
        "/dags" => rest_api(&json!({"dags": [{"is_paused": false}], "total_entries": 1})),
        "/dags/~/dagRuns" if call["QueryParameters"].get("state").is_none() => runs(&[of_airflow_3()]),
        "/dags/~/dagRuns" => runs(&[]),
        _ => tasks(),
    })
    .await;
    assert_eq!(
        (told.runs.len(), told.tasks.len(), told.runs_gap, told.tasks_gap),
        (1, 3, None, None)
    );
    assert_eq!(told.dags_gap.unwrap().kind, CauseKind::Unparsable);
}

#[tokio::test]
async fn an_answer_of_another_shape_is_a_gap() {
    for body in [
        json!("<html>Please wait</html>"),
        json!({"dag_runs": [{"dag_id": "orders"}], "total_entries": 1}),
        json!({"dag_runs": [], "total_entries": "none"}),
    ] {
        let answer = body.clone();
        let (told, asked) = runs_of(move |_| rest_api(&answer)).await;
        assert_eq!(told.runs_gap.unwrap().kind, CauseKind::Unparsable, "{body}");
        assert_eq!((told.runs.len(), asked.len()), (0, 1), "{body}");
    }
}
