"""The functions may do everything that they do: the roles of template.yaml, enforced.

Some permissions cannot be tried on the local AWS, which denies them falsely: `airflow:*` on its resources, PutMetricData under its
condition on the namespace (local/README.md), and the SSM reads that name several parameters or a path, which it authorizes against
`*`. A second policy grants these, and no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.process import LocalAws
from support.clients import Clients
from support.deployment import create_pair, upload
from support.pair import Pair, only

DENIED_FALSELY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["airflow:GetEnvironment", "airflow:InvokeRestApi", "cloudwatch:PutMetricData",
                                    "ssm:GetParameters", "ssm:GetParametersByPath"], "Resource": "*"}]}


@pytest.fixture(scope="module")
def enforcing(template: Path) -> Iterator[tuple[LocalAws, Clients, str]]:
    with LocalAws(auth=True) as aws:
        yield aws, Clients(aws), upload(aws, template)


def roles_of(pair: Pair) -> dict[str, str]:
    resources = pair.client("cloudformation").describe_stack_resources(StackName=pair.name)["StackResources"]
    return {entry["LogicalResourceId"]: entry["PhysicalResourceId"] for entry in resources if entry["ResourceType"] == "AWS::IAM::Role"}


@pytest.fixture
def guarded(enforcing: tuple[LocalAws, Clients, str], request: pytest.FixtureRequest) -> Pair:
    aws = enforcing[0]
    request.node.watched = aws, aws.timeline_so_far(), 0.0
    pair = create_pair(*enforcing, BlueHealthAlarmNames="orders-late", GreenHealthAlarmNames="orders-late-too", initialize=False)
    request.node.pairs = [pair]
    for role in roles_of(pair).values():
        pair.client("iam").put_role_policy(RoleName=role, PolicyName="denied-falsely", PolicyDocument=json.dumps(DENIED_FALSELY))
    return pair


def refused_calls(pair: Pair) -> list[dict[str, Any]]:
    return [call for function in ("health-watcher", "switch-handler", "change-listener") for call in pair.calls(function)
            if call["status"] not in (200, 404) and (call["operation"], call["status"]) != ("GetParameterHistory", 400)]


def test_every_path_of_every_function_is_allowed(guarded: Pair):
    pair = guarded
    assert pair.ask(action="initialize")["outcome"] == "initialized"
    pair.wait_until_audited(1)
    assert pair.ask(action="status")["verdicts"]["blue"]["verdict"] == "healthy"
    assert pair.ask(to="green", reason="planned")["outcome"] == "switched"
    pair.wait_until_audited(2)
    assert len(pair.ask(action="history")["entries"]) == 2
    pair.hold("upgrade")
    pair.fail("green")
    assert pair.tick()["blocked_by"] == ["hold"]
    assert only(pair.wait_for_audit("Failover Blocked"))["blocked_by"] == ["hold"]
    pair.release()
    pair.wait_for_audit("Hold Changed", 2)
    assert pair.tick()["decision"] == "failover"
    assert pair.tick()["decision"] == "none"
    assert only(pair.wait_for_audit(version=3))["kind"] == "failover"
    pair.wait_until_audited(3)
    pair.environment("blue", scheduler="unhealthy", heartbeat_metric=False)
    pair.look_once_a_tick()
    pair.tick()  # reads the heartbeat
    pair.delete_flag()
    pair.wait_for_audit("Flag Fault")
    assert pair.tick()["blocked_by"] == ["flag-invalid"]
    assert pair.ask(action="initialize")["outcome"] == "refused"
    assert pair.ask(action="initialize", to="blue", force=True)["outcome"] == "initialized"
    assert refused_calls(pair) == []
    assert {("sns", "Publish", 200)} == {(call["service"], call["operation"], call["status"])
                                         for call in pair.calls("change-listener") if call["service"] == "sns"}
    asked = {(call["service"], call["operation"]) for call in pair.calls("health-watcher")}
    assert {("ssm", "GetParameters"), ("ssm", "PutParameter"), ("ssm", "GetParameterHistory"),
            ("events", "PutEvents"), ("monitoring", "DescribeAlarms"), ("monitoring", "GetMetricData")} <= asked


def test_a_drill_from_beginning_to_end_is_allowed(guarded: Pair):
    pair = guarded
    assert pair.ask(action="initialize")["outcome"] == "initialized"
    pair.wait_until_audited(1)
    assert pair.ask(action="drill", mode="dry", reason="rehearsal")["outcome"] == "succeeded"
    assert pair.ask(action="drill", mode="switch", reason="practice")["outcome"] == "pending"
    pair.fail("green")
    assert pair.tick()["decision"] == "drill-return"
    pair.tick()
    assert [event["outcome"] for event in pair.wait_for_audit("Drill Finished", 2)] == ["succeeded", "failed"]
    pair.wait_until_audited(3)
    assert pair.stored("last-active")["active"] == "blue"
    assert refused_calls(pair) == []


def test_only_the_listener_may_publish_to_the_topic(guarded: Pair):
    """Without its own permission it may not, either: the topic's policy admits the alarms alone."""
    role = roles_of(guarded)["ChangeListenerRole"]
    policy = guarded.client("iam").get_role_policy(RoleName=role, PolicyName="change-listener")["PolicyDocument"]
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Sid"] != "TellPeople"]
    guarded.client("iam").put_role_policy(RoleName=role, PolicyName="change-listener", PolicyDocument=json.dumps(policy))
    error = guarded.error_of("change-listener", {"source": "mwaa.bluegreen", "detail-type": "Flag Fault", "detail": {}})
    assert error["errorType"] == "AuditUndelivered" and "access denied" in error["errorMessage"]


def test_without_the_shared_policies_a_function_may_nothing(guarded: Pair):
    """The counter-check: permissions are enforced here, including those of a policy that roles share."""
    role, iam = roles_of(guarded)["SwitchHandlerRole"], guarded.client("iam")
    assert guarded.ask(action="initialize")["outcome"] == "initialized"
    shared = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert len(shared) == 2
    for policy in shared:
        iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    error = guarded.ask_in_vain(to="green")
    assert error["errorType"] == "StoreUnavailable" and "access denied" in error["errorMessage"]
    assert guarded.stands_at() == ("blue", 1)
    assert refused_calls(guarded)
