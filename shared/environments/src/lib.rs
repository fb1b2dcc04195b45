//! Environments as code: what `pair.toml` says, the stacks that follow from it, and the next step towards them.
//!
//! Nothing in this crate performs input or output, reads a clock or the environment, or has an AWS type in its signature.
//! The command line reads and writes; this crate says what.

pub mod artifacts;
pub mod dag_sync;
pub mod description;
mod hex;
pub mod init_file;
pub mod layer;
pub mod names;
pub mod nearest;
pub mod operation;
pub mod permission;
pub mod plan;
pub mod price;
pub mod resolve;
pub mod rollout;
pub mod stack;
pub mod template;
