//! One color's S3 bucket: DAGs, artifacts and the manifest of `dags sync`.
//!
//! Every request here may be sent twice without harm, so each is repeated after a throttle, a time-out or a server's
//! error, with growing waits. Thousands of small requests in a row meet S3's `SlowDown` sooner or later.

mod advice;
mod endpoint;
mod fields;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumMode, Delete, ObjectIdentifier};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::base64;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use bluegreen_aws::error::classify;
use bluegreen_environments::dag_sync::{Object, sha256};

use self::advice::{advice, is_passing};
use self::endpoint::{is_address, s3_endpoint};
use self::fields::{size, unquoted, version};
use crate::connection::Connection;
use crate::failure::{Asked, Failure, from_sdk};
use crate::sdk_config;

/// Keys in one DeleteObjects: S3's limit.
const KEYS_A_CALL: usize = 1000;

/// How often one request is sent. The waits between add up to some 25 seconds at least.
const TRIES: u32 = 8;

/// The first wait; each later one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The header in which S3 says where a bucket is, also with its refusals.
const REGION_HEADER: &str = "x-amz-bucket-region";

/// A bucket, and who asks it.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    client: aws_sdk_s3::Client,
    name: String,
    region: String,
    endpoint: Option<String>,
    profile: Option<String>,
}

/// An object that was written, or found to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// Its ETag, without quotes.
    pub(crate) etag: String,
    /// Its version; none if the bucket keeps no versions.
    pub(crate) version: Option<String>,
    /// Whether this call wrote it.
    pub(crate) is_new: bool,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) etag: String,
    pub(crate) version: Option<String>,
    pub(crate) size: u64,
    /// SHA-256 in base64, if whoever wrote the object sent it along, as [`Bucket::put`] does.
    pub(crate) checksum: Option<String>,
    /// When it was written, in seconds since 1970 by S3's clock.
    pub(crate) written_at: i64,
}

/// A small object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) etag: String,
    /// When it was written, in seconds since 1970 by S3's clock.
    pub(crate) written_at: i64,
}

/// Under which condition an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Only<'a> {
    /// If there is none of that key.
    IfAbsent,
    /// If the one that is there has this ETag.
    IfEtag(&'a str),
}

/// A request, for the message about its failure.
#[derive(Debug, Clone, Copy)]
struct Doing<'a> {
    what: &'a str,
    key: &'a str,
    permission: &'static str,
}

impl Bucket {
    /// The bucket of this name, which must be in `region`.
    pub(crate) fn new(config: &SdkConfig, connection: &Connection, region: &str, name: &str) -> Self {
        let endpoint = s3_endpoint(config);
        let settings = aws_sdk_s3::config::Builder::from(config)
            .region(Region::new(region.to_owned()))
            // An address has no names in front of it.
            .force_path_style(endpoint.as_deref().is_some_and(is_address))
            .retry_config(RetryConfig::standard().with_max_attempts(1))
            .timeout_config(sdk_config::timeouts(connection.timeout))
            .build();
        Self {
            client: aws_sdk_s3::Client::from_conf(settings),
            name: name.to_owned(),
            region: region.to_owned(),
            endpoint,
            profile: connection.profile.clone(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Refuses a bucket that is not there, may not be used, or is in another region than its environment: MWAA reads
    /// only from its own.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        let doing = Doing {
            what: "looking at",
            key: "",
            permission: "s3:ListBucket",
        };
        let answer = self
            .send(doing, || self.client.head_bucket().bucket(&self.name).send())
            .await?;
        match answer.bucket_region() {
            Some(there) if there != self.region => Err(self.elsewhere(there)),
            _ => Ok(()),
        }
    }

    /// Writes an object. S3 compares its SHA-256 with what it received.
    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) -> Result<Written, Failure> {
        let answer = self.send(writing(key), || self.put_request(key, bytes).send()).await?;
        Ok(Written {
            etag: unquoted(answer.e_tag()),
            version: version(answer.version_id()),
            is_new: true,
        })
    }

