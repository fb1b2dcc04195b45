"""Drills on the deployed stack: the start, the return, and everything that may happen in between."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from support.deployment import Deploy
from support.pair import CLAIM_TIMEOUT, Pair, moment, only, precondition
from support.waiting import until

MINUTE = 60

FINISHED = "Drill Finished"


def start(pair: Pair, **request) -> dict:
    """A drill of green for a minute, which has switched."""
    answer = pair.ask(action="drill", duration_minutes=1, **request)
    assert answer["outcome"] == "pending", answer
    return answer


def outcomes(pair: Pair) -> list[dict]:
    """Every published outcome of a drill; repeats of an event count as one."""
    told: dict[str, dict] = {}
    for event in pair.wait_for_audit(FINISHED):
        assert told.setdefault(event["id"], event) == event, "a repeat must say the same"
    return list(told.values())


def stored(pair: Pair) -> dict:
    return pair.stored("drill")


def kinds(pair: Pair) -> list[str]:
    return [entry["kind"] for entry in reversed(pair.ask(action="history")["entries"])]


# -- the whole way -----------------------------------------------------------------------------------------------------

@pytest.mark.long(70)
def test_a_drill_goes_out_works_for_its_time_and_comes_back_by_itself(pair: Pair):
    answer = start(pair, reason="weekly", requested_by="ana")
    assert (answer["active"], answer["previous"], answer["version"]) == ("green", "blue", 2)
    drill = answer["drill"]
    assert (drill["from"], drill["to"], drill["duration_minutes"], drill["outcome"]) == ("blue", "green", 1, "pending")
    returns = moment(drill["return_at"])
    assert timedelta(seconds=30) < returns - datetime.now(timezone.utc) <= timedelta(seconds=61)
    assert pair.records()[answer["transition"]]["drill"] == {"id": drill["id"], "duration_minutes": 1, "return_to": "blue"}

    tick = pair.tick()
    assert (tick["decision"], tick["active"], tick["drill"]["step"]) == ("none", "green", "wait")
    status = pair.ask(action="status")
    assert status["drill"]["outcome"] == "pending"
    assert abs(moment(status["drill"]["return_at"]) - returns) < timedelta(seconds=10)

    time.sleep(max(0, (moment(status["drill"]["return_at"]) - datetime.now(timezone.utc)).total_seconds()) + 0.5)
    tick = pair.tick()
    assert (tick["decision"], tick["active"], tick["version"]) == ("drill-return", "blue", 3)
    assert tick["drill"]["outcome"] == "succeeded"
    finished = only(outcomes(pair))
    assert (finished["outcome"], finished["mode"], finished["active"], finished["requested_by"]) == ("succeeded", "switch", "blue", "ana")
    timings = finished["timings"]
    assert timings["held_s"] >= MINUTE and timings["switch_duration_ms"] > 0 and timings["return_duration_ms"] > 0
    written = [version.modified for version in pair.versions()[1:]]
    told_at = [moment(timings["switched_at"]), moment(timings["returned_at"])]
    assert all(abs(told - really) < timedelta(milliseconds=2) for told, really in zip(told_at, written, strict=True)), (told_at, written)
    assert kinds(pair)[-2:] == ["drill", "drill-return"]
    assert pair.statistic("Sum", "DrillOutcome", Outcome="succeeded") == 1
    told = stored(pair)
    assert (told["outcome"], told["proven_at"]) == ("succeeded", timings["finished_at"])
    assert pair.ask(action="status")["drill"]["outcome"] == "succeeded"
    # It is over: the next tick does nothing about it.
    tick = pair.tick()
    assert (tick["decision"], tick["drill"]) == ("none", None)


def test_a_planned_return_takes_effect_a_lead_after_its_write(pair: Pair):
    start(pair)
    pair.let_time_pass()
    pair.tick()
    flag = pair.flag()
    assert flag.effective_from - flag.modified > timedelta(seconds=5)


def test_a_second_drill_can_follow(pair: Pair):
    for number in (1, 2):
        start(pair)
        pair.let_time_pass()
        assert pair.tick()["drill"]["outcome"] == "succeeded"
        assert len(outcomes(pair)) == number


# -- modes -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", ["dry", "probe"])
def test_dry_and_probe_report_and_touch_nothing(pair: Pair, mode: str):
    answer = pair.ask(action="drill", mode=mode)
    assert answer["outcome"] == "succeeded", answer
    assert pair.flag().number == 1 and pair.parameter("drill") is None
    finished = only(outcomes(pair))
    assert (finished["mode"], finished["outcome"], finished["timings"]["switched_at"]) == (mode, "succeeded", None)
    assert pair.statistic("Sum", "DrillOutcome", Outcome="succeeded") == 1


def test_a_dry_run_of_a_drill_tells_nobody(pair: Pair):
    answer = pair.ask(action="drill", dry_run=True)
    assert answer["outcome"] == "would_drill" and "15 minutes" in answer["reason"]
    assert pair.flag().number == 1 and pair.parameter("drill") is None
    time.sleep(1)
    assert pair.audit(FINISHED) == []


# -- preconditions -----------------------------------------------------------------------------------------------------

def blocked(pair: Pair, name: str) -> None:
    before = pair.flag().number
    answer = pair.ask(action="drill")
    assert answer["outcome"] == "blocked", answer
    assert not precondition(answer, name)["passed"]
    assert pair.flag().number == before, "nothing was touched"
    finished = outcomes(pair)[-1]
    assert finished["outcome"] == "blocked" and name in finished["reason"]


def test_a_drill_is_blocked_while_the_pair_is_held(pair: Pair):
    pair.ask(action="hold", minutes=5, reason="upgrade")
    blocked(pair, "hold")
    assert pair.statistic("Sum", "DrillOutcome", Outcome="blocked") == 1
    pair.ask(action="release")
    start(pair)


@pytest.mark.parametrize(("color", "name"), [("blue", "active-unhealthy"), ("green", "standby-unhealthy")])
def test_a_drill_is_blocked_while_a_color_is_sick(pair: Pair, color: str, name: str):
    pair.fail(color)
    blocked(pair, name)


def test_a_drill_is_blocked_by_a_recent_transition(deploy: Deploy):
    pair = deploy(CooldownSeconds="3600")
    pair.ask(to="green")
    blocked(pair, "cooldown")


def test_a_drill_is_blocked_in_a_window(pair: Pair):
    today = datetime.now(timezone.utc).date()
    pair.configure("switch-handler", DRILL_BLOCKED_WINDOWS=f"{today}/{today + timedelta(days=1)}")
    blocked(pair, "blocked-window")


def test_an_unknown_window_stops_drills_and_nothing_else(pair: Pair):
    for function in ("switch-handler", "health-watcher"):
        pair.configure(function, DRILL_BLOCKED_WINDOWS="weekends")
    blocked(pair, "blocked-window")
    reason = outcomes(pair)[-1]["reason"]
    assert "weekends" in reason and "MON:08:00-FRI:18:00" in reason, "it says what is allowed"
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover"


def test_a_drill_is_blocked_while_the_watcher_only_observes_but_can_be_tried(deploy: Deploy):
    pair = deploy(FailoverMode="observe")
    blocked(pair, "mode-observe")
    assert pair.ask(action="drill", mode="probe")["outcome"] == "succeeded"


def test_overlapping_drills_are_one(pair: Pair):
    first = start(pair)
    blocked(pair, "drill")
    assert stored(pair)["id"] == first["drill"]["id"]
    refused = pair.ask(to="blue")
    assert refused["outcome"] == "refused" and "rollback" in refused["reason"]


def test_twenty_drills_at_once_are_one_and_each_has_one_outcome(pair: Pair):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(20) as people:
        answers = list(people.map(lambda _: pair.ask(action="drill", duration_minutes=1), range(20)))
    said = [answer["outcome"] for answer in answers]
    assert said.count("pending") == 1 and set(said) <= {"pending", "conflict", "blocked"}, said
    assert pair.flag().number == 2
    winner = only(answer for answer in answers if answer["outcome"] == "pending")["drill"]["id"]
    pair.let_time_pass()
    tick = pair.tick()
    assert (tick["decision"], tick["drill"]["id"], tick["drill"]["outcome"]) == ("drill-return", winner, "succeeded")
    finished = outcomes(pair)
    assert len(finished) == 20 and len({event["drill"] for event in finished}) == 20
    assert [event["drill"] for event in finished if event["outcome"] == "succeeded"] == [winner]
    assert {event["outcome"] for event in finished} == {"succeeded", "blocked"}


def test_bad_requests_for_a_drill_are_refused_by_name(pair: Pair):
    requests: list[tuple[dict[str, Any], str]] = [
        ({"mode": "full"}, "dry, probe, switch"), ({"duration_minutes": 0}, "1 to 1440"),
        ({"to": "green"}, '"to"'), ({"force": True}, '"force"')]
    for request, part in requests:
        error = pair.ask_in_vain(action="drill", **request)
        assert error["errorType"] == "InvalidRequest" and part in error["errorMessage"], error
    assert pair.flag().number == 1


# -- a failure overrides the drill -------------------------------------------------------------------------------------

def test_a_drilled_color_that_fails_is_left_at_once_in_spite_of_the_cooldown(deploy: Deploy):
    pair = deploy(CooldownSeconds="0")
    start(pair)
    pair.configure("health-watcher", COOLDOWN_SECONDS="3600")
    pair.fail("green")
    tick = pair.tick()
    assert (tick["decision"], tick["active"]) == ("drill-return", "blue")
    assert tick["drill"]["outcome"] == "failed"
    finished = only(outcomes(pair))
    assert finished["outcome"] == "failed" and "UNAVAILABLE" in finished["reason"]
    assert pair.statistic("Sum", "DrillOutcome", Outcome="failed") == 1
    assert kinds(pair)[-1] == "drill-return"


def test_nobody_returns_to_a_failed_color(pair: Pair):
    start(pair)
    pair.fail("blue")
    assert pair.tick()["drill"]["step"] == "wait", "it may be well again by the end"
    pair.let_time_pass()
    tick = pair.tick()
    assert (tick["decision"], tick["active"], tick["drill"]["outcome"]) == ("none", "green", "interrupted")
    finished = only(outcomes(pair))
    assert "blue became unhealthy" in finished["reason"] and finished["active"] == "green"
    pair.heal("blue")
    assert pair.tick()["decision"] == "none" and pair.flag().value == "green", "what comes now is a person's to say"


def test_with_both_sick_the_flag_stays_and_is_told(pair: Pair):
    start(pair)
    pair.fail("blue")
    pair.fail("green")
    tick = pair.tick()
    assert (tick["decision"], tick["blocked_by"]) == ("blocked", ["standby-unhealthy"])
    pair.heal("blue")
    tick = pair.tick()
    assert (tick["decision"], tick["drill"]["outcome"], pair.flag().value) == ("drill-return", "failed", "blue")


def test_a_return_that_cannot_be_made_is_given_up_after_a_while(pair: Pair):
    start(pair)
    pair.environment("blue", status="UPDATING")
    pair.let_time_pass()
    tick = pair.tick()
    assert tick["drill"]["step"] == "wait" and "maintenance" in tick["drill"]["reason"]
    pair.let_time_pass(15 * MINUTE)
    tick = pair.tick()
    assert (tick["drill"]["outcome"], tick["active"]) == ("interrupted", "green")


@pytest.mark.parametrize("kind", ["throttle", "access-denied"])
def test_a_drill_waits_for_alarms_that_cannot_be_read(deploy: Deploy, kind: str):
    alarm = f"orders-waiting-{kind}"
    pair = deploy(BlueHealthAlarmNames=alarm)
    pair.user_alarm(alarm)
    pair.aws.add_fault(kind, "monitoring", "DescribeAlarms")
    blocked(pair, "active-unhealthy")
    pair.aws.clear_faults()
    start(pair)
    pair.raise_alarm(alarm)
    pair.aws.evaluate_alarms()
    pair.aws.add_fault(kind, "monitoring", "DescribeAlarms")
    pair.let_time_pass()
    tick = pair.tick()
    assert (tick["drill"]["step"], pair.stands_at()) == ("wait", ("green", 2)), "an alarm of blue rings, and nobody can tell"
    pair.aws.clear_faults()
    tick = pair.tick()
    assert (tick["drill"]["outcome"], tick["active"]) == ("interrupted", "green")


# -- alarms of the user's own -------------------------------------------------------------------------------------------

def test_an_alarm_named_for_drills_blocks_them_and_no_failover(deploy: Deploy):
    pair = deploy(DrillAlarmNames="orders-absent")
    blocked(pair, "drill-alarm")
    assert "no alarm orders-absent" in outcomes(pair)[-1]["reason"], "what does not exist protects nobody"
    pair.user_alarm("orders-absent")
    pair.aws.add_fault("throttle", "monitoring", "DescribeAlarms")
    blocked(pair, "drill-alarm")
    pair.aws.clear_faults()
    assert precondition(pair.ask(action="drill", mode="dry"), "drill-alarm")["passed"]
    pair.raise_alarm("orders-absent")
    pair.aws.evaluate_alarms()
    blocked(pair, "drill-alarm")
    assert "orders-absent is in ALARM since" in outcomes(pair)[-1]["reason"]
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover"


def test_an_alarm_that_rings_in_a_drill_wakes_the_watcher_which_returns_at_once(deploy: Deploy):
    pair = deploy(DrillAlarmNames="orders-late")
    pair.user_alarm("orders-late")
    start(pair)
    tick = pair.tick()
    assert (tick["drill"]["step"], tick["verdicts"]["green"]["verdict"]) == ("wait", "healthy")
    pair.raise_alarm("orders-late")
    pair.aws.evaluate_alarms()
    finished = only(outcomes(pair))
    assert finished["outcome"] == "failed" and "while green was drilled, alarm orders-late is in ALARM since" in finished["reason"]
    assert pair.stands_at() == ("blue", 3)
    # The drilled color was healthy: it keeps the runs that it started.
    flag = pair.flag()
    assert flag.effective_from > flag.modified
    assert pair.records()[flag.record]["trigger"] == {"type": "alarm-event", "id": "orders-late"}


def test_an_alarm_that_rings_while_home_is_not_well_ends_nothing(deploy: Deploy):
    pair = deploy(DrillAlarmNames="orders-behind")
    pair.user_alarm("orders-behind")
    start(pair)
    pair.environment("blue", status="UPDATING")
    pair.raise_alarm("orders-behind")
    pair.aws.evaluate_alarms()
    assert (pair.tick()["drill"]["step"], pair.stands_at()) == ("wait", ("green", 2))


# -- a person overrides the drill --------------------------------------------------------------------------------------

def test_a_hold_in_the_middle_ends_the_drill_where_it_stands(pair: Pair):
    start(pair)
    pair.ask(action="hold", minutes=5, reason="looking", requested_by="ana")
    tick = pair.tick()
    assert (tick["active"], tick["drill"]["outcome"]) == ("green", "interrupted")
    assert "ana" in only(outcomes(pair))["reason"]
    pair.ask(action="release")
    pair.let_time_pass()
    assert pair.tick()["decision"] == "none" and pair.flag().value == "green"


@pytest.mark.parametrize("request_", [{"action": "rollback"}, {"to": "blue", "force": True}])
def test_a_person_who_switches_in_the_middle_ends_it(pair: Pair, request_: dict):
    start(pair)
    assert pair.ask(**request_, requested_by="ben")["outcome"] == "switched"
    tick = pair.tick()
    assert (tick["active"], tick["drill"]["outcome"]) == ("blue", "interrupted")
    pair.let_time_pass()
    assert pair.tick()["decision"] == "none" and pair.flag().number == 3


@pytest.mark.parametrize("force", [False, True])
def test_a_person_who_wants_the_drilled_color_to_stay_is_heard(pair: Pair, force: bool):
    start(pair)
    assert pair.ask(to="green", dry_run=True)["outcome"] == "would_cancel_drill" and stored(pair)["outcome"] == "pending"
    assert pair.ask(to="green", expect={"version": 1})["outcome"] == "refused" and stored(pair)["outcome"] == "pending"
    kept = pair.ask(to="green", force=force, reason="blue misbehaves", requested_by="ana")
    assert (kept["outcome"], kept["active"], kept["version"]) == ("drill_canceled", "green", 2), kept
    finished = only(outcomes(pair))
    assert finished["outcome"] == "interrupted" and finished["reason"] == "ana wants green to stay active: blue misbehaves"
    pair.let_time_pass()
    assert pair.tick()["decision"] == "none" and pair.stands_at() == ("green", 2)
    assert pair.ask(to="green")["outcome"] == "unchanged"


def test_a_color_that_was_kept_stays_although_a_slow_tick_is_about_to_return(pair: Pair):
    pair.look_once_a_tick()
    start(pair)
    pair.let_time_pass()
    pair.aws.add_fault("latency", "airflow", "GetEnvironment", latency_ms=5000, caller=f"{pair.name}-health-watcher")
    answers: list[dict] = []
    tick = threading.Thread(target=lambda: answers.append(pair.tick()))
    tick.start()
    time.sleep(2)
    kept = pair.ask(to="green", reason="it shall stay", requested_by="ana")
    assert (kept["outcome"], kept["version"]) == ("drill_canceled", 2), kept
    tick.join()
    assert pair.stands_at() == ("green", 2), answers
    assert (answers[0]["decision"], answers[0]["transition"]) == ("none", None), answers
    assert "it shall stay" in only(outcomes(pair))["reason"]
    assert pair.tick()["drill"] is None


def test_a_hold_that_ended_a_drill_is_not_overtaken_by_a_slow_tick(pair: Pair):
    """The tick read the hold for the last time just before it was placed."""
    pair.look_once_a_tick()
    start(pair)
    pair.let_time_pass()
    fault = pair.aws.add_fault("latency", "ssm", "PutParameter", match="-end-1", latency_ms=5000, times=1)
    slow = threading.Thread(target=pair.tick)
    slow.start()
    until("it is about to decide", lambda: pair.hits(fault))
    assert pair.ask(action="hold", minutes=5, reason="looking", requested_by="ana")["outcome"] == "held"
    assert pair.tick()["drill"]["outcome"] == "interrupted"
    slow.join()
    assert pair.stands_at() == ("green", 2)
    assert "looking" in only(outcomes(pair))["reason"]


def test_who_asks_to_keep_a_color_while_the_drill_returns_is_told_so(pair: Pair):
    pair.look_once_a_tick()
    start(pair)
    pair.let_time_pass()
    pair.aws.add_fault("latency", "ssm", "PutParameter", match="/transitions/v3-", latency_ms=3000, times=1)
    tick = threading.Thread(target=pair.tick)
    tick.start()
    until("the return is decided", lambda: [name for name in pair.records() if name.endswith("-end-1")])
    late = pair.ask(to="green", requested_by="ana")
    assert late["outcome"] == "conflict" and "returning at this moment" in late["reason"], late
    tick.join()
    assert pair.stands_at() == ("blue", 3)
    assert only(outcomes(pair))["outcome"] == "succeeded"


def test_a_color_whose_keeper_died_half_way_stays(pair: Pair):
    start(pair)
    pair.aws.add_fault("kill-caller-after", "ssm", "PutParameter", match="-end-1", times=1)
    pair.invoke("switch-handler", {"to": "green", "reason": "it shall stay", "requested_by": "ana"})
    pair.aws.clear_faults()
    pair.let_time_pass()
    tick = pair.tick()
    assert (tick["decision"], tick["drill"]["outcome"], pair.stands_at()) == ("none", "interrupted", ("green", 2)), tick
    assert "ana wants green to stay active: it shall stay" in only(outcomes(pair))["reason"]


def test_a_return_whose_tick_died_is_made_by_another_and_can_then_still_be_kept_from(pair: Pair):
    start(pair)
    pair.let_time_pass()
    pair.aws.add_fault("kill-caller-after", "ssm", "PutParameter", match="-end-1", times=1)
    pair.invoke("health-watcher", {})
    pair.aws.clear_faults()
    pair.look_once_a_tick()
    tick = pair.tick()
    assert (tick["drill"]["step"], pair.stands_at()) == ("wait", ("green", 2)), "it may live"
    late = pair.ask(to="green")
    assert late["outcome"] == "conflict", late
    for record in pair.records():
        pair.aws.age_parameter(f"{pair.root}/transitions/{record}", CLAIM_TIMEOUT)
    assert pair.ask(to="green")["outcome"] == "drill_canceled"
    assert pair.tick()["drill"] is None and pair.stands_at() == ("green", 2)


def test_a_drill_whose_write_arrived_twice_is_one_to_everybody(pair: Pair):
    start(pair)
    pair.write_by_hand("green", Description=pair.flag().description)
    assert pair.stands_at() == ("green", 3)
    newest, first = pair.ask(action="history")["entries"][:2]
    assert [(entry["kind"], entry["from"], entry["to"], entry["repeat"]) for entry in (newest, first)] == [
        ("drill", "blue", "green", True), ("drill", "blue", "green", False)]
    assert pair.ask(action="status")["last_transition"]["from"] == "blue"
    refused = pair.ask(to="blue")
    assert refused["outcome"] == "refused" and not precondition(refused, "drill")["passed"], refused
    kept = pair.ask(to="green", requested_by="ana")
    assert (kept["outcome"], kept["version"]) == ("drill_canceled", 3), kept
    pair.let_time_pass()
    assert pair.tick()["decision"] == "none" and pair.stands_at() == ("green", 3)


def test_a_rollback_that_comes_after_the_return_goes_nowhere(pair: Pair):
    start(pair)
    pair.let_time_pass()
    assert pair.tick()["drill"]["outcome"] == "succeeded"
    late = pair.ask(action="rollback", reason="end the drill")
    assert late["outcome"] == "refused" and '{"to":"green"}' in late["reason"], late
    assert pair.stands_at() == ("blue", 3)
    assert pair.ask(to="green")["outcome"] == "switched"


def test_a_rollback_after_the_return_goes_nowhere_although_somebody_wrote_the_same_color_since(pair: Pair):
    start(pair)
    pair.let_time_pass()
    assert pair.tick()["drill"]["outcome"] == "succeeded"
    pair.write_by_hand("blue", Description="in the console")
    late = pair.ask(action="rollback", reason="end the drill")
    assert late["outcome"] == "refused" and "a drill of green ended" in late["reason"], late
    assert pair.stands_at() == ("blue", 4)


def test_a_drill_that_a_rollback_has_ended_stands_in_nobodys_way(pair: Pair):
    start(pair)
    assert pair.ask(action="rollback")["active"] == "blue"
    assert pair.ask(to="green", dry_run=True)["outcome"] == "would_switch", "although no tick has told the drill's end yet"


def test_a_hand_edit_in_the_middle_ends_it(pair: Pair):
    start(pair)
    pair.write_by_hand("blue")
    assert pair.tick()["drill"]["outcome"] == "interrupted"
    assert "external" in only(outcomes(pair))["reason"]


def test_a_flag_deleted_in_the_middle_ends_it(pair: Pair):
    start(pair)
    pair.delete_flag()
    tick = pair.tick()
    assert (tick["decision"], tick["drill"]["outcome"]) == ("blocked", "interrupted")


def test_a_hold_that_comes_while_a_drill_begins_keeps_it_from_beginning(pair: Pair):
    """The drill's checks take seconds, and the hold was read before them."""
    from concurrent.futures import ThreadPoolExecutor

    pair.aws.add_fault("latency", "airflow", "GetEnvironment", latency_ms=3000, times=2)
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(pair.ask, action="drill", duration_minutes=1)
        time.sleep(1.5)
        assert pair.ask(action="hold", minutes=5, reason="looking")["outcome"] == "held"
        answer = asked.result()
    assert answer["outcome"] == "blocked" and "looking" in answer["reason"], answer
    assert pair.flag().number == 1 and pair.parameter("drill") is None


