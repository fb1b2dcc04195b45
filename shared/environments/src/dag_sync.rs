//! DAG files on their way into a bucket: what is written, what is deleted, and what is left alone.
//!
//! **Whose is a file?** The manifest, an object beside the folder, lists what this product wrote and the entity tag of each.
//! An object is deleted only if it is listed there and has one of those tags: what somebody else put there, or put over
//! ours, stays. A folder's own files are written wherever the bucket has something else.
//!
//! **Killed at any point.** Before the first file is written, the manifest gets an entry for each file that will be, with
//! the tags that its object may have from then on: the one it has, if we wrote it, and the one it is about to get. Files
//! come next, then deletions, then the final manifest. Whatever part of it was done, the repeat sees what is missing by
//! the bucket's listing, and knows what is ours by the entries.

mod airflow;
mod content;
mod files;
mod manifest;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use airflow::{DagFile, Expectation, ImportError, Parsed, Seen, parsed, relative};
pub use content::{LocalFile, Object, sha256};
pub use files::{Looks, Rule, looks, rule_of};
pub use manifest::{Entry, Manifest, ManifestFault};

/// The manifest's key. It is outside of the folder that Airflow reads.
pub const MANIFEST: &str = "bluegreen/dags-manifest.json";

/// Why a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The bucket has no such file.
    New,
    /// The folder has changed.
    Changed,
    /// Somebody else has put something there that the folder has otherwise.
    AlteredThere,
}

/// What there is to do in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Files to write, by path.
    pub puts: BTreeMap<String, Why>,
    /// Files to delete: ours, as we wrote them, and no longer in the folder.
    pub deletes: Vec<String>,
    /// Files in the bucket that are neither in the folder nor ours. They stay.
    pub foreign: Vec<String>,
    /// Files that are no longer in the folder, were ours, and that somebody else has written over. They stay.
    pub written_over: Vec<String>,
    /// How many files the bucket has already.
    pub unchanged: usize,
    manifest: Manifest,
    last: Manifest,
}

impl Difference {
    /// Between a folder, and a bucket with its manifest.
    ///
    /// `objects` are by path, without the folder's prefix.
    #[must_use]
    pub fn between(
        local: &BTreeMap<String, LocalFile>,
        objects: &BTreeMap<String, Object>,
        manifest: Manifest,
    ) -> Self {
        let mut found = Self {
            puts: BTreeMap::new(),
            deletes: Vec::new(),
            foreign: Vec::new(),
            written_over: Vec::new(),
            unchanged: 0,
            last: Manifest::default(),
            manifest,
        };
        for (path, file) in local {
            let entry = found.manifest.files.get(path);
            match objects.get(path) {
                Some(object) if is_same(file, object, entry) => {
                    found.unchanged = found.unchanged.saturating_add(1);
                    found.last.files.insert(path.clone(), Entry::done(file, &object.etag));
                }
                Some(object) => {
                    // Of a file that is pending, the tag may be one that KMS has made of ours.
                    let ours = entry.is_some_and(|entry| entry.pending || entry.etags.contains(&object.etag));
                    let why = if ours { Why::Changed } else { Why::AlteredThere };
                    found.puts.insert(path.clone(), why);
                }
                None => {
                    found.puts.insert(path.clone(), Why::New);
                }
            }
        }
        // The console makes an empty object for a folder.
        let others = objects
            .iter()
            .filter(|(path, _)| !local.contains_key(*path) && !path.is_empty() && !path.ends_with('/'));
        for (path, object) in others {
            match found.manifest.files.get(path) {
                Some(entry) if entry.etags.contains(&object.etag) => found.deletes.push(path.clone()),
                Some(_) => found.written_over.push(path.clone()),
                None => found.foreign.push(path.clone()),
            }
        }
        found
    }

    /// Whether the bucket has the folder's files, and nothing of ours besides.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty()
    }

    /// The manifest to write before the first file; `None` if no file will be written.
    ///
    /// Deletions need none: what is deleted is in the manifest that is there.
    #[must_use]
    pub fn intent(&self, local: &BTreeMap<String, LocalFile>) -> Option<Manifest> {
        if self.puts.is_empty() {
            return None;
        }
        let mut intent = self.manifest.clone();
        for path in self.puts.keys() {
            if let Some(file) = local.get(path) {
                let before = intent.files.remove(path).map(|entry| entry.etags);
                let entry = Entry::intended(file, before.unwrap_or_default());
                intent.files.insert(path.clone(), entry);
            }
        }
        Some(intent)
    }

    /// The manifest to write when all is done, given the entity tags of what was written; `None` if the one that is there
    /// says the same.
    #[must_use]
    pub fn outcome(&self, local: &BTreeMap<String, LocalFile>, written: &BTreeMap<String, String>) -> Option<Manifest> {
        let mut last = self.last.clone();
        for (path, etag) in written {
            if let Some(file) = local.get(path) {
                last.files.insert(path.clone(), Entry::done(file, etag));
            }
        }
        // Where files were written, the manifest that is there is the intent.
        (!self.puts.is_empty() || last != self.manifest).then_some(last)
    }
}

/// The files of the folder that a bucket with this manifest does not have in this content.
#[must_use]
pub fn not_released(local: &BTreeMap<String, LocalFile>, manifest: &Manifest) -> BTreeSet<String> {
    let is_there = |path: &str, file: &LocalFile| {
        let entry = manifest.files.get(path);
        entry.is_some_and(|entry| !entry.pending && entry.sha256 == file.sha256)
    };
    local
        .iter()
        .filter(|(path, file)| !is_there(path, file))
        .map(|(path, _)| path.clone())
        .collect()
}

fn is_same(file: &LocalFile, object: &Object, entry: Option<&Entry>) -> bool {
    let as_written = entry.is_some_and(|entry| {
        // While it is pending, one of its tags may be the old content's.
        !entry.pending && entry.sha256 == file.sha256 && entry.etags.contains(&object.etag)
    });
    object.size == file.size && (as_written || object.etag == file.md5)
}
