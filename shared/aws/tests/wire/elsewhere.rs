//! EventBridge, and the destination of requests.

use crate::*;

#[tokio::test]
async fn an_event_that_the_bus_refuses_is_an_error_although_the_call_succeeded() {
    let event = AuditEvent {
        detail_type: EventType::EnvironmentTransition,
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
    evidence(&server, Color::Green).await;
}
