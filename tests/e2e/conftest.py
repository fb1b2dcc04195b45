"""The deployed stack with its real binaries, on the embedded local AWS: a fresh pair for every test that wants one."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "local"), str(Path(__file__).resolve().parent)]
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"

from local_aws.process import LocalAws  # noqa: E402
from local_aws.stack import FUNCTIONS, built_template  # noqa: E402
from pair import Clients, Pair, until  # noqa: E402

TEMPLATE = PROJECT / "template.yaml"
BINARIES = PROJECT / "target" / "debug"
EVENTS = PROJECT / "events"
CODE = "code"

# As quick as the template allows.
QUICK = {"FailureWindowSeconds": "10", "HeartbeatAlarmPeriodSeconds": "10", "HeartbeatAlarmEvaluationPeriods": "1",
         "ProbeIntervalSeconds": "1", "CooldownSeconds": "0"}

# What may wake the watcher without the test doing it. Off unless a test asks for it, so that it knows who acted.
WAKERS = {"schedule": "every-minute", "status": "environment-status", "alarm": "heartbeat-lost"}

TIMELINE_SHOWN = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, and a short one between any two: a worker begins with two neighbours."""
    def seconds(item: pytest.Item) -> int:
        mark = item.get_closest_marker("long")
        return mark.args[0] if mark else 0

    long = sorted(filter(seconds, items), key=seconds, reverse=True)
    short = [item for item in items if not seconds(item)]
    mixed = itertools.chain.from_iterable(itertools.zip_longest(long, short[:len(long)]))
    items[:] = [*filter(None, mixed), *short[len(long):]]


# -- the local AWS ---------------------------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with the packed binaries beside it, made once for all workers."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder = shared / "built"
    with open(shared / "built.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built.yaml").exists():
            folder.mkdir(exist_ok=True)
            built_template(TEMPLATE, BINARIES, folder)
    return folder / "built.yaml"


def upload(aws: LocalAws, template: Path) -> str:
    """What `aws cloudformation package` does, without its seconds; one test deploys with the real one."""
    s3 = Clients(aws)("s3")
    s3.create_bucket(Bucket=CODE)
    text = template.read_text()
    for function in FUNCTIONS:
        archive = template.parent / f"{function}.zip"
        s3.upload_file(str(archive), CODE, archive.name)
        text = text.replace(str(archive), f"s3://{CODE}/{archive.name}")
    s3.put_object(Bucket=CODE, Key="template.yaml", Body=text.encode())
    return f"{aws.endpoint}/{CODE}/template.yaml"


@pytest.fixture(scope="session")
def shared_aws(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalAws, Clients, str]]:
    with LocalAws(log=tmp_path_factory.mktemp("aws") / "local.log") as aws:
        yield aws, Clients(aws), upload(aws, template)


@pytest.fixture
def aws(shared_aws: tuple[LocalAws, Clients, str], request: pytest.FixtureRequest) -> Iterator[LocalAws]:
    """The local AWS, without faults at the beginning and at the end of a test."""
    local = shared_aws[0]
    request.node.local_aws, request.node.timeline_from, request.node.began = local, local.timeline_so_far(), time.time()
    yield local
    local.clear_faults()


# -- pairs -----------------------------------------------------------------------------------------------------------

_numbers = itertools.count(1)
Deploy = Callable[..., Pair]


def create_pair(aws: LocalAws, clients: Clients, template_url: str, *, wakes: tuple[str, ...] = (), initialize: bool = True,
                environments: dict[str, dict[str, Any]] | None = None, **parameters: str) -> Pair:
    name = f"pair-{next(_numbers)}"
    asked = environments or {}
    names = {colour: f"{name}-{colour}" for colour in ("blue", "green")}
    for colour, environment in names.items():
        if asked.get(colour, {}) is not None:
            aws.put_environment(environment, **asked.get(colour, {}))
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
            AlarmNames=[f"{name}-{colour}-{WAKERS['alarm']}" for colour in ("blue", "green")])
    pair = Pair(aws, clients, name, all_parameters["ParameterRoot"], names)
    if initialize:
        since = aws.timeline_so_far()
        assert pair.ask(action="initialize")["outcome"] == "initialized"
        # A listener that still works on the first version would report the second one, too, or meet a fault that is not for it.
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


@pytest.fixture
def deploy(aws: LocalAws, shared_aws: tuple[LocalAws, Clients, str], request: pytest.FixtureRequest) -> Iterator[Deploy]:
    """Deploys a pair: `deploy(wakes=("schedule",), CooldownSeconds="300")`. Template parameters go by their names."""
    made: list[Pair] = []

    def make(**wanted: Any) -> Pair:
        made.append(create_pair(*shared_aws, **wanted))
        return made[-1]

    request.node.pairs = made
    yield make
    for pair in made:
        remove_pair(pair)


@pytest.fixture
def pair(deploy: Deploy) -> Pair:
    """A healthy pair with blue active, that only acts when the test says so."""
    return deploy()


# -- what a failing test shows -----------------------------------------------------------------------------------------

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    if report.when != "call" or not report.failed or not hasattr(item, "local_aws"):
        return
    try:
        entries = [entry for entry in item.local_aws.timeline(item.timeline_from)
                   if entry["what"] != "alarm-state" and "Alarm State" not in str(entry["detail"].get("detail_type"))]
        lines = [f"{entry['at'] - item.began:8.3f} {entry['what']:15} {json.dumps(entry['detail'])[:400]}"
                 for entry in entries[-TIMELINE_SHOWN:]]
        report.sections.append(("the timeline's end, in seconds since the test began", "\n".join(lines)))
        for pair in getattr(item, "pairs", []):
            for function in FUNCTIONS:
                shown = [json.dumps(line)[:600] for line in pair.log(function)[-6:]]
                report.sections.append((f"the log's end of {pair.name}-{function}", "\n".join(shown)))
    except Exception as error:  # the report must not hide the failure it is about
        report.sections.append(("the timeline could not be read", repr(error)))
