//! One history: a script, played to its end or to the first violation.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_controller::audit::Change;
use bluegreen_core::color::{Both, Color};
use bluegreen_core::hold::HoldState;
use bluegreen_core::settings::{self, Settings};
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use crate::airflow::Airflow;
use crate::aws::changed;
use crate::clock::{DAY, HOUR, MINUTE, Milliseconds, SECOND, Time, timestamp};
use crate::environment::Environment;
use crate::invariants::failover::{hold, is_held};
use crate::invariants::{Fact, Invariants, Violation, quiet};
use crate::lambda::{Ended, Fleet, Payload};
use crate::parameter_store::ParameterStore;
use crate::script::{Act, Script, Step};
use crate::weather::Weather;
use crate::world::{Delivery, Shared, World};

/// When every history begins: a Thursday.
pub const BEGIN: Milliseconds = 1_798_761_600_000;
/// After so long without trouble, a pair must be healed and quiet.
const HEALED_WITHIN: Milliseconds = 75 * MINUTE;
/// In peace a tick is played once in so long: nothing happens that could make the others different.
const STRIDE: Milliseconds = 4 * HOUR;
/// After so long without trouble and without anything new, only one tick in so long is played until then: longer than
/// anything that a tick remembers or waits for.
const STILL: (Milliseconds, Milliseconds) = (20 * MINUTE, 10 * MINUTE);
/// So long before the next trouble every tick is played again.
const RUN_UP: Milliseconds = 6 * MINUTE;

/// How one history went.
#[derive(Debug)]
pub struct Report {
    /// The broken invariant, if there is one.
    pub violation: Option<Violation>,
    /// The timeline.
    pub timeline: Vec<(Milliseconds, String)>,
    /// The minutes that were played, of all minutes of the time.
    pub played: i64,
    /// All minutes of the time.
    pub minutes: i64,
    /// Requests to the services, by operation.
    pub requests: std::collections::BTreeMap<String, u64>,
    /// How often the pair was found healed and quiet.
    pub at_peace: u32,
    /// The most requests that Parameter Store had within a second.
    pub peak: u32,
    /// How many runs were executed once.
    pub runs: u64,
    /// How many were executed by both or by nobody, by what excuses it.
    pub excused: std::collections::BTreeMap<&'static str, u64>,
}

/// The stack of a history's thread: the use cases are built without optimization in tests, and nest deep.
const STACK: usize = 64 << 20;

/// Plays a script, in a thread of its own: the seed of the random numbers is the thread's.
/// Without `is_told` there is no timeline, which takes time. After `until`, by the machine's clock, the history ends early.
pub fn play(script: &Script, is_told: bool, until: Option<std::time::Instant>) -> std::io::Result<Report> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let played = thread.spawn_scoped(scope, || play_here(script, is_told, until))?;
        played.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn play_here(script: &Script, is_told: bool, until: Option<std::time::Instant>) -> std::io::Result<Report> {
    fastrand::seed(script.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let local = LocalSet::new();
    // The history begins inside: outside, the present instant is that of the machine's clock, which goes on meanwhile.
    Ok(local.block_on(&runtime, async { History::begin(script, is_told).live(until).await }))
}

fn settings_of(script: &Script) -> Settings {
    let given = |name: &str| {
        let fixed = match name {
            "PAIR_NAME" => "mwaa-blue-green",
            "BLUE_ENVIRONMENT_NAME" => "airflow-blue",
            "GREEN_ENVIRONMENT_NAME" => "airflow-green",
            "AUDIT_BUS_NAME" => "audit",
            "NOTIFICATION_TOPIC_ARN" => "arn:aws:sns:us-east-1:123456789012:people",
            _ => {
                let set = script.settings.iter().find(|(set, _)| set == name);
                return set.map(|(_, value)| value.clone());
            }
        };
        Some(fixed.to_owned())
    };
    settings::read(given).unwrap_or_else(|faults| panic!("the script's settings: {faults}"))
}

struct History<'a> {
    script: &'a Script,
    world: Shared,
    fleet: Rc<Fleet>,
    time: Time,
    rng: Rng,
    next_step: usize,
    next_tick: Milliseconds,
    schedule_stops_until: Milliseconds,
    events: (Milliseconds, u8, u8, u8),
    /// When something last went wrong.
    troubled_at: Milliseconds,
    is_checked: bool,
    played: i64,
    at_peace: u32,
    last_repair: Milliseconds,
}

