//! Requirements without a version.

/// The lines of a `requirements.txt` that may be another package tomorrow: an unchanged file must mean an unchanged
/// environment, on the standby as on the active.
#[must_use]
pub fn unpinned(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut is_continued = false;
    for (number, line) in (1_usize..).zip(text.lines()) {
        let begins = !is_continued;
        is_continued = line.trim_end().ends_with('\\');
        let requirement = line.split(" #").next().unwrap_or_default().trim();
        let requirement = requirement.trim_end_matches('\\').trim();
        let is_option = requirement.is_empty() || requirement.starts_with(['#', '-']);
        if begins && !is_option && !is_pinned(requirement) {
            found.push((number, requirement.to_owned()));
        }
    }
    found
}

fn is_pinned(requirement: &str) -> bool {
    let without_marker = requirement.split(';').next().unwrap_or_default();
    let is_file =
        |text: &str| text.contains('/') || std::path::Path::new(text).extension().is_some_and(|end| end == "whl");
    match without_marker.split_once("==") {
        Some((_, version)) => !version.contains('*'),
        None => without_marker.contains('@') || is_file(without_marker.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_or_a_file_pins() {
        let text = "# comment\n\npandas\npandas==2.2.0\nboto3>=1.28  # newer\nnumpy==2.*\n-c constraints.txt\n--find-links x\n\
                    a @ https://example.com/a-1.whl\n./b-1.whl\nc[x]==1 ; python_version < \"3\"\nd==1 \\\n  --hash=sha256:0\n\
                    e ; python_version >= \"3==\"\n";
        assert_eq!(
            unpinned(text),
            [
                (3, "pandas".to_owned()),
                (5, "boto3>=1.28".to_owned()),
                (6, "numpy==2.*".to_owned()),
                (14, "e ; python_version >= \"3==\"".to_owned()),
            ]
        );
    }
}