# -- faults at every step ----------------------------------------------------------------------------------------------

def settle(pair: Pair, ticks: int = 4) -> None:
    """Ticks until the drill has an outcome; a leftover claim becomes old enough in between."""
    for _ in range(ticks):
        pair.invoke("health-watcher", {})
        if stored(pair)["outcome"] != "pending":
            return
        for record in pair.records():
            pair.aws.age_parameter(f"{pair.root}/transitions/{record}", CLAIM_TIMEOUT)
    raise AssertionError(f"the drill is stuck: {stored(pair)}")


# (operation, part of its request): in the order in which the start, and the return, make them.
WAY_OUT = [("PutParameter", "/drill"), ("PutParameter", "/transitions/"), ("PutParameter", "/active-environment")]
WAY_BACK = [("GetParameters", "/active-environment"), ("GetParameterHistory", "/active-environment"),
            ("GetParameters", "/transitions/"), ("PutParameter", "-end-1"), ("PutParameter", "/transitions/v3-"),
            ("PutParameter", "/active-environment"),
            ("PutParameter", "-outcome-"), ("PutParameter", "/drill")]


@pytest.mark.parametrize("kind", ["kill-caller", "kill-caller-after"])
@pytest.mark.parametrize(("operation", "match"), WAY_OUT)
def test_a_drill_killed_on_its_way_out_is_followed_to_one_outcome(pair: Pair, kind: str, operation: str, match: str):
    fault = pair.aws.add_fault(kind, "ssm", operation, match=match, times=1)
    pair.invoke("switch-handler", {"action": "drill", "duration_minutes": 1})
    assert pair.hits(fault) == 1
    pair.aws.clear_faults()
    if pair.parameter("drill") is None:
        assert pair.flag().number == 1 and pair.records().keys() == {pair.flag().record}, "it left no trace: nothing began"
        start(pair)
        return
    if pair.flag().value == "green":
        pair.let_time_pass()
    else:
        early = stored(pair)
        early["started_at"] = "2026-01-01T00:00:00Z"
        pair.client("ssm").put_parameter(Name=f"{pair.root}/drill", Value=json.dumps(early), Type="String", Overwrite=True)
    settle(pair)
    wanted = "succeeded" if pair.flag().number == 3 else "failed"
    assert (only(outcomes(pair))["outcome"], stored(pair)["outcome"]) == (wanted, wanted)
    assert pair.flag().value == "blue"
    # Nothing is stuck: the next writer finishes the leftover claim, if there is one.
    for record in pair.records():
        pair.aws.age_parameter(f"{pair.root}/transitions/{record}", CLAIM_TIMEOUT)
    assert pair.ask(to="green")["outcome"] == "switched"


