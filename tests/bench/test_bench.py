"""What `make bench` ends with, and what it does not take for a calm tick. Nothing is measured here."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT), str(PROJECT / "local")]

from bench import __main__ as bench  # noqa: E402
from bench import calls, cost, report  # noqa: E402
from bench.cold_start import EMPTY, FUNCTIONS, PYTHON  # noqa: E402


def cold(start_ms: float) -> dict[str, Any]:
    return {"start_ms": [start_ms] * 10, "start_processor_ms": [1.0] * 10, "start_instructions": None, "start_peak_kb": [7000] * 2,
            "invoked_peak_kb": [7500] * 2, "many_invoked_peak_kb": [8000] * 2, "first_processor_ms": [3.0] * 10,
            "warm_processor_ms": [1.0] * 10, "warm_log_bytes": [600] * 10}


def case(calls_made: int = 5, round_trips: int = 1, **billable: int) -> dict[str, Any]:
    return {"calls": calls_made, "round_trips": round_trips, "billable": billable, "operations": {}}


@pytest.fixture
def results() -> dict[str, Any]:
    """Of a machine on which everything is as it should be."""
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
        "waits": {"status": {"due_waits": 1, "without_ms": [10] * 3, "with_ms": [110] * 3, "latency_ms": 100, "waits": 1.0}},
        "failover": {"since_fault_seconds": 20.0, "since_last_heartbeat_seconds": 21.0, "window_seconds": 20, "probe_seconds": 5,
                     "latency_ms": 50, "woken_after_seconds": 7.0, "woken_by": "alarm", "looks": 3},
    }
    template = cost.Template(alarms=7, memory_mb=128, metrics_interval_minutes=5, probe_interval_seconds=5, readiness_interval_minutes=60)
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


@pytest.mark.parametrize("what, path, worse", [
    ("waits of status", ("waits", "status", "waits"), 2.0),
    ("peak memory", ("cold_start", FUNCTIONS[0], "many_invoked_peak_kb"), [20_000]),
    ("zipped package", ("sizes", FUNCTIONS[1], "zip"), 3_100_000),
    ("failover after the last heartbeat", ("failover", "since_last_heartbeat_seconds"), 26.0),
    ("requests a second", ("check", "requests_a_second"), 11.0),
    ("new connections right after another", ("connections", "healthy tick, calm", "at_once"), 1),
    ("cost a month of what it does, alarms named", ("cost", "doing_usd", "alarms named"), 0.36),
    ("cost a month, calm", ("cost", "total_usd", "calm"), 3.01),
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
    """The reason for asking once for both colours."""
    assert all(target.met for target in report.targets(results))
    results["calls"]["cases"]["tick, publishing, named alarms"]["billable"]["DescribeAlarms"] = 2
    template = cost.Template(**results["cost"]["template"])
    results["cost"] = cost.compute(template, results["calls"], results["cold_start"], results["connections"])
    assert [target.what for target in report.targets(results) if not target.met] == ["cost a month of what it does, alarms named"]


class Ticking(calls.BenchStack):
    """A stack whose every tick makes the calls of a readiness check."""

    def __init__(self, operations: list[str]) -> None:
        self.operations = operations
        self.aws = self  # type: ignore[assignment]

    def calm_tick(self) -> dict[str, Any]:
        return {}

    def calls_so_far(self) -> int:
        return 0

    def calls(self, function: str, since: int) -> list[calls.Call]:
        return [{"operation": operation} for operation in self.operations]


def test_a_tick_that_checks_readiness_is_not_measured_as_calm():
    assert len(Ticking(["GetParameters", "GetEnvironment"]).calm_calls()) == 2
    with pytest.raises(calls.BenchError, match="readiness"):
        Ticking(["GetParameters", "DescribeParameters"]).calm_calls()
