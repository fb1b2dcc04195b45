//! What a person or a script asks for.

use bluegreen_core::request::Request;
use serde_json::Value;

use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Shell;
use crate::{check, drill, failover, handover_request as handover, hold, initialize, repeat, status as report, switch};

/// Carries one request out.
pub async fn carry_out(shell: &Shell, request: Request, invocation: &Invocation) -> Result<Value, FunctionError> {
    let writes = repeat::writes(&request);
    // For the compiler, which nests types only so deep: the command line has this in futures of its own.
    let answer = Box::pin(answer(shell, request, invocation)).await?;
    if writes {
        repeat::note(shell, &answer, invocation).await;
    }
    Ok(answer)
}

async fn answer(shell: &Shell, request: Request, invocation: &Invocation) -> Result<Value, FunctionError> {
    match request {
        Request::Switch(request) => switch::switch(shell, request, invocation).await,
        Request::Failover(request) => failover::failover(shell, request, invocation).await,
        Request::Rollback(request) => switch::rollback(shell, request, invocation).await,
        Request::Hold(request) => hold::hold(shell, request, invocation).await,
        Request::Release(request) => hold::release(shell, request, invocation).await,
        Request::Drill(request) => drill::drill(shell, request, invocation).await,
        Request::Status => report::status(shell, invocation).await,
        Request::Check => check::check(shell, invocation).await,
        Request::Handover { window_minutes } => handover::handover(shell, window_minutes, invocation).await,
        Request::History { limit } => report::history(shell, limit, invocation).await,
        Request::Initialize(request) => initialize::initialize(shell, request, invocation).await,
    }
}
