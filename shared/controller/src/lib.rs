//! The use cases of the blue-green controller.

mod audit_trail;
mod check;
mod claim_runner;
mod dag_management;
mod dags;
mod drill;
mod drill_outcome;
mod drill_return;
mod failover;
mod flag_creation;
mod handover_request;
mod hold;
mod hold_report;
mod initialize;
mod past;
mod readiness;
mod repair;
mod repeat;
mod run_report;
mod second_reading;
mod status;
mod switch;
mod tick_dags;
mod unsent;

pub mod audit;
pub mod function_error;
pub mod invocation;
pub mod requests;
pub mod services;
pub mod tick;
