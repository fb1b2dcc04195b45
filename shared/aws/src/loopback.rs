//! MWAA's host prefixes (`api.`, `env.`) cannot be resolved in front of a loopback address, where a local AWS listens.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Removes the prefix when what stands behind it is a loopback address; any real endpoint is left alone.
#[derive(Debug)]
pub(crate) struct StripHostPrefix;

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
        if let Some(uri) = without_prefix(request.uri()) {
            request.set_uri(uri)?;
        }
        Ok(())
    }
}

fn without_prefix(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let host = rest.strip_prefix("api.").or_else(|| rest.strip_prefix("env."))?;
    let is_loopback = ["127.0.0.1", "localhost", "[::1]"].iter().any(|address| {
        host.strip_prefix(address)
            .is_some_and(|after| after.is_empty() || after.starts_with([':', '/', '?']))
    });
    is_loopback.then(|| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::without_prefix;

    #[test]
    fn only_loopback_hosts_lose_their_prefix() {
        for (uri, expected) in [
            (
                "http://api.127.0.0.1:4566/environments/x",
                Some("http://127.0.0.1:4566/environments/x"),
            ),
            ("http://env.localhost/restapi/x?y", Some("http://localhost/restapi/x?y")),
            ("http://env.[::1]:1/", Some("http://[::1]:1/")),
            ("https://api.airflow.us-east-1.amazonaws.com/environments/x", None),
            ("https://api.localhost.example.com/", None),
            ("http://127.0.0.1:4566/", None),
        ] {
            assert_eq!(without_prefix(uri).as_deref(), expected, "{uri}");
        }
    }
}
