//! Parses the answers of Parameter Store.

use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::put_parameter::PutParameterError;
use aws_sdk_ssm::types::{Parameter, ParameterType};
use aws_smithy_types::DateTime;
use bluegreen_core::audit::Audited;
use bluegreen_core::claim::Failure;
use bluegreen_core::flag::{FlagObservation, FlagValue, FlagVersion};
use bluegreen_core::health::{Cause, CauseKind};
use bluegreen_core::memory::Memory;
use jiff::Timestamp;

use crate::clients::retries;

pub(super) fn no_retries() -> aws_sdk_ssm::config::Builder {
    aws_sdk_ssm::Config::builder().retry_config(retries(1))
}

pub(super) fn already_exists(error: &SdkError<PutParameterError>) -> bool {
    error
        .as_service_error()
        .is_some_and(PutParameterError::is_parameter_already_exists)
}

pub(super) fn unparsable(message: &str) -> Failure {
    Failure {
        ambiguous: true,
        retryable: true,
        cause: Cause::new(CauseKind::Unparsable, message),
    }
}

/// The memory, and the version of its parameter.
pub(super) fn memory(parameter: Option<Parameter>) -> (Memory, i64) {
    let version = parameter.as_ref().map_or(0, Parameter::version);
    let value = parameter.and_then(|parameter| parameter.value);
    (value.as_deref().map(Memory::read).unwrap_or_default(), version)
}

pub(super) fn read_audited(parameter: &Parameter) -> Option<Audited> {
    Audited::read(parameter.value()?, instant(parameter.last_modified_date()?)?)
}

/// Without decryption, the value of a `SecureString` is ciphertext. A flag of that type counts as unreadable. If it
/// counted as garbage, it would be overwritten. Parameter Store refuses that, because it changes no parameter's type.
pub(super) fn readable(name: &str, r#type: Option<&ParameterType>) -> Result<(), Failure> {
    if r#type != Some(&ParameterType::SecureString) {
        return Ok(());
    }
    Err(Failure {
        ambiguous: false,
        retryable: false,
        cause: Cause::new(
            CauseKind::Unparsable,
            format!(
                "{name} is a SecureString, whose value is encrypted; the flag must be a String: delete it, wait 30 s, then name \
                 the color that was active: {{\"action\":\"initialize\",\"to\":\"<color>\",\"force\":true}}"
            ),
        ),
    })
}

pub(super) fn observation(parameter: &Parameter) -> Result<FlagObservation, Failure> {
    readable(parameter.name().unwrap_or("the flag"), parameter.r#type())?;
    let modified = parameter.last_modified_date().and_then(instant);
    let (Some(value), Some(version), Some(modified)) = (parameter.value(), version(parameter.version()), modified)
    else {
        return Err(unparsable(
            "GetParameters answered a flag without value, version or date",
        ));
    };
    Ok(FlagObservation {
        value: FlagValue::read(value),
        version,
        modified,
    })
}

/// Versions count from 1; the SDK gives 0 if the answer has none.
pub(super) fn version(number: i64) -> Option<FlagVersion> {
    u64::try_from(number).ok().filter(|number| *number > 0).map(FlagVersion)
}

/// To the nearest millisecond: SSM sends seconds with three decimals, which a binary fraction can miss slightly.
pub(super) fn instant(date: &DateTime) -> Option<Timestamp> {
    let milliseconds = date.as_nanos().checked_add(500_000)?.div_euclid(1_000_000);
    Timestamp::from_millisecond(i64::try_from(milliseconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_to_the_nearest_millisecond() {
        for (seconds, nanos, expected) in [
            (1_764_000_000, 122_999_906, 123),
            (1_764_000_000, 123_000_144, 123),
            (0, 0, 0),
        ] {
            let read = instant(&DateTime::from_secs_and_nanos(seconds, nanos)).unwrap();
            assert_eq!(read.as_millisecond(), seconds * 1000 + expected);
        }
    }
}
