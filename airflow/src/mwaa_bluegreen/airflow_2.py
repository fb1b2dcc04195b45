"""Facts that a run of Airflow 2 does not store: when it was due, and, for a sub-DAG's run, its parent run.

Both environments must get the same answer. So nothing here reads a clock, or what one environment has recorded of
other runs.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

STEPS = 100
"""How many runs of a timetable are searched. For nearly every timetable the first one matches."""


def due_of(dag_run: Any, timetable: Any) -> datetime | None:
    """The instant at which the scheduler was due to create a scheduled run; None if the DAG's timetable does not say.

    A run stores its data interval, and a timetable may schedule it later (or earlier) than the interval's end. So
    the timetable is asked for its runs from that interval on, as for a DAG that starts, or continues, there. It is
    asked with catchup, for which no clock is needed.
    """
    from airflow.timetables.base import DataInterval, TimeRestriction
    from airflow.utils.timezone import coerce_datetime

    start, end = coerce_datetime(dag_run.data_interval_start), coerce_datetime(dag_run.data_interval_end)
    wanted = DataInterval(start, end)
    restriction = TimeRestriction(earliest=start, latest=None, catchup=True)
    just_before = start - timedelta(microseconds=1)
    for last in (None, DataInterval(start - (end - start), start), DataInterval(just_before, just_before)):
        for _ in range(STEPS):
            info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
            if info is None or info.data_interval.start > start:
                break
            if info.data_interval == wanted:
                return info.run_after  # type: ignore[no-any-return]
            last = info.data_interval
    return None


def root_of(dag: Any, dag_run: Any) -> tuple[Any, Any]:
    """The DAG and the run that this run is a part of: the run itself, except for sub-DAGs, which follow their parent.

    Airflow calls a sub-DAG's run `scheduled` whatever its parent is, and gives it the parent's data interval.
    """
    root = dag
    while getattr(root, "parent_dag", None) is not None:
        root = root.parent_dag
    if root is dag:
        return dag, dag_run
    from airflow.models.dagrun import DagRun

    found = DagRun.find(dag_id=root.dag_id, execution_date=dag_run.execution_date)
    return (root, found[0]) if found else (dag, dag_run)
