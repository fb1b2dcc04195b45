//! The script of one history: everything that happens to the pair, made from one seed. It can be written down, made
//! shorter, and played again.

use bluegreen_core::color::Color;
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::{DAY, HOUR, MINUTE, Milliseconds, SECOND};
use crate::lambda::{Function, Mishap};
use crate::weather::{Burst, Fault, Service};

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Requests go wrong for a while.
    Burst(Burst),
    /// An environment's scheduler dies.
    SchedulerStops(Color),
    /// An environment works again, in every respect.
    Heals(Color),
    /// An environment's web server does not answer.
    WebServerStops(Color),
    /// An environment's metadata database is unhealthy.
    DatabaseStops(Color),
    /// MWAA calls the environment unavailable, and its scheduler does not run.
    Unavailable(Color),
    /// A person's health alarm fires, or is over.
    Alarm(Color, bool),
    /// Planned work for so many seconds; whether the scheduler stops, whether it ends in a roll-back, whether AWS
    /// started it.
    Update {
        /// Of this environment.
        color: Color,
        /// How long, in seconds.
        seconds: i64,
        /// Whether no scheduler runs meanwhile.
        without_scheduler: bool,
        /// Whether it is rolled back.
        rolls_back: bool,
        /// Whether AWS started it.
        by_aws: bool,
    },
    /// The environment is deleted.
    Deleted(Color),
    /// It is made again, which takes so many seconds.
    Made(Color, i64),
    /// A person asks; the same request may be delivered twice.
    Asks {
        /// The request.
        request: Value,
        /// Whether it is delivered twice.
        twice: bool,
    },
    /// A person writes the flag with the AWS CLI.
    WritesFlag(String),
    /// A person deletes the flag.
    DeletesFlag,
    /// A person writes the hold with the AWS CLI.
    WritesHold(String),
    /// A person deletes the hold.
    DeletesHold,
    /// Something happens to a function's next invocation.
    Mishap(Function, Mishap),
    /// A function's clock is wrong by so many milliseconds.
    Drifts(Function, i64),
    /// Lambda ends all idle instances, and clocks are right again.
    Recycled,
    /// An extra tick, as by an alarm's event.
    ExtraTick,
    /// For so many seconds, of a hundred events so many are lost, so many doubled, and so many come late by minutes.
    Events {
        /// How long, in seconds.
        seconds: i64,
        /// Lost, in percent.
        lost: u8,
        /// Doubled, in percent.
        doubled: u8,
        /// Late, in percent.
        late: u8,
    },
    /// For so many seconds the schedule invokes nobody.
    ScheduleStops(i64),
    /// A person brings a new DAG to both environments.
    AddsDag {
        /// How many hours its first tick is old.
        hours: i64,
        /// Whether it has the tag `bluegreen:since`.
        is_tagged: bool,
    },
}

/// An act, and when it happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its number in the history that it was made for: the seed of its own random numbers, which are the same without
    /// the others.
    #[serde(default)]
    pub id: u64,
    /// Milliseconds since the beginning.
    pub at: Milliseconds,
    /// What happens.
    pub act: Act,
}

/// The script of one history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// What it was made from; also the seed of latencies and of what requests meet.
    pub seed: u64,
    /// How many days it lasts.
    pub days: i64,
    /// Settings that differ from the defaults, by the names of the environment variables.
    pub settings: Vec<(String, String)>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// A rule of this history alone: its timeline never has lines with these words, one after the other. It finds a
    /// history in which something happens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
}

impl Step {
    /// A step; the script gives it its number.
    fn new(at: Milliseconds, act: Act) -> Self {
        Self { id: 0, at, act }
    }
}

impl Script {
    /// Makes the script of a seed.
    pub fn of(seed: u64, days: i64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let settings = settings(&mut rng);
        let mut steps = Vec::new();
        maintenance(&mut steps, &mut rng, days);
        // Episodes of trouble, with peace in between. The last one leaves time to heal.
        let end = days * DAY - 12 * HOUR;
        let mut at = HOUR;
        loop {
            at += gap(&mut rng);
            if at >= end {
                break;
            }
            at = episode(&mut steps, &mut rng, at).min(end);
        }
        new_dags(&mut steps, seed, days);
        steps.sort_by_key(|step| step.at);
        for (number, step) in (1..).zip(&mut steps) {
            step.id = number;
        }
        Self {
            seed,
            days,
            settings,
            steps,
            told: Vec::new(),
        }
    }
}

