//! Alarms that people named for drills: they block one, and end one that they ring in. They condemn no colour, so that an
//! alarm on the work itself (orders are late) may be among them.

use crate::health::{AlarmEvidence, AlarmState, Answer};
use crate::precondition::{Guard, GuardName};
use crate::time::to_second;

/// What they say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// None is in ALARM.
    Silent,
    /// Which are in ALARM, and since when.
    Ringing(String),
    /// Why nobody can tell.
    Unknown(String),
}

pub(super) fn word(alarms: &Answer<Vec<AlarmEvidence>>) -> Word {
    let alarms = match alarms {
        Answer::Known(alarms) => alarms,
        Answer::Unknown(cause) => {
            return Word::Unknown(format!("the alarms named for drills could not be read ({cause})"));
        }
    };
    let of = |state: Option<AlarmState>| alarms.iter().filter(move |alarm| alarm.state == state);
    let ringing: Vec<String> = of(Some(AlarmState::Alarm))
        .map(|alarm| match alarm.since {
            Some(since) => format!("alarm {} rings since {}", alarm.name, to_second(since)),
            None => format!("alarm {} rings", alarm.name),
        })
        .collect();
    if !ringing.is_empty() {
        return Word::Ringing(ringing.join("; "));
    }
    let missing: Vec<&str> = of(None).map(|alarm| alarm.name.as_str()).collect();
    if missing.is_empty() {
        Word::Silent
    } else {
        Word::Unknown(format!(
            "CloudWatch has no alarm {}; create it in the stack's region, or correct DrillAlarmNames",
            missing.join(", ")
        ))
    }
}

/// Whether they let a drill start; no guard where none is named.
pub(super) fn guard(alarms: &Answer<Vec<AlarmEvidence>>) -> Option<Guard> {
    if matches!(alarms, Answer::Known(named) if named.is_empty()) {
        return None;
    }
    let (passed, detail) = match word(alarms) {
        Word::Silent => (true, "no alarm named for drills rings".to_owned()),
        Word::Ringing(which) => (false, format!("{which}; wait until it is over")),
        Word::Unknown(why) => (false, why),
    };
    Some(Guard::new(GuardName::DrillAlarm, passed, detail))
}
