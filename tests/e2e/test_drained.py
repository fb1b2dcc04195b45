"""What is still in flight on the environment that was active before: `status`, the run report, `drained` and `switch --wait-drained`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from support.command_line import CONFLICT, DONE, NOT_IN_TIME, NOT_READY, REFUSED, USAGE, Cli
from support.deployment import Deploy
from support.pair import Pair
from support.runs import GUARD, iso

VERSIONS = ["3.0.6", "2.10.5", "3.3.2"]


def unfinished(dag_id: str, tick: datetime, state: str = "running", *, waits: bool = False, begun: bool = True, **more: Any) -> dict[str, Any]:
    """A run that has not ended: past its guard, or waiting in it."""
    tasks = {GUARD: "up_for_reschedule" if waits else "success", "load": "scheduled" if waits else "running"}
    return {"dag_id": dag_id, "run_id": f"{more.get('run_type', 'scheduled')}__{iso(tick)}", "state": state, "instant": iso(tick),
            "start_date": iso(tick + timedelta(milliseconds=1)) if begun else None, "tasks": tasks, **more}


@pytest.fixture
def switched(deploy: Deploy) -> Pair:
    """Green has been active for almost an hour."""
    pair = deploy(SwitchLeadSeconds="0")
    pair.ask(to="green")
    pair.wait_until_audited(2)
    let_hour_pass(pair)
    return pair


def let_hour_pass(pair: Pair) -> None:
    """Every write of the flag was an hour earlier. Readers then take the Descriptions' instants for a minute after the write."""
    pair.aws.age_parameter(pair.flag_name, 3600, every_version=True)


def times(pair: Pair) -> tuple[datetime, datetime]:
    """An instant of blue's, and one of green's."""
    at = pair.flag().modified
    return at - timedelta(minutes=5), at + timedelta(minutes=5)


