//! Credentials, region and endpoint, as the AWS CLI finds them.

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
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bluegreen_aws::configuration::variable;

use crate::arguments::Connection;
use crate::failure::Failure;

const CONNECT: Duration = Duration::from_secs(5);

/// The SDK's settings for this person: `region` wins over everything but `--region`.
pub(crate) async fn configure(connection: &Connection, region: Option<&str>) -> Result<SdkConfig, Failure> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts(connection.timeout));
    if let Some(region) = connection.region.as_deref().or(region) {
        loader = loader.region(Region::new(region.to_owned()));
    }
    // AWS_DEFAULT_PROFILE is the AWS CLI's own; the SDK knows AWS_PROFILE only.
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
        // As with the AWS CLI, a profile that is named wins over credentials in the environment.
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

/// Time-outs of one try and of all tries together.
pub(crate) fn timeouts(seconds: u64) -> TimeoutConfig {
    let limit = Duration::from_secs(seconds);
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(limit)
        .operation_attempt_timeout(limit)
        .operation_timeout(limit.saturating_mul(2))
        .build()
}

/// The functions' TLS stack, with the machine's root certificates and its proxy settings.
fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_with_connector_fn(|settings, components| {
        let mut builder = Connector::builder()
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
}
