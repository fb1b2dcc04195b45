//! `{"action":"initialize"}`: creates the flag, never overwrites it.

use std::time::Duration;

use bluegreen_core::claim::{Decided, Intent, Outcome};
use bluegreen_core::color::Color;
use bluegreen_core::decision::{Precondition, PreconditionName};
use bluegreen_core::outcome::Outcome as Word;
use bluegreen_core::request::InitializeRequest;
use bluegreen_core::response::{Change, Response};
use bluegreen_core::transition::Kind;

use crate::answer::respond;
use crate::flag_creation;
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::repeat::{self, Reads};
use crate::second_reading::{self, Second};
use crate::services::Services;

/// How long to wait for the records of earlier deliveries.
const PAST_TIME: Duration = Duration::from_secs(5);

pub(crate) async fn initialize(
    services: &Services,
    request: InitializeRequest,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let (looked, has_records) = tokio::join!(
        repeat::look(services, Reads::Always, PAST_TIME, invocation),
        services.store.has_records()
    );
    let (observed, mut past) = looked?;
    past.reach(services, observed.flag.as_ref(), PAST_TIME).await;
    let again = past.answer(Word::Initialized, observed.flag.as_ref(), invocation);
    if let Some(answer) = again.filter(|_| !request.dry_run) {
        return Ok(answer);
    }
    let has_records =
        has_records.map_err(|failure| FunctionError::unreadable("reading the transition records", failure.cause))?;
    // An answer without a created flag claims nothing; creating the flag settles whether there was one.
    let observed =
        match second_reading::second(services, &observed, invocation.started, past.versions.as_deref()).await? {
            Second::Same => observed,
            Second::Newer(newer) => *newer,
        };
    if let Some(flag) = observed.flag {
        let reason = format!("there is a flag already, {flag}; initialize never changes one");
        return Ok(respond(Word::Unchanged, reason, Vec::new(), Some(&flag), invocation));
    }
    // A pair with a past had an active color, which must not be assumed.
    let has_past = has_records || observed.audited.is_some();
    let precondition = if has_past && !(request.force && request.to.is_some()) {
        let detail = "the flag is gone, but this pair has transition records: find out which color was active \
                      (the audit log tells), then send {\"action\":\"initialize\",\"to\":\"<color>\",\"force\":true}; \
                      SSM asks for 30 s between deleting and creating";
        Precondition::new(PreconditionName::FlagInvalid, false, detail)
    } else {
        Precondition::new(PreconditionName::FlagInvalid, true, "there is no flag yet")
    };
    let to = request.to.unwrap_or(Color::Blue);
    if !precondition.passed {
        return Ok(respond(
            Word::Refused,
            precondition.detail.clone(),
            vec![precondition],
            None,
            invocation,
        ));
    }
    let reason = request
        .reason
        .clone()
        .unwrap_or_else(|| format!("start with {to} active"));
    if request.dry_run {
        return Ok(respond(
            Word::WouldInitialize,
            reason,
            vec![precondition],
            None,
            invocation,
        ));
    }
    create(services, to, reason, &request, precondition, invocation).await
}

async fn create(
    services: &Services,
    to: Color,
    reason: String,
    request: &InitializeRequest,
    precondition: Precondition,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let intent = Intent {
        kind: Kind::Initialize,
        to,
        reason: reason.clone(),
        actor: invocation.actor(request.requested_by.clone()),
        trigger: invocation.trigger(),
        evidence: Decided::Unseen {}.to_json(),
        last_known_healthy: None,
        previous_effective_from: None,
        drill: None,
    };
    let created = match flag_creation::run(&services.store, &intent, services.clock.now()).await {
        Some(Outcome::Switched(created)) => created,
        Some(Outcome::Failed(failed)) => {
            let advice = "; see {\"action\":\"status\"}, then initialize again: it never changes a flag that is there";
            return Err(FunctionError::store(failed.doing, failed.cause, advice));
        }
        Some(Outcome::Conflict(_)) | None => {
            let reason = "somebody created the flag at the same moment; see {\"action\":\"status\"}".to_owned();
            return Ok(respond(Word::Conflict, reason, vec![precondition], None, invocation));
        }
    };
    tracing::info!(
        pair = services.settings.pair,
        active = to.as_str(),
        version = created.version.0,
        decision = "initialized",
        transition = created.record,
        request_id = %invocation.request_id,
        "initialize"
    );
    let mut answer = respond(Word::Initialized, reason, vec![precondition], None, invocation);
    answer.common.active = Some(to);
    answer.common.version = Some(created.version);
    answer.common.transition = Some(created.record);
    answer.body.effective_from = Some(created.effective_from);
    Ok(answer)
}
