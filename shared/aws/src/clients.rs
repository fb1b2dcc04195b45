//! The SDK's clients, built once at start, over one HTTP client.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ssm::config::SharedCredentialsProvider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bluegreen_core::color::Both;
use bluegreen_core::settings::Settings;

use crate::clock::Clock;
use crate::configuration::variable;
use crate::connections::{MOST_IDLE, known_alive};
use crate::endpoints::Endpoints;
use crate::loopback::StripHostPrefix;

/// The five roots that Amazon Trust Services recommends for custom trust stores
/// (<https://www.amazontrust.com/repository>). Parsing the system's hundred and more roots takes most of a cold start.
const AMAZON_TRUST_SERVICES: &[u8] = include_bytes!("../certificates/amazon-trust-services.pem");

/// Time to connect; the same for every client, because the HTTP client keeps one TLS setting per connect time-out.
const CONNECT: Duration = Duration::from_secs(2);

/// The time-outs of one try, and of all tries of a request together: a connection that goes silent leaves time for a
/// second try.
const TRY: Duration = Duration::from_secs(3);
const REQUEST: Duration = Duration::from_secs(8);

/// InvokeRestApi waits for Airflow's web server, up to 10 s, and an unhealthy one must not use up the whole tick. Nor
/// must a silent connection: the first try is given up early, so that the second one, on a new connection, has time for
/// a slow server. Both fit into one observation (10 s for the watcher, 12 s for a person's request).
pub(crate) const FIRST_TRY: Duration = TRY;
pub(crate) const SECOND_TRY: Duration = Duration::from_secs(5);

/// A client that is built when it is first used: each SDK parses its own copy of AWS's partitions, and a calm tick
/// needs only two of the four.
pub type OnDemand<C> = Arc<LazyLock<C, Box<dyn FnOnce() -> C + Send>>>;

fn on_demand<C>(build: impl FnOnce() -> C + Send + 'static) -> OnDemand<C> {
    Arc::new(LazyLock::new(Box::new(build)))
}

/// The clients of one color, in its own region.
#[derive(Debug, Clone)]
pub struct ColorClients {
    /// MWAA, for the environment's status and Airflow's API.
    pub mwaa: OnDemand<aws_sdk_mwaa::Client>,
    /// The CloudWatch client, for the heartbeat and the user's alarms.
    pub cloudwatch: OnDemand<aws_sdk_cloudwatch::Client>,
}

/// Every client that a function may use.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Parameter Store, in the function's region.
    pub ssm: aws_sdk_ssm::Client,
    /// CloudWatch, in the function's region, for this product's own metrics.
    pub cloudwatch: OnDemand<aws_sdk_cloudwatch::Client>,
    /// EventBridge, in the function's region.
    pub events: OnDemand<aws_sdk_eventbridge::Client>,
    /// The clients of each color.
    pub colors: Both<ColorClients>,
    /// The clock of adapters and use cases.
    pub clock: Clock,
    /// What they were built from, for a client that only one function needs.
    pub shared: SdkConfig,
}

impl Clients {
    /// Builds them from the process's AWS settings (credentials, region, endpoint).
    pub fn build(settings: &Settings) -> Self {
        // Without the SDK's loader, which also builds an STS client and a chain of credential sources that no function
        // has. These take a third of a cold start.
        let shared = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(variable("AWS_REGION").map(Region::new))
            .credentials_provider(SharedCredentialsProvider::new(
                EnvironmentVariableCredentialsProvider::new(),
            ))
            .http_client(http_client())
            .use_fips(is_on("AWS_USE_FIPS_ENDPOINT"))
            .use_dual_stack(is_on("AWS_USE_DUALSTACK_ENDPOINT"))
            .timeout_config(timeouts(TRY, REQUEST))
            .retry_config(retries(3));
        let endpoints = Endpoints::of(variable);
        let shared = match endpoints.general() {
            Some(url) => shared.endpoint_url(url),
            None => shared,
        };
        Self::over(&shared.service_config(endpoints).build(), settings)
    }

    /// Builds them over a person's AWS settings, with the time-outs and retries of the functions.
    pub fn outside_lambda(shared: &SdkConfig, settings: &Settings) -> Self {
        let shared = shared
            .to_builder()
            .timeout_config(timeouts(TRY, REQUEST))
            .retry_config(retries(3))
            .build();
        Self::over(&shared, settings)
    }

    /// Builds them over given AWS settings.
    pub fn over(shared: &SdkConfig, settings: &Settings) -> Self {
        let here = ColorClients::build(shared, None);
        Self {
            ssm: aws_sdk_ssm::Client::new(shared),
            cloudwatch: here.cloudwatch.clone(),
            events: on_demand({
                let shared = shared.clone();
                move || aws_sdk_eventbridge::Client::new(&shared)
            }),
            colors: Both::from_fn(|color| match settings.environments.of(color).region.as_deref() {
                Some(region) if shared.region().is_none_or(|here| here.as_ref() != region) => {
                    ColorClients::build(shared, Some(region))
                }
                _ => here.clone(),
            }),
            clock: Clock::system(),
            shared: shared.clone(),
        }
    }

    /// The same clients with a given clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }
}

impl ColorClients {
    pub(crate) fn build(shared: &SdkConfig, region: Option<&str>) -> Self {
        let region = region
            .map(|region| Region::new(region.to_owned()))
            .or_else(|| shared.region().cloned());
        let mwaa = aws_sdk_mwaa::config::Builder::from(shared)
            .region(region.clone())
            .interceptor(StripHostPrefix {
                is_disabled: is_on("AWS_DISABLE_HOST_PREFIX_INJECTION"),
            })
            .build();
        let cloudwatch = aws_sdk_cloudwatch::config::Builder::from(shared).region(region).build();
        Self {
            mwaa: on_demand(move || aws_sdk_mwaa::Client::from_conf(mwaa)),
            cloudwatch: on_demand(move || aws_sdk_cloudwatch::Client::from_conf(cloudwatch)),
        }
    }
}

/// The time-outs of one try and of all tries together.
pub(crate) fn timeouts(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}

/// The settings of one request to MWAA that is sent once, and given up after `limit`.
pub(crate) fn one_try(limit: Duration) -> aws_sdk_mwaa::config::Builder {
    aws_sdk_mwaa::Config::builder()
        .timeout_config(timeouts(limit, limit))
        .retry_config(retries(1))
}

/// The SDK's standard retries, with a first wait that suits a tick of one minute.
pub(crate) fn retries(attempts: u32) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(Duration::from_millis(200))
}

fn http_client() -> SharedHttpClient {
    let trust = if needs_system_roots() {
        TrustStore::default()
    } else {
        TrustStore::empty().with_pem_certificate(AMAZON_TRUST_SERVICES)
    };
    let builder = aws_smithy_http_client::Builder::new()
        .pool_idle_timeout(MOST_IDLE)
        .tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(trust).build() {
        Ok(context) => {
            let builder = builder.tls_context(context);
            known_alive(move || builder.clone().build_https())
        }
        Err(error) => {
            tracing::warn!(%error, "the built-in root certificates cannot be used; using the system's");
            known_alive(move || builder.clone().build_https())
        }
    }
}

fn is_on(name: &str) -> bool {
    variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Whether other roots are needed: a person named some, or the region's partition has its own authorities.
fn needs_system_roots() -> bool {
    let region = variable("AWS_REGION").unwrap_or_default();
    variable("SSL_CERT_FILE").is_some()
        || variable("SSL_CERT_DIR").is_some()
        || ["cn-", "eusc-", "us-iso", "eu-iso"]
            .iter()
            .any(|prefix| region.starts_with(prefix))
}
