"""The AWS calls of the deployed stack: calls, sequential round trips and billable requests, from the log of calls.

They are counted while every service answers late. Only then do parallel calls reliably overlap, and only then do waits show in a
function's duration: the extra time divided by the latency is the number of waits.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from bench.cold_start import BINARIES, FUNCTIONS, PROJECT
from local_aws.middlebox import Middlebox
from local_aws.process import LocalAws
from local_aws.stack import Stack, architecture
from support import events

PAIR = "bench"
LATENCY_MS = 100
# Longer than the half second that `status` and `history` leave between their two readings. With less, what goes on beside the second one
# ends in that pause, and would count as if the second one had waited for it.
LATENCY_BESIDE_PAUSES_MS = 600
SERVICES = ("ssm", "airflow", "monitoring", "events")
ENDPOINTS = ("SSM", "MWAA", "CLOUDWATCH", "EVENTBRIDGE", "SNS")
# Longer than the three seconds after which the functions no longer trust an idle connection.
IDLE_SECONDS = 4
FAILURE_WINDOW_SECONDS, PROBE_INTERVAL_SECONDS, FAILOVER_LATENCY_MS = 20, 5, 50
DAGS, DRILL_SECONDS = 1000, 60
SCHEDULED = events.load("ticks/schedule")
WAKERS = ("every-minute", "environment-status")
HEARTBEAT_ALARMS = [f"{PAIR}-{color}-heartbeat-lost" for color in ("blue", "green")]
# A delivery of a request may be repeated for a day. Until the flag has been unchanged for so long, a request reads the flag's history. It
# also reads the records of what was written within that day, ten records a call: one of them may be its own.
REST_SECONDS = 25 * 3600
AT_REST, MOVED, OFTEN = ("manual switch, flag at rest", "manual switch, flag moved within a day",
                         "manual switch, more than ten moves within a day")
# The number of moves of the flag within the last day.
SWITCHES = {AT_REST: 0, MOVED: 1, OFTEN: 11}
# The history comes in pages of so many versions, one after the other. An old pair has two of them.
HISTORY_PAGE = 50
OLD_STATUS, OLD_MOVED = "status, more than 50 versions kept", f"{MOVED}, more than 50 versions kept"

Call = dict[str, Any]


class BenchError(RuntimeError):
    """Something could not be measured."""


@dataclass(frozen=True)
class Switch:
    answer: dict[str, Any]
    calls: list[Call]
    # Calls of the listener for the write of the flag.
    heard: list[Call]


class BenchStack:
    """The stack, deployed and initialized. It acts only on the benchmark's calls."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self._config = Config(inject_host_prefix=False, retries={"total_max_attempts": 1}, read_timeout=120)
        self._clients: dict[str, Any] = {}
        for color in ("blue", "green"):
            aws.put_environment(f"{PAIR}-{color}", scheduler="running")
        with tempfile.TemporaryDirectory(prefix="bench-stack-") as work:
            Stack(aws, PAIR, Path(work)).deploy(PROJECT / "template.yaml", BINARIES, {
                "PairName": PAIR, "BlueEnvironmentName": f"{PAIR}-blue", "GreenEnvironmentName": f"{PAIR}-green",
                "FailureWindowSeconds": str(FAILURE_WINDOW_SECONDS), "ProbeIntervalSeconds": str(PROBE_INTERVAL_SECONDS),
                "CooldownSeconds": "0", "MetricsIntervalMinutes": "60",
                "HeartbeatAlarmPeriodSeconds": "10", "HeartbeatAlarmEvaluationPeriods": "1",
            }, architecture=architecture())
        for rule in WAKERS:
            self.client("events").disable_rule(Name=f"{PAIR}-{rule}")
        self.client("cloudwatch").disable_alarm_actions(AlarmNames=HEARTBEAT_ALARMS)
        # The default of the template for a pair of this name.
        self.flag = self.variables()["health-watcher"]["FLAG_PARAMETER"]
        self.transitions = f"{self.flag.rsplit('/', 1)[0]}/transitions"
        self.listened_to(lambda: self.invoke("switch-handler", {"action": "initialize"}))

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service, config=self._config, **self.aws.client_settings())
        return self._clients[service]

    def variables(self) -> dict[str, dict[str, str]]:
        describe = self.client("lambda").get_function_configuration
        return {name: describe(FunctionName=f"{PAIR}-{name}")["Environment"]["Variables"] for name in FUNCTIONS}

    def configure(self, function: str, **variables: str) -> None:
        self.client("lambda").update_function_configuration(
            FunctionName=f"{PAIR}-{function}", Environment={"Variables": {**self.variables()[function], **variables}})

    def invoke(self, function: str, payload: Any) -> dict[str, Any]:
        answer = self.client("lambda").invoke(FunctionName=f"{PAIR}-{function}", Payload=json.dumps(payload))
        body = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise BenchError(f"{function} failed at {payload}: {body}")
        return body

    def calm_tick(self) -> dict[str, Any]:
        """A scheduled tick that does not publish, as four of five do not; here one an hour publishes."""
        if time.gmtime().tm_min == 0:
            time.sleep(61 - time.gmtime().tm_sec)
        return self.invoke("health-watcher", SCHEDULED)

    def calm_calls(self) -> list[Call]:
        """Calls of a calm tick that does nothing else. After a transition the next scheduled tick first checks the standby's readiness."""
        self.calm_tick()
        since = self.aws.calls_so_far()
        self.calm_tick()
        calls = self.calls("health-watcher", since)
        if any(call["operation"] == "DescribeParameters" for call in calls):
            raise BenchError("a tick that should be calm checked the standby's readiness")
        return calls

    def calls(self, function: str, since: int) -> list[Call]:
        return [call for call in self.aws.calls(since) if f"{PAIR}-{function}" in str(call["caller"])]

    def calls_of(self, function: str, payload: Any) -> list[Call]:
        since = self.aws.calls_so_far()
        self.invoke(function, payload)
        return self.calls(function, since)

    def listened_to(self, change: Callable[[], Any]) -> list[Call]:
        """Calls of the listener for what `change` does to the flag. The notification that follows is another invocation."""
        calls_before, timeline_before = self.aws.calls_so_far(), self.aws.timeline_so_far()
        change()
        self.aws.wait_for("invoke", lambda detail: detail["function"] == f"{PAIR}-change-listener"
                          and detail["trigger"] == "event:Parameter Store Change"
                          and detail["status"] != "running", since=timeline_before)
        return [call for call in self.calls("change-listener", calls_before) if call["service"] != "sns"]

    def active(self) -> str:
        return self.client("ssm").get_parameter(Name=self.flag)["Parameter"]["Value"]

    def switch(self) -> Switch:
        """Switch to the other color."""
        to = "blue" if self.active() == "green" else "green"
        answers: list[dict[str, Any]] = []
        since = self.aws.calls_so_far()
        heard = self.listened_to(lambda: answers.append(self.invoke("switch-handler", {"to": to})))
        return Switch(answers[0], self.calls("switch-handler", since), heard)

    def rest_and_move(self, moves: int) -> None:
        """Let the flag be unchanged for a day, then write it so many times. Without this, the calls of a switch would depend on the
        number of earlier switches."""
        self.answer_late(0)
        self.aws.age_parameter(self.flag, REST_SECONDS, every_version=True)
        for _ in range(moves):
            self.switch()

    def switch_of_kind(self, kind: str) -> Switch:
        self.rest_and_move(SWITCHES[kind])
        self.answer_late(LATENCY_MS)
        return self.switch()

    def answer_late(self, milliseconds: int) -> None:
        self.aws.clear_faults()
        if milliseconds:
            for service in SERVICES:
                self.aws.add_fault("latency", service, latency_ms=milliseconds)


