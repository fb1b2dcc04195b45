//! The HTTP connector of a simulated process: the SDK's requests, answered by the simulated services.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use bluegreen_core::color::Color;
use ciborium::Value as Cbor;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::airflow_rest::Call;
use crate::clock::{MINUTE, Milliseconds, SECOND};
use crate::encoding::{encoded, response};
use crate::invariants::Fact;
use crate::invariants::notices::is_mailed;
use crate::parameter_store::Answer;
use crate::weather::{Fault, Service};
use crate::world::{Delivery, Shared, World};

/// How much of a metric is missing where CloudWatch answers a part of it.
const UNSEEN: Milliseconds = 15 * MINUTE;

/// One process: a function's instance, or a person's command line.
#[derive(Debug)]
pub struct Process {
    /// What it is called in the timeline and in Parameter Store's history.
    pub name: String,
    /// After how many more requests it is killed; negative for never.
    pub calls_to_live: AtomicI64,
    /// After how many more writes it is killed; negative for never.
    pub writes_to_live: AtomicI64,
    /// Whether it is killed after the last request was carried out, and not before.
    pub dies_after: AtomicBool,
    /// After how many more requests it is frozen; negative for never.
    pub calls_to_freeze: AtomicI64,
    /// For how long, in milliseconds.
    pub freeze: AtomicI64,
    /// Told when it is killed.
    pub killed: Notify,
}

impl Process {
    /// A process that nothing happens to.
    pub fn new(name: String) -> Arc<Self> {
        Arc::new(Self {
            name,
            calls_to_live: AtomicI64::new(-1),
            writes_to_live: AtomicI64::new(-1),
            dies_after: AtomicBool::new(false),
            calls_to_freeze: AtomicI64::new(-1),
            freeze: AtomicI64::new(0),
            killed: Notify::new(),
        })
    }

    /// Counts down; whether it was the last.
    fn is_last(counter: &AtomicI64) -> bool {
        counter.load(Ordering::Relaxed) >= 0 && counter.fetch_sub(1, Ordering::Relaxed) == 0
    }
}

#[derive(Debug)]
struct Connector {
    world: Shared,
    process: Arc<Process>,
}

/// The HTTP client of a process.
pub fn http_client(world: &Shared, process: &Arc<Process>) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Connector {
        world: world.clone(),
        process: Arc::clone(process),
    });
    http_client_fn(move |_, _| connector.clone())
}

/// A request, as the services understand it.
struct Asked {
    service: Service,
    operation: String,
    color: Option<Color>,
    body: Value,
}

