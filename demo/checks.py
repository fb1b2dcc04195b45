"""What must be true after the story; each item is checked against AWS's answers."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.mailbox import Mailbox
from demo.screen import seconds
from local_aws.process import LocalAws
from local_aws.stack import FUNCTIONS
from support.pair import Pair

# The delay that a busy machine may add to the promise "failure window plus one probe".
SLACK_SECONDS = 15


@dataclass
class Facts:
    """The facts of the story that its final checks need."""

    began: float = 0.0  # a moment before the flag's first version
    fault_at: float = 0.0
    held_fault_at: float = 0.0
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
    drill: dict[str, Any] = field(default_factory=dict)
    check: str = ""
    upgraded_to: str = ""


@dataclass
class Result:
    what: str
    passed: bool
    seen: str


def hour(timestamp: str) -> str:
    """`2026-11-23T11:14:31.813Z` -> `11:14:31`, in UTC like every time here."""
    return timestamp[11:19]


def verify(pair: Pair, aws: LocalAws, mailbox: Mailbox, picture: Path, facts: Facts, window: float,
           probe_interval: float) -> list[Result]:
    results: list[Result] = []

    def check(what: str, look: Callable[[], tuple[bool, str]]) -> None:
        try:
            passed, seen = look()
        except Exception as error:  # a check that cannot be made has not passed; the others are still worth making
            passed, seen = False, f"{type(error).__name__}: {error}"
        results.append(Result(what, passed, seen))

    check("the flag says green, version 6", lambda: _flag(pair))
    check("its history tells the six changes", lambda: _history(pair))
    check("the claim is the record of the failover", lambda: _record(pair, facts))
    check("the heartbeat alarm fired, the watcher woke", lambda: _alarm(pair, facts))
    check("blue was suspect first, then unhealthy", lambda: _verdicts(pair, facts))
    check("failover: after the window, within one probe", lambda: _timing(facts, window, probe_interval))
    check("nobody else touched anything meanwhile", lambda: _untouched(pair, aws, facts))
    check("under the hold a dead blue stayed active", lambda: _held(pair, facts))
    check("each hold, the block and each end were told once", lambda: _hold_reported(pair))
    check("the drill switched, held a minute, returned", lambda: _drill(pair, facts))
    check("its outcome was told once, and is a metric", lambda: _outcome(pair, facts))
    check("the audit log has each transition once", lambda: _audit(pair))
    check("who and why are in the audit log", lambda: _who(pair, facts))
    check("people got a mail of each thing they must know", lambda: _mails(mailbox))
    check("both have the new Airflow, the standby first", lambda: _upgraded(pair, facts))
    check("metrics tell of all five transitions", lambda: _metrics(pair, facts))
    check("metrics say that green is active", lambda: _active(pair))
    check("the standby is ready", lambda: _ready(facts))
    check("the picture shows failover, hold and drill", lambda: _picture(picture))
    check("the stack's schedule makes ticks, too", lambda: _schedule(pair))
    check("no function failed, nothing undelivered", lambda: _no_failures(pair, aws))
    return results


def _flag(pair: Pair) -> tuple[bool, str]:
    flag = pair.flag()
    return (flag.value, flag.number) == ("green", 6), f"ssm get-parameter: {flag.value}, version {flag.number}"


def _history(pair: Pair) -> tuple[bool, str]:
    versions = [(version.number, version.value, version.description.split(":")[0], version.by.rsplit("/", 1)[-1])
                for version in pair.versions()]
    expected = [(1, "blue", "initialize", pair.function("switch-handler")),
                (2, "green", "failover", pair.function("health-watcher")),
                (3, "blue", "switch", pair.function("switch-handler")),
                (4, "green", "drill", pair.function("switch-handler")),
                (5, "blue", "drill-return", pair.function("health-watcher")),
                (6, "green", "switch", pair.function("switch-handler"))]
    return versions == expected, "; ".join(f"{number} {value}, {kind}" for number, value, kind, _ in versions)


def _record(pair: Pair, facts: Facts) -> tuple[bool, str]:
    record = pair.records()[facts.claim]
    found = (record["kind"], record["from"], record["to"], record["version"], record["actor"]["function"])
    return (found == ("failover", "blue", "green", 2, "health-watcher"),
            f"{record['kind']} {record['from']} -> {record['to']}: {facts.claim}")


def _alarm(pair: Pair, facts: Facts) -> tuple[bool, str]:
    items = pair.client("cloudwatch").describe_alarm_history(AlarmName=facts.alarm, HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    rang = [item["Timestamp"].timestamp() for item in items
            if "to ALARM" in item["HistorySummary"] and item["Timestamp"].timestamp() > facts.fault_at - 1]
    woken = [d for d in pair.decisions(facts.fault_at) if d["trigger"] == "alarm"]
    if not rang or not woken:
        return False, f"{facts.alarm}: rang {len(rang)} times, {len(woken)} probes by the alarm"
    return True, f"{seconds(min(rang) - facts.fault_at)} after the fault: {facts.alarm}"


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


def _held(pair: Pair, facts: Facts) -> tuple[bool, str]:
    probes = [d for d in pair.decisions(facts.held_fault_at) if d["at"] > facts.held_fault_at and d["version"] == 3]
    blocked = [d for d in probes if d["decision"] == "blocked"]
    passed = len(blocked) >= 2 and all((d["blue"], d["precondition"]) == ("unhealthy", "hold") for d in blocked)
    times = sum(value for _, value in pair.datapoints("FailoverBlocked", facts.held_fault_at, time.time() + 1, Precondition="hold"))
    return passed and times >= 1, f"{len(blocked)} looks: blue unhealthy, blocked by hold; metric FailoverBlocked"


def _told(pair: Pair, detail_type: str) -> list[dict[str, Any]]:
    """Details of the events of a type, without repeats."""
    return list({detail["id"]: detail for detail in pair.audit(detail_type)}.values())


def _hold_reported(pair: Pair) -> tuple[bool, str]:
    changes = [detail["state"] for detail in _told(pair, "Hold Changed")]
    blocked = [",".join(detail["blocked_by"]) for detail in _told(pair, "Failover Blocked")]
    return ((changes, blocked) == (["held", "ended"] * 2, ["hold"]),
            f"Hold Changed: {', '.join(changes)}; Failover Blocked by {', '.join(blocked)}")


def _drill(pair: Pair, facts: Facts) -> tuple[bool, str]:
    out, back = (version.modified.timestamp() for version in pair.versions()[3:5])
    stored = pair.stored("drill")
    passed = back - out >= 60 and (stored["outcome"], stored["mode"]) == ("succeeded", "switch") \
        and facts.drill["timings"]["held_s"] >= 60
    return passed, f"green for {seconds(back - out)} by Parameter Store's clock; {stored['outcome']}"


def _outcome(pair: Pair, facts: Facts) -> tuple[bool, str]:
    told = _told(pair, "Drill Finished")
    count = sum(value for _, value in pair.datapoints("DrillOutcome", facts.fault_at, time.time() + 1, Outcome="succeeded"))
    outcomes = ", ".join(detail["outcome"] for detail in told)
    return (outcomes, count) == ("succeeded", 1), f"Drill Finished: {outcomes}; DrillOutcome succeeded {count:.0f}"


def _mails(mailbox: Mailbox) -> tuple[bool, str]:
    prefix = f"[{mailbox.pair.name}] "
    subjects = [mail.subject.removeprefix(prefix) for mail in mailbox.mails()]
    wanted = ("FAILOVER blue -> green", "SWITCH green -> blue", "HOLD until", "FAILOVER BLOCKED by hold", "HOLD ended")
    missing = [part for part in wanted if not any(part in subject for subject in subjects)]
    return not missing, f"missing: {', '.join(missing)}" if missing else "; ".join(dict.fromkeys(subjects))


def _ready(facts: Facts) -> tuple[bool, str]:
    first = facts.check.strip().splitlines()[0] if facts.check.strip() else "no answer"
    return ": ready" in first, f"mwaa-bluegreen check: {first.strip()}"


def _picture(picture: Path) -> tuple[bool, str]:
    svg = picture.read_text()
    wanted = ("failover, ", "switch", "drill", "drill-return", "hold", "succeeded", "blue", "green")
    missing = [word for word in wanted if f">{word}" not in svg.replace("\n", "")]
    return not missing, f"missing: {', '.join(missing)}" if missing else f"{picture.name}, {len(svg) / 1000:.0f} kB"


def _transitions(pair: Pair) -> list[dict[str, Any]]:
    return pair.audit("Environment Transition")


def _audit(pair: Pair) -> tuple[bool, str]:
    found = [(detail["id"].rsplit(":", 1)[-1].split("-")[0], detail["kind"]) for detail in _transitions(pair)]
    expected = [("v1", "initialize"), ("v2", "failover"), ("v3", "switch"), ("v4", "drill"), ("v5", "drill-return"), ("v6", "switch")]
    return (sorted(found) == expected and pair.audited() == 6,
            ", ".join(f"{version} {kind}" for version, kind in found))


def _who(pair: Pair, facts: Facts) -> tuple[bool, str]:
    details = {detail["version"]: detail for detail in _transitions(pair)}
    failover, switch, practice = details[2], details[3], details[4]
    passed = (failover["who"]["function"] == "health-watcher" and "unhealthy" in failover["reason"]
              and failover["record"] == facts.claim and switch["who"]["requested_by"] == "ana"
              and switch["reason"] == "blue repaired" and practice["who"]["requested_by"] == "ana"
              and practice["reason"].startswith("weekly practice"))
    return passed, "; ".join([f"v2 {failover['who']['function']}", *(
        f"v{detail['version']} {detail['who']['requested_by']}: {detail['reason']}" for detail in (switch, practice))])


def _metrics(pair: Pair, facts: Facts) -> tuple[bool, str]:
    span = (facts.flag_at - 1, time.time() + 1)  # later than the initialization, which has a SwitchDuration, too
    deadline = time.monotonic() + 60
    while True:
        counts = {kind: sum(value for _, value in pair.datapoints("Transitions", *span, Kind=kind))
                  for kind in ("failover", "switch", "drill", "drill-return")}
        durations = [value for _, value in pair.datapoints("SwitchDuration", *span)]
        recovery = pair.datapoints("RecoveryTime", *span)
        exact = facts.flag_at - facts.last_heartbeat
        passed = counts == {"failover": 1, "switch": 2, "drill": 1, "drill-return": 1} and len(durations) == 5 and len(recovery) == 1 and \
            abs(recovery[0][1] - exact) < 0.5
        if passed or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    shown = ", ".join(f"{kind} {count:.0f}" for kind, count in counts.items())
    return passed, f"Transitions {shown}; RecoveryTime, {len(durations)} SwitchDuration" if passed else (
        f"Transitions {shown}; SwitchDuration {durations}, RecoveryTime {recovery}")


def _upgraded(pair: Pair, facts: Facts) -> tuple[bool, str]:
    """From what CloudFormation remembers: each update lies in a time in which the other color was active."""
    mwaa, stacks = pair.client("mwaa"), pair.client("cloudformation")
    versions = {color: mwaa.get_environment(Name=name)["Environment"]["AirflowVersion"] for color, name in pair.environments.items()}
    switched = pair.versions()[5].modified.timestamp()
    updates = {}
    for color in ("blue", "green"):
        events = stacks.describe_stack_events(StackName=f"{pair.name}-{color}-environment")["StackEvents"]
        updates[color] = [event["Timestamp"].timestamp() for event in events
                          if event["ResourceType"] == "AWS::MWAA::Environment" and event["ResourceStatus"].startswith("UPDATE_")]
    in_order = bool(updates["blue"] and updates["green"]) and max(updates["green"]) < switched < min(updates["blue"])
    passed = set(versions.values()) == {facts.upgraded_to} and in_order
    return passed, f"green {versions['green']}, then the switch, then blue {versions['blue']}" if in_order else f"{versions}, {updates}"


def _active(pair: Pair) -> tuple[bool, str]:
    last, written = {}, pair.flag().modified.timestamp()
    for color in ("blue", "green"):
        values = pair.datapoints("ActiveEnvironment", written, time.time() + 1, Color=color)
        last[color] = values[-1][1] if values else math.nan
    return last == {"blue": 0, "green": 1}, ", ".join(f"ActiveEnvironment {color} {value:g}" for color, value in last.items())


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
