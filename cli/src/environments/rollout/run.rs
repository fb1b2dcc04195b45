//! One run of the command: what it works with, and what it remembers.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bluegreen_core::color::{Both, Color};
use bluegreen_core::flag::FlagVersion;
use bluegreen_core::response::{Common, Status};
use bluegreen_environments::rollout::{Before, DagState, Goal, Observed, RolloutId, Waiting};
use jiff::Timestamp;

use super::super::arguments::Rollout;
use super::pair::{Pair, Target};
use crate::failure::Failure;
use crate::session::Session;

/// How long a released hold, and an old flag version, may be a stale reading of Parameter Store.
pub(super) const STALE: Duration = Duration::from_secs(3);

/// Time after which the DAG files in the buckets are compared again.
pub(super) const DAGS_AGAIN: Duration = Duration::from_secs(120);

/// What one run of the command remembers: nothing that another run would need.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) attempted: Both<bool>,
    /// The end of the rollout's hold, as it was seen last.
    pub(super) hold_until: Cell<Option<Timestamp>>,
    /// The newest version of the flag that was seen.
    pub(super) version: Option<FlagVersion>,
    pub(super) check: Option<Checked>,
    pub(super) switch_confirmed: Option<FlagVersion>,
    pub(super) replacement_confirmed: Option<Color>,
    pub(super) dags: Option<(Instant, Both<DagState>)>,
    /// Since when the same thing is waited for.
    pub(super) waiting: Option<(std::mem::Discriminant<Waiting>, Instant)>,
    pub(super) told: String,
    pub(super) has_looked: bool,
    pub(super) has_switched: bool,
    /// What an abort goes back to. It stays what it was when it was found: nobody changes it any more.
    pub(super) from_before: Option<Rc<Target>>,
}

/// A check's answer, of this standby under this version of the flag.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) standby: Color,
    pub(super) version: FlagVersion,
    pub(super) against: Vec<String>,
    /// Since when something speaks against it.
    pub(super) since: Instant,
}

/// Everything that is looked at before a step.
pub(super) struct Seen {
    pub(super) observed: Observed,
    pub(super) common: Common,
    pub(super) status: Status,
    pub(super) target: Rc<Target>,
    pub(super) before: Before,
}

pub(super) struct Run<'a> {
    pub(super) session: Session,
    pub(super) options: &'a Rollout,
    pub(super) pair: Pair,
    pub(super) id: RolloutId,
    pub(super) goal: Goal,
    pub(super) began: Instant,
    pub(super) memory: Memory,
    pub(super) folder: Scratch,
}

/// How a step ended.
pub(super) enum Next {
    LookAgain,
    Wait,
    End(u8),
}

/// A folder for the DAG files of an abort; gone with this value.
#[derive(Debug)]
pub(super) struct Scratch(std::path::PathBuf);

impl Scratch {
    pub(super) fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("mwaa-bluegreen-{:032x}", fastrand::u128(..)));
        std::fs::create_dir(&path)
            .map_err(|error| Failure::File(format!("{} cannot be made: {error}", path.display())))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _what_is_left_is_in_the_temporary_folder = std::fs::remove_dir_all(&self.0);
    }
}
