"""`make bench`: everything in one run, in about three minutes. Ends with an error if something could not be measured, or if a target is not
met."""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import boto3

from bench import calls, cold_start, cost, environments, report
from bench.cold_start import BINARIES, EMPTY, FUNCTIONS, PROJECT
from local_aws.process import LocalAws

ROUNDS, INVOKED_ROUNDS, INVOCATIONS = 25, 5, 6
WAIT_SAMPLES = 7
RESULTS = PROJECT / ".bench"


def sizes() -> dict[str, dict[str, int]]:
    def zipped(binary: Path) -> int:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
            out.write(binary, "bootstrap")
        return len(archive.getvalue())

    folders = {**{name: name for name in FUNCTIONS}, EMPTY: "empty-runtime"}
    binaries = {name: BINARIES / folder / "bootstrap" for name, folder in folders.items()}
    return {name: {"binary": binary.stat().st_size, "zip": zipped(binary)} for name, binary in binaries.items()}


def said(*command: str) -> str:
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False).stdout.strip()


def surroundings() -> dict[str, Any]:
    about = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in about if line.startswith("model name")]
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {"processor": models[0] if models else platform.machine(), "processors": os.cpu_count(),
                    "kernel": platform.release(), "load_before": os.getloadavg()[0]},
        "toolchain": {"rust": said("rustc", "--version"), "python": platform.python_version(), "boto3": boto3.__version__,
                      "valgrind": said("valgrind", "--version") if shutil.which("valgrind") else None,
                      "commit": said("git", "describe", "--always", "--dirty")},
    }


def measure() -> dict[str, Any]:
    began = time.monotonic()

    def step(what: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {what}", flush=True)

    step("building the empty runtime, unless it is there")
    cold_start.build_empty_runtime()
    results = surroundings()
    step("packing")
    results["sizes"] = sizes()
    step("starting the local AWS and deploying the stack")
    with LocalAws() as aws:
        stack = calls.BenchStack(aws)
        contenders = cold_start.contenders(aws.endpoint, stack.variables())
        step(f"cold starts, {ROUNDS} rounds of {len(contenders)}, then {INVOKED_ROUNDS} with invocations, then callgrind")
        results["cold_start"] = cold_start.measure(contenders, ROUNDS, INVOKED_ROUNDS, INVOCATIONS)
        step("counting calls")
        results["calls"] = calls.count(stack)
        step(f"checking two environments of {calls.DAGS} DAGs")
        results["check"] = calls.check_many(stack)
        step("counting connections")
        results["connections"] = calls.count_connections(stack)
        step("timing waits")
        results["waits"] = calls.time_waits(stack, WAIT_SAMPLES)
        step(f"killing blue's scheduler and waiting for the failover, some {calls.FAILURE_WINDOW_SECONDS} s")
        results["failover"] = calls.fail_over(stack)
        step("counting calls of ticks that are not calm")
        results["calls"]["cases"] |= results["failover"]["cases"] | calls.count_exceptions(stack)
    results["environments"] = environments.measure(step)
    results["cost"] = cost.compute(cost.Template.read(PROJECT / "template.yaml"), results["calls"], results["cold_start"],
                                   results["connections"])
    results["targets"] = [{**vars(target), "verdict": target.verdict} for target in report.targets(results)]
    step("done")
    return results


def main() -> int:
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    missing = [name for name in FUNCTIONS if not (BINARIES / name / "bootstrap").is_file()]
    if missing:
        print(f"no release binary of {', '.join(missing)}: run `make functions`", file=sys.stderr)
        return 1
    if not environments.PROGRAM.is_file():
        print("no command line: run `make debug`", file=sys.stderr)
        return 1
    return publish(measure())


def publish(results: dict[str, Any]) -> int:
    """Prints and stores the results; returns the exit code of the command."""
    made = report.tables(results)
    heading = report.heading(results)
    print("\n" + "\n\n".join([heading, *(table.text() for table in made)]))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "results.json").write_text(json.dumps({**results, "prices": json.loads(cost.PRICES.read_text())}, indent=1) + "\n")
    (RESULTS / "results.md").write_text("\n\n".join([heading, *(table.markdown() for table in made)]) + "\n")
    print(f"\nall samples: {RESULTS.name}/results.json; for docs/cost-and-performance.md: {RESULTS.name}/results.md")
    missed = [target for target in report.targets(results) if not target.met]
    for target in missed:
        print(f"NOT MET: {target.what}: {target.measured}, wanted {target.wanted}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
