"""Parameter Store's reads are eventually consistent: an answer that makes no claim must not report a stale read as the truth."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from support.pair import Pair, moment
from support.waiting import until


def look_back(pair: Pair, before: float, operation: str = "GetParameters", times: int | None = 1) -> None:
    """The switch-handler's next read is as of `before`."""
    pair.aws.add_fault("stale", "ssm", operation, times=times, as_of=before, caller=f"{pair.name}-switch-handler")


@pytest.fixture
def old_pair(pair: Pair) -> Pair:
    pair.look_once_a_tick()
    return pair


@pytest.mark.parametrize("request_", [{"to": "blue"}, {"to": "blue", "force": True}, {"action": "rollback", "expect": {"active": "green"}}])
def test_a_color_that_is_active_no_more_is_switched_to(old_pair: Pair, request_: dict):
    before = time.time()
    old_pair.ask(to="green")
    look_back(old_pair, before)
    answer = old_pair.ask(**request_)
    assert (answer["outcome"], answer["active"]) == ("switched", "blue"), answer
    assert old_pair.stands_at() == ("blue", 3)


def test_a_dry_run_tells_what_stands(old_pair: Pair):
    before = time.time()
    old_pair.ask(to="green")
    for request, outcome in (({"to": "blue"}, "would_switch"), ({"to": "green"}, "unchanged"),
                             ({"action": "rollback"}, "would_switch")):  # fmt: skip
        look_back(old_pair, before)
        answer = old_pair.ask(**request, dry_run=True)
        assert (answer["outcome"], answer["active"], answer["version"]) == (outcome, "green", 2), answer
    assert old_pair.stands_at() == ("green", 2)


@pytest.mark.parametrize("operation", ["GetParameters", "GetParameterHistory"])
def test_status_and_history_tell_what_stands(old_pair: Pair, operation: str):
    before = time.time()
    old_pair.ask(to="green")
    look_back(old_pair, before, operation)
    status = old_pair.ask(action="status")
    assert (status["active"], status["version"], status["last_transition"]["to"]) == ("green", 2, "green"), status
    look_back(old_pair, before, operation)
    history = old_pair.ask(action="history")
    assert (history["active"], [entry["version"] for entry in history["entries"]]) == ("green", [2, 1]), history


@pytest.mark.parametrize("operation", ["GetParameters", "GetParameterHistory"])
def test_check_and_run_report_tell_what_stands(old_pair: Pair, operation: str):
    before = time.time()
    old_pair.ask(to="green")
    look_back(old_pair, before, operation)
    check = old_pair.ask(action="check")
    assert (check["active"], check["version"]) == ("green", 2) and check["reason"].startswith("blue "), check
    assert [finding["name"] for finding in check["readiness"]["findings"] if finding["name"] == "catch-up"] == []
    look_back(old_pair, before, operation)
    report = old_pair.ask(action="run-report")
    assert (report["active"], report["version"], report["transition"]) == ("green", 2, old_pair.flag().record), report


def test_where_every_reading_is_older_than_what_was_written_nothing_is_claimed(old_pair: Pair):
    before = time.time()
    old_pair.ask(to="green")
    look_back(old_pair, before, "*", times=None)
    for request in ({"to": "blue"}, {"action": "status"}, {"action": "history"}, {"action": "check"}, {"action": "run-report"}):
        error = old_pair.ask_in_vain(**request)
        assert error["errorType"] == "StoreUnavailable" and "older version of the flag" in error["errorMessage"], error
    old_pair.aws.clear_faults()
    assert old_pair.stands_at() == ("green", 2)


def test_a_drill_is_not_blocked_by_one_that_has_ended(old_pair: Pair):
    assert old_pair.ask(action="drill", duration_minutes=1)["outcome"] == "pending"
    old_pair.aws.age_parameter(old_pair.flag_name, 61)
    before = time.time()
    assert old_pair.tick()["drill"]["outcome"] == "succeeded"
    look_back(old_pair, before)
    answer = old_pair.ask(action="drill", mode="dry")
    assert answer["outcome"] == "succeeded", answer


def test_a_hold_that_was_just_placed_is_released(old_pair: Pair):
    for operation in ("GetParameters", "GetParameterHistory"):
        before = time.time()
        assert old_pair.ask(action="hold", minutes=60, reason="the wrong pair", requested_by="ana")["outcome"] == "held"
        look_back(old_pair, before, operation)
        answer = old_pair.ask(action="release", requested_by="ana")
        assert answer["outcome"] == "released" and "the wrong pair" in answer["reason"], answer
        assert moment(old_pair.stored("hold")["until"]) <= datetime.now(timezone.utc)
        old_pair.aws.clear_faults()


def test_a_release_ends_only_the_hold_that_it_saw(pair: Pair):
    pair.ask(action="hold", minutes=60, reason="first", requested_by="ana")
    fault = pair.aws.add_fault("latency", "ssm", "PutParameter", match=f"{pair.root}/hold", latency_ms=3000, times=1,
                               caller=f"{pair.name}-switch-handler")
    answers: list[dict] = []
    release = threading.Thread(target=lambda: answers.append(pair.ask(action="release", requested_by="ana")))
    release.start()
    until("the release is about to write", lambda: pair.hits(fault))
    pair.hold("second", minutes=30)
    release.join()
    assert answers[0]["outcome"] == "conflict" and "second" in answers[0]["reason"], answers
    status = pair.ask(action="status")["hold"]
    assert "second" in status
    ends = moment(pair.stored("hold")["until"])
    assert ends - datetime.now(timezone.utc) < timedelta(minutes=30)
