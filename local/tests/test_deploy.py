"""A stack with every kind of resource, deployed with the AWS CLI as a person would do it."""

from __future__ import annotations

import json
import shutil
import time
from datetime import datetime

import pytest

from local_aws.process import LocalAws
from support.clients import Clients
from support.local_functions import FILES, QUEUE_SECONDS, SOON, aws_cli, events_seen, invoke
from support.waiting import until

WORKER = "stack-worker"


class Deployed:
    def __init__(self, aws: LocalAws, directory) -> None:
        self.aws, self.directory = aws, directory
        self.client = Clients(aws)
        self.client("s3").create_bucket(Bucket="code")
        for name in ("stack.yaml", "function"):
            (shutil.copytree if (FILES / name).is_dir() else shutil.copy)(FILES / name, directory / name)
        aws_cli(aws, "cloudformation", "package", "--template-file", "stack.yaml", "--s3-bucket", "code",
                "--output-template-file", "packaged.yaml", cwd=directory)
        self.deploying_since = time.time()
        self.deploy()

    def deploy(self, *parameters: str) -> None:
        overrides = ["--parameter-overrides", *parameters] if parameters else []
        aws_cli(self.aws, "cloudformation", "deploy", "--template-file", "packaged.yaml", "--stack-name", "stack",
                "--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset", *overrides, cwd=self.directory)

    def resources(self) -> dict[str, str]:
        found = self.client("cloudformation").describe_stack_resources(StackName="stack")["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}


# For the whole session: the schedule of this stack is checked a minute later.
@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    with LocalAws() as aws:
        yield Deployed(aws, tmp_path_factory.mktemp("stack"))


def test_every_resource_is_there(stack):
    ids = stack.resources()
    assert {"Worker", "Archive", "Both", "Blue", "Address", "Nat", "WorkerTick", "WorkerFlag", "WorkerEventInvokeConfig"} <= ids.keys()
    client = stack.client
    assert client("events").describe_archive(ArchiveName="stack-archive")["RetentionDays"] == 30
    assert client("cloudwatch").describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"][0]["AlarmName"] == "stack-both"
    assert client("mwaa").get_environment(Name="stack-blue")["Environment"]["AirflowVersion"] == "3.0.6"
    assert client("ec2").describe_nat_gateways()["NatGateways"][0]["NatGatewayId"] == ids["Nat"]
    assert client("ec2").describe_addresses()["Addresses"][0]["PublicIp"] == ids["Address"]
    assert client("cloudwatch").get_dashboard(DashboardName="stack")["DashboardBody"]
    assert client("scheduler").get_schedule(Name="stack-drill")["ScheduleExpressionTimezone"] == "Europe/Amsterdam"


def test_the_functions_properties_are_kept(stack):
    client = stack.client("lambda")
    assert client.get_function_concurrency(FunctionName=WORKER)["ReservedConcurrentExecutions"] == 3
    assert client.get_function_configuration(FunctionName=WORKER)["DeadLetterConfig"]["TargetArn"].endswith(":stack-dead-letters")
    settings = client.get_function_event_invoke_config(FunctionName=WORKER, Qualifier="$LATEST")
    assert settings["MaximumRetryAttempts"] == 0 and settings["MaximumEventAgeInSeconds"] == 120
    assert settings["DestinationConfig"]["OnFailure"]["Destination"].endswith(":stack-dead-letters")


def test_each_event_source_invokes_the_function(stack):
    since = stack.aws.timeline_so_far()
    stack.client("ssm").put_parameter(Name="/stack/flag", Value="blue", Type="String")
    stack.aws.put_environment("stack-blue", status="UPDATING")
    stack.client("sns").publish(TopicArn=stack.resources()["Topic"], Message="hello")
    for trigger in ("event:Parameter Store Change", "event:MWAA Environment Status Change", "sns"):
        stack.aws.wait_for("invoke", lambda d, trigger=trigger: d["trigger"] == trigger and d["status"] == "ok", since)
    stack.aws.put_environment("stack-blue", status="AVAILABLE")
    # Only since then: during the creation of a stack a rule can exist before its permission, as on AWS.
    assert not [e for e in stack.aws.timeline(since) if e["what"] == "undelivered"]


def test_the_audit_bus_is_logged_and_archived(stack):
    stack.client("events").put_events(Entries=[{"Source": "mwaa.bluegreen", "DetailType": "x", "Detail": "{}", "EventBusName": "stack-audit"}])
    until("it is in the log", lambda: stack.client("logs").filter_log_events(logGroupName="/aws/events/stack-audit")["events"])
    assert stack.client("events").describe_archive(ArchiveName="stack-archive")["EventCount"] == 1


def test_a_lost_heartbeat_raises_the_alarm_and_wakes_the_function(stack):
    stack.aws.put_environment("stack-blue", scheduler="running", metric_interval_seconds=1)
    until("the alarm changed", lambda: alarm_state(stack, "stack-heartbeat") == "OK")
    since = stack.aws.timeline_so_far()
    stack.aws.put_environment("stack-blue", scheduler="stopped")
    lost = stack.aws.wait_for("heartbeat-lost", since=since)
    raised = stack.aws.wait_for("alarm-state", lambda d: d["alarm"] == "stack-heartbeat" and d["state"] == "ALARM", since,
                                timeout=10 + SOON)
    assert raised["at"] - lost["at"] > 5, "not before its period of ten seconds has passed without a heartbeat"
    stack.aws.wait_for("invoke", lambda d: d["trigger"] == "alarm" and d["status"] == "ok", raised["n"])


def alarm_state(stack, name):
    return stack.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]


