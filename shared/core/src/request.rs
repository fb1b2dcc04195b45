//! Requests to the switch-handler. Unknown fields and wrong types are rejected by name, all at once.

mod expect;
mod form;
mod kinds;
mod read;

pub use expect::Expect;
pub use form::RequestForm;
pub use kinds::{
    ActionEntry, ActionName, DrillRequest, FIELDS, FailoverRequest, Field, HistoryRequest, HoldRequest,
    InitializeRequest, Nothing, ReleaseRequest, Request, RequestError, RollbackRequest, RunReportRequest,
    SwitchRequest, read,
};
pub use read::DEFAULT_WINDOW_MINUTES;

#[cfg(test)]
mod tests;
