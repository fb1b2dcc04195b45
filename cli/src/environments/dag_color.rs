//! The DAG files of one color: its bucket, and what its Airflow has made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_config::SdkConfig;
use bluegreen_aws::clock::Clock;
use bluegreen_aws::dag_folder::{BrokenFile, DagFolder, Source};
use bluegreen_core::color::Color;
use bluegreen_core::health::Cause;
use bluegreen_core::printable::visible;
use bluegreen_core::time::{after, elapsed};
use bluegreen_environments::dag_sync::{
    DagFile, Difference, Expectation, ImportError, Looks, MANIFEST, Manifest, Object, Parsed, Seen, not_released,
    parsed, relative,
};
use bluegreen_environments::description::Description;
use bluegreen_environments::names;
use bluegreen_environments::stack::Layer;
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::arguments::Patience;
use super::bucket::{Bucket, Only};
use super::dag_files::DagFiles;
use super::stacks::Stacks;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::terminal;

/// Files that are written at once.
const AT_ONCE: usize = 16;

/// The longest manifest: over a hundred thousand files.
const LONGEST_MANIFEST: u64 = 64 * 1024 * 1024;

/// The folder in the bucket, of an environment that does not exist yet.
const FOLDER: &str = "dags";

/// Time between two looks at Airflow.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);

/// Time for one look: fifty pages of DAGs at eight a second, and slow answers.
const LOOK: Duration = Duration::from_secs(60);

/// One color's bucket and Airflow.
#[derive(Debug)]
pub(crate) struct DagColor {
    pub(crate) color: Color,
    pub(crate) environment: String,
    /// Whether the environment exists.
    pub(crate) is_there: bool,
    bucket: Bucket,
    prefix: String,
    airflow: DagFolder,
}

/// A bucket as it was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) difference: Difference,
    manifest: ManifestThere,
    objects: BTreeMap<String, Object>,
}

/// A manifest as it was found.
#[derive(Debug, Default)]
struct ManifestThere {
    manifest: Manifest,
    etag: Option<String>,
    written_at: i64,
}

/// What a sync has done in a bucket.
#[derive(Debug, Clone)]
pub(crate) struct Synced {
    /// The files that were written.
    pub(crate) written: BTreeSet<String>,
    /// The files in the bucket since.
    files: BTreeSet<String>,
    /// When the bucket became as it is, by S3's clock.
    at: Timestamp,
}

/// How a sync ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Done(Synced),
    /// Another sync has written the manifest meanwhile.
    Conflict(String),
}

/// What became of the files in Airflow.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Parsed, without new import errors.
    Good { files: usize, after: Duration },
    /// New import errors.
    Broken(Vec<ImportError>),
    /// Not parsed in time: how far it was.
    Late { told: String },
    /// Airflow's answer is missing: nothing is known.
    Unknown(String),
}

impl DagColor {
    /// Finds the color's bucket, and refuses one that its environment does not read.
    pub(crate) async fn open(
        config: &SdkConfig,
        connection: &Connection,
        description: &Description,
        color: Color,
    ) -> Result<Self, Failure> {
        let (region, environment) = (description.region_of(color), description.environment_name(color));
        let airflow = DagFolder::new(config, region, &environment);
        let source = airflow.source().await.map_err(|cause| {
            Failure::Aws(format!(
                "failed asking MWAA which bucket {environment} in {region} reads: {}; it takes airflow:GetEnvironment",
                cause.message
            ))
        })?;
        let name = match &description.colors.of(color).bucket {
            Some(name) => name.clone(),
            None => bucket_of(config, connection, description, color, source.as_ref()).await?,
        };
        if let Some(read) = source.as_ref().and_then(|source| source.bucket.as_deref())
            && read != name
        {
            return Err(Failure::Usage(format!(
                "{environment} reads bucket {read}, and not {name}, which the description leads to; `bucket` in the section \
                 [{color}] of pair.toml names the bucket of an environment made by hand"
            )));
        }
        let bucket = Bucket::new(config, connection, region, &name);
        bucket.check().await?;
        let folder = source
            .as_ref()
            .and_then(|source| source.folder.as_deref())
            .unwrap_or(FOLDER);
        Ok(Self {
            color,
            environment,
            is_there: source.is_some(),
            bucket,
            prefix: format!("{folder}/"),
            airflow,
        })
    }

    pub(crate) fn bucket(&self) -> &str {
        self.bucket.name()
    }

    /// The folder in the bucket, with its slash.
    pub(crate) fn folder(&self) -> &str {
        &self.prefix
    }

