"""Delivery of events to functions, log groups and queues."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone

from support.local_functions import SOON, allow, arn_of, connect, ended, events_seen, received
from support.waiting import until

ACCOUNT = "000000000000"


def flag_pattern(name):
    return {"source": ["aws.ssm"], "detail-type": ["Parameter Store Change"],
            "detail": {"name": [name], "operation": ["Create", "Update", "Delete"]}}


def change(client, name, value="blue"):
    client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True, Description="why")


def test_a_rule_on_an_event_of_a_service_invokes_the_function_with_the_event(client, function, local_aws):
    name = f"/{function}/flag"
    connect(client, function, flag_pattern(name), function)
    since = local_aws.timeline_so_far()
    change(client, f"/{function}/other")
    change(client, name)
    event = until("the function saw it", lambda: events_seen(client, function))[0]
    assert event["detail"] == {"operation": "Create", "name": name, "type": "String", "description": "why"}
    assert event["source"] == "aws.ssm" and event["detail-type"] == "Parameter Store Change"
    assert event["resources"] == [f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{name}"]
    assert event["account"] == ACCOUNT and event["region"] == "us-east-1" and event["version"] == "0"
    assert {"id", "time"} <= event.keys()
    assert local_aws.wait_for("event", lambda d: d["rules"] == [function], since)["detail"]["id"] == event["id"]
    invoked = ended(local_aws, function, since)
    assert invoked["trigger"] == "event:Parameter Store Change" and invoked["status"] == "ok"
    assert len(events_seen(client, function)) == 1


def test_nobody_outside_can_send_events_of_a_service(client):
    answer = client("events").put_events(Entries=[{"Source": "aws.ssm", "DetailType": "x", "Detail": "{}"}])
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"


def test_a_failing_function_is_retried_on_the_asynchronous_path(client, function):
    queue = client("sqs").create_queue(QueueName=function)["QueueUrl"]
    client("lambda").put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=1, DestinationConfig={
        "OnFailure": {"Destination": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{function}"}})
    connect(client, function, {"source": [function]}, function)
    client("events").put_events(Entries=[{"Source": function, "DetailType": "x", "Detail": json.dumps({"do": "fail"})}])
    record = json.loads(received(client, queue)["Body"])
    assert record["requestPayload"]["source"] == function
    until("the function saw it", lambda: len(events_seen(client, function)) == 2)


def test_a_function_that_does_not_let_eventbridge_in_is_not_invoked_and_the_event_goes_to_the_targets_queue(
        client, function, local_aws):
    queue = client("sqs").create_queue(QueueName=function)["QueueUrl"]
    rule_arn = client("events").put_rule(Name=function, EventPattern=json.dumps({"source": [function]}))["RuleArn"]
    client("events").put_targets(Rule=function, Targets=[{
        "Id": "1", "Arn": arn_of(function), "DeadLetterConfig": {"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{function}"}}])
    allow(client, function, "events.amazonaws.com", rule_arn + "-another")
    client("events").put_events(Entries=[{"Source": function, "DetailType": "x", "Detail": "{}"}])
    message = received(client, queue, MessageAttributeNames=["All"])
    assert json.loads(message["Body"])["source"] == function
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "AccessDeniedException"
    assert message["MessageAttributes"]["RULE_ARN"]["StringValue"] == rule_arn
    assert local_aws.wait_for("undelivered", lambda d: function in d["target"])
    assert events_seen(client, function) == []


def test_a_custom_bus_goes_to_a_log_group_and_an_archive(client, unique):
    bus_arn = client("events").create_event_bus(Name=unique)["EventBusArn"]
    client("events").create_archive(ArchiveName=unique, EventSourceArn=bus_arn)
    client("logs").create_log_group(logGroupName=f"/aws/events/{unique}")
    client("events").put_rule(Name=unique, EventBusName=unique, EventPattern=json.dumps({"source": ["mwaa.bluegreen"]}))
    client("events").put_targets(Rule=unique, EventBusName=unique, Targets=[
        {"Id": "1", "Arn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/events/{unique}"}])
    client("events").put_events(Entries=[{"Source": "mwaa.bluegreen", "DetailType": "Environment Transition",
                                          "Detail": json.dumps({"to": "green"}), "EventBusName": unique}])
    logged = until("it is in the log", lambda: client("logs").filter_log_events(logGroupName=f"/aws/events/{unique}")["events"])
    assert json.loads(logged[0]["message"])["detail"] == {"to": "green"}
    assert client("events").describe_archive(ArchiveName=unique)["EventCount"] == 1


def test_sns_delivers_through_the_asynchronous_path(client, function, local_aws):
    topic = client("sns").create_topic(Name=function)["TopicArn"]
    client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn_of(function))
    allow(client, function, "sns.amazonaws.com", topic)
    since = local_aws.timeline_so_far()
    client("sns").publish(TopicArn=topic, Message="hello")
    event = until("the function saw it", lambda: events_seen(client, function))[0]
    assert event["Records"][0]["Sns"]["Message"] == "hello"
    assert local_aws.wait_for("invoke", lambda d: d["function"] == function, since)["detail"]["trigger"] == "sns"


def test_a_schedule_of_eventbridge_scheduler_invokes_with_its_input(client, function, local_aws):
    at = (datetime.now(timezone.utc) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S")
    started = time.time()
    client("scheduler").create_schedule(
        Name=function, ScheduleExpression=f"at({at})", FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn_of(function), "RoleArn": "arn:aws:iam::000000000000:role/x", "Input": '{"action": "drill"}'})
    assert until("the function saw it", lambda: events_seen(client, function)) == [{"action": "drill"}]
    assert time.time() - started < SOON, "at its time, and not a whole minute later"
    assert local_aws.wait_for("invoke", lambda d: d["function"] == function)["detail"]["trigger"] == "scheduler"


def test_messages_in_a_queue_are_measured(client, unique):
    queue = client("sqs").create_queue(QueueName=unique)["QueueUrl"]
    client("sqs").send_message(QueueUrl=queue, MessageBody="dead letter")

    def visible():
        now = time.time()
        return [p["Maximum"] for p in client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SQS", MetricName="ApproximateNumberOfMessagesVisible", StartTime=now - 60, EndTime=now + 60,
            Dimensions=[{"Name": "QueueName", "Value": unique}], Period=3600, Statistics=["Maximum"])["Datapoints"]]

    assert until("it is visible", visible) == [1.0]
