//! The folder of DAG files on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use bluegreen_environments::dag_sync::{LocalFile, Looks, Rule, looks, rule_of};

use crate::failure::Failure;
use crate::terminal;

/// The longest file. Airflow reads its folder again and again: data belongs elsewhere.
const LONGEST: u64 = 256 * 1024 * 1024;

/// Folders in folders. More are a loop of links.
const DEEPEST: usize = 64;

/// What is wrong with the folder, at most this many lines of it.
const MOST_FAULTS: usize = 20;

/// The file in which Airflow finds what it shall not parse.
const IGNORE: &str = ".airflowignore";

/// The files that go into the buckets.
#[derive(Debug)]
pub(crate) struct DagFiles {
    root: PathBuf,
    /// By path in the folder, with `/` between its parts.
    pub(crate) files: BTreeMap<String, LocalFile>,
    looks: BTreeMap<String, Looks>,
    /// What Airflow is told to ignore, by folder.
    ignored: Vec<(String, Vec<String>)>,
}

impl DagFiles {
    /// Reads the folder. Everything that is wrong with it is told at once.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let root = folder.canonicalize().map_err(|error| {
            Failure::Usage(format!(
                "the folder of the DAGs, {}, cannot be read: {error}; `dags` in the section [environment] of pair.toml names \
                 it, seen from that file",
                folder.display()
            ))
        })?;
        let mut found = Self {
            root: root.clone(),
            files: BTreeMap::new(),
            looks: BTreeMap::new(),
            ignored: Vec::new(),
        };
        let mut faults = Vec::new();
        found.walk(&root, "", 0, &mut faults);
        if !faults.is_empty() {
            let more = faults.len().saturating_sub(MOST_FAULTS);
            faults.truncate(MOST_FAULTS);
            if more > 0 {
                faults.push(format!("and {more} more"));
            }
            return Err(Failure::Usage(format!(
                "{} holds what cannot be uploaded, and nothing was: {}",
                folder.display(),
                faults.join("; ")
            )));
        }
        if found.files.is_empty() {
            return Err(Failure::Usage(format!(
                "{} holds no file: all DAGs that were written from it would be deleted; look at `dags` in pair.toml",
                folder.display()
            )));
        }
        Ok(found)
    }

    /// The content of a file, if it still is what was read before.
    pub(crate) fn content(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let bytes = fs::read(self.root.join(path))
            .map_err(|error| Failure::File(format!("{path} cannot be read any more: {error}; repeat the command")))?;
        if self.files.get(path) == Some(&LocalFile::of(&bytes)) {
            Ok(bytes)
        } else {
            Err(Failure::File(format!(
                "{path} was changed while it was uploaded; repeat the command, it goes on where it stopped"
            )))
        }
    }

    /// Of the files, those that shall show up in Airflow, with what they look like.
    ///
    /// `changed` are files of another content than Airflow had, `had` those that it had in any.
    pub(crate) fn awaited(&self, changed: &BTreeSet<String>, had: impl Fn(&str) -> bool) -> BTreeMap<String, Looks> {
        let awaited = changed.iter().filter_map(|path| {
            let looks = *self.looks.get(path)?;
            // A module of old without a DAG most likely still has none; if it has, its error shows up all the same.
            let counts = looks == Looks::Dag || looks == Looks::Parsed && !had(path);
            (counts && !self.may_be_ignored(path)).then(|| (path.clone(), looks))
        });
        awaited.collect()
    }

    /// Whether Airflow may be told to ignore it. Its patterns come in two languages; here a file may be ignored if it
    /// has the letters of a pattern in its path, so that nothing is waited for in vain.
    fn may_be_ignored(&self, path: &str) -> bool {
        self.ignored.iter().any(|(folder, patterns)| {
            let inside = match folder.as_str() {
                "" => Some(path),
                folder => path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')),
            };
            inside.is_some_and(|inside| patterns.iter().any(|pattern| inside.contains(pattern.as_str())))
        })
    }

    fn walk(&mut self, folder: &Path, path: &str, depth: usize, faults: &mut Vec<String>) {
        if depth > DEEPEST {
            faults.push(format!(
                "{path} is more than {DEEPEST} folders deep: is there a link to a folder above?"
            ));
            return;
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return faults.push(format!("{path}/ cannot be read: {error}")),
        };
        for entry in entries {
            let name = match entry {
                Ok(entry) => entry.file_name(),
                Err(error) => {
                    faults.push(format!("{path}/ cannot be read: {error}"));
                    continue;
                }
            };
            let Some(name) = name.to_str() else {
                faults.push(format!("{path}/{} is not named in UTF-8", name.to_string_lossy()));
                continue;
            };
            let inner = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}/{name}")
            };
            match rule_of(&inner) {
                Rule::Skip => {}
                Rule::Refuse(why) => faults.push(format!("{inner:?}: {why}")),
                Rule::Take => self.take(&folder.join(name), inner, depth, faults),
            }
        }
    }

    fn take(&mut self, file: &Path, path: String, depth: usize, faults: &mut Vec<String>) {
        let metadata = match self.inside(file) {
            Ok(metadata) => metadata,
            Err(why) => return faults.push(format!("{path}: {why}")),
        };
        if metadata.is_dir() {
            return self.walk(file, &path, depth.saturating_add(1), faults);
        }
        if !metadata.is_file() {
            return faults.push(format!("{path} is neither a file nor a folder"));
        }
        if metadata.len() > LONGEST {
            return faults.push(format!(
                "{path} has {} MiB; allowed are at most {}: data belongs into a bucket of its own",
                metadata.len().checked_shr(20).unwrap_or_default(),
                LONGEST >> 20
            ));
        }
        let bytes = match fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) => return faults.push(format!("{path} cannot be read: {error}")),
        };
        if path == IGNORE || path.ends_with("/.airflowignore") {
            let folder = path.strip_suffix(IGNORE).unwrap_or_default().trim_end_matches('/');
            self.ignored.push((folder.to_owned(), patterns(&bytes)));
        }
        self.looks.insert(path.clone(), looks(&path, &bytes));
        self.files.insert(path, LocalFile::of(&bytes));
    }

    /// What a path leads to, if that is inside the folder: a link out of it would upload what nobody meant.
    fn inside(&self, file: &Path) -> Result<Metadata, String> {
        let metadata = fs::symlink_metadata(file).map_err(|error| format!("cannot be read: {error}"))?;
        if !metadata.is_symlink() {
            return Ok(metadata);
        }
        let target = file
            .canonicalize()
            .map_err(|error| format!("is a link that leads nowhere: {error}"))?;
        if !target.starts_with(&self.root) {
            return Err(format!(
                "is a link out of the folder, to {}: put the file itself there",
                target.display()
            ));
        }
        if file.starts_with(&target) {
            return Err(format!("is a link to a folder above, {}", target.display()));
        }
        fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))
    }

    /// For people: `4,990 files` would need a locale; `4990 files` needs none.
    pub(crate) fn count(&self) -> String {
        terminal::count(self.files.len(), "file")
    }
}