    /// What there is to do.
    pub(crate) async fn look(&self, local: &DagFiles) -> Result<Found, Failure> {
        // The listing is later than the manifest: what another sync does in between shows as a conflict.
        let manifest = self.manifest().await?;
        let mut objects = BTreeMap::new();
        for (key, object) in self.bucket.list(&self.prefix).await? {
            if let Some(path) = key.strip_prefix(&self.prefix) {
                objects.insert(path.to_owned(), object);
            }
        }
        Ok(Found {
            difference: Difference::between(&local.files, &objects, manifest.manifest.clone()),
            manifest,
            objects,
        })
    }

    /// Writes what is to be written, deletes what is to be deleted. Killed anywhere, it is to be repeated.
    pub(crate) async fn sync(
        &self,
        local: &DagFiles,
        found: Found,
        progress: impl Fn(usize, usize),
    ) -> Result<Ended, Failure> {
        let Found {
            difference,
            manifest,
            objects,
        } = found;
        let conflict = || {
            Ended::Conflict(format!(
                "another `dags sync` writes to bucket {} at the same time; what it and this one wrote is safe: repeat the \
                 command when the other one has ended",
                self.bucket.name()
            ))
        };
        let mut there = (manifest.etag, manifest.written_at);
        if let Some(intent) = difference.intent(&local.files) {
            match self.write_manifest(&intent, there.0.as_deref()).await? {
                Some(etag) => there.0 = Some(etag),
                None => return Ok(conflict()),
            }
        }
        let written = self.write(local, difference.puts.keys(), progress).await?;
        let keys: Vec<String> = difference
            .deletes
            .iter()
            .map(|path| format!("{}{path}", self.prefix))
            .collect();
        self.bucket.delete(&keys).await?;
        if let Some(outcome) = difference.outcome(&local.files, &written) {
            match self.write_manifest(&outcome, there.0.as_deref()).await? {
                Some(etag) => there.0 = Some(etag),
                None => return Ok(conflict()),
            }
            // S3's own clock, to which Airflow's times are compared.
            there.1 = self
                .bucket
                .head(MANIFEST)
                .await?
                .map_or(there.1, |head| head.written_at);
        }
        let mut files: BTreeSet<String> = objects.into_keys().collect();
        files.extend(local.files.keys().cloned());
        for path in &difference.deletes {
            files.remove(path);
        }
        Ok(Ended::Done(Synced {
            written: written.into_keys().collect(),
            files,
            at: Timestamp::from_second(there.1).unwrap_or_default(),
        }))
    }

    async fn write(
        &self,
        local: &DagFiles,
        paths: impl Iterator<Item = &String>,
        progress: impl Fn(usize, usize),
    ) -> Result<BTreeMap<String, String>, Failure> {
        let paths: Vec<&String> = paths.collect();
        let all = paths.len();
        let mut under_way = stream::iter(paths)
            .map(|path| async move {
                let bytes = local.content(path)?;
                let put = self.bucket.put(&format!("{}{path}", self.prefix), &bytes).await?;
                Ok::<_, Failure>((path.clone(), put.etag))
            })
            .buffer_unordered(AT_ONCE);
        let mut written = BTreeMap::new();
        while let Some(put) = under_way.next().await {
            match put {
                Ok((path, etag)) => {
                    written.insert(path, etag);
                    progress(written.len(), all);
                }
                Err(failure) => {
                    return Err(Failure::Aws(format!(
                        "{failure}; {} of {all} files are written in bucket {}: repeat the command, it writes the others",
                        written.len(),
                        self.bucket.name()
                    )));
                }
            }
        }
        Ok(written)
    }

    async fn write_manifest(&self, manifest: &Manifest, etag: Option<&str>) -> Result<Option<String>, Failure> {
        let only = etag.map_or(Only::IfAbsent, Only::IfEtag);
        let put = self.bucket.put_only(MANIFEST, &manifest.to_bytes(), only).await?;
        Ok(put.map(|put| put.etag))
    }

    async fn manifest(&self) -> Result<ManifestThere, Failure> {
        let Some(content) = self.bucket.get(MANIFEST, LONGEST_MANIFEST).await? else {
            return Ok(ManifestThere::default());
        };
        let manifest = Manifest::read(&content.bytes).map_err(|fault| {
            Failure::Usage(format!(
                "{MANIFEST} in bucket {} cannot be used, and nothing was changed: {fault}; use a newer version of this \
                 command, or bring back an older version of that object; if it is deleted, nothing that was written before is \
                 deleted any more",
                self.bucket.name()
            ))
        })?;
        Ok(ManifestThere {
            manifest,
            etag: Some(content.etag),
            written_at: content.written_at,
        })
    }

    /// The files that the color does not have as the folder has them, and whether it has any of a path.
    pub(crate) async fn not_released(&self, local: &DagFiles) -> Result<(BTreeSet<String>, BTreeSet<String>), Failure> {
        let there = self.manifest().await?.manifest;
        Ok((not_released(&local.files, &there), there.files.into_keys().collect()))
    }

