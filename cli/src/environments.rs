//! Environments as code: `env`, `rollout`, `drained` and `dags`.
