"""The command line alone: a storm of `mwaa-bluegreen … --direct`, with moto as its Parameter Store.

moto has no Airflow behind MWAA, so MWAA and CloudWatch are the local AWS: the command line takes AWS_ENDPOINT_URL_SSM before AWS_ENDPOINT_URL.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from local_aws.process import LocalAws
from soak import report
from soak.gather import history_of
from soak.invariants import CLAIM_TIMEOUT, judge
from soak.plan import GARBAGE, REASONS
from soak.stores import Act, Invocation, Line, Stores, Written
from support.command_line import variables

PAIR, ROOT = "direct", "/soak/direct"
WRITERS = ("ana", "ben", "cleo", "dan", "eve", "finn")
FAULT_RATE = 0.08
KILLED = 0.12
COMMAND_SECONDS = 90
# Nobody ticks here: what a dead writer left stands until a person asks again, after its claim has grown old.
PROOF_SECONDS = CLAIM_TIMEOUT + 40
EXIT_CODES = range(8)

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Moto:
    """The running emulator."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def control(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.endpoint}/_soak/{path}", method="PUT" if body else "GET",
                                         data=json.dumps(body).encode() if body else None)
        with _opener.open(request, timeout=30) as answer:
            return json.load(answer)

    def client(self) -> Any:
        return boto3.client("ssm", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id="SOAK", aws_secret_access_key="x")

    def journal(self) -> list[Written]:
        found = []
        for entry in self.control("journal")["journal"]:
            who = entry.pop("by")
            # As Parameter Store names the one who wrote: a role for the command line, so that it is not taken for a manual edit.
            by = f"arn:aws:sts::000000000000:assumed-role/person/{who}" if who.startswith("CLI") else f"arn:aws:iam::000000000000:user/{who}"
            found.append(Written(**entry, by=by))
        return found


