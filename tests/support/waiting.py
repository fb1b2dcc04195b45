"""Waiting for a fact. A test that passes waits no longer than the fact takes; only one that fails waits so long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# How long anything that is done in the background may take on a busy machine.
PATIENCE = 60.0


def until(what: str, check: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """The first true answer of `check`; fails with `what` was waited for."""
    deadline = time.monotonic() + timeout
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what} (last answer: {found!r})"
        time.sleep(0.1)
    return found
