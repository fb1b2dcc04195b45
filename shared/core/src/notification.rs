//! Messages for people: from an audit event to a subject and a plain text that say what happened, why, what to do, how
//! to undo it and where to read more.
//!
//! Nothing here trusts an event: a field may be missing, of another type, or as long as its writer liked.

mod compose;
mod detail;
mod drills;
mod faults;
mod message;
mod runbook;
mod standby;
mod transitions;

pub use compose::{Notification, compose};
pub use message::PairContext;
