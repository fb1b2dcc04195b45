"""The events in the local AWS, as lines of a timeline, while they happen.

Sources: the local AWS's own timeline, the watcher's log and the audit log group, Airflow's report on its scheduler, and, for the
progress line, the AWS calls of the watcher.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from demo.commands import instant
from demo.screen import Screen, seconds, short_times
from local_aws.process import LocalAws
from support.pair import Pair

POLL_SECONDS = 0.25
# No step times out sooner: the machine may be slow.
PATIENCE_SECONDS = 60
# Lines wait this long, so that events of the same moment from several sources are shown in order.
STANDBY_WAIT_SECONDS = 0.7


class StepTimeout(RuntimeError):
    """A step of the story did not happen in time; the message says which."""


@dataclass
class TimelineEvent:
    at: float
    kind: str
    who: str
    text: str
    more: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)


class TimelineFollower:
    """Reads the events since its creation, and prints them once it knows when the fault was."""

    def __init__(self, aws: LocalAws, pair: Pair, screen: Screen) -> None:
        self.aws, self.pair, self.screen = aws, pair, screen
        self.fault_at = time.time()
        self.seen: list[TimelineEvent] = []
        self.calls_read = aws.calls_so_far()
        self.probes_under_way = 0
        self._read = aws.timeline_so_far()
        self._began = time.time()
        self._waiting: list[TimelineEvent] = []
        self._logged: set[tuple[str, int]] = set()
        self._audited = {event["id"] for event in pair.audit_events()}
        self._decided_at: dict[str, float] = {}
        self._ill: dict[str, bool] = {}
        self.also: list[Callable[[], list[TimelineEvent]]] = []

    def until(self, kind: str, step: str, timeout: float, where: Callable[[TimelineEvent], bool] = lambda _: True,
              doing: Callable[[float], str] = lambda _: "") -> TimelineEvent:
        """Show the events until this one has happened."""
        timeout = max(timeout, PATIENCE_SECONDS)
        deadline = time.monotonic() + timeout
        while True:
            self.poll()
            for event in self.seen:
                if event.kind == kind and where(event):
                    return event
            if time.monotonic() > deadline:
                raise StepTimeout(f"{step}: not within {timeout:.0f} s")
            if text := doing(time.time() - self.fault_at):
                self.screen.progress(text)
            time.sleep(POLL_SECONDS)

    def poll(self) -> None:
        self._count_probes()  # before the verdicts, which reset it
        found = [*self._timeline(), *self._airflow(), *self._verdicts(), *self._audit(),
                 *(event for source in self.also for event in source())]
        self._waiting = sorted([*self._waiting, *found], key=lambda event: event.at)
        settled = time.time() - STANDBY_WAIT_SECONDS
        while self._waiting and self._waiting[0].at <= settled:
            self.show(self._waiting.pop(0))

    def show(self, event: TimelineEvent) -> None:
        self.seen.append(event)
        if event.text:
            self.screen.event(event.at - self.fault_at, event.who, event.text, event.more)

    # -- sources -------------------------------------------------------------------------------------------------

    def _timeline(self) -> list[TimelineEvent]:
        entries = self.aws.timeline(self._read)
        if entries:
            self._read = entries[-1]["n"] + 1
        return [event for entry in entries if (event := self._told(entry["at"], entry["what"], entry["detail"]))]

    def _told(self, at: float, what: str, detail: dict[str, Any]) -> TimelineEvent | None:
        match what:
            case "heartbeat-lost":
                last = instant(detail["latest_heartbeat"].removesuffix("+00:00"))
                return TimelineEvent(at, "fault", "fault", f"the scheduler of {detail['environment']} is stopped; "
                                 f"its last heartbeat was {seconds(at - last)} ago", data={"last_heartbeat": last})
            case "heartbeat-back":
                return TimelineEvent(at, "repair", "repair", f"the scheduler of {detail['environment']} is started again")
            case "alarm-state" if detail["alarm"].endswith("-heartbeat-lost"):
                why = ": no heartbeat in its period" if detail["state"] == "ALARM" else ""
                return TimelineEvent(at, "alarm", "alarm", f"{detail['alarm']}: {detail['previous']} -> {detail['state']}{why}",
                                 data=detail)
            case "invoke" if detail["function"] == self.pair.function("health-watcher"):
                by = {"alarm": "the heartbeat alarm", "schedule": "the schedule, as every minute", "invoke": "the command above"}
                woken = by.get(detail["trigger"], detail["trigger"])
                return TimelineEvent(at, "woken", "watcher", f"woken by {woken}", data=detail)
            case "invoke" if detail["trigger"] == "event:Environment Transition":
                return TimelineEvent(at + 0.0005, "notified", "listener", "woken by the audit event: it notifies people", data=detail)
            case "invoke" if detail["function"] == self.pair.function("change-listener"):
                return TimelineEvent(at + 0.0005, "listener", "listener",
                                 "woken by the event", data=detail)
            case "event" if detail["detail_type"] == "Parameter Store Change" and detail["rules"]:
                return TimelineEvent(at, "event", "event", f"{detail['detail_type']}, matched by rule {', '.join(detail['rules'])}",
                                 data=detail)
            case "parameter" if "-outcome-" in detail["name"]:
                return TimelineEvent(at, "outcome", "outcome", f"of the drill recorded, once: {detail['name'].rsplit('/', 1)[1]}", data=detail)
            case "parameter" if detail["name"].startswith(f"{self.pair.root}/transitions/"):
                record = detail["name"].rsplit("/", 1)[1]
                self._decided_at[record] = instant(json.loads(detail["value"])["decided_at"])
                return TimelineEvent(at, "claim", "claim", f"record {record} created: nobody else can make this transition",
                                 data={**detail, "record": record})
            case "parameter" if detail["name"] == self.pair.flag_name:
                return TimelineEvent(at, "flag", "flag", f"{self.pair.flag_name} = {detail['value']}, version {detail['version']}",
                                 data=detail)
        return None

    def _airflow(self) -> list[TimelineEvent]:
        """Airflow's own report on its scheduler, when it changes."""
        found = []
        for environment in self.aws.environments():
            name, ill = environment["name"], environment["scheduler_status"] != "healthy"
            if ill != self._ill.get(name, False):
                last = instant(environment["latest_scheduler_heartbeat"].removesuffix("+00:00"))
                now = time.time()
                text = (f"no heartbeat of {name} for {seconds(now - last)}: its Airflow says unhealthy" if ill else
                        f"{name} beats again: its Airflow says healthy")
                found.append(TimelineEvent(now, "airflow", "heartbeat", text, data={"environment": name, "ill": ill}))
            self._ill[name] = ill
        return found

    def _verdicts(self) -> list[TimelineEvent]:
        found = []
        for entry in self.pair.decisions(self._began):
            key = (entry["request_id"], entry["probe"])
            if key in self._logged:
                continue
            self._logged.add(key)
            if entry["at"] < self._began:
                continue
            self.probes_under_way = 0
            found.append(self._verdict(entry))
        return found

    def _verdict(self, entry: dict[str, Any]) -> TimelineEvent:
        verdicts = f"blue {entry['blue']}, green {entry['green']}"
        reason = short_times(re.sub(r"^(blue|green) is [a-z]+: ", "", entry["reason"]))
        decision = entry["decision"]
        if decision == "none" and entry["blue"] == entry["green"] == "healthy":
            text, more = f"{verdicts}: nothing to do", []
        elif decision == "none":
            # The first probe reports the whole observation; after it only the time changes.
            text = verdicts if entry["probe"] == 1 else f"{verdicts}: {reason.split('; ')[-1]}"
            more = reason.split("; ") if entry["probe"] == 1 else []
        elif decision == "blocked":
            text, more = f"{verdicts}: would fail over, blocked by {entry['precondition']}", reason.split("; ")
        else:
            text, more = f"{verdicts}: {decision}", reason.split("; ")
        if entry.get("conflict"):
            more.append(entry["conflict"])
        # The verdict is logged after the write; it was reached before the claim.
        at = self._decided_at.get(entry.get("transition") or "", entry["at"])
        return TimelineEvent(at, "verdict", f"probe {entry['probe']}", text, tuple(more), entry)

    def _audit(self) -> list[TimelineEvent]:
        found = []
        for event in self.pair.audit_events(self._began):
            if event["id"] in self._audited:
                continue
            self._audited.add(event["id"])
            detail = event["detail"]
            text = f"{event['detail-type']}: {told_by(event['detail-type'], detail)}"
            why = (f"why: {short_times(str(detail['reason']))}",) if detail.get("reason") else ()
            found.append(TimelineEvent(time.time(), "audit", "audit", text, why, {**detail, "type": event["detail-type"]}))
        return found

    def _count_probes(self) -> None:
        calls = self.aws.calls(self.calls_read)
        if calls:
            self.calls_read = calls[-1]["n"] + 1
        self.probes_under_way += sum(call["operation"] == "GetMetricData"
                                     and call["caller"] == self.pair.function("health-watcher") for call in calls)


def told_by(detail_type: str, detail: dict[str, Any]) -> str:
    """A short text for an audit event."""
    change = f"{detail.get('from')} -> {detail.get('to')}"
    match detail_type:
        case "Environment Transition":
            who = detail.get("who") or {}
            by = who.get("function") or "an unknown hand"
            asked = f", asked by {who['requested_by']}" if who.get("requested_by") else ""
            return f"{detail.get('kind')} {change}, version {detail.get('version')}, by {by}{asked}"
        case "Drill Finished":
            return f"{detail.get('outcome')}, mode {detail.get('mode')}, {change}"
        case "Failover Blocked":
            return f"by {', '.join(detail.get('blocked_by', []))}"
        case "Hold Changed":
            return str(detail.get("state"))
    return "see its details"
