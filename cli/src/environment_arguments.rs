//! The commands about environments as typed.
#![expect(clippy::doc_markdown, reason = "these comments are what --help and the manual show")]

use std::path::PathBuf;

use bluegreen_core::color::Color;
use clap::{Args, Subcommand, ValueEnum, ValueHint};

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
    /// Work under a hold that somebody else has placed, or that another rollout has
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Change the standby although runs are in flight on it, or nobody can say
    #[arg(long)]
    pub(crate) not_drained: bool,
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
