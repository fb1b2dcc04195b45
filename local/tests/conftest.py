"""One local AWS for each test module, clients for it, and a function that does what its event says."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any, Callable, Iterator

import boto3
import pytest
from botocore.config import Config

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
# The test function is a Python script: let `env python3` find the same Python that runs the tests.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

from local_aws.process import LocalAws  # noqa: E402

ROLE = "arn:aws:iam::000000000000:role/tester"
Client = Callable[[str], Any]

# How long anything may take on a slow machine. What a test waits for comes sooner; a test that fails takes so long.
PATIENCE = 30.0
# Queues are asked for so long at most (SQS allows no more), and the clients wait for longer than that.
QUEUE_SECONDS = 20
CLIENT_SECONDS = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deploying comes first, because the deployed schedule is looked at last: its first tick takes a minute."""
    items.sort(key=lambda item: 2 if item.get_closest_marker("last") else 0 if "test_deploy" in item.nodeid else 1)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "last: run after everything else")


@pytest.fixture(scope="module")
def local_aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


def clients_of(aws: LocalAws) -> Client:
    made: dict[str, Any] = {}
    config = Config(inject_host_prefix=False, retries={"total_max_attempts": 1}, read_timeout=CLIENT_SECONDS, connect_timeout=5)

    def client(service: str) -> Any:
        if service not in made:
            made[service] = boto3.client(service, config=config, **aws.client_settings())
        return made[service]

    return client


@pytest.fixture(scope="module")
def client(local_aws: LocalAws) -> Client:
    return clients_of(local_aws)


@pytest.fixture(autouse=True)
def no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "local_aws" in request.fixturenames:
        request.getfixturevalue("local_aws").clear_faults()


@pytest.fixture
def unique() -> str:
    return f"t{uuid.uuid4().hex[:10]}"


def function_zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, (HERE / "function" / "bootstrap").read_bytes())
    return packed.getvalue()


@pytest.fixture
def function(client: Client, unique: str) -> Iterator[str]:
    """The name of a fresh function."""
    client("lambda").create_function(FunctionName=unique, Runtime="provided.al2023", Handler="bootstrap", Role=ROLE,
                                     Timeout=30, Code={"ZipFile": function_zip()})
    yield unique
    client("lambda").delete_function(FunctionName=unique)


def invoke(client: Client, name: str, event: Any) -> Any:
    answer = client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    body = json.loads(answer["Payload"].read())
    return {"error": body} if answer.get("FunctionError") else body


def allow(client: Client, name: str, principal: str, source_arn: str) -> None:
    client("lambda").add_permission(FunctionName=name, StatementId=f"s{uuid.uuid4().hex[:8]}", Principal=principal,
                                    Action="lambda:InvokeFunction", SourceArn=source_arn)


def arn_of(name: str) -> str:
    return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"


def connect(client: Client, rule: str, pattern: dict[str, Any], function: str, bus: str = "default", **target: Any) -> str:
    """A rule that invokes a function, with the permission to do so."""
    rule_arn = client("events").put_rule(Name=rule, EventPattern=json.dumps(pattern), EventBusName=bus)["RuleArn"]
    client("events").put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "1", "Arn": arn_of(function), **target}])
    allow(client, function, "events.amazonaws.com", rule_arn)
    return rule_arn


def events_seen(client: Client, function: str) -> list[Any]:
    """The events a function logged, oldest first."""
    try:
        messages = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except client("logs").exceptions.ResourceNotFoundException:
        return []
    return [json.loads(m["message"])["got"] for m in messages if m["message"].startswith('{"got"')]


def eventually(check: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """The first true answer of `check`."""
    deadline = time.monotonic() + timeout
    while not (found := check()):
        assert time.monotonic() < deadline, f"{check} stayed {found!r} for {timeout} s"
        time.sleep(0.05)
    return found


def received(client: Client, queue: str, **more: Any) -> dict[str, Any]:
    """The next message in a queue, as soon as there is one."""
    answer = client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=QUEUE_SECONDS, **more)
    assert "Messages" in answer, f"no message in {queue} within {QUEUE_SECONDS} s"
    return answer["Messages"][0]


def ended(local_aws: LocalAws, function: str, since: int = 0) -> dict[str, Any]:
    """A function's invocation, once it has ended: its log may be there before."""
    return local_aws.wait_for("invoke", lambda d: d["function"] == function and d["status"] != "running", since)["detail"]


def alive(pid: int) -> bool:
    """A zombie waits for its parent to look, and runs no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def aws_cli(aws: LocalAws, *arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run([sys.executable, "-m", "awscli", *arguments], env=aws.environment(), cwd=cwd, text=True,
                          capture_output=True, timeout=120)
    assert done.returncode == 0, f"aws {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
