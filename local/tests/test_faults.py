"""Faults in front of every call."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from local_aws.process import LocalAwsError
from support.clients import READ_SECONDS
from support.local_functions import alive, invoke
from support.waiting import until


def refused(call) -> tuple[str, int]:
    with pytest.raises(ClientError) as error:
        call()
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def put(client, name, value="blue", **more):
    return client("ssm").put_parameter(Name=name, Value=value, Type="String", **more)


def value_of(client, name):
    return client("ssm").get_parameter(Name=name)["Parameter"]["Value"]


CALLS = {
    "ssm": lambda client: client("ssm").get_parameters(Names=["/x"]),
    "airflow": lambda client: client("mwaa").list_environments(),
    "monitoring": lambda client: client("cloudwatch").describe_alarms(),
    "events": lambda client: client("events").list_rules(),
    "lambda": lambda client: client("lambda").list_functions(),
    "sns": lambda client: client("sns").list_topics(),
    "s3": lambda client: client("s3").list_buckets(),
}
THROTTLES = {"s3": ("SlowDown", 503)}


@pytest.mark.parametrize("service", CALLS)
def test_an_sdk_reads_the_errors_in_the_protocol_of_each_service(local_aws, client, service):
    local_aws.add_fault("throttle", service, times=1)
    assert refused(lambda: CALLS[service](client)) == THROTTLES.get(service, ("ThrottlingException", 400))
    local_aws.add_fault("error:SomethingElse", service, times=1)
    assert refused(lambda: CALLS[service](client))[0] == "SomethingElse"
    local_aws.add_fault("access-denied", service, times=1)
    code, status = refused(lambda: CALLS[service](client))
    assert code.startswith("AccessDenied") and status in (400, 403)
    local_aws.add_fault("server-error", service, times=1)
    assert refused(lambda: CALLS[service](client))[1] == 500
    CALLS[service](client)
    assert [(f["kind"], f["hits"]) for f in local_aws.faults()] == [
        ("throttle", 1), ("error:SomethingElse", 1), ("access-denied", 1), ("server-error", 1)]


@pytest.mark.parametrize(("alias", "service"), [("mwaa", "airflow"), ("cloudwatch", "monitoring")])
def test_services_have_a_second_name(local_aws, client, alias, service):
    local_aws.add_fault("throttle", alias)
    assert refused(lambda: CALLS[service](client))[0] == "ThrottlingException"


def test_a_fault_is_for_its_operation_and_what_it_matches(local_aws, client, unique):
    local_aws.add_fault("error:TooManyUpdates", "ssm", "PutParameter", match="/flag")
    assert refused(lambda: put(client, f"/{unique}/flag"))[0] == "TooManyUpdates"
    put(client, f"/{unique}/other")
    assert refused(lambda: client("ssm").get_parameter(Name=f"/{unique}/flag"))[0] == "ParameterNotFound"


def test_a_path_is_matched_too(local_aws, client, unique):
    for name in ("blue", "green"):
        local_aws.put_environment(f"{unique}-{name}")
    local_aws.add_fault("throttle", "airflow", "GetEnvironment", match=f"{unique}-blue")
    assert refused(lambda: client("mwaa").get_environment(Name=f"{unique}-blue"))[0] == "ThrottlingException"
    assert client("mwaa").get_environment(Name=f"{unique}-green")


def test_a_fault_lasts_as_often_as_asked_and_can_be_removed(local_aws, client):
    twice = local_aws.add_fault("throttle", "ssm", times=2)
    for _ in range(2):
        refused(lambda: CALLS["ssm"](client))
    CALLS["ssm"](client)
    for_ever = local_aws.add_fault("throttle", "ssm")
    for _ in range(3):
        refused(lambda: CALLS["ssm"](client))
    local_aws.clear_faults(for_ever)
    CALLS["ssm"](client)
    assert [(f["id"], f["hits"]) for f in local_aws.faults()] == [(twice, 2)]


def test_a_fault_of_probability_nought_never_happens(local_aws, client):
    local_aws.add_fault("throttle", "ssm", probability=0.0)
    for _ in range(20):
        CALLS["ssm"](client)


@pytest.mark.parametrize("body", [{"kind": "explosion"}, {"kind": "latency"}, {"kind": "stale"}, {"kind": "stale", "service": "lambda", "stale_seconds": 1},
                                  {"kind": "stale", "service": "ssm", "stale_seconds": 1, "as_of": 1},
                                  {"kind": "throttle", "color": "blue"}, {}])
def test_a_fault_that_makes_no_sense_is_refused(local_aws, body):
    with pytest.raises(LocalAwsError, match=r"kind|latency_ms|stale|color"):
        local_aws.control("POST", "faults", body)


def test_latency(local_aws, client):
    local_aws.add_fault("latency", "ssm", latency_ms=300)
    started = time.monotonic()
    CALLS["ssm"](client)
    assert time.monotonic() - started >= 0.3


def test_a_time_out_does_no_work_and_never_answers(local_aws, client, unique):
    local_aws.add_fault("timeout", "ssm", "PutParameter", latency_ms=300, times=1)
    started = time.monotonic()
    with pytest.raises(BotoCoreError):
        put(client, f"/{unique}")
    assert 0.3 <= time.monotonic() - started < READ_SECONDS / 2, "the connection ends, not the client's patience"
    assert put(client, f"/{unique}")["Version"] == 1


@pytest.mark.parametrize("kind", ["lost-response", "lost-response-timeout"])
def test_a_lost_response_does_the_work(local_aws, client, unique, kind):
    local_aws.add_fault(kind, "ssm", "PutParameter", latency_ms=200)
    with pytest.raises((BotoCoreError, ClientError)) as error:
        put(client, f"/{unique}")
    assert isinstance(error.value, ClientError) == (kind == "lost-response")
    assert value_of(client, f"/{unique}") == "blue"


def test_a_malformed_answer(local_aws, client):
    local_aws.add_fault("malformed", "ssm", times=1)
    assert "Parameters" not in CALLS["ssm"](client)  # botocore ignores it; the Rust SDK does not
    assert "Parameters" in CALLS["ssm"](client)


def write(client, function, name):
    return invoke(client, function, {"do": "ssm", "operation": "PutParameter", "body": {"Name": name, "Value": "blue", "Type": "String"}})


@pytest.mark.parametrize(("kind", "done"), [("kill-caller", False), ("kill-caller-after", True)])
def test_the_process_that_calls_is_killed(local_aws, client, function, kind, done):
    pid = invoke(client, function, {"do": "pid"})
    local_aws.add_fault(kind, "ssm", "PutParameter", times=1)
    error = write(client, function, f"/{function}")["error"]
    assert error["errorType"] == "Runtime.ExitError" and "signal: killed" in error["errorMessage"]
    assert local_aws.wait_for("fault", lambda d: d["kind"] == kind)["detail"]["killed"] == pid
    until("the process is gone", lambda: not alive(pid))
    if done:
        assert value_of(client, f"/{function}") == "blue"
    else:
        assert write(client, function, f"/{function}")["Version"] == 1


def test_only_function_processes_are_killed(local_aws, client, unique):
    local_aws.add_fault("kill-caller")
    put(client, f"/{unique}")  # the test's own process
    assert local_aws.faults()[0]["hits"] == 0


def test_faults_reach_the_calls_of_functions(local_aws, client, function):
    local_aws.add_fault("throttle", "ssm", "PutParameter", times=1)
    assert "error" in write(client, function, f"/{function}")
    assert write(client, function, f"/{function}")["Version"] == 1


def test_the_log_of_calls(local_aws, client, function):
    invoke(client, function, {})
    since = local_aws.calls_so_far()
    local_aws.add_fault("throttle", "ssm", "GetParameters", times=1)
    refused(lambda: CALLS["ssm"](client))
    CALLS["monitoring"](client)
    CALLS["airflow"](client)
    write(client, function, f"/{function}")
    seen = [(c["service"], c["operation"], c["caller"], c["status"], c["fault"]) for c in local_aws.calls(since)]
    assert seen == [
        ("ssm", "GetParameters", "root", 400, "throttle"),
        ("monitoring", "DescribeAlarms", "root", 200, None),
        ("airflow", "ListEnvironments", "root", 200, None),
        ("lambda", "Invoke", "root", 200, None),
        ("ssm", "PutParameter", function, 200, None),
    ]
    first = local_aws.calls(since)[0]
    assert first["n"] == since and first["ms"] >= 0 and abs(first["at"] - time.time()) < 30


@pytest.mark.parametrize("path", ["nothing", "faults/none", "mwaa/environments/none"])
def test_what_the_control_api_does_not_have(local_aws, path):
    with pytest.raises(LocalAwsError):
        local_aws.control("DELETE", path)


def test_a_fault_can_begin_after_some_calls(local_aws, client):
    local_aws.clear_faults()
    local_aws.add_fault("throttle", "sns", after=2, times=1)
    CALLS["sns"](client)
    CALLS["sns"](client)
    assert refused(lambda: CALLS["sns"](client))[0] == "ThrottlingException"
    CALLS["sns"](client)


def test_a_fault_can_be_for_one_caller(local_aws, client, function):
    local_aws.add_fault("throttle", "ssm", "PutParameter", caller=function, after=1, times=1)
    put(client, f"/{function}/mine")
    assert write(client, function, f"/{function}/1")["Version"] == 1
    put(client, f"/{function}/mine-too")
    assert "error" in write(client, function, f"/{function}/2"), "the second of its own, not of all"
    assert write(client, function, f"/{function}/2")["Version"] == 1
