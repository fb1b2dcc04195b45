"""The usual pattern, for comparison: compare the flag's current value, and branch. Needs no package.

It loses and doubles runs next to a switch, because the two environments read the flag at different moments.
`daily_orders.py` shows the replacement. The tag excludes the DAG from the package's guard, so that the guard does
not interfere with the branch.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone

import boto3

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.operators.empty import EmptyOperator

FLAG = os.environ.get("AIRFLOW__CUSTOM__BLUEGREEN_FLAG_PARAMETER", "/mwaa/blue-green/active-environment")


@dag(schedule="0 6 * * *", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False, tags=["bluegreen:unguarded"])
def classic_branch():
    @task.branch
    def check_active() -> str:
        active = boto3.client("ssm").get_parameter(Name=FLAG)["Parameter"]["Value"]
        mine = os.environ["AIRFLOW__CUSTOM__ENVIRONMENT_COLOR"]
        print(f"active is {active}, this is {mine}")
        return "process" if active == mine else "stand_by"

    @task
    def process() -> None:
        print("processing")

    check_active() >> [process(), EmptyOperator(task_id="stand_by")]


classic_branch()
