"""DAGs for the tests: one for each shape that a guard could handle wrongly. Every task records that it ran."""

from __future__ import annotations

import inspect
import os
from datetime import datetime, timedelta, timezone

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger as DATE_TIME_TRIGGER
    from airflow.sdk import DAG, BaseOperator, get_current_context, setup, task, task_group, teardown
except ImportError:
    from airflow.decorators import setup, task, task_group, teardown
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.dag import DAG
    from airflow.operators.empty import EmptyOperator
    from airflow.operators.python import get_current_context
    from airflow.sensors.date_time import DateTimeSensorAsync
    from airflow.triggers.temporal import DateTimeTrigger as DATE_TIME_TRIGGER

try:
    from airflow.triggers.base import StartTriggerArgs
except ImportError:  # before Airflow 2.10
    StartTriggerArgs = None

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def ran(note: str = "") -> None:
    """One line in the environment's record: dag, run, task, map index, note."""
    context = get_current_context()
    instance = context["ti"]
    with open(os.environ["BLUEGREEN_TEST_RECORD"], "a") as record:
        record.write(f"{instance.dag_id}|{context['run_id']}|{instance.task_id}|{instance.map_index}|{note}\n")


def happened(context, name: str, note: str = "") -> None:
    """Records what is not a task: a callback, a hook, a macro."""
    instance = context.get("ti")
    run = context["run_id"] if "run_id" in context else context["dag_run"].run_id
    index = instance.map_index if instance else -1
    with open(os.environ["BLUEGREEN_TEST_RECORD"], "a") as record:
        record.write(f"{context['dag'].dag_id}|{run}|{name}|{index}|{note}\n")


def work(name: str, **arguments):
    return task(ran, task_id=name, **arguments)()


def case(name: str, **arguments) -> DAG:
    return DAG(name, start_date=START, catchup=False, schedule=arguments.pop("schedule", None), **arguments)


with case("plain"):
    work("extract") >> EmptyOperator(task_id="empty") >> work("load")

with case("rules"):
    first = work("first")
    first >> work("cleanup", trigger_rule="all_done") >> work("after_cleanup")
    first >> work("always", trigger_rule="always")
    first >> EmptyOperator(task_id="empty_all_done", trigger_rule="all_done")
    [first, work("second")] >> work("none_failed", trigger_rule="none_failed")

# What follows an empty task must not execute merely because the scheduler marks the empty task as a success.
with case("empties"):
    before = work("before")
    all_done, always = EmptyOperator(task_id="all_done", trigger_rule="all_done"), EmptyOperator(task_id="always", trigger_rule="always")
    join = EmptyOperator(task_id="join", trigger_rule="none_failed_min_one_success")
    before >> [all_done, always, join]
    ends = [all_done >> work("after_all_done"), always >> work("after_always"), join >> work("after_join")]
    ends >> EmptyOperator(task_id="end", trigger_rule="all_done")

with case("teardowns"):

    @setup
    def create():
        ran()

    @teardown
    def destroy():
        ran()

    created = create()
    created >> work("use") >> destroy().as_teardown(setups=created)

with case("branches"):

    @task.branch
    def choose():
        ran()
        return "left"

    choose() >> [work("left"), work("right")] >> work("join", trigger_rule="none_failed_min_one_success")

with case("mapped"):

    @task
    def numbers():
        ran()
        return [1, 2]

    @task
    def each(number):
        ran(str(number))

    @task
    def root_each(number):
        ran(str(number))

    @task(trigger_rule="all_done")
    def gather():
        ran()

    @task_group
    def one(number):
        each.override(task_id="in_group")(number)

    # A literal is expanded when the run is created, an XCom only after its task.
    [each.expand(number=numbers()), root_each.expand(number=[1, 2, 3]), one.expand(number=[5, 6])] >> gather()

with case("groups"):

    @task_group
    def outer():
        @task_group
        def inner():
            work("deep") >> work("deeper")

        inner()

    outer() >> work("last", trigger_rule="all_done")

with case("deferred"):
    target = "{{ (ti.start_date + macros.timedelta(seconds=dag_run.conf['seconds'])).isoformat() }}"
    # Airflow fails a deferred task that resumes before the scheduler has noticed the end of its worker process
    # (apache/airflow#66374, #67287, #72716; 3.0.6 has it, and a slow machine meets it). Users work around that with
    # retries, and so does this DAG.
    sleep = DateTimeSensorAsync(task_id="sleep", target_time=target, trigger_rule="all_done", retries=9, retry_delay=timedelta(seconds=1))
    sleep >> work("after")

with case("unguarded", tags=["bluegreen:unguarded"]):
    work("only")

with case("tagged", tags=["bluegreen:guarded"]):
    work("only")

with case("tokens"):

    @task
    def write():
        from mwaa_bluegreen.dag import fencing_token

        ran(str(fencing_token(get_current_context())))

    write()

with case("slow"):

    @task
    def step_1():
        import time

        ran()
        time.sleep(8)

    step_1() >> work("step_2") >> work("step_3", trigger_rule="all_done")


def tell(note):
    """A callback of a DAG, which no task calls: its line has no task."""

    def told(context):
        with open(os.environ["BLUEGREEN_TEST_RECORD"], "a") as record:
            record.write(f"{context['dag'].dag_id}|{context['run_id']}||-1|{note}\n")

    return told


with case("callbacks", on_success_callback=tell("succeeded"), on_failure_callback=tell("failed")):
    work("only")

with case("empty_dag"):
    pass

with case("defaults", default_args={"depends_on_past": True, "trigger_rule": "all_done", "pool": "nowhere", "retries": 0}):
    work("only", pool="default_pool")

