"""The guard: the root task that executes a run or skips all of it, and the check that every other task makes of it.

Needs Airflow 2.7 to 3.x.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from mwaa_bluegreen.decision import EXECUTE, SKIP, WAIT, WHEN_NOTHING_WAITS, Decision, decide
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

log = logging.getLogger(__name__)

TASK_ID = "bluegreen_guard"
# XComs of the guard.
ACTION, TOKEN, INSTANT = "bluegreen_action", "bluegreen_token", "bluegreen_instant"
# What Airflow itself reads before it queues a direct successor of a skipping task.
_SKIPPED_KEY = "skipmixin_key"

_UNDECIDED = frozenset({"None", "scheduled", "queued", "running", "restarting", "up_for_retry", "up_for_reschedule", "deferred"})
_GONE = "gone"
"""Our state for a guard that has no task instance in the run."""
_PAUSE, _PATIENCE = 3, 60  # seconds
_CONTINUOUS_PAUSE = timedelta(seconds=60)

USER_CALLBACKS = (
    "on_execute_callback", "on_failure_callback", "on_retry_callback", "on_skipped_callback", "on_success_callback",
)  # fmt: skip

_MANUAL = """Decides whether this environment executes the run (blue-green). Its log says why in one line.
A run that belongs to the other environment is skipped as a whole."""


class Guard(BaseSensorOperator):  # type: ignore[misc]
    """Executes the run if this environment owns it; else skips every task of the DAG, whatever its trigger rule.

    A sensor only because Airflow honors the time of a reschedule for sensors alone; between two looks it holds no
    worker. `observe`: log what would be skipped, skip nothing, never fail.
    """

    # Makes Airflow read our list of skipped tasks when a direct successor is cleared.
    inherits_from_skipmixin = True
    template_fields = ()
    ui_color = "#cfe2f3"

    def __init__(self, *, observe: bool = False, **arguments: Any) -> None:
        arguments["mode"] = "reschedule"
        super().__init__(**arguments)
        self.observe = observe

    def execute(self, context: Any) -> None:
        """Raises AirflowFailException for a wrong setting, AirflowException (retried) if the owner of the run cannot be
        determined."""
        if self.observe:
            try:
                self._observe(context)
            except Exception as error:  # it must never stop what it only watches
                self.log.warning("bluegreen: observe: would fail: %s", error)
            return
        decision = _decided(context, time_limit=self.dag.dagrun_timeout)
        self.log.info("%s", decision.line)
        if decision.action == WAIT:
            raise AirflowRescheduleException(decision.again_at)
        if decision.action == EXECUTE:
            self._tell(context, decision)
            return
        self._pace(context)
        keep(context["ti"], ACTION, SKIP)
        skip_all(context, [task for task in self.dag.tasks if task.task_id != self.task_id])

    def _observe(self, context: Any) -> None:
        try:
            decision = decide(context["dag_run"], time_limit=self.dag.dagrun_timeout, dag=self.dag)
        except BlueGreenError:
            keep(context["ti"], ACTION, EXECUTE)
            raise
        self.log.info("%s (observe: nothing is skipped)", decision.line)
        self._tell(context, decision)

    def _tell(self, context: Any, decision: Decision) -> None:
        keep(context["ti"], TOKEN, decision.owner.version)
        # For templates, so it is read the same way. If that is broken, the run is no worse off than any other.
        try:
            context["ti"].xcom_push(key=INSTANT, value=decision.instant.isoformat())
        except Exception as error:
            self.log.warning("bluegreen: the XCom %s could not be written: %r", INSTANT, error)
        # The last one: if it is found, all are found.
        keep(context["ti"], ACTION, EXECUTE)

    def _pace(self, context: Any) -> None:
        """A DAG with `@continuous` starts its next run when this one ends: without a pause the standby would loop
        constantly."""
        started = context["dag_run"].start_date
        if started is None or not any(kind.__name__ == "ContinuousTimetable" for kind in type(self.dag.timetable).__mro__):
            return
        pause = _CONTINUOUS_PAUSE
        if self.dag.dagrun_timeout is not None:
            pause = min(pause, self.dag.dagrun_timeout / 2)
        if datetime.now(timezone.utc) < started + pause:
            self.log.info("bluegreen: a run of @continuous ends after %.0f s at the earliest", pause.total_seconds())
            raise AirflowRescheduleException(started + pause)


def _decided(context: Any, now: datetime | None = None, time_limit: timedelta | None = None) -> Decision:
    """The decision in Airflow's terms: AirflowFailException if a retry does not help, else AirflowException."""
    try:
        return decide(context["dag_run"], now=now, time_limit=time_limit, dag=context.get("dag"))
    except ConfigurationInvalid as error:
        raise AirflowFailException(f"bluegreen: {error}") from error
    except BlueGreenError as error:
        raise AirflowException(f"bluegreen: {error}") from error


