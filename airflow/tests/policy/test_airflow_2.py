"""When a run of Airflow 2 was due, and which run its sub-DAGs follow. Needs an environment with Airflow 2."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("airflow.timetables.base")
airflow_2 = pytest.importorskip("airflow.operators.subdag", reason="Airflow 2")  # 3 has no sub-DAGs

import pendulum  # noqa: E402
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable  # noqa: E402

from mwaa_bluegreen.airflow_2 import due_of, root_of  # noqa: E402
from mwaa_bluegreen.run import instant_of  # noqa: E402

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIRST = pendulum.datetime(2026, 3, 20, tz="UTC")


class Later(Timetable):
    """A daily run that starts some hours after the end of the day, because its data arrives late."""

    def __init__(self, after: timedelta = 3 * HOUR) -> None:
        self.after = after

    def next_dagrun_info(self, *, last_automated_data_interval: Any, restriction: TimeRestriction) -> DagRunInfo | None:
        if last_automated_data_interval is not None:
            start = last_automated_data_interval.end
        elif restriction.earliest is None:
            return None
        else:
            start = restriction.earliest
        if not restriction.catchup:
            raise AssertionError("it would ask a clock")
        if restriction.latest is not None and start > restriction.latest:
            return None
        return DagRunInfo(run_after=start + DAY + self.after, data_interval=DataInterval(start, start + DAY))

    def infer_manual_data_interval(self, *, run_after: Any) -> DataInterval:
        return DataInterval.exact(run_after)


class Following(Later):
    """It depends on nothing but the previous run."""

    def next_dagrun_info(self, *, last_automated_data_interval: Any, restriction: TimeRestriction) -> DagRunInfo | None:
        if last_automated_data_interval is None:
            return None
        return super().next_dagrun_info(last_automated_data_interval=last_automated_data_interval, restriction=restriction)


class Broken(Later):
    def next_dagrun_info(self, *, last_automated_data_interval: Any, restriction: TimeRestriction) -> DagRunInfo | None:
        raise RuntimeError("no table")


def builtin() -> list[Timetable]:
    from airflow.timetables.events import EventsTimetable
    from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
    from airflow.timetables.simple import OnceTimetable
    from airflow.timetables.trigger import CronTriggerTimetable

    events = [FIRST + number * 7 * HOUR for number in range(40)]
    return [
        CronDataIntervalTimetable("30 2 * * *", pendulum.timezone("Europe/Zurich")),
        CronDataIntervalTimetable("*/5 * * * *", pendulum.timezone("UTC")),
        DeltaDataIntervalTimetable(timedelta(minutes=17)),
        CronTriggerTimetable("0 4 * * 1-5", timezone=pendulum.timezone("America/New_York")),
        CronTriggerTimetable("0 4 * * *", timezone=pendulum.timezone("UTC"), interval=2 * DAY),
        EventsTimetable(event_dates=events, restrict_to_events=True),
        OnceTimetable(),
    ]


def made_by(timetable: Timetable, count: int = 12) -> list[DagRunInfo]:
    """The runs that the scheduler creates: each from the previous one."""
    made: list[DagRunInfo] = []
    restriction = TimeRestriction(earliest=FIRST, latest=None, catchup=True)
    while len(made) < count:
        last = made[-1].data_interval if made else None
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        if info is None:
            break
        made.append(info)
    return made


def run(info: DagRunInfo, **more: Any) -> SimpleNamespace:
    # The database gives datetimes in UTC, whatever the timetable's zone.
    start, end = (datetime.fromtimestamp(at.timestamp(), timezone.utc) for at in info.data_interval)
    return SimpleNamespace(
        **{"run_type": "scheduled", "run_id": "r", "conf": {}, "data_interval_start": start, "data_interval_end": end,
           "start_date": end + 30 * DAY, **more}
    )  # fmt: skip


@pytest.mark.parametrize("timetable", [Later(), Later(-HOUR), Later(40 * DAY), *builtin()], ids=lambda timetable: type(timetable).__name__)
def test_every_run_is_due_when_its_timetable_had_it_made(timetable: Timetable) -> None:
    made = made_by(timetable)
    assert made
    # Over the change to daylight saving time, too. Half past two, which that night does not have, ends an interval that
    # no timetable repeats without the previous run.
    for info in made:
        assert due_of(run(info), timetable) in (info.run_after, None)
        assert instant_of(run(info), timetable=timetable)[0] == info.run_after


def test_a_timetable_that_wants_the_run_before_is_given_one() -> None:
    interval = DataInterval(FIRST, FIRST + DAY)
    assert due_of(run(DagRunInfo(run_after=FIRST, data_interval=interval)), Following()) == FIRST + DAY + 3 * HOUR


def test_a_run_that_is_due_later_says_so() -> None:
    info = made_by(Later())[0]
    assert instant_of(run(info), timetable=Later()) == (FIRST + DAY + 3 * HOUR, "due time of a scheduled run")
    assert instant_of(run(info), timetable=builtin()[2])[1] == "data_interval_end of a scheduled run"


def test_where_the_timetable_gives_no_answer_the_interval_ends_it() -> None:
    (info, *_), end = made_by(Later()), FIRST + DAY
    assert instant_of(run(info))[0] == end
    other = builtin()[0]  # The DAG's timetable has changed since.
    assert due_of(run(info), other) is None
    assert instant_of(run(info), timetable=other) == (end, "data_interval_end of a scheduled run")
    instant, which = instant_of(run(info), timetable=Broken())
    assert instant == end
    assert "failed to say when it was due (RuntimeError('no table'))" in which


def test_the_tag_since_is_compared_with_when_the_run_was_due() -> None:
    info = made_by(Later())[0]  # due at 3 o'clock
    for hours, instant in [(2, FIRST + DAY + 3 * HOUR), (4, FIRST + DAY + 4 * HOUR)]:
        assert instant_of(run(info), since=FIRST + DAY + hours * HOUR, timetable=Later())[0] == instant


def test_a_dag_that_is_part_of_none_is_its_own_root() -> None:
    dag, part = SimpleNamespace(parent_dag=None), object()
    assert root_of(dag, part) == (dag, part)
    assert root_of(None, part) == (None, part)


def test_a_sub_dag_of_a_sub_dag_follows_the_outermost_run_of_the_same_date(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models.dagrun import DagRun

    asked, outermost = [], SimpleNamespace(run_type="manual")

    def find(**wanted: Any) -> list[Any]:
        asked.append(wanted)
        return [outermost] if wanted["dag_id"] == "outer" else []

    monkeypatch.setattr(DagRun, "find", find)
    outer = SimpleNamespace(dag_id="outer", parent_dag=None)
    inner = SimpleNamespace(dag_id="outer.a.b", parent_dag=SimpleNamespace(dag_id="outer.a", parent_dag=outer))
    part = SimpleNamespace(execution_date=FIRST)
    assert root_of(inner, part) == (outer, outermost)
    assert asked == [{"dag_id": "outer", "execution_date": FIRST}]
    outer.dag_id = "gone"  # a run of its own
    assert root_of(inner, part) == (inner, part)
