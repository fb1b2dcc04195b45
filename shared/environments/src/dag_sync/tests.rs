//! A bucket in memory, a folder, and somebody else who writes into the same bucket.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// What a bucket has: by path, whose content it is, and its tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct World {
    objects: BTreeMap<String, (Vec<u8>, Writer, String)>,
    manifest: Option<Vec<u8>>,
    writes: u32,
    /// Encrypted with a key of KMS: no tag is the content's MD5.
    kms: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Us,
    SomebodyElse,
}

type Folder = BTreeMap<String, Vec<u8>>;

impl World {
    fn put(&mut self, path: &str, content: &[u8], writer: Writer) -> String {
        self.writes = self.writes.saturating_add(1);
        let tag = if self.kms {
            format!("kms-{}", self.writes)
        } else {
            LocalFile::of(content).md5
        };
        self.objects
            .insert(path.to_owned(), (content.to_vec(), writer, tag.clone()));
        tag
    }

    fn listing(&self) -> BTreeMap<String, Object> {
        let object = |(content, _, tag): &(Vec<u8>, Writer, String)| Object {
            etag: tag.clone(),
            size: content.len() as u64,
        };
        self.objects
            .iter()
            .map(|(path, found)| (path.clone(), object(found)))
            .collect()
    }

    fn manifest(&self) -> Manifest {
        self.manifest
            .as_deref()
            .map(|bytes| Manifest::read(bytes).unwrap())
            .unwrap_or_default()
    }

    fn contents(&self, writer: Writer) -> Folder {
        let of_writer = self.objects.iter().filter(|(_, found)| found.1 == writer);
        of_writer
            .map(|(path, (content, ..))| (path.clone(), content.clone()))
            .collect()
    }

    /// A sync of the folder that is killed after so many requests that change something. Returns whether it came to its end, and
    /// how many there were.
    fn sync(&mut self, folder: &Folder, budget: usize) -> (bool, usize) {
        let local: BTreeMap<String, LocalFile> = folder
            .iter()
            .map(|(path, content)| (path.clone(), LocalFile::of(content)))
            .collect();
        let difference = Difference::between(&local, &self.listing(), self.manifest());
        let mut sent: usize = 0;
        let mut is_alive = || {
            sent = sent.saturating_add(1);
            sent <= budget
        };
        if let Some(intent) = difference.intent(&local) {
            if !is_alive() {
                return (false, budget);
            }
            self.manifest = Some(intent.to_bytes());
        }
        let mut written = BTreeMap::new();
        for path in difference.puts.keys() {
            if !is_alive() {
                return (false, budget);
            }
            written.insert(path.clone(), self.put(path, &folder[path], Writer::Us));
        }
        for path in &difference.deletes {
            if !is_alive() {
                return (false, budget);
            }
            let (_, writer, _) = self.objects.remove(path).unwrap();
            // What somebody else wrote in the very same bytes cannot be told from ours.
            assert!(
                writer == Writer::Us || !self.kms,
                "deleted {path}, which is somebody else's"
            );
        }
        if let Some(outcome) = difference.outcome(&local, &written) {
            if !is_alive() {
                return (false, budget);
            }
            self.manifest = Some(outcome.to_bytes());
        }
        (true, sent)
    }
}

fn folder(files: &[(&str, &str)]) -> Folder {
    files
        .iter()
        .map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec()))
        .collect()
}

fn local(folder: &Folder) -> BTreeMap<String, LocalFile> {
    folder
        .iter()
        .map(|(path, content)| (path.clone(), LocalFile::of(content)))
        .collect()
}

const ALL: usize = usize::MAX;

#[test]
fn only_what_has_changed_is_written() {
    let mut world = World::default();
    let mut files = folder(&[("a.py", "1"), ("b.py", "1"), ("c.py", "1")]);
    assert_eq!(
        world.sync(&files, ALL),
        (true, 5),
        "three files, the manifest before and after"
    );
    assert_eq!(world.sync(&files, ALL), (true, 0), "nothing at all");
    files.insert("b.py".to_owned(), b"2".to_vec());
    files.remove("c.py");
    let difference = Difference::between(&local(&files), &world.listing(), world.manifest());
    assert_eq!(difference.puts, BTreeMap::from([("b.py".to_owned(), Why::Changed)]));
    assert_eq!(
        (difference.deletes.as_slice(), difference.unchanged),
        (&["c.py".to_owned()][..], 1)
    );
    assert_eq!(world.sync(&files, ALL), (true, 4));
    assert_eq!(world.contents(Writer::Us), files);
}

