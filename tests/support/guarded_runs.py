"""The results of runs of the case DAGs."""

from __future__ import annotations

from support.real_airflow import RealAirflow

GUARD = "bluegreen_guard"
ODD_RULES = ("all_skipped", "all_failed", "one_failed", "all_done", "always", "none_failed", "none_skipped", "one_done", "one_success")
# The executions of each DAG that may execute: the tasks, and how often.
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
    "odd_roots": {
        f"{task}_{rule}": 1 for rule in ODD_RULES for task in ("root", "after", "after_empty")} | {"lone_teardown": 1},
    "always": {
        "fails": 1, "although": 1, "then": 1, "then_too": 1, "set_up": 1, "between": 1, "in_scope": 1, "tear_down": 1, "end": 1},
    "crowd": {},
    "empty_dag": {},
}

# The same for tasks that record more than that they ran. The generator's line is that of Airflow 2.10 and later.
HOOKS = {
    "own", "own.class", "own_all_done", "own_all_done.class", "templated", "templated.class", "macro.text", "mapped", "mapped.class",
    "macro.mapped", "object", "object.object", "generator", "telling", "telling.execute", "telling.success", "empty_telling.execute",
    "empty_telling.success",
}  # fmt: skip
TRIGGERER = {"begin": 1, "root_starts": 1, "after_root_starts": 1, "starts": 1, "after_starts": 1, "after_ends": 1}

CONF = {"deferred": {"seconds": 1}}


def start(environment: RealAirflow, dag: str) -> str:
    """Starts a run of a DAG of WORK."""
    return environment.trigger(dag, conf=CONF.get(dag, {}))


def count(environment: RealAirflow, dag: str, run: str) -> dict[str, int]:
    tasks = [line[2] for line in environment.executed(dag, run)]
    return {task: tasks.count(task) for task in tasks}


def guard_line(environment: RealAirflow, dag: str, run: str) -> str:
    """The guard's last line. The log may follow the task."""

    def lines() -> list[str]:
        return [line for line in environment.task_log(dag, run, GUARD).splitlines() if "bluegreen: " in line]

    return str(environment.wait(lines, f"the guard of {dag} {run} says something")[-1])
