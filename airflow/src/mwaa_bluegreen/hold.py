"""Holds every task of a guarded DAG until the guard has decided for this environment. Needs Airflow.

A task checks when Airflow is about to render its templates. In every version that is after Airflow has copied the task
and before any of the user's code runs: templates and macros, the constructor of a mapped task, hooks, callbacks, the
class's own `pre_execute`. It checks again before its `pre_execute` hook, in case a later version renders elsewhere.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Generator
from typing import Any

from mwaa_bluegreen.guard import AIRFLOW_3, obey_guard, run_by_a_worker

# With these rules an empty task succeeds only after another task of the run has, and none does before the guard
# decides.
_AFTER_A_SUCCESS = frozenset({"all_success", "one_success", "none_failed_min_one_success"})

# What Airflow would do without a worker, stored for the worker. It is not one of the task's own attributes, which
# Airflow serializes.
_START = "_bluegreen_start_trigger_args"


def hold(task: Any, rule: str) -> None:
    """Make the task check. `rule` is the trigger rule by which it would be scheduled without its edge to the guard."""
    expands = hasattr(task, "partial_kwargs")  # MappedOperator moved between Airflow's versions
    mapped = expands or any(True for _ in task.iter_mapped_task_groups())
    vars(task)["render_template_fields"] = _render_if_ours
    if expands:
        # Even without a hook of the user's: an unmapped task is a new object, without our attribute.
        task.partial_kwargs["pre_execute"] = _asking(task.partial_kwargs.get("pre_execute"))
    else:
        task._pre_execute_hook = _asking(task._pre_execute_hook)
    # The scheduler marks an empty task as a success as soon as it reaches it. No hook ever runs, and what follows
    # starts. A task that has a callback is run by a worker instead. The join after a branch does not need that.
    if task.inherits_from_empty_operator and not task.on_execute_callback and (mapped or rule not in _AFTER_A_SUCCESS):
        task.on_execute_callback = [run_by_a_worker]
    _start_in_a_worker(task)


def _start_in_a_worker(task: Any) -> None:
    """Send a task to a worker that Airflow (2.10 and later) would start directly in the triggerer, where nothing checks."""
    arguments = getattr(task, "start_trigger_args", None)
    if arguments is None:
        return
    vars(task)[_START] = (arguments, task.start_from_trigger)
    # The scheduler reads the arguments first in some versions, and the switch first in others.
    _set_start(task, None, False)


def _set_start(task: Any, arguments: Any, starts: bool) -> None:
    object.__setattr__(task, "start_trigger_args", arguments)
    object.__setattr__(task, "start_from_trigger", starts)


def _render_if_ours(context: Any, jinja_env: Any = None) -> None:
    """Replaces the task's `render_template_fields`; see there. `airflow tasks render` renders without the check."""
    task = context["ti"].task
    if _is_being_run():
        obey_guard(context)
        _hand_to_the_triggerer(task, context, jinja_env)
    type(task).render_template_fields(task, context, jinja_env)


def _is_being_run() -> bool:
    try:
        from airflow.sdk import get_current_context
    except ImportError:
        from airflow.operators.python import get_current_context
    try:
        get_current_context()
    except Exception:  # RuntimeError or AirflowException: there is none
        return False
    return True


def _hand_to_the_triggerer(task: Any, context: Any, jinja_env: Any) -> None:
    """Do what the scheduler would have done, now that the run is known to be ours. Raises TaskDeferred."""
    if _START not in vars(task):
        return
    # The task's own code may read them.
    _set_start(task, *vars(task)[_START])
    arguments = None if _resumes(context["ti"]) else _arguments(task, context)
    if arguments is None:
        return
    try:
        from airflow.sdk.exceptions import TaskDeferred
    except ImportError:
        from airflow.exceptions import TaskDeferred

    given = dict(arguments.trigger_kwargs or {})
    module, _, name = arguments.trigger_cls.rpartition(".")
    trigger_class = getattr(importlib.import_module(module), name)
    if hasattr(trigger_class, "render_template_fields"):  # Airflow 3.3 renders those that the task has under the same name
        for name in set(task.template_fields) & given.keys():
            given[name] = task.render_template(given[name], context, jinja_env)
    raise TaskDeferred(
        trigger=trigger_class(**given),
        method_name=arguments.next_method,
        kwargs=arguments.next_kwargs,
        timeout=arguments.timeout,
    )


def _resumes(task_instance: Any) -> bool:
    """Whether a trigger has sent the task back."""
    server = getattr(task_instance, "_ti_context_from_server", None)
    return bool(getattr(server, "next_method", None) or getattr(task_instance, "next_method", None))


def _arguments(task: Any, context: Any) -> Any:
    """The arguments of the trigger that this instance starts in, or None if it starts in a worker."""
    if not hasattr(task, "partial_kwargs"):
        return task.start_trigger_args if task.start_from_trigger else None
    if AIRFLOW_3:  # Airflow 3 does not start mapped tasks in the triggerer.
        return None
    from airflow.utils.session import create_session

    with create_session() as session:
        if not task.expand_start_from_trigger(context=context, session=session):
            return None
        return task.expand_start_trigger_args(context=context, session=session)


def _asking(hook: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """The user's hook with the check before it, a generator if it was one. Airflow runs a generator to its end since
    2.10, and did not start it before."""
    if hook is None:
        return obey_guard
    if inspect.isgeneratorfunction(hook):

        @functools.wraps(hook)
        def generate(context: Any) -> Generator[Any, Any, Any]:
            obey_guard(context)
            return (yield from hook(context))

        return generate

    @functools.wraps(hook)
    def call(context: Any) -> Any:
        obey_guard(context)
        return hook(context)

    return call


__all__ = ["hold"]
