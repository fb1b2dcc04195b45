//! The command line as typed.
#![expect(clippy::doc_markdown, reason = "these comments are what --help and the manual show")]

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use bluegreen_core::color::Color;
use bluegreen_core::request::{ActionName, RequestForm};
use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::connection::Connection;
pub(crate) use crate::consent::Consent;
use crate::environment_arguments::{Dags, Env, Rollout};
use crate::exit;
use crate::values::{color, number};

/// The exit codes, as `--help`, the manual and the reference give them.
pub(crate) const EXIT_CODES: [(u8, &str); 9] = [
    (
        exit::DONE,
        "done, or nothing needed doing; a dry run that nothing objects to; check: ready; drill: succeeded or begun; \
         run-report: no run lost, doubled or late; drained: nothing in flight",
    ),
    (exit::FAILED, "the function or AWS failed, or gave no answer"),
    (
        exit::USAGE,
        "wrong usage, wrong settings, a fault in pair.toml, or a request that the function calls invalid",
    ),
    (
        exit::REFUSED,
        "refused: a precondition objects, or --expect-active or --expect-version does not hold; dags sync: the other color \
         has become active",
    ),
    (
        exit::CONFLICT,
        "conflict: another writer made, or is making, this transition; dags sync: another one writes to the same bucket",
    ),
    (
        exit::NOT_READY,
        "check: not ready, or partial; drill: failed or interrupted; run-report: a run lost, late, or doubled although \
         its DAG is guarded; or partial; env plan: a stack cannot be updated; dags sync: new import errors",
    ),
    (
        exit::NOT_CONFIRMED,
        "not confirmed: answered otherwise, or nobody to ask and no --yes",
    ),
    (
        exit::NOT_IN_TIME,
        "not in time: carried out, but not seen to be so within the limit; dags sync: not parsed in time",
    ),
    (exit::INTERRUPTED, "interrupted (Ctrl-C)"),
];

/// The exit codes as text.
pub(crate) fn exit_codes() -> String {
    let mut text = "Exit codes:".to_owned();
    for (code, about) in EXIT_CODES {
        let mut line = format!("  {code:>3}  ");
        let mut words = about.split(' ').peekable();
        while let Some(word) = words.next() {
            line.push_str(word);
            match words.peek() {
                Some(next) if line.len().saturating_add(next.len()) >= COLUMNS => {
                    text.extend(["\n", &line]);
                    line = " ".repeat(7);
                }
                Some(_) => line.push(' '),
                None => text.extend(["\n", &line]),
            }
        }
    }
    text
}

/// Columns of the exit codes: as many as `--help` has where there is no terminal.
const COLUMNS: usize = 98;

pub(crate) const EXAMPLES: &str = "\
Examples:
  mwaa-bluegreen status
  mwaa-bluegreen switch --to green --reason 'upgrade of blue'
  mwaa-bluegreen failover --to green --reason 'blue executes nothing'
  mwaa-bluegreen rollback
  mwaa-bluegreen hold --minutes 120 --reason 'network maintenance'
  mwaa-bluegreen --to green --region us-east-2          the same as switch --to green
  mwaa-bluegreen switch --to green --direct             when Lambda is the outage";

/// Switches an Amazon MWAA pair between blue and green, and says what stands.
///
/// It asks the pair's function <pair>-switch-handler; with --direct it does the same work itself. Credentials, region and
/// profile are found as the AWS CLI finds them.
#[derive(Debug, Parser)]
#[command(name = "mwaa-bluegreen", version, after_help = exit_codes(), after_long_help = format!("{EXAMPLES}\n\n{}", exit_codes()))]
#[command(arg_required_else_help = true, disable_help_subcommand = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Who is active, how both environments are, holds in force, what would block a failover
    Status,
    /// Make a color the active one
    Switch(Switch),
    /// Declare the active color failed: the standby takes over, including the runs that the active has missed
    ///
    /// Counts from the last moment the active was known healthy, as an automatic failover does. Neither a hold nor the cooldown
    /// nor the budget stops it; a standby that is not healthy does, and an active that is. For planned work use switch.
    Failover(Failover),
    /// Go back to the color before the present one
    Rollback(Rollback),
    /// The flag's newest versions
    History(History),
    /// Could the standby take over now, and would it behave the same
    Check,
    /// Which DAG runs next to the last transition were executed twice, by nobody, or not yet
    ///
    /// Compares the runs that both environments list. A run that neither scheduler has made is in no list; of those only
    /// the next one of each DAG of the active environment is known.
    RunReport(RunReport),
    /// Has a color drained: is none of the DAG runs that it executes itself in flight any more
    ///
    /// Runs of the other color, which only wait in their guards, do not count. What cannot be read is not drained, and neither
    /// is the active color.
    Drained(Drained),
    /// Practice a failover: switch, wait, return
    Drill(Drill),
    /// No automatic failover until its end
    Hold(Hold),
    /// End the hold, and acknowledge the automatic failovers so far
    Release(Release),
    /// Create the flag; never changes one that exists
    Initialize(Initialize),
    /// Follow a switch or a drill while it goes on
    Watch(Watch),
    /// Bring what pair.toml describes to the standby, switch to it, then bring it to the other color
    ///
    /// Under a hold, with a check and a question before the switch. Looks at stacks, flag and hold before each step and
    /// stores nothing: whatever stops it, the same command goes on, also on another machine; --abort goes back.
    Rollout(Box<Rollout>),
    /// DAG files in the environments' buckets
    Dags(Dags),
    /// What other thresholds would have made of recorded ticks
    ///
    /// Reads the watcher's log as aws logs tail or aws logs filter-log-events give it, recorded at LogLevel=debug.
    /// Each tick is judged by itself: what would have followed a decision that was not taken, nobody has recorded.
    Replay(Replay),
    /// Draw the pair's timeline from its metrics
    Chart(Chart),
    /// Show the settings for --direct, or save them while all is well
    Settings(Settings),
    /// Environments as code: what pair.toml describes
    Env(Env),
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
    /// Print every vocabulary of the product, for make generate
    #[command(hide = true)]
    Schema {
        /// As JSON, which is the only form
        #[arg(long, required = true)]
        json: bool,
    },
}

