//! What went wrong, who can act, and the exit code.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bluegreen_core::printable::visible;

use crate::foreign;

pub(crate) use crate::exit;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An argument or a setting cannot be used.
    #[error("{0}")]
    Usage(String),
    /// What was asked would do harm, or is not the time for.
    #[error("{0}")]
    Refused(String),
    /// Something is not ready for what was asked.
    #[error("{0}")]
    NotReady(String),
    /// AWS failed, or could not be reached.
    #[error("{0}")]
    Aws(String),
    /// The function answered with an error.
    #[error("{message} ({error_type}){advice}")]
    Function {
        error_type: String,
        message: String,
        /// The current state and what to do, if the function could not say so itself.
        advice: String,
        /// The function's answer as it was received.
        answer: String,
    },
    /// Nobody confirmed the change.
    #[error("{0}")]
    NotConfirmed(String),
    /// The change was requested, but not seen in time.
    #[error("{0}")]
    NotInTime(String),
    /// A file or a stream failed.
    #[error("{0}")]
    File(String),
    /// The reader of the output has closed it.
    #[error("the output was closed")]
    OutputClosed,
    /// The command was interrupted with Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// The failure on one line for a person's terminal: much of it is text from others.
    pub(crate) fn message(&self) -> String {
        visible(&self.to_string())
    }

    /// Translates a function's message about a request into the options of the command line.
    pub(crate) fn in_options(self, same_pair: &str) -> Self {
        match self {
            Self::Function {
                error_type,
                message,
                advice,
                answer,
            } => {
                let mut message = foreign::with_commands(&message, same_pair);
                if error_type == "InvalidRequest" {
                    message = foreign::with_options(&message);
                }
                Self::Function {
                    error_type,
                    message,
                    advice,
                    answer,
                }
            }
            other => other,
        }
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => exit::USAGE,
            Self::Function { error_type, .. } if error_type == "InvalidRequest" => exit::USAGE,
            Self::Aws(_) | Self::Function { .. } | Self::File(_) | Self::OutputClosed => exit::FAILED,
            Self::Refused(_) => exit::REFUSED,
            Self::NotReady(_) => exit::NOT_READY,
            Self::NotConfirmed(_) => exit::NOT_CONFIRMED,
            Self::NotInTime(_) => exit::NOT_IN_TIME,
            Self::Interrupted => exit::INTERRUPTED,
        }
    }
}

/// The way around an outage of Lambda.
pub(crate) const WITHOUT_LAMBDA: &str =
    "; if Lambda is the outage, --direct works without it: ask `mwaa-bluegreen status --direct` first";

/// The request to AWS, for the advice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// What the command was doing, as a fragment after "failed".
    pub(crate) doing: &'a str,
    /// What was asked: a function or a service.
    pub(crate) of: &'a str,
    pub(crate) region: &'a str,
    /// The permission that the request needs.
    pub(crate) permission: &'a str,
    /// Whether the request may have changed something.
    pub(crate) changes: bool,
    /// Whether Lambda was asked, and `--direct` does the same.
    pub(crate) direct_works: bool,
    /// The endpoint, if it is not AWS's own.
    pub(crate) endpoint: Option<&'a str>,
    pub(crate) profile: Option<&'a str>,
}

/// Turns an SDK error into a message for a person.
pub(crate) fn from_sdk<E>(error: &SdkError<E, HttpResponse>, asked: Asked<'_>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let Asked {
        doing,
        of,
        region,
        permission,
        changes,
        direct_works,
        endpoint,
        profile,
    } = asked;
    let uncertain = if changes {
        "; it may have been carried out all the same, and was not sent again: ask `mwaa-bluegreen status`"
    } else {
        ""
    };
    let without_lambda = if direct_works { WITHOUT_LAMBDA } else { "" };
    let place = match endpoint {
        Some(url) => format!("{region} at {url}"),
        None => region.to_owned(),
    };
    let text = match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("an error without a code");
            let said = match service.err().message() {
                Some(message) => format!("{code}: {message}"),
                None => code.to_owned(),
            };
            let status = service.raw().status().as_u16();
            let advice = service_advice(code, asked);
            let uncertain = if status >= 500 { uncertain } else { "" };
            // A key that Lambda cannot use has its own advice.
            let is_outage = status >= 500 || is_throttle(code);
            let without_lambda = if is_outage && !is_key(code) { without_lambda } else { "" };
            format!("failed {doing} {of} in {region}: {said}{advice}{uncertain}{without_lambda}")
        }
        SdkError::TimeoutError(_) => {
            format!("failed {doing} {of} in {place}: no answer in time (--timeout){uncertain}{without_lambda}")
        }
        other => {
            let chain = chain(other);
            let lower = chain.to_ascii_lowercase();
            if lower.contains("credential") || lower.contains("profile") || lower.contains("sso") {
                let of_profile = profile.map(|name| format!(" of profile {name:?}")).unwrap_or_default();
                format!(
                    "no credentials{of_profile} for AWS: {chain}; log in (`aws sso login`), set AWS_PROFILE or --profile, or \
                     AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; it takes {permission} on {of}"
                )
            } else if lower.contains("timed out") || lower.contains("timeout") {
                format!("failed {doing} {of} in {place}: no answer in time: {chain}{uncertain}{without_lambda}")
            } else if let Some(url) = endpoint {
                // `--direct` would use the same endpoint.
                format!(
                    "failed {doing} {of} in {region}: {chain}{uncertain}{}",
                    at_endpoint(url)
                )
            } else {
                format!(
                    "failed {doing} {of} in {region}: {chain}; look at the region (--region, AWS_REGION), and whether this \
                     machine can reach it{uncertain}{without_lambda}"
                )
            }
        }
    };
    Failure::Aws(text)
}

