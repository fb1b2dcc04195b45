//! The error of a function that cannot carry out its request: a stable `errorType` and a message for a person.

use bluegreen_aws::error;
use bluegreen_core::claim::{Failed, Failure};
use bluegreen_core::health::{Cause, CauseKind};
use bluegreen_core::request::RequestError;
use bluegreen_core::settings::SettingsFaults;

/// The function errors. The variants' names are the `errorType`s.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FunctionError {
    /// The caller must change the request.
    #[error("{0}")]
    InvalidRequest(String),
    /// The operator must change the function's environment variables.
    #[error("{0}")]
    ConfigurationInvalid(SettingsFaults),
    /// The root belongs to another pair; nothing was written. The operator must give each pair a root of its own.
    #[error("{0}")]
    WrongPair(String),
    /// Parameter Store failed. A retry is safe, and helps unless access was denied.
    #[error("failed {doing}: {cause}{}{advice}", who_must_act(cause))]
    StoreUnavailable {
        /// What the function was doing, as a fragment after "failed".
        doing: &'static str,
        /// The cause of the failure.
        cause: Cause,
        /// The current state and what to do.
        advice: &'static str,
    },
    /// The flag is as it should be, but an audit event, a metric or a notification was not delivered. It is retried,
    /// unless the cause says that it is lost.
    #[error("failed {doing}: {cause}")]
    AuditUndelivered {
        /// What the function was doing, as a fragment after "failed".
        doing: &'static str,
        /// The cause of the failure.
        cause: Cause,
    },
}

/// Every `errorType`, with its meaning.
pub const ERRORS: [(&str, &str); 5] = [
    (
        "InvalidRequest",
        "the message names every field, what was given and what is allowed",
    ),
    (
        "ConfigurationInvalid",
        "environment variables are wrong; all faults are listed",
    ),
    (
        "WrongPair",
        "the root belongs to another pair; nothing was written. The message names both pairs and what to do: see \
         [two pairs](../features/two-pairs.md)",
    ),
    (
        "StoreUnavailable",
        "Parameter Store failed; the message says whether anything was changed and what to do",
    ),
    (
        "AuditUndelivered",
        "the flag is as it should be, but an event or metric was not delivered",
    ),
];

/// Every `errorType`, without its meaning.
pub const ERROR_TYPES: [&str; 5] = {
    let [(a, _), (b, _), (c, _), (d, _), (e, _)] = ERRORS;
    [a, b, c, d, e]
};

impl FunctionError {
    /// The `errorType` of this error.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "InvalidRequest",
            Self::ConfigurationInvalid(_) => "ConfigurationInvalid",
            Self::WrongPair(_) => "WrongPair",
            Self::StoreUnavailable { .. } => "StoreUnavailable",
            Self::AuditUndelivered { .. } => "AuditUndelivered",
        }
    }

    /// Parameter Store failed during a read; nothing was changed.
    pub fn unreadable(doing: &'static str, cause: Cause) -> Self {
        let advice = unchanged(&cause);
        Self::store(doing, cause, advice)
    }

    /// Parameter Store failed, or was not asked because the root belongs to another pair.
    pub fn store(doing: &'static str, cause: Cause, advice: &'static str) -> Self {
        match cause.kind {
            CauseKind::WrongPair => Self::WrongPair(cause.message),
            _ => Self::StoreUnavailable { doing, cause, advice },
        }
    }
}

/// Advice where nothing was changed. Where access is denied, a retry would be denied, too.
fn unchanged(cause: &Cause) -> &'static str {
    match cause.kind {
        CauseKind::AccessDenied => "; nothing was changed",
        _ => "; nothing was changed; asking again is safe",
    }
}

