use super::*;

#[test]
fn only_addresses_take_buckets_in_the_path() {
    for (url, expected) in [
        ("http://127.0.0.1:4566", true),
        ("http://localhost:4566", true),
        ("http://[::1]:4566", true),
        ("https://s3.eu-west-1.amazonaws.com", false),
        (
            "https://bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com",
            false,
        ),
        ("https://10.0.3.7", true),
        ("foo", false),
    ] {
        assert_eq!(is_address(url), expected, "{url}");
    }
}

#[test]
fn a_bucket_without_versions_has_no_version() {
    assert_eq!(version(Some("null")), None);
    assert_eq!(
        version(Some("3sL4kqtJlcpXroDTDmJ")).as_deref(),
        Some("3sL4kqtJlcpXroDTDmJ")
    );
    assert_eq!(unquoted(Some("\"9b2cf\"")), "9b2cf");
}

#[test]
fn an_object_of_another_content_is_not_taken_for_the_same() {
    let head = |size, checksum: Option<&[u8]>| Head {
        etag: String::new(),
        version: None,
        size,
        checksum: checksum.map(|bytes| base64::encode(sha256(bytes))),
        written_at: 0,
    };
    assert!(head(3, None).is_of(b"abc") && head(3, Some(b"abc")).is_of(b"abc"));
    assert!(!head(2, None).is_of(b"abc") && !head(3, Some(b"xyz")).is_of(b"abc"));
}
