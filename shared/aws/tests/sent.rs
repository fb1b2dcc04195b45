//! What is sent to the bus and to CloudWatch says what happened, and when, in requests that they accept.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod local;

use bluegreen_aws::clients::Clients;
use bluegreen_aws::event_bus::EventBus;
use bluegreen_aws::metrics::Metrics;
use bluegreen_core::audit::{AuditEvent, EventType};
use bluegreen_core::metric::Metric;
use bluegreen_core::transition_kind::Kind;
use ciborium::Value as Cbor;
use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

async fn answering(answer: ResponseTemplate) -> (MockServer, Clients) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let sdk = local::aws(&server).load().await;
    let clients = Clients::over(&sdk, &local::settings(&[]));
    (server, clients)
}

fn events(count: i64) -> Vec<AuditEvent> {
    (0..count)
        .map(|number| AuditEvent {
            detail_type: EventType::EnvironmentTransition,
            at: at(number),
            detail: json!({"id": number}),
        })
        .collect()
}

#[tokio::test]
async fn events_go_out_ten_at_a_time_in_order_each_with_its_time() {
    let answer = ResponseTemplate::new(200).set_body_json(json!({"FailedEntryCount": 0, "Entries": []}));
    let (server, clients) = answering(answer).await;
    let bus = EventBus::new(clients.events, "orders-audit".into());
    bus.send(&events(21)).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let sent: Vec<Vec<(f64, String)>> = requests
        .iter()
        .map(|request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let entries = body["Entries"].as_array().unwrap();
            let told = |entry: &Value| {
                (
                    entry["Time"].as_f64().unwrap(),
                    entry["Detail"].as_str().unwrap().to_owned(),
                )
            };
            entries.iter().map(told).collect()
        })
        .collect();
    assert_eq!(
        sent.iter().map(Vec::len).collect::<Vec<_>>(),
        [10, 10, 1],
        "PutEvents takes ten"
    );
    for (number, (time, detail)) in sent.concat().into_iter().enumerate() {
        assert_eq!(detail, format!("{{\"id\":{number}}}"));
        let expected = at(i64::try_from(number).unwrap()).as_duration().as_secs_f64();
        assert!((time - expected).abs() < 0.001, "{time} is not {expected}");
    }
}

#[tokio::test]
async fn an_entry_refused_without_a_message_is_refused() {
    let refused = json!({"FailedEntryCount": 1, "Entries": [{"EventId": "e"}, {"ErrorCode": "InternalFailure"}]});
    let (_server, clients) = answering(ResponseTemplate::new(200).set_body_json(refused)).await;
    let bus = EventBus::new(clients.events, "orders-audit".into());
    let failure = bus.send(&events(2)).await.unwrap_err();
    assert!(
        failure.retryable && failure.cause.message.contains("1 of 2 events refused"),
        "{failure:?}"
    );
}

fn timestamps(value: &Cbor) -> Vec<f64> {
    match value {
        Cbor::Tag(1, inner) => match inner.as_ref() {
            Cbor::Float(seconds) => vec![*seconds],
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
            Cbor::Integer(seconds) => vec![i128::from(*seconds) as f64],
            _ => Vec::new(),
        },
        Cbor::Map(fields) => fields.iter().flat_map(|(_, value)| timestamps(value)).collect(),
        Cbor::Array(values) => values.iter().flat_map(timestamps).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn a_datum_is_dated_when_it_was_so_and_not_when_it_is_sent() {
    let mut body = Vec::new();
    ciborium::into_writer(&Cbor::Map(Vec::new()), &mut body).unwrap();
    let answer = ResponseTemplate::new(200)
        .insert_header("smithy-protocol", "rpc-v2-cbor")
        .set_body_raw(body, "application/cbor");
    let (server, clients) = answering(answer).await;
    let metrics = Metrics::new(clients.cloudwatch, "orders".into());
    metrics
        .publish(&[Metric::transition(Kind::Failover, at(7)), Metric::flag_fault(at(9))])
        .await
        .unwrap();
    let requests = server.received_requests().await.unwrap();
    let sent: Cbor = ciborium::from_reader(requests[0].body.as_slice()).unwrap();
    let expected = [7, 9].map(|second| at(second).as_duration().as_secs_f64());
    assert_eq!(timestamps(&sent), expected);
}
