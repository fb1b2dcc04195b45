"""Cold start, memory and processor time of every contender, on a Runtime API of our own.

A run: start the process, record the arrival of its first GET …/invocation/next, let it answer a few invocations. Nothing is measured
inside the process, so all contenders are measured alike. The processes get Lambda's environment and nothing of this machine's: an
inherited SSL_CERT_FILE alone would change the result.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
BINARIES = PROJECT / "target" / "lambda"
FUNCTIONS = ("health-watcher", "switch-handler", "change-listener")
EMPTY, PYTHON = "empty runtime", "Python/boto3"
PATIENCE = 60.0  # a start under callgrind takes seconds


@dataclass(frozen=True)
class Contender:
    name: str
    command: list[str]
    environment: dict[str, str]
    payload: str


@dataclass
class Run:
    """One process. Index 0 of the lists is the moment of the first `next`; one entry for each invocation follows."""

    start_ms: float = 0.0
    peak_kb: list[int] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)
    log_bytes: list[int] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


def contenders(endpoint: str, variables: dict[str, dict[str, str]]) -> list[Contender]:
    """`variables`: the template's variables, by function name."""
    def environment(function: str, own: dict[str, str]) -> dict[str, str]:
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC", "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_SESSION_TOKEN": "test", "AWS_LAMBDA_FUNCTION_NAME": function, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/x",
                "AWS_LAMBDA_LOG_STREAM_NAME": "x", "AWS_ENDPOINT_URL": endpoint,
                "AWS_DISABLE_HOST_PREFIX_INJECTION": "true", **own}

    flag = variables["health-watcher"]["FLAG_PARAMETER"]
    payloads = {
        "health-watcher": "{}",
        "switch-handler": '{"action":"status"}',
        "change-listener": f'{{"source":"aws.ssm","detail-type":"Parameter Store Change","detail":{{"name":"{flag}"}}}}',
    }
    ours = [Contender(name, [str(BINARIES / name / "bootstrap")], environment(name, variables[name]), payloads[name])
            for name in FUNCTIONS]
    empty = Contender(EMPTY, [str(BINARIES / "empty-runtime" / "bootstrap")], environment("empty", {}), "{}")
    loop = PROJECT / "bench" / "python-handler" / "bootstrap.py"
    python = Contender(PYTHON, [sys.executable, str(loop)], environment("python", variables["health-watcher"]), "{}")
    return [empty, *ours, python]


