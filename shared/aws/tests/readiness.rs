//! The readiness probe against real HTTP: pages, caps, throttles half-way, answers of another shape. An incomplete list
//! is reported as incomplete, and never as missing DAGs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::type_complexity,
    missing_docs
)]

mod local;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bluegreen_aws::clients::Clients;
use bluegreen_aws::parameter_store::ParameterStore;
use bluegreen_aws::readiness_probe::ReadinessProbe;
use bluegreen_core::health::{CauseKind, ProbeResult};
use bluegreen_core::readiness::{DagList, GuardTraces, Snapshot};
use futures_util::future::join_all;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, path_regex};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

async fn snapshot(server: &MockServer, limit: Duration) -> Snapshot {
    let shared = local::aws(server).load().await;
    let settings = local::settings(&[("GREEN_REGION", "eu-west-1")]);
    let clients = Clients::over(&shared, &settings);
    let store = ParameterStore::new(clients.ssm.clone(), settings.names.clone());
    ReadinessProbe::new(&clients, &settings).snapshot(&store, limit).await.0
}

const TIME: Duration = Duration::from_secs(20);

/// Airflow's list as the API pages it. For certain request numbers, `trouble` replaces the answer.
struct Airflow {
    count: u64,
    cap: u64,
    trouble: Box<dyn Fn(usize) -> Option<ResponseTemplate> + Send + Sync>,
    asked: Mutex<usize>,
}

fn airflow(count: u64, cap: u64) -> Airflow {
    Airflow {
        count,
        cap,
        trouble: Box::new(|_| None),
        asked: Mutex::new(0),
    }
}

fn troubled(count: u64, trouble: impl Fn(usize) -> Option<ResponseTemplate> + Send + Sync + 'static) -> Airflow {
    Airflow {
        trouble: Box::new(trouble),
        ..airflow(count, 100)
    }
}

impl Respond for Airflow {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let call: Value = serde_json::from_slice(&request.body).unwrap();
        if call["Path"] == "/importErrors" {
            return rest_api(&json!({"import_errors": [{"filename": "x.py"}], "total_entries": 1}));
        }
        assert_eq!(call["Path"], "/dags");
        let query = &call["QueryParameters"];
        assert_eq!(query["order_by"], "dag_id", "pages without an order may overlap");
        let number = {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            *asked - 1
        };
        if let Some(trouble) = (self.trouble)(number) {
            return trouble;
        }
        let (offset, limit) = (query["offset"].as_u64().unwrap(), query["limit"].as_u64().unwrap());
        let end = (offset + limit.min(self.cap)).min(self.count);
        let dags: Vec<Value> = (offset..end.max(offset)).map(dag).collect();
        rest_api(&json!({"dags": dags, "total_entries": self.count}))
    }
}

fn dag(number: u64) -> Value {
    json!({"dag_id": format!("dag_{number:05}"), "is_paused": number == 7, "has_import_errors": false, "tags": []})
}

fn rest_api(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"RestApiStatusCode": 200, "RestApiResponse": body}))
}

fn error(status: u16, code: &str) -> ResponseTemplate {
    ResponseTemplate::new(status)
        .insert_header("x-amzn-ErrorType", code)
        .set_body_json(json!({"__type": code, "message": "as the test wants it"}))
}

async fn blue(server: &MockServer, airflow: Airflow) {
    let mock = Mock::given(method("POST")).and(path("/restapi/orders-blue"));
    mock.respond_with(airflow).mount(server).await;
}

async fn ssm(server: &MockServer, operation: &str, body: Value) {
    Mock::given(header("x-amz-target", format!("AmazonSSM.{operation}")))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(server)
        .await;
}

async fn blue_dags(airflow: Airflow, limit: Duration) -> DagList {
    let server = MockServer::start().await;
    blue(&server, airflow).await;
    snapshot(&server, limit).await.dags.blue
}

