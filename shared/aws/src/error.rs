//! AWS errors, classified: what happened, whether the request may have been carried out, whether a retry can help. A
//! throttle or a time-out is unknown, never unhealthy.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bluegreen_core::claim::Failure;
use bluegreen_core::flag::shortened;
use bluegreen_core::health::{Cause, CauseKind};

/// Codes that mean "slow down", over all services used here.
const THROTTLES: [&str; 9] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    // Parameter Store: another put on the same name is under way.
    "TooManyUpdates",
];

/// Codes that mean "there is no such thing".
const NOT_FOUND: [&str; 3] = ["ParameterNotFound", "ResourceNotFoundException", "ResourceNotFound"];

/// Codes that mean "you may not", in addition to every status 401 and 403.
const DENIED: [&str; 3] = ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"];

/// Codes that mean "you are nobody I know (any more)"; classified as denied.
const CREDENTIALS: [&str; 3] = [
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "InvalidClientTokenId",
];

/// Characters kept of a service's message; more than AWS ever sends, less than a gateway's page of HTML.
pub(crate) const LONGEST_MESSAGE: usize = 1000;

/// Classifies any SDK error.
pub fn classify<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let failure = |kind, ambiguous, retryable| Failure {
        ambiguous,
        retryable,
        // Quoted wherever a decision is explained, several times in one event; EventBridge accepts up to 256 KB.
        cause: Cause::new(kind, shortened(&message_of(error), LONGEST_MESSAGE)),
    };
    match error {
        SdkError::ConstructionFailure(_) => failure(CauseKind::Rejected, false, false),
        SdkError::TimeoutError(_) => failure(CauseKind::TimedOut, true, true),
        SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => failure(CauseKind::TimedOut, true, true),
        SdkError::DispatchFailure(dispatch) if dispatch.is_user() => failure(CauseKind::Rejected, false, false),
        // A gateway in between answers its own 503 in HTML.
        SdkError::ResponseError(response) if response.raw().status().as_u16() >= 500 => {
            failure(CauseKind::Unavailable, true, true)
        }
        SdkError::ResponseError(_) => failure(CauseKind::Unparsable, true, true),
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            match service.err().code().unwrap_or_default() {
                code if THROTTLES.contains(&code) || status == 429 => failure(CauseKind::Throttled, false, true),
                code if NOT_FOUND.contains(&code) => failure(CauseKind::NotFound, false, false),
                code if DENIED.contains(&code) || CREDENTIALS.contains(&code) || matches!(status, 401 | 403) => {
                    failure(CauseKind::AccessDenied, false, false)
                }
                _ if status >= 500 => failure(CauseKind::Unavailable, true, true),
                // An unreadable 200 appears as a service error without a code.
                _ if status < 300 => failure(CauseKind::Unparsable, true, true),
                _ => failure(CauseKind::Rejected, false, false),
            }
        }
        // A broken connection, and whatever a later SDK may add.
        _ => failure(CauseKind::Unavailable, true, true),
    }
}

/// The service's message if there is one, otherwise the chain of sources.
fn message_of<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let SdkError::ServiceError(service) = error
        && let Some(code) = service.err().code()
    {
        let advice = advice_on(code).map(|advice| format!("; {advice}")).unwrap_or_default();
        return match service.err().message() {
            Some(message) => format!("{code}: {message}{advice}"),
            None => format!("{code}{advice}"),
        };
    }
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

/// Whether a denied cause's message is about the credentials, and not about a permission: it begins with the code.
pub fn is_about_credentials(message: &str) -> bool {
    CREDENTIALS.iter().any(|code| message.starts_with(code))
}

/// What a person can do about an error that stays until somebody acts.
fn advice_on(code: &str) -> Option<&'static str> {
    match code {
        "ParameterMaxVersionLimitExceeded" => Some(
            "the oldest of the flag's 100 kept versions carries a label, so SSM cannot drop it; find it with `aws ssm \
             get-parameter-history` and remove the label with `aws ssm unlabel-parameter-version`; the next attempt \
             finishes this transition",
        ),
        "HierarchyLevelLimitExceededException" => Some("choose a flag name of fewer levels"),
        "ParameterPatternMismatchException" => Some(
            "the flag was made with another allowed pattern than ^(blue|green)$; compare with `aws ssm describe-parameters`",
        ),
        _ => None,
    }
}
