"""Callbacks that Airflow calls for a DAG without running a task: only for runs of this environment. Needs Airflow.

The DAG processor (the scheduler in some versions of Airflow 2), the triggerer or an executor calls these at any
time. So each callback determines the run's owner itself. While the owner of a run cannot be determined, its success
is not reported, but its failure or missed deadline is.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import importlib.util
import inspect
import logging
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from mwaa_bluegreen.decision import EXECUTE, WHEN_NOTHING_WAITS, decide
from mwaa_bluegreen.errors import BlueGreenError
from mwaa_bluegreen.since import SINCE_TAG

log = logging.getLogger(__name__)

_STANDS_FOR, _FILE, _TAGS = "bluegreen_stands_for", "bluegreen_file", "bluegreen_tags"
"""Our arguments, beside those of the user's own callback."""


def call_only_for_our_runs(dag: Any) -> None:
    """Wrap the DAG's own callbacks, its SLA and its deadlines."""
    for name, if_unknown in (("on_success_callback", False), ("on_failure_callback", True)):
        given = getattr(dag, name, None)
        if given:
            given = list(given) if isinstance(given, (list, tuple)) else [given]
            setattr(dag, name, [ForOurRuns(callback, if_unknown) for callback in given])
    if any(getattr(task, "sla", None) for task in dag.tasks):  # Airflow 2
        given = getattr(dag, "sla_miss_callback", None) or []
        given = list(given) if isinstance(given, (list, tuple)) else [given]
        dag.sla_miss_callback = [OfOurSlas(given)]
    deadlines = getattr(dag, "deadline", None)  # Airflow 3.1 and later
    if deadlines:
        deadlines = list(deadlines) if isinstance(deadlines, (list, tuple)) else [deadlines]
        dag.deadline = [_deadline_of_our_runs(deadline, dag.tags) for deadline in deadlines]


class _Callback:
    """A callable with the attributes of the callable that it wraps."""

    def __init__(self, callback: Callable[..., Any] | None) -> None:
        self.callback = callback
        self.__name__ = getattr(callback, "__name__", type(callback).__name__)
        self.__doc__ = getattr(callback, "__doc__", None)


class ForOurRuns(_Callback):
    """A DAG's callback. `if_unknown`: whether it is called if the owner of the run cannot be determined."""

    def __init__(self, callback: Callable[[Any], Any], if_unknown: bool) -> None:
        super().__init__(callback)
        self.if_unknown = if_unknown

    def __call__(self, context: Any) -> Any:
        if is_ours(context.get("dag"), context.get("dag_run"), context.get("ti"), self.if_unknown):
            assert self.callback is not None
            return self.callback(context)
        return None


class IfItHasFailed(_Callback):
    """A failure callback of the guard. Airflow 3 also calls it when it has lost track of an attempt that it then
    repeats."""

    def __call__(self, context: Any) -> Any:
        instance = context.get("ti")
        server = getattr(instance, "_ti_context_from_server", None)  # Airflow 3
        # An exception means that the guard itself calls, which knows that no further attempt follows.
        if server is not None and context.get("exception") is None:
            tries, allowed = getattr(instance, "try_number", None), getattr(server, "max_tries", None)
            if tries is not None and allowed is not None and tries <= allowed:
                log.info("bluegreen: attempt %s of %s is repeated; the failure callback is not called", tries, allowed + 1)
                return None
        assert self.callback is not None
        return self.callback(context)


def is_ours(dag: Any, dag_run: Any, task_instance: Any = None, if_unknown: bool = False) -> bool:
    """Whether this environment executes the run: the guard's recorded decision where it can be read, else the ownership
    rule."""
    from mwaa_bluegreen.guard import AIRFLOW_3, kept_action

    action = None
    # On Airflow 3 only tasks may ask for XComs.
    if task_instance is not None and not AIRFLOW_3:
        try:
            action = kept_action(task_instance)
        except Exception as error:
            log.warning("bluegreen: the guard's decision could not be read: %r", error)
    if action is None:
        try:
            if dag_run is None:
                raise BlueGreenError("Airflow does not say which run it is")
            action = decide(dag_run, now=WHEN_NOTHING_WAITS, dag=dag).action
        except BlueGreenError as error:
            word = "called" if if_unknown else "not called"
            log.warning("bluegreen: whose run it is cannot be known (%s); callback %s", error, word)
            return if_unknown
    if action != EXECUTE:
        log.info("bluegreen: the run belongs to the other environment; callback not called")
    return bool(action == EXECUTE)


# -- Airflow 2: missed SLAs ---------------------------------------------------------------------------------------------


