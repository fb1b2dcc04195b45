//! Requests to the switch-handler. Unknown fields and wrong types are refused by name, all at once.

mod form;
mod kinds;
mod read;

pub use form::{ActionName, RequestForm};
pub use kinds::{
    DrillRequest, Expect, FailoverRequest, HoldRequest, InitializeRequest, ReleaseRequest, Request, RequestError,
    RollbackRequest, SwitchRequest,
};
pub use read::{DEFAULT_WINDOW_MINUTES, read};

#[cfg(test)]
mod tests;
