//! Checks the standby's readiness regularly, remembers its state, and publishes when it turns red or leaves red.

use std::time::Duration;

use bluegreen_aws::health_probe::ProbeScope;
use bluegreen_aws::parameter_store::{Observed, Remembered};
use bluegreen_core::audit::{self, readiness_changed};
use bluegreen_core::color::{Both, Color};
use bluegreen_core::flag::{FlagObservation, HistoryEntry, versions};
use bluegreen_core::health::{Assessment, Verdict, assess_after};
use bluegreen_core::hold::HoldState;
use bluegreen_core::memory::Field;
use bluegreen_core::metric::Metric;
use bluegreen_core::readiness::{
    Readiness, ReadinessState, Snapshot, Subject, Turn, assess_readiness, catching_up, last_proof,
};
use bluegreen_core::settings::Settings;
use bluegreen_core::time::{elapsed, minutes};
use bluegreen_core::transition::Trigger;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::past;
use crate::second_reading;
use crate::services::Services;

/// How long a check may take: a tick has other things to do, and two environments with 5,000 DAGs fit.
const CHECK_TIME: Duration = Duration::from_secs(30);

/// If less than this is left of the invocation, the check waits for its next scheduled time.
const LEAST_TIME: Duration = Duration::from_secs(3);

/// The time that is reserved at the end of the invocation for remembering, publishing and answering.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// So long after its scheduled time a check counts as missed: the tick at its minute came late or never, or had an
/// unhealthy active.
const MISSED: Duration = Duration::from_secs(90);

/// If it is older than this, the stored score is meaningless: the watcher has not been able to check for days.
const STALE: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// The stored score, for the usual publishing ticks, so that an alarm has data between two checks.
pub(crate) fn metric(services: &Services, stored: Option<&str>, active: Color, now: Timestamp) -> Option<Metric> {
    // After a transition it would be the score of the color that is active now.
    let standing = stored
        .and_then(ReadinessState::read)
        .filter(|standing| standing.standby == Some(active.other()))?;
    let is_kept = services.settings.readiness_interval_minutes > 0 && elapsed(standing.at, now) < STALE;
    is_kept.then(|| Metric::readiness_score(standing.score, now))
}

/// Checks if a check is due. Called after everything else in a tick: its findings decide nothing there.
///
/// `depth` is the scope of the verdicts: `Free` leaves out the named alarms, so the standby is then probed again.
pub(crate) async fn check_if_due(
    services: &Services,
    active: Color,
    (depth, verdicts): (ProbeScope, &Both<Assessment>),
    observed: &Observed,
    trigger: &Trigger,
    invocation: &Invocation,
) -> Result<(), FunctionError> {
    let before = observed.readiness.as_deref().and_then(ReadinessState::read);
    let pending_notification = before
        .as_ref()
        .is_some_and(|before| before.pending_notification.is_some());
    // After a transition the other color stands by, and nothing is known about it.
    let other = before
        .as_ref()
        .is_some_and(|before| before.standby != Some(active.other()));
    let interval = services.settings.readiness_interval_minutes;
    let is_late = before
        .as_ref()
        .is_some_and(|before| elapsed(before.at, invocation.started) > minutes(interval).saturating_add(MISSED));
    let left = elapsed(services.clock.now(), invocation.deadline);
    let time = left.saturating_sub(CLOSING_TIME).min(CHECK_TIME);
    if trigger.kind != "schedule"
        || interval == 0
        || !(is_due(interval, invocation.started) || is_late || pending_notification || other)
        // A failover is near, or has just happened: the standby must not spend its time on listing DAGs.
        || verdicts.of(active).verdict != Verdict::Healthy
        || time < LEAST_TIME
    {
        return Ok(());
    }
    let again = async {
        match depth {
            ProbeScope::Full => None,
            ProbeScope::Free => Some(services.health.both(ProbeScope::Full, time, services.clock.now()).await),
        }
    };
    let ((snapshot, history), again) = tokio::join!(services.readiness.snapshot(&services.store, time), again);
    // The wrong standby was asked, or the color stands by no longer. The next tick has newer readings.
    if observed
        .flag
        .as_ref()
        .is_some_and(|flag| !second_reading::is_of(&history, flag))
    {
        return Ok(());
    }
    let now = services.clock.now();
    let again = again.map(|evidence| {
        let before = past::known(services, Some(observed));
        evidence
            .map(|color, evidence| assess_after(&services.settings.policy, evidence, before.of(color).as_ref(), now))
    });
    let verdicts = again.as_ref().unwrap_or(verdicts);
    let check = judge(&services.settings, active, verdicts, &snapshot, &history, observed, now);
    tracing::info!(
        pair = services.settings.pair,
        active = active.as_str(),
        score = check.score,
        decision = check.outcome().as_str(),
        reason = check.summary(active.other()),
        request_id = %invocation.request_id,
        "readiness"
    );
    let before = settled(services, &observed.memory, before).await?;
    let turn = Turn::after(before.as_ref(), &check, active.other(), now);
    // Published whatever becomes of the rest: an alarm on this metric is the second way to notify people.
    let metric = Metric::readiness_score(turn.standing.score, now);
    let (published, told) = tokio::join!(
        services.metrics.publish(std::slice::from_ref(&metric)),
        report_change(services, &observed.memory, &turn, &check)
    );
    if let Err(failure) = published {
        tracing::warn!(error = %failure.cause, "the readiness score was not published");
    }
    told
}

