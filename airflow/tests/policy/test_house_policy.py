"""DAGs under the policy of a site that has rules for every task. Needs an environment with Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("airflow.policies")

HOUSE = """
from airflow.exceptions import AirflowClusterPolicyViolation as Violation

def dag_policy(dag):
    if not any(tag.startswith("team:") for tag in dag.tags):
        raise Violation("no team")

def task_policy(task):
    if task.execution_timeout is None:
        raise Violation(f"{task.task_id}: no execution_timeout")
    if task.retries > 3:
        raise Violation(f"{task.task_id}: more than 3 retries")
    if task.owner.lower() == "airflow":
        raise Violation(f"{task.task_id}: no owner")
    if task.pool == "default_pool":
        raise Violation(f"{task.task_id}: no pool")
"""

DAG_FILE = """
from datetime import datetime, timedelta
try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow import DAG
    from airflow.decorators import task

@task(owner="ana", retries=1, execution_timeout=timedelta(minutes=5), pool="small")
def work():
    pass

with DAG("d", start_date=datetime(2026, 1, 1), schedule=None, tags=["team:orders"]):
    work()
"""

# Airflow reads a site's policy when it is imported, so each case needs a process of its own.
LOAD = """
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
bag = DagBag(sys.argv[1])
print("FOUND" + json.dumps([bag.import_errors, {name: sorted(dag.task_dict) for name, dag in bag.dags.items()}]))
"""

SATISFIED = {
    "BLUEGREEN_GUARD_RETRIES": "3", "BLUEGREEN_GUARD_TIMEOUT_SECONDS": "300", "BLUEGREEN_GUARD_OWNER": "platform", "BLUEGREEN_GUARD_POOL": "small",
}  # fmt: skip


def load(tmp_path: Path, options: dict[str, str], house: str = HOUSE) -> tuple[str, dict[str, list[str]]]:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/airflow_local_settings.py").write_text(house)
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags/d.py").write_text(DAG_FILE)
    path = os.pathsep.join(filter(None, [str(tmp_path / "config"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, **{f"AIRFLOW__CUSTOM__{name}": value for name, value in options.items()}}
    done = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path / "dags")], env=environment, capture_output=True, text=True, check=True)
    errors, found = json.loads(done.stdout.partition("FOUND")[2])
    return "".join(errors.values()), found


def test_the_guard_satisfies_them_by_configuration(tmp_path: Path) -> None:
    assert load(tmp_path, SATISFIED) == ("", {"d": ["bluegreen_guard", "work"]})


@pytest.mark.parametrize(
    ("left_out", "broken"),
    [
        ("BLUEGREEN_GUARD_RETRIES", "more than 3 retries"),
        ("BLUEGREEN_GUARD_TIMEOUT_SECONDS", "no execution_timeout"),
        ("BLUEGREEN_GUARD_POOL", "no pool"),
    ],
)
def test_without_one_of_the_settings_the_rule_is_broken(tmp_path: Path, left_out: str, broken: str) -> None:
    errors, _ = load(tmp_path, {name: value for name, value in SATISFIED.items() if name != left_out})
    assert f"bluegreen_guard: {broken}" in errors


# The policy, then the expected import errors and task ids.
HOUSES = {
    "replaces callbacks, pool and queue of every task": (
        """
def told(context):
    pass

def task_policy(task):
    task.on_failure_callback = told
    task.pool = "house"
    task.queue = "house"
""",
        ("", ["bluegreen_guard", "work"]),
    ),
    "adds a task to every DAG": (
        """
def dag_policy(dag):
    try:
        from airflow.providers.standard.operators.empty import EmptyOperator
    except ImportError:
        from airflow.operators.empty import EmptyOperator
    EmptyOperator(task_id="house", dag=dag)
""",
        ("", ["bluegreen_guard", "house", "work"]),
    ),
    "says yes to everything": (
        """
def dag_policy(dag):
    return True

def task_policy(task):
    return True
""",
        ("", ["bluegreen_guard", "work"]),
    ),
}


@pytest.mark.parametrize("house", HOUSES)
def test_the_guard_stands_before_every_root_whatever_the_house_does(tmp_path: Path, house: str) -> None:
    policy, (error, tasks) = HOUSES[house]
    assert load(tmp_path, {}, policy) == (error, {"d": tasks})


@pytest.mark.parametrize("hook", ["dag_policy(dag)", "task_policy(task)"])
def test_a_house_policy_that_fails_executes_nothing_unguarded(tmp_path: Path, hook: str) -> None:
    errors, found = load(tmp_path, {}, f"def {hook}:\n    raise RuntimeError('house is broken')\n")
    assert "house is broken" in errors
    assert all("bluegreen_guard" in tasks for tasks in found.values()), found
