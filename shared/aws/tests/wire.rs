//! The AWS shell against real HTTP: throttles, 5xx, time-outs, access denied, malformed bodies, every status.
//! Whatever goes wrong is unknown, never bad.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod local;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use bluegreen_aws::clients::Clients;
use bluegreen_aws::event_bus::EventBus;
use bluegreen_aws::health_probe::{Depth, HealthProbe};
use bluegreen_aws::parameter_store::ParameterStore;
use bluegreen_core::audit::{AuditEvent, Audited};
use bluegreen_core::colour::Colour;
use bluegreen_core::flag::{FlagValue, FlagVersion};
use bluegreen_core::health::{AlarmState, Answer, CauseKind, EnvironmentAnswer, Evidence};
use bluegreen_core::memory::Field;
use bluegreen_core::settings::Settings;
use bluegreen_core::switch::Reply;
use ciborium::Value as Cbor;
use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::{any, header, header_regex, method, path, path_regex};
use wiremock::{Match, Mock, MockServer, Request, ResponseTemplate};

const TIMEOUT: Duration = Duration::from_secs(30);

fn settings() -> Settings {
    local::settings(&[("BLUE_ALARM_NAMES", "orders-late,orders-wrong")])
}

async fn aws(server: &MockServer) -> SdkConfig {
    local::aws(server)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(2)
                .with_initial_backoff(Duration::from_millis(1)),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(Duration::from_millis(300))
                .build(),
        )
        .load()
        .await
}

async fn clients(server: &MockServer) -> Clients {
    Clients::over(&aws(server).await, &settings())
}

async fn store(server: &MockServer) -> ParameterStore {
    ParameterStore::new(clients(server).await.ssm, settings().names)
}

async fn evidence(server: &MockServer, colour: Colour) -> Evidence {
    let probe = HealthProbe::new(&clients(server).await, &settings());
    probe
        .within(colour, Depth::Thorough, Duration::from_secs(3), now())
        .await
}

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

// ---- what the services answer

fn get_environment(status: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"Environment": {"Name": "orders-green", "Status": status}}))
}

fn rest_api(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"RestApiStatusCode": 200, "RestApiResponse": body}))
}

fn airflow(scheduler: &Value, heartbeat: &Value) -> Value {
    json!({
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": scheduler, "latest_scheduler_heartbeat": heartbeat},
        "triggerer": {"status": null, "latest_triggerer_heartbeat": null},
    })
}

fn error(status: u16, code: &str) -> ResponseTemplate {
    ResponseTemplate::new(status)
        .insert_header("x-amzn-ErrorType", code)
        .set_body_json(json!({"__type": code, "message": "as the test wants it", "Message": "as the test wants it"}))
}

fn cbor(status: u16, body: &Cbor) -> ResponseTemplate {
    let mut bytes = Vec::new();
    ciborium::into_writer(body, &mut bytes).unwrap();
    ResponseTemplate::new(status)
        .insert_header("smithy-protocol", "rpc-v2-cbor")
        .set_body_raw(bytes, "application/cbor")
}

fn object(fields: Vec<(&str, Cbor)>) -> Cbor {
    Cbor::Map(
        fields
            .into_iter()
            .map(|(name, value)| (Cbor::Text(name.into()), value))
            .collect(),
    )
}

fn metric_data(points: &[(i64, f64)]) -> ResponseTemplate {
    metric_data_of_status(points, None)
}

fn metric_data_of_status(points: &[(i64, f64)], status: Option<&str>) -> ResponseTemplate {
    let times = points
        .iter()
        .map(|(at, _)| Cbor::Tag(1, Box::new(Cbor::Integer((*at).into()))))
        .collect();
    let values = points.iter().map(|(_, value)| Cbor::Float(*value)).collect();
    let mut fields = vec![
        ("Id", Cbor::Text("heartbeat".into())),
        ("Timestamps", Cbor::Array(times)),
        ("Values", Cbor::Array(values)),
    ];
    fields.extend(status.map(|status| ("StatusCode", Cbor::Text(status.into()))));
    let result = object(fields);
    cbor(200, &object(vec![("MetricDataResults", Cbor::Array(vec![result]))]))
}

/// Everything that can go wrong with an answer in JSON, and the class it must have.
fn troubles() -> Vec<(&'static str, ResponseTemplate, CauseKind)> {
    vec![
        ("throttled", error(400, "ThrottlingException"), CauseKind::Throttled),
        ("throttled by status", error(429, "SomethingElse"), CauseKind::Throttled),
        (
            "server error",
            error(500, "InternalServerException"),
            CauseKind::Unavailable,
        ),
        (
            "gateway error",
            ResponseTemplate::new(503).set_body_string("<html>busy</html>"),
            CauseKind::Unavailable,
        ),
        (
            "access denied",
            error(403, "AccessDeniedException"),
            CauseKind::AccessDenied,
        ),
        (
            "expired token",
            error(400, "ExpiredTokenException"),
            CauseKind::AccessDenied,
        ),
        ("refused", error(400, "ValidationException"), CauseKind::Rejected),
        (
            "malformed",
            ResponseTemplate::new(200).set_body_string("{\"Environment\": {\"Status"),
            CauseKind::Unparsable,
        ),
        (
            "not JSON",
            ResponseTemplate::new(200).set_body_string("<html>"),
            CauseKind::Unparsable,
        ),
        (
            "empty",
            ResponseTemplate::new(200).set_body_json(json!({})),
            CauseKind::Unparsable,
        ),
        (
            "silent",
            get_environment("AVAILABLE").set_delay(TIMEOUT),
            CauseKind::TimedOut,
        ),
    ]
}

async fn on_environment(server: &MockServer, answer: ResponseTemplate) {
    Mock::given(method("GET"))
        .and(path_regex("^/environments/"))
        .respond_with(answer)
        .mount(server)
        .await;
}

async fn on_rest_api(server: &MockServer, answer: ResponseTemplate) {
    Mock::given(method("POST"))
        .and(path_regex("^/restapi/"))
        .respond_with(answer)
        .mount(server)
        .await;
}

async fn on_cloudwatch(server: &MockServer, operation: &str, answer: ResponseTemplate) {
    let operation = format!("/operation/{operation}$");
    Mock::given(path_regex(operation.as_str()))
        .respond_with(answer)
        .mount(server)
        .await;
}

