//! Years of simulated trouble: the real use cases of the controller, over simulated services, in simulated time.
//!
//! A seed makes a [`script::Script`]: everything that happens to one pair in some days. [`history::play`] plays it: the
//! product's use cases, adapters and the AWS SDK itself run unchanged, their HTTP requests are answered in the process by
//! [`aws`], and time is the runtime's paused clock, so that waiting costs nothing. [`invariants`] compares what the
//! product did with the world as it truly is.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "nothing here is on a function's path, and a panic here is a finding"
)]

pub mod airflow;
pub mod airflow_rest;
pub mod aws;
pub mod child;
pub mod clock;
#[cfg(test)]
mod determinism;
mod encoding;
pub mod environment;
#[cfg(test)]
mod found;
pub mod guard;
pub mod history;
pub mod invariants;
pub mod lambda;
pub mod outcome;
pub mod parameter_store;
mod people;
pub mod runner;
pub mod runs;
pub mod script;
pub mod shrink;
pub mod timeline;
mod trouble;
pub mod weather;
pub mod world;
