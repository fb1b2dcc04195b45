//! Whoever may write the flag: a watcher's tick, a person, a drill. One request is one step.

use bluegreen_core::claim::{Failure, Intent, Outcome, Reply, Step, StoredClaim, Switching};
use bluegreen_core::color::Color;
use bluegreen_core::decision::{Action, ControlState, FlagState, RecentFailovers, decide};
use bluegreen_core::drill::{
    self, Conclusion, Drill, DrillOutcome, DrillStep, End, EndClaim, Mode, Stage, Turn, conclude, end_records, stage,
    turn,
};
use bluegreen_core::flag::{DescriptionMetadata, HistoryEntry, description, versions};
use bluegreen_core::health::{
    AirflowHealth, Assessment, Cause, CauseKind, Environment, EnvironmentAnswer, Evidence, ProbeResult, assess,
};
use bluegreen_core::hold::{Hold, HoldState};
use bluegreen_core::policy::{CLAIM_TIMEOUT, OnFlagFault, Policy};
use bluegreen_core::time::{after, elapsed, minutes};
use bluegreen_core::transition::{Actor, Kind, TransitionRecord, Trigger};
use jiff::Timestamp;
use serde_json::json;

use crate::state::{Seen, State};
use crate::store::Store;

/// The purpose of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A tick of the watcher: failover, drill-return, repair, and the ends of drills.
    Tick,
    /// A person's switch.
    Person(Color),
    /// A person's switch with force.
    Forced(Color),
    /// A person who wants the drilled color to stay.
    Keeper,
    /// A drill's switch to the other color.
    Drill,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing goes wrong.
    None,
    /// It is carried out, but no answer arrives.
    LostAnswer,
    /// It reads the state of one version ago.
    Stale,
    /// The writer dies before the request.
    DiesBefore,
    /// The writer dies after the request.
    DiesAfter,
}

/// The progress of a writer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum WriterState {
    /// About to read the parameters.
    Observing,
    /// About to read the history, for a drill under way.
    Following { seen: Box<Seen>, drill: Box<Drill> },
    /// About to check for an existing claim, before a drill.
    Checking { seen: Box<Seen>, drill: Box<Drill> },
    /// About to store the drill.
    Noting { seen: Box<Seen>, drill: Box<Drill> },
    /// In the switch protocol.
    Switching {
        machine: Box<Switching>,
        step: Step,
        intent: Box<Intent>,
        seen: Box<Seen>,
        /// The drill that this switch begins or ends.
        drill: Option<Box<Drill>>,
    },
    /// About to create the record of a drill's end with this number.
    Ending { number: usize, ending: Box<Ending> },
    /// About to read who has decided the drill's end.
    ReadingEnds { ending: Box<Ending> },
    /// About to check whether the flag is still as the drill wrote it, after the return was prevented.
    Keeping { ending: Box<Ending> },
    /// About to re-create a deleted flag.
    Creating { color: Color },
    /// About to read the history again, after a drill's return.
    Reading { drill: Box<Drill> },
    /// About to record a drill's outcome.
    Recording {
        drill: Box<Drill>,
        conclusion: Box<Conclusion>,
        /// Whether the drilled color is active, and is to stay so.
        stays: bool,
    },
    /// About to publish the outcome.
    Telling {
        drill: Box<Drill>,
        conclusion: Box<Conclusion>,
        stays: bool,
    },
    /// About to close the drill.
    Closing {
        drill: Box<Drill>,
        conclusion: Box<Conclusion>,
    },
    /// Finished, or dead.
    Ended,
}

/// The end that a writer wants for a drill whose color is active.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ending {
    end: End,
    seen: Seen,
    drill: Drill,
    stage: Stage,
    outcome: Option<DrillOutcome>,
    reason: String,
}

/// One run of a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Writer {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) at: WriterState,
}

/// The thresholds of the world: there is no cooldown, so that as much as possible can happen.
pub(crate) fn policy() -> Policy {
    Policy {
        cooldown: std::time::Duration::ZERO,
        failover_budget: 100,
        on_flag_fault: OnFlagFault::Restore,
        ..Policy::default()
    }
}

