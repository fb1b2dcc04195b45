"""Several writers, dying writers, and writes without a clear answer: one transition, reported correctly."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.deployment import Deploy
from support.pair import CLAIM_TIMEOUT, Pair, asks_at_once, only

# -- concurrent switches -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("slow", [False, True], ids=["", "while the winner is slow"])
def test_twenty_concurrent_switches_make_exactly_one(pair: Pair, slow: bool):
    if slow:
        pair.fault_at_flag("latency", latency_ms=2000)
    answers = asks_at_once(pair, 20, "switch-handler", {"to": "green"})
    outcomes = Counter(answer["outcome"] for answer in answers)
    assert outcomes["switched"] == 1, outcomes
    assert set(outcomes) <= {"switched", "conflict", "unchanged"}, outcomes
    assert not slow or outcomes["conflict"], f"nobody met the winner: {outcomes}"
    winner = only(answer for answer in answers if answer["outcome"] == "switched")
    for loser in (answer for answer in answers if answer["outcome"] == "conflict"):
        assert loser["winner"]["actor"] == pair.records()[winner["transition"]]["actor"], "it names the winner"
    assert pair.stands_at() == ("green", 2)
    assert set(pair.records()) == {version.record for version in pair.versions()}, "one record for each observed state"
    pair.wait_until_audited(2)
    assert len(pair.audit("Environment Transition", version=2)) == 1


def test_ten_watchers_and_ten_people_at_once_make_exactly_one(pair: Pair):
    pair.fail("blue")
    with ThreadPoolExecutor(2) as pool:
        watchers = pool.submit(asks_at_once, pair, 10, "health-watcher", {})
        people = pool.submit(asks_at_once, pair, 10, "switch-handler", {"to": "green"})
    made = [answer for answer in watchers.result() + people.result() if answer["transition"]]
    assert len(made) == 1, made
    assert pair.stands_at() == ("green", 2)
    assert len(pair.records()) == 2


@pytest.mark.parametrize("times", [6, 2], ids=["none sees another", "some see the first"])
def test_ticks_that_start_at_once_report_a_blocked_failover_under_one_id(pair: Pair, times: int):
    """The schedule, an alarm and a change of status wake one tick each when something fails."""
    pair.look_once_a_tick()
    pair.hold("network maintenance")
    pair.wait_for_audit("Hold Changed")
    pair.fail("blue")
    late = pair.aws.add_fault("latency", "ssm", "PutParameter", match=f"{pair.root}/memory", latency_ms=1000, times=times)
    answers = asks_at_once(pair, 6, "health-watcher", {})
    assert pair.hits(late) == times
    assert {answer["decision"] for answer in answers} == {"blocked"}
    told = pair.wait_for_audit("Failover Blocked")
    assert len({event["id"] for event in told}) == 1, [event["id"] for event in told]
    assert pair.tick()["decision"] == "blocked"
    assert len(pair.audit("Failover Blocked")) == len(told), "and a later tick says nothing more"


def test_what_one_of_several_ticks_wrote_too_early_gives_a_blocked_failover_no_second_id(pair: Pair):
    """Of ticks at once each writes the beginning that it has seen, and then corrects it to the first one's. Another tick may read it before."""
    pair.look_once_a_tick()
    pair.hold("network maintenance")
    pair.wait_for_audit("Hold Changed")
    pair.fail("blue")
    pair.aws.add_fault("kill-caller-after", "ssm", "PutParameter", match=f"{pair.root}/memory", times=1)
    pair.tick_in_vain()
    memory = f"{pair.root}/memory"
    written = json.loads(pair.client("ssm").get_parameter(Name=memory)["Parameter"]["Value"])
    first = datetime.fromisoformat(written["announced"]["since"])
    assert written["announced"]["said"] is False
    written["announced"]["since"] = (first + timedelta(milliseconds=139)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    pair.client("ssm").put_parameter(Name=memory, Value=json.dumps(written), Type="String", Overwrite=True)
    assert pair.tick()["decision"] == "blocked"
    told = only(pair.wait_for_audit("Failover Blocked"))
    assert told["id"].endswith(f":blocked:hold:{round(first.timestamp() * 1000)}"), (told["id"], first)


def test_a_broken_flag_is_reported_in_the_same_words_by_the_listener_and_by_a_tick(pair: Pair):
    pair.garble()
    pair.wait_until_audited(2)
    pair.tick()
    told = pair.wait_for_audit("Flag Fault", 2)
    assert told[0] == told[1] and "purple" in told[0]["reason"], told


def test_ten_people_who_initialize_at_once_make_one_flag(deploy: Deploy):
    pair = deploy(initialize=False)
    answers = asks_at_once(pair, 10, "switch-handler", {"action": "initialize"})
    outcomes = Counter(answer["outcome"] for answer in answers)
    assert outcomes["initialized"] == 1 and set(outcomes) <= {"initialized", "conflict", "unchanged"}, outcomes
    assert pair.stands_at() == ("blue", 1)
    assert pair.flag().record == only(answer for answer in answers if answer["outcome"] == "initialized")["transition"]


# -- a writer that died during its switch ------------------------------------------------------------------------------

def test_a_writer_killed_between_claim_and_write_is_rolled_forward(pair: Pair):
    pair.fault_at_flag("kill-caller")
    killed = pair.ask_in_vain(to="green", reason="the first try", requested_by="ana")
    assert killed["errorType"] == "Runtime.ExitError" and "killed" in killed["errorMessage"]
    assert pair.stands_at() == ("blue", 1), "it died before it wrote"
    claim = f"v2-{pair.flag().milliseconds}"
    dead = pair.records()[claim]
    assert dead["reason"] == "the first try"

    at_once = pair.ask(to="green")
    assert (at_once["outcome"], at_once["version"]) == ("conflict", 1)
    assert dead["actor"]["request_id"] in at_once["reason"] and "ana" in at_once["reason"], "it names who claimed"
    assert "rolled forward from 2" in at_once["reason"], "it says when to ask again"
    assert at_once["winner"]["actor"] == dead["actor"]
    assert pair.ask(to="green", force=True)["outcome"] == "conflict", "force skips preconditions, never the claim"

    # The next test really waits for a claim to grow old.
    pair.aws.age_parameter(f"{pair.root}/transitions/{claim}", CLAIM_TIMEOUT / 2)
    assert pair.ask(to="green")["outcome"] == "conflict", "still too young"
    pair.aws.age_parameter(f"{pair.root}/transitions/{claim}", CLAIM_TIMEOUT / 2)
    answer = pair.ask(to="green", requested_by="ben")
    assert (answer["outcome"], answer["active"], answer["version"], answer["transition"]) == ("switched", "green", 2, claim)
    assert dead["actor"]["request_id"] in only(answer["warnings"])
    assert pair.records()[claim] == dead, "the claim is never rewritten"
    flag = pair.flag()
    assert (flag.number, flag.record) == (2, claim) and "dead writer" in flag.description
    event = only(pair.wait_for_audit(version=2))
    # It is reported as what it is now: ben's switch, by way of a dead writer's claim.
    assert (event["record"], event["kind"]) == (claim, "switch") and "ben" in event["reason"]
    assert event["dead_writer"]["request_id"] == dead["actor"]["request_id"]
    assert event["dead_writer"]["reason"] == "the first try"


@pytest.mark.long(80)
def test_a_watcher_killed_in_its_failover_is_replaced_by_the_next_tick(pair: Pair):
    pair.fail("blue")
    pair.fault_at_flag("kill-caller")
    assert pair.tick_in_vain()["errorType"] == "Runtime.ExitError"
    assert pair.stands_at() == ("blue", 1)
    # Ticks as the schedule triggers them, each to its end: a watcher that finds a fresh claim waits for it.
    for _ in range(2):
        answer = pair.tick()
        if answer["transition"]:
            break
        assert "claimed this transition" in answer["conflict"] and answer["probes"] > 10
    assert (answer["active"], answer["version"]) == ("green", 2), answer
    assert only(pair.wait_for_audit(version=2))["kind"] == "failover"


def test_a_writer_killed_after_its_write_has_switched(pair: Pair):
    pair.fault_at_flag("kill-caller-after")
    assert pair.ask_in_vain(to="green", reason="its last deed")["errorType"] == "Runtime.ExitError"
    assert pair.stands_at() == ("green", 2)
    answer = pair.ask(to="green")
    assert (answer["outcome"], answer["version"]) == ("unchanged", 2)
    assert pair.tick()["active"] == "green"
    event = only(pair.wait_for_audit(version=2))
    assert (event["kind"], event["reason"]) == ("switch", "its last deed")


@pytest.mark.parametrize("kind", ["kill-caller", "throttle"])
def test_an_initialization_that_failed_half_way_can_be_repeated(deploy: Deploy, kind: str):
    """Nothing was ever active, so no caution is necessary."""
    pair = deploy(initialize=False)
    pair.fault_at_flag(kind, times=None)
    pair.ask_in_vain(action="initialize")
    pair.aws.clear_faults()
    assert pair.parameter("active-environment") is None
    answer = pair.ask(action="initialize")
    assert (answer["outcome"], answer["active"]) == ("initialized", "blue"), answer
    assert pair.audit("Flag Fault") == []


# -- SSM write ambiguous -----------------------------------------------------------------------------------------------

UNCLEAR = [("lost-response", {}), ("lost-response-timeout", {"latency_ms": 8000}), ("timeout", {"latency_ms": 8000}),
           ("server-error", {}), ("malformed", {}), ("throttle", {}), ("error:TooManyUpdates", {})]


@pytest.mark.parametrize(("kind", "more"), UNCLEAR, ids=[kind for kind, _ in UNCLEAR])
@pytest.mark.parametrize("where", ["flag", "claim"])
def test_a_write_without_a_clear_answer_switches_exactly_once(pair: Pair, where: str, kind: str, more: dict[str, Any]):
    fault = (pair.fault_at_flag if where == "flag" else pair.fault_at_claim)(kind, **more)
    answer = pair.ask(to="green")
    assert pair.hits(fault) == 1, "the fault was met"
    assert (answer["outcome"], answer["active"], answer["version"]) == ("switched", "green", 2), answer
    assert [(version.number, version.value) for version in pair.versions()] == [(1, "blue"), (2, "green")]
    assert len(pair.records()) == 2
    pair.wait_until_audited(2)
    assert pair.statistic("Sum", "Transitions", Kind="switch") == 1


def test_a_store_that_refuses_every_write_is_reported_with_what_stands(pair: Pair):
    pair.fault_at_flag("throttle", times=None)
    error = pair.ask_in_vain(to="green")
    assert error["errorType"] == "StoreUnavailable"
    assert "ThrottlingException" in error["errorMessage"] and "the flag is unchanged" in error["errorMessage"]
    pair.aws.clear_faults()
    assert pair.stands_at() == ("blue", 1)


def test_a_store_that_refuses_every_claim_changes_nothing(pair: Pair):
    pair.fault_at_claim("throttle", times=None)
    error = pair.ask_in_vain(to="green")
    assert error["errorType"] == "StoreUnavailable" and "nothing was changed" in error["errorMessage"]
    pair.aws.clear_faults()
    assert len(pair.records()) == 1
    assert pair.ask(to="green")["outcome"] == "switched", "and it left nothing behind"


def test_a_label_on_the_oldest_of_a_hundred_versions_is_explained(pair: Pair):
    pair.lose_change_events()
    for _ in range(99):
        pair.write_by_hand("blue")
    ssm = pair.client("ssm")
    ssm.label_parameter_version(Name=pair.flag_name, ParameterVersion=1, Labels=["golden"])
    error = pair.ask_in_vain(to="green")
    assert error["errorType"] == "StoreUnavailable"
    assert "ParameterMaxVersionLimitExceeded" in error["errorMessage"] and "unlabel-parameter-version" in error["errorMessage"]
    assert pair.stands_at() == ("blue", 100)
    assert [entry["version"] for entry in pair.ask(action="history", limit=100)["entries"]] == list(range(100, 0, -1))


# -- stale reads -------------------------------------------------------------------------------------------------------

def test_a_stale_observation_makes_no_second_switch(pair: Pair):
    """The first read is stale; the claim of its transition exists already."""
    pair.lose_change_events()  # a stale read by the listener is not the subject here
    before = time.time()
    winner = pair.ask(to="green")
    pair.aws.add_fault("stale", "ssm", "GetParameters", times=1, as_of=before)
    answer = pair.ask(to="green")
    assert answer["outcome"] == "conflict", answer
    assert answer["winner"]["actor"] == pair.records()[winner["transition"]]["actor"]
    assert (answer["active"], answer["version"]) == ("green", 2), "told from a fresh reading"
    assert pair.stands_at() == ("green", 2) and len(pair.records()) == 2


def test_nothing_but_stale_reads_makes_no_second_switch(pair: Pair):
    before = time.time()
    pair.ask(to="green")
    pair.aws.add_fault("stale", "ssm", as_of=before)
    assert pair.stands_at() == ("blue", 1), "the past is seen"
    answer = pair.ask(to="green")
    pair.aws.clear_faults()
    assert answer["outcome"] == "conflict", answer
    assert pair.stands_at() == ("green", 2) and len(pair.records()) == 2
