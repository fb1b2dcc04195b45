//! Environments as code: `env`, `rollout`, `drained` and `dags`.

pub(crate) use crate::environment_arguments as arguments;

#[allow(dead_code, reason = "not every command that uses it has landed")]
pub(crate) mod bucket;
pub(crate) mod dag_color;
pub(crate) mod dag_files;
pub(crate) mod dags;
#[allow(dead_code, reason = "not every command that uses it has landed")]
pub(crate) mod deployment;
#[allow(dead_code, reason = "not every command that uses it has landed")]
pub(crate) mod desired;
pub(crate) mod rollout;
#[allow(dead_code, reason = "not every command that uses it has landed")]
pub(crate) mod stacks;
