//! Environments as code: `env`, `rollout`, `drained` and `dags`.

#[allow(dead_code, reason = "not every command that uses it has landed")]
pub(crate) mod bucket;
#[allow(dead_code, reason = "not every command that uses it has landed")]
pub(crate) mod deployment;
#[allow(dead_code, reason = "not every command that uses it has landed")]
pub(crate) mod stacks;
