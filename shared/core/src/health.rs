//! From evidence to a verdict. A throttle, a time-out or an unreadable answer is unknown, never bad.

mod assessment;
mod evidence;
mod past;
mod status;

pub use assessment::{Assessment, Reading, Signals, Verdict, assess, assess_after, heartbeat_could_change, look_back};
pub use evidence::{
    AirflowHealth, AlarmEvidence, AlarmState, Answer, Cause, CauseKind, Environment, EnvironmentAnswer, Evidence,
    HeartbeatEvidence,
};
pub use past::{LastStatus, Past};
pub use status::StatusClass;