@pytest.mark.parametrize("kind", ["kill-caller", "kill-caller-after"])
@pytest.mark.parametrize(("operation", "match"), WAY_BACK)
def test_a_drill_killed_on_its_way_back_is_followed_to_one_outcome(pair: Pair, kind: str, operation: str, match: str):
    start(pair)
    pair.let_time_pass()
    fault = pair.aws.add_fault(kind, "ssm", operation, match=match, times=1)
    pair.invoke("health-watcher", {})
    assert pair.hits(fault) == 1
    pair.aws.clear_faults()
    settle(pair)
    assert only(outcomes(pair))["outcome"] == "succeeded"
    assert pair.stands_at() == ("blue", 3), "once, and no further"
    assert stored(pair)["outcome"] == "succeeded"


@pytest.mark.parametrize("kind", ["kill-caller", "kill-caller-after", "throttle", "server-error", "access-denied"])
@pytest.mark.parametrize(("service", "operation"), [("events", "PutEvents"), ("monitoring", "PutMetricData")])
def test_trouble_in_telling_the_outcome_repeats_it_and_changes_nothing(pair: Pair, kind: str, service: str, operation: str):
    start(pair)
    pair.wait_until_audited(2)
    pair.lose_change_events()
    pair.let_time_pass()
    pair.aws.add_fault(kind, service, operation, times=1 if kind.startswith("kill") else 3)
    pair.invoke("health-watcher", {})
    pair.aws.clear_faults()
    settle(pair)
    assert only(outcomes(pair))["outcome"] == "succeeded"
    assert pair.stands_at() == ("blue", 3)


