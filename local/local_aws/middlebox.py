"""A device between a function and AWS that drops idle connections: a NAT gateway, a firewall, a load balancer.

It listens on a port of its own, forwards everything, and counts connections. A connection that it has dropped is neither closed nor
refused: it accepts what is sent on it, and never answers. It drops connections that were idle for longer than `forgets_after` seconds,
and all of them on request.

    with Middlebox(aws.endpoint, forgets_after=4) as box:
        client = boto3.client("ssm", **{**aws.client_settings(), "endpoint_url": box.url})
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(eq=False)
class Connection:
    """One connection of a client, and our connection to AWS for it."""

    client: socket.socket
    server: socket.socket
    last: float = field(default_factory=time.monotonic)
    is_forgotten: bool = False
    # Bytes that were accepted and never forwarded.
    swallowed: int = 0


class Middlebox:
    def __init__(self, behind: str, forgets_after: float | None = None) -> None:
        parts = urlsplit(behind)
        self._behind = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._forgets_after = forgets_after
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._connections: list[Connection] = []
        self._lock = threading.Lock()
        self._is_closing = False

    def __enter__(self) -> Middlebox:
        threading.Thread(target=self._accept, daemon=True, name="middlebox").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closing = True
        self._listener.close()
        with self._lock:
            for each in self._connections:
                _close(each.client)
                _close(each.server)

    # -- the interface for tests -------------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """How many connections were made so far."""
        with self._lock:
            return len(self._connections)

    @property
    def swallowed(self) -> int:
        """On how many connections something was sent that will never be answered."""
        with self._lock:
            return sum(each.swallowed > 0 for each in self._connections)

    def forget(self) -> None:
        """Drop every current connection."""
        with self._lock:
            for each in self._connections:
                each.is_forgotten = True

    # -- the work ----------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._is_closing:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._behind)
            except OSError:
                return
            connection = Connection(client, server)
            with self._lock:
                self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True, name="middlebox-connection").start()

    def _serve(self, connection: Connection) -> None:
        try:
            while True:
                ends = [connection.client] if connection.is_forgotten else [connection.client, connection.server]
                for ready in select.select(ends, [], [])[0]:
                    data = ready.recv(65536)
                    now = time.monotonic()
                    if self._forgets_after is not None and now - connection.last > self._forgets_after:
                        connection.is_forgotten = True
                    if connection.is_forgotten:
                        if ready is connection.server:
                            continue  # even its end by AWS does not reach the client
                        if not data:
                            return
                        connection.swallowed += len(data)
                        continue
                    if not data:
                        return
                    connection.last = now
                    (connection.server if ready is connection.client else connection.client).sendall(data)
        except (OSError, ValueError):
            return
        finally:
            _close(connection.client)
            _close(connection.server)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.close()
