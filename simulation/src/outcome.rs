//! How a history went, as one process tells another, and as a file keeps it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Milliseconds;
use crate::history::{BEGIN, Report};
use crate::script::Script;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// The rule's name.
    pub rule: String,
    /// When it was broken, in milliseconds since the history's beginning; `None` if its process ended without saying so.
    pub at: Option<Milliseconds>,
    /// What happened.
    pub what: String,
}

/// How a history went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The broken rule, if there is one.
    pub broken: Option<Broken>,
    /// Ticks that were played.
    pub played: i64,
    /// Minutes that the time had.
    pub minutes: i64,
    /// How often the pair was found healed and quiet.
    pub at_peace: u32,
    /// Requests to all services.
    pub requests: u64,
    /// The most that Parameter Store had within a second.
    pub peak: u32,
    /// Runs that were executed once.
    pub runs: u64,
    /// Runs that were executed by both or by nobody, by what excuses it.
    pub excused: BTreeMap<String, u64>,
    /// How long it kept a core busy, in milliseconds.
    pub busy: u64,
    /// The timeline, if it was wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<(Milliseconds, String)>,
}

impl Outcome {
    /// Of a history that was played to its end or to a violation.
    pub fn of(report: Report, busy: Duration) -> Self {
        Self {
            broken: report.violation.map(|violation| Broken {
                rule: violation.rule.to_owned(),
                at: Some(violation.at - BEGIN),
                what: violation.what,
            }),
            played: report.played,
            minutes: report.minutes,
            at_peace: report.at_peace,
            requests: report.requests.values().sum(),
            peak: report.peak,
            runs: report.runs,
            excused: report
                .excused
                .into_iter()
                .map(|(why, times)| (why.to_owned(), times))
                .collect(),
            busy: u64::try_from(busy.as_millis()).unwrap_or(u64::MAX),
            timeline: report.timeline,
        }
    }

    /// Of a history whose process ended without an outcome, or not at all.
    pub fn failed(rule: &str, what: String) -> Self {
        let broken = Broken {
            rule: rule.to_owned(),
            at: None,
            what,
        };
        Self {
            broken: Some(broken),
            ..Self::default()
        }
    }
}

/// A history that broke a rule, as a file keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Find {
    /// What it found, in words.
    #[serde(default)]
    pub comment: String,
    /// The rule that it broke.
    pub rule: String,
    /// How it broke it.
    pub what: String,
    /// The history.
    pub script: Script,
}

impl Find {
    /// Of a history, as it was made.
    pub fn of(script: &Script, broken: &Broken) -> Self {
        Self {
            comment: format!("the history of seed {}, {} days", script.seed, script.days),
            rule: broken.rule.clone(),
            what: broken.what.clone(),
            script: script.clone(),
        }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let said = |error: &dyn std::fmt::Display| {
            io::Error::other(format!(
                "{} is no history: {error}; give a file that `simulate` wrote",
                path.display()
            ))
        };
        let bytes = std::fs::read(path).map_err(|error| said(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| said(&error))
    }

    /// Writes it into a folder, under a name made of rule and seed.
    pub fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}-{}.json", self.rule, self.script.seed));
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        std::fs::write(&path, text)?;
        Ok(path)
    }
}
