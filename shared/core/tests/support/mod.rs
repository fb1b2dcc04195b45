//! Fixtures in an operator's words, and an in-memory Parameter Store.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::collections::BTreeMap;
use std::time::Duration;

use bluegreen_core::claim::{Failure, Intent, Outcome, Reply, Step, StoredClaim, Switching};
use bluegreen_core::color::{Both, Color};
use bluegreen_core::decision::{ControlState, Decision, FlagState, RecentFailovers, decide};
use bluegreen_core::flag::{FlagObservation, FlagValue, FlagVersion, HistoryEntry};
use bluegreen_core::health::{
    AirflowHealth, AlarmEvidence, AlarmState, Assessment, Cause, CauseKind, Environment, EnvironmentAnswer, Evidence,
    HeartbeatEvidence, Past, ProbeResult, Verdict, assess, assess_after, look_back,
};
use bluegreen_core::hold::HoldState;
use bluegreen_core::policy::Policy;
use bluegreen_core::time::{after, before};
use bluegreen_core::transition::{Actor, Kind, Trigger};
use jiff::Timestamp;
use serde_json::json;

pub fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn ago(count: u64) -> Timestamp {
    before(noon(), seconds(count))
}

pub fn cause(kind: CauseKind) -> Cause {
    Cause::new(kind, "as the test wants it")
}

/// One environment's evidence, healthy unless a method changes it.
#[derive(Debug, Clone)]
pub struct Seen(pub Evidence);

pub fn healthy() -> Seen {
    Seen(Evidence {
        of: None,
        environment: found("AVAILABLE"),
        airflow: airflow("healthy", Some(ago(3))),
        heartbeat: ProbeResult::Unknown(Cause::not_asked()),
        alarms: ProbeResult::Known(Vec::new()),
    })
}

fn found(status: &str) -> EnvironmentAnswer {
    EnvironmentAnswer::Found(Environment {
        status: status.into(),
        airflow_version: None,
        last_update_source: None,
    })
}

fn airflow(scheduler: &str, heartbeat: Option<Timestamp>) -> ProbeResult<AirflowHealth> {
    ProbeResult::Known(AirflowHealth {
        scheduler: Some(scheduler.into()),
        metadatabase: Some("healthy".into()),
        latest_scheduler_heartbeat: heartbeat,
    })
}

impl Seen {
    /// Evidence of the environment with this name.
    pub fn of(mut self, name: &str) -> Self {
        self.0.of = Some(name.to_owned());
        self
    }

    pub fn status(mut self, status: &str) -> Self {
        self.0.environment = found(status);
        self
    }

    pub fn status_unknown(mut self, kind: CauseKind) -> Self {
        self.0.environment = EnvironmentAnswer::Unknown(cause(kind));
        self
    }

    pub fn not_found(mut self) -> Self {
        self.0.environment = EnvironmentAnswer::NotFound;
        self.0.airflow = ProbeResult::Unknown(cause(CauseKind::NotFound));
        self
    }

    /// Airflow reports unhealthy, with its latest heartbeat this many seconds ago.
    pub fn scheduler_dead_for(mut self, age: u64) -> Self {
        self.0.airflow = airflow("unhealthy", Some(ago(age)));
        self
    }

    pub fn scheduler_dead_without_date(mut self) -> Self {
        self.0.airflow = airflow("unhealthy", None);
        self
    }

    pub fn scheduler_never_started(mut self) -> Self {
        self.0.airflow = ProbeResult::Known(AirflowHealth {
            scheduler: None,
            metadatabase: Some("healthy".into()),
            latest_scheduler_heartbeat: None,
        });
        self
    }

    pub fn api_unknown(mut self, kind: CauseKind) -> Self {
        self.0.airflow = ProbeResult::Unknown(cause(kind));
        self
    }

    /// The newest datapoint of the metric began this many seconds ago.
    pub fn metric_last_seen(mut self, age: u64) -> Self {
        self.0.heartbeat = ProbeResult::Known(HeartbeatEvidence {
            last_seen: Some(ago(age)),
        });
        self
    }

    pub fn metric_never_seen(mut self) -> Self {
        self.0.heartbeat = ProbeResult::Known(HeartbeatEvidence { last_seen: None });
        self
    }

    pub fn metric_unknown(mut self, kind: CauseKind) -> Self {
        self.0.heartbeat = ProbeResult::Unknown(cause(kind));
        self
    }

    pub fn alarm(mut self, state: Option<AlarmState>, since: u64) -> Self {
        self.0.alarms = ProbeResult::Known(vec![AlarmEvidence {
            name: "orders-late".into(),
            state,
            since: Some(ago(since)),
        }]);
        self
    }

    pub fn alarms_unknown(mut self, kind: CauseKind) -> Self {
        self.0.alarms = ProbeResult::Unknown(cause(kind));
        self
    }

