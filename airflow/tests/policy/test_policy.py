"""The cluster policy, as a DagBag applies it. Needs an environment with Airflow."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import os
import textwrap
import uuid
from datetime import datetime, timezone
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


def an_instance(said: str | None, task: Any = None, state: str = "success") -> Any:
    """A task instance whose guard has recorded this."""
    return SimpleNamespace(
        dag_id="d", run_id="r", task_id="a", map_index=-1, try_number=1, task=task, said=said, guard_state=state,
    )  # fmt: skip


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> None:
    from mwaa_bluegreen import guard

    monkeypatch.setattr(guard, "_ours", set())
    monkeypatch.setattr(guard, "kept", lambda instance, key: instance.said)
    monkeypatch.setattr(guard, "guard_state", lambda context: context["ti"].guard_state)


@pytest.mark.parametrize("kind", ["function", "generator", "object"])
def test_a_hook_of_the_user_runs_after_ours_and_stays_of_its_kind(bag: Any, said: None, kind: str) -> None:
    filled = bag(
        f"""
        def function(context):
            context["calls"].append("user")
        def generator(context):
            context["calls"].append("user")
            yield
        class Counts:
            calls = 0
            def __call__(self, context):
                self.calls += 1
                if self.calls == 2:
                    context["calls"].append("user")
        object = Counts()
        with DAG("d", start_date=WHEN, schedule=None):
            Empty(task_id="a", trigger_rule="all_done", pre_execute={kind})
        """
    )
    hook = filled.dags["d"].get_task("a")._pre_execute_hook
    assert inspect.isgeneratorfunction(hook) is (kind == "generator")

    def run(context: dict[str, Any]) -> None:
        list(hook(context) or ())

    standby: dict[str, Any] = {"calls": [], "ti": an_instance("skip")}
    with pytest.raises(Exception, match="the run belongs to the other environment"):
        run(standby)
    assert standby["calls"] == []
    active: dict[str, Any] = {"calls": [], "ti": an_instance("execute")}
    run(active)
    run(active)  # the object's second call
    assert active["calls"] == ["user"] * (1 if kind == "object" else 2)


def test_a_task_asks_before_its_templates_are_rendered_and_a_command_that_only_renders_does_not(bag: Any, said: None) -> None:
    filled = bag(
        """
        class Templated(Empty):
            template_fields = ("text",)
            def __init__(self, *, text, **arguments):
                super().__init__(**arguments)
                self.text = text
        def told(context): pass
        probe = Empty(task_id="probe")
        names = [f"on_{kind}_callback" for kind in ("execute", "success", "failure", "retry", "skipped")]
        TOLD = {name: told for name in names if hasattr(probe, name)}
        with DAG("d", start_date=WHEN, schedule=None):
            Templated(task_id="a", text="{{ word }}", **TOLD)
            Templated.partial(task_id="m", **TOLD).expand(text=["{{ word }}"])
        """
    )
    try:
        from airflow.sdk.execution_time.context import set_current_context
    except ImportError:
        from airflow.models.taskinstance import set_current_context

    for name in ("a", "m"):
        for answer, silent in (("skip", True), ("execute", False)):
            original = filled.dags["d"].get_task(name)
            task = original.prepare_for_execution()
            instance = an_instance(answer, task)
            instance.task_id, instance.run_id = name, answer
            context: dict[str, Any] = {"ti": instance, "word": "rendered"}
            with set_current_context(context):
                if silent:
                    with pytest.raises(Exception, match="the run belongs to the other environment"):
                        task.render_template_fields(context)
                elif name == "a":
                    task.render_template_fields(context)
                    assert task.text == "rendered"
            for kind in ("execute", "success", "failure", "retry", "skipped"):
                if kind == "skipped" and not hasattr(original, "on_skipped_callback"):  # before Airflow 2.9
                    continue
                assert bool(getattr(instance.task, f"on_{kind}_callback")) is not silent, (name, kind)
                assert getattr(original, f"on_{kind}_callback"), "the DAG itself is left as it is"
    task = filled.dags["d"].get_task("a").prepare_for_execution()
    task.render_template_fields({"ti": an_instance("skip", task), "word": "looked at"})
    assert task.text == "looked at"


@pytest.mark.parametrize(
    ("state", "line"),
    [("failed", "has not decided"), ("upstream_failed", "has not decided"), ("gone", "this run has no bluegreen_guard")],
)
def test_without_a_decision_a_task_fails_and_says_so(bag: Any, said: None, state: str, line: str) -> None:
    from mwaa_bluegreen.guard import obey_guard

    with pytest.raises(Exception, match=line):
        obey_guard({"ti": an_instance(None, state=state)})


@pytest.mark.parametrize("found", [None, "file:///a/reference"])
def test_a_decision_that_is_gone_is_made_again_by_the_rule(
    bag: Any, said: None, monkeypatch: pytest.MonkeyPatch, found: str | None
) -> None:
    from mwaa_bluegreen import guard
    from mwaa_bluegreen.errors import StoreUnavailable

    asked: list[Any] = []

    def decide(run: Any, **more: Any) -> Any:
        asked.append(run)
        if len(asked) == 1:
            raise StoreUnavailable("throttled")
        return SimpleNamespace(action=run, line="a line")

    monkeypatch.setattr(guard, "decide", decide)
    monkeypatch.setattr(guard, "_PAUSE", 0)
    guard.obey_guard({"ti": an_instance(found), "dag_run": "execute"})
    assert asked == ["execute", "execute"], "once more after a fault, and then no more"
    guard.obey_guard({"ti": an_instance(found), "dag_run": "execute"})
    assert len(asked) == 2, "a task that has asked does not ask again"
    monkeypatch.setattr(guard, "_ours", set())
    with pytest.raises(Exception, match="the run belongs to the other environment"):
        guard.obey_guard({"ti": an_instance(found), "dag_run": "skip"})


def met(task: Any, states: dict[str, str]) -> bool:
    """Whether Airflow's trigger rule lets the task begin after these."""
    from airflow.ti_deps.dep_context import DepContext
    from airflow.ti_deps.deps.trigger_rule_dep import TriggerRuleDep

    finished = [
        SimpleNamespace(task_id=name, state=state, map_index=-1, task=task.dag.get_task(name)) for name, state in states.items()
    ]
    instance = SimpleNamespace(task=task, task_id=task.task_id, map_index=-1, run_id="r", dag_id="d", get_dagrun=lambda session=None: None)
    context = DepContext(flag_upstream_failed=False, finished_tis=finished)
    return all(status.passed for status in TriggerRuleDep()._get_dep_statuses(instance, dep_context=context, session=None))


