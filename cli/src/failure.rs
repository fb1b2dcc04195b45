//! What went wrong, who can act, and the exit code.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Exit codes, as `--help` documents them.
pub(crate) mod exit {
    pub(crate) const DONE: u8 = 0;
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const REFUSED: u8 = 3;
    pub(crate) const CONFLICT: u8 = 4;
    pub(crate) const NOT_READY: u8 = 5;
    pub(crate) const NOT_CONFIRMED: u8 = 6;
    pub(crate) const NOT_IN_TIME: u8 = 7;
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was given cannot be used.
    #[error("{0}")]
    Usage(String),
    /// AWS failed, or could not be asked.
    #[error("{0}")]
    Aws(String),
    /// The function answered with an error.
    #[error("{message} ({error_type})")]
    Function {
        error_type: String,
        message: String,
        /// Its answer as it came.
        answer: String,
    },
    /// Nobody agreed.
    #[error("{0}")]
    NotConfirmed(String),
    /// It was asked for, and not seen in time.
    #[error("{0}")]
    NotInTime(String),
    /// A file or a stream failed.
    #[error("{0}")]
    File(String),
    /// Whoever read our output has gone.
    #[error("the output was closed")]
    OutputClosed,
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => exit::USAGE,
            Self::Function { error_type, .. } if error_type == "InvalidRequest" => exit::USAGE,
            Self::Aws(_) | Self::Function { .. } | Self::File(_) | Self::OutputClosed => exit::FAILED,
            Self::NotConfirmed(_) => exit::NOT_CONFIRMED,
            Self::NotInTime(_) => exit::NOT_IN_TIME,
            Self::Interrupted => exit::INTERRUPTED,
        }
    }
}

/// What was asked of AWS, for the advice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// As a fragment after "failed".
    pub(crate) doing: &'a str,
    /// What it was asked of: a function or a service.
    pub(crate) of: &'a str,
    pub(crate) region: &'a str,
    /// The permission it takes.
    pub(crate) permission: &'a str,
    /// Whether it may have changed something.
    pub(crate) changes: bool,
    /// The profile that was named.
    pub(crate) profile: Option<&'a str>,
}

/// A person's words for an SDK error.
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
        profile,
    } = asked;
    let uncertain = if changes {
        "; it may have been carried out all the same: ask `mwaa-bluegreen status`. It was not sent again"
    } else {
        ""
    };
    let text = match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("an error without a code");
            let said = match service.err().message() {
                Some(message) => format!("{code}: {message}"),
                None => code.to_owned(),
            };
            let advice = service_advice(code, asked);
            let status = service.raw().status().as_u16();
            let uncertain = if status >= 500 { uncertain } else { "" };
            format!("failed {doing} {of} in {region}: {said}{advice}{uncertain}")
        }
        SdkError::TimeoutError(_) => {
            format!("failed {doing} {of} in {region}: no answer in time (--timeout){uncertain}")
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
                format!("failed {doing} {of} in {region}: no answer in time: {chain}{uncertain}")
            } else {
                format!(
                    "failed {doing} {of} in {region}: {chain}; is the region right (--region, AWS_REGION), and can this \
                     machine reach it?{uncertain}"
                )
            }
        }
    };
    Failure::Aws(text)
}

fn service_advice(code: &str, asked: Asked<'_>) -> String {
    let Asked {
        of, region, permission, ..
    } = asked;
    match code {
        "ResourceNotFoundException" => format!(
            "; there is no {of} in {region}: name the pair with --pair or MWAA_BLUEGREEN_PAIR (the function is \
             <pair>-switch-handler, or --function), and the region with --region or AWS_REGION"
        ),
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => {
            format!("; whoever asks needs {permission} on {of} (`aws sts get-caller-identity` tells who asks)")
        }
        "TooManyRequestsException" | "ThrottlingException" | "Throttling" | "RequestLimitExceeded" => {
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
        code if code.starts_with("KMS") => {
            "; Lambda cannot decrypt the function's environment: look at the key's policy and state; until then \
             --direct works without the function"
                .to_owned()
        }
        "ServiceException" | "InternalFailure" | "ServiceUnavailableException"
            if asked.permission.starts_with("lambda") =>
        {
            "; if Lambda is the outage, --direct works without it; ask `mwaa-bluegreen status --direct` first"
                .to_owned()
        }
        _ => String::new(),
    }
}

/// The chain of sources, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}