fn assessment(sick: bool, now: Timestamp) -> Assessment {
    let status = if sick { "UNAVAILABLE" } else { "AVAILABLE" };
    let evidence = Evidence {
        of: None,
        environment: EnvironmentAnswer::Found(Environment {
            status: status.to_owned(),
            airflow_version: None,
            last_update_source: None,
        }),
        airflow: ProbeResult::Known(AirflowHealth {
            scheduler: Some("healthy".to_owned()),
            metadatabase: Some("healthy".to_owned()),
            latest_scheduler_heartbeat: None,
        }),
        heartbeat: ProbeResult::Unknown(Cause::not_asked()),
        alarms: ProbeResult::Known(Vec::new()),
    };
    assess(&policy(), &evidence, now)
}

impl Writer {
    /// A writer that has not begun.
    #[must_use]
    pub fn new(name: &'static str, role: Role) -> Self {
        Self {
            name,
            role,
            at: WriterState::Observing,
        }
    }

    /// Whether anything is left to do.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        !matches!(self.at, WriterState::Ended)
    }

    /// Whether it has begun: an earlier fault would affect no writer.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.is_at_work() && !matches!(self.at, WriterState::Observing)
    }

    /// Whether the next request reads.
    #[must_use]
    pub fn reads(&self) -> bool {
        match &self.at {
            WriterState::Observing
            | WriterState::Checking { .. }
            | WriterState::Following { .. }
            | WriterState::Reading { .. }
            | WriterState::ReadingEnds { .. }
            | WriterState::Keeping { .. } => true,
            WriterState::Switching { step, .. } => matches!(step, Step::ReadBack { .. } | Step::ReadHistory),
            _ => false,
        }
    }

    /// Whether the next request writes.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.is_at_work() && !self.reads() && !self.waits()
    }

    fn waits(&self) -> bool {
        matches!(
            &self.at,
            WriterState::Switching {
                step: Step::Wait(_),
                ..
            }
        )
    }

    /// Ends the writer at its time-out.
    pub(crate) fn end(&mut self) {
        self.at = WriterState::Ended;
    }

    /// Makes the next request.
    pub(crate) fn run(&mut self, state: &mut State, fault: Fault) {
        if fault == Fault::DiesBefore {
            self.at = WriterState::Ended;
            return;
        }
        let is_stale = fault == Fault::Stale;
        let lost = fault == Fault::LostAnswer;
        let at = std::mem::replace(&mut self.at, WriterState::Ended);
        self.at = match at {
            WriterState::Observing => self.observe(state, is_stale),
            WriterState::Following { seen, drill } => self.follow(state, *seen, *drill, is_stale),
            // An existing claim is not a drill's to finish: the drill is blocked, without a trace.
            WriterState::Checking { drill, .. } if !is_stale && state.store.records.contains_key(&drill.record()) => {
                state.tell(&blocked(&drill, "a claim stands", state.store.now));
                WriterState::Ended
            }
            WriterState::Checking { seen, drill } => WriterState::Noting { seen, drill },
            WriterState::Noting { seen, drill } => {
                state.store.drill = Some(json!(drill).to_string());
                if lost {
                    WriterState::Ended
                } else {
                    let intent = self.intent(Kind::Drill, drill.to, Some(drill.tag()));
                    Self::begin(*seen, intent, Some(drill), &state.store)
                }
            }
            WriterState::Switching {
                machine,
                step,
                intent,
                seen,
                drill,
            } => self.switch(state, *machine, &step, (*intent, drill), *seen, fault),
            WriterState::Ending { number, ending } => self.decide_end(*ending, number, state, lost),
            WriterState::ReadingEnds { ending } => self.read_ends(*ending, state, is_stale),
            WriterState::Keeping { ending } => keep(&ending, state, is_stale),
            WriterState::Creating { color } => {
                if state.store.versions.is_empty() {
                    let now = state.store.now;
                    let record = format!("v1-{}", now.as_millisecond());
                    let tail = DescriptionMetadata {
                        effective_from: now,
                        record,
                    };
                    let text = description(Kind::Restore, "put back", &tail);
                    state.store.write(color.as_str(), Some(&text), self.name);
                    state.saw("restore");
                }
                WriterState::Ended
            }
            WriterState::Reading { drill } => {
                let history = state.store.history(is_stale);
                finish_if_over(&drill, &versions(&history), state)
            }
            WriterState::Recording {
                drill,
                conclusion,
                stays,
            } => record(drill, conclusion, stays, state, lost),
            WriterState::Telling {
                drill,
                conclusion,
                stays,
            } => {
                state.tell(&conclusion);
                if stays {
                    state.stays(&conclusion);
                }
                if lost {
                    WriterState::Ended
                } else {
                    WriterState::Closing { drill, conclusion }
                }
            }
            WriterState::Closing { drill, conclusion } => {
                let standing = state.store.drill.as_deref().and_then(Drill::from_stored);
                if standing.is_some_and(|standing| {
                    standing.record() != drill.record() && standing.started_at > drill.started_at
                }) {
                    return;
                }
                let closed = Drill {
                    outcome: conclusion.outcome,
                    finished_at: Some(conclusion.timings.finished_at),
                    ..*drill
                };
                state.store.drill = Some(json!(closed).to_string());
                WriterState::Ended
            }
            WriterState::Ended => WriterState::Ended,
        };
        if fault == Fault::DiesAfter {
            self.at = WriterState::Ended;
        }
    }

    fn observe(&self, state: &State, is_stale: bool) -> WriterState {
        let store = &state.store;
        let seen = Seen {
            flag: store.flag(is_stale),
            held: store.held,
            drill: store.drill.clone(),
            sick: state.sick,
        };
        match self.role {
            Role::Tick => match Drill::under_way(seen.drill.as_deref()) {
                Some(drill) => WriterState::Following {
                    seen: Box::new(seen),
                    drill: Box::new(drill),
                },
                None => self.decide(seen, store),
            },
            Role::Person(to) | Role::Forced(to) => {
                let fit = !*seen.sick.of(to) && Drill::under_way(seen.drill.as_deref()).is_none();
                let forced = matches!(self.role, Role::Forced(_));
                match &seen.flag {
                    Some(flag) if flag.value.color() != Some(to) && (fit || forced) => {
                        let intent = self.intent(Kind::Switch, to, None);
                        Self::begin(seen, intent, None, store)
                    }
                    _ => WriterState::Ended,
                }
            }
            Role::Keeper => {
                let kept = Drill::under_way(seen.drill.as_deref());
                let kept = kept.filter(|drill| {
                    let flag = seen.flag.as_ref();
                    flag.is_some_and(|flag| flag.value.color() == Some(drill.to) && drill.owns_flag_version(flag))
                });
                let (Some(drill), Some(flag)) = (kept, &seen.flag) else {
                    return WriterState::Ended;
                };
                let ending = Ending {
                    end: End::Stay,
                    stage: Stage::Drilling {
                        switched_at: flag.modified,
                        return_at: after(flag.modified, minutes(drill.duration_minutes)),
                    },
                    outcome: Some(DrillOutcome::Interrupted),
                    reason: "kept".to_owned(),
                    drill: as_recorded(drill, store),
                    seen,
                };
                WriterState::Ending {
                    number: 0,
                    ending: Box::new(ending),
                }
            }
            Role::Drill => {
                let active = seen.flag.as_ref().and_then(|flag| flag.value.color());
                let free = !seen.held && !seen.sick.blue && !seen.sick.green;
                let (Some(flag), Some(from), true, None) =
                    (&seen.flag, active, free, Drill::under_way(seen.drill.as_deref()))
                else {
                    return WriterState::Ended;
                };
                let drill = Drill {
                    schema: Drill::SCHEMA,
                    id: self.name.to_owned(),
                    mode: Mode::Switch,
                    from,
                    to: from.other(),
                    version: flag.version,
                    modified: flag.modified,
                    started_at: store.now,
                    duration_minutes: 1,
                    reason: "model".to_owned(),
                    requested_by: None,
                    outcome: DrillOutcome::Pending,
                    finished_at: None,
                    proven_at: None,
                };
                WriterState::Checking {
                    seen: Box::new(seen),
                    drill: Box::new(drill),
                }
            }
        }
    }

    /// The decision of a tick without a drill under way.
    fn decide(&self, seen: Seen, store: &Store) -> WriterState {
        let now = store.now;
        let control = ControlState {
            flag: seen.flag.clone().map_or(FlagState::Missing, FlagState::Present),
            hold: hold(seen.held, now),
            recent: Some(RecentFailovers::default()),
            last_active: store.last_active,
            // SSM's required wait is time, which passes freely in this world.
            missing_since: Some(Timestamp::MIN),
        };
        let verdicts = seen.sick.map(|_, sick| assessment(*sick, now));
        let decision = decide(&policy(), &control, &verdicts, now);
        match (decision.action, &seen.flag) {
            (Action::Failover, Some(flag)) => match flag.value.color() {
                Some(active) => {
                    let intent = self.intent(Kind::Failover, active.other(), None);
                    Self::begin(seen, intent, None, store)
                }
                None => WriterState::Ended,
            },
            (Action::Restore(color), Some(_)) => {
                let intent = self.intent(Kind::Restore, color, None);
                Self::begin(seen, intent, None, store)
            }
            (Action::Restore(color), None) => WriterState::Creating { color },
            _ => WriterState::Ended,
        }
    }

    /// A tick with a drill under way: history and record are read, and the drill's step comes first.
    fn follow(&self, state: &mut State, seen: Seen, drill: Drill, is_stale: bool) -> WriterState {
        let store = &state.store;
        let drill = as_recorded(drill, store);
        let history: Vec<HistoryEntry> = store.history(is_stale);
        let versions = versions(&history);
        let reached = stage(&drill, &versions);
        let agree = match (&seen.flag, versions.last()) {
            (Some(flag), Some(newest)) => {
                flag.version == newest.entry.version && flag.modified == newest.entry.modified
            }
            (None, None) => true,
            _ => false,
        };
        let now = store.now;
        let verdicts = seen.sick.map(|_, sick| assessment(*sick, now));
        let mode = policy().mode;
        let no_alarms = ProbeResult::Known(Vec::new());
        let step = if agree {
            drill::decide(
                &drill,
                &reached,
                mode,
                &hold(seen.held, now),
                &verdicts,
                &no_alarms,
                now,
            )
        } else {
            DrillStep::Wait(String::new())
        };
        match step {
            DrillStep::Return { outcome, reason } => WriterState::Ending {
                number: 0,
                ending: Box::new(Ending {
                    end: End::Return,
                    seen,
                    drill,
                    stage: reached,
                    outcome: Some(outcome),
                    reason,
                }),
            },
            DrillStep::Finish { outcome, reason } if matches!(reached, Stage::Drilling { .. }) => WriterState::Ending {
                number: 0,
                ending: Box::new(Ending {
                    end: End::Stay,
                    seen,
                    drill,
                    stage: reached,
                    outcome,
                    reason,
                }),
            },
            DrillStep::Finish { outcome, reason } => {
                // The regular decision still follows: here by the next tick.
                recording(&drill, &reached, outcome, &reason, state)
            }
            DrillStep::Wait(_) => self.decide(seen, store),
        }
    }

    fn decide_end(&self, ending: Ending, number: usize, state: &mut State, lost: bool) -> WriterState {
        let claim = EndClaim::new(ending.end, self.name, &ending.reason, state.store.now);
        let name = end_records(&ending.drill.record()).swap_remove(number);
        let created = state.store.create_record(&name, &claim.to_stored());
        if lost || !created {
            WriterState::ReadingEnds {
                ending: Box::new(ending),
            }
        } else {
            self.ended_by_us(ending, state)
        }
    }

    /// The end belongs to this writer, which does what it decided.
    fn ended_by_us(&self, ending: Ending, state: &State) -> WriterState {
        match (ending.end, self.role) {
            (End::Return, _) => {
                let outcome = ending.outcome.unwrap_or(DrillOutcome::Failed);
                let tag = Some(ending.drill.return_tag(outcome, &ending.reason));
                let intent = self.intent(Kind::DrillReturn, ending.drill.from, tag);
                Self::begin(ending.seen, intent, Some(Box::new(ending.drill)), &state.store)
            }
            (End::Stay, Role::Keeper) => WriterState::Keeping {
                ending: Box::new(ending),
            },
            (End::Stay, _) => recording(&ending.drill, &ending.stage, ending.outcome, &ending.reason, state),
        }
    }

    fn read_ends(&self, ending: Ending, state: &State, is_stale: bool) -> WriterState {
        let now = state.store.now;
        // A stale reading does not show a record that was just created.
        let found: Vec<_> = end_records(&ending.drill.record())
            .iter()
            .map(|name| {
                let stored = state.store.records.get(name).cloned();
                stored.filter(|stored| !is_stale || stored.modified < now)
            })
            .collect();
        let is_ours = |stored: &StoredClaim| {
            EndClaim::from_stored(&stored.value).is_some_and(|claim| claim.by == self.name && claim.end == ending.end)
        };
        if found.iter().flatten().any(is_ours) {
            return self.ended_by_us(ending, state);
        }
        match turn(&found, ending.end, self.name, now) {
            Turn::Open(number) => WriterState::Ending {
                number,
                ending: Box::new(ending),
            },
            Turn::Ours => self.ended_by_us(ending, state),
            Turn::Returning(_) => WriterState::Ended,
            Turn::Stays(reason) if self.role != Role::Keeper => {
                let outcome = Some(DrillOutcome::Interrupted);
                recording(&ending.drill, &ending.stage, outcome, &reason, state)
            }
            Turn::GivenUp if self.role != Role::Keeper => WriterState::Ended,
            Turn::Stays(_) | Turn::GivenUp => WriterState::Keeping {
                ending: Box::new(ending),
            },
        }
    }

    fn intent(&self, kind: Kind, to: Color, drill: Option<serde_json::Value>) -> Intent {
        Intent {
            kind,
            to,
            reason: "model".to_owned(),
            actor: Actor {
                function: "model".to_owned(),
                request_id: self.name.to_owned(),
                requested_by: None,
            },
            trigger: Trigger {
                kind: "invoke".to_owned(),
                id: None,
            },
            evidence: json!({}),
            last_known_healthy: None,
            previous_effective_from: None,
            drill,
        }
    }

    fn begin(seen: Seen, intent: Intent, drill: Option<Box<Drill>>, store: &Store) -> WriterState {
        let Some(flag) = &seen.flag else {
            return WriterState::Ended;
        };
        let mut machine = Switching::new(&policy(), flag, intent.clone(), store.now);
        let step = machine.start();
        WriterState::Switching {
            machine: Box::new(machine),
            step,
            intent: Box::new(intent),
            seen: Box::new(seen),
            drill,
        }
    }

    fn switch(
        &self,
        state: &mut State,
        mut machine: Switching,
        step: &Step,
        (intent, drill): (Intent, Option<Box<Drill>>),
        seen: Seen,
        fault: Fault,
    ) -> WriterState {
        if let Step::WriteFlag { value, .. } = step {
            state.check_write(self.name, &intent, *value, &seen, drill.as_deref());
        }
        let mut reply = state.store.carry_out(step, self.name, fault == Fault::Stale);
        if fault == Fault::LostAnswer {
            reply = Reply::Failed(Failure {
                ambiguous: true,
                retryable: true,
                cause: Cause::new(CauseKind::TimedOut, "lost"),
            });
        }
        let next = machine.next(reply, state.store.now, 0.5);
        let Step::Done(outcome) = next else {
            return WriterState::Switching {
                machine: Box::new(machine),
                step: next,
                intent: Box::new(intent),
                seen: Box::new(seen),
                drill,
            };
        };
        match *outcome {
            Outcome::Switched(switched) => {
                state.believes(self.name, &switched.record);
                state.saw(intent.kind.as_str());
                match (intent.kind, drill) {
                    (Kind::DrillReturn, Some(drill)) => WriterState::Reading { drill },
                    _ => WriterState::Ended,
                }
            }
            Outcome::Conflict(conflict) if intent.kind == Kind::Drill => match drill {
                Some(drill) => lost_drill(state, &drill, conflict.winner.as_ref(), &conflict.reason),
                None => WriterState::Ended,
            },
            Outcome::Conflict(_) | Outcome::Failed(_) => WriterState::Ended,
        }
    }
}

