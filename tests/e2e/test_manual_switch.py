"""A person's requests to the switch-handler, and its answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from support.deployment import Deploy
from support.pair import Pair, only, precondition
from support.waiting import PATIENCE


def test_a_color_is_enough_to_switch(pair: Pair):
    before = pair.flag()
    answer = pair.ask(to="green", reason="release 7", requested_by="ana")
    assert (answer["outcome"], answer["active"], answer["previous"], answer["version"]) == ("switched", "green", "blue", 2)
    assert answer["warnings"] == []
    flag = pair.flag()
    assert (flag.value, flag.number, flag.record) == ("green", 2, answer["transition"])
    assert flag.description.startswith("switch: release 7; by switch-handler for ana [effective_from=")
    assert timedelta(seconds=5) < flag.effective_from - flag.modified < timedelta(seconds=11), "a planned switch has a lead"
    assert answer["transition"] == f"v2-{before.milliseconds}"
    record = pair.records()[answer["transition"]]
    assert (record["kind"], record["from"], record["to"], record["version"]) == ("switch", "blue", "green", 2)
    assert (record["actor"]["function"], record["actor"]["requested_by"]) == ("switch-handler", "ana")
    event = only(pair.wait_for_audit(version=2))
    assert (event["kind"], event["from"], event["to"], event["reason"]) == ("switch", "blue", "green", "release 7")
    assert event["id"] == f"{pair.name}:{pair.flag_name}:v2-{flag.milliseconds}"
    assert event["who"]["requested_by"] == "ana"
    assert event["who"]["last_modified_user"].endswith(f"/{pair.name}-switch-handler")
    pair.wait_until_audited(2)
    assert pair.metric("Transitions", Kind="switch") == [1.0]
    assert 0 < pair.metric("SwitchDuration")[-1] < PATIENCE * 1000
    assert pair.metric("RecoveryTime") == [], "nothing was recovered from"


def test_a_switch_takes_two_round_trips_after_the_observation(pair: Pair):
    since = pair.aws.calls_so_far()
    pair.ask(to="green")
    calls = [call["operation"] for call in pair.calls("switch-handler", since)]
    assert sorted(calls[:3]) == ["GetEnvironment", "GetParameters", "InvokeRestApi"]
    # Claim and write, one after the other; beside them it is noted that the request was begun.
    assert sorted(calls[3:]) == ["GetParameters", "PutParameter", "PutParameter", "PutParameter"]
    flag, ssm = pair.flag(), pair.client("ssm")
    root = pair.flag_name.rpartition("/")[0]
    claim = ssm.get_parameter(Name=f"{root}/transitions/{flag.record}")["Parameter"]
    written = ssm.get_parameter(Name=pair.flag_name)["Parameter"]
    assert claim["LastModifiedDate"] <= written["LastModifiedDate"], "the claim comes first"


def test_a_dry_run_says_what_would_happen_and_writes_nothing(pair: Pair):
    since = pair.aws.calls_so_far()
    answer = pair.ask(to="green", dry_run=True)
    assert (answer["outcome"], answer["active"], answer["version"], answer["transition"]) == ("would_switch", "blue", 1, None)
    assert all(entry["passed"] for entry in answer["preconditions"])
    assert not [call for call in pair.calls("switch-handler", since) if call["operation"] == "PutParameter"]
    assert pair.stands_at() == ("blue", 1)


def test_what_is_active_already_stays_unchanged(pair: Pair):
    answer = pair.ask(to="blue")
    assert (answer["outcome"], answer["version"]) == ("unchanged", 1)
    assert len(pair.records()) == 1, "only the record of the initialization"


def test_an_unhealthy_standby_refuses_and_force_overrides(pair: Pair):
    pair.fail("green")
    refused = pair.ask(to="green")
    assert refused["outcome"] == "refused"
    assert not precondition(refused, "standby-unhealthy")["passed"] and "UNAVAILABLE" in refused["reason"]
    assert pair.stands_at() == ("blue", 1)
    forced = pair.ask(to="green", force=True, reason="blue is worse")
    assert (forced["outcome"], forced["active"], forced["version"]) == ("switched", "green", 2)
    evidence = pair.records()[forced["transition"]]["evidence"]
    assert evidence["forced"] is True and evidence["overridden"] == ["standby-unhealthy"]


@pytest.mark.parametrize(("settings", "name"), [
    ({"status": "MAINTENANCE"}, "standby-maintenance"), ({"status": "UPDATING"}, "standby-maintenance"),
    ({"status": "CREATING"}, "standby-unknown"), ({"status": "ROLLING_BACK"}, "standby-unknown")])
def test_a_standby_that_is_not_ready_refuses(pair: Pair, settings: dict[str, str], name: str):
    pair.environment("green", **settings)
    answer = pair.ask(to="green")
    assert answer["outcome"] == "refused" and not precondition(answer, name)["passed"], answer
    assert pair.stands_at() == ("blue", 1)


def test_expect_right_is_carried_out_and_expect_wrong_is_refused_even_with_force(pair: Pair):
    for expect in ({"active": "green"}, {"version": 2}, {"active": "blue", "version": 7}):
        answer = pair.ask(to="green", expect=expect, force=True)
        assert answer["outcome"] == "refused" and not precondition(answer, "expect")["passed"], answer
    assert pair.stands_at() == ("blue", 1)
    assert pair.ask(to="green", expect={"active": "blue", "version": 1})["outcome"] == "switched"
    assert pair.stands_at() == ("green", 2)


def test_the_cooldown_refuses_says_when_it_ends_and_force_overrides(deploy: Deploy):
    pair = deploy(CooldownSeconds="300")
    assert pair.ask(to="green")["outcome"] == "switched", "the flag's creation is no transition to rest from"
    refused = pair.ask(to="blue")
    assert refused["outcome"] == "refused"
    assert not precondition(refused, "cooldown")["passed"] and "ends at" in refused["reason"]
    assert pair.stands_at() == ("green", 2)
    assert pair.ask(to="blue", force=True)["outcome"] == "switched"
    assert pair.stands_at() == ("blue", 3)


def test_a_switch_takes_effect_no_earlier_than_the_one_before(pair: Pair):
    """Two planned switches in a row: the effective instants never go backward."""
    pair.ask(to="green")
    pair.ask(to="blue")
    first, second = pair.versions()[1:]
    assert second.effective_from >= first.effective_from


def test_status_says_what_stands(pair: Pair):
    pair.environment("green", status="MAINTENANCE")
    pair.hold("upgrade")
    status = pair.ask(action="status")
    assert (status["outcome"], status["active"], status["version"], status["mode"]) == ("status", "blue", 1, "automatic")
    assert status["verdicts"]["blue"]["verdict"] == "healthy"
    assert status["verdicts"]["green"]["verdict"] == "maintenance"
    assert "upgrade" in status["hold"] and "ana" in status["hold"]
    assert status["environments"] == pair.environments


def test_history_tells_every_version_newest_first(pair: Pair):
    pair.ask(to="green", reason="first")
    pair.write_by_hand("blue", Description="by hand")
    pair.ask(to="green", reason="second")
    history = pair.ask(action="history")
    told = [(entry["version"], entry["from"], entry["to"], entry["kind"]) for entry in history["entries"]]
    assert told == [(4, "blue", "green", "switch"), (3, "green", "blue", "external"), (2, "blue", "green", "switch"),
                    (1, None, "blue", "initialize")]
    assert "first" in history["entries"][2]["description"]
    assert [entry["version"] for entry in pair.ask(action="history", limit=2)["entries"]] == [4, 3]


# -- initialize ------------------------------------------------------------------------------------------------------

def test_initialize_creates_the_flag_once(deploy: Deploy):
    pair = deploy(initialize=False)
    assert "initialize" in pair.ask(action="status")["reason"]
    assert pair.ask(action="initialize", dry_run=True)["outcome"] == "would_initialize"
    assert pair.parameter("active-environment") is None
    answer = pair.ask(action="initialize", reason="day one")
    assert (answer["outcome"], answer["active"], answer["version"]) == ("initialized", "blue", 1)
    flag = pair.flag()
    assert (flag.value, flag.record) == ("blue", answer["transition"]) and "day one" in flag.description
    again = pair.ask(action="initialize", to="green", force=True)
    assert (again["outcome"], again["active"], again["version"]) == ("unchanged", "blue", 1)
    assert pair.flag() == flag
    assert only(pair.wait_for_audit(version=1))["kind"] == "initialize"


def test_a_pair_can_begin_with_green(deploy: Deploy):
    pair = deploy(initialize=False)
    assert pair.ask(action="initialize", to="green")["active"] == "green"
    assert pair.stands_at() == ("green", 1)
    assert pair.tick()["active"] == "green"


def test_a_pair_that_is_not_initialized_is_no_fault(deploy: Deploy):
    pair = deploy(initialize=False)
    answer = pair.tick()
    assert (answer["decision"], answer["blocked_by"], answer["active"]) == ("blocked", ["flag-invalid"], None)
    refused = pair.ask(to="green", force=True)
    assert refused["outcome"] == "refused" and "initialize" in refused["reason"]
    assert pair.parameter("active-environment") is None
    assert pair.audit() == [] and pair.metric("FlagFault") == []