@pytest.mark.parametrize("mode", ["all", "observe"])
def test_a_root_begins_after_its_guard_whatever_its_rule(bag: Any, mode: str) -> None:
    rules = [rule for rule in all_rules() if not rule.startswith(("dummy", "all_done_setup"))]
    filled = bag(f"with DAG('d', start_date=WHEN, schedule=None):\n    for rule in {rules}:\n        Empty(task_id=rule, trigger_rule=rule)", mode)
    assert filled.import_errors == {}
    dag = serialized(filled.dags["d"])
    for rule in rules:
        assert met(dag.get_task(rule), {"bluegreen_guard": "success"}), rule
        assert not met(dag.get_task(rule), {}), f"{rule} would begin beside the guard"


def all_rules() -> list[str]:
    try:
        from airflow.sdk import TriggerRule
    except ImportError:
        from airflow.utils.trigger_rule import TriggerRule
    return [rule.value for rule in TriggerRule]


def test_rule_always_begins_after_the_guard_and_before_everything_else(bag: Any) -> None:
    filled = bag(CASES)
    dag = serialized(filled.dags["always"])
    for name in ("although", "empty_although"):
        task = dag.get_task(name)
        assert not met(task, {}), "it would begin beside the guard"
        assert met(task, {"bluegreen_guard": "success"})
        assert met(task, {"bluegreen_guard": "success", "fails": "failed"})
        assert not met(task, {"bluegreen_guard": "failed", "fails": "upstream_failed"})
    assert str(getattr(rule := dag.get_task("in_scope").trigger_rule, "value", rule)) == "always", "any other waits for a set-up"