def skip_all(context: Any, tasks: Iterable[Any]) -> None:
    """Mark the task instances of this run as skipped: empty tasks, cleanups, teardowns and mapped tasks too.

    On Airflow 3 this raises an exception that ends the calling task as a success.
    """
    tasks = list(tasks)
    identifiers = [task.task_id for task in tasks]
    skipped = {"skipped": identifiers}
    if AIRFLOW_3:
        # Airflow 3's scheduler reads it from the database and bypasses any XCom backend.
        keep(context["ti"], _SKIPPED_KEY, skipped)
    else:
        # Airflow 2's scheduler asks the backend. Without the list a cleared root checks for itself.
        try:
            context["ti"].xcom_push(key=_SKIPPED_KEY, value=skipped)
        except Exception as error:
            log.warning("bluegreen: the XCom %s could not be written: %r", _SKIPPED_KEY, error)
    if not identifiers:
        return
    if AIRFLOW_3:
        _skip_on_airflow_3(tasks)
    from airflow.models.skipmixin import SkipMixin

    # Given plain ids, Airflow 2 skips every map index.
    SkipMixin().skip(dag_run=context["dag_run"], execution_date=context["dag_run"].execution_date, tasks=tasks)


def _skip_on_airflow_3(tasks: Iterable[Any]) -> NoReturn:
    try:
        from airflow.sdk.exceptions import DownstreamTasksSkipped
    except ImportError:
        from airflow.exceptions import DownstreamTasksSkipped
    wanted: list[Any] = []
    for task in tasks:
        # An id alone means map index -1: a task that is not mapped, or not expanded yet. Instances that were expanded
        # when the run was created (from a literal) must be named one by one.
        wanted.append(task.task_id)
        wanted.extend((task.task_id, index) for index in range(_expanded_at_parse_time(task)))
    raise DownstreamTasksSkipped(tasks=wanted)


def _expanded_at_parse_time(task: Any) -> int:
    try:
        return int(task.get_parse_time_mapped_ti_count())
    except Exception:  # Not mapped, or its length is known only at run time; Airflow has three exceptions for this.
        return 0


# -- what the guard has decided -----------------------------------------------------------------------------------------


def keep(task_instance: Any, key: str, value: Any) -> None:
    """Write an XCom of the guard directly to the database.

    A custom backend is the user's code, and may store a reference where the scheduler looks for the value.
    """
    if AIRFLOW_3:
        from airflow.sdk.bases.xcom import BaseXCom

        write = getattr(BaseXCom, "_set_xcom_in_db", None)
        if write is None:  # It is internal to Airflow, and may disappear.
            task_instance.xcom_push(key=key, value=value)
            return
    else:
        from airflow.models.xcom import BaseXCom

        write = BaseXCom.set
    write(
        key=key, value=value, dag_id=task_instance.dag_id, task_id=TASK_ID, run_id=task_instance.run_id, map_index=-1,
    )  # fmt: skip


def kept(task_instance: Any, key: str) -> Any:
    """The value that the guard has recorded in this run, or None."""
    try:
        return _kept_on_airflow_3(task_instance, key) if AIRFLOW_3 else _kept_on_airflow_2(task_instance, key)
    except AttributeError:
        return task_instance.xcom_pull(task_ids=TASK_ID, key=key, map_indexes=-1)


def _kept_on_airflow_3(task_instance: Any, key: str) -> Any:
    from airflow.sdk.bases.xcom import BaseXCom

    return BaseXCom._get_xcom_db_ref(
        key=key, dag_id=task_instance.dag_id, task_id=TASK_ID, run_id=task_instance.run_id, map_index=-1
    ).value


def _kept_on_airflow_2(task_instance: Any, key: str) -> Any:
    from airflow.models.xcom import BaseXCom
    from airflow.utils.session import create_session

    with create_session() as session:
        query = BaseXCom.get_many(
            key=key, dag_ids=task_instance.dag_id, task_ids=TASK_ID, run_id=task_instance.run_id, map_indexes=-1, limit=1,
            session=session,
        )  # fmt: skip
        found = query.with_entities(BaseXCom.value).first()
        return BaseXCom.deserialize_value(found) if found else None


def kept_action(task_instance: Any) -> str | None:
    """`execute` or `skip`; None if it is absent, or not ours."""
    action = kept(task_instance, ACTION)
    return action if action in (EXECUTE, SKIP) else None


