"""CloudWatch alarms with a clock.

ministack evaluates an alarm only when some metric is put, over all dimension sets of that name together, and ignores missing data.
This module evaluates every alarm once a second, by exact dimensions, over sliding windows (`Period` seconds, the newest ending now).
It supports DatapointsToAlarm, TreatMissingData and metric math (see metric_math.py). On a change of state it sends the direct Lambda
action and the `CloudWatch Alarm State Change` event beside the SNS message that ministack sends.

Different from AWS: real alarms evaluate aligned periods about once a minute, and wait a few minutes for late data. A green run here
does not prove alarm timing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from ministack.services import cloudwatch

from local_aws import delivery, metric_math, patches, scope, timeline

log = logging.getLogger("local_aws.alarms")

EVALUATE_EVERY_SECONDS = 1.0

_before: dict[str, dict[str, Any]] = {}  # alarm ARN -> its state before the current one
_evaluating = threading.Lock()


def _stamp(at: float) -> str:
    moment = datetime.fromtimestamp(at, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def _window_value(metric: dict[str, Any], statistic: str, unit: str | None, start: float, end: float) -> float | None:
    """The statistic of one metric between two moments, or None without data. A metric is its exact dimension set."""
    dimensions = {d["Name"]: d["Value"] for d in metric.get("Dimensions") or []}
    key = (metric.get("Namespace"), metric.get("MetricName"), cloudwatch._dims_key(dimensions))
    points = [p for p in list(cloudwatch._metrics.get(key) or [])
              if start < p["Timestamp"] <= end and (not unit or p.get("Unit") == unit)]
    stats = cloudwatch._calc_stats(points)
    return cloudwatch._stat_value(stats, statistic, points) if stats else None


def values(alarm: dict[str, Any], now: float) -> list[float | None]:
    """The value of each evaluation period, newest first; None where data is missing."""
    queries = alarm.get("Metrics") or []
    periods = [q["MetricStat"]["Period"] for q in queries if q.get("MetricStat")]
    period = int(alarm.get("Period") or (periods[0] if periods else 60))
    found = []
    for index in range(int(alarm.get("EvaluationPeriods") or 1)):
        start, end = now - (index + 1) * period, now - index * period
        if not queries:
            found.append(_window_value(alarm, alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average",
                                       alarm.get("Unit"), start, end))
        else:
            def value(stat: dict[str, Any], start: float = start, end: float = end) -> float | None:
                return _window_value(stat["Metric"], stat.get("Stat", "Average"), stat.get("Unit"), start, end)

            found.append(metric_math.evaluate(queries, value))
    return found


_BREACHES = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


def judge(datapoints: Sequence[float | None], comparison: str, threshold: float, datapoints_to_alarm: int,
          missing: str) -> str | None:
    """The state that follows from these periods (newest first); None: the state does not change."""
    breaches = [None if value is None else _BREACHES[comparison](value, threshold) for value in datapoints]
    if missing in ("breaching", "notBreaching"):
        breaches = [(missing == "breaching") if breach is None else breach for breach in breaches]
        return "ALARM" if sum(map(bool, breaches)) >= datapoints_to_alarm else "OK"
    known = [(age, breach) for age, breach in enumerate(breaches, start=1) if breach is not None]
    if not known:
        return None if missing == "ignore" else "INSUFFICIENT_DATA"
    if sum(breach for _, breach in known) >= datapoints_to_alarm:
        return "ALARM"
    # Every datapoint breaches, and has for long enough: the later gaps do not clear the alarm.
    if all(breach for _, breach in known) and known[-1][0] >= datapoints_to_alarm:
        return "ALARM"
    return "OK"


def evaluate(alarm: dict[str, Any]) -> None:
    if not alarm.get("Metrics") and not (alarm.get("Namespace") and alarm.get("MetricName")):
        return
    comparison = alarm.get("ComparisonOperator")
    if comparison not in _BREACHES:
        return  # anomaly detection bands are not imitated
    datapoints = values(alarm, time.time())
    threshold = float(alarm.get("Threshold") or 0)
    needed = int(alarm.get("DatapointsToAlarm") or alarm.get("EvaluationPeriods") or 1)
    state = judge(datapoints, comparison, threshold, needed, alarm.get("TreatMissingData") or "missing")
    if state is None or state == alarm["StateValue"]:
        return
    shown = ", ".join("missing" if value is None else f"{value:g}" for value in datapoints[:5])
    reason = (f"Threshold Crossed: {needed} out of {len(datapoints)} datapoints [{shown}] were {comparison} ({threshold:g})"
              if state == "ALARM" else
              f"Insufficient Data: {len(datapoints)} datapoints were unknown" if state == "INSUFFICIENT_DATA" else
              f"Threshold not crossed: datapoints [{shown}], {comparison} ({threshold:g})")
    old = alarm["StateValue"]
    alarm["StateValue"], alarm["StateReason"] = state, reason
    alarm["StateUpdatedTimestamp"] = round(time.time(), 3)
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def evaluate_all() -> int:
    """Evaluate every alarm of every region now; returns how many there are."""
    with _evaluating:
        alarms = list(cloudwatch._alarms.all_items())
        for (account, region, _), alarm in alarms:
            scope.enter(region, account)
            try:
                evaluate(alarm)
            except Exception:
                log.exception("could not evaluate alarm %s", alarm.get("AlarmName"))
    return len(alarms)


def _dispatch_actions(original: Any) -> Any:
    def dispatch(alarm: dict[str, Any], old_state: str, new_state: str, reason: str) -> None:
        now = time.time()
        alarm["StateTransitionedTimestamp"] = round(now, 3)
        arn = alarm["AlarmArn"]
        previous = {"reason": "Unchecked: Initial alarm creation", "timestamp": _stamp(now), **_before.get(arn, {}),
                    "value": old_state}
        state = {"value": new_state, "reason": reason, "timestamp": _stamp(now)}
        _before[arn] = state
        timeline.note("alarm-state", at=now, alarm=alarm["AlarmName"], state=new_state, previous=old_state, reason=reason)
        data = {"alarmName": alarm["AlarmName"], "state": state, "previousState": previous,
                "configuration": _configuration(alarm)}
        region, account = arn.split(":")[3:5]
        delivery.emit("aws.cloudwatch", "CloudWatch Alarm State Change", data, [arn])
        original(alarm, old_state, new_state, reason)
        if not alarm.get("ActionsEnabled", True):
            return
        field = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}[new_state]
        for action in alarm.get(field) or []:
            if action.startswith("arn:aws:lambda:"):
                delivery.invoke_async(action, {
                    "source": "aws.cloudwatch", "alarmArn": arn, "accountId": account, "time": _stamp(now),
                    "region": region, "alarmData": data,
                }, "alarm", principal="lambda.alarms.cloudwatch.amazonaws.com", source_arn=arn)

    return dispatch


def _configuration(alarm: dict[str, Any]) -> dict[str, Any]:
    if alarm.get("AlarmRule"):
        return {"alarmRule": alarm["AlarmRule"], "description": alarm.get("AlarmDescription", "")}
    metrics = [
        {"id": q["Id"], "returnData": q.get("ReturnData", True),
         **({"expression": q["Expression"]} if q.get("Expression") else {"metricStat": q.get("MetricStat")})}
        for q in alarm.get("Metrics") or []
    ] or [{
        "id": "m1", "returnData": True,
        "metricStat": {
            "metric": {"namespace": alarm.get("Namespace"), "name": alarm.get("MetricName"),
                       "dimensions": {d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []}},
            "period": alarm.get("Period"), "stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic"),
        },
    }]
    return {"description": alarm.get("AlarmDescription", ""), "metrics": metrics}


def _put_metric_alarm(original: Any) -> Any:
    """ministack stores a metric-math alarm without its Metrics. (The XML protocol of old clients is left out.)"""

    def put(params: Any, cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        answer = original(params, cbor_data, is_cbor, is_json)
        queries = cbor_data.get("Metrics") if isinstance(cbor_data, dict) else None
        if answer[0] == 200 and queries:
            alarm = cloudwatch._alarms[cbor_data["AlarmName"]]
            alarm["Metrics"] = queries
            for field in ("MetricName", "Namespace", "Statistic", "Period", "Dimensions", "ExtendedStatistic"):
                alarm.pop(field, None)
        return answer

    return put


def _timer() -> None:
    while True:
        time.sleep(EVALUATE_EVERY_SECONDS)
        evaluate_all()


def install() -> None:
    patches.replace(cloudwatch, "_evaluate_all_alarms", lambda _: lambda: None)  # The timer evaluates instead.
    patches.replace(cloudwatch, "_evaluate_alarm", lambda _: lambda alarm: None)
    patches.replace(cloudwatch, "_dispatch_alarm_actions", _dispatch_actions)
    patches.replace(cloudwatch, "_put_metric_alarm", _put_metric_alarm)
    for name in ("_metrics", "_alarms", "_dims_key", "_calc_stats", "_stat_value", "_record_history", "_evaluate_parent_alarms"):
        patches.original(cloudwatch, name)
    threading.Thread(target=_timer, daemon=True, name="local-aws-alarms").start()
