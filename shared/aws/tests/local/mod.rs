//! Settings of a pair, and AWS at a server of the test.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test file uses its part"
)]

use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_sdk_ssm::config::Credentials;
use bluegreen_core::settings::{self, Settings};
use wiremock::MockServer;

/// The pair `orders`, with further variables.
pub fn settings(more: &[(&str, &str)]) -> Settings {
    settings::read(|name| {
        let value = match name {
            "PAIR_NAME" => "orders",
            "BLUE_ENVIRONMENT_NAME" => "orders-blue",
            "GREEN_ENVIRONMENT_NAME" => "orders-green",
            "AUDIT_BUS_NAME" => "orders-audit",
            _ => more.iter().find(|(known, _)| *known == name)?.1,
        };
        Some(value.to_owned())
    })
    .unwrap()
}

/// AWS as that server simulates it.
pub fn aws(server: &MockServer) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(server.uri())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
}
