//! Alarms that people named for drills: they block a drill, and end one during which they fire. They do not make a
//! color unhealthy, so an alarm on the workload itself (orders are late) may be among them.

use crate::health::{AlarmEvidence, AlarmState, ProbeResult};
use crate::precondition::{Precondition, PreconditionName};
use crate::time::to_second;

/// The combined state of the alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AlarmSummary {
    /// No alarm is in ALARM.
    Silent,
    /// The alarms that are in ALARM, and since when.
    InAlarm(String),
    /// Why the state of the alarms is not known.
    Unknown(String),
}

pub(super) fn word(alarms: &ProbeResult<Vec<AlarmEvidence>>) -> AlarmSummary {
    let alarms = match alarms {
        ProbeResult::Known(alarms) => alarms,
        ProbeResult::Unknown(cause) => {
            return AlarmSummary::Unknown(format!("the alarms named for drills could not be read ({cause})"));
        }
    };
    let of = |state: Option<AlarmState>| alarms.iter().filter(move |alarm| alarm.state == state);
    let in_alarm: Vec<String> = of(Some(AlarmState::Alarm))
        .map(|alarm| match alarm.since {
            Some(since) => format!("alarm {} is in ALARM since {}", alarm.name, to_second(since)),
            None => format!("alarm {} is in ALARM", alarm.name),
        })
        .collect();
    if !in_alarm.is_empty() {
        return AlarmSummary::InAlarm(in_alarm.join("; "));
    }
    let missing: Vec<&str> = of(None).map(|alarm| alarm.name.as_str()).collect();
    if missing.is_empty() {
        AlarmSummary::Silent
    } else {
        AlarmSummary::Unknown(format!(
            "CloudWatch has no alarm {}; create it in the stack's region, or correct DrillAlarmNames",
            missing.join(", ")
        ))
    }
}

/// Objects unless the alarms are known to be silent; none where no alarm is named.
pub(super) fn precondition(alarms: &ProbeResult<Vec<AlarmEvidence>>) -> Option<Precondition> {
    if matches!(alarms, ProbeResult::Known(named) if named.is_empty()) {
        return None;
    }
    let (passed, detail) = match word(alarms) {
        AlarmSummary::Silent => (true, "no alarm named for drills is in ALARM".to_owned()),
        AlarmSummary::InAlarm(which) => (false, format!("{which}; wait until it is over")),
        AlarmSummary::Unknown(why) => (false, why),
    };
    Some(Precondition::new(PreconditionName::DrillAlarm, passed, detail))
}