impl Command {
    /// What a command asks the function that only shows the answer.
    pub(crate) fn question(&self) -> RequestForm {
        match self {
            Self::History(options) => RequestForm {
                limit: Some(options.limit),
                ..RequestForm::of(ActionName::History)
            },
            Self::Check => RequestForm::of(ActionName::Check),
            // Without a window the function uses its default.
            Self::RunReport(options) => RequestForm {
                window_minutes: options.window_minutes,
                ..RequestForm::of(ActionName::RunReport)
            },
            // The other commands work without a question, or have a module of their own.
            _ => RequestForm::of(ActionName::Status),
        }
    }
}

/// The state a request is made for.
#[derive(Debug, Clone, Args)]
pub(crate) struct Expect {
    /// Refuse if another color is active; --force does not skip it
    #[arg(long, value_name = "COLOR", value_parser = color)]
    pub(crate) expect_active: Option<Color>,
    /// Refuse if the flag has another version; --force does not skip it
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = number::<u64>(1..=u64::MAX))]
    pub(crate) expect_version: Option<u64>,
}

/// How long to look for what was asked.
#[derive(Debug, Clone, Args)]
pub(crate) struct Verify {
    /// Return after the answer, without waiting until the new version is seen and in force
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// How many seconds to wait for that
    #[arg(long, value_name = "SECONDS", default_value_t = 120, conflicts_with = "no_wait", allow_negative_numbers = true, value_parser = number::<u64>(0..=86400))]
    pub(crate) within: u64,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Switch {
    /// The color that is to be active: blue or green
    #[arg(long, value_name = "COLOR", value_parser = color)]
    pub(crate) to: Color,
    /// Why, for the record
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Skip the preconditions, never the claim
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) expect: Expect,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) verify: Verify,
    /// Then wait until the color that was active before has drained
    #[arg(long, conflicts_with = "no_wait")]
    pub(crate) wait_drained: bool,
    /// How many seconds to wait for that
    #[arg(long, value_name = "SECONDS", default_value_t = 43200, requires = "wait_drained", allow_negative_numbers = true, value_parser = number::<u64>(0..=604800))]
    pub(crate) drained_within: u64,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Drained {
    /// Which color: blue or green
    #[arg(value_name = "COLOR", value_parser = color)]
    pub(crate) of: Color,
    /// Wait until it has drained
    #[arg(long)]
    pub(crate) wait: bool,
    /// How many seconds to wait for that
    #[arg(long, value_name = "SECONDS", default_value_t = 43200, requires = "wait", allow_negative_numbers = true, value_parser = number::<u64>(0..=604800))]
    pub(crate) within: u64,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Failover {
    /// The color that is to take over [default: the one that stands by; --force wants it named]
    #[arg(long, value_name = "COLOR", value_parser = color)]
    pub(crate) to: Option<Color>,
    /// Why, for the record
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Skip the preconditions, never the claim
    #[arg(long, requires = "to")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) expect: Expect,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) verify: Verify,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Rollback {
    /// Why, for the record
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Skip the preconditions, never the claim
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) expect: Expect,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) verify: Verify,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct History {
    /// How many versions
    #[arg(long, default_value_t = 20, allow_negative_numbers = true, value_parser = number::<u64>(1..=100))]
    pub(crate) limit: u64,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunReport {
    /// How much time around the transition, half of it on either side [default: 120]
    #[arg(long, value_name = "MINUTES", allow_negative_numbers = true, value_parser = number::<u32>(1..=1440))]
    pub(crate) window_minutes: Option<u32>,
}

/// What a drill does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DrillMode {
    /// Switch, hold, return
    Switch,
    /// Ask whether the standby is ready; writes no flag
    Probe,
    /// Decide and report; writes no flag
    Dry,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Drill {
    /// What to do
    #[arg(long, default_value = "switch")]
    pub(crate) mode: DrillMode,
    /// How long the drilled color works [default: the stack's DrillDurationMinutes]
    #[arg(long, value_name = "MINUTES", allow_negative_numbers = true, value_parser = number::<u32>(1..=1440))]
    pub(crate) duration_minutes: Option<u32>,
    /// Why, for the record
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Wait for the outcome
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("end").required(true).args(["minutes", "until"])))]
pub(crate) struct Hold {
    /// Its end, in minutes from now: at most 10080, seven days
    #[arg(long, value_name = "MINUTES", allow_negative_numbers = true, value_parser = number::<u64>(1..=10080))]
    pub(crate) minutes: Option<u64>,
    /// Its end, an instant such as 2026-11-23T14:00:00Z
    #[arg(long, value_name = "INSTANT")]
    pub(crate) until: Option<String>,
    /// Why: whoever is woken will read it
    #[arg(long)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Release {
    /// Why, for the record
    #[arg(long)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Initialize {
    /// The first active color [default: blue]
    #[arg(long, value_name = "COLOR", value_parser = color)]
    pub(crate) to: Option<Color>,
    /// Why, for the record
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Create the flag although the pair has a past
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Watch {
    /// Seconds between readings
    #[arg(long, value_name = "SECONDS", default_value_t = 2, allow_negative_numbers = true, value_parser = number::<u64>(1..=3600))]
    pub(crate) interval: u64,
    /// End when nothing goes on any more: newest version in force and audited, active healthy, no drill
    #[arg(long)]
    pub(crate) until_settled: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Replay {
    /// Logs; - is the standard input
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// FailureWindowSeconds
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = number::<u64>(10..=3600))]
    pub(crate) failure_window: Option<u64>,
    /// MaintenanceGraceSeconds
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = number::<u64>(60..=86400))]
    pub(crate) maintenance_grace: Option<u64>,
    /// CooldownSeconds
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = number::<u64>(0..=86400))]
    pub(crate) cooldown: Option<u64>,
    /// FailoverBudgetPerDay
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = number::<u32>(1..=24))]
    pub(crate) failover_budget: Option<u32>,
    /// FailoverMode
    #[arg(long, value_name = "MODE")]
    pub(crate) failover_mode: Option<FailoverMode>,
    /// Show only the ticks on which the two differ
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) differences: bool,
}

