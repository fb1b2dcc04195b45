"""Every change of the flag and of the hold is published: at least once, recognizably, whatever is lost on the way."""

from __future__ import annotations

import threading
import time

import pytest

from support.pair import Pair, only
from support.waiting import PATIENCE, until

# A change wakes the listener to audit; an audit event wakes it to notify people.
CHANGE = "event:Parameter Store Change"
# The time that the listener has before the watcher audits in its place.
LISTENER_GRACE_PERIOD = 30


def test_duplicate_event_is_audited_once(pair: Pair):
    pair.ask(to="green")
    pair.wait_until_audited(2)
    for _ in range(3):
        assert pair.listen()["audited"] == []
    assert len(pair.audit("Environment Transition", version=2)) == 1
    assert pair.statistic("Sum", "Transitions", Kind="switch") == 1


def test_a_listener_killed_before_it_noted_what_it_did_repeats_itself_recognizably(pair: Pair):
    since = pair.aws.timeline_so_far()
    pair.aws.add_fault("kill-caller", "ssm", "PutParameter", match=f"{pair.root}/audited", times=1)
    pair.ask(to="green")
    pair.wait_until_audited(2)
    ended = pair.statuses("change-listener", since, 2, CHANGE)
    assert ended == ["error:Runtime.ExitError", "ok"], "it died, and Lambda tried again"
    told = pair.wait_for_audit(count=2, version=2)
    assert len({event["id"] for event in told}) == 1, "the repeat has the same id"


def test_out_of_order_and_lost_events_are_made_good_by_the_next_one(pair: Pair):
    pair.lose_change_events()
    for color in ("green", "blue", "green"):
        pair.ask(to=color)
    assert pair.listen()["audited"] == [2, 3, 4], "whatever the event was about, all that is due is told, in order"
    assert pair.listen(operation="Create")["audited"] == [], "an event that is older than what was told changes nothing"
    told = pair.wait_for_audit(count=4)
    assert [event["version"] for event in told] == [1, 2, 3, 4]
    assert pair.statistic("Sum", "Transitions", Kind="switch") == 3


def test_lost_ssm_event_is_made_good_by_the_watcher(pair: Pair):
    pair.lose_change_events()
    pair.ask(to="green", reason="nobody heard")
    pair.tick()
    assert pair.audited() == 1, "the watcher leaves the listener its time"
    pair.aws.age_parameter(pair.flag_name, LISTENER_GRACE_PERIOD + 1)
    pair.tick()
    assert only(pair.wait_for_audit(version=2))["reason"] == "nobody heard"
    assert pair.audited() == 2
    assert pair.wait_for_log("health-watcher", "audited in the change-listener's place")
    assert pair.statistic("Sum", "Transitions", Kind="switch") == 1
    pair.tick()
    assert len(pair.audit("Environment Transition", version=2)) == 1


def test_a_throttled_bus_delays_the_audit_and_loses_nothing(pair: Pair):
    since = pair.aws.timeline_so_far()
    # As often as the SDK retries within one invocation.
    pair.aws.add_fault("throttle", "events", "PutEvents", times=3)
    pair.ask(to="green")
    pair.wait_until_audited(2)
    assert pair.statuses("change-listener", since, 2, CHANGE) == ["error:AuditUndelivered", "ok"], "Lambda tried again"
    assert only(pair.wait_for_audit(version=2))["kind"] == "switch"
    assert pair.statistic("Sum", "Transitions", Kind="switch") == 1, "and it is counted once"


def test_a_dead_bus_leaves_a_dead_letter_and_the_watcher_makes_it_good(pair: Pair):
    pair.aws.add_fault("throttle", "events", "PutEvents")
    pair.ask(to="green")
    pair.aws.wait_for("dead-letter", lambda d: d["queue"] == f"{pair.name}-dead-letters", timeout=PATIENCE)
    until("the alarm on dead letters", lambda: pair.alarm_state("dead-letters") == "ALARM")
    assert pair.audited() == 1
    pair.aws.age_parameter(pair.flag_name, LISTENER_GRACE_PERIOD + 1)
    error = pair.tick_in_vain()
    assert error["errorType"] == "AuditUndelivered" and "audit events" in error["errorMessage"]
    assert pair.stands_at() == ("green", 2)
    pair.aws.clear_faults()
    pair.tick()
    assert only(pair.wait_for_audit(version=2))["kind"] == "switch"


