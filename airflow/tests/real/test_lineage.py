"""Two real environments with the real OpenLineage provider, configured by infra/environment.yaml alone, and a collector that can die.

Each test gives both environments a run with the same logical date, as their schedulers do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from local_aws.process import LocalAws
from support.infra import refused, rendered
from support.lineage_collector import ANSWERS, DEAD, REFUSES, SILENT, Collector, Received
from support.paths import PACKAGE
from support.real_airflow import RealAirflow

FLAG = "/mwaa/orders/active-environment"
DAG, TASKS = "orders", ("add_up", "publish")
PROVIDER = "apache-airflow-providers-openlineage=="
PATH = "/lineage/"
COLORS = ("blue", "green")
NAMESPACES = {color: f"orders-{color}" for color in COLORS}
# What a task may take for itself on a busy machine.
SLACK = 20
# By so much a client may be late in closing a connection. A time-out that nobody has set is longer than both together.
LATE = 2.5


def options(color: str, version: str, url: str) -> dict[str, str]:
    """The template's options, as MWAA makes environment variables of them."""
    given = {"Color": color, "EnvironmentName": f"orders-{color}", "AirflowVersion": version, "FlagParameter": FLAG, "LineageUrl": url}
    assert refused("environment", **given) == []
    found = rendered("environment", **given).resources["Environment"]["Properties"]["AirflowConfigurationOptions"]
    return {f"AIRFLOW__{key.replace('.', '__', 1).upper()}": value for key, value in found.items()}


@dataclass
class Lineage:
    collector: Collector
    colors: dict[str, RealAirflow]
    hour: int = 0

    def __getitem__(self, color: str) -> RealAirflow:
        return self.colors[color]

    @property
    def transport(self) -> dict[str, Any]:
        return dict(json.loads(self["blue"].environment["AIRFLOW__OPENLINEAGE__TRANSPORT"]))

    @property
    def tries(self) -> int:
        return 1 + int(self.transport["retry"]["total"])

    @property
    def longest(self) -> float:
        """Seconds that one event may take: its tries with a pause between, or the time that a task waits for its event and 3 s more in
        which the provider lets the process end."""
        limit = int(self["blue"].environment["AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT"]) + 3
        return float(min(limit, self.tries * self.transport["timeout"] + 1))

    def new_instant(self) -> str:
        self.hour += 1
        return f"2026-11-23T{self.hour:02}:00:00Z"

    def run_both(self) -> dict[str, str]:
        instant = self.new_instant()
        runs = {color: real.trigger(DAG, logical_date=instant) for color, real in self.colors.items()}
        for color, run in runs.items():
            assert self[color].finished(DAG, run) == "success"
        assert [line[2] for line in self["blue"].executed(DAG, runs["blue"])] == list(TASKS)
        assert self["green"].executed(DAG, runs["green"]) == []
        return runs

    def seconds(self, color: str, run: str, task: str) -> float:
        instance = self[color].instances(DAG, run)[task]
        began, ended = (datetime.fromisoformat(instance[name].replace("Z", "+00:00")) for name in ("start_date", "end_date"))
        return (ended - began).total_seconds()

    def wait_for(self, color: str, *wanted: tuple[str, str]) -> list[Received]:
        """What came from an environment since collector.forget(), once it has all the wanted (job, kind)."""

        def all_of_them() -> list[Received] | None:
            found = self.collector.received(NAMESPACES[color])
            return found if {(one.job, one.kind) for one in found} >= set(wanted) else None

        return list(self[color].wait(all_of_them, f"the collector has {wanted}; it refused {self.collector.faults[:1]}"))


@pytest.fixture(scope="module")
def lineage(aws: LocalAws, airflow_python: Path, after_the_pair: None) -> Iterator[Lineage]:
    boto3.client("ssm", **aws.client_settings()).put_parameter(Name=FLAG, Value="blue", Type="String")
    dags = PACKAGE / "tests/lineage_dags"
    settings = aws.environment() | {"PYTHONPATH": str(PACKAGE / "tests/lineage_site")}
    began = time.monotonic()
    with Collector() as collector:
        pair = Lineage(collector, {color: RealAirflow(color, airflow_python, dags, settings) for color in COLORS})
        blue, green = pair.colors.values()
        try:
            if PROVIDER not in (PACKAGE / f"tests/requirements-airflow-{blue.version}.txt").read_text():
                pytest.skip(f"no OpenLineage provider is pinned for Airflow {blue.version}")
            for color, real in pair.colors.items():
                real.environment |= options(color, real.version, f"{collector.url}{PATH}")
            blue.make_database()
            blue.command("dags", "reserialize")
            green.prepare_like(blue)
            for real in (blue, green):
                real.launch()
            for real in (blue, green):
                real.wait(real.healthy, "the web server answers and the scheduler is healthy")
            print(f"\nAirflow {blue.version}: two environments with lineage stand after {time.monotonic() - began:.0f} s")
            yield pair
        finally:
            for real in (blue, green):
                real.kill()