def guard_state(context: Any) -> str:
    """The state of the guard's task instance in this run, or `gone` if the run has none."""
    task_instance = context["ti"]
    if AIRFLOW_3:
        runs = task_instance.get_task_states(
            dag_id=task_instance.dag_id, task_ids=[TASK_ID], run_ids=[task_instance.run_id]
        )
        states = runs.get(task_instance.run_id, {})
        if TASK_ID not in states:
            return _GONE
        state = states[TASK_ID]
    else:
        guard = context["dag_run"].get_task_instance(TASK_ID)
        if guard is None:
            return _GONE
        state = guard.state
    return str(getattr(state, "value", state))


# -- what every other task does before any of the user's code runs --------------------------------------------------

_ours: set[tuple[Any, ...]] = set()
"""The tasks of this process that may continue: checked once, at the first of the places where they can be stopped."""


def obey_guard(context: Any) -> None:
    """Does nothing if the guard has decided that this environment executes the run.

    Raises AirflowSkipException on the standby, AirflowFailException if the guard has ended without a decision. Then
    no callback of the task is called.
    """
    task_instance = context["ti"]
    names = ("dag_id", "run_id", "task_id", "map_index", "try_number")
    me = tuple(getattr(task_instance, name, None) for name in names)
    if me in _ours:
        return
    try:
        action = _what_to_do(context)
    except AirflowRescheduleException:
        raise
    except Exception:
        _silence(task_instance)
        raise
    if action != EXECUTE:
        _silence(task_instance)
        raise AirflowSkipException("bluegreen: the run belongs to the other environment")
    _ours.add(me)


def _what_to_do(context: Any) -> str:
    task_instance = context["ti"]
    # A task may start while the guard waits: because it was cleared, or started manually. Airflow honors the time of a
    # reschedule for sensors alone, so most of the waiting is done here.
    give_way_at = time.monotonic() + _PATIENCE
    # Only such a task may start before a guard that was cleared together with it, and would find the guard's former
    # decision.
    beside_the_guard = rule_of(getattr(task_instance, "task", None)) == "always"
    while True:
        action = None if beside_the_guard else kept_action(task_instance)
        if action is None:
            state = guard_state(context)
            if state not in _UNDECIDED:
                action = kept_action(task_instance)  # The guard may have decided between the two reads.
        if action is not None:
            return action
        if state == "success":
            # The XComs have been cleaned up, or the guard was set to success manually. The ownership rule gives the
            # same answer again.
            try:
                decision = _decided(context, now=WHEN_NOTHING_WAITS)
            except AirflowFailException:
                raise
            except AirflowException:
                if time.monotonic() > give_way_at:
                    raise
            else:
                log.info("%s (the XCom of %s is gone)", decision.line, TASK_ID)
                return decision.action
        elif state == _GONE:
            raise AirflowFailException(
                f"bluegreen: this run has no {TASK_ID}, so nobody has decided that this environment executes it; it was made "
                f"before the DAG was guarded, or by a command that runs one task alone. Trigger a new run"
            )
        elif state not in _UNDECIDED:
            raise AirflowFailException(
                f"bluegreen: {TASK_ID} has not decided that this environment executes the run, so {task_instance.task_id} "
                f"must not; see the log of {TASK_ID}, and clear it when the reason is gone"
            )
        elif time.monotonic() > give_way_at:
            raise AirflowRescheduleException(datetime.now(timezone.utc) + timedelta(seconds=_PAUSE))
        time.sleep(_PAUSE)


def _silence(task_instance: Any) -> None:
    """Remove the user's callbacks and links from this instance's task: a task that never ran has nothing to report.

    Airflow 2.10 also calls the success callbacks of a skipped task, and Airflow 3 asks for the links of its class.
    """
    task = getattr(task_instance, "task", None)
    if task is None:
        return
    quiet = copy.copy(task)
    nothing: dict[str, Any] = {name: [] for name in USER_CALLBACKS}
    nothing["retry_policy"] = None  # Airflow 3.3
    if hasattr(task, "partial_kwargs"):
        object.__setattr__(quiet, "partial_kwargs", {**task.partial_kwargs, **nothing})
    else:
        vars(quiet).update(nothing)
    with contextlib.suppress(AttributeError):
        object.__setattr__(quiet, "operator_extra_links", ())
    task_instance.task = quiet


def rule_of(task: Any) -> str:
    """The task's trigger rule as a word."""
    rule = getattr(task, "trigger_rule", None)
    return str(getattr(rule, "value", rule))


def run_by_a_worker(context: Any) -> None:
    """Does nothing. It makes Airflow run an empty task, with its hooks, instead of marking the task as a success."""


__all__ = [
    "ACTION", "AIRFLOW_3", "INSTANT", "TASK_ID", "TOKEN", "USER_CALLBACKS", "Guard", "guard_state", "keep", "kept", "kept_action",
    "obey_guard", "rule_of", "run_by_a_worker", "skip_all",
]  # fmt: skip
