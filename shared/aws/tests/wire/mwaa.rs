//! MWAA, and Airflow's health behind it.

use crate::*;

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
        let evidence = evidence(&server, Color::Green).await;
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
        match evidence(&server, Color::Green).await.environment {
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
        evidence(&server, Color::Green).await.environment,
        EnvironmentAnswer::NotFound
    );
}

#[tokio::test]
async fn nobody_listening_is_unknown() {
    // Not a server of the pool, which would continue to listen, for another test.
    let server = MockServer::builder().start().await;
    let clients = clients(&server).await;
    drop(server);
    let probe = HealthProbe::new(&clients, &settings());
    let evidence = probe
        .within(Color::Green, ProbeScope::Full, Duration::from_secs(5), now())
        .await;
    assert!(
        matches!(evidence.environment, EnvironmentAnswer::Unknown(_)),
        "{evidence:?}"
    );
    assert!(matches!(evidence.airflow, ProbeResult::Unknown(_)), "{evidence:?}");
    assert!(matches!(evidence.heartbeat, ProbeResult::Unknown(_)), "{evidence:?}");
}

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
        let ProbeResult::Known(health) = evidence(&server, Color::Green).await.airflow else {
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
        match evidence(&server, Color::Green).await.airflow {
            ProbeResult::Unknown(cause) => assert_eq!(cause.kind, CauseKind::Unparsable, "{body}"),
            ProbeResult::Known(health) => panic!("{body}: {health:?}"),
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
        match evidence(&server, Color::Green).await.airflow {
            ProbeResult::Unknown(cause) => assert_eq!(cause.kind, kind, "{name}: {cause}"),
            ProbeResult::Known(health) => panic!("{name}: {health:?}"),
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
            .within(Color::Green, ProbeScope::Full, Duration::from_secs(3), now())
            .await;
        assert!(matches!(evidence.airflow, ProbeResult::Known(_)), "{evidence:?}");
    }
}
