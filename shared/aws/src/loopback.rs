//! MWAA's host prefixes (`api.`, `env.`), which the SDK puts before any endpoint, can only be resolved before a name.
//! They fail before an address, such as the loopback address of a local AWS. A person can also disable them.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Removes the prefix before an address, or before any host with `AWS_DISABLE_HOST_PREFIX_INJECTION`, which the AWS CLI
/// and boto3 respect and the Rust SDK does not. Any other endpoint stays unchanged.
#[derive(Debug)]
pub(crate) struct StripHostPrefix {
    /// Whether the prefix is disabled for every host.
    pub(crate) is_disabled: bool,
}

#[dyn_dispatch_hint]
impl Intercept for StripHostPrefix {
    fn name(&self) -> &'static str {
        "StripHostPrefix"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if let Some(uri) = without_prefix(request.uri(), self.is_disabled) {
            request.set_uri(uri)?;
        }
        Ok(())
    }
}

fn without_prefix(uri: &str, is_disabled: bool) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let host = rest.strip_prefix("api.").or_else(|| rest.strip_prefix("env."))?;
    (is_disabled || is_address(host)).then(|| format!("{scheme}://{host}"))
}

/// Whether this begins with an IP address, or with the name of the loopback address.
fn is_address(authority: &str) -> bool {
    if authority.starts_with('[') {
        return true;
    }
    let host = authority.split([':', '/', '?']).next().unwrap_or_default();
    host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::without_prefix;

    #[test]
    fn only_addresses_lose_their_prefix() {
        for (uri, expected) in [
            (
                "http://api.127.0.0.1:4566/environments/x",
                Some("http://127.0.0.1:4566/environments/x"),
            ),
            ("http://env.localhost/restapi/x?y", Some("http://localhost/restapi/x?y")),
            ("http://env.[::1]:1/", Some("http://[::1]:1/")),
            ("https://env.10.0.3.7/restapi/x", Some("https://10.0.3.7/restapi/x")),
            ("https://api.airflow.us-east-1.amazonaws.com/environments/x", None),
            ("https://api.localhost.example.com/", None),
            ("https://api.10.0.3.7.example.com/", None),
            ("http://127.0.0.1:4566/", None),
        ] {
            assert_eq!(without_prefix(uri, false).as_deref(), expected, "{uri}");
        }
    }

    #[test]
    fn who_wants_no_prefix_has_none() {
        for (uri, expected) in [
            ("https://api.mwaa.example.com/x", Some("https://mwaa.example.com/x")),
            (
                "https://env.mwaa.example.com:8443/x",
                Some("https://mwaa.example.com:8443/x"),
            ),
            ("https://mwaa.example.com/x", None),
        ] {
            assert_eq!(without_prefix(uri, true).as_deref(), expected, "{uri}");
        }
    }
}
