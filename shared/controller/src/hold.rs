//! `hold` and `release`: an order against automatic failover, and its end.

use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::audit::{self, AuditEvent};
use bluegreen_core::claim::Failure;
use bluegreen_core::health::{Cause, CauseKind};
use bluegreen_core::hold::{Hold, HoldState, HoldVersion, StoredHold};
use bluegreen_core::outcome::Outcome;
use bluegreen_core::request::{HoldRequest, ReleaseRequest};
use bluegreen_core::response::{Change, Response};
use bluegreen_core::time::to_second;
use jiff::Timestamp;

use crate::answer::respond;
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Services;
use crate::unsent::{self, Sent};
use crate::{repeat, second_reading};

/// Places the hold, or replaces the present one.
pub(crate) async fn hold(
    services: &Services,
    request: HoldRequest,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let standing = observe(services, request.dry_run, invocation).await?;
    let flag = standing.observed.flag.as_ref();
    let hold = Hold {
        until: request.until,
        reason: request.reason,
        by: who(request.requested_by.as_deref()),
    };
    if let Some(before) = standing.by_request(invocation).filter(|_| !request.dry_run) {
        // This end may have been counted from the second delivery: the end from the first delivery is valid.
        let placed = before.stored.hold().unwrap_or(hold);
        let mut reason = format!(
            "this request was carried out before, at {}: no automatic failover until {}: {}",
            to_second(before.stored.written),
            placed.until,
            placed.reason
        );
        if standing
            .newest()
            .is_some_and(|newest| newest.change != before.stored.change)
        {
            reason.push_str("; since then the hold was written again: ask for status");
        }
        let mut answer = repeat::repeated(Outcome::Held, reason, flag, invocation);
        answer.body.hold = Some(placed);
        return Ok(answer);
    }
    // The parameter was deleted since.
    if let Some(answer) = standing.answered.clone() {
        return Ok(answer);
    }
    let mut reason = format!("no automatic failover until {}: {}", hold.until, hold.reason);
    if let Some(before) = standing.describe(services.clock.now()) {
        reason.push_str("; in the place of: ");
        reason.push_str(&before);
    }
    let outcome = if request.dry_run {
        Outcome::WouldHold
    } else {
        Outcome::Held
    };
    if !request.dry_run {
        services
            .store
            .put_hold(&hold, &invocation.request_id)
            .await
            .map_err(|failure| unwritten("placing the hold", failure.cause))?;
    }
    log(services, outcome, &reason, invocation);
    let mut answer = respond(outcome, reason, Vec::new(), flag, invocation);
    answer.body.hold = Some(hold);
    Ok(answer)
}

