//! What S3's refusals mean for a person.

/// What a person can do; empty where `failure` knows better.
pub(super) fn advice(code: &str, permission: &str, bucket: &str) -> String {
    match code {
        "AccessDenied" | "AllAccessDisabled" => format!(
            "; whoever asks needs {permission} on {bucket} (`aws sts get-caller-identity` shows who asks), and, if the \
             bucket is encrypted with a key of your own, kms:GenerateDataKey and kms:Decrypt on that key"
        ),
        "NoSuchBucket" | "NotFound" => format!(
            "; there is no bucket {bucket}: `mwaa-bluegreen env plan` shows what is deployed; a bucket that somebody \
             deleted comes back with `env apply` after its stack NAME-<color>-base is deleted"
        ),
        "SlowDown" | "ServiceUnavailable" | "InternalError" | "OperationAborted" => {
            "; S3 asks to slow down, and was asked several times: repeat the command, it goes on where it stopped"
                .to_owned()
        }
        code if code.starts_with("KMS.") => {
            "; S3 cannot use the bucket's key: look at the key's policy and state".to_owned()
        }
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" => {
            "; the credentials are refused: log in again (`aws sso login`), or choose others with --profile".to_owned()
        }
        "RequestTimeTooSkewed" => "; this machine's clock is wrong: set it".to_owned(),
        _ => String::new(),
    }
}

/// Whether the error may be over the next time.
pub(super) fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "SlowDown" | "ServiceUnavailable" | "InternalError" | "OperationAborted" | "RequestTimeout"
    )
}
