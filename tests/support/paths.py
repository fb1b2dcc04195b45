"""The paths of the project."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATE = PROJECT / "template.yaml"
EVENTS = PROJECT / "events"
# The binaries for the tests, built by `make debug`, or a copy of them.
BINARIES = Path(os.environ.get("MWAA_BLUEGREEN_BINARIES") or PROJECT / "target" / "debug")
# The Airflow package, and the DAGs that its tests run in a real Airflow.
PACKAGE = PROJECT / "airflow"
PACKAGE_README = (PACKAGE / "README.md").read_text()
CASE_DAGS = PACKAGE / "tests/case_dags"
