"""Two real environments, one flag: runs next to a switch, with a scheduler that stands still across the tick.

Each tick belongs to one environment. The guarded DAG must execute each exactly once. The classic pattern runs beside it
as the control group: it must lose and double runs, or this test could not fail.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from conftest import CASES, TheFlag
from local_aws.process import LocalAws
from real_airflow import RealAirflow

TICK = int(os.environ.get("BLUEGREEN_TEST_TICK_SECONDS", "20"))
SWITCHES = int(os.environ.get("BLUEGREEN_TEST_SWITCHES", "4"))


@pytest.fixture
def pair(aws: LocalAws, the_flag: TheFlag, airflow_python: Path) -> Iterator[dict[str, RealAirflow]]:
    the_flag.write("blue")
    start = datetime.fromtimestamp(time.time() // TICK * TICK + 90, timezone.utc)
    options = {"BLUEGREEN_TEST_TICK_SECONDS": str(TICK), "BLUEGREEN_TEST_TICK_START": start.isoformat()}
    colours = {colour: RealAirflow(colour, airflow_python, CASES, aws.environment(), options) for colour in ("blue", "green")}
    try:
        for environment in colours.values():
            environment.start()
        yield colours
    finally:
        for environment in colours.values():
            environment.stop()


def sleep_until_after_tick(seconds: float) -> None:
    """Until so many seconds after the next tick."""
    now = time.time()
    time.sleep((now // TICK + 1) * TICK + seconds - now)


def executions(environment: RealAirflow, dag: str) -> Counter[str]:
    return Counter(line[1] for line in environment.executed(dag) if line[2] == "only")


def ticks(environment: RealAirflow, dag: str) -> dict[str, str]:
    return {run["dag_run_id"]: run["state"] for run in environment.runs(dag)}


def test_every_run_next_to_a_switch_is_executed_by_exactly_one_environment(
    pair: dict[str, RealAirflow], the_flag: TheFlag
) -> None:
    names = ["blue", "green"]
    for environment in pair.values():
        environment.wait(lambda e=environment: e.runs("ticking"), "the first tick", 180)
    for number in range(SWITCHES):
        active, standby = names[number % 2], names[1 - number % 2]
        # The active stands still across a tick (the classic pattern loses it), then the standby (it doubles it).
        frozen = pair[active if number // 2 % 2 == 0 else standby]
        sleep_until_after_tick(TICK - 5)
        frozen.freeze_scheduler()
        sleep_until_after_tick(min(8, TICK / 2))  # by now the other one has decided this tick
        the_flag.write(standby, seconds_from_now=1)
        time.sleep(2)
        frozen.continue_scheduler()
        sleep_until_after_tick(3)

    # Both have caught up when they know the same ticks, up to one after the last switch, and all runs have ended.
    until = datetime.now(timezone.utc)

    def caught_up() -> dict[str, list[str]] | None:
        both: dict[str, list[str]] = {}
        for dag in ("ticking", "classic_ticking"):
            known = {colour: ticks(environment, dag) for colour, environment in pair.items()}
            past = {c: {r: s for r, s in runs.items() if r < f"scheduled__{until.isoformat()}"} for c, runs in known.items()}
            if past["blue"].keys() != past["green"].keys() or any(s not in ("success", "failed") for r in past.values() for s in r.values()):
                return None
            both[dag] = sorted(past["blue"])
        return both

    known = pair["blue"].wait(caught_up, "both environments have ended all runs", 240)
    result = {}
    for dag, runs in known.items():
        blue, green = (executions(pair[colour], dag) for colour in names)
        totals = {run: blue[run] + green[run] for run in runs}
        result[dag] = totals
        lost, doubled = (sum(1 for n in totals.values() if n == 0), sum(1 for n in totals.values() if n > 1))
        print(f"{dag}: {SWITCHES} switches, {len(runs)} ticks, executed on blue {sum(blue[r] for r in runs)}, on green "
              f"{sum(green[r] for r in runs)}; lost {lost}, doubled {doubled}")  # fmt: skip
    assert len(result["ticking"]) >= 2 * SWITCHES
    assert set(result["ticking"].values()) == {1}, {run: n for run, n in result["ticking"].items() if n != 1}
    for environment in pair.values():
        assert executions(environment, "ticking"), f"{environment.colour} has executed nothing"
        assert set(ticks(environment, "ticking").values()) <= {"success", "running", "queued"}
    # The control group: all green, and wrong.
    assert 0 in result["classic_ticking"].values(), "the classic pattern lost nothing: this test proves nothing"
    assert max(result["classic_ticking"].values()) == 2, "the classic pattern doubled nothing: this test proves nothing"


def test_a_failover_takes_the_runs_that_a_killed_scheduler_missed(pair: dict[str, RealAirflow], the_flag: TheFlag) -> None:
    blue, green = pair["blue"], pair["green"]
    green.restart_scheduler(AIRFLOW__CUSTOM__BLUEGREEN_SETTLE_SECONDS="120")
    blue.wait(lambda: executions(blue, "ticking"), "blue executes", 180)
    sleep_until_after_tick(TICK - 4)
    blue.kill_scheduler()
    died = datetime.now(timezone.utc)
    sleep_until_after_tick(TICK)
    written = time.time()
    the_flag.write("green", seconds_from_now=(died - datetime.now(timezone.utc)).total_seconds())
    missed = [(died + timedelta(seconds=TICK * n)).timestamp() // TICK * TICK for n in (1, 2)]
    wanted = {datetime.fromtimestamp(tick, timezone.utc).isoformat() for tick in missed}

    def executed() -> set[str]:
        return {tick for tick in wanted for run in executions(green, "ticking") if tick in run}

    green.wait(lambda: executed() == wanted, f"green executes {wanted}: has {executions(green, 'ticking')}", 120)
    print(f"flag written to the missed runs executed on the new colour: {time.time() - written:.0f} s")
    blue.start_scheduler()
    blue.wait(lambda: len(ticks(blue, "ticking")) >= len(ticks(green, "ticking")) - 1, "blue is back and has made its runs", 120)
    time.sleep(15)
    both = executions(blue, "ticking") + executions(green, "ticking")
    assert set(both.values()) == {1}, both
