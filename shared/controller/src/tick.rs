//! One tick: observe, assess, decide, act, and say what was done and why.

use std::time::Duration;

use bluegreen_aws::clock;
use bluegreen_aws::health_probe::Depth;
use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::announcement::{
    Announcement, Found, Notice, Subject as Announced, patience_with, remembered_since,
};
use bluegreen_core::audit::{self, AuditEvent};
use bluegreen_core::colour::{Both, Colour};
use bluegreen_core::decision::{
    Action, ControlState, Decision, FlagState, GuardName, RecentFailovers, decide, wants_recent_failovers,
};
use bluegreen_core::flag::{FlagObservation, HistoryEntry, versions};
use bluegreen_core::health::{Assessment, Cause, Evidence, Past, Verdict, assess_after, look_back};
use bluegreen_core::hold::HoldState;
use bluegreen_core::memory::Field;
use bluegreen_core::metric::Metric;
use bluegreen_core::policy::Policy;
use bluegreen_core::replay::RecordedTick;
use bluegreen_core::switch::{Intent, Outcome, Switching};
use bluegreen_core::time::{after, before, elapsed, whole_milliseconds};
use bluegreen_core::transition::{Kind, Trigger};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::drill_return::{self as drill, UnderWay};
use crate::function_error::FunctionError;
use crate::invocation::Invocation;
use crate::services::Shell;
use crate::{audit_trail, claim_runner, unsent};
use crate::{hold_report as hold, past, readiness, repair, run_report as handover, tick_dags as dags};

/// What is left of the invocation for publishing and answering.
const CLOSING_TIME: Duration = Duration::from_secs(6);

/// How long one look may take: the last one of a tick starts after 56 s, and Lambda ends the tick after 75 s.
const EVIDENCE_TIME: Duration = Duration::from_secs(10);

/// How old an observed hold may be when something is done about the flag. Younger than any look that waited for nothing, so
/// that such a look asks no more than once.
const FRESH: Duration = Duration::from_secs(1);

/// How long the listener has before the watcher audits in its place.
pub(crate) const LISTENER_TIME: Duration = Duration::from_secs(30);

/// What one look saw and decided.
pub(crate) struct Look {
    pub(crate) observed: Result<Observed, Cause>,
    pub(crate) flag: FlagState,
    control: ControlState,
    pub(crate) verdicts: Both<Assessment>,
    pub(crate) decision: Decision,
    pub(crate) history: Option<Vec<HistoryEntry>>,
    /// The drill under way, and what it asks for.
    pub(crate) drill: Option<UnderWay>,
    pub(crate) evidence: Both<Evidence>,
    /// What earlier looks had seen of both environments, and what this one adds to it.
    before: Both<Option<Past>>,
    past: Both<Past>,
    pub(crate) at: Timestamp,
    /// When the questions were put: nothing observed is older.
    pub(crate) asked: Timestamp,
}

/// One tick.
pub async fn tick(shell: &Shell, trigger: Trigger, invocation: &Invocation) -> Result<Value, FunctionError> {
    // The last look must leave time for its evidence and for closing, and the next tick is not far then.
    let last_look = after(invocation.started, shell.settings.probe_until)
        .min(before(invocation.deadline, CLOSING_TIME.saturating_add(EVIDENCE_TIME)));
    let mut probes: u32 = 0;
    let mut missing_since = None;
    let mut depth = first_depth(&trigger, invocation.started, shell.settings.metrics_interval_minutes);
    loop {
        probes = probes.saturating_add(1);
        let mut look = look(shell, depth, &mut missing_since).await;
        // Another pair's flag says nothing of these environments. That the tick fails is what rings the stack's alarm.
        shell.may_write()?;
        if depth == Depth::Routine && !look.is_calm() {
            // A routine look never acts: what it leaves out could speak against it.
            depth = Depth::Thorough;
            continue;
        }
        // What was asked before a slow answer came may be seconds old, and a hold placed in them must hold.
        let acts = matches!(look.decision.action, Action::Failover | Action::DrillReturn);
        if acts && elapsed(look.asked, clock::now()) > FRESH && holds_otherwise(shell, &look).await {
            if after(clock::now(), shell.settings.probe_interval) <= last_look {
                continue;
            }
            let look = look.without_action();
            log(shell, &look, None, invocation, &trigger, probes);
            return close(shell, look, None, depth, invocation, trigger, probes).await;
        }
        let outcome = match look.decision.action {
            Action::Failover => fail_over(shell, &look, invocation, &trigger).await,
            Action::DrillReturn => drill::go_back(shell, &mut look, invocation, &trigger).await,
            Action::Restore(colour) => repair::restore(shell, &look, colour, invocation, &trigger).await,
            Action::None | Action::Blocked | Action::ObserveOnly => None,
        };
        log(shell, &look, outcome.as_ref(), invocation, &trigger, probes);
        // A claim in other hands, or a store that failed half-way, is settled within seconds: look again.
        let unsettled = matches!(outcome, Some(Outcome::Conflict(_) | Outcome::Failed(_)));
        if (look.decision.look_again_soon || unsettled)
            && after(clock::now(), shell.settings.probe_interval) <= last_look
        {
            tokio::time::sleep(shell.settings.probe_interval).await;
            continue;
        }
        return close(shell, look, outcome, depth, invocation, trigger, probes).await;
    }
}

