"""What became of a run of the case DAGs."""

from __future__ import annotations

from real_airflow import RealAirflow

GUARD = "bluegreen_guard"
# What each DAG executes when it may: task, and how often.
WORK = {
    "plain": {"extract": 1, "load": 1},
    "rules": {"first": 1, "cleanup": 1, "after_cleanup": 1, "always": 1, "second": 1, "none_failed": 1},
    "empties": {"before": 1, "after_all_done": 1, "after_always": 1, "after_join": 1},
    "teardowns": {"create": 1, "use": 1, "destroy": 1},
    "branches": {"choose": 1, "left": 1, "join": 1},
    "mapped": {"numbers": 1, "each": 2, "root_each": 3, "one.in_group": 2, "gather": 1},
    "groups": {"outer.inner.deep": 1, "outer.inner.deeper": 1, "last": 1},
    "deferred": {"after": 1},
    "defaults": {"only": 1},
    "dynamic_0": {"only": 1},
    "dynamic_2": {"only": 1},
    "crowd": {},
    "empty_dag": {},
}

CONF = {"deferred": {"seconds": 1}}


def start(environment: RealAirflow, dag: str) -> str:
    """A run of a DAG of WORK."""
    return environment.trigger(dag, conf=CONF.get(dag, {}))


def count(environment: RealAirflow, dag: str, run: str) -> dict[str, int]:
    tasks = [line[2] for line in environment.executed(dag, run)]
    return {task: tasks.count(task) for task in tasks}


def guard_line(environment: RealAirflow, dag: str, run: str) -> str:
    """The guard's last word. The log may follow the task."""

    def lines() -> list[str]:
        return [line for line in environment.task_log(dag, run, GUARD).splitlines() if "bluegreen: " in line]

    return str(environment.wait(lines, f"the guard of {dag} {run} says something")[-1])
