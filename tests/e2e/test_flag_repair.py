"""ON_FLAG_FAULT=restore: a broken flag is restored to the color that it held before."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from support.deployment import Deploy
from support.pair import RECREATION_WAIT, Pair, only
from support.waiting import until


@pytest.fixture
def mended(deploy: Deploy) -> Pair:
    """Green is active and audited, and the watcher repairs a broken flag."""
    pair = deploy()
    pair.configure("health-watcher", ON_FLAG_FAULT="restore")
    pair.ask(to="green")
    pair.wait_until_audited(2)
    return pair


def test_a_garbled_flag_is_put_back_told_and_audited(mended: Pair):
    mended.garble()
    told = mended.wait_for_audit("Flag Fault")
    assert "purple" in told[0]["reason"]
    tick = mended.tick()
    assert (tick["decision"], tick["active"], tick["version"]) == ("restore", "green", 4)
    assert mended.stands_at() == ("green", 4)
    event = only(mended.wait_for_audit(version=4))
    assert (event["kind"], event["from"], event["to"]) == ("restore", '"purple"', "green")
    mended.wait_until_audited(4)
    assert mended.statistic("Sum", "Transitions", Kind="restore") == 1
    assert mended.tick()["decision"] == "none" and mended.memory("announced") is None
    assert len({fault["id"] for fault in mended.audit("Flag Fault")}) == 1


def test_a_hold_does_not_stop_a_repair_and_observing_does(mended: Pair):
    mended.ask(action="hold", minutes=5, reason="upgrade")
    mended.garble()
    assert mended.tick()["decision"] == "restore"
    mended.configure("health-watcher", FAILOVER_MODE="observe")
    mended.garble()
    tick = mended.tick()
    assert tick["decision"] == "observe-only" and "mode-observe" in tick["blocked_by"]
    assert "green" in tick["reason"] and mended.stands_at()[0] == "purple"


@pytest.mark.parametrize("by_a_person", [False, True])
def test_garbage_acknowledges_no_failover_and_only_a_persons_repair_does(deploy: Deploy, by_a_person: bool):
    pair = deploy(OnFlagFault="restore", FailoverBudgetPerDay="1", CooldownSeconds="0")
    pair.look_once_a_tick()
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover"
    pair.heal("blue")
    pair.garble()
    if by_a_person:
        assert pair.ask(to="green", reason="looked", force=True)["outcome"] == "switched"
    else:
        assert pair.tick()["decision"] == "restore"
    assert pair.stands_at() == ("green", 4)
    pair.fail("green")
    tick = pair.tick()
    expected = ("failover", []) if by_a_person else ("blocked", ["failover-budget"])
    assert (tick["decision"], tick["blocked_by"]) == expected


def test_by_default_a_broken_flag_is_only_told(pair: Pair):
    pair.garble()
    for _ in range(2):
        tick = pair.tick()
        assert (tick["decision"], tick["active"]) == ("blocked", None)
    assert pair.stands_at() == ("purple", 2)


def test_without_a_last_audited_color_nobody_guesses(mended: Pair):
    mended.lose_change_events()
    mended.client("ssm").delete_parameter(Name=f"{mended.root}/last-active")
    mended.delete_flag()
    tick = mended.tick()
    assert tick["decision"] == "blocked" and "not known" in tick["reason"]


def test_what_stood_before_the_garbage_is_put_back_audited_or_not(mended: Pair):
    """A person's rollback and the garbage after it arrive in one batch of events, or not at all."""
    mended.lose_change_events()
    assert mended.ask(action="rollback")["active"] == "blue"
    mended.garble()
    mended.garble()
    assert mended.stored("last-active")["active"] == "green"
    assert mended.tick()["decision"] == "restore"
    assert mended.stands_at() == ("blue", 6)


@pytest.mark.long(45)
def test_a_deleted_flag_is_made_again_within_one_tick_and_not_before_ssm_allows(mended: Pair):
    mended.delete_flag()
    deleted = time.monotonic()
    tick = mended.tick()
    assert (tick["decision"], tick["active"], tick["version"]) == ("restore", "green", 1)
    assert time.monotonic() - deleted >= RECREATION_WAIT
    assert mended.stands_at() == ("green", 1)
    event = only(mended.wait_for_audit(version=1, kind="restore"))
    assert event["to"] == "green" and "deleted" not in event["reason"] and "missing" in event["reason"]
    assert mended.wait_for_audit("Flag Fault")
    assert mended.tick()["decision"] == "none"
    assert mended.ask(to="blue")["version"] == 2


