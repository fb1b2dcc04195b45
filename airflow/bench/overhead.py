"""What the guard costs a run: calls and milliseconds on the local AWS, and the calls to Parameter Store by schedule."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from math import ceil
from pathlib import Path

import boto3
from local_aws.process import LocalAws

from mwaa_bluegreen.decision import LONGEST_STEP, SHORTEST_STEP, STEPS
from mwaa_bluegreen.settings import DEFAULT_PARAMETER, DEFAULT_STANDBY_WAIT_SECONDS

SOURCE = Path(__file__).resolve().parents[1] / "src"
QUOTA = 40
"""Parameter Store's default throughput: calls a second, shared by the account and region."""

# A task process of its own, because Airflow starts one for every guard.
PROGRAM = """
import json, sys, time
from datetime import datetime, timezone
from types import SimpleNamespace
from mwaa_bluegreen import decision, settings
instant = datetime.fromisoformat(sys.argv[1])
run = SimpleNamespace(run_type="scheduled", run_id="r", conf={}, run_after=instant, start_date=None)
took = []
for _ in range(int(sys.argv[2])):
    began = time.perf_counter()
    decision.decide(run, settings.Settings("blue"), now=instant)
    took.append((time.perf_counter() - began) * 1000)
print(json.dumps(took))
"""


@dataclass(frozen=True)
class Cost:
    what: str
    calls: list[str]
    first_ms: float
    """Includes the import of boto3 and the creation of its client, which the task's own code may need anyway."""
    again_ms: float
    """The same read a moment later, in the same process."""


def measure(rounds: int = 9) -> list[Cost]:
    with LocalAws() as aws:
        ssm = boto3.client("ssm", **aws.client_settings())
        ssm.put_parameter(Name=DEFAULT_PARAMETER, Value="blue", Type="String")
        found = []
        for what in ("later than a minute after a switch", "next to a switch"):
            if what.startswith("next"):
                ssm.put_parameter(Name=DEFAULT_PARAMETER, Value="green", Type="String", Overwrite=True)
            else:
                aws.age_parameter(DEFAULT_PARAMETER, 3_600)

            def ask(times: int) -> list[float]:
                instant = datetime.now(timezone.utc).isoformat()
                done = subprocess.run(
                    [sys.executable, "-c", PROGRAM, instant, str(times)], capture_output=True, text=True, check=True,
                    env={**aws.environment(), "PYTHONPATH": str(SOURCE)},
                )  # fmt: skip
                return list(json.loads(done.stdout))

            before = aws.calls_so_far()
            ask(1)
            calls = [call["operation"] for call in aws.calls(before) if call["service"] == "ssm"]
            samples = [ask(2) for _ in range(rounds)]
            first, again = (statistics.median(sample[n] for sample in samples) for n in (0, 1))
            found.append(Cost(what, calls, first, again))
        return found


@dataclass(frozen=True)
class Run:
    where: str
    looks: int
    calls: int
    calls_near: int
    """Next to a switch."""
    ms: float
    """Every read is made by a task process of its own."""


def by_run(costs: list[Cost]) -> list[Run]:
    """The cost of one run of a guarded DAG, by environment."""
    usual, near = costs
    places = [
        ("active", 1),
        (f"standby, wait {DEFAULT_STANDBY_WAIT_SECONDS} s", looks(DEFAULT_STANDBY_WAIT_SECONDS)),
        ("standby, wait 0", looks(0)),
    ]
    return [Run(where, n, n * len(usual.calls), n * len(near.calls), n * usual.first_ms) for where, n in places]


@dataclass(frozen=True)
class Hour:
    schedule: str
    wait: int
    calls: int
    """By both environments."""

    @property
    def a_second(self) -> float:
        return self.calls / 3600


def looks(wait: int) -> int:
    """How often the standby's guard reads the flag before it skips one run."""
    step = min(max(wait / STEPS, SHORTEST_STEP.total_seconds()), LONGEST_STEP.total_seconds())
    return 1 + ceil(wait / step)


def by_schedule(dags: int = 1_000) -> list[Hour]:
    runs = {"daily": 1 / 24, "hourly": 1, "every 15 minutes": 4, "every 5 minutes": 12}
    return [
        Hour(schedule, wait, round(dags * often * (1 + looks(wait))))
        for wait in (DEFAULT_STANDBY_WAIT_SECONDS, 0) for schedule, often in runs.items()
    ]  # fmt: skip