# A root may always run, whatever its rule. A rule that considers upstream must not find the guard there.
ODD_RULES = ("all_skipped", "all_failed", "one_failed", "all_done", "always", "none_failed", "none_skipped", "one_done", "one_success")
with case("odd_roots"):
    for rule in ODD_RULES:
        work(f"root_{rule}", trigger_rule=rule) >> work(f"after_{rule}")
        EmptyOperator(task_id=f"empty_{rule}", trigger_rule=rule) >> work(f"after_empty_{rule}")
    task(ran, task_id="lone_teardown")().as_teardown()

# A task with `always` starts while what is before it runs, or has failed.
with case("always"):

    @setup
    def set_up():
        ran()

    @teardown
    def tear_down():
        ran()

    @task
    def fails():
        ran()
        raise RuntimeError("on purpose")

    failing = fails()
    failing >> work("although", trigger_rule="always") >> work("then")
    failing >> EmptyOperator(task_id="empty_although", trigger_rule="always") >> work("then_too")
    up = set_up()
    up >> work("between") >> work("in_scope", trigger_rule="always") >> tear_down().as_teardown(setups=up)
    failing >> work("end", trigger_rule="all_done")


class OwnPreExecute(BaseOperator):
    """Overrides the hook without a call to the base class."""

    def pre_execute(self, context):
        happened(context, f"{self.task_id}.class")

    def execute(self, context):
        ran()


class Templated(OwnPreExecute):
    template_fields = ("text",)

    def __init__(self, *, text, **arguments):
        super().__init__(**arguments)
        self.text = text


class Stateful:
    """A hook that is an object with state."""

    def __init__(self):
        self.calls = 0

    def __call__(self, context):
        self.calls += 1
        happened(context, f"{context['ti'].task_id}.object", str(self.calls))


def a_generator(context):
    happened(context, f"{context['ti'].task_id}.generator")
    yield


def tells(kind):
    def callback(context):
        happened(context, f"{context['ti'].task_id}.{kind}")

    return callback


KINDS = ["execute", "success", "failure", "retry", "skipped"]
if "on_skipped_callback" not in inspect.signature(BaseOperator.__init__).parameters:  # before Airflow 2.9
    KINDS.remove("skipped")
TELLING = {f"on_{kind}_callback": tells(kind) for kind in KINDS}


def macro(word):
    happened(get_current_context(), f"macro.{word}")
    return word


def cannot():
    raise RuntimeError("a template that cannot be rendered")


with case("hooks", user_defined_macros={"macro": macro}):
    OwnPreExecute(task_id="own")
    OwnPreExecute(task_id="own_all_done", trigger_rule="all_done")
    Templated(task_id="templated", text="{{ macro('text') }}", trigger_rule="all_done")
    Templated.partial(task_id="mapped", trigger_rule="all_done").expand(text=["{{ macro('mapped') }}"])
    work("object", pre_execute=Stateful())
    work("generator", pre_execute=a_generator)
    work("telling", **TELLING) >> EmptyOperator(task_id="empty_telling", **TELLING)

with case("unrenderable", user_defined_macros={"cannot": cannot}, default_args={"retries": 0, "on_failure_callback": TELLING["on_failure_callback"]}):
    Templated(task_id="unrenderable", text="{{ cannot() }}")

if StartTriggerArgs is not None:

    class StartsInTheTriggerer(BaseOperator):
        start_from_trigger = True
        start_trigger_args = StartTriggerArgs(
            trigger_cls="airflow.triggers.testing.SuccessTrigger", trigger_kwargs={}, next_method="came_back", next_kwargs=None, timeout=None
        )

        def came_back(self, context, event=None):
            ran()

    class EndsInTheTriggerer(StartsInTheTriggerer):
        start_trigger_args = StartTriggerArgs(
            trigger_cls=f"{DATE_TIME_TRIGGER.__module__}.{DATE_TIME_TRIGGER.__name__}",
            trigger_kwargs={"moment": START, "end_from_trigger": True},
            next_method="came_back", next_kwargs=None, timeout=None,
        )  # fmt: skip

    with case("triggerer"):
        begin = work("begin")
        # Retries for the same reason as above: these triggers fire immediately.
        again = {"retries": 9, "retry_delay": timedelta(seconds=1)}
        StartsInTheTriggerer(task_id="root_starts", **again) >> work("after_root_starts")
        begin >> StartsInTheTriggerer(task_id="starts", trigger_rule="all_done", **again) >> work("after_starts")
        begin >> EndsInTheTriggerer(task_id="ends", trigger_rule="always", **again) >> work("after_ends")

with case("continuous", schedule="@continuous", max_active_runs=1, is_paused_upon_creation=True):
    work("only")

for name in ("yesterday", *(f"backfilled_{number}" for number in range(4))):
    with case(name, schedule="0 0 * * *") as daily:
        work("only")
    globals()[name] = daily

with case("crowd"):
    crowd_first = EmptyOperator(task_id="crowd_first")
    for number in range(999):
        crowd_first >> EmptyOperator(task_id=f"crowd_{number}", trigger_rule="all_done" if number % 2 else "all_success")

for number in range(3):
    with case(f"dynamic_{number}") as dynamic:
        work("only")
    globals()[f"dynamic_{number}"] = dynamic

# Airflow 2 calls the runs of a sub-DAG scheduled, whatever type their parent run has.
try:
    from airflow.operators.subdag import SubDagOperator
except ImportError:
    pass
else:

    def part() -> DAG:
        with case("parent.part", auto_register=False) as inner:
            work("only")
        return inner

    with case("parent"):
        SubDagOperator(task_id="part", subdag=part())