#[test]
fn what_somebody_else_put_there_stays_and_is_named() {
    let mut world = World::default();
    world.put("theirs.py", b"x", Writer::SomebodyElse);
    world.put("", b"", Writer::SomebodyElse);
    world.put("folder/", b"", Writer::SomebodyElse);
    let mut files = folder(&[("a.py", "1"), ("b.py", "1")]);
    world.sync(&files, ALL);
    world.put("b.py", b"by hand", Writer::SomebodyElse);
    files.remove("b.py");
    let difference = Difference::between(&local(&files), &world.listing(), world.manifest());
    assert!(difference.is_in_step());
    assert_eq!(difference.foreign, ["theirs.py"], "no folders of the console");
    assert_eq!(difference.written_over, ["b.py"]);
    world.sync(&files, ALL);
    let difference = Difference::between(&local(&files), &world.listing(), world.manifest());
    assert_eq!(difference.foreign, ["b.py", "theirs.py"], "from now on");
}

#[test]
fn what_was_altered_in_the_bucket_is_written_again() {
    for kms in [false, true] {
        let mut world = World {
            kms,
            ..World::default()
        };
        let files = folder(&[("a.py", "1"), ("b.py", "1")]);
        world.sync(&files, ALL);
        world.put("a.py", b"2", Writer::SomebodyElse);
        let difference = Difference::between(&local(&files), &world.listing(), world.manifest());
        assert_eq!(
            difference.puts,
            BTreeMap::from([("a.py".to_owned(), Why::AlteredThere)])
        );
        world.sync(&files, ALL);
        assert_eq!(world.contents(Writer::Us), files);
    }
}

#[test]
fn a_bucket_that_has_the_files_already_is_not_written_to() {
    let mut world = World::default();
    let files = folder(&[("a.py", "1"), ("b.py", "1")]);
    for (path, content) in &files {
        world.put(path, content, Writer::SomebodyElse);
    }
    assert_eq!(world.sync(&files, ALL), (true, 1), "the manifest alone");
    let mut keyed = World {
        kms: true,
        ..World::default()
    };
    for (path, content) in &files {
        keyed.put(path, content, Writer::SomebodyElse);
    }
    assert_eq!(keyed.sync(&files, ALL), (true, 4), "with a key nobody can tell");
    assert_eq!(keyed.sync(&files, ALL), (true, 0));
}

#[test]
fn a_lost_manifest_deletes_nothing() {
    let mut world = World::default();
    world.sync(&folder(&[("a.py", "1"), ("b.py", "1")]), ALL);
    world.manifest = None;
    world.sync(&folder(&[("a.py", "1")]), ALL);
    assert!(world.objects.contains_key("b.py"), "nobody knows who wrote it");
}

#[test]
fn a_manifest_that_is_not_understood_is_refused() {
    for (text, expected) in [
        ("", "it is no manifest"),
        ("[]", "it is no manifest"),
        ("{\"format\": 1}", "it is no manifest"),
        (
            "{\"format\": 2, \"other\": {}}",
            "a later version of this product wrote it (format 2; known is 1)",
        ),
    ] {
        let fault = Manifest::read(text.as_bytes()).unwrap_err().to_string();
        assert!(fault.starts_with(expected), "{text}: {fault}");
    }
    let manifest = Manifest {
        files: BTreeMap::from([("a.py".to_owned(), Entry::done(&LocalFile::of(b"1"), "t"))]),
    };
    assert_eq!(
        String::from_utf8(manifest.to_bytes()).unwrap(),
        "{\"format\":1,\"files\":{\"a.py\":{\"sha256\":\"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b\",\
         \"size\":1,\"etags\":[\"t\"]}}}",
        "as older versions read it"
    );
    assert_eq!(Manifest::read(&manifest.to_bytes()), Ok(manifest));
}

