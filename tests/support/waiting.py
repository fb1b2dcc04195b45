"""Waiting for a fact. A passing test waits only until the fact is true; only a failing one waits for the full time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# How long any background work may take on a busy machine.
PATIENCE = 60.0


# A look every twentieth of a second at first; what takes longer is looked at after each eighth more of its time, at most half a second. The
# looks of all waiting tests together would else take a processor for themselves.
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5


def until(what: str, check: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """The first true result of `check`; fails with `what` was waited for."""
    began = time.monotonic()
    while not (found := check()):
        waited = time.monotonic() - began
        assert waited < timeout, f"not within {timeout:g} s: {what} (last answer: {found!r})"
        time.sleep(min(max(waited / 8, FIRST_PAUSE), LONGEST_PAUSE))
    return found
