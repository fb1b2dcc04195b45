"""Every notable event, in order, for the demo's output and the tests' queries.

ministack only logs. Here each entry has a number and the time of the event. A second list has one entry for every AWS call that
reached the gateway.
"""

from __future__ import annotations

import threading
import time
from typing import Any


class Numbered:
    """A list that only grows, read by `since`, the number after the last entry already read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[dict[str, Any]] = []

    def add(self, entry: dict[str, Any], at: float | None = None) -> dict[str, Any]:
        with self._lock:
            numbered = {"n": len(self._entries), "at": time.time() if at is None else at, **entry}
            self._entries.append(numbered)
        return numbered

    def since(self, n: int) -> tuple[list[dict[str, Any]], int]:
        with self._lock:
            return self._entries[max(n, 0):], len(self._entries)


_timeline = Numbered()
calls = Numbered()


def note(what: str, at: float | None = None, **detail: Any) -> dict[str, Any]:
    """Add an entry to the timeline. The caller may still complete the detail afterward."""
    return _timeline.add({"what": what, "detail": detail}, at=at)


def since(n: int) -> tuple[list[dict[str, Any]], int]:
    return _timeline.since(n)