/// Hours to weeks without trouble: some sixty episodes a year. Troubles that follow each other closely meet what the
/// pair remembers: cooldown, budget, claims, drills.
fn gap(rng: &mut Rng) -> Milliseconds {
    match rng.u8(0..10) {
        0..=2 => rng.i64(2 * HOUR..8 * HOUR),
        3..=5 => rng.i64(8 * HOUR..2 * DAY),
        _ => rng.i64(5 * DAY..20 * DAY),
    }
}

fn settings(rng: &mut Rng) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    let mut maybe = |rng: &mut Rng, chance: f64, name: &str, values: &[&str]| {
        if rng.f64() < chance {
            let value = values[rng.usize(0..values.len())];
            settings.push((name.to_owned(), value.to_owned()));
        }
    };
    maybe(rng, 0.4, "ON_FLAG_FAULT", &["restore"]);
    maybe(rng, 0.2, "FAILOVER_SEMANTICS", &["at-most-once"]);
    maybe(rng, 0.1, "FAILOVER_MODE", &["observe"]);
    maybe(rng, 0.4, "FAILURE_WINDOW_SECONDS", &["60", "300", "600"]);
    maybe(rng, 0.3, "COOLDOWN_SECONDS", &["0", "900", "3600"]);
    maybe(rng, 0.3, "FAILOVER_BUDGET_PER_DAY", &["1", "2", "10"]);
    maybe(rng, 0.2, "SWITCH_LEAD_SECONDS", &["0", "30", "60"]);
    maybe(rng, 0.2, "MAINTENANCE_GRACE_SECONDS", &["600", "7200"]);
    maybe(rng, 0.2, "METRICS_INTERVAL_MINUTES", &["1", "30"]);
    maybe(rng, 0.2, "PROBE_INTERVAL_SECONDS", &["1", "20"]);
    maybe(rng, 0.5, "BLUE_HEALTH_ALARM_NAMES", &["health-of-blue"]);
    maybe(rng, 0.5, "GREEN_HEALTH_ALARM_NAMES", &["health-of-green"]);
    maybe(rng, 0.25, "DAG_MANAGEMENT", &["pause"]);
    settings
}

/// The weekly maintenance windows: two different ones.
fn maintenance(steps: &mut Vec<Step>, rng: &mut Rng, days: i64) {
    for (color, day) in [(Color::Blue, 1), (Color::Green, 4)] {
        let mut at = day * DAY + 3 * HOUR;
        while at < (days - 1) * DAY {
            // Most weeks nothing is done in the window.
            if rng.u8(0..4) == 0 {
                let seconds = rng.i64(300..5400);
                let act = Act::Update {
                    color,
                    seconds,
                    without_scheduler: rng.bool(),
                    rolls_back: rng.u8(0..20) == 0,
                    by_aws: true,
                };
                hidden(steps, rng, color, at, seconds);
                steps.push(Step::new(at, act));
            }
            at += 7 * DAY;
        }
    }
}

/// Planned work that begins while MWAA does not say so: some of it, whose status cannot be read for a while.
fn hidden(steps: &mut Vec<Step>, rng: &mut Rng, color: Color, at: Milliseconds, seconds: i64) {
    if rng.u8(0..3) > 0 {
        return;
    }
    let before = rng.i64(0..15 * MINUTE);
    let burst = Burst {
        service: Service::Mwaa,
        color: rng.bool().then_some(color),
        operation: None,
        fault: [Fault::Throttle, Fault::ServerError, Fault::Silence][rng.usize(0..3)],
        seconds: before / SECOND + rng.i64(60..seconds + 600),
        percent: [60, 100, 100][rng.usize(0..3)],
    };
    steps.push(Step::new(at - before, Act::Burst(burst)));
}