impl<'a> History<'a> {
    fn begin(script: &'a Script, is_told: bool) -> Self {
        let settings = settings_of(script);
        let time = Time::starting_at(BEGIN);
        let mut store = ParameterStore::default();
        let owner = json!({"Name": settings.names.owner(), "Value": json!({"pair": settings.pair}).to_string(), "Type": "String"});
        let _created = store.call("PutParameter", &owner, "the stack", BEGIN, 0);
        let world = Shared::new(World {
            time,
            rng: Rng::with_seed(script.seed ^ 0x5bd1_e995),
            names: settings.names.clone(),
            memory: settings.names.memory(),
            store,
            weather: Weather::default(),
            environments: Both {
                blue: Environment::new("airflow-blue", BEGIN),
                green: Environment::new("airflow-green", BEGIN),
            },
            airflow: Airflow::new(script.seed, &settings, BEGIN),
            deliveries: std::collections::VecDeque::new(),
            wake: Arc::default(),
            invariants: Invariants::of(&settings),
            lines: std::collections::VecDeque::new(),
            requests: std::collections::BTreeMap::new(),
            under_way: std::collections::BTreeMap::new(),
            stirred_at: BEGIN,
            is_told: is_told || !script.told.is_empty(),
            told: script.told.iter().cloned().collect(),
        });
        Self {
            script,
            fleet: Fleet::new(world.clone(), settings),
            world,
            time,
            rng: Rng::with_seed(script.seed ^ 0x9e37_79b9),
            next_step: 0,
            next_tick: BEGIN + MINUTE,
            schedule_stops_until: 0,
            events: (0, 0, 0, 0),
            troubled_at: BEGIN,
            is_checked: false,
            played: 0,
            at_peace: 0,
            last_repair: 0,
        }
    }

    fn now(&self) -> Milliseconds {
        self.time.now()
    }

    async fn live(mut self, until: Option<std::time::Instant>) -> Report {
        let end = BEGIN + self.script.days * DAY;
        self.ask(json!({"action": "initialize", "to": "blue"}), "r-init".to_owned());
        let is_early = || until.is_some_and(|until| std::time::Instant::now() >= until);
        while self.now() < end && self.world.lock().invariants.violation.is_none() && !is_early() {
            self.deliver();
            let step = self
                .script
                .steps
                .get(self.next_step)
                .map_or(i64::MAX, |step| BEGIN + step.at);
            // In peace a run ends the same whenever it is looked at.
            let run = if self.next_tick - self.now() > MINUTE {
                i64::MAX
            } else {
                self.world.lock().airflow.next_due()
            };
            let next = self.next_tick.min(step).min(end).min(run);
            let wake = Arc::clone(&self.world.lock().wake);
            tokio::select! {
                biased;
                () = sleep_until(self.time.instant(next)) => {}
                () = wake.notified() => {}
            }
            self.pass();
            let now = self.now();
            while let Some(step) = self
                .script
                .steps
                .get(self.next_step)
                .filter(|step| BEGIN + step.at <= now)
            {
                self.next_step += 1;
                let Step { id, act, .. } = step.clone();
                self.act(&act, id);
            }
            if now >= self.next_tick {
                self.tick();
            }
        }
        let mut world = self.world.lock();
        let now = world.now();
        let (second, requests) = world.store.busiest;
        world.tell(format!(
            "Parameter Store's busiest second: {requests} requests, {}",
            crate::clock::text(second * SECOND)
        ));
        Report {
            violation: world.invariants.violation.take(),
            timeline: std::mem::take(&mut world.lines).into(),
            played: self.played,
            minutes: (now - BEGIN) / MINUTE,
            requests: std::mem::take(&mut world.requests),
            at_peace: self.at_peace,
            peak: world.store.busiest.1,
            runs: world.airflow.runs.once,
            excused: std::mem::take(&mut world.airflow.runs.excused),
        }
    }

    /// Lets time pass in the world.
    fn pass(&mut self) {
        let mut world = self.world.lock();
        let now = world.now();
        for color in [Color::Blue, Color::Green] {
            let environment = world.environments.of_mut(color);
            if let Some(status) = environment.settle(now) {
                world.happened(&Fact::Scripted(format!("{color} is {status}")));
            }
        }
        world.run_dags(now);
        world.look();
        let is_well = [Color::Blue, Color::Green].into_iter().all(|color| {
            let environment = world.environments.of(color);
            environment.works()
                && environment.web_is_up
                && environment.alarm.is_none()
                && environment.planned_until.is_none()
                && matches!(environment.status, Some("AVAILABLE" | "UPDATE_FAILED"))
        });
        let flag_is_there = world.active().is_some();
        let is_ordered = is_ordered(&world, now);
        if !(world.weather.is_fair(now) && is_well && flag_is_there && !is_ordered)
            || now < self.schedule_stops_until
            || now < self.events.0
        {
            self.troubled_at = now;
            self.is_checked = false;
        }
    }

