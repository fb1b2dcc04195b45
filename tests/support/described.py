"""A pair that `env apply` made from a pair.toml, on a local AWS of its own: for the pages that change it by `rollout`."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.process import LocalAws
from local_aws.stack import architecture
from support.clients import Clients
from support.command_line import DONE, PROGRAM, Cli, Ended
from support.pair import Pair
from support.paths import TEMPLATE

NAME = "orders"
SETTINGS = {"airflow_version": "2.10.3", "class": "mw1.small", "min_workers": 1, "max_workers": 3, "dags": "dags"}
DAGS = {"orders.py": "import airflow\n"}

# What a real MWAA needs a quarter of an hour for, the local one does in seconds.
QUICK = "--interval 1 --patience 20 --within 20 --sync-seconds 0 --list-seconds 0"


class Deployed:
    """A pair that a pair.toml describes, and whoever works in the file's folder."""

    def __init__(self, aws: LocalAws, folder: Path, functions: Path) -> None:
        self.aws, self.folder, self.functions = aws, folder, functions
        self.clients = Clients(aws)
        self.pair = Pair(aws, self.clients, NAME, f"/mwaa/{NAME}", {color: f"{NAME}-{color}" for color in ("blue", "green")})

    def write_file(self, settings: dict[str, Any]) -> None:
        """pair.toml, with these settings of the environments."""
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
        (self.folder / "pair.toml").write_text(
            f'[pair]\nname = "{NAME}"\nmode = "blue-green"\nregion = "us-east-1"\n[network]\nnat_gateways = 1\n[environment]\n{lines}'
            f'[controller]\nfunctions = "{self.functions}"\ntemplate = "{TEMPLATE}"\n[controller.parameters]\nArchitecture = "{architecture()}"\n'
            'FailoverMode = "observe"\nFailureWindowSeconds = 10\nProbeIntervalSeconds = 1\nCooldownSeconds = 0\nSwitchLeadSeconds = 0\n')

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = Cli(self.pair, self.folder).environment()
        return subprocess.Popen([PROGRAM, *arguments], env=environment, cwd=self.folder, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *arguments: str, code: int = DONE) -> Ended:
        process = self.start(*arguments)
        out, error = process.communicate(timeout=200)
        assert process.returncode == code, f"{process.returncode}: {out}\n{error}"
        return Ended(process.returncode, out, error)

    def stack(self, color: str, layer: str = "environment") -> dict[str, Any]:
        try:
            return self.clients("cloudformation").describe_stacks(StackName=f"{NAME}-{color}-{layer}")["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return {"StackStatus": "absent", "StackId": "none", "Parameters": []}

    def parameter(self, color: str, name: str) -> str:
        return {one["ParameterKey"]: one["ParameterValue"] for one in self.stack(color)["Parameters"]}.get(name, "")

    def both(self, name: str) -> tuple[str, str]:
        return self.parameter("blue", name), self.parameter("green", name)

    @property
    def active(self) -> str:
        return self.pair.stands_at()[0]

    def hold(self) -> str | None:
        return self.pair.ask(action="status")["hold"]


class Described(Deployed):
    """The pair of the pages, which each test finds as it was."""

    def __init__(self, aws: LocalAws, folder: Path, functions: Path) -> None:
        super().__init__(aws, folder, functions)
        self.deployed: dict[str, Any] = dict(SETTINGS)
        self.dags = dict(DAGS)

    def work_in(self, folder: Path) -> None:
        """Somebody's folder, with what is deployed. Short waits for whatever is typed there."""
        self.folder, self.dags = folder, dict(DAGS)
        self.write()
        (folder / "bin").mkdir(exist_ok=True)
        wrapper = folder / "bin" / PROGRAM.name
        wrapper.write_text(f'#!/bin/sh\ncase $1 in rollout) set -- "$@" {QUICK} ;; esac\nexec {PROGRAM} "$@"\n')
        wrapper.chmod(0o755)

    def write(self, **changed: Any) -> None:
        """pair.toml and the files that it names, with these changes of what is deployed."""
        self.write_file({**self.deployed, **changed})
        shutil.rmtree(self.folder / "dags", ignore_errors=True)
        (self.folder / "dags").mkdir()
        for name, text in self.dags.items():
            (self.folder / "dags" / name).write_text(text)

    def rollout(self, *arguments: str, code: int = DONE) -> Ended:
        return self.run("rollout", *QUICK.split(), *arguments, code=code)

    def rollout_killed_at(self, text: str, *arguments: str) -> None:
        """A colleague's rollout, whose machine dies when this line of its progress has been shown."""
        process = self.start("rollout", "--yes", *QUICK.split(), *arguments)
        assert process.stderr
        for line in process.stderr:
            if text in line:
                process.kill()
                process.communicate()
                return
        raise AssertionError(f"no line with {text!r}: {process.communicate()}")

    def last_updates(self) -> dict[str, Any]:
        return {color: (self.stack(color)["StackId"], self.stack(color).get("LastUpdatedTime")) for color in ("blue", "green")}

    def settle(self, **deployed: Any) -> None:
        """Blue is active, both colors have this configuration, and nothing is held, whatever the last test left."""
        self.aws.clear_faults()
        for color in ("blue", "green"):
            self.pair.environment(color, status="AVAILABLE", scheduler="running", health_threshold_seconds=30, runs=[], update_seconds=0.3)
        if self.hold():
            self.pair.ask(action="release")
        self.deployed, self.dags = {**SETTINGS, **deployed}, dict(DAGS)
        self.write()
        if self.stack("green")["StackStatus"] == "absent":
            self.run("env", "apply", "green", "--yes")
        # The same files were rolled out before: their switch, and what a test did after it, are in the flag's history.
        self.rollout("--yes", "--switch-again")
        if self.active != "blue":
            assert self.pair.ask(to="blue", force=True, reason="as it was")["outcome"] == "switched"


@contextmanager
def time_passes(pair: Pair) -> Iterator[None]:
    """Every version of the flag is an hour old at once: what is waited for after a switch is over."""
    ended = threading.Event()

    def follow() -> None:
        ssm, seen = pair.client("ssm"), 0
        while not ended.wait(0.1):
            try:
                version = ssm.get_parameter(Name=pair.flag_name)["Parameter"]["Version"]
                if version != seen:
                    pair.aws.age_parameter(pair.flag_name, 3600, every_version=True)
                    seen = version
            except (BotoCoreError, ClientError):
                continue

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def made_by_env_apply(folder: Path, functions: Path) -> Iterator[Described]:
    with LocalAws(log=folder / "local.log") as aws:
        aws.set_mwaa_defaults(create_seconds=0.3, update_seconds=0.3, delete_seconds=0.3, parse_seconds=0.1)
        made = Described(aws, folder, functions)
        made.write()
        made.run("env", "apply", "--yes")
        with time_passes(made.pair):
            made.run("dags", "sync", "--within", "20", "--sync-seconds", "0", "--list-seconds", "0")
            yield made