    pub fn everything_but_the_status_unknown(self, kind: CauseKind) -> Self {
        self.api_unknown(kind).metric_unknown(kind).alarms_unknown(kind)
    }

    pub fn everything_unknown(self, kind: CauseKind) -> Self {
        self.status_unknown(kind).everything_but_the_status_unknown(kind)
    }

    pub fn assessed(&self, policy: &Policy) -> Assessment {
        assess(policy, &self.0, noon())
    }
}

/// Observes one environment repeatedly; each observation knows what the earlier ones saw. `seen` is the evidence of an
/// observation so many seconds after noon, and its ages count from that observation.
#[derive(Debug, Clone, Default)]
pub struct Looks {
    pub policy: Policy,
    pub past: Option<Past>,
}

impl Looks {
    pub fn at(&mut self, second: u64, seen: &Seen) -> Assessment {
        let shift = seconds(second);
        let mut evidence = seen.0.clone();
        if let ProbeResult::Known(health) = &mut evidence.airflow {
            health.latest_scheduler_heartbeat = health.latest_scheduler_heartbeat.map(|at| after(at, shift));
        }
        if let ProbeResult::Known(heartbeat) = &mut evidence.heartbeat {
            heartbeat.last_seen = heartbeat.last_seen.map(|at| after(at, shift));
        }
        if let ProbeResult::Known(alarms) = &mut evidence.alarms {
            for alarm in alarms {
                alarm.since = alarm.since.map(|at| after(at, shift));
            }
        }
        let now = after(noon(), shift);
        let assessment = assess_after(&self.policy, &evidence, self.past.as_ref(), now);
        self.past = Some(look_back(&self.policy, &evidence, self.past.as_ref(), now));
        assessment
    }

    pub fn see(&mut self, second: u64, seen: &Seen) {
        let _verdict = self.at(second, seen).verdict;
    }

    pub fn verdict(&mut self, second: u64, seen: &Seen) -> Verdict {
        self.at(second, seen).verdict
    }
}

/// Scheduler and metric agree that it has been dead for ten minutes.
pub fn dead() -> Seen {
    healthy().scheduler_dead_for(600).metric_last_seen(640)
}

/// One tick: the state, the evidence, and the decision.
#[derive(Debug, Clone)]
pub struct Tick {
    pub policy: Policy,
    pub control: ControlState,
    pub blue: Seen,
    pub green: Seen,
}

/// Blue is active since version 12, an hour ago; both are healthy; the history has no failover.
pub fn tick() -> Tick {
    Tick {
        policy: Policy::default(),
        control: ControlState {
            flag: FlagState::Present(flag("blue", 12, 3600)),
            hold: HoldState::None,
            recent: Some(RecentFailovers::default()),
            last_active: None,
            missing_since: None,
        },
        blue: healthy(),
        green: healthy(),
    }
}

pub fn flag(value: &str, version: u64, age: u64) -> FlagObservation {
    FlagObservation {
        value: FlagValue::read(value),
        version: FlagVersion(version),
        modified: ago(age),
    }
}

impl Tick {
    pub fn blue(mut self, seen: Seen) -> Self {
        self.blue = seen;
        self
    }

    pub fn green(mut self, seen: Seen) -> Self {
        self.green = seen;
        self
    }

    pub fn flag(mut self, flag: FlagState) -> Self {
        self.control.flag = flag;
        self
    }

    pub fn hold(mut self, hold: HoldState) -> Self {
        self.control.hold = hold;
        self
    }

    pub fn recent(mut self, recent: Option<u32>) -> Self {
        self.control.recent = recent.map(|unacknowledged| RecentFailovers {
            unacknowledged,
            ..RecentFailovers::default()
        });
        self
    }

    pub fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.policy);
        self
    }

    pub fn verdicts(&self) -> Both<Assessment> {
        Both {
            blue: self.blue.assessed(&self.policy),
            green: self.green.assessed(&self.policy),
        }
    }

    pub fn decide(&self) -> Decision {
        decide(&self.policy, &self.control, &self.verdicts(), noon())
    }
}

pub fn intent(writer: &str, kind: Kind, to: Color) -> Intent {
    Intent {
        kind,
        to,
        reason: format!("{writer} wants {to}"),
        actor: Actor {
            function: "switch-handler".into(),
            request_id: writer.into(),
            requested_by: None,
        },
        trigger: Trigger {
            kind: "invoke".into(),
            id: None,
        },
        evidence: json!({}),
        last_known_healthy: (kind == Kind::Failover).then(|| ago(150)),
        previous_effective_from: None,
        drill: None,
    }
}

/// A fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The request is carried out, but no answer arrives.
    LostAnswer,
    /// The request never arrives, which the writer cannot distinguish from a lost answer.
    LostRequest,
    /// The request is refused temporarily.
    Throttled,
    /// The request is refused permanently.
    Denied,
    /// The writer dies before the request.
    DiesBefore,
    /// The writer dies after the request.
    DiesAfter,
    /// A read returns the state before the last write; other requests are not affected.
    Stale,
}

