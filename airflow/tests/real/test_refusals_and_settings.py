"""The guard when Parameter Store refuses, and with other settings, in one real environment, the blue one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from local_aws.process import LocalAws
from support.guard_flag import TheFlag
from support.guarded_runs import GUARD, WORK, count, guard_line
from support.paths import CASE_DAGS
from support.real_airflow import RealAirflow


@pytest.fixture(autouse=True)
def afterwards(aws: LocalAws, the_flag: TheFlag, blue: RealAirflow) -> Iterator[None]:
    yield
    aws.clear_faults()


@pytest.mark.parametrize(
    ("fault", "line"), [("access-denied", "allow the environment's execution role ssm:GetParameter"), ("throttle", "ThrottlingException")]
)
def test_a_store_that_refuses_executes_nothing(blue: RealAirflow, the_flag: TheFlag, aws: LocalAws, fault: str, line: str) -> None:
    the_flag.write("blue")
    aws.add_fault(fault, "ssm", "GetParameter")
    run = blue.trigger("rules")
    blue.wait(lambda: blue.tasks("rules", run).get(GUARD) == "up_for_retry", "the guard fails and waits")
    assert line in guard_line(blue, "rules", run)
    assert count(blue, "rules", run) == {}
    aws.clear_faults()
    assert blue.finished("rules", run) == "success"
    assert count(blue, "rules", run) == WORK["rules"]


# -- other settings: the scheduler is restarted ---------------------------------------------------------------------------


def test_an_unset_color_fails_at_once_and_holds_back_cleanups_too(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("blue")
    blue.restart_scheduler(AIRFLOW__CUSTOM__ENVIRONMENT_COLOR=None)
    try:
        runs = {dag: blue.trigger(dag) for dag in ("rules", "empties")}
        for dag, run in runs.items():
            assert blue.finished(dag, run) == "failed", (dag, blue.tasks(dag, run))
            assert "custom.environment_color is not set; set it to blue in one environment" in guard_line(blue, dag, run)
            assert count(blue, dag, run) == {}
        said = "has not decided that this environment executes the run"
        blue.wait(lambda: said in blue.task_log("rules", runs["rules"], "cleanup"), "the clean-up says why it is held back")
    finally:
        blue.restart_scheduler(AIRFLOW__CUSTOM__ENVIRONMENT_COLOR="blue")


def test_observe_skips_nothing_and_says_what_it_would(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("green")
    blue.restart_scheduler(MWAA_BLUEGREEN_GUARD="observe")
    try:
        run = blue.trigger("rules")
        assert blue.finished("rules", run) == "success"
        line = guard_line(blue, "rules", run)
        assert "bluegreen: skip color=blue owner=green" in line
        assert "(observe: nothing is skipped)" in line
        the_flag.delete()
        broken = blue.trigger("rules")
        odd = blue.trigger("odd_roots")
        assert blue.finished("rules", broken) == "success"
        assert blue.finished("odd_roots", odd) == "success", blue.tasks("odd_roots", odd)
        assert count(blue, "odd_roots", odd) == WORK["odd_roots"]
        assert "observe: would fail: the flag" in guard_line(blue, "rules", broken)
        assert count(blue, "rules", run) == count(blue, "rules", broken) == WORK["rules"]
    finally:
        the_flag.write("green")
        blue.restart_scheduler(MWAA_BLUEGREEN_GUARD=None)


def test_a_backend_that_keeps_references_changes_nothing(blue: RealAirflow, the_flag: TheFlag) -> None:
    backend = CASE_DAGS.parent / "xcom_backend"
    blue.restart_scheduler(AIRFLOW__CORE__XCOM_BACKEND="references.References", PYTHONPATH=str(backend))
    try:
        the_flag.write("blue")
        ours = {dag: blue.trigger(dag) for dag in ("rules", "tokens", "mapped")}
        for dag, run in ours.items():
            assert blue.finished(dag, run) == "success", (dag, blue.tasks(dag, run))
        assert count(blue, "rules", ours["rules"]) == WORK["rules"]
        assert count(blue, "mapped", ours["mapped"]) == WORK["mapped"]
        assert list(blue.home.glob("xcom-*.json")), "the backend is in use"
        the_flag.write("green")
        run = blue.trigger("rules")
        assert blue.finished("rules", run) == "success"
        blue.clear("rules", run, ["first", "second", "cleanup"])
        assert blue.finished("rules", run) == "success"
        assert {state for task, state in blue.tasks("rules", run).items() if task != GUARD} == {"skipped"}
        assert count(blue, "rules", run) == {}
    finally:
        blue.restart_scheduler(AIRFLOW__CORE__XCOM_BACKEND=None, PYTHONPATH=None)


def test_a_standby_run_waits_without_a_worker_and_a_late_failover_still_executes_it(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("green")
    settle = 140  # The guard reads the flag again after a seventh of it.
    blue.restart_scheduler(AIRFLOW__CUSTOM__BLUEGREEN_STANDBY_WAIT_SECONDS=str(settle))
    try:
        started = time.monotonic()
        run = blue.trigger("plain")
        blue.wait(lambda: blue.tasks("plain", run).get(GUARD) == "up_for_reschedule", "the guard waits")
        assert "bluegreen: wait color=blue owner=green" in guard_line(blue, "plain", run)
        the_flag.write("blue", seconds_from_now=-600)
        assert blue.finished("plain", run) == "success"
        assert count(blue, "plain", run) == WORK["plain"]
        assert time.monotonic() - started < settle, "it looked again while it waited"
    finally:
        blue.restart_scheduler(AIRFLOW__CUSTOM__BLUEGREEN_STANDBY_WAIT_SECONDS="0")


def test_a_standby_run_that_nobody_hands_over_is_skipped_when_it_has_waited(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("green")
    blue.restart_scheduler(AIRFLOW__CUSTOM__BLUEGREEN_STANDBY_WAIT_SECONDS="35")
    try:
        started = time.monotonic()
        run = blue.trigger("plain")
        assert blue.finished("plain", run) == "success"
        assert count(blue, "plain", run) == {}
        assert time.monotonic() - started > 33
    finally:
        blue.restart_scheduler(AIRFLOW__CUSTOM__BLUEGREEN_STANDBY_WAIT_SECONDS="0")
