//! Fields of S3's answers, as they are used here.

pub(super) fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

pub(super) fn version(given: Option<&str>) -> Option<String> {
    // `null` is S3's name for the one version of a bucket without versions.
    given.filter(|version| *version != "null").map(str::to_owned)
}

pub(super) fn size(given: Option<i64>) -> u64 {
    given.and_then(|size| u64::try_from(size).ok()).unwrap_or_default()
}
