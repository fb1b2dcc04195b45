"""The deployed pair, asked the way its owner would ask: AWS CLI commands in a shell, and the AWS APIs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from local_aws.process import LocalAws

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ("health-watcher", "switch-handler", "change-listener")
COMMAND_SECONDS = 180
NAMESPACE = "MWAA/BlueGreen"


class CommandFailed(RuntimeError):
    """A command that users are told to give did not work; the message has its output."""


def instant(text: str) -> float:
    """Seconds since 1970 of a timestamp as the functions write it, with up to nine decimals."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    at = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp()
    return at + (float(f"0.{fraction}") if fraction else 0.0)


def run(command: str, environment: dict[str, str]) -> str:
    """Run a shell command in a process group of its own, so that Ctrl-C can end all of it."""
    process = subprocess.Popen(["/bin/sh", "-c", command], env=environment, cwd=ROOT, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, errors = process.communicate(timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{command}\nno answer within {COMMAND_SECONDS} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        raise CommandFailed(f"{command}\n{out}{errors}".strip())
    return out


class Following:
    """A command that goes on beside the story; its lines as they come. It ends with the `with` block."""

    def __init__(self, command: str, environment: dict[str, str]) -> None:
        self.lines: list[tuple[float, str]] = []
        self._command, self._environment = command, environment

    def __enter__(self) -> Following:
        self._process = subprocess.Popen(["/bin/sh", "-c", f"exec {self._command} 2>&1"], env=self._environment, cwd=ROOT,
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append((time.time(), line.rstrip("\n")))

    def ended(self) -> int | None:
        """Its exit code, once it has ended and all it said is in `lines`."""
        return None if self._reader.is_alive() else self._process.wait()

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def json_answers(text: str) -> list[Any]:
    """`aws lambda invoke … /dev/stdout` prints two JSON documents: the function's answer, then the call's."""
    decoder, answers, position = json.JSONDecoder(), [], 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        answer, position = decoder.raw_decode(text, position)
        answers.append(answer)
    return answers


class Pair:
    def __init__(self, aws: LocalAws, name: str, outputs: dict[str, str], program: Path) -> None:
        """`program`: the command line, target/debug/mwaa-bluegreen."""
        import boto3  # here, because it takes a third of a second

        self.aws, self.name, self.outputs, self.program = aws, name, outputs, program
        self.flag_name = outputs["FlagParameter"]
        self.root = self.flag_name.rsplit("/", 1)[0]
        session = boto3.session.Session()
        settings = aws.client_settings()
        self.ssm = session.client("ssm", **settings)
        self.logs = session.client("logs", **settings)
        self.cloudwatch = session.client("cloudwatch", **settings)
        self.sqs = session.client("sqs", **settings)
        self.sns = session.client("sns", **settings)
        path = os.pathsep.join([str(program.parent), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        self.environment = {**aws.environment(), "PATH": path, "PYTHONWARNINGS": "ignore", "MWAA_BLUEGREEN_PAIR": name}

    def function(self, name: str) -> str:
        return f"{self.name}-{name}"

    # -- as a user: commands -------------------------------------------------------------------------------------

    def invoke(self, command: str) -> dict[str, Any]:
        """Give an `aws lambda invoke` command; returns the function's answer."""
        text = run(command, self.environment)
        try:
            answer, call = json_answers(text)
        except ValueError:
            raise CommandFailed(f"{command}\nunexpected output:\n{text}") from None
        if call.get("FunctionError"):
            raise CommandFailed(f"{command}\n{answer.get('errorType')}: {answer.get('errorMessage')}")
        return answer

    def command_line(self, command: str) -> str:
        """Give a `mwaa-bluegreen` command; returns what it says, its messages included."""
        return run(f"{command} 2>&1", self.environment)

    def switch_command(self, request: dict[str, str]) -> str:
        """The stack's own SwitchToBlueCommand or SwitchToGreenCommand, with another request."""
        output = self.outputs[f"SwitchTo{request['to'].capitalize()}Command"]
        _, pipe, rest = output.partition(" | ")
        return f"printf '{json.dumps(request, separators=(',', ':'))}'{pipe}{rest}"

    # -- as AWS answers ------------------------------------------------------------------------------------------

    def flag(self) -> dict[str, Any]:
        return self.ssm.get_parameter(Name=self.flag_name)["Parameter"]

    def flag_history(self) -> list[dict[str, Any]]:
        return self.ssm.get_parameter_history(Name=self.flag_name)["Parameters"]

    def record(self, name: str) -> dict[str, Any]:
        return json.loads(self.ssm.get_parameter(Name=f"{self.root}/transitions/{name}")["Parameter"]["Value"])

    def drill(self) -> dict[str, Any]:
        """The drill under way, or the last one, as the functions remember it."""
        return json.loads(self.ssm.get_parameter(Name=f"{self.root}/drill")["Parameter"]["Value"])

    def audited(self) -> str:
        return self.ssm.get_parameter(Name=f"{self.root}/audited")["Parameter"]["Value"]

    def alarm_state(self, name: str) -> str:
        return self.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]

    def log_lines(self, function: str, since: float = 0) -> list[str]:
        return self._messages(f"/aws/lambda/{self.function(function)}", since)

    def decisions(self, since: float = 0) -> list[dict[str, Any]]:
        """What the health-watcher logged: one line for every probe."""
        found = []
        for line in self.log_lines("health-watcher", since):
            if line.startswith("{"):
                entry = json.loads(line)
                if entry.get("message") == "decision":
                    found.append({**entry, "at": instant(entry["timestamp"])})
        return found

    def audit_events(self, since: float = 0) -> list[dict[str, Any]]:
        group = self.outputs["AuditLogGroupName"]
        return [json.loads(message) for message in self._messages(group, since)]

    def _messages(self, group: str, since: float) -> list[str]:
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=int(since * 1000))
        return [event["message"] for page in pages for event in page["events"]]

    def metric(self, name: str, since: float, until: float, **dimensions: str) -> list[tuple[float, float]]:
        """Values of one of the product's metrics, oldest first, as (seconds since 1970, value)."""
        query = {"Id": "asked", "MetricStat": {
            "Metric": {"Namespace": NAMESPACE, "MetricName": name,
                       "Dimensions": [{"Name": key, "Value": value}
                                      for key, value in {"Pair": self.name, **dimensions}.items()]},
            "Period": 1, "Stat": "Maximum"}}
        start, end = (datetime.fromtimestamp(at, tz=timezone.utc) for at in (since, until))
        answer = self.cloudwatch.get_metric_data(MetricDataQueries=[query], StartTime=start, EndTime=end,
                                                 ScanBy="TimestampAscending")["MetricDataResults"][0]
        return [(at.timestamp(), value) for at, value in zip(answer["Timestamps"], answer["Values"])]

    def dead_letters(self) -> int:
        answer = self.sqs.get_queue_attributes(QueueUrl=self.outputs["DeadLetterQueueUrl"],
                                               AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])