@pytest.mark.parametrize("kind", ["throttle", "server-error", "timeout", "access-denied"])
def test_a_history_that_cannot_be_read_delays_the_return_and_no_more(pair: Pair, kind: str):
    start(pair)
    pair.let_time_pass()
    pair.aws.add_fault(kind, "ssm", "GetParameterHistory", latency_ms=9000)
    pair.invoke("health-watcher", {})
    assert pair.stands_at() == ("green", 2)
    pair.aws.clear_faults()
    settle(pair)
    assert pair.stands_at() == ("blue", 3)


def test_a_stale_history_returns_nobody(pair: Pair):
    """In a stale history a person's switch has not happened."""
    start(pair)
    pair.let_time_pass()
    before = time.time()
    pair.ask(action="rollback")
    pair.aws.add_fault("stale", "ssm", "GetParameterHistory", as_of=before)
    tick = pair.tick()
    assert (tick["decision"], tick["drill"]["step"]) == ("none", "wait") and "stale" in tick["drill"]["reason"]
    pair.aws.clear_faults()
    assert pair.tick()["drill"]["outcome"] == "interrupted"
    assert pair.flag().number == 3


def test_two_ticks_at_once_return_once(pair: Pair):
    from concurrent.futures import ThreadPoolExecutor

    start(pair)
    pair.let_time_pass()
    pair.look_once_a_tick()
    with ThreadPoolExecutor(10) as ticks:
        list(ticks.map(lambda _: pair.invoke("health-watcher", {}), range(10)))
    settle(pair)
    assert pair.stands_at() == ("blue", 3)
    assert only(outcomes(pair))["outcome"] == "succeeded"


