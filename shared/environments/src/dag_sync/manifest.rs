//! The list of what this product wrote into a folder of a bucket.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::content::LocalFile;

/// The manifest's format. A reader refuses a later one: what it does not understand, it might delete.
const FORMAT: u32 = 1;

/// What this product wrote, and is about to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// By path in the folder.
    pub files: BTreeMap<String, Entry>,
}

/// One file of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// SHA-256 of the content, in hex.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
    /// The entity tags of what we wrote there. While it is pending, also the one that it is about to get.
    pub etags: BTreeSet<String>,
    /// Whether the file is still to be written, as far as the manifest knows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
}

impl Entry {
    pub(super) fn done(file: &LocalFile, etag: &str) -> Self {
        Self {
            sha256: file.sha256.clone(),
            size: file.size,
            etags: BTreeSet::from([etag.to_owned()]),
            pending: false,
        }
    }

    pub(super) fn intended(file: &LocalFile, mut etags: BTreeSet<String>) -> Self {
        etags.insert(file.md5.clone());
        Self {
            sha256: file.sha256.clone(),
            size: file.size,
            etags,
            pending: true,
        }
    }
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// It is no manifest.
    #[error("it is no manifest of this product: {0}")]
    Unreadable(String),
    /// A later version of this product wrote it.
    #[error("a later version of this product wrote it (format {given}; known is {FORMAT})")]
    Later {
        /// Its format.
        given: u32,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    files: &'a BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Read {
    files: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Manifest {
    /// Reads it.
    pub fn read(bytes: &[u8]) -> Result<Self, ManifestFault> {
        let unreadable = |error: serde_json::Error| ManifestFault::Unreadable(error.to_string());
        // First, because a later format may have other fields.
        let Format { format } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if format > FORMAT {
            return Err(ManifestFault::Later { given: format });
        }
        let Read { files, .. } = serde_json::from_slice(bytes).map_err(unreadable)?;
        Ok(Self { files })
    }

    /// The text to write.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let written = Written {
            format: FORMAT,
            files: &self.files,
        };
        // Maps of texts and numbers have no way to fail.
        serde_json::to_vec(&written).unwrap_or_default()
    }
}