def test_what_would_start_in_the_triggerer_is_queued_for_a_worker(bag: Any) -> None:
    dag = bag(CASES).dags.get("triggerer")
    if dag is None:
        pytest.skip("Airflow 2.10 has it first")
    found = {task.task_id: scheduled_as(task) for task in serialized(dag).tasks}
    assert set(found.values()) == {"scheduled"}, found


def test_a_worker_hands_it_to_the_triggerer_if_the_run_is_ours(bag: Any, said: None) -> None:
    dag = bag(CASES).dags.get("triggerer")
    if dag is None:
        pytest.skip("Airflow 2.10 has it first")
    try:
        from airflow.sdk.exceptions import TaskDeferred
        from airflow.sdk.execution_time.context import set_current_context
    except ImportError:
        from airflow.exceptions import TaskDeferred
        from airflow.models.taskinstance import set_current_context

    task = dag.get_task("ends").prepare_for_execution()
    instance = an_instance("execute", task)
    context: dict[str, Any] = {"ti": instance}
    with set_current_context(context):
        with pytest.raises(TaskDeferred) as deferred:
            task.render_template_fields(context)
        path, given = deferred.value.trigger.serialize()
        assert (path.rpartition(".")[2], given["end_from_trigger"]) == ("DateTimeTrigger", True)
        assert deferred.value.method_name == "came_back"
        instance.next_method = "came_back"
        task.render_template_fields(context)  # it has been there


# -- callbacks that no task calls ----------------------------------------------------------------------------------------


