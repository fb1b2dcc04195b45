//! Environments as code: `env`, `rollout`, `drained` and `dags`.

pub(crate) use crate::environment_arguments as arguments;

mod apply;
pub(crate) mod bucket;
pub(crate) mod dag_color;
pub(crate) mod dag_files;
pub(crate) mod dags;
pub(crate) mod deployment;
pub(crate) mod desired;
mod destroy;
mod in_use;
mod init;
mod plan;
pub(crate) mod rollout;
pub(crate) mod stacks;
pub(crate) mod world;

use crate::connection::Connection;
use crate::environment_arguments::EnvCommand;
use crate::failure::Failure;

/// `env …`: needs no function of a pair, which may not be there yet.
pub(crate) async fn env(connection: &Connection, command: &EnvCommand) -> Result<u8, Failure> {
    match command {
        EnvCommand::Init(options) => init::init(connection, options).await,
        EnvCommand::Plan(options) => plan::plan(connection, options).await,
        EnvCommand::Apply(options) => apply::apply(connection, options).await,
        EnvCommand::Destroy(options) => destroy::destroy(connection, options).await,
    }
}