/// New DAGs with old ticks, near other trouble or not. They have random numbers of their own.
fn new_dags(steps: &mut Vec<Step>, seed: u64, days: i64) {
    let mut rng = Rng::with_seed(seed ^ 0x00da_6500);
    let mut at = rng.i64(HOUR..20 * DAY);
    while at < (days - 1) * DAY {
        // People bring files next to switches, too.
        let near = steps.get(rng.usize(0..steps.len().max(1))).map(|step| step.at);
        let when = near.filter(|_| rng.bool()).unwrap_or(at) + rng.i64(0..30 * MINUTE);
        let act = Act::AddsDag {
            hours: rng.i64(1..60),
            is_tagged: rng.u8(0..3) > 0,
        };
        steps.push(Step {
            id: 0,
            at: when.min((days - 1) * DAY),
            act,
        });
        at += rng.i64(5 * DAY..40 * DAY);
    }
}

fn color(rng: &mut Rng) -> Color {
    if rng.bool() { Color::Blue } else { Color::Green }
}

/// One episode: some troubles that overlap, each with its end. Returns when all are over.
fn episode(steps: &mut Vec<Step>, rng: &mut Rng, from: Milliseconds) -> Milliseconds {
    let troubles = 1 + rng.usize(0..6);
    let mut end = from;
    for _ in 0..troubles {
        let at = from + rng.i64(0..45 * MINUTE);
        end = end.max(trouble(steps, rng, at));
    }
    end
}

