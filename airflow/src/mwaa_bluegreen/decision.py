"""The decision about one run: execute, wait or skip, and the log line that gives the reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from mwaa_bluegreen import settings as configuration
from mwaa_bluegreen.airflow_2 import root_of
from mwaa_bluegreen.flag import Owner, shared_flag
from mwaa_bluegreen.ownership import as_datetime, nanoseconds
from mwaa_bluegreen.run import instant_of
from mwaa_bluegreen.since import since_of

EXECUTE, WAIT, SKIP = "execute", "wait", "skip"
WHEN_NOTHING_WAITS = datetime.max.replace(tzinfo=timezone.utc)
"""Passed as `now`: determine the owner without waiting for a failover that may still change it."""
SHORTEST_STEP, LONGEST_STEP = timedelta(seconds=5), timedelta(seconds=60)
STEPS = 7
"""How often a waiting standby run reads the flag again. Each read starts a task process and calls Parameter Store, whose 40
calls a second all DAGs of the account share: 1,000 waiting runs call 17 times a second."""


@dataclass(frozen=True)
class Decision:
    """What this environment does with one run."""

    action: str
    """`execute`, `wait` or `skip`."""
    color: str
    owner: Owner
    instant: datetime
    again_at: datetime | None
    """When to read the flag again; only with `wait`."""
    line: str
    """For the log: color, owner, flag version, instant and why."""


def decide(
    dag_run: Any,
    settings: configuration.Settings | None = None,
    now: datetime | None = None,
    time_limit: timedelta | None = None,
    tags: Iterable[str] | None = None,
    dag: Any = None,
) -> Decision:
    """Determine who owns the run. Raises BlueGreenError if the owner cannot be determined; then the run must not
    execute.

    `time_limit` is the DAG's dagrun_timeout: a standby run waits for at most half of it, because Airflow fails a run
    that exceeds it. `dag` supplies the rest: its tags, when its runs are due, and which run a sub-DAG is a part of.
    Without `dag`, `tags` are the DAG's tags.
    """
    settings = settings or configuration.read()
    now = now or datetime.now(timezone.utc)
    timetable = None
    if dag is not None:
        dag, dag_run = root_of(dag, dag_run)
        tags, timetable = getattr(dag, "tags", None), getattr(dag, "timetable", None)
    instant, which = instant_of(dag_run, since_of(tags), timetable)
    ownership = shared_flag(settings.parameter, settings.region).ownership(instant)
    owner = ownership.owner
    standby_wait = timedelta(seconds=settings.standby_wait_seconds)
    if time_limit is not None:
        standby_wait = min(standby_wait, time_limit / 2)
    until = instant + standby_wait
    again_at = None
    if owner.color == settings.color:
        action, why = EXECUTE, "this environment owns the run"
    elif now < until and not ownership.is_final:
        action, again_at = WAIT, min(now + min(max(standby_wait / STEPS, SHORTEST_STEP), LONGEST_STEP), until)
        why = f"standby; waits until {_text(until)} in case the run passes to it"
    else:
        action, why = SKIP, "standby; the other environment owns the run"
    if ownership.broken:
        why += f"; {ownership.broken}"
    line = (
        f"bluegreen: {action} color={settings.color} owner={owner.color} version={owner.version} "
        f"instant={_text(instant)} ({which}): {why}"
    )
    return Decision(action, settings.color, owner, instant, again_at, line)


def _text(instant: datetime) -> str:
    return as_datetime(nanoseconds(instant)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