/// Whether the watcher may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailoverMode {
    Automatic,
    Observe,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Chart {
    /// The last so long, such as 30m, 2h or 7d
    #[arg(long, value_name = "TIME", default_value = "2h", conflicts_with_all = ["from", "to"])]
    pub(crate) last: String,
    /// Beginning, an instant such as 2026-11-23T10:00:00Z
    #[arg(long, value_name = "INSTANT")]
    pub(crate) from: Option<String>,
    /// End [default: now]
    #[arg(long, value_name = "INSTANT", requires = "from")]
    pub(crate) to: Option<String>,
    /// Length of one datapoint in seconds [default: 60 up to a day, 300 up to two weeks, else 3600]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = number::<i32>(1..=86400))]
    pub(crate) period: Option<i32>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// Read them from the function's configuration, and write the file that --direct reads
    #[arg(long)]
    pub(crate) save: bool,
}

/// Reads the arguments. The habit --to green without a command means switch.
pub(crate) fn read(given: Vec<OsString>) -> Result<Cli, clap::Error> {
    let as_given = Cli::try_parse_from(&given);
    let Err(error) = as_given else { return as_given };
    let has_to = given.iter().any(|word| is_to(word));
    let has_command = given.iter().skip(1).any(|word| is_command(word));
    if !has_to || has_command {
        return Err(error);
    }
    let mut with_switch = given;
    with_switch.insert(1.min(with_switch.len()), "switch".into());
    Cli::try_parse_from(with_switch)
}

fn is_to(word: &OsStr) -> bool {
    word.to_str()
        .is_some_and(|word| word == "--to" || word.starts_with("--to="))
}

fn is_command(word: &OsStr) -> bool {
    use clap::CommandFactory;
    word.to_str()
        .is_some_and(|word| Cli::command().find_subcommand(word).is_some())
}

#[cfg(test)]
mod tests;