#[expect(clippy::too_many_lines, reason = "one arm a trouble")]
fn trouble(steps: &mut Vec<Step>, rng: &mut Rng, at: Milliseconds) -> Milliseconds {
    let mut push = |at: Milliseconds, act: Act| steps.push(Step::new(at, act));
    let color = color(rng);
    match rng.u8(0..24) {
        20 => flapping(&mut push, rng, color, at),
        21 | 22 => drilled(&mut push, rng, at),
        23 => {
            // Both die, and one of them comes back first.
            for (color, after) in [(color, rng.i64(0..HOUR)), (color.other(), rng.i64(0..2 * HOUR))] {
                push(at + rng.i64(0..10 * MINUTE), Act::SchedulerStops(color));
                push(at + 10 * MINUTE + after, Act::Heals(color));
            }
            at + 2 * HOUR + 10 * MINUTE
        }
        0..=3 => {
            let for_ = rng.i64(20..7200) * SECOND;
            let act = match rng.u8(0..8) {
                0 => Act::WebServerStops(color),
                1 => Act::DatabaseStops(color),
                2 => Act::Unavailable(color),
                3 => Act::Alarm(color, true),
                _ => Act::SchedulerStops(color),
            };
            // What dies does not answer either, or cannot be asked; what does not answer cannot be seen by its metric either.
            let unread = match act {
                Act::SchedulerStops(_) => Some([Service::Airflow, Service::Mwaa][rng.usize(0..2)]),
                Act::WebServerStops(_) => Some(Service::CloudWatch),
                _ => None,
            };
            push(at, act);
            if let Some(service) = unread.filter(|_| rng.u8(0..3) == 0) {
                let faults = [
                    Fault::Silence,
                    Fault::Throttle,
                    Fault::ServerError,
                    Fault::Denied,
                    Fault::Partial,
                ];
                let burst = Burst {
                    service,
                    color: Some(color),
                    operation: None,
                    fault: faults[rng.usize(0..faults.len())],
                    seconds: for_ / SECOND,
                    percent: 100,
                };
                push(at, Act::Burst(burst));
            }
            if rng.bool() {
                push(at + rng.i64(0..3 * MINUTE), Act::ExtraTick);
            }
            push(at + for_, Act::Heals(color));
            at + for_
        }
        4 => {
            let seconds = rng.i64(120..7200);
            let act = Act::Update {
                color,
                seconds,
                without_scheduler: rng.bool(),
                rolls_back: rng.u8(0..4) == 0,
                by_aws: false,
            };
            hidden(steps, rng, color, at, seconds);
            steps.push(Step::new(at, act));
            at + 2 * seconds * SECOND
        }
        5 => {
            let (gone, making) = (rng.i64(60..3600) * SECOND, rng.i64(600..2400));
            push(at, Act::Deleted(color));
            push(at + gone, Act::Made(color, making));
            at + gone + making * SECOND
        }
        6..=9 => {
            let burst = burst(rng);
            let end = at + burst.seconds * SECOND;
            push(at, Act::Burst(burst));
            end
        }
        10 => {
            // A region's outage: the services are silent, and one environment or both die in it, or not.
            let seconds = rng.i64(120..5400);
            let fault = [Fault::Silence, Fault::ServerError, Fault::Throttle][rng.usize(0..3)];
            let which = rng.u8(0..3);
            for service in [
                Service::Mwaa,
                Service::Airflow,
                Service::CloudWatch,
                Service::ParameterStore,
                Service::EventBridge,
            ] {
                if service == Service::ParameterStore && which == 0 {
                    continue;
                }
                let percent = rng.u8(60..=100);
                push(
                    at,
                    Act::Burst(Burst {
                        service,
                        color: None,
                        operation: None,
                        fault,
                        seconds,
                        percent,
                    }),
                );
            }
            if rng.bool() {
                push(at, Act::SchedulerStops(color));
                push(at + seconds * SECOND + rng.i64(0..HOUR), Act::Heals(color));
            }
            at + seconds * SECOND + HOUR
        }
        11..=14 => {
            let mut when = at;
            for _ in 0..=rng.usize(0..4) {
                let request = request(rng);
                push(
                    when,
                    Act::Asks {
                        request,
                        twice: rng.u8(0..5) == 0,
                    },
                );
                when += rng.i64(0..20 * MINUTE);
            }
            when + 30 * MINUTE
        }
        15 => {
            let act = match rng.u8(0..7) {
                6 => Act::DeletesHold,
                0 => Act::DeletesFlag,
                1 => Act::WritesFlag(["purple", "Blue", " green"][rng.usize(0..3)].to_owned()),
                2 => Act::WritesHold(
                    ["{}", "no JSON", "{\"until\":\"2099-01-01T00:00:00Z\"}"][rng.usize(0..3)].to_owned(),
                ),
                _ => Act::WritesFlag(color.to_string()),
            };
            push(at, act);
            at + HOUR
        }
        16 | 17 => {
            for _ in 0..=rng.usize(0..6) {
                let function = [
                    Function::HealthWatcher,
                    Function::SwitchHandler,
                    Function::ChangeListener,
                ][rng.usize(0..3)];
                let mishap = if rng.u8(0..3) == 0 {
                    Mishap::Freeze(rng.i64(0..12), rng.i64(1..100) * SECOND)
                } else {
                    Mishap::Kill(rng.i64(0..14), rng.bool())
                };
                push(at + rng.i64(0..20 * MINUTE), Act::Mishap(function, mishap));
            }
            at + 20 * MINUTE
        }
        18 => {
            let seconds = rng.i64(60..3600);
            push(
                at,
                Act::Events {
                    seconds,
                    lost: rng.u8(0..60),
                    doubled: rng.u8(0..40),
                    late: rng.u8(0..60),
                },
            );
            if rng.u8(0..4) == 0 {
                push(at, Act::ScheduleStops(rng.i64(60..1800)));
            }
            at + seconds * SECOND
        }
        _ => {
            let function = [
                Function::HealthWatcher,
                Function::SwitchHandler,
                Function::ChangeListener,
            ][rng.usize(0..3)];
            push(at, Act::Drifts(function, rng.i64(-8 * SECOND..8 * SECOND)));
            let end = at + rng.i64(10 * MINUTE..2 * HOUR);
            push(end, Act::Recycled);
            end
        }
    }
}

/// A scheduler that stops and starts again and again, for seconds or minutes.
fn flapping(push: &mut impl FnMut(Milliseconds, Act), rng: &mut Rng, color: Color, at: Milliseconds) -> Milliseconds {
    let mut when = at;
    for _ in 0..2 + rng.usize(0..6) {
        push(when, Act::SchedulerStops(color));
        when += rng.i64(20 * SECOND..8 * MINUTE);
        push(when, Act::Heals(color));
        when += rng.i64(20 * SECOND..8 * MINUTE);
    }
    when
}

