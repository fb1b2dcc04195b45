//! `status` and `history`.

use std::time::Duration;

use bluegreen_aws::health_probe::ProbeScope;
use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::claim::Failure;
use bluegreen_core::color::Color;
use bluegreen_core::dag_management::Progress;
use bluegreen_core::decision::{Action, ControlState, FlagState, decide, failover_preconditions};
use bluegreen_core::drill::{Drill, DrillOutcome, Stage, stage};
use bluegreen_core::flag::{FlagVersion, HistoryEntry, Version, before, versions};
use bluegreen_core::hold::HoldState;
use bluegreen_core::outcome::Outcome;
use bluegreen_core::readiness::ReadinessState;
use bluegreen_core::response::{
    DrillAnswer, History, HistoryLine, LastCheck, ManagedDags, Response, Root, Status, VerdictAnswer,
};

use crate::answer::{NO_FLAG, common};
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Services;
use crate::{in_flight, recent_failovers, second_reading};

/// As long as the slowest source may take; the function's time-out is 30 s.
const EVIDENCE_TIME: Duration = Duration::from_secs(12);

/// The current state: all questions at once, and the flag once more at the end.
pub(crate) async fn status(services: &Services, invocation: &Invocation) -> Result<Response<Status>, FunctionError> {
    let (read, evidence) = tokio::join!(
        readings(services, invocation),
        services
            .health
            .both(ProbeScope::Full, EVIDENCE_TIME, invocation.started)
    );
    let Readings {
        observed,
        history,
        in_flight,
    } = read?;
    let now = services.clock.now();
    let verdicts = observed.assess(&services.settings.policy, &evidence, now);
    let active = observed.flag.as_ref().and_then(|flag| flag.value.color());
    let refusal = observed
        .ownership
        .refusal(&services.settings.pair, services.settings.names.root());
    let reason = match (&observed.flag, active) {
        // The owner of the flag comes before its content.
        _ if refusal.is_some() => refusal.clone().unwrap_or_default(),
        (None, _) => NO_FLAG.to_owned(),
        (Some(flag), None) => flag.value.fault(),
        (Some(_), Some(active)) => format!(
            "{active} is active and {}; {} stands by and is {}",
            verdicts.of(active).verdict,
            active.other(),
            verdicts.of(active.other()).verdict
        ),
    };
    let hold = HoldState::read(observed.hold.as_deref(), now);
    let versions = history.as_ref().ok().map(|history| versions(history));
    let recent = match versions.as_deref() {
        Some(versions) => recent_failovers::count(services, versions, now).await,
        None => None,
    };
    let control = ControlState {
        flag: observed.flag.clone().map_or(FlagState::Missing, FlagState::Present),
        hold: hold.clone(),
        recent,
        last_active: None,
        missing_since: None,
    };
    let policy = &services.settings.policy;
    let decision = decide(policy, &control, &verdicts, now);
    // What an automatic failover would meet, even if none is needed.
    let preconditions = match (&observed.flag, active) {
        (Some(flag), Some(active)) => {
            let standby = active.other();
            failover_preconditions(policy, &control, flag, verdicts.of(standby), standby, now)
        }
        _ => decision.preconditions.clone(),
    };
    let readiness = observed
        .readiness
        .as_deref()
        .and_then(ReadinessState::read)
        // A check of the color that is active now says nothing about the color that stands by.
        .filter(|standing| standing.standby == active.map(Color::other))
        .map(LastCheck::from);
    let stored = observed.managed_dags.as_deref().and_then(Progress::from_stored);
    let managed = stored.filter(|_| services.settings.manages_dags());
    let flag = observed.flag.as_ref();
    let settings = &services.settings;
    let decided = if refusal.is_none() {
        decision.action
    } else {
        Action::None
    };
    Ok(Response {
        common: common(Outcome::Status, reason, preconditions, flag, invocation),
        body: Status {
            modified: flag.map(|flag| flag.modified),
            last_transition: versions.as_deref().and_then(newest),
            decision: decided.as_str().to_owned(),
            root: Root::of(settings.names.root(), &observed.ownership),
            hold: hold.describe(),
            held: match hold {
                HoldState::Active(hold) => Some(hold),
                HoldState::None | HoldState::Invalid(_) => None,
            },
            drill: drill(observed.drill.as_deref(), history.as_deref().ok()),
            readiness,
            dag_management: managed.map(ManagedDags::from),
            mode: settings.policy.mode.into(),
            audited: audited(&observed),
            environments: settings.environments.map(|_, environment| environment.name.clone()),
            in_flight: in_flight
                .map(|asked| asked.answer(history.as_deref(), now))
                .unwrap_or_default(),
            verdicts: verdicts.map(|_, assessment| VerdictAnswer::from(assessment)),
        },
    })
}

