//! The way between a pair's functions and its services: what is sent over it is kept, and some of it goes wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bluegreen_simulation::clock::Milliseconds;
use bluegreen_simulation::world::{Shared, World};
use serde_json::{Value, json};

/// One request that a function sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) operation: String,
    /// The parameter, if it is about one.
    pub(crate) name: String,
    pub(crate) body: Value,
    /// The body as text, for what is not JSON.
    pub(crate) text: String,
    pub(crate) at: Milliseconds,
}

pub(crate) enum What {
    /// It is refused with this error and not carried out.
    Refuse(u16, &'static str),
    /// It is carried out, and its answer never comes.
    LoseAnswer,
    /// The world changes right before it is sent.
    First(Box<dyn FnOnce(&mut World) + Send>),
}

/// Something that happens to requests.
struct Rule {
    operation: &'static str,
    /// What the request contains.
    with: String,
    /// How many of these requests it lets pass.
    spares: u32,
    times: u32,
    what: Option<What>,
}

#[derive(Default)]
struct State {
    sent: Vec<Sent>,
    rules: Vec<Rule>,
}

/// The wire of a pair; its copies are the same wire.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<State>>);

impl Wire {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this happens to requests of an operation that contain `with`: `spares` are let pass before.
    pub(crate) fn rule(&self, operation: &'static str, with: &str, (spares, times): (u32, u32), what: What) {
        self.lock().rules.push(Rule {
            operation,
            with: with.to_owned(),
            spares,
            times,
            what: Some(what),
        });
    }

    /// Nothing goes wrong any more.
    pub(crate) fn mend(&self) {
        self.lock().rules.clear();
    }

    /// What was sent since it was last forgotten.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.lock().sent.clone()
    }

    /// Forgets what was sent so far.
    pub(crate) fn forget(&self) {
        self.lock().sent.clear();
    }

    /// A client whose requests go over this wire.
    pub(crate) fn between(&self, inner: SharedHttpClient, world: &Shared) -> SharedHttpClient {
        let (world, wire) = (world.clone(), self.clone());
        http_client_fn(move |settings, components| {
            SharedHttpConnector::new(Tap {
                inner: inner.http_connector(settings, components),
                world: world.clone(),
                wire: wire.clone(),
            })
        })
    }
}

#[derive(Clone)]
struct Tap {
    inner: SharedHttpConnector,
    world: Shared,
    wire: Wire,
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tap")
    }
}

impl HttpConnector for Tap {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sent = seen(&request, self.world.lock().now());
        let mut wire = self.wire.lock();
        wire.sent.push(sent.clone());
        let mut verdict = None;
        for rule in &mut wire.rules {
            let fits = rule.operation == sent.operation && sent.text.contains(&rule.with) && rule.times > 0;
            if !fits {
                continue;
            }
            if rule.spares > 0 {
                rule.spares -= 1;
                continue;
            }
            rule.times -= 1;
            verdict = match &mut rule.what {
                Some(What::Refuse(status, code)) => Some(Err((*status, *code))),
                Some(What::LoseAnswer) => Some(Ok(())),
                first @ Some(What::First(_)) => {
                    if let Some(What::First(act)) = first.take() {
                        act(&mut self.world.lock());
                    }
                    continue;
                }
                None => continue,
            };
            break;
        }
        drop(wire);
        match verdict {
            Some(Err((status, code))) => {
                let body = json!({"__type": code, "message": "refused by the test"}).to_string();
                let status = StatusCode::try_from(status).expect("a status");
                let mut response = HttpResponse::new(status, SdkBody::from(body));
                response.headers_mut().insert("x-amzn-errortype", code);
                HttpConnectorFuture::ready(Ok(response))
            }
            Some(Ok(())) => {
                let carried_out = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    let _lost = carried_out.await;
                    std::future::pending().await
                })
            }
            None => self.inner.call(request),
        }
    }
}

fn seen(request: &HttpRequest, at: Milliseconds) -> Sent {
    let text = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    let uri = request.uri().split('?').next().unwrap_or_default();
    let operation = match target.rsplit_once('.') {
        Some((_, operation)) => operation.to_owned(),
        None if uri.contains("/operation/") => uri.rsplit('/').next().unwrap_or_default().to_owned(),
        None if uri.contains("/environments/") => "GetEnvironment".to_owned(),
        None if uri.contains("/restapi/") => "InvokeRestApi".to_owned(),
        None => "Publish".to_owned(),
    };
    // What a rule may look for includes the environment, which is in the address.
    Sent {
        operation,
        name: body.get("Name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        body,
        text: format!("{uri} {text}"),
        at,
    }
}