/// A drill, and something in the middle of it.
fn drilled(push: &mut impl FnMut(Milliseconds, Act), rng: &mut Rng, at: Milliseconds) -> Milliseconds {
    let minutes = rng.i64(5..20);
    let asks = |request: Value| Act::Asks { request, twice: false };
    let drill = json!({"action": "drill", "reason": "exercise", "duration_minutes": minutes, "requested_by": "ana"});
    push(
        at,
        Act::Asks {
            request: drill,
            twice: rng.bool(),
        },
    );
    let middle = at + rng.i64(0..minutes * MINUTE + 2 * MINUTE);
    let color = color(rng);
    match rng.u8(0..8) {
        0 => push(middle, Act::SchedulerStops(color)),
        1 => push(middle, Act::Alarm(color, true)),
        2 => push(middle, Act::WritesFlag(color.to_string())),
        3 => push(
            middle,
            asks(json!({"action": "hold", "minutes": 30, "reason": "look", "requested_by": "ben"})),
        ),
        4 => push(middle, asks(json!({"to": color.as_str(), "requested_by": "ben"}))),
        5 => push(
            middle,
            asks(json!({"action": "rollback", "reason": "enough", "requested_by": "ben"})),
        ),
        6 => push(
            middle,
            Act::Mishap(Function::HealthWatcher, Mishap::Kill(rng.i64(0..14), rng.bool())),
        ),
        _ => {}
    }
    let end = at + HOUR;
    push(end, Act::Heals(color));
    end
}

fn burst(rng: &mut Rng) -> Burst {
    let service = [
        Service::ParameterStore,
        Service::ParameterStore,
        Service::ParameterStore,
        Service::Mwaa,
        Service::Airflow,
        Service::Airflow,
        Service::CloudWatch,
        Service::EventBridge,
        Service::Sns,
    ][rng.usize(0..9)];
    let fault = match rng.u8(0..12) {
        0 | 1 => Fault::Throttle,
        2 => Fault::ServerError,
        3 => Fault::Silence,
        4 | 5 => Fault::LostAnswer,
        6 => Fault::Slow(rng.i64(500..9000)),
        7 | 8 => Fault::Stale(rng.i64(200..8000)),
        9 => Fault::Denied,
        10 => Fault::Garbage,
        _ => Fault::Partial,
    };
    let is_of_one = matches!(service, Service::Mwaa | Service::Airflow | Service::CloudWatch) && rng.bool();
    let operations: &[&str] = match service {
        Service::ParameterStore => &[
            "PutParameter",
            "GetParameters",
            "GetParameterHistory",
            "DeleteParameter",
        ],
        _ => &[],
    };
    let operation =
        (!operations.is_empty() && rng.bool()).then(|| operations[rng.usize(0..operations.len())].to_owned());
    Burst {
        service,
        color: is_of_one.then(|| color(rng)),
        operation,
        fault,
        seconds: rng.i64(10..3600),
        percent: [10, 30, 60, 100][rng.usize(0..4)],
    }
}

fn request(rng: &mut Rng) -> Value {
    let color = color(rng).as_str();
    let mut request = match rng.u8(0..16) {
        0..=3 => json!({"to": color}),
        4 => json!({"to": color, "force": true, "reason": "it has to be now"}),
        5 => json!({"action": "rollback", "reason": "not what we wanted"}),
        6 | 7 => json!({"action": "failover", "to": color, "reason": "it does not work"}),
        8 => json!({"action": "failover", "to": color, "force": true, "reason": "it does not work at all"}),
        9 | 10 => json!({"action": "hold", "minutes": rng.i64(1..240), "reason": "maintenance"}),
        11 => json!({"action": "release"}),
        12 | 13 => json!({"action": "drill", "reason": "exercise", "duration_minutes": rng.i64(5..30)}),
        14 => json!({"action": "initialize"}),
        _ => {
            let action = ["status", "history", "check"][rng.usize(0..3)];
            json!({"action": action})
        }
    };
    let is_of_person = !matches!(
        request.get("action").and_then(Value::as_str),
        Some("status" | "history" | "check")
    );
    if is_of_person {
        let person = ["ana", "ben", "chris"][rng.usize(0..3)];
        request["requested_by"] = json!(person);
        // Words that Parameter Store, or who reads them, could take for something else; or too many of them.
        if request.get("reason").is_some() && rng.u8(0..8) == 0 {
            let words = [
                "{{ssm:/a/b}} ".repeat(38),
                "schön ".repeat(83),
                "[effective_from=2020-01-01T00:00:00Z record=v1-1]".to_owned(),
            ];
            request["reason"] = json!(words[rng.usize(0..words.len())]);
        }
    }
    request
}