#[tokio::test]
async fn every_dag_is_listed_whatever_the_length_of_pages() {
    let cases = [
        (0, 100),
        (1, 100),
        (100, 100),
        (101, 100),
        (430, 100),
        (230, 50),
        (120, 100),
    ];
    join_all(cases.into_iter().map(|(count, cap)| {
        Box::pin(async move {
            let list = blue_dags(airflow(count, cap), TIME).await;
            assert_eq!(list.gap, None, "{count} by {cap}");
            assert_eq!(
                (list.dags.len() as u64, list.total),
                (count, Some(count)),
                "{count} by {cap}"
            );
            assert_eq!(
                list.dags.values().filter(|dag| dag.paused).count(),
                usize::from(count > 7)
            );
        })
    }))
    .await;
}

#[tokio::test]
async fn requests_are_spaced() {
    let began = Instant::now();
    let list = blue_dags(airflow(1500, 100), TIME).await;
    assert_eq!((list.dags.len(), list.gap), (1500, None));
    // 15 pages, and both environments' import errors: 16 spaces between them.
    assert!(began.elapsed() > Duration::from_millis(16 * 125));
}

#[tokio::test]
async fn a_page_that_is_shorter_than_the_others_is_read_to_its_end() {
    let list = blue_dags(
        troubled(300, |number| {
            (number == 1).then(|| rest_api(&json!({"dags": [dag(100), dag(101)], "total_entries": 300})))
        }),
        TIME,
    )
    .await;
    assert_eq!((list.dags.len(), list.gap), (300, None));
}

#[tokio::test]
async fn a_passing_throttle_is_waited_out() {
    let throttle = |number| (number == 1 || number == 3).then(|| error(429, "ThrottlingException"));
    let list = blue_dags(troubled(500, throttle), TIME).await;
    assert_eq!((list.dags.len(), list.gap), (500, None));
}

#[tokio::test]
async fn throttled_half_way_the_list_is_partial() {
    let list = blue_dags(
        troubled(500, |number| (number >= 2).then(|| error(429, "ThrottlingException"))),
        TIME,
    )
    .await;
    assert_eq!((list.dags.len(), list.total), (200, Some(500)));
    assert_eq!(list.gap.unwrap().kind, CauseKind::Throttled);
}

