//! The commands about environments as typed.
#![expect(clippy::doc_markdown, reason = "these comments are what --help and the manual show")]

use std::path::PathBuf;

use bluegreen_core::color::Color;
use bluegreen_environments::permission::Target;
use clap::{ArgGroup, Args, Subcommand, ValueEnum, ValueHint};

use crate::consent::Consent;
use crate::values::{color, number};

#[derive(Debug, Clone, Args)]
pub(crate) struct Dags {
    #[command(subcommand)]
    pub(crate) command: DagsCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DagsCommand {
    /// Bring the DAG files to the standby, wait until they are parsed without new import errors, then to the active
    ///
    /// Uploads what has changed, and deletes only what it once wrote. Whatever stops it, the repeat goes on from there.
    Sync(DagsSync),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DagsSync {
    /// The description of the pair
    #[arg(long, value_name = "FILE", default_value = "pair.toml", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Say what would be written and deleted in each bucket, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Stop before the active
    #[arg(long, conflicts_with = "to")]
    pub(crate) standby_only: bool,
    /// This color alone, whatever the other one has
    #[arg(long, value_name = "COLOR", value_parser = color)]
    pub(crate) to: Option<Color>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Where a rollout ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// When the standby is changed and ready; the hold stays
    Standby,
}

#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option that is given or not")]
pub(crate) struct Rollout {
    /// The description of the pair
    #[arg(long, value_name = "FILE", default_value = "pair.toml", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Stop before the switch
    #[arg(long, value_name = "WHERE")]
    pub(crate) until: Option<Until>,
    /// Go back to the configuration from before the rollout, as long as one color has it
    #[arg(long, conflicts_with = "until")]
    pub(crate) abort: bool,
    /// With --abort: the color whose configuration both shall have, where nothing else says which one is from before
    #[arg(long, value_name = "COLOR", requires = "abort", value_parser = color)]
    pub(crate) to: Option<Color>,
    /// With --yes: switch once more, although the flag was moved back after this rollout had switched
    #[arg(long)]
    pub(crate) switch_again: bool,
    /// Work under a hold that somebody else has placed, or that another rollout has
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Change the standby although runs are in flight on it, or nobody can say
    #[arg(long)]
    pub(crate) not_drained: bool,
    /// Delete the standby's environment with its metadata database and make it again, where it cannot be changed in place
    #[arg(long)]
    pub(crate) replace: bool,
    /// Leave the DAG files alone
    #[arg(long)]
    pub(crate) without_dags: bool,
    /// How many seconds to wait for what may heal by itself: an unreadable answer, a check that is not ready yet
    #[arg(long, value_name = "SECONDS", default_value_t = 900, allow_negative_numbers = true, value_parser = number::<u64>(0..=86400))]
    pub(crate) patience: u64,
    /// Seconds between looks
    #[arg(long, value_name = "SECONDS", default_value_t = 15, allow_negative_numbers = true, value_parser = number::<u64>(1..=3600))]
    pub(crate) interval: u64,
    #[command(flatten)]
    pub(crate) dag_patience: Patience,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// How long Airflow may take with new files.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Patience {
    /// How many seconds to wait in each environment until everything is parsed
    #[arg(long, value_name = "SECONDS", default_value_t = 900, allow_negative_numbers = true, value_parser = number::<u64>(0..=86400))]
    pub(crate) within: u64,
    /// How many seconds after an upload the file is in Airflow's folder for certain; MWAA looks every 30
    #[arg(long, value_name = "SECONDS", default_value_t = 60, allow_negative_numbers = true, value_parser = number::<u64>(0..=3600))]
    pub(crate) sync_seconds: u64,
    /// How many seconds later Airflow has seen a new file for certain: its option scheduler.dag_dir_list_interval
    #[arg(long, value_name = "SECONDS", default_value_t = 300, allow_negative_numbers = true, value_parser = number::<u64>(0..=3600))]
    pub(crate) list_seconds: u64,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Env {
    #[command(subcommand)]
    pub(crate) command: EnvCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum EnvCommand {
    /// Write a commented pair.toml, from options and from answers
    ///
    /// The name is --pair, the region --region. On a terminal it asks for what is not given. Never replaces a file by itself.
    Init(Box<Init>),
    /// What apply would change in each color, whether that restarts or replaces, and what the pair costs in a month
    ///
    /// Reads pair.toml and the files that it names, and asks AWS for each stack once. Changes nothing.
    Plan(Plan),
    /// Deploy what differs: network, buckets, files, environments, controller, flag
    ///
    /// Refuses to change the active color, and anything that would replace an environment. Whatever stops it, the repeat goes
    /// on from there; what CloudFormation has begun it carries on with by itself.
    Apply(Apply),
    /// Delete stacks, in the reverse order; buckets, logs and the audit trail stay
    Destroy(Destroy),
}

/// The description of the pair, and the consent.
#[derive(Debug, Clone, Args)]
pub(crate) struct Agreed {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Say what would happen, change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What `env apply` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Blue's bucket, files and environment
    Blue,
    /// Green's bucket, files and environment
    Green,
    /// The functions and their alarms, and the flag, if there is none
    Controller,
    /// The VPC
    Network,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Apply {
    /// Only this part [default: everything that differs]
    #[arg(value_name = "PART")]
    pub(crate) part: Option<Part>,
    /// The description of the pair
    #[arg(long, value_name = "FILE", default_value = "pair.toml", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Change the active color, a standby with runs in flight, or the network under both all the same; takes its name
    #[arg(long, requires = "part")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) consent: Agreed,
}

impl Apply {
    pub(crate) fn target(&self) -> Target {
        match self.part {
            None => Target::Everything,
            Some(Part::Blue) => Target::Color(Color::Blue),
            Some(Part::Green) => Target::Color(Color::Green),
            Some(Part::Controller) => Target::Controller,
            Some(Part::Network) => Target::Network,
        }
    }
}

/// What is left after `env destroy --leave`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Left {
    /// The environment that pair.toml names in standard mode, and what it stands on
    Standard,
}

#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("extent").required(true).args(["part", "all", "leave"])))]
pub(crate) struct Destroy {
    /// This color's environment and what it stands on
    #[arg(value_name = "COLOR", value_parser = color)]
    pub(crate) part: Option<Color>,
    /// Everything, also the active color
    #[arg(long)]
    pub(crate) all: bool,
    /// Everything but one environment: the way back to standard mode
    #[arg(long, value_name = "MODE")]
    pub(crate) leave: Option<Left>,
    /// The description of the pair
    #[arg(long, value_name = "FILE", default_value = "pair.toml", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Also delete every version of every object in the buckets of the deleted colors; nothing of it can be brought back
    #[arg(long)]
    pub(crate) empty_buckets: bool,
    #[command(flatten)]
    pub(crate) consent: Agreed,
}

/// How many environments a pair has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InitMode {
    /// One environment
    Standard,
    /// Two, and the controller that fails over between them
    BlueGreen,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Init {
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "pair.toml", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Replace a file that exists
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not ask: take the default of what is not given
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// One environment or two
    #[arg(long, value_name = "MODE", default_value = "blue-green")]
    pub(crate) mode: InitMode,
    /// The region of green, if it is another one
    #[arg(long, value_name = "REGION")]
    pub(crate) green_region: Option<String>,
    /// Version of Airflow, such as 3.0.6
    #[arg(long, value_name = "VERSION")]
    pub(crate) airflow_version: Option<String>,
    /// Environment class, such as mw1.small
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// The fewest workers
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = number::<u32>(1..=200))]
    pub(crate) min_workers: Option<u32>,
    /// The most workers
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = number::<u32>(1..=200))]
    pub(crate) max_workers: Option<u32>,
    /// Folder of the DAGs, seen from the file
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dags: Option<String>,
    /// requirements.txt, seen from the file
    #[arg(long, value_name = "FILE")]
    pub(crate) requirements: Option<String>,
    /// A VPC that exists, in place of one of the pair's own
    #[arg(long, value_name = "ID", requires = "subnet_ids")]
    pub(crate) vpc_id: Option<String>,
    /// Two private subnets of it in two zones, separated by a comma
    #[arg(long, value_name = "IDS", value_delimiter = ',', requires = "vpc_id")]
    pub(crate) subnet_ids: Vec<String>,
    /// An environment that exists and is to be blue; it is never deployed
    #[arg(long, value_name = "NAME")]
    pub(crate) existing_blue: Option<String>,
    /// An environment that exists and is to be green; it is never deployed
    #[arg(long, value_name = "NAME")]
    pub(crate) existing_green: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Plan {
    /// The description of the pair
    #[arg(long, value_name = "FILE", default_value = "pair.toml", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}
