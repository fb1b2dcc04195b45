"""A failover is wanted, and a precondition objects: reported once, evaluated again on every tick."""

from __future__ import annotations

import time

import pytest

from support.deployment import Deploy
from support.pair import Pair, only, precondition


def is_blocked(pair: Pair, *names: str) -> dict:
    answer = pair.tick()
    assert (answer["decision"], answer["blocked_by"], answer["transition"]) == ("blocked", list(names), None), answer
    return answer


def test_both_unhealthy_stays_and_is_told_once(pair: Pair):
    pair.fail("blue")
    pair.fail("green")
    for _ in range(3):
        is_blocked(pair, "standby-unhealthy")
    assert pair.stands_at() == ("blue", 1)
    event = only(pair.wait_for_audit("Failover Blocked"))
    assert (event["active"], event["wanted"], event["blocked_by"]) == ("blue", "green", ["standby-unhealthy"])
    assert pair.statistic("Sum", "FailoverBlocked", Precondition="standby-unhealthy") == 3
    pair.heal("green")
    assert pair.tick()["decision"] == "failover", "the next look finds the way free"
    assert pair.stands_at() == ("green", 2)
    assert pair.tick()["decision"] == "none" and pair.memory("announced") is None


@pytest.mark.parametrize(("status", "name"), [
    ("MAINTENANCE", "standby-maintenance"), ("UPDATING", "standby-maintenance"), ("CREATING", "standby-unknown"),
    ("DELETING", "standby-unhealthy")])
def test_standby_that_cannot_take_over(pair: Pair, status: str, name: str):
    pair.look_once_a_tick()
    pair.environment("green", status=status)
    pair.fail("blue")
    is_blocked(pair, name)
    assert pair.stands_at() == ("blue", 1)


