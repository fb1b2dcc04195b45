"""What a storm does, chosen by its seed alone. When each step happens depends on the machine; what it is does not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FUNCTIONS = ("health-watcher", "switch-handler", "change-listener")
PEOPLE = ("ana", "ben", "cleo", "dan")
TICKS = ("ticks/schedule", "ticks/manual", "ticks/alarm-action", "ticks/alarm-event", "ticks/alarm-by-sns", "ticks/environment-status")
REASONS = ("upgrade of blue", "network maintenance", "{{ ds }} is wrong, {{{{ too",
           "it said \"no\" [effective_from=2026-01-01T00:00:00Z record=v1-2]",
           "é💥" * 180, "claim of a dead writer finished by request x; y", "practice")
GARBAGE = ("purple", "Blue", "green ", "BLUE", "null", "yellow" * 30, "blue,green")

# What a call may meet, and for which services. `match` is part of a parameter's name.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "throttle"}, {"kind": "throttle", "probability": 0.4}, {"kind": "server-error"},
    {"kind": "server-error", "probability": 0.4}, {"kind": "access-denied"}, {"kind": "malformed", "probability": 0.5},
    {"kind": "latency", "latency_ms": 900}, {"kind": "timeout", "latency_ms": 4000, "probability": 0.5},
    {"kind": "lost-response", "probability": 0.5}, {"kind": "lost-response-timeout", "latency_ms": 4000, "probability": 0.5},
    {"kind": "error:TooManyUpdates", "service": "ssm", "operation": "PutParameter", "probability": 0.5},
    {"kind": "stale", "service": "ssm", "stale_seconds": 2, "probability": 0.5},
    {"kind": "stale", "service": "ssm", "stale_seconds": 30, "probability": 0.3},
)
SERVICES = ("ssm", "ssm", "airflow", "monitoring", "events", "sns", "*")


@dataclass(frozen=True)
class Step:
    """After a pause, one thing to do."""

    pause: float
    lane: str
    what: str
    arguments: dict[str, Any]


def _requests(chosen: random.Random, who: str) -> dict[str, Any]:
    color, reason = chosen.choice(("blue", "green")), chosen.choice(REASONS)
    by = {"requested_by": who}
    kinds: list[tuple[int, dict[str, Any]]] = [
        (6, {"to": color, "reason": reason, **by}),
        (2, {"to": color, "reason": reason, "force": True, **by}),
        (2, {"to": color, "reason": reason, "dry_run": True, **by}),
        (2, {"to": color, "expect": {"active": chosen.choice(("blue", "green"))}, **by}),
        (3, {"action": "failover", "reason": reason, **by}),
        (1, {"action": "failover", "to": color, "force": True, "reason": reason, **by}),
        (3, {"action": "rollback", "reason": reason, **by}),
        (3, {"action": "hold", "minutes": 1, "reason": reason, **by}),
        (4, {"action": "release", **by}),
        (6, {"action": "drill", "mode": "switch", "duration_minutes": 1, "reason": reason, **by}),
        (1, {"action": "drill", "mode": chosen.choice(("dry", "probe")), "reason": reason, **by}),
        (1, {"action": "initialize", "to": color, **by}),
        (1, {"action": "initialize", "force": True, **by}),
        (3, {"action": "status"}), (1, {"action": "history", "limit": 100}), (2, {"action": "check"}), (1, {"action": "run-report"}),
    ]
    return chosen.choices([payload for _, payload in kinds], [weight for weight, _ in kinds])[0]


def people(seed: int, who: str) -> Iterator[Step]:
    chosen = random.Random(f"{seed}:{who}")
    while True:
        how = chosen.choices(("ask", "ask-asynchronously", "ask-twice-at-once"), (8, 1, 1))[0]
        yield Step(chosen.uniform(0.3, 5), who, how, {"payload": _requests(chosen, who)})


def ticks(seed: int, lane: str) -> Iterator[Step]:
    chosen = random.Random(f"{seed}:{lane}")
    while True:
        at_once = chosen.choices((1, 2, 4, 8), (8, 4, 2, 1))[0]
        yield Step(chosen.uniform(0.2, 4), lane, "ticks", {"events": [chosen.choice(TICKS) for _ in range(at_once)]})


def environments(seed: int, lane: str) -> Iterator[Step]:
    chosen = random.Random(f"{seed}:{lane}")
    happenings = {"fails": 5, "stops": 5, "is deleted": 1, "updates": 2, "is in maintenance": 2, "rolls back": 1, "hides its API": 3,
                  "heals": 8, "both heal": 6}
    while True:
        color = chosen.choice(("blue", "green"))
        happens = chosen.choices(list(happenings), list(happenings.values()))[0]
        rest_api = chosen.choice(("down", "malformed"))
        yield Step(chosen.uniform(2, 12), lane, "environment", {"color": color, "happens": happens, "rest_api": rest_api})
        if happens == "both heal":  # for long enough that drills begin, and work
            yield Step(chosen.uniform(5, 25), lane, "environment", {"color": color, "happens": "heals", "rest_api": rest_api})


def edits(seed: int, lane: str) -> Iterator[Step]:
    chosen = random.Random(f"{seed}:{lane}")
    while True:
        edit = chosen.choices(("write", "garble", "delete-flag", "create-flag", "place-hold", "delete-hold"), (5, 4, 2, 1, 2, 1))[0]
        value = chosen.choice(GARBAGE) if edit == "garble" else chosen.choice(("blue", "green"))
        described = chosen.random() < 0.5
        yield Step(chosen.uniform(6, 28), lane, "edit",
                   {"edit": edit, "value": value, "description": chosen.choice(REASONS[:3]) if described else None})


def faults(seed: int, lane: str) -> Iterator[Step]:
    chosen = random.Random(f"{seed}:{lane}")
    while True:
        fault = {"service": chosen.choice(SERVICES), "caller": chosen.choice(FUNCTIONS), **chosen.choice(FAULTS)}
        yield Step(chosen.uniform(0.5, 9), lane, "fault", {"fault": fault, "seconds": chosen.uniform(1, 7)})


def kills(seed: int, lane: str) -> Iterator[Step]:
    chosen = random.Random(f"{seed}:{lane}")
    while True:
        function = chosen.choice(FUNCTIONS)
        if chosen.random() < 0.15:
            yield Step(chosen.uniform(5, 15), lane, "freeze", {"function": function, "seconds": chosen.uniform(0.5, 3)})
            continue
        fault = {"kind": chosen.choice(("kill-caller", "kill-caller-after")), "caller": function, "times": 1,
                 "after": chosen.choice((0, 1, 2, 3, 5, 8, 13)), "service": chosen.choice(("*", "ssm")),
                 "operation": chosen.choice(("*", "*", "PutParameter"))}
        if fault["operation"] == "PutParameter":
            fault |= {"service": "ssm", "after": 0, "match": chosen.choice(("/active-environment", "/transitions/", "/audited", "/drill"))}
        yield Step(chosen.uniform(3, 12), lane, "fault", {"fault": fault, "seconds": 4.0})


def deliveries(seed: int, lane: str) -> Iterator[Step]:
    chosen = random.Random(f"{seed}:{lane}")
    while True:
        what = chosen.choices(("change-again", "audit-event-again", "lose-changes"), (4, 3, 2))[0]
        yield Step(chosen.uniform(2, 9), lane, what, {"times": chosen.choice((1, 2, 3)), "seconds": chosen.uniform(1, 8)})


def lanes(seed: int) -> list[Iterator[Step]]:
    """Everything that happens at the same time; each lane has its own choices, so that none depends on another's speed."""
    return [*(people(seed, who) for who in PEOPLE), ticks(seed, "ticks-1"), ticks(seed, "ticks-2"),
            environments(seed, "environments"), edits(seed, "edits"), faults(seed, "faults-1"), faults(seed, "faults-2"),
            kills(seed, "kills"), deliveries(seed, "deliveries")]
