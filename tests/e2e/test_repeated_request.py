"""Lambda's asynchronous queue delivers at least once: the same request, with the same id, may arrive twice."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from support.deployment import Deploy
from support.pair import CLAIM_TIMEOUT, Pair, moment, only
from support.paths import BINARIES

DRILL = {"action": "drill", "duration_minutes": 1}
PATIENCE = 60


class Runtime:
    """Lambda's runtime API for one invocation, because the local AWS chooses request ids of its own."""

    def __init__(self, request_id: str, payload: dict[str, Any]) -> None:
        self.answer, self.done, given = None, threading.Event(), threading.Event()
        runtime = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                if given.is_set():
                    runtime.done.wait(PATIENCE)
                    return
                given.set()
                body = json.dumps(payload).encode()
                self.send_response(200)
                for name, value in {
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": str(int((time.time() + 30) * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:switch-handler",
                    "Content-Length": str(len(body)),
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                runtime.answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                runtime.done.set()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def deliver(pair: Pair, request_id: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
    configuration = pair.client("lambda").get_function_configuration(FunctionName=f"{pair.name}-switch-handler")
    runtime = Runtime(request_id, payload or DRILL)
    function = subprocess.Popen(
        [BINARIES / "switch-handler"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**pair.aws.environment(), **configuration["Environment"]["Variables"],
             "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime.server.server_address[1]}", "AWS_LAMBDA_FUNCTION_NAME": "switch-handler",
             "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"})
    try:
        assert runtime.done.wait(PATIENCE), "no answer"
        assert runtime.answer is not None
        return runtime.answer
    finally:
        function.kill()
        function.wait()
        runtime.server.shutdown()
        runtime.server.server_close()


def is_drilled_once(pair: Pair, request_id: str) -> None:
    assert pair.stands_at() == ("green", 2)
    pair.aws.age_parameter(pair.flag_name, 61)
    assert pair.tick()["drill"]["outcome"] == "succeeded"
    assert pair.stands_at() == ("blue", 3)
    told = {event["id"]: event for event in pair.wait_for_audit("Drill Finished")}
    finished = only(list(told.values()))
    assert (finished["drill"], finished["outcome"]) == (request_id, "succeeded")
    assert pair.stored("drill")["outcome"] == "succeeded"


def test_a_drill_delivered_again_later_is_begun_once(pair: Pair):
    request_id = "11111111-1111-4111-8111-111111111111"
    assert [deliver(pair, request_id)["outcome"] for _ in range(2)] == ["pending", "pending"]
    is_drilled_once(pair, request_id)
    assert deliver(pair, request_id)["outcome"] == "succeeded", "also after its end"
    assert pair.stands_at() == ("blue", 3)


def test_a_drill_delivered_twice_at_once_is_begun_once_and_comes_back(pair: Pair):
    request_id = "22222222-2222-4222-8222-222222222222"
    pair.aws.add_fault("latency", "ssm", "PutParameter", match="/drill", latency_ms=2000, times=2)
    with ThreadPoolExecutor(2) as deliveries:
        answers = list(deliveries.map(lambda _: deliver(pair, request_id), range(2)))
    assert sorted(answer["outcome"] for answer in answers) == ["conflict", "pending"], answers
    assert {answer["drill"]["outcome"] for answer in answers} == {"pending"}
    is_drilled_once(pair, request_id)


# -- every other request that writes -----------------------------------------------------------------------------------



@pytest.fixture
def again(pair: Pair):
    return Delivery(pair)


class Delivery:
    """One request, delivered again by every call."""

    def __init__(self, pair: Pair) -> None:
        self.pair, self.request_id = pair, str(uuid.uuid4())

    def __call__(self, **payload: Any) -> dict[str, Any]:
        return deliver(self.pair, self.request_id, payload)


def test_a_rollback_delivered_again_goes_back_once(pair: Pair, again: Delivery):
    assert pair.ask(to="green")["outcome"] == "switched"
    rollback = {"action": "rollback", "reason": "orders are late"}
    first = again(**rollback)
    assert (first["outcome"], pair.stands_at()) == ("switched", ("blue", 3))
    second = again(**rollback)
    assert pair.stands_at() == ("blue", 3), second
    told = {field: second[field] for field in ("outcome", "active", "previous", "version", "transition", "effective_from")}
    assert told == {field: first[field] for field in told} and second["repeat"] is True
    assert "carried out before" in second["reason"] and "orders are late" in second["reason"]
    assert "repeat" not in first and len(pair.records()) == 3


@pytest.mark.parametrize("force", [False, True])
def test_a_switch_delivered_again_after_somebody_went_back_switches_no_more(pair: Pair, again: Delivery, force: bool):
    switch = {"to": "green", "force": force, "reason": "upgrade"}
    assert again(**switch)["outcome"] == "switched"
    assert pair.ask(action="rollback")["active"] == "blue"
    assert pair.ask(to="green", reason="now it is well")["outcome"] == "switched"
    assert pair.ask(action="rollback")["active"] == "blue"
    late = again(**switch)
    assert (late["outcome"], late["repeat"], late["active"], late["version"]) == ("switched", True, "blue", 5), late
    assert late["transition"] == pair.versions()[1].record and "it holds blue at version 5" in late["reason"]
    assert pair.stands_at() == ("blue", 5)


def test_a_switch_reads_the_past_only_where_the_flag_was_moved_within_a_day(pair: Pair):
    """As docs/cost-and-performance.md counts: the reads for the request's own traces depend on what may be a trace."""
    # Two of the writes come in addition to the claim and the flag: the start of the work is noted in `answered`, after that was read.
    plain = {"GetParameters": 2, "GetEnvironment": 1, "InvokeRestApi": 1, "PutParameter": 3}

    def asked() -> Counter[str]:
        since = pair.aws.calls_so_far()
        assert pair.ask(to="blue" if pair.stands_at()[0] == "green" else "green")["outcome"] == "switched"
        return Counter(call["operation"] for call in pair.calls("switch-handler", since))

    assert asked() == plain, "a flag that nobody has moved yet"
    for _ in range(9):
        assert asked() == {**plain, "GetParameterHistory": 1, "GetParameters": 3}
    # With the first version's, there are eleven records: ten fit into a request.
    assert asked() == {**plain, "GetParameterHistory": 1, "GetParameters": 4}
    pair.aws.age_parameter(pair.flag_name, 24 * 3600)
    assert asked() == plain, "a flag at rest"


def test_a_failover_delivered_again_goes_over_once(pair: Pair, again: Delivery):
    pair.fail("blue")
    assert again(action="failover")["active"] == "green"
    pair.heal("blue")
    pair.fail("green")
    late = again(action="failover")
    assert (late["outcome"], late["repeat"], pair.stands_at()) == ("switched", True, ("green", 2))


def test_a_request_delivered_twice_at_once_is_carried_out_once(pair: Pair, again: Delivery):
    pair.ask(to="green")
    pair.aws.add_fault("latency", "ssm", "PutParameter", match="/transitions/", latency_ms=1500, times=2)
    with ThreadPoolExecutor(2) as deliveries:
        answers = list(deliveries.map(lambda _: again(action="rollback"), range(2)))
    assert pair.stands_at() == ("blue", 3), answers
    assert [answer["outcome"] for answer in answers] == ["switched", "switched"], answers
    assert sorted(answer.get("repeat", False) for answer in answers) == [False, True]
    assert {answer["version"] for answer in answers} == {3}


def test_a_request_that_was_refused_is_not_carried_out_when_it_comes_again(deploy: Deploy):
    pair = deploy(CooldownSeconds="3600")
    pair.ask(to="green")
    again = Delivery(pair)
    refused = again(to="blue")
    assert refused["outcome"] == "refused" and "cooldown" in refused["reason"]
    pair.aws.age_parameter(pair.flag_name, 4000)
    late = again(to="blue")
    assert (late["outcome"], late["repeat"]) == ("refused", True) and "cooldown" in late["reason"], late
    assert pair.stands_at() == ("green", 2)
    assert pair.ask(to="blue")["outcome"] == "switched", "another request"


def test_a_request_that_changed_nothing_changes_nothing_when_it_comes_again(pair: Pair, again: Delivery):
    assert again(to="blue")["outcome"] == "unchanged"
    pair.ask(to="green")
    late = again(to="blue")
    assert (late["outcome"], late["repeat"], late["active"]) == ("unchanged", True, "green")
    assert pair.stands_at() == ("green", 2)


def test_a_dry_run_leaves_nothing_to_be_recognized_by(pair: Pair, again: Delivery):
    before = pair.parameter("answered")
    assert again(to="green", dry_run=True)["outcome"] == "would_switch"
    assert pair.parameter("answered") == before
    assert again(to="green")["outcome"] == "switched"


def test_a_hold_delivered_again_is_neither_longer_nor_back(pair: Pair, again: Delivery):
    hold = {"action": "hold", "minutes": 60, "reason": "upgrade", "requested_by": "ana"}
    first = again(**hold)
    second = again(**hold)
    assert (second["outcome"], second["repeat"]) == ("held", True)
    assert moment(second["hold"]["until"]) == moment(first["hold"]["until"])
    stored = pair.stored("hold")
    assert moment(stored["until"]) == moment(first["hold"]["until"]) and set(stored) == {"until", "reason", "by"}
    assert pair.ask(action="release")["outcome"] == "released"
    late = again(**hold)
    assert late["outcome"] == "held" and "written again" in late["reason"]
    assert pair.ask(action="status")["hold"] is None


def test_a_release_delivered_again_ends_no_newer_hold(pair: Pair, again: Delivery):
    pair.ask(action="hold", minutes=60, reason="first")
    assert again(action="release")["outcome"] == "released"
    pair.ask(action="hold", minutes=60, reason="second")
    late = again(action="release")
    assert (late["outcome"], late["repeat"]) == ("released", True) and "second" in late["reason"]
    assert "second" in pair.ask(action="status")["hold"]
    assert len(pair.wait_for_audit("Failovers Acknowledged")) == 1


def test_a_release_that_found_no_hold_ends_none_when_it_comes_again(pair: Pair, again: Delivery):
    assert again(action="release")["outcome"] == "unchanged"
    pair.ask(action="hold", minutes=60, reason="second")
    assert again(action="release")["outcome"] == "unchanged"
    assert "second" in pair.ask(action="status")["hold"]


def test_a_release_that_died_half_way_ends_its_hold_and_no_newer_one(pair: Pair):
    for newer in (False, True):
        again = Delivery(pair)
        pair.ask(action="hold", minutes=60, reason="first")
        pair.aws.add_fault("access-denied", "ssm", "PutParameter", match="released", times=1)
        assert again(action="release")["errorType"] == "StoreUnavailable"
        pair.aws.clear_faults()
        if newer:
            pair.ask(action="hold", minutes=60, reason="second")
        answer = again(action="release")
        held = pair.ask(action="status")["hold"]
        assert answer["outcome"] == ("conflict" if newer else "released"), answer
        assert ("second" in held) if newer else held is None


def test_a_flag_is_initialized_once_and_said_so_twice(pair: Pair, again: Delivery):
    pair.delete_flag()
    first = again(action="initialize", to="green", force=True)
    assert first["outcome"] == "initialized", first
    pair.ask(to="blue", force=True)
    late = again(action="initialize", to="green", force=True)
    assert (late["outcome"], late["repeat"], late["active"], late["transition"]) == ("initialized", True, "blue", first["transition"])
    assert pair.stands_at() == ("blue", 2)


def test_a_drill_is_recognized_after_another_one_too(pair: Pair, again: Delivery):
    assert again(**DRILL)["outcome"] == "pending"
    for number in range(2):
        pair.aws.age_parameter(pair.flag_name, 61)
        assert pair.tick()["drill"]["outcome"] == "succeeded"
        if number == 0:
            assert pair.ask(**DRILL)["outcome"] == "pending"
    late = again(**DRILL)
    assert (late["outcome"], late["repeat"], late["drill"]["id"]) == ("succeeded", True, again.request_id)
    assert pair.stands_at() == ("blue", 5)


def test_a_drill_that_was_blocked_does_not_begin_when_it_comes_again(pair: Pair, again: Delivery):
    pair.ask(action="hold", minutes=60, reason="upgrade")
    assert again(**DRILL)["outcome"] == "blocked"
    pair.ask(action="release")
    late = again(**DRILL)
    assert (late["outcome"], late["repeat"], pair.stands_at()) == ("blocked", True, ("blue", 1))
    assert len(pair.wait_for_audit("Drill Finished")) == 1


def test_a_request_whose_first_delivery_died_is_carried_out_by_a_later_one(pair: Pair, again: Delivery):
    pair.aws.add_fault("access-denied", "ssm", "PutParameter", match=pair.flag_name, times=1)
    assert again(to="green")["errorType"] == "StoreUnavailable"
    pair.aws.clear_faults()
    early = again(to="green")
    assert early["errorType"] == "StoreUnavailable" and "delivered before" in early["errorMessage"], (
        "the first may live; Lambda tries an error again, and an answer never")
    for record in pair.records():
        pair.aws.age_parameter(f"{pair.root}/transitions/{record}", CLAIM_TIMEOUT)
    assert again(to="green")["outcome"] == "switched"
    assert pair.stands_at() == ("green", 2)


# -- when the traces of the first delivery are unreadable, or deleted ----------------------------------------------------

def throttle(pair: Pair, what: str) -> None:
    if what == "history":
        pair.aws.add_fault("throttle", "ssm", "GetParameterHistory")
    else:
        pair.aws.add_fault("throttle", "ssm", "GetParameters", match="/transitions/")


def is_obeyed_no_more(pair: Pair, again: Delivery, request: dict[str, Any]) -> None:
    """Lambda retries after an error: once the history can be read, the answer is the result of the first delivery."""
    stood = pair.stands_at()
    late = again(**request)
    assert late.get("errorType") == "StoreUnavailable" and "nothing was changed" in late["errorMessage"], late
    pair.aws.clear_faults()
    assert again(**request)["repeat"] is True
    assert pair.stands_at() == stood


@pytest.mark.parametrize("what", ["history", "records"])
@pytest.mark.parametrize("named", [{}, {"to": "green"}])
def test_a_failover_whose_past_is_unreadable_goes_over_once(pair: Pair, again: Delivery, what: str, named: dict[str, str]):
    failover = {"action": "failover", **named}
    pair.fail("blue")
    assert again(**failover)["active"] == "green"
    pair.heal("blue")
    if named:
        assert pair.ask(to="blue", force=True)["active"] == "blue"
        pair.fail("blue")
    else:
        pair.fail("green")
    throttle(pair, what)
    is_obeyed_no_more(pair, again, failover)


def test_a_switch_whose_past_is_unreadable_switches_once(pair: Pair, again: Delivery):
    switch = {"to": "green", "reason": "upgrade"}
    assert again(**switch)["outcome"] == "switched"
    assert pair.ask(action="rollback")["active"] == "blue"
    throttle(pair, "history")
    is_obeyed_no_more(pair, again, switch)


def test_a_drill_whose_past_is_unreadable_is_begun_once(pair: Pair, again: Delivery):
    for drill in (again, lambda **request: pair.ask(**request)):
        assert drill(**DRILL)["outcome"] == "pending"
        pair.aws.age_parameter(pair.flag_name, 61)
        assert pair.tick()["drill"]["outcome"] == "succeeded"
    throttle(pair, "history")
    is_obeyed_no_more(pair, again, DRILL)


def test_what_comes_first_waits_for_no_past_but_a_failover_to_nowhere_named(pair: Pair):
    """A person at 3 a.m., while Parameter Store throttles: nothing shows that the request has come before."""
    pair.ask(to="green")
    throttle(pair, "history")
    assert pair.ask(to="blue")["outcome"] == "switched"
    pair.fail("blue")
    error = pair.ask_in_vain(action="failover")
    assert error["errorType"] == "StoreUnavailable" and '"to":"green"' in error["errorMessage"], error
    answer = pair.ask(action="failover", to="green")
    assert (answer["outcome"], pair.stands_at()) == ("switched", ("green", 4)) and "history" in answer["warnings"][0], answer


def test_a_switch_does_not_come_again_to_a_flag_that_was_made_again(pair: Pair, again: Delivery):
    assert again(to="green")["outcome"] == "switched"
    pair.delete_flag()
    assert pair.ask(action="initialize", to="blue", force=True)["outcome"] == "initialized"
    late = again(to="green")
    assert (late["outcome"], late["repeat"]) == ("refused", True) and "re-created since" in late["reason"], late
    assert pair.stands_at() == ("blue", 1)
    assert pair.ask(to="green")["outcome"] == "switched", "another request"


def test_an_initialize_does_not_make_a_flag_again_that_was_deleted_since(pair: Pair, again: Delivery):
    initialize = {"action": "initialize", "to": "green", "force": True}
    pair.delete_flag()
    assert again(**initialize)["outcome"] == "initialized"
    pair.delete_flag()
    assert (again(**initialize)["outcome"], pair.parameter("active-environment")) == ("initialized", None)


@pytest.mark.parametrize("newer", [False, True])
def test_a_hold_or_release_is_recognized_after_the_parameter_was_deleted(pair: Pair, newer: bool):
    hold, release = Delivery(pair), Delivery(pair)
    place = {"action": "hold", "minutes": 60, "reason": "upgrade"}
    assert (hold(**place)["outcome"], release(action="release")["outcome"]) == ("held", "released")
    pair.release()
    if newer:
        pair.hold("another")
    late = hold(**place), release(action="release")
    assert [(answer["outcome"], answer["repeat"]) for answer in late] == [("held", True), ("released", True)], late
    assert ("another" in (pair.ask(action="status")["hold"] or "")) == newer
