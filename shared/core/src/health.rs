//! From evidence to a verdict. A throttle, a time-out or an unreadable answer is unknown, never bad.

mod assessment;
mod evidence;
mod failure;
mod judgment;
mod past;
mod signals;
mod status;

pub use assessment::{Assessment, assess, assess_after, look_back};
pub use evidence::{
    AirflowHealth, AlarmEvidence, AlarmState, Cause, CauseKind, Environment, EnvironmentAnswer, Evidence,
    HeartbeatEvidence, ProbeResult,
};
pub use judgment::Verdict;
pub use past::{LastStatus, Past};
pub use signals::{Reading, Signals, heartbeat_could_change};
pub use status::StatusClass;
