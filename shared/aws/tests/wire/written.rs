//! Parameter Store: the flag, its history and its records.

use crate::*;

/// What is sent has at most 1,024 characters and references no other parameter.
#[tokio::test]
async fn a_description_is_sent_as_it_was_measured() {
    use bluegreen_core::flag::{DescriptionMetadata, MAX_DESCRIPTION, description};
    use bluegreen_core::transition::Kind;
    let tail = DescriptionMetadata {
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
        store(&server).await.write_flag(Color::Green, &text).await;
        let requests = server.received_requests().await.unwrap();
        let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
        let sent = body["Description"].as_str().unwrap();
        assert!(!sent.contains("{{"), "{sent:.60}");
        assert!(
            sent.chars().count() <= MAX_DESCRIPTION,
            "{} characters",
            sent.chars().count()
        );
        assert_eq!(DescriptionMetadata::read(sent), Some(tail.clone()));
    }
}

#[tokio::test]
async fn a_put_is_sent_once_and_its_failure_is_classed_for_the_protocol() {
    for (name, answer, ambiguous, retryable, kind) in [
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
            "labeled",
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
        let Reply::Failed(failure) = store(&server).await.write_flag(Color::Green, "why").await else {
            panic!("{name}: taken for success")
        };
        assert_eq!(
            (failure.ambiguous, failure.retryable, failure.cause.kind),
            (ambiguous, retryable, kind),
            "{name}"
        );
        assert_eq!(
            server.received_requests().await.unwrap().len(),
            1,
            "{name}: the protocol tries again, not the SDK"
        );
        if name == "labeled" {
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
        .write_flag(Color::Green, "switch: why [effective_from=… record=…]")
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
