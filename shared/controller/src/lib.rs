//! The use cases of the blue-green controller.

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
mod initialize;
mod observation;
mod past;
mod readiness;
mod repair;
mod repeat;
mod restore_target;
mod run_report;
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