/// The parameters, and the unfinished runs of the color that stands by.
struct Readings {
    observed: Observed,
    history: Result<Vec<HistoryEntry>, Failure>,
    in_flight: Option<in_flight::Asked>,
}

/// Reads the parameters twice, and lists the standby's runs in between. If the flag has changed meanwhile, the runs are
/// those of the new active color, and the other's are listed.
async fn readings(services: &Services, invocation: &Invocation) -> Result<Readings, FunctionError> {
    let standby = |observed: &Observed| Some(observed.flag.as_ref()?.value.color()?.other());
    let settled = second_reading::settled(services).await?;
    let first = standby(&settled.0);
    let (read, asked) = tokio::join!(
        second_reading::unless_changed(services, settled, invocation.started),
        ask(services, first, invocation)
    );
    let (observed, history) = read?;
    let now_standby = standby(&observed);
    let in_flight = match asked {
        asked if now_standby == first => asked,
        _ => ask(services, now_standby, invocation).await,
    };
    Ok(Readings {
        observed,
        history,
        in_flight,
    })
}

async fn ask(services: &Services, standby: Option<Color>, invocation: &Invocation) -> Option<in_flight::Asked> {
    match standby {
        Some(standby) => Some(in_flight::ask(services, standby, invocation).await),
        None => None,
    }
}

/// The version that was audited last; `None` if it belongs to an earlier flag that was deleted, which the number alone
/// would hide.
fn audited(observed: &Observed) -> Option<FlagVersion> {
    let (audited, flag) = (observed.audited?, observed.flag.as_ref()?);
    let is_gone = audited.version >= flag.version && audited.at < flag.modified;
    (!is_gone).then_some(audited.version)
}

/// The drill under way, or the last one, with the time of its return once it has switched.
fn drill(stored: Option<&str>, history: Option<&[HistoryEntry]>) -> Option<DrillAnswer> {
    let drill = Drill::from_stored(stored?)?;
    let stage = history.map(|history| stage(&drill, &versions(history)));
    let return_at = match stage {
        Some(Stage::Drilling { return_at, .. }) if drill.outcome == DrillOutcome::Pending => Some(return_at),
        _ => None,
    };
    Some(DrillAnswer::of(&drill, return_at))
}

/// The newest versions, newest first, by Parameter Store alone.
pub(crate) async fn history(
    services: &Services,
    limit: usize,
    invocation: &Invocation,
) -> Result<Response<History>, FunctionError> {
    let (_, history) = second_reading::settled_twice(services, invocation.started).await?;
    let history = history.map_err(|failure| FunctionError::unreadable("reading the flag's history", failure.cause))?;
    let versions = versions(&history);
    let newest = versions.last();
    let entries: Vec<HistoryLine> = versions
        .iter()
        .rev()
        .take(limit)
        .map(|version| HistoryLine::of(version, before(&versions, version)))
        .collect();
    let reason = if versions.is_empty() {
        NO_FLAG.to_owned()
    } else {
        format!("{} of {} kept versions, newest first", entries.len(), versions.len())
    };
    let mut common = common(Outcome::History, reason, Vec::new(), None, invocation);
    // The active color by the history alone.
    common.active = newest.and_then(|version| version.entry.value.color());
    common.version = newest.map(|version| version.entry.version);
    Ok(Response {
        common,
        body: History { entries },
    })
}

fn newest(versions: &[Version]) -> Option<HistoryLine> {
    let last = versions.last()?;
    Some(HistoryLine::of(last, before(versions, last)))
}