@pytest.mark.long(40)
def test_what_an_earlier_tick_has_seen_missing_is_made_again_by_a_later_one(mended: Pair):
    mended.look_once_a_tick()
    mended.delete_flag()
    assert mended.tick()["decision"] == "blocked"
    time.sleep(RECREATION_WAIT - 10)
    assert mended.tick()["decision"] == "blocked"
    time.sleep(12)
    assert mended.tick()["decision"] == "restore"
    assert mended.stands_at() == ("green", 1)


def test_a_pair_that_was_never_initialized_is_not_made_up(deploy: Deploy):
    pair = deploy(initialize=False)
    pair.configure("health-watcher", ON_FLAG_FAULT="restore", PROBE_UNTIL_SECONDS="2")
    assert pair.tick()["decision"] == "blocked"
    assert pair.parameter("active-environment") is None


def test_ten_ticks_at_once_repair_once(mended: Pair):
    mended.garble()
    mended.look_once_a_tick()
    with ThreadPoolExecutor(10) as ticks:
        answers = list(ticks.map(lambda _: mended.invoke("health-watcher", {})[0], range(10)))
    assert mended.stands_at() == ("green", 4), answers
    assert [answer["transition"] for answer in answers if answer.get("transition")] == [mended.flag().record]


@pytest.mark.parametrize("kind", ["kill-caller", "kill-caller-after"])
@pytest.mark.parametrize(("operation", "match"), [("GetParameterHistory", "/active-environment"), ("PutParameter", "/transitions/"),
                                                  ("PutParameter", "/active-environment")])
def test_a_repair_killed_half_way_is_finished_by_a_later_tick(mended: Pair, kind: str, operation: str, match: str):
    mended.garble()
    mended.wait_until_audited(3)
    mended.look_once_a_tick()
    fault = mended.aws.add_fault(kind, "ssm", operation, match=match, times=1)
    mended.invoke("health-watcher", {})
    assert mended.hits(fault) == 1
    mended.aws.clear_faults()
    for record in mended.records():
        mended.aws.age_parameter(f"{mended.root}/transitions/{record}", 80)
    mended.invoke("health-watcher", {})
    assert mended.stands_at() == ("green", 4)
    assert len(mended.wait_for_audit(version=4)) == 1
    assert mended.tick()["decision"] == "none"


@pytest.mark.long(35)
@pytest.mark.parametrize("kind", ["kill-caller", "kill-caller-after"])
@pytest.mark.parametrize("match", ["/active-environment", "/transitions/"])
def test_a_deleted_flag_whose_repair_is_killed_is_made_again_once(mended: Pair, kind: str, match: str):
    mended.configure("health-watcher", PROBE_UNTIL_SECONDS="40")
    mended.delete_flag()
    fault = mended.aws.add_fault(kind, "ssm", "PutParameter", match=match, times=1)
    mended.invoke("health-watcher", {})
    assert mended.hits(fault) == 1
    mended.aws.clear_faults()
    if mended.parameter("active-environment") is None:
        mended.tick()
    assert mended.stands_at() == ("green", 1)
    event = until("its audit event", lambda: mended.audit(version=1, to="green"))[0]
    assert event["kind"] == "restore"
    assert mended.tick()["decision"] == "none"


def test_runs_due_while_the_flag_was_garbage_have_an_owner_and_are_reported(deploy: Deploy):
    """The guard, on the same Parameter Store, and the run report after the repair."""
    from mwaa_bluegreen.flag import Flag

    mended = deploy(OnFlagFault="restore", SwitchLeadSeconds="0")
    mended.look_once_a_tick()
    mended.configure("health-watcher", RUN_REPORT_SECONDS="1")
    mended.ask(to="green")
    mended.wait_until_audited(2)
    mended.garble()
    due = mended.flag().modified + timedelta(milliseconds=500)
    guard = Flag(mended.flag_name, client=mended.client("ssm"))
    time.sleep(1)
    assert guard.owner(due).color == "green", "while it stands"
    assert mended.tick()["decision"] == "restore"
    time.sleep(4)
    owner = Flag(mended.flag_name, client=mended.client("ssm")).owner(due)
    assert (owner.color, owner.version) == ("green", 2)
    mended.tick()
    report = only(event for event in mended.wait_for_audit("Run Report") if event["run_report"]["transition"]["version"] == 4)
    transition = report["run_report"]["transition"]
    assert (transition["kind"], transition["from"], transition["to"]) == ("restore", "green", "green")
    assert datetime.fromisoformat(transition["broken_since"]) <= due and "restore of green" in report["reason"]