@contextmanager
def moto(python: Path, seed: int) -> Iterator[Moto]:
    program = Path(__file__).with_name("moto_store.py")
    with subprocess.Popen([python, program, str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          start_new_session=True) as process:
        try:
            assert process.stdout
            endpoint = process.stdout.readline().strip()
            if not endpoint:
                raise RuntimeError(f"{program.name} did not start with {python}: is moto installed? `make soak` installs it")
            yield Moto(endpoint)
        finally:
            process.kill()


class People:
    """Several writers, each a process of the command line after the other, and one who edits by hand."""

    def __init__(self, aws: LocalAws, store: Moto, program: Path, seed: int, home: Path) -> None:
        self.aws, self.store, self.program, self.seed, self.home = aws, store, program, seed, home
        self.acts: list[Act] = []
        self.invocations: list[Invocation] = []
        self.log: list[Line] = []
        self.kills = 0
        self.over = threading.Event()
        self.failed: list[BaseException] = []

    def command(self, who: str, *arguments: str, kill_after: float | None = None) -> tuple[int, str]:
        settings = {**variables(self.aws, self.home), "USER": who, "AWS_ENDPOINT_URL_SSM": self.store.endpoint, "MWAA_BLUEGREEN_PAIR": PAIR,
                    "COOLDOWN_SECONDS": "0", "AWS_ACCESS_KEY_ID": f"CLI{who.upper()}"}
        settings = {name: value for name, value in settings.items() if value}
        given = ["--flag-parameter", f"{ROOT}/active-environment", "--blue-environment", f"{PAIR}-blue", "--green-environment", f"{PAIR}-green"]
        self.acts.append(Act(time.time(), who, f"mwaa-bluegreen {' '.join(arguments)}"[:200]))
        process = subprocess.Popen([self.program, *arguments, "--direct", *given], env=settings, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, error = process.communicate(timeout=kill_after or COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, error = process.communicate()
        code = process.returncode
        now = time.time()
        if code == -signal.SIGKILL and kill_after is not None:
            self.kills += 1
        said = (out or error).strip().splitlines()
        self.acts.append(Act(now, who, f"ended with {code}: {' '.join(said)[:400]}"))
        self.log += [Line("mwaa-bluegreen", line, now) for line in error.splitlines() if "panicked at" in line]
        status = "ok" if code in EXIT_CODES else "error:Runtime.ExitError" if code == -signal.SIGKILL else f"exit code {code}"
        self.invocations.append(Invocation("mwaa-bluegreen", status, now, None))
        return code, out

    def writer(self, who: str) -> None:
        chosen = random.Random(f"{self.seed}:direct:{who}")
        while not self.over.wait(chosen.uniform(0, 1.5)):
            color, reason = chosen.choice(("blue", "green")), chosen.choice(REASONS)
            told = ("--yes", "--reason", reason)
            commands: list[tuple[int, tuple[str, ...]]] = [
                (7, ("switch", "--to", color, "--no-wait", *told)), (2, ("switch", "--to", color, "--force", "--no-wait", *told)),
                (2, ("failover", "--to", color, "--no-wait", *told)), (3, ("rollback", "--no-wait", *told)),
                (2, ("hold", "--minutes", "1", *told)), (2, ("release", "--yes")), (1, ("initialize", "--to", color, "--yes")),
                (1, ("status",)), (1, ("history",))]
            command = chosen.choices([each for _, each in commands], [weight for weight, _ in commands])[0]
            kill_after = chosen.uniform(0.02, 0.9) if chosen.random() < KILLED else None
            self.command(who, *command, kill_after=kill_after)

    def editor(self) -> None:
        chosen, ssm = random.Random(f"{self.seed}:direct:edits"), self.store.client()
        while not self.over.wait(chosen.uniform(3, 12)):
            edit = chosen.choices(("write", "garble", "delete"), (4, 3, 1))[0]
            value = chosen.choice(GARBAGE) if edit == "garble" else chosen.choice(("blue", "green"))
            self.acts.append(Act(time.time(), "edits", f"by hand: {edit} {value!r}"))
            try:
                if edit == "delete":
                    ssm.delete_parameter(Name=f"{ROOT}/active-environment")
                else:
                    ssm.put_parameter(Name=f"{ROOT}/active-environment", Value=value, Type="String", Overwrite=True, AllowedPattern=".*")
            except ClientError as error:
                self.acts.append(Act(time.time(), "edits", f"was refused: {error}"))

    def environments(self) -> None:
        chosen = random.Random(f"{self.seed}:direct:environments")
        while not self.over.wait(chosen.uniform(2, 8)):
            color, status = chosen.choice(("blue", "green")), chosen.choice(("UNAVAILABLE", "AVAILABLE", "AVAILABLE", "MAINTENANCE"))
            self.acts.append(Act(time.time(), "environments", f"{color} is {status}"))
            self.aws.put_environment(f"{PAIR}-{color}", status=status)

    def rage(self, seconds: float) -> None:
        def lane(do: Callable[[], None]) -> None:
            try:
                do()
            except Exception as error:  # a fault of the soak itself
                self.failed.append(error)

        lanes: list[Callable[[], None]] = [self.editor, self.environments]
        lanes += [lambda who=who: self.writer(who) for who in WRITERS]  # type: ignore[misc]
        threads = [threading.Thread(target=lane, args=(each,), daemon=True) for each in lanes]
        self.store.control("faults", {"rate": FAULT_RATE})
        for thread in threads:
            thread.start()
        try:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and not self.failed:
                time.sleep(0.2)
        finally:
            self.over.set()
            self.store.control("faults", {"rate": 0})
        for thread in threads:
            thread.join(COMMAND_SECONDS)
        if self.failed:
            raise self.failed[0]

    def prove(self, stores: Stores) -> None:
        """A person can switch both ways, and status says that all is well."""
        ssm = self.store.client()
        self.command("ana", "release", "--yes")
        for color, force in (("blue", ["--force"]), ("green", []), ("blue", [])):  # what a person must do about a flag without a color
            since = time.time()
            while True:
                name = f"{ROOT}/active-environment"
                if ssm.get_parameters(Names=[name])["Parameters"]:
                    self.command("ana", "switch", "--to", color, *force, "--yes", "--no-wait", "--reason", "the soak's last switch")
                else:  # a deleted flag is a person's to create again
                    self.command("ana", "initialize", "--to", color, "--force", "--yes", "--reason", "the soak's last switch")
                found = ssm.get_parameters(Names=[name])["Parameters"]
                if found and found[0]["Value"] == color:
                    break
                if time.time() - since > PROOF_SECONDS:
                    stores.not_done.append(Act(since, "not done", f"a switch to {color} is made (within {PROOF_SECONDS} s)"))
                    break
                time.sleep(2)
        code, out = self.command("ana", "status", "--output", "json")
        stores.status = json.loads(out) if code == 0 else {}


def soak(python: Path, binaries: Path, seed: int, seconds: float, run: Path, say: report.Say) -> int:
    """The same storm by processes of the command line alone; returns the number of violations."""
    with LocalAws(log=run / "local-aws-direct.log") as aws, moto(python.absolute(), seed) as store:
        for color in ("blue", "green"):
            aws.put_environment(f"{PAIR}-{color}")
        people = People(aws, store, (binaries / "mwaa-bluegreen").absolute(), seed, run)
        code, _ = people.command("ana", "initialize", "--to", "blue", "--yes")
        if code != 0:
            raise RuntimeError(f"the flag could not be created: {people.acts[-1].what}")
        say("")
        say(f"the command line alone, moto as its Parameter Store: {len(WRITERS)} writers for {seconds:.0f} s, seed {seed}")
        people.rage(seconds)
        stores = Stores(PAIR, ROOT, has_functions=False, peace_at=time.time())
        for color in ("blue", "green"):
            aws.put_environment(f"{PAIR}-{color}", status="AVAILABLE")
        people.prove(stores)
        stores.quiet_at = stores.proofs_at = time.time()
        stores.journal = store.journal()
        ssm = store.client()
        stores.kept = {name: history_of(ssm, name, floor=True) for name in sorted({entry.name for entry in stores.journal})
                       if ssm.get_parameters(Names=[name])["Parameters"]}
        stores.acts, stores.invocations, stores.log, stores.kills = people.acts, people.invocations, people.log, people.kills
        stores.ended_at = time.time()
        failed = store.control("journal")["failed"]
    verdict = judge(stores)
    report.figures(stores, verdict, [], [], say)
    say(f"calls that failed by a fault: {', '.join(f'{count} {kind}' for kind, count in sorted(failed.items()))}")
    report.violations(stores, verdict, say)
    if verdict.violations:
        (run / "stores-direct.json").write_text(json.dumps(asdict(stores), indent=1))
    return len(verdict.violations)