/// The longest run of plain letters of each pattern.
fn patterns(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty() && !line.starts_with('!'))
        .map(|line| {
            let runs = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'));
            runs.max_by_key(|run| run.len()).unwrap_or_default().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder of its own, which ends with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("bluegreen-dags-{name}-{}", std::process::id()));
            let _none_of_old = fs::remove_dir_all(&folder);
            fs::create_dir_all(folder.join("dags")).unwrap();
            Self(folder)
        }

        fn put(&self, path: &str, content: &str) {
            let file = self.0.join("dags").join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }

        fn read(&self) -> Result<DagFiles, Failure> {
            DagFiles::read(&self.0.join("dags"))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _gone_with_the_machine = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_airflow_can_use_is_taken() {
        let folder = Folder::new("taken");
        for path in [
            "a.py",
            "c/d/e.sql",
            ".airflowignore",
            "__pycache__/a.pyc",
            ".git/HEAD",
            "c/a.py~",
        ] {
            folder.put(path, "x");
        }
        symlink("a.py", folder.0.join("dags/link.py")).unwrap();
        let found = folder.read().unwrap();
        let paths: Vec<&str> = found.files.keys().map(String::as_str).collect();
        assert_eq!(paths, [".airflowignore", "a.py", "c/d/e.sql", "link.py"]);
        assert_eq!(found.content("link.py").unwrap(), b"x");
    }

    #[test]
    fn what_cannot_be_uploaded_is_named_all_at_once() {
        let folder = Folder::new("refused");
        fs::write(folder.0.join("secret"), "x").unwrap();
        folder.put("a\nb.py", "x");
        folder.put("c/d.py", "x");
        symlink("../secret", folder.0.join("dags/out.py")).unwrap();
        symlink("..", folder.0.join("dags/c/up")).unwrap();
        symlink("nothing", folder.0.join("dags/dangling.py")).unwrap();
        let told = folder.read().unwrap_err().to_string();
        for part in [
            "\"a\\nb.py\": the name has a control character",
            "out.py: is a link out of the folder",
            "c/up: is a link to a folder above",
            "dangling.py: is a link that leads nowhere",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn an_empty_folder_is_a_mistake() {
        let folder = Folder::new("empty");
        folder.put("__pycache__/a.pyc", "x");
        assert!(folder.read().unwrap_err().to_string().contains("holds no file"));
    }

    #[test]
    fn a_file_that_changes_meanwhile_is_not_uploaded() {
        let folder = Folder::new("changing");
        folder.put("a.py", "x");
        let found = folder.read().unwrap();
        folder.put("a.py", "y");
        let told = found.content("a.py").unwrap_err().to_string();
        assert!(told.contains("was changed while it was uploaded"), "{told}");
    }

    #[test]
    fn only_what_can_show_up_is_waited_for() {
        let folder = Folder::new("awaited");
        let (dag, module) = ("from airflow import DAG\nwith DAG('a'): pass\n", "# dag, airflow\n");
        folder.put("new.py", dag);
        folder.put("old.py", dag);
        folder.put("new_module.py", module);
        folder.put("old_module.py", module);
        folder.put("query.sql", module);
        folder.put("tests/test_dag.py", dag);
        folder.put("sub/kept.py", dag);
        folder.put("sub/scratch/x.py", dag);
        folder.put(".airflowignore", "# a comment\n^tests/.*\n");
        folder.put("sub/.airflowignore", "scratch/**\n");
        let found = folder.read().unwrap();
        let all: BTreeSet<String> = found.files.keys().cloned().collect();
        let awaited = found.awaited(&all, |path| path.starts_with("old"));
        let expected = BTreeMap::from([
            ("new.py".to_owned(), Looks::Dag),
            ("new_module.py".to_owned(), Looks::Parsed),
            ("old.py".to_owned(), Looks::Dag),
            ("sub/kept.py".to_owned(), Looks::Dag),
        ]);
        assert_eq!(awaited, expected);
        assert!(found.awaited(&BTreeSet::new(), |_| false).is_empty());
    }
}