#[tokio::test]
async fn out_of_time_the_list_is_partial() {
    let slow = |number| (number >= 2).then(|| rest_api(&json!({})).set_delay(Duration::from_secs(8)));
    let began = Instant::now();
    let list = blue_dags(troubled(500, slow), Duration::from_secs(3)).await;
    assert_eq!((list.dags.len(), list.gap.unwrap().kind), (200, CauseKind::TimedOut));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_list_that_changes_while_it_is_read_is_partial() {
    // One DAG was deleted before the second page, and every later one moved up: one existing DAG was on no page.
    // Airflow counts at every page, so that the pages together have as many as the last one counts.
    for counted in [150, 149] {
        let list = blue_dags(
            troubled(150, move |number| {
                let dags: Vec<Value> = (101..150).map(dag).collect();
                (number == 1).then(|| rest_api(&json!({"dags": dags, "total_entries": counted})))
            }),
            TIME,
        )
        .await;
        assert!(!list.is_complete(), "{counted}");
        assert_eq!((list.dags.len(), list.total), (149, Some(150)), "{counted}");
    }
}

#[tokio::test]
async fn an_answer_of_another_shape_is_no_list() {
    let bodies = [
        json!("<html>Please wait</html>"),
        json!({}),
        json!({"dags": {}, "total_entries": 3}),
        json!({"dags": [], "total_entries": "three"}),
        json!({"dags": [{"is_paused": true}], "total_entries": 1}),
        json!({"dags": [null], "total_entries": 1}),
        json!({"dags": [], "total_entries": -1}),
        json!({"detail": "nothing here"}),
    ];
    join_all(bodies.into_iter().map(|body| {
        Box::pin(async move {
            let answer = body.clone();
            let list = blue_dags(troubled(3, move |_| Some(rest_api(&answer))), TIME).await;
            assert_eq!(list.dags.len(), 0, "{body}");
            assert_eq!(list.gap.unwrap().kind, CauseKind::Unparsable, "{body}");
        })
    }))
    .await;
    let endless = |_| Some(rest_api(&json!({"dags": [dag(1)], "total_entries": u64::MAX})));
    let list = blue_dags(troubled(3, endless), Duration::from_secs(2)).await;
    assert!(list.gap.is_some() && list.dags.len() == 1);
}

#[tokio::test]
async fn airflow_saying_no_is_told_as_such() {
    let table = [
        (403, CauseKind::AccessDenied),
        (404, CauseKind::NotFound),
        (400, CauseKind::Rejected),
    ];
    for (status, kind) in table {
        let answer = move |_| {
            let body = json!({"RestApiStatusCode": status, "RestApiResponse": {"detail": "no"}});
            let refusal = ResponseTemplate::new(400).insert_header("x-amzn-ErrorType", "RestApiClientException");
            Some(refusal.set_body_json(body))
        };
        let list = blue_dags(troubled(3, answer), TIME).await;
        assert_eq!(list.gap.unwrap().kind, kind, "{status}");
    }
    let list = blue_dags(troubled(3, |_| Some(error(403, "AccessDeniedException"))), TIME).await;
    assert_eq!(list.gap.unwrap().kind, CauseKind::AccessDenied);
}

#[tokio::test]
async fn the_rest_is_read_field_by_field() {
    let server = MockServer::start().await;
    blue(&server, airflow(2, 100)).await;
    Mock::given(method("GET"))
        .and(path_regex("^/environments/orders-blue$"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"Environment": {
            "Name": "orders-blue", "Status": "AVAILABLE", "AirflowVersion": "3.0.6", "EnvironmentClass": "mw1.small",
            "MaxWorkers": 10, "RequirementsS3Path": "requirements.txt", "RequirementsS3ObjectVersion": "one",
            "PluginsS3Path": "", "WeeklyMaintenanceWindowStart": "SUN:03:00",
            "AirflowConfigurationOptions": {"custom.environment_color": "blue"}, "AField": "of a later API"}})))
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path_regex("^/environments/orders-green$"))
        .respond_with(error(404, "ResourceNotFoundException"))
        .mount(&server)
        .await;
    let version = |number: u64, labels: &[&str]| json!({"Name": "f", "Value": "blue", "Version": number, "LastModifiedDate": 1.7e9, "Labels": labels});
    let history = json!({"Parameters": [version(4, &["keep"]), version(5, &[])]});
    ssm(&server, "GetParameterHistory", history).await;
    let flag = json!({"Name": "/mwaa/blue-green/active-environment", "AllowedPattern": "^(blue|green)$"});
    ssm(&server, "DescribeParameters", json!({"Parameters": [flag]})).await;
    let snapshot = snapshot(&server, Duration::from_secs(5)).await;
    let ProbeResult::Known(details) = &snapshot.environments.blue else {
        panic!("{:?}", snapshot.environments.blue)
    };
    assert_eq!(details.requirements.as_ref().unwrap().version.as_deref(), Some("one"));
    assert_eq!((&details.plugins, details.max_workers), (&None, Some(10)));
    assert_eq!(details.configuration_options.0["custom.environment_color"], "blue");
    let ProbeResult::Unknown(cause) = &snapshot.environments.green else {
        panic!("there is no green")
    };
    assert_eq!(cause.kind, CauseKind::NotFound);
    let ProbeResult::Known(kept) = &snapshot.history else {
        panic!("{:?}", snapshot.history)
    };
    assert_eq!((kept.count, kept.oldest.unwrap().0, kept.labeled.len()), (2, 4, 1));
    assert_eq!(
        snapshot.allowed_pattern,
        ProbeResult::Known(Some("^(blue|green)$".to_owned()))
    );
    let ProbeResult::Known(errors) = &snapshot.import_errors.blue else {
        panic!("{:?}", snapshot.import_errors.blue)
    };
    assert!(errors.files.contains("x.py") && !errors.more);
    // Green is in another region, where the stack has no alarm; blue's could not be read.
    assert_eq!(snapshot.heartbeat_alarms.green, None);
    assert!(matches!(snapshot.heartbeat_alarms.blue, Some(ProbeResult::Unknown(_))));
    assert_eq!(snapshot.named_alarms.green, ProbeResult::Known(Vec::new()));
}