class RuntimeApi:
    """The smallest possible Runtime API: one process at a time, no threads, so that nothing delays the clock."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=8)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> RuntimeApi:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def run(self, contender: Contender, invocations: int, under: tuple[str, ...] = ()) -> Run:
        run = Run()
        command = [*under, *contender.command]
        environment = {**contender.environment, "AWS_LAMBDA_RUNTIME_API": self.address}
        with tempfile.TemporaryFile() as log:
            output = [(os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2)]
            started = time.perf_counter()
            pid = os.posix_spawn(command[0], command, environment, file_actions=output)
            try:
                self._serve(run, pid, log.fileno(), started, contender, invocations)
            finally:
                os.kill(pid, signal.SIGTERM)
                os.waitpid(pid, 0)
            log.seek(0)
            if len(run.peak_kb) != invocations + 1:
                said = log.read().decode(errors="replace")[-2000:]
                raise RuntimeError(f"{contender.name} did not get as far as it should:\n{said}")
        return run

    def _serve(self, run: Run, pid: int, log: int, started: float, contender: Contender, invocations: int) -> None:
        connections: list[socket.socket] = []
        try:
            while time.perf_counter() - started < PATIENCE and not _has_ended(pid):
                ready, _, _ = select.select([self._listener, *connections], [], [], 1.0)
                for each in ready:
                    if each is self._listener:
                        connections.append(each.accept()[0])
                        continue
                    head = each.recv(65536)
                    arrived = time.perf_counter()
                    if not head:
                        connections.remove(each)
                        each.close()
                        continue
                    path, body = _request(head, each)
                    if not path.endswith("/next"):
                        run.answers.append(f"{path.rsplit('/', 1)[1]}: {body}")
                        each.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
                        continue
                    run.start_ms = run.start_ms or (arrived - started) * 1000
                    run.peak_kb.append(_peak_kb(pid))
                    run.processor_ms.append(_processor_ms(pid))
                    run.log_bytes.append(os.fstat(log).st_size)
                    if len(run.peak_kb) > invocations:
                        return
                    each.sendall(_invocation(contender.payload, len(run.peak_kb)))
        finally:
            for each in connections:
                each.close()


def _request(head: bytes, connection: socket.socket) -> tuple[str, str]:
    """Path and body of a request whose first bytes have arrived. Bodies come complete or in chunks."""
    data = head
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    headers, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", headers)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    if re.search(rb"(?im)^transfer-encoding: *chunked", headers):
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
    return headers.split(b" ", 2)[1].decode(), body.decode(errors="replace")


def _invocation(payload: str, number: int) -> bytes:
    body = payload.encode()
    head = ("HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {len(body)}",
            f"Lambda-Runtime-Aws-Request-Id: 00000000-0000-4000-8000-{number:012d}",
            f"Lambda-Runtime-Deadline-Ms: {int(time.time() * 1000) + 60_000}",
            "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:bench",
            "Lambda-Runtime-Trace-Id: Root=1-00000000-000000000000000000000000;Sampled=0")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def _has_ended(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].startswith("Z")


def _peak_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def _processor_ms(pid: int) -> float:
    """Processor time of all threads, as the scheduler counts it: to the nanosecond, unlike `times`."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def measure(all_contenders: list[Contender], rounds: int, invoked_rounds: int, invocations: int) -> dict[str, Any]:
    """Round by round, each starting with another contender, so that a busy moment affects all alike."""
    starts: dict[str, list[Run]] = {contender.name: [] for contender in all_contenders}
    invoked: dict[str, list[Run]] = {contender.name: [] for contender in all_contenders}
    with RuntimeApi() as api:
        for number in range(-1, rounds):
            turn = number % len(all_contenders)
            for contender in all_contenders[turn:] + all_contenders[:turn]:
                # One start of Python takes as long as a hundred of the others.
                for _ in range(1 if contender.name == PYTHON else 4):
                    run = api.run(contender, 0)
                    if number >= 0:  # the first round only fills the page cache
                        starts[contender.name].append(run)
        for _ in range(invoked_rounds):
            for contender in all_contenders:
                run = api.run(contender, invocations)
                if failed := [answer for answer in run.answers if not answer.startswith("response")]:
                    raise RuntimeError(f"{contender.name}: {failed[0][:1000]}")
                invoked[contender.name].append(run)
        instructions = count_instructions(api, all_contenders)
    return {
        contender.name: {
            "start_ms": [round(run.start_ms, 3) for run in starts[contender.name]],
            "start_processor_ms": [round(run.processor_ms[0], 3) for run in starts[contender.name]],
            "start_peak_kb": [run.peak_kb[0] for run in starts[contender.name]],
            "invoked_peak_kb": [run.peak_kb[1] for run in invoked[contender.name]],
            "many_invoked_peak_kb": [run.peak_kb[-1] for run in invoked[contender.name]],
            "first_processor_ms": [round(run.processor_ms[1] - run.processor_ms[0], 3) for run in invoked[contender.name]],
            "warm_processor_ms": [round(later - earlier, 3) for run in invoked[contender.name]
                                  for earlier, later in pairwise(run.processor_ms[1:])],
            "warm_log_bytes": [later - earlier for run in invoked[contender.name]
                               for earlier, later in pairwise(run.log_bytes[1:])],
            "start_instructions": instructions.get(contender.name),
        }
        for contender in all_contenders
    }


def count_instructions(api: RuntimeApi, all_contenders: list[Contender]) -> dict[str, int]:
    """Instructions up to the first `next`: the same on a busy machine. Empty without valgrind."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return {}
    counted = {}
    for contender in all_contenders:
        with tempfile.TemporaryDirectory(prefix="bench-callgrind-") as folder:
            out = Path(folder, "out")
            api.run(contender, 0, under=(valgrind, "--tool=callgrind", f"--callgrind-out-file={out}"))
            found = re.search(r"(?m)^(?:summary|totals): (\d+)", out.read_text()) if out.exists() else None
        if found:
            counted[contender.name] = int(found[1])
    return counted


def build_empty_runtime() -> None:
    """`make functions` leaves it out: it is not part of the product. Does nothing when it is up to date."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["cargo", "lambda", "build", "--release", "--locked", "--package", "empty-runtime"]
    done = subprocess.run(command, cwd=PROJECT, env={**os.environ, "PATH": tools}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