def test_a_failing_bus_does_not_stop_a_failover(pair: Pair):
    pair.aws.add_fault("server-error", "events", "PutEvents")
    pair.aws.add_fault("throttle", "monitoring", "PutMetricData")
    pair.fail("blue")
    assert pair.tick()["decision"] == "failover"
    assert pair.stands_at() == ("green", 2)


def test_a_hold_laid_changed_and_lifted_by_hand_is_told_three_times(pair: Pair):
    pair.hold("upgrade")
    first = only(pair.wait_for_audit("Hold Changed"))
    assert first["state"] == "held" and "upgrade" in first["reason"] and first["hold"]["by"] == "ana"
    assert first["who"]["last_modified_user"] == "arn:aws:iam::000000000000:root"
    pair.hold("upgrade takes longer")
    pair.wait_for_audit("Hold Changed", 2)
    pair.release()
    told = pair.wait_for_audit("Hold Changed", 3)
    assert [event["state"] for event in told] == ["held", "held", "none"]
    assert len({event["id"] for event in told}) == 3, "three changes, three ids"
    assert "takes longer" in told[1]["reason"]
    assert pair.audit("Environment Transition", version=2) == []


def test_records_and_marks_do_not_wake_the_listener(pair: Pair):
    since = pair.aws.timeline_so_far()
    pair.ask(to="green")
    pair.wait_until_audited(2)

    def matched() -> dict[str, list[str]]:
        return {entry["detail"]["id"]: entry["detail"]["rules"] for entry in pair.aws.timeline(since)
                if entry["what"] == "event" and entry["detail"]["detail_type"] == "Parameter Store Change"}

    until("the claim, the flag and the mark changed", lambda: len(matched()) >= 3)
    time.sleep(1)
    assert len(pair.invocations("change-listener", since, CHANGE)) <= 2
    assert sum(f"{pair.name}-flag-change" in rules for rules in matched().values()) == 1


def test_a_label_on_the_flag_is_no_transition(pair: Pair):
    since = pair.aws.timeline_so_far()
    pair.client("ssm").label_parameter_version(Name=pair.flag_name, Labels=["golden"])
    pair.aws.wait_for("invoke", lambda d: d["function"] == f"{pair.name}-change-listener" and d["status"] == "ok", since)
    assert len(pair.audit()) == 1 and pair.audited() == 1


# -- two listeners at once ---------------------------------------------------------------------------------------------

@pytest.mark.long(15)
def test_a_slower_listener_does_not_take_back_what_a_faster_one_noted(pair: Pair):
    """Nothing ticks here, so the state that two listeners leave is final."""
    slow = pair.aws.add_fault("latency", "ssm", "PutParameter", match=f"{pair.root}/audited", times=1, latency_ms=2500)
    since = pair.aws.timeline_so_far()
    pair.ask(to="green")
    until("the first listener notes version 2", lambda: pair.hits(slow))
    pair.ask(to="blue")
    pair.wait_until_audited(3)
    assert pair.statuses("change-listener", since, 2, CHANGE) == ["ok", "ok"]
    assert pair.audited() == 3
    assert pair.stored("last-active")["active"] == "blue", "what a broken flag would be restored to"
    assert pair.listen()["audited"] == []
    assert len(pair.wait_for_audit("Environment Transition", version=3)) == 1, "and nothing is told once more"


@pytest.mark.parametrize("operation", ["GetParameterHistory", "*"], ids=["the history", "everything"])
@pytest.mark.long(15)
def test_a_listener_that_reads_the_past_looks_again(pair: Pair, operation: str):
    """One of its reads is stale, or all of the first ones are: they do not contain the change that woke it."""
    times = 2 if operation == "*" else 1
    past = pair.aws.add_fault("stale", "ssm", operation, caller=f"{pair.name}-change-listener", stale_seconds=3600, times=times)
    pair.ask(to="green")
    pair.wait_until_audited(2)
    assert pair.hits(past) == times
    assert not pair.audit("Flag Fault"), "nor is anything said of a flag that is only not seen yet"
    assert only(pair.wait_for_audit("Environment Transition", version=2))["to"] == "green"


