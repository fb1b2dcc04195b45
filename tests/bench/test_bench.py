"""The exit code of `make bench`, and the definition of a calm tick. Nothing is measured here."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as bench
from bench import calls, cost, report
from bench.calls import Call
from bench.cold_start import EMPTY, FUNCTIONS, PYTHON
from support.paths import TEMPLATE


def cold(start_ms: float) -> dict[str, Any]:
    return {"start_ms": [start_ms] * 10, "start_processor_ms": [1.0] * 10, "start_instructions": None, "start_peak_kb": [7000] * 2,
            "invoked_peak_kb": [7500] * 2, "many_invoked_peak_kb": [8000] * 2, "first_processor_ms": [3.0] * 10,
            "warm_processor_ms": [1.0] * 10, "warm_log_bytes": [600] * 10}


def case(calls_made: int = 5, round_trips: int = 1, **billable: int) -> dict[str, Any]:
    return {"calls": calls_made, "round_trips": round_trips, "billable": billable, "operations": {}}


@pytest.fixture
def results() -> dict[str, Any]:
    """The results of a machine on which every target is met."""
    cases = {
        "healthy tick, calm": case(), "status": case(), "healthy tick, publishing": case(PutMetricData=1),
        "tick, publishing, named alarms": case(PutMetricData=1, DescribeAlarms=1),
        "tick, publishing, standby down": case(PutMetricData=1, GetMetricData=1),
        "suspect probe": case(GetMetricData=1), "listener event (flag written)": case(PutMetricData=1, PutEvents=1),
        "healthy tick, with the hourly readiness check": case(PutMetricData=1, DescribeAlarms=2),
    }
    measured: dict[str, Any] = {
        "date": "2026-11-27", "machine": {"processor": "x", "processors": 2, "load_before": 0.1},
        "toolchain": {"rust": "rustc", "python": "3.11", "boto3": "1", "commit": "x"},
        "cold_start": {EMPTY: cold(2.0), PYTHON: cold(400.0), **{name: cold(3.0) for name in FUNCTIONS}},
        "sizes": {name: {"binary": 6_000_000, "zip": 2_800_000} for name in (*FUNCTIONS, EMPTY)},
        "calls": {"cases": cases, "always_on_metrics": 5},
        "check": {"dags": 1000, "seconds": 3.0, "calls": 33, "airflow_requests": 24, "requests_a_second": 7.4, "busiest_second": 9,
                  "billable": {}, "latency_ms": 100, "outcome": "ready"},
        "connections": {"healthy tick, calm": {"first": 5, "at_once": 0, "after_idle": 5}},
        "waits": {"status": {"due_waits": 2, "hidden_waits": 1, "without_ms": [510] * 3, "with_ms": [610] * 3, "latency_ms": 100,
                             "waits": 1.0},
                  "manual switch, flag at rest": {"due_waits": 3, "hidden_waits": 0, "without_ms": [10] * 3, "with_ms": [310] * 3,
                                                  "latency_ms": 100, "waits": 3.0}},
        "failover": {"since_fault_seconds": 20.0, "since_last_heartbeat_seconds": 21.0, "window_seconds": 20, "probe_seconds": 5,
                     "latency_ms": 50, "woken_after_seconds": 7.0, "woken_by": "alarm", "looks": 3},
    }
    template = cost.Template.read(TEMPLATE)
    measured["cost"] = cost.compute(template, measured["calls"], measured["cold_start"], measured["connections"])
    return measured


def ended(results: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(bench, "RESULTS", tmp_path / ".bench")
    return bench.publish(results)


def test_it_ends_well_when_every_target_is_met(results: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                               capsys: pytest.CaptureFixture[str]):
    assert ended(results, tmp_path, monkeypatch) == 0
    shown = capsys.readouterr()
    assert "NOT MET" not in shown.out and not shown.err


@pytest.mark.parametrize(("what", "path", "worse"), [
    ("waits of status", ("waits", "status", "waits"), 2.0),
    ("waits of a manual switch, flag at rest", ("waits", "manual switch, flag at rest", "waits"), 4.0),
    ("round trips of status", ("calls", "cases", "status", "round_trips"), 3),
    ("peak memory", ("cold_start", FUNCTIONS[0], "many_invoked_peak_kb"), [20_000]),
    ("zipped package", ("sizes", FUNCTIONS[1], "zip"), 3_100_000),
    ("failover after the last heartbeat", ("failover", "since_last_heartbeat_seconds"), 26.0),
    ("requests a second", ("check", "requests_a_second"), 11.0),
    ("new connections right after another", ("connections", "healthy tick, calm", "at_once"), 1),
    ("cost a month of what it does, alarms named", ("cost", "doing_usd", "alarms named"), 0.34),
    ("cost a month of what it does, calm", ("cost", "doing_usd", "calm"), 0.24),
    ("cost a month, calm", ("cost", "total_usd", "calm"), 2.66),
])
def test_a_target_that_is_not_met_fails_the_command(results: dict[str, Any], what: str, path: tuple[str, ...], worse: Any, tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    changed = copy.deepcopy(results)
    inside: Any = changed
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = worse
    assert ended(changed, tmp_path, monkeypatch) == 1
    shown = capsys.readouterr()
    assert f"NOT MET: {what}" in shown.err and shown.err.count("NOT MET") == 1
    assert (tmp_path / ".bench" / "results.json").exists(), "what was measured is kept all the same"


def test_a_second_request_for_alarms_would_not_meet_the_target(results: dict[str, Any]):
    """The reason why one request covers both colors."""
    assert all(target.met for target in report.targets(results))
    results["calls"]["cases"]["tick, publishing, named alarms"]["billable"]["DescribeAlarms"] = 2
    template = cost.Template(**results["cost"]["template"])
    results["cost"] = cost.compute(template, results["calls"], results["cold_start"], results["connections"])
    missed = [target.what for target in report.targets(results) if not target.met]
    assert missed == ["cost a month of what it does, alarms named", "cost a month, alarms named"]


@pytest.mark.parametrize(("what", "more"), [("alarms", 1), ("always_on_metrics", 1)])
def test_one_more_of_what_is_held_ready_would_not_meet_the_target(results: dict[str, Any], what: str, more: int):
    template, measured = results["cost"]["template"], results["calls"]
    held = template if what == "alarms" else measured
    held[what] += more
    results["cost"] = cost.compute(cost.Template(**template), measured, results["cold_start"], results["connections"])
    missed = {target.what for target in report.targets(results) if not target.met}
    assert missed and all(what.startswith("cost a month, ") for what in missed), missed


def test_one_billed_request_more_on_a_tick_that_publishes_would_not_meet_the_target(results: dict[str, Any]):
    results["calls"]["cases"]["healthy tick, publishing"]["billable"]["GetMetricData"] = 1
    template = cost.Template(**results["cost"]["template"])
    results["cost"] = cost.compute(template, results["calls"], results["cold_start"], results["connections"])
    assert "cost a month of what it does, calm" in {target.what for target in report.targets(results) if not target.met}


class Ticking(calls.BenchStack):
    """A stack whose every tick makes the calls of a readiness check."""

    def __init__(self, operations: list[str]) -> None:
        self.operations = operations
        self.aws = self  # type: ignore[assignment]

    def calm_tick(self) -> dict[str, Any]:
        return {}

    def calls_so_far(self) -> int:
        return 0

    def calls(self, function: str, since: int) -> list[Call]:
        return [{"operation": operation} for operation in self.operations]


def test_a_tick_that_checks_readiness_is_not_measured_as_calm():
    assert len(Ticking(["GetParameters", "GetEnvironment"]).calm_calls()) == 2
    with pytest.raises(calls.BenchError, match="readiness"):
        Ticking(["GetParameters", "DescribeParameters"]).calm_calls()


DAY = 24 * 3600


class Flagged(calls.BenchStack):
    """A stack whose switch makes the calls of the real one: the flag's history, and the records of what was written within a day, in
    batches of ten. It makes them only if the flag was moved within that day."""

    def __init__(self, moves: int) -> None:
        self.aws = self  # type: ignore[assignment]
        self.flag, self.ages, self.latency = "/pair/active-environment", [0.0] * (1 + moves), 0
        self.asked: list[list[str]] = []

    def active(self) -> str:
        return "blue" if len(self.ages) % 2 else "green"

    def calls_so_far(self) -> int:
        return len(self.asked)

    def calls(self, function: str, since: int) -> list[Call]:
        return [{"operation": operation} for made in self.asked[since:] for operation in made]

    def answer_late(self, milliseconds: int) -> None:
        self.latency = milliseconds

    def age_parameter(self, name: str, seconds: float, every_version: bool = False) -> None:
        assert name == self.flag
        for index in range(len(self.ages)) if every_version else [-1]:
            self.ages[index] += seconds

    def listened_to(self, change: Callable[[], Any]) -> list[Call]:
        change()
        return []

    def calm_tick(self) -> dict[str, Any]:
        return self.invoke("health-watcher", {})

    def invoke(self, function: str, payload: Any) -> dict[str, Any]:
        asked, waits, pause = ["GetParameters", "GetEnvironment", "InvokeRestApi"], 1, 0
        if payload == {"action": "status"}:
            # The second read, half a second after the first.
            asked, waits, pause = [*asked, "GetParameters"], 1, 500
        if "to" in payload:
            young = sum(age < DAY for age in self.ages)
            if len(self.ages) > 1 and self.ages[-1] < DAY:
                pages = math.ceil(len(self.ages) / calls.HISTORY_PAGE)
                asked = [*asked, *["GetParameterHistory"] * pages, *["GetParameters"] * math.ceil(young / 10)]
                waits += pages + 1
            asked, waits = [*asked, "PutParameter", "PutParameter"], waits + 2
            self.ages.append(0.0)
        self.asked.append(asked)
        return {"elapsed_ms": 5 + pause + waits * self.latency}


@pytest.mark.parametrize("moves_before", [0, 4, 9, 18])
def test_switches_are_timed_by_kind_however_often_the_flag_was_moved_before(moves_before: int):
    stack = Flagged(moves_before)
    timed = calls.time_waits(stack, samples=bench.WAIT_SAMPLES)
    waited = {name: case["waits"] for name, case in timed.items()}
    assert waited["manual switch, flag at rest"] == timed["manual switch, flag at rest"]["due_waits"] == 3
    assert waited["manual switch, flag moved within a day"] == timed["manual switch, flag moved within a day"]["due_waits"] == 5
    assert (waited["status"], timed["status"]["due_waits"], timed["status"]["hidden_waits"]) == (1, 2, 1)
    assert stack.active() == "blue", "what comes after takes blue for the active one"


@pytest.mark.parametrize("moves_before", [0, 4, 30])
def test_each_kind_of_switch_is_made_by_construction(moves_before: int):
    stack = Flagged(moves_before)
    assert [len(stack.switch_of_kind(kind).calls) for kind in (calls.AT_REST, calls.MOVED, calls.OFTEN)] == [5, 7, 8]


def test_a_history_of_two_pages_is_not_taken_for_one_of_one():
    with pytest.raises(calls.BenchError, match=r"within a day: .* 1 GetParameterHistory.* or .* 2 GetParameterHistory"):
        calls.time_waits(Flagged(calls.HISTORY_PAGE - 3), samples=7)


def test_samples_of_two_kinds_are_an_error_that_names_what_differs():
    plain: list[Call] = [{"operation": "GetParameters"}, {"operation": "PutParameter"}]
    calls.of_one_kind("switch", [plain, list(reversed(plain))])
    with pytest.raises(calls.BenchError, match="1 GetParameters, 1 PutParameter or 2 GetParameters, 1 PutParameter"):
        calls.of_one_kind("switch", [plain, [*plain, {"operation": "GetParameters"}]])
    with pytest.raises(calls.BenchError, match="not of one kind"):
        calls.of_one_kind("switch", [plain, [{"operation": "GetParameters"}, {"operation": "DescribeAlarms"}]])
