"""The exit code of `make bench`, and the definition of a calm tick. Nothing is measured here."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as bench
from bench import calls, cost, environments, report
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
    unchanged = {"calls": 8, "round_trips": 1, "described": 7, "changes": 0, "operations": {}, "seconds": 0.4, "late_seconds": 0.5,
                 "latency_ms": 100}
    controller = f"{sum(line['usd'] for line in measured['cost']['lines']['calm']):.2f}"
    month = {"mode": "blue-green", "environments": "715.40", "further_workers": None, "metadata": "2.00", "network": "73.00",
             "controller": controller, "together": None}

    def sync(requests: int, writes: int) -> dict[str, Any]:
        return {"calls": requests, "changes": writes, "round_trips": 9, "operations": {"InvokeRestApi": 7}, "seconds": 3.0}

    measured["environments"] = {
        "from_nothing": {"calls": 97, "changes": 24, "round_trips": 97, "operations": {}, "seconds": 3.0},
        "unchanged": {"stacks": 7, "events": 0, "cases": {"env plan": dict(unchanged), "env apply": dict(unchanged)}},
        "sync": {"files": 5000, "changed": 10, "cases": {
            environments.UNCHANGED: {environments.OWN: sync(19, 0), environments.NAIVE: sync(5, 0)},
            environments.HERE: {environments.OWN: sync(32, 12), environments.NAIVE: sync(15, 10)},
            environments.CHECKOUT: {environments.OWN: sync(32, 12), environments.NAIVE: sync(5005, 5000)}}},
        "costs": {"region": "us-east-1", "metadata_gb": 10.0, "classes": [{"class": "mw1.small", "workers": 1, "modes": [month]}]},
    }
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
    ("DescribeStacks of env plan", ("environments", "unchanged", "cases", "env plan", "described"), 8),
    ("AWS calls of env apply", ("environments", "unchanged", "cases", "env apply", "calls"), 11),
    ("round trips of env plan", ("environments", "unchanged", "cases", "env plan", "round_trips"), 2),
    ("changing calls of env apply", ("environments", "unchanged", "cases", "env apply", "changes"), 1),
    ("stack events of both", ("environments", "unchanged", "events"), 1),
    ("reads of dags sync, 10 changed", ("environments", "sync", "cases", environments.HERE, environments.OWN, "calls"), 41),
    ("requests against aws s3 sync", ("environments", "sync", "cases", environments.CHECKOUT, environments.NAIVE, "calls"), 1599),
    ("cost a month, the controller in env plan",
     ("environments", "costs", "classes", 0, "modes", 0, "controller"), "2.20"),
])
def test_a_target_that_is_not_met_fails_the_command(results: dict[str, Any], what: str, path: tuple[Any, ...], worse: Any, tmp_path: Path,
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


def test_one_write_more_of_a_sync_would_not_meet_the_target(results: dict[str, Any]):
    own = results["environments"]["sync"]["cases"][environments.CHECKOUT][environments.OWN]
    own["calls"], own["changes"] = own["calls"] + 1, own["changes"] + 1
    assert [target.what for target in report.targets(results) if not target.met] == [f"writes of dags sync, {environments.CHECKOUT}"]


def test_what_a_price_list_does_not_know_is_shown_as_unknown(results: dict[str, Any]):
    row = report.month_table(results["environments"]["costs"]).rows[0]
    assert row[0] == "mw1.small: blue-green, 1 + 1" and row.count("unknown") == 2


@pytest.mark.parametrize(("mode", "shown"), [
    ("standard", "standard, 4"), ("blue-green", "blue-green, 4 + 4"),
    ("blue-green, standby with 1 worker", "blue-green, 4 + 1")])
def test_a_mode_is_shown_by_the_workers_of_each_environment(results: dict[str, Any], mode: str, shown: str):
    small = results["environments"]["costs"]["classes"][0]
    small["workers"], small["modes"][0]["mode"] = 4, mode
    assert report.month_table(results["environments"]["costs"]).rows[0][0] == f"mw1.small: {shown}"


def test_what_is_said_of_environments_fits_a_terminal(results: dict[str, Any]):
    measured = results["environments"]
    for table in (report.unchanged_table(measured), report.sync_table(measured["sync"]), report.month_table(measured["costs"])):
        assert max(map(len, table.text().splitlines())) <= report.WIDTH, table.title


def test_only_calls_of_the_person_are_counted_and_each_change_is_one():
    def call(operation: str, caller: str = environments.PERSON, service: str = "cloudformation", at: float = 0.0) -> Call:
        return {"operation": operation, "caller": caller, "service": service, "at": at, "ms": 100.0}

    made = [call("DescribeStacks"), call("DescribeStacks", at=0.05), call("GetParameters", "bench-health-watcher", "ssm"),
            call("DescribeAlarms", service="monitoring"), call("CreateChangeSet", at=0.2), call("PutObject", service="s3", at=0.35)]
    counted = environments.summary(environments.calls_of_a_person(made))
    assert (counted["calls"], counted["changes"], counted["round_trips"]) == (4, 2, 3)


def test_the_files_to_synchronize_differ_in_what_changed_alone():
    names = [environments.name(number) for number in range(environments.FILES)]
    assert len(set(names)) == 5000 and sum(name.endswith(".py") for name in names) == 500
    for number in (1, environments.DAG_EVERY):
        first, second = environments.content(number), environments.content(number, version=2)
        assert first != second and len(first) == len(second), "of one size, as a changed number is"


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
