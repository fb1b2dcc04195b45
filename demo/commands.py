"""The deployed pair, operated as its owner would: AWS CLI commands in a shell, and the AWS APIs."""

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
from support.clients import Clients
from support.pair import Pair

ROOT = Path(__file__).resolve().parent.parent
COMMAND_SECONDS = 180


class CommandFailed(RuntimeError):
    """A documented command did not work; the message has its output."""


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


class BackgroundCommand:
    """A command that runs beside the story; its lines as they come. It ends with the `with` block."""

    def __init__(self, command: str, environment: dict[str, str]) -> None:
        self.lines: list[tuple[float, str]] = []
        self._command, self._environment = command, environment

    def __enter__(self) -> BackgroundCommand:
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
        """Its exit code, once it has ended and all its output is in `lines`."""
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


class Operator(Pair):
    """Runs the documented commands."""

    def __init__(self, aws: LocalAws, name: str, environments: dict[str, str], outputs: dict[str, str], program: Path) -> None:
        """`program`: the command line, target/debug/mwaa-bluegreen."""
        super().__init__(aws, Clients(aws), name, outputs["FlagParameter"].rsplit("/", 1)[0], environments)
        self.outputs, self.program = outputs, program
        path = os.pathsep.join([str(program.parent), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        self.variables = {**aws.environment(), "PATH": path, "PYTHONWARNINGS": "ignore", "MWAA_BLUEGREEN_PAIR": name}

    def aws_command(self, command: str) -> dict[str, Any]:
        """Run an `aws lambda invoke` command; returns the function's answer."""
        text = run(command, self.variables)
        try:
            answer, call = json_answers(text)
        except ValueError:
            raise CommandFailed(f"{command}\nunexpected output:\n{text}") from None
        if call.get("FunctionError"):
            raise CommandFailed(f"{command}\n{answer.get('errorType')}: {answer.get('errorMessage')}")
        return answer

    def command_line(self, command: str) -> str:
        """Run a `mwaa-bluegreen` command; returns its output, including messages."""
        return run(f"{command} 2>&1", self.variables)

    def request_command(self, request: dict[str, str], function: str = "switch-handler") -> str:
        """The stack's own StatusCommand, with another request or for another function."""
        _, pipe, rest = self.outputs["StatusCommand"].partition(" | ")
        asked = f" --function-name {self.function('switch-handler')} "
        if asked not in rest:
            raise CommandFailed(f"the stack's StatusCommand asks somebody else: {rest}")
        # A tick may take longer than the AWS CLI waits by default.
        patient = " --cli-read-timeout 90" if function == "health-watcher" else ""
        rest = rest.replace(asked, f"{patient} --function-name {self.function(function)} ")
        return f"printf '{json.dumps(request, separators=(',', ':'))}'{pipe}{rest}"

    def tick_command(self) -> str:
        return self.request_command({}, "health-watcher")