def test_the_active_completes_its_run_once_and_the_standby_touches_it_nowhere(lineage: Lineage) -> None:
    lineage.run_both()
    jobs = (DAG, *(f"{DAG}.{task}" for task in TASKS))
    active = lineage.wait_for("blue", *((job, kind) for job in jobs for kind in ("START", "COMPLETE")))
    standby = lineage.wait_for("green", (DAG, "START"), (DAG, "COMPLETE"))
    assert sorted((one.job, one.kind) for one in active) == sorted((job, kind) for job in jobs for kind in ("START", "COMPLETE"))
    assert {one.path for one in (*active, *standby)} == {f"{PATH}api/v1/lineage"}
    for job in jobs:
        assert len({one.run_id for one in active if one.job == job}) == 1, f"{job} has started and completed one run"
    # The standby tells of the run itself, in its own namespace, and that nothing of it was executed.
    assert sorted((one.job, one.kind) for one in standby) == [(DAG, "COMPLETE"), (DAG, "START")]
    assert len({one.run_id for one in standby}) == 1
    assert {one.run_id for one in standby}.isdisjoint(one.run_id for one in active)
    ended = {color: one.facet("airflowState") for color, found in (("blue", active), ("green", standby)) for one in found
             if (one.job, one.kind) == (DAG, "COMPLETE")}  # fmt: skip
    assert {task: ended["green"]["tasksState"][task] for task in TASKS} == dict.fromkeys(TASKS, "skipped")
    assert {task: ended["blue"]["tasksState"][task] for task in TASKS} == dict.fromkeys(TASKS, "success")
    data = {color: {d["name"] for one in found for way in ("inputs", "outputs") for d in one.event[way]} for color, found in
            (("blue", active), ("green", standby))}  # fmt: skip
    assert data == {"blue": {"raw", "totals"}, "green": set()}


@pytest.mark.parametrize("dead", DEAD)
def test_a_dead_collector_delays_no_task_by_more_than_its_time_outs(lineage: Lineage, dead: str) -> None:
    lineage.collector.forget()
    lineage.collector.become(dead)
    try:
        runs = lineage.run_both()
        took = {task: lineage.seconds("blue", runs["blue"], task) for task in TASKS}
        guards = {color: lineage.seconds(color, run, "bluegreen_guard") for color, run in runs.items()}
        held = list(lineage.collector.held)
        for real in lineage.colors.values():
            assert real.healthy(), "the scheduler waits for no collector"
    finally:
        lineage.collector.become(ANSWERS)
    print(f"\na collector that {dead}: {', '.join(f'{task} {seconds:.1f} s' for task, seconds in took.items())}; "
          f"guards {guards['blue']:.1f} and {guards['green']:.1f} s; {len(held)} connections held {max(held, default=0):.1f} s at most")  # fmt: skip
    # An event when it starts, and one when it ends.
    assert max(took.values()) < 2 * lineage.longest + SLACK
    assert max(guards.values()) < SLACK
    if dead != REFUSES:
        assert min(took.values()) >= lineage.transport["timeout"], "no task has noticed: this test proves nothing"
    if dead == SILENT:
        assert max(held) < lineage.transport["timeout"] + LATE
        # Of two tasks, and of both environments' runs, each with a start and an end.
        assert len(held) <= lineage.tries * 2 * (len(TASKS) + len(COLORS))


def test_in_one_namespace_the_standby_would_complete_the_active_s_run(lineage: Lineage) -> None:
    """Why each color has its own."""
    blue, green = lineage.colors.values()
    one_namespace = {"AIRFLOW__OPENLINEAGE__NAMESPACE": NAMESPACES["blue"]}
    green.restart_scheduler(**one_namespace)
    lineage.collector.forget()
    instant = lineage.new_instant()
    running = blue.trigger(DAG, logical_date=instant, conf={"hold": True})
    blue.wait(lambda: blue.executed(DAG, running), "the active's first task is being executed")
    skipped = green.trigger(DAG, logical_date=instant)
    assert green.finished(DAG, skipped) == "success"
    ended = [one for one in lineage.wait_for("blue", (DAG, "COMPLETE")) if (one.job, one.kind) == (DAG, "COMPLETE")]
    assert blue.run(DAG, running)["state"] == "running", "and yet lineage says that it is complete"
    assert [one.facet("airflowState")["tasksState"]["add_up"] for one in ended] == ["skipped"]
    blue.record.with_name("record.go-on").touch()
    assert blue.finished(DAG, running) == "success"

    def both() -> list[Received] | None:
        found = [one for one in lineage.collector.received(NAMESPACES["blue"], kind="COMPLETE") if one.job == DAG]
        return found if len(found) == 2 else None

    assert len({one.run_id for one in blue.wait(both, "the active's own end")}) == 1


def test_every_event_obeyed_the_schema_and_none_came_twice(lineage: Lineage) -> None:
    """Also those that came late. The run of the test before is the exception that it shows."""
    assert lineage.collector.faults == []
    told = [(one.run_id, one.kind) for one in lineage.collector.all]
    twice = {run for run, kind in told if told.count((run, kind)) > 1}
    assert len(twice) == 1