/// Whether the hold is another by now, or cannot be read.
async fn holds_otherwise(shell: &Shell, look: &Look) -> bool {
    let seen = look
        .observed
        .as_ref()
        .ok()
        .and_then(|observed| observed.hold.as_deref());
    match shell.store.hold().await {
        Ok(hold) => hold.as_deref() != seen,
        Err(failure) => {
            tracing::warn!(error = %failure.cause, "the hold could not be read again");
            true
        }
    }
}

/// A scheduled tick asks what is billed, and publishes, only now and then while all is calm; any other at once.
fn first_depth(trigger: &Trigger, now: Timestamp, interval_minutes: u32) -> Depth {
    let minute = i64::from(now.to_zoned(TimeZone::UTC).minute());
    let is_due = minute.checked_rem(i64::from(interval_minutes)) == Some(0);
    if trigger.kind == "schedule" && !is_due {
        Depth::Routine
    } else {
        Depth::Thorough
    }
}

async fn look(shell: &Shell, depth: Depth, missing_since: &mut Option<Timestamp>) -> Look {
    let asked = clock::now();
    let (observed, evidence) = tokio::join!(shell.store.observe(), shell.health.both(depth, EVIDENCE_TIME, asked));
    let now = clock::now();
    let policy = &shell.settings.policy;
    let observed = observed.map_err(|failure| failure.cause);
    let before = past::known(observed.as_ref().ok());
    let verdicts = evidence.map(|colour, evidence| assess_after(policy, evidence, before.of(colour).as_ref(), now));
    let past = evidence.map(|colour, evidence| look_back(policy, evidence, before.of(colour).as_ref(), now));
    past::saw(&past);
    let mut control = control_state(&observed, now);
    repair::learn(shell, &observed, &mut control, missing_since, now).await;
    let mut decision = decide(policy, &control, &verdicts, now);
    let mut history = None;
    if wants_recent_failovers(&control, &decision) {
        let acknowledged = observed.as_ref().ok().and_then(|observed| observed.acknowledged);
        // Only a failover needs the history: how many there were, and when the present version took effect.
        match shell.store.history().await {
            Ok(entries) => {
                control.recent = Some(RecentFailovers::count(&versions(&entries), acknowledged, now));
                decision = decide(policy, &control, &verdicts, now);
                history = Some(entries);
            }
            Err(failure) => tracing::warn!(error = %failure.cause, "the flag's history could not be read"),
        }
    }
    let mut look = Look {
        observed,
        flag: control.flag.clone(),
        control: control.clone(),
        verdicts,
        decision,
        history,
        drill: None,
        evidence,
        before,
        past,
        at: now,
        asked,
    };
    drill::follow(shell, &mut look, &control.hold).await;
    look
}

