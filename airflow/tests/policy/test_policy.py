"""The cluster policy, as a DagBag applies it. Runs in an environment that has Airflow."""

from __future__ import annotations

import logging
import os
import textwrap
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("airflow.policies")
CASES = Path(__file__).resolve().parents[1] / "case_dags"
EXAMPLES = Path(__file__).resolve().parents[2] / "dags"


@pytest.fixture
def bag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def fill(source: str | Path, mode: str | None = None) -> Any:
        try:
            from airflow.dag_processing.dagbag import DagBag
        except ImportError:  # before Airflow 3.1
            from airflow.models.dagbag import DagBag

        monkeypatch.delenv("MWAA_BLUEGREEN_GUARD", raising=False)
        if mode is not None:
            monkeypatch.setenv("MWAA_BLUEGREEN_GUARD", mode)
        if isinstance(source, str):
            head = "from datetime import datetime, timedelta\ntry:\n    from airflow.sdk import DAG, task, task_group\n"
            head += "    from airflow.providers.standard.operators.empty import EmptyOperator as Empty\n"
            head += "except ImportError:\n    from airflow import DAG\n    from airflow.decorators import task, task_group\n"
            head += "    from airflow.operators.empty import EmptyOperator as Empty\n"
            head += "WHEN = datetime(2026, 1, 1)\n"
            (tmp_path / "dag_file.py").write_text(head + textwrap.dedent(source))
            source = tmp_path
        return DagBag(str(source))  # make test-airflow sets load_examples to False

    return fill


def guard_of(bag: Any, dag: str) -> Any:
    return bag.dags[dag].task_dict.get("bluegreen_guard")


def test_every_case_is_guarded_before_all_its_roots(bag: Any) -> None:
    filled = bag(CASES)
    assert filled.import_errors == {}
    for name, dag in filled.dags.items():
        guard = guard_of(filled, name)
        if name in ("unguarded", "empty_dag"):
            assert guard is None, name
        else:
            assert [task for task in dag.tasks if not task.upstream_task_ids] == [guard], name


@pytest.mark.parametrize(
    ("mode", "guarded"),
    [("all", {"plain", "tagged"}), (None, {"plain", "tagged"}), ("tagged", {"tagged"}), ("observe", {"plain", "tagged"}), ("off", set())],
)
def test_the_mode_says_which_dags_are_guarded(bag: Any, mode: str | None, guarded: set[str]) -> None:
    filled = bag(CASES, mode)
    assert {name for name in ("plain", "tagged", "unguarded") if guard_of(filled, name)} == guarded
    if guarded:
        assert guard_of(filled, "tagged").observe is (mode == "observe")


def test_a_wrong_mode_is_an_import_error_that_says_what_is_allowed(bag: Any) -> None:
    errors = bag(CASES, "on").import_errors
    assert "allowed are all, tagged, observe, off" in "".join(errors.values())


def test_a_tag_since_that_cannot_be_obeyed_is_an_import_error_but_for_an_observer(bag: Any) -> None:
    source = "with DAG('d', start_date=WHEN, schedule=None, tags=['bluegreen:since=yesterday']):\n    Empty(task_id='e')"
    assert "allowed is one tag bluegreen:since=" in "".join(bag(source).import_errors.values())
    assert bag(source, "observe").import_errors == {}


def test_a_name_that_is_taken_is_an_import_error_that_says_what_to_do(bag: Any) -> None:
    for source in [
        "with DAG('d', start_date=WHEN, schedule=None):\n    Empty(task_id='bluegreen_guard')",
        "@task_group\ndef bluegreen_guard():\n    Empty(task_id='e')\nwith DAG('d', start_date=WHEN, schedule=None):\n    bluegreen_guard()",
    ]:
        assert "rename it, or tag the DAG bluegreen:unguarded" in "".join(bag(source).import_errors.values())


@pytest.mark.parametrize("root", ["", "Empty(task_id='root') >> a"])
@pytest.mark.parametrize("guard", ["", "@guarded"])
def test_a_cycle_is_refused_in_airflows_own_words(bag: Any, guard: str, root: str) -> None:
    filled = bag(
        f"""
        from mwaa_bluegreen.dag import guarded
        try:
            from airflow.sdk import dag
        except ImportError:
            from airflow.decorators import dag

        {guard}
        @dag(start_date=WHEN, schedule=None)
        def round():
            a, b = Empty(task_id="a"), Empty(task_id="b")
            a >> b >> a
            {root}

        round()
        """
    )
    assert "cycle detected in dag: round" in "".join(filled.import_errors.values()).lower()
    assert filled.dags == {}


def test_a_dag_that_guards_itself_is_left_as_it_is(bag: Any) -> None:
    filled = bag(
        """
        from mwaa_bluegreen.dag import guarded
        try:
            from airflow.sdk import dag
        except ImportError:
            from airflow.decorators import dag

        @guarded
        @dag(start_date=WHEN, schedule=None)
        def explicit():
            Empty(task_id="a") >> Empty(task_id="b")

        explicit()
        """,
        "tagged",
    )
    assert filled.import_errors == {}
    assert guard_of(filled, "explicit").downstream_task_ids == {"a"}