/// An in-memory Parameter Store: versions, a create-only put, and dates that only grow.
#[derive(Debug, Clone)]
pub struct Store {
    pub now: Timestamp,
    pub versions: Vec<HistoryEntry>,
    pub claims: BTreeMap<String, StoredClaim>,
    /// All names ever claimed, to check that none is claimed twice.
    pub claimed: Vec<String>,
}

impl Store {
    pub fn with_flag(flag: &FlagObservation) -> Self {
        let entry = HistoryEntry {
            value: flag.value.clone(),
            version: flag.version,
            modified: flag.modified,
            author: Some("test".into()),
            description: None,
        };
        Self {
            now: noon(),
            versions: vec![entry],
            claims: BTreeMap::new(),
            claimed: Vec::new(),
        }
    }

    pub fn flag(&self) -> Option<FlagObservation> {
        self.versions.last().map(observation)
    }

    pub fn delete_flag(&mut self) {
        self.versions.clear();
    }

    pub fn write(&mut self, value: &str, description: Option<&str>, author: &str) -> FlagVersion {
        self.pass(Duration::from_millis(3));
        let version = self.versions.last().map_or(FlagVersion(1), |last| last.version.next());
        self.versions.push(HistoryEntry {
            value: FlagValue::read(value),
            version,
            modified: self.now,
            author: Some(author.into()),
            description: description.map(str::to_owned),
        });
        version
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = after(self.now, time);
    }

    /// Carries out a request, or not. None means that the writer is dead.
    pub fn answer(&mut self, step: &Step, fault: Fault) -> Option<Reply> {
        self.pass(Duration::from_millis(7));
        let failed = |ambiguous, retryable, kind| {
            Some(Reply::Failed(Failure {
                ambiguous,
                retryable,
                cause: Cause::new(kind, "injected"),
            }))
        };
        if let Step::Wait(time) = step {
            self.pass(*time);
            return Some(Reply::Waited);
        }
        match fault {
            Fault::DiesBefore => return None,
            Fault::LostRequest => return failed(true, true, CauseKind::TimedOut),
            Fault::Throttled => return failed(false, true, CauseKind::Throttled),
            Fault::Denied => return failed(false, false, CauseKind::AccessDenied),
            Fault::None | Fault::LostAnswer | Fault::DiesAfter | Fault::Stale => {}
        }
        let reply = self.carry_out(step, fault == Fault::Stale);
        match fault {
            Fault::DiesAfter => None,
            Fault::LostAnswer => failed(true, true, CauseKind::TimedOut),
            _ => Some(reply),
        }
    }

    fn carry_out(&mut self, step: &Step, stale: bool) -> Reply {
        match step {
            Step::CreateClaim { record, value } => {
                if self.claims.contains_key(record) {
                    return Reply::ClaimExists;
                }
                self.claimed.push(record.clone());
                self.claims.insert(
                    record.clone(),
                    StoredClaim {
                        value: value.clone(),
                        modified: self.now,
                    },
                );
                Reply::ClaimCreated
            }
            Step::ReadBack { record } => {
                if stale {
                    // The state before the last write: the newest version, or the claim, is not visible yet.
                    let flag = self
                        .versions
                        .iter()
                        .rev()
                        .nth(1)
                        .or(self.versions.last())
                        .map(observation);
                    return Reply::ReadBack { flag, claim: None };
                }
                Reply::ReadBack {
                    flag: self.flag(),
                    claim: self.claims.get(record).cloned(),
                }
            }
            Step::WriteFlag { value, description } => {
                Reply::Wrote(self.write(value.as_str(), Some(description), "writer"))
            }
            Step::ReadHistory => {
                let hidden = usize::from(stale && self.versions.len() > 1);
                Reply::History(self.versions[..self.versions.len() - hidden].to_vec())
            }
            Step::Wait(_) | Step::Done(_) => panic!("no request: {step:?}"),
        }
    }

    /// Runs one writer alone to its end; the faults apply to its requests in order.
    pub fn run(&mut self, switching: &mut Switching, faults: &[Fault]) -> Option<Outcome> {
        let mut faults = faults.iter().copied();
        let mut step = switching.start();
        for _ in 0..60 {
            if let Step::Done(outcome) = step {
                return Some(*outcome);
            }
            let fault = if matches!(step, Step::Wait(_)) {
                Fault::None
            } else {
                faults.next().unwrap_or(Fault::None)
            };
            let reply = self.answer(&step, fault)?;
            step = switching.next(reply, self.now, 0.5);
        }
        panic!("the writer does not come to an end");
    }
}

fn observation(entry: &HistoryEntry) -> FlagObservation {
    FlagObservation {
        value: entry.value.clone(),
        version: entry.version,
        modified: entry.modified,
    }
}