def test_standby_condemned_by_an_alarm_of_the_user(deploy: Deploy):
    pair = deploy(GreenHealthAlarmNames="orders-green-late")
    pair.client("cloudwatch").put_metric_alarm(
        AlarmName="orders-green-late", Namespace="Orders", MetricName="green-late", Statistic="Maximum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="LessThanThreshold", TreatMissingData="breaching")
    pair.aws.evaluate_alarms()
    pair.fail("blue")
    assert "orders-green-late" in precondition(is_blocked(pair, "standby-unhealthy"), "standby-unhealthy")["detail"]


def test_hold_blocks_is_told_once_and_again_when_it_changes(pair: Pair):
    pair.hold("upgrade of green")
    pair.fail("blue")
    for _ in range(3):
        assert "upgrade of green" in precondition(is_blocked(pair, "hold"), "hold")["detail"]
    assert only(pair.wait_for_audit("Failover Blocked"))["blocked_by"] == ["hold"]
    pair.fail("green")
    for _ in range(2):
        is_blocked(pair, "hold", "standby-unhealthy")
    assert [event["blocked_by"] for event in pair.wait_for_audit("Failover Blocked", 2)] == [["hold"], ["hold", "standby-unhealthy"]]
    pair.heal("green")
    pair.release()
    assert pair.tick()["decision"] == "failover"


def test_a_person_may_switch_under_a_hold(pair: Pair):
    pair.hold()
    answer = pair.ask(to="green")
    assert answer["outcome"] == "switched"
    assert precondition(answer, "hold")["passed"] and "ana" in precondition(answer, "hold")["detail"]


def test_a_hold_ends_by_itself_and_an_unreadable_one_counts(pair: Pair):
    pair.hold(minutes=-1)
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover", "it was over"
    pair.heal("blue")
    pair.fail("green")
    pair.client("ssm").put_parameter(Name=f"{pair.root}/hold", Value="please do not", Type="String", Overwrite=True)
    assert "please do not" in precondition(is_blocked(pair, "hold"), "hold")["detail"]


def test_cooldown_keeps_two_sick_environments_from_being_swapped(deploy: Deploy):
    pair = deploy(CooldownSeconds="300")
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover", "the first one need not rest"
    pair.heal("blue")
    pair.fail("green")
    for _ in range(2):
        is_blocked(pair, "cooldown")
    assert pair.stands_at() == ("green", 2)
    assert len(pair.wait_for_audit("Failover Blocked")) == 1


def test_failover_budget_is_used_up_until_a_person_acknowledges(deploy: Deploy):
    pair = deploy(FailoverBudgetPerDay="2")
    for version, (sick, well) in enumerate([("blue", "green"), ("green", "blue")], start=2):
        pair.heal(well)
        pair.fail(sick)
        assert pair.tick()["decision"] == "failover"
        assert pair.stands_at() == (well, version)
    pair.heal("green")
    pair.fail("blue")
    for _ in range(2):
        assert "2 of 2" in precondition(is_blocked(pair, "failover-budget"), "failover-budget")["detail"]
    assert len(pair.wait_for_audit("Failover Blocked")) == 1
    assert pair.ask(to="green", reason="seen")["outcome"] == "switched"
    pair.heal("blue")
    pair.fail("green")
    assert pair.tick()["decision"] == "failover", "the person's switch acknowledged the earlier ones"
    assert pair.stands_at() == ("blue", 5)


def test_what_a_release_has_acknowledged_is_read_where_there_is_something_to_acknowledge(deploy: Deploy):
    pair = deploy(FailoverBudgetPerDay="2")
    denied = pair.aws.add_fault("access-denied", "ssm", "GetParameters", match=f"{pair.root}/acknowledged")

    def fail_over(sick: str, well: str) -> dict:
        pair.heal(well)
        pair.fail(sick)
        return pair.tick()

    assert pair.tick()["decision"] == "none"
    assert fail_over("blue", "green")["decision"] == "failover" and pair.hits(denied) == 0, "nothing to acknowledge"
    answer = fail_over("green", "blue")
    assert answer["decision"] == "failover", "within the budget, whatever was acknowledged"
    assert "1 of 2" in precondition(answer, "failover-budget")["detail"] and pair.hits(denied) == 1
    pair.look_once_a_tick()
    blocked = fail_over("blue", "green")
    assert blocked["blocked_by"] == ["failover-budget"], blocked
    assert "cannot be counted" in precondition(blocked, "failover-budget")["detail"], "nobody knows, and it is asked again"
    pair.aws.clear_faults(denied)
    assert "2 of 2" in precondition(is_blocked(pair, "failover-budget"), "failover-budget")["detail"]
    pair.ask(action="release", reason="seen")
    answer = pair.tick()
    assert answer["decision"] == "failover" and "0 of 2" in precondition(answer, "failover-budget")["detail"], answer
    assert pair.stands_at() == ("green", 4)


def test_what_a_tick_remembers_at_once_it_writes_at_once(pair: Pair):
    pair.tick()
    pair.hold()
    pair.fail("blue")
    since = pair.aws.calls_so_far()
    is_blocked(pair, "hold")
    made = [call["operation"] for call in pair.calls("health-watcher", since) if call["service"] == "ssm"]
    assert made.count("PutParameter") == 2, f"what was seen and what is to be announced; that it is announced: {made}"
    assert pair.memory("announced")["said"] and pair.memory("past")["blue"]["status"]["status"] == "UNAVAILABLE"
    since = pair.aws.calls_so_far()
    is_blocked(pair, "hold")
    made = [call["operation"] for call in pair.calls("health-watcher", since) if call["service"] == "ssm"]
    assert "PutParameter" not in made, "nothing new"


def test_mode_observe_decides_tells_once_and_switches_nothing(deploy: Deploy):
    pair = deploy(FailoverMode="observe")
    pair.fail("blue")
    for _ in range(3):
        answer = pair.tick()
        assert (answer["decision"], answer["transition"], answer["active"]) == ("observe-only", None, "blue")
        assert answer["blocked_by"] == ["mode-observe"]
    assert pair.stands_at() == ("blue", 1) and len(pair.records()) == 1, "neither a claim nor a write"
    assert only(pair.wait_for_audit("Failover Blocked"))["blocked_by"] == ["mode-observe"]
    assert pair.ask(to="green")["outcome"] == "switched", "a person may still switch"


def test_a_hold_that_comes_while_a_failover_is_decided_holds(pair: Pair):
    """A dead environment answers slowly, and the hold was read before it."""
    from concurrent.futures import ThreadPoolExecutor

    pair.look_once_a_tick()
    pair.fail("blue")
    pair.aws.add_fault("latency", "airflow", "GetEnvironment", latency_ms=3000, times=4)
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(pair.tick)
        time.sleep(1.5)
        assert pair.ask(action="hold", minutes=60, reason="blue is being repaired")["outcome"] == "held"
        tick = asked.result()
    assert (tick["decision"], pair.stands_at()) != ("failover", ("green", 2)), tick
    assert pair.stands_at() == ("blue", 1)
    is_blocked(pair, "hold")


def test_a_flag_made_again_rests_before_a_failover_as_after_any_transition(deploy: Deploy):
    pair = deploy(CooldownSeconds="3600")
    pair.configure("health-watcher", ON_FLAG_FAULT="restore")
    pair.delete_flag()
    assert pair.tick()["decision"] == "restore"
    pair.fail("blue")
    is_blocked(pair, "cooldown")
    pair.aws.age_parameter(pair.flag_name, 3600)
    assert pair.tick()["decision"] == "failover"
