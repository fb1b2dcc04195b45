"""A deployed pair: the actions of a test on it, and its queries."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from local_aws.process import LocalAws
from support.clients import Clients
from support.waiting import PATIENCE, until

# A claim older than this is abandoned: its writer cannot be alive any more.
CLAIM_TIMEOUT = 80

# How long SSM requires between the deletion of a parameter and its re-creation.
RECREATION_WAIT = 30

NAMESPACE = "MWAA/BlueGreen"

TAIL = re.compile(r" \[effective_from=(\S+) record=(\S+)\]$")


@dataclass(frozen=True)
class Version:
    """One version of the flag, with what Parameter Store alone shows."""

    number: int
    value: str
    modified: datetime
    by: str
    description: str

    @property
    def milliseconds(self) -> int:
        return round(self.modified.timestamp() * 1000)

    @property
    def effective_from(self) -> datetime:
        return moment(self._tail[0])

    @property
    def record(self) -> str:
        return self._tail[1]

    @property
    def _tail(self) -> tuple[str, str]:
        found = TAIL.search(self.description)
        assert found, f"version {self.number} has no tail: {self.description!r}"
        return found[1], found[2]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Pair:
    def __init__(self, aws: LocalAws, clients: Callable[..., Any], name: str, root: str, environments: dict[str, str]) -> None:
        self.aws, self.client, self.name, self.root, self.environments = aws, clients, name, root, environments
        self.flag_name = f"{root}/active-environment"

    def function(self, name: str) -> str:
        """The function's name in Lambda."""
        return f"{self.name}-{name}"

    # -- actions ---------------------------------------------------------------------------------------------------

    def invoke(self, function: str, payload: Any) -> tuple[Any, bool]:
        """The function's answer, and whether it is a function error. `payload` is JSON text, or a value that is dumped as JSON."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        answer = self.client("lambda").invoke(FunctionName=f"{self.name}-{function}", Payload=text)
        return json.loads(answer["Payload"].read()), "FunctionError" in answer

    def answer_of(self, function: str, payload: Any) -> dict[str, Any]:
        answer, failed = self.invoke(function, payload)
        assert not failed, f"{function} failed at {payload}: {answer}"
        return answer

    def error_of(self, function: str, payload: Any) -> dict[str, str]:
        answer, failed = self.invoke(function, payload)
        assert failed, f"{function} was to fail at {payload}, and answered: {json.dumps(answer, indent=1)}"
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request to the switch-handler, as `aws lambda invoke` does."""
        return self.answer_of("switch-handler", request)

    def ask_in_vain(self, **request: Any) -> dict[str, str]:
        return self.error_of("switch-handler", request)

    def tick(self, event: Any = None) -> dict[str, Any]:
        """Run one tick of the watcher now."""
        return self.answer_of("health-watcher", {} if event is None else event)

    def tick_in_vain(self) -> dict[str, str]:
        return self.error_of("health-watcher", {})

    def listen(self, name: str | None = None, operation: str = "Update") -> dict[str, Any]:
        """Deliver a change event to the listener, as EventBridge does."""
        event = {"version": "0", "id": "00000000-0000-4000-8000-000000000000", "source": "aws.ssm",
                 "detail-type": "Parameter Store Change", "account": "000000000000", "region": "us-east-1",
                 "time": "2026-11-23T10:15:02Z", "resources": [],
                 "detail": {"operation": operation, "name": name or self.flag_name, "type": "String"}}
        return self.answer_of("change-listener", event)

    def environment(self, color: str, **settings: Any) -> None:
        self.aws.put_environment(self.environments[color], **settings)

    def stop_scheduler(self, color: str) -> datetime:
        """Its heartbeat stops, and Airflow notices two seconds later (by default thirty). Returns when."""
        self.environment(color, scheduler="stopped", health_threshold_seconds=2)
        return datetime.now(timezone.utc)

    def start_scheduler(self, color: str) -> None:
        self.environment(color, scheduler="running", health_threshold_seconds=30)

    def beat(self, color: str, minutes_ago: float) -> None:
        """Publish to CloudWatch a last heartbeat that is so many minutes old."""
        self.client("cloudwatch").put_metric_data(Namespace="AmazonMWAA", MetricData=[{
            "MetricName": "SchedulerHeartbeat", "Value": 1, "Timestamp": datetime.now(timezone.utc) - timedelta(minutes=minutes_ago),
            "Dimensions": [{"Name": "Environment", "Value": self.environments[color]}, {"Name": "Function", "Value": "Scheduler"}]}])

    def fail(self, color: str) -> None:
        """It is unusable immediately, and MWAA reports that."""
        self.environment(color, status="UNAVAILABLE")

    def heal(self, color: str) -> None:
        self.environment(color, status="AVAILABLE")

    def write_by_hand(self, value: str, who: dict[str, str] | None = None, **more: Any) -> int:
        """Write the flag outside this product; returns the version."""
        ssm = self.client("ssm", **(who or {}))
        return ssm.put_parameter(Name=self.flag_name, Value=value, Type="String", **{"Overwrite": True, **more})["Version"]

    def garble(self) -> None:
        """The flag no longer names a color."""
        self.write_by_hand("purple", AllowedPattern=".*")

    def let_time_pass(self, seconds: float = 61) -> None:
        """Date the flag's last write so many seconds back."""
        self.aws.age_parameter(self.flag_name, seconds)

    def delete_flag(self) -> None:
        self.client("ssm").delete_parameter(Name=self.flag_name)

    def hold(self, reason: str = "upgrade", minutes: float = 60) -> None:
        ends = datetime.now(timezone.utc) + timedelta(minutes=minutes)
        value = {"until": ends.isoformat().replace("+00:00", "Z"), "reason": reason, "by": "ana"}
        self.client("ssm").put_parameter(Name=f"{self.root}/hold", Value=json.dumps(value), Type="String", Overwrite=True)

    def release(self) -> None:
        self.client("ssm").delete_parameter(Name=f"{self.root}/hold")

    def configure(self, function: str, **variables: str) -> None:
        """Change environment variables of a function, as a person could in the console."""
        name = f"{self.name}-{function}"
        client = self.client("lambda")
        now = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        client.update_function_configuration(FunctionName=name, Environment={"Variables": {**now, **variables}})

    def log_at_debug(self) -> None:
        self.configure("health-watcher", LOG_LEVEL="debug")

    def look_once_a_tick(self) -> None:
        """Ticks end after one probe, where a suspicious watcher would continue for a minute."""
        self.configure("health-watcher", PROBE_UNTIL_SECONDS="0")

    def lose_change_events(self) -> None:
        self.client("events").disable_rule(Name=f"{self.name}-flag-change")

    def fault_at_flag(self, kind: str, operation: str = "PutParameter", times: int | None = 1, **more: Any) -> str:
        return self.aws.add_fault(kind, "ssm", operation, match=self.flag_name, times=times, **more)

    def fault_at_claim(self, kind: str, times: int | None = 1, **more: Any) -> str:
        return self.aws.add_fault(kind, "ssm", "PutParameter", match=f"{self.root}/transitions/", times=times, **more)

    def hits(self, fault: str) -> int:
        return next(f["hits"] for f in self.aws.faults() if f["id"] == fault)

    # -- queries ---------------------------------------------------------------------------------------------------

    def versions(self) -> list[Version]:
        """Every kept version of the flag, oldest first."""
        pages = self.client("ssm").get_paginator("get_parameter_history").paginate(Name=self.flag_name)
        return [Version(entry["Version"], entry["Value"], entry["LastModifiedDate"], entry["LastModifiedUser"],
                        entry.get("Description", "")) for page in pages for entry in page["Parameters"]]

    def flag(self) -> Version:
        return self.versions()[-1]

    def stands_at(self) -> tuple[str, int]:
        flag = self.client("ssm").get_parameter(Name=self.flag_name)["Parameter"]
        return flag["Value"], flag["Version"]

    def parameter(self, name: str) -> str | None:
        found = self.client("ssm").get_parameters(Names=[f"{self.root}/{name}"])["Parameters"]
        return found[0]["Value"] if found else None

    def stored(self, name: str) -> Any:
        """The content of a parameter beside the flag, parsed as JSON; None without it."""
        text = self.parameter(name)
        return None if text is None else json.loads(text)

    def memory(self, field: str) -> Any:
        """One field of the watcher's memory."""
        return (self.stored("memory") or {}).get(field)

    def change_memory(self, field: str, value: Any) -> None:
        text = json.dumps({**(self.stored("memory") or {}), field: value})
        self.client("ssm").put_parameter(Name=f"{self.root}/memory", Value=text, Type="String", Overwrite=True)

    def records(self) -> dict[str, dict[str, Any]]:
        """The transition records by name."""
        pages = self.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=f"{self.root}/transitions")
        return {entry["Name"].rsplit("/", 1)[1]: json.loads(entry["Value"]) for page in pages for entry in page["Parameters"]}

    def messages(self, log_group: str, since: float = 0) -> list[str]:
        """The messages of a log since then (seconds since 1970), oldest first."""
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=log_group, startTime=int(since * 1000))
        return [entry["message"] for page in pages for entry in page["events"]]

    def audit_events(self, since: float = 0) -> list[dict[str, Any]]:
        """The events in the audit log, oldest first."""
        return [json.loads(message) for message in self.messages(f"/aws/events/{self.name}-audit", since)]

    def audit(self, detail_type: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Details of the audit events in the audit log, oldest first, each with its `detail-type` beside."""
        details = [{**event["detail"], "detail-type": event["detail-type"]} for event in self.audit_events()]
        return [detail for detail in details if detail_type in (None, detail["detail-type"])
                and all(detail.get(field) == value for field, value in fields.items())]

    def wait_for_audit(self, detail_type: str = "Environment Transition", count: int = 1, timeout: float = PATIENCE,
                       **fields: Any) -> list[dict[str, Any]]:
        def enough() -> list[dict[str, Any]]:
            found = self.audit(detail_type, **fields)
            return found if len(found) >= count else []

        return until(f"{count} audit event(s) {detail_type!r} with {fields}; there are: {self.audit()}", enough, timeout)

    def wait_until_audited(self, version: int, timeout: float = PATIENCE) -> None:
        until(f"version {version} audited", lambda: self.audited() >= version, timeout)

    def audited(self) -> int:
        """The number in the note, which also names the incarnation of the flag; 0 without one."""
        return int((self.parameter("audited") or "v0-0").removeprefix("v").split("-")[0])

    def metric(self, name: str, **dimensions: str) -> list[float]:
        """The values of one metric in the last quarter of an hour, oldest first, by GetMetricData.

        Second by second, finer than AWS keeps such metrics: here a complete story takes less than a minute.
        """
        now = time.time()
        return [value for _, value in self.datapoints(name, now - 15 * 60, now + 60, "Average", **dimensions)]

    def datapoints(self, name: str, since: float, until: float, statistic: str = "Maximum", **dimensions: str) -> list[tuple[float, float]]:
        """One of the product's metrics, oldest first, as (seconds since 1970, value)."""
        pairs = [{"Name": "Pair", "Value": self.name}, *({"Name": key, "Value": value} for key, value in dimensions.items())]
        metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": pairs}
        answer = self.client("cloudwatch").get_metric_data(
            StartTime=datetime.fromtimestamp(since, timezone.utc), EndTime=datetime.fromtimestamp(until, timezone.utc),
            ScanBy="TimestampAscending",
            MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": 1, "Stat": statistic}}])["MetricDataResults"][0]
        return [(at.timestamp(), value) for at, value in zip(answer["Timestamps"], answer["Values"], strict=True)]

    def statistic(self, statistic: str, name: str, **dimensions: str) -> float | None:
        """One statistic over the last quarter of an hour, by GetMetricStatistics."""
        now = datetime.now(timezone.utc)
        pairs = [{"Name": "Pair", "Value": self.name}, *({"Name": key, "Value": value} for key, value in dimensions.items())]
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace=NAMESPACE, MetricName=name, Dimensions=pairs, Statistics=[statistic], Period=3600,
            StartTime=now - timedelta(minutes=15), EndTime=now + timedelta(minutes=1))["Datapoints"]
        return sum(point[statistic] for point in points) if points else None

    def log(self, function: str, message: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """The JSON lines of a function's log, oldest first."""
        lines = [json.loads(text) for text in self.messages(f"/aws/lambda/{self.function(function)}") if text.startswith("{")]
        return [line for line in lines if message in (None, line["message"])
                and all(line.get(field) == value for field, value in fields.items())]

    def decisions(self, since: float = 0) -> list[dict[str, Any]]:
        """The watcher's log: one line for every probe, and when (seconds since 1970)."""
        lines = [json.loads(text) for text in self.messages(f"/aws/lambda/{self.function('health-watcher')}", since) if text.startswith("{")]
        return [{**line, "at": moment(line["timestamp"]).timestamp()} for line in lines if line.get("message") == "decision"]

    def wait_for_log(self, function: str, message: str | None = None, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """As `log`, once there are so many lines: a line may follow the invocation that wrote it."""
        def enough() -> list[dict[str, Any]]:
            found = self.log(function, message, **fields)
            return found if len(found) >= count else []

        return until(f"{count} line(s) {message!r} with {fields} in the log of {function}", enough)

    def invocations(self, function: str, since: int = 0, trigger: str | None = None) -> list[dict[str, Any]]:
        return [entry["detail"] for entry in self.aws.timeline(since)
                if entry["what"] == "invoke" and entry["detail"]["function"] == f"{self.name}-{function}"
                and trigger in (None, entry["detail"]["trigger"])]

    def statuses(self, function: str, since: int, count: int, trigger: str | None = None) -> list[str]:
        """The statuses of a function's invocations, once so many have ended."""
        def ended() -> list[str]:
            found = [invocation["status"] for invocation in self.invocations(function, since, trigger)]
            return found if len(found) >= count and "running" not in found else []

        return until(f"{count} invocations of {function} ended", ended)

    def calls(self, function: str, since: int = 0) -> list[dict[str, Any]]:
        """The AWS calls that a function made."""
        return [call for call in self.aws.calls(since) if f"{self.name}-{function}" in str(call["caller"])]

    def dead_letters(self) -> int:
        queue = self.client("sqs").get_queue_url(QueueName=f"{self.name}-dead-letters")["QueueUrl"]
        answer = self.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def user_alarm(self, name: str, **more: Any) -> None:
        """An alarm of the user's own, in state OK. Tests share a local AWS, so each uses names of its own."""
        cloudwatch = self.client("cloudwatch")
        assert not cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"], f"{name} is another test's alarm"
        cloudwatch.put_metric_alarm(**{
            "AlarmName": name, "Namespace": "Orders", "MetricName": name, "Statistic": "Maximum", "Period": 60,
            "EvaluationPeriods": 1, "Threshold": 10, "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching", **more})
        until(f"alarm {name} is OK",
              lambda: cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"] == "OK")

    def raise_alarm(self, name: str) -> None:
        """Really raises the metric of the user's alarm."""
        self.client("cloudwatch").put_metric_data(Namespace="Orders", MetricData=[{"MetricName": name, "Value": 99}])

    def alarm_state(self, name: str) -> str:
        return self.client("cloudwatch").describe_alarms(AlarmNames=[f"{self.name}-{name}"])["MetricAlarms"][0]["StateValue"]


def precondition(answer: dict[str, Any], name: str) -> dict[str, Any]:
    """The precondition of that name in an answer."""
    found = [entry for entry in answer["preconditions"] if entry["name"] == name]
    assert len(found) == 1, f"{len(found)} preconditions {name} in {answer['preconditions']}"
    return found[0]


def only(entries: Iterable[Any]) -> Any:
    listed = list(entries)
    assert len(listed) == 1, f"one was expected, there are {len(listed)}: {listed}"
    return listed[0]


def _always(client: Any, _: str) -> Any:
    return client


def asks_at_once(pair: Pair, count: int, function: str, payload: Any) -> list[dict[str, Any]]:
    """The answers to as many invocations that start together."""
    clients = [Clients(pair.aws)("lambda") for _ in range(count)]  # one client for each, so that none waits for a connection
    pairs = [Pair(pair.aws, partial(_always, client), pair.name, pair.root, pair.environments) for client in clients]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda one: one.answer_of(function, payload), pairs))
