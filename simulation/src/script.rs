//! The script of one history: everything that happens to the pair, made from one seed. It can be written down, made
//! shorter, and played again.

use bluegreen_core::color::Color;
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::{DAY, HOUR, Milliseconds};
use crate::lambda::{Function, Mishap};
use crate::trouble::{episode, gap, maintenance, new_dags, settings};
use crate::weather::Burst;

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Requests go wrong for a while.
    Burst(Burst),
    /// An environment's scheduler dies.
    SchedulerStops(Color),
    /// An environment works again, in every respect.
    Heals(Color),
    /// An environment's web server does not answer.
    WebServerStops(Color),
    /// An environment's metadata database is unhealthy.
    DatabaseStops(Color),
    /// MWAA calls the environment unavailable, and its scheduler does not run.
    Unavailable(Color),
    /// A person's health alarm fires, or is over.
    Alarm(Color, bool),
    /// Planned work for so many seconds; whether the scheduler stops, whether it ends in a roll-back, whether AWS
    /// started it.
    Update {
        /// Of this environment.
        color: Color,
        /// How long, in seconds.
        seconds: i64,
        /// Whether no scheduler runs meanwhile.
        without_scheduler: bool,
        /// Whether it is rolled back.
        rolls_back: bool,
        /// Whether AWS started it.
        by_aws: bool,
    },
    /// The environment is deleted.
    Deleted(Color),
    /// It is made again, which takes so many seconds.
    Made(Color, i64),
    /// A person asks; the same request may be delivered twice.
    Asks {
        /// The request.
        request: Value,
        /// Whether it is delivered twice.
        twice: bool,
    },
    /// A person writes the flag with the AWS CLI.
    WritesFlag(String),
    /// A person deletes the flag.
    DeletesFlag,
    /// A person writes the hold with the AWS CLI.
    WritesHold(String),
    /// A person deletes the hold.
    DeletesHold,
    /// Something happens to a function's next invocation.
    Mishap(Function, Mishap),
    /// A function's clock is wrong by so many milliseconds.
    Drifts(Function, i64),
    /// Lambda ends all idle instances, and clocks are right again.
    Recycled,
    /// An extra tick, as by an alarm's event.
    ExtraTick,
    /// For so many seconds, of a hundred events so many are lost, so many doubled, and so many come late by minutes.
    Events {
        /// How long, in seconds.
        seconds: i64,
        /// Lost, in percent.
        lost: u8,
        /// Doubled, in percent.
        doubled: u8,
        /// Late, in percent.
        late: u8,
    },
    /// For so many seconds the schedule invokes nobody.
    ScheduleStops(i64),
    /// A person brings a new DAG to both environments.
    AddsDag {
        /// How many hours its first tick is old.
        hours: i64,
        /// Whether it has the tag `bluegreen:since`.
        is_tagged: bool,
    },
}

/// An act, and when it happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its number in the history that it was made for: the seed of its own random numbers, which are the same without
    /// the others.
    #[serde(default)]
    pub id: u64,
    /// Milliseconds since the beginning.
    pub at: Milliseconds,
    /// What happens.
    pub act: Act,
}

/// The script of one history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// What it was made from; also the seed of latencies and of what requests meet.
    pub seed: u64,
    /// How many days it lasts.
    pub days: i64,
    /// Settings that differ from the defaults, by the names of the environment variables.
    pub settings: Vec<(String, String)>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// A rule of this history alone: its timeline never has lines with these words, one after the other. It finds a
    /// history in which something happens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
}

impl Step {
    /// A step; the script gives it its number.
    pub(crate) fn new(at: Milliseconds, act: Act) -> Self {
        Self { id: 0, at, act }
    }
}

impl Script {
    /// Makes the script of a seed.
    pub fn of(seed: u64, days: i64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let settings = settings(&mut rng);
        let mut steps = Vec::new();
        maintenance(&mut steps, &mut rng, days);
        // Episodes of trouble, with peace in between. The last one leaves time to heal.
        let end = days * DAY - 12 * HOUR;
        let mut at = HOUR;
        loop {
            at += gap(&mut rng);
            if at >= end {
                break;
            }
            at = episode(&mut steps, &mut rng, at).min(end);
        }
        new_dags(&mut steps, seed, days);
        steps.sort_by_key(|step| step.at);
        for (number, step) in (1..).zip(&mut steps) {
            step.id = number;
        }
        Self {
            seed,
            days,
            settings,
            steps,
            told: Vec::new(),
        }
    }
}