def round_trips(calls: list[Call]) -> int:
    """The longest chain of calls in which each began after the previous one had ended."""
    chain, free_at = 0, 0.0
    for began, ended in sorted(((call["at"], call["at"] + call["ms"] / 1000) for call in calls), key=lambda span: span[1]):
        if began >= free_at:
            chain, free_at = chain + 1, ended
    return chain


def summary(calls: list[Call]) -> dict[str, Any]:
    if refused := [call for call in calls if call["status"] is None or call["status"] >= 500]:
        raise BenchError(f"a call was not answered: {refused[0]}")
    return {"calls": len(calls), "round_trips": round_trips(calls), "billable": billable(calls),
            "operations": dict(Counter(call["operation"] for call in calls))}


def billable(calls: list[Call]) -> dict[str, int]:
    """The requests that AWS charges for: GetMetricData by metric (each of ours requests one), PutEvents by event (each of ours sends one
    here). Calls of Parameter Store (standard) and of MWAA are free."""
    charged = ("PutMetricData", "GetMetricData", "DescribeAlarms", "PutEvents")
    return {operation: count for operation in charged if (count := sum(call["operation"] == operation for call in calls))}


def count(stack: BenchStack) -> dict[str, Any]:
    """One case of each kind, with latency."""
    stack.answer_late(LATENCY_MS)
    cases: dict[str, list[Call]] = {"healthy tick, calm": stack.calm_calls()}
    # A readiness check comes first: from then on its score is one of the metrics that are always on.
    interval = stack.variables()["health-watcher"]["READINESS_INTERVAL_MINUTES"]
    stack.configure("health-watcher", READINESS_INTERVAL_MINUTES="1")
    since = stack.aws.calls_so_far()
    stack.calm_tick()
    cases["healthy tick, with the hourly readiness check"] = stack.calls("health-watcher", since)
    stack.configure("health-watcher", READINESS_INTERVAL_MINUTES=interval)
    timeline_before = stack.aws.timeline_so_far()
    cases["healthy tick, publishing"] = stack.calls_of("health-watcher", {})
    series = sum(entry["what"] == "metric" for entry in stack.aws.timeline(timeline_before))
    stack.answer_late(LATENCY_BESIDE_PAUSES_MS)
    cases["status"] = stack.calls_of("switch-handler", {"action": "status"})
    cases["history"] = stack.calls_of("switch-handler", {"action": "history"})
    switch = stack.switch_of_kind(AT_REST)
    cases[AT_REST], cases["listener event (flag written)"] = switch.calls, switch.heard
    cases[MOVED] = stack.switch_of_kind(MOVED).calls
    # A scheduled drill finds a flag that was unchanged for a day, and blue must be active again.
    stack.answer_late(0)
    if stack.active() == "green":
        stack.switch()
    stack.rest_and_move(0)
    stack.answer_late(LATENCY_MS)
    cases |= count_drill(stack)
    cases[OFTEN] = stack.switch_of_kind(OFTEN).calls
    stack.answer_late(0)
    return {"cases": {name: summary(calls) for name, calls in cases.items()}, "always_on_metrics": series}


