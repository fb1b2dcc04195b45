from __future__ import annotations

import contextlib


def pytest_configure() -> None:
    """An Airflow 2 that loads a sub-DAG reads its pool from the database. No other table is needed here."""
    with contextlib.suppress(ImportError):  # no Airflow, or Airflow 3
        import airflow.operators.subdag  # noqa: F401
        from airflow import settings
        from airflow.models import Pool

        Pool.__table__.create(settings.engine, checkfirst=True)
