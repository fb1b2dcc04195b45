//! Steps in words.

use std::fmt;

use super::observed::InFlight;
use super::{Ending, REPLACEMENT_TIME, Step, Waiting};

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold { over: None } => {
                formatter.write_str("place a hold: no automatic failover until the rollout is finished")
            }
            Self::Hold { over: Some(over) } => write!(formatter, "place a hold, in the place of the one {over}"),
            Self::ExtendHold => formatter.write_str("place the hold again, with a later end"),
            Self::Wait(waiting) => waiting.fmt(formatter),
            Self::ApplyStandby(color) => write!(formatter, "apply to {color}, the standby"),
            Self::AskToReplace { color, why } => write!(
                formatter,
                "ask whether the environment of {color}, the standby, may be replaced ({why}): {REPLACEMENT_TIME} without a \
                 standby"
            ),
            Self::ReplaceStandby { color, why } => {
                write!(
                    formatter,
                    "delete the environment of {color}, the standby, and make it again ({why}): {REPLACEMENT_TIME} without a standby"
                )
            }
            Self::SyncDags(color) => write!(formatter, "bring the DAG files to {color}, the standby"),
            Self::Check(color) => write!(formatter, "check whether {color} could take over"),
            Self::AskToSwitch { to, after: None, .. } => write!(formatter, "ask whether to switch to {to}"),
            Self::AskToSwitch {
                to, after: Some(after), ..
            } => write!(
                formatter,
                "ask whether to switch to {to} once more, after this rollout had switched to it and the flag was moved away: {after}"
            ),
            Self::Switch { to, .. } => write!(formatter, "switch to {to}"),
            Self::Release { why } => write!(formatter, "end the hold: {why}"),
            Self::Done(Ending::Finished) => formatter.write_str("done: both colors are as described"),
            Self::Done(Ending::StandbyReady) => {
                formatter.write_str("done: the standby is as described and ready, and the hold stays")
            }
            Self::Stop { why, to_do } => write!(formatter, "stop: {why}; {to_do}"),
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(cause) => write!(formatter, "wait: {cause}"),
            Self::InForce(color) => write!(formatter, "wait until {color} is in force"),
            Self::ActiveHealth(why) => write!(formatter, "wait until the active environment is healthy: {why}"),
            Self::Stack(color, what) => write!(formatter, "wait for CloudFormation's work on {color}: {what}"),
            Self::Drained(color, in_flight) => {
                write!(formatter, "wait until {color} has drained")?;
                match in_flight {
                    InFlight::Running(words) | InFlight::Unknown(words) if !words.is_empty() => {
                        write!(formatter, ": {words}")
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}
