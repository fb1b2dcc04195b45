"""The flag is written, broken or deleted outside this product."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from support.clients import Clients
from support.pair import Pair, only, precondition
from support.waiting import until


@pytest.fixture
def ben(pair: Pair) -> dict[str, str]:
    """The credentials of an IAM user who edits the flag manually."""
    iam, name = pair.client("iam"), f"ben-{pair.name}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def arn_of_ben(pair: Pair) -> str:
    return f"arn:aws:iam::000000000000:user/ben-{pair.name}"


# -- manual edit to a valid value --------------------------------------------------------------------------------------

def test_a_hand_edit_is_adopted_and_audited_with_its_author(pair: Pair, ben: dict[str, str]):
    assert pair.write_by_hand("green", ben) == 2
    event = only(pair.wait_for_audit(version=2))
    assert (event["kind"], event["from"], event["to"], event["record"]) == ("external", "blue", "green", None)
    assert event["who"] == {"last_modified_user": arn_of_ben(pair), "requested_by": None, "function": None, "request_id": None}
    pair.wait_until_audited(2)
    assert pair.statistic("Sum", "Transitions", Kind="external") == 1
    answer = pair.tick()
    assert (answer["active"], answer["decision"]) == ("green", "none")
    switched = pair.ask(to="blue")
    assert (switched["outcome"], switched["version"]) == ("switched", 3)
    assert pair.ask(action="history")["entries"][1]["kind"] == "external"


def test_a_hand_edit_that_inherits_our_description_is_still_external(pair: Pair):
    pair.ask(to="green", reason="ours")
    pair.wait_until_audited(2)
    pair.write_by_hand("blue", Description=pair.flag().description)
    event = only(pair.wait_for_audit(version=3))
    assert (event["kind"], event["from"], event["to"]) == ("external", "green", "blue")


def test_a_hand_edit_that_repeats_value_and_description_is_told_with_its_author(pair: Pair, ben: dict[str, str]):
    """It cannot be distinguished from our own write that arrives twice, and it changes nothing. But it is published, with its author."""
    pair.write_by_hand("blue", ben, Description=pair.flag().description)
    event = only(pair.wait_for_audit(version=2))
    assert (event["repeat"], event["from"], event["to"]) == (True, None, "blue"), "as of the write that it repeats"
    assert event["who"]["last_modified_user"] == arn_of_ben(pair)
    pair.wait_until_audited(2)
    assert pair.statistic("Sum", "Transitions", Kind="initialize") == 1, "no second transition"


@pytest.mark.parametrize("value", ["blue", "green"])
def test_a_hand_edit_between_claim_and_write_is_told(pair: Pair, ben: dict[str, str], value: str):
    fault = pair.fault_at_flag("latency", latency_ms=2000)
    other = Pair(pair.aws, Clients(pair.aws), pair.name, pair.root, pair.environments)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(other.ask, to="green")
        until("the switch is writing", lambda: pair.hits(fault))
        assert pair.write_by_hand(value, ben, Description="by hand") == 2
        answer = asked.result()
    assert (answer["outcome"], answer["active"], answer["version"]) == ("switched", "green", 3)
    warning = only(answer["warnings"])
    assert arn_of_ben(pair) in warning and "version 2" in warning
    between = only(pair.wait_for_audit(version=2))
    assert (between["kind"], between["who"]["last_modified_user"]) == ("external", arn_of_ben(pair))
    ours = only(pair.wait_for_audit(version=3))
    assert (ours["kind"], ours["expected_version"]) == ("switch", 2) and "another writer" in ours["warning"]


# -- stored value `Blue ` or `purple` ----------------------------------------------------------------------------------

def test_the_flags_own_pattern_keeps_garbage_out(pair: Pair):
    pair.ask(to="green")
    for value in ("purple", "Blue ", "blue\n"):
        with pytest.raises(ClientError, match="ParameterPatternMismatchException"):
            pair.write_by_hand(value)
    assert pair.stands_at() == ("green", 2)


def break_flag(pair: Pair, value: str) -> None:
    """By a determined user, who removes the pattern, too."""
    if value == "purple":
        pair.write_by_hand(value, AllowedPattern=".*")
    else:
        pair.delete_flag()
        pair.write_by_hand(value, Overwrite=False)


@pytest.mark.parametrize("value", ["Blue ", "purple"])
def test_garbage_in_the_flag_blocks_is_told_once_and_can_be_repaired(pair: Pair, value: str):
    pair.lose_change_events()
    break_flag(pair, value)
    for _ in range(3):
        answer = pair.tick()
        assert (answer["decision"], answer["blocked_by"], answer["active"]) == ("blocked", ["flag-invalid"], None)
    fault = only(pair.wait_for_audit("Flag Fault"))
    assert value in fault["reason"]
    assert pair.statistic("Sum", "FlagFault") == 3, "the metric stays while the fault does"
    assert pair.ask(action="status")["active"] is None
    refused = pair.ask(to="green")
    assert refused["outcome"] == "refused" and not precondition(refused, "flag-invalid")["passed"]
    assert '"force":true' in refused["reason"], "it says how to put it right"
    repaired = pair.ask(to="green", force=True, reason="put right")
    assert (repaired["outcome"], repaired["active"], repaired["previous"]) == ("switched", "green", None)
    assert pair.stands_at()[0] == "green"
    answer = pair.tick()
    assert (answer["decision"], answer["active"]) == ("none", "green")
    assert pair.memory("announced") is None, "forgotten, so that the next fault is told again"
    with pytest.raises(ClientError, match="ParameterPatternMismatchException"):
        pair.write_by_hand("purple")


def test_the_listener_tells_of_garbage_at_once(pair: Pair):
    break_flag(pair, "purple")
    faults = pair.wait_for_audit("Flag Fault")
    pair.wait_until_audited(2)
    pair.tick()
    pair.tick()
    assert len({fault["id"] for fault in pair.audit("Flag Fault")}) == 1, "whoever tells it, it is recognizably the same"
    assert "purple" in faults[0]["reason"]


def test_garbage_is_never_a_reason_to_fail_over(pair: Pair):
    break_flag(pair, "purple")
    pair.fail("blue")
    assert pair.tick()["decision"] == "blocked"
    assert pair.stands_at() == ("purple", 2)


# -- parameter deleted -------------------------------------------------------------------------------------------------

def test_flag_deleted_is_a_fault_and_never_assumed_to_be_blue(pair: Pair):
    pair.ask(to="green")
    pair.wait_until_audited(2)
    pair.delete_flag()
    pair.wait_for_audit("Flag Fault")
    for _ in range(3):
        answer = pair.tick()
        assert (answer["decision"], answer["blocked_by"], answer["active"]) == ("blocked", ["flag-invalid"], None)
    faults = pair.audit("Flag Fault")
    assert len({fault["id"] for fault in faults}) == 1 and len(faults) <= 2, "once by the listener, once by the watcher"
    assert pair.statistic("Sum", "FlagFault") >= 3

    for request in ({}, {"to": "green"}, {"force": True}):
        refused = pair.ask(action="initialize", **request)
        assert refused["outcome"] == "refused" and "which color was active" in refused["reason"], refused
    assert pair.ask(to="green", force=True)["outcome"] == "refused", "a switch does not create a flag"
    assert pair.parameter("active-environment") is None

    created = pair.ask(action="initialize", to="green", force=True)
    assert (created["outcome"], created["active"], created["version"]) == ("initialized", "green", 1)
    assert pair.tick()["active"] == "green"
    made_again = pair.wait_for_audit(version=1, to="green")
    assert only(made_again)["kind"] == "initialize"
    switched = pair.ask(to="blue")
    assert (switched["outcome"], switched["version"]) == ("switched", 2), "the old record of version 2 is in nobody's way"


def test_a_flag_deleted_without_an_event_is_told_once_by_the_watcher(pair: Pair):
    pair.lose_change_events()
    pair.delete_flag()
    for _ in range(3):
        assert pair.tick()["decision"] == "blocked"
    assert len(pair.wait_for_audit("Flag Fault")) == 1


def test_flag_deleted_in_the_middle_of_a_switch(pair: Pair):
    """The write re-creates it, and the answer warns about that."""
    fault = pair.fault_at_flag("latency", latency_ms=2000)
    other = Pair(pair.aws, Clients(pair.aws), pair.name, pair.root, pair.environments)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(other.ask, to="green")
        until("the switch is writing", lambda: pair.hits(fault))
        pair.delete_flag()
        answer = asked.result()
    assert answer["outcome"] == "switched" and answer["active"] == "green", answer
    assert answer["version"] == 1 and answer["warnings"], answer
    assert pair.stands_at() == ("green", 1)
