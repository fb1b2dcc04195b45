"""Two real Airflow environments, blue and green, with DAGs that tick, and the record of who executed which tick.

The tests, the demo and the benchmark use it. Needs only the standard library.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from support.paths import PROJECT
from support.real_airflow import RealAirflow, RealAirflowError

DAGS = PROJECT / "airflow/tests/ticking_dags"
COLORS = ("blue", "green")
GUARDED, CLASSIC, SLOW = "ticking", "classic_ticking", "slow"
ENDED = ("success", "failed")
TICKS = (15, 20, 30, 60)
"""Seconds between two ticks, of which start() takes the shortest that the machine keeps up with; slow_down() a longer one."""
ATTEMPTS = 8
"""How many ticks may pass before the machine counts as too busy for them."""
COMMANDS_A_TICK = 1.7
"""A tick is eight task processes in the two environments together; each costs about a fifth of `airflow db migrate`."""


class TooBusy(RealAirflowError):
    """The machine does not keep up with the ticks."""


@dataclass(frozen=True)
class Execution:
    """One execution of a tick's task."""

    color: str
    at: float
    """Seconds since 1970."""
    attempt: int
    """Airflow's try_number. No task here is retried, so 2 means that Airflow itself has scheduled it twice."""


def tick_of(run: dict[str, Any]) -> float:
    """The instant of a scheduled run, seconds since 1970."""
    return datetime.fromisoformat((run.get("run_after") or run["data_interval_end"]).replace("Z", "+00:00")).timestamp()


class RealPair:
    """`environment` is that of a program that may use the (local) AWS; `parameter` is the flag's name."""

    tick: int
    first_tick: float

    def __init__(
        self,
        python: str | Path,
        environment: dict[str, str],
        parameter: str,
        home: Path | None = None,
        options: dict[str, str] | None = None,
        ticks: tuple[int, ...] = TICKS,
    ) -> None:
        self._ticks = ticks
        options = {"AIRFLOW__CUSTOM__BLUEGREEN_FLAG_PARAMETER": parameter, **(options or {})}
        self.colors = {
            color: RealAirflow(color, python, DAGS, environment, options, home / color if home else None) for color in COLORS
        }

    def __getitem__(self, color: str) -> RealAirflow:
        return self.colors[color]

    def start(self) -> None:
        """Starts both together. Raises RealAirflowError; the caller must call stop()."""
        blue, green = self.colors.values()
        began = time.monotonic()
        blue.make_database()
        # Airflow 2 creates its tables one migration after the other.
        took = (time.monotonic() - began) / (1 if blue.is_3 else 3)
        self.tick = next((tick for tick in self._ticks if tick > COMMANDS_A_TICK * took), self._ticks[-1])
        # By now both have usually started. If not, both catch up on the ticks that they missed.
        self.first_tick = (time.time() + 4 * took) // self.tick * self.tick + self.tick
        for environment in self.colors.values():
            environment.environment |= {
                "BLUEGREEN_TEST_TICK_SECONDS": str(self.tick),
                "BLUEGREEN_TEST_TICK_START": datetime.fromtimestamp(self.first_tick - self.tick, timezone.utc).isoformat(),
            }
        blue.command("dags", "reserialize")
        green.prepare_like(blue)
        for environment in self.colors.values():
            environment.launch()
        for environment in self.colors.values():
            environment.wait(environment.healthy, "the web server answers and the scheduler is healthy")

    def stop(self) -> None:
        for environment in self.colors.values():
            environment.kill()

    def forwarded(self) -> dict[str, dict[str, Any]]:
        """Settings for the local AWS's two MWAA environments, by color: the real ones answer for them."""
        return {
            color: {"forward_to": real.url, "airflow_version": real.version, "forward_auth": None if real.is_3 else "admin:admin"}
            for color, real in self.colors.items()
        }

    def next_tick(self) -> float:
        """The next tick that is more than four seconds away."""
        return ((time.time() + 4) // self.tick + 1) * self.tick

    def quiet_before_a_tick(self, color: str, seconds: float, dags: tuple[str, ...] = (GUARDED, CLASSIC)) -> float:
        """The next tick, when the runs of the previous one have ended and it is still so many seconds away. Raises TooBusy if they
        repeatedly end too late: start() may have measured a machine that other processes then started to use."""
        for _ in range(ATTEMPTS):
            tick = max(self.next_tick(), self.first_tick + self.tick)
            self[color].wait(partial(self.has_ended, color, tick - self.tick, dags), "the tick before")
            if time.time() < tick - seconds:
                return tick
        raise TooBusy(f"{color} does not keep up with a tick every {self.tick} s: the machine is too busy")

    def slow_down(self) -> None:
        """Restarts both schedulers with a longer tick; runs in progress may fail. Raises TooBusy if there is no longer tick."""
        # A multiple, so that each of its ticks would also have been a tick before.
        longer = [tick for tick in self._ticks if tick > self.tick and tick % self.tick == 0]
        if not longer:
            raise TooBusy(f"the machine is too busy for a tick every {self.tick} s, and there is no longer one")
        self.tick = longer[0]
        for environment in self.colors.values():
            environment.restart_scheduler(parse=True, BLUEGREEN_TEST_TICK_SECONDS=str(self.tick))
        # The interval after the last run with the shorter tick ends with this tick at the latest.
        self.first_tick = self.next_tick() + self.tick

    def sleep_until_after_tick(self, seconds: float) -> None:
        """Sleeps until so many seconds after the next tick."""
        now = time.time()
        time.sleep((now // self.tick + 1) * self.tick + seconds - now)

    def states(self, color: str, dag: str) -> dict[float, str]:
        """The states of a DAG's runs in one environment by tick."""
        return {tick_of(run): run["state"] for run in self[color].runs(dag)}

    def has_ended(self, color: str, tick: float, dags: tuple[str, ...] = (GUARDED, CLASSIC)) -> bool:
        return all(self.states(color, dag).get(tick) in ENDED for dag in dags)

    def executions(self, dag: str) -> dict[float, list[Execution]]:
        """Every tick that either environment knows, oldest first, and who executed it."""
        found: dict[float, list[Execution]] = {}
        for color, environment in self.colors.items():
            ticks = {run["dag_run_id"]: tick_of(run) for run in environment.runs(dag)}
            for tick in ticks.values():
                found.setdefault(tick, [])
            for _, run, task, _, at, attempt in environment.executed(dag):
                if task == "only" and run in ticks:
                    found[ticks[run]].append(Execution(color, float(at), int(attempt)))
        return dict(sorted(found.items()))

    def settled(self, dag: str, until: float) -> bool:
        """Both environments have created and ended every run up to `until`."""
        wanted = set(range(int(self.first_tick), int(until) + 1, self.tick))
        return all(
            wanted <= {int(tick) for tick, state in self.states(color, dag).items() if state in ENDED} for color in COLORS
        )