    /// The files that this color's Airflow cannot import.
    pub(crate) async fn import_errors(&self) -> Result<BTreeSet<String>, Cause> {
        let errors = self.airflow.import_errors(LOOK).await?;
        Ok(errors.iter().map(|error| relative(&error.file).to_owned()).collect())
    }

    /// Waits until Airflow has parsed everything that was written before `synced`.
    pub(crate) async fn wait(
        &self,
        synced: &Synced,
        awaited: BTreeMap<String, Looks>,
        known_errors: BTreeSet<String>,
        patience: Patience,
        progress: impl Fn(&str),
    ) -> Verdict {
        // S3 tells whole seconds, rounded down.
        let arrived = after(synced.at, Duration::from_secs(patience.sync_seconds.saturating_add(1)));
        let expected = Expectation {
            arrived,
            listed: after(arrived, Duration::from_secs(patience.list_seconds)),
            files: synced.files.clone(),
            awaited,
            known_errors,
        };
        let (clock, began, limit) = (Clock::system(), Instant::now(), Duration::from_secs(patience.within));
        // Before that no answer can be good, and asking costs the web server's time. A clock that is wrong must not make
        // it longer.
        let early = elapsed(clock.now(), arrived).min(Duration::from_secs(patience.sync_seconds.saturating_add(1)));
        while began.elapsed() < early.min(limit) {
            let left = early.saturating_sub(began.elapsed());
            progress(&format!("{} s until the files are there for certain", left.as_secs()));
            sleep(left.min(Duration::from_secs(1))).await;
        }
        loop {
            let left = limit.saturating_sub(began.elapsed());
            let seen = match self.airflow.read(LOOK.min(left.max(LOOK_INTERVAL))).await {
                Ok((dags, errors)) => Ok(Seen {
                    dags: dags
                        .iter()
                        .map(|dag| DagFile {
                            path: relative(&dag.file).to_owned(),
                            parsed: dag.parsed,
                        })
                        .collect(),
                    errors: errors.iter().map(import_error).collect(),
                }),
                Err(cause) => Err(cause),
            };
            let last = match seen.map(|seen| parsed(&expected, &seen, clock.now())) {
                Ok(Parsed::Good { files }) => {
                    return Verdict::Good {
                        files,
                        after: began.elapsed(),
                    };
                }
                Ok(Parsed::Broken(errors)) => return Verdict::Broken(errors),
                Ok(Parsed::Waiting { parsed, of, missing }) => {
                    progress(&format!("{parsed} of {of} files are parsed"));
                    Verdict::Late {
                        told: format!("{parsed} of {of} files are parsed; not yet: {}", some_of(&missing)),
                    }
                }
                // It may pass: a web server that is restarted answers again.
                Err(cause) => {
                    progress(&format!("no answer of Airflow yet: {}", cause.message));
                    Verdict::Unknown(cause.message)
                }
            };
            if began.elapsed() >= limit {
                return last;
            }
            sleep(LOOK_INTERVAL.min(limit.saturating_sub(began.elapsed()))).await;
        }
    }
}

/// The bucket of a color that pair.toml names none of.
async fn bucket_of(
    config: &SdkConfig,
    connection: &Connection,
    description: &Description,
    color: Color,
    source: Option<&Source>,
) -> Result<String, Failure> {
    let region = description.region_of(color);
    if let Some(existing) = &description.colors.of(color).existing {
        return source.and_then(|source| source.bucket.clone()).ok_or_else(|| {
            Failure::Usage(format!(
                "there is no environment {existing} in {region}, the `existing` one in the section [{color}] of pair.toml"
            ))
        });
    }
    let stack = names::stack(&description.name, Layer::Base, Some(color));
    let found = Stacks::new(config, connection, region).describe(&stack).await?;
    let missing = |what: &str| {
        Failure::Usage(format!(
            "{what} in {region}, so {color} has no bucket: `mwaa-bluegreen env apply {color}` deploys it; for an environment \
             made by hand give `existing` and `bucket` in the section [{color}] of pair.toml"
        ))
    };
    let Some(found) = found else {
        return Err(missing(&format!("there is no stack {stack}")));
    };
    let name = found.stack.outputs.get("BucketName").cloned();
    name.ok_or_else(|| {
        missing(&format!(
            "stack {stack} ({}) has no output BucketName",
            found.stack.status
        ))
    })
}

fn import_error(error: &BrokenFile) -> ImportError {
    let last = error.trace.lines().rev().find(|line| !line.trim().is_empty());
    ImportError {
        path: relative(&error.file).to_owned(),
        at: error.at,
        reason: last.unwrap_or("no reason is given").trim().to_owned(),
    }
}

/// The first few of many names.
pub(crate) fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = names
        .iter()
        .take(SHOWN)
        .map(|name| visible(name))
        .collect::<Vec<_>>()
        .join(", ");
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 {
        text.extend([format!(" and {}", terminal::count(more, "other"))]);
    }
    text
}