fn control_state(observed: &Result<Observed, Cause>, now: Timestamp) -> ControlState {
    match observed {
        Ok(observed) => ControlState {
            flag: observed.flag.clone().map_or(FlagState::Missing, FlagState::Present),
            hold: HoldState::read(observed.hold.as_deref(), now),
            recent: None,
            last_active: None,
            missing_since: None,
        },
        Err(cause) => ControlState {
            flag: FlagState::Unreadable(cause.clone()),
            hold: HoldState::None,
            recent: None,
            last_active: None,
            missing_since: None,
        },
    }
}

impl Look {
    pub(crate) fn present(&self) -> Option<&FlagObservation> {
        match &self.flag {
            FlagState::Present(observation) => Some(observation),
            FlagState::Missing | FlagState::Unreadable(_) => None,
        }
    }

    /// All that the decision was made of.
    fn recorded(&self, shell: &Shell) -> RecordedTick {
        let policy = &shell.settings.policy;
        RecordedTick::of(policy, &self.control, &self.evidence, &self.decision, self.at).after(self.before.clone())
    }

    /// Seen, and left to the next tick.
    fn without_action(mut self) -> Self {
        let reason = format!(
            "{}; but the hold has changed since: the next tick decides",
            self.decision.reason
        );
        self.decision = Decision {
            action: Action::None,
            reason,
            guards: Vec::new(),
            look_again_soon: false,
        };
        self.drill = None;
        self
    }

    pub(crate) fn active(&self) -> Option<Colour> {
        self.present()?.value.colour()
    }

    /// The active environment, if nobody can vouch for it, and for how long that may be so before a person is told.
    fn doubt(&self, policy: &Policy) -> Option<(Colour, Duration)> {
        let active = self.active()?;
        Some((active, patience_with(policy, self.verdicts.of(active))?))
    }

    /// What is remembered is about this version of the flag, or about what stands in its place.
    fn flag_label(&self, observed: &Observed) -> String {
        self.present()
            .map_or_else(|| audit::missing_flag(observed.audited), FlagObservation::label)
    }

    fn found<'a>(&'a self, flag: &'a str, is_faulty: bool) -> Found<'a> {
        Found {
            flag,
            is_faulty,
            active: self.active().map(|active| self.verdicts.of(active)),
            decision: &self.decision,
        }
    }

    /// The flag is as it should be, the active is healthy, and nothing waits to be taken back or finished.
    fn is_calm(&self) -> bool {
        self.active()
            .is_some_and(|active| self.verdicts.of(active).verdict == Verdict::Healthy)
            && self
                .observed
                .as_ref()
                .is_ok_and(|observed| observed.announced.is_none() && observed.doubt.is_none())
            && self.drill.as_ref().is_none_or(UnderWay::waits)
    }
}

async fn fail_over(shell: &Shell, look: &Look, invocation: &Invocation, trigger: &Trigger) -> Option<Outcome> {
    let observation = look.present()?;
    let active = observation.value.colour()?;
    let last_known_healthy = look.verdicts.of(active).last_known_healthy;
    let previous_effective_from = look
        .history
        .as_deref()
        .and_then(|history| versions(history).last().map(|version| version.effective_from));
    let intent = Intent {
        kind: Kind::Failover,
        to: active.other(),
        reason: look.decision.reason.clone(),
        actor: invocation.actor(None),
        trigger: trigger.clone(),
        evidence: json!({
            "last_known_healthy": last_known_healthy,
            "observed_at": look.at,
            "verdicts": look.verdicts,
        }),
        last_known_healthy,
        previous_effective_from,
        drill: None,
    };
    let mut switching = Switching::new(&shell.settings.policy, observation, intent, clock::now());
    Some(claim_runner::run(&shell.store, &mut switching).await)
}

