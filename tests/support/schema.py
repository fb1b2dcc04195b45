"""The code's catalogs, as `make generate` has written them; a test of the command line compares them with the code."""

from __future__ import annotations

import json
from typing import Any

from support.paths import PROJECT

SCHEMA: dict[str, Any] = json.loads((PROJECT / "tests/support/schema.json").read_text())
PRECONDITIONS: list[dict[str, Any]] = SCHEMA["preconditions"]
EVENTS: list[dict[str, Any]] = SCHEMA["events"]["types"]
METRICS: list[dict[str, Any]] = SCHEMA["metrics"]["names"]
SETTINGS: list[dict[str, Any]] = SCHEMA["settings"]
PARAMETERS: list[dict[str, Any]] = SCHEMA["parameters"]
ACTIONS: list[dict[str, Any]] = SCHEMA["actions"]
