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
    "email", "email_on_failure", "executor", "on_failure_callback", "owner", "queue", "run_as_user",
)  # fmt: skip

# SSM or the flag may be broken for a while: tried again for about 45 minutes before the run fails.
_RETRIES = {
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
}


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
    from mwaa_bluegreen.callbacks import IfItHasFailed, call_only_for_our_runs
    from mwaa_bluegreen.guard import TASK_ID, Guard, rule_of
    from mwaa_bluegreen.hold import hold

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
        # Airflow asks no rule of a task without upstream: it may always run. With the guard before it, only these two say
        # the same. (A teardown's rule is its own.)
        if not root.is_teardown:
            root.trigger_rule = _to_rule("all_done" if observe and not _wants_all_success(dag) else "all_success")
            rules[root.task_id] = "all_success"
    if observe:
        return
    # Rule `always` does not look at upstream at all: it would begin beside the guard. With the guard before it, which has
    # succeeded whenever the run goes on, this rule begins at the same moment as nothing else that it looks at can come sooner.
    guard.set_downstream(at_once)
    for task in at_once:
        task.trigger_rule = _to_rule("one_success")
    for task in dag.tasks:
        if task is not guard:
            hold(task, rules[task.task_id])
    call_only_for_our_runs(dag)


def _has_setups(task: Any) -> bool:
    """Any other rule than `always` waits for them, too."""
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
