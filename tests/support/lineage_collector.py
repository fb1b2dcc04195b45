"""An OpenLineage endpoint on this machine that checks every event, and that can be dead in the ways in which a server is.

    with Collector() as collector:
        … "url": collector.url …
        collector.become(SILENT)
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.lineage_events import faults
from support.real_airflow import free_port

ANSWERS = "answers"
REFUSES = "refuses"
"""Nobody listens: the system refuses every connection."""
SILENT = "accepts and never answers"
UNREACHABLE = "drops every packet"
"""As a security group does: no connection is made, and none refused."""
DEAD = (REFUSES, SILENT, UNREACHABLE)

_FILLED = 0.5
"""Seconds after which a connection to this machine counts as dropped."""


@dataclass(frozen=True)
class Received:
    at: float
    """Seconds since 1970."""
    path: str
    event: dict[str, Any]

    @property
    def namespace(self) -> str:
        return str(self.event["job"]["namespace"])

    @property
    def job(self) -> str:
        """The DAG's id, or the DAG's and the task's with a dot."""
        return str(self.event["job"]["name"])

    @property
    def kind(self) -> str:
        return str(self.event["eventType"])

    @property
    def run_id(self) -> str:
        return str(self.event["run"]["runId"])

    def facet(self, name: str) -> dict[str, Any] | None:
        found = self.event["run"].get("facets", {}).get(name)
        return dict(found) if found is not None else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    collector: Collector

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no fault of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        wrong = self.server.collector.take(self.path, body)
        answer = json.dumps(wrong).encode()
        self.send_response(400 if wrong else 201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the tests ask for what was received."""


class Collector:
    """`all`: every event that obeyed the schema. `held`: how long each client has waited for an answer of a silent collector, in
    seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.all: list[Received] = []
        self._forgotten = 0
        self._faults: list[str] = []
        self.held: list[float] = []
        self._end: Callable[[], None] = lambda: None

    def __enter__(self) -> Collector:
        self.become(ANSWERS)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def become(self, what: str) -> None:
        """Changes at once. Connections of before are closed, but for answers under way."""
        self._end()
        self._end = {ANSWERS: self._answer, REFUSES: lambda: lambda: None, SILENT: self._listen_only, UNREACHABLE: self._drop}[what]()

    def take(self, path: str, body: bytes) -> list[str]:
        """Records an event. Returns what is wrong with it."""
        try:
            event = json.loads(body)
        except ValueError as error:
            event, wrong = {}, [f"not JSON: {error}"]
        else:
            wrong = faults(event)
            if not wrong and "run" not in event:
                wrong = ["no event of a run: Airflow sends no others"]
        with self._lock:
            self._faults += [f"{one} in {body[:2000].decode(errors='replace')}" for one in wrong]
            if not wrong:
                self.all.append(Received(time.time(), path, event))
        return wrong

    @property
    def faults(self) -> list[str]:
        with self._lock:
            return list(self._faults)

    def received(self, namespace: str | None = None, kind: str | None = None) -> list[Received]:
        """Since forget(), in the order in which they came."""
        with self._lock:
            since = self.all[self._forgotten :]
        return [one for one in since if namespace in (None, one.namespace) and kind in (None, one.kind)]

    def forget(self) -> None:
        """From now on received() and `held` begin anew."""
        with self._lock:
            self._forgotten = len(self.all)
            self.held.clear()

    # -- what it can be --------------------------------------------------------------------------------------------

    def _answer(self) -> Callable[[], None]:
        server = _Server(("127.0.0.1", self.port), _Handler)
        server.collector = self
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()

        def end() -> None:
            server.shutdown()
            server.server_close()

        return end

    def _listen(self, backlog: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(backlog)
        return listener

    def _listen_only(self) -> Callable[[], None]:
        listener = self._listen(64)
        connections: list[socket.socket] = []

        def wait_until_it_gives_up(connection: socket.socket) -> None:
            began = time.monotonic()
            with connection, contextlib.suppress(OSError):
                while connection.recv(65_536):
                    pass
                with self._lock:
                    self.held.append(time.monotonic() - began)

        def accept() -> None:
            with contextlib.suppress(OSError):  # the listener was closed
                while True:
                    connection, _ = listener.accept()
                    connections.append(connection)
                    threading.Thread(target=wait_until_it_gives_up, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

        def end() -> None:
            for one in (listener, *connections):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

        return end

    def _drop(self) -> Callable[[], None]:
        """A queue of connections that nobody accepts: once it is full, Linux drops what asks for another."""
        listener = self._listen(0)
        waiting: list[socket.socket] = []
        while True:
            one = socket.socket()
            one.settimeout(_FILLED)
            waiting.append(one)
            try:
                one.connect(("127.0.0.1", self.port))
            except TimeoutError:
                break

        def end() -> None:
            for one in (*waiting, listener):
                one.close()

        return end
