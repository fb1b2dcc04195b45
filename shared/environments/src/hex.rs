//! Bytes as text.

use std::fmt::Write as _;

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _a_string_takes_all = write!(text, "{byte:02x}");
        text
    })
}

/// The first eight bytes of a digest: enough for a name.
pub(crate) fn short(digest: &[u8]) -> String {
    hex(digest.get(..8).unwrap_or(digest))
}
