//! Hashes and their texts.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The digits of base64 as mails have it.
pub(super) const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// The digits of base64 as the RECORD of a wheel has it.
pub(super) const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// SHA-256 over all parts; what lies between two parts counts, too.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// SHA-256 of bytes alone, as others compute it.
pub(super) fn plain_sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _a_string_takes_all = write!(text, "{byte:02x}");
        text
    })
}

/// Base64, padded.
pub(super) fn base64(digits: &[u8; 64], bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or_default());
        let value = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for position in 0..4_usize {
            if position > group.len() {
                text.push('=');
                continue;
            }
            let shift = [18_u32, 12, 6, 0].get(position).copied().unwrap_or_default();
            let index = usize::try_from((value >> shift) & 63).unwrap_or_default();
            text.push(char::from(digits.get(index).copied().unwrap_or(b'=')));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(STANDARD, plain.as_bytes()), encoded);
        }
        assert_eq!(base64(URL, &[0xfb, 0xff, 0xfe]), "-__-");
        assert_eq!(base64(STANDARD, &[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn a_hash_is_that_of_the_parts_as_they_are_divided() {
        assert_ne!(sha256(&[b"ab", b"c"]), sha256(&[b"a", b"bc"]));
        assert_eq!(
            hex(&plain_sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
