//! What people do, and what goes wrong next to it.

use bluegreen_core::color::Color;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::clock::{HOUR, MINUTE, Milliseconds, SECOND};
use crate::lambda::{Function, Mishap};
use crate::script::Act;
use crate::trouble::color;
use crate::weather::{Burst, Fault, Service};

/// Some requests, and readings that are behind, or a bus that takes nothing.
pub(crate) fn asked(push: &mut impl FnMut(Milliseconds, Act), rng: &mut Rng, at: Milliseconds) -> Milliseconds {
    if rng.u8(0..6) == 0 {
        return contradicted(push, rng, at);
    }
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
        // Two who want different things at once.
        let most = if rng.u8(0..3) == 0 { 8 * SECOND } else { 20 * MINUTE };
        when += rng.i64(0..most);
    }
    if rng.u8(0..3) == 0 {
        let burst = Burst {
            service: Service::ParameterStore,
            color: None,
            // With a history that is as old, only a second reading notices.
            operation: rng.bool().then(|| "GetParameters".to_owned()),
            fault: Fault::Stale(rng.i64(1000..8000)),
            seconds: (when - at) / SECOND + 10,
            percent: [20, 40][rng.usize(0..2)],
        };
        push(at, Act::Burst(burst));
    }
    // What they did is to be told, whatever becomes of the bus.
    if rng.u8(0..4) == 0 {
        push(at, Act::Burst(lossy_bus(rng)));
        if rng.bool() {
            let request = json!({"action": "release", "reason": "it was looked at", "requested_by": "ana"});
            push(at + rng.i64(0..MINUTE), Act::Asks { request, twice: false });
        }
    }
    when + 30 * MINUTE
}

/// People who want the opposite of each other within seconds, of instances that know nothing of each other.
fn contradicted(push: &mut impl FnMut(Milliseconds, Act), rng: &mut Rng, at: Milliseconds) -> Milliseconds {
    let mut to = color(rng);
    let mut when = at;
    for _ in 0..2 + rng.usize(0..4) {
        let request =
            json!({"to": to.as_str(), "force": true, "reason": "it has to be this one", "requested_by": "ben"});
        push(when, Act::Recycled);
        push(when + 1, Act::Asks { request, twice: false });
        when += rng.i64(1500..6000);
        to = to.other();
    }
    let burst = Burst {
        service: Service::ParameterStore,
        color: None,
        operation: None,
        fault: Fault::Stale(rng.i64(3000..8000)),
        seconds: (when - at) / SECOND + 5,
        percent: [20, 40, 60][rng.usize(0..3)],
    };
    push(at, Act::Burst(burst));
    when + 30 * MINUTE
}

/// An environment that dies while the watcher may not act, or before it does, and a person who does.
pub(crate) fn failed_over_by_a_person(
    push: &mut impl FnMut(Milliseconds, Act),
    rng: &mut Rng,
    color: Color,
    at: Milliseconds,
) -> Milliseconds {
    let asks = |request: Value| Act::Asks { request, twice: false };
    if rng.u8(0..3) > 0 {
        push(
            at,
            asks(json!({"action": "hold", "minutes": 120, "reason": "we look at it", "requested_by": "ana"})),
        );
    }
    let died = at + rng.i64(MINUTE..20 * MINUTE);
    push(died, Act::SchedulerStops(color));
    let to = color.other().as_str();
    let leaves =
        json!({"action": "failover", "to": to, "reason": "it is dead", "requested_by": "ben", "force": rng.bool()});
    push(died + rng.i64(2 * MINUTE..30 * MINUTE), asks(leaves));
    let end = died + 30 * MINUTE + rng.i64(0..HOUR);
    push(end, Act::Heals(color));
    end
}

/// A drill, and something in the middle of it.
pub(crate) fn drilled(push: &mut impl FnMut(Milliseconds, Act), rng: &mut Rng, at: Milliseconds) -> Milliseconds {
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
    // Most happens where the drill is decided: at its end.
    let end_of_drill = at + minutes * MINUTE;
    let middle = if rng.bool() {
        at + rng.i64(0..minutes * MINUTE + 2 * MINUTE)
    } else {
        end_of_drill + rng.i64(-MINUTE..3 * MINUTE)
    };
    let color = color(rng);
    match rng.u8(0..7) {
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
        _ => {}
    }
    // Whoever decides it dies, and what it decided on is over when the next one looks.
    for _ in 0..rng.usize(0..4) {
        let function = [
            Function::HealthWatcher,
            Function::HealthWatcher,
            Function::SwitchHandler,
        ][rng.usize(0..3)];
        let act = Act::Mishap(function, Mishap::KillAtWrite(rng.i64(0..4), rng.bool()));
        push(middle - rng.i64(0..5 * MINUTE), act);
    }
    if rng.bool() {
        push(middle + rng.i64(30 * SECOND..5 * MINUTE), Act::Heals(color));
    }
    // Writes of a drill that are not answered are repeated; a person keeps a color of which no history can be read.
    if rng.bool() {
        let of = |operation: &str, fault: Fault, seconds: i64, percent: u8| Burst {
            service: Service::ParameterStore,
            color: None,
            operation: Some(operation.to_owned()),
            fault,
            seconds,
            percent,
        };
        let lost = of("PutParameter", Fault::LostAnswer, rng.i64(10..90), 60);
        push(at, Act::Burst(lost));
        // Where the reading back does not show it yet, it is written a second time.
        push(
            at,
            Act::Burst(of("GetParameters", Fault::Stale(rng.i64(1000..8000)), 30, 60)),
        );
        if rng.bool() {
            // The drill itself needs the history where it begins.
            let unread = of("GetParameterHistory", Fault::ServerError, minutes * 60, 100);
            push(at + MINUTE, Act::Burst(unread));
            let keeps = json!({"to": color.as_str(), "reason": "it works", "requested_by": "chris"});
            push(at + rng.i64(MINUTE + 10 * SECOND..minutes * MINUTE), asks(keeps));
        }
    }
    let end = at + HOUR;
    push(end, Act::Heals(color));
    end
}

fn lossy_bus(rng: &mut Rng) -> Burst {
    Burst {
        service: Service::EventBridge,
        color: None,
        operation: None,
        fault: [Fault::Throttle, Fault::ServerError, Fault::Denied, Fault::Partial][rng.usize(0..4)],
        seconds: rng.i64(60..1800),
        percent: [60, 100][rng.usize(0..2)],
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
                "{".repeat(500),
                "[effective_from=2020-01-01T00:00:00Z record=v1-1]".to_owned(),
            ];
            request["reason"] = json!(words[rng.usize(0..words.len())]);
        }
    }
    request
}
