//! The switch protocol: claim, write, verify. Parameter Store has no compare-and-swap. Its create-only put is the only
//! atomic step, so the claim decides who may write.
//!
//! This is the protocol without its input and output: [`Switching::start`] and [`Switching::next`] return the next
//! request, and the caller makes it and passes the answer back. So AWS, a simulated store in the property tests, and a
//! model checker all drive the same code.

mod evidence;
mod intent;
mod machine;
mod step;

pub use evidence::{Decided, overridden};
pub use intent::{Intent, effective_from};
pub use machine::Switching;
pub use step::{Conflict, Failed, Failure, Outcome, Reply, Step, StoredClaim, Switched};
