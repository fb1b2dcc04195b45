"""A real, minimal Airflow environment on this machine: web server, scheduler and (Airflow 3) DAG processor, SQLite,
LocalExecutor, 127.0.0.1 only.

    with RealAirflow("blue", python=".../bin/python", dags=..., environment=aws.environment()) as blue:
        run = blue.trigger("plain")
        blue.wait(lambda: blue.run("plain", run)["state"] == "success")

Needs only the standard library; `python` is that of an installation with Airflow and this package. Whatever ends the
caller (an exception, Ctrl-C, SIGKILL) ends the processes too.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import http.cookiejar
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)

PATIENCE = 300
"""Seconds that anything may take on a slow machine. What is waited for comes much sooner; only what never comes takes so long."""
COMMAND_PATIENCE = 600
ANSWER_PATIENCE = 120
PORTS = range(20_000, 32_000)
"""Below those that the system gives to outgoing connections, which could take a port before its server has started."""


class RealAirflowError(RuntimeError):
    """The environment did not start, or an awaited event did not happen in time."""


class ServerFault(RealAirflowError):
    """The web server answered with an internal error, such as a locked database."""


LOCKED = "database is locked"
"""SQLite says so at once to one of two that have read and want to write. Nothing was written then."""
ATTEMPTS = 10


def free_port() -> int:
    """By chance: other processes may search for one at the same time."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def processes_in(directory: Path) -> set[int]:
    """Every process whose working directory this is. Airflow's processes have sessions of their own, lose their parents, and overwrite
    their environments with their titles, but they keep their working directory."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if os.readlink(process / "cwd") == str(directory):
                    found.add(int(process.name))
    return found


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill_all_in(directory: Path) -> None:
    """All at once, so that none sees another die. Raises RealAirflowError if one does not end."""
    stopped: set[int] = set()
    while more := processes_in(directory) - stopped:
        for pid in more:
            _signal(pid, signal.SIGSTOP)
        stopped |= more
    # Repeatedly: one search misses a process that is forked by one that ends meanwhile.
    deadline = time.monotonic() + PATIENCE
    while left := processes_in(directory):
        for pid in left:
            _signal(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise RealAirflowError(f"the processes {sorted(left)} do not end")
        time.sleep(0.01)


class RealAirflow:
    """One environment. `options` are Airflow settings, `{"AIRFLOW__CORE__PARALLELISM": "2"}`; they take precedence."""

    def __init__(
        self,
        color: str | None,
        python: str | Path,
        dags: Path,
        environment: dict[str, str],
        options: dict[str, str] | None = None,
        home: Path | None = None,
    ) -> None:
        self.color, self.python = color, Path(python).absolute()
        self._own_home = home is None
        self.home = (home or Path(tempfile.mkdtemp(prefix=f"airflow-{color}-"))).resolve()
        self.record = self.home / "record"
        self.port = free_port()
        self.version = self._ask_version(environment)
        self.version_info = tuple(int(part) for part in self.version.split(".")[:2])
        self.is_3 = not self.version.startswith("2.")
        url = f"http://127.0.0.1:{self.port}"
        self.url = url
        self.api = f"{url}/api/v2" if self.is_3 else f"{url}/api/v1"
        self.environment = {
            **{name: value for name, value in environment.items() if not name.startswith(("AIRFLOW", "MWAA_BLUEGREEN"))},
            "PATH": f"{self.python.parent}:{environment.get('PATH', os.defpath)}",
            "HOME": str(self.home),
            "NO_PROXY": "*",
            "PYTHONDONTWRITEBYTECODE": "1",
            "BLUEGREEN_TEST_RECORD": str(self.record),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.basic_auth",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__SECRET_KEY": f"not-secret-{color}",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": f"not-secret-but-long-enough-for-a-signature-{color}",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__INTERNAL_API_SECRET_KEY": "not-secret",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            # The package's default of minutes does not apply: a test that needs it sets it.
            "AIRFLOW__CUSTOM__BLUEGREEN_STANDBY_WAIT_SECONDS": "0",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            # The files do not change. The processor does its other work, callbacks, immediately.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            # A file counts as parsed when a callback of its DAGs is called; DAGs that were not parsed then count as removed.
            "AIRFLOW__DAG_PROCESSOR__STALE_DAG_THRESHOLD": "86400",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db?timeout=60",  # seconds to wait for a lock; the machine may be busy
            "AIRFLOW__LOGGING__DELETE_LOCAL_LOGS": "False",
            "AIRFLOW__SCHEDULER__PARSING_PROCESSES": "1",
            # Airflow 2 lets each task schedule the next ones too, and locks rows against the scheduler's doing the same. SQLite has no
            # such locks: a task was scheduled twice, and sometimes executed twice.
            "AIRFLOW__SCHEDULER__SCHEDULE_AFTER_TASK_EXECUTION": "False",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__WEBSERVER__SECRET_KEY": f"not-secret-{color}",
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(self.port),
            "AIRFLOW__WEBSERVER__WORKERS": "1",
            # Airflow 2 refuses LocalExecutor on SQLite; for a handful of tasks at a time it works.
            "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
            **({"AIRFLOW__CUSTOM__ENVIRONMENT_COLOR": color} if color else {}),
            **(options or {}),
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> RealAirflow:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- processes -----------------------------------------------------------------------------------------------

    def start(self, triggerer: bool = False) -> RealAirflow:
        """Start a web server that answers, a scheduler and a DAG processor. Raises RealAirflowError with the end of the log."""
        try:
            self.prepare()
            self.launch(triggerer)
            self.wait(self.healthy, "the web server answers, the scheduler and the DAG processor are healthy")
        except BaseException:
            self.stop()
            raise
        return self

    def prepare(self) -> None:
        """Create the database, with the DAGs in it."""
        self.make_database()
        self.command("dags", "reserialize")

    def make_database(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.record.touch()
        self.command("db", "migrate")
        if not self.is_3:
            self.command("users", "create", "--username", "admin", "--password", "admin", "--role", "Admin",
                         "--firstname", "a", "--lastname", "a", "--email", "a@example.org")  # fmt: skip

    def prepare_like(self, other: RealAirflow) -> None:
        """Copy the other environment's database, which must not have been launched yet: this saves half a minute."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.record.touch()
        shutil.copy(other.home / "airflow.db", self.home / "airflow.db")

    def launch(self, triggerer: bool = False) -> None:
        if triggerer:
            self._launch("triggerer", "triggerer", "--skip-serve-logs")
        self.start_web_server()
        if self.is_3:  # Airflow 2 has it in the scheduler; it also calls the callbacks of DAGs
            self._launch("dag-processor", "dag-processor")
        self.start_scheduler()

    def stop(self) -> None:
        """End all processes in order."""
        self._end_all(signal.SIGTERM)

    def kill(self) -> None:
        """Kill all processes immediately."""
        self._end_all(signal.SIGKILL)

    def _end_all(self, number: int) -> None:
        for name in list(self._processes):
            self._end(name, number)
        if self._own_home:
            shutil.rmtree(self.home, ignore_errors=True)

    def start_web_server(self) -> None:
        self._launch("web", "api-server" if self.is_3 else "webserver")

    def start_scheduler(self) -> None:
        self._launch("scheduler", "scheduler", "--skip-serve-logs")

    def restart_scheduler(self, parse: bool = False, **options: str | None) -> None:
        """Restart it with other settings; None removes one. `parse`: the DAG files are parsed with them, too, as Airflow 2 always does."""
        self.stop_scheduler()
        for name, value in options.items():
            self.environment.pop(name, None)
            if value is not None:
                self.environment[name] = value
        if parse and "dag-processor" in self._processes:
            self._end("dag-processor", signal.SIGTERM)
            self._launch("dag-processor", "dag-processor")
        stopped = datetime.now(timezone.utc)
        self.start_scheduler()
        # The old scheduler's heartbeat counts as healthy for a while.
        self.wait(lambda: self.healthy() and self.last_heartbeat() > stopped, "the new scheduler's heartbeat")

    def stop_scheduler(self) -> None:
        """End it in order: running tasks are ended too."""
        self._end("scheduler", signal.SIGTERM)

    def kill_scheduler(self) -> None:
        """As when its machine dies: the scheduler and the tasks that it runs are killed without a chance to react."""
        self._end("scheduler", signal.SIGKILL)

    def freeze_scheduler(self) -> None:
        """Stop the scheduler's own process (SIGSTOP); running tasks continue."""
        os.kill(self._processes["scheduler"].pid, signal.SIGSTOP)

    def continue_scheduler(self) -> None:
        os.kill(self._processes["scheduler"].pid, signal.SIGCONT)

    def command(self, *arguments: str, timeout: float = COMMAND_PATIENCE) -> str:
        """Run `airflow …` to its end. Raises RealAirflowError if it fails."""
        done = subprocess.run(
            [str(self.python), "-m", "airflow", *arguments], env=self.environment, cwd=self.home, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RealAirflowError(f"airflow {' '.join(arguments)} failed:\n{done.stdout[-4000:]}")
        return done.stdout

    def _launch(self, name: str, *arguments: str) -> None:
        log = (self.home / f"{name}.log").open("ab")
        directory = self._directory(name)
        directory.mkdir(exist_ok=True)
        with log:
            self._processes[name] = subprocess.Popen(
                [str(self.python), "-m", "airflow", *arguments], env=self.environment, cwd=directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=_die_with_parent,
            )  # fmt: skip

    def _directory(self, name: str) -> Path:
        """The working directory of the process and of its children."""
        return self.home / f"in-{name}"

    def _end(self, name: str, number: int) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        if number != signal.SIGKILL:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)  # it may be frozen
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
        _kill_all_in(self._directory(name))
        process.wait()

    def _ask_version(self, environment: dict[str, str]) -> str:
        code = "import importlib.metadata as m; print(m.version('apache-airflow'))"
        done = subprocess.run([str(self.python), "-c", code], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RealAirflowError(f"{self.python} has no Airflow: {done.stderr.strip()[-500:]}")
        return done.stdout.strip()

    # -- the REST API --------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if not self.is_3:
            headers["Authorization"] = "Basic " + base64.b64encode(b"admin:admin").decode()
        request = urllib.request.Request(f"{self.api}/{path}", method=method, headers=headers,
                                         data=None if body is None else json.dumps(body).encode())  # fmt: skip
        try:
            with _opener.open(request, timeout=ANSWER_PATIENCE) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            kind = ServerFault if error.code >= 500 else RealAirflowError
            raise kind(f"{method} {path}: {error.code} {error.read().decode(errors='replace')[:1000]}") from None

    def _write(self, path: str, body: Any, method: str = "POST") -> Any:
        for attempt in range(ATTEMPTS):
            try:
                return self.request(method, path, body)
            except ServerFault:
                if attempt == ATTEMPTS - 1:
                    raise
            time.sleep(1)
        return None

    def health(self) -> Any:
        """Airflow's own health report."""
        return self.request("GET", "monitor/health" if self.is_3 else "health")

    def last_heartbeat(self) -> datetime:
        """The scheduler's last heartbeat, as Airflow reports it; the start of time if there was none."""
        told = self.health()["scheduler"]["latest_scheduler_heartbeat"]
        return datetime.fromisoformat(told.replace("Z", "+00:00")) if told else datetime.min.replace(tzinfo=timezone.utc)

    @property
    def scheduler_pid(self) -> int:
        return self._processes["scheduler"].pid

    def healthy(self) -> bool:
        """The web server answers, and reports every started process as healthy. Raises RealAirflowError if a process has ended."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise RealAirflowError(f"the {name} of {self.color} has ended:\n{self.log(name)}")
        try:
            health = self.health()
        except (OSError, RealAirflowError):
            return False
        started = [part for part in ("scheduler", "dag-processor") if part in self._processes]
        return all(health[part.replace("-", "_")]["status"] == "healthy" for part in ("metadatabase", *started))

    def log(self, name: str) -> str:
        path = self.home / f"{name}.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else "(no log)"

    def trigger(self, dag: str, **more: Any) -> str:
        """Start a manual run; returns its run id."""
        body = {"logical_date": None, **more} if self.is_3 else {
            {"logical_date": "execution_date"}.get(k, k): v for k, v in more.items()}
        return str(self._write(f"dags/{dag}/dagRuns", body)["dag_run_id"])

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """All runs of a DAG, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.request("GET", f"dags/{dag}/dagRuns?limit=100&offset={len(found)}")["dag_runs"]
            found += page
            if not page:
                return found

    def run(self, dag: str, run: str) -> dict[str, Any]:
        return dict(self.request("GET", f"dags/{dag}/dagRuns/{urllib.parse.quote(run, safe='')}"))

    def tasks(self, dag: str, run: str) -> dict[str, str]:
        """States by task id; `task[index]` for mapped ones."""
        return {name: instance["state"] for name, instance in self.instances(dag, run).items()}

    def instances(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        """Task instances by task id; `task[index]` for mapped ones."""
        found: list[dict[str, Any]] = []
        run = urllib.parse.quote(run, safe="")
        while True:
            page = self.request("GET", f"dags/{dag}/dagRuns/{run}/taskInstances?limit=100&offset={len(found)}")["task_instances"]
            found += page
            if not page:
                break
        return {i["task_id"] + (f"[{i['map_index']}]" if i["map_index"] >= 0 else ""): i for i in found}

    def clear(self, dag: str, run: str, tasks: list[str], **more: Any) -> None:
        body = {"dry_run": False, "dag_run_id": run, "task_ids": tasks, "only_failed": False, "reset_dag_runs": True, **more}
        self._write(f"dags/{dag}/clearTaskInstances", body)

    def end_run(self, dag: str, run: str) -> None:
        """Mark it as failed; its tasks that have not started are skipped."""
        path = f"dags/{dag}/dagRuns/{urllib.parse.quote(run, safe='')}"
        self._write(path, {"state": "failed"}, method="PATCH")

    def _database(self) -> contextlib.closing[sqlite3.Connection]:
        return contextlib.closing(sqlite3.connect(self.home / "airflow.db", timeout=60))

    def forget_xcoms(self, dag: str, run: str) -> int:
        """Delete XComs in the database, as a clean-up job does. Returns how many there were."""
        with self._database() as database, database:
            return database.execute("DELETE FROM xcom WHERE dag_id = ? AND run_id = ?", (dag, run)).rowcount

    def failed_by_the_scheduler(self, dag: str, run: str, task: str) -> int:
        """How many tries Airflow's scheduler has taken for failed, because the executor told of the end of one worker process when the
        task already waited for the next: after an immediate trigger (apache/airflow#66374). The next process runs nevertheless."""
        wanted = "SELECT COUNT(*) FROM log WHERE event = 'state mismatch' AND dag_id = ? AND run_id = ? AND task_id = ?"
        with self._database() as database:
            return int(database.execute(wanted, (dag, run, task)).fetchone()[0])

    def failures(self, since: float) -> str:
        """Why tasks have failed since then (seconds since 1970), by Airflow's list of events and by their own logs, which are last: for
        whoever reads of a test that failed now and then, and has only the end of what was printed."""
        began = datetime.fromtimestamp(since, timezone.utc).replace(tzinfo=None).isoformat(sep=" ")
        with self._database() as database:
            failed = database.execute("SELECT dag_id, run_id, task_id, max(end_date) FROM task_instance WHERE state = 'failed' "
                                      "AND end_date >= ? GROUP BY 1, 2, 3 ORDER BY 4", (began,)).fetchall()  # fmt: skip
            events = database.execute("SELECT * FROM log WHERE event IN ('state mismatch', 'heartbeat timeout') AND dttm >= ?", (began,))
            told = [" ".join(map(str, event)) for event in events]
        said = [f"== web server\n{self.log('web')}", f"== scheduler\n{self.log('scheduler')}", "== events", *told]
        for dag, run, task, ended in failed:
            said.append(f"== {dag} {run} {task}, which ended {ended}\n{self.task_log(dag, run, task)[-4000:]}")
        return "\n".join(said)

    def pause(self, dag: str, paused: bool = True) -> None:
        self._write(f"dags/{dag}", {"is_paused": paused}, method="PATCH")

    def xcom(self, dag: str, run: str, task: str, key: str) -> Any:
        run = urllib.parse.quote(run, safe="")
        return self.request("GET", f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}")["value"]

    def task_log(self, dag: str, run: str, task: str) -> str:
        directory = self.home / "logs" / f"dag_id={dag}" / f"run_id={run}" / f"task_id={task}"
        return "\n".join(path.read_text(errors="replace") for path in sorted(directory.glob("**/*.log")))

    def executed(self, dag: str | None = None, run: str | None = None) -> list[tuple[str, ...]]:
        """The executions: (dag, run, task, map index, note), in order."""
        lines = [tuple(line.split("|")) for line in self.record.read_text().splitlines()]
        return [line for line in lines if dag in (None, line[0]) and run in (None, line[1])]

    def wait(self, condition: Callable[[], Any], what: str = "the condition", timeout: float = PATIENCE) -> Any:
        """The first true result of the condition. Raises RealAirflowError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            trouble = ""
            try:
                if answer := condition():
                    return answer
            except (OSError, ServerFault) as fault:  # the condition is evaluated again
                trouble = f"; {fault}"
            if time.monotonic() > deadline:
                raise RealAirflowError(f"{self.color}: not within {timeout} s: {what}{trouble}\n{self.log('scheduler')}")
            time.sleep(0.3)

    def finished(self, dag: str, run: str) -> str:
        """The run's final state."""

        def final() -> str | None:
            state = str(self.run(dag, run)["state"])
            return state if state in ("success", "failed") else None

        return str(self.wait(final, f"{dag} {run} ends"))


class Browser:
    """A client of the web server, with cookies."""

    def __init__(self, environment: RealAirflow) -> None:
        self.url = environment.url
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )

    def open(self, path: str, **form: str) -> tuple[str, str]:
        """The final address, and the page."""
        data = urllib.parse.urlencode(form).encode() if form else None
        with self.opener.open(f"{self.url}{path}", data, timeout=ANSWER_PATIENCE) as answer:
            return urllib.parse.urlsplit(answer.url).path, answer.read().decode()

    def log_in(self, user: str) -> None:
        """Airflow 2; the password is the user name."""
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.open("/login/")[1])
        assert token
        self.open("/login/", username=user, password=user, csrf_token=token[1])
