use super::*;

fn text(artifact: &Artifact) -> String {
    String::from_utf8(artifact.bytes.clone()).unwrap()
}

fn file(path: &str, content: &str) -> File {
    File {
        path: path.to_owned(),
        bytes: content.as_bytes().to_vec(),
        executable: false,
    }
}

fn of_plugins(plugins: Plugins) -> Sources {
    Sources {
        plugins,
        ..Sources::default()
    }
}

#[test]
fn the_same_files_are_the_same_bytes_whatever_their_order_and_leftovers() {
    let files = vec![file("b/x.py", "x"), file("a.py", "a")];
    let one = pack(&of_plugins(Plugins::Folder(files.clone()))).unwrap();
    let mut other = files;
    other.reverse();
    other.push(file("b/__pycache__/x.cpython-311.pyc", "compiled"));
    other.push(file(".DS_Store", "mac"));
    let two = pack(&of_plugins(Plugins::Folder(other))).unwrap();
    assert_eq!(one, two);
    let names: Vec<String> = archive::read(&one.plugins.bytes)
        .unwrap()
        .into_iter()
        .map(|entry| entry.path)
        .collect();
    assert_eq!(names, ["a.py", "b/x.py", "mwaa_bluegreen-0.2.0-py3-none-any.whl"]);
}

#[test]
fn a_packed_archive_is_packed_again_with_the_guard() {
    let folder = Plugins::Folder(vec![file("a.py", "a")]);
    let theirs = archive::write(&[Entry {
        path: "a.py".to_owned(),
        bytes: b"a".to_vec(),
        executable: false,
    }])
    .unwrap();
    assert_eq!(
        pack(&of_plugins(folder)).unwrap(),
        pack(&of_plugins(Plugins::Archive(theirs))).unwrap()
    );
    let faults = pack(&of_plugins(Plugins::Archive(b"no".to_vec()))).unwrap_err();
    assert!(faults.concat().contains("not a zip archive"), "{faults:?}");
}

#[test]
fn every_change_changes_the_name() {
    let base = pack(&of_plugins(Plugins::Folder(vec![file("a.py", "a")]))).unwrap();
    let executable = File {
        executable: true,
        ..file("a.py", "a")
    };
    for other in [file("a.py", "b"), file("b.py", "a"), executable] {
        let other = pack(&of_plugins(Plugins::Folder(vec![other]))).unwrap();
        assert_ne!(base.plugins.key, other.plugins.key);
        assert_eq!(base.startup, other.startup);
    }
    let own_lines = pack(&Sources {
        startup: Some("export A=1".to_owned()),
        ..Sources::default()
    })
    .unwrap();
    assert_ne!(base.startup.key, own_lines.startup.key);
    assert!(text(&own_lines.startup).ends_with("set +e\n\n# Your own lines.\nexport A=1\n"));
}

#[test]
fn a_name_does_not_depend_on_the_compressor() {
    let keys = |wheel: Wheel| {
        let artifacts = pack(&Sources {
            wheel: Some(wheel),
            ..Sources::default()
        })
        .unwrap();
        artifacts.all().map(|artifact| artifact.key.clone())
    };
    let own = Wheel::own().unwrap();
    assert_eq!(keys(own.clone()), keys(own.clone().packed_otherwise()));
    let of_default = pack(&Sources::default()).unwrap();
    assert_eq!(keys(own), of_default.all().map(|artifact| artifact.key.clone()));
}

#[test]
fn the_guard_is_pinned_below_the_users_own_lines() {
    let pinned = |own: &str| {
        pack(&Sources {
            requirements: Some(own.to_owned()),
            ..Sources::default()
        })
        .map(|artifacts| text(&artifacts.requirements))
    };
    let tail = "--find-links /usr/local/airflow/plugins\nmwaa-bluegreen==0.2.0\n";
    assert!(pinned("").unwrap().ends_with(tail));
    let with_own = pinned("pandas==2.0").unwrap();
    assert!(
        with_own.starts_with("pandas==2.0\n#") && with_own.ends_with(tail),
        "{with_own}"
    );
    // pip would refuse a line without a hash among lines with one, and then installs nothing at all.
    let hashed = "pandas==2.0 \\\n  --hash=sha256:00\n";
    assert_eq!(pinned(hashed).unwrap(), hashed);
    for line in [
        "mwaa-bluegreen==0.1",
        "mwaa_bluegreen",
        "/usr/local/airflow/plugins/mwaa_bluegreen-0.2.0-py3-none-any.whl",
    ] {
        let told = pinned(&format!("pandas\n{line}\n")).unwrap_err().concat();
        assert!(told.contains("line 2") && told.contains("take it out"), "{told}");
    }
    assert!(pinned("# mwaa_bluegreen-0.1 was here\nmwaa-bluegreen-other==1\n").is_ok());
}

#[test]
fn all_faults_are_named_at_once() {
    let faults = pack(&Sources {
        requirements: Some("mwaa-bluegreen".to_owned()),
        plugins: Plugins::Folder(vec![
            file("../a", ""),
            file("/b", ""),
            file("mwaa_bluegreen-0.1.0-py3-none-any.whl", ""),
            file("c", ""),
            file("c", ""),
        ]),
        ..Sources::default()
    })
    .unwrap_err();
    assert_eq!(faults.len(), 5, "{faults:?}");
}

#[test]
fn a_function_is_named_by_its_binary() {
    let made = function("health-watcher", b"elf").unwrap();
    assert!(
        made.key.starts_with("artifacts/functions/health-watcher-"),
        "{}",
        made.key
    );
    let entries = archive::read(&made.bytes).unwrap();
    assert!(entries[0].path == "bootstrap" && entries[0].executable);
    assert_ne!(made.key, function("health-watcher", b"other").unwrap().key);
}
