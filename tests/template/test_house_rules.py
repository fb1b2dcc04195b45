"""The demands of an account's rules on the stack: a trail that stays, keys, boundaries, and policies within AWS's limits."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from support.template import EVERYTHING, FUNCTIONS, PSEUDO_PARAMETERS, Stack, all_statements, as_list, load

IAM_CHARACTERS = 10_240
MANAGED_POLICY_CHARACTERS = 6_144
PATTERN_CHARACTERS = 2_048
VARIABLES_BYTES = 4_096

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TRAIL = {"AuditBus", "AuditArchive", "AuditLogGroup"}


def accepted(parameter: str, value: str) -> bool:
    spec = load()["Parameters"][parameter]
    return len(value) <= spec.get("MaxLength", 4096) and re.fullmatch(spec["AllowedPattern"], value) is not None


# ---- What stays ----------------------------------------------------------------------------------------------


def test_the_audit_trail_stays_when_the_stack_goes_or_changes_its_name() -> None:
    resources = load()["Resources"]
    for name in TRAIL:
        assert resources[name]["UpdateReplacePolicy"] == "Retain", name
        assert resources[name]["DeletionPolicy"] in ("Retain", "RetainExceptOnCreate"), name
    for name in TRAIL - {"AuditBus"}:
        assert resources[name]["DeletionPolicy"] == "Retain", name
    stack = Stack()
    assert stack.resources["AuditLogGroup"]["Properties"]["DeletionProtectionEnabled"] is True


def test_what_a_failed_creation_would_leave_comes_last() -> None:
    for name in TRAIL - {"AuditBus"}:
        assert set(FUNCTIONS) <= set(as_list(load()["Resources"][name]["DependsOn"])), name


def test_a_stack_goes_on_with_the_trail_of_an_earlier_one() -> None:
    made, taken = Stack(), Stack(AuditTrail="existing")
    assert set(made.resources) - set(taken.resources) == TRAIL
    assert taken.environment["AUDIT_BUS_NAME"] == made.environment["AUDIT_BUS_NAME"] == "mwaa-blue-green-audit"
    for rule in ("AuditLogRule", "ChangeListenerFunctionNotification"):
        properties = taken.resources[rule]["Properties"]
        assert properties["EventBusName"] == made.resources[rule]["Properties"]["EventBusName"]
    assert taken.resources["AuditLogRule"]["Properties"]["Targets"] == made.resources["AuditLogRule"]["Properties"]["Targets"]
    bus = "arn:aws:events:us-east-1:123456789012:event-bus/mwaa-blue-green-audit"
    publishes = [s["Resource"] for _, s in all_statements(taken) if s["Action"] == "events:PutEvents"]
    assert publishes == [bus] * 3
    policy = json.loads(taken.resources["AuditLogPolicy"]["Properties"]["PolicyDocument"])
    group = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/events/mwaa-blue-green-audit:*"
    assert [s["Resource"] for s in policy["Statement"]] == [group, group]
    assert all(name not in json.dumps(taken.resources) for name in ("AuditBus.Arn", "AuditLogGroup.Arn", "AuditArchive.Arn"))


# ---- What fits -----------------------------------------------------------------------------------------------

# The longest in each partition, and one that is longer than any.
PLACES = [
    ("aws", "ap-southeast-1"), ("aws-cn", "cn-northwest-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-iso", "us-iso-east-1"),
    ("aws-iso-b", "us-isob-east-1"), ("aws-iso-e", "eu-isoe-west-1"), ("aws-iso-f", "us-isof-south-1"),
    ("aws-eusc", "eusc-de-east-1"), ("aws-us-gov", "ap-southeast-22"),
]  # fmt: skip


def longest(length: int, **more: str) -> dict[str, str]:
    root = "/" + "r" * (length - 1)
    return {
        **EVERYTHING, "PairName": "p" * 32, "ParameterRoot": root, "BlueEnvironmentName": "b" * 80, "GreenEnvironmentName": "g" * 80,
        "AirflowRole": "Viewer", "DagManagement": "pause", "KmsKeyArn": KEY, "RolePath": "/" + "x" * 98 + "/", **more,
    }  # fmt: skip


@pytest.mark.parametrize(("partition", "region"), PLACES)
def test_every_policy_fits_however_long_the_names(monkeypatch: pytest.MonkeyPatch, partition: str, region: str) -> None:
    monkeypatch.setitem(PSEUDO_PARAMETERS, "AWS::Partition", partition)
    monkeypatch.setitem(PSEUDO_PARAMETERS, "AWS::Region", region)
    root = load()["Parameters"]["ParameterRoot"]["MaxLength"]
    stack = Stack(**longest(root, BlueRegion=region, GreenRegion=region, KmsKeyArn=KEY.replace("us-east-1", region)))

    def size(document: Any) -> int:
        # An attribute stands for the longest ARN of this stack: of a log group or a role under the longest path.
        arn = f"arn:{partition}:logs:{region}:123456789012:log-group:/aws/lambda/{'p' * 32}-switch-handler:*" + "x" * 60
        return len(re.sub(r'"\w+\.Arn"', json.dumps(arn), json.dumps(document, separators=(",", ":"))))

    for name, role in stack.of_type("AWS::IAM::Role").items():
        written = sum(size(policy["PolicyDocument"]) for policy in role["Policies"])
        assert written <= IAM_CHARACTERS, f"{name}: {written} characters"
    for name, policy in stack.of_type("AWS::IAM::ManagedPolicy").items():
        assert size(policy["PolicyDocument"]) <= MANAGED_POLICY_CHARACTERS, name


def test_the_bound_of_the_root_is_what_keeps_the_policies_within_it() -> None:
    """The counter-check: without the bound they would not fit."""
    stack = Stack(**longest(400))
    shared = stack.of_type("AWS::IAM::ManagedPolicy").values()
    assert max(len(json.dumps(policy["PolicyDocument"], separators=(",", ":"))) for policy in shared) > MANAGED_POLICY_CHARACTERS
    assert accepted("ParameterRoot", "/" + "r" * 99) and not accepted("ParameterRoot", "/" + "r" * 100)


def names(count: int, length: int) -> str:
    return ",".join(f"{number:02}".ljust(length, "a") for number in range(count))


@pytest.mark.parametrize("parameter", ["BlueHealthAlarmNames", "GreenHealthAlarmNames", "DrillAlarmNames"])
def test_as_many_alarms_as_a_rule_can_name_and_no_more(parameter: str) -> None:
    assert accepted(parameter, "") and accepted(parameter, "a") and accepted(parameter, "orders late,orders-failing")
    assert accepted(parameter, names(55, 30)) and not accepted(parameter, names(56, 30))
    assert accepted(parameter, names(6, 255)) and not accepted(parameter, names(7, 255)), "the pattern is full"
    assert not accepted(parameter, "a" * 256), "CloudWatch takes 255 characters"
    for wrong in (",", "a,", ",a", "a,,b", "a, b", " a", "a ,b", 'a"b', "a\\b"):
        assert not accepted(parameter, wrong), wrong


@pytest.mark.parametrize("value", [names(55, 30), names(6, 255), names(55, 30).replace("a", "\u00e9")])
def test_the_longest_list_that_is_taken_fits_the_rule(value: str) -> None:
    for parameter, rule in (("BlueHealthAlarmNames", "BlueNamedAlarmRule"), ("GreenHealthAlarmNames", "GreenNamedAlarmRule"),
                            ("DrillAlarmNames", "DrillNamedAlarmRule")):
        assert accepted(parameter, value)
        stack = Stack(**{parameter: value})
        pattern = stack.resources[rule]["Properties"]["EventPattern"]
        assert pattern["detail"]["alarmName"] == value.split(",")
        assert len(json.dumps(pattern, separators=(",", ":"), ensure_ascii=False)) <= PATTERN_CHARACTERS


def test_the_longest_list_of_one_color_fits_the_variables_of_a_function() -> None:
    """Three of them do not fit, which no CloudFormation rule can check: docs/limits.md says so."""
    stack = Stack(**longest(100, BlueHealthAlarmNames=names(55, 30), GreenHealthAlarmNames="", DrillAlarmNames=""))
    used = sum(len(name.encode()) + len(str(value).encode()) for name, value in stack.environment.items())
    assert used <= VARIABLES_BYTES, used


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({}, False),
        ({"VpcSubnetIds": "subnet-1"}, True),
        ({"VpcSecurityGroupIds": "sg-1"}, True),
        ({"VpcSubnetIds": "subnet-1,subnet-2", "VpcSecurityGroupIds": "sg-1"}, False),
        ({"CertificateLayerArn": "arn:aws:lambda:us-east-1:123456789012:layer:roots:1"}, True),
        ({"CertificateLayerArn": "arn:aws:lambda:us-east-1:123456789012:layer:roots:1", "CertificateFile": "/opt/a.pem"}, False),
        ({"CertificateFile": "/opt/a.pem"}, False),
    ],
)
def test_what_goes_together_is_given_together(given: dict[str, str], refused: bool) -> None:
    assert bool(Stack(**given).refused_by_rules()) == refused


def test_subnets_and_groups_are_ids() -> None:
    assert accepted("VpcSubnetIds", ",".join(["subnet-0a"] * 16)) and not accepted("VpcSubnetIds", ",".join(["subnet-0a"] * 17))
    assert accepted("VpcSecurityGroupIds", ",".join(["sg-0a"] * 5)) and not accepted("VpcSecurityGroupIds", ",".join(["sg-0a"] * 6))
    assert not accepted("VpcSubnetIds", "sg-0a") and not accepted("VpcSubnetIds", "subnet-0a, subnet-0b")
    stack = Stack(VpcSubnetIds="subnet-1,subnet-2", VpcSecurityGroupIds="sg-1")
    placed = stack.resources["HealthWatcherFunction"]["Properties"]["VpcConfig"]
    assert placed == {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}


# ---- Who may do what -----------------------------------------------------------------------------------------


def test_only_the_functions_say_something_on_the_audit_bus() -> None:
    (policy,) = Stack().of_type("AWS::Events::EventBusPolicy").values()
    statement = policy["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "events:PutEvents")
    assert statement["Resource"] == "AuditBus.Arn" and policy["EventBusName"] == "mwaa-blue-green-audit"
    # Both must be true for the denial: the principal is none of our roles, and no AWS service, because a service replays the archive.
    assert statement["Condition"] == {
        "ArnNotEquals": {"aws:PrincipalArn": ["HealthWatcherRole.Arn", "SwitchHandlerRole.Arn", "ChangeListenerRole.Arn"]},
        "Bool": {"aws:PrincipalIsAWSService": "false"},
    }


def test_topic_and_queue_speak_tls_only() -> None:
    stack = Stack()
    for name, action, resource in (("NotificationTopicPolicy", "sns:Publish", "mwaa-blue-green-notifications"),
                                   ("DeadLetterQueuePolicy", "sqs:*", "DeadLetterQueue.Arn")):
        (denied,) = [s for s in stack.resources[name]["Properties"]["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        assert denied == {"Sid": "OnlyByTls", "Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource,
                          "Condition": {"Bool": {"aws:SecureTransport": "false"}}}


def test_the_functions_code_cannot_use_the_rights_on_network_interfaces() -> None:
    stack = Stack(**EVERYTHING)
    allowed, denied = stack.resources["NetworkPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (allowed["Effect"], denied["Effect"], denied["Resource"]) == ("Allow", "Deny", "*")
    assert set(allowed["Action"]) <= set(denied["Action"])
    in_vpc = [p["FunctionName"] for p in stack.of_type("AWS::Lambda::Function").values() if "VpcConfig" in p]
    arns = [f"arn:aws:lambda:us-east-1:123456789012:function:{name}" for name in in_vpc]
    assert denied["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": arns}}


# ---- Keys, boundaries, networks ------------------------------------------------------------------------------


def test_a_key_of_your_own_is_used_for_all_that_lies_somewhere() -> None:
    plain, keyed = Stack(), Stack(KmsKeyArn=KEY)
    fields = {"AWS::Logs::LogGroup": "KmsKeyId", "AWS::SNS::Topic": "KmsMasterKeyId", "AWS::SQS::Queue": "KmsMasterKeyId",
              "AWS::Events::EventBus": "KmsKeyIdentifier", "AWS::Events::Archive": "KmsKeyIdentifier"}
    for type_name, field in fields.items():
        assert plain.of_type(type_name) and all(field not in p for p in plain.of_type(type_name).values()), type_name
        assert all(p[field] == KEY for p in keyed.of_type(type_name).values()), type_name
    assert "SqsManagedSseEnabled" not in keyed.resources["DeadLetterQueue"]["Properties"]
    uses = {role for role, s in all_statements(keyed) if "kms:GenerateDataKey" in as_list(s["Action"]) and s["Resource"] == KEY}
    assert uses == {name.replace("Function", "Role") for name in FUNCTIONS}
    assert "kms:" not in json.dumps(plain.resources)


def test_every_role_has_the_boundary_and_the_path() -> None:
    boundary = "arn:aws:iam::123456789012:policy/boundary"
    stack = Stack(**EVERYTHING, PermissionsBoundaryArn=boundary, RolePath="/teams/data/")
    assert len(stack.of_type("AWS::IAM::Role")) == 4
    for name, role in stack.of_type("AWS::IAM::Role").items():
        assert (role["Path"], role["PermissionsBoundary"]) == ("/teams/data/", boundary), name
    assert {policy["Path"] for policy in stack.of_type("AWS::IAM::ManagedPolicy").values()} == {"/teams/data/"}
    assert all("PermissionsBoundary" not in role for role in Stack().of_type("AWS::IAM::Role").values())


def test_endpoints_and_certificates_reach_every_function() -> None:
    layer = "arn:aws:lambda:us-east-1:123456789012:layer:roots:1"
    stack = Stack(FipsEndpoints="true", CertificateFile="/opt/roots.pem", CertificateLayerArn=layer)
    assert stack.environment["AWS_USE_FIPS_ENDPOINT"] == "true" and stack.environment["SSL_CERT_FILE"] == "/opt/roots.pem"
    assert all(p["Layers"] == [layer] for p in stack.of_type("AWS::Lambda::Function").values())
    assert all(environment == stack.environment for environment in list(stack.environments.values())[:2])
    assert not {"AWS_USE_FIPS_ENDPOINT", "SSL_CERT_FILE"} & set(Stack().environment), "an empty one would be read as a path"


ENDPOINTS = {"SsmEndpointUrl": "SSM", "CloudWatchEndpointUrl": "CLOUDWATCH", "EventBridgeEndpointUrl": "EVENTBRIDGE", "SnsEndpointUrl": "SNS"}
ENDPOINT = "https://vpce-0a1b2c-3d4e.ssm.eu-west-1.vpce.amazonaws.com"


@pytest.mark.parametrize("parameter", ENDPOINTS)
def test_an_endpoint_of_your_own_reaches_every_function_and_no_other_service(parameter: str) -> None:
    def named(stack: Stack) -> dict[str, str]:
        return {name: url for name, url in stack.environment.items() if name.startswith("AWS_ENDPOINT_URL")}

    assert named(Stack(**{parameter: ENDPOINT})) == {f"AWS_ENDPOINT_URL_{ENDPOINTS[parameter]}": ENDPOINT}
    assert named(Stack()) == {}, "an empty one would be read as none, and is one name more in the console"
    good = ["", ENDPOINT, ENDPOINT + "/", ENDPOINT + ":8443"]
    bad = ["http://a.b", "a.b", "https://", "https://a b", "https://a/b", "https://a.b?c", ENDPOINT + " ", "https://a:port"]
    assert all(accepted(parameter, value) for value in good), good
    assert not [value for value in bad if accepted(parameter, value)]
    # The SDKs refuse both together at every call.
    both = Stack(**{parameter: ENDPOINT}, FipsEndpoints="true")
    assert [parameter in told for told in both.refused_by_rules()] == [True]
    assert Stack(**{parameter: ENDPOINT}).refused_by_rules() == [] == Stack(FipsEndpoints="true").refused_by_rules()


def test_cloudwatchs_endpoint_is_of_one_region() -> None:
    def broken(**regions: str) -> list[str]:
        return Stack(CloudWatchEndpointUrl=ENDPOINT, **regions).refused_by_rules()

    assert ["CloudWatchEndpointUrl" in told for told in broken(BlueRegion="eu-west-1", GreenRegion="eu-central-1")] == [True]
    assert broken(BlueRegion="eu-west-1", GreenRegion="eu-west-1") == []


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("KmsKeyArn", ["", KEY], ["alias/x", KEY.replace("key/", "alias/"), "1234abcd"]),
        ("PermissionsBoundaryArn", ["", "arn:aws:iam::aws:policy/PowerUserAccess"], ["boundary", "arn:aws:iam::1:policy/x"]),
        ("RolePath", ["/", "/a/", "/teams/data/"], ["", "a", "/a", "a/", "//"]),
        ("CertificateFile", ["", "/opt/a/b.pem"], ["opt/a.pem", "/opt/a b.pem"]),
    ],
)
def test_house_rules_are_checked_before_anything_is_made(parameter: str, good: list[str], bad: list[str]) -> None:
    assert all(accepted(parameter, value) for value in good), good
    assert not [value for value in bad if accepted(parameter, value)]
