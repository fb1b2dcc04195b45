//! The AWS side of the blue-green controller: adapters over the SDK, one file per service, and classified errors.

pub mod airflow_dags;
pub mod alarms;
pub mod clients;
pub mod clock;
pub mod configuration;
pub mod connections;
pub mod dag_folder;
pub mod dag_list_storage;
pub mod error;
pub mod event_bus;
pub mod health_probe;
pub mod metrics;
pub mod notifications;
pub mod parameter_store;
pub mod readiness_probe;
pub mod run_probe;

mod airflow_api;
mod endpoints;
mod loopback;
