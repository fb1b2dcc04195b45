//! A request that is not answered leaves time for another one.
#![allow(clippy::unwrap_used, missing_docs)]

mod local;

use std::time::Duration;

use bluegreen_aws::clients::Clients;
use bluegreen_aws::health_probe::{HealthProbe, ProbeScope};
use bluegreen_core::color::Color;
use bluegreen_core::health::ProbeResult;
use jiff::Timestamp;
use serde_json::json;
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

const SILENCE: Duration = Duration::from_secs(60);

/// The time of the watcher's observations; a person's requests have more.
const LOOK: Duration = Duration::from_secs(10);

fn health() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"RestApiStatusCode": 200, "RestApiResponse": {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2026-11-23T12:00:00Z"},
    }}))
}

/// Airflow's health, if the first question is never answered and the second one after `slow`.
async fn asked_in_silence(slow: Duration) -> bool {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path_regex("^/environments/"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"Environment": {"Status": "AVAILABLE"}})))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path_regex("^/restapi/"))
        .respond_with(health().set_delay(SILENCE))
        .up_to_n_times(1)
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path_regex("^/restapi/"))
        .respond_with(health().set_delay(slow))
        .mount(&server)
        .await;
    let settings = local::settings(&[]);
    let shared = local::aws(&server).load().await;
    let probe = HealthProbe::new(&Clients::outside_lambda(&shared, &settings), &settings);
    let now: Timestamp = "2026-11-23T12:00:05Z".parse().unwrap();
    let evidence = probe.within(Color::Green, ProbeScope::Free, LOOK, now).await;
    matches!(evidence.airflow, ProbeResult::Known(_))
}

#[tokio::test]
async fn a_silent_connection_leaves_time_for_airflow_s_health() {
    assert!(asked_in_silence(Duration::ZERO).await);
}

#[tokio::test]
async fn and_for_a_slow_web_server_behind_the_second_one() {
    assert!(asked_in_silence(Duration::from_millis(3500)).await);
}
