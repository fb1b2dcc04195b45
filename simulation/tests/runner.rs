//! `simulate` as people call it. The rule that these histories break is one of their own: words that the timeline has.

#![allow(clippy::expect_used, reason = "a test")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use bluegreen_core::color::Color;
use bluegreen_simulation::outcome::Find;
use bluegreen_simulation::script::{Act, Script, Step};
use bluegreen_simulation::weather::{Burst, Fault, Service};

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulate"))
        .args(arguments)
        .output()
        .expect("simulate starts")
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _absent = std::fs::remove_dir_all(&folder);
    folder
}

fn timeline(printed: &str) -> &str {
    let from = printed.find("Its timeline:").expect("a timeline");
    let until = printed.rfind(" is broken: ").expect("a broken rule");
    &printed[from..until]
}

#[test]
fn a_broken_rule_is_shown_shrunk_and_kept_in_a_file_that_plays_again() {
    let into = folder("broken");
    let path = into.to_string_lossy();
    let words = ["--told", "a person asks (r-init)", "--told", "people are notified"];
    let first = simulate(
        &[
            &["--years", "0.1", "--seed", "41", "--jobs", "1", "--into", &path],
            &words[..],
        ]
        .concat(),
    );
    let printed = text(&first.stdout);
    assert_eq!(first.status.code(), Some(1), "{printed}{}", text(&first.stderr));
    let file = into.join("told-41.json");
    assert!(
        printed.contains("seed 41") && printed.contains(&*file.to_string_lossy()),
        "{printed}"
    );

    let find = Find::read(&file).expect("the file is written");
    assert_eq!(
        (find.rule.as_str(), find.script.days, find.script.steps.len()),
        ("told", 1, 0),
        "{printed}"
    );
    assert!(find.script.settings.is_empty(), "{printed}");

    let again = simulate(&["replay", &file.to_string_lossy()]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(timeline(&text(&again.stdout)), timeline(&printed));

    let finds = simulate(&["finds", &path]);
    assert_eq!(finds.status.code(), Some(1));
    assert!(text(&finds.stdout).contains("told-41.json"), "{}", text(&finds.stdout));
}

#[test]
fn the_same_history_has_the_same_timeline_each_time() {
    let into = folder("same");
    let played = |seed: u64| {
        let foul = Burst {
            service: Service::ParameterStore,
            color: None,
            operation: None,
            fault: Fault::LostAnswer,
            seconds: 900,
            percent: 30,
        };
        let acts = [Act::Burst(foul), Act::SchedulerStops(Color::Blue)];
        let find = Find {
            comment: String::new(),
            rule: "told".to_owned(),
            what: String::new(),
            script: Script {
                seed,
                days: 1,
                settings: Vec::new(),
                steps: (1..).zip(acts).map(|(id, act)| Step { id, at: 90_000, act }).collect(),
                told: vec![
                    "blue's scheduler dies".to_owned(),
                    "active-environment v2 = green".to_owned(),
                ],
            },
        };
        let file = find.write(&into).expect("the file is written");
        let output = simulate(&["replay", "--verbose", &file.to_string_lossy()]);
        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{printed}");
        timeline(&printed).to_owned()
    };
    let first = played(7);
    assert!(first.contains("is lost"), "{first}");
    assert_eq!(first, played(7));
    assert_ne!(first, played(8));
}

#[test]
fn time_that_is_over_ends_histories_early_and_counts_what_was_played() {
    let began = Instant::now();
    let output = simulate(&["--minutes", "0.05", "--jobs", "1", "--days", "3650"]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(began.elapsed() < Duration::from_secs(120));
    assert!(printed.contains("seed "), "{printed}");
    assert!(printed.contains(" in 1 histories"), "{printed}");
}

#[test]
fn what_cannot_be_done_is_no_broken_rule() {
    let cases: &[&[&str]] = &[
        &["--years", "-1"],
        &["--years", "1", "--minutes", "1"],
        &["replay", "no-such-file.json"],
        &["finds", "no-such-folder"],
    ];
    for arguments in cases {
        assert_eq!(simulate(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn an_interrupt_ends_all_processes_and_says_what_was_done() {
    let child = Command::new(env!("CARGO_BIN_EXE_simulate"))
        .args(["--years", "1000", "--days", "3650", "--jobs", "2", "--seed", "5"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("simulate starts");
    let id = child.id();
    let children = || {
        let path = format!("/proc/{id}/task/{id}/children");
        let ids = std::fs::read_to_string(path).unwrap_or_default();
        ids.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let began = Instant::now();
    while children().len() < 2 && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let histories = children();
    assert_eq!(histories.len(), 2);
    let sent = Command::new("kill").args(["-INT", &id.to_string()]).status();
    assert!(sent.expect("kill starts").success());
    let output = child.wait_with_output().expect("simulate ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(text(&output.stdout).contains("years in 0 histories"));
    // One that has ended may still be listed until somebody has waited for it, whoever that is.
    let runs = |history: &str| {
        let state = std::fs::read_to_string(format!("/proc/{history}/stat")).unwrap_or_default();
        state
            .rsplit_once(") ")
            .is_some_and(|(_, after)| !after.starts_with('Z'))
    };
    let ended = Instant::now();
    while histories.iter().any(|history| runs(history)) && ended.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    for history in histories {
        assert!(!runs(&history), "{history} still runs");
    }
}
