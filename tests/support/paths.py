"""Where things are."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATE = PROJECT / "template.yaml"
EVENTS = PROJECT / "events"
# What the tests run, built by `make debug`.
BINARIES = PROJECT / "target" / "debug"
# The Airflow package, and the DAGs that its tests give to a real Airflow.
PACKAGE = PROJECT / "airflow"
PACKAGE_README = (PACKAGE / "README.md").read_text()
CASE_DAGS = PACKAGE / "tests/case_dags"
