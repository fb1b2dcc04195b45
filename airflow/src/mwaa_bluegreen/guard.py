"""The guard: the root task that executes a run or skips all of it. Needs Airflow; 2.7 to 3.x."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from mwaa_bluegreen.decision import EXECUTE, WAIT, decide
from mwaa_bluegreen.errors import BlueGreenError, ConfigurationInvalid

try:
    from airflow.sdk import BaseSensorOperator

    AIRFLOW_3 = True
except ImportError:
    from airflow.sensors.base import BaseSensorOperator

    AIRFLOW_3 = False

try:
    from airflow.sdk.exceptions import AirflowRescheduleException
except ImportError:
    from airflow.exceptions import AirflowRescheduleException

TASK_ID = "bluegreen_guard"
# XComs of the guard.
ACTION, TOKEN, INSTANT = "bluegreen_action", "bluegreen_token", "bluegreen_instant"
# What Airflow itself asks before it queues a direct successor of a task that skips.
_SKIPPED_KEY = "skipmixin_key"

_UNDECIDED = frozenset({"None", "scheduled", "queued", "running", "restarting", "up_for_retry", "up_for_reschedule", "deferred"})
_PAUSE, _PATIENCE = 3, 60  # seconds

_MANUAL = """Decides whether this environment executes the run (blue-green). Its log says why in one line.
A run that belongs to the other environment is skipped as a whole."""


class Guard(BaseSensorOperator):  # type: ignore[misc]
    """Executes the run if this environment owns it; else skips every task of the DAG, whatever its trigger rule.

    A sensor only because Airflow honours the time of a reschedule for sensors alone; between two looks it holds no
    worker. `observe`: log what would be skipped, skip nothing, never fail.
    """

    # Makes Airflow ask for our list of skipped tasks when a direct successor is cleared.
    inherits_from_skipmixin = True
    template_fields = ()
    ui_color = "#cfe2f3"

    def __init__(self, *, observe: bool = False, **arguments: Any) -> None:
        arguments["mode"] = "reschedule"
        super().__init__(**arguments)
        self.observe = observe

    def execute(self, context: Any) -> None:
        """Raises AirflowFailException for a wrong setting, AirflowException (retried) if nobody can say who owns the run."""
        task_instance = context["ti"]
        try:
            decision = decide(context["dag_run"], time_limit=self.dag.dagrun_timeout, dag=self.dag)
        except BlueGreenError as error:
            if self.observe:
                self.log.warning("bluegreen: observe: would fail: %s", error)
                task_instance.xcom_push(key=ACTION, value=EXECUTE)
                return
            if isinstance(error, ConfigurationInvalid):
                raise AirflowFailException(f"bluegreen: {error}") from error
            raise AirflowException(f"bluegreen: {error}") from error
        if self.observe:
            self.log.info("%s (observe: nothing is skipped)", decision.line)
        else:
            self.log.info("%s", decision.line)
        task_instance.xcom_push(key=TOKEN, value=decision.owner.version)
        task_instance.xcom_push(key=INSTANT, value=decision.instant.isoformat())
        if decision.action == EXECUTE or self.observe:
            task_instance.xcom_push(key=ACTION, value=EXECUTE)
        elif decision.action == WAIT:
            raise AirflowRescheduleException(decision.again_at)
        else:
            task_instance.xcom_push(key=ACTION, value=decision.action)
            skip_all(context, [task for task in self.dag.tasks if task.task_id != self.task_id])


def skip_all(context: Any, tasks: Iterable[Any]) -> None:
    """Mark the tasks' instances of this run as skipped: empty tasks, cleanups, teardowns and mapped tasks too.

    On Airflow 3 this raises what ends the calling task as a success.
    """
    tasks = list(tasks)
    identifiers = [task.task_id for task in tasks]
    context["ti"].xcom_push(key=_SKIPPED_KEY, value={"skipped": identifiers})
    if not identifiers:
        return
    if AIRFLOW_3:
        _skip_on_airflow_3(tasks)
    from airflow.models.skipmixin import SkipMixin

    # With plain ids Airflow 2 skips every map index.
    SkipMixin().skip(dag_run=context["dag_run"], execution_date=context["dag_run"].execution_date, tasks=tasks)


def _skip_on_airflow_3(tasks: Iterable[Any]) -> NoReturn:
    try:
        from airflow.sdk.exceptions import DownstreamTasksSkipped
    except ImportError:
        from airflow.exceptions import DownstreamTasksSkipped
    wanted: list[Any] = []
    for task in tasks:
        # An id alone means map index -1: a task not mapped, or not expanded yet. Instances that were expanded when the
        # run was made (from a literal) must be named one by one.
        wanted.append(task.task_id)
        wanted.extend((task.task_id, index) for index in range(_expanded_at_parse_time(task)))
    raise DownstreamTasksSkipped(tasks=wanted)


def _expanded_at_parse_time(task: Any) -> int:
    try:
        return int(task.get_parse_time_mapped_ti_count())
    except Exception:  # not mapped, or its length is only known at run time; Airflow has three exceptions to say so
        return 0


def obey_guard(context: Any) -> None:
    """Runs before a task that skipping alone does not hold back: mapped, or with a trigger rule that ignores skips.

    Holds it back too if it is cleared later, and if the guard has failed (an `all_done` task would run). Raises
    AirflowSkipException on the standby, AirflowFailException if the guard has ended without a decision.
    """
    task_instance = context["ti"]
    action = _pulled(task_instance)
    # Trigger rule `always` starts together with the guard, or while the guard waits. Airflow honours the time of a
    # reschedule for sensors alone, so most of the waiting is done here.
    give_way_at = time.monotonic() + _PATIENCE
    while action is None and _guard_state(context) in _UNDECIDED:
        if time.monotonic() > give_way_at:
            raise AirflowRescheduleException(datetime.now(timezone.utc) + timedelta(seconds=_PAUSE))
        time.sleep(_PAUSE)
        action = _pulled(task_instance)
    action = action or _pulled(task_instance)  # it may have decided between our two questions
    if action == EXECUTE:
        return
    if action is None:
        raise AirflowFailException(
            f"bluegreen: {TASK_ID} has not decided that this environment executes the run, so {task_instance.task_id} "
            f"must not; see the log of {TASK_ID}, and clear it when the reason is gone"
        )
    raise AirflowSkipException("bluegreen: the run belongs to the other environment")


def run_by_a_worker(context: Any) -> None:
    """Does nothing. An empty task that has it is run, with its hooks, instead of being called a success."""


def _pulled(task_instance: Any) -> Any:
    # -1 is the map index of the guard; without it a mapped task would ask for its own.
    return task_instance.xcom_pull(task_ids=TASK_ID, key=ACTION, map_indexes=-1)


def _guard_state(context: Any) -> str:
    task_instance = context["ti"]
    if AIRFLOW_3:
        runs = task_instance.get_task_states(
            dag_id=task_instance.dag_id, task_ids=[TASK_ID], run_ids=[task_instance.run_id]
        )
        state = runs.get(task_instance.run_id, {}).get(TASK_ID)
    else:
        guard = context["dag_run"].get_task_instance(TASK_ID)
        state = guard.state if guard else "removed"
    return str(getattr(state, "value", state))


def both(first: Callable[[Any], Any] | None, second: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Two hooks as one, in this order."""

    def hooks(context: Any) -> None:
        if first is not None:
            first(context)
        second(context)

    return hooks


__all__ = ["ACTION", "INSTANT", "TASK_ID", "TOKEN", "Guard", "both", "obey_guard", "run_by_a_worker", "skip_all"]
