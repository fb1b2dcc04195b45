"""What the guard does in one real environment, the blue one: real scheduler, real task processes, real states."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from conftest import TheFlag
from local_aws.process import LocalAws
from real_airflow import RealAirflow

GUARD = "bluegreen_guard"
# What each DAG executes when it may: task, and how often.
WORK = {
    "plain": {"extract": 1, "load": 1},
    "rules": {"first": 1, "cleanup": 1, "after_cleanup": 1, "always": 1, "second": 1, "none_failed": 1},
    "teardowns": {"create": 1, "use": 1, "destroy": 1},
    "branches": {"choose": 1, "left": 1, "join": 1},
    "mapped": {"numbers": 1, "each": 2, "root_each": 3, "one.in_group": 2, "gather": 1},
    "groups": {"outer.inner.deep": 1, "outer.inner.deeper": 1, "last": 1},
    "defaults": {"only": 1},
    "dynamic_0": {"only": 1},
    "dynamic_2": {"only": 1},
    "crowd": {},
    "empty_dag": {},
}


def count(environment: RealAirflow, dag: str, run: str) -> dict[str, int]:
    tasks = [line[2] for line in environment.executed(dag, run)]
    return {task: tasks.count(task) for task in tasks}


def guard_line(environment: RealAirflow, dag: str, run: str) -> str:
    lines = [line for line in environment.task_log(dag, run, GUARD).splitlines() if "bluegreen: " in line]
    assert lines, environment.task_log(dag, run, GUARD)
    return lines[-1]


@pytest.fixture(autouse=True)
def afterwards(aws: LocalAws, the_flag: TheFlag, blue: RealAirflow) -> Iterator[None]:
    yield
    aws.clear_faults()


def test_the_standby_skips_everything(blue: RealAirflow, the_flag: TheFlag) -> None:
    version, _ = the_flag.write("green")
    runs = {dag: blue.trigger(dag) for dag in WORK}
    for dag, run in runs.items():
        assert blue.finished(dag, run, 180) == "success", (dag, blue.tasks(dag, run))
        states = blue.tasks(dag, run)
        if dag != "empty_dag":
            assert states.pop(GUARD) == "success"
            assert set(states.values()) == {"skipped"}, (dag, states)
        assert count(blue, dag, run) == {}, dag
    line = guard_line(blue, "plain", runs["plain"])
    assert f"bluegreen: skip colour=blue owner=green version={version} instant=20" in line
    assert "(start of a manual run): standby; the other environment owns the run" in line


def test_the_owner_executes_everything_and_every_trigger_rule_means_what_it_meant(blue: RealAirflow, the_flag: TheFlag) -> None:
    version, _ = the_flag.write("blue")
    runs = {dag: blue.trigger(dag) for dag in WORK if dag != "crowd"}
    for dag, run in runs.items():
        assert blue.finished(dag, run, 180) == "success", (dag, blue.tasks(dag, run))
        assert count(blue, dag, run) == WORK[dag], dag
    assert blue.tasks("branches", runs["branches"])["right"] == "skipped"
    assert f"bluegreen: execute colour=blue owner=blue version={version} " in guard_line(blue, "plain", runs["plain"])


def test_a_dag_that_opted_out_runs_on_the_standby(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("green")
    run = blue.trigger("unguarded")
    assert blue.finished("unguarded", run) == "success"
    assert count(blue, "unguarded", run) == {"only": 1}


def test_the_fencing_token_is_the_version_of_the_flag(blue: RealAirflow, the_flag: TheFlag) -> None:
    for _ in range(2):
        version, _effective = the_flag.write("blue")
        run = blue.trigger("tokens")
        assert blue.finished("tokens", run) == "success"
        assert [line[4] for line in blue.executed("tokens", run)] == [str(version)]


def test_a_run_in_progress_is_not_cut_by_a_switch_and_cleared_tasks_stay_where_they_ran(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("blue")
    slow, deferred = blue.trigger("slow"), blue.trigger("deferred")
    blue.wait(lambda: count(blue, "slow", slow), "step_1 runs")
    blue.wait(lambda: blue.tasks("deferred", deferred)["sleep"] == "deferred", "the task defers itself")
    the_flag.write("green")
    assert blue.finished("slow", slow) == "success"
    assert count(blue, "slow", slow) == {"step_1": 1, "step_2": 1, "step_3": 1}
    assert blue.finished("deferred", deferred) == "success"
    assert count(blue, "deferred", deferred) == {"after": 1}

    blue.clear("slow", slow, ["step_2", "step_3"])
    blue.wait(lambda: count(blue, "slow", slow).get("step_3") == 2, "the cleared tasks run again")
    assert blue.finished("slow", slow) == "success"
    assert count(blue, "slow", slow) == {"step_1": 1, "step_2": 2, "step_3": 2}


def test_tasks_cleared_on_the_standby_are_skipped_again(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("green")
    cleared = {
        "rules": ["cleanup", "always", "none_failed", "first"],
        "mapped": ["gather", "root_each", "one.in_group"],
        "teardowns": ["destroy"],
    }
    for dag, tasks in cleared.items():
        run = blue.trigger(dag)
        assert blue.finished(dag, run) == "success"
        blue.clear(dag, run, tasks)
        assert blue.finished(dag, run) == "success"
        states = blue.tasks(dag, run)
        assert {name: state for name, state in states.items() if state != "skipped"} == {GUARD: "success"}, dag
        assert count(blue, dag, run) == {}, dag


def test_a_whole_scheduled_run_that_is_cleared_keeps_its_owner_whatever_the_flag_says_now(
    blue: RealAirflow, the_flag: TheFlag
) -> None:
    # With catchup off Airflow has made one run of `yesterday`, whose tick is long before all versions of the flag.
    run = blue.wait(lambda: blue.runs("yesterday"), "the scheduler has made a run")[0]["dag_run_id"]
    blue.finished("yesterday", run)
    before = count(blue, "yesterday", run)
    the_flag.write("blue")
    blue.clear("yesterday", run, [GUARD, "only"])
    assert blue.finished("yesterday", run) == "success"
    assert "of a scheduled run): standby" in guard_line(blue, "yesterday", run)
    assert count(blue, "yesterday", run) == before == {}


def test_a_backfill_belongs_to_the_owner_of_its_start_not_of_its_interval(blue: RealAirflow, the_flag: TheFlag) -> None:
    # Two DAGs, because Airflow 3 allows one backfill of a DAG at a time.
    for dag, colour, executed in (("yesterday", "blue", 1), ("yesterday_too", "green", 0)):
        the_flag.write(colour)
        day = (datetime.now(timezone.utc) - timedelta(days=40 + executed)).date().isoformat()
        before = len(blue.executed(dag))
        known = {run["dag_run_id"] for run in blue.runs(dag)}
        if blue.is_3:
            blue.command("backfill", "create", "--dag-id", dag, "--from-date", day, "--to-date", day)
        else:
            blue.command("dags", "backfill", dag, "--start-date", day, "--end-date", day, "--yes")
        runs = blue.wait(lambda known=known, dag=dag: {r["dag_run_id"] for r in blue.runs(dag)} - known, "the backfill makes a run")
        for run in runs:
            assert blue.finished(dag, run) == "success"
            if blue.is_3:
                assert "start of a backfill run" in guard_line(blue, dag, run)
        assert len(blue.executed(dag)) - before == executed


def test_a_manual_run_with_an_old_logical_date_belongs_to_the_owner_of_its_start(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("blue")
    run = blue.trigger("yesterday", logical_date="2026-02-03T00:00:00Z")
    assert blue.finished("yesterday", run) == "success"
    assert count(blue, "yesterday", run) == {"only": 1}


def test_a_run_can_hand_its_instant_on_to_a_run_that_it_triggers(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("blue")
    time.sleep(1.2)
    instant = datetime.now(timezone.utc) - timedelta(seconds=0.5)
    the_flag.write("green")
    run = blue.trigger("plain", conf={"bluegreen_instant": instant.isoformat()})
    assert blue.finished("plain", run) == "success"
    assert count(blue, "plain", run) == WORK["plain"]


def test_a_deleted_flag_executes_nothing_until_it_is_back(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.delete()
    run = blue.trigger("rules")
    blue.wait(lambda: blue.tasks("rules", run)[GUARD] == "up_for_retry", "the guard fails and waits")
    assert "does not exist in us-east-1. Set custom.bluegreen_flag_parameter" in guard_line(blue, "rules", run)
    assert count(blue, "rules", run) == {}
    the_flag.write("blue")
    # Without a tail before its time the run belongs to the first version that is known.
    assert blue.finished("rules", run, 120) == "success"
    assert count(blue, "rules", run) == WORK["rules"]


@pytest.mark.parametrize(
    ("fault", "line"), [("access-denied", "allow the environment's execution role ssm:GetParameter"), ("throttle", "ThrottlingException")]
)
def test_a_store_that_refuses_executes_nothing(blue: RealAirflow, the_flag: TheFlag, aws: LocalAws, fault: str, line: str) -> None:
    the_flag.write("blue")
    aws.add_fault(fault, "ssm", "GetParameter")
    run = blue.trigger("rules")
    blue.wait(lambda: blue.tasks("rules", run)[GUARD] == "up_for_retry", "the guard fails and waits")
    assert line in guard_line(blue, "rules", run)
    assert count(blue, "rules", run) == {}
    aws.clear_faults()
    assert blue.finished("rules", run, 120) == "success"
    assert count(blue, "rules", run) == WORK["rules"]


def test_garbage_in_the_flag_executes_nothing(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("Blue")
    run = blue.trigger("plain")
    blue.wait(lambda: blue.tasks("plain", run)[GUARD] == "up_for_retry", "the guard fails and waits")
    assert "holds 'Blue'; allowed are blue and green" in guard_line(blue, "plain", run)
    the_flag.write("blue", seconds_from_now=-60)  # a restore is back-dated
    assert blue.finished("plain", run, 120) == "success"


# The tests below restart the scheduler with other settings.


def test_an_unset_colour_fails_at_once_and_holds_back_cleanups_too(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("blue")
    blue.restart_scheduler(AIRFLOW__CUSTOM__ENVIRONMENT_COLOR=None)
    try:
        run = blue.trigger("rules")
        assert blue.finished("rules", run) == "failed"
        assert "custom.environment_color is not set; set it to blue in one environment" in guard_line(blue, "rules", run)
        assert count(blue, "rules", run) == {}
        assert "has not decided that this environment executes the run" in blue.task_log("rules", run, "cleanup")
    finally:
        blue.restart_scheduler(AIRFLOW__CUSTOM__ENVIRONMENT_COLOR="blue")


def test_observe_skips_nothing_and_says_what_it_would(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("green")
    blue.restart_scheduler(MWAA_BLUEGREEN_GUARD="observe")
    try:
        run = blue.trigger("rules")
        assert blue.finished("rules", run) == "success"
        line = guard_line(blue, "rules", run)
        assert "bluegreen: skip colour=blue owner=green" in line
        assert "(observe: nothing is skipped)" in line
        the_flag.delete()
        broken = blue.trigger("rules")
        assert blue.finished("rules", broken) == "success"
        assert "observe: would fail: the flag" in guard_line(blue, "rules", broken)
        assert count(blue, "rules", run) == count(blue, "rules", broken) == WORK["rules"]
    finally:
        the_flag.write("green")
        blue.restart_scheduler(MWAA_BLUEGREEN_GUARD=None)


def test_a_standby_run_waits_without_a_worker_and_a_late_failover_still_executes_it(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("green")
    blue.restart_scheduler(AIRFLOW__CUSTOM__BLUEGREEN_SETTLE_SECONDS="35")
    try:
        started = time.monotonic()
        run = blue.trigger("plain")
        blue.wait(lambda: blue.tasks("plain", run)[GUARD] == "up_for_reschedule", "the guard waits")
        assert "bluegreen: wait colour=blue owner=green" in guard_line(blue, "plain", run)
        the_flag.write("blue", seconds_from_now=-50)
        assert blue.finished("plain", run) == "success"
        assert count(blue, "plain", run) == WORK["plain"]
        assert time.monotonic() - started < 33

        the_flag.write("green")
        started = time.monotonic()
        run = blue.trigger("plain")
        assert blue.finished("plain", run) == "success"
        assert count(blue, "plain", run) == {}
        assert 33 < time.monotonic() - started < 75
    finally:
        blue.restart_scheduler(AIRFLOW__CUSTOM__BLUEGREEN_SETTLE_SECONDS="0")