    fn tick(&mut self) {
        let now = self.now();
        self.played += 1;
        if now >= self.schedule_stops_until {
            self.invoke(Payload::Tick("schedule", Some(format!("s-{now}"))));
        }
        self.repair(now);
        self.next_tick = now - now.rem_euclid(MINUTE) + MINUTE;
        if self.fleet.running.get() > 1 {
            return;
        }
        let quiet = now - self.troubled_at;
        let is_healed = quiet > HEALED_WITHIN;
        if is_healed && !self.is_checked {
            self.is_checked = true;
            self.at_peace += 1;
            self.world.lock().peace();
            self.ask_in_peace(now);
        }
        let still = quiet.min(now - self.world.lock().stirred_at);
        let next = if is_healed {
            now + STRIDE
        } else if still > STILL.0 {
            (now + STILL.1).min(self.troubled_at + HEALED_WITHIN + MINUTE)
        } else {
            return;
        };
        let step = self
            .script
            .steps
            .get(self.next_step)
            .map_or(i64::MAX, |step| BEGIN + step.at);
        let end = BEGIN + self.script.days * DAY;
        // On a round minute: what a tick does only once in METRICS_INTERVAL_MINUTES is then not skipped.
        let round = next - next.rem_euclid(STILL.1);
        self.next_tick = round.min(step - RUN_UP).min(end).max(self.next_tick);
    }

    /// In peace the pair must say that all is well, and be ready for a switch.
    fn ask_in_peace(&self, now: Milliseconds) {
        let next = self
            .script
            .steps
            .get(self.next_step)
            .map_or(i64::MAX, |step| BEGIN + step.at);
        if next - now < 3 * MINUTE {
            return;
        }
        let to = self
            .world
            .lock()
            .active()
            .map_or("blue", |active| active.other().as_str());
        self.ask(json!({"action": "status"}), quiet::STATUS.to_owned());
        self.ask(
            json!({"to": to, "dry_run": true, "requested_by": "ana"}),
            quiet::SWITCH.to_owned(),
        );
    }

    /// What a person does who reads the messages: a flag that is broken, or a hold that cannot be read, is repaired.
    fn repair(&mut self, now: Milliseconds) {
        let request = {
            let world = self.world.lock();
            let flag = world.store.truth(world.names.flag());
            let is_old = now - self.last_repair > 25 * MINUTE;
            match flag {
                None if is_old => {
                    Some(json!({"action": "initialize", "to": "blue", "force": true, "requested_by": "ana"}))
                }
                Some(flag) if is_old && world.active().is_none() && now - flag.at > 20 * MINUTE => {
                    Some(json!({"to": "blue", "force": true, "reason": "the flag is broken", "requested_by": "ana"}))
                }
                _ if is_old && has_unreadable_hold(&world, now) => {
                    Some(json!({"action": "release", "requested_by": "ana"}))
                }
                _ => None,
            }
        };
        if let Some(request) = request {
            self.last_repair = now;
            let id = self.fleet.request_id();
            self.ask(request, id);
        }
    }

    fn invoke(&self, payload: Payload) {
        let (fleet, id) = (Rc::clone(&self.fleet), self.fleet.request_id());
        spawn_local(async move {
            fleet.invoke(payload, id).await;
        });
    }

    fn ask(&self, request: Value, id: String) {
        self.world.lock().tell(format!("a person asks ({id}): {request}"));
        let fleet = Rc::clone(&self.fleet);
        spawn_local(async move {
            fleet.invoke(Payload::Request(request), id).await;
        });
    }

