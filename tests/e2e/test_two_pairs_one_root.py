"""A root belongs to one pair: a second stack on it does not deploy, and a function on another pair's root writes nothing."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from local_aws.process import LocalAws
from local_aws.stack import FUNCTIONS
from support.clients import Clients
from support.command_line import DONE, FAILED, USAGE, Cli
from support.deployment import Deploy, wait_for_stack
from support.pair import Pair, only
from support.waiting import until

OWNER_RESOURCE = "ParameterRootBelongsToOnePair"


def owner(pair: Pair) -> Any:
    return pair.stored("owner")


def everything_under(pair: Pair) -> dict[str, tuple[str, int]]:
    pages = pair.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=pair.root, Recursive=True)
    return {entry["Name"]: (entry["Value"], entry["Version"]) for page in pages for entry in page["Parameters"]}


def writes(pair: Pair, since: int) -> list[dict[str, Any]]:
    """The writes and messages of the functions."""
    changing = ("PutParameter", "DeleteParameter", "PutEvents", "PutMetricData", "Publish")
    return [call for function in FUNCTIONS for call in pair.calls(function, since) if call["operation"] in changing]


@pytest.fixture
def first(deploy: Deploy) -> Pair:
    return deploy()


@pytest.fixture
def stray(first: Pair, deploy: Deploy) -> Pair:
    """A pair whose functions use the root of the first pair."""
    pair = deploy()
    for function in FUNCTIONS:
        pair.configure(function, FLAG_PARAMETER=first.flag_name, PROBE_UNTIL_SECONDS="0")
    return pair


def test_the_stack_names_its_pair_in_the_root(first: Pair):
    assert owner(first) == {"pair": first.name, "stack": first.name, "account": "000000000000", "region": "us-east-1"}
    assert first.ask(action="status")["root"] == {"path": first.root, "is": "ours", "owner": owner(first)}


def test_a_second_stack_on_the_same_root_fails_to_deploy_and_says_why(first: Pair, shared_aws: tuple[LocalAws, Clients, str]):
    _, clients, template = shared_aws
    before = everything_under(first)
    stacks, name = clients("cloudformation"), f"{first.name}-second"
    parameters = {"Architecture": "x86_64", "PairName": name, "ParameterRoot": first.root,
                  "BlueEnvironmentName": first.environments["blue"], "GreenEnvironmentName": first.environments["green"]}
    stacks.create_stack(StackName=name, TemplateURL=template, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()])
    wait_for_stack(clients, name, "ROLLBACK_COMPLETE")
    events = stacks.describe_stack_events(StackName=name)["StackEvents"]
    failed = only(event for event in events if event["ResourceStatus"] == "CREATE_FAILED" and event["LogicalResourceId"] == OWNER_RESOURCE)
    assert "already exists" in failed["ResourceStatusReason"].lower()
    made = {event["LogicalResourceId"] for event in events if event["ResourceStatus"] == "CREATE_COMPLETE"}
    assert not [logical for logical in made if logical.endswith("Function")], "nothing of it ever looked at the root"
    # The rollback of the stack removed nothing of the first pair.
    assert everything_under(first) == before
    assert first.ask(to="green")["outcome"] == "switched"


REFUSED: list[dict[str, Any]] = [
    {"to": "green"}, {"to": "green", "force": True}, {"to": "blue"}, {"to": "green", "dry_run": True},
    {"action": "failover", "to": "green", "reason": "it is dead", "force": True},
    {"action": "rollback"}, {"action": "hold", "minutes": 5, "reason": "work"}, {"action": "release"},
    {"action": "drill", "mode": "dry"}, {"action": "drill", "mode": "probe"}, {"action": "drill", "mode": "switch"},
    {"action": "initialize"}, {"action": "initialize", "to": "green", "force": True},
]


def is_wrong_pair(stray: Pair, first: Pair, error: dict[str, str]) -> None:
    assert error["errorType"] == "WrongPair", error
    for part in (first.root, f'"{first.name}"', f'"{stray.name}"', "nothing was written", "ParameterRoot", f"{first.root}/owner"):
        assert part in error["errorMessage"], error


def test_no_function_of_another_pair_writes_and_all_of_them_read(stray: Pair, first: Pair):
    first.ask(to="green", reason="something to go back from")
    first.wait_until_audited(2)
    before, since = everything_under(first), first.aws.calls_so_far()
    for request in REFUSED:
        is_wrong_pair(stray, first, stray.ask_in_vain(**request))
    is_wrong_pair(stray, first, stray.tick_in_vain())
    change = {"source": "aws.ssm", "detail-type": "Parameter Store Change", "id": "x",
              "detail": {"operation": "Update", "name": first.flag_name, "type": "String"}}
    is_wrong_pair(stray, first, stray.error_of("change-listener", change))
    # With the active dead, when it would fail over.
    stray.fail("green")
    is_wrong_pair(stray, first, stray.tick_in_vain())
    assert writes(stray, since) == [] and everything_under(first) == before
    status = stray.ask(action="status")
    assert (status["root"]["is"], status["root"]["owner"]["pair"], status["decision"]) == ("foreign", first.name, "none")
    assert first.name in status["reason"] and status["active"] == "green"
    check = stray.ask(action="check")
    finding = only(found for found in check["readiness"]["findings"] if found["name"] == "root-owner")
    assert (finding["severity"], check["outcome"]) == ("red", "not_ready") and first.name in finding["what"]
    assert len(stray.ask(action="history")["entries"]) == 2
    assert stray.ask(action="run-report")["outcome"] == "run_report"
    assert writes(stray, since) == []
    assert first.ask(to="blue")["outcome"] == "switched", "the owner works on"


def test_the_watcher_that_may_write_nothing_is_heard(stray: Pair):
    """Its ticks fail, and the stack's alarm on errors counts that."""
    for _ in range(2):
        stray.tick_in_vain()

    def rings() -> bool:
        stray.aws.evaluate_alarms()
        return stray.alarm_state("watcher-errors") == "ALARM"

    until("the watcher's alarm", rings)


