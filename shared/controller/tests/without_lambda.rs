//! Use cases over a simulated AWS of the test: no Lambda, no event, no environment variables.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ssm::config::Credentials;
use bluegreen_aws::clients::Clients;
use bluegreen_aws::clock::Clock;
use bluegreen_controller::function_error::FunctionError;
use bluegreen_controller::invocation::Invocation;
use bluegreen_controller::requests;
use bluegreen_controller::services::Services;
use bluegreen_core::outcome::Outcome;
use bluegreen_core::request;
use bluegreen_core::response::Response;
use bluegreen_core::settings::{self, Settings};
use bluegreen_core::time::{after, elapsed};
use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::header;
use wiremock::{Mock, MockServer, ResponseTemplate};

fn settings() -> Settings {
    settings::read(|name| {
        let value = match name {
            "PAIR_NAME" => "orders",
            "BLUE_ENVIRONMENT_NAME" => "orders-blue",
            "GREEN_ENVIRONMENT_NAME" => "orders-green",
            "AUDIT_BUS_NAME" => "orders-audit",
            _ => return None,
        };
        Some(value.to_owned())
    })
    .unwrap()
}

async fn on(server: &MockServer, operation: &str, answer: ResponseTemplate) {
    let target = format!("AmazonSSM.{operation}");
    Mock::given(header("x-amz-target", target.as_str()))
        .respond_with(answer)
        .mount(server)
        .await;
}

/// A root that contains nothing but the name of its owner, if it has one.
async fn root_of(owner: Option<&str>) -> MockServer {
    let server = MockServer::start().await;
    let name = settings().names.owner();
    let owner = owner.map(|pair| json!({"Name": name, "Value": json!({"pair": pair}).to_string(), "Version": 1}));
    let found = json!({"Parameters": owner.into_iter().collect::<Vec<_>>()});
    on(
        &server,
        "GetParameters",
        ResponseTemplate::new(200).set_body_json(found),
    )
    .await;
    let none = ResponseTemplate::new(400).set_body_json(json!({"__type": "ParameterNotFound"}));
    on(&server, "GetParameterHistory", none).await;
    let empty = ResponseTemplate::new(200).set_body_json(json!({"Parameters": []}));
    on(&server, "GetParametersByPath", empty).await;
    let written = ResponseTemplate::new(200).set_body_json(json!({"Version": 1}));
    on(&server, "PutParameter", written).await;
    server
}

async fn ask(server: &MockServer, request: &Value) -> Result<Response, FunctionError> {
    ask_at(server, request, Clock::system()).await
}

async fn ask_at(server: &MockServer, request: &Value, clock: Clock) -> Result<Response, FunctionError> {
    let shared = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(server.uri())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let settings = settings();
    let services = Services::over(&Clients::over(&shared, &settings).with_clock(clock), settings);
    let started = services.clock.now();
    let invocation = Invocation {
        function: "a-test",
        request_id: "request-1".to_owned(),
        clock: services.clock.clone(),
        started,
        deadline: after(started, Duration::from_secs(30)),
        via: "invoke",
    };
    requests::carry_out(&services, request::read(request, started)?, &invocation).await
}

/// The names of the parameters that were written.
async fn written(server: &MockServer) -> Vec<String> {
    let requests = server.received_requests().await.unwrap();
    requests
        .iter()
        .filter(|request| {
            let target = request
                .headers
                .get("x-amz-target")
                .and_then(|target| target.to_str().ok());
            target.is_some_and(|target| target.ends_with(".PutParameter") || target.ends_with(".DeleteParameter"))
        })
        .map(|request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            body.get("Name").and_then(Value::as_str).unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn on_another_pairs_root_no_request_writes() {
    for request in [
        json!({"action": "hold", "minutes": 5, "reason": "maintenance"}),
        json!({"action": "release"}),
        json!({"action": "initialize"}),
        json!({"to": "green", "force": true, "reason": "blue is on fire"}),
    ] {
        let server = root_of(Some("payroll")).await;
        match ask(&server, &request).await {
            Err(FunctionError::WrongPair(told)) => assert!(told.contains("payroll"), "{request}: {told}"),
            other => panic!("{request}: {other:?}"),
        }
        assert_eq!(written(&server).await, Vec::<String>::new(), "{request}");
    }
}

#[tokio::test]
async fn on_a_root_of_nobodys_the_same_hold_is_placed_and_nothing_else() {
    let server = root_of(None).await;
    let request = json!({"action": "hold", "minutes": 5, "reason": "maintenance"});
    let answer = ask(&server, &request).await.unwrap();
    assert_eq!(answer.common.outcome, Outcome::Held, "{answer:?}");
    // And that it was answered, for a second delivery.
    let names = settings().names;
    assert_eq!(written(&server).await, [names.hold(), names.answered()]);
}

#[tokio::test]
async fn a_use_case_knows_no_time_but_that_of_its_services() {
    let given: Timestamp = "2126-11-23T10:00:00Z".parse().unwrap();
    let within_a_minute = |at: Timestamp| at >= given && elapsed(given, at) < Duration::from_secs(60);
    let server = root_of(None).await;
    let answer = ask_at(&server, &json!({"action": "initialize"}), Clock::set_to(given)).await;
    let answer = bluegreen_core::response::to_json(&answer.unwrap());
    assert_eq!(answer.get("outcome"), Some(&json!("initialized")), "{answer}");
    let effective_from = answer.get("effective_from").and_then(Value::as_str).unwrap();
    assert!(within_a_minute(effective_from.parse().unwrap()), "{answer}");
    let written = written(&server).await;
    let (record, milliseconds) = written
        .iter()
        .find_map(|name| Some((name, name.rsplit_once("/v1-")?.1)))
        .unwrap();
    let decided_at = Timestamp::from_millisecond(milliseconds.parse().unwrap()).unwrap();
    assert!(within_a_minute(decided_at), "{record}");
    assert!(
        answer.get("elapsed_ms").and_then(Value::as_u64).unwrap() < 60_000,
        "{answer}"
    );
}