    /// Brings events to the listener: late, twice, or never, and again after an error.
    fn deliver(&mut self) {
        let waiting: Vec<Delivery> = self.world.lock().deliveries.drain(..).collect();
        let now = self.now();
        for delivery in waiting {
            let (until, lost, doubled, late) = self.events;
            let is_foul = now < until;
            let chance = |rng: &mut Rng, percent: u8| is_foul && rng.u8(0..100) < percent;
            // A rule's target gets what reaches the bus; what AWS sends of a parameter is best effort.
            if matches!(delivery, Delivery::Change { .. }) && chance(&mut self.rng, lost) {
                self.world.lock().tell("an event of Parameter Store is lost");
                continue;
            }
            let copies = if chance(&mut self.rng, doubled) { 2 } else { 1 };
            for _ in 0..copies {
                let more = if chance(&mut self.rng, late) {
                    self.rng.i64(0..20 * MINUTE)
                } else {
                    0
                };
                let after = self.rng.i64(300..3000) + more;
                let (fleet, world, delivery) = (Rc::clone(&self.fleet), self.world.clone(), delivery.clone());
                spawn_local(async move {
                    sleep(milliseconds(after)).await;
                    bring(&fleet, &world, delivery).await;
                });
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "one line an act")]
    fn act(&mut self, act: &Act, id: u64) {
        let now = self.now();
        self.troubled_at = now;
        self.is_checked = false;
        let own = self.script.seed.wrapping_mul(31).wrapping_add(id);
        self.world.lock().happened(&Fact::Scripted(act.to_string()));
        match act {
            Act::Burst(burst) => {
                self.world.lock().weather.begin(burst.clone(), own, now);
            }
            Act::SchedulerStops(color) => self.environment(*color, |environment| environment.stop(now)),
            Act::WebServerStops(color) => self.environment(*color, |environment| environment.web_is_up = false),
            Act::DatabaseStops(color) => self.environment(*color, |environment| {
                environment.no_database_since.get_or_insert(now);
            }),
            // An alarm that nobody named for the pair is none of it.
            Act::Alarm(color, fires) => {
                let names = format!("{}_HEALTH_ALARM_NAMES", color.as_str().to_uppercase());
                let is_named = self.script.settings.iter().any(|(name, _)| *name == names);
                self.environment(*color, |environment| {
                    environment.alarm = (*fires && is_named).then_some(now);
                });
            }
            Act::Unavailable(color) => self.environment(*color, |environment| {
                if environment.status == Some("AVAILABLE") {
                    environment.set_status(Some("UNAVAILABLE"), now);
                    environment.stop(now);
                }
            }),
            Act::Heals(color) => self.environment(*color, |environment| {
                environment.alarm = None;
                if environment.no_database_since.take().is_some() {
                    environment.started_at = now;
                }
                environment.web_is_up = true;
                if environment.planned_until.is_none() && environment.status.is_some() {
                    environment.set_status(Some("AVAILABLE"), now);
                    environment.start(now);
                }
            }),
            Act::Update {
                color,
                seconds,
                without_scheduler,
                rolls_back,
                by_aws,
            } => self.environment(*color, |environment| {
                if environment.status != Some("AVAILABLE") {
                    return;
                }
                environment.set_status(Some(if *by_aws { "MAINTENANCE" } else { "UPDATING" }), now);
                environment.update_source = by_aws.then_some("SERVICE");
                let then = if *rolls_back { "UPDATE_FAILED" } else { "AVAILABLE" };
                environment.planned_until = Some((now + seconds * SECOND, then));
                if *without_scheduler {
                    environment.stop(now);
                }
            }),
            Act::Deleted(color) => self.environment(*color, |environment| {
                environment.planned_until = None;
                environment.set_status(None, now);
                environment.stop(now);
            }),
            Act::Made(color, seconds) => self.environment(*color, |environment| {
                if environment.status.is_none() {
                    environment.set_status(Some("CREATING"), now);
                    environment.planned_until = Some((now + seconds * SECOND, "AVAILABLE"));
                }
            }),
            Act::Asks { request, twice } => {
                let id = self.fleet.request_id();
                self.ask(request.clone(), id.clone());
                if *twice {
                    let (fleet, request, after) = (
                        Rc::clone(&self.fleet),
                        request.clone(),
                        Rng::with_seed(own).i64(0..50 * SECOND),
                    );
                    spawn_local(async move {
                        sleep(milliseconds(after)).await;
                        fleet.invoke(Payload::Request(request), id).await;
                    });
                }
            }
            Act::WritesFlag(value) => self.by_hand(|names| names.flag().to_owned(), Some(value)),
            Act::DeletesFlag => self.by_hand(|names| names.flag().to_owned(), None),
            Act::WritesHold(value) => self.by_hand(bluegreen_core::parameters::ParameterNames::hold, Some(value)),
            Act::DeletesHold => self.by_hand(bluegreen_core::parameters::ParameterNames::hold, None),
            Act::Mishap(function, mishap) => self.fleet.mishap(*function, *mishap),
            Act::Drifts(function, ahead) => self.fleet.drift(*function, *ahead),
            Act::Recycled => self.fleet.recycle(),
            Act::ExtraTick => self.invoke(Payload::Tick("alarm", Some("an-alarm".to_owned()))),
            Act::Events {
                seconds,
                lost,
                doubled,
                late,
            } => {
                self.events = (now + seconds * SECOND, *lost, *doubled, *late);
            }
            Act::AddsDag { hours, is_tagged } => self.world.lock().airflow.add(*hours, *is_tagged, now),
            Act::ScheduleStops(seconds) => self.schedule_stops_until = now + seconds * SECOND,
        }
        self.world.lock().look();
        if matches!(
            act,
            Act::SchedulerStops(_) | Act::Unavailable(_) | Act::Update { .. } | Act::Deleted(_) | Act::Made(..)
        ) {
            self.invoke(Payload::Tick("environment-status", Some("status".to_owned())));
        }
    }

    fn environment(&self, color: Color, change: impl FnOnce(&mut Environment)) {
        change(self.world.lock().environments.of_mut(color));
    }

    /// A person's AWS CLI, which meets no fault.
    fn by_hand(
        &self,
        name: impl FnOnce(&bluegreen_core::parameters::ParameterNames) -> String,
        value: Option<&String>,
    ) {
        let mut world = self.world.lock();
        let now = world.now();
        let name = name(&world.names);
        let was_there = world.store.truth(&name).is_some();
        let answer = match value {
            // Without a pattern of its own: somebody made the flag before this product was there.
            Some(value) => {
                let request =
                    json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true, "AllowedPattern": ".*"});
                world.store.call("PutParameter", &request, "a person", now, 0)
            }
            None => world
                .store
                .call("DeleteParameter", &json!({"Name": name}), "a person", now, 0),
        };
        if answer.is_ok() {
            changed(&mut world, &name, was_there, "a person");
        }
    }
}

