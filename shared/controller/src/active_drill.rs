//! The drill under way: how far it has come, and its next step.

use bluegreen_core::color::Both;
use bluegreen_core::decision::{Action, ControlState, Decision, FlagState};
use bluegreen_core::drill::{self, Drill, DrillStep, Stage, stage};
use bluegreen_core::flag::{HistoryEntry, Version, versions};
use bluegreen_core::health::Assessment;
use bluegreen_core::response::TickDrill;
use jiff::Timestamp;

use crate::services::Services;

/// The drill under way in one observation.
#[derive(Clone)]
pub(crate) struct ActiveDrill {
    pub(crate) drill: Drill,
    pub(crate) stage: Stage,
    pub(crate) step: DrillStep,
}

impl ActiveDrill {
    /// Whether there is nothing to do about it yet.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.step, DrillStep::Wait(_))
    }

    /// The decision that replaces any other, if the drill returns now.
    pub(crate) fn decision(&self) -> Option<Decision> {
        match &self.step {
            DrillStep::Return { reason, .. } => Some(Decision {
                action: Action::DrillReturn,
                reason: reason.clone(),
                preconditions: Vec::new(),
                look_again_soon: false,
            }),
            DrillStep::Wait(_) | DrillStep::Finish { .. } => None,
        }
    }

    /// The drill as it appears in the answer.
    pub(crate) fn to_answer(&self) -> TickDrill {
        let (step, reason) = match &self.step {
            DrillStep::Wait(reason) => ("wait", reason.as_str()),
            DrillStep::Return { reason, .. } => ("return", reason.as_str()),
            DrillStep::Finish { reason, .. } => ("finish", reason.as_str()),
        };
        let return_at = match &self.stage {
            Stage::Drilling { return_at, .. } => Some(*return_at),
            Stage::NotSwitched | Stage::Returned { .. } | Stage::Overtaken { .. } => None,
        };
        TickDrill::UnderWay {
            id: self.drill.id.clone(),
            from: self.drill.from,
            to: self.drill.to,
            step,
            reason: reason.to_owned(),
            return_at,
        }
    }
}

/// How far this drill has come, and the history that shows it; `None` if it cannot be read. `known` is the history if
/// it was read before.
pub(crate) async fn evaluate_drill(
    services: &Services,
    drill: Drill,
    known: Option<Vec<HistoryEntry>>,
    control: &ControlState,
    verdicts: &Both<Assessment>,
    now: Timestamp,
) -> Option<(ActiveDrill, Vec<HistoryEntry>)> {
    let name = drill.record();
    let history = async {
        match known {
            Some(history) => Ok(history),
            None => services.store.history().await,
        }
    };
    let (history, records, alarms) = tokio::join!(
        history,
        services.store.records(std::slice::from_ref(&name)),
        services.drill_alarms.states()
    );
    let (history, records) = match (history, records) {
        (Ok(history), Ok(records)) => (history, records),
        (Err(failure), _) | (_, Err(failure)) => {
            tracing::warn!(error = %failure.cause, drill = drill.id, "how far the drill has come cannot be read");
            return None;
        }
    };
    let drill = match records.get(&name) {
        Some(record) => drill.as_recorded(record),
        None => drill,
    };
    let versions = versions(&history);
    let stage = stage(&drill, &versions);
    let step = if agree(&control.flag, versions.last()) {
        let mode = services.settings.policy.mode;
        drill::decide(&drill, &stage, mode, &control.hold, verdicts, &alarms, now)
    } else {
        DrillStep::Wait("the flag and its history differ: one of the two readings is stale".to_owned())
    };
    Some((ActiveDrill { drill, stage, step }, history))
}

/// Whether the two readings agree: nothing is decided if one of them is stale.
fn agree(flag: &FlagState, newest: Option<&Version>) -> bool {
    match (flag, newest) {
        (FlagState::Present(flag), Some(newest)) => {
            flag.version == newest.entry.version && flag.modified == newest.entry.modified
        }
        (FlagState::Missing, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{entry, flag};

    #[test]
    fn two_readings_agree_that_show_the_same_version_with_the_same_date() {
        let flag = |version: u64, second: i64| FlagState::Present(flag(version, second));
        let history = |version: u64, second: i64| versions(&[entry(version, second)]);
        for (flag, history, expected) in [
            (flag(2, 20), history(2, 20), true),
            (flag(2, 20), history(1, 20), false),
            (flag(2, 20), history(2, 10), false),
            (flag(2, 20), Vec::new(), false),
            (FlagState::Missing, Vec::new(), true),
            (FlagState::Missing, history(2, 20), false),
        ] {
            assert_eq!(agree(&flag, history.last()), expected, "{flag:?} {history:?}");
        }
    }
}