@pytest.mark.long(15)
def test_a_listener_that_does_not_see_the_record_yet_tells_it_as_it_was(pair: Pair):
    """The flag's version is seen, and the record that claimed it is not: without it the event would lack its evidence."""
    past = pair.aws.add_fault("stale", "ssm", "GetParameters", match=f"{pair.root}/transitions/", caller=f"{pair.name}-change-listener",
                              stale_seconds=3600, times=2)
    pair.ask(to="green", reason="why", requested_by="ana")
    told = only(pair.wait_for_audit("Environment Transition", version=2))
    assert pair.hits(past) == 2
    record = pair.records()[told["record"]]
    assert (told["reason"], told["evidence"], told["who"]["requested_by"]) == (record["reason"], record["evidence"], "ana")


def test_a_record_that_a_listener_never_sees_is_awaited_by_the_watcher(pair: Pair):
    past = pair.aws.add_fault("stale", "ssm", "GetParameters", match=f"{pair.root}/transitions/", caller=f"{pair.name}-change-listener",
                              stale_seconds=3600)
    pair.ask(to="green", reason="why")
    pair.wait_for_log("change-listener", "transition records are not to be seen yet")
    assert pair.hits(past) == 4 and pair.audited() == 1 and not pair.audit("Environment Transition", version=2), "nothing is told by halves"
    pair.aws.age_parameter(pair.flag_name, LISTENER_GRACE_PERIOD + 1)
    pair.tick()
    assert only(pair.wait_for_audit("Environment Transition", version=2))["evidence"]


@pytest.mark.long(15)
def test_two_listeners_of_which_one_reads_the_past_leave_nothing_unaudited(pair: Pair):
    """The change that woke it followed another change immediately, and it sees only the earlier one."""
    pair.lose_change_events()
    pair.ask(to="green")
    between = time.time()
    pair.ask(to="blue")
    past = pair.aws.add_fault("stale", "ssm", caller=f"{pair.name}-change-listener", times=2, as_of=between)
    assert pair.listen()["audited"] == [2, 3]
    assert pair.hits(past) == 2


@pytest.mark.long(35)
def test_a_flag_made_again_while_the_old_one_is_noted_is_audited(pair: Pair):
    """The note of the old flag arrives after the new flag was created; both have a version 1, and each has its event."""
    pair.look_once_a_tick()
    pair.lose_change_events()
    old = pair.flag()
    assert pair.ask(to="green")["outcome"] == "switched"
    pair.aws.age_parameter(pair.flag_name, LISTENER_GRACE_PERIOD + 1)
    pair.aws.add_fault("latency", "ssm", "PutParameter", match=f"{pair.root}/audited", latency_ms=4000, times=1)
    tick = threading.Thread(target=pair.tick)
    tick.start()
    until("version 2 told", lambda: pair.audit("Environment Transition", version=2))
    pair.delete_flag()
    pair.write_by_hand("blue", Description="made again by hand")
    tick.join()
    assert pair.parameter("audited").startswith("v2-"), "the note is late"
    assert pair.ask(action="status")["audited"] is None, "the number is of a flag that is gone"
    time.sleep(LISTENER_GRACE_PERIOD + 0.5)
    pair.tick()
    again = only(pair.wait_for_audit("Environment Transition", reason="made again by hand"))
    assert (again["version"], again["id"]) == (1, f"{pair.name}:{pair.flag_name}:v1-{pair.flag().milliseconds}")
    first = only(event for event in pair.audit("Environment Transition", version=1) if event["kind"] == "initialize")
    assert first["id"].endswith(f":v1-{old.milliseconds}")
    pair.tick()
    assert len(pair.audit("Environment Transition", version=1)) == 2
    assert pair.stored("last-active")["modified"].startswith(f"{pair.flag().modified:%Y-%m-%dT%H:%M:%S}")


def test_a_history_that_is_behind_the_note_repeats_nothing(pair: Pair):
    pair.ask(to="green")
    pair.wait_until_audited(2)
    before = time.time()
    pair.ask(to="blue")
    pair.wait_until_audited(3)
    pair.aws.add_fault("stale", "ssm", "GetParameterHistory", as_of=before, times=1)
    assert pair.listen()["audited"] == []
    assert pair.audited() == 3
