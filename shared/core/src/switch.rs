//! The switch protocol: claim, write, verify. Parameter Store has no compare-and-swap; its create-only put is the one
//! atomic step, so the claim decides who may write.
//!
//! This is the protocol without its input and output: [`Switching::start`] and [`Switching::next`] say which request
//! to make, the caller makes it and brings the answer back. So the same code is driven by AWS, by a simulated store in
//! the property tests, and by a model checker.

mod evidence;
mod intent;
mod machine;
mod step;

pub use evidence::{Decided, overridden};
pub use intent::{Intent, effective_from};
pub use machine::Switching;
pub use step::{Conflict, Failed, Failure, Outcome, Reply, Step, StoredClaim, Switched};
