//! What a function answers when it cannot do what it was asked: a stable `errorType` and a message for a person.

use bluegreen_core::health::Cause;
use bluegreen_core::request::RequestError;
use bluegreen_core::settings::SettingsFaults;
use bluegreen_core::switch::{Failed, Failure};
use lambda_runtime::Diagnostic;

/// Function errors. The variants' names are the `errorType`s.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FunctionError {
    /// The caller must change the request.
    #[error("{0}")]
    InvalidRequest(String),
    /// The operator must change the function's environment variables.
    #[error("{0}")]
    ConfigurationInvalid(SettingsFaults),
    /// Parameter Store failed; asking again is safe.
    #[error("failed {doing}: {cause}{advice}")]
    StoreUnavailable {
        /// What was being done, as a fragment after "failed".
        doing: &'static str,
        /// Why.
        cause: Cause,
        /// What stands now and what to do.
        advice: &'static str,
    },
    /// The flag is as it should be, but an audit event, a metric or a message to people was not delivered; it will be
    /// tried again.
    #[error("failed {doing}: {cause}")]
    AuditUndelivered {
        /// What was being done.
        doing: &'static str,
        /// Why.
        cause: Cause,
    },
}

impl FunctionError {
    /// Its `errorType`.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "InvalidRequest",
            Self::ConfigurationInvalid(_) => "ConfigurationInvalid",
            Self::StoreUnavailable { .. } => "StoreUnavailable",
            Self::AuditUndelivered { .. } => "AuditUndelivered",
        }
    }

    /// Parameter Store failed at reading; nothing was changed.
    pub fn unreadable(doing: &'static str, cause: Cause) -> Self {
        Self::StoreUnavailable {
            doing,
            cause,
            advice: "; nothing was changed; asking again is safe",
        }
    }
}

impl FunctionError {
    /// An event, metric or memory did not get out; for `map_err`.
    pub fn undelivered(doing: &'static str) -> impl Fn(Failure) -> Self {
        move |failure| Self::AuditUndelivered {
            doing,
            cause: failure.cause,
        }
    }
}

impl From<RequestError> for FunctionError {
    fn from(error: RequestError) -> Self {
        Self::InvalidRequest(error.to_string())
    }
}

impl From<Failed> for FunctionError {
    fn from(failed: Failed) -> Self {
        let advice = match (failed.claimed, failed.uncertain) {
            (false, false) => "; nothing was changed; asking again is safe",
            (true, false) => {
                "; the flag is unchanged, but the transition is claimed: ask again in about a minute, and the claim \
                 is rolled forward"
            }
            (_, true) => {
                "; the flag may have been written: ask for status; if it is unchanged, ask again in about a minute, \
                 and the claim is rolled forward"
            }
        };
        Self::StoreUnavailable {
            doing: failed.doing,
            cause: failed.cause,
            advice,
        }
    }
}

impl From<FunctionError> for Diagnostic {
    fn from(error: FunctionError) -> Self {
        Self {
            error_type: error.error_type().to_owned(),
            error_message: error.to_string(),
        }
    }
}
