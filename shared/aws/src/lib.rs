//! The AWS side of the blue-green controller: one file a service, classed errors, and the loops that drive the core.

pub mod alarms;
pub mod answer;
pub mod audit_trail;
pub mod clients;
pub mod clock;
pub mod configuration;
pub mod connections;
pub mod creating;
pub mod dag_management;
pub mod drilling;
pub mod error;
pub mod event_bus;
pub mod function;
pub mod health_probe;
pub mod metrics;
pub mod notifications;
pub mod parameter_store;
pub mod readiness_probe;
pub mod run_probe;

pub mod switching;
pub mod telemetry;
pub mod unsent;

mod airflow_api;
mod dag_list_storage;
mod endpoints;
mod loopback;