async fn on_ssm(server: &MockServer, operation: &str, answer: ResponseTemplate) {
    let target = format!("AmazonSSM.{operation}");
    Mock::given(header("x-amz-target", target.as_str()))
        .respond_with(answer)
        .mount(server)
        .await;
}

// ---- MWAA

#[tokio::test]
async fn every_status_is_read_as_it_is_written_also_one_that_does_not_exist() {
    for status in [
        "CREATING",
        "CREATE_FAILED",
        "AVAILABLE",
        "UPDATING",
        "DELETING",
        "DELETED",
        "UNAVAILABLE",
        "UPDATE_FAILED",
        "ROLLING_BACK",
        "CREATING_SNAPSHOT",
        "PENDING",
        "MAINTENANCE",
        "HIBERNATING",
    ] {
        let server = MockServer::start().await;
        on_environment(&server, get_environment(status)).await;
        let evidence = evidence(&server, Colour::Green).await;
        let EnvironmentAnswer::Found(environment) = evidence.environment else {
            panic!("{status}: {evidence:?}")
        };
        assert_eq!(environment.status, status);
    }
}

#[tokio::test]
async fn trouble_with_get_environment_is_unknown() {
    for (name, answer, kind) in troubles() {
        let server = MockServer::start().await;
        on_environment(&server, answer).await;
        match evidence(&server, Colour::Green).await.environment {
            EnvironmentAnswer::Unknown(cause) => assert_eq!(cause.kind, kind, "{name}: {cause}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_environment_that_does_not_exist_is_not_found() {
    let server = MockServer::start().await;
    on_environment(&server, error(404, "ResourceNotFoundException")).await;
    assert_eq!(
        evidence(&server, Colour::Green).await.environment,
        EnvironmentAnswer::NotFound
    );
}

#[tokio::test]
async fn nobody_listening_is_unknown() {
    // Not one of the pool, which would go on listening, for another test.
    let server = MockServer::builder().start().await;
    let clients = clients(&server).await;
    drop(server);
    let probe = HealthProbe::new(&clients, &settings());
    let evidence = probe
        .within(Colour::Green, Depth::Thorough, Duration::from_secs(5), now())
        .await;
    assert!(
        matches!(evidence.environment, EnvironmentAnswer::Unknown(_)),
        "{evidence:?}"
    );
    assert!(matches!(evidence.airflow, Answer::Unknown(_)), "{evidence:?}");
    assert!(matches!(evidence.heartbeat, Answer::Unknown(_)), "{evidence:?}");
}

// ---- Airflow's health

#[tokio::test]
async fn airflows_answer_is_read() {
    for (body, scheduler) in [
        (
            airflow(&json!("healthy"), &json!("2026-11-23T11:59:57.120000+00:00")),
            Some("healthy"),
        ),
        (
            airflow(&json!("unhealthy"), &json!("2026-11-23T11:59:57.12")),
            Some("unhealthy"),
        ),
        (airflow(&Value::Null, &Value::Null), None),
    ] {
        let server = MockServer::start().await;
        on_rest_api(&server, rest_api(&body)).await;
        let Answer::Known(health) = evidence(&server, Colour::Green).await.airflow else {
            panic!("{body}")
        };
        assert_eq!(health.scheduler.as_deref(), scheduler);
        assert_eq!(
            health.latest_scheduler_heartbeat.is_some(),
            scheduler.is_some(),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_answer_of_another_shape_is_unknown() {
    for body in [
        json!({}),
        json!([]),
        json!("healthy"),
        Value::Null,
        json!({"scheduler": "healthy", "metadatabase": "healthy"}),
        json!({"scheduler": {"status": 1}, "metadatabase": {"status": "healthy"}}),
        json!({"scheduler": {"status": "healthy"}}),
    ] {
        let server = MockServer::start().await;
        on_rest_api(&server, rest_api(&body)).await;
        match evidence(&server, Colour::Green).await.airflow {
            Answer::Unknown(cause) => assert_eq!(cause.kind, CauseKind::Unparsable, "{body}"),
            Answer::Known(health) => panic!("{body}: {health:?}"),
        }
    }
}

#[tokio::test]
async fn trouble_with_invoke_rest_api_is_unknown() {
    let airflows = |status: u16, exception: &str| {
        let body = json!({"RestApiStatusCode": status, "RestApiResponse": {"detail": "x"}, "message": "from Airflow"});
        let http = if status >= 500 { 500 } else { 400 };
        ResponseTemplate::new(http)
            .insert_header("x-amzn-ErrorType", exception)
            .set_body_json(body)
    };
    let mut all = troubles();
    all.extend([
        (
            "Airflow forbids",
            airflows(403, "RestApiClientException"),
            CauseKind::AccessDenied,
        ),
        (
            "Airflow throttles",
            airflows(429, "RestApiClientException"),
            CauseKind::Throttled,
        ),
        (
            "Airflow refuses",
            airflows(409, "RestApiClientException"),
            CauseKind::Rejected,
        ),
        (
            "Airflow fails",
            airflows(502, "RestApiServerException"),
            CauseKind::Unavailable,
        ),
        (
            "Airflow knows neither path",
            airflows(404, "RestApiClientException"),
            CauseKind::NotFound,
        ),
    ]);
    for (name, answer, kind) in all {
        let server = MockServer::start().await;
        on_rest_api(&server, answer).await;
        match evidence(&server, Colour::Green).await.airflow {
            Answer::Unknown(cause) => assert_eq!(cause.kind, kind, "{name}: {cause}"),
            Answer::Known(health) => panic!("{name}: {health:?}"),
        }
    }
}

struct AsksPath(&'static str);

impl Match for AsksPath {
    fn matches(&self, request: &Request) -> bool {
        request.url.path().starts_with("/restapi/")
            && serde_json::from_slice::<Value>(&request.body).is_ok_and(|body| body["Path"] == self.0)
    }
}

#[tokio::test]
async fn airflow_2_is_asked_at_its_own_path_and_remembered() {
    let server = MockServer::start().await;
    let missing = ResponseTemplate::new(400)
        .insert_header("x-amzn-ErrorType", "RestApiClientException")
        .set_body_json(json!({"RestApiStatusCode": 404, "RestApiResponse": {}}));
    Mock::given(AsksPath("/monitor/health"))
        .respond_with(missing)
        .expect(1)
        .mount(&server)
        .await;
    let healthy = rest_api(&airflow(&json!("healthy"), &json!("2026-11-23T11:59:57+00:00")));
    Mock::given(AsksPath("/health"))
        .respond_with(healthy)
        .expect(3)
        .mount(&server)
        .await;
    let probe = HealthProbe::new(&clients(&server).await, &settings());
    for _ in 0..3 {
        let evidence = probe
            .within(Colour::Green, Depth::Thorough, Duration::from_secs(3), now())
            .await;
        assert!(matches!(evidence.airflow, Answer::Known(_)), "{evidence:?}");
    }
}

// ---- CloudWatch

#[tokio::test]
async fn the_heartbeat_costs_money_and_is_asked_only_when_airflow_is_not_well() {
    let server = MockServer::start().await;
    on_rest_api(
        &server,
        rest_api(&airflow(&json!("healthy"), &json!("2026-11-23T11:59:57+00:00"))),
    )
    .await;
    Mock::given(path_regex("/operation/GetMetricData$"))
        .respond_with(metric_data(&[]))
        .expect(0)
        .mount(&server)
        .await;
    let evidence = evidence(&server, Colour::Green).await;
    assert!(matches!(evidence.heartbeat, Answer::Unknown(cause) if cause.kind == CauseKind::NotAsked));
}

#[tokio::test]
async fn a_routine_look_asks_nothing_that_is_billed() {
    let server = MockServer::start().await;
    on_environment(&server, get_environment("AVAILABLE")).await;
    on_rest_api(&server, rest_api(&airflow(&json!("unhealthy"), &Value::Null))).await;
    let billed = path_regex("/operation/(GetMetricData|DescribeAlarms)$");
    Mock::given(billed)
        .respond_with(metric_data(&[]))
        .expect(0)
        .mount(&server)
        .await;
    let probe = HealthProbe::new(&clients(&server).await, &settings());
    let evidence = probe
        .within(Colour::Blue, Depth::Routine, Duration::from_secs(3), now())
        .await;
    assert!(matches!(evidence.alarms, Answer::Unknown(cause) if cause.kind == CauseKind::NotAsked));
}

#[tokio::test]
async fn the_newest_datapoint_of_one_or_more_is_the_last_sign_of_life() {
    let minute = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
    let (newest, older) = (minute("2026-11-23T11:58:00Z"), minute("2026-11-23T11:51:00Z"));
    for (points, seen) in [
        (vec![(newest, 0.0), (older, 12.0)], Some(older)),
        (vec![(newest, 1.0), (older, 12.0)], Some(newest)),
        (vec![(newest, 0.0)], None),
        (vec![], None),
    ] {
        let server = MockServer::start().await;
        on_cloudwatch(&server, "GetMetricData", metric_data(&points)).await;
        let Answer::Known(heartbeat) = evidence(&server, Colour::Green).await.heartbeat else {
            panic!("{points:?}")
        };
        assert_eq!(heartbeat.last_seen.map(Timestamp::as_second), seen, "{points:?}");
    }
}

#[tokio::test]
async fn half_an_answer_of_the_heartbeat_may_prove_life_and_never_death() {
    let minute = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
    let (fresh, old) = (minute("2026-11-23T11:58:00Z"), minute("2026-11-23T11:40:00Z"));
    for status in ["PartialData", "InternalError", "Forbidden", "SomethingNew"] {
        for (points, seen) in [
            (vec![], None),
            (vec![(fresh, 0.0)], None),
            (vec![(old, 12.0)], None),
            (vec![(fresh, 12.0), (old, 12.0)], Some(fresh)),
        ] {
            let server = MockServer::start().await;
            let answer = metric_data_of_status(&points, Some(status));
            on_cloudwatch(&server, "GetMetricData", answer).await;
            match (evidence(&server, Colour::Green).await.heartbeat, seen) {
                (Answer::Known(heartbeat), Some(seen)) => {
                    assert_eq!(
                        heartbeat.last_seen.map(Timestamp::as_second),
                        Some(seen),
                        "{status} {points:?}"
                    );
                }
                (Answer::Unknown(cause), None) => {
                    assert_eq!(cause.kind, CauseKind::Unavailable, "{status} {points:?}");
                }
                (other, _) => panic!("{status} {points:?}: {other:?}"),
            }
        }
    }
    // The whole of it, in two parts: what the second says is final.
    let server = MockServer::start().await;
    let page = |points: &[(i64, f64)], status: &str, more: bool| {
        let times = points
            .iter()
            .map(|(at, _)| Cbor::Tag(1, Box::new(Cbor::Integer((*at).into()))));
        let values = points.iter().map(|(_, value)| Cbor::Float(*value));
        let result = object(vec![
            ("Id", Cbor::Text("heartbeat".into())),
            ("StatusCode", Cbor::Text(status.into())),
            ("Timestamps", Cbor::Array(times.collect())),
            ("Values", Cbor::Array(values.collect())),
        ]);
        let mut fields = vec![("MetricDataResults", Cbor::Array(vec![result]))];
        fields.extend(more.then(|| ("NextToken", Cbor::Text("more".into()))));
        cbor(200, &object(fields))
    };
    Mock::given(path_regex("/operation/GetMetricData$"))
        .respond_with(page(&[(old, 12.0)], "PartialData", true))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(path_regex("/operation/GetMetricData$"))
        .respond_with(page(&[(old - 60, 12.0)], "Complete", false))
        .mount(&server)
        .await;
    let Answer::Known(heartbeat) = evidence(&server, Colour::Green).await.heartbeat else {
        panic!("both parts together are whole")
    };
    assert_eq!(heartbeat.last_seen.map(Timestamp::as_second), Some(old));
    // Nothing about the metric is no silence either.
    let server = MockServer::start().await;
    on_cloudwatch(&server, "GetMetricData", cbor(200, &object(vec![]))).await;
    assert!(matches!(
        evidence(&server, Colour::Green).await.heartbeat,
        Answer::Unknown(_)
    ));
}

#[tokio::test]
async fn silence_of_hours_asks_for_the_days_before() {
    let server = MockServer::start().await;
    Mock::given(path_regex("/operation/GetMetricData$"))
        .respond_with(metric_data(&[]))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let days_ago = "2026-11-19T11:40:00Z".parse::<Timestamp>().unwrap().as_second();
    Mock::given(path_regex("/operation/GetMetricData$"))
        .respond_with(metric_data(&[(days_ago, 3.0)]))
        .expect(1)
        .mount(&server)
        .await;
    let Answer::Known(heartbeat) = evidence(&server, Colour::Green).await.heartbeat else {
        panic!("no answer")
    };
    assert_eq!(heartbeat.last_seen.map(Timestamp::as_second), Some(days_ago));
}

#[tokio::test]
async fn an_alarms_date_is_that_of_its_transition_not_of_its_last_update() {
    for kind in ["MetricAlarms", "CompositeAlarms"] {
        let server = MockServer::start().await;
        let instant = |second: i64| Cbor::Tag(1, Box::new(Cbor::Integer(second.into())));
        let alarm = object(vec![
            ("AlarmName", Cbor::Text("orders-late".into())),
            ("StateValue", Cbor::Text("ALARM".into())),
            ("StateUpdatedTimestamp", instant(1_795_430_500)),
            ("StateTransitionedTimestamp", instant(1_795_430_000)),
        ]);
        let answer = cbor(200, &object(vec![(kind, Cbor::Array(vec![alarm]))]));
        on_cloudwatch(&server, "DescribeAlarms", answer).await;
        let Answer::Known(alarms) = evidence(&server, Colour::Blue).await.alarms else {
            panic!("no answer")
        };
        assert_eq!(alarms[0].since.map(Timestamp::as_second), Some(1_795_430_000), "{kind}");
    }
}

#[tokio::test]
async fn alarms_are_read_to_the_last_page_and_one_that_rings_is_kept() {
    let alarm = |name: &str, state: &str| {
        object(vec![
            ("AlarmName", Cbor::Text(name.into())),
            ("StateValue", Cbor::Text(state.into())),
        ])
    };
    let page = |alarms: Vec<Cbor>, more: bool| {
        let mut fields = vec![("MetricAlarms", Cbor::Array(alarms))];
        fields.extend(more.then(|| ("NextToken", Cbor::Text("more".into()))));
        cbor(200, &object(fields))
    };
    let failed = || cbor(400, &object(vec![("__type", Cbor::Text("Throttling".into()))]));
    for (first, second, states) in [
        (
            alarm("orders-late", "OK"),
            page(vec![alarm("orders-wrong", "ALARM")], false),
            Some((Some(AlarmState::Ok), Some(AlarmState::Alarm))),
        ),
        (
            alarm("orders-late", "ALARM"),
            failed(),
            Some((Some(AlarmState::Alarm), Some(AlarmState::InsufficientData))),
        ),
        (alarm("orders-late", "OK"), failed(), None),
    ] {
        let server = MockServer::start().await;
        Mock::given(path_regex("/operation/DescribeAlarms$"))
            .respond_with(page(vec![first], true))
            .up_to_n_times(1)
            .mount(&server)
            .await;
        on_cloudwatch(&server, "DescribeAlarms", second).await;
        match evidence(&server, Colour::Blue).await.alarms {
            Answer::Known(alarms) => assert_eq!(Some((alarms[0].state, alarms[1].state)), states),
            Answer::Unknown(cause) => assert!(states.is_none(), "{cause}"),
        }
    }
}

/// Each answer counts as it comes: what hangs takes nothing with it.
#[tokio::test]
async fn what_does_not_answer_hides_nothing_that_is_known() {
    let late = || Duration::from_millis(2500);
    let healthy = rest_api(&airflow(&json!("healthy"), &json!("2026-11-23T11:59:57+00:00")));
    let ringing = cbor(
        200,
        &object(vec![(
            "MetricAlarms",
            Cbor::Array(vec![object(vec![
                ("AlarmName", Cbor::Text("orders-late".into())),
                ("StateValue", Cbor::Text("ALARM".into())),
            ])]),
        )]),
    );
    let beat = metric_data(&[("2026-11-23T11:58:00Z".parse::<Timestamp>().unwrap().as_second(), 12.0)]);
    for hangs in ["environment", "airflow", "heartbeat", "alarms"] {
        let server = MockServer::start().await;
        let answer = |of: &str, answer: ResponseTemplate| {
            if of == hangs { answer.set_delay(late()) } else { answer }
        };
        on_environment(&server, answer("environment", get_environment("UNAVAILABLE"))).await;
        if hangs == "airflow" {
            on_rest_api(&server, answer("airflow", healthy.clone())).await;
        } else {
            on_rest_api(&server, error(500, "InternalServerException")).await;
        }
        on_cloudwatch(&server, "GetMetricData", answer("heartbeat", beat.clone())).await;
        on_cloudwatch(&server, "DescribeAlarms", answer("alarms", ringing.clone())).await;
        let patient = local::aws(&server).load().await;
        let probe = HealthProbe::new(&Clients::over(&patient, &settings()), &settings());
        let evidence = probe
            .within(Colour::Blue, Depth::Thorough, Duration::from_secs(1), now())
            .await;
        let known = [
            (
                "environment",
                matches!(evidence.environment, EnvironmentAnswer::Found(_)),
            ),
            ("heartbeat", matches!(evidence.heartbeat, Answer::Known(_))),
            ("alarms", matches!(evidence.alarms, Answer::Known(_))),
        ];
        for (name, known) in known {
            assert_eq!(known, name != hangs, "{hangs} hangs: {name} in {evidence:?}");
        }
        assert!(
            matches!(evidence.airflow, Answer::Unknown(_)),
            "{hangs} hangs: {evidence:?}"
        );
    }
}

/// Airflow is only slow, and its metric only late: the two do not disagree.
#[tokio::test]
async fn a_metric_that_was_asked_for_out_of_impatience_is_not_held_against_a_healthy_airflow() {
    let server = MockServer::start().await;
    let healthy = rest_api(&airflow(&json!("healthy"), &json!("2026-11-23T11:59:57+00:00")));
    on_rest_api(&server, healthy.set_delay(Duration::from_millis(900))).await;
    let old = "2026-11-23T11:40:00Z".parse::<Timestamp>().unwrap().as_second();
    on_cloudwatch(&server, "GetMetricData", metric_data(&[(old, 12.0)])).await;
    let patient = local::aws(&server).load().await;
    let probe = HealthProbe::new(&Clients::over(&patient, &settings()), &settings());
    let evidence = probe
        .within(Colour::Green, Depth::Thorough, Duration::from_secs(2), now())
        .await;
    assert!(matches!(evidence.airflow, Answer::Known(_)), "{evidence:?}");
    assert!(matches!(evidence.heartbeat, Answer::Unknown(cause) if cause.kind == CauseKind::NotAsked));
}

#[tokio::test]
async fn trouble_with_cloudwatch_is_unknown() {
    let failed = |status, code: &str| cbor(status, &object(vec![("__type", Cbor::Text(code.into()))]));
    for (name, answer, kind) in [
        ("throttled", failed(400, "Throttling"), CauseKind::Throttled),
        (
            "server error",
            failed(500, "InternalServiceFault"),
            CauseKind::Unavailable,
        ),
        ("access denied", failed(403, "AccessDenied"), CauseKind::AccessDenied),
        (
            "malformed",
            ResponseTemplate::new(200)
                .insert_header("smithy-protocol", "rpc-v2-cbor")
                .set_body_raw(vec![0xff, 0x01], "application/cbor"),
            CauseKind::Unparsable,
        ),
        ("silent", metric_data(&[]).set_delay(TIMEOUT), CauseKind::TimedOut),
    ] {
        let server = MockServer::start().await;
        on_cloudwatch(&server, "GetMetricData", answer.clone()).await;
        on_cloudwatch(&server, "DescribeAlarms", answer).await;
        let evidence = evidence(&server, Colour::Blue).await;
        let (Answer::Unknown(heartbeat), Answer::Unknown(alarms)) = (evidence.heartbeat, evidence.alarms) else {
            panic!("{name}: taken for an answer")
        };
        assert_eq!(
            (heartbeat.kind, alarms.kind),
            (kind, kind),
            "{name}: {heartbeat}; {alarms}"
        );
    }
}

#[tokio::test]
async fn a_named_alarm_that_does_not_exist_is_told_apart() {
    let server = MockServer::start().await;
    let alarm = object(vec![
        ("AlarmName", Cbor::Text("orders-late".into())),
        ("StateValue", Cbor::Text("ALARM".into())),
        (
            "StateTransitionedTimestamp",
            Cbor::Tag(1, Box::new(Cbor::Integer(1_795_430_000_i64.into()))),
        ),
    ]);
    let answer = cbor(200, &object(vec![("MetricAlarms", Cbor::Array(vec![alarm]))]));
    on_cloudwatch(&server, "DescribeAlarms", answer).await;
    let Answer::Known(alarms) = evidence(&server, Colour::Blue).await.alarms else {
        panic!("no answer")
    };
    let states: BTreeMap<_, _> = alarms
        .iter()
        .map(|alarm| (alarm.name.as_str(), alarm.state.is_some()))
        .collect();
    assert_eq!(states, BTreeMap::from([("orders-late", true), ("orders-wrong", false)]));
    assert_eq!(alarms[0].since.map(Timestamp::as_second), Some(1_795_430_000));
}

#[tokio::test]
async fn one_request_asks_for_the_alarms_of_both_colours() {
    let server = MockServer::start().await;
    let alarm = |name: &str, state: &str| {
        object(vec![
            ("AlarmName", Cbor::Text(name.into())),
            ("StateValue", Cbor::Text(state.into())),
        ])
    };
    let found = vec![alarm("late", "ALARM"), alarm("wrong", "OK"), alarm("of-both", "OK")];
    let answer = cbor(200, &object(vec![("MetricAlarms", Cbor::Array(found))]));
    Mock::given(path_regex("/operation/DescribeAlarms$"))
        .respond_with(answer)
        .expect(1)
        .mount(&server)
        .await;
    let settings = local::settings(&[
        ("BLUE_ALARM_NAMES", "late,of-both"),
        ("GREEN_ALARM_NAMES", "of-both,wrong,missing"),
    ]);
    let probe = HealthProbe::new(&Clients::over(&aws(&server).await, &settings), &settings);
    let evidence = probe.both(Depth::Thorough, Duration::from_secs(3), now()).await;
    let of = |colour: Colour| {
        let Answer::Known(alarms) = &evidence.of(colour).alarms else {
            panic!("{colour}: no answer")
        };
        let states = alarms.iter().map(|alarm| (alarm.name.as_str(), alarm.state));
        states.collect::<Vec<_>>()
    };
    assert_eq!(
        of(Colour::Blue),
        [("late", Some(AlarmState::Alarm)), ("of-both", Some(AlarmState::Ok))]
    );
    assert_eq!(
        of(Colour::Green),
        [
            ("of-both", Some(AlarmState::Ok)),
            ("wrong", Some(AlarmState::Ok)),
            ("missing", None)
        ]
    );
}

// ---- Parameter Store

#[tokio::test]
async fn one_call_observes_flag_hold_and_memories() {
    let server = MockServer::start().await;
    let answer = json!({"Parameters": [
        {"Name": "/mwaa/blue-green/active-environment", "Value": "Blue ", "Version": 7, "LastModifiedDate": 1_795_430_000.123},
        {"Name": "/mwaa/blue-green/hold", "Value": "{}", "Version": 2, "LastModifiedDate": 1_795_430_000.0},
        {"Name": "/mwaa/blue-green/audited", "Value": "v6-1795419999000", "Version": 6, "LastModifiedDate": 1_795_420_000.0},
        {"Name": "/mwaa/blue-green/memory", "Value": r#"{"drill_overdue":"2026-11-01T00:00:00Z","readiness":7}"#, "Version": 3},
    ], "InvalidParameters": ["/mwaa/blue-green/drill"]});
    on_ssm(
        &server,
        "GetParameters",
        ResponseTemplate::new(200).set_body_json(answer),
    )
    .await;
    let observed = store(&server).await.observe().await.unwrap();
    let flag = observed.flag.unwrap();
    assert_eq!(
        (flag.value, flag.version),
        (FlagValue::Invalid("Blue ".into()), FlagVersion(7))
    );
    assert_eq!(flag.modified.as_millisecond(), 1_795_430_000_123);
    assert_eq!(
        (
            observed.hold.as_deref(),
            observed.stored_hold.map(|stored| (stored.value, stored.change))
        ),
        (Some("{}"), Some(("{}".to_owned(), "v2-1795430000000".to_owned())))
    );
    assert_eq!(observed.audited.unwrap().version, FlagVersion(6));
    assert_eq!((observed.announced, observed.handover), (None, None));
    assert_eq!(observed.readiness.as_deref(), Some("7"));
    assert_eq!(observed.drill_overdue.unwrap().to_string(), "2026-11-01T00:00:00Z");
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_flag_that_is_encrypted_cannot_be_read_and_is_no_garbage() {
    let server = MockServer::start().await;
    let answer = json!({"Parameters": [{
        "Name": "/mwaa/blue-green/active-environment", "Type": "SecureString", "Value": "AQICAHh", "Version": 1,
        "LastModifiedDate": 1_795_430_000.0,
    }]});
    for operation in ["GetParameters", "GetParameterHistory"] {
        on_ssm(
            &server,
            operation,
            ResponseTemplate::new(200).set_body_json(answer.clone()),
        )
        .await;
    }
    let store = store(&server).await;
    let failures = [
        store.observe().await.map(drop).unwrap_err(),
        store.history().await.map(drop).unwrap_err(),
    ];
    for failure in failures {
        let told = failure.cause.to_string();
        assert!(
            told.contains("/mwaa/blue-green/active-environment is a SecureString") && !told.contains("AQICAHh"),
            "{told}"
        );
        // A pair with a past is refused without force.
        assert!(
            told.contains(r#"delete it, wait 30 s, then name the colour that was active: {"action":"initialize","to":"<colour>","force":true}"#),
            "{told}"
        );
    }
}

/// What `remember` puts, with the memory found at first, and then right before writing.
async fn remembered(found: &Value, before_writing: ResponseTemplate, fields: &[(Field, Option<Value>)]) -> Vec<Value> {
    let server = MockServer::start().await;
    let first = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [found]}));
    let get = header("x-amz-target", "AmazonSSM.GetParameters");
    Mock::given(get)
        .respond_with(first)
        .up_to_n_times(1)
        .mount(&server)
        .await;
    on_ssm(&server, "GetParameters", before_writing).await;
    on_ssm(
        &server,
        "PutParameter",
        ResponseTemplate::new(200).set_body_json(json!({"Version": 9})),
    )
    .await;
    let store = store(&server).await;
    let observed = store.observe().await.unwrap();
    // Beside each other, as the parts of a tick do it.
    let puts = fields
        .iter()
        .map(|(field, value)| store.remember(&observed.memory, *field, value.clone()));
    for put in futures_util::future::join_all(puts).await {
        put.unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    let puts = requests.iter().filter_map(|request| {
        let body: Value = request.body_json().unwrap();
        (body["Name"] == "/mwaa/blue-green/memory")
            .then(|| serde_json::from_str(body["Value"].as_str().unwrap()).unwrap())
    });
    puts.collect()
}

fn stored_memory(version: i64, value: &Value) -> Value {
    json!({"Name": "/mwaa/blue-green/memory", "Value": value.to_string(), "Version": version})
}

#[tokio::test]
async fn a_tick_takes_back_nothing_that_another_has_remembered_meanwhile() {
    let found = stored_memory(
        4,
        &json!({"announced": {"said": true}, "readiness": {"score": 40}, "of_tomorrow": 1}),
    );
    let newer = stored_memory(
        5,
        &json!({"announced": {"said": false}, "readiness": {"score": 40}, "of_tomorrow": 2}),
    );
    let newer = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [newer]}));
    let fields = [
        (Field::Readiness, Some(json!({"score": 100}))),
        (Field::Handover, Some(json!("v2"))),
    ];
    assert_eq!(
        remembered(&found, newer, &fields).await.last().unwrap(),
        &json!({"announced": {"said": false}, "readiness": {"score": 100}, "of_tomorrow": 2, "handover": "v2"})
    );
}

#[tokio::test]
async fn a_reading_that_is_older_than_what_was_seen_or_none_costs_no_field() {
    let found = stored_memory(4, &json!({"announced": {"said": true}, "of_tomorrow": 1}));
    let stale = stored_memory(3, &json!({"announced": {"said": false}}));
    for (name, before_writing) in [
        (
            "stale",
            ResponseTemplate::new(200).set_body_json(json!({"Parameters": [stale]})),
        ),
        (
            "not there yet",
            ResponseTemplate::new(200).set_body_json(json!({"Parameters": []})),
        ),
        ("throttled", error(400, "ThrottlingException")),
        ("denied", error(400, "AccessDeniedException")),
    ] {
        // The second sees the first's only because both are of one tick.
        let fields = [(Field::Handover, Some(json!("v2"))), (Field::Announced, None)];
        let puts = remembered(&found, before_writing, &fields).await;
        assert_eq!(
            puts.last().unwrap(),
            &json!({"handover": "v2", "of_tomorrow": 1}),
            "{name}"
        );
        assert_eq!(puts.len(), 2, "{name}");
    }
}

/// A store of the pair `orders` that has looked at a root with this `owner`.
async fn on_a_root_of(server: &MockServer, owner: Option<&str>) -> ParameterStore {
    let owner = owner.map(|owner| json!({"Name": "/mwaa/blue-green/owner", "Value": owner, "Version": 1}));
    let answer = json!({"Parameters": owner.into_iter().collect::<Vec<_>>()});
    on_ssm(
        server,
        "GetParameters",
        ResponseTemplate::new(200).set_body_json(answer),
    )
    .await;
    for operation in ["PutParameter", "DeleteParameter"] {
        let done = ResponseTemplate::new(200).set_body_json(json!({"Version": 2}));
        on_ssm(server, operation, done).await;
    }
    let store = store(server).await.of_pair("orders");
    store.observe().await.unwrap();
    store
}

/// Every kind of write; what became of each.
async fn every_write(store: &ParameterStore) -> Vec<Result<(), CauseKind>> {
    let of = |reply: Reply| match reply {
        Reply::Failed(failure) => Err(failure.cause.kind),
        _ => Ok(()),
    };
    let kind = |failure: bluegreen_core::switch::Failure| failure.cause.kind;
    let note = Audited {
        version: FlagVersion(2),
        at: now(),
    };
    vec![
        of(store.create_claim("v2-1", "{}").await),
        of(store.write_flag(Colour::Green, "why").await),
        store.create_flag(Colour::Green, "why").await.map(drop).map_err(kind),
        store.put_audited(note).await.map(drop).map_err(kind),
        store.delete_record("v2-1").await.map_err(kind),
    ]
}

#[tokio::test]
async fn on_another_pairs_root_no_write_leaves_the_process() {
    let server = MockServer::start().await;
    let store = on_a_root_of(&server, Some(r#"{"pair":"payroll"}"#)).await;
    assert_eq!(every_write(&store).await, vec![Err(CauseKind::WrongPair); 5]);
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "the look alone");
}

#[tokio::test]
async fn a_root_that_is_ours_or_nobodys_is_written_to_and_its_records_name_the_pair() {
    for owner in [Some(r#"{"pair":"orders"}"#), None, Some("garbage"), Some("{}")] {
        let server = MockServer::start().await;
        let store = on_a_root_of(&server, owner).await;
        assert_eq!(every_write(&store).await, vec![Ok(()); 5], "{owner:?}");
        let requests = server.received_requests().await.unwrap();
        let claim: Value = requests[1].body_json().unwrap();
        assert_eq!(claim["Value"], r#"{"pair":"orders"}"#, "{owner:?}");
    }
}

#[tokio::test]
async fn a_root_that_has_changed_hands_is_looked_at_anew() {
    let server = MockServer::start().await;
    let store = on_a_root_of(&server, Some(r#"{"pair":"payroll"}"#)).await;
    assert!(store.may_write().is_err());
    server.reset().await;
    on_ssm(&server, "GetParameters", error(400, "ThrottlingException")).await;
    assert!(store.observe().await.is_err());
    assert!(store.may_write().is_err(), "what is not known anew is as it was");
    server.reset().await;
    on_ssm(
        &server,
        "GetParameters",
        ResponseTemplate::new(200).set_body_json(json!({"Parameters": []})),
    )
    .await;
    store.observe().await.unwrap();
    assert!(store.may_write().is_ok());
}

#[tokio::test]
async fn trouble_with_observing_is_an_error_and_never_a_missing_flag() {
    for (name, answer, kind) in troubles().into_iter().filter(|(name, ..)| *name != "empty") {
        let server = MockServer::start().await;
        on_ssm(&server, "GetParameters", answer).await;
        assert_eq!(
            store(&server).await.observe().await.unwrap_err().cause.kind,
            kind,
            "{name}"
        );
    }
}

/// Half an answer is none: neither a flag that holds garbage, nor one that is gone, nor a hold that nobody placed.
#[tokio::test]
async fn an_answer_that_leaves_something_out_is_unreadable() {
    let flag = |without: &str| {
        let mut flag = json!({"Name": "/mwaa/blue-green/active-environment", "Value": "blue", "Version": 7,
            "LastModifiedDate": 1_795_430_000.123});
        flag.as_object_mut().unwrap().remove(without);
        flag
    };
    let hold = |without: &str| {
        let mut hold = flag(without);
        hold["Name"] = json!("/mwaa/blue-green/hold");
        hold
    };
    let version_0 = json!({"Name": "/mwaa/blue-green/active-environment", "Value": "blue", "Version": 0,
        "LastModifiedDate": 1_795_430_000.123});
    for (case, parameters) in [
        ("a flag without a value", json!([flag("Value")])),
        ("a flag without a version", json!([flag("Version")])),
        ("a flag of version 0", json!([version_0])),
        ("a flag without a date", json!([flag("LastModifiedDate")])),
        ("a flag without a name", json!([flag("Name")])),
        ("a hold without a value", json!([flag("nothing"), hold("Value")])),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({"Parameters": parameters}));
        on_ssm(&server, "GetParameters", answer).await;
        let error = store(&server).await.observe().await.unwrap_err();
        assert_eq!(error.cause.kind, CauseKind::Unparsable, "{case}: {}", error.cause);
        let Reply::Failed(failure) = store(&server).await.read_back("v8-1").await else {
            panic!("{case}: taken for an answer by a writer")
        };
        assert_eq!(failure.cause.kind, CauseKind::Unparsable, "{case}");
    }
    for without in ["Value", "Version", "LastModifiedDate"] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [flag(without)]}));
        on_ssm(&server, "GetParameterHistory", answer).await;
        let error = store(&server).await.history().await.unwrap_err();
        assert_eq!(error.cause.kind, CauseKind::Unparsable, "{without}: {}", error.cause);
    }
    let server = MockServer::start().await;
    on_ssm(
        &server,
        "PutParameter",
        ResponseTemplate::new(200).set_body_json(json!({})),
    )
    .await;
    let Reply::Failed(failure) = store(&server).await.write_flag(Colour::Green, "why").await else {
        panic!("a write without a version is taken for one")
    };
    assert!(
        failure.ambiguous && failure.cause.kind == CauseKind::Unparsable,
        "{}",
        failure.cause
    );
}

/// What is sent fits 1,024 characters and refers to no other parameter.
#[tokio::test]
async fn a_description_is_sent_as_it_was_measured() {
    use bluegreen_core::flag::{MAX_DESCRIPTION, Tail, description};
    use bluegreen_core::transition::Kind;
    let tail = Tail {
        effective_from: now(),
        record: "v13-1795430000123".into(),
    };
    for sentence in [
        "{{{ ds }}}".to_owned(),
        "{".repeat(2000),
        format!("alarm {{{{env}}}}-late, {}", "x".repeat(2000)),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({"Version": 8}));
        on_ssm(&server, "PutParameter", answer).await;
        let text = description(Kind::Failover, &sentence, &tail);
        store(&server).await.write_flag(Colour::Green, &text).await;
        let requests = server.received_requests().await.unwrap();
        let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
        let sent = body["Description"].as_str().unwrap();
        assert!(!sent.contains("{{"), "{sent:.60}");
        assert!(
            sent.chars().count() <= MAX_DESCRIPTION,
            "{} characters",
            sent.chars().count()
        );
        assert_eq!(Tail::read(sent), Some(tail.clone()));
    }
}

#[tokio::test]
async fn a_put_is_sent_once_and_its_failure_is_classed_for_the_protocol() {
    for (name, answer, ambiguous, passing, kind) in [
        (
            "throttled",
            error(400, "ThrottlingException"),
            false,
            true,
            CauseKind::Throttled,
        ),
        (
            "too many updates",
            error(400, "TooManyUpdates"),
            false,
            true,
            CauseKind::Throttled,
        ),
        (
            "server error",
            error(500, "InternalServerError"),
            true,
            true,
            CauseKind::Unavailable,
        ),
        (
            "silent",
            ResponseTemplate::new(200).set_delay(TIMEOUT),
            true,
            true,
            CauseKind::TimedOut,
        ),
        (
            "denied",
            error(400, "AccessDeniedException"),
            false,
            false,
            CauseKind::AccessDenied,
        ),
        (
            "labelled",
            error(400, "ParameterMaxVersionLimitExceeded"),
            false,
            false,
            CauseKind::Rejected,
        ),
        (
            "malformed",
            ResponseTemplate::new(200).set_body_string("{\"Version"),
            true,
            true,
            CauseKind::Unparsable,
        ),
    ] {
        let server = MockServer::start().await;
        on_ssm(&server, "PutParameter", answer).await;
        let Reply::Failed(failure) = store(&server).await.write_flag(Colour::Green, "why").await else {
            panic!("{name}: taken for success")
        };
        assert_eq!(
            (failure.ambiguous, failure.passing, failure.cause.kind),
            (ambiguous, passing, kind),
            "{name}"
        );
        assert_eq!(
            server.received_requests().await.unwrap().len(),
            1,
            "{name}: the protocol tries again, not the SDK"
        );
        if name == "labelled" {
            assert!(
                failure.cause.message.contains("unlabel-parameter-version"),
                "{}",
                failure.cause
            );
        }
    }
}

#[tokio::test]
async fn the_create_only_put_tells_a_lost_race_from_trouble() {
    for (answer, expected) in [
        (
            ResponseTemplate::new(200).set_body_json(json!({"Version": 1})),
            Reply::ClaimCreated,
        ),
        (error(400, "ParameterAlreadyExists"), Reply::ClaimExists),
    ] {
        let server = MockServer::start().await;
        on_ssm(&server, "PutParameter", answer).await;
        assert_eq!(store(&server).await.create_claim("v2-1", "{}").await, expected);
        let requests = server.received_requests().await.unwrap();
        let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
        assert_eq!(
            (body["Overwrite"].as_bool(), body["Name"].as_str()),
            (Some(false), Some("/mwaa/blue-green/transitions/v2-1"))
        );
    }
}

#[tokio::test]
async fn every_write_of_the_flag_sends_the_pattern_and_the_description() {
    let server = MockServer::start().await;
    on_ssm(
        &server,
        "PutParameter",
        ResponseTemplate::new(200).set_body_json(json!({"Version": 8})),
    )
    .await;
    let reply = store(&server)
        .await
        .write_flag(Colour::Green, "switch: why [effective_from=… record=…]")
        .await;
    assert_eq!(reply, Reply::Wrote(FlagVersion(8)));
    let requests = server.received_requests().await.unwrap();
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(body["AllowedPattern"], "^(blue|green)$");
    assert_eq!(
        (body["Value"].as_str(), body["Type"].as_str()),
        (Some("green"), Some("String"))
    );
    assert!(body["Description"].as_str().unwrap().starts_with("switch: why"));
}

/// A request for one page.
struct AsksFor(Option<&'static str>);
impl Match for AsksFor {
    fn matches(&self, request: &Request) -> bool {
        serde_json::from_slice::<Value>(&request.body).is_ok_and(|body| body["NextToken"].as_str() == self.0)
    }
}

#[tokio::test]
async fn the_history_is_read_page_by_page() {
    let server = MockServer::start().await;
    let page = |version: u64, next: Option<&str>| {
        let entry = json!({"Name": "x", "Value": "blue", "Version": version, "LastModifiedDate": 1_795_430_000.0,
            "LastModifiedUser": "arn:aws:iam::123456789012:user/ana", "Description": ""});
        ResponseTemplate::new(200).set_body_json(json!({"Parameters": [entry], "NextToken": next}))
    };
    Mock::given(AsksFor(None))
        .respond_with(page(1, Some("more")))
        .mount(&server)
        .await;
    Mock::given(AsksFor(Some("more")))
        .respond_with(page(2, None))
        .mount(&server)
        .await;
    let history = store(&server).await.history().await.unwrap();
    let versions: Vec<u64> = history.iter().map(|entry| entry.version.0).collect();
    assert_eq!((versions, history[0].description.clone()), (vec![1, 2], None));
}

#[tokio::test]
async fn an_empty_page_does_not_end_the_search_for_records() {
    let server = MockServer::start().await;
    let page = |records: Value, next: Option<&str>| {
        ResponseTemplate::new(200).set_body_json(json!({"Parameters": records, "NextToken": next}))
    };
    Mock::given(AsksFor(None))
        .respond_with(page(json!([]), Some("more")))
        .mount(&server)
        .await;
    let record =
        json!({"Name": "/mwaa/blue-green/transitions/v2-1", "Value": "{}", "Version": 1, "LastModifiedDate": 1.0});
    Mock::given(AsksFor(Some("more")))
        .respond_with(page(json!([record]), None))
        .mount(&server)
        .await;
    assert!(store(&server).await.has_records().await.unwrap());
}

#[tokio::test]
async fn a_record_that_is_named_twice_is_asked_for_once() {
    let server = MockServer::start().await;
    let name = "/mwaa/blue-green/transitions/v2-1";
    let record = json!({"Name": name, "Value": "{}", "Version": 1, "LastModifiedDate": 1.0});
    let answer = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [record]}));
    on_ssm(&server, "GetParameters", answer).await;
    let named = ["v2-1".to_owned(), "v2-1".to_owned()];
    store(&server).await.records(&named).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(
        body["Names"],
        json!([name]),
        "GetParameters refuses a name that comes twice"
    );
}

#[tokio::test]
async fn a_flag_without_history_is_an_empty_history() {
    let server = MockServer::start().await;
    on_ssm(&server, "GetParameterHistory", error(400, "ParameterNotFound")).await;
    assert_eq!(store(&server).await.history().await.unwrap(), []);
}

// ---- EventBridge

#[tokio::test]
async fn an_event_that_the_bus_refuses_is_an_error_although_the_call_succeeded() {
    let event = AuditEvent {
        detail_type: "Environment Transition",
        at: now(),
        detail: json!({"id": "x"}),
    };
    for (answer, delivered) in [
        (json!({"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}), true),
        (
            json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}]}),
            false,
        ),
    ] {
        let server = MockServer::start().await;
        Mock::given(header_regex("x-amz-target", "PutEvents$"))
            .respond_with(ResponseTemplate::new(200).set_body_json(answer))
            .mount(&server)
            .await;
        let bus = EventBus::new(clients(&server).await.events, "orders-audit".into());
        assert_eq!(bus.send(std::slice::from_ref(&event)).await.is_ok(), delivered);
    }
}

#[tokio::test]
async fn requests_go_nowhere_but_to_the_given_endpoint() {
    // MWAA's host prefixes would send them to api.127.0.0.1.
    let server = MockServer::start().await;
    Mock::given(any())
        .and(path("/environments/orders-green"))
        .respond_with(get_environment("AVAILABLE"))
        .expect(1)
        .mount(&server)
        .await;
    evidence(&server, Colour::Green).await;
}
