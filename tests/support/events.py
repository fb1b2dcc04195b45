"""The payloads in events/, by their names: `ticks/schedule`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.paths import EVENTS


def files(*patterns: str) -> list[Path]:
    """All files, or those whose names match: `files("invalid/*")`."""
    found = sorted(path for pattern in patterns or ("**/*",) for path in EVENTS.glob(f"{pattern}.json"))
    assert found, f"no events {patterns}"
    return found


def name_of(file: Path) -> str:
    return file.relative_to(EVENTS).with_suffix("").as_posix()


def load(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())