/// Whether a hold is in force or a drill is under way.
fn is_ordered(world: &World, now: Milliseconds) -> bool {
    let drill = world.store.truth(&world.names.drill());
    let drill = drill.and_then(|drill| serde_json::from_str::<Value>(&drill.value).ok());
    let is_drilled = drill.is_some_and(|drill| drill.get("outcome").and_then(Value::as_str) == Some("pending"));
    is_drilled || is_held(world, now)
}

/// Whatever is no hold counts as one (docs/features/holds.md), `{}` too.
fn has_unreadable_hold(world: &World, now: Milliseconds) -> bool {
    matches!(hold(world, now), HoldState::Invalid(_))
}

fn milliseconds(milliseconds: i64) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

/// Lambda invokes the listener, and twice more after an error; EventBridge knows nothing of that.
async fn bring(fleet: &Fleet, world: &Shared, delivery: Delivery) {
    let began = Instant::now();
    let id = fleet.request_id();
    for again in [0, 60, 120, 300, 600, 1200, 1200] {
        sleep(Duration::from_secs(again)).await;
        // template.yaml: an event is given up after an hour, and is then among the dead letters.
        if began.elapsed() > Duration::from_secs(3600) {
            break;
        }
        let payload = match &delivery {
            Delivery::Audit(event) => Payload::Audit(event.clone()),
            Delivery::Change { name, operation, at } => {
                let is_of_hold = *name == world.lock().names.hold();
                Payload::Change(Change {
                    is_of_hold,
                    is_there: Some(*operation != "Delete"),
                    at: Some(timestamp(at / SECOND * SECOND)),
                    event_id: format!("e-{at}"),
                })
            }
        };
        if let Ended::Answered(_) = fleet.invoke(payload, id.clone()).await {
            if let Delivery::Audit(event) = &delivery {
                let id = event.pointer("/detail/id").and_then(Value::as_str).unwrap_or_default();
                world.lock().happened(&Fact::Delivered(id.to_owned()));
            }
            return;
        }
    }
    match &delivery {
        Delivery::Audit(event) => {
            let id = event.pointer("/detail/id").and_then(Value::as_str).unwrap_or_default();
            world.lock().happened(&Fact::GivenUp(id.to_owned()));
        }
        Delivery::Change { .. } => world.lock().tell("a change's event is among the dead letters"),
    }
}
