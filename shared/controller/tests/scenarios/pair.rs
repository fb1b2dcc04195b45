//! A pair in the simulated world: its functions are invoked one by one, every request that they send is kept, and a test
//! may refuse some, or do something in between.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
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
use bluegreen_core::color::{Both, Color};
use bluegreen_core::request;
use bluegreen_core::response::to_json;
use bluegreen_core::settings::{self, Settings};
use bluegreen_core::time::after;
use bluegreen_core::transition::Trigger;
use bluegreen_simulation::airflow::Airflow;
use bluegreen_simulation::aws::{Process, changed, http_client};
use bluegreen_simulation::clock::{MINUTE, Milliseconds, SECOND, Time, timestamp};
use bluegreen_simulation::environment::Environment;
use bluegreen_simulation::history::BEGIN;
use bluegreen_simulation::invariants::{Checked, Fact, Invariants, Rule};
use bluegreen_simulation::parameter_store::ParameterStore;
use bluegreen_simulation::weather::Weather;
use bluegreen_simulation::world::{Delivery, Shared, UnderWay, World};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::wire::{Sent, What, Wire};

/// The use cases nest deep, and tests are built without optimization.
const STACK: usize = 64 << 20;

/// An instance of a function.
#[derive(Clone)]
struct Instance {
    services: Rc<Services>,
    process: Arc<Process>,
}

/// What has reached the bus.
#[derive(Debug, Clone, Default)]
struct Published(Arc<Mutex<Vec<Value>>>);

impl Rule for Published {
    fn happened(&mut self, _world: &World, fact: &Fact, _now: Milliseconds) -> Checked {
        if let Fact::Published(event) = fact {
            self.0.lock().unwrap().push(event.clone());
        }
        Ok(())
    }
}

/// A pair, its functions, and all that they sent.
pub(crate) struct Pair {
    pub(crate) world: Shared,
    pub(crate) settings: Settings,
    wire: Wire,
    running: RefCell<BTreeMap<&'static str, Instance>>,
    asked: Cell<u32>,
    deaths: Cell<u32>,
    published: Published,
}

