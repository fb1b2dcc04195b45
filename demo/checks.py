"""What must be true after the story, each thing checked against what AWS answers."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from typing import Any, Callable

from local_aws.process import LocalAws

from demo.pair import FUNCTIONS, Pair, instant
from demo.screen import milliseconds, seconds

# What a busy machine may add to the promise "failure window plus one probe".
SLACK_SECONDS = 3


@dataclass
class Facts:
    """What the story remembers for its end."""

    fault_at: float = 0.0
    last_heartbeat: float = 0.0
    flag_at: float = 0.0
    alarm: str = ""
    claim: str = ""
    recovery_time: float = 0.0
    switch_duration: float = 0.0
    calls_from: int = 0
    calls_to: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    history: dict[str, Any] = field(default_factory=dict)


@dataclass
class Result:
    what: str
    passed: bool
    seen: str


def hour(timestamp: str) -> str:
    """`2026-11-23T11:14:31.813Z` -> `11:14:31`, in UTC as everything here."""
    return timestamp[11:19]


def verify(pair: Pair, aws: LocalAws, facts: Facts, window: float, probe_interval: float) -> list[Result]:
    results: list[Result] = []

    def check(what: str, look: Callable[[], tuple[bool, str]]) -> None:
        try:
            passed, seen = look()
        except Exception as error:  # a check that cannot be made has not passed; the others are still worth making
            passed, seen = False, f"{type(error).__name__}: {error}"
        results.append(Result(what, passed, seen))

    check("the flag says blue again, version 3", lambda: _flag(pair))
    check("its history tells the three changes", lambda: _history(pair))
    check("the claim is the record of the failover", lambda: _record(pair, facts))
    check("the heartbeat alarm rang, the watcher woke", lambda: _alarm(pair, facts))
    check("blue was suspect first, then unhealthy", lambda: _verdicts(pair, facts))
    check("failover: after the window, within one probe", lambda: _timing(facts, window, probe_interval))
    check("nobody else touched anything meanwhile", lambda: _untouched(pair, aws, facts))
    check("the audit log has each transition once", lambda: _audit(pair))
    check("who and why are in the audit log", lambda: _who(pair, facts))
    check("metrics tell of both transitions", lambda: _metrics(pair, facts))
    check("metrics say that blue is active", lambda: _active(pair, facts))
    check("the stack's schedule makes ticks, too", lambda: _schedule(pair))
    check("no function failed, nothing undelivered", lambda: _no_failures(pair, aws))
    return results


def _flag(pair: Pair) -> tuple[bool, str]:
    flag = pair.flag()
    return (flag["Value"], flag["Version"]) == ("blue", 3), f"ssm get-parameter: {flag['Value']}, version {flag['Version']}"


def _history(pair: Pair) -> tuple[bool, str]:
    versions = [(version["Version"], version["Value"], version["Description"].split(":")[0],
                 version["LastModifiedUser"].rsplit("/", 1)[-1]) for version in pair.flag_history()]
    expected = [(1, "blue", "initialize", pair.function("switch-handler")),
                (2, "green", "failover", pair.function("health-watcher")),
                (3, "blue", "switch", pair.function("switch-handler"))]
    return versions == expected, "; ".join(f"{number} {value}, {kind}" for number, value, kind, _ in versions)


def _record(pair: Pair, facts: Facts) -> tuple[bool, str]:
    record = pair.record(facts.claim)
    found = (record["kind"], record["from"], record["to"], record["version"], record["actor"]["function"])
    return (found == ("failover", "blue", "green", 2, "health-watcher"),
            f"{record['kind']} {record['from']} -> {record['to']}: {facts.claim}")


def _alarm(pair: Pair, facts: Facts) -> tuple[bool, str]:
    items = pair.cloudwatch.describe_alarm_history(AlarmName=facts.alarm, HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    rang = [item["Timestamp"].timestamp() for item in items
            if "to ALARM" in item["HistorySummary"] and item["Timestamp"].timestamp() > facts.fault_at - 1]
    woken = [d for d in pair.decisions(facts.fault_at) if d["trigger"] == "alarm"]
    if not rang or not woken:
        return False, f"{facts.alarm}: rang {len(rang)} times, {len(woken)} probes by the alarm"
    return True, f"{seconds(rang[0] - facts.fault_at)} after the fault: {facts.alarm}"


def _verdicts(pair: Pair, facts: Facts) -> tuple[bool, str]:
    probes = [d for d in pair.decisions(facts.fault_at) if d["at"] > facts.fault_at and d["version"] == 1]
    order = [d["blue"] for d in probes]
    suspects = order.count("suspect")
    dead = next((d for d in probes if d["decision"] == "failover"), None)
    passed = suspects > 0 and dead is not None and dead["blue"] == "unhealthy" and dead["green"] == "healthy"
    return passed, f"{suspects} probes suspect, then {order[-1] if order else 'nothing'}"


def _timing(facts: Facts, window: float, probe_interval: float) -> tuple[bool, str]:
    passed = window <= facts.recovery_time <= window + probe_interval + SLACK_SECONDS
    return passed, f"{seconds(facts.recovery_time)} after the last heartbeat"


def _untouched(pair: Pair, aws: LocalAws, facts: Facts) -> tuple[bool, str]:
    own = {pair.function(name) for name in FUNCTIONS}
    calls = [call for call in aws.calls(facts.calls_from) if call["at"] <= facts.flag_at]
    foreign = [call for call in calls if call["caller"] not in own]
    writes = [call for call in foreign if not call["operation"].startswith(("Get", "Describe", "List", "Filter"))]
    acts = ", ".join(sorted({call["operation"] for call in writes}))
    return not writes, acts or "only the functions wrote; this demo only read"


def _transitions(pair: Pair) -> list[dict[str, Any]]:
    return [event["detail"] for event in pair.audit_events() if event["detail-type"] == "Environment Transition"]


def _audit(pair: Pair) -> tuple[bool, str]:
    found = [(detail["id"].rsplit(":", 1)[-1], detail["kind"]) for detail in _transitions(pair)]
    expected = [("v1", "initialize"), ("v2", "failover"), ("v3", "switch")]
    audited = pair.audited()
    return (sorted(found) == expected and audited == "3",
            ", ".join(f"{version} {kind}" for version, kind in found))


def _who(pair: Pair, facts: Facts) -> tuple[bool, str]:
    details = {detail["version"]: detail for detail in _transitions(pair)}
    failover, switch = details[2], details[3]
    passed = (failover["who"]["function"] == "health-watcher" and "unhealthy" in failover["reason"]
              and failover["record"] == facts.claim and switch["who"]["requested_by"] == "ana"
              and switch["reason"] == "blue repaired")
    return passed, f"v2 {failover['who']['function']}; v3 {switch['who']['requested_by']}: {switch['reason']}"


def _metrics(pair: Pair, facts: Facts) -> tuple[bool, str]:
    span = (facts.flag_at - 1, time.time() + 1)  # later than the initialisation, which has its SwitchDuration, too
    deadline = time.monotonic() + 10
    while True:
        counts = {kind: sum(value for _, value in pair.metric("Transitions", *span, Kind=kind))
                  for kind in ("failover", "switch")}
        durations = [value for _, value in pair.metric("SwitchDuration", *span)]
        recovery = pair.metric("RecoveryTime", *span)
        exact = facts.flag_at - facts.last_heartbeat
        passed = counts == {"failover": 1, "switch": 1} and len(durations) == 2 and len(recovery) == 1 and \
            abs(recovery[0][1] - exact) < 0.5
        if passed or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    shown = ", ".join(f"{kind} {count:.0f}" for kind, count in counts.items())
    return passed, f"Transitions {shown}; RecoveryTime and 2 SwitchDuration" if passed else (
        f"Transitions {shown}; SwitchDuration {durations}, RecoveryTime {recovery}")


def _active(pair: Pair, facts: Facts) -> tuple[bool, str]:
    last = {}
    for colour in ("blue", "green"):
        values = pair.metric("ActiveEnvironment", instant(_written(facts)), time.time() + 1, Colour=colour)
        last[colour] = values[-1][1] if values else math.nan
    return last == {"blue": 1, "green": 0}, ", ".join(f"ActiveEnvironment {colour} {value:g}" for colour, value in last.items())


def _written(facts: Facts) -> str:
    return facts.history["entries"][0]["written_at"]


def _schedule(pair: Pair) -> tuple[bool, str]:
    ticks = [d for d in pair.decisions() if d["trigger"] == "schedule"]
    seen = [f"blue {d['blue']}, green {d['green']}" for d in ticks[-1:]] or ["no tick"]
    return bool(ticks), seen[0]


def _no_failures(pair: Pair, aws: LocalAws) -> tuple[bool, str]:
    timeline = aws.timeline()
    bad = [json.dumps(entry["detail"])[:200] for entry in timeline if entry["what"] in ("undelivered", "dead-letter")]
    invocations = [entry["detail"] for entry in timeline if entry["what"] == "invoke"]
    bad += [f"{detail['function']}: {detail['status']}" for detail in invocations if detail["status"].startswith("error")]
    letters = pair.dead_letters()
    return not bad and letters == 0, "; ".join(bad) or f"{len(invocations)} invocations, {letters} dead letters"