def test_a_failing_function_raises_the_alarm_on_its_errors_and_leaves_a_dead_letter(stack):
    assert alarm_state(stack, "stack-trouble") == "OK"
    stack.client("lambda").invoke(FunctionName=WORKER, InvocationType="Event", Payload=json.dumps({"do": "fail"}))
    until("the alarm changed", lambda: alarm_state(stack, "stack-trouble") == "ALARM")
    queue = stack.resources()["DeadLetters"]

    def bodies():
        found = stack.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=QUEUE_SECONDS, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]

    until("the dead letter is there", lambda: any(body.get("requestPayload") == {"do": "fail"} for body in bodies()))


def test_an_update_changes_what_it_says_and_keeps_the_rest(stack):
    archived = stack.client("events").describe_archive(ArchiveName="stack-archive")["EventCount"]
    stack.deploy("Greeting=good-bye", "Concurrency=2", "Retention=60")
    assert invoke(stack.client, WORKER, {"do": "environment"})["GREETING"] == "good-bye"
    assert stack.client("lambda").get_function_concurrency(FunctionName=WORKER)["ReservedConcurrentExecutions"] == 2
    archive = stack.client("events").describe_archive(ArchiveName="stack-archive")
    assert (archive["RetentionDays"], archive["EventCount"]) == (60, archived)


@pytest.mark.last
def test_the_schedule_ticks_every_minute_and_the_stack_can_be_deleted(stack):
    tick = stack.aws.wait_for("invoke", lambda d: d["trigger"] == "schedule", timeout=60 + SOON)
    # The rule was created somewhat later than that.
    assert tick["at"] - stack.deploying_since > 59, "a minute after it was made, and not at once"
    # The log entry may follow the invocation that wrote it.
    event = until("the function saw it", lambda: [e for e in events_seen(stack.client, WORKER) if e.get("source") == "aws.events"])[0]
    assert event["detail-type"] == "Scheduled Event" and event["resources"][0].endswith("rule/stack-tick")
    assert datetime.fromisoformat(event["time"])
    # Full minutes have begun since the deployment: a cron schedule has fired, with the input of its target.
    stack.aws.wait_for("invoke", lambda d: d["trigger"] == "scheduler" and d["status"] == "ok")
    until("the function saw it", lambda: {"note": "by cron"} in events_seen(stack.client, WORKER))
    stack.client("cloudformation").delete_stack(StackName="stack")
    stack.client("cloudformation").get_waiter("stack_delete_complete").wait(StackName="stack", WaiterConfig={"Delay": 1})
    assert stack.client("mwaa").list_environments()["Environments"] == []
    assert stack.client("events").list_archives()["Archives"] == []
    assert stack.client("cloudwatch").describe_alarms(AlarmTypes=["CompositeAlarm", "MetricAlarm"])["MetricAlarms"] == []
