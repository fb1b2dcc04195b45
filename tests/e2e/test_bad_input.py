"""Any event to any function, and any configuration: an answer or a named error, never a crash, never half a switch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support import events
from support.deployment import Deploy
from support.pair import Pair

FUNCTIONS = ("health-watcher", "switch-handler", "change-listener")
OUR_ERRORS = {"InvalidRequest", "ConfigurationInvalid", "WrongPair", "StoreUnavailable", "AuditUndelivered"}

STRANGE = {
    "deeply nested": "[" * 5000 + "]" * 5000,
    "nested in a field": '{"to":' + '{"a":' * 300 + "1" + "}" * 301,
    "a large number": '{"to":1e300}',
    "half a surrogate": '{"to":"\\ud800"}',
    "the same field twice": '{"to":"purple","to":"pink"}',
    "a zero byte": '{"to":"green\\u0000"}',
    "a large text": json.dumps({"to": "x" * 200_000}),
    "many fields": json.dumps({f"field{number}": number for number in range(5000)}),
    "a name of another alphabet": json.dumps({"to": "зелёный", "цвет": "🟢"}),
}


@pytest.fixture
def as_in_events(deploy: Deploy) -> Pair:
    """The event files name the parameters of this root."""
    return deploy(ParameterRoot="/mwaa/blue-green")


def is_an_answer_or_a_named_error(function: str, what: str, answer: Any, failed: bool) -> None:
    if failed:
        assert answer.get("errorType") in OUR_ERRORS, f"{function} at {what}: {answer}"
        assert len(answer["errorMessage"]) > 10, f"{function} at {what}: {answer}"
    else:
        assert isinstance(answer, dict) and answer, f"{function} at {what}: {answer}"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_event_to_every_function_is_answered(as_in_events: Pair, function: str):
    """On a disposable pair, because a valid switch does switch it."""
    pair = as_in_events
    for path in events.files():
        answer, failed = pair.invoke(function, path.read_text())
        is_an_answer_or_a_named_error(function, events.name_of(path), answer, failed)
        if function == "health-watcher":
            assert not failed, f"{events.name_of(path)} is a tick, whatever it is: {answer}"
        if function == "change-listener":
            assert not failed, f"{events.name_of(path)} makes the listener look, whatever it is: {answer}"
    assert pair.stands_at()[0] in ("blue", "green")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_strange_json_is_answered_and_changes_nothing(pair: Pair, function: str):
    for what, text in STRANGE.items():
        answer, failed = pair.invoke(function, text)
        is_an_answer_or_a_named_error(function, what, answer, failed)
        assert function != "switch-handler" or (failed and answer["errorType"] == "InvalidRequest"), f"{what}: {answer}"
    assert pair.stands_at() == ("blue", 1) and len(pair.records()) == 1


def test_every_bad_request_is_refused_by_name_and_changes_nothing(pair: Pair):
    since = pair.aws.calls_so_far()
    for path in events.files("invalid/*", "malformed/*"):
        error = pair.error_of("switch-handler", path.read_text())
        assert error["errorType"] == "InvalidRequest", f"{events.name_of(path)}: {error}"
        assert "allowed" in error["errorMessage"], f"{events.name_of(path)}: {error}"
    assert pair.calls("switch-handler", since) == [], "refused before AWS was asked"
    assert pair.stands_at() == ("blue", 1)


@pytest.mark.parametrize(("request_", "parts"), [
    ({"to": "Blue "}, ['"to"', '"Blue "', '"blue" or "green"']),
    ({"to": "pink", "force": 1}, ['"to"', '"pink"', '"force"', "true or false"]),
    ({"to": "green", "forced": True}, ['"forced"', "not known"]),
    ({}, ['"to"', "missing"]),
])
def test_a_refusal_names_the_field_what_was_given_and_what_is_allowed(pair: Pair, request_: dict[str, Any], parts: list[str]):
    message = pair.ask_in_vain(**request_)["errorMessage"]
    assert [part for part in parts if part not in message] == [], message


def test_every_event_that_wakes_the_watcher_is_told_by_its_trigger(pair: Pair):
    triggers = {"ticks/schedule": "schedule", "ticks/alarm-action": "alarm", "ticks/alarm-action-composite": "alarm",
                "ticks/alarm-event": "alarm-event", "ticks/alarm-event-ok": "alarm-event",
                "ticks/alarm-event-composite": "alarm-event", "ticks/alarm-event-drill": "alarm-event", "ticks/alarm-by-sns": "sns-alarm",
                "ticks/environment-status": "environment-status", "ticks/manual": "invoke"}
    seen = {events.name_of(path): pair.tick(json.loads(path.read_text()))["trigger"] for path in events.files("ticks/*")}
    assert seen == triggers


def test_an_event_of_unknown_shape_is_a_tick_with_a_warning(pair: Pair):
    for path in events.files("malformed/*"):
        answer = pair.answer_of("health-watcher", path.read_text())
        assert (answer["trigger"], answer["decision"]) == ("unrecognized", "none"), events.name_of(path)
    wanted = len(events.files("malformed/*"))
    assert len(pair.wait_for_log("health-watcher", count=wanted, level="WARN")) == wanted


def test_an_event_that_says_alarm_decides_nothing(pair: Pair):
    """A stale event, or a forged one: what it claims about blue is not what blue reports."""
    for path in events.files("ticks/alarm-*", "ticks/environment-status"):
        assert pair.tick(json.loads(path.read_text()))["decision"] == "none", events.name_of(path)
    assert pair.stands_at() == ("blue", 1)


@pytest.mark.parametrize(("function", "payload"), [("health-watcher", {}), ("switch-handler", {"to": "green"})])
def test_what_failed_asynchronously_is_not_repeated_and_leaves_a_dead_letter(pair: Pair, function: str, payload: dict[str, Any]):
    """The next tick is due anyway, and a switch requested now must not happen later."""
    pair.look_once_a_tick()
    fault = pair.aws.add_fault("access-denied", "ssm", "GetParameters")
    since = pair.aws.timeline_so_far()
    pair.client("lambda").invoke(FunctionName=f"{pair.name}-{function}", InvocationType="Event", Payload=json.dumps(payload))
    pair.aws.wait_for("dead-letter", lambda d: d["queue"] == f"{pair.name}-dead-letters", since)
    pair.aws.clear_faults(fault)
    assert pair.statuses(function, since, 1) == ["error:StoreUnavailable"]
    assert pair.stands_at() == ("blue", 1)


# -- configuration -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_wrong_configuration_is_refused_with_every_fault_at_once(pair: Pair, function: str):
    pair.configure(function, GREEN_ENVIRONMENT_NAME=pair.environments["blue"], FLAG_PARAMETER="active environment",
                   FAILURE_WINDOW_SECONDS="0", FAILOVER_MODE="Automatic", COOLDOWN_SECONDS="-1", AUDIT_BUS_NAME="")
    since = pair.aws.calls_so_far()
    error = pair.error_of(function, {"action": "status"})
    assert error["errorType"] == "ConfigurationInvalid"
    for fault in ("two environments", "FLAG_PARAMETER", "FAILURE_WINDOW_SECONDS", "FAILOVER_MODE", "COOLDOWN_SECONDS",
                  "AUDIT_BUS_NAME"):
        assert fault in error["errorMessage"], f"{fault} is not in: {error['errorMessage']}"
    assert pair.calls(function, since) == [], "refused before AWS was asked"


def test_the_template_refuses_the_same_environment_twice(deploy: Deploy):
    with pytest.raises(ClientError, match="Blue and green are the same environment"):
        deploy(BlueEnvironmentName="twin", GreenEnvironmentName="twin", initialize=False)


def test_a_template_in_a_reason_stops_nothing(pair: Pair):
    """Parameter Store refuses `{{` in a value, but the text is normal in an Airflow context."""
    reason = "dag renders {{ ds }} wrong"
    held = pair.ask(action="hold", minutes=5, reason=reason)
    assert (held["outcome"], held["hold"]["reason"]) == ("held", reason)
    assert pair.ask(action="release", reason=reason)["outcome"] == "released"
    assert pair.ask(to="green", reason=reason)["outcome"] == "switched"
    assert pair.records()[pair.flag().record]["reason"] == reason
    pair.wait_until_audited(2)
    assert pair.ask(action="drill", duration_minutes=1, reason=reason)["outcome"] == "pending"
