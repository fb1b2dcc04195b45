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

# The sources that may wake the watcher without the test, and what turns each off. They are off unless a test requests them, so that it
# knows the actor. They are made so: until a rule or an alarm that exists is turned off, it may wake the watcher once.
WAKERS = {
    "schedule": ("            Schedule: rate(1 minute)\n", "            State: DISABLED\n"),
    "status": ("            Pattern: {source: [aws.airflow], detail-type: [MWAA Environment Status Change]}\n", "            State: DISABLED\n"),
    "alarm": ("      AlarmActions: [!GetAtt HealthWatcherFunction.Arn]\n", "      ActionsEnabled: false\n"),
}

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
    for count in range(len(WAKERS) + 1):
        for wakes in itertools.combinations(sorted(WAKERS), count):
            s3.put_object(Bucket=CODE, Key=template_key(wakes), Body=with_wakers(text, wakes).encode())
    return f"{aws.endpoint}/{CODE}/{template_key(tuple(WAKERS))}"


def template_key(wakes: tuple[str, ...]) -> str:
    return f"{'-'.join(sorted(wakes)) or 'none'}.yaml"


def with_wakers(template: str, wakes: tuple[str, ...]) -> str:
    """The template with the other sources off."""
    for name, (line, off) in WAKERS.items():
        assert line in template, f"template.yaml has no such line: {line}"
        if name not in wakes:
            template = template.replace(line, line + off)
    return template


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
        StackName=name, TemplateURL=f"{template_url.rsplit('/', 1)[0]}/{template_key(wakes)}", Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in all_parameters.items()])
    wait_for_stack(clients, name, "CREATE_COMPLETE")
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
