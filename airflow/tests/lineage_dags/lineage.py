"""A DAG whose first task reads one data set and writes another, as lineage sees it. With `{"hold": true}` in the run's conf it waits."""

from __future__ import annotations

import os
import time
from datetime import datetime

from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import Dataset

try:
    from airflow.sdk import DAG, BaseOperator
except ImportError:
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.dag import DAG

RECORD = os.environ["BLUEGREEN_TEST_RECORD"]


class Noted(BaseOperator):
    """Writes one line into the environment's record: dag, run, task, map index, when."""

    def execute(self, context):
        instance = context["ti"]
        with open(RECORD, "a") as record:
            what = (instance.dag_id, context["run_id"], instance.task_id, instance.map_index, f"{time.time():.3f}")
            record.write("|".join(map(str, what)) + "\n")
        while (context["dag_run"].conf or {}).get("hold") and not os.path.exists(RECORD + ".go-on"):
            time.sleep(0.2)


class AddUp(Noted):
    def get_openlineage_facets_on_complete(self, task_instance):
        return OperatorLineage(
            inputs=[Dataset(namespace="s3://orders", name="raw")], outputs=[Dataset(namespace="s3://orders", name="totals")]
        )


with DAG("orders", schedule=None, start_date=datetime(2026, 1, 1)):
    AddUp(task_id="add_up") >> Noted(task_id="publish")