/// A person was the first to decide that the color stays: it does, unless the drill has already returned.
fn keep(ending: &Ending, state: &State, is_stale: bool) -> WriterState {
    let standing = state.store.flag(is_stale).map(|flag| flag.version);
    if standing == ending.seen.flag.as_ref().map(|flag| flag.version) {
        recording(&ending.drill, &ending.stage, ending.outcome, &ending.reason, state)
    } else {
        WriterState::Ended
    }
}

/// Records the outcome once; the writer that recorded it publishes it.
fn record(drill: Box<Drill>, conclusion: Box<Conclusion>, stays: bool, state: &mut State, lost: bool) -> WriterState {
    let name = drill.outcome_record();
    let created = state.store.create_record(&name, &conclusion.to_stored());
    if lost {
        WriterState::Ended
    } else if created {
        WriterState::Telling {
            drill,
            conclusion,
            stays,
        }
    } else {
        abandoned(state, &name, drill)
    }
}

fn as_recorded(drill: Drill, store: &Store) -> Drill {
    let record = store.records.get(&drill.record());
    match record.and_then(|record| TransitionRecord::from_stored(&record.value).ok()) {
        Some(record) => drill.as_recorded(&record),
        None => drill,
    }
}

fn blocked(drill: &Drill, reason: &str, now: Timestamp) -> Conclusion {
    let outcome = Some(DrillOutcome::Blocked);
    conclude(drill, &Stage::NotSwitched, outcome, reason, None, None, now)
}