    /// Writes an object under a condition; `None` if the condition does not hold, so that somebody else has written it.
    pub(crate) async fn put_only(&self, key: &str, bytes: &[u8], only: Only<'_>) -> Result<Option<Written>, Failure> {
        let answer = self
            .tries(|| {
                let request = self.put_request(key, bytes);
                match only {
                    Only::IfAbsent => request.if_none_match("*").send(),
                    Only::IfEtag(etag) => request.if_match(format!("\"{etag}\"")).send(),
                }
            })
            .await;
        let (error, tries) = match answer {
            Ok(answer) => {
                return Ok(Some(Written {
                    etag: unquoted(answer.e_tag()),
                    version: version(answer.version_id()),
                    is_new: true,
                }));
            }
            Err(failed) => failed,
        };
        // 404 is S3's answer to a condition on an object that is gone.
        let is_met_otherwise = match status_of(&error) {
            Some(412) => true,
            Some(404) => error.code() != Some("NoSuchBucket"),
            _ => false,
        };
        if !is_met_otherwise {
            return Err(self.explained(&error, writing(key)));
        }
        if tries > 1 {
            // The condition may fail because of the try before, whose answer was lost.
            if let Some(head) = self.head(key).await?
                && head.is_of(bytes)
            {
                return Ok(Some(Written {
                    etag: head.etag,
                    version: head.version,
                    is_new: true,
                }));
            }
        }
        Ok(None)
    }

    /// Writes an object whose key is a hash of its content, unless it is there already. One that is there with another
    /// content is written again: what was cut off or altered by hand must not be deployed.
    pub(crate) async fn put_if_absent(&self, key: &str, bytes: &[u8]) -> Result<Written, Failure> {
        match self.head(key).await? {
            Some(head) if head.is_of(bytes) => Ok(Written {
                etag: head.etag,
                version: head.version,
                is_new: false,
            }),
            _ => self.put(key, bytes).await,
        }
    }

    /// What is known of an object without reading it; `None` if there is none.
    pub(crate) async fn head(&self, key: &str) -> Result<Option<Head>, Failure> {
        let doing = Doing {
            what: "looking at",
            key,
            // Without s3:ListBucket, S3 answers 403 about an object that does not exist.
            permission: "s3:GetObject and s3:ListBucket",
        };
        let answer = self
            .tries(|| {
                self.client
                    .head_object()
                    .bucket(&self.name)
                    .key(key)
                    .checksum_mode(ChecksumMode::Enabled)
                    .send()
            })
            .await;
        match answer {
            Ok(head) => Ok(Some(Head {
                etag: unquoted(head.e_tag()),
                version: version(head.version_id()),
                size: size(head.content_length()),
                checksum: head.checksum_sha256().map(str::to_owned),
                written_at: head.last_modified().map_or(0, aws_smithy_types::DateTime::secs),
            })),
            // The answer to HEAD has no body, so a missing bucket looks the same; `check` names it.
            Err((error, _)) if status_of(&error) == Some(404) => Ok(None),
            Err((error, _)) => Err(self.explained(&error, doing)),
        }
    }

    /// Reads an object of at most `most` bytes; `None` if there is none.
    pub(crate) async fn get(&self, key: &str, most: u64) -> Result<Option<Content>, Failure> {
        let doing = Doing {
            what: "reading",
            key,
            permission: "s3:GetObject and s3:ListBucket",
        };
        let mut tries: u32 = 0;
        loop {
            tries = tries.saturating_add(1);
            let answer = self
                .tries(|| self.client.get_object().bucket(&self.name).key(key).send())
                .await;
            let answer = match answer {
                Ok(answer) => answer,
                Err((error, _)) if error.code() == Some("NoSuchKey") => return Ok(None),
                Err((error, _)) => return Err(self.explained(&error, doing)),
            };
            let length = size(answer.content_length());
            if length > most {
                return Err(Failure::Aws(format!(
                    "{key} in bucket {} has {length} bytes; allowed are at most {most}: look who wrote it",
                    self.name
                )));
            }
            let (etag, written_at) = (
                unquoted(answer.e_tag()),
                answer.last_modified().map_or(0, aws_smithy_types::DateTime::secs),
            );
            // The body comes after the answer, and may break off.
            match answer.body.collect().await {
                Ok(body) => {
                    return Ok(Some(Content {
                        bytes: body.to_vec(),
                        etag,
                        written_at,
                    }));
                }
                Err(_) if tries < 3 => wait(tries).await,
                Err(error) => {
                    return Err(Failure::Aws(format!(
                        "failed reading {key} in bucket {} in {}: {error}; ask again in a moment",
                        self.name, self.region
                    )));
                }
            }
        }
    }