/// Publishes, announces and answers.
async fn close(
    shell: &Shell,
    look: Look,
    outcome: Option<Outcome>,
    depth: Depth,
    invocation: &Invocation,
    trigger: Trigger,
    probes: u32,
) -> Result<Value, FunctionError> {
    let now = clock::now();
    let observed = look.observed.as_ref().ok();
    let fault = match observed {
        Some(observed) => flag_fault(shell, observed, &look).await,
        None => None,
    };
    let mut metrics = metrics(&look, outcome.as_ref(), fault.is_some(), now);
    let standing = observed.and_then(|observed| observed.readiness.as_deref());
    if let Some(active) = look.active() {
        metrics.extend(readiness::metric(shell, standing, active, now));
    }
    if observed.is_some_and(|observed| is_long_in_doubt(shell, observed, &look, now)) {
        metrics.push(Metric::environment_unknown(now));
    }
    if drill::overdue_since(shell, &look, now).is_some() {
        metrics.push(Metric::drill_overdue(now));
    }
    let publish = async {
        if depth == Depth::Thorough {
            shell.metrics.publish(&metrics).await
        } else {
            Ok(())
        }
    };
    let announce = async {
        match observed {
            Some(observed) => announce(shell, observed, &look, fault.as_deref(), now).await,
            None => Ok(()),
        }
    };
    let announce_doubt = announce_doubt(shell, &look, now);
    let note = async {
        // A tick that wrote the flag has enough to do, and the next one notes as much.
        if let (Some(observed), None) = (observed, &outcome) {
            past::note(shell, observed, &look.past).await;
        }
    };
    let catch_up = async {
        match observed {
            Some(observed) => catch_up(shell, observed, now).await,
            None => Ok(()),
        }
    };
    let unsent = async {
        if depth == Depth::Thorough && observed.is_some() {
            unsent::publish(shell).await.map(drop)
        } else {
            Ok(())
        }
    };
    let conclude = drill::conclude(shell, &look, outcome.as_ref(), invocation);
    let overdue = drill::tell_overdue(shell, &look, now);
    let hold = hold::tell(shell, &look, now);
    let dags = dags::keep(shell, &look, outcome.as_ref(), invocation);
    let (published, announced, doubt_announced, (), caught_up, drill, overdue, hold, dags, unsent) = tokio::join!(
        publish,
        announce,
        announce_doubt,
        note,
        catch_up,
        conclude,
        overdue,
        hold,
        dags,
        unsent
    );
    if let Err(failure) = published {
        tracing::warn!(error = %failure.cause, "metrics were not published");
    }
    announced?;
    doubt_announced?;
    caught_up?;
    overdue?;
    hold?;
    unsent?;
    let drill = drill?;
    let dags = dags?;
    if let FlagState::Unreadable(cause) = look.flag {
        return Err(FunctionError::unreadable("reading the flag", cause));
    }
    if let Some(Outcome::Failed(failed)) = outcome {
        return Err(failed.into());
    }
    // After a transition the two have changed places: the next turn looks at them as they stand then.
    if let (Some(active), Some(observed), None) = (look.active(), observed, &outcome) {
        readiness::keep(shell, active, (depth, &look.verdicts), observed, &trigger, invocation).await?;
    }
    if outcome.is_none() {
        handover::report(shell, &look, invocation).await?;
    }
    let mut answer = answer(&look, outcome.as_ref(), invocation, &trigger, probes);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("drill".to_owned(), json!(drill));
        if let Some(dags) = dags {
            fields.insert("dag_management".to_owned(), json!(dags));
        }
    }
    Ok(answer)
}

fn answer(look: &Look, outcome: Option<&Outcome>, invocation: &Invocation, trigger: &Trigger, probes: u32) -> Value {
    let switched = match outcome {
        Some(Outcome::Switched(switched)) => Some(switched),
        _ => None,
    };
    let conflict = match outcome {
        Some(Outcome::Conflict(conflict)) => Some(conflict.reason.as_str()),
        _ => None,
    };
    let flag = look.present();
    json!({
        "trigger": trigger.kind,
        "active": switched.map(|switched| switched.to).or(look.active()),
        "version": switched.map(|switched| switched.version).or(flag.map(|flag| flag.version)),
        "verdicts": look.verdicts,
        "decision": look.decision.action.as_str(),
        "blocked_by": look.decision.blocked_by(),
        "guards": look.decision.guards,
        "transition": switched.map(|switched| switched.record.as_str()),
        "effective_from": switched.map(|switched| switched.effective_from),
        "warnings": switched.map(|switched| &switched.warnings),
        "conflict": conflict,
        "hold": look.control.hold.describe(),
        "reason": look.decision.reason,
        "probes": probes,
        "elapsed_ms": whole_milliseconds(invocation.elapsed()),
    })
}

