//! The guard: `airflow/src/mwaa_bluegreen` (`decision.py`, `flag.py`, `settings.py`) in a few lines, over the same rule of
//! ownership and over what Parameter Store shows of the flag. It makes its few calls directly, without the SDK.

use bluegreen_core::color::{Both, Color};
use bluegreen_core::flag::{FlagValue, FlagVersion, HistoryEntry, versions};
use bluegreen_core::ownership::owner;

use crate::clock::{Milliseconds, SECOND, timestamp};
use crate::environment::Environment;
use crate::parameter_store::{ParameterStore, Version};
use crate::weather::{Fault, Service, Weather};

/// settings.py: how long a standby run waits before it is skipped.
pub const STANDBY_WAIT: Milliseconds = 420 * SECOND;
/// decision.py: the wait is cut into so many steps, within these bounds.
const STEPS: Milliseconds = 7;
const SHORTEST_STEP: Milliseconds = 5 * SECOND;
const LONGEST_STEP: Milliseconds = 60 * SECOND;
/// flag.py: how long a process caches one answer, and what botocore and the guard try before they give up.
const CACHE: Milliseconds = 3 * SECOND;
const READ_TIMEOUT: Milliseconds = 3 * SECOND;
const ATTEMPTS: u32 = 4;
const HISTORY_ATTEMPTS: i64 = 4;
const HISTORY_PAUSE: Milliseconds = SECOND / 2;
/// ownership.py: the latest that a version counts.
const MAX_LEAD: Milliseconds = 60 * SECOND;

/// What the Airflows meet.
#[derive(Debug)]
pub struct Around<'a> {
    /// Parameter Store.
    pub store: &'a ParameterStore,
    /// What goes wrong with requests.
    pub weather: &'a mut Weather,
    /// The environments.
    pub environments: &'a Both<Environment>,
    /// The name of the flag.
    pub flag: &'a str,
}

/// What the guard makes of a run, and the newest version of the flag that it has seen: number and date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// This environment executes it.
    Execute((i64, Milliseconds)),
    /// It waits, and looks again.
    Again(Milliseconds),
    /// The other one executes it.
    Skip((i64, Milliseconds)),
}

/// Why the owner of a run is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undecided {
    /// The flag is missing, cannot be read, or has never held a color.
    Unknown,
    /// A version holds a color, and by the rule of ownership none is in force.
    Nobody,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    number: i64,
    modified: Milliseconds,
    color: Option<Color>,
    asked_at: Milliseconds,
}

/// The reader of the flag in one environment, with its cache.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    cached: Option<Current>,
}

impl Reader {
    /// decision.py.
    pub fn decide(
        &mut self,
        color: Color,
        instant: Milliseconds,
        around: &mut Around<'_>,
        now: Milliseconds,
    ) -> Result<Decision, Undecided> {
        let current = self.current(instant, around, now).ok_or(Undecided::Unknown)?;
        let mut seen = (current.number, current.modified);
        let is_past = instant > current.modified + MAX_LEAD;
        let (owner, is_final) = match current.color {
            Some(owner) if is_past => (owner, false),
            _ => {
                let history = history(&current, around, now).ok_or(Undecided::Unknown)?;
                if let Some(newest) = history.last() {
                    seen = (newest.number, newest.at);
                }
                let history: Vec<HistoryEntry> = history.into_iter().map(entry_of).collect();
                let at = timestamp(instant);
                let owner = owner(&history, at).and_then(|owner| owner.value.color());
                let has_color = || history.iter().any(|entry| entry.value.color().is_some());
                let owner = owner.ok_or_else(|| {
                    if has_color() {
                        Undecided::Nobody
                    } else {
                        Undecided::Unknown
                    }
                })?;
                (
                    owner,
                    versions(&history).iter().any(|version| version.effective_from > at),
                )
            }
        };
        let until = instant + STANDBY_WAIT;
        Ok(if owner == color {
            Decision::Execute(seen)
        } else if now < until && !is_final {
            let step = (STANDBY_WAIT / STEPS).clamp(SHORTEST_STEP, LONGEST_STEP);
            Decision::Again((now + step).min(until))
        } else {
            Decision::Skip(seen)
        })
    }

    /// flag.py: `GetParameter`, with the cache of the process.
    fn current(&mut self, instant: Milliseconds, around: &mut Around<'_>, now: Milliseconds) -> Option<Current> {
        if let Some(cached) = self.cached
            && now - cached.asked_at < CACHE
            && instant <= cached.asked_at
        {
            return Some(cached);
        }
        let lag = asked(around.weather, "GetParameter", now)?;
        let newest = around.store.shown(around.flag, now - lag).last()?;
        let current = Current {
            number: newest.number,
            modified: newest.at,
            color: Color::parse(&newest.value),
            asked_at: now,
        };
        self.cached = Some(current);
        Some(current)
    }
}

/// By how much the reading is behind; none if the request fails in all attempts.
fn asked(weather: &mut Weather, operation: &str, now: Milliseconds) -> Option<Milliseconds> {
    for _ in 0..ATTEMPTS {
        match weather.fault(Service::ParameterStore, operation, None, now) {
            None | Some(Fault::Partial) => return Some(0),
            Some(Fault::Stale(lag)) => return Some(lag),
            Some(Fault::Slow(more)) if more < READ_TIMEOUT => return Some(0),
            // Not tried again.
            Some(Fault::Denied) => return None,
            Some(_) => {}
        }
    }
    None
}

/// flag.py: GetParameterHistory, once more while it is behind the parameter.
fn history<'a>(current: &Current, around: &mut Around<'a>, now: Milliseconds) -> Option<Vec<&'a Version>> {
    for attempt in 0..HISTORY_ATTEMPTS {
        let at = now + attempt * HISTORY_PAUSE;
        let lag = asked(around.weather, "GetParameterHistory", at)?;
        let entries: Vec<&Version> = around.store.shown(around.flag, (at - lag).min(now)).collect();
        let newest = entries.last().map_or(0, |entry| entry.number);
        let is_known = |entry: &&Version| entry.number == current.number && entry.at == current.modified;
        if newest > current.number || entries.iter().any(is_known) {
            return Some(entries);
        }
    }
    None
}

/// The same version, as the product has it.
pub fn entry_of(version: &Version) -> HistoryEntry {
    HistoryEntry {
        value: FlagValue::read(&version.value),
        version: FlagVersion(u64::try_from(version.number).unwrap_or(0)),
        modified: timestamp(version.at),
        author: None,
        description: version.description.clone(),
    }
}
