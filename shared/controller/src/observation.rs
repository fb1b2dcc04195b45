//! One observation of a tick, and the decision on it. Everything that a tick does is based on one observation.

use std::time::Duration;

use bluegreen_aws::health_probe::ProbeScope;
use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::alert_dedup::{Found, patience_with};
use bluegreen_core::audit;
use bluegreen_core::back_dating::LastHealthy;
use bluegreen_core::color::{Both, Color};
use bluegreen_core::decision::{Action, ControlState, Decision, FlagState, decide, wants_recent_failovers};
use bluegreen_core::drill::Drill;
use bluegreen_core::flag::{FlagObservation, HistoryEntry, versions};
use bluegreen_core::health::{Assessment, Cause, Evidence, Past, Verdict, assess_after, look_back};
use bluegreen_core::hold::HoldState;
use bluegreen_core::policy::Policy;
use bluegreen_core::replay::RecordedTick;
use jiff::Timestamp;

use crate::active_drill::{ActiveDrill, evaluate_drill};
use crate::restore_target::load_restore_target;
use crate::services::Services;
use crate::{past, recent_failovers};

/// How long one observation may take: the last one of a tick starts after 56 s, and Lambda ends the tick after 75 s.
pub(crate) const EVIDENCE_TIME: Duration = Duration::from_secs(10);

/// What one observation saw and decided.
pub(crate) struct Observation {
    pub(crate) observed: Result<Observed, Cause>,
    pub(crate) flag: FlagState,
    pub(crate) control: ControlState,
    pub(crate) verdicts: Both<Assessment>,
    pub(crate) decision: Decision,
    pub(crate) history: Option<Vec<HistoryEntry>>,
    /// The drill under way, and its next step.
    pub(crate) drill: Option<ActiveDrill>,
    pub(crate) evidence: Both<Evidence>,
    /// What earlier observations had seen of both environments, and, in `past`, what this one adds to it.
    before: Both<Option<Past>>,
    pub(crate) past: Both<Past>,
    pub(crate) at: Timestamp,
    /// When the questions were sent: nothing observed is older.
    pub(crate) asked: Timestamp,
}

/// Observes everything once, and decides.
pub(crate) async fn observe_and_decide(
    services: &Services,
    depth: ProbeScope,
    missing_since: &mut Option<Timestamp>,
) -> Observation {
    let asked = services.clock.now();
    let (observed, evidence) = tokio::join!(
        services.store.observe(),
        services.health.both(depth, EVIDENCE_TIME, asked)
    );
    let now = services.clock.now();
    let policy = &services.settings.policy;
    let observed = observed.map_err(|failure| failure.cause);
    let before = past::known(services, observed.as_ref().ok());
    let verdicts = evidence.map(|color, evidence| assess_after(policy, evidence, before.of(color).as_ref(), now));
    let past = evidence.map(|color, evidence| look_back(policy, evidence, before.of(color).as_ref(), now));
    past::saw(services, &past);
    let mut control = control_state(&observed, now);
    load_restore_target(services, &observed, &mut control, missing_since, now).await;
    let mut decision = decide(policy, &control, &verdicts, now);
    let mut history = None;
    if wants_recent_failovers(&control, &decision) {
        // Only a failover needs the history: the number of earlier ones, and when the present version took effect.
        match services.store.history().await {
            Ok(entries) => {
                control.recent = recent_failovers::count(services, &versions(&entries), now).await;
                decision = decide(policy, &control, &verdicts, now);
                history = Some(entries);
            }
            Err(failure) => tracing::warn!(error = %failure.cause, "the flag's history could not be read"),
        }
    }
    let mut drill = None;
    let under_way = observed
        .as_ref()
        .ok()
        .and_then(|observed| Drill::under_way(observed.drill.as_deref()));
    if let Some(under_way) = under_way {
        let evaluated = evaluate_drill(services, under_way, history.take(), &control, &verdicts, now).await;
        if let Some((evaluated, read)) = evaluated {
            decision = evaluated.decision().unwrap_or(decision);
            drill = Some(evaluated);
            history = Some(read);
        }
    }
    Observation {
        observed,
        flag: control.flag.clone(),
        control,
        verdicts,
        decision,
        history,
        drill,
        evidence,
        before,
        past,
        at: now,
        asked,
    }
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

impl Observation {
    pub(crate) fn present(&self) -> Option<&FlagObservation> {
        match &self.flag {
            FlagState::Present(flag) => Some(flag),
            FlagState::Missing | FlagState::Unreadable(_) => None,
        }
    }

    /// The whole input of the decision.
    pub(crate) fn recorded(&self, services: &Services) -> RecordedTick {
        let policy = &services.settings.policy;
        RecordedTick::of(policy, &self.control, &self.evidence, &self.decision, self.at).after(self.before.clone())
    }

    /// The same without an action, which is left to the next tick.
    pub(crate) fn without_action(mut self) -> Self {
        let reason = format!(
            "{}; but the hold has changed since: the next tick decides",
            self.decision.reason
        );
        self.decision = Decision {
            action: Action::None,
            reason,
            preconditions: Vec::new(),
            look_again_soon: false,
        };
        self.drill = None;
        self
    }

    pub(crate) fn active(&self) -> Option<Color> {
        self.present()?.value.color()
    }

    /// The active environment, if its state is unknown, and how long that may last before people are notified.
    pub(crate) fn doubt(&self, policy: &Policy) -> Option<(Color, Duration)> {
        let active = self.active()?;
        Some((active, patience_with(policy, self.verdicts.of(active))?))
    }

    /// When this color, which the flag names, was last known to be healthy: by its own signals, or by the last
    /// observation before its state became unknown. A failover by the watcher reaches back as far as one by a person.
    pub(crate) fn last_healthy(&self, active: Color) -> LastHealthy {
        let doubt = self
            .observed
            .as_ref()
            .ok()
            .and_then(|observed| observed.doubt.as_deref());
        let assessment = self.verdicts.of(active);
        match self.present() {
            Some(flag) => LastHealthy::of(assessment, flag, doubt),
            None => assessment
                .last_known_healthy
                .map_or(LastHealthy::Unknown, LastHealthy::Signals),
        }
    }

    /// The label of the flag version, or of its absence, that a memory belongs to.
    pub(crate) fn flag_label(&self, observed: &Observed) -> String {
        self.present()
            .map_or_else(|| audit::missing_flag(observed.audited), FlagObservation::label)
    }

    /// What this observation may have to announce.
    pub(crate) fn found<'a>(&'a self, flag: &'a str, is_faulty: bool) -> Found<'a> {
        Found {
            flag,
            is_faulty,
            active: self.active().map(|active| self.verdicts.of(active)),
            decision: &self.decision,
        }
    }

    /// Whether the flag is as it should be, the active is healthy, and nothing waits to be revoked or finished.
    pub(crate) fn is_calm(&self) -> bool {
        self.active()
            .is_some_and(|active| self.verdicts.of(active).verdict == Verdict::Healthy)
            && self
                .observed
                .as_ref()
                .is_ok_and(|observed| observed.announced.is_none() && observed.doubt.is_none())
            && self.drill.as_ref().is_none_or(ActiveDrill::waits)
    }
}