    /// All objects under a prefix, by key.
    pub(crate) async fn list(&self, prefix: &str) -> Result<BTreeMap<String, Object>, Failure> {
        let doing = Doing {
            what: "listing",
            key: prefix,
            permission: "s3:ListBucket",
        };
        let mut objects = BTreeMap::new();
        let mut next: Option<String> = None;
        loop {
            let page = self
                .send(doing, || {
                    self.client
                        .list_objects_v2()
                        .bucket(&self.name)
                        .prefix(prefix)
                        .set_continuation_token(next.clone())
                        .send()
                })
                .await?;
            for object in page.contents() {
                let Some(key) = object.key() else { continue };
                let found = Object {
                    etag: unquoted(object.e_tag()),
                    size: size(object.size()),
                };
                objects.insert(key.to_owned(), found);
            }
            next = page.next_continuation_token().map(str::to_owned);
            if !page.is_truncated().unwrap_or(false) || next.is_none() {
                return Ok(objects);
            }
        }
    }

    /// Deletes objects; a versioned bucket keeps their versions.
    pub(crate) async fn delete(&self, keys: &[String]) -> Result<(), Failure> {
        let keys: Vec<(String, Option<String>)> = keys.iter().map(|key| (key.clone(), None)).collect();
        for chunk in keys.chunks(KEYS_A_CALL) {
            self.delete_some(chunk.to_vec(), "s3:DeleteObject").await?;
        }
        Ok(())
    }

    /// Deletes everything, with every version and delete marker, and says after each thousand how many are gone.
    /// Nothing of it can be brought back.
    pub(crate) async fn delete_all_versions(&self, mut progress: impl FnMut(u64)) -> Result<u64, Failure> {
        let mut deleted: u64 = 0;
        let mut before = Vec::new();
        loop {
            // Always the first page: what it listed is gone the next time.
            let keys = self.some_versions().await?;
            if keys.is_empty() {
                return Ok(deleted);
            }
            if keys == before {
                return Err(Failure::Aws(format!(
                    "bucket {} still lists what S3 said it had deleted: look whether somebody writes to it, and repeat \
                     the command",
                    self.name
                )));
            }
            before.clone_from(&keys);
            deleted = deleted.saturating_add(u64::try_from(keys.len()).unwrap_or(u64::MAX));
            self.delete_some(keys, "s3:DeleteObjectVersion").await?;
            progress(deleted);
        }
    }

    async fn some_versions(&self) -> Result<Vec<(String, Option<String>)>, Failure> {
        let doing = Doing {
            what: "listing the versions in",
            key: "",
            permission: "s3:ListBucketVersions",
        };
        let page = self
            .send(doing, || self.client.list_object_versions().bucket(&self.name).send())
            .await?;
        let versions = page.versions().iter().map(|found| (found.key(), found.version_id()));
        let markers = page
            .delete_markers()
            .iter()
            .map(|found| (found.key(), found.version_id()));
        Ok(versions
            .chain(markers)
            .filter_map(|(key, version)| Some((key?.to_owned(), version.map(str::to_owned))))
            .collect())
    }

    async fn delete_some(
        &self,
        mut keys: Vec<(String, Option<String>)>,
        permission: &'static str,
    ) -> Result<(), Failure> {
        let doing = Doing {
            what: "deleting in",
            key: "",
            permission,
        };
        let mut tries: u32 = 0;
        loop {
            tries = tries.saturating_add(1);
            let objects: Result<Vec<_>, _> = keys
                .iter()
                .map(|(key, version)| {
                    ObjectIdentifier::builder()
                        .key(key)
                        .set_version_id(version.clone())
                        .build()
                })
                .collect();
            let request = objects.and_then(|objects| Delete::builder().set_objects(Some(objects)).quiet(true).build());
            let request =
                request.map_err(|error| Failure::Aws(format!("failed deleting in bucket {}: {error}", self.name)))?;
            let answer = self
                .send(doing, || {
                    self.client
                        .delete_objects()
                        .bucket(&self.name)
                        .delete(request.clone())
                        .send()
                })
                .await?;
            // One answer for a thousand keys, each of which may fail by itself.
            let failed = answer.errors();
            let Some(first) = failed.first() else { return Ok(()) };
            let code = |error: &aws_sdk_s3::types::Error| error.code().unwrap_or("an error without a code").to_owned();
            let may_pass = failed.iter().all(|error| is_passing(&code(error)));
            if !may_pass || tries == TRIES {
                let advice = advice(&code(first), permission, &self.name);
                return Err(Failure::Aws(format!(
                    "failed deleting {} of {} objects in bucket {} in {}, the first one {}: {}: {}{advice}",
                    failed.len(),
                    keys.len(),
                    self.name,
                    self.region,
                    first.key().unwrap_or_default(),
                    code(first),
                    first.message().unwrap_or_default(),
                )));
            }
            keys = failed
                .iter()
                .filter_map(|error| Some((error.key()?.to_owned(), error.version_id().map(str::to_owned))))
                .collect();
            wait(tries).await;
        }
    }