impl Asked {
    /// The parameter that it is about.
    fn named(&self) -> &str {
        self.body.get("Name").and_then(Value::as_str).unwrap_or_default()
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (world, process) = (self.world.clone(), Arc::clone(&self.process));
        HttpConnectorFuture::new(async move {
            let asked = asked(&world.lock(), &request);
            let (fault, before, after) = {
                let mut world = world.lock();
                let now = world.now();
                *world.requests.entry(asked.operation.clone()).or_default() += 1;
                let fault = world.weather.fault(asked.service, &asked.operation, asked.color, now);
                let typical = match asked.service {
                    Service::Airflow => 300,
                    Service::Mwaa => 80,
                    _ => 16,
                };
                let before = world.rng.i64(typical / 4..typical);
                let after = world.rng.i64(typical / 4..typical);
                (fault, before, after)
            };
            let slow = if let Some(Fault::Slow(more)) = fault { more } else { 0 };
            wait(before + slow).await;
            if Process::is_last(&process.calls_to_freeze) {
                let freeze = process.freeze.load(Ordering::Relaxed);
                {
                    let mut world = world.lock();
                    let now = world.now();
                    world.weather.stands_still(freeze, now);
                    world.tell(format!("{} stands still for {} s", process.name, freeze / 1000));
                }
                wait(freeze).await;
            }
            let is_write = asked.operation == "PutParameter" && asked.named() != world.lock().memory;
            let is_killed =
                Process::is_last(&process.calls_to_live) || (is_write && Process::is_last(&process.writes_to_live));
            if is_killed && !process.dies_after.load(Ordering::Relaxed) {
                return die(&world, &process, &asked).await;
            }
            let answer = match fault {
                Some(Fault::Throttle) => Err((400, "ThrottlingException", "Rate exceeded".to_owned())),
                Some(Fault::ServerError) => Err((500, "InternalServerError", "it is our fault".to_owned())),
                Some(Fault::Denied) => Err((400, "AccessDeniedException", "not authorized".to_owned())),
                Some(Fault::Silence) => {
                    world
                        .lock()
                        .tell(format!("{}: {} is not answered", process.name, asked.operation));
                    std::future::pending().await
                }
                _ => {
                    let lag = if let Some(Fault::Stale(lag)) = fault { lag } else { 0 };
                    if lag > 0 && asked.operation == "GetParameters" {
                        world
                            .lock()
                            .under_way
                            .entry(process.name.clone())
                            .or_default()
                            .went_back += 1;
                    }
                    let is_partial = fault == Some(Fault::Partial);
                    carried_out(&mut world.lock(), &process.name, &asked, lag, is_partial)
                }
            };
            if is_killed {
                return die(&world, &process, &asked).await;
            }
            wait(after).await;
            match fault {
                Some(Fault::LostAnswer) => {
                    world
                        .lock()
                        .tell(format!("{}: the answer of {} is lost", process.name, asked.operation));
                    std::future::pending().await
                }
                Some(Fault::Garbage) => Ok(response(200, "text/html", b"<html>oh no</html>".to_vec())),
                _ => Ok(encoded((asked.service, &asked.operation), answer)),
            }
        })
    }
}

/// An answer in which something is missing: the values of parameters, an environment's status, Airflow's scheduler.
fn in_part(mut answer: Value) -> Value {
    let parameters = answer.get_mut("Parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten().filter_map(Value::as_object_mut) {
        parameter.remove("Value");
    }
    for (whole, part) in [("/Environment", "Status"), ("/RestApiResponse", "scheduler")] {
        if let Some(whole) = answer.pointer_mut(whole).and_then(Value::as_object_mut) {
            whole.remove(part);
        }
    }
    answer
}

async fn wait(milliseconds: i64) {
    sleep(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))).await;
}

async fn die<T>(world: &Shared, process: &Process, asked: &Asked) -> T {
    world
        .lock()
        .tell(format!("{} is killed at {}", process.name, asked.operation));
    process.killed.notify_one();
    std::future::pending().await
}

fn asked(world: &World, request: &HttpRequest) -> Asked {
    let bytes = request.body().bytes().unwrap_or_default();
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    let body = || serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let path = path_of(request.uri());
    let of = |name: &str| {
        [Color::Blue, Color::Green]
            .into_iter()
            .find(|color| world.environments.of(*color).name == name)
    };
    if let Some(operation) = target.strip_prefix("AmazonSSM.") {
        return Asked {
            service: Service::ParameterStore,
            operation: operation.to_owned(),
            color: None,
            body: body(),
        };
    }
    if target.starts_with("AWSEvents.") {
        return Asked {
            service: Service::EventBridge,
            operation: "PutEvents".to_owned(),
            color: None,
            body: body(),
        };
    }
    if let Some(name) = path.strip_prefix("/environments/") {
        return Asked {
            service: Service::Mwaa,
            operation: "GetEnvironment".to_owned(),
            color: of(name),
            body: Value::Null,
        };
    }
    if let Some(name) = path.strip_prefix("/restapi/") {
        return Asked {
            service: Service::Airflow,
            operation: "InvokeRestApi".to_owned(),
            color: of(name),
            body: body(),
        };
    }
    if let Some((_, operation)) = path.rsplit_once("/operation/") {
        let decoded: Value = ciborium::from_reader(bytes).map_or(Value::Null, |decoded: Cbor| plain(&decoded));
        let names = decoded.to_string();
        let color = [Color::Blue, Color::Green]
            .into_iter()
            .find(|color| names.contains(&format!("\"{}\"", world.environments.of(*color).name)));
        return Asked {
            service: Service::CloudWatch,
            operation: operation.to_owned(),
            color,
            body: decoded,
        };
    }
    Asked {
        service: Service::Sns,
        operation: "Publish".to_owned(),
        color: None,
        body: form(bytes),
    }
}

