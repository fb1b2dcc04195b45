//! The guard's wheel. The command line writes it itself: whoever has only the command line must not need Python tools or
//! a package index, and the guard of a pair is then always that of its controller's release.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::archive::{self, Entry};
use super::encoding::{plain_sha256, sha256};

/// The version in airflow/pyproject.toml; a test compares them.
const VERSION: &str = env!("CARGO_PKG_VERSION");

macro_rules! package {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../airflow/src/mwaa_bluegreen/", $name)))),*]
    };
}

/// Every file of the package; a test sees that none is missing.
const PACKAGE: [(&str, &str); 16] = package![
    "__init__.py",
    "airflow_2.py",
    "callbacks.py",
    "dag.py",
    "decision.py",
    "errors.py",
    "flag.py",
    "guard.py",
    "hold.py",
    "ownership.py",
    "policy.py",
    "py.typed",
    "run.py",
    "settings.py",
    "since.py",
    "status_page.py",
];

const METADATA: &str = "Metadata-Version: 2.1
Name: mwaa-bluegreen
Version: {version}
Summary: Airflow runs executed by exactly one environment of a blue-green pair on Amazon MWAA.
Requires-Python: >=3.10
Requires-Dist: boto3>=1.28
";

const WHEEL: &str = "Wheel-Version: 1.0
Generator: mwaa-bluegreen {version}
Root-Is-Purelib: true
Tag: py3-none-any
";

const ENTRY_POINTS: &str = "[airflow.plugins]
mwaa_bluegreen = mwaa_bluegreen.status_page:PLUGIN

[airflow.policy]
mwaa_bluegreen = mwaa_bluegreen.policy
";

/// A wheel of the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    file_name: String,
    version: String,
    bytes: Vec<u8>,
    identity: [u8; 32],
}

/// Why a file is no wheel of the guard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is no wheel of the guard; allowed is a file mwaa_bluegreen-<version>-py3-none-any.whl, as \
     `pip wheel --no-deps ./airflow` builds it"
)]
pub struct BadWheel {
    given: String,
}

impl Wheel {
    /// The guard of this release.
    pub fn own() -> Result<Self, String> {
        let info = format!("mwaa_bluegreen-{VERSION}.dist-info");
        let of_version = |text: &str| text.replace("{version}", VERSION);
        let mut files: Vec<(String, String)> = PACKAGE
            .iter()
            .map(|(name, text)| (format!("mwaa_bluegreen/{name}"), (*text).to_owned()))
            .collect();
        files.push((format!("{info}/METADATA"), of_version(METADATA)));
        files.push((format!("{info}/WHEEL"), of_version(WHEEL)));
        files.push((format!("{info}/entry_points.txt"), of_version(ENTRY_POINTS)));
        let mut record = String::new();
        for (name, text) in &files {
            let hash = BASE64_URL_SAFE_NO_PAD.encode(plain_sha256(text.as_bytes()));
            let _a_string_takes_all = writeln!(record, "{name},sha256={hash},{}", text.len());
        }
        let name = format!("{info}/RECORD");
        let _a_string_takes_all = writeln!(record, "{name},,");
        files.push((name, record));
        let entries: Vec<Entry> = files
            .into_iter()
            .map(|(path, text)| Entry {
                path,
                bytes: text.into_bytes(),
                executable: false,
            })
            .collect();
        Ok(Self {
            identity: identity(&entries),
            file_name: format!("mwaa_bluegreen-{VERSION}-py3-none-any.whl"),
            version: VERSION.to_owned(),
            bytes: archive::write(&entries).map_err(|error| format!("the guard's wheel cannot be packed: {error}"))?,
        })
    }

    /// A wheel that the user names.
    pub fn given(file_name: &str, bytes: Vec<u8>) -> Result<Self, BadWheel> {
        let bad = || BadWheel {
            given: file_name.to_owned(),
        };
        let version = file_name
            .strip_prefix("mwaa_bluegreen-")
            .and_then(|rest| rest.strip_suffix("-py3-none-any.whl"))
            .filter(|version| {
                version.starts_with(|c: char| c.is_ascii_digit())
                    && version
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '_'))
            })
            .ok_or_else(bad)?;
        let entries = archive::read(&bytes).map_err(|_| bad())?;
        if !entries.iter().any(|entry| entry.path == "mwaa_bluegreen/policy.py") {
            return Err(bad());
        }
        Ok(Self {
            file_name: file_name.to_owned(),
            version: version.to_owned(),
            identity: identity(&entries),
            bytes,
        })
    }

    /// The name that pip reads the version from.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same content, packed by another compressor.
    #[cfg(test)]
    pub(super) fn packed_otherwise(mut self) -> Self {
        self.bytes.extend(b"other bytes");
        self
    }

    /// What is in it, however it is compressed.
    pub(super) fn identity(&self) -> [u8; 32] {
        self.identity
    }
}

