//! `simulate`: years of simulated trouble.

use std::io::{self, Read as _, Write as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bluegreen_simulation::child::{self, Wanted};
use bluegreen_simulation::history;
use bluegreen_simulation::outcome::{Broken, Find, Outcome};
use bluegreen_simulation::runner::{Plan, Until, run};
use bluegreen_simulation::script::Script;
use bluegreen_simulation::shrink::{Bounds, shrink};
use bluegreen_simulation::timeline::{described, readable};
use clap::{Args, Parser, Subcommand};

/// Lines of a timeline that are shown; the last ones have the reason.
const SHOWN: usize = 150;

/// A rule was broken.
const BROKEN: u8 = 1;
/// It could not be done as asked.
const USAGE: u8 = 2;
/// Ctrl-C, as a shell has it.
const INTERRUPTED: u8 = 130;

/// Plays years of trouble against the real use cases, and checks at every step what must hold. One seed is one history.
///
/// Exit codes: 0 no rule was broken, 1 one was, 2 the command cannot be carried out, 130 interrupted.
#[derive(Parser)]
#[command(name = "simulate", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    search: Search,
}

#[derive(Args)]
struct Search {
    /// Years to play, all histories together [default: 1]
    #[arg(long, conflicts_with = "minutes", value_parser = positive)]
    years: Option<f64>,
    /// Minutes of this machine's time to play, in place of years
    #[arg(long, value_parser = positive)]
    minutes: Option<f64>,
    /// Seed of the first history; each next one has the next number [default: a fresh one]
    #[arg(long)]
    seed: Option<u64>,
    /// Days of one history
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(i64).range(1..=3650))]
    days: i64,
    /// Histories at once [default: one a core]
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
    /// Play on after a rule was broken; each broken rule is shown once
    #[arg(long)]
    keep_going: bool,
    /// Look for a history whose timeline has lines with these words, in this order
    #[arg(long, value_name = "WORDS")]
    told: Vec<String>,
    /// Minutes for making a history that broke a rule shorter
    #[arg(long, default_value_t = 5.0, value_parser = not_negative)]
    shrink_minutes: f64,
    /// Folder for histories that broke a rule
    #[arg(long, value_name = "FOLDER", default_value = "target/simulation")]
    into: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Play one history, and show its timeline
    History {
        /// The seed
        #[arg(long)]
        seed: u64,
        /// Its days
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(i64).range(1..=3650))]
        days: i64,
        /// Every line, as it was told
        #[arg(long)]
        verbose: bool,
    },
    /// Play the histories of files again, and show their timelines
    Replay {
        /// Files that `simulate` wrote
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Every line, as it was told
        #[arg(long)]
        verbose: bool,
    },
    /// Play all histories of a folder again: none may break a rule
    Finds {
        /// The folder
        folder: PathBuf,
    },
    /// Plays the script on standard input in this process, and answers in JSON
    #[command(hide = true)]
    Played {
        #[arg(long)]
        timeline: bool,
        #[arg(long)]
        within: Option<u64>,
    },
}

fn positive(text: &str) -> Result<f64, String> {
    not_negative(text).and_then(|number| {
        if number > 0.0 {
            Ok(number)
        } else {
            Err("give more than 0".to_owned())
        }
    })
}

fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..1e6).contains(&number) => Ok(number),
        _ => Err("give a number from 0 to 1,000,000".to_owned()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        // In the main thread, and with nothing else in it: see `child`.
        Some(Command::Played { timeline, within }) => played(timeline, within),
        Some(Command::History { seed, days, verbose }) => on_runtime(one(Script::of(seed, days), verbose)),
        Some(Command::Replay { files, verbose }) => on_runtime(replay(files, verbose)),
        Some(Command::Finds { folder }) => on_runtime(finds(folder)),
        None => on_runtime(search(arguments.search)),
    };
    result.unwrap_or_else(|error| {
        eprintln!("simulate: {error}");
        ExitCode::from(USAGE)
    })
}

fn on_runtime(work: impl Future<Output = io::Result<ExitCode>>) -> io::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

fn played(timeline: bool, within: Option<u64>) -> io::Result<ExitCode> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    let script: Script = serde_json::from_slice(&text)?;
    let began = Instant::now();
    let until = within.and_then(|within| began.checked_add(Duration::from_millis(within)));
    let report = history::play(&script, timeline, until)?;
    let outcome = Outcome::of(report, busy().unwrap_or_else(|| began.elapsed()));
    serde_json::to_writer(io::stdout(), &outcome)?;
    Ok(ExitCode::SUCCESS)
}

/// How long all threads of this process kept a core busy, by Linux, which counts in hundredths of a second.
fn busy() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after) = text.rsplit_once(") ")?;
    let of_user_and_system = after.split(' ').skip(11).take(2);
    let ticks: u64 = of_user_and_system.map_while(|field| field.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks.saturating_mul(10)))
}