fn log(shell: &Shell, look: &Look, outcome: Option<&Outcome>, invocation: &Invocation, trigger: &Trigger, probe: u32) {
    let guards: Vec<&str> = look.decision.blocked_by().into_iter().map(GuardName::as_str).collect();
    let (transition, conflict) = match outcome {
        Some(Outcome::Switched(switched)) => (Some(switched.record.as_str()), None),
        Some(Outcome::Conflict(conflict)) => (None, Some(conflict.reason.as_str())),
        Some(Outcome::Failed(failed)) => (None, Some(failed.doing)),
        None => (None, None),
    };
    tracing::info!(
        pair = shell.settings.pair,
        active = look.active().map(Colour::as_str),
        version = look.present().map(|flag| flag.version.0),
        blue = look.verdicts.blue.verdict.as_str(),
        green = look.verdicts.green.verdict.as_str(),
        decision = look.decision.action.as_str(),
        guard = guards.join(","),
        hold = look.control.hold.describe(),
        transition,
        conflict,
        reason = look.decision.reason,
        trigger = trigger.kind,
        probe,
        request_id = %invocation.request_id,
        "decision"
    );
    tracing::debug!(tick = %look.recorded(shell), request_id = %invocation.request_id, "evidence");
}

fn metrics(look: &Look, outcome: Option<&Outcome>, fault: bool, now: Timestamp) -> Vec<Metric> {
    let active = match outcome {
        Some(Outcome::Switched(switched)) => Some(switched.to),
        _ => look.active(),
    };
    let mut metrics = Metric::environment_healthy(&look.verdicts, now);
    metrics.extend(
        active
            .map(|active| Metric::active_environment(active, now))
            .unwrap_or_default(),
    );
    if matches!(look.decision.action, Action::Blocked | Action::ObserveOnly) && active.is_some() {
        metrics.extend(
            look.decision
                .blocked_by()
                .into_iter()
                .map(|guard| Metric::failover_blocked(guard, now)),
        );
    }
    if fault {
        metrics.push(Metric::flag_fault(now));
    }
    metrics
}

/// What is wrong with the flag, if something is. A pair without a past is only not initialised yet.
async fn flag_fault(shell: &Shell, observed: &Observed, look: &Look) -> Option<String> {
    match &look.flag {
        FlagState::Unreadable(_) => None,
        FlagState::Present(flag) if flag.value.colour().is_some() => None,
        FlagState::Present(_) => Some(look.decision.reason.clone()),
        FlagState::Missing => {
            let has_past = observed.audited.is_some()
                || shell.store.has_records().await.unwrap_or_else(|failure| {
                    tracing::warn!(error = %failure.cause, "the transition records could not be read");
                    false
                });
            if has_past {
                Some("the flag was deleted: this pair has transition records".to_owned())
            } else {
                tracing::warn!(
                    "this pair is not initialised: invoke the switch-handler with {{\"action\":\"initialize\"}}"
                );
                None
            }
        }
    }
}

/// Whether nobody has been able to vouch for the active environment for longer than is to be borne.
fn is_long_in_doubt(shell: &Shell, observed: &Observed, look: &Look, now: Timestamp) -> bool {
    let Some((_, patience)) = look.doubt(&shell.settings.policy) else {
        return false;
    };
    let flag = look.flag_label(observed);
    remembered_since(observed.doubt.as_deref(), Announced::ActiveUnknown, &flag)
        .is_some_and(|since| elapsed(since, now) >= patience)
}

/// Says once that a failover is wanted and cannot be made, or that the flag is broken.
async fn announce(
    shell: &Shell,
    observed: &Observed,
    look: &Look,
    fault: Option<&str>,
    now: Timestamp,
) -> Result<(), FunctionError> {
    let flag = look.flag_label(observed);
    let stored = observed.announced.as_deref();
    say_once(
        shell,
        observed,
        Field::Announced,
        stored,
        look.found(&flag, fault.is_some()).notice(stored, now),
        |announcement| {
            let subject = shell.subject();
            match announcement.topic.subject {
                Announced::FlagFault => audit::flag_fault(subject, &flag, fault.unwrap_or_default(), now),
                Announced::FailoverBlocked | Announced::ActiveUnknown => audit::blocked(
                    subject,
                    &flag,
                    look.active(),
                    announcement.since,
                    &look.decision,
                    &json!({"verdicts": look.verdicts}),
                    now,
                ),
            }
        },
    )
    .await
}