/// The files by name and content: the same source packed once more has other dates, and perhaps another order.
fn identity(entries: &[Entry]) -> [u8; 32] {
    let mut files: Vec<(&str, &[u8])> = entries
        .iter()
        .map(|entry| (entry.path.as_str(), entry.bytes.as_slice()))
        .collect();
    files.sort_unstable();
    let parts: Vec<&[u8]> = files
        .into_iter()
        .flat_map(|(path, bytes)| [path.as_bytes(), bytes])
        .collect();
    sha256(&parts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn airflow() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../airflow")
    }

    #[test]
    fn every_file_of_the_package_is_in_it() {
        let there: BTreeSet<String> = std::fs::read_dir(airflow().join("src/mwaa_bluegreen"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "__pycache__")
            .collect();
        let ours: BTreeSet<String> = PACKAGE.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(ours, there);
    }

    #[test]
    fn its_metadata_is_that_of_the_project() {
        let text = std::fs::read_to_string(airflow().join("pyproject.toml")).unwrap();
        let project: toml::Table = text.parse().unwrap();
        let project = project["project"].as_table().unwrap();
        let of = |key: &str| project[key].as_str().unwrap().to_owned();
        let dependencies: Vec<String> = project["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("Requires-Dist: {}\n", one.as_str().unwrap()))
            .collect();
        let wanted = format!(
            "Metadata-Version: 2.1\nName: {}\nVersion: {}\nSummary: {}\nRequires-Python: {}\n{}",
            of("name"),
            of("version"),
            of("description"),
            of("requires-python"),
            dependencies.concat()
        );
        assert_eq!(METADATA.replace("{version}", VERSION), wanted);
        let group = |(group, entries): (&String, &toml::Value)| {
            let entries = entries.as_table().unwrap().iter();
            let lines: Vec<String> = entries
                .map(|(name, value)| format!("{name} = {}\n", value.as_str().unwrap()))
                .collect();
            format!("[{group}]\n{}\n", lines.concat())
        };
        let points: String = project["entry-points"].as_table().unwrap().iter().map(group).collect();
        let blocks = |text: &str| -> BTreeSet<String> { text.trim_end().split("\n\n").map(str::to_owned).collect() };
        assert_eq!(blocks(ENTRY_POINTS), blocks(&points));
    }

    #[test]
    fn a_given_wheel_is_known_by_its_files_however_it_is_packed() {
        let own = Wheel::own().unwrap();
        let mut entries = archive::read(own.bytes()).unwrap();
        entries.reverse();
        let packed = |entries: &[Entry]| Wheel::given(own.file_name(), archive::write(entries).unwrap()).unwrap();
        let otherwise = packed(&entries);
        assert_ne!(otherwise.bytes(), own.bytes());
        assert_eq!(otherwise.identity(), own.identity());
        entries[3].bytes.push(b'#');
        assert_ne!(packed(&entries).identity(), own.identity());
        entries[3].bytes.pop();
        entries[3].path.push('2');
        assert_ne!(packed(&entries).identity(), own.identity());
    }

    #[test]
    fn only_a_wheel_of_the_guard_is_taken() {
        let own = Wheel::own().unwrap();
        let again = Wheel::given(own.file_name(), own.bytes().to_vec()).unwrap();
        assert_eq!(again.version(), own.version());
        for name in [
            "mwaa_bluegreen-0.2.0.zip",
            "other-1.0-py3-none-any.whl",
            "mwaa_bluegreen--py3-none-any.whl",
        ] {
            let told = Wheel::given(name, own.bytes().to_vec()).unwrap_err().to_string();
            assert!(
                told.contains(name) && told.contains("allowed is a file mwaa_bluegreen-"),
                "{told}"
            );
        }
        assert!(Wheel::given(own.file_name(), b"no archive".to_vec()).is_err());
        let empty = archive::write(&[]).unwrap();
        assert!(Wheel::given(own.file_name(), empty).is_err());
    }
}