/// Advice on who must act where access is denied. A function and `--direct` give the same text.
fn who_must_act(cause: &Cause) -> &'static str {
    match cause.kind {
        CauseKind::AccessDenied if error::is_about_credentials(&cause.message) => {
            "; the credentials are refused: with --direct log in again (`aws sso login`), or choose others with --profile"
        }
        CauseKind::AccessDenied => {
            "; whoever asks needs this permission: the function's role, or with --direct you (`aws sts get-caller-identity`)"
        }
        _ => "",
    }
}

impl FunctionError {
    /// An event, a metric or the memory could not be delivered; for `map_err`.
    pub fn undelivered(doing: &'static str) -> impl Fn(Failure) -> Self {
        move |failure| match failure.cause.kind {
            CauseKind::WrongPair => Self::WrongPair(failure.cause.message),
            _ => Self::AuditUndelivered {
                doing,
                cause: failure.cause,
            },
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
            (false, false) => unchanged(&failed.cause),
            (true, false) => {
                "; the flag is unchanged, but the transition is claimed: ask again in about a minute, and the claim \
                 is rolled forward"
            }
            (_, true) => {
                "; the flag may have been written: see {\"action\":\"status\"}; if it is unchanged, ask again in about a minute, \
                 and the claim is rolled forward"
            }
        };
        Self::store(failed.doing, failed.cause, advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: &str =
        "AccessDeniedException: User: arn:aws:iam::1:user/ana is not authorized to perform: ssm:GetParameters";

    fn failed(kind: CauseKind, claimed: bool) -> String {
        FunctionError::from(Failed {
            doing: "writing the flag",
            cause: Cause::new(kind, DENIED),
            claimed,
            uncertain: false,
        })
        .to_string()
    }

    #[test]
    fn where_access_is_denied_it_says_who_needs_the_permission_and_not_to_ask_again() {
        let unreadable = FunctionError::unreadable("reading the flag", Cause::new(CauseKind::AccessDenied, DENIED));
        for told in [unreadable.to_string(), failed(CauseKind::AccessDenied, false)] {
            assert!(told.contains("ssm:GetParameters; whoever asks needs this permission: the function's role"));
            assert!(told.ends_with("; nothing was changed"), "{told}");
        }
        assert!(failed(CauseKind::AccessDenied, true).contains("whoever asks needs this permission"));
        assert!(
            failed(CauseKind::Throttled, false)
                .ends_with("ssm:GetParameters; nothing was changed; asking again is safe")
        );
    }

    #[test]
    fn credentials_that_are_refused_lack_no_permission() {
        let cause = Cause::new(
            CauseKind::AccessDenied,
            "ExpiredTokenException: The security token is expired",
        );
        let told = FunctionError::unreadable("reading the flag", cause).to_string();
        assert!(told.contains("log in again") && !told.contains("permission"), "{told}");
    }

    #[test]
    fn whatever_was_to_be_written_a_wrong_pair_has_one_error_type() {
        let cause = || Cause::new(CauseKind::WrongPair, "it is another's");
        let failure = || Failure {
            ambiguous: false,
            retryable: false,
            cause: cause(),
        };
        for error in [
            FunctionError::unreadable("reading", cause()),
            FunctionError::store("placing", cause(), "; asking again is safe"),
            FunctionError::undelivered("telling")(failure()),
            FunctionError::from(Failed {
                doing: "writing the flag",
                cause: cause(),
                claimed: false,
                uncertain: false,
            }),
        ] {
            assert_eq!(
                (error.error_type(), error.to_string().as_str()),
                ("WrongPair", "it is another's")
            );
        }
    }

    #[test]
    fn every_error_type_is_listed() {
        let cause = Cause::new(CauseKind::Throttled, "");
        let errors = [
            FunctionError::InvalidRequest(String::new()),
            FunctionError::unreadable("reading", cause.clone()),
            FunctionError::AuditUndelivered {
                doing: "telling",
                cause,
            },
            FunctionError::WrongPair(String::new()),
        ];
        for error in errors {
            assert!(ERROR_TYPES.contains(&error.error_type()), "{error}");
        }
    }
}
