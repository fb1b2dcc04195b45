"""Environments as code: seconds and AWS calls of `env plan` and `env apply` on a pair that is as described, and of `dags sync` for 5,000
files beside `aws s3 sync` of the same; and what the pair costs a month.

On a local AWS of its own, because the pair comes from nothing here. The command line is the debug build, as in the tests: its
release build takes minutes, and the counts are the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

from bench.calls import LATENCY_MS, BenchError, Call, round_trips
from bench.cold_start import BINARIES, PROJECT
from local_aws.process import LocalAws
from local_aws.stack import architecture, built_template

PROGRAM = PROJECT / "target/debug/mwaa-bluegreen"
PAIR = "bench"
# Of a whole pair; that of the lineage server is looked for, too.
STACKS = tuple(f"{PAIR}{part}" for part in ("-network", "-blue-base", "-green-base", "-blue-environment", "-green-environment", ""))
FILES, CHANGED, DAG_EVERY = 5000, 10, 10
# The name that the log of calls has for whoever uses these credentials. Functions have names of their own.
PERSON = "root"
# The local Airflow has a changed file at once. MWAA looks every 30 seconds, and what that takes is no matter of the command line.
WAITS = ("--sync-seconds", "1", "--list-seconds", "1")
CHANGES = ("Create", "Execute", "Update", "Delete", "Put")
# A file that is older than what lies in the bucket is one that `aws s3 sync` leaves alone, if its size is the same.
LONG_AGO, SOON = -86400.0, 86400.0
# What of `dags sync` a target holds: the changed files, and the manifest before and after.
WRITES = CHANGED + 2
UNCHANGED, HERE, CHECKOUT = "nothing changed", f"{CHANGED} changed", f"{CHANGED} changed, all checked out anew"
OWN, NAIVE = "dags sync", "aws s3 sync"


def description() -> str:
    return (f'[pair]\nname = "{PAIR}"\nmode = "blue-green"\nregion = "us-east-1"\n'
            '[network]\nnat_gateways = 2\n[environment]\nairflow_version = "3.0.6"\nclass = "mw1.small"\nmin_workers = 1\nmax_workers = 4\n'
            f'[controller]\nfunctions = "functions"\ntemplate = "{PROJECT / "template.yaml"}"\n'
            '[controller.parameters]\nFailoverMode = "observe"\n'
            f'Architecture = "{architecture()}"\n')


def name(number: int) -> str:
    """One file in ten has a DAG; the others are queries."""
    return f"team_{number % 20}/" + (f"query_{number}.sql" if number % DAG_EVERY else f"dag_{number}.py")


def content(number: int, version: int = 1) -> str:
    if number % DAG_EVERY:
        return f"select {number} as number, {version} as version\n"
    return f"from airflow import DAG\n\nwith DAG('dag_{number}', schedule=None):\n    version = {version}\n"


class Site:
    """A folder with pair.toml and DAG files, and whoever types commands there."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self.aws, self.folder = aws, folder
        (folder / "pair.toml").write_text(description())
        (folder / "functions").mkdir()
        # Archives, as a release has them: to make them is slow in a debug build.
        built_template(PROJECT / "template.yaml", BINARIES, folder / "functions")
        self.files = [folder / "dags" / name(number) for number in range(FILES)]
        for file in self.files:
            file.parent.mkdir(parents=True, exist_ok=True)
        self.write(range(FILES))
        self.aged(LONG_AGO)

    def write(self, numbers: Any, version: int = 1) -> None:
        for number in numbers:
            self.files[number].write_text(content(number, version))

    def aged(self, seconds: float, first: int = FILES) -> None:
        """As if every file, or the first ones, had been written so long from now."""
        at = time.time() + seconds
        for file in self.files[:first]:
            os.utime(file, (at, at))

    def environment(self) -> dict[str, str]:
        return {**self.aws.environment(), "HOME": str(self.folder), "USER": "bench"}

    def run(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment(), cwd=self.folder, capture_output=True, text=True, timeout=300, check=False,
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            raise BenchError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def measured(self, *command: str) -> dict[str, Any]:
        since, began = self.aws.calls_so_far(), time.monotonic()
        self.run(*command)
        seconds = time.monotonic() - began
        return {"seconds": seconds, **summary(calls_of_a_person(self.aws.calls(since)))}

    def own(self, *arguments: str) -> dict[str, Any]:
        return self.measured(str(PROGRAM), *arguments)

    def events(self) -> int:
        """All that any update of any stack would add to."""
        api = boto3.client("cloudformation", **self.aws.client_settings())
        pages = api.get_paginator("describe_stack_events")
        return sum(len(page["StackEvents"]) for stack in STACKS for page in pages.paginate(StackName=stack))

    def bucket(self, color: str) -> str:
        api = boto3.client("cloudformation", **self.aws.client_settings())
        outputs = api.describe_stacks(StackName=f"{PAIR}-{color}-base")["Stacks"][0]["Outputs"]
        return str(next(output["OutputValue"] for output in outputs if output["OutputKey"] == "BucketName"))


def calls_of_a_person(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call["caller"] == PERSON and call["service"] != "monitoring"]


def summary(calls: list[Call]) -> dict[str, Any]:
    operations = Counter(str(call["operation"]) for call in calls)
    return {"calls": len(calls), "round_trips": round_trips(calls), "operations": dict(operations),
            "changes": sum(count for name, count in operations.items() if name.startswith(CHANGES))}


def late(aws: LocalAws, of: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """At once, and while every service answers late: only then do parallel calls reliably overlap."""
    at_once = of()["seconds"]
    aws.add_fault("latency", latency_ms=LATENCY_MS)
    try:
        found = of()
    finally:
        aws.clear_faults()
    return {**found, "seconds": at_once, "late_seconds": found["seconds"], "latency_ms": LATENCY_MS}


def unchanged(site: Site) -> dict[str, Any]:
    """`env plan` and `env apply` when everything is as described."""
    before = site.events()
    found = {"env plan": late(site.aws, lambda: site.own("env", "plan")),
             "env apply": late(site.aws, lambda: site.own("env", "apply", "--yes"))}
    for case in found.values():
        case["described"] = case["operations"].get("DescribeStacks", 0)
    return {"stacks": len(STACKS) + 1, "cases": found, "events": site.events() - before}


def synchronized(site: Site) -> dict[str, Any]:
    """`dags sync` to one color, and `aws s3 sync` of the same folder to the same bucket."""
    own = (*OWN.split(), "--to", "green", *WAITS)
    naive = (sys.executable, str(Path(sys.executable).parent / "aws"), *NAIVE.split()[1:], "dags", f"s3://{site.bucket('green')}/dags",
             "--only-show-errors")
    found: dict[str, dict[str, Any]] = {f"all {FILES:,} new": {OWN: site.own(*own)}, UNCHANGED: {OWN: site.own(*own)}}
    site.write(range(CHANGED), version=2)
    found[HERE] = {OWN: site.own(*own)}
    site.aged(LONG_AGO)
    found[UNCHANGED][NAIVE] = site.measured(*naive)
    site.write(range(CHANGED), version=3)
    site.aged(SOON, CHANGED)
    found[HERE][NAIVE] = site.measured(*naive)
    site.run(str(PROGRAM), *own)  # the manifest then has what the other one wrote
    site.write(range(CHANGED), version=4)
    site.aged(SOON)
    found[CHECKOUT] = {OWN: site.own(*own)}
    site.write(range(CHANGED), version=5)
    site.aged(SOON)
    found[CHECKOUT][NAIVE] = site.measured(*naive)
    return {"files": FILES, "changed": CHANGED, "cases": found}


def costs() -> dict[str, Any]:
    """A month by class and mode, as the command line computes it."""
    schema = subprocess.run([PROGRAM, "schema", "--json"], capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(schema)["costs"]
    return {"region": found["region"], "metadata_gb": found["metadata_gb"], "classes": found["classes"]}


def measure(step: Callable[[str], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-environments-") as folder, LocalAws() as aws:
        aws.set_mwaa_defaults(create_seconds=0.2, update_seconds=0.2, delete_seconds=0.2)
        site = Site(aws, Path(folder))
        step("applying a pair from nothing")
        from_nothing = site.own("env", "apply", "--yes")
        step("planning and applying it again")
        found = unchanged(site)
        step(f"synchronizing {FILES:,} files, and the same with aws s3 sync")
        return {"from_nothing": from_nothing, "unchanged": found, "sync": synchronized(site), "costs": costs()}
