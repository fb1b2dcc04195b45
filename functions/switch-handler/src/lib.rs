//! What the switch handler does, for its function and for the command line's `--direct`.

mod check;
mod dags;
mod drill;
mod failover;
mod handler;
mod handover;
mod hold;
mod initialize;
mod reading;
mod repeat;
mod report;
mod switch;

pub use handler::handle;