#[tokio::test]
async fn a_run_made_within_the_second_of_the_transition_is_asked_for() {
    let server = MockServer::start().await;
    let environment = json!({"Environment": {"Name": "orders-blue", "Status": "AVAILABLE", "AirflowVersion": "3.0.6"}});
    Mock::given(method("GET"))
        .and(path("/environments/orders-blue"))
        .respond_with(ResponseTemplate::new(200).set_body_json(environment))
        .mount(&server)
        .await;
    // The second half of a second is where rounding goes wrong.
    let switched: jiff::Timestamp = "2026-11-23T10:12:44.538Z".parse().unwrap();
    let now = bluegreen_aws::clock::Clock::system().now();
    let since = now.checked_sub(jiff::SignedDuration::from_hours(1)).unwrap();
    let since =
        since.round(jiff::Unit::Second).unwrap() + switched.duration_since("2026-11-23T10:12:44Z".parse().unwrap());
    #[allow(clippy::cast_precision_loss)]
    let modified = since.as_millisecond() as f64 / 1000.0;
    let version = |number: u64, value: &str, at: f64| json!({"Name": "f", "Value": value, "Version": number, "LastModifiedDate": at});
    let history = json!({"Parameters": [version(1, "green", 1.7e9), version(2, "blue", modified)]});
    ssm(&server, "GetParameterHistory", history).await;
    let run = |id: &str, milliseconds: i64| {
        let start = since + jiff::SignedDuration::from_millis(milliseconds);
        json!({"dag_id": id, "dag_run_id": "r", "run_type": "scheduled", "state": "success",
               "run_after": "2026-11-01T00:00:00Z", "start_date": start.to_string()})
    };
    let answer = json!({"RestApiStatusCode": 200, "RestApiResponse": {
        "dag_runs": [run("before", -1), run("after", 1)], "total_entries": 2}});
    Mock::given(method("POST"))
        .and(path("/restapi/orders-blue"))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .mount(&server)
        .await;
    let snapshot = snapshot(&server, Duration::from_secs(5)).await;
    let found: Vec<&str> = snapshot.old_ticks.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(found, ["after"], "of those answered, what started since the transition");
    let requests = server.received_requests().await.unwrap();
    let asked = requests
        .iter()
        .filter_map(|request| serde_json::from_slice::<Value>(&request.body).ok())
        .find(|body| body["Path"] == "/dags/~/dagRuns")
        .expect("the runs are asked for");
    let bound = |name: &str| -> jiff::Timestamp { asked["QueryParameters"][name].as_str().unwrap().parse().unwrap() };
    assert!(bound("start_date_gte") <= since, "{asked}");
    assert!(bound("run_after_lte") >= since, "{asked}");
}

// ---- the guard in the standby's runs