/// Ends the hold, and acknowledges the automatic failovers so far.
pub(crate) async fn release(
    services: &Services,
    request: ReleaseRequest,
    invocation: &Invocation,
) -> Result<Response<Change>, FunctionError> {
    let standing = observe(services, request.dry_run, invocation).await?;
    let flag = standing.observed.flag.as_ref();
    if let Some(before) = standing.by_request(invocation).filter(|_| !request.dry_run) {
        let now = standing
            .describe(services.clock.now())
            .map_or_else(String::new, |held| format!("; since then: {held}"));
        let reason = format!(
            "this request was carried out before, at {}: the hold was ended{now}",
            to_second(before.stored.written)
        );
        return Ok(repeat::repeated(Outcome::Released, reason, flag, invocation));
    }
    if let Some(answer) = standing.answered.clone() {
        return Ok(answer);
    }
    let before = standing.describe(services.clock.now());
    let (mut outcome, mut reason) = match (&before, request.dry_run) {
        (Some(before), true) => (Outcome::WouldRelease, format!("would end: {before}")),
        (Some(before), false) => (
            Outcome::Released,
            format!("ended: {before}; automatic failovers so far are acknowledged"),
        ),
        (None, true) => (
            Outcome::WouldRelease,
            "there is no hold to end; automatic failovers so far would be acknowledged".to_owned(),
        ),
        (None, false) => (
            Outcome::Unchanged,
            "there was no hold; automatic failovers so far are acknowledged".to_owned(),
        ),
    };
    if request.dry_run {
        log(services, outcome, &reason, invocation);
    } else {
        let by = who(request.requested_by.as_deref());
        let (acknowledged_before, requested_at) = acknowledged_before(services, invocation).await?;
        // The acknowledgement comes first: a failure in between leaves the hold, which is the safer half.
        if acknowledged_before.is_none() {
            services
                .store
                .put_acknowledged(
                    &by,
                    request.reason.as_deref().unwrap_or_default(),
                    &invocation.request_id,
                    requested_at,
                )
                .await
                .map_err(|failure| unwritten("acknowledging automatic failovers", failure.cause))?;
        }
        let event = audit::failovers_acknowledged(
            services.subject(),
            &by,
            request.reason.as_deref(),
            &invocation.request_id,
            requested_at,
        );
        let seen = standing.newest().filter(|_| before.is_some());
        let is_younger = |seen: &&StoredHold| acknowledged_before.is_some_and(|then| seen.written > then);
        let (seen, left) = match seen {
            Some(seen) if is_younger(&seen) => (None, before.clone()),
            seen => (seen, None),
        };
        // Ended rather than deleted: the parameter shows who and why, and SSM requires 30 s between a delete and a new
        // hold.
        let ended = Hold {
            until: invocation.started,
            reason: request.reason.clone().unwrap_or_else(|| "released".to_owned()),
            by,
        };
        let end = async {
            match seen {
                Some(seen) => end(services, seen, &ended, invocation).await,
                None => Ok(left),
            }
        };
        let (left, reported) = tokio::join!(end, report(services, &event, invocation));
        let left = left?;
        reported?;
        if let Some(left) = left {
            outcome = Outcome::Conflict;
            reason = format!(
                "a hold was placed at the same moment, and stays: {left}; automatic failovers so far are acknowledged; if it \
                 is to end, too, release again"
            );
        }
        log(services, outcome, &reason, invocation);
    }
    Ok(respond(outcome, reason, Vec::new(), flag, invocation))
}

/// When an earlier delivery of this request made the acknowledgement, and when the request began: a hold that was placed
/// since that delivery died is another hold. Where another release has overwritten the acknowledgement, the event of
/// that delivery shows it.
async fn acknowledged_before(
    services: &Services,
    invocation: &Invocation,
) -> Result<(Option<Timestamp>, Timestamp), FunctionError> {
    let (acknowledged, reported) = tokio::join!(
        services.store.acknowledgement(),
        unsent::of(services, &invocation.request_id)
    );
    let acknowledged = acknowledged
        .map_err(|failure| FunctionError::unreadable("reading what was acknowledged before", failure.cause))?
        .filter(|before| before.request_id.as_deref() == Some(&invocation.request_id));
    let reported_at = reported.map(|event| event.at);
    let at = acknowledged.as_ref().map(|before| before.at).or(reported_at);
    let requested_at = reported_at
        .or(acknowledged.and_then(|before| before.requested_at))
        .unwrap_or(invocation.started);
    Ok((at, requested_at))
}

/// Reports the acknowledgement, once of all deliveries of the request.
async fn report(services: &Services, event: &AuditEvent, invocation: &Invocation) -> Result<(), FunctionError> {
    let doing = "reporting the acknowledgement";
    match unsent::send_once(services, event, &invocation.request_id, doing).await {
        Sent::Now | Sent::ByAnother(_) => Ok(()),
        Sent::Kept(error) => Err(error),
        // The acknowledgement has its date, so that a second delivery sends the same.
        Sent::Failed(why) => unsent::send_anyway(services, event, &why, doing).await,
    }
}

