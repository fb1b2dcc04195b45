//! The knowledge and the decisions of the blue-green controller.
//!
//! Nothing in this crate performs input or output, reads a clock or the environment, or has an AWS type in its
//! signature: time, ids and random numbers are passed in. So every decision can be tested by tables, by properties, and
//! by replaying recorded ticks. The AWS adapters are the crate `bluegreen-aws`.

pub mod airflow;
pub mod alert_dedup;
pub mod answered;
pub mod audit;
pub mod back_dating;
pub mod catalog;
pub mod claim;
pub mod color;
pub mod dag_management;
pub mod decision;
pub mod drill;
pub mod environment;
pub mod flag;
pub mod health;
pub mod hold;
pub mod identity;
pub mod in_flight;
pub mod memory;
pub mod metric;
pub mod notification;
pub mod outcome;
pub mod ownership;
pub mod parameters;
pub mod policy;
pub mod precondition;
pub mod printable;
pub mod readiness;
pub mod replay;
pub mod request;
pub mod response;
mod retired_words;
pub mod run_report;
pub mod setting;
pub mod settings;
pub mod switch_request;
pub mod text;
pub mod time;
pub mod transition;
pub mod transition_kind;
mod vocabulary;