/// Says once that for too long nobody could vouch for the active environment.
async fn announce_doubt(shell: &Shell, look: &Look, now: Timestamp) -> Result<(), FunctionError> {
    let Ok(observed) = &look.observed else { return Ok(()) };
    let stored = observed.doubt.as_deref();
    let flag = look.flag_label(observed);
    let Some(active) = look.active() else { return Ok(()) };
    let verdict = look.verdicts.of(active).verdict;
    let notice = look
        .found(&flag, false)
        .notice_of_doubt(&shell.settings.policy, stored, now);
    say_once(shell, observed, Field::Doubt, stored, notice, |announcement| {
        audit::active_unknown(
            shell.subject(),
            &flag,
            announcement.since,
            (Some(active), verdict),
            &look.decision,
            &json!({"verdicts": look.verdicts}),
            now,
        )
    })
    .await
}

/// Carries a notice out: what it says, and what it has remembered or forgotten.
async fn say_once(
    shell: &Shell,
    observed: &Observed,
    field: Field,
    stored: Option<&str>,
    notice: Notice,
    event: impl FnOnce(&Announcement) -> AuditEvent,
) -> Result<(), FunctionError> {
    let remember = |value: Option<Value>| shell.store.remember(&observed.memory, field, value);
    match notice {
        Notice::Quiet => Ok(()),
        Notice::Forget => remember(None)
            .await
            .map_err(FunctionError::undelivered("forgetting what was announced")),
        Notice::Remember(announcement) => remember(Some(json!(announcement)))
            .await
            .map_err(FunctionError::undelivered("remembering what may have to be announced")),
        Notice::Say(announcement) => {
            // Remembered before it is said, so that a repeat after a crash carries the same id.
            let unsaid = Announcement {
                said: false,
                ..announcement.clone()
            };
            let is_remembered = stored
                .is_some_and(|before| serde_json::from_str(before).is_ok_and(|before: Announcement| before == unsaid));
            if !is_remembered {
                let remembered = remember(Some(json!(unsaid))).await;
                remembered.map_err(FunctionError::undelivered("remembering what is to be announced"))?;
            }
            // Said before remembered: a crash in between says it twice, never not at all.
            shell
                .bus
                .send(&[event(&announcement)])
                .await
                .map_err(FunctionError::undelivered("announcing what a person should know"))?;
            remember(Some(json!(announcement)))
                .await
                .map_err(FunctionError::undelivered("remembering what was announced"))
        }
    }
}

/// Audits in the listener's place when its event seems to be lost.
async fn catch_up(shell: &Shell, observed: &Observed, now: Timestamp) -> Result<(), FunctionError> {
    let Some(flag) = &observed.flag else { return Ok(()) };
    let audited = observed
        .audited
        .is_some_and(|audited| audited.is(flag.version, flag.modified));
    if audited || elapsed(flag.modified, now) < LISTENER_TIME {
        return Ok(());
    }
    let history = shell
        .store
        .history()
        .await
        .map_err(|failure| FunctionError::unreadable("reading the flag's history", failure.cause))?;
    let sent = audit_trail::catch_up(shell, &history, observed, now).await?;
    if !sent.versions.is_empty() {
        tracing::warn!(versions = sent.versions.len(), "audited in the change-listener's place");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_scheduled_tick_in_between_asks_less() {
        let of = |kind: &str, minute: &str| {
            let trigger = Trigger {
                kind: kind.to_owned(),
                id: None,
            };
            first_depth(&trigger, format!("2026-11-23T10:{minute}:02Z").parse().unwrap(), 5)
        };
        assert_eq!(of("schedule", "15"), Depth::Thorough);
        assert_eq!(of("schedule", "16"), Depth::Routine);
        for kind in ["alarm", "alarm-event", "environment-status", "invoke", "unrecognised"] {
            assert_eq!(of(kind, "16"), Depth::Thorough, "{kind}");
        }
    }
}
