//! Requests to the switch-handler. Unknown fields and wrong types are refused by name, all at once.

mod kinds;
mod read;

pub use kinds::{
    DrillRequest, Expect, FailoverRequest, HoldRequest, InitializeRequest, ReleaseRequest, Request, RequestError,
    RollbackRequest, SwitchRequest,
};
pub use read::{DEFAULT_WINDOW_MINUTES, read};

#[cfg(test)]
mod tests;