fn path_of(uri: &str) -> String {
    let after = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = after.find('/').map_or("/", |at| &after[at..]);
    path.split('?').next().unwrap_or("/").to_owned()
}

/// What CBOR says, as far as JSON can.
fn plain(value: &Cbor) -> Value {
    match value {
        Cbor::Map(entries) => Value::Object(
            entries
                .iter()
                .filter_map(|(key, value)| Some((key.as_text()?.to_owned(), plain(value))))
                .collect(),
        ),
        Cbor::Array(entries) => entries.iter().map(plain).collect(),
        Cbor::Text(text) => json!(text),
        Cbor::Tag(_, inner) => plain(inner),
        Cbor::Float(number) => json!(number),
        Cbor::Integer(number) => json!(i64::try_from(*number).unwrap_or(0)),
        Cbor::Bool(value) => json!(value),
        _ => Value::Null,
    }
}

/// The fields of a form.
fn form(bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    let decoded = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                    u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).unwrap_or(b'?')
                }
                other => other,
            });
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Value::Object(
        text.split('&')
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| (decoded(name), json!(decoded(value))))
            .collect(),
    )
}

fn carried_out(world: &mut World, by: &str, asked: &Asked, lag: Milliseconds, is_partial: bool) -> Answer {
    let now = world.now();
    let answer = match asked.service {
        Service::ParameterStore => parameter_store(world, by, asked, now, lag),
        Service::EventBridge => Ok(put_events(world, asked, is_partial)),
        Service::Sns => {
            let body = &asked.body;
            let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            world.happened(&Fact::Notified {
                subject: text("Subject"),
                message: text("Message"),
            });
            Ok(json!({}))
        }
        Service::Mwaa => match asked.color.and_then(|color| world.environments.of(color).described()) {
            Some(described) => Ok(described),
            None => Err((404, "ResourceNotFoundException", "no such environment".to_owned())),
        },
        Service::Airflow => airflow(world, asked, now),
        Service::CloudWatch => Ok(cloudwatch(world, asked, now, is_partial)),
    };
    if is_partial { answer.map(in_part) } else { answer }
}

fn parameter_store(world: &mut World, by: &str, asked: &Asked, now: Milliseconds, lag: Milliseconds) -> Answer {
    let name = asked.named().to_owned();
    let was_there = world.store.truth(&name).is_some();
    let answer = world.store.call(&asked.operation, &asked.body, by, now, lag);
    if answer.is_ok() && matches!(asked.operation.as_str(), "PutParameter" | "DeleteParameter") {
        changed(world, &name, was_there, by);
    }
    answer
}

/// A parameter was written or deleted.
pub fn changed(world: &mut World, name: &str, was_there: bool, by: &str) {
    let now = world.now();
    let written = world.store.truth(name).cloned();
    if name == world.names.flag() {
        world.airflow.flag_changed(written.as_ref());
    }
    let is_watched = name == world.names.flag() || name == world.names.hold();
    if is_watched {
        let operation = match (&written, was_there) {
            (None, _) => "Delete",
            (Some(_), true) => "Update",
            (Some(_), false) => "Create",
        };
        world.deliver(Delivery::Change {
            name: name.to_owned(),
            operation,
            at: now,
        });
    }
    world.happened(&Fact::Stored {
        name: name.to_owned(),
        version: written,
        by: by.to_owned(),
    });
}