/// Ends the hold that was seen. Parameter Store overwrites any value, so a hold that was placed in between is put back:
/// then the description of that hold is returned.
async fn end(
    services: &Services,
    seen: &StoredHold,
    ended: &Hold,
    invocation: &Invocation,
) -> Result<Option<String>, FunctionError> {
    let version = services
        .store
        .put_hold(ended, &invocation.request_id)
        .await
        .map_err(|failure| unwritten("ending the hold", failure.cause))?;
    let before = version.saturating_sub(1);
    if seen.version() == Some(before) {
        return Ok(None);
    }
    let history = services
        .store
        .hold_history()
        .await
        .map_err(|failure| unwritten("reading what came in between while the hold was ended", failure.cause))?;
    // This run's own write, repeated by the SDK, is not another writer's.
    let between = history
        .iter()
        .rev()
        .filter(|other| other.version <= before)
        .find(|other| !other.is_of(&invocation.request_id))
        .filter(|other| other.stored.change != seen.change);
    let now = services.clock.now();
    let Some((between, hold)) = between.and_then(|between| {
        let state = HoldState::read(Some(&between.stored.value), now);
        Some((between, state.describe()?))
    }) else {
        return Ok(None);
    };
    services
        .store
        .put_hold_again(&between.stored.value)
        .await
        .map_err(|failure| unwritten("putting back the hold that came in between", failure.cause))?;
    Ok(Some(hold))
}

struct Standing {
    observed: Observed,
    history: Vec<HoldVersion>,
    /// The answer that was given to this request before.
    answered: Option<Response<Change>>,
}

impl Standing {
    /// The newest write of the hold in either reading.
    fn newest(&self) -> Option<&StoredHold> {
        let in_history = self.history.last().map(|last| &last.stored);
        let observed = self.observed.stored_hold.as_ref();
        [observed, in_history]
            .into_iter()
            .flatten()
            .max_by_key(|stored| stored.written)
    }

    /// A description of the hold in force.
    fn describe(&self, now: Timestamp) -> Option<String> {
        HoldState::read(self.newest().map(|stored| stored.value.as_str()), now).describe()
    }

    /// What this request wrote before.
    fn by_request(&self, invocation: &Invocation) -> Option<&HoldVersion> {
        self.history
            .iter()
            .find(|version| version.is_of(&invocation.request_id))
    }
}

/// Reads the hold twice. If neither reading shows one in force, nothing is claimed: it is read twice more, a moment
/// later.
async fn observe(services: &Services, dry_run: bool, invocation: &Invocation) -> Result<Standing, FunctionError> {
    let unreadable = |failure: Failure| FunctionError::unreadable("reading the flag and the hold", failure.cause);
    let read = async || {
        let (observed, history) = tokio::join!(services.store.observe_for_request(), services.store.hold_history());
        let observed = observed.map_err(unreadable)?;
        services.may_write()?;
        Ok::<_, FunctionError>(Standing {
            observed,
            history: history.map_err(unreadable)?,
            answered: None,
        })
    };
    let mut standing = read().await?;
    if standing.describe(services.clock.now()).is_none() {
        second_reading::apart(services, invocation.started).await;
        let again = read().await?;
        let written = |standing: &Standing| standing.newest().map(|newest| newest.written);
        if written(&again) >= written(&standing) {
            standing = again;
        }
    }
    if !dry_run {
        standing.answered = repeat::answered_before(&standing.observed, invocation);
    }
    Ok(standing)
}

fn who(requested_by: Option<&str>) -> String {
    requested_by.unwrap_or("somebody (no requested_by given)").to_owned()
}

fn unwritten(doing: &'static str, cause: Cause) -> FunctionError {
    let advice = match cause.kind {
        // Another attempt would be denied, too.
        CauseKind::AccessDenied => "",
        _ => "; asking again is safe",
    };
    FunctionError::store(doing, cause, advice)
}

fn log(services: &Services, outcome: Outcome, reason: &str, invocation: &Invocation) {
    tracing::info!(
        pair = services.settings.pair,
        decision = outcome.as_str(),
        reason,
        request_id = %invocation.request_id,
        "hold"
    );
}