class OfOurSlas(_Callback):
    """Replaces a DAG's callbacks for missed SLAs, even if it has none: Airflow's mail then names only what is left.

    Airflow also asks about missed SLAs of runs that have not been created yet.
    """

    def __init__(self, callbacks: list[Callable[..., Any]]) -> None:
        super().__init__(callbacks[0] if callbacks else None)
        self.callbacks = callbacks

    def __call__(self, dag: Any, task_list: Any, blocking_task_list: Any, slas: Any, blocking_tis: Any) -> None:
        ours: dict[datetime, bool] = {}
        for sla in list(slas):
            if sla.execution_date not in ours:
                ours[sla.execution_date] = is_ours(dag, _run_of(dag, sla.execution_date), if_unknown=True)
            if not ours[sla.execution_date]:
                slas.remove(sla)  # Airflow's own list, from which it addresses its mail
                sla.notification_sent = True  # else Airflow asks again in each of its rounds
        if not slas:
            return
        if len(ours) != sum(ours.values()):
            blocking_tis = [instance for instance in blocking_tis if ours.get(instance.execution_date, True)]
            task_list = "\n".join(f"{sla.task_id} on {sla.execution_date.isoformat()}" for sla in slas)
            blocking_task_list = "\n".join(f"{one.task_id} on {one.execution_date.isoformat()}" for one in blocking_tis)
        for callback in self.callbacks:
            callback(dag, task_list, blocking_task_list, slas, blocking_tis)


def _run_of(dag: Any, logical_date: datetime) -> Any:
    """The scheduled run of that date, or the run that will be created for it."""
    run = dag.get_dagrun(execution_date=logical_date)
    if run is not None:
        return run
    interval = dag.infer_automated_data_interval(logical_date)
    return SimpleNamespace(
        run_type="scheduled",
        run_id=f"scheduled__{logical_date.isoformat()}",
        data_interval_start=interval.start,
        data_interval_end=interval.end,
        conf={},
        start_date=None,
        dag_id=dag.dag_id,
    )


# -- Airflow 3.1 and later: missed deadlines ----------------------------------------------------------------------------


def _deadline_of_our_runs(deadline: Any, tags: Iterable[str] | None) -> Any:
    """A deadline stores its callback by name: it gets ours, and ours gets the name of the user's callback."""
    if _STANDS_FOR in deadline.callback.kwargs:
        return deadline
    deadline, callback = copy.copy(deadline), copy.copy(deadline.callback)
    ours = missed_deadline_awaited if type(callback).__name__ == "AsyncCallback" else missed_deadline
    # A module that is a DAG file cannot be imported by its name.
    file = getattr(sys.modules.get(callback.path.rpartition(".")[0]), "__file__", None)
    since = " ".join(sorted(tag for tag in tags or () if tag.startswith(SINCE_TAG)))
    callback.kwargs = {**callback.kwargs, _STANDS_FOR: callback.path, _FILE: file, _TAGS: since}
    callback.path = f"{__name__}.{ours.__name__}"
    deadline.callback = callback
    return deadline


def _is_ours_by_context(context: Any, tags: str) -> bool:
    described = dict((context or {}).get("dag_run") or {})
    if not described:
        return is_ours(None, None, if_unknown=True)
    for name in ("run_after", "start_date", "data_interval_end", "logical_date"):
        if isinstance(described.get(name), str):
            described[name] = datetime.fromisoformat(described[name].replace("Z", "+00:00"))
    described["run_id"] = described.get("run_id") or described.get("dag_run_id")
    for name in ("run_type", "conf", "start_date", "run_after"):
        described.setdefault(name, None)
    return is_ours(SimpleNamespace(tags=tags.split()), SimpleNamespace(**described), if_unknown=True)


def _called(context: Any, given: dict[str, Any]) -> Any:
    """The result of the user's own callback, called as Airflow would have called it."""
    path, file = given.pop(_STANDS_FOR), given.pop(_FILE, None)
    module, _, name = path.rpartition(".")
    try:
        callback = getattr(importlib.import_module(module), name)
    except ImportError:
        spec = importlib.util.spec_from_file_location(module, file) if file else None
        if spec is None or spec.loader is None:
            raise
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        callback = getattr(loaded, name)
    if context is not None and _accepts_context(callback):
        given["context"] = context
    return callback(**given)


def _accepts_context(callback: Any) -> bool:
    try:
        parameters = inspect.signature(callback).parameters
    except (ValueError, TypeError):
        return True
    return "context" in parameters or any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())


def missed_deadline(context: Any = None, **given: Any) -> Any:
    """Replaces the callback that is named among the arguments."""
    return _called(context, given) if _is_ours_by_context(context, given.pop(_TAGS, "")) else None


async def missed_deadline_awaited(context: Any = None, **given: Any) -> Any:
    """The same for a callback that the triggerer awaits. The triggerer must not be blocked."""
    if not await asyncio.to_thread(_is_ours_by_context, context, given.pop(_TAGS, "")):
        return None
    return await _called(context, given)


__all__ = [
    "ForOurRuns", "IfItHasFailed", "OfOurSlas", "call_only_for_our_runs", "is_ours", "missed_deadline", "missed_deadline_awaited",
]  # fmt: skip
