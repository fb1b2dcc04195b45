"""A command that starts processes ends what it started, also on Ctrl-C. Small: the demo imports it before anything else."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Ctrl-C, or a signal to end. Not an Exception: no handler on the way may treat it as a failure and continue."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def stop(number: int, _frame: FrameType | None) -> NoReturn:
    for each in ENDINGS:
        signal.signal(each, signal.SIG_IGN)  # the cleanup takes a moment, and must not be interrupted
    raise Stopped(number)
