//! What happens to a pair: its settings, planned work, and episodes of trouble, drawn from the random numbers of one
//! history.

use bluegreen_core::color::Color;
use fastrand::Rng;

use crate::clock::{DAY, HOUR, MINUTE, Milliseconds, SECOND};
use crate::lambda::{Function, Mishap};
use crate::people::{asked, drilled, failed_over_by_a_person};
use crate::script::{Act, Step};
use crate::weather::{Burst, Fault, Service};

/// Hours to weeks without trouble: some sixty episodes a year. Troubles that follow each other closely meet what the
/// pair remembers: cooldown, budget, claims, drills.
pub(crate) fn gap(rng: &mut Rng) -> Milliseconds {
    match rng.u8(0..10) {
        0..=2 => rng.i64(2 * HOUR..8 * HOUR),
        3..=5 => rng.i64(8 * HOUR..2 * DAY),
        _ => rng.i64(5 * DAY..20 * DAY),
    }
}

pub(crate) fn settings(rng: &mut Rng) -> Vec<(String, String)> {
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
pub(crate) fn maintenance(steps: &mut Vec<Step>, rng: &mut Rng, days: i64) {
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
pub(crate) fn new_dags(steps: &mut Vec<Step>, seed: u64, days: i64) {
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

pub(crate) fn color(rng: &mut Rng) -> Color {
    if rng.bool() { Color::Blue } else { Color::Green }
}

/// One episode: some troubles that overlap, each with its end. Returns when all are over.
pub(crate) fn episode(steps: &mut Vec<Step>, rng: &mut Rng, from: Milliseconds) -> Milliseconds {
    if rng.u8(0..5) == 0 {
        return seen_in_part(steps, rng, from);
    }
    let troubles = 1 + rng.usize(0..6);
    let mut end = from;
    for _ in 0..troubles {
        let at = from + rng.i64(0..45 * MINUTE);
        end = end.max(trouble(steps, rng, at));
    }
    end
}

/// An environment that works or not, of which not all can be asked, and nothing else: other trouble would excuse whoever
/// does the wrong thing.
fn seen_in_part(steps: &mut Vec<Step>, rng: &mut Rng, at: Milliseconds) -> Milliseconds {
    let color = color(rng);
    let seconds = rng.i64(300..5400);
    let mut unanswered = |rng: &mut Rng, service: Service, color: Option<Color>, operation: Option<&str>| {
        let faults = [
            Fault::Silence,
            Fault::Throttle,
            Fault::ServerError,
            Fault::Denied,
            Fault::Garbage,
            Fault::Partial,
            Fault::Partial,
            Fault::Slow(rng.i64(3000..30_000)),
        ];
        let fault = match service {
            Service::ParameterStore => Fault::Partial,
            _ => faults[rng.usize(0..faults.len())],
        };
        let burst = Burst {
            service,
            color,
            operation: operation.map(str::to_owned),
            fault,
            seconds,
            percent: 100,
        };
        steps.push(Step::new(at, Act::Burst(burst)));
    };
    match rng.u8(0..8) {
        0 => unanswered(rng, Service::ParameterStore, None, Some("GetParameters")),
        1..=4 => {
            let service = [Service::Airflow, Service::Airflow, Service::Mwaa, Service::CloudWatch][rng.usize(0..4)];
            unanswered(rng, service, Some(color), None);
            let act = if service == Service::CloudWatch {
                Act::WebServerStops(color)
            } else {
                Act::SchedulerStops(color)
            };
            steps.push(Step::new(at, act));
            steps.push(Step::new(at + seconds * SECOND, Act::Heals(color)));
        }
        _ => {
            unanswered(rng, Service::Airflow, Some(color), None);
            unanswered(rng, Service::CloudWatch, Some(color), None);
        }
    }
    at + seconds * SECOND
}

#[expect(clippy::too_many_lines, reason = "one arm a trouble")]
fn trouble(steps: &mut Vec<Step>, rng: &mut Rng, at: Milliseconds) -> Milliseconds {
    let mut push = |at: Milliseconds, act: Act| steps.push(Step::new(at, act));
    let color = color(rng);
    match rng.u8(0..25) {
        24 => failed_over_by_a_person(&mut push, rng, color, at),
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
        11..=14 => asked(&mut push, rng, at),
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
            // What is put right again rests like after any transition, and may die meanwhile.
            if act == Act::DeletesFlag {
                push(at + rng.i64(MINUTE..20 * MINUTE), Act::SchedulerStops(color));
                push(at + HOUR, Act::Heals(color));
            }
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
                let mishap = match rng.u8(0..6) {
                    0 | 1 => Mishap::Freeze(rng.i64(0..12), rng.i64(1..100) * SECOND),
                    2 | 3 => Mishap::Kill(rng.i64(0..14), rng.bool()),
                    _ => Mishap::KillAtWrite(rng.i64(0..6), rng.bool()),
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