def test_an_overdue_drill_is_told_once(pair: Pair):
    pair.configure("health-watcher", DRILL_OVERDUE_DAYS="7")
    assert pair.tick()["decision"] == "none" and pair.audit("Drill Overdue") == []
    pair.aws.age_parameter(pair.flag_name, 8 * 24 * 3600)
    for _ in range(3):
        pair.tick()
    told = only(pair.wait_for_audit("Drill Overdue"))
    assert told["days"] == 7 and "7 days" in told["reason"]
    pair.fail("blue")
    pair.fail("green")
    pair.tick()
    pair.heal("blue")
    pair.heal("green")
    pair.tick()
    pair.ask(to="green")
    pair.tick()
    time.sleep(1)
    assert len(pair.audit("Drill Overdue")) == 1, "neither what came in between nor a switch, which is a proof, tells it again"


def test_an_overdue_drill_rings_until_there_is_a_proof(deploy: Deploy):
    pair = deploy(DrillOverdueDays="7")
    pair.tick()
    assert pair.statistic("Maximum", "DrillOverdue") is None
    pair.aws.age_parameter(pair.flag_name, 8 * 24 * 3600)
    pair.tick()
    until("the alarm on overdue drills", lambda: pair.alarm_state("drill-overdue") == "ALARM")
    start(pair)
    pair.let_time_pass()
    assert pair.tick()["drill"]["outcome"] == "succeeded"
    before = pair.statistic("SampleCount", "DrillOverdue")
    pair.tick()
    assert pair.statistic("SampleCount", "DrillOverdue") == before, "it is overdue no more"


