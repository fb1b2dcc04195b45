"""moto's Parameter Store as a second emulator: `PYTHON moto_store.py SEED`, with a Python that has moto.

It prints its endpoint, and ends when its standard input does. In front of moto are:
- one request at a time. moto looks whether a parameter exists and then stores it, without a lock, so that two creations at once
  could both succeed. In Parameter Store, one of them is refused;
- faults: with `PUT /_soak/faults {"rate": 0.1}` so many of the calls of the command line fail, chosen by the seed and the order of the calls;
- a journal of every write, because a deleted parameter takes its history with it: `GET /_soak/journal`.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.ssm.models import ssm_backends
from werkzeug.serving import WSGIRequestHandler, make_server

REGION = "us-east-1"
# Longer than one try of the command line.
SILENCE_SECONDS = 4.0
KINDS = ("throttle", "server-error", "lost-response", "latency", "lost-response-timeout")
WEIGHTS = (4, 3, 4, 4, 1)

Answer = tuple[str, list[tuple[str, str]], bytes]


class Store:
    def __init__(self, seed: int) -> None:
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.lock = threading.Lock()
        self.chosen = random.Random(f"{seed}:moto")
        self.rate = 0.0
        self.journal: list[dict[str, Any]] = []
        self.failed: dict[str, int] = {}

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if environ["PATH_INFO"].startswith("/_soak/"):
            status, headers, answer = self._control(environ["PATH_INFO"], body)
        else:
            status, headers, answer = self._call(environ, body)
        start(status, headers)
        return [answer]

    def _control(self, path: str, body: bytes) -> Answer:
        if path.endswith("/faults"):
            self.rate = json.loads(body)["rate"]
        return "200 OK", [("Content-Type", "application/json")], json.dumps({"journal": self.journal, "failed": self.failed}).encode()

    def _call(self, environ: dict[str, Any], body: bytes) -> Answer:
        key = re.search(r"Credential=([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        who = key[1] if key else ""
        with self.lock:
            kind = None
            if who.startswith("CLI") and self.chosen.random() < self.rate:
                kind = self.chosen.choices(KINDS, WEIGHTS)[0]
                self.failed[kind] = self.failed.get(kind, 0) + 1
            if kind == "throttle":
                return _refusal("400 Bad Request", "ThrottlingException", "Rate exceeded")
            if kind == "server-error":
                return _refusal("500 Internal Server Error", "InternalServerError", "injected by a fault")
            answer = self._carry_out(environ, body, who)
        if kind == "latency":
            time.sleep(0.7)
        if kind == "lost-response-timeout":
            time.sleep(SILENCE_SECONDS)
        if kind in ("lost-response", "lost-response-timeout"):
            return _refusal("500 Internal Server Error", "InternalServerError", "injected by a fault, after the work was done")
        return answer

    def _carry_out(self, environ: dict[str, Any], body: bytes, who: str) -> Answer:
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        asked = json.loads(body or b"{}")
        parameters = ssm_backends[DEFAULT_ACCOUNT_ID][REGION]._parameters
        names = [asked["Name"]] if operation in ("PutParameter", "DeleteParameter") else asked.get("Names", []) if "Delete" in operation else []
        before = {name: parameters[name][-1] for name in names if parameters.get(name)}
        got: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], Any]:
            got[:] = [status, headers]
            return lambda data: None

        content = b"".join(self.moto({**environ, "wsgi.input": io.BytesIO(body)}, start))
        if got[0].startswith("200"):
            for name in names:
                deleted = "Delete" in operation
                entry = before.get(name) if deleted else parameters[name][-1]
                if entry is not None:
                    self._note(entry, "Delete" if deleted else "Update" if name in before else "Create", who)
        return got[0], got[1], content

    def _note(self, entry: Any, operation: str, who: str) -> None:
        modified = entry.last_modified_date
        self.journal.append({
            "at": time.time(), "name": entry.name, "operation": operation, "version": entry.version,
            "value": "" if operation == "Delete" else entry.value, "description": entry.description or "",
            "modified": int(modified.replace(microsecond=0).timestamp()) * 1000 + modified.microsecond // 1000, "by": who})


def _refusal(status: str, code: str, message: str) -> Answer:
    return status, [("Content-Type", "application/x-amz-json-1.1")], json.dumps({"__type": code, "message": message}).encode()


class Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        pass


def main() -> None:
    server = make_server("127.0.0.1", 0, Store(int(sys.argv[1])), threaded=True, request_handler=Silent)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    time.tzset()
    main()