fn put_events(world: &mut World, asked: &Asked, is_partial: bool) -> Value {
    let entries = asked
        .body
        .get("Entries")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut answers = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        if is_partial && number == 0 {
            answers.push(json!({"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"}));
            continue;
        }
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        let detail: Value = serde_json::from_str(text("Detail")).unwrap_or(Value::Null);
        // The date that it was given, else that of its arrival; in whole seconds.
        let dated = entry.get("Time").and_then(Value::as_f64);
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a date")]
        let seconds = dated.map_or(world.now() / SECOND, |seconds| seconds as Milliseconds);
        let event = json!({
            "version": "0", "id": format!("e-{}", world.rng.u64(..)), "detail-type": text("DetailType"), "source": text("Source"),
            "account": "123456789012", "time": crate::clock::timestamp(seconds * SECOND).to_string(),
            "region": "us-east-1", "resources": [], "detail": detail,
        });
        world.happened(&Fact::Published(event.clone()));
        if is_mailed(&event) {
            world.deliver(Delivery::Audit(event));
        }
        answers.push(json!({"EventId": "e"}));
    }
    json!({"FailedEntryCount": i32::from(is_partial), "Entries": answers})
}

fn airflow(world: &mut World, asked: &Asked, now: Milliseconds) -> Answer {
    let Some(color) = asked.color else {
        return Err((404, "ResourceNotFoundException", "no such environment".to_owned()));
    };
    let environment = world.environments.of(color);
    if environment.status.is_none() {
        return Err((404, "ResourceNotFoundException", "no such environment".to_owned()));
    }
    if !environment.web_is_up || !environment.status.is_some_and(crate::environment::is_serving) {
        return Err((
            500,
            "RestApiServerException",
            "the web server does not answer".to_owned(),
        ));
    }
    let path = asked.body.get("Path").and_then(Value::as_str).unwrap_or_default();
    let found = match path {
        "/monitor/health" if !environment.is_airflow_2 => Some(environment.health(now)),
        "/health" if environment.is_airflow_2 => Some(environment.health(now)),
        _ => {
            let text = |name: &str| asked.body.get(name).and_then(Value::as_str).unwrap_or_default();
            let call = Call {
                color,
                is_airflow_2: environment.is_airflow_2,
                method: text("Method"),
                path,
                query: &asked.body["QueryParameters"],
                body: &asked.body["Body"],
                now,
            };
            let answer = call.answer(&mut world.airflow);
            if text("Method") == "PATCH" && !can_list(world, color.other(), now) {
                world.airflow.set_blindly(color, now);
            }
            answer
        }
    };
    match found {
        Some(found) => Ok(json!({"RestApiStatusCode": 200, "RestApiResponse": found})),
        None => Err((404, "RestApiClientException", "Not Found".to_owned())),
    }
}

/// Whether nothing keeps anybody from listing the DAGs of an environment.
fn can_list(world: &World, color: Color, now: Milliseconds) -> bool {
    let environment = world.environments.of(color);
    let is_up = environment.web_is_up && environment.status.is_some_and(crate::environment::is_serving);
    is_up && world.weather.fair_for(now) > 2 * MINUTE
}

fn cloudwatch(world: &mut World, asked: &Asked, now: Milliseconds, is_partial: bool) -> Value {
    match asked.operation.as_str() {
        "GetMetricData" => {
            let span = |field: &str| {
                let seconds = asked.body.get(field).and_then(Value::as_f64).unwrap_or(0.0);
                #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this century")]
                let milliseconds = (seconds * 1000.0) as i64;
                milliseconds
            };
            // What is missing is the newest.
            let unseen = if is_partial { UNSEEN } else { 0 };
            let points = asked
                .color
                .map(|color| {
                    let environment = world.environments.of(color);
                    environment.heartbeat_points(span("StartTime"), span("EndTime"), now - unseen)
                })
                .unwrap_or_default();
            let status = if is_partial { "PartialData" } else { "Complete" };
            json!({"points": points, "status": status})
        }
        "DescribeAlarms" => {
            let wanted = asked
                .body
                .get("AlarmNames")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let alarms: Vec<Value> = wanted
                .iter()
                .filter_map(Value::as_str)
                .filter_map(|name| {
                    let color = [Color::Blue, Color::Green]
                        .into_iter()
                        .find(|color| name.ends_with(color.as_str()))?;
                    let since = world.environments.of(color).alarm;
                    Some(json!({"name": name, "since": since}))
                })
                .collect();
            json!({"alarms": alarms})
        }
        _ => Value::Null,
    }
}
