"""Function processes: their environment, and the fate of an invocation whose process dies."""

from __future__ import annotations

import json
import os
import time

import pytest

from support.local_functions import SOON, alive, arn_of, events_seen, function_zip, invoke, received
from support.waiting import until


def metric_sum(client, function, name):
    now = time.time()
    answer = client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda", MetricName=name, Dimensions=[{"Name": "FunctionName", "Value": function}],
        StartTime=now - 60, EndTime=now + 60, Period=3600, Statistics=["Sum"])
    return sum(point["Sum"] for point in answer["Datapoints"])


def test_a_function_sees_lambdas_environment_and_nothing_of_ours(client, function, local_aws):
    client("lambda").update_function_configuration(FunctionName=function, Environment={"Variables": {"PAIR_NAME": "p"}})
    seen = invoke(client, function, {"do": "environment"})
    assert seen["PAIR_NAME"] == "p"
    assert seen["AWS_ENDPOINT_URL"] == local_aws.endpoint
    assert seen["AWS_REGION"] == "us-east-1" and seen["AWS_LAMBDA_FUNCTION_NAME"] == function
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA") and seen["AWS_SESSION_TOKEN"]
    allowed = {"PATH", "LANG", "TZ", "LAMBDA_TASK_ROOT", "_HANDLER", "PAIR_NAME", "LC_CTYPE", "PWD"}
    assert {name for name in seen if not name.startswith("AWS_")} <= allowed
    assert "PYTEST_CURRENT_TEST" in os.environ and "PYTEST_CURRENT_TEST" not in seen


def test_a_warm_process_is_used_again(client, function):
    assert invoke(client, function, {"do": "pid"}) == invoke(client, function, {"do": "pid"})


@pytest.mark.parametrize(("event", "message"), [
    ({"do": "kill"}, "signal: killed"), ({"do": "exit", "code": 3}, "exit status 3")])
def test_a_process_that_dies_is_answered_as_lambda_does_and_the_next_is_fresh(client, function, event, message):
    before = invoke(client, function, {"do": "pid"})
    error = invoke(client, function, event)["error"]
    assert error["errorType"] == "Runtime.ExitError" and message in error["errorMessage"]
    assert invoke(client, function, {"do": "pid"}) != before


def test_a_time_out_ends_the_process(client, function):
    client("lambda").update_function_configuration(FunctionName=function, Timeout=3)
    pid = invoke(client, function, {"do": "pid"})
    started = time.monotonic()
    error = invoke(client, function, {"do": "sleep", "seconds": 2 * SOON})["error"]
    assert error["errorType"] == "Sandbox.Timedout" and "timed out after 3.00 seconds" in error["errorMessage"]
    assert time.monotonic() - started < SOON
    until("the process is gone", lambda: not alive(pid))


def test_a_function_error_keeps_the_process_and_its_type(client, function):
    pid = invoke(client, function, {"do": "pid"})
    assert invoke(client, function, {"do": "fail"})["error"] == {"errorType": "ValueError", "errorMessage": "asked to fail"}
    assert invoke(client, function, {"do": "pid"}) == pid


def test_every_invocation_is_measured_and_in_the_timeline(client, function, local_aws):
    since = local_aws.timeline_so_far()
    invoke(client, function, {})
    invoke(client, function, {"do": "fail"})
    assert metric_sum(client, function, "Invocations") == 2
    assert metric_sum(client, function, "Errors") == 1
    assert metric_sum(client, function, "Throttles") == 0
    assert metric_sum(client, function, "Duration") > 0
    entries = [e["detail"] for e in local_aws.timeline(since) if e["what"] == "invoke"]
    assert [(e["function"], e["trigger"], e["status"]) for e in entries] == [
        (function, "invoke", "ok"), (function, "invoke", "error:ValueError")]
    assert all(0 < e["duration_ms"] < SOON * 1000 for e in entries)
    assert [e["pid"] for e in entries] == [invoke(client, function, {"do": "pid"})] * 2


def test_an_asynchronous_invocation_is_tried_three_times_and_then_goes_to_its_destination(client, function):
    queue = client("sqs").create_queue(QueueName=function)["QueueUrl"]
    client("lambda").put_function_event_invoke_config(FunctionName=function, DestinationConfig={
        "OnFailure": {"Destination": f"arn:aws:sqs:us-east-1:000000000000:{function}"}})
    client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps({"do": "fail"}))
    record = json.loads(received(client, queue)["Body"])
    assert record["requestPayload"] == {"do": "fail"}
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["functionArn"].startswith(arn_of(function))
    assert record["requestContext"]["approximateInvokeCount"] == 3
    until("the function saw it", lambda: len(events_seen(client, function)) == 3)
    assert metric_sum(client, function, "Errors") == 3


def test_without_retries_the_event_goes_to_the_dead_letter_queue_at_once(client, function):
    queue = client("sqs").create_queue(QueueName=function)["QueueUrl"]
    client("lambda").update_function_configuration(
        FunctionName=function, DeadLetterConfig={"TargetArn": f"arn:aws:sqs:us-east-1:000000000000:{function}"})
    client("lambda").put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps({"do": "fail"}))
    assert json.loads(received(client, queue)["Body"]) == {"do": "fail"}
    until("the function saw it", lambda: len(events_seen(client, function)) == 1)


def test_a_throttled_event_waits_and_loses_no_retry(client, function):
    client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    client("lambda").put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    for number in (1, 2):
        client("lambda").invoke(FunctionName=function, InvocationType="Event",
                                Payload=json.dumps({"do": "sleep", "seconds": 1.5, "number": number}))
    until("the function saw it", lambda: len(events_seen(client, function)) == 2)
    assert metric_sum(client, function, "Throttles") >= 1
    assert metric_sum(client, function, "Errors") == 0


def test_a_stack_that_goes_takes_its_processes_with_it(client, unique):
    client("s3").create_bucket(Bucket=unique)
    client("s3").put_object(Bucket=unique, Key="function.zip", Body=function_zip())
    resource = {"Type": "AWS::Lambda::Function", "Properties": {
        "FunctionName": unique, "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": "arn:aws:iam::000000000000:role/x",
        "Code": {"S3Bucket": unique, "S3Key": "function.zip"}}}
    stacks = client("cloudformation")
    stacks.create_stack(StackName=unique, TemplateBody=json.dumps({"Resources": {"Function": resource}}))
    until("the stack is complete", lambda: stacks.describe_stacks(StackName=unique)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    process = invoke(client, unique, {"do": "pid"})
    assert alive(process)
    stacks.delete_stack(StackName=unique)
    until("the process is gone", lambda: not alive(process))
