"""Time from the switch to the first run on the new color, with the deployed functions and two real Airflow
environments.

The time is measured, not judged. The local AWS's MWAA forwards every InvokeRestApi to the real environments.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local_aws.process import LocalAws
from local_aws.stack import built_template
from support.clients import Clients
from support.deployment import create_pair, upload
from support.pair import Pair
from support.paths import BINARIES, TEMPLATE
from support.real_pair import GUARDED, RealPair

GUARD = "bluegreen_guard"
OTHER = {"blue": "green", "green": "blue"}
SWITCHES, FAILOVERS = 6, 3
WINDOW = 10
"""FailureWindowSeconds. Airflow calls a scheduler unhealthy 30 s after its last heartbeat; the longer of the two counts."""
SETTLE = 90


@dataclass
class Samples:
    """The measured seconds."""

    planned: list[float] = field(default_factory=list)
    failover: list[float] = field(default_factory=list)

    def row(self) -> tuple[str, ...]:
        cells: list[str] = []
        for found in (self.planned, self.failover):
            three = (min(found), statistics.median(found), max(found)) if found else ()
            cells += [str(len(found) or "-"), " / ".join(f"{seconds:.1f}" for seconds in three) or "-"]
        return tuple(cells)


@dataclass
class Measured:
    version: str
    tick: int
    lead: float
    """Seconds between a planned switch's write and its effect."""
    killed_to_flag: Samples = field(default_factory=Samples)
    flag_to_run: Samples = field(default_factory=Samples)
    due_to_run: Samples = field(default_factory=Samples)
    killed_to_run: Samples = field(default_factory=Samples)
    ticks: int = 0
    lost: int = 0
    doubled: int = 0
    tasks: dict[str, list[float]] = field(default_factory=dict)
    """Seconds from start to end of the task instances that executed, by task."""


def measure(python: Path, say: Callable[[str], None]) -> Measured:
    """Takes some ten minutes. Raises RealAirflowError or AssertionError if something did not happen at all."""
    with _deployed(python) as (stack, real):
        found = Measured(real["blue"].version, real.tick, 10.0)
        for number in range(SWITCHES):
            say(f"planned switch {number + 1} of {SWITCHES}")
            _switch(stack, real, found, number)
        stack.client("events").enable_rule(Name=f"{stack.name}-every-minute")
        stack.client("cloudwatch").enable_alarm_actions(AlarmNames=[f"{stack.name}-{color}-heartbeat-lost" for color in OTHER])
        for number in range(FAILOVERS):
            say(f"killed scheduler {number + 1} of {FAILOVERS}")
            _failover(stack, real, found)
        _count(real, found)
        return found


def _switch(stack: Pair, real: RealPair, found: Measured, number: int) -> None:
    """Each switch comes at a different moment between two ticks."""
    active = stack.stands_at()[0]
    new = OTHER[active]
    real.sleep_until_after_tick(real.tick * (number + 0.5) / SWITCHES)
    answer = stack.ask(to=new, reason="benchmark")
    assert answer["outcome"] == "switched", answer
    flag = stack.versions()[-1]
    written, effective = flag.modified.timestamp(), flag.effective_from.timestamp()
    found.lead = effective - written
    tick, at = _first_run(real, new, effective)
    found.flag_to_run.planned.append(at - written)
    found.due_to_run.planned.append(at - tick)


def _failover(stack: Pair, real: RealPair, found: Measured) -> None:
    """The scheduler is killed just before a tick, with no run in progress."""
    dead, version = stack.stands_at()
    alive = OTHER[dead]
    tick = real.quiet_before_a_tick(dead, 2, (GUARDED,))
    time.sleep(max(0, tick - 2 - time.time()))
    real[dead].kill_scheduler()
    killed = time.time()
    real[alive].wait(lambda: stack.stands_at() == (alive, version + 1), "the watcher flips by itself")
    flag = stack.versions()[-1]
    written = flag.modified.timestamp()
    _, at = _first_run(real, alive, flag.effective_from.timestamp())
    found.killed_to_flag.failover.append(written - killed)
    found.flag_to_run.failover.append(at - written)
    found.killed_to_run.failover.append(at - killed)
    real[dead].restart_scheduler()


def _first_run(real: RealPair, color: str, since: float) -> tuple[float, float]:
    """The first execution on the color of a tick that it owns: the tick, and the start of its task."""

    def first() -> tuple[float, float] | None:
        at = [(e.at, tick) for tick, who in real.executions(GUARDED).items() for e in who if e.color == color and tick >= since]
        return (min(at)[1], min(at)[0]) if at else None

    tick, at = real[color].wait(first, f"{color} executes its first run")
    return tick, at


def _count(real: RealPair, found: Measured) -> None:
    until = time.time() // real.tick * real.tick
    real["blue"].wait(lambda: real.settled(GUARDED, until), "both environments have ended all runs")
    executions = [who for tick, who in real.executions(GUARDED).items() if tick <= until]
    found.ticks = len(executions)
    found.lost, found.doubled = sum(not who for who in executions), sum(len(who) > 1 for who in executions)
    for color in OTHER:
        executed = {line[1] for line in real[color].executed(GUARDED)}
        for run in executed:
            path = f"dags/{GUARDED}/dagRuns/{run.replace('+', '%2B')}/taskInstances"
            for instance in real[color].request("GET", path)["task_instances"]:
                # A guard that waited has its start and its end a minute apart.
                if instance["state"] == "success" and instance["duration"] is not None:
                    found.tasks.setdefault(instance["task_id"], []).append(instance["duration"])


def median_task(found: Measured, guard: bool) -> str:
    """The median of the guard's task, or of the DAG's own task."""
    seconds = [s for task, all_of_it in found.tasks.items() for s in all_of_it if (task == GUARD) == guard]
    return f"{statistics.median(seconds):.2f} (of {len(seconds)})" if seconds else "-"


@contextmanager
def _deployed(python: Path) -> Iterator[tuple[Pair, RealPair]]:
    with tempfile.TemporaryDirectory(prefix="bench-airflow-") as name:
        folder = Path(name)
        template = built_template(TEMPLATE, BINARIES, folder)
        with LocalAws(log=folder / "local.log") as aws:
            clients = Clients(aws)
            options = {"AIRFLOW__CUSTOM__BLUEGREEN_STANDBY_WAIT_SECONDS": str(SETTLE)}
            real = RealPair(python, aws.environment(), "/e2e/pair-1/active-environment", options=options)
            try:
                real.start()
                stack = create_pair(
                    aws, clients, upload(aws, template), environments=real.forwarded(),
                    FailureWindowSeconds=str(WINDOW), FailoverBudgetPerDay="24",
                )  # fmt: skip
                assert stack.flag_name == real["blue"].environment["AIRFLOW__CUSTOM__BLUEGREEN_FLAG_PARAMETER"]
                yield stack, real
            finally:
                real.stop()
