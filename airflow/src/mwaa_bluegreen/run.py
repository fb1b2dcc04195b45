"""The instant of a DAG run that decides who owns it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mwaa_bluegreen.airflow_2 import due_of
from mwaa_bluegreen.errors import ConfigurationInvalid
from mwaa_bluegreen.since import SINCE_TAG

CONF_KEY = "bluegreen_instant"
"""Key of a run's conf: the run belongs to this instant, not to its start. For runs that a run triggers."""

_NOTHING = frozenset({"", "None"})
"""What a template renders for a missing instant: the XCom was cleaned up, or could not be written, or the triggering DAG has
no guard. That must not fail the run that was triggered."""


def instant_of(dag_run: Any, since: datetime | None = None, timetable: Any = None) -> tuple[datetime, str]:
    """The instant of a DAG run, and in words which one it is. `since` is that of the DAG's tag (`since_of`),
    `timetable` the DAG's.

    A scheduled run: its tick, which is the same in both environments and never changes; or the instant of the DAG's
    tag, for ticks older than the DAG.

    Any other run exists in one environment only: its start. (Not `run_after`: that of a backfill, and of a manual
    run with a logical date, may lie years back.)

    Raises ConfigurationInvalid if the run has no usable instant.
    """
    kind = str(getattr(dag_run.run_type, "value", dag_run.run_type))
    if kind == "scheduled":
        tick, which = _tick_of(dag_run, timetable)
        if tick is not None and since is not None and tick < since:
            return since, f"{SINCE_TAG} of the DAG; {which} of a scheduled run lies before it"
        if tick is not None:
            return tick, f"{which} of a scheduled run"
    handed_on = (dag_run.conf or {}).get(CONF_KEY) if isinstance(dag_run.conf or {}, Mapping) else None
    if str(handed_on).strip() in _NOTHING:
        handed_on = None
    # This covers every name that Airflow gives a run that another run triggered; the names grow with its versions. A
    # backfill is excluded: its one conf is copied into runs of many ticks.
    if kind not in ("scheduled", "backfill") and handed_on is not None:
        return _parsed(handed_on), f"{CONF_KEY} of the run's conf"
    if dag_run.start_date is None:
        raise ConfigurationInvalid(f"the {kind} run {dag_run.run_id} has neither a tick nor a start; run it by a scheduler")
    return dag_run.start_date, f"start of a {kind} run"


def _tick_of(dag_run: Any, timetable: Any) -> tuple[datetime | None, str]:
    """When a scheduled run was due, and the source of that fact."""
    tick = getattr(dag_run, "run_after", None)  # Airflow 3
    if tick is not None:
        return tick, "run_after"
    tick = getattr(dag_run, "data_interval_end", None)
    if tick is None or timetable is None:
        return tick, "data_interval_end"
    try:
        due = due_of(dag_run, timetable)
    except Exception as error:  # A timetable is the user's code; it fails alike in the other environment.
        return tick, f"data_interval_end, because the DAG's timetable failed to say when it was due ({error!r}),"
    # None from the timetable: the DAG had another one when the run was created. Most runs are due when their interval
    # ends.
    return (tick, "data_interval_end") if due in (None, tick) else (due, "due time")


def _parsed(text: Any) -> datetime:
    instant: datetime | None = None
    # Python 3.10 cannot parse a Z.
    with contextlib.suppress(ValueError):
        instant = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    if instant is None or instant.tzinfo is None:
        raise ConfigurationInvalid(
            f"{CONF_KEY} in the run's conf is {text!r}; give an instant with a time zone, such as 2026-11-23T10:00:00+00:00"
        )
    return instant
