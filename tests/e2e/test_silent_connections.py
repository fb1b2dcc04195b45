"""Connections that died silently while they were idle, and endpoints of single services.

Lambda freezes a function between invocations, and NAT gateways and endpoints drop idle connections. Here a middlebox stands between
the functions and the local AWS. It accepts what is sent on such a connection and never answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from local_aws.middlebox import Middlebox
from local_aws.stack import FUNCTIONS
from support.command_line import Cli
from support.deployment import Deploy
from support.pair import Pair
from support.waiting import until

SERVICES = ("SSM", "MWAA", "CLOUDWATCH", "EVENTBRIDGE", "SNS")
ELSEWHERE = "eu-west-1"

# Longer than the functions trust an idle connection, and shorter than the pauses in the tests.
FORGETS_AFTER, PAUSE = 3.5, 4.5

REGIONS = pytest.mark.parametrize("green_region", [None, ELSEWHERE], ids=["one region", "two regions"])


class Route:
    """A pair whose functions reach each service through a middlebox of its own, by AWS_ENDPOINT_URL_<SERVICE>."""

    def __init__(self, pair: Pair, boxes: dict[str, Middlebox]) -> None:
        self.pair, self.boxes = pair, boxes
        for function in FUNCTIONS:
            pair.configure(function, **{f"AWS_ENDPOINT_URL_{service}": box.url for service, box in boxes.items()})

    def connections(self) -> int:
        return sum(box.connections for box in self.boxes.values())

    def swallowed(self) -> int:
        return sum(box.swallowed for box in self.boxes.values())

    def forget(self) -> None:
        for box in self.boxes.values():
            box.forget()


@pytest.fixture
def route(deploy: Deploy) -> Iterator[Callable[..., Route]]:
    with ExitStack() as open_boxes:
        def make(green_region: str | None, forgets_after: float | None = None) -> Route:
            wanted: dict[str, Any] = {}
            if green_region:
                wanted = {"GreenRegion": green_region, "environments": {"green": {"region": green_region}}}
            pair = deploy(**wanted)
            boxes = {service: open_boxes.enter_context(Middlebox(pair.aws.endpoint, forgets_after)) for service in SERVICES}
            return Route(pair, boxes)

        yield make


def sound(answer: dict[str, Any]) -> None:
    """Every request was answered."""
    assert {color: of["verdict"] for color, of in answer["verdicts"].items()} == {"blue": "healthy", "green": "healthy"}, answer


def switched(answer: dict[str, Any]) -> None:
    """The switch was made, and the standby was known to be healthy."""
    assert answer["outcome"] == "switched" and all(entry["passed"] for entry in answer["preconditions"]), answer


# -- idle for longer than any device in between keeps the connection ----------------------------------------------------

@REGIONS
@pytest.mark.long(40)
def test_nothing_is_sent_on_a_connection_that_was_idle_between_two_invocations(route: Callable[..., Route], green_region: str | None):
    way = route(green_region, FORGETS_AFTER)
    pair = way.pair
    steps: list[Callable[[], Any]] = [
        lambda: sound(pair.tick()),
        lambda: sound(pair.ask(action="status")),
        lambda: pair.listen(),
    ]
    for step in steps:
        step()
    before = way.connections()
    time.sleep(PAUSE)
    for step in steps:
        step()
    assert way.connections() > before, "new connections were made"
    time.sleep(PAUSE)
    answer = pair.ask(to="green")
    switched(answer)
    time.sleep(PAUSE)
    pair.listen()
    pair.wait_until_audited(2)
    assert way.swallowed() == 0, "something was sent on a connection that was idle"


def test_within_an_invocation_connections_are_used_again(route: Callable[..., Route]):
    way = route(None)
    way.pair.ask(action="check")
    asked = [call for call in way.pair.calls("switch-handler") if call["service"] == "airflow"]
    assert way.boxes["MWAA"].connections < len(asked), "a connection for every request"


# -- silent at any other time: given up early enough for a second try ----------------------------------------------------

def silenced(way: Route, warm: Callable[[], Any], act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer of `act` when every connection that `warm` has left is silent. On a slow machine they may have been idle for so long
    that they are not used at all: then it repeats."""
    for _ in range(5):
        warm()
        way.forget()
        before = way.swallowed()
        answer = act()
        if way.swallowed() > before:
            return answer
    pytest.fail("the connections were never used again")


@REGIONS
@pytest.mark.long(30)
def test_a_person_s_switch_succeeds_after_silent_connections(route: Callable[..., Route], green_region: str | None):
    way = route(green_region)
    pair = way.pair
    to = ["green", "blue"]

    def switch() -> dict[str, Any]:
        to.reverse()
        return pair.ask(to=to[1])

    answer = silenced(way, lambda: pair.ask(action="status"), switch)
    switched(answer)


@REGIONS
@pytest.mark.long(30)
def test_a_tick_and_a_status_know_both_environments_after_silent_connections(route: Callable[..., Route], green_region: str | None):
    way = route(green_region)
    pair = way.pair
    sound(silenced(way, pair.tick, pair.tick))
    status = silenced(way, lambda: pair.ask(action="status"), lambda: pair.ask(action="status"))
    sound(status)
    assert status["active"] == "blue"


@pytest.mark.long(30)
def test_the_listener_audits_after_silent_connections(route: Callable[..., Route]):
    way = route(None)
    pair = way.pair
    pair.lose_change_events()
    writes = [1]

    def warm() -> None:
        pair.ask(to="green" if writes[-1] % 2 else "blue")
        writes.append(writes[-1] + 1)
        pair.listen()

    def act() -> dict[str, Any]:
        pair.ask(to="green" if writes[-1] % 2 else "blue")
        writes.append(writes[-1] + 1)
        return pair.listen()

    answer = silenced(way, warm, act)
    assert len(answer["audited"]) == 1, answer
    pair.wait_until_audited(writes[-1])


# -- endpoints of single services ----------------------------------------------------------------------------------------

def test_every_service_is_reached_at_the_endpoint_that_is_named_for_it(route: Callable[..., Route]):
    way = route(None)
    way.pair.tick()
    way.pair.ask(to="green")
    way.pair.wait_until_audited(2)
    until("people are told", lambda: way.boxes["SNS"].connections)
    unused = [service for service in SERVICES if not way.boxes[service].connections]
    assert not unused, unused


def test_the_command_line_takes_them_too(pair: Pair, tmp_path: Any):
    nowhere = "http://127.0.0.1:9"
    names = ("SSM", "MWAA", "CLOUDWATCH", "EVENTBRIDGE", "LAMBDA")
    cli = Cli(pair, tmp_path, {"AWS_ENDPOINT_URL": nowhere, **{f"AWS_ENDPOINT_URL_{name}": pair.aws.endpoint for name in names}})
    assert cli("status", "--output", "json").json["active"] == "blue"
    cli("settings", "--save")
    direct = cli("status", "--output", "json", "--direct").json
    assert direct["active"] == "blue" and direct["verdicts"]["green"]["verdict"] == "healthy", direct
