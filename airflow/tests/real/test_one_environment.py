"""The guard with every shape of DAG and every state of the flag, in one real environment, the blue one."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from support.guard_flag import TheFlag
from support.guarded_runs import GUARD, HOOKS, TRIGGERER, WORK, count, guard_line, start
from support.real_airflow import LOCKED, Browser, RealAirflow, RealAirflowError


def test_the_standby_skips_everything(blue: RealAirflow, the_flag: TheFlag) -> None:
    version, _ = the_flag.write("green")
    runs = {dag: start(blue, dag) for dag in WORK}
    for dag, run in runs.items():
        assert blue.finished(dag, run) == "success", (dag, blue.tasks(dag, run))
        states = blue.tasks(dag, run)
        if dag != "empty_dag":
            assert states.pop(GUARD) == "success"
            assert set(states.values()) == {"skipped"}, (dag, states)
        assert count(blue, dag, run) == {}, dag
    line = guard_line(blue, "plain", runs["plain"])
    assert f"bluegreen: skip color=blue owner=green version={version} instant=20" in line
    assert "(start of a manual run): standby; the other environment owns the run" in line


def test_the_owner_executes_everything_and_every_trigger_rule_means_what_it_meant(blue: RealAirflow, the_flag: TheFlag) -> None:
    version, _ = the_flag.write("blue")
    runs = {dag: start(blue, dag) for dag in WORK if dag != "crowd"}
    for dag, run in runs.items():
        assert blue.finished(dag, run) == "success", (dag, blue.tasks(dag, run))
        assert count(blue, dag, run) == WORK[dag], dag
    assert blue.tasks("branches", runs["branches"])["right"] == "skipped"
    assert f"bluegreen: execute color=blue owner=blue version={version} " in guard_line(blue, "plain", runs["plain"])


def test_the_owner_executes_a_thousand_tasks_after_one_guard(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("blue")
    run = blue.trigger("crowd")
    # The other half would take a worker each: their trigger rule ignores a failed guard.
    at_once = {f"crowd_{number}" for number in range(0, 999, 2)} | {"crowd_first", GUARD}
    try:
        blue.wait(lambda: at_once <= {task for task, state in blue.tasks("crowd", run).items() if state == "success"}, "half of them")
        by_a_worker = [f"crowd_{number}" for number in range(1, 999, 2)]
        blue.wait(lambda: any(blue.tasks("crowd", run)[task] == "success" for task in by_a_worker), "the first that a worker runs")
        assert blue.xcom("crowd", run, GUARD, "bluegreen_action") == "execute"
    finally:
        blue.end_run("crowd", run)


def test_a_dag_that_opted_out_runs_on_the_standby(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("green")
    run = blue.trigger("unguarded")
    assert blue.finished("unguarded", run) == "success"
    assert count(blue, "unguarded", run) == {"only": 1}


def test_the_callbacks_of_a_dag_that_executes_are_called(blue: RealAirflow, the_flag: TheFlag) -> None:
    """The tests of the standby prove nothing unless callbacks are called here."""
    the_flag.write("blue")
    run = blue.trigger("callbacks")
    assert blue.finished("callbacks", run) == "success"
    blue.wait(lambda: [line[4] for line in blue.executed("callbacks", run) if not line[2]], "the DAG's callback is called")
    assert [line[2:] for line in blue.executed("callbacks", run)] == [("only", "-1", ""), ("", "-1", "succeeded")]
    # The callbacks of two runs are called in order.
    the_flag.write("green")
    foreign = blue.trigger("callbacks")
    assert blue.finished("callbacks", foreign) == "success"
    the_flag.write("blue")
    last = blue.trigger("callbacks")
    blue.wait(lambda: [line[4] for line in blue.executed("callbacks", last) if not line[2]], "the next run's callback is called")
    assert blue.executed("callbacks", foreign) == []


def test_the_fencing_token_is_the_version_of_the_flag(blue: RealAirflow, the_flag: TheFlag) -> None:
    for _ in range(2):
        version, _effective = the_flag.write("blue")
        run = blue.trigger("tokens")
        assert blue.finished("tokens", run) == "success"
        assert [line[4] for line in blue.executed("tokens", run)] == [str(version)]


def deferred_run(blue: RealAirflow) -> str:
    """A run whose task has deferred itself. On a slow machine the instant that it waits for may pass before it checks."""
    for seconds in (15, 60, 240):
        run = blue.trigger("deferred", conf={"seconds": seconds})

        def seen(run: str = run) -> str | None:
            state = blue.tasks("deferred", run).get("sleep")
            return state if state in ("deferred", "success") else None

        if blue.wait(seen, "the task defers itself") == "deferred":
            return run
    raise AssertionError("it was never deferred")


def test_a_run_in_progress_is_not_cut_by_a_switch_and_cleared_tasks_stay_where_they_ran(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("blue")
    deferred = deferred_run(blue)
    slow = blue.trigger("slow")
    blue.wait(lambda: count(blue, "slow", slow), "step_1 runs")
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
    # With catchup off Airflow has created one run of `yesterday`, whose tick is long before all versions of the flag.
    run = blue.wait(lambda: blue.runs("yesterday"), "the scheduler has made a run")[0]["dag_run_id"]
    blue.finished("yesterday", run)
    before = count(blue, "yesterday", run)
    the_flag.write("blue")
    blue.clear("yesterday", run, [GUARD, "only"])
    assert blue.finished("yesterday", run) == "success"
    assert "of a scheduled run): standby" in guard_line(blue, "yesterday", run)
    assert count(blue, "yesterday", run) == before == {}


def test_a_backfill_belongs_to_the_owner_of_its_start_not_of_its_interval(blue: RealAirflow, the_flag: TheFlag) -> None:
    # Airflow 3 allows one backfill of a DAG at a time, including one that failed half-way.
    unused = iter(f"backfilled_{number}" for number in range(4))
    for color, executed in (("blue", True), ("green", False)):
        the_flag.write(color)
        day = (datetime.now(timezone.utc) - timedelta(days=40 + executed)).date().isoformat()
        for dag in unused:
            try:
                if blue.is_3:
                    blue.command("backfill", "create", "--dag-id", dag, "--from-date", day, "--to-date", day)
                else:
                    blue.command("dags", "backfill", dag, "--start-date", day, "--end-date", day, "--yes")
                break
            except RealAirflowError as error:
                if LOCKED not in str(error):
                    raise
        else:
            raise AssertionError("the database was locked each time")

        def backfilled(dag: str = dag) -> list[str]:
            return [run["dag_run_id"] for run in blue.runs(dag) if run["dag_run_id"].startswith("backfill")]

        for run in blue.wait(backfilled, "the backfill makes a run"):
            assert blue.finished(dag, run) == "success"
            if blue.is_3:
                assert "start of a backfill run" in guard_line(blue, dag, run)
            assert count(blue, dag, run) == ({"only": 1} if executed else {})


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


def test_a_sub_dag_follows_its_parents_run(blue: RealAirflow, the_flag: TheFlag) -> None:
    if blue.is_3:
        pytest.skip("Airflow 3 has no sub-DAGs")
    the_flag.write("blue")
    time.sleep(1.2)
    instant = datetime.now(timezone.utc) - timedelta(seconds=0.5)
    the_flag.write("green")
    run = blue.trigger("parent", conf={"bluegreen_instant": instant.isoformat()})
    assert blue.finished("parent", run) == "success"
    assert [line[2] for line in blue.executed("parent.part")] == ["only"], "its own instant would be the parent's start, green's"
    run = blue.trigger("parent")
    assert blue.finished("parent", run) == "success"
    assert blue.tasks("parent", run)["part"] == "skipped"
    assert len(blue.executed("parent.part")) == 1


def test_a_deleted_flag_executes_nothing_until_it_is_back(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.delete()
    runs = {dag: blue.trigger(dag) for dag in ("rules", "empties")}
    for dag, run in runs.items():
        blue.wait(lambda dag=dag, run=run: blue.tasks(dag, run).get(GUARD) == "up_for_retry", "the guard fails and waits")
        assert "does not exist in us-east-1. Set custom.bluegreen_flag_parameter" in guard_line(blue, dag, run)
        assert count(blue, dag, run) == {}
    assert blue.tasks("empties", runs["empties"])["always"] != "success"
    the_flag.write("blue")
    for dag, run in runs.items():
        # No version takes effect before the run's instant, so the run belongs to the first known version.
        assert blue.finished(dag, run) == "success"
        assert count(blue, dag, run) == WORK[dag]


def test_garbage_in_the_flag_leaves_the_color_before_it_in_force(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("Blue")
    run = blue.trigger("plain")
    assert blue.finished("plain", run) == "success"
    assert count(blue, "plain", run) == WORK["plain"]
    assert "holds 'Blue', no color: the version before it stays in force" in guard_line(blue, "plain", run)
    the_flag.write("blue")


# -- other code of a DAG that Airflow runs --------------------------------------------------------------------------------


def skipped_as_a_whole(blue: RealAirflow, dag: str, run: str) -> bool:
    states = {name: state for name, state in blue.tasks(dag, run).items() if state != "skipped"}
    return states == {GUARD: "success"} and count(blue, dag, run) == {}


def in_the_triggerer(blue: RealAirflow) -> list[str]:
    return ["triggerer"] if blue.version_info >= (2, 10) else []


def test_nothing_of_the_users_is_run_on_the_standby_not_even_of_cleared_tasks_whose_guard_is_forgotten(
    blue: RealAirflow, the_flag: TheFlag
) -> None:
    """A root that is not an empty task, cleared after the XComs were cleaned up, is run by a worker: there it must
    check for itself."""
    the_flag.write("green")
    dags = ["hooks", "unrenderable", "odd_roots", "always", "callbacks", *in_the_triggerer(blue)]
    runs = {dag: blue.trigger(dag) for dag in dags}
    for dag, run in runs.items():
        assert blue.finished(dag, run) == "success", (dag, blue.tasks(dag, run))
        assert skipped_as_a_whole(blue, dag, run), (dag, blue.tasks(dag, run), count(blue, dag, run))
        assert blue.forget_xcoms(dag, run)
        tasks = {task.split("[")[0] for task in blue.tasks(dag, run)} - {GUARD}
        blue.clear(dag, run, sorted(task for task in tasks if not task.startswith("empty_")))
    for dag, run in runs.items():
        assert blue.finished(dag, run) == "success", (dag, blue.tasks(dag, run))
        assert skipped_as_a_whole(blue, dag, run), (dag, blue.tasks(dag, run), count(blue, dag, run))
        assert "the other environment owns the run (the XCom of bluegreen_guard is gone)" in "".join(
            blue.task_log(dag, run, task) for task in blue.tasks(dag, run)
        ), dag


def test_the_owner_runs_every_hook_callback_and_template(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("blue")
    runs = {dag: blue.trigger(dag) for dag in ("hooks", "unrenderable")}
    assert blue.finished("hooks", runs["hooks"]) == "success", blue.tasks("hooks", runs["hooks"])
    assert set(count(blue, "hooks", runs["hooks"])) == HOOKS | ({"generator.generator"} if blue.version_info >= (2, 10) else set())
    assert blue.finished("unrenderable", runs["unrenderable"]) == "failed"
    blue.wait(lambda: count(blue, "unrenderable", runs["unrenderable"]) == {"unrenderable.failure": 1}, "its callback is called")


def test_tasks_that_start_or_end_in_the_triggerer_do_so_for_their_owner(blue: RealAirflow, the_flag: TheFlag) -> None:
    dags = in_the_triggerer(blue)
    if not dags:
        pytest.skip("tasks start in the triggerer from Airflow 2.10 on")
    the_flag.write("blue")
    for dag in dags:
        run = blue.trigger(dag)
        assert blue.finished(dag, run) == "success", (blue.tasks(dag, run), blue.task_log(dag, run, "root_starts"))
        executed = count(blue, dag, run)
        assert executed.keys() == TRIGGERER.keys()
        # A try that the scheduler failed may have been executed, and the task is executed again.
        excess = {task: times - TRIGGERER[task] for task, times in executed.items()}
        assert all(times <= blue.failed_by_the_scheduler(dag, run, task) for task, times in excess.items()), (executed, blue.log("scheduler"))
        assert "came_back" not in blue.task_log(dag, run, "ends")


def test_a_clean_up_of_xcoms_takes_nothing_from_the_owner(blue: RealAirflow, the_flag: TheFlag) -> None:
    the_flag.write("blue")
    runs = {dag: blue.trigger(dag) for dag in ("slow", "tokens")}
    token = {}
    for dag, run in runs.items():
        assert blue.finished(dag, run) == "success"
        token[dag] = [line[4] for line in blue.executed(dag, run)][-1]
        assert blue.forget_xcoms(dag, run)
    blue.clear("slow", runs["slow"], ["step_2", "step_3"])
    blue.clear("tokens", runs["tokens"], ["write"])
    for dag, run in runs.items():
        assert blue.finished(dag, run) == "success", blue.tasks(dag, run)
    assert count(blue, "slow", runs["slow"]) == {"step_1": 1, "step_2": 2, "step_3": 2}
    assert [line[4] for line in blue.executed("tokens", runs["tokens"])] == [token["tokens"]] * 2


def test_a_continuous_dag_does_not_keep_the_standby_busy(blue: RealAirflow, the_flag: TheFlag) -> None:
    _, since = the_flag.write("green")

    def made_since() -> list[dict[str, Any]]:
        # The first run was due when the file was parsed, and belongs to the color that the flag named then.
        due = "run_after" if blue.is_3 else "data_interval_end"
        return [run for run in blue.runs("continuous") if datetime.fromisoformat(run[due].replace("Z", "+00:00")) > since]

    blue.pause("continuous", False)
    try:
        run = blue.wait(made_since, "the scheduler makes a run")[0]["dag_run_id"]
        assert blue.finished("continuous", run) == "success"
    finally:
        blue.pause("continuous")
    assert skipped_as_a_whole(blue, "continuous", run)
    start, end = (datetime.fromisoformat(blue.run("continuous", run)[name].replace("Z", "+00:00")) for name in ("start_date", "end_date"))
    assert end - start > timedelta(seconds=59), "the next run begins when this one ends"


# -- the status page in the UI-------------------------------------------------------------------------------------------


def test_the_mark_says_active_and_standby_and_follows_a_switch(blue: RealAirflow, the_flag: TheFlag) -> None:
    browser = Browser(blue)
    if blue.is_3:
        if not blue.version.startswith("3.0."):
            (plugin,) = [found for found in blue.request("GET", "plugins")["plugins"] if found["name"] == "bluegreen_status_page"]
            (entry,) = plugin["external_views"]
            assert (entry["name"], entry["href"], entry["url_route"]) == ("Blue-Green", "/bluegreen/", "bluegreen")
    else:
        assert browser.open("/bluegreen/")[0] == "/login/"
        browser.log_in("admin")
        assert re.search(r'<a href="/bluegreen/">\s*Blue-Green', browser.open("/home")[1])
        blue.command("users", "create", "--username", "viewer", "--password", "viewer", "--role", "Viewer",
                     "--firstname", "a", "--lastname", "a", "--email", "viewer@example.org")  # fmt: skip
        viewer = Browser(blue)
        viewer.log_in("viewer")
        assert "Blue-Green" not in viewer.open("/home")[1]
        assert "<h1 " in viewer.open("/bluegreen/")[1]
    for color, word in [("blue", "ACTIVE"), ("green", "STANDBY")]:
        version, effective = the_flag.write(color, 0)

        def shown(version: int = version) -> str:
            path, html = browser.open("/bluegreen/")
            assert path == "/bluegreen/"
            return html if f"<dd>{version}</dd>" in html else ""

        html = blue.wait(shown, "the page knows the new version")
        assert f">{word}</h1>" in html
        assert f"Runs that are due now belong to {'it' if color == 'blue' else color}." in html
        assert f"<dd>{effective:%Y-%m-%d %H:%M:%S} UTC</dd>" in html
        assert ("<dd>switch: test</dd>" in html) is not blue.is_3