def test_directly_another_pairs_root_is_refused_too(first: Pair, deploy: Deploy, tmp_path: Path):
    cli = Cli(deploy(), tmp_path)
    cli("settings", "--save")
    before = everything_under(first)
    there = ("--direct", "--flag-parameter", first.flag_name)
    for command in (("switch", "--to", "green", "--yes"), ("rollback", "--yes"), ("release", "--yes"),
                    ("hold", "--minutes", "5", "--reason", "x", "--yes")):
        error = cli(*command, *there, code=FAILED).error
        assert "(WrongPair)" in error and first.name in error, error
    shown = cli("status", *there, code=None).out
    assert f"{first.root} belongs to the pair" in shown, shown
    assert everything_under(first) == before


def test_directly_the_root_of_a_pair_without_settings_has_its_name(first: Pair, tmp_path: Path):
    cli = Cli(first, tmp_path)
    names = [f"--{color}-environment={name}" for color, name in first.environments.items()]
    error = cli("switch", "--to", "green", "--direct", "--yes", *names, code=None)
    assert "no flag" in error.out + error.error and error.code != DONE, "its root was given, so its name is not the default"
    usage = cli("switch", "--to", "green", "--direct", "--yes", code=USAGE).error
    assert "settings --save" in usage and "--blue-environment" in usage and "--flag-parameter" in usage


@pytest.mark.parametrize("owner_is", ["deleted", "garbage", "of no pair"])
def test_a_missing_owner_stops_no_failover_and_check_says_so(first: Pair, owner_is: str):
    name = f"{first.root}/owner"
    if owner_is == "deleted":
        first.client("ssm").delete_parameter(Name=name)
    else:
        first.client("ssm").put_parameter(Name=name, Value={"garbage": "???", "of no pair": "{}"}[owner_is], Overwrite=True)
    check = first.ask(action="check")
    finding = only(found for found in check["readiness"]["findings"] if found["name"] == "root-owner")
    assert finding["severity"] == "amber" and name in finding["what"] and name in finding["fix"]
    assert first.ask(action="status")["root"]["is"] == ("unclaimed" if owner_is == "deleted" else "unreadable")
    first.fail("blue")
    assert first.tick()["decision"] == "failover"
    assert first.stands_at() == ("green", 2)
    # As the finding advises.
    first.client("ssm").put_parameter(Name=name, Value=json.dumps({"pair": first.name}), Type="String", Overwrite=True)
    assert "root-owner" not in str(first.ask(action="check")["readiness"]["findings"])


def test_every_record_carries_its_pair(first: Pair):
    first.look_once_a_tick()
    assert first.ask(action="drill", mode="switch", duration_minutes=1)["outcome"] == "pending"
    first.fail("green")
    assert first.tick()["decision"] == "drill-return"
    first.tick()
    first.heal("green")
    assert first.ask(to="green")["outcome"] == "switched"
    first.fail("green")
    assert first.tick()["decision"] == "failover"
    records = first.records()
    assert len(records) >= 6, sorted(records)
    assert {record["pair"] for record in records.values()} == {first.name}, records


def test_the_root_is_free_when_the_stack_is_gone_and_what_lay_there_is_taken_over(first: Pair, deploy: Deploy):
    first.ask(to="green", reason="before it goes")
    first.wait_until_audited(2)
    first.client("cloudformation").delete_stack(StackName=first.name)
    until("the owner is gone", lambda: first.parameter("owner") is None)
    assert first.stands_at() == ("green", 2), "the flag stays"
    second = deploy(ParameterRoot=first.root, initialize=False)
    assert owner(second)["pair"] == second.name
    assert second.ask(action="initialize")["outcome"] == "unchanged"
    answer = second.ask(to="blue")
    assert (answer["outcome"], answer["version"]) == ("switched", 3)
    assert datetime.now(timezone.utc) >= second.flag().modified
