"""The rules of the stack against the payloads in events/: which event wakes which function, and which wakes none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.events import files, load, name_of
from support.paths import EVENTS
from support.schema import EVENTS as CATALOG
from support.schema import SCHEMA
from support.template import Stack, matches

FILES = files()

# The rules that SAM creates from the functions' events.
SCHEDULE, STATUS = "HealthWatcherFunctionEveryMinute", "HealthWatcherFunctionEnvironmentStatus"
FLAG_CHANGE, NOTIFICATION = "ChangeListenerFunctionFlagChange", "ChangeListenerFunctionNotification"

# The rule that matches each file; no rule may match any other file of the folder.
TAKEN = {
    "BlueNamedAlarmRule": {"ticks/alarm-event", "ticks/alarm-event-composite"},
    "GreenNamedAlarmRule": set(),
    "DrillNamedAlarmRule": {"ticks/alarm-event-drill"},
    STATUS: {"ticks/environment-status"},
    FLAG_CHANGE: {
        "changes/flag-created",
        "changes/flag-updated",
        "changes/flag-updated-manually",
        "changes/flag-deleted",
        "changes/flag-labeled",
        "changes/hold-created",
        "changes/hold-updated",
        "changes/hold-deleted",
    },
    NOTIFICATION: {"audit/failover", "audit/drill-failed"},
}
AUDIT_EVENTS = [event["detail_type"] for event in CATALOG if event["is_mail"]]
# For readers of the audit log: people have already been notified of the transition itself.
NOT_TOLD = [event["detail_type"] for event in CATALOG if not event["is_mail"]]


@pytest.fixture(scope="module")
def rules() -> dict[str, dict[str, Any]]:
    stack = Stack(BlueHealthAlarmNames="orders-late,orders-broken", GreenHealthAlarmNames="green-orders-late", DrillAlarmNames="revenue-drops")
    return stack.of_type("AWS::Events::Rule")


@pytest.mark.parametrize("rule", TAKEN)
def test_rule_takes_exactly_its_events(rules: dict[str, dict[str, Any]], rule: str) -> None:
    pattern = rules[rule]["EventPattern"]
    assert {name_of(f) for f in FILES if matches(pattern, json.loads(f.read_text()))} == TAKEN[rule]


def test_every_rule_on_the_default_bus_is_tried(rules: dict[str, dict[str, Any]]) -> None:
    on_default_bus = {n for n, p in rules.items() if "EventBusName" not in p and "EventPattern" in p}
    assert on_default_bus == set(TAKEN) - {NOTIFICATION}


def test_the_schedule_ticks_every_minute(rules: dict[str, dict[str, Any]]) -> None:
    assert rules[SCHEDULE]["ScheduleExpression"] == "rate(1 minute)"
    assert rules[SCHEDULE].get("State", "ENABLED") == "ENABLED"
    assert load("ticks/schedule")["resources"] == [
        f"arn:aws:events:us-east-1:123456789012:rule/{rules[SCHEDULE]['Name']}"
    ]


@pytest.mark.parametrize(
    ("rule", "target"),
    [
        (SCHEDULE, "HealthWatcherFunction.Arn"),
        ("BlueNamedAlarmRule", "HealthWatcherFunction.Arn"),
        ("GreenNamedAlarmRule", "HealthWatcherFunction.Arn"),
        ("DrillNamedAlarmRule", "HealthWatcherFunction.Arn"),
        (STATUS, "HealthWatcherFunction.Arn"),
        (FLAG_CHANGE, "ChangeListenerFunction.Arn"),
        (NOTIFICATION, "ChangeListenerFunction.Arn"),
    ],
)
def test_rule_wakes_the_right_function(rules: dict[str, dict[str, Any]], rule: str, target: str) -> None:
    assert [t["Arn"] for t in rules[rule]["Targets"]] == [target]


def test_functions_get_the_event_as_it_is(rules: dict[str, dict[str, Any]]) -> None:
    for name, properties in rules.items():
        for target in properties["Targets"]:
            if target["Arn"].endswith("Function.Arn"):
                assert not {"Input", "InputPath", "InputTransformer"} & set(target), name


def audit_event(detail_type: str, **detail: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "0d1f3d0b-6a5c-4f39-9a55-0c6a4ad1b6a1",
        "detail-type": detail_type,
        "source": SCHEMA["events"]["source"],
        "account": "123456789012",
        "time": "2026-11-23T10:15:04Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {"id": "mwaa-blue-green:/mwaa/blue-green/active-environment:v13-1795428030456", "reason": "blue is dead", **detail},
    }


@pytest.mark.parametrize("detail_type", AUDIT_EVENTS + NOT_TOLD)
def test_every_audit_event_is_logged(rules: dict[str, dict[str, Any]], detail_type: str) -> None:
    assert matches(rules["AuditLogRule"]["EventPattern"], audit_event(detail_type))


def test_people_hear_of_everything_but_what_went_well(rules: dict[str, dict[str, Any]]) -> None:
    pattern = rules[NOTIFICATION]["EventPattern"]
    assert pattern["detail-type"] == AUDIT_EVENTS
    assert [t for t in AUDIT_EVENTS if matches(pattern, audit_event(t))] == AUDIT_EVENTS
    assert {"Environment Transition", "Hold Changed"} <= set(AUDIT_EVENTS) and "Run Report" in NOT_TOLD
    told = [o for o in ("succeeded", "failed", "blocked", "interrupted") if matches(pattern, audit_event("Drill Finished", outcome=o))]
    assert told == ["failed", "blocked", "interrupted"]
    told = [o for o in ("succeeded", "failed", "recovered") if matches(pattern, audit_event("DAG Management", outcome=o))]
    assert told == ["failed", "recovered"]
    assert not matches(pattern, audit_event("Something Of Somebody Else"))


def test_a_replay_is_no_news(rules: dict[str, dict[str, Any]]) -> None:
    assert not matches(rules[NOTIFICATION]["EventPattern"], {**audit_event("Flag Fault"), "replay-name": "last-week"})


def test_reports_on_runs_are_kept_and_not_told(rules: dict[str, dict[str, Any]]) -> None:
    for name in NOT_TOLD:
        assert not matches(rules[NOTIFICATION]["EventPattern"], audit_event(name))
        assert matches(rules["AuditLogRule"]["EventPattern"], audit_event(name))


def test_audit_rules_listen_on_our_bus(rules: dict[str, dict[str, Any]]) -> None:
    assert {n for n, p in rules.items() if p.get("EventBusName") == "mwaa-blue-green-audit"} == {
        "AuditLogRule",
        NOTIFICATION,
    }


# ---- The folder itself -------------------------------------------------------------------------------------


def test_the_readme_has_one_line_for_every_file() -> None:
    listed = re.findall(r"^- `([^`]+)\.json`: \S", (EVENTS / "README.md").read_text(), re.M)
    assert sorted(listed) == sorted(map(name_of, FILES))


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_file_is_plain_json_without_real_accounts(file: Path) -> None:
    text = file.read_text()
    json.loads(text)
    assert set(re.findall(r"(?<![\d-])\d{12}(?!\d)", text)) <= {"123456789012"}


def test_direct_alarm_action_is_that_of_our_alarm() -> None:
    stack = Stack()
    event = load("ticks/alarm-action")
    alarm = stack.resources["BlueHeartbeatAlarm"]["Properties"]
    assert event["alarmData"]["alarmName"] == alarm["AlarmName"]
    (metric,) = event["alarmData"]["configuration"]["metrics"]
    assert metric["metricStat"]["metric"]["dimensions"] == {d["Name"]: d["Value"] for d in alarm["Dimensions"]}
