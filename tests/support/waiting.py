"""Waiting for a fact. A passing test waits only until the fact is true; only a failing one waits for the full time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# How long any background work may take on a busy machine.
PATIENCE = 60.0


def until(what: str, check: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """The first true result of `check`; fails with `what` was waited for."""
    deadline = time.monotonic() + timeout
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what} (last answer: {found!r})"
        time.sleep(0.1)
    return found
