"""A daily pipeline without any code for blue and green: the package guards it. Its write carries the fencing token."""

from __future__ import annotations

from datetime import datetime, timezone

try:
    from airflow.sdk import dag, get_current_context, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.operators.python import get_current_context


@dag(schedule="0 6 * * *", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False, tags=["bluegreen:guarded"])
def daily_orders():
    @task
    def extract() -> list[int]:
        return [17, 4, 21]

    @task
    def load(orders: list[int]) -> None:
        from mwaa_bluegreen.dag import fencing_token

        # Let the target refuse a smaller token than it has seen: then even a run that was presumed dead cannot write.
        print(f"writing {len(orders)} orders, fencing token {fencing_token(get_current_context())}")

    @task(trigger_rule="all_done")
    def clean_up() -> None:
        print("removing temporary files; on the standby this is skipped too")

    load(extract()) >> clean_up()


daily_orders()