/// The given snapshot, or a second one if its history does not belong to this flag: then the wrong standby was asked.
pub(crate) async fn of_flag(
    services: &Services,
    lists: (Snapshot, Vec<HistoryEntry>),
    flag: Option<&FlagObservation>,
    invocation: &Invocation,
    closing_time: Duration,
) -> (Snapshot, Vec<HistoryEntry>) {
    let left = elapsed(services.clock.now(), invocation.deadline).saturating_sub(closing_time);
    if flag.is_none_or(|flag| second_reading::is_of(&lists.1, flag)) || left < LEAST_TIME {
        return lists;
    }
    services.readiness.snapshot(&services.store, left).await
}

pub(crate) fn judge(
    settings: &Settings,
    active: Color,
    verdicts: &Both<Assessment>,
    snapshot: &Snapshot,
    history: &[HistoryEntry],
    observed: &Observed,
    now: Timestamp,
) -> Readiness {
    let hold = HoldState::read(observed.hold.as_deref(), now);
    let catching_up = catching_up(snapshot.dags.of(active), &snapshot.old_ticks, history, active, now);
    let subject = Subject {
        active,
        flag: settings.names.flag(),
        settings: &settings.environments,
        verdicts,
        snapshot,
        hold: &hold,
        last_proof: last_proof(&versions(history), active.other(), observed.drill.as_deref()),
        overdue_days: settings.drill.overdue_days,
        manages_dags: settings.manages_dags(),
        catching_up: &catching_up,
        pair: &settings.pair,
        root: settings.names.root(),
        ownership: &observed.ownership,
    };
    assess_readiness(&subject, now)
}

/// Whether the minutes since midnight, UTC, are divisible by the interval.
fn is_due(interval: u32, now: Timestamp) -> bool {
    let time = now.to_zoned(TimeZone::UTC);
    let minute = i64::from(time.hour())
        .saturating_mul(60)
        .saturating_add(i64::from(time.minute()));
    minute.checked_rem(i64::from(interval)) == Some(0)
}

/// Writes the state before it is published, and again afterwards: a crash in between publishes it twice, under one id,
/// and never loses it.
///
/// It is written at every check, even if nothing has changed. So `at` distinguishes a standby that stays ready from a
/// watcher that has stopped checking. This costs one free request an hour.
async fn report_change(
    services: &Services,
    memory: &Remembered,
    turn: &Turn,
    check: &Readiness,
) -> Result<(), FunctionError> {
    let subject = services.subject();
    let overtaken = turn
        .overtaken
        .as_ref()
        .and_then(|overtaken| readiness_changed(subject, overtaken, None));
    if let Some(event) = overtaken {
        send(services, &[event]).await?;
    }
    if !turn.standing.has_turned() {
        put(services, memory, &turn.standing).await?;
    } else if !is_first(services, memory, &turn.standing).await? {
        return Ok(());
    }
    if let Some(event) = readiness_changed(subject, &turn.standing, Some(check)) {
        send(services, &[event]).await?;
        put(services, memory, &turn.standing.said()).await?;
    }
    Ok(())
}

/// What the memory holds, settled: whoever wrote what is still to be reported died, or is one of several that do not know
/// yet who is first.
async fn settled(
    services: &Services,
    memory: &Remembered,
    observed: Option<ReadinessState>,
) -> Result<Option<ReadinessState>, FunctionError> {
    let Some(observed) = observed else { return Ok(None) };
    if observed.pending_notification.is_none() {
        return Ok(Some(observed));
    }
    let before = services.store.remembered_before(memory, Field::Readiness).await;
    let before = before.map_err(FunctionError::undelivered(
        "reading what other ticks found of the standby",
    ))?;
    Ok(Some(observed.as_first_of_row(&before)))
}

/// Writes a change; whether it is this tick's to report. Of several ticks at once, the first to write it reports it.
async fn is_first(services: &Services, memory: &Remembered, standing: &ReadinessState) -> Result<bool, FunctionError> {
    let newest = match services.store.remembered_now(Field::Readiness).await {
        Ok(newest) => newest,
        Err(failure) => {
            // Nothing is written: a later tick finds the same, and people are not notified twice, under two ids.
            tracing::warn!(error = %failure.cause, "what other ticks found of the standby could not be read");
            return Ok(false);
        }
    };
    if let Some(standing) = standing.left_to_another(&[newest]) {
        put(services, memory, &standing).await?;
        return Ok(false);
    }
    put(services, memory, standing).await?;
    let meanwhile = services.store.remembered_meanwhile(memory, Field::Readiness).await;
    let meanwhile = meanwhile.map_err(FunctionError::undelivered(
        "reading what other ticks found of the standby",
    ))?;
    if let Some(standing) = standing.left_to_another(&meanwhile) {
        put(services, memory, &standing).await?;
        return Ok(false);
    }
    Ok(true)
}

async fn send(services: &Services, events: &[audit::AuditEvent]) -> Result<(), FunctionError> {
    let undelivered = FunctionError::undelivered("publishing that the standby's readiness has changed");
    services.bus.send(events).await.map_err(undelivered)
}

async fn put(services: &Services, memory: &Remembered, standing: &ReadinessState) -> Result<(), FunctionError> {
    let undelivered = FunctionError::undelivered("remembering the standby's readiness");
    services
        .store
        .remember(memory, Field::Readiness, Some(json!(standing)))
        .await
        .map_err(undelivered)
}