/// The end of a drill that was not the first to claim.
fn lost_drill(state: &mut State, drill: &Drill, winner: Option<&TransitionRecord>, reason: &str) -> WriterState {
    // The trace belongs to another drill: this one changed nothing, and publishes that.
    if drill.superseded_by(winner, state.store.now) {
        state.tell(&blocked(drill, reason, state.store.now));
        return WriterState::Ended;
    }
    // It cannot be decided yet who won: the tick follows the trace.
    if winner.is_none() {
        return WriterState::Ended;
    }
    let overtaken = Stage::Overtaken {
        switched_at: None,
        by: reason.to_owned(),
        active: None,
    };
    recording(drill, &overtaken, Some(DrillOutcome::Interrupted), reason, state)
}

/// Another writer's outcome: that writer publishes it, unless it must be dead.
fn abandoned(state: &State, name: &str, drill: Box<Drill>) -> WriterState {
    let stored = state.store.records.get(name);
    match stored {
        Some(stored) if elapsed(stored.modified, state.store.now) >= CLAIM_TIMEOUT => {
            match Conclusion::from_stored(&stored.value) {
                Some(conclusion) => WriterState::Telling {
                    drill,
                    conclusion: Box::new(conclusion),
                    // Only the writer that recorded it knew.
                    stays: false,
                },
                None => WriterState::Ended,
            }
        }
        _ => WriterState::Ended,
    }
}

