"""The cluster policy: guards DAGs without a change to them. Airflow finds it by the entry point group `airflow.policy`.

Airflow imports this while it is itself being imported: nothing of Airflow but the marker may be imported up here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.policies import hookimpl

from mwaa_bluegreen import settings
from mwaa_bluegreen.since import since_of

UNGUARDED_TAG, GUARDED_TAG = "bluegreen:unguarded", "bluegreen:guarded"

# What the guard takes over from a DAG's default_args: who is told, and where it runs. Not pools, rules or callbacks
# that are meant for the work itself.
_INHERITED = (
    "email", "email_on_failure", "email_on_retry", "executor", "on_failure_callback", "owner", "queue", "run_as_user",
)  # fmt: skip

# SSM or the flag may be broken for a while: tried again for about 45 minutes before the run fails.
_RETRIES = {
    "retries": 12,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
}


# With these an empty task succeeds only after another task of the run has, and without the guard's word none does.
_AFTER_A_SUCCESS = frozenset({"all_success", "one_success", "none_failed_min_one_success"})


# After other policies, which may add tasks.
@hookimpl(trylast=True)  # type: ignore[untyped-decorator]
def dag_policy(dag: Any) -> None:
    """Put the guard before the roots of every DAG that is to be guarded. Raises ConfigurationInvalid for a wrong mode."""
    mode = settings.mode()
    tags = set(dag.tags or ())
    if mode == "off" or UNGUARDED_TAG in tags or (mode == "tagged" and GUARDED_TAG not in tags):
        return
    inject(dag, observe=mode == "observe")


def inject(dag: Any, observe: bool = False) -> None:
    """Put the guard before the roots of the DAG. Does nothing if it is there already, or if there are no roots.

    Raises ValueError if the DAG has another task of that name, and ConfigurationInvalid for a tag that cannot be obeyed.
    """
    from mwaa_bluegreen.guard import TASK_ID, Guard

    if not observe:  # which breaks nothing, and says in its log what would
        since_of(dag.tags)
    present = dag.task_dict.get(TASK_ID)
    if present is None and TASK_ID in dag.task_group.used_group_ids:
        raise ValueError(_taken(dag, TASK_ID))
    if present is not None:
        if not isinstance(present, Guard):
            raise ValueError(_taken(dag, TASK_ID))
        return
    roots = [task for task in dag.tasks if not task.upstream_task_ids]
    if not roots:  # no tasks; or every task is part of a cycle, or behind one, which Airflow refuses in words of its own
        return
    inherited = {name: dag.default_args[name] for name in _INHERITED if name in dag.default_args}
    inherited.setdefault("owner", roots[0].owner)
    starts = [task.start_date for task in roots if task.start_date]
    guard = Guard(
        task_id=TASK_ID,
        task_group=dag.task_group,
        observe=observe,
        start_date=dag.start_date or (min(starts) if starts else None),
        doc_md=Guard.__doc__,
        **_RETRIES,
        **inherited,
    )
    dag.add_task(guard)
    guard.set_downstream(roots)
    if not observe:
        for task in dag.tasks:
            if task is not guard:
                _hold_back(task)


def _taken(dag: Any, name: str) -> str:
    return (
        f"DAG {dag.dag_id} has a task or task group {name} of its own, the name of the blue-green guard; rename it, or "
        f"tag the DAG {UNGUARDED_TAG}"
    )


def _hold_back(task: Any) -> None:
    """Make sure of a task that may run although its upstream was skipped or failed."""
    from mwaa_bluegreen.guard import both, obey_guard, run_by_a_worker

    expands = hasattr(task, "partial_kwargs")  # MappedOperator moved between Airflow's versions
    mapped = expands or any(True for _ in task.iter_mapped_task_groups())
    rule = str(getattr(task.trigger_rule, "value", task.trigger_rule))
    if rule == "all_success" and not mapped and not task.is_teardown:
        return
    if expands:
        task.partial_kwargs["pre_execute"] = both(task.partial_kwargs.get("pre_execute"), obey_guard)
    else:
        task._pre_execute_hook = both(task._pre_execute_hook, obey_guard)
    # An empty task is a success as soon as the scheduler comes to it, no hook is ever run, and what follows it executes.
    # Unless it has a callback: then a worker runs it. The join after a branch can do without.
    if task.inherits_from_empty_operator and not task.on_execute_callback and (mapped or rule not in _AFTER_A_SUCCESS):
        task.on_execute_callback = [run_by_a_worker]
