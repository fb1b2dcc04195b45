//! Messages for people: from an audit event to a subject and a plain text. The text says what happened, why, what to
//! do, how to undo it, and where to read more.
//!
//! No field of an event is trusted: it may be missing, have another type, or have any length.

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
