//! Use cases in a simulated world, one scenario each: what a tick, a request and a change do, and leave alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod alerts;
mod audits;
mod await_points;
mod dates;
mod drill_ends;
mod drills;
mod failovers;
mod holds;
mod managed_dags;
mod pair;
mod readings;
mod repeats;
mod requests;
mod run_reports;
mod standby;
mod ticks;
mod trouble;
mod wire;
