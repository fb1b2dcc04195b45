//! Answers, as each service's protocol writes them.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use ciborium::Value as Cbor;
use serde_json::{Value, json};

use crate::clock::{Milliseconds, SECOND};
use crate::parameter_store::Answer;
use crate::weather::Service;

pub(crate) fn response(status: u16, kind: &'static str, body: Vec<u8>) -> HttpResponse {
    let status = StatusCode::try_from(status).unwrap_or_else(|_| unreachable!("every status here is one of HTTP's"));
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", kind);
    response
}

pub(crate) fn encoded((service, operation): (Service, &str), answer: Answer) -> HttpResponse {
    match (service, answer) {
        (Service::CloudWatch, Ok(answer)) => cbor(200, &metric_answer(operation, &answer)),
        (Service::CloudWatch, Err((status, code, message))) => cbor(
            status,
            &object(vec![("__type", Cbor::Text(code.to_owned())), ("message", Cbor::Text(message))]),
        ),
        (Service::Sns, Ok(_)) => response(
            200,
            "text/xml",
            b"<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>m-1</MessageId>\
              </PublishResult></PublishResponse>"
                .to_vec(),
        ),
        (Service::Sns, Err((status, code, message))) => response(
            status,
            "text/xml",
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
            )
            .into_bytes(),
        ),
        (_, Ok(answer)) => response(200, "application/json", answer.to_string().into_bytes()),
        (_, Err((status, code, message))) => {
            let status_of_airflow = if code.starts_with("RestApi") { Some(if status == 500 { 503 } else { status }) } else { None };
            let status = if code.starts_with("RestApi") { 400 } else { status };
            let body = json!({"__type": code, "message": message, "Message": message, "RestApiStatusCode": status_of_airflow});
            let mut response = response(status, "application/json", body.to_string().into_bytes());
            response.headers_mut().insert("x-amzn-errortype", code);
            response
        }
    }
}

fn cbor(status: u16, body: &Cbor) -> HttpResponse {
    let mut bytes = Vec::new();
    if ciborium::into_writer(body, &mut bytes).is_err() {
        bytes.clear();
    }
    let mut response = response(status, "application/cbor", bytes);
    response.headers_mut().insert("smithy-protocol", "rpc-v2-cbor");
    response
}

fn object(fields: Vec<(&str, Cbor)>) -> Cbor {
    Cbor::Map(
        fields
            .into_iter()
            .map(|(name, value)| (Cbor::Text(name.to_owned()), value))
            .collect(),
    )
}

fn instant(at: Milliseconds) -> Cbor {
    Cbor::Tag(1, Box::new(Cbor::Integer((at / SECOND).into())))
}

fn metric_answer(operation: &str, answer: &Value) -> Cbor {
    let numbers = |field: &str| -> Vec<i64> {
        let list = answer.get(field).and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(Value::as_i64).collect())
            .unwrap_or_default()
    };
    match operation {
        "GetMetricData" => {
            let points = numbers("points");
            let status = answer.get("status").and_then(Value::as_str).unwrap_or("Complete");
            let result = object(vec![
                ("Id", Cbor::Text("heartbeat".to_owned())),
                (
                    "Timestamps",
                    Cbor::Array(points.iter().map(|at| instant(*at)).collect()),
                ),
                (
                    "Values",
                    Cbor::Array(points.iter().map(|_| Cbor::Float(12.0)).collect()),
                ),
                ("StatusCode", Cbor::Text(status.to_owned())),
            ]);
            object(vec![("MetricDataResults", Cbor::Array(vec![result]))])
        }
        "DescribeAlarms" => {
            let alarms = answer
                .get("alarms")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let alarms = alarms.iter().map(|alarm| {
                let name = alarm.get("name").and_then(Value::as_str).unwrap_or_default();
                let since = alarm.get("since").and_then(Value::as_i64);
                let state = if since.is_some() { "ALARM" } else { "OK" };
                let mut fields = vec![
                    ("AlarmName", Cbor::Text(name.to_owned())),
                    ("StateValue", Cbor::Text(state.to_owned())),
                ];
                if let Some(since) = since {
                    fields.push(("StateTransitionedTimestamp", instant(since)));
                }
                object(fields)
            });
            object(vec![
                ("MetricAlarms", Cbor::Array(alarms.collect())),
                ("CompositeAlarms", Cbor::Array(Vec::new())),
            ])
        }
        _ => Cbor::Map(Vec::new()),
    }
}
