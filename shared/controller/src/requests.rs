//! The requests of people and scripts.

use bluegreen_core::request::Request;
use bluegreen_core::response::Response;

use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Services;
use crate::{check, drill, failover, hold, initialize, repeat, run_report, status, switch};

/// Carries one request out.
pub async fn carry_out(
    services: &Services,
    request: Request,
    invocation: &Invocation,
) -> Result<Response, FunctionError> {
    let writes = request.writes();
    // Boxed because the compiler limits how deep types nest: the command line wraps this future in its own.
    let answer = Box::pin(answer(services, request, invocation)).await?;
    if writes {
        repeat::note(services, &answer, invocation).await;
    }
    Ok(answer)
}

async fn answer(services: &Services, request: Request, invocation: &Invocation) -> Result<Response, FunctionError> {
    Ok(match request {
        Request::Switch(request) => switch::switch(services, request, invocation).await?.of_any_kind(),
        Request::Failover(request) => failover::failover(services, request, invocation).await?.of_any_kind(),
        Request::Rollback(request) => switch::rollback(services, request, invocation).await?.of_any_kind(),
        Request::Hold(request) => hold::hold(services, request, invocation).await?.of_any_kind(),
        Request::Release(request) => hold::release(services, request, invocation).await?.of_any_kind(),
        Request::Drill(request) => drill::drill(services, request, invocation).await?.of_any_kind(),
        Request::Status(_) => status::status(services, invocation).await?.of_any_kind(),
        Request::Check(_) => check::check(services, invocation).await?.of_any_kind(),
        Request::RunReport(request) => run_report::on_request(services, request.window_minutes, invocation).await?,
        Request::History(request) => status::history(services, request.limit, invocation)
            .await?
            .of_any_kind(),
        Request::Initialize(request) => initialize::initialize(services, request, invocation)
            .await?
            .of_any_kind(),
    })
}