# -- the standby's readiness -------------------------------------------------------------------------------------------

def test_a_standby_that_is_not_ready_fails_a_probe_and_blocks_a_drill(pair: Pair):
    for color, paused in (("blue", False), ("green", True)):
        pair.environment(color, dags={"orders": {"paused": paused}})
    probe = pair.ask(action="drill", mode="probe")
    assert probe["outcome"] == "failed" and not precondition(probe, "readiness")["passed"]
    finished = only(outcomes(pair))
    assert (finished["mode"], finished["outcome"]) == ("probe", "failed") and "dags-paused" in finished["reason"]
    blocked(pair, "readiness")
    # Only the preconditions are checked: the lists of DAGs are not requested.
    assert pair.ask(action="drill", mode="dry")["outcome"] == "succeeded"


def test_a_probe_that_could_not_ask_everything_proves_nothing_and_says_what(pair: Pair):
    for color in ("blue", "green"):
        pair.environment(color, dags=3)
    pair.aws.add_fault("throttle", "airflow", "InvokeRestApi", match='"Path":"/dags"')
    probe = pair.ask(action="drill", mode="probe")
    assert probe["outcome"] == "blocked" and not precondition(probe, "readiness")["passed"], probe
    finished = only(outcomes(pair))
    assert (finished["mode"], finished["outcome"]) == ("probe", "blocked")
    assert "not everything could be asked: dags (blue), dags (green)" in finished["reason"]
    # A drill that switches proves readiness by itself, and an unknown finding is no objection.
    drill = pair.ask(action="drill", duration_minutes=1)
    assert drill["outcome"] == "pending" and "dags (green)" in precondition(drill, "readiness")["detail"]