/// Plays one scenario from a Thursday's midnight on, with some settings that are not the defaults.
pub(crate) fn play<S, F, T>(given: &[(&str, &str)], scenario: S) -> T
where
    S: FnOnce(Pair) -> F + Send,
    F: Future<Output = T>,
    T: Send,
{
    let settings = settings_of(given);
    std::thread::scope(|scope| {
        let played = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, move || {
                fastrand::seed(7);
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .start_paused(true)
                    .build()
                    .unwrap();
                runtime.block_on(async { Box::pin(scenario(Pair::new(settings))).await })
            })
            .unwrap();
        played.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn settings_of(given: &[(&str, &str)]) -> Settings {
    settings::read(|name| {
        if let Some((_, value)) = given.iter().find(|(set, _)| *set == name) {
            return (!value.is_empty()).then(|| (*value).to_owned());
        }
        let value = match name {
            "PAIR_NAME" => "orders",
            "BLUE_ENVIRONMENT_NAME" => "orders-blue",
            "GREEN_ENVIRONMENT_NAME" => "orders-green",
            "AUDIT_BUS_NAME" => "orders-audit",
            "NOTIFICATION_TOPIC_ARN" => "arn:aws:sns:us-east-1:123456789012:people",
            _ => return None,
        };
        Some(value.to_owned())
    })
    .unwrap()
}

impl Pair {
    fn new(settings: Settings) -> Self {
        let mut store = ParameterStore::default();
        let owner = json!({"Name": settings.names.owner(), "Value": json!({"pair": settings.pair}).to_string(), "Type": "String"});
        store.call("PutParameter", &owner, "the stack", BEGIN, 0).unwrap();
        let world = Shared::new(World {
            time: Time::starting_at(BEGIN),
            rng: fastrand::Rng::with_seed(11),
            names: settings.names.clone(),
            memory: settings.names.memory(),
            store,
            weather: Weather::default(),
            environments: Both {
                blue: Environment::new("orders-blue", BEGIN),
                green: Environment::new("orders-green", BEGIN),
            },
            airflow: Airflow::new(5, &settings, BEGIN),
            deliveries: std::collections::VecDeque::new(),
            wake: Arc::default(),
            invariants: Invariants::of(&settings),
            lines: std::collections::VecDeque::new(),
            requests: BTreeMap::new(),
            under_way: BTreeMap::new(),
            stirred_at: BEGIN,
            is_told: false,
            told: std::collections::VecDeque::new(),
        });
        let published = Published::default();
        world.lock().invariants.also(Box::new(published.clone()));
        Self {
            world,
            settings,
            wire: Wire::default(),
            running: RefCell::default(),
            asked: Cell::new(0),
            deaths: Cell::new(0),
            published,
        }
    }

    /// With a flag that holds blue, audited, and two minutes of ticks behind it.
    pub(crate) async fn started(self) -> Self {
        let answer = self.ask(json!({"action": "initialize"})).await;
        assert_eq!(answer["outcome"], "initialized", "{answer}");
        self.hear().await;
        self.minutes(2).await;
        self
    }

    // Time.

    pub(crate) fn now(&self) -> Milliseconds {
        self.world.lock().now()
    }

    pub(crate) fn at(&self) -> Timestamp {
        timestamp(self.now())
    }

    /// Lets time pass, in which no function runs.
    pub(crate) async fn pass(&self, seconds: i64) {
        tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).unwrap())).await;
        let mut world = self.world.lock();
        let now = world.now();
        for color in [Color::Blue, Color::Green] {
            world.environments.of_mut(color).settle(now);
        }
        world.run_dags(now);
        world.look();
    }

    /// Lets time pass until this minute of an hour.
    pub(crate) async fn until_minute(&self, minute: i64) {
        let now = self.now();
        let to = now.div_euclid(MINUTE) + (minute - now.div_euclid(MINUTE)).rem_euclid(60);
        let to = if to * MINUTE <= now { to + 60 } else { to };
        self.pass((to * MINUTE - now).div_euclid(SECOND) + 1).await;
    }

    /// So many minutes with a scheduled tick in each, whose events are heard.
    pub(crate) async fn minutes(&self, minutes: u32) -> Vec<Value> {
        let mut ticks = Vec::new();
        for _ in 0..minutes {
            let now = self.now();
            self.pass((MINUTE - now.rem_euclid(MINUTE)).div_euclid(SECOND) + 1)
                .await;
            ticks.push(self.tick().await);
            self.hear().await;
        }
        ticks
    }

    // Functions.

    fn instance(&self, name: &'static str) -> Instance {
        let mut running = self.running.borrow_mut();
        let started = running.entry(name).or_insert_with(|| {
            let process = Process::new(name.to_owned());
            let shared = SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("us-east-1"))
                .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                    "id", "secret", None, None, "test",
                )))
                .http_client(self.wire.between(http_client(&self.world, &process), &self.world))
                .build();
            let clients = Clients::outside_lambda(&shared, &self.settings).with_clock(Clock::set_to(self.at()));
            let services = Rc::new(Services::over(&clients, self.settings.clone()));
            Instance { services, process }
        });
        started.clone()
    }

    /// Lambda ends all instances: the next ones remember nothing.
    pub(crate) fn restart(&self) {
        self.running.borrow_mut().clear();
    }

    fn invocation(services: &Services, function: &'static str, id: &str, seconds: u64) -> Invocation {
        let started = services.clock.now();
        Invocation {
            function,
            request_id: id.to_owned(),
            clock: services.clock.clone(),
            started,
            deadline: after(started, Duration::from_secs(seconds)),
            via: "invoke",
        }
    }

    fn id(&self) -> String {
        self.asked.set(self.asked.get() + 1);
        format!("r-{}", self.asked.get())
    }

    /// Lets an instance work; `None` if it is killed meanwhile.
    async fn living<W>(&self, name: &'static str, request_id: &str, work: W) -> Option<Result<Value, FunctionError>>
    where
        W: AsyncFnOnce(&Services) -> Result<Value, FunctionError>,
    {
        let instance = self.instance(name);
        {
            let mut world = self.world.lock();
            let began = world.now();
            world
                .under_way
                .insert(name.to_owned(), UnderWay { began, went_back: 0 });
        }
        let ended = tokio::select! {
            biased;
            () = instance.process.killed.notified() => None,
            ended = Box::pin(work(&instance.services)) => Some(ended),
        };
        let answer = match &ended {
            Some(Ok(answer)) => Ok(answer.clone()),
            Some(Err(error)) => Err(error.to_string()),
            None => {
                self.running.borrow_mut().remove(name);
                self.deaths.set(self.deaths.get() + 1);
                Err("Lost: it was killed".to_owned())
            }
        };
        let mut world = self.world.lock();
        world.happened(&Fact::Ended {
            process: name.to_owned(),
            request_id: request_id.to_owned(),
            answer,
        });
        world.under_way.remove(name);
        ended
    }

    /// The instance is killed at its request of this number, the first one being 0.
    pub(crate) fn doom(&self, instance: &'static str, request: i64, is_carried_out: bool) {
        let process = self.instance(instance).process;
        process.dies_after.store(is_carried_out, Ordering::Relaxed);
        process.calls_to_live.store(request, Ordering::Relaxed);
    }

    /// Nobody is killed any more.
    pub(crate) fn spare(&self) {
        for instance in self.running.borrow().values() {
            instance.process.calls_to_live.store(-1, Ordering::Relaxed);
        }
    }

    /// How many instances were killed.
    pub(crate) fn deaths(&self) -> u32 {
        self.deaths.get()
    }

    pub(crate) async fn tick_of(&self, kind: &str) -> Result<Value, FunctionError> {
        self.tick_on("health-watcher", kind).await
    }

    /// A tick in an instance of its own.
    pub(crate) async fn tick_on(&self, instance: &'static str, kind: &str) -> Result<Value, FunctionError> {
        self.tick_or_die(instance, kind).await.expect("nobody is killed")
    }

    pub(crate) async fn tick_or_die(&self, instance: &'static str, kind: &str) -> Option<Result<Value, FunctionError>> {
        let id = self.id();
        self.living(instance, &id, async |services| {
            let invocation = Self::invocation(services, "health-watcher", &id, 75);
            let trigger = Trigger {
                kind: kind.to_owned(),
                id: Some("a-trigger".to_owned()),
            };
            Ok(to_json(&Box::pin(tick(services, trigger, &invocation)).await?))
        })
        .await
    }

    /// A scheduled tick.
    pub(crate) async fn tick(&self) -> Value {
        self.tick_of("schedule").await.unwrap()
    }

    pub(crate) async fn ask(&self, request: Value) -> Value {
        self.ask_as(&self.id(), request).await.unwrap()
    }

    /// A request under a given id: one that was used before is a second delivery.
    pub(crate) async fn ask_as(&self, id: &str, request: Value) -> Result<Value, FunctionError> {
        self.ask_on("switch-handler", id, request).await
    }

    /// A request in an instance of its own.
    pub(crate) async fn ask_on(
        &self,
        instance: &'static str,
        id: &str,
        request: Value,
    ) -> Result<Value, FunctionError> {
        self.ask_or_die(instance, id, request).await.expect("nobody is killed")
    }

    pub(crate) async fn ask_or_die(
        &self,
        instance: &'static str,
        id: &str,
        request: Value,
    ) -> Option<Result<Value, FunctionError>> {
        self.living(instance, id, async |services| {
            let invocation = Self::invocation(services, "switch-handler", id, 30);
            let request = request::read(&request, invocation.started)?;
            Ok(to_json(&Box::pin(carry_out(services, request, &invocation)).await?))
        })
        .await
    }

    /// Brings every waiting event to the listener, and those that follow from it; what it answered.
    pub(crate) async fn hear(&self) -> Vec<Value> {
        let mut heard = Vec::new();
        loop {
            let next = self.world.lock().deliveries.pop_front();
            let Some(delivery) = next else { return heard };
            self.pass(1).await;
            loop {
                match self.listen_or_die(delivery.clone()).await {
                    Some(answer) => break heard.push(answer.unwrap()),
                    None => self.pass(60).await, // Lambda tries again
                }
            }
        }
    }

    /// Loses every waiting event; returns them.
    pub(crate) fn lose_events(&self) -> Vec<Delivery> {
        self.world.lock().deliveries.drain(..).collect()
    }

    pub(crate) async fn listen(&self, delivery: Delivery) -> Result<Value, FunctionError> {
        self.listen_or_die(delivery).await.expect("nobody is killed")
    }

    async fn listen_or_die(&self, delivery: Delivery) -> Option<Result<Value, FunctionError>> {
        let id = self.id();
        let told = match &delivery {
            Delivery::Audit(event) => event.pointer("/detail/id").and_then(Value::as_str).map(str::to_owned),
            Delivery::Change { .. } => None,
        };
        let ended = self.living("change-listener", &id, async |services| {
            let invocation = Self::invocation(services, "change-listener", &id, 30);
            match delivery {
                Delivery::Change { name, operation, at } => {
                    let change = Change {
                        is_of_hold: name == self.settings.names.hold(),
                        is_there: Some(operation != "Delete"),
                        at: Some(timestamp(at / SECOND * SECOND)),
                        event_id: format!("e-{at}"),
                    };
                    Ok(to_json(&Box::pin(audit(services, &change, &invocation)).await?))
                }
                Delivery::Audit(event) => Ok(to_json(
                    &Box::pin(notify_people(services, &details::read(&event), &invocation)).await?,
                )),
            }
        });
        let ended = ended.await;
        if let (Some(Ok(_)), Some(told)) = (&ended, told) {
            self.world.lock().happened(&Fact::Delivered(told));
        }
        ended
    }

    // What goes wrong.

    /// Refuses these requests from now on, however often they are repeated.
    pub(crate) fn refuse(&self, operation: &'static str, with: &str) {
        self.wire
            .rule(operation, with, (0, u32::MAX), What::Refuse(500, "InternalServerError"));
    }

    /// Refuses so many of these requests, as too many.
    pub(crate) fn throttle(&self, operation: &'static str, with: &str, times: u32) {
        self.wire
            .rule(operation, with, (0, times), What::Refuse(400, "ThrottlingException"));
    }

    /// Refuses permission for these requests.
    pub(crate) fn deny(&self, operation: &'static str, with: &str) {
        self.wire.rule(
            operation,
            with,
            (0, u32::MAX),
            What::Refuse(400, "AccessDeniedException"),
        );
    }

    /// The next of these requests is carried out, and its answer is lost.
    pub(crate) fn lose_answer(&self, operation: &'static str, with: &str) {
        self.wire.rule(operation, with, (0, 1), What::LoseAnswer);
    }

    /// Changes the world right before such a request is sent, after `spared` others.
    pub(crate) fn before(
        &self,
        operation: &'static str,
        with: &str,
        spared: u32,
        act: impl FnOnce(&mut World) + Send + 'static,
    ) {
        self.wire.rule(operation, with, (spared, 1), What::First(Box::new(act)));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn mend(&self) {
        self.wire.mend();
    }

    pub(crate) fn environment(&self, color: Color, change: impl FnOnce(&mut Environment, Milliseconds)) {
        let mut world = self.world.lock();
        let now = world.now();
        change(world.environments.of_mut(color), now);
    }

    /// The environment is down, as its own services show it.
    pub(crate) fn kill(&self, color: Color) {
        self.environment(color, bluegreen_simulation::environment::Environment::stop);
    }

    pub(crate) fn heal(&self, color: Color) {
        self.environment(color, |environment, now| {
            environment.web_is_up = true;
            environment.no_database_since = None;
            environment.start(now);
        });
    }

    // What there is.

    /// Forgets what was sent so far.
    pub(crate) fn forget(&self) {
        self.wire.forget();
        self.published.0.lock().unwrap().clear();
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.wire.sent()
    }

    /// How often an operation was asked for, with this in the request.
    pub(crate) fn count(&self, operation: &str, with: &str) -> usize {
        let fits = |sent: &&Sent| sent.operation == operation && sent.text.contains(with);
        self.sent().iter().filter(fits).count()
    }

    /// The details of all events of a kind that were sent.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let details = self.entries(kind).into_iter();
        details
            .map(|entry| serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap())
            .collect()
    }

    /// The same as they were sent, with their dates.
    pub(crate) fn entries(&self, kind: &str) -> Vec<Value> {
        let sent = self.sent().into_iter().filter(|sent| sent.operation == "PutEvents");
        let entries = sent.flat_map(|sent| sent.body["Entries"].as_array().cloned().unwrap());
        entries.filter(|entry| entry["DetailType"] == kind).collect()
    }

    /// The details of all events of a kind that have reached the bus.
    pub(crate) fn published(&self, kind: &str) -> Vec<Value> {
        let published = self.published.0.lock().unwrap();
        let of_kind = published.iter().filter(|event| event["detail-type"] == kind);
        of_kind.map(|event| event["detail"].clone()).collect()
    }

    /// The names of the parameters that were written, or deleted, by whom it was.
    pub(crate) fn written(&self) -> Vec<String> {
        let writes = ["PutParameter", "DeleteParameter"];
        let sent = self.sent();
        let written = sent.iter().filter(|sent| writes.contains(&sent.operation.as_str()));
        let root = format!("{}/", self.settings.names.root());
        written
            .map(|sent| sent.name.strip_prefix(&root).unwrap_or(&sent.name).to_owned())
            .collect()
    }

    pub(crate) fn stored(&self, name: &str) -> Option<Value> {
        let world = self.world.lock();
        let stored = world.store.truth(name)?;
        Some(serde_json::from_str(&stored.value).unwrap_or_else(|_| json!(stored.value)))
    }

    /// The flag's value and version.
    pub(crate) fn flag(&self) -> Option<(String, i64)> {
        let world = self.world.lock();
        let flag = world.store.truth(world.names.flag())?;
        Some((flag.value.clone(), flag.number))
    }

    /// A person writes a parameter with other tools, or deletes it.
    pub(crate) fn by_hand(&self, name: &str, value: Option<&str>) {
        by_hand(&mut self.world.lock(), name, value);
    }
}

/// A person writes a parameter with other tools, or deletes it.
pub(crate) fn by_hand(world: &mut World, name: &str, value: Option<&str>) {
    let now = world.now();
    let was_there = world.store.truth(name).is_some();
    let (operation, request) = match value {
        Some(value) => (
            "PutParameter",
            json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true, "AllowedPattern": ".*"}),
        ),
        None => ("DeleteParameter", json!({"Name": name})),
    };
    world.store.call(operation, &request, "a person", now, 0).unwrap();
    changed(world, name, was_there, "a person");
}

pub(crate) fn outcome(answer: &Value) -> &str {
    answer["outcome"].as_str().unwrap()
}

pub(crate) fn reason(answer: &Value) -> &str {
    answer["reason"].as_str().unwrap()
}