    fn put_request(
        &self,
        key: &str,
        bytes: &[u8],
    ) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
        self.client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .checksum_sha256(base64::encode(sha256(bytes)))
            .body(ByteStream::from(bytes.to_vec()))
    }

    /// Sends until it succeeds, cannot succeed, or has failed too often.
    async fn send<T, E, F, Fut>(&self, doing: Doing<'_>, request: F) -> Result<T, Failure>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.tries(request)
            .await
            .map_err(|(error, _)| self.explained(&error, doing))
    }

    /// The same; a failure comes with the number of tries.
    async fn tries<T, E, F, Fut>(&self, request: F) -> Result<T, (SdkError<E, HttpResponse>, u32)>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + 'static,
    {
        let mut tries: u32 = 0;
        loop {
            tries = tries.saturating_add(1);
            let error = match request().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // 409: another conditional write on the same key is under way.
            let may_pass = classify(&error).retryable || error.code() == Some("ConditionalRequestConflict");
            if !may_pass || tries == TRIES {
                return Err((error, tries));
            }
            wait(tries).await;
        }
    }

    fn elsewhere(&self, there: &str) -> Failure {
        Failure::Usage(format!(
            "bucket {} is in {there}, and its environment in {}: MWAA reads only from a bucket in its own region; name \
             a bucket there, or correct the region in pair.toml",
            self.name, self.region
        ))
    }

    fn explained<E>(&self, error: &SdkError<E, HttpResponse>, doing: Doing<'_>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let Doing { what, key, permission } = doing;
        let bucket = &self.name;
        if let Some(there) = raw(error).and_then(|response| response.headers().get(REGION_HEADER))
            && there != self.region
        {
            return self.elsewhere(there);
        }
        let object = if key.is_empty() {
            format!("bucket {bucket}")
        } else {
            format!("{key} in bucket {bucket}")
        };
        if let SdkError::ServiceError(service) = error {
            // HEAD has no body, hence no code.
            let code = match (service.err().code(), service.raw().status().as_u16()) {
                (Some(code), _) => code,
                (None, 403) => "AccessDenied",
                (None, 404) => "NotFound",
                (None, _) => "an error without a code",
            };
            let said = match service.err().message() {
                Some(message) => format!("{code}: {message}"),
                None => code.to_owned(),
            };
            let advice = advice(code, permission, bucket);
            if !advice.is_empty() {
                return Failure::Aws(format!("failed {what} {object} in {}: {said}{advice}", self.region));
            }
        }
        from_sdk(
            error,
            Asked {
                doing: what,
                of: &object,
                region: &self.region,
                permission,
                changes: false,
                direct_works: false,
                endpoint: self.endpoint.as_deref(),
                profile: self.profile.as_deref(),
            },
        )
    }
}

impl Head {
    /// Whether the object has this content, as far as its size and, if it has one, its checksum show.
    fn is_of(&self, bytes: &[u8]) -> bool {
        let same_size = usize::try_from(self.size).is_ok_and(|size| size == bytes.len());
        let same_checksum = self
            .checksum
            .as_ref()
            .is_none_or(|checksum| *checksum == base64::encode(sha256(bytes)));
        same_size && same_checksum
    }
}

fn writing(key: &str) -> Doing<'_> {
    Doing {
        what: "writing",
        key,
        permission: "s3:PutObject",
    }
}

fn raw<E>(error: &SdkError<E, HttpResponse>) -> Option<&HttpResponse> {
    error.raw_response()
}

fn status_of<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    raw(error).map(|response| response.status().as_u16())
}

async fn wait(tries: u32) {
    let factor = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
    // Up to twice as long: requests that were refused together must not come back together.
    let wait = FIRST_WAIT.saturating_mul(factor).mul_f64(1.0 + fastrand::f64());
    tokio::time::sleep(wait).await;
}

#[cfg(test)]
mod tests;
