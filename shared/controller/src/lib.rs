//! The use cases of the blue-green controller: what a tick, a request and a change of the flag do.
//!
//! Three crates share the work. `bluegreen-core` knows and decides, without input or output. `bluegreen-aws` has one
//! adapter for each AWS service. This crate asks the adapters, has the core decide, and carries out what was decided.
//! It knows nothing of Lambda: a function parses its event, calls one use case and returns the answer of that use case.
//! The command line's `--direct` calls the same use cases from a person's machine.
//!
//! | Called by | Use case |
//! |---|---|
//! | `health-watcher` | [`tick::tick`]: observe both environments, decide, act, report why |
//! | `switch-handler`, `mwaa-bluegreen --direct` | [`requests::carry_out`]: switch, rollback, failover, hold, release, drill, initialize, check, status, history, run report |
//! | `change-listener` | [`audit::audit`]: the events and metrics of what has changed; [`notify::notify_people`]: the message of one event |
//!
//! # The input of a use case
//!
//! - [`services::Services`]: the settings of the pair and the adapters. [`Services::over`](services::Services::over)
//!   takes any AWS clients, so that a test can pass those of a simulated AWS. Its [`clock`](services::Services::clock)
//!   is the only one that a use case reads; [`Clients::with_clock`](bluegreen_aws::clients::Clients::with_clock) sets
//!   it.
//! - [`invocation::Invocation`]: who asks, since when, and how much time there is. It contains no Lambda type.
//! - The parsed request or event: a `Trigger`, a `Request`, an [`audit::Change`] or a `BusEvent`.
//!
//! It returns a type of `bluegreen_core::response`, or a [`function_error::FunctionError`]. Whatever a use case writes
//! may be repeated after a crash: the first write names the next one, and an event that is sent twice has one id.
//!
//! # Layers
//!
//! A module imports only from layers below its own, so no two modules import each other.
//!
//! | Layer | Modules |
//! |---|---|
//! | use cases | `tick`, `requests`, `audit`, `notify` |
//! | of a tick | `tick_report`, `alerts`: what is published, announced and answered |
//! | of a request | `switch`, `failover`, `drill`, `hold`, `initialize`, `check`, `status` |
//! | features | `dags`, `drill_return`, `hold_report`, `in_flight`, `readiness`, `repair`, `run_report` |
//! | what a tick observes | `observation` over `active_drill`, `past`, `recent_failovers`, `restore_target` |
//! | what a request observes | `second_reading` over `repeat` over `answer` |
//! | writers | `claim_runner`, `flag_creation`, `drill_outcome`, `dag_reconciler` over `dag_memory`, `audit_trail`, `unsent` |
//! | given | `services`, `invocation`, `function_error` |
//!
//! # To add a request
//!
//! Its fields and bounds belong to `bluegreen_core::request`, its decision to the core, and its use case into a module
//! here that `requests` calls. A second delivery of the request by Lambda must be recognized by what the first one
//! wrote: see `repeat`.

mod active_drill;
mod alerts;
mod answer;
mod audit_trail;
mod check;
mod claim_runner;
mod dag_memory;
mod dag_reconciler;
mod dags;
mod drill;
mod drill_outcome;
mod drill_return;
mod failover;
mod flag_creation;
mod hold;
mod hold_report;
mod in_flight;
mod initialize;
mod observation;
mod past;
mod readiness;
mod recent_failovers;
mod repair;
mod repeat;
mod restore_target;
mod run_report;
#[cfg(test)]
mod samples;
mod second_reading;
mod status;
mod switch;
mod tick_report;
mod unsent;

pub mod audit;
pub mod function_error;
pub mod invocation;
pub mod notify;
pub mod requests;
pub mod services;
pub mod tick;
