"""A function on a local AWS that executes the command in its event, and the queries of the local AWS's tests."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import uuid
import zipfile
from pathlib import Path
from typing import Any

from local_aws.process import LocalAws
from support.clients import Clients
from support.paths import PROJECT

ROLE = "arn:aws:iam::000000000000:role/tester"

FILES = PROJECT / "local/tests"

# A timely event has happened within so many seconds, even on a slow machine.
SOON = 30.0
# The longest poll of a queue (SQS allows no more); the clients wait for longer than that.
QUEUE_SECONDS = 20


def function_zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, (FILES / "function" / "bootstrap").read_bytes())
    return packed.getvalue()


def invoke(client: Clients, name: str, event: Any) -> Any:
    answer = client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    body = json.loads(answer["Payload"].read())
    return {"error": body} if answer.get("FunctionError") else body


def allow(client: Clients, name: str, principal: str, source_arn: str) -> None:
    client("lambda").add_permission(FunctionName=name, StatementId=f"s{uuid.uuid4().hex[:8]}", Principal=principal,
                                    Action="lambda:InvokeFunction", SourceArn=source_arn)


def arn_of(name: str) -> str:
    return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"


def connect(client: Clients, rule: str, pattern: dict[str, Any], function: str, bus: str = "default", **target: Any) -> str:
    """A rule that invokes a function, with the permission for that."""
    rule_arn = client("events").put_rule(Name=rule, EventPattern=json.dumps(pattern), EventBusName=bus)["RuleArn"]
    client("events").put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "1", "Arn": arn_of(function), **target}])
    allow(client, function, "events.amazonaws.com", rule_arn)
    return rule_arn


def events_seen(client: Clients, function: str) -> list[Any]:
    """The events a function logged, oldest first."""
    try:
        messages = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except client("logs").exceptions.ResourceNotFoundException:
        return []
    return [json.loads(m["message"])["got"] for m in messages if m["message"].startswith('{"got"')]


def received(client: Clients, queue: str, **more: Any) -> dict[str, Any]:
    """The next message in a queue, as soon as there is one."""
    answer = client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=QUEUE_SECONDS, **more)
    assert "Messages" in answer, f"no message in {queue} within {QUEUE_SECONDS} s"
    return answer["Messages"][0]


def ended(local_aws: LocalAws, function: str, since: int = 0) -> dict[str, Any]:
    """A function's invocation, once it has ended: its log may appear before that."""
    return local_aws.wait_for("invoke", lambda d: d["function"] == function and d["status"] != "running", since)["detail"]


def alive(pid: int) -> bool:
    """A zombie waits for its parent to reap it, and no longer runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def aws_cli(aws: LocalAws, *arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run([sys.executable, "-m", "awscli", *arguments], env=aws.environment(), cwd=cwd, text=True,
                          capture_output=True, timeout=120)
    assert done.returncode == 0, f"aws {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
