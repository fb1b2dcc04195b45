//! Audit: from the flag's history to one event and a few metrics for each version, with ids that make repeats
//! recognizable. Delivery is at least once: an event's id names what the event is about, never when it was sent.

mod delivered;
pub mod details;
mod event;
mod history;
mod holds;
mod notices;
mod readiness;
mod transitions;
mod unsent;

pub use delivered::{BusEvent, Operation, ParameterChange};
pub use event::{AuditEvent, EventEntry, EventType, Mail, SOURCE, Subject};
pub use history::{Audited, due, is_behind, is_record_late, missing_flag, records_of, records_to_prune, settled};
pub use holds::{MAX_HOLD_REPORT_AGE, hold_due, hold_removed, holds_due};
pub use notices::*;
pub use readiness::readiness_changed;
pub use transitions::transition;
pub use unsent::{Due, Unsent};