/// Green stands by with two DAGs that may be guarded and one that is not; blue has the two. Each answers lists of task
/// instances with what is scripted for it, if the question is in Airflow's form.
struct Runs {
    /// Whether the question is for guards; the task instances as DAG, run, task; and their number.
    tasks: fn(bool) -> (Vec<(&'static str, &'static str, &'static str)>, u64),
    status: u64,
}

impl Respond for Runs {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let call: Value = serde_json::from_slice(&request.body).unwrap();
        let dag = |id: &str, tag: &str| json!({"dag_id": id, "is_paused": false, "has_import_errors": false, "tags": [{"name": tag}]});
        match call["Path"].as_str().unwrap() {
            "/importErrors" => rest_api(&json!({"import_errors": [], "total_entries": 0})),
            "/dags" => {
                let dags = [dag("a", "x"), dag("b", "x"), dag("own", "bluegreen:unguarded")];
                rest_api(&json!({"dags": dags, "total_entries": 3}))
            }
            "/dags/~/dagRuns" => {
                let query = &call["QueryParameters"];
                assert_eq!(
                    (&query["state"], &query["order_by"]),
                    (&json!("success"), &json!("-start_date"))
                );
                let run = |dag: &str, id: &str, minutes: i64, state: &str| {
                    let began = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes);
                    json!({"dag_id": dag, "dag_run_id": id, "state": state, "start_date": began.to_string(), "run_type": "scheduled"})
                };
                // The last three must not count: not to be guarded, from before a day, and unfinished.
                let runs = [
                    run("a", "new", 20, "success"),
                    run("a", "old", 80, "success"),
                    run("b", "new", 20, "success"),
                    run("own", "new", 5, "success"),
                    run("b", "older", 1441, "success"),
                    run("a", "now", 1, "running"),
                ];
                rest_api(&json!({"dag_runs": runs, "total_entries": 6}))
            }
            "/dags/~/dagRuns/~/taskInstances/list" => {
                let body = &call["Body"];
                for (name, _) in body.as_object().unwrap() {
                    let known = [
                        "dag_ids",
                        "dag_run_ids",
                        "task_ids",
                        "state",
                        "start_date_gte",
                        "page_limit",
                        "page_offset",
                    ];
                    assert!(known.contains(&name.as_str()), "Airflow 2.7 to 2.11 refuse {name}");
                }
                assert!(!body["dag_ids"].as_array().unwrap().contains(&json!("own")), "{body}");
                if self.status != 200 {
                    let refused = json!({"RestApiStatusCode": self.status, "RestApiResponse": {"detail": "no"}});
                    return ResponseTemplate::new(400)
                        .insert_header("x-amzn-ErrorType", "RestApiClientException")
                        .set_body_json(refused);
                }
                let (tasks, total) = (self.tasks)(body.get("task_ids").is_some());
                let tasks: Vec<Value> = tasks
                    .into_iter()
                    .map(|(dag, run, task)| json!({"dag_id": dag, "dag_run_id": run, "task_id": task, "state": "success", "map_index": -1}))
                    .collect();
                rest_api(&json!({"task_instances": tasks, "total_entries": total}))
            }
            other => panic!("{other} is not to be asked"),
        }
    }
}

async fn guards(green: Runs, blue: Runs) -> (Option<ProbeResult<GuardTraces>>, [usize; 2]) {
    let server = MockServer::start().await;
    for (name, runs) in [("orders-blue", blue), ("orders-green", green)] {
        Mock::given(method("POST"))
            .and(path(format!("/restapi/{name}")))
            .respond_with(runs)
            .mount(&server)
            .await;
        Mock::given(method("GET"))
            .and(path(format!("/environments/{name}")))
            .respond_with(ResponseTemplate::new(200).set_body_json(
                json!({"Environment": {"Name": name, "Status": "AVAILABLE", "AirflowVersion": "2.10.5"}}),
            ))
            .mount(&server)
            .await;
    }
    let version = json!({"Name": "f", "Value": "blue", "Version": 1, "LastModifiedDate": 1.7e9, "Labels": []});
    ssm(&server, "GetParameterHistory", json!({"Parameters": [version]})).await;
    let guards = snapshot(&server, TIME).await.guards;
    let requests = server.received_requests().await.unwrap();
    let of_runs = |name: &str| {
        let ours = requests.iter().filter(|request| request.url.path().ends_with(name));
        ours.filter(|request| String::from_utf8_lossy(&request.body).contains("dagRuns"))
            .count()
    };
    (guards, [of_runs("orders-green"), of_runs("orders-blue")])
}

