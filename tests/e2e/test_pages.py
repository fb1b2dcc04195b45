"""The marked blocks of README.md and of the pages in docs/, except the runbooks, do what they say, word for word."""

from __future__ import annotations

from support.deployment import Deploy
from support.walkthrough import Walkthrough, documents, runs, settled


@runs("initialize")
def test_initialize_as_the_readme_says(deploy: Deploy, walk: Walkthrough) -> None:
    pair = deploy(initialize=False)
    assert documents(walk.rest(pair))[0]["outcome"] == "initialized"
    assert pair.flag().value == "blue"


@runs("start-initialize")
def test_initialize_as_getting_started_says(deploy: Deploy, walk: Walkthrough) -> None:
    pair = deploy(initialize=False)
    assert documents(walk.rest(pair))[0]["outcome"] == "initialized"
    assert pair.flag().value == "blue"


@runs("start-look")
def test_a_first_look(deploy: Deploy, walk: Walkthrough) -> None:
    walk.rest(settled(deploy))


@runs("quick")
def test_the_first_commands(deploy: Deploy, walk: Walkthrough) -> None:
    pair = settled(deploy)
    walk.rest(pair)
    assert pair.stands_at() == ("blue", 3) and pair.ask(action="status")["hold"] is None


@runs("every-request")
def test_every_request_of_the_reference(deploy: Deploy, walk: Walkthrough) -> None:
    pair = settled(deploy, CooldownSeconds="0")
    walk.rest(pair)
    assert pair.stands_at() == ("blue", 5)


@runs("every-command")
def test_every_command_of_the_reference(deploy: Deploy, walk: Walkthrough) -> None:
    pair = settled(deploy, CooldownSeconds="0")
    walk.rest(pair)
    assert pair.stands_at() == ("green", 4)
    assert (walk.home / "timeline.svg").read_text().startswith("<svg")


@runs("declare-failover")
def test_a_failover_that_a_person_declares(deploy: Deploy, walk: Walkthrough) -> None:
    pair = settled(deploy)
    pair.fail("blue")
    walk.rest(pair)
    assert pair.stands_at() == ("green", 2) and pair.ask(action="history")["entries"][0]["kind"] == "failover"


@runs("hold-and-release")
def test_a_hold_and_its_release(deploy: Deploy, walk: Walkthrough) -> None:
    pair = settled(deploy)
    walk.rest(pair)
    assert pair.ask(action="status")["hold"] is None


@runs("drill-modes")
def test_a_drill_of_each_mode(deploy: Deploy, walk: Walkthrough) -> None:
    pair = settled(deploy)
    walk.rest(pair)
    assert pair.stands_at() == ("green", 2)


@runs("readiness")
def test_a_check(deploy: Deploy, walk: Walkthrough) -> None:
    walk.rest(settled(deploy))


@runs("run-report")
def test_a_run_report(deploy: Deploy, walk: Walkthrough) -> None:
    walk.rest(settled(deploy))


@runs("direct")
def test_a_switch_without_lambda(deploy: Deploy, walk: Walkthrough) -> None:
    pair = settled(deploy)
    walk.rest(pair)
    assert pair.stands_at() == ("green", 2)


@runs("replay")
def test_a_replay_of_recorded_ticks(deploy: Deploy, walk: Walkthrough) -> None:
    pair = settled(deploy, LogLevel="debug")
    assert pair.tick()["decision"] == "none"
    shown = walk.rest(pair)
    assert "1 tick" in shown, shown