#[test]
fn what_is_not_released_is_what_the_other_manifest_has_otherwise() {
    let mut world = World::default();
    world.sync(&folder(&[("a.py", "1"), ("b.py", "1")]), ALL);
    let files = folder(&[("a.py", "1"), ("b.py", "2"), ("c.py", "1")]);
    let expected = BTreeSet::from(["b.py".to_owned(), "c.py".to_owned()]);
    assert_eq!(not_released(&local(&files), &world.manifest()), expected);
    world.sync(&files, 1);
    assert_eq!(
        not_released(&local(&files), &world.manifest()),
        expected,
        "intended is not released"
    );
}

// -- any history -------------------------------------------------------------------------------------------------------

#[derive(Debug, Clone)]
enum Event {
    /// The folder becomes this, and is synchronized, up to so many writing requests.
    Sync(Folder, usize),
    /// Somebody else puts a file.
    Other(String, Vec<u8>),
    /// Somebody else deletes one.
    OtherDeletes(String),
}

fn paths() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a.py", "b.py", "c/d.py", "c/e.sql", ".airflowignore"]).prop_map(str::to_owned)
}

fn folders() -> impl Strategy<Value = Folder> {
    prop::collection::btree_map(paths(), prop::sample::select(vec![b"1".to_vec(), b"2".to_vec()]), 0..5)
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (folders(), prop_oneof![Just(ALL), 0..8_usize]).prop_map(|(folder, budget)| Event::Sync(folder, budget)),
        // Contents that are never ours, so that a deletion of them is seen.
        1 => (paths(), prop::sample::select(vec![b"x".to_vec(), b"yy".to_vec()])).prop_map(|(path, content)| Event::Other(path, content)),
        1 => paths().prop_map(Event::OtherDeletes),
    ];
    prop::collection::vec(event, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_history_of_kills_and_of_others_ends_as_the_folder_says(
        history in events(), last in folders(), kms: bool
    ) {
        let mut world = World { kms, ..World::default() };
        for event in history {
            let theirs = world.contents(Writer::SomebodyElse);
            match event {
                Event::Sync(folder, budget) => {
                    world.sync(&folder, budget);
                    for (path, content) in theirs {
                        let stays = world.objects.get(&path).is_some_and(|found| found.0 == content);
                        prop_assert!(stays || folder.contains_key(&path), "{path} of somebody else is gone");
                    }
                }
                Event::Other(path, content) => {
                    world.put(&path, &content, Writer::SomebodyElse);
                }
                Event::OtherDeletes(path) => {
                    world.objects.remove(&path);
                }
            }
        }
        let (done, _) = world.sync(&last, ALL);
        prop_assert!(done);
        for (path, content) in &last {
            prop_assert_eq!(&world.objects[path].0, content);
        }
        // With a key, what a killed sync wrote and the folder has no longer cannot be told from somebody else's.
        if !kms {
            let ours = world.contents(Writer::Us);
            prop_assert_eq!(ours.keys().collect::<Vec<_>>(), last.keys().collect::<Vec<_>>());
        }
        prop_assert_eq!(world.sync(&last, ALL), (true, 0), "a repeat writes nothing");
        let manifest = world.manifest();
        prop_assert_eq!(manifest.files.keys().collect::<Vec<_>>(), last.keys().collect::<Vec<_>>());
    }

    #[test]
    fn a_sync_that_is_killed_anywhere_and_repeated_ends_the_same(before in folders(), after in folders(), kms: bool) {
        let mut world = World { kms, ..World::default() };
        world.sync(&before, ALL);
        world.put("theirs.py", b"x", Writer::SomebodyElse);
        let mut whole = world.clone();
        let (_, requests) = whole.sync(&after, ALL);
        for budget in 0..requests {
            let mut killed = world.clone();
            prop_assert!(!killed.sync(&after, budget).0);
            prop_assert!(killed.sync(&after, ALL).0);
            prop_assert_eq!(killed.contents(Writer::Us), after.clone());
            prop_assert_eq!(killed.contents(Writer::SomebodyElse), folder(&[("theirs.py", "x")]));
        }
    }
}

// -- Airflow -----------------------------------------------------------------------------------------------------------

