//! DAG files on their way into a bucket: what is written, what is deleted, and what is left alone.

use sha2::{Digest, Sha256};

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its ETag, without quotes. The MD5 of its content, unless the bucket is encrypted with a key of KMS.
    pub etag: String,
    /// Its length in bytes.
    pub size: u64,
}

/// SHA-256 of a content.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
