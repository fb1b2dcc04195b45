"""When a scheduler may be killed, and how a machine that does not keep up with the ticks is handled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support import real_pair
from support.real_pair import ATTEMPTS, CLASSIC, GUARDED, RealPair, TooBusy


class Time:
    """A clock that advances when it sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


class Environment:
    """Every run ends so many seconds after its tick."""

    def __init__(self, clock: Time, takes: float) -> None:
        self.clock, self.takes, self.options = clock, takes, {}
        self.asked: list[float] = []

    def restart_scheduler(self, parse: bool, **options: str) -> None:
        assert parse, "the files say how long a tick is"
        self.options |= options

    def wait(self, condition: Any, what: str) -> None:
        assert not condition()
        self.clock.now = max(self.clock.now, self.asked[-1] + self.takes)


class Pair(RealPair):
    def __init__(self, clock: Time, takes: float, ticks: tuple[int, ...] = real_pair.TICKS) -> None:
        self._ticks, self.tick, self.first_tick = ticks, ticks[0], 900.0
        self.colors = {"blue": Environment(clock, takes), "green": Environment(clock, takes)}

    def states(self, color: str, dag: str) -> dict[float, str]:
        environment: Any = self.colors[color]
        return SimpleNamespace(get=lambda tick: environment.asked.append(tick))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(real_pair, "time", clock)
    return clock


def test_a_machine_that_keeps_up_has_a_moment_with_nothing_under_way(clock: Time) -> None:
    pair = Pair(clock, takes=6)
    tick = pair.quiet_before_a_tick("blue", 3)
    assert tick - pair.tick + 6 <= clock.now <= tick - 3


def test_one_that_does_not_is_said_to_be_too_busy_and_is_not_waited_for_without_end(clock: Time) -> None:
    pair = Pair(clock, takes=25)
    with pytest.raises(TooBusy, match="blue does not keep up with a tick every 15 s"):
        pair.quiet_before_a_tick("blue", 3)
    assert clock.now < 1000 + (ATTEMPTS + 2) * 45


def test_with_a_longer_tick_it_has_one_again_and_no_tick_is_asked_for_that_was_never_made(clock: Time) -> None:
    pair = Pair(clock, takes=25)
    clock.now = 1006.0  # Between two ticks of the shorter kind; not a tick of the longer kind.
    pair.slow_down()
    assert pair.tick == 30
    assert {environment.options["BLUEGREEN_TEST_TICK_SECONDS"] for environment in pair.colors.values()} == {"30"}
    # The last run with the shorter tick can have been due at 1005: the interval that follows it is 1020 to 1050.
    tick = pair.quiet_before_a_tick("blue", 3, (GUARDED, CLASSIC))
    assert min(pair.colors["blue"].asked) >= 1050
    assert tick - 30 + 25 <= clock.now <= tick - 3


def test_a_longer_tick_is_a_multiple_and_there_is_not_always_one(clock: Time) -> None:
    pair = Pair(clock, takes=25, ticks=(20, 30, 60))
    pair.slow_down()
    assert pair.tick == 60
    with pytest.raises(TooBusy, match="there is no longer one"):
        pair.slow_down()
