//! Plays histories of one seed after the other on all cores, until years or minutes are over or a rule is broken.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::child::{self, Wanted};
use crate::clock::DAY;
use crate::outcome::{Find, Outcome};
use crate::script::Script;

/// Minutes of a year.
const YEAR: f64 = 365.25 * 24.0 * 60.0;

/// When no more histories are begun.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After so many.
    Histories(u64),
    /// After so much time; those under way then end early.
    Time(Duration),
}

impl Until {
    /// After so many years.
    pub fn years(years: f64, days: i64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a number of histories"
        )]
        let histories = (years * 365.25 / days as f64).ceil() as u64;
        Self::Histories(histories)
    }
}

/// What to play.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed of the first history; each next one has the next number.
    pub seed: u64,
    /// Days of a history.
    pub days: i64,
    /// Until when.
    pub until: Until,
    /// Histories at once.
    pub jobs: usize,
    /// Whether more are begun after one that broke a rule.
    pub keep_going: bool,
    /// Words that no timeline has, see [`Script::told`].
    pub told: Vec<String>,
    /// Folder for histories that broke a rule, written at once: what comes after may take hours, and be interrupted.
    pub into: Option<PathBuf>,
}

/// Sums over histories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// Histories that ended.
    pub histories: u64,
    /// Ticks that were played.
    pub played: i64,
    /// Minutes that the time had.
    pub minutes: i64,
    /// How often a pair was found healed and quiet.
    pub at_peace: u64,
    /// Requests to all services.
    pub requests: u64,
    /// The most that Parameter Store had within a second.
    pub peak: u32,
    /// Runs that were executed once.
    pub runs: u64,
    /// Runs that were executed by both or by nobody, by what excuses it.
    pub excused: BTreeMap<String, u64>,
    /// How long cores were busy with it, in milliseconds.
    pub busy: u64,
}

impl Sums {
    /// Adds a history.
    pub fn add(&mut self, outcome: &Outcome) {
        self.histories += 1;
        self.played += outcome.played;
        self.minutes += outcome.minutes;
        self.at_peace += u64::from(outcome.at_peace);
        self.requests += outcome.requests;
        self.peak = self.peak.max(outcome.peak);
        self.runs += outcome.runs;
        for (why, times) in &outcome.excused {
            *self.excused.entry(why.clone()).or_default() += times;
        }
        self.busy += outcome.busy;
    }

    /// Simulated years.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub fn years(&self) -> f64 {
        self.minutes as f64 / YEAR
    }
}

impl fmt::Display for Sums {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (busy, minutes) = (self.busy.max(1) as f64, self.minutes.max(1) as f64);
        write!(
            formatter,
            "{:.2} years in {} histories, {:.2} years a minute of one core; {:.1}% of the minutes played ({} ticks, {} requests); \
             {} times at peace",
            self.years(),
            self.histories,
            self.years() * 60_000.0 / busy,
            self.played as f64 * 100.0 / minutes,
            self.played,
            self.requests,
            self.at_peace,
        )
    }
}

/// How it ended.
#[derive(Debug, Default)]
pub struct Finished {
    /// Sums over all histories that ended.
    pub sums: Sums,
    /// Histories that broke a rule, in the order of their seeds.
    pub broken: Vec<(Script, Outcome)>,
    /// Whether a person ended it.
    pub is_interrupted: bool,
}

/// Plays the histories of a plan. All processes have ended when this returns.
pub async fn run(plan: &Plan) -> io::Result<Finished> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut progress = Progress::new(plan);
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut children = JoinSet::new();
    let mut finished = Finished::default();
    let start = Instant::now();
    let mut begun = 0;
    loop {
        while children.len() < plan.jobs {
            let within = match plan.until {
                Until::Histories(most) if begun >= most => break,
                Until::Histories(_) => None,
                Until::Time(time) => Some(time.saturating_sub(start.elapsed())),
            };
            if within.is_some_and(|within| within.is_zero()) || !(finished.broken.is_empty() || plan.keep_going) {
                break;
            }
            let mut script = Script::of(plan.seed.wrapping_add(begun), plan.days);
            script.told.clone_from(&plan.told);
            begun += 1;
            children.spawn(async move {
                let wanted = Wanted { is_told: false, within };
                (script.clone(), child::play(script, wanted).await)
            });
        }
        tokio::select! {
            biased;
            _ = interrupt.recv() => {
                finished.is_interrupted = true;
                break;
            }
            _ = terminate.recv() => {
                finished.is_interrupted = true;
                break;
            }
            joined = children.join_next() => {
                let Some(joined) = joined else { break };
                let (script, outcome) = joined.map_err(io::Error::other)?;
                let outcome = outcome?;
                finished.sums.add(&outcome);
                if let Some(broken) = &outcome.broken {
                    if let Some(folder) = &plan.into {
                        Find::of(&script, broken).write(folder)?;
                    }
                    finished.broken.push((script, outcome));
                    if !plan.keep_going {
                        break;
                    }
                }
            }
            _ = second.tick() => progress.show(&finished, children.len()),
        }
    }
    progress.clear();
    children.shutdown().await;
    finished
        .broken
        .sort_by_key(|(script, _)| script.seed.wrapping_sub(plan.seed));
    Ok(finished)
}

/// The line that says how far it is.
struct Progress {
    aim: String,
    is_terminal: bool,
    shown: u64,
}

impl Progress {
    fn new(plan: &Plan) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let aim = match plan.until {
            Until::Histories(most) => {
                format!("of {:.0} years", most as f64 * (plan.days * DAY / 60_000) as f64 / YEAR)
            }
            Until::Time(time) => format!("in {} s", time.as_secs()),
        };
        Self {
            aim,
            is_terminal: io::stderr().is_terminal(),
            shown: 0,
        }
    }

    /// Called once a second.
    fn show(&mut self, finished: &Finished, running: usize) {
        self.shown += 1;
        let broken = match finished.broken.len() {
            0 => String::new(),
            broken => format!("; {broken} broke a rule"),
        };
        let line = format!("{}: {}; {running} running{broken}", self.aim, finished.sums);
        // Progress that cannot be shown stops nothing.
        if self.is_terminal {
            let _shown = write!(io::stderr(), "\r\x1b[2K{line}");
        } else if self.shown.is_multiple_of(30) {
            let _shown = writeln!(io::stderr(), "{line}");
        }
    }

    fn clear(&self) {
        if self.is_terminal {
            let _shown = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}
