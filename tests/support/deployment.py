"""The stack, deployed to a local AWS: quickly, and with the shortest intervals that its template allows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_aws.process import LocalAws
from local_aws.stack import FUNCTIONS
from support.clients import Clients
from support.pair import Pair
from support.waiting import until

CODE = "code"

# The shortest intervals that the template allows.
QUICK = {
    "FailureWindowSeconds": "10",
    "HeartbeatAlarmPeriodSeconds": "10",
    "HeartbeatAlarmEvaluationPeriods": "1",
    "ProbeIntervalSeconds": "1",
    "CooldownSeconds": "0",
}

# The sources that may wake the watcher without the test. They are off unless a test requests them, so that it knows the actor.
WAKERS = {"schedule": "every-minute", "status": "environment-status", "alarm": "heartbeat-lost"}

Deploy = Callable[..., Pair]

_numbers = itertools.count(1)


def upload(aws: LocalAws, template: Path) -> str:
    """Does what `aws cloudformation package` does, only faster; one test deploys with the real one."""
    s3 = Clients(aws)("s3")
    s3.create_bucket(Bucket=CODE)
    text = template.read_text()
    for function in FUNCTIONS:
        archive = template.parent / f"{function}.zip"
        s3.upload_file(str(archive), CODE, archive.name)
        text = text.replace(str(archive), f"s3://{CODE}/{archive.name}")
    s3.put_object(Bucket=CODE, Key="template.yaml", Body=text.encode())
    return f"{aws.endpoint}/{CODE}/template.yaml"


def create_pair(aws: LocalAws, clients: Clients, template_url: str, *, wakes: tuple[str, ...] = (), initialize: bool = True,
                environments: dict[str, dict[str, Any]] | None = None, **parameters: str) -> Pair:
    name = f"pair-{next(_numbers)}"
    asked = environments or {}
    names = {color: f"{name}-{color}" for color in ("blue", "green")}
    for color, environment in names.items():
        if asked.get(color, {}) is not None:
            aws.put_environment(environment, **asked.get(color, {}))
    all_parameters = {
        "Architecture": "x86_64", "PairName": name, "ParameterRoot": f"/e2e/{name}",
        "BlueEnvironmentName": names["blue"], "GreenEnvironmentName": names["green"], **QUICK, **parameters}
    stacks = clients("cloudformation")
    stacks.create_stack(
        StackName=name, TemplateURL=template_url, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in all_parameters.items()])
    wait_for_stack(clients, name, "CREATE_COMPLETE")
    if "schedule" not in wakes:
        clients("events").disable_rule(Name=f"{name}-{WAKERS['schedule']}")
    if "status" not in wakes:
        clients("events").disable_rule(Name=f"{name}-{WAKERS['status']}")
    if "alarm" not in wakes:
        clients("cloudwatch").disable_alarm_actions(
            AlarmNames=[f"{name}-{color}-{WAKERS['alarm']}" for color in ("blue", "green")])
    pair = Pair(aws, clients, name, all_parameters["ParameterRoot"], names)
    if initialize:
        since = aws.timeline_so_far()
        assert pair.ask(action="initialize")["outcome"] == "initialized"
        # A listener that still works on the first version would report the second one, too, or hit a fault that is meant for another.
        pair.wait_until_audited(1)
        for trigger in ("event:Parameter Store Change", "event:Environment Transition"):
            pair.statuses("change-listener", since, 1, trigger)
    return pair


def wait_for_stack(clients: Clients, name: str, wanted: str) -> None:
    def settled() -> dict[str, Any] | None:
        stack = clients("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    stack = until(f"stack {name} settled", settled, 60)
    assert stack["StackStatus"] == wanted, f"{stack['StackStatus']}: {stack.get('StackStatusReason')}"


def remove_pair(pair: Pair) -> None:
    pair.aws.clear_faults()
    pair.client("cloudformation").delete_stack(StackName=pair.name)
    for environment in pair.environments.values():
        if any(known["name"] == environment for known in pair.aws.environments()):
            pair.aws.delete_environment(environment)
    pages = pair.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=pair.root, Recursive=True)
    for name in [entry["Name"] for page in pages for entry in page["Parameters"]]:
        pair.client("ssm").delete_parameter(Name=name)
