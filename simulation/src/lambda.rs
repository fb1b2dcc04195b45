//! Lambda: instances that are started, used again, frozen, killed, and given up when their time is over.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ssm::config::{Credentials, SharedCredentialsProvider};
use bluegreen_aws::clients::Clients;
use bluegreen_aws::clock::Clock;
use bluegreen_controller::audit::{Change, audit};
use bluegreen_controller::function_error::FunctionError;
use bluegreen_controller::invocation::Invocation;
use bluegreen_controller::notify::notify_people;
use bluegreen_controller::requests::carry_out;
use bluegreen_controller::services::Services;
use bluegreen_controller::tick::tick;
use bluegreen_core::audit::details;
use bluegreen_core::request;
use bluegreen_core::response::to_json;
use bluegreen_core::settings::Settings;
use bluegreen_core::time::after;
use bluegreen_core::transition::Trigger;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

use crate::aws::{Process, http_client};
use crate::clock::{MINUTE, Milliseconds, timestamp};
use crate::invariants::Fact;
use crate::world::{Shared, UnderWay};

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// Observes, and fails over.
    HealthWatcher,
    /// Carries out requests.
    SwitchHandler,
    /// Audits changes, and notifies people.
    ChangeListener,
}

impl Function {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::HealthWatcher => "health-watcher",
            Self::SwitchHandler => "switch-handler",
            Self::ChangeListener => "change-listener",
        }
    }

    /// Its time-out in template.yaml, in seconds.
    fn seconds(self) -> u64 {
        match self {
            Self::HealthWatcher => 75,
            Self::SwitchHandler | Self::ChangeListener => 30,
        }
    }
}

/// What a function is given.
#[derive(Debug, Clone)]
pub enum Payload {
    /// A tick; its kind of trigger, and the trigger's id.
    Tick(&'static str, Option<String>),
    /// A request, and the id that Lambda gave it.
    Request(Value),
    /// A change of the flag or hold.
    Change(Change),
    /// An event of the pair's bus.
    Audit(Value),
}

impl Payload {
    fn function(&self) -> Function {
        match self {
            Self::Tick(..) => Function::HealthWatcher,
            Self::Request(_) => Function::SwitchHandler,
            Self::Change(_) | Self::Audit(_) => Function::ChangeListener,
        }
    }
}

/// How an invocation ended.
#[derive(Debug)]
pub enum Ended {
    /// It answered.
    Answered(Value),
    /// It answered an error.
    Failed(FunctionError),
    /// It was killed, or stood still until its time was over.
    Lost,
    /// Its time was over, and nothing had happened to it.
    TimedOut,
}

#[derive(Debug, Clone)]
struct Instance {
    process: Arc<Process>,
    services: Rc<Services>,
}

/// What is to happen to the next invocation of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mishap {
    /// It is killed at its request of this number; `true` if that request is carried out.
    Kill(i64, bool),
    /// It stands still at its request of this number, for so many milliseconds.
    Freeze(i64, i64),
    /// Whoever writes that much, in the next twenty minutes, is killed at its write of this number; `true` if that one
    /// is carried out. What is remembered for the next tick alone does not count.
    KillAtWrite(i64, bool),
}

/// How long a [`Mishap::KillAtWrite`] waits for somebody who writes.
const LURKS: Milliseconds = 20 * MINUTE;

/// All instances of the pair's functions.
#[derive(Debug)]
pub struct Fleet {
    world: Shared,
    settings: Settings,
    idle: RefCell<BTreeMap<Function, Vec<Instance>>>,
    /// What is to happen, to whom, and until when.
    mishaps: RefCell<Vec<(Function, Mishap, Milliseconds)>>,
    /// By how much a function's clock is ahead of AWS's.
    drift: RefCell<BTreeMap<Function, Milliseconds>>,
    started: Cell<u32>,
    invoked: Cell<u64>,
    /// Invocations under way.
    pub running: Cell<u32>,
}

impl Fleet {
    /// No instance yet.
    pub fn new(world: Shared, settings: Settings) -> Rc<Self> {
        Rc::new(Self {
            world,
            settings,
            idle: RefCell::default(),
            mishaps: RefCell::default(),
            drift: RefCell::default(),
            started: Cell::new(0),
            invoked: Cell::new(0),
            running: Cell::new(0),
        })
    }

    /// Something happens to the next invocation of a function.
    pub fn mishap(&self, function: Function, mishap: Mishap) {
        let until = match mishap {
            Mishap::KillAtWrite(..) => self.world.lock().now() + LURKS,
            Mishap::Kill(..) | Mishap::Freeze(..) => Milliseconds::MAX,
        };
        self.mishaps.borrow_mut().push((function, mishap, until));
    }

    /// A function's clock goes wrong; its next instances have it.
    pub fn drift(&self, function: Function, ahead: Milliseconds) {
        self.drift.borrow_mut().insert(function, ahead);
        self.idle.borrow_mut().remove(&function);
    }

    /// Lambda ends all idle instances, and whatever was to happen to the next one does not.
    pub fn recycle(&self) {
        self.idle.borrow_mut().clear();
        self.mishaps.borrow_mut().clear();
        self.drift.borrow_mut().clear();
    }

    fn start(&self, function: Function) -> Instance {
        let number = self.started.get() + 1;
        self.started.set(number);
        let process = Process::new(format!("{}#{number}", function.name()));
        let ahead = self.drift.borrow().get(&function).copied().unwrap_or(0);
        let services = Rc::new(services(&self.world, &process, &self.settings, ahead));
        Instance { process, services }
    }