def in_flight(pair: Pair, color: str = "blue") -> dict[str, Any]:
    answer = pair.ask(action="status")
    other = {"blue": "green", "green": "blue"}[color]
    assert answer["in_flight"][other] is None, answer["in_flight"]
    return answer["in_flight"][color]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_old_color_still_executes_is_counted_and_what_waits_in_its_guards_is_not(switched: Pair, version: str):
    before, after = times(switched)
    earliest = before - timedelta(minutes=30)
    switched.environment("blue", airflow_version=version, runs=[
        unfinished("stock", before), unfinished("orders", earliest), unfinished("orders", before), unfinished("invoices", before, "queued", begun=False),
        unfinished("orders", after, waits=True), unfinished("stock", after, "queued", begun=False),
        unfinished("by_hand", before, run_type="manual"), unfinished("by_hand", after, run_type="manual", waits=True),
        unfinished("ended", before, "success"), unfinished("broken", before, "failed")])
    switched.environment("green", airflow_version=version, runs=[unfinished("orders", after)])
    found = in_flight(switched)
    assert (found["runs"], found["others"], found["dag_count"], found["drained"]) == (5, 3, 4, False), found
    assert found["dags"] == ["orders", "invoices", "by_hand", "stock"], found
    assert datetime.fromisoformat(found["oldest"]) == earliest.replace(microsecond=earliest.microsecond // 1000 * 1000) + timedelta(milliseconds=1)
    assert found["reason"].startswith("5 runs in flight on blue: orders, invoices, by_hand, stock, the oldest since "), found
    switched.environment("blue", runs=[unfinished("orders", after, waits=True), unfinished("stock", before, "success")])
    found = in_flight(switched)
    assert (found["runs"], found["others"], found["drained"]) == (0, 1, True), found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fault", ["down", "malformed"])
def test_what_cannot_be_read_is_unknown_and_never_nothing(switched: Pair, version: str, fault: str):
    switched.environment("blue", airflow_version=version, rest_api=fault)
    found = in_flight(switched)
    assert (found["runs"], found["others"], found["drained"]) == (None, None, False), found
    assert found["unknown"] and found["reason"] == f"it is unknown what is in flight on blue: {found['unknown']}", found


def test_the_run_report_does_not_take_unlisted_runs_for_none(switched: Pair):
    before, _ = times(switched)
    switched.environment("blue", runs=[unfinished("orders", before)])
    answer = switched.ask(action="run-report")
    assert answer["run_report"]["counts"]["in_flight"] == 1 and "; 1 under way on the old" in answer["reason"], answer
    switched.environment("blue", rest_api="down")
    assert "; it is unknown how many are under way on the old (" in switched.ask(action="run-report")["reason"]


def test_without_the_flags_history_no_run_has_an_owner(switched: Pair):
    switched.fault_at_flag("access-denied", "GetParameterHistory", times=None)
    found = in_flight(switched)
    assert (found["runs"], found["drained"]) == (None, False) and "unknown" in found["reason"], found


def test_right_after_a_switch_more_may_come(deploy: Deploy):
    pair = deploy(SwitchLeadSeconds="0")
    pair.ask(to="green")
    found = in_flight(pair)
    assert (found["runs"], found["drained"]) == (0, False) and "may still create some until" in found["reason"], found
    let_hour_pass(pair)
    assert in_flight(pair)["drained"]


def test_a_standby_that_was_never_active_and_a_pair_without_a_flag(deploy: Deploy):
    pair = deploy(initialize=False)
    assert pair.ask(action="status")["in_flight"] == {"blue": None, "green": None}
    pair.ask(action="initialize")
    now = datetime.now(timezone.utc)
    pair.environment("green", runs=[unfinished("orders", now, waits=True)])
    found = in_flight(pair, "green")
    assert (found["runs"], found["others"], found["drained"]) == (0, 1, True), found


@pytest.mark.parametrize("version", ["3.0.6", "2.10.5"])
def test_many_runs_are_read_in_pages_and_a_few_in_one_request(switched: Pair, version: str):
    before, after = times(switched)
    waiting = [unfinished(f"dag_{number:05}", after, waits=True) for number in range(449)]
    switched.environment("blue", airflow_version=version, runs=[*waiting, unfinished("last", before)])
    switched.ask(action="status")  # learns which generation it is
    many = rest_calls(switched)
    found = in_flight(switched)
    assert (found["runs"], found["others"], found["dags"]) == (1, 449, ["last"]), found
    switched.environment("blue", runs=[*waiting[:99], unfinished("last", before)])
    few = rest_calls(switched)
    assert in_flight(switched)["others"] == 99
    assert (few, many - few) == (3, 9), "health of both and one list; or five pages, from both ends"


def rest_calls(pair: Pair) -> int:
    """How many requests to both Airflows one status makes."""
    so_far = pair.aws.calls_so_far()
    pair.ask(action="status")
    return sum(call["operation"] == "InvokeRestApi" for call in pair.calls("switch-handler", so_far))


@pytest.fixture
def cli(switched: Pair, tmp_path: Path) -> Cli:
    return Cli(switched, tmp_path)


@pytest.fixture(params=[(), ("--direct",)], ids=["function", "direct"])
def way(request: pytest.FixtureRequest, cli: Cli) -> tuple[str, ...]:
    """By the function, and without it."""
    way: tuple[str, ...] = request.param
    if way:
        cli("settings", "--save")
    return way


def test_the_exit_code_says_whether_it_has_drained(cli: Cli, way: tuple[str, ...]):
    before, after = times(cli.pair)
    cli.pair.environment("blue", runs=[unfinished("orders", before), unfinished("stock", after, waits=True)])
    ended = cli("drained", "blue", *way, code=NOT_READY)
    assert ended.out.startswith("1 run in flight on blue: orders, the oldest since ") and "1 run of green not counted" in ended.out
    assert "in flight  1 run in flight on blue: orders" in cli("status", *way).out
    cli.pair.environment("blue", rest_api="down")
    assert cli("drained", "blue", *way, code=NOT_READY).out.startswith("it is unknown what is in flight on blue: ")
    cli.pair.environment("blue", rest_api="up", runs=[unfinished("orders", before, "success")])
    assert cli("drained", "blue", *way).out == "blue has drained: none of its own runs is in flight\n"
    assert cli("drained", "blue", "--output", "json", *way).json["in_flight"]["blue"]["drained"] is True
    for wait in ((), ("--wait",)):
        ended = cli("drained", "green", *wait, *way, code=REFUSED)
        assert ended.out.startswith("green is the active color (version 2): it has not drained"), ended.out


def test_the_wait_ends_when_the_runs_do(cli: Cli, way: tuple[str, ...]):
    before, _ = times(cli.pair)
    cli.pair.environment("blue", runs=[unfinished("orders", before)])
    waiting = cli.start("drained", "blue", "--wait", *way)
    assert waiting.stderr and waiting.stdout
    assert waiting.stderr.readline().startswith("1 run in flight on blue: orders, the oldest since ")
    cli.pair.environment("blue", rest_api="down")
    assert waiting.stderr.readline().startswith("it is unknown what is in flight on blue: "), "which is waited through"
    cli.pair.environment("blue", rest_api="up", runs=[])
    assert waiting.wait(120) == DONE
    assert waiting.stdout.read() == "blue has drained: none of its own runs is in flight\n"


def test_what_is_not_drained_in_time_is_said(cli: Cli):
    before, _ = times(cli.pair)
    cli.pair.environment("blue", runs=[unfinished("orders", before)])
    ended = cli("drained", "blue", "--wait", "--within", "0", code=NOT_IN_TIME)
    assert "blue has not drained within 0 s: 1 run in flight on blue: orders" in ended.error
    cli.pair.environment("blue", rest_api="down")
    assert "within 0 s: it is unknown" in cli("drained", "blue", "--wait", "--within", "0", code=NOT_IN_TIME).error


def test_a_second_switch_during_the_wait_ends_it(cli: Cli):
    before, _ = times(cli.pair)
    cli.pair.environment("blue", runs=[unfinished("orders", before)])
    waiting = cli.start("drained", "blue", "--wait")
    assert waiting.stderr and waiting.stdout
    assert "1 run in flight" in waiting.stderr.readline()
    cli.pair.ask(to="blue")
    assert waiting.wait(120) == CONFLICT
    assert waiting.stdout.read().startswith("blue is the active color (version 3)")


def test_a_switch_can_wait_until_the_old_color_has_drained(deploy: Deploy, tmp_path: Path):
    pair = deploy(SwitchLeadSeconds="0")
    cli = Cli(pair, tmp_path)
    pair.environment("blue", runs=[unfinished("orders", datetime.now(timezone.utc) - timedelta(minutes=5))])
    waiting = cli.start("switch", "--to", "green", "--yes", "--wait-drained")
    assert waiting.stderr and waiting.stdout
    lines = iter(waiting.stderr.readline, "")
    assert any(line.startswith("1 run in flight on blue: orders") for line in lines)
    let_hour_pass(pair)
    pair.environment("blue", runs=[])
    assert any(line.startswith("blue has drained") for line in lines)
    assert waiting.wait(120) == DONE and waiting.stdout.read().startswith("switched: green is active")
    again = cli("switch", "--to", "green", "--yes", "--wait-drained")
    assert again.out.startswith("unchanged") and "blue has drained" in again.error, "so that it can be repeated"
    cli("switch", "--to", "blue", "--yes", "--wait-drained", "--no-wait", code=USAGE)
