//! A history in a process of its own. Nothing less makes it the same each time: random numbers are the thread's, and the
//! SDK's budgets of retries are the process's.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::outcome::Outcome;
use crate::script::Script;

/// A history that takes longer does not end: one of 60 days takes minutes even without optimization on a busy machine.
const LONGEST: Duration = Duration::from_secs(3600);

/// What is wanted of a history.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Whether with its timeline.
    pub is_told: bool,
    /// Whether it ends early, after so much time of the machine.
    pub within: Option<Duration>,
}

/// Plays a script. The process ends when this is dropped.
pub async fn play(script: Script, wanted: Wanted) -> io::Result<Outcome> {
    let mut command = Command::new(program());
    command.arg("played");
    if wanted.is_told {
        command.arg("--timeline");
    }
    if let Some(within) = wanted.within {
        command.args(["--within", &within.as_millis().to_string()]);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        // The terminal's Ctrl-C is for the runner, which ends its children itself.
        .process_group(0)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A process that ended before it read all says why in its outcome.
        let _written = input.write_all(&serde_json::to_vec(&script)?).await;
    }
    let Ok(output) = timeout(LONGEST, child.wait_with_output()).await else {
        let what = format!("no outcome within {} minutes", LONGEST.as_secs() / 60);
        return Ok(Outcome::failed("never-ends", what));
    };
    let output = output?;
    Ok(serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        Outcome::failed("no-panic", format!("{}: {}", output.status, said.trim()))
    }))
}

/// This program, even if it was built anew meanwhile.
fn program() -> PathBuf {
    let same = Path::new("/proc/self/exe");
    match std::env::current_exe() {
        Ok(program) if !same.exists() => program,
        _ => same.to_owned(),
    }
}