fn finish_if_over(drill: &Drill, versions: &[bluegreen_core::flag::Version], state: &State) -> WriterState {
    match stage(drill, versions) {
        reached @ Stage::Returned { .. } => recording(drill, &reached, None, "", state),
        _ => WriterState::Ended,
    }
}

fn recording(
    drill: &Drill,
    reached: &Stage,
    outcome: Option<DrillOutcome>,
    reason: &str,
    state: &State,
) -> WriterState {
    let read = |name: &str| {
        let stored = state.store.records.get(name)?;
        TransitionRecord::from_stored(&stored.value).ok()
    };
    let way_out = read(&drill.record());
    let way_back = match reached {
        Stage::Returned { record, .. } => read(record),
        _ => None,
    };
    let conclusion = conclude(
        drill,
        reached,
        outcome,
        reason,
        way_out.as_ref(),
        way_back.as_ref(),
        state.store.now,
    );
    WriterState::Recording {
        drill: Box::new(drill.clone()),
        conclusion: Box::new(conclusion),
        stays: matches!(reached, Stage::Drilling { .. }),
    }
}

fn hold(held: bool, now: Timestamp) -> HoldState {
    if held && now < Timestamp::MAX {
        HoldState::Active(Hold {
            until: Timestamp::MAX,
            reason: "model".to_owned(),
            by: "model".to_owned(),
        })
    } else {
        HoldState::None
    }
}
