//! From evidence to a verdict. A throttle, a time-out or an unreadable answer is unknown, never bad.

mod assessment;
mod evidence;
mod status;

pub use assessment::{Assessment, Reading, Signals, Verdict, assess, heartbeat_could_change};
pub use evidence::{
    AirflowHealth, AlarmEvidence, AlarmState, Answer, Cause, CauseKind, Environment, EnvironmentAnswer, Evidence,
    HeartbeatEvidence,
};
pub use status::StatusClass;
