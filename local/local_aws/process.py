"""Start, control and stop a local AWS from a test, the demo or the benchmark. Needs only the standard library.

    with LocalAws() as aws:
        aws.put_environment("blue", scheduler="running")
        client = boto3.client("ssm", **aws.client_settings())
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGE_PARENT = Path(__file__).resolve().parent.parent
REGION = "us-east-1"
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LocalAwsError(RuntimeError):
    """The local AWS did not start, or the control API refused."""


class LocalAws:
    def __init__(self, port: int = 0, log: Path | None = None, auth: bool = False, die_with_parent: bool = True) -> None:
        self._port, self._log, self._auth, self._die_with_parent = port, log, auth, die_with_parent
        self._process: subprocess.Popen[bytes] | None = None
        self._endpoint: str | None = None

    def __enter__(self) -> LocalAws:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        if self._endpoint is None:
            raise LocalAwsError("the local AWS is not running")
        return self._endpoint

    @property
    def pid(self) -> int:
        if self._process is None:
            raise LocalAwsError("the local AWS is not running")
        return self._process.pid

    def start(self, timeout: float = 60) -> LocalAws:
        with tempfile.TemporaryDirectory(prefix="local-aws-start-") as directory:
            ready, errors = Path(directory, "ready.json"), Path(directory, "errors")
            command = [sys.executable, "-m", "local_aws", "--port", str(self._port), "--ready-file", str(ready)]
            command += ["--log", str(self._log)] if self._log else []
            command += ["--auth"] if self._auth else []
            command += ["--die-with-parent"] if self._die_with_parent else []
            with errors.open("wb") as sink:
                self._process = subprocess.Popen(
                    command, env={**os.environ, "PYTHONPATH": str(PACKAGE_PARENT)}, stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=sink,
                    start_new_session=True,  # the caller decides what Ctrl-C in the terminal does
                )
            deadline = time.monotonic() + timeout
            while not ready.exists():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise LocalAwsError(f"the local AWS did not start: {errors.read_text(errors='replace').strip()[-2000:]}")
                time.sleep(0.02)
            self._endpoint = json.loads(ready.read_text())["endpoint"]
        return self

    def stop(self) -> None:
        process, self._process, self._endpoint = self._process, None, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # -- for clients ---------------------------------------------------------------------------------------------

    def client_settings(self) -> dict[str, Any]:
        """Arguments for boto3.client. For MWAA add botocore's Config(inject_host_prefix=False)."""
        return {"endpoint_url": self.endpoint, "region_name": REGION, "aws_access_key_id": "test",
                "aws_secret_access_key": "test"}

    def environment(self) -> dict[str, str]:
        """Environment variables for the AWS CLI and for programs that use an SDK."""
        inherited = {name: value for name, value in os.environ.items()
                     if not name.startswith("AWS_") and not name.lower().endswith("_proxy")}
        return {**inherited, "AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_PAGER": "",
                "AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}

    # -- the control API -----------------------------------------------------------------------------------------

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(f"{self.endpoint}/_local/{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with _opener.open(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise LocalAwsError(f"{method} {path}: {error.read().decode(errors='replace')}") from None

    def put_environment(self, name: str, **settings: Any) -> dict[str, Any]:
        return self.control("PUT", f"mwaa/environments/{urllib.parse.quote(name)}", settings)

    def environments(self) -> list[dict[str, Any]]:
        return self.control("GET", "mwaa/environments")["environments"]

    def delete_environment(self, name: str) -> None:
        self.control("DELETE", f"mwaa/environments/{urllib.parse.quote(name)}")

    def set_mwaa_defaults(self, **settings: Any) -> dict[str, Any]:
        """For environments that stacks and the API of MWAA make from now on."""
        return self.control("PUT", "mwaa/defaults", settings)

    def set_cloudformation(self, **settings: Any) -> dict[str, Any]:
        return self.control("PUT", "cloudformation", settings)

    def add_fault(self, kind: str, service: str = "*", operation: str = "*", **more: Any) -> str:
        return self.control("POST", "faults", {"kind": kind, "service": service, "operation": operation, **more})["id"]

    def faults(self) -> list[dict[str, Any]]:
        return self.control("GET", "faults")["faults"]

    def clear_faults(self, fault_id: str | None = None) -> None:
        self.control("DELETE", f"faults/{fault_id}" if fault_id else "faults")

    def age_parameter(self, name: str, seconds: float, every_version: bool = False) -> None:
        """Age a parameter's newest version, or all of its versions."""
        self.control("POST", "parameters/age", {"name": name, "seconds": seconds, "every_version": every_version})

    def calls(self, since: int = 0) -> list[dict[str, Any]]:
        return self.control("GET", f"calls?since={since}")["calls"]

    def calls_so_far(self) -> int:
        return self.control("GET", "calls?since=1000000000")["next"]

    def timeline(self, since: int = 0) -> list[dict[str, Any]]:
        return self.control("GET", f"timeline?since={since}")["timeline"]

    def timeline_so_far(self) -> int:
        return self.control("GET", "timeline?since=1000000000")["next"]

    def evaluate_alarms(self) -> int:
        return self.control("POST", "alarms/evaluate")["alarms"]

    def wait_for(self, what: str, where: Callable[[dict[str, Any]], bool] = lambda detail: True, since: int = 0,
                 timeout: float = 60) -> dict[str, Any]:
        """Wait for a timeline entry of this kind whose detail matches."""
        began = time.monotonic()
        while True:
            entries = self.timeline(since)
            for entry in entries:
                if entry["what"] == what and where(entry["detail"]):
                    return entry
            waited = time.monotonic() - began
            if waited > timeout:
                seen = "\n".join(f"  {e['what']} {json.dumps(e['detail'])}" for e in entries)
                raise LocalAwsError(f"no {what!r} within {timeout} s; the timeline since {since} has:\n{seen}")
            time.sleep(min(max(waited / 8, 0.05), 0.5))