def test_the_guard_takes_over_who_is_told_and_nothing_that_delays_it(bag: Any) -> None:
    filled = bag(
        """
        def told(context): pass
        with DAG("d", start_date=WHEN, schedule=None, default_args={
            "owner": "ana", "email": ["a@example.org"], "on_failure_callback": told, "depends_on_past": True,
            "trigger_rule": "all_done", "pool": "narrow", "retries": 0, "execution_timeout": timedelta(seconds=1),
            "wait_for_downstream": True, "on_success_callback": told, "max_active_tis_per_dag": 1,
        }):
            Empty(task_id="a")
        """
    )
    assert filled.import_errors == {}
    guard = guard_of(filled, "d")
    assert (guard.owner, guard.email, bool(guard.on_failure_callback)) == ("ana", ["a@example.org"], True)
    assert (guard.depends_on_past, guard.wait_for_downstream, guard.pool) == (False, False, "default_pool")
    assert str(getattr(guard.trigger_rule, "value", guard.trigger_rule)) == "all_success"
    assert (guard.execution_timeout, bool(guard.on_success_callback), guard.max_active_tis_per_dag) == (None, False, None)
    assert guard.retries == 12


def test_tasks_with_their_own_start_and_no_start_of_the_dag(bag: Any) -> None:
    filled = bag("with DAG('d', schedule=None):\n    Empty(task_id='a', start_date=WHEN)")
    assert filled.import_errors == {}
    assert guard_of(filled, "d").start_date is not None


def test_a_hook_of_the_user_still_runs_before_ours(bag: Any) -> None:
    filled = bag(
        """
        calls = []
        with DAG("d", start_date=WHEN, schedule=None):
            Empty(task_id="a", trigger_rule="all_done", pre_execute=lambda context: context["calls"].append("user"))
        """
    )

    class Instance:
        task_id = "a"

        def xcom_pull(self, **_: Any) -> str:
            return "skip"  # what the guard has said

    context: dict[str, Any] = {"calls": [], "ti": Instance()}
    with pytest.raises(Exception, match="the run belongs to the other environment"):
        filled.dags["d"].get_task("a")._pre_execute_hook(context)
    assert context["calls"] == ["user"]


def serialized(dag: Any) -> Any:
    """The DAG as the scheduler knows it."""
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    except ImportError:  # before Airflow 3.2
        from airflow.serialization.serialized_objects import SerializedDAG as Serialization

    return Serialization.from_dict(Serialization.to_dict(dag))


def test_every_guarded_dag_survives_serialization(bag: Any) -> None:
    for dag in bag(CASES).dags.values():
        serialized(dag)


def scheduled_as(task: Any) -> str:
    """What Airflow's scheduler makes of a task of a serialized DAG that may run: `scheduled`, or `success` without a worker."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

    said: list[str] = []

    class Session:
        def execute(self, statement: Any) -> Any:
            said.append(str(getattr(state := statement.compile().params["state"], "value", state)))
            return SimpleNamespace(rowcount=1)

    schedulable = getattr(TaskInstance, "is_task_schedulable", None)  # since Airflow 3.1
    instance = SimpleNamespace(
        task=task, task_id=task.task_id, map_index=-1, id=uuid.uuid4(), state=None, try_number=0,
        is_schedulable=schedulable and schedulable(task), defer_task=lambda session: False,
    )  # fmt: skip
    run = SimpleNamespace(dag_id="d", run_id="r", log=logging.getLogger(__name__))
    DagRun.schedule_tis(run, [instance], session=Session())
    (answer,) = said
    return answer


def test_the_scheduler_calls_no_empty_task_a_success_that_could_run_without_the_guards_word(bag: Any) -> None:
    """What comes after such a task would execute: its hook is only run by a worker."""
    filled = bag(
        """
        class Numbered(Empty):
            def __init__(self, *, number=None, **arguments):
                super().__init__(**arguments)
                self.number = number

        @task_group
        def each(number):
            Empty(task_id="in_group")

        def told(context): pass

        with DAG("d", start_date=WHEN, schedule=None):
            root = Empty(task_id="root")
            rules = "all_done", "always", "none_failed", "none_skipped", "all_failed", "one_failed", "one_done", "all_skipped"
            for rule in rules:
                root >> Empty(task_id=rule, trigger_rule=rule)
            for rule in ("one_success", "none_failed_min_one_success"):
                root >> Empty(task_id=rule, trigger_rule=rule)
            root >> Empty(task_id="teardown").as_teardown()
            Numbered.partial(task_id="expanded").expand(number=[1, 2])
            each.expand(number=[1, 2])
            root >> Empty(task_id="told", trigger_rule="all_done", on_execute_callback=told)
            root >> Empty(task_id="told_of_success", trigger_rule="all_done", on_success_callback=told)
        """
    )
    assert filled.import_errors == {}
    dag = filled.dags["d"]
    found = {task.task_id: scheduled_as(task) for task in serialized(dag).tasks}
    # These succeed only after another task of the run has, and all that could be the first are held back.
    assert {name for name, state in found.items() if state == "success"} == {"root", "one_success", "none_failed_min_one_success"}
    callbacks = dag.get_task("told").on_execute_callback
    assert [c.__name__ for c in (callbacks if isinstance(callbacks, list) else [callbacks])] == ["told"]


def test_observe_leaves_empty_tasks_to_the_scheduler(bag: Any) -> None:
    filled = bag("with DAG('d', start_date=WHEN, schedule=None):\n    Empty(task_id='a', trigger_rule='always')", "observe")
    assert scheduled_as(serialized(filled.dags["d"]).get_task("a")) == "success"


def test_the_examples_load(bag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for mode in ("all", "tagged", "off"):
        assert bag(EXAMPLES, mode).import_errors == {}
    assert os.listdir(EXAMPLES)