fn at(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(seconds.saturating_add(1_800_000_000)).unwrap()
}

fn dag(path: &str, parsed: i64) -> DagFile {
    DagFile {
        path: path.to_owned(),
        parsed: Some(at(parsed)),
    }
}

fn error(path: &str, tried: i64) -> ImportError {
    ImportError {
        path: path.to_owned(),
        at: at(tried),
        reason: "ImportError".to_owned(),
    }
}

fn expectation(files: &[&str], awaited: &[(&str, Looks)], known: &[&str]) -> Expectation {
    Expectation {
        arrived: at(100),
        listed: at(400),
        files: files.iter().map(|path| (*path).to_owned()).collect(),
        awaited: awaited
            .iter()
            .map(|(path, looks)| ((*path).to_owned(), *looks))
            .collect(),
        known_errors: known.iter().map(|path| (*path).to_owned()).collect(),
    }
}

fn missing(of: &Parsed) -> Vec<&str> {
    match of {
        Parsed::Waiting { missing, .. } => missing.iter().map(String::as_str).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_file_is_waited_for_because_any_may_import_what_changed() {
    let expected = expectation(&["a.py", "b.py", "util.py"], &[("util.py", Looks::Plain)], &[]);
    let seen = |a, b| Seen {
        dags: vec![dag("a.py", a), dag("b.py", b)],
        errors: Vec::new(),
    };
    assert_eq!(missing(&parsed(&expected, &seen(99, 101), at(110))), ["a.py"]);
    assert_eq!(parsed(&expected, &seen(100, 101), at(110)), Parsed::Good { files: 2 });
}

#[test]
fn what_is_gone_and_what_a_file_no_longer_makes_is_not_waited_for() {
    let expected = expectation(&["a.py"], &[], &[]);
    let seen = Seen {
        // The first DAG of a.py was renamed to the second.
        dags: vec![dag("a.py", 50), dag("a.py", 120), dag("deleted.py", 50)],
        errors: vec![error("deleted.py", 50)],
    };
    assert_eq!(parsed(&expected, &seen, at(130)), Parsed::Good { files: 1 });
}

#[test]
fn an_error_counts_if_airflow_has_tried_the_new_content() {
    let expected = expectation(&["a.py", "b.py"], &[("a.py", Looks::Dag)], &["b.py"]);
    let seen = |errors: &[ImportError]| Seen {
        dags: vec![],
        errors: errors.to_vec(),
    };
    assert_eq!(
        missing(&parsed(
            &expected,
            &seen(&[error("a.py", 99), error("b.py", 120)]),
            at(130)
        )),
        ["a.py"],
        "the error is of the content before"
    );
    assert_eq!(
        parsed(
            &expected,
            &seen(&[error("a.py", 120), error("a.py", 120), error("b.py", 120)]),
            at(130)
        ),
        Parsed::Broken(vec![error("a.py", 120)])
    );
    let other = seen(&[error("never-heard-of.py", 120)]);
    assert!(
        matches!(parsed(&expected, &other, at(130)), Parsed::Broken(_)),
        "whosever file it is"
    );
}

#[test]
fn a_new_file_is_waited_for_as_long_as_it_may_have_a_dag() {
    let awaited = [
        ("dag.py", Looks::Dag),
        ("perhaps.py", Looks::Parsed),
        ("none.py", Looks::Plain),
    ];
    let expected = expectation(&["dag.py", "perhaps.py", "none.py"], &awaited, &[]);
    let none = Seen::default();
    assert_eq!(missing(&parsed(&expected, &none, at(399))), ["dag.py", "perhaps.py"]);
    assert_eq!(
        missing(&parsed(&expected, &none, at(400))),
        ["dag.py"],
        "this one has a DAG for certain"
    );
    let seen = Seen {
        dags: vec![dag("dag.py", 120)],
        errors: Vec::new(),
    };
    assert_eq!(parsed(&expected, &seen, at(400)), Parsed::Good { files: 1 });
}

#[test]
fn both_generations_name_the_same_file() {
    assert_eq!(relative("/usr/local/airflow/dags/a/b.py"), "a/b.py");
    assert_eq!(relative("a/b.py"), "a/b.py");
}
