//! The endpoints of the services, if they are not AWS's own: `AWS_ENDPOINT_URL_<SERVICE>` before `AWS_ENDPOINT_URL`,
//! and neither with `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`, as in the SDKs and the AWS CLI. The SDK's own reading of
//! these comes with profiles and a chain of credential sources that no function has.

use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

const GENERAL: &str = "AWS_ENDPOINT_URL";
const IGNORE: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";

/// The endpoints that the environment names.
pub(crate) struct Endpoints<F> {
    lookup: F,
    are_ignored: bool,
}

impl<F> std::fmt::Debug for Endpoints<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoints")
            .field("are_ignored", &self.are_ignored)
            .finish_non_exhaustive()
    }
}

impl<F: Fn(&str) -> Option<String>> Endpoints<F> {
    /// The endpoints of an environment.
    pub(crate) fn of(lookup: F) -> Self {
        let are_ignored = lookup(IGNORE).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Self { lookup, are_ignored }
    }

    /// The endpoint of every service that has none of its own.
    pub(crate) fn general(&self) -> Option<String> {
        self.named(GENERAL)
    }

    /// An empty value counts as not set.
    fn named(&self, name: &str) -> Option<String> {
        if self.are_ignored {
            return None;
        }
        (self.lookup)(name)
            .map(|url| url.trim().to_owned())
            .filter(|url| !url.is_empty())
    }
}

impl<F: Fn(&str) -> Option<String> + Send + Sync> LoadServiceConfig for Endpoints<F> {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        // Other settings of a service (the functions have none) are not the endpoint.
        if key.env() != GENERAL {
            return None;
        }
        let service = key.service_id().to_uppercase().replace([' ', '-'], "_");
        self.named(&format!("{GENERAL}_{service}"))
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, SdkConfig};

    use super::*;

    fn config(variables: &'static [(&'static str, &'static str)]) -> SdkConfig {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        let endpoints = Endpoints::of(lookup);
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest());
        let config = match endpoints.general() {
            Some(url) => config.endpoint_url(url),
            None => config,
        };
        config.service_config(endpoints).build()
    }

    /// The endpoints with which the clients of SSM, MWAA, CloudWatch, EventBridge and SNS are built.
    fn endpoints(variables: &'static [(&'static str, &'static str)]) -> [Option<String>; 5] {
        let of = config(variables);
        // The builders have no accessor for it, but their debug output contains it.
        let shown = |builder: String| Some(builder.split("EndpointUrl(\"").nth(1)?.split('"').next()?.to_owned());
        [
            shown(format!("{:?}", aws_sdk_ssm::config::Builder::from(&of))),
            shown(format!("{:?}", aws_sdk_mwaa::config::Builder::from(&of))),
            shown(format!("{:?}", aws_sdk_cloudwatch::config::Builder::from(&of))),
            shown(format!("{:?}", aws_sdk_eventbridge::config::Builder::from(&of))),
            shown(format!("{:?}", aws_sdk_sns::config::Builder::from(&of))),
        ]
    }

    #[test]
    fn a_service_has_its_own_endpoint_before_the_one_of_all() {
        let url = |url: &str| Some(url.to_owned());
        let own = [
            url("http://s"),
            url("http://m"),
            url("http://c"),
            url("http://e"),
            url("http://n"),
        ];
        assert_eq!(endpoints(&[]), [const { None }; 5]);
        assert_eq!(
            endpoints(&[(GENERAL, "http://all")]),
            [const { "http://all" }; 5].map(url)
        );
        assert_eq!(
            endpoints(&[
                (GENERAL, "http://all"),
                ("AWS_ENDPOINT_URL_SSM", "http://s"),
                ("AWS_ENDPOINT_URL_MWAA", "http://m"),
                ("AWS_ENDPOINT_URL_CLOUDWATCH", "http://c"),
                ("AWS_ENDPOINT_URL_EVENTBRIDGE", "http://e"),
                ("AWS_ENDPOINT_URL_SNS", "http://n"),
            ]),
            own
        );
        assert_eq!(
            endpoints(&[("AWS_ENDPOINT_URL_MWAA", "http://m")]),
            [None, url("http://m"), None, None, None],
            "the others are AWS's own"
        );
    }

    #[test]
    fn nothing_and_what_is_ignored_name_no_endpoint() {
        assert_eq!(
            endpoints(&[
                (GENERAL, "http://all"),
                ("AWS_ENDPOINT_URL_SSM", " "),
                ("AWS_ENDPOINT_URL_SNS", "")
            ]),
            [const { "http://all" }; 5].map(|url| Some(url.to_owned()))
        );
        for word in ["true", "True", "TRUE"] {
            let variables: &'static [_] = Box::leak(Box::new([
                (GENERAL, "http://all"),
                ("AWS_ENDPOINT_URL_SSM", "http://s"),
                (IGNORE, word),
            ]));
            assert_eq!(endpoints(variables), [const { None }; 5], "{word}");
        }
        assert_eq!(
            endpoints(&[("AWS_ENDPOINT_URL_SSM", "http://s"), (IGNORE, "false")])[0].as_deref(),
            Some("http://s")
        );
    }
}