fn runs(tasks: fn(bool) -> (Vec<(&'static str, &'static str, &'static str)>, u64)) -> Runs {
    Runs { tasks, status: 200 }
}

#[tokio::test]
async fn guards_of_the_standbys_runs_are_found_by_two_requests_and_their_absence_by_four() {
    const GUARD: &str = "bluegreen_guard";
    let guarded = || runs(|_| (vec![("a", "new", GUARD), ("b", "new", GUARD)], 2));
    let bare = || {
        runs(|is_guards| {
            if is_guards {
                (vec![], 0)
            } else {
                (vec![("a", "new", "load"), ("a", "old", "load")], 2)
            }
        })
    };
    let idle = || runs(|_| (vec![], 0));
    // A server that ignores the filters of the question.
    let careless = || {
        runs(|_| {
            let load = [("a", "new", "load"), ("b", "new", "load")];
            let guards = [("b", "new", GUARD), ("b", "older", GUARD)];
            ([load, guards].concat(), 4)
        })
    };
    let half = || {
        runs(|is_guards| {
            if is_guards {
                (vec![("b", "new", GUARD)], 500)
            } else {
                (vec![("a", "new", "load")], 1)
            }
        })
    };
    // The answers of green and blue; the DAGs that are bare, whether a run with a guard was seen, the DAGs that blue
    // guards, and requests for runs.
    let table: Vec<(&str, Runs, Runs, &[&str], bool, &[&str], [usize; 2])> = vec![
        ("guarded", guarded(), guarded(), &[], true, &[], [2, 0]),
        ("bare", bare(), guarded(), &["a"], false, &["a", "b"], [3, 1]),
        ("bare on both", bare(), bare(), &["a"], false, &[], [3, 1]),
        ("nothing was executed", idle(), guarded(), &[], false, &[], [3, 0]),
        ("careless", careless(), guarded(), &["a"], true, &["a", "b"], [3, 1]),
        ("half of the guards", half(), guarded(), &[], true, &[], [2, 0]),
    ];
    for (what, green, blue, named, is_guarded, on_blue, asked) in table {
        let (guards, requests) = Box::pin(guards(green, blue)).await;
        let Some(ProbeResult::Known(traces)) = guards else {
            panic!("{what}: {guards:?}")
        };
        assert_eq!(traces.bare.keys().collect::<Vec<_>>(), named, "{what}");
        assert_eq!(traces.guarded.is_some(), is_guarded, "{what}");
        let ProbeResult::Known(active) = &traces.guarded_on_active else {
            panic!("{what}: {traces:?}")
        };
        assert_eq!(active.iter().collect::<Vec<_>>(), on_blue, "{what}");
        assert_eq!(requests, asked, "{what}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_of_the_guards_is_unknown() {
    let refused = |tasks| Runs {
        status: 403,
        ..runs(tasks)
    };
    let (found, _) = guards(refused(|_| (vec![], 0)), runs(|_| (vec![], 0))).await;
    let Some(ProbeResult::Unknown(cause)) = &found else {
        panic!("{found:?}")
    };
    assert_eq!(cause.kind, CauseKind::AccessDenied);
    let bare = runs(|is_guards| {
        if is_guards {
            (vec![], 0)
        } else {
            (vec![("a", "new", "load")], 1)
        }
    });
    let (found, _) = guards(bare, refused(|_| (vec![], 0))).await;
    let Some(ProbeResult::Known(traces)) = &found else {
        panic!("{found:?}")
    };
    assert!(matches!(&traces.guarded_on_active, ProbeResult::Unknown(cause) if cause.kind == CauseKind::AccessDenied));
    // The DAGs are not known, and neither are their tags.
    let server = MockServer::start().await;
    let version = json!({"Name": "f", "Value": "blue", "Version": 1, "LastModifiedDate": 1.7e9, "Labels": []});
    ssm(&server, "GetParameterHistory", json!({"Parameters": [version]})).await;
    assert_eq!(snapshot(&server, Duration::from_secs(2)).await.guards, None);
}