/// The advice if nothing responds at a configured endpoint.
pub(crate) fn at_endpoint(url: &str) -> String {
    format!(
        "; the endpoint is {url} (--endpoint-url, AWS_ENDPOINT_URL, or the profile's endpoint_url): look whether it is right, \
         and whether this machine can reach it"
    )
}

fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "TooManyRequestsException" | "ThrottlingException" | "Throttling" | "RequestLimitExceeded"
    )
}

/// Whether Lambda cannot decrypt the function's environment.
fn is_key(code: &str) -> bool {
    code.starts_with("KMS")
}

fn service_advice(code: &str, asked: Asked<'_>) -> String {
    let Asked {
        of,
        region,
        permission,
        direct_works,
        ..
    } = asked;
    match code {
        "ResourceNotFoundException" => format!(
            "; there is no {of} in {region}: name the pair with --pair or MWAA_BLUEGREEN_PAIR (the function is \
             <pair>-switch-handler, or --function), and the region with --region or AWS_REGION"
        ),
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => {
            format!("; whoever asks needs {permission} on {of} (`aws sts get-caller-identity` shows who asks)")
        }
        code if is_throttle(code) => {
            "; AWS asks to slow down, nothing was carried out: ask again in a moment".to_owned()
        }
        "ExpiredTokenException"
        | "ExpiredToken"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "InvalidClientTokenId"
        | "IncompleteSignatureException" => {
            "; the credentials are refused: log in again (`aws sso login`), or choose others with --profile".to_owned()
        }
        code if is_key(code) => {
            let meanwhile = if direct_works {
                "; until then --direct works without the function"
            } else {
                ""
            };
            format!("; Lambda cannot decrypt the function's environment: look at the key's policy and state{meanwhile}")
        }
        _ => String::new(),
    }
}

/// The chain of sources, each one once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        // The SDK prints its whole request.
        let text = text.split(" to request `Request").next().unwrap_or_default().to_owned();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::operation::invoke::InvokeError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    fn asked(direct_works: bool, endpoint: Option<&str>) -> Asked<'_> {
        Asked {
            doing: "asking",
            of: "function orders-switch-handler",
            region: "us-east-2",
            permission: "lambda:InvokeFunction",
            changes: true,
            direct_works,
            endpoint,
            profile: None,
        }
    }

    fn said(status: u16, code: &str) -> SdkError<InvokeError, HttpResponse> {
        let error = InvokeError::generic(ErrorMetadata::builder().code(code).build());
        SdkError::service_error(error, HttpResponse::new(status.try_into().unwrap(), SdkBody::empty()))
    }

    fn refused() -> SdkError<InvokeError, HttpResponse> {
        SdkError::dispatch_failure(ConnectorError::io("Connection refused".into()))
    }

    fn outages() -> [SdkError<InvokeError, HttpResponse>; 8] {
        [
            SdkError::timeout_error("too slow"),
            SdkError::dispatch_failure(ConnectorError::timeout("connect timed out".into())),
            refused(),
            said(429, "TooManyRequestsException"),
            said(400, "ThrottlingException"),
            said(500, "ServiceException"),
            said(503, "ServiceUnavailableException"),
            said(502, "EFSIOException"),
        ]
    }

    #[test]
    fn every_outage_of_lambda_names_the_road_around_it_if_there_is_one() {
        for error in outages() {
            let told = from_sdk(&error, asked(true, None)).to_string();
            assert!(told.ends_with(WITHOUT_LAMBDA), "{told}");
            let told = from_sdk(&error, asked(false, None)).to_string();
            assert!(!told.contains("--direct"), "{told}");
        }
        let told = from_sdk(&said(502, "KMSDisabledException"), asked(true, None)).to_string();
        assert!(told.contains("--direct works without the function"), "{told}");
        let told = from_sdk(&said(502, "KMSDisabledException"), asked(false, None)).to_string();
        assert!(!told.contains("--direct"), "{told}");
    }

    #[test]
    fn what_the_asker_must_mend_is_no_outage() {
        for (status, code) in [
            (403, "AccessDeniedException"),
            (404, "ResourceNotFoundException"),
            (403, "ExpiredTokenException"),
        ] {
            let told = from_sdk(&said(status, code), asked(true, None)).to_string();
            assert!(!told.contains("--direct"), "{told}");
        }
    }

    #[test]
    fn the_sdks_whole_request_is_not_shown() {
        let dump = "failed to apply endpoint `foo` to request `Request { body: SdkBody { inner: Once } }`";
        let error = SdkError::dispatch_failure(ConnectorError::other(dump.into(), None));
        let told = from_sdk::<InvokeError>(&error, asked(true, None)).to_string();
        assert!(told.contains("endpoint `foo`") && !told.contains("Request {"), "{told}");
    }

    #[test]
    fn an_endpoint_that_was_named_is_looked_at_before_the_region() {
        let told = from_sdk(&refused(), asked(true, Some("http://127.0.0.1:9"))).to_string();
        assert!(
            told.contains("the endpoint is http://127.0.0.1:9 (--endpoint-url"),
            "{told}"
        );
        assert!(!told.contains("--region") && !told.contains("--direct"), "{told}");
        let told = from_sdk(&refused(), asked(true, None)).to_string();
        assert!(told.contains("--region") && !told.contains("--endpoint-url"), "{told}");
    }
}
