//! What Airflow has made of a folder: which files it has parsed since they arrived, and which it cannot import.
//!
//! Airflow does not say which content it has parsed, only when it last parsed a file. So a file counts as parsed if that
//! was after its content was in Airflow's folder for certain; and because a changed module changes every file that
//! imports it, all files are waited for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::files::Looks;

/// The folder as Airflow names it on MWAA.
const FOLDER: &str = "/usr/local/airflow/dags/";

/// A file that Airflow lists DAGs of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DagFile {
    /// Its path in the folder.
    pub path: String,
    /// When Airflow last parsed it.
    pub parsed: Option<Timestamp>,
}

/// A file that Airflow cannot import.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImportError {
    /// Its path in the folder.
    pub path: String,
    /// When Airflow last tried. Each try renews it.
    pub at: Timestamp,
    /// The last line of the stack trace.
    pub reason: String,
}

/// What Airflow has listed: first the DAGs, then the import errors. In the other order, the error of a file that is
/// parsed in between would be in neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// One for each DAG.
    pub dags: Vec<DagFile>,
    /// The import errors.
    pub errors: Vec<ImportError>,
}

/// What is to be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    /// When what was last written is in Airflow's folder for certain.
    pub arrived: Timestamp,
    /// When Airflow has looked for new files for certain.
    pub listed: Timestamp,
    /// The files in the bucket.
    pub files: BTreeSet<String>,
    /// The files that shall show up with a DAG or an import error.
    pub awaited: BTreeMap<String, Looks>,
    /// The files that cannot be imported where this release is not, and are therefore none of its doing.
    pub known_errors: BTreeSet<String>,
}

/// Whether it is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// New import errors.
    Broken(Vec<ImportError>),
    /// Not yet.
    Waiting {
        /// Files that are parsed.
        parsed: usize,
        /// Files to be parsed.
        of: usize,
        /// Those that are missing.
        missing: Vec<String>,
    },
    /// Everything is parsed, without new import errors.
    Good {
        /// Files with DAGs.
        files: usize,
    },
}

/// The path in the folder, of a file as Airflow names it: Airflow 2 from the root, Airflow 3 from the folder.
#[must_use]
pub fn relative(file: &str) -> &str {
    file.strip_prefix(FOLDER).unwrap_or(file)
}

/// Whether what is expected is seen.
#[must_use]
pub fn parsed(expected: &Expectation, seen: &Seen, now: Timestamp) -> Parsed {
    let tried: BTreeSet<&str> = seen
        .errors
        .iter()
        .filter(|error| error.at >= expected.arrived)
        .map(|error| error.path.as_str())
        .collect();
    let is_new =
        |error: &&ImportError| tried.contains(error.path.as_str()) && !expected.known_errors.contains(&error.path);
    let mut broken: Vec<ImportError> = seen.errors.iter().filter(is_new).cloned().collect();
    if !broken.is_empty() {
        broken.sort();
        broken.dedup_by(|one, other| one.path == other.path);
        return Parsed::Broken(broken);
    }
    // Of each file the DAG that was parsed last: one that the file no longer makes stays listed for a while.
    let mut files: BTreeMap<&str, Option<Timestamp>> = BTreeMap::new();
    for dag in &seen.dags {
        let newest = files.entry(dag.path.as_str()).or_default();
        *newest = (*newest).max(dag.parsed);
    }
    for error in &seen.errors {
        // An error from before the arrival is about another content.
        let newest = files.entry(error.path.as_str()).or_default();
        *newest = (*newest).max(Some(error.at));
    }
    // DAGs of a file that is gone stay listed for a while, and are not parsed again.
    files.retain(|path, _| expected.files.contains(*path));
    let is_over = now >= expected.listed;
    for (path, looks) in &expected.awaited {
        // A file without a DAG shows up nowhere. Whether it has one is known only by waiting.
        let may_be_without = match looks {
            Looks::Plain => true,
            Looks::Parsed => is_over,
            Looks::Dag => false,
        };
        if !may_be_without {
            files.entry(path.as_str()).or_default();
        }
    }
    let missing: Vec<String> = files
        .iter()
        .filter(|(path, parsed)| parsed.is_none_or(|at| at < expected.arrived) && !tried.contains(*path))
        .map(|(path, _)| (*path).to_owned())
        .collect();
    if missing.is_empty() {
        return Parsed::Good { files: files.len() };
    }
    Parsed::Waiting {
        parsed: files.len().saturating_sub(missing.len()),
        of: files.len(),
        missing,
    }
}