@pytest.fixture
def owns(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stub of the ownership: `execute`, `skip`, or an owner that cannot be determined."""
    from mwaa_bluegreen import callbacks
    from mwaa_bluegreen.errors import StoreUnavailable

    answer = {"action": "skip"}

    def decide(run: Any, **more: Any) -> Any:
        if answer["action"] == "unknown":
            raise StoreUnavailable("throttled")
        return SimpleNamespace(action="skip" if getattr(run, "foreign", False) else answer["action"])

    monkeypatch.setattr(callbacks, "decide", decide)
    return answer


def test_a_dags_callbacks_are_called_for_our_runs_only(bag: Any, owns: dict[str, str]) -> None:
    dag = bag(
        """
        def success(context): context["calls"].append("success")
        def failure(context): context["calls"].append("failure")
        with DAG("d", start_date=WHEN, schedule=None, on_success_callback=success, on_failure_callback=[failure]):
            Empty(task_id="a")
        """
    ).dags["d"]
    for action, called in (("execute", ["success", "failure"]), ("skip", []), ("unknown", ["failure"])):
        owns["action"] = action
        context: dict[str, Any] = {"calls": [], "dag_run": SimpleNamespace(), "dag": dag}
        for callback in (*dag.on_success_callback, *dag.on_failure_callback):
            callback(context)
        assert context["calls"] == called, action
    assert [callback.__name__ for callback in (*dag.on_success_callback, *dag.on_failure_callback)] == ["success", "failure"]


def test_an_attempt_of_the_guard_that_airflow_repeats_is_no_failure(bag: Any) -> None:
    filled = bag(
        """
        def told(context): context["calls"].append("told")
        with DAG("d", start_date=WHEN, schedule=None, default_args={"on_failure_callback": told, "email": "a@example.org"}):
            Empty(task_id="a")
        """
    )
    guard = guard_of(filled, "d")
    assert guard.email_on_retry is False, "Airflow 3.3 and 2 send mail about such an attempt"
    (callback,) = guard.on_failure_callback

    def calls(tries: int, server: Any, **more: Any) -> list[str]:
        context: dict[str, Any] = {"calls": [], "ti": SimpleNamespace(try_number=tries, _ti_context_from_server=server), **more}
        callback(context)
        return context["calls"]

    server = SimpleNamespace(max_tries=12)
    assert calls(3, server) == []
    assert calls(13, server) == ["told"], "the last"
    assert calls(1, server, exception=RuntimeError("a wrong setting")) == ["told"]
    assert calls(3, None) == ["told"], "Airflow 2 calls it after the last only"


def test_a_missed_sla_of_the_other_environments_run_tells_nobody(bag: Any, owns: dict[str, str]) -> None:
    filled = bag(
        """
        CALLS = []
        def missed(*given): CALLS.append(given[1])
        with DAG("d", start_date=WHEN, schedule="@daily", sla_miss_callback=missed):
            Empty(task_id="a", sla=timedelta(minutes=1))
        with DAG("mail", start_date=WHEN, schedule="@daily"):
            Empty(task_id="a", sla=timedelta(minutes=1), email="a@example.org")
        """
    )
    if not hasattr(__import__("airflow.models", fromlist=["models"]), "SlaMiss"):
        pytest.skip("Airflow 3 has no SLAs")
    owns["action"] = "execute"
    for name, calls in (("d", ["a on 2026-11-23T00:00:00+00:00"]), ("mail", [])):
        dag = filled.dags[name]
        days = [datetime(2026, 11, day, tzinfo=timezone.utc) for day in (23, 24)]
        dag.get_dagrun = lambda execution_date: SimpleNamespace(foreign=execution_date.day == 24)
        slas = [SimpleNamespace(task_id="a", execution_date=day, notification_sent=False) for day in days]
        (callback,) = dag.sla_miss_callback
        ours, foreign = slas
        callback(dag, "both", "", slas, [])
        assert slas == [ours], "from these Airflow addresses its mail"
        assert (ours.notification_sent, foreign.notification_sent) == (False, True)
        told = getattr(callback.callback, "__globals__", {}).get("CALLS", [])
        assert told == calls


def test_a_missed_deadline_of_the_other_environments_run_tells_nobody(
    bag: Any, owns: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        from airflow.sdk.definitions.deadline import DeadlineAlert  # noqa: F401
    except ImportError:
        pytest.skip("Airflow 3.1 has it first")
    (tmp_path / "alarms.py").write_text(
        "CALLS = []\nasync def awaited(word, context): CALLS.append((word, context['dag_run']['dag_run_id']))\n"
        "def at_once(word): CALLS.append((word, None))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    filled = bag(
        """
        from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
        from airflow.sdk.definitions import deadline
        import alarms
        at = DeadlineReference.DAGRUN_QUEUED_AT
        alerts = [DeadlineAlert(at, timedelta(minutes=1), deadline.AsyncCallback("alarms.awaited", {"word": "one"}))]
        if hasattr(deadline, "SyncCallback"):
            alerts.append(DeadlineAlert(at, timedelta(minutes=1), deadline.SyncCallback("alarms.at_once", {"word": "two"})))
        with DAG("d", start_date=WHEN, schedule=None, deadline=alerts):
            Empty(task_id="a")
        """
    )
    assert filled.import_errors == {}
    import alarms

    dag = filled.dags["d"]
    serialized(dag)
    run = {"dag_run_id": "r", "run_type": "manual", "start_date": "2026-11-23T10:00:00Z", "conf": {}}
    for action, called in (("execute", True), ("skip", False), ("unknown", True)):
        owns["action"] = action
        alarms.CALLS.clear()
        for alert in dag.deadline:
            hash(alert.callback)
            module, _, name = alert.callback.path.rpartition(".")
            answer = getattr(importlib.import_module(module), name)(**alert.callback.kwargs, context={"dag_run": run})
            if inspect.isawaitable(answer):
                asyncio.run(answer)
        wanted = [("one", "r"), ("two", None)][: len(dag.deadline)]
        assert [*alarms.CALLS] == (wanted if called else []), action


def serialized(dag: Any) -> Any:
    """The DAG as the scheduler sees it."""
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    except ImportError:  # before Airflow 3.2
        from airflow.serialization.serialized_objects import SerializedDAG as Serialization

    return Serialization.from_dict(Serialization.to_dict(dag))


def test_every_guarded_dag_survives_serialization(bag: Any) -> None:
    for dag in bag(CASES).dags.values():
        serialized(dag)


def scheduled_as(task: Any) -> str:
    """What Airflow's scheduler makes of a task of a serialized DAG that may run: `scheduled`, or `success` without a
    worker."""
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
    """What follows such a task would execute: its hook is only run by a worker."""
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
    # These succeed only after another task of the run has, and every possible first one is held back.
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