@pytest.mark.parametrize("match", ["/drill", "/transitions/"])
def test_a_drill_after_one_that_died_says_what_stands_in_its_way(pair: Pair, match: str):
    pair.aws.add_fault("kill-caller-after", "ssm", "PutParameter", match=match, times=1)
    pair.invoke("switch-handler", {"action": "drill", "duration_minutes": 1})
    pair.aws.clear_faults()
    blocked(pair, "drill")
    early = stored(pair)
    early["started_at"] = "2026-01-01T00:00:00Z"
    pair.client("ssm").put_parameter(Name=f"{pair.root}/drill", Value=json.dumps(early), Type="String", Overwrite=True)
    settle(pair)
    assert only([event for event in outcomes(pair) if event["outcome"] == "failed"])["drill"] == early["id"]
    for record in pair.records():
        pair.aws.age_parameter(f"{pair.root}/transitions/{record}", CLAIM_TIMEOUT)
    again = pair.ask(action="drill", duration_minutes=1)
    if match == "/drill":
        assert again["outcome"] == "pending"
        return
    # The leftover claim would be reported as the dead drill's: a person's switch removes it.
    assert again["outcome"] == "blocked" and not precondition(again, "claim")["passed"], again
    assert "any switch by a person" in again["reason"] and stored(pair)["id"] == early["id"], "no trace of it"
    assert pair.ask(to="green")["outcome"] == "switched"
    assert len({event["id"] for event in outcomes(pair) if event["outcome"] != "blocked"}) == 1
    assert pair.ask(action="drill", duration_minutes=1)["outcome"] == "pending"
