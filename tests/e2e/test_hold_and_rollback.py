"""`hold`, `release` and `rollback`: a person's requests to a pair, and its reactions."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone

import pytest

from support.deployment import Deploy
from support.pair import Pair, moment, only
from support.waiting import until

LISTENER_GRACE_PERIOD = 30


def test_a_hold_keeps_a_dead_active_and_a_release_lets_it_go(pair: Pair) -> None:
    held = pair.ask(action="hold", minutes=60, reason="upgrade", requested_by="ana")
    assert held["outcome"] == "held"
    ends = moment(held["hold"]["until"])
    assert timedelta(minutes=59) < ends - datetime.now(timezone.utc) <= timedelta(minutes=60)
    assert "ana" in pair.ask(action="status")["hold"]

    pair.fail("blue")
    tick = pair.tick()
    assert (tick["decision"], tick["blocked_by"]) == ("blocked", ["hold"])
    assert pair.flag().value == "blue"

    released = pair.ask(action="release", reason="done", requested_by="ana")
    assert released["outcome"] == "released" and "upgrade" in released["reason"]
    assert pair.ask(action="status")["hold"] is None
    assert pair.tick()["decision"] == "failover"
    assert pair.flag().value == "green"
    # The audit trail has who ended it, and why; and a new hold can be placed immediately.
    told = pair.wait_for_audit("Hold Changed", count=2)
    assert [event["state"] for event in told] == ["held", "ended"]
    assert "ana" in told[1]["reason"] and "done" in told[1]["reason"]
    assert pair.ask(action="hold", minutes=5, reason="again")["outcome"] == "held"


def test_status_tells_what_an_automatic_failover_would_meet(deploy: Deploy) -> None:
    pair = deploy(CooldownSeconds="3600")
    failing = lambda: [precondition["name"] for precondition in pair.ask(action="status")["preconditions"] if not precondition["passed"]]  # noqa: E731
    assert failing() == []
    pair.ask(action="hold", minutes=5, reason="upgrade")
    pair.ask(to="green")
    pair.fail("blue")
    assert failing() == ["hold", "cooldown", "standby-unhealthy"]


def test_a_second_hold_replaces_the_first_and_says_so(pair: Pair) -> None:
    pair.ask(action="hold", minutes=5, reason="first", requested_by="ana")
    until = (datetime.now(timezone.utc) + timedelta(hours=3)).isoformat(timespec="seconds")
    second = pair.ask(action="hold", until=until, reason="second", requested_by="ben")
    assert second["outcome"] == "held" and "first" in second["reason"]
    status = pair.ask(action="status")["hold"]
    assert "second" in status and "ben" in status and "first" not in status


def test_a_hold_ends_by_itself(pair: Pair) -> None:
    past = {"until": "2026-01-01T00:00:00Z", "reason": "forgotten", "by": "ana"}
    pair.client("ssm").put_parameter(Name=f"{pair.root}/hold", Value=json.dumps(past), Type="String")
    assert pair.ask(action="status")["hold"] is None
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover"
    assert pair.ask(action="release")["outcome"] == "unchanged"


def test_that_the_time_of_a_hold_ran_out_is_told_once(pair: Pair) -> None:
    until = datetime.now(timezone.utc) + timedelta(seconds=3)
    pair.ask(action="hold", until=until.isoformat(), reason="upgrade", requested_by="ana")
    assert "upgrade" in pair.tick()["hold"]
    time.sleep(max(0, (until - datetime.now(timezone.utc)).total_seconds()) + 0.1)
    for _ in range(3):
        assert pair.tick()["hold"] is None
    told = {event["id"]: event for event in pair.wait_for_audit("Hold Changed", count=2)}
    assert [event["state"] for event in told.values()] == ["held", "ended"]
    assert "ran out" in list(told.values())[1]["reason"] and "ana" in list(told.values())[1]["reason"]
    pair.ask(action="hold", minutes=5, reason="again")
    pair.wait_for_audit("Hold Changed", count=3)
    pair.ask(action="release", reason="done")
    pair.tick()
    states = {event["id"]: event["state"] for event in pair.wait_for_audit("Hold Changed", count=4)}
    assert list(states.values()) == ["held", "ended", "held", "ended"], "a release is told as one"


@pytest.mark.long(30)
def test_a_hold_and_its_release_that_nobody_heard_of_are_told_by_the_watcher(pair: Pair) -> None:
    pair.lose_change_events()
    for request, word in (({"action": "hold", "minutes": 5, "reason": "upgrade"}, "held"),
                          ({"action": "release", "reason": "done"}, "ended")):  # fmt: skip
        pair.ask(requested_by="ana", **request)
        done_at = time.monotonic()
        before = len(pair.audit("Hold Changed"))
        pair.tick()
        assert len(pair.audit("Hold Changed")) == before, "the watcher leaves the listener its time"
        if word == "held":
            pair.aws.age_parameter(f"{pair.root}/hold", LISTENER_GRACE_PERIOD + 1)
        else:  # A hold older than its own end would have expired.
            time.sleep(max(0, done_at + LISTENER_GRACE_PERIOD + 0.5 - time.monotonic()))
        pair.tick()
        told = pair.wait_for_audit("Hold Changed", count=before + 1)[-1]
        assert (told["state"], told["hold"]["by"], told["hold"]["reason"]) == (word, "ana", request["reason"])
        assert ":assumed-role/" in told["who"]["last_modified_user"]
        pair.tick()
        assert len(pair.audit("Hold Changed")) == before + 1, "once"


def test_a_hold_that_is_heard_of_twice_is_told_once(pair: Pair) -> None:
    pair.ask(action="hold", minutes=5, reason="upgrade", requested_by="ana")
    told = pair.wait_for_audit("Hold Changed")
    until("it is noted", lambda: pair.parameter("hold-reported"))
    assert pair.listen(name=f"{pair.root}/hold")["hold_changed"] is True
    assert pair.audit("Hold Changed") == told


def test_an_acknowledgement_is_audited_with_or_without_a_hold(pair: Pair) -> None:
    pair.ask(action="release", reason="it was the network", requested_by="ana")
    acknowledged = pair.wait_for_audit("Failovers Acknowledged")[0]
    assert (acknowledged["by"], acknowledged["reason"]) == ("ana", "it was the network")
    pair.ask(action="release", dry_run=True)
    pair.ask(action="hold", minutes=5, reason="upgrade")
    pair.ask(action="release", requested_by="ben")
    assert [event["by"] for event in pair.wait_for_audit("Failovers Acknowledged", count=2)] == ["ana", "ben"]


def test_a_dry_run_holds_and_releases_nothing(pair: Pair) -> None:
    assert pair.ask(action="hold", minutes=5, reason="try", dry_run=True)["outcome"] == "would_hold"
    assert pair.ask(action="status")["hold"] is None
    pair.ask(action="hold", minutes=5, reason="real")
    assert pair.ask(action="release", dry_run=True)["outcome"] == "would_release"
    assert "real" in pair.ask(action="status")["hold"]


def test_a_release_acknowledges_automatic_failovers(deploy: Deploy) -> None:
    pair = deploy(FailoverBudgetPerDay="1")
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover"
    pair.heal("blue")
    pair.fail("green")
    tick = pair.tick()
    assert (tick["decision"], tick["blocked_by"]) == ("blocked", ["failover-budget"])
    assert pair.ask(action="release", requested_by="ana")["outcome"] == "unchanged"
    assert pair.tick()["decision"] == "failover"
    assert pair.flag().value == "blue"


def test_a_store_that_refuses_leaves_no_half_hold(pair: Pair) -> None:
    pair.aws.add_fault("throttle", "ssm", "PutParameter", match=f"{pair.root}/hold")
    error = pair.ask_in_vain(action="hold", minutes=5, reason="try")
    assert error["errorType"] == "StoreUnavailable" and "placing the hold" in error["errorMessage"]
    pair.aws.clear_faults()
    assert pair.ask(action="status")["hold"] is None


def test_a_rollback_goes_back_without_resting(deploy: Deploy) -> None:
    pair = deploy(CooldownSeconds="3600")
    assert pair.ask(to="green", reason="planned")["outcome"] == "switched"
    assert pair.ask(to="blue")["outcome"] == "refused"
    dry = pair.ask(action="rollback", dry_run=True)
    assert (dry["outcome"], dry["active"]) == ("would_switch", "green")
    back = pair.ask(action="rollback", reason="orders are late", requested_by="ana")
    assert (back["outcome"], back["active"], back["previous"], back["version"]) == ("switched", "blue", "green", 3)
    newest = pair.ask(action="history")["entries"][0]
    assert (newest["kind"], newest["to"]) == ("rollback", "blue")
    # A second rollback returns again: the color before is green now.
    assert pair.ask(action="rollback")["active"] == "green"


def test_a_rollback_asks_whether_the_other_side_lives_unless_forced(pair: Pair) -> None:
    pair.ask(to="green")
    pair.fail("blue")
    refused = pair.ask(action="rollback")
    assert refused["outcome"] == "refused" and "standby-unhealthy" in refused["reason"]
    assert pair.ask(action="rollback", expect={"version": 99}, force=True)["outcome"] == "refused"
    assert pair.ask(action="rollback", force=True)["outcome"] == "switched"
    assert pair.flag().value == "blue"


def test_a_rollback_with_no_history_says_so(pair: Pair) -> None:
    answer = pair.ask(action="rollback")
    assert answer["outcome"] == "refused" and "nothing to go back to" in answer["reason"]
    assert pair.flag().number == 1


def test_twenty_rollbacks_at_once_are_one(pair: Pair) -> None:
    from concurrent.futures import ThreadPoolExecutor

    pair.ask(to="green")
    with ThreadPoolExecutor(20) as people:
        outcomes = [answer["outcome"] for answer in people.map(lambda _: pair.ask(action="rollback"), range(20))]
    # A request that starts after the first one has finished rolls back from there: that is another transition.
    versions = pair.flag().number - 2
    assert outcomes.count("switched") == versions >= 1, outcomes
    assert set(outcomes) <= {"switched", "conflict"}, outcomes


def test_a_hold_that_was_replaced_before_it_was_told_is_told(pair: Pair) -> None:
    pair.look_once_a_tick()
    pair.lose_change_events()
    for reason in ("first", "second"):
        assert pair.ask(action="hold", minutes=60, reason=reason, requested_by="ana")["outcome"] == "held"
    pair.aws.age_parameter(f"{pair.root}/hold", LISTENER_GRACE_PERIOD + 1, every_version=True)
    pair.tick()
    told = pair.wait_for_audit("Hold Changed", 2)
    assert [event["hold"]["reason"] for event in told] == ["first", "second"]
    assert all(event["who"]["last_modified_user"].endswith("switch-handler") for event in told)
    pair.tick()
    assert len(pair.audit("Hold Changed")) == 2


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"action": "release", "requested_by": "ana"}, {"detail_type": "Failovers Acknowledged", "by": "ana"}),
        ({"action": "drill", "mode": "dry"}, {"detail_type": "Drill Finished", "outcome": "succeeded"}),
        ({"action": "drill", "mode": "probe"}, {"detail_type": "Drill Finished", "mode": "probe"}),
        ({"action": "drill", "expect": {"active": "green"}}, {"detail_type": "Drill Finished", "outcome": "blocked"}),
    ],
    ids=["release", "dry", "probe", "blocked"],
)
def test_what_could_not_be_told_is_kept_and_told_by_the_watcher(pair: Pair, request_: dict, told: dict) -> None:
    kind, fields = told["detail_type"], {name: value for name, value in told.items() if name != "detail_type"}
    pair.look_once_a_tick()
    pair.aws.add_fault("server-error", "events", "PutEvents", caller=f"{pair.name}-switch-handler")
    error = pair.ask_in_vain(**request_)
    assert error["errorType"] == "AuditUndelivered"
    assert "the event is kept, and the watcher publishes it" in error["errorMessage"]
    pair.aws.clear_faults()
    assert not pair.audit(kind)
    pair.tick()
    assert {name: only(pair.wait_for_audit(kind))[name] for name in fields} == fields
    for _ in range(2):
        pair.tick()
    assert len(pair.audit(kind)) == 1, "and then it is marked"


def test_what_can_be_neither_told_nor_kept_is_said_to_be_lost(pair: Pair) -> None:
    pair.aws.add_fault("server-error", "events", "PutEvents", caller=f"{pair.name}-switch-handler")
    pair.aws.add_fault("access-denied", "ssm", "PutParameter", match=f"{pair.root}/unsent")
    error = pair.ask_in_vain(action="release")
    assert error["errorType"] == "AuditUndelivered" and "this event is lost" in error["errorMessage"]
