"""An unknown status is never a reason to fail over."""

from __future__ import annotations

import time
from typing import Any

import pytest

from support.clients import Clients
from support.deployment import Deploy
from support.pair import Pair
from support.waiting import until

READS = ("ssm", "airflow", "monitoring")

NO_ANSWERS = [("throttle", {}), ("access-denied", {}), ("server-error", {}), ("malformed", {}), ("timeout", {"latency_ms": 12_000})]


@pytest.fixture
def dead_blue(pair: Pair) -> Pair:
    """Blue's scheduler has been dead for longer than the failure window, and no tick has run since. Ticks end immediately."""
    pair.look_once_a_tick()
    pair.stop_scheduler("blue")
    time.sleep(11)
    return pair


@pytest.mark.long(15)
@pytest.mark.parametrize(("kind", "more"), NO_ANSWERS, ids=[kind for kind, _ in NO_ANSWERS])
def test_no_failover_without_answers_and_a_failover_as_soon_as_there_are_some(dead_blue: Pair, kind: str, more: dict[str, Any]):
    pair = dead_blue
    for services in (("ssm",), ("airflow",), READS):
        faults = [pair.aws.add_fault(kind, service, **more) for service in services]
        answer, failed = pair.invoke("health-watcher", {})
        assert all(pair.hits(fault) for fault in faults), f"{services} were asked"
        pair.aws.clear_faults()
        if "ssm" in services:
            assert failed and answer["errorType"] == "StoreUnavailable", answer
            assert "nothing was changed" in answer["errorMessage"]
        else:
            assert not failed and answer["decision"] == "none", answer
            assert answer["verdicts"]["blue"]["verdict"] in ("unknown", "suspect"), answer["verdicts"]["blue"]
        assert pair.stands_at() == ("blue", 1) and len(pair.records()) == 1, f"{kind} of {services} made a transition"
    answer = pair.tick()
    assert (answer["decision"], answer["active"]) == ("failover", "green")


def test_watcher_throttled_for_a_while_fails_over_within_the_same_tick(pair: Pair):
    pair.stop_scheduler("blue")
    for service in READS:
        pair.aws.add_fault("throttle", service)
    since = pair.aws.timeline_so_far()
    Clients(pair.aws)("lambda").invoke(FunctionName=f"{pair.name}-health-watcher", InvocationType="Event", Payload=b"{}")
    time.sleep(12)
    assert not [entry for entry in pair.aws.timeline(since) if entry["what"] == "parameter"], "blind, it wrote nothing"
    pair.aws.clear_faults()
    until("the flag says green", lambda: pair.stands_at()[0] == "green")
    assert len(pair.invocations("health-watcher")) == 1, "it had stayed"


def test_cloudwatch_down_but_airflows_api_fine(pair: Pair):
    for kind in ("throttle", "access-denied", "server-error"):
        pair.aws.add_fault(kind, "monitoring")
        answer = pair.tick()
        assert (answer["decision"], answer["verdicts"]["blue"]["verdict"]) == ("none", "healthy")
        pair.aws.clear_faults()
    assert pair.stands_at() == ("blue", 1)


def test_cloudwatch_down_does_not_keep_a_dead_scheduler_active(dead_blue: Pair):
    """Airflow itself reports that its scheduler is dead, and no answer of CloudWatch contradicts it."""
    dead_blue.aws.add_fault("server-error", "monitoring", "GetMetricData")
    assert dead_blue.tick()["decision"] == "failover"


@pytest.mark.parametrize("rest_api", ["down", "timeout", "malformed"])
def test_airflows_api_down_but_heartbeat_fine(deploy: Deploy, rest_api: str):
    pair = deploy(FailureWindowSeconds="120")  # a heartbeat is dated to the start of its minute
    pair.environment("blue", rest_api=rest_api)
    until("a heartbeat has been measured", lambda: pair.client("cloudwatch").list_metrics(
        Namespace="AmazonMWAA", Dimensions=[{"Name": "Environment", "Value": pair.environments["blue"]}])["Metrics"])
    answer = pair.tick()
    assert (answer["decision"], answer["verdicts"]["blue"]["verdict"]) == ("none", "healthy"), answer["reason"]
    assert pair.stands_at() == ("blue", 1)


def test_ssm_unreadable_refuses_a_switch_and_says_so(pair: Pair):
    for kind, word in (("throttle", "ThrottlingException"), ("access-denied", "AccessDenied"), ("server-error", "InternalServerError")):
        pair.aws.add_fault(kind, "ssm", "GetParameters")
        for request in ({"to": "green"}, {"to": "green", "force": True}, {"action": "status"}, {"action": "initialize"}):
            error = pair.ask_in_vain(**request)
            assert error["errorType"] == "StoreUnavailable" and word in error["errorMessage"], error
        pair.aws.clear_faults()
    assert pair.stands_at() == ("blue", 1) and len(pair.records()) == 1


def test_a_user_named_alarm_that_does_not_exist_condemns_nobody(deploy: Deploy):
    pair = deploy(BlueHealthAlarmNames="no-such-alarm")
    answer = pair.tick()
    assert answer["decision"] == "none" and "no-such-alarm" in answer["verdicts"]["blue"]["signals"]["alarms"]["detail"]
    assert pair.stands_at() == ("blue", 1)


def test_a_watcher_that_fails_raises_the_alarm_on_itself(pair: Pair):
    pair.look_once_a_tick()
    assert pair.alarm_state("watcher-errors") != "ALARM"
    pair.aws.add_fault("access-denied", "ssm", "GetParameters")
    pair.tick_in_vain()
    pair.tick_in_vain()
    until("the alarm on the watcher's errors", lambda: pair.alarm_state("watcher-errors") == "ALARM")