async fn search(search: Search) -> io::Result<ExitCode> {
    let seed = search.seed.unwrap_or_else(|| fastrand::u64(1..1_000_000_000));
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = search.jobs.map_or(cores, NonZero::get);
    let until = match search.minutes {
        Some(minutes) => Until::Time(Duration::from_secs_f64(minutes * 60.0)),
        None => Until::years(search.years.unwrap_or(1.0), search.days),
    };
    say(&format!(
        "seed {seed}, histories of {} days, {jobs} at once",
        search.days
    ));
    let plan = Plan {
        seed,
        days: search.days,
        until,
        jobs,
        keep_going: search.keep_going,
        told: search.told,
        into: Some(search.into.clone()),
    };
    let finished = run(&plan).await?;
    let sums = &finished.sums;
    say(&sums.to_string());
    say(&format!(
        "{} runs were executed once; by both or by nobody: {:?}; Parameter Store's busiest second had {} requests",
        sums.runs, sums.excused, sums.peak
    ));
    let bounds = Bounds {
        tries: 1000,
        time: Duration::from_secs_f64(search.shrink_minutes * 60.0),
        jobs,
    };
    let mut shown: Vec<String> = Vec::new();
    for (script, outcome) in &finished.broken {
        let Some(broken) = &outcome.broken else { continue };
        if shown.contains(&broken.rule) {
            say(&format!(
                "{} was also broken by the history of seed {}",
                broken.rule, script.seed
            ));
            continue;
        }
        shown.push(broken.rule.clone());
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(BROKEN)),
            shown = show(script, broken, bounds, &search.into) => shown?,
        }
    }
    Ok(match (shown.is_empty(), finished.is_interrupted) {
        (false, _) => ExitCode::from(BROKEN),
        (true, true) => ExitCode::from(INTERRUPTED),
        (true, false) => ExitCode::SUCCESS,
    })
}

/// Shows a history that broke a rule as short as it can be made, and writes it into a file.
async fn show(script: &Script, broken: &Broken, bounds: Bounds, folder: &Path) -> io::Result<()> {
    say(&format!(
        "\n{} is broken by the history of seed {}:\n  {}",
        broken.rule, script.seed, broken.what
    ));
    let mut find = Find::of(script, broken);
    let shrunk = shrink(script.clone(), broken, bounds).await;
    let end = if shrunk.is_early {
        "; it stopped early, because its time was over"
    } else {
        ""
    };
    say(&format!(
        "{} steps in {} days are shrunk to {} steps in {} days by {} tries{end}",
        script.steps.len(),
        script.days,
        shrunk.script.steps.len(),
        shrunk.script.days,
        shrunk.tries
    ));
    find.script = shrunk.script;
    let outcome = child::play(find.script.clone(), TOLD).await?;
    match &outcome.broken {
        Some(broken) if broken.rule == find.rule => find.what.clone_from(&broken.what),
        _ => say("played again it breaks another rule or none: this history is not the same each time"),
    }
    let file = find.write(folder)?;
    tell(&find.script, &outcome, false);
    say(&format!(
        "\nseed {}, file {}; play it again: simulate replay {}",
        script.seed,
        file.display(),
        file.display()
    ));
    Ok(())
}

const TOLD: Wanted = Wanted {
    is_told: true,
    within: None,
};

async fn one(script: Script, verbose: bool) -> io::Result<ExitCode> {
    let outcome = child::play(script.clone(), TOLD).await?;
    tell(&script, &outcome, verbose);
    Ok(match outcome.broken {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(BROKEN),
    })
}

async fn replay(files: Vec<PathBuf>, verbose: bool) -> io::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let find = Find::read(&file)?;
        say(&format!("{}: {}, {}", file.display(), find.rule, find.comment));
        let outcome = child::play(find.script.clone(), TOLD).await?;
        tell(&find.script, &outcome, verbose);
        if outcome.broken.is_some() {
            code = ExitCode::from(BROKEN);
        }
    }
    Ok(code)
}

async fn finds(folder: PathBuf) -> io::Result<ExitCode> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder)
        .map_err(|error| io::Error::other(format!("{}: {error}; give a folder of finds", folder.display())))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    let mut code = ExitCode::SUCCESS;
    for file in &files {
        let find = Find::read(file)?;
        let outcome = child::play(find.script, Wanted::default()).await?;
        if let Some(broken) = outcome.broken {
            say(&format!(
                "{}: {} is broken: {}\n  it once found: {}\n  its timeline: simulate replay {}",
                file.display(),
                broken.rule,
                broken.what,
                find.comment,
                file.display()
            ));
            code = ExitCode::from(BROKEN);
        }
    }
    say(&format!("{} old finds played again", files.len()));
    Ok(code)
}

/// Shows a history.
fn tell(script: &Script, outcome: &Outcome, verbose: bool) {
    say("\nThe history:");
    for line in described(script) {
        say(&format!("  {line}"));
    }
    say("\nIts timeline:");
    let lines = readable(&outcome.timeline, verbose);
    let left_out = if verbose { 0 } else { lines.len().saturating_sub(SHOWN) };
    if left_out > 0 {
        say(&format!("  {left_out} earlier lines are left out, see --verbose"));
    }
    for line in lines.iter().skip(left_out) {
        say(&format!("  {line}"));
    }
    match &outcome.broken {
        Some(broken) => say(&format!("\n{} is broken: {}", broken.rule, broken.what)),
        None => say("\nno rule is broken"),
    }
}

/// Prints a line; a reader that has gone away stops nothing.
fn say(line: &str) {
    let _printed = writeln!(io::stdout(), "{line}");
}
