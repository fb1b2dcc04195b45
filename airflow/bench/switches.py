"""Runs lost and doubled next to switches, simulated: the package's own reader against the usual pattern.

The package is not imitated: its own reader reads a simulated Parameter Store, whose reads are late, by a simulated
clock. All random values are drawn from one seed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

from mwaa_bluegreen import decision
from mwaa_bluegreen.flag import Flag
from mwaa_bluegreen.settings import Settings

COLORS = ("blue", "green")
OTHER = {"blue": "green", "green": "blue"}
EPOCH = datetime(2026, 11, 23, tzinfo=timezone.utc)

LEAD = 10.0
"""The template's SwitchLeadSeconds."""
WINDOW, TICK_OF_WATCHER, PROBE = 120.0, 60.0, 5.0
"""The template's FailureWindowSeconds, the watcher's schedule, its probe interval."""
HEARTBEAT = 5.0
"""Airflow's scheduler_heartbeat_sec."""
ONE_LATE_IN = 4
"""One run in so many meets a busy scheduler, which starts it not within seconds, but within two minutes."""


@dataclass(frozen=True)
class Write:
    number: int
    color: str
    at: float
    effective: float


class Store:
    """A Parameter Store whose every read is up to three seconds late; `at` is the current time in seconds since EPOCH."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.at, self.writes, self.calls = chance, 0.0, list[Write](), Counter[str]()

    def write(self, color: str, at: float, effective: float) -> None:
        self.writes.append(Write(len(self.writes) + 1, color, at, effective))

    def seen(self) -> list[Write]:
        late = self.chance.uniform(0, 3) if self.chance.random() < 0.2 else self.chance.uniform(0, 0.2)
        # The first version is old enough for every reader to see it.
        return [w for w in self.writes if w.at <= self.at - late]

    def get_parameter(self, **_: Any) -> dict[str, Any]:
        self.calls["GetParameter"] += 1
        return {"Parameter": _item(self.seen()[-1])}

    def get_parameter_history(self, **_: Any) -> dict[str, Any]:
        self.calls["GetParameterHistory"] += 1
        return {"Parameters": [_item(write) for write in self.seen()]}


def _item(write: Write) -> dict[str, Any]:
    tail = f"[effective_from={EPOCH + timedelta(seconds=write.effective):%Y-%m-%dT%H:%M:%S.%fZ} record=v{write.number}]"
    return {
        "Version": write.number, "Value": write.color, "LastModifiedDate": EPOCH + timedelta(seconds=write.at),
        "Description": f"switch: simulated {tail}",
    }  # fmt: skip


def lateness(chance: random.Random) -> float:
    """How long after its instant an environment starts a run."""
    return chance.uniform(5, 120) if chance.randrange(ONE_LATE_IN) == 0 else chance.expovariate(1 / 3)


def classic(store: Store, color: str, tick: float, at: float) -> bool:
    """Whether an environment that compares the flag's current value executes the run."""
    store.at = at
    return bool(store.get_parameter()["Parameter"]["Value"] == color)


def ours(store: Store, color: str, tick: float, at: float) -> bool:
    """Whether the package executes the run; it may read the flag several times."""

    def sleep(seconds: float) -> None:
        store.at += seconds

    run = SimpleNamespace(run_type="scheduled", run_id="r", conf={}, run_after=EPOCH + timedelta(seconds=tick), start_date=None)
    store.at = at
    while True:
        # Every read is made by a new process, so nothing is cached.
        reader = Flag("/simulated", client=store, sleep=sleep, now=lambda: int((EPOCH.timestamp() + store.at) * 1e9))
        with mock.patch.object(decision, "shared_flag", return_value=reader):
            answer = decision.decide(run, Settings(color), EPOCH + timedelta(seconds=store.at))
        if answer.again_at is None:
            return answer.action == decision.EXECUTE
        store.at = (answer.again_at - EPOCH).total_seconds()


Pattern = Callable[[Store, str, float, float], bool]
Story = Callable[[random.Random, Pattern, "Counter[str]"], "list[Run]"]


@dataclass(frozen=True)
class Run:
    in_time: int
    """Executions within the hour. A dead environment that returns later may still catch up on a run, or not."""
    ever: int


def planned(chance: random.Random, pattern: Pattern, calls: Counter[str]) -> list[Run]:
    """One switch within 20 s of a tick: how often each of the surrounding ticks was executed."""
    store, active = Store(chance), chance.choice(COLORS)
    store.write(active, -100_000.0, -100_000.0)
    written = 3_600 + chance.uniform(-20, 20)
    store.write(OTHER[active], written, written + LEAD)
    counts = []
    for tick in (3_540.0, 3_600.0, 3_660.0):
        counts.append(sum(pattern(store, color, tick, tick + lateness(chance)) for color in COLORS))
    calls.update(store.calls)
    return [Run(count, count) for count in counts]


def failover(chance: random.Random, pattern: Pattern, calls: Counter[str], at_most_once: bool = False) -> list[Run]:
    """The active environment dies within a minute of a tick, and the watcher notices: how often each tick until then
    was executed."""
    store, active = Store(chance), chance.choice(COLORS)
    store.write(active, -100_000.0, -100_000.0)
    died = 3_600 + chance.uniform(-30, 30)
    last_heartbeat = died - chance.uniform(0, HEARTBEAT)
    written = last_heartbeat + WINDOW + chance.uniform(0, PROBE) + chance.choice((0, chance.uniform(0, TICK_OF_WATCHER)))
    store.write(OTHER[active], written, written + LEAD if at_most_once else last_heartbeat)
    runs = []
    for tick in (3_540.0, 3_600.0, 3_660.0, 3_720.0, 3_780.0, 3_840.0):
        # The dead environment has executed the runs that it started before it died. It returns an hour later and
        # catches up.
        came = tick + lateness(chance)
        lived = came < died
        by_dead = pattern(store, active, tick, came if lived else died + 3_600 + lateness(chance))
        by_other = pattern(store, OTHER[active], tick, tick + lateness(chance))
        runs.append(Run(by_dead * lived + by_other, by_dead + by_other))
    calls.update(store.calls)
    return runs


@dataclass(frozen=True)
class Result:
    kind: str
    pattern: str
    switches: int
    runs: int
    lost: int
    doubled: int
    calls_a_run: float
    """SSM calls of one environment for one run next to a switch."""


def simulate(switches: int = 1_000, seed: int = 4) -> list[Result]:
    results = []
    stories: list[tuple[str, Story]] = [
        ("planned switch", planned),
        ("failover, at-least-once", failover),
        ("failover, at-most-once", partial(failover, at_most_once=True)),
    ]
    for kind, story in stories:
        for name, pattern in (("classic", classic), ("mwaa-bluegreen", ours)):
            # Both patterns run in the same simulated worlds, as far as they read the same values.
            runs, calls = [], Counter[str]()
            for number in range(switches):
                runs += story(random.Random(f"{seed} {kind.partition(',')[0]} {number}"), pattern, calls)
            lost, doubled = sum(run.in_time == 0 for run in runs), sum(run.ever > 1 for run in runs)
            results.append(Result(kind, name, switches, len(runs), lost, doubled, calls.total() / len(runs) / 2))
    return results
