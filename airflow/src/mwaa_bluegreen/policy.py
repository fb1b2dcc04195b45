"""The cluster policy: guards DAGs without a change to them. Airflow finds it by the entry point group `airflow.policy`.

Airflow imports this module while Airflow is itself being imported. So only the marker may be imported from Airflow
at the top.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.policies import hookimpl

from mwaa_bluegreen import settings
from mwaa_bluegreen.since import since_of

UNGUARDED_TAG, GUARDED_TAG = "bluegreen:unguarded", "bluegreen:guarded"

# What the guard inherits from a DAG's default_args: who is notified, and where it runs. It does not inherit pools,
# rules or callbacks that are meant for the work itself.
_INHERITED = (
    "email", "email_on_failure", "executor", "on_failure_callback", "owner", "queue", "run_as_user",
)  # fmt: skip

# SSM or the flag may be broken for a while: the guard retries for about 45 minutes before the run fails.
_RETRIES = {
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
}


# After other policies, which may add tasks.
@hookimpl(trylast=True)  # type: ignore[untyped-decorator]
def dag_policy(dag: Any) -> None:
    """Put the guard before the roots of every DAG that must be guarded. Raises ConfigurationInvalid for a wrong mode."""
    mode = settings.mode()
    tags = set(dag.tags or ())
    if mode == "off" or UNGUARDED_TAG in tags or (mode == "tagged" and GUARDED_TAG not in tags):
        return
    inject(dag, observe=mode == "observe")


def inject(dag: Any, observe: bool = False) -> None:
    """Put the guard before the roots of the DAG. Does nothing if the guard is there already, or if there are no roots.

    Raises ValueError if the DAG has another task of that name, and ConfigurationInvalid for an invalid tag.
    """
    from mwaa_bluegreen.callbacks import IfItHasFailed, call_only_for_our_runs
    from mwaa_bluegreen.guard import TASK_ID, Guard, rule_of
    from mwaa_bluegreen.hold import hold

    if not observe:  # It breaks nothing; its log says what it would do.
        since_of(dag.tags)
    present = dag.task_dict.get(TASK_ID)
    if present is None and TASK_ID in dag.task_group.used_group_ids:
        raise ValueError(_taken(dag, TASK_ID))
    if present is not None:
        if not isinstance(present, Guard):
            raise ValueError(_taken(dag, TASK_ID))
        return
    roots = [task for task in dag.tasks if not task.upstream_task_ids]
    if not roots:  # No tasks; or every task is part of a cycle, or behind one, which Airflow refuses with an error of its own.
        return
    inherited = {name: dag.default_args[name] for name in _INHERITED if name in dag.default_args}
    inherited.setdefault("owner", roots[0].owner)
    told = inherited.get("on_failure_callback") or []
    inherited["on_failure_callback"] = [IfItHasFailed(one) for one in (told if isinstance(told, (list, tuple)) else [told])]
    wanted = settings.guard_task()
    if wanted.owner is not None:
        inherited["owner"] = wanted.owner
    if wanted.pool is not None:
        inherited["pool"] = wanted.pool
    if wanted.timeout_seconds is not None:
        inherited["execution_timeout"] = timedelta(seconds=wanted.timeout_seconds)
    starts = [task.start_date for task in roots if task.start_date]
    guard = Guard(
        task_id=TASK_ID,
        task_group=dag.task_group,
        observe=observe,
        start_date=dag.start_date or (min(starts) if starts else None),
        doc_md=Guard.__doc__,
        email_on_retry=False,
        retries=wanted.retries,
        **_RETRIES,
        **inherited,
    )
    rules = {task.task_id: rule_of(task) for task in dag.tasks}
    at_once = [task for task in dag.tasks if task not in roots and rules[task.task_id] == "always" and not _has_setups(task)]
    dag.add_task(guard)
    guard.set_downstream(roots)
    for root in roots:
        # Airflow evaluates no rule for a task without upstream: it may always run. With the guard before it, only these
        # two rules mean the same. (A teardown's rule is its own.)
        if not root.is_teardown:
            root.trigger_rule = _to_rule("all_done" if observe and not _wants_all_success(dag) else "all_success")
            rules[root.task_id] = "all_success"
    if observe:
        return
    # Rule `always` ignores upstream: the task would start beside the guard. The guard has succeeded whenever the run
    # continues. So with the guard before it, this rule starts the task at the same moment: no other task that the rule
    # considers can end sooner.
    guard.set_downstream(at_once)
    for task in at_once:
        task.trigger_rule = _to_rule("one_success")
    for task in dag.tasks:
        if task is not guard:
            hold(task, rules[task.task_id])
    call_only_for_our_runs(dag)


def _has_setups(task: Any) -> bool:
    """Any rule other than `always` waits for setups, too."""
    return any(True for _ in task.get_upstreams_only_setups())


def _to_rule(name: str) -> Any:
    try:
        from airflow.sdk import TriggerRule
    except ImportError:
        from airflow.utils.trigger_rule import TriggerRule
    return TriggerRule(name)


def _wants_all_success(dag: Any) -> bool:
    """Airflow allows no other rule in a DAG that stops at the first failure."""
    return bool(getattr(dag, "fail_fast", False) or getattr(dag, "fail_stop", False))


def _taken(dag: Any, name: str) -> str:
    return (
        f"DAG {dag.dag_id} has a task or task group {name} of its own, the name of the blue-green guard; rename it, or "
        f"tag the DAG {UNGUARDED_TAG}"
    )
