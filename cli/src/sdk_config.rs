//! Credentials, region and endpoint, as the AWS CLI finds them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::config::SharedCredentialsProvider;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bluegreen_aws::configuration::variable;
use bluegreen_aws::connections::{MOST_IDLE, known_alive};

use crate::connection::{Connection, ENDPOINT_ALLOWED, is_endpoint};
use crate::failure::Failure;

const CONNECT: Duration = Duration::from_secs(5);

/// The endpoint variables of the environment. The option is checked before, and wins.
const ENDPOINTS: [&str; 9] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_LAMBDA",
    "AWS_ENDPOINT_URL_SSM",
    "AWS_ENDPOINT_URL_MWAA",
    "AWS_ENDPOINT_URL_CLOUDWATCH",
    "AWS_ENDPOINT_URL_EVENTBRIDGE",
    "AWS_ENDPOINT_URL_SNS",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_CLOUDFORMATION",
];

/// Checked here because the SDK would print its whole request about an invalid endpoint.
fn look_at_endpoints(connection: &Connection, environment: impl Fn(&str) -> Option<String>) -> Result<(), Failure> {
    let is_ignored =
        environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|word| word.eq_ignore_ascii_case("true"));
    if connection.endpoint_url.is_some() || is_ignored {
        return Ok(());
    }
    let given = |name: &&str| environment(name).map(|url| ((*name).to_owned(), url));
    let wrong = ENDPOINTS
        .iter()
        .filter_map(given)
        .find(|(_, url)| !url.is_empty() && !is_endpoint(url));
    match wrong {
        Some((name, url)) => Err(Failure::Usage(format!("{name} is {url:?}; {ENDPOINT_ALLOWED}"))),
        None => Ok(()),
    }
}

/// The SDK's settings for this person: `region` wins over everything but `--region`.
pub(crate) async fn configure(connection: &Connection, region: Option<&str>) -> Result<SdkConfig, Failure> {
    look_at_endpoints(connection, variable)?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts(connection.timeout));
    if let Some(region) = connection.region.as_deref().or(region) {
        loader = loader.region(Region::new(region.to_owned()));
    }
    // The AWS CLI also reads AWS_DEFAULT_PROFILE; the SDK reads AWS_PROFILE only.
    let profile = connection
        .profile
        .clone()
        .or_else(|| variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE")))
        .filter(|profile| !profile.is_empty());
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &connection.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let mut config = loader.load().await;
    if let Some(profile) = &connection.profile {
        // As with the AWS CLI, a named profile wins over credentials in the environment.
        let provider = ProviderConfig::default()
            .with_http_client(http_client())
            .with_region(config.region().cloned());
        let credentials = ProfileFileCredentialsProvider::builder()
            .configure(&provider)
            .profile_name(profile)
            .build();
        config = config
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
    }
    if config.region().is_none_or(|region| region.as_ref().is_empty()) {
        return Err(Failure::Usage(
            "no region: give --region, set AWS_REGION, or choose a profile that has one (--profile, AWS_PROFILE)"
                .to_owned(),
        ));
    }
    Ok(config)
}

/// The time-outs of one try and of all tries together.
pub(crate) fn timeouts(seconds: u64) -> TimeoutConfig {
    let limit = Duration::from_secs(seconds);
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(limit)
        .operation_attempt_timeout(limit)
        .operation_timeout(limit.saturating_mul(2))
        .build()
}

/// The functions' TLS stack, with the machine's root certificates and its proxy settings. `watch` runs for hours, on
/// laptops that sleep, so it also replaces dead connections as the functions do.
fn http_client() -> SharedHttpClient {
    SharedHttpClient::new(Counted(uncounted()))
}

/// How many requests this process has sent, with repeats.
pub(crate) fn calls() -> u64 {
    CALLS.load(Ordering::Relaxed)
}

static CALLS: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
struct Counted(SharedHttpClient);

impl HttpClient for Counted {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(CountedConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct CountedConnector(SharedHttpConnector);

impl HttpConnector for CountedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        CALLS.fetch_add(1, Ordering::Relaxed);
        self.0.call(request)
    }
}

fn uncounted() -> SharedHttpClient {
    known_alive(|| {
        aws_smithy_http_client::Builder::new().build_with_connector_fn(|settings, components| {
            let mut builder = Connector::builder()
                .pool_idle_timeout(MOST_IDLE)
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .proxy_config(ProxyConfig::from_env());
            if let Some(settings) = settings {
                builder = builder.connector_settings(settings.clone());
            }
            if let Some(components) = components {
                builder.set_sleep_impl(components.sleep_impl());
            }
            builder.build()
        })
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Given {
        #[command(flatten)]
        connection: Connection,
    }

    #[test]
    fn an_endpoint_of_the_environment_that_is_none_is_named() {
        let connection = |line: &str| Given::try_parse_from(line.split(' ')).unwrap().connection;
        let plain = connection("mwaa-bluegreen");
        for name in ENDPOINTS {
            let told = look_at_endpoints(&plain, |asked| (asked == name).then(|| "foo".to_owned())).unwrap_err();
            assert_eq!(told.to_string(), format!("{name} is \"foo\"; {ENDPOINT_ALLOWED}"));
        }
        assert!(
            look_at_endpoints(&plain, |_| Some("true".to_owned())).is_ok(),
            "ignored by the SDK, too"
        );
        assert!(look_at_endpoints(&plain, |_| Some(String::new())).is_ok());
        assert!(look_at_endpoints(&plain, |_| Some("http://localhost:4566".to_owned())).is_ok());
        let named = connection("mwaa-bluegreen --endpoint-url http://localhost");
        assert!(look_at_endpoints(&named, |_| Some("foo".to_owned())).is_ok());
    }
}
