"""DAGs for two environments next to a switch: one guarded, one with the usual pattern, one that runs until it is
released."""

from __future__ import annotations

import os
import time
from datetime import datetime

try:
    from airflow.sdk import DAG, get_current_context, task
except ImportError:
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.operators.python import get_current_context

TICK = int(os.environ["BLUEGREEN_TEST_TICK_SECONDS"])
# Both environments catch up from the same tick, so that a stopped scheduler later creates every run that it missed.
TICKS = {
    "schedule": f"* * * * * */{TICK}",  # croniter's sixth field is seconds
    "start_date": datetime.fromisoformat(os.environ["BLUEGREEN_TEST_TICK_START"]),
    "catchup": True,
    "max_active_runs": 16,
}


def ran() -> None:
    """One line in the environment's record: dag, run, task, map index, when, which try."""
    context = get_current_context()
    instance = context["ti"]
    with open(os.environ["BLUEGREEN_TEST_RECORD"], "a") as record:
        what = (instance.dag_id, context["run_id"], instance.task_id, instance.map_index, f"{time.time():.3f}", instance.try_number)
        record.write("|".join(map(str, what)) + "\n")


with DAG("ticking", **TICKS):
    task(ran, task_id="only")()

with DAG("classic_ticking", tags=["bluegreen:unguarded"], **TICKS):

    @task.short_circuit
    def is_active():
        import boto3

        from mwaa_bluegreen.settings import read

        flag = boto3.client("ssm").get_parameter(Name=read().parameter)["Parameter"]["Value"]
        return flag == read().color

    is_active() >> task(ran, task_id="only")()

with DAG("slow", schedule=None, start_date=TICKS["start_date"].replace(year=2026, month=1)):

    @task
    def step_1():
        ran()
        while not os.path.exists(os.environ["BLUEGREEN_TEST_RECORD"] + ".go-on"):
            time.sleep(0.2)

    step_1() >> task(ran, task_id="step_2")() >> task(ran, task_id="step_3", trigger_rule="all_done")()
