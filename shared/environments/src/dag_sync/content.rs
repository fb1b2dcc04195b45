//! Files of the folder and objects of the bucket, by what is in them.

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::hex::hex;

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its entity tag, without quotes. The MD5 of its content, unless the bucket is encrypted with a key of KMS.
    pub etag: String,
    /// Its length in bytes.
    pub size: u64,
}

/// SHA-256 of a content.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// SHA-256 of its content, in hex.
    pub sha256: String,
    /// MD5 of its content, in hex: the entity tag that S3 gives it in most buckets.
    pub md5: String,
    /// Its length in bytes.
    pub size: u64,
}

impl LocalFile {
    /// The file with this content.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: hex(&sha256(bytes)),
            md5: hex(&Md5::digest(bytes)),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        }
    }
}