    /// A new id of a request.
    pub fn request_id(&self) -> String {
        self.invoked.set(self.invoked.get() + 1);
        format!("r-{}", self.invoked.get())
    }

    /// Invokes a function, and waits for how it ends.
    pub async fn invoke(&self, payload: Payload, request_id: String) -> Ended {
        let function = payload.function();
        let idle = self.idle.borrow_mut().get_mut(&function).and_then(Vec::pop);
        let instance = idle.unwrap_or_else(|| self.start(function));
        let armed = self.arm(function, &instance.process);
        {
            let mut world = self.world.lock();
            let under_way = UnderWay {
                began: world.now(),
                went_back: 0,
            };
            world.under_way.insert(instance.process.name.clone(), under_way);
        }
        self.running.set(self.running.get() + 1);
        let clock = instance.services.clock.clone();
        let started = clock.now();
        let time = Duration::from_secs(function.seconds());
        let invocation = Invocation {
            function: function.name(),
            request_id: request_id.clone(),
            clock,
            started,
            deadline: after(started, time),
            via: "invoke",
        };
        let (result, is_killed) = tokio::select! {
            biased;
            () = instance.process.killed.notified() => (None, true),
            result = timeout(time, run(&instance.services, payload, &invocation)) => (result.ok(), false),
        };
        let stood_still = matches!(armed, Some((_, Mishap::Freeze(..), _)))
            && instance.process.calls_to_freeze.load(Ordering::Relaxed) < 0;
        self.running.set(self.running.get() - 1);
        let name = instance.process.name.clone();
        let ended = match result {
            None if is_killed || stood_still => Ended::Lost,
            None => Ended::TimedOut,
            Some(result) => {
                for counter in [
                    &instance.process.calls_to_live,
                    &instance.process.writes_to_live,
                    &instance.process.calls_to_freeze,
                ] {
                    counter.store(-1, Ordering::Relaxed);
                }
                // It wrote less than that.
                let lurking = armed.filter(|(_, mishap, _)| matches!(mishap, Mishap::KillAtWrite(..)));
                self.mishaps.borrow_mut().extend(lurking);
                self.idle.borrow_mut().entry(function).or_default().push(instance);
                match result {
                    Ok(answer) => Ended::Answered(answer),
                    Err(error) => Ended::Failed(error),
                }
            }
        };
        let mut world = self.world.lock();
        world.happened(&Fact::Ended {
            process: name.clone(),
            request_id,
            answer: described(&ended),
        });
        world.under_way.remove(&name);
        drop(world);
        ended
    }

    /// What happens to this invocation.
    fn arm(&self, function: Function, process: &Process) -> Option<(Function, Mishap, Milliseconds)> {
        let now = self.world.lock().now();
        let mut mishaps = self.mishaps.borrow_mut();
        mishaps.retain(|(_, _, until)| *until > now);
        let at = mishaps.iter().position(|(of, ..)| *of == function)?;
        let armed = mishaps.remove(at);
        match armed.1 {
            Mishap::Kill(calls, is_after) => {
                process.dies_after.store(is_after, Ordering::Relaxed);
                process.calls_to_live.store(calls, Ordering::Relaxed);
            }
            Mishap::KillAtWrite(writes, is_after) => {
                process.dies_after.store(is_after, Ordering::Relaxed);
                process.writes_to_live.store(writes, Ordering::Relaxed);
            }
            Mishap::Freeze(calls, milliseconds) => {
                process.freeze.store(milliseconds, Ordering::Relaxed);
                process.calls_to_freeze.store(calls, Ordering::Relaxed);
            }
        }
        Some(armed)
    }
}

fn described(ended: &Ended) -> Result<Value, String> {
    match ended {
        Ended::Answered(answer) => Ok(answer.clone()),
        Ended::Failed(error) => Err(format!("{}: {error}", error.error_type())),
        Ended::Lost => Err("Lost: it was killed, or stood still".to_owned()),
        Ended::TimedOut => Err("TimedOut: no answer within its time".to_owned()),
    }
}

/// The services of one process.
fn services(world: &Shared, process: &Arc<Process>, settings: &Settings, ahead: Milliseconds) -> Services {
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "id",
            "secret",
            None,
            None,
            "simulation",
        )))
        .http_client(http_client(world, process))
        .build();
    let clock = Clock::set_to(timestamp(world.lock().now() + ahead));
    let clients = Clients::outside_lambda(&shared, settings).with_clock(clock);
    Services::over(&clients, settings.clone())
}

async fn run(services: &Services, payload: Payload, invocation: &Invocation) -> Result<Value, FunctionError> {
    Ok(match payload {
        Payload::Tick(kind, id) => {
            let trigger = Trigger {
                kind: kind.to_owned(),
                id,
            };
            to_json(&Box::pin(tick(services, trigger, invocation)).await?)
        }
        Payload::Request(body) => {
            let request = request::read(&body, services.clock.now())?;
            to_json(&Box::pin(carry_out(services, request, invocation)).await?)
        }
        Payload::Change(change) => to_json(&Box::pin(audit(services, &change, invocation)).await?),
        Payload::Audit(event) => to_json(&Box::pin(notify_people(services, &details::read(&event), invocation)).await?),
    })
}
