"""Alarms: when they change state, and what they do then."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from local_aws import alarms, metric_math
from support.local_functions import allow, arn_of, connect, events_seen, received
from support.waiting import until


@pytest.mark.parametrize(("datapoints", "needed", "missing", "state"), [
    # newest first; the threshold is "less than 1"
    ([0, 0], 2, "missing", "ALARM"),
    ([0, 1], 2, "missing", "OK"),
    ([1, 0, 0], 2, "missing", "ALARM"),
    ([None, None], 2, "missing", "INSUFFICIENT_DATA"),
    ([None, None], 2, "breaching", "ALARM"),
    ([None, 1], 2, "breaching", "OK"),
    ([None, 1], 1, "breaching", "ALARM"),
    ([None, None], 2, "notBreaching", "OK"),
    ([None, 0], 2, "notBreaching", "OK"),
    ([None, None], 2, "ignore", None),
    ([None, 0], 2, "missing", "ALARM"),
    ([0, None], 2, "missing", "OK"),
    ([1, None], 2, "missing", "OK"),
])
def test_what_periods_and_missing_data_mean(datapoints, needed, missing, state):
    assert alarms.judge(datapoints, "LessThanThreshold", 1, needed, missing) == state


@pytest.mark.parametrize(("comparison", "at_threshold", "above"), [
    ("GreaterThanThreshold", "OK", "ALARM"), ("GreaterThanOrEqualToThreshold", "ALARM", "ALARM"),
    ("LessThanThreshold", "OK", "OK"), ("LessThanOrEqualToThreshold", "ALARM", "OK")])
def test_comparisons(comparison, at_threshold, above):
    assert alarms.judge([5], comparison, 5, 1, "missing") == at_threshold
    assert alarms.judge([6], comparison, 5, 1, "missing") == above


@pytest.mark.parametrize(("expression", "expected"), [
    ("a + b", 5), ("a - b", -1), ("a * b / 2", 3), ("FILL(c, 0) + a", 2), ("a + c", None), ("SUM([a, b, c])", 5),
    ("MAX([a, b])", 3), ("IF(a > 1, 10, 20)", 10), ("IF(a >= b, 10, 20)", 20), ("a / 0", None), ("-a", -2),
    ("ANOMALY_DETECTION_BAND(a)", None), ("a +", None), ("unknown + 1", None),
])
def test_metric_math(expression, expected):
    values = {"a": 2.0, "b": 3.0, "c": None}
    queries: list[dict[str, Any]] = [{"Id": name, "ReturnData": False, "MetricStat": name} for name in values]
    assert metric_math.evaluate([*queries, {"Id": "e", "Expression": expression}], lambda name: values[str(name)]) == expected


def alarm(client, name, dimensions, **more):
    client("cloudwatch").put_metric_alarm(**{
        "AlarmName": name, "Namespace": "Test", "MetricName": "Beat", "Statistic": "Sum", "Period": 10,
        "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "breaching", "Dimensions": [{"Name": k, "Value": v} for k, v in dimensions.items()], **more})


def beat(client, dimensions, value=1, **more):
    client("cloudwatch").put_metric_data(Namespace="Test", MetricData=[{
        "MetricName": "Beat", "Value": value, "Dimensions": [{"Name": k, "Value": v} for k, v in dimensions.items()], **more}])


def described(client, name):
    return client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]


def state(local_aws, client, name):
    local_aws.evaluate_alarms()
    return described(client, name)["StateValue"]


def test_each_dimension_set_is_its_own_metric(local_aws, client, unique):
    for color in ("blue", "green"):
        alarm(client, f"{unique}-{color}", {"Environment": f"{unique}-{color}", "Function": "Scheduler"})
    beat(client, {"Environment": f"{unique}-blue", "Function": "Scheduler"})
    beat(client, {"Environment": f"{unique}-green"})
    assert state(local_aws, client, f"{unique}-blue") == "OK"
    assert state(local_aws, client, f"{unique}-green") == "ALARM"


def test_old_data_falls_out_of_the_window(local_aws, client, unique):
    alarm(client, unique, {"Environment": unique}, Period=10)
    beat(client, {"Environment": unique}, Timestamp=time.time() - 1)
    assert state(local_aws, client, unique) == "OK"
    changed = local_aws.wait_for("alarm-state", lambda d: d["alarm"] == unique and d["state"] == "ALARM")  # by the timer
    assert changed["detail"]["previous"] == "OK"


def test_datapoints_to_alarm_out_of_evaluation_periods(local_aws, client, unique):
    alarm(client, unique, {"Environment": unique}, EvaluationPeriods=3, DatapointsToAlarm=2)
    now = time.time()
    beat(client, {"Environment": unique}, Timestamp=now - 5)
    beat(client, {"Environment": unique}, Timestamp=now - 15)
    assert state(local_aws, client, unique) == "OK"
    alarm(client, unique, {"Environment": unique}, EvaluationPeriods=3, DatapointsToAlarm=1)
    assert state(local_aws, client, unique) == "ALARM"


def test_missing_data_ignored_keeps_the_state(local_aws, client, unique):
    alarm(client, unique, {"Environment": unique}, TreatMissingData="ignore")
    client("cloudwatch").set_alarm_state(AlarmName=unique, StateValue="ALARM", StateReason="by hand")
    assert state(local_aws, client, unique) == "ALARM"


def test_the_time_of_a_transition_is_kept(local_aws, client, unique):
    alarm(client, unique, {"Environment": unique})
    before = time.time()
    assert state(local_aws, client, unique) == "ALARM"
    at = described(client, unique)["StateTransitionedTimestamp"].timestamp()
    assert before - 1.5 <= at <= time.time()


def test_the_direct_action_invokes_the_function_with_the_alarm(local_aws, client, function):
    dimensions = {"Environment": function, "Function": "Scheduler"}
    alarm_arn = f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{function}"
    allow(client, function, "lambda.alarms.cloudwatch.amazonaws.com", alarm_arn)
    beat(client, dimensions)
    # A long period: the heartbeat must not expire while the test waits.
    alarm(client, function, dimensions, Period=60, AlarmActions=[arn_of(function)], OKActions=[arn_of(function)], AlarmDescription="why")
    ok, = until("the function saw it", lambda: events_seen(client, function))
    assert ok["alarmData"]["state"]["value"] == "OK"
    client("cloudwatch").set_alarm_state(AlarmName=function, StateValue="ALARM", StateReason="by hand")
    event = until("the function saw it", lambda: events_seen(client, function)[1:])[0]
    assert event["source"] == "aws.cloudwatch" and event["alarmArn"] == alarm_arn
    assert event["accountId"] == "000000000000" and event["region"] == "us-east-1" and event["time"]
    data = event["alarmData"]
    assert data["alarmName"] == function
    assert (data["state"]["value"], data["state"]["reason"]) == ("ALARM", "by hand")
    assert data["previousState"] == ok["alarmData"]["state"]
    assert data["configuration"]["description"] == "why"
    metric = data["configuration"]["metrics"][0]["metricStat"]
    assert metric["metric"] == {"namespace": "Test", "name": "Beat", "dimensions": dimensions}
    assert metric["period"] == 60 and metric["stat"] == "Sum"
    assert local_aws.wait_for("invoke", lambda d: d["function"] == function)["detail"]["trigger"] == "alarm"


def test_an_action_without_permission_does_nothing(local_aws, client, function):
    alarm(client, function, {"Environment": function}, AlarmActions=[arn_of(function)])
    assert state(local_aws, client, function) == "ALARM"
    refusal = local_aws.wait_for("undelivered", lambda d: function in d["target"])["detail"]
    assert refusal["code"] == "AccessDeniedException"
    assert events_seen(client, function) == []


def test_a_change_of_state_sends_an_event_and_a_notification(local_aws, client, function, unique):
    connect(client, unique, {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"],
                             "detail": {"alarmName": [unique], "state": {"value": ["ALARM"]}}}, function)
    topic = client("sns").create_topic(Name=unique)["TopicArn"]
    queue = client("sqs").create_queue(QueueName=unique)["QueueUrl"]
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:000000000000:{unique}")
    alarm(client, unique, {"Environment": unique}, AlarmActions=[topic])
    event = until("the function saw it", lambda: events_seen(client, function))[0]
    assert event["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert event["resources"] == [f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{unique}"]
    message = json.loads(json.loads(received(client, queue)["Body"])["Message"])
    assert (message["AlarmName"], message["NewStateValue"]) == (unique, "ALARM")


def test_no_change_of_state_no_event(local_aws, client, unique):
    alarm(client, unique, {"Environment": unique})
    assert state(local_aws, client, unique) == "ALARM"
    since = local_aws.timeline_so_far()
    for _ in range(3):
        local_aws.evaluate_alarms()
    assert not [e for e in local_aws.timeline(since) if e["detail"].get("alarm") == unique]


def test_a_metric_math_alarm(local_aws, client, unique):
    def metric(name):
        return {"Id": name, "ReturnData": False, "MetricStat": {"Period": 10, "Stat": "Sum", "Metric": {
            "Namespace": "Test", "MetricName": "Beat", "Dimensions": [{"Name": "Kind", "Value": f"{unique}-{name}"}]}}}

    client("cloudwatch").put_metric_alarm(
        AlarmName=unique, EvaluationPeriods=1, Threshold=3, ComparisonOperator="GreaterThanOrEqualToThreshold",
        Metrics=[metric("errors"), metric("throttles"), {"Id": "trouble", "Expression": "errors + throttles", "ReturnData": True}])
    beat(client, {"Kind": f"{unique}-errors"}, 1)
    beat(client, {"Kind": f"{unique}-throttles"}, 1)
    assert state(local_aws, client, unique) == "OK"
    beat(client, {"Kind": f"{unique}-throttles"}, 1)
    assert state(local_aws, client, unique) == "ALARM"


def test_a_composite_alarm_follows_its_children(local_aws, client, unique):
    alarm(client, f"{unique}-child", {"Environment": unique})
    client("cloudwatch").put_composite_alarm(AlarmName=unique, AlarmRule=f'ALARM("{unique}-child")')
    state(local_aws, client, f"{unique}-child")

    def composite():
        return client("cloudwatch").describe_alarms(AlarmNames=[unique], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"][0]

    assert composite()["StateValue"] == "ALARM"
    assert composite()["StateTransitionedTimestamp"]
