"""Faults on demand, in front of every AWS call, including those of function processes.

ministack never fails by itself. A fault here names a service and an operation and defines what fails: see the table in
local/README.md. The first fault that matches a call is used; it counts its hits.

kill-caller finds the process at the other end of the TCP connection and kills it, but only if the local AWS started it. The kernel's
tables identify that process, so a function cannot be confused with the calling test.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from local_aws import functions, timeline

KINDS = ("throttle", "server-error", "access-denied", "timeout", "latency", "lost-response", "lost-response-timeout",
         "malformed", "stale", "kill-caller", "kill-caller-after")
SERVICE_NAMES = {"cloudwatch": "monitoring", "mwaa": "airflow", "eventbridge": "events"}
DEFAULT_SILENCE_MS = 30_000


@dataclass
class Fault:
    id: str
    kind: str
    service: str = "*"
    operation: str = "*"
    match: str | None = None
    caller: str | None = None  # a function's name
    times: int | None = None
    after: int = 0  # matching calls that pass first
    probability: float = 1.0
    latency_ms: float | None = None
    stale_seconds: float | None = None
    as_of: float | None = None  # in seconds since 1970
    hits: int = 0
    spared: int = 0

    def fits(self, service: str, operation: str, text: Callable[[], str], caller: str) -> bool:
        return (self.service in ("*", service) and self.operation in ("*", operation) and self.caller in (None, caller)
                and (self.times is None or self.hits < self.times) and (not self.match or self.match in text())
                and random.random() < self.probability)

    @property
    def silence_seconds(self) -> float:
        return (DEFAULT_SILENCE_MS if self.latency_ms is None else self.latency_ms) / 1000


_faults: dict[str, Fault] = {}
_lock = threading.Lock()
_ids = itertools.count(1)


def add(asked: dict[str, Any]) -> Fault:
    asked = {key: value for key, value in asked.items() if key not in ("id", "hits", "spared")}
    if "kind" not in asked:
        raise ValueError("kind is missing")
    fault = Fault(id=f"fault-{next(_ids)}", **asked)
    fault.service = SERVICE_NAMES.get(fault.service, fault.service)
    if fault.kind not in KINDS and not fault.kind.startswith("error:"):
        raise ValueError(f"kind: {fault.kind!r} is not one of {', '.join(KINDS)} or error:<Code>")
    if fault.kind == "latency" and fault.latency_ms is None:
        raise ValueError("latency_ms is missing")
    if fault.kind == "stale" and (fault.stale_seconds is None) == (fault.as_of is None):
        raise ValueError("stale: give either stale_seconds or as_of")
    if fault.kind == "stale" and fault.service not in ("ssm", "*"):
        raise ValueError("only ssm has stale reads")
    with _lock:
        _faults[fault.id] = fault
    return fault


def listing() -> list[dict[str, Any]]:
    with _lock:
        return [asdict(fault) for fault in _faults.values()]


def remove(fault_id: str | None) -> bool:
    """Remove one fault, or all of them."""
    with _lock:
        if fault_id is None:
            _faults.clear()
            return True
        return _faults.pop(fault_id, None) is not None


def choose(service: str, operation: str, text: Callable[[], str], caller: str, peer_port: int,
           own_port: int) -> tuple[Fault, int | None] | None:
    """The fault for this call, if any, and the process that it kills. `text` is what a fault may match: the archive of a function takes a
    tenth of a second to become text."""
    with _lock:
        for fault in _faults.values():
            if not fault.fits(service, operation, text, caller):
                continue
            if fault.kind == "stale" and (service != "ssm" or not operation.startswith("Get")):
                continue
            if fault.spared < fault.after:
                fault.spared += 1
                continue
            victim = None
            if fault.kind.startswith("kill-caller"):
                victim = process_of_peer(peer_port, own_port)
                if victim is None:
                    continue  # Not one of our processes: nothing is killed, and it is not a hit.
            fault.hits += 1
            timeline.note("fault", id=fault.id, kind=fault.kind, service=service, operation=operation, killed=victim)
            return fault, victim
    return None


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def process_of_peer(peer_port: int, own_port: int) -> int | None:
    """The function process (or a child of it) at the other end of a connection to us."""
    inode = _socket_inode(peer_port, own_port)
    if inode is None:
        return None
    wanted = f"socket:[{inode}]"
    for pid in _with_descendants(functions.processes()):
        try:
            for descriptor in os.scandir(f"/proc/{pid}/fd"):
                if os.readlink(descriptor.path) == wanted:
                    return pid
        except OSError:
            continue  # ended in the meantime
    return None


def _socket_inode(local_port: int, remote_port: int) -> str | None:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as lines:
                next(lines)
                for line in lines:
                    columns = line.split()
                    if (int(columns[1].rsplit(":", 1)[1], 16) == local_port
                            and int(columns[2].rsplit(":", 1)[1], 16) == remote_port):
                        return columns[9]
        except OSError:
            continue
    return None


def _with_descendants(pids: list[int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    # The second column is the command in parentheses and may contain anything.
                    parent = int(stat.read().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry))
    found = list(pids)
    for pid in found:
        found.extend(children.get(pid, []))
    return found
