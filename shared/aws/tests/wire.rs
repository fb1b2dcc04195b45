//! The AWS adapters against real HTTP: throttles, 5xx, time-outs, access denied, malformed bodies, every status.
//! Whatever goes wrong is unknown, never bad.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_imports,
    missing_docs
)]

mod local;

mod wire {
    mod cloudwatch;
    mod elsewhere;
    mod mwaa;
    mod observed;
    mod written;
}

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use bluegreen_aws::clients::Clients;
use bluegreen_aws::event_bus::EventBus;
use bluegreen_aws::health_probe::{HealthProbe, ProbeScope};
use bluegreen_aws::parameter_store::ParameterStore;
use bluegreen_core::audit::{AuditEvent, Audited, EventType};
use bluegreen_core::claim::Reply;
use bluegreen_core::color::Color;
use bluegreen_core::flag::{FlagValue, FlagVersion};
use bluegreen_core::health::{AlarmState, CauseKind, EnvironmentAnswer, Evidence, ProbeResult};
use bluegreen_core::memory::Field;
use bluegreen_core::settings::Settings;
use ciborium::Value as Cbor;
use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::{any, header, header_regex, method, path, path_regex};
use wiremock::{Match, Mock, MockServer, Request, ResponseTemplate};

const TIMEOUT: Duration = Duration::from_secs(30);

fn settings() -> Settings {
    local::settings(&[("BLUE_HEALTH_ALARM_NAMES", "orders-late,orders-wrong")])
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

async fn evidence(server: &MockServer, color: Color) -> Evidence {
    let probe = HealthProbe::new(&clients(server).await, &settings());
    probe
        .within(color, ProbeScope::Full, Duration::from_secs(3), now())
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
