//! SNS over real HTTP: what is sent, and what its answers mean.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod local;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use bluegreen_aws::notifications::Notifications;
use bluegreen_core::claim::Failure;
use bluegreen_core::health::CauseKind;
use bluegreen_core::notification::{Notification, PairContext, compose};
use serde_json::json;
use wiremock::matchers::{any, body_string_contains, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:orders-notifications";
const PUBLISHED: &str = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>m-1</MessageId>\
     </PublishResult></PublishResponse>";

async fn aws(server: &MockServer) -> SdkConfig {
    local::aws(server)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(2)
                .with_initial_backoff(Duration::from_millis(1)),
        )
        .load()
        .await
}

fn error(code: &str) -> String {
    format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>")
}

fn notification() -> Notification {
    let place = PairContext {
        pair: "orders",
        flag: "/orders/active-environment",
        region: Some("us-east-1"),
        runbooks: None,
    };
    let detail = json!({"kind": "failover", "from": "blue", "to": "green", "reason": "100 % late & \"lost\": r\u{e9}gion \u{1f535}"});
    compose(place, "Environment Transition", &detail)
}

async fn publish(server: &MockServer) -> Result<Option<String>, Failure> {
    Notifications::new(&aws(server).await, TOPIC.to_owned())
        .publish(&notification())
        .await
}

#[tokio::test]
async fn a_message_goes_to_the_topic_with_its_subject_and_its_text() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(body_string_contains("Action=Publish"))
        .respond_with(ResponseTemplate::new(200).set_body_string(PUBLISHED))
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(publish(&server).await.unwrap().as_deref(), Some("m-1"));
    let requests = server.received_requests().await.unwrap();
    let body = String::from_utf8(requests.first().unwrap().body.clone()).unwrap();
    for part in [
        "TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A123456789012%3Aorders-notifications",
        "Subject=%5Borders%5D%20FAILOVER%20blue%20-%3E%20green",
        "100%20%25%20late%20%26%20%22lost%22%3A%20r%C3%A9gion%20%F0%9F%94%B5",
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
}

#[tokio::test]
async fn a_throttle_is_tried_again() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(400).set_body_string(error("Throttling")))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_string(PUBLISHED))
        .mount(&server)
        .await;
    assert!(publish(&server).await.is_ok());
}

#[tokio::test]
async fn whatever_else_goes_wrong_is_an_error_of_its_class() {
    let cases = [
        (400, error("Throttled"), CauseKind::Rejected),
        (400, error("Throttling"), CauseKind::Throttled),
        (403, error("AuthorizationError"), CauseKind::AccessDenied),
        (404, error("NotFound"), CauseKind::Rejected),
        (400, error("InvalidParameter"), CauseKind::Rejected),
        (500, error("InternalError"), CauseKind::Unavailable),
        (503, "<html>".to_owned(), CauseKind::Unavailable),
        (200, "not xml".to_owned(), CauseKind::Unparsable),
    ];
    for (status, body, kind) in cases {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(status).set_body_string(body.clone()))
            .mount(&server)
            .await;
        let failure = publish(&server).await.unwrap_err();
        assert_eq!(failure.cause.kind, kind, "{status} {body}: {failure:?}");
    }
}