def count_drill(stack: BenchStack) -> dict[str, list[Call]]:
    """A dry drill, then a real one: its start, a tick in its middle, its return."""
    cases = {"drill, dry": stack.calls_of("switch-handler", {"action": "drill", "mode": "dry"})}
    drill = {"action": "drill", "mode": "switch", "duration_minutes": DRILL_SECONDS // 60}
    started: list[Call] = []
    stack.listened_to(lambda: started.extend(stack.calls_of("switch-handler", drill)))
    cases["drill, start (mode switch)"] = started
    cases["calm tick while a drill is under way"] = stack.calm_calls()
    stack.aws.age_parameter(stack.flag, DRILL_SECONDS + 1)
    returned: list[Call] = []

    def due() -> None:
        since = stack.aws.calls_so_far()
        if (answer := stack.calm_tick())["decision"] != "drill-return":
            raise BenchError(f"the drill's time is over, but the watcher decided {answer['decision']}: {answer['reason']}")
        returned.extend(stack.calls("health-watcher", since))

    stack.listened_to(due)
    cases["drill, return and outcome"] = returned
    return cases


def check_many(stack: BenchStack) -> dict[str, Any]:
    """A readiness check of two environments with many DAGs each."""
    for color in ("blue", "green"):
        stack.aws.put_environment(f"{PAIR}-{color}", dags=DAGS)
    stack.answer_late(LATENCY_MS)
    since = stack.aws.calls_so_far()
    answer = stack.invoke("switch-handler", {"action": "check"})
    calls = stack.calls("switch-handler", since)
    stack.answer_late(0)
    listed = answer["readiness"]["dags"]["listed"]
    if answer["readiness"]["partial"] or {each["known"] for each in listed.values()} != {DAGS}:
        raise BenchError(f"the check of {DAGS} DAGs is not whole: {answer['readiness']['not_asked']}, {listed}")
    for color in ("blue", "green"):
        stack.aws.put_environment(f"{PAIR}-{color}", dags=0)
    asked = sorted(call["at"] for call in calls if call["operation"] == "InvokeRestApi")
    return {"dags": DAGS, "seconds": answer["elapsed_ms"] / 1000, "calls": len(calls), "airflow_requests": len(asked),
            "requests_a_second": (len(asked) - 1) / max(asked[-1] - asked[0], 1),
            "busiest_second": max(sum(at <= other < at + 1 for other in asked) for at in asked),
            "billable": billable(calls), "latency_ms": LATENCY_MS, "outcome": answer["outcome"]}


def count_exceptions(stack: BenchStack) -> dict[str, Any]:
    """Ticks and switches that cost more than others. This runs last: it breaks the standby, changes the watcher's variables, and leaves a
    flag with many versions."""
    standby = "blue" if stack.active() == "green" else "green"
    stack.aws.put_environment(f"{PAIR}-{standby}", scheduler="unhealthy")
    stack.answer_late(LATENCY_MS)
    standby_down = stack.calls_of("health-watcher", {})
    stack.aws.put_environment(f"{PAIR}-{standby}", scheduler="running")
    stack.configure("health-watcher", **{f"{color.upper()}_HEALTH_ALARM_NAMES": f"{color}-is-slow" for color in ("blue", "green")})
    named_alarms = stack.calls_of("health-watcher", {})
    stack.answer_late(0)
    while stack.switch().answer["version"] <= HISTORY_PAGE:
        pass
    old_moved = stack.switch_of_kind(MOVED).calls
    stack.answer_late(LATENCY_BESIDE_PAUSES_MS)
    old_status = stack.calls_of("switch-handler", {"action": "status"})
    stack.answer_late(0)
    return {"tick, publishing, standby down": summary(standby_down), "tick, publishing, named alarms": summary(named_alarms),
            OLD_MOVED: summary(old_moved), OLD_STATUS: summary(old_status)}


@dataclass(frozen=True)
class Waits:
    """A timed case, and the number of its sequential waits."""

    due: int
    act: Callable[[], tuple[dict[str, Any], list[Call]]]
    before: Callable[[], None] = lambda: None
    # How many of the due waits are hidden in a pause that takes place anyway: they show in the log of calls, but not in the duration.
    hidden: int = 0


def of_one_kind(name: str, samples: list[list[Call]]) -> None:
    kinds = {tuple(sorted(Counter(call["operation"] for call in calls).items())) for calls in samples}
    if len(kinds) > 1:
        told = " or ".join(", ".join(f"{count} {operation}" for operation, count in kind) for kind in sorted(kinds))
        raise BenchError(f"{name}: the samples are not of one kind, for they made {told}")


def time_waits(stack: BenchStack, samples: int) -> dict[str, Any]:
    """The functions' own time without and with latency, alternately.

    One case follows the other. A switch changes the standby, and the next scheduled tick then checks its readiness, so that tick is
    not calm. So switches come last, and an unmeasured tick after each of them makes that check.

    Only the two kinds of switch alternate: a switch that follows a switch of an unchanged flag is a switch of a moved flag. That also
    keeps the flag below one page of versions.
    """
    def of(function: str, act: Callable[[], dict[str, Any]]) -> Callable[[], tuple[dict[str, Any], list[Call]]]:
        def acted() -> tuple[dict[str, Any], list[Call]]:
            since = stack.aws.calls_so_far()
            answer = act()
            return answer, stack.calls(function, since)
        return acted

    def switched() -> tuple[dict[str, Any], list[Call]]:
        switch = stack.switch()
        return switch.answer, switch.calls

    cases = {
        "healthy tick, calm": Waits(1, of("health-watcher", stack.calm_tick)),
        "healthy tick, publishing": Waits(2, of("health-watcher", lambda: stack.invoke("health-watcher", {}))),
        # It reads a second time half a second after the first, which is longer than the wait of the first read.
        "status": Waits(2, of("switch-handler", lambda: stack.invoke("switch-handler", {"action": "status"})), hidden=1),
        AT_REST: Waits(3, switched, lambda: stack.rest_and_move(SWITCHES[AT_REST])),
        MOVED: Waits(5, switched),
    }
    switches = [AT_REST, MOVED]
    elapsed: dict[str, dict[int, list[int]]] = {name: {0: [], LATENCY_MS: []} for name in cases}
    calls: dict[str, list[list[Call]]] = {name: [] for name in cases}
    timed: dict[str, Any] = {}
    stack.answer_late(0)
    stack.calm_calls()
    for names in [*([name] for name in cases if name not in switches), switches]:
        for latency in (0, LATENCY_MS) * samples:
            for name in names:
                cases[name].before()
                stack.answer_late(latency)
                answer, made = cases[name].act()
                elapsed[name][latency].append(answer["elapsed_ms"])
                calls[name].append(made)
    for name, case in cases.items():
        of_one_kind(name, calls[name])
        without, late = elapsed[name][0], elapsed[name][LATENCY_MS]
        timed[name] = {"due_waits": case.due, "hidden_waits": case.hidden, "without_ms": without, "with_ms": late,
                       "latency_ms": LATENCY_MS, "waits": (statistics.median(late) - statistics.median(without)) / LATENCY_MS}
    stack.answer_late(0)
    if stack.active() == "green":
        stack.switch()
    stack.calm_tick()
    return timed


def count_connections(stack: BenchStack) -> dict[str, dict[str, int]]:
    """New connections of one invocation, each of them a TCP and a TLS handshake on AWS. Three invocations are counted: the first of a
    process, one right after it, and one after a pause in which Lambda would have frozen the process. Idle connections are not trusted."""
    listening = {"source": "aws.ssm", "detail-type": "Parameter Store Change", "detail": {"name": stack.flag}}
    cases: dict[str, tuple[str, Callable[[], Any]]] = {
        "healthy tick, calm": ("health-watcher", stack.calm_tick),
        "status": ("switch-handler", lambda: stack.invoke("switch-handler", {"action": "status"})),
        "listener event (none to audit)": ("change-listener", lambda: stack.invoke("change-listener", listening)),
    }
    stack.calm_calls()
    before = stack.variables()
    counted: dict[str, dict[str, int]] = {}
    with Middlebox(stack.aws.endpoint) as box:
        def made(act: Callable[[], Any]) -> int:
            so_far = box.connections
            act()
            return box.connections - so_far

        for name, (function, act) in cases.items():
            # A changed configuration starts a new process.
            stack.configure(function, **{f"AWS_ENDPOINT_URL_{service}": box.url for service in ENDPOINTS})
            counted[name] = {"first": made(act), "at_once": made(act)}
            time.sleep(IDLE_SECONDS)
            counted[name]["after_idle"] = made(act)
            client = stack.client("lambda")
            client.update_function_configuration(FunctionName=f"{PAIR}-{function}", Environment={"Variables": before[function]})
    return counted


def fail_over(stack: BenchStack) -> dict[str, Any]:
    """Kill blue's scheduler; only the heartbeat alarm's direct action may wake the watcher."""
    alarms = stack.client("cloudwatch")
    deadline = time.monotonic() + 20
    while len(alarms.describe_alarms(AlarmNames=HEARTBEAT_ALARMS, StateValue="OK")["MetricAlarms"]) < 2:
        if time.monotonic() > deadline:
            raise BenchError("the heartbeat alarms are not OK though both schedulers run")
        time.sleep(0.2)
    alarms.enable_alarm_actions(AlarmNames=HEARTBEAT_ALARMS)
    stack.answer_late(FAILOVER_LATENCY_MS)
    calls_before, timeline_before = stack.aws.calls_so_far(), stack.aws.timeline_so_far()
    began = time.time()
    stack.aws.put_environment(f"{PAIR}-blue", scheduler="stopped", health_threshold_seconds=5)
    written = stack.aws.wait_for("parameter", lambda detail: detail["name"].endswith("/active-environment"),
                                 since=timeline_before, timeout=FAILURE_WINDOW_SECONDS + 40)
    woken = stack.aws.wait_for("invoke", lambda detail: detail["function"] == f"{PAIR}-health-watcher"
                               and detail["status"] != "running", since=timeline_before)
    calls = stack.calls("health-watcher", calls_before)
    alarms.disable_alarm_actions(AlarmNames=HEARTBEAT_ALARMS)
    claimed = stack.aws.wait_for("parameter", lambda detail: detail["name"].startswith(f"{stack.transitions}/"), since=timeline_before)
    record = json.loads(claimed["detail"]["value"])
    last_healthy = datetime.fromisoformat(record["evidence"]["last_known_healthy"]).timestamp()
    stack.aws.put_environment(f"{PAIR}-blue", scheduler="running", health_threshold_seconds=30)
    stack.answer_late(0)
    looks = split_looks(calls)
    return {
        "since_fault_seconds": round(written["at"] - began, 2),
        "since_last_heartbeat_seconds": round(written["at"] - last_healthy, 2),
        "window_seconds": FAILURE_WINDOW_SECONDS, "probe_seconds": PROBE_INTERVAL_SECONDS, "latency_ms": FAILOVER_LATENCY_MS,
        "woken_after_seconds": round(woken["at"] - began, 2), "woken_by": woken["detail"]["trigger"], "looks": len(looks),
        "cases": {"suspect probe": summary(looks[len(looks) // 2]), "failover (last look, and all after it)": summary(looks[-1])},
    }


def split_looks(calls: list[Call]) -> list[list[Call]]:
    """The watcher sleeps between two probes, so a gap in its calls starts the next probe."""
    looks: list[list[Call]] = [[]]
    for call in sorted(calls, key=lambda call: call["at"]):
        if looks[-1] and call["at"] - looks[-1][-1]["at"] > PROBE_INTERVAL_SECONDS / 2:
            looks.append([])
        looks[-1].append(call)
    if len(looks) < 3:
        raise BenchError(f"the watcher looked only {len(looks)} times before the failover")
    return looks
