//! Where S3 is asked.

use aws_config::SdkConfig;
use bluegreen_aws::configuration::variable;

/// The endpoint of S3, if it is not AWS's own.
pub(super) fn s3_endpoint(config: &SdkConfig) -> Option<String> {
    variable("AWS_ENDPOINT_URL_S3")
        .filter(|url| !url.is_empty())
        .or_else(|| config.endpoint_url().map(str::to_owned))
}

/// Whether the endpoint's host is an address, or the name of the loopback address.
pub(super) fn is_address(url: &str) -> bool {
    url.parse::<http::Uri>().is_ok_and(|url| {
        let host = url.host().unwrap_or_default();
        host == "localhost" || host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok()
    })
}
