"""For authors who write the guard into their DAGs. Needs Airflow."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from mwaa_bluegreen.decision import EXECUTE, WHEN_NOTHING_WAITS, decide
from mwaa_bluegreen.errors import BlueGreenError, ConfigurationInvalid
from mwaa_bluegreen.guard import TASK_ID, TOKEN, guard_state, kept
from mwaa_bluegreen.policy import inject

Arguments = ParamSpec("Arguments")


def guarded(dag_function: Callable[Arguments, Any]) -> Callable[Arguments, Any]:
    """Guard one DAG in its own code: `@guarded` above `@dag(...)`. The policy then leaves the DAG unchanged."""

    @functools.wraps(dag_function)
    def build(*arguments: Arguments.args, **named: Arguments.kwargs) -> Any:
        dag = dag_function(*arguments, **named)
        inject(dag)
        return dag

    return build


def owned_or_skip(context: Any) -> int:
    """For a single task of an unguarded DAG: the flag's version if this environment owns the run, else
    AirflowSkipException.

    Does not wait for `standby_wait`. Raises AirflowException if the owner of the run cannot be determined.
    """
    try:
        decision = decide(context["dag_run"], now=WHEN_NOTHING_WAITS, dag=context.get("dag"))
    except ConfigurationInvalid as error:
        raise AirflowFailException(f"bluegreen: {error}") from error
    except BlueGreenError as error:
        raise AirflowException(f"bluegreen: {error}") from error
    if decision.action != EXECUTE:
        raise AirflowSkipException(decision.line)
    return decision.owner.version


def fencing_token(context: Any) -> int:
    """The flag's version under which this run executes: grows with every switch, the same for all tasks of a run.

    Pass it to writes, and let the target refuse a smaller one than it has seen. It starts again at 1 if the flag is
    deleted and re-created. Raises AirflowFailException if the guard has not decided.
    """
    token = kept(context["ti"], TOKEN)
    if token is None and guard_state(context) == "success":
        # The XComs have been cleaned up. The ownership rule gives the same answer again.
        try:
            token = decide(context["dag_run"], now=WHEN_NOTHING_WAITS, dag=context.get("dag")).owner.version
        except BlueGreenError as error:
            raise AirflowException(f"bluegreen: {error}") from error
    if token is None:
        raise AirflowFailException(
            f"bluegreen: no fencing token, because {TASK_ID} has not decided this run; guard the DAG, or clear {TASK_ID}"
        )
    return int(token)
